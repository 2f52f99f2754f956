"""Visits to items of a range, marked in two bitmaps: uniform, sequential, hot and cold, Zipf.

Random visits are drawn by batches before they are marked, and marked without a branch: large bitmaps lie
outside the caches, and so their latencies overlap. Where all content is marked already, an empty bitmap stands for it.
"""

import math

import numpy as np

from nfvlab.kernels.jit import jit
from nfvlab.kernels.pagemap import set_range

UNIFORM, SEQUENTIAL, HOT, ZIPF = 0, 1, 2, 3

BATCH = 256

_ONE = np.uint64(1)


@jit
def _mark(log, content, items, count):
    """Set the bits of the first `count` items in both bitmaps; an empty `content` is left alone."""
    for k in range(count):
        log[items[k] >> 6] |= _ONE << np.uint64(items[k] & 63)
    if content.size > 0:
        for k in range(count):
            content[items[k] >> 6] |= _ONE << np.uint64(items[k] & 63)


@jit
def visit_uniform(log, content, start, size, visits, rng):
    """`visits` independent visits, uniform over items start..start+size-1."""
    items = np.empty(BATCH, dtype=np.int64)
    while visits > 0:
        count = min(visits, BATCH)
        for k in range(count):
            items[k] = start + min(size - 1, np.int64(rng.random() * size))
        _mark(log, content, items, count)
        visits -= count


@jit
def visit_sequential(log, content, start, size, visits, cursor):
    """`visits` visits one after the other, round and round from `cursor`; returns the new cursor."""
    ahead = min(visits, size - cursor)
    behind = min(visits - ahead, cursor)
    for words in (log, content):
        if words.size > 0:
            set_range(words, start + cursor, start + cursor + ahead)
            set_range(words, start, start + behind)
    return (cursor + visits) % size


@jit
def visit_hot(log, content, start, size, hot, share, visits, rng):
    """A visit falls with probability `share` on the first `hot` items, else on the rest; uniform within."""
    hot = min(hot, size)
    items = np.empty(BATCH, dtype=np.int64)
    while visits > 0:
        count = min(visits, BATCH)
        for k in range(count):
            if hot == size or (hot > 0 and rng.random() < share):
                items[k] = start + min(hot - 1, np.int64(rng.random() * hot))
            else:
                items[k] = start + hot + min(size - hot - 1, np.int64(rng.random() * (size - hot)))
        _mark(log, content, items, count)
        visits -= count


@jit
def _h_integral(x, exponent):
    """Integral of t**-exponent from 1 to x."""
    log_x = math.log(x)
    k = (1.0 - exponent) * log_x
    return math.expm1(k) / k * log_x if abs(k) > 1e-12 else log_x


@jit
def _h_inverse(y, exponent):
    t = max(y * (1.0 - exponent), -1.0)
    if abs(t) > 1e-12:
        return math.exp(math.log1p(t) / t * y) if t > -1.0 else math.inf
    return math.exp(y)


@jit
def visit_zipf(log, content, start, size, exponent, stride, visits, rng):
    """Visits by Zipf's law with the given exponent over ranks 1..size; rank r is item (r-1)*stride mod size.

    `stride` coprime to size scatters the ranks. Rejection-inversion: W. Hormann and G. Derflinger,
    Rejection-inversion to generate variates from monotone discrete distributions, ACM TOMACS 6(3), 1996.
    """
    lowest = _h_integral(1.5, exponent) - 1.0
    highest = _h_integral(size + 0.5, exponent)
    items = np.empty(BATCH, dtype=np.int64)
    while visits > 0:
        count = min(visits, BATCH)
        for k in range(count):
            rank = 1
            while size > 1:
                u = highest + rng.random() * (lowest - highest)
                rank = int(min(float(size), max(1.0, _h_inverse(u, exponent) + 0.5)))
                if u >= _h_integral(rank + 0.5, exponent) - math.exp(-exponent * math.log(rank)):
                    break
            items[k] = start + (rank - 1) * stride % size
        _mark(log, content, items, count)
        visits -= count
