"""A worker walks a bitmap and feeds a bounded pipe: producer, transport and consumer in tandem.

Items come in three kinds by two further bitmaps: light (not `heavy`), new (`heavy`, not `seen`) and again
(`heavy` and `seen`). Each kind has a time at the producer, on the transport and at the consumer. The pipe
holds a bounded number of bytes, and the producer blocks when it is full. Times are numbers in one unit (ns).
The items of a word travel as one entry.

Clock (float64[3]): when producer, transport and consumer are done with all they were given. Ring
(float64[2, m]): finish times and sizes of what is still in the pipe; ring_at (int64[2]): its head and fill;
held (float64[1]): its bytes.
"""

import numpy as np

from nfvlab.kernels.jit import jit
from nfvlab.kernels.pagemap import popcount

LIGHT, NEW, AGAIN = 0, 1, 2
RING = 1 << 14

_ONE = np.uint64(1)


def new_ring():
    """An empty pipe: (ring, ring_at, held)."""
    return np.zeros((2, RING)), np.zeros(2, dtype=np.int64), np.zeros(1)


@jit
def _release(ring, ring_at, held):
    """Take the oldest entry out of the pipe; returns when the consumer finished it."""
    head = ring_at[0]
    held[0] -= ring[1, head]
    ring_at[0] = (head + 1) % ring.shape[1]
    ring_at[1] -= 1
    return ring[0, head]


@jit
def _put(counts, clock, ring, ring_at, held, capacity, size, produce, transport, consume):
    """Send counts[LIGHT..AGAIN] items as one entry; returns its bytes."""
    entry = counts[0] * size[0] + counts[1] * size[1] + counts[2] * size[2]
    clock[0] += counts[0] * produce[0] + counts[1] * produce[1] + counts[2] * produce[2]
    while ring_at[1] > 0 and (held[0] + entry > capacity or ring_at[1] == ring.shape[1]):
        done = _release(ring, ring_at, held)
        if done > clock[0]:
            clock[0] = done
    clock[1] = max(clock[1], clock[0])
    clock[1] += counts[0] * transport[0] + counts[1] * transport[1] + counts[2] * transport[2]
    clock[2] = max(clock[2], clock[1])
    clock[2] += counts[0] * consume[0] + counts[1] * consume[1] + counts[2] * consume[2]
    at = (ring_at[0] + ring_at[1]) % ring.shape[1]
    ring[0, at] = clock[2]
    ring[1, at] = entry
    ring_at[1] += 1
    held[0] += entry
    return entry


@jit
def _kinds(word, heavy, seen, counts):
    counts[0] = popcount(word & ~heavy)
    counts[1] = popcount(word & heavy & ~seen)
    counts[2] = popcount(word & heavy & seen)


@jit
def walk(
    todo,
    heavy,
    seen,
    at,
    left,
    budget,
    deadline,
    clock,
    ring,
    ring_at,
    held,
    capacity,
    size,
    produce,
    transport,
    consume,
):
    """Send the items of `todo` from item `at` on, circularly, until a limit is passed.

    The walk ends when nothing is left of `left` items, when more than `budget` bytes have been put (the item
    that passes it is still sent), or when the producer's clock passes `deadline` (looked at once a word).
    Bits sent are cleared in `todo`; heavy ones are set in `seen`.

    size, produce, transport, consume: float64[3] by kind.
    Returns (sent: int64[3] by kind, bytes, next item, items left).
    """
    sent = np.zeros(3, dtype=np.int64)
    counts = np.zeros(3, dtype=np.int64)
    put = 0.0
    biggest = max(size[0], size[1], size[2])
    n_words = todo.size
    w = at >> 6
    first = at & 63
    while left > 0:
        mask = todo[w]
        if first:
            mask = (mask >> np.uint64(first)) << np.uint64(first)
        if not mask:
            w = w + 1 if w + 1 < n_words else 0
            first = 0
            continue
        in_mask = popcount(mask)
        if put + in_mask * biggest <= budget:
            _kinds(mask, heavy[w], seen[w], counts)
            put += _put(counts, clock, ring, ring_at, held, capacity, size, produce, transport, consume)
            sent += counts
            left -= in_mask
            seen[w] |= mask & heavy[w]
            todo[w] &= ~mask
            w = w + 1 if w + 1 < n_words else 0
            first = 0
        else:
            while mask and put <= budget:
                bit = mask & ~(mask - _ONE)
                _kinds(bit, heavy[w], seen[w], counts)
                put += _put(counts, clock, ring, ring_at, held, capacity, size, produce, transport, consume)
                sent += counts
                left -= 1
                seen[w] |= bit & heavy[w]
                todo[w] &= ~bit
                mask &= ~bit
                first = popcount(bit - _ONE) + 1
            if first == 64:
                w = w + 1 if w + 1 < n_words else 0
                first = 0
        if put > budget or clock[0] > deadline:
            break
    return sent, put, (w << 6) + first, left
