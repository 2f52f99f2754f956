"""Classes that share one mask: what each of them gets of it, what that costs, and which classes to put together.

In a cache under LRU all lines leave at the same age T, whoever filled them, and what a class has touched within T grows
by one line with each miss: its occupancy's derivative in T is its miss rate (Denning and Schwartz, CACM 1972). So a
shared mask fills in proportion to the misses that each class has at what it holds by then. The same rule, as a rule of
thumb, is WhirlTool's for combining miss curves (Mukkara, Beckmann and Sanchez, ASPLOS 2016), which KPart uses to decide
who shares a partition (El-Sayed et al., HPCA 2018). Beside an exact cache, a class's misses are right to 0.03 of all
accesses for smooth curves, and to 0.12 where a scan fits or not by less than a way, which curves given at whole ways
cannot say (tests/cat/test_shared_mask_twin.py).
"""

from collections.abc import Callable, Sequence

import numpy as np

from nfvlab.kernels import partition, pools

EXACT_CLASSES = (
    9  # groupings of so many classes are all compared (3**9 = 19 683 pairs of sets, times ways squared)
)

Groups = tuple[tuple[int, ...], ...]


def held_ways(misses: np.ndarray) -> np.ndarray:
    """Ways that each class holds of a shared mask of 0, 1, … ways: float64[classes, ways + 1].

    misses: float64[classes, ways + 1], each class's misses per second when it holds that many ways.
    """
    return pools.share_flow(np.ascontiguousarray(misses, dtype=float), pools.PARTS)


def cost_held(costs: np.ndarray, held: np.ndarray) -> np.ndarray:
    """Cost of each class at what it holds, float64[classes, ways + 1], linear between whole ways.

    An infinite cost forbids what lies between it and its neighbour, too.
    """
    low = np.minimum(np.floor(held + 1e-9).astype(np.int64), costs.shape[1] - 1)
    high = np.minimum(low + 1, costs.shape[1] - 1)
    part = np.where(held - low > 1e-9, held - low, 0.0)
    below, above = np.take_along_axis(costs, low, 1), np.take_along_axis(costs, high, 1)
    with np.errstate(invalid="ignore"):  # a weight of nothing on an infinite neighbour
        return np.where(part > 0, below * (1 - part) + above * part, below)


def group_cost(costs: np.ndarray, misses: np.ndarray, members: Sequence[int]) -> np.ndarray:
    """The cost of each of some classes that share 0, 1, … ways: float64[members, ways + 1]."""
    members = list(members)
    return cost_held(costs[members], held_ways(misses[members])) if len(members) > 1 else costs[members]


def best_groups(
    curve: Callable[[Sequence[int]], np.ndarray],
    least: np.ndarray,
    most: np.ndarray,
    total: int,
    *,
    groups: int,
    worst: bool,
) -> tuple[Groups, bool]:
    """Which classes share a mask when there are only `groups` masks; and whether no other grouping is better.

    curve: the cost of some classes that share 0 to `total` ways, float64[total + 1]; least, most: int64[classes].
    Minimises the sum of the groups' costs (`worst`: the largest). All groupings are compared up to `EXACT_CLASSES`
    classes; above, the two groups whose union costs least are joined until few enough remain, as KPart does. Empty when
    nothing fits.
    """
    classes = least.size
    if classes > EXACT_CLASSES:
        return _join(curve, least, most, total, groups, worst), False
    sets = 1 << classes
    joint = np.full((sets, total + 1), np.inf)
    low, high = np.ones(sets, dtype=np.int64), np.zeros(sets, dtype=np.int64)
    for bits in range(1, sets):
        members = [k for k in range(classes) if bits >> k & 1]
        joint[bits] = curve(members)
        low[bits], high[bits] = least[members].max(), most[members].min()
    found = pools.best_pools(joint, low, high, total, groups, worst)
    named = [tuple(k for k in range(classes) if bits >> k & 1) for bits in found.tolist()]
    return tuple(sorted(named)), True


def _join(curve, least, most, total, groups, worst) -> Groups:
    """Groups made by joining two at a time; while they do not all fit, judged as if there were more ways."""
    now: list[tuple[int, ...]] = [(k,) for k in range(least.size)]
    curves: dict[tuple[int, ...], np.ndarray] = {}

    def value(some: list[tuple[int, ...]]) -> float:
        for group in some:
            if group not in curves:
                curves[group] = curve(group)
        joint = np.array([curves[group] for group in some])
        low = np.array([least[list(group)].max() for group in some])
        high = np.array([most[list(group)].min() for group in some])
        solve = partition.split_leximin if worst else partition.split_sum
        ways = solve(joint, low, high, max(total, int(low.sum())))
        if ways[0] < 0:
            return np.inf
        each = joint[np.arange(len(some)), ways]
        return float(each.max() if worst else each.sum())

    while len(now) > groups or (len(now) > 1 and sum(least[list(g)].max() for g in now) > total):
        pairs = [(a, b) for i, a in enumerate(now) for b in now[i + 1 :]]
        joined = [[g for g in now if g not in pair] + [tuple(sorted(pair[0] + pair[1]))] for pair in pairs]
        now = min(joined, key=value)
    return tuple(sorted(now))


__all__ = ["EXACT_CLASSES", "Groups", "best_groups", "cost_held", "group_cost", "held_ways"]
