"""The migration thread as a fluid: pages flow at the rate of the slowest station, in windows and iterations.

Only the ends of windows and iterations are stepped through, and runs of equal windows are skipped at once: the cost
of following a migration does not grow with its length.
"""

from math import inf
from typing import NamedTuple

from nfvlab.precopy.params import PAGE_BYTES, Params
from nfvlab.precopy.rates import (
    Cost,
    costs,
    iteration_ns,
    iterations_per_window,
    overshoot_ns,
    usual,
    window_limit,
)

LEAST_PAGES = 1e-6  # a run with less is done
STILL_NS = 1.0  # a backlog that changes less in a window does not change


class Kind:
    """A kind of page: its costs, and the mean budget and lateness of a window full of it."""

    __slots__ = ("budget_bytes", "drain_ns", "hold_ns", "iteration_ns", "late_ns", "size", "source_ns")

    def __init__(self, p: Params, cost: Cost):
        mean = usual(p, cost)
        self.source_ns, self.drain_ns, self.size = mean.source_ns, mean.drain_ns, cost.wire_bytes
        self.hold_ns = p.socket_bytes / self.size * self.drain_ns  # that a socket full of it takes to drain
        self.iteration_ns = iteration_ns(p) + overshoot_ns(mean)
        self.budget_bytes, self.late_ns = window_limit(p, cost)


class Run:
    """`pages` like pages to be sent."""

    __slots__ = ("kind", "nonzero_frac", "pages")

    def __init__(self, pages: float, kind: Kind, nonzero_frac: float):
        self.pages, self.kind, self.nonzero_frac = pages, kind, nonzero_frac


class Like(NamedTuple):
    """A window full of pages of one kind: pages sent, its length, and by how much the destination fell behind."""

    pages: float
    length_ns: float
    ahead_ns: float

    def is_like(self, before: "Like | None") -> bool:
        """Whether more of the same is to be expected."""
        if abs(self.ahead_ns) < STILL_NS:
            return True
        still = before is not None and abs(self.ahead_ns - before.ahead_ns) < STILL_NS
        return still and abs(self.pages - before.pages) <= 1e-9 * self.pages


