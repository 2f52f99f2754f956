"""Packed bitmaps: bit i of word w is item 64 w + i; counting, merging, filling.

Arrays are C-contiguous uint64. Words are only shifted, masked and added below their range, so that the
plain Python form of every function gives the same bits without an overflow warning.
"""

import numpy as np

from nfvlab.kernels.jit import jit

_ONE = np.uint64(1)
_ALL = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
_M1 = np.uint64(0x5555_5555_5555_5555)
_M2 = np.uint64(0x3333_3333_3333_3333)
_M4 = np.uint64(0x0F0F_0F0F_0F0F_0F0F)
_S1, _S2, _S4, _S8, _S16, _S32 = (np.uint64(k) for k in (1, 2, 4, 8, 16, 32))
_BYTE = np.uint64(0xFF)
_LOW6 = 63


def words_for(items: int) -> int:
    """Words that hold `items` bits."""
    return (items + 63) // 64


def zeros(items: int) -> np.ndarray:
    """An empty bitmap of `items` bits."""
    return np.zeros(words_for(items), dtype=np.uint64)


def full(items: int) -> np.ndarray:
    """A bitmap with the first `items` bits set and the rest of its last word clear."""
    words = zeros(items)
    set_range(words, 0, items)
    return words


@jit
def popcount(x):
    """Bits set in one word."""
    x = x - ((x >> _S1) & _M1)
    x = (x & _M2) + ((x >> _S2) & _M2)
    x = (x + (x >> _S4)) & _M4
    x = x + (x >> _S8)
    x = x + (x >> _S16)
    x = x + (x >> _S32)
    return np.int64(x & _BYTE)


@jit
def count(words):
    """Bits set in the bitmap."""
    total = 0
    for w in range(words.size):
        if words[w]:
            total += popcount(words[w])
    return total


@jit
def _span(low, high):
    """A word with bits low..high-1 set, 0 <= low < high <= 64."""
    upper = _ALL >> np.uint64(64 - high)
    return (upper >> np.uint64(low)) << np.uint64(low)


@jit
def set_range(words, start, stop):
    """Set bits start..stop-1."""
    while start < stop:
        w = start >> 6
        end = min(stop, (w + 1) << 6)
        words[w] |= np.uint64(_span(start & _LOW6, end - (w << 6)))
        start = end


@jit
def clear_range(words, start, stop):
    """Clear bits start..stop-1; returns how many were set."""
    cleared = 0
    while start < stop:
        w = start >> 6
        end = min(stop, (w + 1) << 6)
        mask = np.uint64(_span(start & _LOW6, end - (w << 6)))
        cleared += popcount(words[w] & mask)
        words[w] &= ~mask
        start = end
    return cleared


@jit
def count_range(words, start, stop):
    """Bits set among start..stop-1."""
    total = 0
    while start < stop:
        w = start >> 6
        end = min(stop, (w + 1) << 6)
        total += popcount(words[w] & np.uint64(_span(start & _LOW6, end - (w << 6))))
        start = end
    return total


@jit
def absorb(words, log):
    """words |= log, then clear log; returns (bits newly set in words, bits that were set in log)."""
    fresh = 0
    logged = 0
    for w in range(words.size):
        bits = log[w]
        if bits:
            logged += popcount(bits)
            fresh += popcount(bits & ~words[w])
            words[w] |= bits
            log[w] = np.uint64(0)
    return fresh, logged


@jit
def subtract(words, mask):
    """words &= ~mask; returns how many bits that cleared."""
    cleared = 0
    for w in range(words.size):
        hit = words[w] & mask[w]
        if hit:
            cleared += popcount(hit)
            words[w] &= ~mask[w]
    return cleared


@jit
def set_bits(words, items):
    """Set the bit of every item."""
    for k in range(items.size):
        item = items[k]
        words[item >> 6] |= _ONE << np.uint64(item & _LOW6)


@jit
def runs(words, n_items):
    """Starts and lengths of the runs of set bits among the first n_items, as two int64 arrays."""
    starts = np.empty(1024, dtype=np.int64)
    lengths = np.empty(1024, dtype=np.int64)
    found = 0
    begin = -1
    item = 0
    while item <= n_items:
        on = False
        if item < n_items:
            word = words[item >> 6]
            if item & _LOW6 == 0 and item + 64 <= n_items and word == (_ALL if begin >= 0 else np.uint64(0)):
                item += 64
                continue
            on = (word >> np.uint64(item & _LOW6)) & _ONE == _ONE
        if on and begin < 0:
            begin = item
        elif not on and begin >= 0:
            if found == starts.size:
                starts = np.concatenate((starts, np.empty_like(starts)))
                lengths = np.concatenate((lengths, np.empty_like(lengths)))
            starts[found] = begin
            lengths[found] = item - begin
            found += 1
            begin = -1
        item += 1
    return starts[:found].copy(), lengths[:found].copy()
