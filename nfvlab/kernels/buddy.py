"""A binary buddy allocator of frames: blocks of 2**order frames, orders 0 to 10, split and merged, lists
LIFO.

The rules are those of Linux's mm/page_alloc.c: an allocation takes the head of the smallest list that is
not empty and puts the upper halves back while it splits; a freed block merges with its buddy (block
number xor 1) as long as that is free and of the same order; a freed block goes to the head of its list.
Lists are kept per zone (an interval of frames) and order, and zones are tried in the order that the
caller gives. Zone edges are multiples of 1024.

State is a `Lists` of arrays, changed in place. A bit per block and order says whether a free block starts
there (two bits a frame altogether); each list is a stack from which a block that merged away is dropped
when it comes to light, or when the stack is full. So memory and time follow the number of blocks, not of
frames.
"""

from typing import NamedTuple

import numpy as np

from nfvlab.kernels.jit import jit
from nfvlab.kernels.pagemap import set_range

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
def _is_free(lists, order, frame):
    """Whether a free block of this order starts at (or, for any frame, holds) this frame."""
    b = frame >> order
    return (lists.heads[lists.head_base[order] + (b >> 6)] >> np.uint64(b & 63)) & _ONE == _ONE


@jit
def _flip(lists, order, frame):
    """Change the bit of the block of this order that holds this frame."""
    b = frame >> order
    lists.heads[lists.head_base[order] + (b >> 6)] ^= _ONE << np.uint64(b & 63)


@jit
def _zone(lists, frame):
    """The zone that holds a frame."""
    z = 0
    while frame >= lists.edges[z + 1]:
        z += 1
    return z


@jit
def _settle(lists, z, order):
    """Drop the entries of blocks that merged away; of a block's several entries the newest counts."""
    base = lists.stack_base[z, order]
    top = base + lists.stack_size[z, order]
    keep = top
    for r in range(top - 1, base - 1, -1):
        frame = lists.stack[r]
        if _is_free(lists, order, frame):
            _flip(lists, order, frame)
            keep -= 1
            lists.stack[keep] = frame
    for k in range(top - keep):
        lists.stack[base + k] = lists.stack[keep + k]
        _flip(lists, order, lists.stack[base + k])
    lists.stack_size[z, order] = top - keep


@jit
def _insert(lists, z, order, frame):
    """Put a block at the head of its list."""
    if lists.stack_size[z, order] == lists.stack_room[z, order]:
        _settle(lists, z, order)
    lists.stack[lists.stack_base[z, order] + lists.stack_size[z, order]] = frame
    lists.stack_size[z, order] += 1
    lists.live[z, order] += 1
    _flip(lists, order, frame)


@jit
def _remove(lists, z, order, frame):
    """Take a block out of the middle of its list."""
    _flip(lists, order, frame)
    lists.live[z, order] -= 1


@jit
def _pop(lists, z, order):
    """Take the block at the head of a list that is not empty."""
    while True:
        lists.stack_size[z, order] -= 1
        frame = int(lists.stack[lists.stack_base[z, order] + lists.stack_size[z, order]])
        if _is_free(lists, order, frame):
            _remove(lists, z, order, frame)
            return frame


@jit
def _free_one(lists, frame, order):
    """Free a block: merge it upwards as far as its buddies are free."""
    z = _zone(lists, frame)
    last = lists.live.shape[1] - 1
    while order < last:
        buddy = frame ^ (1 << order)
        if buddy >= lists.edges[z + 1] or not _is_free(lists, order, buddy):
            break
        _remove(lists, z, order, buddy)
        frame = min(frame, buddy)
        order += 1
    _insert(lists, z, order, frame)


@jit
def _smallest(lists, zones, order):
    """The first zone that can serve an order, and the smallest order to serve it from; (-1, -1) if none."""
    for z in zones:
        for k in range(order, lists.live.shape[1]):
            if lists.live[z, k] > 0:
                return z, k
    return -1, -1


