"""QEMU's migration thread: windows, bursts, the stop rule, synchronisations, stop-and-copy.

Source: QEMU 7.2 migration/migration.c (migration_thread, migration_iteration_run, migration_update_counters,
migration_rate_limit, migration_completion) and migration/ram.c (ram_save_iterate, ram_save_pending,
migration_bitmap_sync, migration_trigger_throttle); the words are QEMU's.
"""

import math
from dataclasses import dataclass, field

import numpy as np

from nfvlab.kernels import pagemap, pipe
from nfvlab.precopy.guest import Guest
from nfvlab.precopy.params import HEADER_BYTES, PAGE_BYTES, ZERO_PAGE_BYTES, Params, ram_pages
from nfvlab.units import GiB, s

END_OF_SECTION_BYTES = 8
BLOCK_NAME_BYTES = 8
BULK, ITERATE, STOPPED = "bulk", "iterate", "stop-and-copy"


@dataclass
class Totals:
    """What query-migrate reports at the end, in nfvlab's units."""

    total_time_ns: float = math.nan
    downtime_ns: float = math.nan
    pause_ns: float = math.nan
    setup_time_ns: float = 0.0
    transferred_bytes: float = 0.0
    precopy_bytes: float = 0.0
    downtime_bytes: float = 0.0
    remaining_bytes: float = 0.0
    ram_bytes: float = 0.0
    normal_pages: int = 0
    duplicate_pages: int = 0
    dirty_sync_count: int = 0
    dirty_pages_per_s: float = 0.0
    throughput_bytes_per_s: float = 0.0
    pages_per_s: float = 0.0
    throttle_frac: float = 0.0
    converged: bool = False
    stopped_at_ns: float = math.nan

    @property
    def normal_bytes(self) -> float:
        """Bytes of page content sent."""
        return self.normal_pages * PAGE_BYTES


@dataclass
class Row:
    """One line of the timeline: the state at the end of a window."""

    t_ns: float
    phase: str
    sent_bytes: float
    transferred_bytes: float
    remaining_pages: int
    dirty_pages_per_s: float
    throttle_frac: float
    dirty_sync_count: int