class Sender:
    """Clocks and counters of one migration.

    `now_ns` is the source's clock, `drained_ns` when the destination will have taken all that has been written. The
    source waits while more than `socket_bytes` are under way: `hold_ns` is the time that the last so many take.
    """

    def __init__(self, p: Params):
        self.p, self.costs = p, costs(p)
        self.iterations, self.long_enough_ns = iterations_per_window(p), p.window_ns * (1 - 1e-9)
        self.now_ns = self.drained_ns = 0.0
        self.hold_ns = self._held_ns = self._since_bytes = 0.0
        self._last: Kind | None = None
        self.window_start_ns = self.window_bytes = 0.0
        self.threshold_bytes = 0.0
        self.bytes = self.normal = self.duplicate = 0.0
        self.curve: list[tuple[float, float, float]] = [(0.0, 0.0, 0.0)]
        self._kinds: dict[float, Kind] = {}

    def run(self, pages: float, nonzero_frac: float) -> Run:
        """Pages never sent, of which a share is not zero."""
        kind = self._kinds.get(nonzero_frac)
        if kind is None:
            kind = self._kinds[nonzero_frac] = Kind(self.p, self.costs.mix(nonzero_frac))
        return Run(pages, kind, nonzero_frac)

    def again(self, pages: float) -> Run:
        """Pages sent before."""
        kind = self._kinds.get(-1.0)
        if kind is None:
            kind = self._kinds[-1.0] = Kind(self.p, self.costs.again)
        return Run(pages, kind, 1.0)

    def send(self, queue: list[Run], pending_pages: float, until_ns: float = inf) -> float:
        """Send until less is pending than the stop rule allows, or until a time; what is pending then."""
        until_ns = min(until_ns, self.p.give_up_ns)
        before = None
        while queue and pending_pages * PAGE_BYTES >= self.threshold_bytes and self.now_ns < until_ns:
            head, whole = queue[0], self.window_bytes == 0
            left, opened_ns, ahead_ns = head.pages, self.window_start_ns, self.drained_ns - self.now_ns
            pending_pages = self._window(queue, pending_pages)
            self.curve.append((self.now_ns, self.bytes, pending_pages * PAGE_BYTES))
            if not (whole and self.window_bytes == 0 and queue and queue[0] is head):
                before = None
                continue
            like = Like(
                left - head.pages, self.window_start_ns - opened_ns, self.drained_ns - self.now_ns - ahead_ns
            )
            if like.is_like(before):
                spare = min(head.pages, pending_pages - self.threshold_bytes / PAGE_BYTES)
                windows = min(
                    spare / like.pages, (until_ns - self.now_ns) / like.length_ns, self._even(head.kind, like)
                )
                pending_pages -= self._skip(head, max(int(windows), 0), like)
                self.curve.append((self.now_ns, self.bytes, pending_pages * PAGE_BYTES))
            before = like
        return pending_pages

    def _even(self, kind: Kind, like: Like) -> float:
        """Windows for which a backlog that grows or shrinks meets neither a full socket nor an empty one."""
        if abs(like.ahead_ns) < STILL_NS:
            return inf
        ahead_ns = self.drained_ns - self.now_ns
        room_ns = kind.hold_ns - ahead_ns if like.ahead_ns > 0 else ahead_ns
        return max(room_ns / abs(like.ahead_ns) - 1, 0.0)

    def _window(self, queue: list[Run], pending_pages: float) -> float:
        """Iterations until the window is over, or the stop rule asks for the dirty log."""
        while queue and pending_pages * PAGE_BYTES >= self.threshold_bytes:
            kind = queue[0].kind
            pending_pages -= self._whole(queue[0], pending_pages) or self._iterate(queue)
            if self.now_ns - self.window_start_ns >= self.long_enough_ns:
                self._close()
                break
            if self.window_bytes >= kind.budget_bytes * (1 - 1e-9):
                self.now_ns = self.window_start_ns + self.p.window_ns + kind.late_ns
                self._close()
                break
        return pending_pages

    def _close(self) -> None:
        """The window is over: estimate the bandwidth, and the threshold from it."""
        length_ns = self.now_ns - self.window_start_ns
        rate = self.p.avail_switchover_bytes_per_s / 1e9 or self.window_bytes / length_ns
        self.threshold_bytes = rate * self.p.downtime_limit_ns
        self.window_start_ns, self.window_bytes = self.now_ns, 0.0

    def _whole(self, run: Run, pending_pages: float) -> float:
        """The pages of all iterations of a window at once; 0 if there is something to see between them."""
        if self.window_bytes or self.now_ns != self.window_start_ns:
            return 0.0
        end_ns = self.now_ns + self.iterations * run.kind.iteration_ns
        in_time, in_budget = self._in_time(run.kind, end_ns), run.kind.budget_bytes / run.kind.size
        pages = max(min(in_time, in_budget), 1.0)
        if pages >= run.pages or (pending_pages - pages) * PAGE_BYTES < self.threshold_bytes:
            return 0.0
        self._write(run, pages)
        if in_time < in_budget:
            self.now_ns = max(self.now_ns, end_ns)
        return pages

    def _iterate(self, queue: list[Run]) -> float:
        """One iteration: send until its time or the budget is spent; the number of pages sent."""
        end_ns, sent = self.now_ns + queue[0].kind.iteration_ns, 0.0
        budget_bytes = queue[0].kind.budget_bytes - self.window_bytes
        while queue:
            run = queue[0]
            pages = min(max(budget_bytes / run.kind.size, 0.0), self._in_time(run.kind, end_ns))
            pages = min(run.pages, pages if sent else max(pages, 1.0))
            self._write(run, pages)
            budget_bytes -= pages * run.kind.size
            sent += pages
            if run.pages > LEAST_PAGES:
                if budget_bytes > LEAST_PAGES * run.kind.size:
                    self.now_ns = max(self.now_ns, end_ns)  # it was time that ran out
                break
            del queue[0]
        return sent

    def _in_time(self, kind: Kind, end_ns: float) -> float:
        """Pages that can be written before `end_ns`."""
        free = (end_ns - self.now_ns) / kind.source_ns if kind.source_ns else inf
        if not kind.drain_ns:
            return free
        since = free * kind.size + (self._since_bytes if kind is self._last else 0.0)
        held_ns = self._held_ns if kind is self._last else self.hold_ns
        hold_ns = held_ns + (kind.hold_ns - held_ns) * min(since / self.p.socket_bytes, 1.0)
        ready_ns = max(self.drained_ns, self.now_ns)
        return max(min(free, (end_ns + hold_ns - ready_ns) / kind.drain_ns), 0.0)

    def _write(self, run: Run, pages: float) -> None:
        """Write pages to the socket, waiting for the destination to make room in it."""
        kind = run.kind
        size = pages * kind.size
        written_ns = self.now_ns + pages * kind.source_ns
        self.drained_ns = max(max(self.drained_ns, self.now_ns) + pages * kind.drain_ns, written_ns)
        if kind is not self._last:
            self._last, self._held_ns, self._since_bytes = kind, self.hold_ns, 0.0
        self._since_bytes += size
        self.hold_ns = self._held_ns + (kind.hold_ns - self._held_ns) * min(
            self._since_bytes / self.p.socket_bytes, 1.0
        )
        self.now_ns = max(written_ns, self.drained_ns - self.hold_ns)
        self.window_bytes += size
        self.bytes += size
        self.normal += pages * run.nonzero_frac
        self.duplicate += pages * (1 - run.nonzero_frac)
        run.pages -= pages

    def _skip(self, run: Run, windows: int, like: Like) -> float:
        """Pass over windows that are all alike; the pages they send."""
        sent = windows * like.pages
        self.shift(windows * like.length_ns, sent * run.kind.size, sent * run.nonzero_frac)
        self.drained_ns += windows * like.ahead_ns
        self._since_bytes += sent * run.kind.size
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
