"""Monte Carlo of a migration that skips free pages: the guest's lists, the report, the race with the sender."""

from dataclasses import dataclass, field

import numpy as np

from nfvlab import results
from nfvlab.freepages import forwarding
from nfvlab.freepages.free_memory import BLOCK_PAGES, FreeMemory, guest_with_free_lists
from nfvlab.freepages.hint_driver import Driver, FreePageQueue
from nfvlab.freepages.hints import Device, Notify
from nfvlab.freepages.params import OUTPUTS, Params, packets_per_s
from nfvlab.kernels import pagemap
from nfvlab.precopy import simulation as precopy
from nfvlab.precopy.guest import Guest
from nfvlab.precopy.migration_thread import STOPPED, MigrationThread


@dataclass(frozen=True)
class Run(precopy.Run):
    """One simulated migration, what was skipped, and what became of the packets."""

    skipped_pages: int
    report_ns: float
    forwarded: forwarding.Forwarded


@dataclass(frozen=True, kw_only=True)
class Samples(precopy.Samples):
    """n independent migrations."""

    runs: tuple[Run, ...]
    names = OUTPUTS

    def values(self, name: str) -> np.ndarray:
        """The output `name` of every run, float64 of shape (n,)."""
        if name in ("skipped_pages", "report_ns"):
            return np.array([float(getattr(run, name)) for run in self.runs])
        if name in ("lost_count", "ring_drop_count"):
            return np.array([float(getattr(run.forwarded, name)) for run in self.runs])
        return super().values(name)


@dataclass
class BitmapThread(MigrationThread):
    """The talk's way: log first, then ask for one bitmap of free pages, wait for it, filter, then send.

    The dirty log has been on since the set-up, so that a page the guest takes into use while the bitmap is on its way
    comes back with the next synchronisation.
    """

    free: FreeMemory = None
    skipped_pages: int = 0
    report_ns: float = 0.0

    def begin_bulk(self) -> None:
        """Ask, let the guest walk its free lists, take what it reports out of the migration bitmap."""
        p = self.p
        self.report_ns = (
            p.request_ns + p.walk_block_ns * self.free.blocks + p.walk_page_ns * self.free.free_pages
        )
        folded = self.free.memory_map.to_ram_block(self.free.raw_bitmap())
        self.elapse(self.report_ns)
        self.skipped_pages = int(pagemap.subtract(self.bitmap[: folded.size], folded))
        self.left -= self.skipped_pages


@dataclass
class HintThread(MigrationThread):
    """Today's way: virtio-balloon hints 4 MiB blocks while the sender is already walking from page 0."""

    free: FreeMemory = None
    skipped_pages: int = 0
    report_ns: float = 0.0
    hint_at_ns: float = field(default=np.inf)

    def __post_init__(self):
        super().__post_init__()
        self.device = Device(self._unmark, memory_map=self.free.memory_map)
        self.queue = FreePageQueue()
        zero = self._zero if self.p.init_on_alloc else None
        self.driver = Driver(self.queue, self._allocate, lambda pfn: None, zero)
        self.first_hint_ns = np.nan

    def bitmap_sync(self) -> None:
        """Hints stop before the dirty log is merged and are asked for anew, under a new command id, after it."""
        running = self.phase != STOPPED
        self._notify(Notify.BEFORE_BITMAP_SYNC, running)
        super().bitmap_sync()
        self._notify(Notify.AFTER_BITMAP_SYNC, running)
        if running:
            self.hint_at_ns = max(self.now_ns + self.p.request_ns, 0.0)

    def elapse(self, dt_ns: float) -> None:
        """Time passes; the driver's steps that fall into it happen, and the device takes what they offer."""
        super().elapse(dt_ns)
        while self.phase != STOPPED and self.hint_at_ns <= self.now_ns:
            more = self.driver.step(self.device)
            while self.queue.serve(self.device):
                pass
            self.queue.collect()
            self.hint_at_ns = self.hint_at_ns + self._next_ns() if more else np.inf

    def slice_ns(self) -> float:
        """While hints come in, the walk stops for each of them."""
        return (
            np.inf
            if np.isinf(self.hint_at_ns)
            else max(self.hint_at_ns - self.now_ns, self.p.hint_block_ns / 4)
        )

    def _next_ns(self) -> float:
        """What the driver's next step takes: a block is allocated, zeroed and offered; ids cost nothing."""
        if self.driver.phase != "pages":
            return 0.0
        zeroing = BLOCK_PAGES * self.p.fresh_touch_ns if self.p.init_on_alloc else 0.0
        return self.p.hint_block_ns + zeroing

    def _notify(self, event: Notify, running: bool) -> None:
        self.device.running = running
        before = self.device.config_changes
        self.device.notify(event)
        if self.device.config_changes != before:
            self.driver.config_changed()

    def _allocate(self) -> int | None:
        return self.free.allocate_block(self.p.hint_reserve_pages)

    def _zero(self, first_pfn: int) -> None:
        """init_on_alloc=1: the guest writes zeroes to the whole block before it hints it."""
        page = self.free.memory_map.page_of(first_pfn)
        pagemap.set_range(self.guest.dirty_log, page, page + BLOCK_PAGES)
        pagemap.clear_range(self.guest.nonzero, page, page + BLOCK_PAGES)

    def _unmark(self, first_pfn: int, pages: int) -> None:
        """qemu_guest_free_page_hint: clear the bits in the migration bitmap, never in the dirty log."""
        if np.isnan(self.first_hint_ns):
            self.first_hint_ns = self.hint_at_ns  # which may lie in a sleep of the sender
            self.report_ns = self.first_hint_ns - self.totals.setup_time_ns
        page = self.free.memory_map.page_of(first_pfn)
        cleared = int(pagemap.clear_range(self.bitmap, page, page + pages))
        self.left -= cleared
        self.skipped_pages += cleared


def thread(p: Params, rng: np.random.Generator) -> MigrationThread:
    """The migration thread that the scenario asks for, on a fresh guest."""
    nonzero, free = guest_with_free_lists(p, rng)
    guest = Guest(p, rng, nonzero)
    if not p.skipping:
        return MigrationThread(p, rng, guest)
    kind = BitmapThread if p.transport == "bitmap" else HintThread
    return kind(p, rng, guest, free=free)


def migrate(p: Params, rng: np.random.Generator) -> Run:
    """One migration, and the packets meanwhile."""
    source = thread(p, rng)
    run = precopy.run(source)
    forwarded = forwarding.forward(
        forwarding.gaps_of(run, sync_gap_ns=p.sync_gap_ns),
        rate_per_s=packets_per_s(p),
        capacity_per_s=p.forward_capacity_per_s,
        ring_count=p.ring_count,
        until_ns=max(source.now_ns, float(np.nan_to_num(run.totals.stopped_at_ns + run.totals.pause_ns))),
    )
    skipped = getattr(source, "skipped_pages", 0)
    return Run(
        run.totals, run.timeline, run.sync_times_ns, skipped, getattr(source, "report_ns", 0.0), forwarded
    )


def simulate(p: Params, *, rng: np.random.Generator, n: int) -> Samples:
    """n independent migrations, each with its own generator spawned from `rng`."""
    entropy = results.provenance(rng)
    return Samples(params=p, entropy=entropy, n=n, runs=tuple(migrate(p, child) for child in rng.spawn(n)))