@dataclass
class MigrationThread:
    """The source's migration thread, the guest it copies and the pipe to the destination."""

    p: Params
    rng: np.random.Generator
    guest: Guest
    totals: Totals = field(default_factory=Totals)
    timeline: list[Row] = field(default_factory=list)
    sync_times_ns: list[float] = field(default_factory=list)

    def __post_init__(self):
        p = self.p
        self.pages = ram_pages(p)
        self.bitmap = pagemap.full(self.pages)
        self.seen = pagemap.zeros(self.pages)
        self.left = self.pages
        self.cursor = 0
        self.now_ns = 0.0
        self.clock = np.zeros(3)
        self.pipe = pipe.new_ring()
        self.phase = BULK
        self.rate_limit_bytes = p.max_bandwidth_bytes_per_s * p.window_ns / s
        self.rate_limit_used = 0.0
        self.threshold_bytes = 0.0
        self.dirtied_pages = 0
        self.dirty_rate_high_count = 0
        self.last_sync_ns = math.nan
        self.sent_at_sync = 0.0
        self.sizes = np.array([ZERO_PAGE_BYTES, HEADER_BYTES + PAGE_BYTES, HEADER_BYTES + PAGE_BYTES], dtype=float)

    def run(self) -> Totals:
        """Migrate, or give up."""
        self.totals.ram_bytes = self.pages * PAGE_BYTES
        self.elapse(self.p.setup_ns)
        self.totals.setup_time_ns = self.now_ns
        self.bitmap_sync()
        self.start_window()
        while self.now_ns < self.p.give_up_ns:
            if not self.rate_limited() and self.iteration_run():
                return self.finish(converged=True)
            self.rate_limit()
        return self.finish(converged=False)

    # -- time ---------------------------------------------------------------------------------------------------

    def elapse(self, dt_ns: float) -> None:
        """Time passes in the migration thread; the guest runs meanwhile unless it is stopped."""
        if self.phase != STOPPED:
            self.guest.run(dt_ns)
        self.now_ns += dt_ns

    def start_window(self) -> None:
        self.window_start_ns = self.now_ns
        self.window_sent = self.totals.transferred_bytes
        self.window_pages = self.pages_sent()
        self.rate_limit_used = 0.0

    def rate_limited(self) -> bool:
        """qemu_file_rate_limit: more was put than the window's budget allows."""
        return self.rate_limit_used > self.rate_limit_bytes

    def rate_limit(self) -> None:
        """migration_rate_limit: close a window that is over; sleep to its end when the budget is spent."""
        self.update_counters()
        if self.rate_limited():
            rest = self.window_start_ns + self.p.window_ns - self.now_ns
            self.elapse(max(rest, 0.0) + self.rng.exponential(self.p.wakeup_ns) if self.p.wakeup_ns else max(rest, 0.0))
            self.update_counters()

    def update_counters(self) -> None:
        """migration_update_counters: bandwidth, threshold and a new budget, once a window."""
        length = self.now_ns - self.window_start_ns
        if length < self.p.window_ns:
            return
        sent = self.totals.transferred_bytes - self.window_sent
        bandwidth = sent / length
        expected = self.p.avail_switchover_bytes_per_s / s or bandwidth
        self.threshold_bytes = expected * self.p.downtime_limit_ns
        self.totals.throughput_bytes_per_s = bandwidth * s
        self.totals.pages_per_s = (self.pages_sent() - self.window_pages) / length * s
        self.record(sent)
        self.start_window()

    def record(self, sent: float) -> None:
        """Add the window that ends now to the timeline."""
        t = self.totals
        self.timeline.append(
            Row(
                self.now_ns,
                self.phase,
                sent,
                t.transferred_bytes,
                self.left,
                t.dirty_pages_per_s,
                self.guest.throttle,
                t.dirty_sync_count,
            )
        )

    # -- one iteration ------------------------------------------------------------------------------------------

    def iteration_run(self) -> bool:
        """migration_iteration_run: send on, or stop the guest and complete; True when complete."""
        if self.pending_bytes() < self.threshold_bytes:
            self.bitmap_sync()
        pending = self.pending_bytes()
        if pending and pending >= self.threshold_bytes:
            self.save_iterate()
            return False
        self.complete()
        return True

    def pending_bytes(self) -> float:
        """Bytes of the pages left in the migration bitmap."""
        return float(self.left * PAGE_BYTES)

    def save_iterate(self) -> None:
        """ram_save_iterate: send until the budget is spent, nothing is left, or MAX_WAIT has passed."""
        self.send(self.rate_limit_bytes - self.rate_limit_used, self.now_ns + self.p.iterate_max_ns)

    def send(self, budget: float, deadline_ns: float) -> None:
        """Walk the bitmap from the cursor within a budget of bytes and time."""
        p, t = self.p, self.totals
        speed = self.host_speed()
        link_ns = s / (p.link_bytes_per_s * p.link_share_frac)
        produce = np.array([p.zero_scan_ns, p.send_ns, p.send_ns]) * speed
        transport = self.sizes * link_ns + np.array([0.0, p.link_page_ns, p.link_page_ns])
        consume = np.array([p.zero_load_ns, p.first_touch_ns, p.again_ns]) * speed
        self.clock[0] = self.now_ns
        sent, put, self.cursor, self.left = pipe.walk(
            self.bitmap,
            self.guest.nonzero,
            self.seen,
            self.cursor,
            self.left,
            float(budget),
            float(deadline_ns),
            self.clock,
            *self.pipe,
            float(p.socket_bytes),
            self.sizes,
            produce,
            transport,
            consume,
        )
        t.duplicate_pages += int(sent[pipe.LIGHT])
        t.normal_pages += int(sent[pipe.NEW] + sent[pipe.AGAIN])
        t.transferred_bytes += put + END_OF_SECTION_BYTES
        self.rate_limit_used += put + END_OF_SECTION_BYTES
        self.elapse(self.clock[0] - self.now_ns)

    def host_speed(self) -> float:
        """How much slower than average the hosts are for the next iteration: log-normal with mean 1."""
        cv = self.p.speed_cv_frac
        if cv == 0:
            return 1.0
        sigma2 = math.log1p(cv * cv)
        return float(self.rng.lognormal(-sigma2 / 2, math.sqrt(sigma2)))

    def pages_sent(self) -> int:
        return self.totals.normal_pages + self.totals.duplicate_pages

    # -- the dirty bitmap ---------------------------------------------------------------------------------------

    def bitmap_sync(self) -> None:
        """migration_bitmap_sync: merge the dirty log into the bitmap; once a second, the rates and the throttle."""
        self.totals.dirty_sync_count += 1
        self.sync_times_ns.append(float(self.now_ns))
        self.elapse(self.p.sync_ns + self.p.sync_per_gib_ns * self.p.ram_bytes / GiB)
        fresh, _ = pagemap.absorb(self.bitmap, self.guest.dirty_log)
        self.left += fresh
        self.dirtied_pages += fresh
        if math.isnan(self.last_sync_ns):
            self.last_sync_ns = self.now_ns
        since = self.now_ns - self.last_sync_ns
        if self.totals.dirty_sync_count > 1 and self.phase == BULK:
            self.phase = ITERATE
        if since > s:
            self.trigger_throttle()
            self.totals.dirty_pages_per_s = self.dirtied_pages / since * s
            self.dirtied_pages = 0
            self.last_sync_ns = self.now_ns
            self.sent_at_sync = self.totals.transferred_bytes

    def trigger_throttle(self) -> None:
        """migration_trigger_throttle: twice too many dirtied bytes for those sent, and the vCPUs are slowed."""
        sent = self.totals.transferred_bytes - self.sent_at_sync
        dirtied = self.dirtied_pages * PAGE_BYTES
        if not self.p.auto_converge or self.phase == STOPPED or dirtied <= self.p.throttle_trigger_frac * sent:
            return
        self.dirty_rate_high_count += 1
        if self.dirty_rate_high_count < 2:
            return
        self.dirty_rate_high_count = 0
        throttle = self.guest.throttle
        more = throttle + self.p.throttle_increment_frac if throttle else self.p.throttle_initial_frac
        self.guest.throttle = self.totals.throttle_frac = min(more, self.p.throttle_max_frac)

    # -- the end ------------------------------------------------------------------------------------------------

    def complete(self) -> None:
        """migration_completion: stop the guest, synchronise once more, send the rest without a limit."""
        t = self.totals
        t.precopy_bytes = t.transferred_bytes
        t.stopped_at_ns = self.now_ns
        self.phase = STOPPED
        self.elapse(self.p.stop_ns)
        self.bitmap_sync()
        while self.left:
            self.send(math.inf, self.now_ns + self.p.iterate_max_ns)
        if not self.p.dirty_log_stop_deferred:
            self.elapse(self.p.dirty_log_stop_ns)
        t.downtime_bytes = t.transferred_bytes - t.precopy_bytes
        t.downtime_ns = self.now_ns - t.stopped_at_ns
        t.pause_ns = max(self.now_ns, self.clock[2]) + self.p.resume_ns - t.stopped_at_ns

    def finish(self, *, converged: bool) -> Totals:
        """Close the books."""
        t = self.totals
        t.converged = converged
        t.remaining_bytes = self.pending_bytes()
        if converged:
            t.total_time_ns = self.now_ns
        self.record(t.transferred_bytes - self.window_sent)
        return t
