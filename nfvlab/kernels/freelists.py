"""Free lists of aligned blocks of 2**order frames, by zone and order, last in, first out.

A bit per block and order says whether a free block starts there (two bits a frame altogether). Each list
is a stack; a block taken out of the middle loses its bit at once and its place when that comes to light,
or when the stack is full. So memory and time follow the number of blocks, not of frames. All functions
change the arrays in place.
"""

from typing import NamedTuple

import numpy as np

from nfvlab.kernels.jit import jit

MAX_ORDER = 10
_ONE = np.uint64(1)


class Lists(NamedTuple):
    """The free lists of an allocator."""

    edges: np.ndarray  # int64[zones + 1]: zone z holds frames edges[z] to edges[z + 1] - 1
    heads: np.ndarray  # uint64: from word head_base[k] on, bit b is set if block b of order k is free
    head_base: np.ndarray  # int64[orders]
    live: np.ndarray  # int64[zones, orders]: free blocks in each list
    stack: np.ndarray  # int32: the lists one behind the other, each with its top (the list's head) last
    stack_base: np.ndarray  # int64[zones, orders]
    stack_room: np.ndarray  # int64[zones, orders]
    stack_size: np.ndarray  # int64[zones, orders]: entries, those that merged away among them


def make(edges) -> Lists:
    """An allocator without a free frame over the zones between `edges` (ascending multiples of 1024)."""
    edges = np.asarray(edges, dtype=np.int64)
    block = 1 << MAX_ORDER
    ascending = edges.ndim == 1 and edges.size >= 2 and edges[0] >= 0 and np.all(np.diff(edges) > 0)
    if not ascending or np.any(edges % block):
        raise ValueError(f"edges = {edges.tolist()}: must be two or more ascending multiples of {block}")
    if edges[-1] >= 1 << 31:
        raise ValueError(f"edges = {edges.tolist()}: frame numbers must stay below 2**31")
    orders = np.arange(MAX_ORDER + 1)
    words = (int(edges[-1]) >> orders) // 64 + 1
    # two buddies are never both free below the largest order; twice that room makes dropping rare
    room = np.diff(edges)[:, None] // (1 << np.minimum(orders, MAX_ORDER - 1)) + 2
    shape = room.shape
    starts = np.concatenate(([0], np.cumsum(room.ravel())))
    return Lists(
        edges=edges,
        heads=np.zeros(int(words.sum()), dtype=np.uint64),
        head_base=np.concatenate(([0], np.cumsum(words)[:-1])).astype(np.int64),
        live=np.zeros(shape, dtype=np.int64),
        stack=np.empty(int(starts[-1]), dtype=np.int32),
        stack_base=starts[:-1].reshape(shape).astype(np.int64),
        stack_room=room.astype(np.int64),
        stack_size=np.zeros(shape, dtype=np.int64),
    )


@jit
def is_free(lists, order, frame):
    """Whether a free block of this order starts at (or, for any frame, holds) this frame."""
    b = frame >> order
    return (lists.heads[lists.head_base[order] + (b >> 6)] >> np.uint64(b & 63)) & _ONE == _ONE


@jit
def flip(lists, order, frame):
    """Change the bit of the block of this order that holds this frame."""
    b = frame >> order
    lists.heads[lists.head_base[order] + (b >> 6)] ^= _ONE << np.uint64(b & 63)


@jit
def zone(lists, frame):
    """The zone that holds a frame."""
    z = 0
    while frame >= lists.edges[z + 1]:
        z += 1
    return z


@jit
def settle(lists, z, order):
    """Drop the entries of blocks that merged away; of a block's several entries the newest counts."""
    base = lists.stack_base[z, order]
    top = base + lists.stack_size[z, order]
    keep = top
    for r in range(top - 1, base - 1, -1):
        frame = lists.stack[r]
        if is_free(lists, order, frame):
            flip(lists, order, frame)
            keep -= 1
            lists.stack[keep] = frame
    for k in range(top - keep):
        lists.stack[base + k] = lists.stack[keep + k]
        flip(lists, order, lists.stack[base + k])
    lists.stack_size[z, order] = top - keep


@jit
def insert(lists, z, order, frame):
    """Put a block at the head of its list."""
    if lists.stack_size[z, order] == lists.stack_room[z, order]:
        settle(lists, z, order)
    lists.stack[lists.stack_base[z, order] + lists.stack_size[z, order]] = frame
    lists.stack_size[z, order] += 1
    lists.live[z, order] += 1
    flip(lists, order, frame)


@jit
def remove(lists, z, order, frame):
    """Take a block out of the middle of its list."""
    flip(lists, order, frame)
    lists.live[z, order] -= 1


@jit
def pop(lists, z, order):
    """Take the block at the head of a list that is not empty."""
    while True:
        lists.stack_size[z, order] -= 1
        frame = int(lists.stack[lists.stack_base[z, order] + lists.stack_size[z, order]])
        if is_free(lists, order, frame):
            remove(lists, z, order, frame)
            return frame
