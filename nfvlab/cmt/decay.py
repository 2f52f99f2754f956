"""What becomes of the lines of a tenant that has ended: how fast the others evict them, and what is never evicted.

A dead line is evicted when its set has seen as many other lines as it has ways since the dead line's last reference:
those of the living, before the end and after it, and those of the dead that were referenced later. So a line of age a
at the end is still there a time t later with the probability that a Poisson number is below the ways, whose mean is
the footprint of the dead over a and of the living over a + t, per set (the argument of `llc.associative` for a line
that is never referenced again). Living tenants whose footprint leaves room for what is left never evict it.

Masks: a fill evicts only in ways of its own mask. Dead lines in ways that no living mask has stay for ever. The others
are taken apart by groups of living masks that hang together by overlaps; within such a group its ways are taken as one
pool, exact if its masks are equal. How the dead lines lie on the groups follows from equal ages: as many as the living
leave free at the age at which the dead tenant's own fills evicted its lines, which also says how old they are.

A line carries the RMID of its filler until it is evicted (Intel SDM vol. 3B, 18.18); `clean_wait` says when that is
good enough to give the RMID out again.
"""

import functools
import math
import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from nfvlab.llc.associative import hit_below
from nfvlab.llc.components import Law

_AGES = 72
_TIMES = 40


@dataclass(frozen=True, eq=False)
class Source:
    """Lines by one law in the ways of `mask`: the law's time per ns before the end, and after it (0: it is dead).

    `watched`: its lines carry the RMID of the tenant that ends.
    """

    law: Law
    mask: int
    before: float
    after: float
    watched: bool = False


@dataclass(frozen=True, eq=False)
class _Pool:
    """Ways that living masks share, and what is in them."""

    ways: int
    share: float  # of the dead lines
    living: tuple[Source, ...]


@dataclass(frozen=True, eq=False)
class Decay:
    """Lines left of the tenant that ended, as a function of the time since."""

    sets: int
    ages: np.ndarray  # ns at the end
    fresh: np.ndarray  # lines last referenced about so long before the end, were none evicted
    there: np.ndarray  # probability that the tenant's own fills had left them by then
    before: np.ndarray  # distinct dead lines referenced later than these ages
    pools: tuple[_Pool, ...]
    kept_frac: float  # of the dead lines, in ways that no living tenant fills
    scale: float = 1.0

    def lines(self, t_ns: float | np.ndarray) -> np.ndarray:
        """Mean number of lines left after `t_ns`; inf is allowed. float64[times]."""
        t = np.atleast_1d(np.asarray(t_ns, float))[:, None]
        left = np.full(t.shape[0], self.kept_frac * (self.there @ self.fresh))
        for pool in self.pools:
            others = pool.share * self.before[None, :] + _living(pool.living, self.ages, t)
            stays = np.minimum(hit_below(pool.ways, others / self.sets), self.there)
            left += pool.share * (stays @ self.fresh)
        return self.scale * left

    @property
    def residue_lines(self) -> float:
        """Lines that are never evicted."""
        return float(self.lines(math.inf)[0])

    def time_below(self, lines: float) -> float:
        """Time until no more than so many lines are left, ns; 0 if no more were there, inf if never."""
        if self.lines(0.0)[0] <= lines:
            return 0.0
        if not self.residue_lines < lines:
            return math.inf
        low, high = self.shortest_ns, self.longest_ns
        for _ in range(3):
            t = np.geomspace(low, high, _TIMES)
            left = self.lines(t)
            at = int(np.argmax(left <= lines)) if left[-1] <= lines else _TIMES - 1
            if at == 0:
                return float(t[0] * 0.5)
            low, high, above, below = t[at - 1], t[at], left[at - 1], left[at]
        return float(low + (high - low) * (above - lines) / max(above - below, 1e-300))

    @property
    def shortest_ns(self) -> float:
        """A time in which next to nothing goes: the living touch a hundredth of a line a set, or less."""
        speed = sum(
            source.after * max(float(source.law.footprint(np.float64(1.0))), 1e-9)
            for source in self._living()
        )
        return 0.01 * self.sets / speed

    @property
    def longest_ns(self) -> float:
        """A time in which the living touch all that they ever touch."""
        return max((source.law.horizon / source.after for source in self._living()), default=0.0) * 1.01

    def _living(self) -> tuple[Source, ...]:
        return tuple(source for pool in self.pools for source in pool.living)


