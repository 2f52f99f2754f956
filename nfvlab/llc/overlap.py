"""Masks that overlap: which class gets how much of the ways that several may fill.

A miss evicts the oldest line of the ways that its class may fill. So a class feeds whichever of them hold the oldest
lines, until none is older than another: eviction ages are the max-min fair division of the ways, and the classes that
are worst off together fill the union of their masks (a bottleneck as in the water-filling of Bertsekas and Gallager,
Data Networks, 6.5.2). `fair_times` is that limit of many ways.

With few ways each set divides its own, by the lines that happened to come to it. `survival` counts that set by set: of
lines in the order of their last reference, a line is held if it and all younger held ones can be placed in ways that
their masks allow (the greedy base of a transversal matroid; Edmonds 1971). For one mask, or masks that do not overlap,
this is the Poisson form of `associative`. A real cache never moves a line to another way, so it holds a little less
of what the narrower mask brings in; tests/llc/test_overlap.py measures how much.
"""

import functools
from collections.abc import Sequence

import numpy as np

from nfvlab.llc.associative import poisson_below

_EXACT = 3  # classes that overlap, up to which all their counts are summed over
_POINTS = (128, 64, 32)  # sampled counts beyond, for up to 16, 64 and more unions
_LOOKS = 32  # times at which they are sampled, more being interpolated


@functools.lru_cache(maxsize=1024)
def unions(masks: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """All unions of masks: (members bool[unions, classes]: whose mask lies inside; ways int64[unions])."""
    found = {0}
    for mask in masks:
        found |= {mask | other for other in found}
    ordered = sorted(found)
    members = np.array([[mask & ~union == 0 for mask in masks] for union in ordered])
    return members, np.array([union.bit_count() for union in ordered])


@functools.lru_cache(maxsize=1024)
def islands(masks: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    """Positions of masks that are connected by overlaps, one tuple an island."""
    left, found = list(range(len(masks))), []
    while left:
        island = [left.pop(0)]
        reach = masks[island[0]]
        while near := [c for c in left if masks[c] & reach]:
            island += near
            left = [c for c in left if c not in near]
            for c in near:
                reach |= masks[c]
        found.append(tuple(sorted(island)))
    return tuple(found)


def fair_times(masks: Sequence[int], t: np.ndarray, footprints: np.ndarray, sets: int) -> np.ndarray:
    """Characteristic time of each class for many ways, float64[classes]; infinity where all of its lines fit.

    t: times, rising; footprints[class, t]: lines that each class references within them.
    """
    left, used = list(range(len(masks))), 0
    times = np.full(len(masks), np.inf)
    while left:
        rest = tuple(masks[c] & ~used for c in left)
        members, ways = unions(rest)
        demand = members.astype(float) @ footprints[left]
        reached = [_crossing(t, d, w * sets) for d, w in zip(demand, ways, strict=True)]
        reached = np.where(members.any(axis=1), reached, np.inf)
        if not np.isfinite(reached).any():
            break
        tight = members[int(np.argmin(reached))]
        for c, inside, mask in zip(list(left), tight, rest, strict=True):
            if inside:
                times[c] = reached.min()
                used |= mask
                left.remove(c)
    return times


def _crossing(t: np.ndarray, demand: np.ndarray, capacity: float) -> float:
    """The time at which a rising demand reaches the capacity; infinity if it never does."""
    if demand[-1] < capacity:
        return np.inf
    at = int(np.searchsorted(demand, capacity))
    if at == 0:
        return float(t[0])
    share = (capacity - demand[at - 1]) / (demand[at] - demand[at - 1])
    return float(t[at - 1] * (t[at] / t[at - 1]) ** share)


def survival(masks: Sequence[int], mean: np.ndarray) -> np.ndarray:
    """How likely a line of each class, unreferenced for a time, is still there: float64[classes, t].

    mean[class, t]: mean number of its lines referenced in that time in one set. Equal masks may be given
    more than once.
    """
    distinct = tuple(dict.fromkeys(masks))
    if len(distinct) == len(masks):
        return _apart(distinct, mean)
    position = np.array([distinct.index(mask) for mask in masks])
    pooled = np.zeros((len(distinct), mean.shape[1]))
    np.add.at(pooled, position, mean)
    return _apart(distinct, pooled)[position]


def _apart(masks: tuple[int, ...], mean: np.ndarray) -> np.ndarray:
    """`survival` of different masks."""
    if len(masks) == 1:
        return _island(masks, mean)
    alive = np.empty_like(mean)
    for island in islands(masks):
        of = list(island)
        alive[of] = _island(tuple(masks[c] for c in island), mean[of])
    return alive


def _island(masks: tuple[int, ...], mean: np.ndarray) -> np.ndarray:
    """`survival` of different masks, connected by overlaps."""
    if len(masks) == 1:
        return poisson_below(masks[0].bit_count(), mean[0])[None]
    if len(masks) <= _EXACT:
        return _summed(masks, [_below(m, mask.bit_count()) for m, mask in zip(mean, masks, strict=True)])
    full = np.minimum(mean / _sizes(masks), 1).sum(axis=0)
    order = np.argsort(full, kind="stable")
    look = order[np.unique(np.searchsorted(full[order], np.linspace(full.min(), full.max(), _LOOKS)))]
    alive = _sampled(
        masks, [_below(m, mask.bit_count()) for m, mask in zip(mean[:, look], masks, strict=True)]
    )
    return np.stack([np.interp(full, full[look], a) for a in alive])


def _below(mean: np.ndarray, ways: int) -> np.ndarray:
    """Poisson probabilities of less than n, float64[t, ways + 2], all above `ways` counted as `ways`."""
    n, log_factorial = _factorials(ways)
    pmf = np.exp(np.log(np.maximum(mean, 1e-300))[:, None] * n - mean[:, None] - log_factorial)
    below = np.empty((mean.size, ways + 2))
    below[:, 0] = 0.0
    np.cumsum(pmf, axis=1, out=below[:, 1:-1])
    below[:, -1] = 1.0
    return below


@functools.lru_cache(maxsize=64)
def _sizes(masks: tuple[int, ...]) -> np.ndarray:
    """Counts that surely fill each mask, float64[classes, 1]."""
    ways = np.array([float(mask.bit_count()) for mask in masks])[:, None]
    return ways + 5 * np.sqrt(ways) + 4


@functools.lru_cache(maxsize=64)
def _factorials(ways: int) -> tuple[np.ndarray, np.ndarray]:
    """0 … ways - 1, and the logarithms of their factorials."""
    n = np.arange(ways, dtype=float)
    return n, np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, ways)))])


