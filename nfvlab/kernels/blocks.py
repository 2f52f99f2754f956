"""Aligned blocks of 2**order items: ranges cut into them, and their bits in a packed bitmap."""

import numpy as np

from nfvlab.kernels.jit import jit
from nfvlab.kernels.pagemap import clear_range, set_range


@jit
def mark(words, starts, orders, on):
    """Set (or clear) the bits of some blocks."""
    for k in range(starts.size):
        stop = starts[k] + (1 << orders[k])
        if on:
            set_range(words, starts[k], stop)
        else:
            clear_range(words, starts[k], stop)


@jit
def cut(starts, stops, max_order):
    """The ranges from starts to stops - 1 as the largest aligned blocks, in order: (starts, orders), int64."""
    total = 0
    for k in range(starts.size):
        at = starts[k]
        while at < stops[k]:
            at += 1 << _largest(at, stops[k], max_order)
            total += 1
    blocks = np.empty(total, dtype=np.int64)
    orders = np.empty(total, dtype=np.int64)
    total = 0
    for k in range(starts.size):
        at = starts[k]
        while at < stops[k]:
            order = _largest(at, stops[k], max_order)
            blocks[total] = at
            orders[total] = order
            at += 1 << order
            total += 1
    return blocks, orders


@jit
def _largest(at, stop, max_order):
    """The order of the largest block that starts here and ends by stop."""
    order = 0
    while order < max_order and at & (1 << order) == 0 and at + (2 << order) <= stop:
        order += 1
    return order