@jit
def _alloc_one(lists, zones, order):
    """The first frame of a new block, or -1."""
    z, k = _smallest(lists, zones, order)
    if z < 0:
        return -1
    frame = _pop(lists, z, k)
    while k > order:
        k -= 1
        _insert(lists, z, k, frame + (1 << k))
    return frame


@jit
def alloc(lists, zones, order, frames):
    """Allocate blocks of one order into `frames` (int64) until it is full; returns how many there were."""
    for k in range(frames.size):
        frame = _alloc_one(lists, zones, order)
        if frame < 0:
            return k
        frames[k] = frame
    return frames.size


@jit
def alloc_two(lists, zones, order, frames, other_order, other):
    """Allocate two kinds of block by turns, evenly spread; returns how many there were of each."""
    got, other_got = 0, 0
    for k in range(frames.size):
        frame = _alloc_one(lists, zones, order)
        if frame < 0:
            break
        frames[k] = frame
        got += 1
        while other_got < other.size * (k + 1) // frames.size:
            frame = _alloc_one(lists, zones, other_order)
            if frame < 0:
                return got, other_got
            other[other_got] = frame
            other_got += 1
    return got, other_got


@jit
def take(lists, zones, count, frames, orders):
    """Allocate `count` single frames, block by block: the same frames as one by one, in the same order.

    Blocks go into `frames` and `orders` (int64, with room for one entry a frame at worst); returns how
    many blocks and how many frames there were.
    """
    blocks, got = 0, 0
    while got < count and blocks < frames.size:
        z, k = _smallest(lists, zones, 0)
        if z < 0:
            break
        frame = _pop(lists, z, k)
        while (1 << k) > count - got:
            k -= 1
            _insert(lists, z, k, frame + (1 << k))
        frames[blocks] = frame
        orders[blocks] = k
        blocks += 1
        got += 1 << k
    return blocks, got


@jit
def free(lists, frames, orders):
    """Free blocks, one after the other."""
    for k in range(frames.size):
        _free_one(lists, frames[k], orders[k])


@jit
def free_range(lists, start, stop):
    """Free the frames from start to stop - 1 in the largest blocks, from the top down: the lowest leads."""
    last = lists.live.shape[1] - 1
    while stop > start:
        order = 0
        while order < last and stop & (1 << order) == 0 and stop - (2 << order) >= start:
            order += 1
        stop -= 1 << order
        _free_one(lists, stop, order)


@jit
def reserve(lists, start, stop):
    """Take the frames from start to stop - 1 out of the lists, splitting blocks; returns how many it took."""
    taken = 0
    frame = start
    while frame < stop:
        order = 0
        while order < lists.live.shape[1] and not _is_free(lists, order, frame):
            order += 1
        if order == lists.live.shape[1]:
            frame += 1
            continue
        z = _zone(lists, frame)
        first = (frame >> order) << order
        _remove(lists, z, order, first)
        if first >= start and first + (1 << order) <= stop:
            taken += 1 << order
            frame = first + (1 << order)
        else:
            _insert(lists, z, order - 1, first + (1 << (order - 1)))
            _insert(lists, z, order - 1, first)
    return taken


@jit
def reserve_each(lists, frames):
    """Take single frames out of the free lists; returns how many of them were free."""
    taken = 0
    for frame in frames:
        taken += reserve(lists, frame, frame + 1)
    return taken


@jit
def walk(lists, z, order):
    """First frames of the free blocks of one list, from its head on (int64)."""
    _settle(lists, z, order)
    size = lists.stack_size[z, order]
    frames = np.empty(size, dtype=np.int64)
    for k in range(size):
        frames[k] = lists.stack[lists.stack_base[z, order] + size - 1 - k]
    return frames


@jit
def paint(lists, words):
    """Set the bits of all free frames in a packed bitmap (bit i of word w is frame 64 w + i)."""
    for z in range(lists.live.shape[0]):
        for order in range(lists.live.shape[1]):
            frames = walk(lists, z, order)
            for k in range(frames.size):
                set_range(words, frames[k], frames[k] + (1 << order))


def free_frames(lists: Lists) -> int:
    """Free frames altogether."""
    return int((lists.live.sum(axis=0) << np.arange(lists.live.shape[1])).sum())