@functools.lru_cache(maxsize=256)
def _rooms(masks: tuple[int, ...]) -> tuple[np.ndarray, ...]:
    """For each class, the ways left to it by every count of the other classes: int64[their counts …, flat]."""
    found = []
    for c, mask in enumerate(masks):
        sizes = [other.bit_count() + 1 if k != c else 1 for k, other in enumerate(masks)]
        counts = np.indices(sizes).reshape(len(masks), -1)
        found.append(_room(masks, counts)[c])
        assert found[-1].max() <= mask.bit_count()
    return tuple(found)


def _room(masks: tuple[int, ...], counts: np.ndarray) -> np.ndarray:
    """Ways left to each class by the other classes' counts: int64[classes, n] from counts[classes, n].

    Of demands for ways, the smallest of `held` over all unions can be met (Hall, Rado). A class gets one line more
    unless it is inside a union that is already full.
    """
    members, ways = unions(masks)
    held = (~members).astype(np.float32) @ counts.astype(np.float32) + ways[:, None].astype(np.float32)
    rooms = []
    for c, own in enumerate(counts):
        full = held[members[:, c]].min(axis=0)
        free = held[~members[:, c]].min(axis=0) - own
        rooms.append(full - np.minimum(full, free))
    return np.stack(rooms).astype(np.intp)


def _summed(masks: tuple[int, ...], below: list[np.ndarray]) -> np.ndarray:
    """Sum over all counts of the other classes."""
    mass = [np.diff(b, axis=1) for b in below]
    alive = []
    for c, room in enumerate(_rooms(masks)):
        weight = np.ones((below[0].shape[0], 1))
        for k, pmf in enumerate(mass):
            if k != c:
                weight = (weight[:, :, None] * pmf[:, None, :]).reshape(weight.shape[0], -1)
        alive.append(np.einsum("tn,tn->t", weight, below[c][:, room]))
    return np.stack(alive)


def _sampled(masks: tuple[int, ...], below: list[np.ndarray]) -> np.ndarray:
    """Mean over evenly spread counts of the other classes; own counts are summed over."""
    size = unions(masks)[1].size
    points = _spread(len(masks), _POINTS[(size > 16) + (size > 64)])
    counts = [(b[:, 1:-1, None] <= u).sum(axis=1, dtype=np.int16) for b, u in zip(below, points, strict=True)]
    shape = counts[0].shape  # times, points
    rooms = _room(masks, np.stack(counts).reshape(len(masks), -1)).reshape(-1, *shape)
    return np.stack(
        [np.take_along_axis(b, room, axis=1).mean(axis=1) for b, room in zip(below, rooms, strict=True)]
    )


@functools.lru_cache(maxsize=32)
def _spread(dimensions: int, points: int) -> np.ndarray:
    """Points of the unit cube by the generalised golden ratio, float64[dimensions, points]."""
    root = 2.0
    for _ in range(64):
        root = (1 + root) ** (1 / (dimensions + 1))
    steps = root ** -np.arange(1, dimensions + 1)
    return (0.5 + np.outer(steps, np.arange(1, points + 1))) % 1


__all__ = ["fair_times", "islands", "survival", "unions"]
