"""Groups that come and go, and the allocator that finds an RMID for each, or refuses: event by event.

Starts are a Poisson process, lives are exponential. An RMID that was freed can leave limbo once its lines are gone, at
the next check; how long they take is measured elsewhere (`clean_ns`, the same for each), here the kernel's allocator
decides (limbo.RmidAllocator). Starts while no RMID is free change nothing, so they are only counted, a Poisson number
for the time that has passed; the checks that cannot let anything out are not walked one by one either.
"""

import heapq
import math
from dataclasses import dataclass

import numpy as np

from nfvlab.cmt.limbo import RmidAllocator

STARTS = 3000  # successful starts that are waited for
TURNS = 4.0  # at least so many mean turns of an RMID: life, limbo, check


@dataclass(frozen=True)
class Churned:
    """What became of the starts in `measured_ns`: started, refused for EBUSY and for ENOSPC; RMIDs in limbo, mean."""

    started: int
    busy: int
    no_space: int
    limbo_count: float
    measured_ns: float

    @property
    def refused_frac(self) -> float:
        """Share of the starts that found no RMID; NaN if there was no start."""
        refused = self.busy + self.no_space
        return refused / (refused + self.started) if refused + self.started else math.nan


@dataclass
class Host:
    """The state of the host: groups by the time of their end, and the time when each RMID of limbo came there."""

    allocator: RmidAllocator
    clean_ns: float
    starts_per_ns: float
    lifetime_ns: float
    rng: np.random.Generator
    now_ns: float = 0.0
    started: int = 0
    busy: int = 0
    no_space: int = 0
    limbo_ns: float = 0.0  # integral over time

    def __post_init__(self):
        self.ends: list[tuple[float, int]] = []
        self.freed_ns: dict[int, float] = {}  # in the order of time
        self.release_ns = math.inf

    def populate(self) -> None:
        """Begin near the steady state: as many groups as there would be without limbo, or as there are RMIDs."""
        many = self.starts_per_ns * self.lifetime_ns
        for _ in range(min(len(self.allocator.free_lru), int(self.rng.poisson(min(many, 1e9))))):
            self._start()

    def run(self, until_ns: float) -> None:
        """Let time pass up to `until_ns`."""
        next_start = self._draw_start()
        while True:
            full = not self.allocator.free_lru
            end = self.ends[0][0] if self.ends else math.inf
            at = min(end, self.release_ns, math.inf if full else next_start, until_ns)
            self._pass(at, full)
            if at == until_ns:
                return
            if at == end:
                self._end(heapq.heappop(self.ends)[1])
            elif at == self.release_ns:
                self._check()
                next_start = self._draw_start() if full else next_start  # memoryless: it may be drawn anew
            else:
                self._start()
                next_start = self._draw_start()

    def _pass(self, at: float, full: bool) -> None:
        """Account for the time up to `at`, in which nothing changes."""
        limbo = self.allocator.limbo_count
        self.limbo_ns += limbo * (at - self.now_ns)
        if full:
            refused = int(self.rng.poisson(self.starts_per_ns * (at - self.now_ns)))
            self.busy += refused if limbo else 0
            self.no_space += 0 if limbo else refused
        self.now_ns = at

    def _draw_start(self) -> float:
        return self.now_ns + self.rng.exponential() / self.starts_per_ns

    def _start(self) -> None:
        end = self.now_ns + self.rng.exponential(self.lifetime_ns)
        heapq.heappush(self.ends, (end, self.allocator.alloc()))
        self.started += 1

    def _end(self, rmid: int) -> None:
        self.allocator.free(rmid, self.now_ns)
        self.freed_ns[rmid] = self.now_ns
        if len(self.freed_ns) == 1:
            self.release_ns = self._next_release()

    def _next_release(self) -> float:
        """The first check that can let an RMID out: the first one due when the oldest in limbo is clean."""
        if not self.freed_ns:
            return math.inf
        due, _ = self.allocator.due()
        ready = next(iter(self.freed_ns.values())) + self.clean_ns
        return due + max(0, math.ceil((ready - due) / self.allocator.check_ns)) * self.allocator.check_ns

    def _check(self) -> None:
        """The check of limbo: an RMID's reading is the threshold until it is clean, then below."""
        now, threshold = self.now_ns, self.allocator.threshold_bytes

        def reading(rmid: int, domain: int) -> float:
            return threshold if now - self.freed_ns[rmid] < self.clean_ns else threshold - 1

        for rmid in self.allocator.check(0, now, reading):
            del self.freed_ns[rmid]
        self.release_ns = self._next_release()


def churn(
    allocator: RmidAllocator,
    *,
    clean_ns: float,
    starts_per_s: float,
    lifetime_ns: float,
    rng: np.random.Generator,
) -> Churned:
    """Groups come and go until 3000 have started and 4 mean turns of an RMID have passed, after 2 turns to settle.

    clean_ns : from the end of a group until the reading of its RMID is below the threshold. If that never happens,
    every RMID ends in limbo: the limit is given, all starts refused (EBUSY) and all RMIDs in limbo.
    """
    rmids = len(allocator.free_lru)
    if starts_per_s <= 0:
        return Churned(0, 0, 0, 0.0, 0.0)
    if math.isinf(clean_ns):
        return Churned(0, 1, 0, float(rmids), 0.0)
    host = Host(allocator, clean_ns, starts_per_s / 1e9, lifetime_ns, rng)
    turn = lifetime_ns + clean_ns + allocator.check_ns
    host.populate()
    host.run(2 * turn)
    before = host.started, host.busy, host.no_space
    limbo, since = host.limbo_ns, host.now_ns
    host.run(since + max(TURNS * turn, STARTS / min(host.starts_per_ns, rmids / turn)))
    after = host.started, host.busy, host.no_space
    counted = (late - early for late, early in zip(after, before, strict=True))
    return Churned(*counted, (host.limbo_ns - limbo) / (host.now_ns - since), host.now_ns - since)
