"""Zipf's law over any number of items: a table of aliases for the first ranks and for bins of the others.

A bin is proposed with the weight that it had if all its ranks were as likely as its first; a rank of it, drawn evenly,
is kept with its weight over the first one's. Bins are narrow, so nearly all are kept, and those mostly by a bound
that needs no power. The law is exact up to the rounding of doubles; the table is small for any number of items.
A. Walker, An efficient method for generating discrete random variables with general distributions, ACM TOMS 3(3),
1977; the table is made as in M. Vose, IEEE Transactions on Software Engineering 17(9), 1991.
"""

from typing import NamedTuple

import numpy as np

from nfvlab.kernels.jit import inlined, jit

HEAD = 1 << 12  # ranks that are entries of their own
BINS = 64  # from there to twice that, and as many in each doubling after
MAX_EXPONENT = 50.0


class Law(NamedTuple):
    """What `draw` needs, made by `law`."""

    exponent: np.ndarray  # float64[2]: the exponent, the number of items
    start: np.ndarray  # int64[entries + 1]: first rank of an entry, counted from 0; last the number of items
    threshold: np.ndarray  # float64[entries]: an entry keeps a draw whose fraction is below this
    alias: np.ndarray  # int32[entries]: who gets the others


def law(size: int, exponent: float) -> Law:
    """P(rank) proportional to (rank + 1)**-exponent over ranks 0..size-1."""
    if not 1 <= size <= 1 << 53:
        raise ValueError(f"size is {size}: Zipf's law is drawn over 1 to 2**53 items. Give one of those")
    if not 0 <= exponent <= MAX_EXPONENT:
        raise ValueError(f"exponent is {exponent}: not from 0 to {MAX_EXPONENT:g}. Give one of those")
    start = np.append(_edges(size), size)
    weights = (start[:-1] + 1.0) ** -float(exponent) * np.diff(start)
    return Law(np.array([exponent, size], dtype=np.float64), start, *_aliases(weights))


def _edges(size: int) -> np.ndarray:
    """First ranks of the entries: each rank up to HEAD, then BINS in each doubling."""
    parts, low = [np.arange(min(size, HEAD))], HEAD
    while low < size:
        parts.append(np.arange(low, min(2 * low, size), low // BINS))
        low *= 2
    return np.concatenate(parts)


@jit
def _aliases(weights):
    """Walker's table of some weights: (threshold float64[n], alias int32[n])."""
    n = weights.size
    threshold, alias = np.ones(n), np.arange(n).astype(np.int32)
    scaled = weights * (n / weights.sum())
    small, large = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64)
    smalls = larges = 0
    for k in range(n):
        if scaled[k] < 1.0:
            small[smalls] = k
            smalls += 1
        else:
            large[larges] = k
            larges += 1
    while smalls > 0 and larges > 0:
        smalls -= 1
        k, giver = small[smalls], large[larges - 1]
        threshold[k], alias[k] = scaled[k], giver
        scaled[giver] -= 1.0 - scaled[k]
        if scaled[giver] < 1.0:
            larges -= 1
            small[smalls] = giver
            smalls += 1
    return threshold, alias


@inlined
def draw(law, rng):
    """One rank, counted from 0."""
    exponent = law.exponent[0]
    if exponent == 0.0:
        size = law.exponent[1]
        return min(np.int64(size) - 1, np.int64(rng.random() * size))
    while True:
        u = rng.random() * law.threshold.size
        k = np.int64(u)
        if u - k >= law.threshold[k]:
            k = np.int64(law.alias[k])
        if k < HEAD:
            return k
        first = law.start[k]
        ahead = np.int64(rng.random() * (law.start[k + 1] - first))
        farther = ahead / (first + 1.0)
        u = rng.random()
        if u < 1.0 - exponent * farther or u < (1.0 + farther) ** -exponent:
            return first + ahead


@jit
def draws(count, law, rng):
    """`count` independent ranks, counted from 0: int64[count]."""
    ranks = np.empty(count, dtype=np.int64)
    for k in range(count):
        ranks[k] = draw(law, rng)
    return ranks
