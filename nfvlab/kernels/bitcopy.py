"""Runs of bits copied between packed bitmaps at any offset, a word at a time (numpy only)."""

import numpy as np


def copy_bits(source: np.ndarray, start: int, target: np.ndarray, to: int, bits: int) -> None:
    """OR `bits` bits of `source` from bit `start` on into `target` from bit `to` on.

    Both are uint64, bit i of word w is item 64 w + i. Behind its end the source reads as zeros.
    """
    while bits > 0 and to % 64:  # up to the first whole word of the target
        head = min(64 - to % 64, bits)
        target[to // 64] |= _word(source, start, head) << np.uint64(to % 64)
        start, to, bits = start + head, to + head, bits - head
    words, shift, at = bits // 64, start % 64, start // 64
    if words:
        here = _slice(source, at, words)
        if shift:
            above = _slice(source, at + 1, words)
            here = (here >> np.uint64(shift)) | (above << np.uint64(64 - shift))
        target[to // 64 : to // 64 + words] |= here
    if tail := bits - 64 * words:
        target[to // 64 + words] |= _word(source, start + 64 * words, tail)


def _slice(words: np.ndarray, at: int, size: int) -> np.ndarray:
    """`size` words from `at` on, with zeros behind the end."""
    part = words[at : at + size]
    return np.concatenate([part, np.zeros(size - part.size, dtype=np.uint64)]) if part.size < size else part


def _word(words: np.ndarray, start: int, bits: int) -> np.uint64:
    """`bits` (1 to 64) bits from bit `start` on, as the low bits of a word."""
    low, high = (int(word) for word in _slice(words, start // 64, 2))
    return np.uint64(((high << 64 | low) >> (start % 64)) & ((1 << bits) - 1))
