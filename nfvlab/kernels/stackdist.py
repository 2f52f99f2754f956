"""LRU stack distances of a trace, exactly: every size of cache at once, in one pass.

R. L. Mattson, J. Gecsei, D. R. Slutz and I. L. Traiger, Evaluation techniques for storage hierarchies, IBM Systems
Journal 9(2), 1970. The distance of an access is how many other lines were used since its line was last; a fully
associative LRU cache of c lines hits if it is below c. As in B. T. Bennett and V. J. Kruskal, LRU stack processing,
IBM Journal of R&D 19(4), 1975, a mark on a time axis stands for the last use of each line, and a distance is the
number of marks after one; a hash table says where. When the axis is full, its marks are moved together at its start.
"""

from typing import NamedTuple

import numpy as np

from nfvlab.kernels import lastseen, timeaxis
from nfvlab.kernels.jit import jit, prefetch
from nfvlab.kernels.lastseen import LINE, VALUE, find, home
from nfvlab.kernels.timeaxis import append, before, clear, fill

SPARE = 3  # positions of the axis for each line in use

_ONE = np.uint64(1)
_AHEAD = 16  # accesses between asking for a slot and needing it
NOW, LIVE, COLD = range(3)


class Distances(NamedTuple):
    """The stack distances of a trace."""

    counts: np.ndarray  # int64[longest + 1]: accesses at distance 0, 1, …
    cold: int  # first accesses of a line, which have none

    @property
    def accesses(self) -> int:
        """Accesses of the trace."""
        return int(self.counts.sum()) + self.cold

    def misses(self, sizes) -> np.ndarray:
        """Misses of a fully associative LRU cache of each size in lines: int64[sizes]."""
        sizes = np.atleast_1d(np.asarray(sizes))
        if sizes.dtype.kind not in "iu" or (sizes < 0).any():
            raise ValueError(f"sizes is {sizes}: not whole numbers of lines >= 0. Divide bytes by the line")
        hits = np.concatenate(([0], np.cumsum(self.counts)))
        return self.accesses - hits[np.minimum(sizes, self.counts.size).astype(np.int64)]

    def miss_ratio(self, sizes) -> np.ndarray:
        """Misses per access for each size in lines: float64[sizes]; NaN for a trace without an access."""
        misses = self.misses(sizes)
        return misses / self.accesses if self.accesses else np.full(misses.shape, np.nan)


class Stack:
    """Stack distances of a trace that comes in pieces."""

    def __init__(self):
        self._slots = lastseen.empty()
        self._state = np.zeros(3, dtype=np.int64)
        self._counts = np.zeros(lastseen.room(self._slots) + 1, dtype=np.int64)
        self._axis = timeaxis.empty(SPARE * lastseen.room(self._slots))

    def add(self, lines) -> None:
        """The next accesses of the trace: line addresses (byte addresses // 64), any integers in 0..2**64-1."""
        lines, none = as_lines(lines), np.empty(0, dtype=np.int64)
        self._add(lines, none)

    def distances(self, lines) -> np.ndarray:
        """As `add`; returns the distance of each access, -1 for the first of a line: int64[n]."""
        lines = as_lines(lines)
        each = np.empty(lines.size, dtype=np.int64)
        self._add(lines, each)
        return each

    def result(self) -> Distances:
        """What was added so far."""
        used = np.flatnonzero(self._counts)
        return Distances(self._counts[: used[-1] + 1 if used.size else 0].copy(), int(self._state[COLD]))

    def _add(self, lines: np.ndarray, each: np.ndarray) -> None:
        done = 0
        while done < lines.size:
            done = _measure(lines, done, self._slots, self._axis, self._state, self._counts, each)
            if done < lines.size:
                self._make_room()

    def _make_room(self) -> None:
        """A larger table if it is full, and the bits in use together at the beginning of the axis."""
        if self._state[LIVE] >= lastseen.room(self._slots):
            larger = lastseen.empty(2 * len(self._slots))
            lastseen.rehash(self._slots, larger)
            self._slots = larger
            self._counts = np.append(
                self._counts, np.zeros(lastseen.room(larger) + 1 - self._counts.size, np.int64)
            )
        fresh = timeaxis.empty(SPARE * int(self._state[LIVE]))
        _compact(self._slots, self._axis, fresh, self._state[LIVE])
        self._axis = fresh
        self._state[NOW] = self._state[LIVE]


def stack_distances(lines) -> Distances:
    """The stack distances of one trace: line addresses (byte addresses // 64), any integers in 0..2**64-1."""
    stack = Stack()
    stack.add(lines)
    return stack.result()


def as_lines(lines) -> np.ndarray:
    """A trace as uint64[n], or a ValueError."""
    lines = np.asarray(lines)
    if lines.ndim != 1 or (lines.size and lines.dtype.kind not in "ui"):
        what = f"lines is {lines.dtype}{list(lines.shape)}"
        raise ValueError(f"{what}: not a row of whole numbers. Give line addresses as uint64[n]")
    if lines.size and lines.dtype.kind == "i" and lines.min() < 0:
        raise ValueError(f"lines has {lines.min()}: not an address. Give line addresses from 0 to 2**64 - 1")
    return np.ascontiguousarray(lines, dtype=np.uint64)


@jit
def _measure(lines, first, slots, axis, state, histogram, each):
    """Accesses from `first` on until the table or the axis is full; returns how far it came."""
    now, live, cold = np.uint64(state[NOW]), state[LIVE], state[COLD]
    room, end = min(slots.shape[0] * 2 // 3, histogram.size - 1), np.uint64(axis.bits.size * 64)
    k = first
    while k < lines.size and now < end and live < room:
        if k + _AHEAD < lines.size:
            prefetch(slots, home(lines[k + _AHEAD], slots), 0)
        s = find(lines[k], slots)
        distance = -1
        if slots[s, VALUE] == 0:
            slots[s, LINE] = lines[k]
            live += 1
            cold += 1
        else:
            position = slots[s, VALUE] - _ONE
            distance = live - 1 - before(position, axis)
            histogram[distance] += 1
            clear(position, now, axis)
        if each.size > 0:
            each[k] = distance
        append(now, axis)
        now += _ONE
        slots[s, VALUE] = now
        k += 1
    state[NOW], state[LIVE], state[COLD] = now, live, cold
    return k


@jit
def _compact(slots, old, axis, live):
    """Move the marks of `live` lines to the first positions of a fresh axis, in order."""
    for s in range(slots.shape[0]):
        if slots[s, VALUE] != 0:
            slots[s, VALUE] = np.uint64(before(slots[s, VALUE] - _ONE, old)) + _ONE
    fill(live, axis)
