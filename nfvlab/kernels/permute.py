"""A keyed random permutation of 0..size-1, computed item by item: nothing is stored, however large the size.

A Feistel network over wide x high >= size with additions modulo both sides (J. Black and P. Rogaway, Ciphers with
arbitrary finite domains, CT-RSA 2002, method 3), and cycle walking for what falls past the size. Its keys are drawn;
below a few thousand items a drawn table is both faster and uniform over all permutations, which this is not.
"""

import math

import numpy as np

from nfvlab.kernels.jit import inlined, jit

ROUNDS = 4
MAX_SIZE = 1 << 62

_A, _B = np.uint64(0x9E3779B1), np.uint64(0x85EBCA77)  # primes of 32 bits: no product overflows
_HALF = np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)


def plan(size: int, rng: np.random.Generator) -> np.ndarray:
    """A permutation drawn for 0..size-1: uint64[3 + ROUNDS] of size, two sides and keys."""
    if not 1 <= size <= MAX_SIZE:
        raise ValueError(f"size is {size}: a permutation has 1 to 2**62 items. Give one of those")
    wide = math.isqrt(size - 1) + 1
    high = -(-size // wide)
    keys = rng.integers(0, 2**32, size=ROUNDS, dtype=np.uint64)
    return np.concatenate((np.array([size, wide, high], dtype=np.uint64), keys))


@inlined
def _below(key, side):
    """A hash of `key` in 0..side-1."""
    mixed = key * _A
    mixed = ((mixed ^ (mixed >> _HALF)) & _LOW) * _B
    mixed = (mixed ^ (mixed >> _HALF)) & _LOW
    return (mixed * side) >> _HALF


@inlined
def permute(item, drawn):
    """The image of `item` (uint64) under the permutation `drawn` by `plan`."""
    size, wide, high = drawn[0], drawn[1], drawn[2]
    while True:
        right = item // wide
        left = item - right * wide
        for k in range(3, 3 + ROUNDS, 2):
            left += _below(right ^ drawn[k], wide)
            if left >= wide:
                left -= wide
            right += _below(left ^ drawn[k + 1], high)
            if right >= high:
                right -= high
        item = right * wide + left
        if item < size:
            return item


@jit
def permute_all(items, drawn):
    """The images of `items`: uint64[n] to uint64[n]."""
    images = np.empty_like(items)
    for k in range(items.size):
        images[k] = permute(items[k], drawn)
    return images
