"""Reuse times of a trace in one light pass, in the bins of `reuse`."""

import math

import numpy as np

from nfvlab.kernels import lastseen
from nfvlab.kernels.jit import inlined, jit, prefetch
from nfvlab.kernels.lastseen import LINE, VALUE, find, home
from nfvlab.kernels.reuse import BIN_BITS, ReuseTimes, Times
from nfvlab.kernels.stackdist import as_lines

_AHEAD = 16  # accesses between asking for a slot and needing it


def reuse_times(lines) -> ReuseTimes:
    """Reuse times of one trace: line addresses (byte addresses // 64), any integers in 0..2**64-1."""
    lines = as_lines(lines)
    bins = bin_of.py_func(max(1, lines.size)) + 2  # the last one stays empty
    reuse, first, last = (np.zeros((2, bins), dtype=np.int64) for _ in range(3))
    slots, done, live = lastseen.empty(), 0, 0
    while done < lines.size:
        done, live = _measure(lines, done, live, slots, reuse, first)
        if done < lines.size:
            larger = lastseen.empty(2 * len(slots))
            lastseen.rehash(slots, larger)
            slots = larger
    _close(slots, lines.size, last)
    return ReuseTimes(*(Times(*made) for made in (reuse, first, last)))


@inlined
def bin_of(time):
    """The bin of a time, 1 or more: itself below 2**13, then 4096 to each doubling."""
    shift = max(0, math.frexp(float(time))[1] - 1 - BIN_BITS)
    return (shift << BIN_BITS) + (time >> shift)


@inlined
def _add(time, table):
    b = bin_of(time)
    table[0, b] += 1
    table[1, b] += time


@jit
def _measure(lines, start, live, slots, reuse, first):
    """Accesses from `start` on until the table is full: (how far it came, lines in the table)."""
    room, k = slots.shape[0] * 2 // 3, start
    while k < lines.size and live < room:
        if k + _AHEAD < lines.size:
            prefetch(slots, home(lines[k + _AHEAD], slots), 0)
        s = find(lines[k], slots)
        if slots[s, VALUE] == 0:
            slots[s, LINE] = lines[k]
            live += 1
            _add(k + 1, first)
        else:
            _add(k + 1 - np.int64(slots[s, VALUE]), reuse)
        slots[s, VALUE] = k + 1
        k += 1
    return k, live


@jit
def _close(slots, accesses, last):
    """Enter the last accesses of all lines."""
    for s in range(slots.shape[0]):
        if slots[s, VALUE] != 0:
            _add(accesses + 1 - np.int64(slots[s, VALUE]), last)
