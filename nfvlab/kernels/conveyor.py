"""A bounded pipe: entries wait for room in it, a link carries them one by one, and several takers share them out.

Also here is how those who fill it walk a bitmap of items: `first_from`, then `take_item` until the word is done.

State, all in one unit of time (ns):
clock : float64[12], see the names of its items below
taker : float64[takers], when each taker is done with all it was given; an entry goes to the first that is free
pipe : float64[2, m], when the entries in the pipe will have been taken, and their sizes
pipe_at : int64[3], its head, its entries and its bytes
rates : float64[4], time on the link per byte, bytes that the pipe holds, processors shared by all work (0: no limit),
    a taker's work to open a byte, beside what it does for an entry

`send` is the plain way through: `admit`, `carry`, a taker's work, `hold`. Who takes entries in another way puts its own
between `carry` and `hold`.

With shared processors no work ends before all work given out so far could be done by them together.
"""

import numpy as np

from nfvlab.kernels.jit import inlined, jit
from nfvlab.kernels.pagemap import popcount

#: clock: the sender's time, when the link, the last taker, the shared processors and the takers' device are done
NOW, LINK, TAKEN, SHARED, DEVICE = 0, 1, 2, 3, 4
#: clock, sums: time the link sent, the sender's work and idle polls, the helpers' time and CPU, the takers' CPU, bytes
LINK_BUSY, WORK, SPIN, HELPED, HELPER_CPU, TAKER_CPU, BYTES = 5, 6, 7, 8, 9, 10, 11
PER_BYTE, CAPACITY, PROCESSORS, OPEN = 0, 1, 2, 3
#: kinds of items: light, heavy and met for the first time, heavy and met again; raw: those of them sent as they are
LIGHT, NEW, AGAIN, RAW = 0, 1, 2, 3
ENTRIES = 1 << 14

_ONE = np.uint64(1)


def new_pipe():
    """An empty pipe: (pipe, pipe_at)."""
    return np.zeros((2, ENTRIES)), np.zeros(3, dtype=np.int64)


@inlined
def work(clock, duration, rates):
    """The sender works."""
    clock[WORK] += duration
    if rates[PROCESSORS] > 0:
        clock[SHARED] = max(clock[SHARED], clock[NOW]) + duration / rates[PROCESSORS]
        clock[NOW] = max(clock[NOW] + duration, clock[SHARED])
    else:
        clock[NOW] += duration


@inlined
def others_work(clock, start, duration, rates):
    """Another thread works from `start` on; returns when it is done."""
    end = start + duration
    if rates[PROCESSORS] > 0:
        clock[SHARED] += duration / rates[PROCESSORS]
        end = max(end, clock[SHARED])
    return end


@inlined
def first_free(times):
    """The index of the earliest of these times."""
    best = 0
    for k in range(1, times.size):
        if times[k] < times[best]:
            best = k
    return best


@inlined
def idle(times, now):
    """The index of the first that is done by now; -1 if none is."""
    for k in range(times.size):
        if times[k] <= now:
            return k
    return -1


@inlined
def admit(pipe, pipe_at, at, size, rates):
    """When there is room for `size` bytes in the pipe, from time `at` on."""
    while pipe_at[1] > 0 and (pipe_at[2] + size > rates[CAPACITY] or pipe_at[1] == pipe.shape[1]):
        head = pipe_at[0]
        at = max(at, pipe[0, head])
        pipe_at[2] -= np.int64(pipe[1, head])
        pipe_at[0] = (head + 1) % pipe.shape[1]
        pipe_at[1] -= 1
    return at


@inlined
def carry(clock, at, size, link_extra, rates):
    """Give the link `size` bytes at time `at`; returns when they have arrived."""
    carried = size * rates[PER_BYTE] + link_extra
    clock[LINK] = max(clock[LINK], at) + carried
    clock[LINK_BUSY] += carried
    clock[BYTES] += size
    return clock[LINK]


@inlined
def hold(pipe, pipe_at, size, until):
    """The pipe holds an entry of `size` bytes until it is taken."""
    tail = (pipe_at[0] + pipe_at[1]) % pipe.shape[1]
    pipe[0, tail] = until
    pipe[1, tail] = size
    pipe_at[1] += 1
    pipe_at[2] += np.int64(size)


@jit
def send(clock, taker, pipe, pipe_at, at, size, link_extra, take, rates):
    """Put an entry of `size` bytes into the pipe at time `at`, or when there is room; returns that time.

    link_extra: time on the link beyond that of its bytes. take: a taker's work for it, but to open its bytes.
    """
    at = admit(pipe, pipe_at, at, size, rates)
    arrived = carry(clock, at, size, link_extra, rates)
    who = first_free(taker)
    take = take + size * rates[OPEN]
    end = others_work(clock, max(taker[who], arrived), take, rates)
    taker[who] = end
    clock[TAKER_CPU] += take
    clock[TAKEN] = max(clock[TAKEN], end)
    hold(pipe, pipe_at, size, end)
    return at


@inlined
def sort_of(item, bounds):
    """The kind of content of an item: 2 in bounds[2]..bounds[3]-1, else 1 in bounds[0]..bounds[1]-1, else 0."""
    if bounds[2] <= item < bounds[3]:
        return 2
    return 1 if bounds[0] <= item < bounds[1] else 0


@inlined
def any_of(sizes, rng):
    """The index of one of the sizes of each kind of content, all equally likely."""
    return min(np.int64(rng.random() * sizes.shape[1]), sizes.shape[1] - 1)


@inlined
def drawn(sizes, sort, rng):
    """One of the sizes of a kind of content, all equally likely."""
    return sizes[sort, any_of(sizes, rng)]


@inlined
def first_from(todo, at):
    """(the first word, round and round from bit `at`, with a bit to do; what it holds without what lies before)."""
    w, first = (at >> 6) % todo.size, at & 63
    mask = (todo[w] >> np.uint64(first)) << np.uint64(first)
    while not mask:
        w = w + 1 if w + 1 < todo.size else 0
        mask = todo[w]
    return w, mask


@inlined
def meet(seen, item):
    """The kind of a heavy item, which has been seen from now on."""
    bit = _ONE << np.uint64(item & 63)
    if seen[item >> 6] & bit:
        return AGAIN
    seen[item >> 6] |= bit
    return NEW


@inlined
def take_item(todo, heavy, seen, w, mask):
    """Take the first item of `mask` out of word `w` of `todo`: (what is left of the mask, item, kind)."""
    bit = mask & ~(mask - _ONE)
    todo[w] &= ~bit
    item = (w << 6) + popcount(bit - _ONE)
    return mask & ~bit, item, meet(seen, item) if heavy[w] & bit else LIGHT
