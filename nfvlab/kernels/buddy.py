"""A binary buddy allocator: blocks of 2**order frames, orders 0 to 10, split and merged, lists LIFO.

The rules are those of Linux's mm/page_alloc.c: an allocation takes the head of the smallest list that is
not empty and puts the upper halves back while it splits; a freed block merges with its buddy (block
number xor 1) as long as that is free and of the same order; a freed block goes to the head of its list.
Lists are kept per zone (an interval of frames) and order, and zones are tried in the order that the
caller gives. Zone edges are multiples of 1024.

State is a `Lists` of arrays (`kernels/freelists.py`), changed in place.
"""

import numpy as np

from nfvlab.kernels.freelists import MAX_ORDER, Lists, insert, is_free, make, pop, remove, settle, zone
from nfvlab.kernels.jit import jit
from nfvlab.kernels.pagemap import set_range

__all__ = [
    "MAX_ORDER",
    "Lists",
    "alloc",
    "alloc_two",
    "free",
    "free_frames",
    "free_range",
    "make",
    "paint",
    "reserve",
    "reserve_each",
    "take",
    "walk",
]


@jit
def _free_one(lists, frame, order):
    """Free a block: merge it upwards as far as its buddies are free."""
    z = zone(lists, frame)
    last = lists.live.shape[1] - 1
    while order < last:
        buddy = frame ^ (1 << order)
        if buddy >= lists.edges[z + 1] or not is_free(lists, order, buddy):
            break
        remove(lists, z, order, buddy)
        frame = min(frame, buddy)
        order += 1
    insert(lists, z, order, frame)


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
    frame = pop(lists, z, k)
    while k > order:
        k -= 1
        insert(lists, z, k, frame + (1 << k))
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
        frame = pop(lists, z, k)
        while (1 << k) > count - got:
            k -= 1
            insert(lists, z, k, frame + (1 << k))
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
        while order < lists.live.shape[1] and not is_free(lists, order, frame):
            order += 1
        if order == lists.live.shape[1]:
            frame += 1
            continue
        z = zone(lists, frame)
        first = (frame >> order) << order
        remove(lists, z, order, first)
        if first >= start and first + (1 << order) <= stop:
            taken += 1 << order
            frame = first + (1 << order)
        else:
            insert(lists, z, order - 1, first + (1 << (order - 1)))
            insert(lists, z, order - 1, first)
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
    settle(lists, z, order)
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
