"""The guest that runs while it is migrated: its page visits, its throttled vCPUs, its dirty log."""

import math
from dataclasses import dataclass, field

import numpy as np

from nfvlab.kernels import pagemap, writes
from nfvlab.precopy.memory import guest_memory, layout
from nfvlab.precopy.params import Params, ram_pages

SECOND = 1e9
_MARKED = np.zeros(0, dtype=np.uint64)  # for writes: no bitmap to mark, because all is marked


@dataclass
class Writer:
    """A paced stream of page visits over one region; the carry keeps its rate exact over any steps."""

    start: int
    size: int
    rate_per_s: float
    carry: float = 0.0
    cursor: int = 0

    def due(self, dt_ns: float, share: float = 1.0) -> int:
        """Visits that fall into the next `dt_ns`, at `share` of the rate."""
        self.carry += self.rate_per_s * share * dt_ns / SECOND
        visits = int(self.carry)
        self.carry -= visits
        return visits


@dataclass
class Guest:
    """Bitmaps over all pages: `nonzero` content and the hypervisor's `dirty_log`."""

    p: Params
    rng: np.random.Generator
    nonzero: np.ndarray = None
    dirty_log: np.ndarray = field(init=False)
    throttle: float = 0.0

    def __post_init__(self):
        if self.nonzero is None:
            self.nonzero = guest_memory(self.p, self.rng).nonzero
        self.dirty_log = pagemap.zeros(ram_pages(self.p))
        where = layout(self.p)
        self.application = Writer(*where.working_set, application_rate_per_s(self.p))
        self.kernel = Writer(*where.background, self.p.background_rate_per_s)
        self.stride = _coprime(where.working_set[1])
        start, size = where.working_set
        self.filled = pagemap.count_range(self.nonzero, start, start + size) == size

    def run(self, dt_ns: float) -> None:
        """Let the guest run for dt_ns: its writes enter the dirty log and make pages non-zero."""
        kernel = self.kernel.due(dt_ns)
        if kernel and self.kernel.size:
            region = (self.kernel.start, self.kernel.size)
            writes.visit_uniform(self.dirty_log, self.nonzero, *region, kernel, self.rng)
        visits = self.application.due(self.application_ns(dt_ns), self.speed())
        if visits:
            self._visit(visits)

    def application_ns(self, dt_ns: float) -> float:
        """How long the application wants to run in the next dt_ns: all the time."""
        return dt_ns

    def speed(self) -> float:
        """Share of its wanted rate that the application reaches: throttling eats the idle time first."""
        if self.application.rate_per_s == 0:
            return 1.0
        busy = self.p.workload_busy_frac + self.application.rate_per_s * self.p.visit_ns / SECOND
        return 1.0 if busy == 0 else min(1.0, (1 - self.throttle) / busy)

    def _visit(self, visits):
        w, p = self.application, self.p
        # a page in use never becomes zero again: where all are non-zero, marking them would only cost time
        content = _MARKED if self.filled else self.nonzero
        bitmaps = (self.dirty_log, content, w.start, w.size)
        if p.pattern == "uniform":
            writes.visit_uniform(*bitmaps, visits, self.rng)
        elif p.pattern == "sequential":
            w.cursor = writes.visit_sequential(*bitmaps, visits, w.cursor)
        elif p.pattern == "hot":
            hot = max(1, round(p.hot_pages_frac * w.size))
            writes.visit_hot(*bitmaps, hot, p.hot_visits_frac, visits, self.rng)
        else:
            writes.visit_zipf(*bitmaps, p.zipf_exponent, self.stride, visits, self.rng)


def application_rate_per_s(p: Params) -> float:
    """Visits per second of an unthrottled application: what it wants, at most what one vCPU can do."""
    most = (1 - p.workload_busy_frac) * SECOND / p.visit_ns if p.visit_ns else math.inf
    return min(p.write_rate_per_s, most)


def _coprime(size: int) -> int:
    """A stride that scatters ranks over `size` items: near the golden section, without a common factor."""
    stride = max(1, round(size * 0.6180339887))
    while math.gcd(stride, max(size, 1)) != 1:
        stride += 1
    return stride
