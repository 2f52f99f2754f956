"""Marks on a time axis, set at its end, cleared anywhere, counted before any position: all in constant time.

Marks are bits. Each word of 64 knows the marks before it within its group of 64 words, each group those before it
within its span of 64 groups, and each span those before it. Clearing a mark takes one from all that come after it in
the group and the span: loops of fixed length, which compile to a few vector instructions without a branch to miss.
"""

from typing import NamedTuple

import numpy as np

from nfvlab.kernels.jit import inlined, jit
from nfvlab.kernels.pagemap import popcount

SPAN = 64**3  # positions

_ONE, _ALL = np.uint64(1), np.uint64(2**64 - 1)
_FAN, _SIX, _IN = np.uint64(64), np.uint64(6), np.uint64(63)


class Axis(NamedTuple):
    """Marks on positions 0..size-1; counts past the last mark set are not kept."""

    bits: np.ndarray  # uint64[words]
    words: np.ndarray  # int16[words]
    groups: np.ndarray  # int32[words / 64]
    spans: np.ndarray  # int64[words / 4096]


def empty(positions: int) -> Axis:
    """An axis of at least so many positions, without a mark."""
    spans = max(1, -(-positions // SPAN))
    kinds = (np.uint64, 64 * 64), (np.int16, 64 * 64), (np.int32, 64), (np.int64, 1)
    return Axis(*(np.zeros(spans * each, dtype=kind) for kind, each in kinds))


@inlined
def before(position, axis):
    """Marks before a position (uint64) that is marked or was marked last."""
    w = position >> _SIX
    below = axis.bits[w] & ((_ONE << (position & _IN)) - _ONE)
    group = w >> _SIX
    return axis.spans[group >> _SIX] + axis.groups[group] + axis.words[w] + popcount(below)


@inlined
def append(position, axis):
    """Mark the position (uint64) that follows the last one marked, from 0 on."""
    w = position >> _SIX
    if position & _IN == 0 and w > 0:
        within = axis.words[w - _ONE] + popcount(axis.bits[w - _ONE])
        group = w >> _SIX
        axis.words[w] = within if w & _IN else 0
        if w & _IN == 0:
            axis.groups[group] = axis.groups[group - _ONE] + within if group & _IN else 0
            if group & _IN == 0:
                span = group >> _SIX
                axis.spans[span] = axis.spans[span - _ONE] + axis.groups[group - _ONE] + within
    axis.bits[w] |= _ONE << (position & _IN)


@inlined
def clear(position, now, axis):
    """Clear the mark of a position (uint64); `now` is the next one that will be marked."""
    w = position >> _SIX
    group = w >> _SIX
    axis.bits[w] ^= _ONE << (position & _IN)
    start, place, group_place = w & ~_IN, np.int16(w & _IN), np.int32(group & _IN)
    for k in range(_FAN):
        axis.words[start + k] -= np.int16(np.int16(k) > place)
    start = group & ~_IN
    for k in range(_FAN):
        axis.groups[start + k] -= np.int32(np.int32(k) > group_place)
    for span in range((group >> _SIX) + _ONE, (now >> np.uint64(18)) + _ONE):
        if span < axis.spans.size:
            axis.spans[span] -= 1


@jit
def fill(marks, axis):
    """Mark the first positions of an empty axis."""
    for position in range(np.uint64(marks)):
        append(position, axis)
