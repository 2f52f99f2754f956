"""QEMU's migration thread: windows, bursts, the stop rule, synchronisations, stop-and-copy.

Source: QEMU 7.2 migration/migration.c (migration_thread, migration_iteration_run, migration_update_counters,
migration_rate_limit, migration_completion) and migration/ram.c (ram_save_iterate, ram_save_pending,
migration_bitmap_sync); the words are QEMU's, the rules the same up to 10.0. Left out: the 10 bytes of section
header and footer that an iteration adds to the stream (not to ram.transferred), and KVM's manual protection
of the dirty log (since QEMU 4.2), under which a page written after a sync is not logged again until sending
reaches its GiB.
"""

import math
from dataclasses import dataclass, field

import numpy as np

from nfvlab.kernels import pagemap, pipe
from nfvlab.precopy.auto_converge import AutoConverge
from nfvlab.precopy.guest import Guest
from nfvlab.precopy.page_costs import SIZES, page_costs
from nfvlab.precopy.params import PAGE_BYTES, Params, ram_pages
from nfvlab.precopy.ramblocks import BlockNames
from nfvlab.precopy.totals import Row, Totals
from nfvlab.units import GiB, ms, s

END_OF_SECTION_BYTES = 8
BULK, ITERATE, STOPPED = "bulk", "iterate", "stop-and-copy"


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
        self.names = BlockNames(self.pages - p.rom_pages, self.pages)
        self.now_ns = 0.0
        self.clock = np.zeros(3)
        self.pipe = pipe.new_ring()
        self.phase = BULK
        self.rate_limit_bytes = p.max_bandwidth_bytes_per_s * p.window_ns / s
        self.rate_limit_used = 0.0
        self.threshold_bytes = 0.0
        self.dirtied_pages = 0
        self.auto_converge = AutoConverge(p)
        self.last_rates_ns = math.nan
        self.sent_at_rates = 0.0

    def run(self) -> Totals:
        """Migrate, or give up."""
        self.totals.ram_bytes = self.pages * PAGE_BYTES
        self.start_window()
        self.elapse(self.p.setup_ns)
        self.bitmap_sync()
        self.totals.setup_time_ns = self.now_ns
        self.begin_bulk()
        while self.now_ns < self.p.give_up_ns:
            if self.auto_converge.wants_sync(self.now_ns, self.totals.dirty_sync_count):
                self.bitmap_sync()
            if not self.rate_limited() and self.iteration_run():
                return self.finish(converged=True)
            self.rate_limit()
        return self.finish(converged=False)

    def begin_bulk(self) -> None:
        """What happens between the first synchronisation and the first page: nothing, in plain pre-copy."""

    # -- time ------------------------------------------------------------------------------------------

    def elapse(self, dt_ns: float) -> None:
        """Time passes in the migration thread; the guest runs meanwhile unless it is stopped."""
        if self.phase != STOPPED:
            self.guest.run(dt_ns)
        self.now_ns += dt_ns

    def start_window(self) -> None:
        """update_iteration_initial_status; the first window opens before the set-up."""
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
            late = self.rng.exponential(self.p.wakeup_ns) if self.p.wakeup_ns else 0.0
            self.elapse(max(rest, 0.0) + late)
            self.update_counters()

    def update_counters(self) -> None:
        """migration_update_counters: bandwidth, threshold and a new budget, once a window."""
        if self.now_ns < self.window_start_ns + self.p.window_ns:
            return
        length = self.now_ns - self.window_start_ns
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
        rates = (t.dirty_pages_per_s, self.guest.throttle, t.dirty_sync_count)
        self.timeline.append(Row(self.now_ns, self.phase, sent, t.transferred_bytes, self.left, *rates))

    # -- one iteration ---------------------------------------------------------------------------------

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
        """ram_save_iterate: send until the budget is spent, nothing is left, or MAX_WAIT is over by 1 ms."""
        longest_ns = (self.p.iterate_max_ns // ms + 1) * ms
        self.send(self.rate_limit_bytes - self.rate_limit_used, self.now_ns + longest_ns)
        self.put(END_OF_SECTION_BYTES)

    def put(self, sent_bytes: float) -> None:
        """Count bytes of the stream."""
        self.totals.transferred_bytes += sent_bytes
        self.rate_limit_used += sent_bytes

    def send(self, budget: float, deadline_ns: float) -> None:
        """Walk the bitmap from the cursor within a budget of bytes and time."""
        costs = self.page_costs()
        sent = 0.0
        while self.left and sent <= budget and self.now_ns < deadline_ns:
            sent += self.walk(budget - sent, min(deadline_ns, self.now_ns + self.slice_ns()), costs)

    def page_costs(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What a page costs at source, link and destination in the next iteration (see `page_costs.page_costs`)."""
        return page_costs(self.p, self.rng)

    def slice_ns(self) -> float:
        """The longest walk between two looks at what else changes the bitmap."""
        return math.inf

    def walk(self, budget: float, deadline_ns: float, costs) -> float:
        """Send pages until a limit is passed; returns the bytes."""
        self.clock[0] = self.now_ns
        rom = self.names.rom_left(self.bitmap)
        sent, put, cursor, left = pipe.walk(
            self.bitmap,
            self.guest.nonzero,
            self.seen,
            self.cursor,
            self.left,
            float(budget),
            float(deadline_ns),
            self.clock,
            *self.pipe,
            float(self.p.socket_bytes),
            SIZES,
            *costs,
        )
        self.cursor, self.left = int(cursor), int(left)
        self.totals.duplicate_pages += int(sent[pipe.LIGHT])
        self.totals.normal_pages += int(sent[pipe.NEW] + sent[pipe.AGAIN])
        rom -= self.names.rom_left(self.bitmap)
        put = float(put) + self.names.sent(int(sent.sum()) - rom, rom, self.cursor)
        self.put(put)
        self.elapse(float(self.clock[0]) - self.now_ns)
        return put

    def pages_sent(self) -> int:
        """ram_get_total_transferred_pages."""
        return self.totals.normal_pages + self.totals.duplicate_pages

    # -- the dirty bitmap ------------------------------------------------------------------------------

    def bitmap_sync(self) -> None:
        """migration_bitmap_sync: merge the dirty log into the bitmap; once a second, rate and throttle."""
        self.totals.dirty_sync_count += 1
        self.sync_times_ns.append(self.now_ns)
        if math.isnan(self.last_rates_ns):
            self.last_rates_ns = self.now_ns
        self.elapse(self.p.sync_ns + self.p.sync_per_gib_ns * self.p.ram_bytes / GiB)
        fresh, _ = pagemap.absorb(self.bitmap, self.guest.dirty_log)
        self.left += int(fresh)
        self.dirtied_pages += int(fresh)
        since = self.now_ns - self.last_rates_ns
        if self.totals.dirty_sync_count > 1 and self.phase == BULK:
            self.phase = ITERATE
        if since > s:
            sent = self.totals.transferred_bytes - self.sent_at_rates
            dirtied = self.dirtied_pages * PAGE_BYTES
            self.guest.throttle = self.auto_converge.throttle(self.guest.throttle, dirtied, sent)
            self.totals.throttle_frac = self.guest.throttle
            self.totals.dirty_pages_per_s = self.dirtied_pages / since * s
            self.dirtied_pages = 0
            self.last_rates_ns = self.now_ns
            self.sent_at_rates = self.totals.transferred_bytes

    # -- the end ---------------------------------------------------------------------------------------

    def complete(self) -> None:
        """migration_completion: stop the guest, synchronise once more, send the rest without a limit."""
        t = self.totals
        t.precopy_bytes = t.transferred_bytes
        t.stopped_at_ns = self.now_ns
        self.phase = STOPPED
        self.elapse(self.p.stop_ns)
        self.bitmap_sync()
        while self.left:
            self.send(math.inf, self.last_deadline_ns())
        if not self.p.dirty_log_stop_deferred:
            self.elapse(self.p.dirty_log_stop_ns)
        t.downtime_bytes = t.transferred_bytes - t.precopy_bytes
        t.downtime_ns = self.now_ns - t.stopped_at_ns
        t.pause_ns = max(self.now_ns, float(self.clock[2])) + self.p.resume_ns - t.stopped_at_ns

    def last_deadline_ns(self) -> float:
        """The stop-and-copy has no clock; after so long, host and link have another pace as they have in iterations."""
        return self.now_ns + self.p.iterate_max_ns

    def finish(self, *, converged: bool) -> Totals:
        """Close the books."""
        t = self.totals
        t.converged = converged
        t.remaining_bytes = self.pending_bytes()
        if converged:
            t.total_time_ns = self.now_ns
        self.record(t.transferred_bytes - self.window_sent)
        return t
