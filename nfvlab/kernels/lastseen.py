"""When each line was last seen: a table of open addressing from 64-bit line addresses to positive integers.

A slot is a row (line, value), value 0 for an empty one; lines are hashed, collisions go to the next slot. The table is
filled at most to two thirds; who uses it makes it grow in time.
"""

import numpy as np

from nfvlab.kernels.jit import inlined, jit

LINE, VALUE = range(2)
SMALLEST = 1 << 10

_A, _B = np.uint64(0x9E3779B1), np.uint64(0x85EBCA77)  # primes of 32 bits: no product overflows
_HALF, _LOW = np.uint64(32), np.uint64(0xFFFFFFFF)


def empty(slots: int = SMALLEST) -> np.ndarray:
    """A table without a line: uint64[slots, 2]; slots is a power of two."""
    return np.zeros((slots, 2), dtype=np.uint64)


def room(slots: np.ndarray) -> int:
    """Lines that the table may hold."""
    return len(slots) * 2 // 3


@inlined
def home(line, slots):
    """The slot at which the search for a line begins: a hash, good enough for its low bits."""
    low, high = (line & _LOW) * _A, (line >> _HALF) * _B
    x = low ^ (high << _HALF | high >> _HALF)
    x = ((x ^ x >> _HALF) & _LOW) * _B
    return np.int64((x ^ x >> _HALF) & np.uint64(slots.shape[0] - 1))


@inlined
def find(line, slots):
    """The slot that holds a line, or the empty one that would."""
    s, last = home(line, slots), slots.shape[0] - 1
    while slots[s, VALUE] != 0 and slots[s, LINE] != line:
        s = (s + 1) & last
    return s


@jit
def rehash(slots, larger):
    """Put all lines of a table into an empty, larger one."""
    for k in range(slots.shape[0]):
        if slots[k, VALUE] != 0:
            s = find(slots[k, LINE], larger)
            larger[s, LINE], larger[s, VALUE] = slots[k, LINE], slots[k, VALUE]
