"""What becomes of the lines of a tenant that has ended: how fast the others evict them, and what is never evicted.

A dead line is evicted when the ways that it may lie in are wanted by lines referenced later than it: those of the
living, before the end and after it, and those of the dead that were younger. So a line of age a at the end is still
there a time t later with the probability that lines last referenced within a + t leave it a way: the counts in its set
are Poisson, with the footprint of the dead over a and of the living over a + t per set as means, and
`llc.overlap.survival` sees how their masks let them lie. It is the argument of `llc.associative` for a line that is
never referenced again: with equal masks, less than `ways` of them. Living tenants whose footprint leaves room never
evict what is left, nor do any where their masks do not go.

A line carries the RMID of its filler until it is evicted (Intel SDM vol. 3B, 18.18); `clean_wait` says when that is
good enough to give the RMID out again. Where masks overlap in part, the dead lines that real caches keep are not
always the youngest: tests/cmt/test_decay.py measures that.
"""

import functools
import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from nfvlab.llc.components import Law
from nfvlab.llc.overlap import islands, survival

_AGES = 48
_LOOKS = 160
_TIMES = 12
_ROUNDS = 4
_FEW = 3  # different masks that hang together, up to which counts are summed over and not sampled


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

    def touched(self, before_ns: np.ndarray, after_ns: np.ndarray | float = 0.0) -> np.ndarray:
        """Distinct lines referenced from so long before the end to so long after it."""
        return self.law.footprint(
            np.minimum(self.before * before_ns + self.after * after_ns, self.law.horizon)
        )


@dataclass(frozen=True, eq=False)
class Decay:
    """Lines left of the tenant that ended, as a function of the time since."""

    sets: int
    ages: np.ndarray  # ns at the end, float64[ages]
    watched: tuple[tuple[int, np.ndarray], ...]  # mask, lines last referenced at about each age
    dead: tuple[tuple[int, np.ndarray], ...]  # mask, distinct lines referenced later than each age
    living: tuple[Source, ...]
    scale: float = 1.0

    def lines(self, t_ns: float | np.ndarray) -> np.ndarray:
        """Mean number of lines left after `t_ns`; inf is allowed. float64[times]."""
        t = np.atleast_1d(np.asarray(t_ns, float))[:, None]
        masks = list(dict.fromkeys([mask for mask, _ in self.dead] + [s.mask for s in self.living]))
        mean = np.zeros((len(masks), t.size, self.ages.size))
        for mask, later in self.dead:
            mean[masks.index(mask)] += later
        for source in self.living:
            mean[masks.index(source.mask)] += source.touched(self.ages, t)
        if _few(masks):
            stays = survival(masks, mean.reshape(len(masks), -1) / self.sets).reshape(mean.shape)
        else:  # sampled, which needs counts that rise together, as they do with age
            stays = np.stack([survival(masks, mean[:, k] / self.sets) for k in range(t.size)], axis=1)
        return self.scale * sum(stays[masks.index(mask)] @ fresh for mask, fresh in self.watched)

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
        for _ in range(_ROUNDS):
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
        at_once = np.float64(1.0)
        speed = sum(s.after * max(float(s.law.footprint(at_once)), 1e-9) for s in self.living)
        return 0.01 * self.sets / speed if speed else 1.0

    @property
    def longest_ns(self) -> float:
        """A time in which the living touch all that they ever touch."""
        return max((s.law.horizon / s.after for s in self.living), default=0.0) * 1.01


def decay(sources: Sequence[Source], sets: int, occupancy_lines: float | None = None) -> Decay:
    """The decay of the watched sources' lines; `occupancy_lines`, if given, is what they hold at the end."""
    dead = [s for s in sources if not s.after]
    living = tuple(s for s in sources if s.after > 0)
    edges = _edges(sources, dead, sets)
    ages = np.concatenate([[0.5 * edges[0]], 0.5 * (edges[1:] + edges[:-1])])
    touched = [(s, s.touched(edges)) for s in dead]
    made = Decay(
        sets,
        ages,
        tuple((s.mask, np.diff(lines, prepend=0.0)) for s, lines in touched if s.watched),
        tuple((s.mask, np.interp(ages, edges, lines, left=0.5 * lines[0])) for s, lines in touched),
        living,
    )
    now = float(made.lines(0.0)[0])
    return made if occupancy_lines is None or not now > 0 else replace(made, scale=occupancy_lines / now)


def _edges(sources: Sequence[Source], dead: Sequence[Source], sets: int) -> np.ndarray:
    """Ages at the end, at even steps of how full the ways are: of the dead alone, and of all lines together."""
    last = max(s.law.horizon / s.before for s in dead)
    first = 0.05 / sum(s.before * float(s.law.footprint(np.float64(1.0))) for s in sources)
    t = np.geomspace(min(first, 0.1 * last), 1.001 * last, _LOOKS)
    progress = 1e-6 * np.arange(t.size)
    for some in (dead, sources):
        ways = functools.reduce(operator.or_, (s.mask for s in some)).bit_count()
        most = sets * (ways + 5 * math.sqrt(ways) + 4)  # that many lines leave no old one a way
        progress += np.minimum(sum(s.touched(t) for s in some) / most, 1.0)
    even = np.linspace(progress[0], progress[-1], _AGES)
    return np.exp(np.interp(even, progress, np.log(t)))


def _few(masks: Sequence[int]) -> bool:
    """Whether no more masks hang together than `survival` sums over all counts of."""
    return max(map(len, islands(tuple(dict.fromkeys(masks))))) <= _FEW


__all__ = ["Decay", "Source", "decay"]
