"""Miss-ratio curves from a sample of the lines: SHARDS, with its correction.

C. Waldspurger, N. Park, A. Garthwaite and I. Ahmad, Efficient MRC construction with SHARDS, FAST 2015. A line is in the
sample if its hash is below a threshold, then all its accesses are; their stack distances among the sampled lines are
`rate` times the true ones on average. SHARDS-adj: the accesses that the sample has too few (or too many) of belong to
lines so hot that they are in it or not by chance, and are added to (taken from) distance 0.
"""

from typing import NamedTuple

import numpy as np

from nfvlab.kernels.jit import inlined, jit
from nfvlab.kernels.stackdist import Distances, as_lines, stack_distances

FULL = 1 << 32  # the threshold that takes every line

_PIECE = 1 << 16
_A, _B = np.uint64(0x9E3779B1), np.uint64(0x85EBCA77)  # primes of 32 bits: no product overflows
_HALF, _LOW, _SHIFT = np.uint64(32), np.uint64(0xFFFFFFFF), np.uint64(29)


class Sampled(NamedTuple):
    """Stack distances of a sample."""

    distances: Distances  # among the sampled lines
    rate: float  # share of the lines' hashes that were taken
    accesses: int  # of the whole trace

    @property
    def adjustment(self) -> float:
        """Accesses that the sample should have had, less those it has; negative: it has too many."""
        return self.accesses * self.rate - self.distances.accesses

    def miss_ratio(self, sizes, *, adjusted: bool = True) -> np.ndarray:
        """Estimated misses per access of a fully associative LRU cache of each size in lines: float64[sizes].

        Unadjusted, hot lines in the sample or out of it shift the whole curve; adjusted, it may leave 0..1 a little.
        """
        sizes = np.atleast_1d(np.asarray(sizes, dtype=np.float64))
        misses = self.distances.misses(np.ceil(sizes * self.rate).astype(np.int64))
        if not adjusted:
            return misses / max(1, self.distances.accesses)
        expected = self.accesses * self.rate
        return np.where(sizes > 0, misses / expected, 1.0)


def sample_at_rate(lines, rate: float, rng: np.random.Generator) -> Sampled:
    """Each line of the trace is in the sample with probability `rate`; `rng` draws which hash."""
    if not 0 < rate <= 1:
        raise ValueError(f"rate is {rate}: not a share of the lines in (0, 1]. Give e.g. 0.01")
    lines = as_lines(lines)
    return _measure(lines, max(1, round(rate * FULL)), _salt(rng))


def sample_of_size(lines, count: int, rng: np.random.Generator) -> Sampled:
    """The sample of about `count` lines: one pass finds the rate that gives it, a second one measures.

    The authors' fixed-size variant lowers its threshold as it goes and rescales what it has; with the whole trace at
    hand the final threshold can be found first, and no count needs to be rescaled.
    """
    if not count >= 1:
        raise ValueError(f"count is {count}: a sample has 1 line or more. Give e.g. 8192")
    lines, salt, threshold = as_lines(lines), _salt(rng), FULL
    lowest = np.empty(0, dtype=np.uint64)
    for start in range(0, lines.size, _PIECE):
        found = _hashes(lines[start : start + _PIECE], salt, np.uint64(threshold))
        lowest = _distinct(np.concatenate((lowest, found)))[: count + 1]
        if lowest.size > count:
            threshold = int(lowest[count])  # the first hash that is one too many
    return _measure(lines, max(1, threshold), salt)


def _distinct(hashes: np.ndarray) -> np.ndarray:
    """Each once, in order; by sorting, which is many times quicker here than numpy.unique's table."""
    hashes = np.sort(hashes)
    return hashes[np.append(True, hashes[1:] != hashes[:-1])] if hashes.size else hashes


def _salt(rng: np.random.Generator) -> np.uint64:
    return rng.integers(0, 2**64, dtype=np.uint64)


def _measure(lines: np.ndarray, threshold: int, salt: np.uint64) -> Sampled:
    sample = _sample(lines, salt, np.uint64(threshold))
    return Sampled(stack_distances(sample), threshold / FULL, lines.size)


@inlined
def _round(x, a, b):
    high = (x >> _HALF) * b
    x = (x & _LOW) * a ^ (high << _HALF | high >> _HALF)
    return x ^ x >> _SHIFT


@inlined
def _hash(line, salt):
    """32 bits of a line address."""
    return _round(_round(_round(line ^ salt, _A, _B), _B, _A), _A, _B) >> _HALF


@jit
def _hashes(lines, salt, threshold):
    """Hashes below the threshold, in order: uint64[…] of 32 bits."""
    found, count = np.empty_like(lines), 0
    for k in range(lines.size):
        found[count] = _hash(lines[k], salt)
        count += found[count] < threshold
    return found[:count].copy()


@jit
def _sample(lines, salt, threshold):
    """The accesses to lines whose hash is below the threshold, in order: uint64[…]."""
    found, count = np.empty_like(lines), 0
    for k in range(lines.size):
        found[count] = lines[k]
        count += _hash(lines[k], salt) < threshold
    return found[:count].copy()
