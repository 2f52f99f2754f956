"""The migration thread as a fluid: pages flow at the rate of the slowest station, in windows and iterations.

Only what happens at the ends of windows and iterations is stepped through; runs of equal windows are skipped at once,
so that the cost of a migration does not grow with its length.
"""

from math import inf, sqrt

from nfvlab.precopy.params import PAGE_BYTES, Params
from nfvlab.precopy.rates import Cost, costs, expected_min, iterations_per_window, speed_up


class Run:
    """`pages` like pages to be sent; `budget_bytes` and `late_ns` of a window full of them."""

    __slots__ = ("budget_bytes", "cost", "late_ns", "nonzero_frac", "pages")

    def __init__(self, pages: float, cost: Cost, nonzero_frac: float, limit: tuple[float, float]):
        self.pages, self.cost, self.nonzero_frac = pages, cost, nonzero_frac
        self.budget_bytes, self.late_ns = limit


class Sender:
    """Clocks and counters of one migration.

    `now_ns` is the source's clock, `drained_ns` when the destination will have taken all that has been written. The
    source waits while more than `socket_bytes` are under way: `hold_ns` is the time that the last so many take.
    """

    def __init__(self, p: Params):
        self.p, self.costs = p, costs(p)
        self.fast = speed_up(p)
        self.now_ns = self.drained_ns = 0.0
        self.hold_ns = 0.0
        self.window_start_ns = self.window_bytes = 0.0
        self.threshold_bytes = 0.0
        self.bytes = self.normal = self.duplicate = 0.0
        self.curve: list[tuple[float, float, float]] = []
        self._limits: dict[Cost, tuple[float, float]] = {}

    def run(self, pages: float, nonzero_frac: float, again: bool = False) -> Run:
        """Pages of a kind, with what the limiter makes of them."""
        cost = self.costs.again if again else self.costs.mix(nonzero_frac)
        limit = self._limits.get(cost)
        if limit is None:
            limit = self._limits[cost] = self._limit(cost)
        return Run(pages, cost, nonzero_frac, limit)

    def _limit(self, cost: Cost) -> tuple[float, float]:
        """Budget of a window, less what slow iterations leave unused, and how late its end is on average."""
        p, many = self.p, iterations_per_window(self.p)
        budget = p.max_bandwidth_bytes_per_s * p.window_ns / 1e9
        if cost.bottleneck_ns == 0:
            return budget, p.wakeup_ns
        capacity = cost.wire_bytes / cost.bottleneck_ns * many * p.iterate_max_ns * self.fast
        mean, binds = expected_min(budget, capacity, p.speed_cv_frac / sqrt(many))
        return (budget if binds < 1e-3 else mean), p.wakeup_ns * binds

    def send(self, queue: list[Run], pending_pages: float) -> float:
        """Send from the queue until less is pending than the threshold allows, or for too long; what is pending then."""
        previous = None
        while self._goes_on(queue, pending_pages):
            head, whole = queue[0], self.window_bytes == 0
            left, opened_ns = head.pages, self.window_start_ns
            pending_pages = self._window(queue, pending_pages)
            self.curve.append((self.now_ns, self.bytes, pending_pages))
            if not (whole and self.window_bytes == 0 and queue and queue[0] is head):
                previous = None
                continue
            pages, length_ns = left - head.pages, self.window_start_ns - opened_ns
            if previous is not None and abs(pages - previous) <= 1e-9 * pages:
                pending_pages -= self._skip(head, pending_pages, pages, length_ns)
                self.curve.append((self.now_ns, self.bytes, pending_pages))
            previous = pages
        return pending_pages

    def _goes_on(self, queue: list[Run], pending_pages: float) -> bool:
        enough = pending_pages * PAGE_BYTES >= self.threshold_bytes
        return bool(queue) and enough and self.now_ns < self.p.give_up_ns

    def _window(self, queue: list[Run], pending_pages: float) -> float:
        """Iterations until the window is over or the stop rule asks for the dirty log."""
        p = self.p
        while self._goes_on(queue, pending_pages):
            head = queue[0]
            pending_pages -= self._iterate(queue, head.budget_bytes - self.window_bytes)
            if self.now_ns - self.window_start_ns >= p.window_ns * (1 - 1e-9):
                self._close()
                break
            if self.window_bytes >= head.budget_bytes * (1 - 1e-9):
                self.now_ns = self.window_start_ns + p.window_ns + head.late_ns
                self._close()
                break
        return pending_pages

    def _close(self) -> None:
        """The window is over: estimate the bandwidth, and the threshold from it."""
        p = self.p
        rate = p.avail_switchover_bytes_per_s or self.window_bytes / (self.now_ns - self.window_start_ns) * 1e9
        self.threshold_bytes = rate * p.downtime_limit_ns / 1e9
        self.window_start_ns, self.window_bytes = self.now_ns, 0.0

    def _iterate(self, queue: list[Run], budget_bytes: float) -> float:
        """One iteration: send until its time or the budget is spent; the number of pages sent."""
        end_ns, sent = self.now_ns + self.p.iterate_max_ns, 0.0
        while queue:
            run = queue[0]
            pages = min(run.pages, max(budget_bytes, 0.0) / run.cost.wire_bytes, self._in_time(run.cost, end_ns))
            self._write(run, pages, self.fast)
            budget_bytes -= pages * run.cost.wire_bytes
            sent += pages
            if run.pages > 1e-6:
                if budget_bytes > 1e-6 * run.cost.wire_bytes:
                    self.now_ns = max(self.now_ns, end_ns)  # it was time that ran out
                break
            queue.pop(0)
        return sent

    def _in_time(self, cost: Cost, end_ns: float) -> float:
        """Pages that can be written before `end_ns`."""
        free = (end_ns - self.now_ns) * self.fast / cost.source_ns if cost.source_ns else inf
        if not cost.drain_ns:
            return free
        ready_ns = max(self.drained_ns, self.now_ns)
        hold_ns = self.p.socket_bytes / cost.wire_bytes * cost.drain_ns / self.fast
        if hold_ns > self.hold_ns:  # the socket may still be full of pages that drain faster
            full = free * cost.wire_bytes / self.p.socket_bytes
            hold_ns = self.hold_ns + (hold_ns - self.hold_ns) * min(full, 1.0)
        return max(min(free, (end_ns + hold_ns - ready_ns) * self.fast / cost.drain_ns), 0.0)

    def _write(self, run: Run, pages: float, fast: float = 1.0) -> None:
        """Write pages to the socket, waiting for the destination to make room in it."""
        cost, p = run.cost, self.p
        size = pages * cost.wire_bytes
        drain_ns = pages * cost.drain_ns / fast
        written_ns = self.now_ns + pages * cost.source_ns / fast
        self.drained_ns = max(max(self.drained_ns, self.now_ns) + drain_ns, written_ns)
        share = min(size / p.socket_bytes, 1.0)
        self.hold_ns += share * (p.socket_bytes / cost.wire_bytes * cost.drain_ns / fast - self.hold_ns)
        self.now_ns = max(written_ns, self.drained_ns - self.hold_ns)
        self.window_bytes += size
        self.bytes += size
        self.normal += pages * run.nonzero_frac
        self.duplicate += pages * (1 - run.nonzero_frac)
        run.pages -= pages

    def _skip(self, run: Run, pending_pages: float, pages: float, length_ns: float) -> float:
        """Pass over windows that are all alike; the pages they send."""
        spare = pending_pages - self.threshold_bytes / PAGE_BYTES
        time_left = (self.p.give_up_ns - self.now_ns) / length_ns
        windows = int(min(run.pages / pages, spare / pages, time_left)) - 1
        if windows <= 0:
            return 0.0
        sent = windows * pages
        self.shift(windows * length_ns, sent * run.cost.wire_bytes, sent * run.nonzero_frac)
        self.duplicate += sent * (1 - run.nonzero_frac)
        run.pages -= sent
        return sent

    def shift(self, duration_ns: float, size: float, normal_pages: float) -> None:
        """Move all clocks and counters on."""
        self.now_ns += duration_ns
        self.drained_ns += duration_ns
        self.window_start_ns += duration_ns
        self.bytes += size
        self.normal += normal_pages

    def pause(self, duration_ns: float) -> None:
        """The source does something else; link and destination go on."""
        self.now_ns += duration_ns

    def finish(self, queue: list[Run]) -> None:
        """Stop-and-copy: no limiter, no iterations, no windows."""
        for run in queue:
            self._write(run, run.pages)
        self.curve.append((self.now_ns, self.bytes, 0.0))