def decay(sources: Sequence[Source], sets: int, occupancy_lines: float | None = None) -> Decay:
    """The decay of the watched sources' lines; `occupancy_lines`, if given, is what they hold at the end."""
    dead = [source for source in sources if not source.after]
    alive = [source for source in sources if source.after > 0]
    watched = [source for source in dead if source.watched]
    ends = [s.law.horizon / s.before for s in dead]
    first = 0.05 / sum(s.before * float(s.law.footprint(np.float64(1.0))) for s in dead)
    ages = np.geomspace(min(first, 0.1 * max(ends)), 1.001 * max(ends), _AGES)
    own, all_dead = _touched(watched, ages), _touched(dead, ages)
    mask = _union(s.mask for s in watched)
    groups = [
        _Group(g, g & mask, tuple(s for s in alive if s.mask & g)) for g in _together(s.mask for s in alive)
    ]
    private = (mask & ~_union(g.ways for g in groups)).bit_count() * sets
    age, rooms = _at_eviction(watched, groups, private, sets)
    middle = np.concatenate([[0.5 * ages[0]], 0.5 * (ages[1:] + ages[:-1])])
    later = np.interp(middle, ages, all_dead, left=0.5 * all_dead[0])
    beside = later.copy()  # in the dead tenant's ways
    for group, room in zip(groups, rooms, strict=True):
        touched = _touched(group.living, age)
        if touched > 0:
            part = max(group.shared.bit_count() * sets - room, 0.0) / touched
            beside += min(part, 1.0) * _touched(group.living, middle)
    there = hit_below(mask.bit_count(), beside / sets)
    held = max(sum(rooms) + private, 1e-300)
    pools = tuple(
        _Pool(group.ways.bit_count(), room / held, group.living)
        for group, room in zip(groups, rooms, strict=True)
        if room > 0
    )
    made = Decay(sets, middle, np.diff(own, prepend=0.0), there, later, pools, private / held)
    now = float(made.lines(0.0)[0])
    return made if occupancy_lines is None or not now > 0 else replace(made, scale=occupancy_lines / now)


@dataclass(frozen=True, eq=False)
class _Group:
    """Ways of living masks that hang together, those of them that the dead tenant shares, and who fills them."""

    ways: int
    shared: int
    living: tuple[Source, ...]


def _union(masks: Iterable[int]) -> int:
    return functools.reduce(operator.or_, masks, 0)


def _together(masks: Iterable[int]) -> list[int]:
    """Unions of masks that hang together by overlaps."""
    found: list[int] = []
    for mask in masks:
        joined = _union([mask, *(group for group in found if group & mask)])
        found = [*(group for group in found if not group & mask), joined]
    return found


def _at_eviction(
    watched: Sequence[Source], groups: Sequence[_Group], private: float, sets: int
) -> tuple[float, list[float]]:
    """Age at which the dead tenant's own fills evicted its lines, and its lines in each group of ways then."""

    def rooms(age: float) -> list[float]:
        free = [group.ways.bit_count() * sets - _touched(group.living, age) for group in groups]
        most = [group.shared.bit_count() * sets for group in groups]
        return [min(max(room, 0.0), limit) for room, limit in zip(free, most, strict=True)]

    low, high = 1e-3, max(s.law.horizon / s.before for s in watched)
    while high > low * 1.001:
        age = math.sqrt(low * high)
        fits = _touched(watched, age) < sum(rooms(age)) + private
        low, high = (age, high) if fits else (low, age)
    left, found = max(_touched(watched, high) - private, 0.0), rooms(high)
    fill = min(1.0, left / sum(found)) if sum(found) > 0 else 0.0
    return high, [room * fill for room in found]


def _touched(sources: Iterable[Source], t: float | np.ndarray) -> float | np.ndarray:
    """Distinct lines that sources touch in windows of `t` ns before the end."""
    return sum(
        (s.law.footprint(np.minimum(s.before * t, s.law.horizon)) for s in sources), np.zeros_like(t, float)
    )


def _living(sources: Sequence[Source], ages: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Distinct lines that the living touch from `ages` before the end to `t` after it."""
    total = np.zeros(np.broadcast_shapes(ages.shape, t.shape))
    for s in sources:
        window = np.minimum(s.before * ages + s.after * t, s.law.horizon)
        total += s.law.footprint(window)
    return total


__all__ = ["Decay", "Source", "decay"]
