"""A worker walks a bitmap and hands each item to an idle helper, whose last result it sends on before.

A helper works on one item at a time, and keeps the result until it gets its next item. If none is idle, the worker
sleeps until one is done, or looks at the item itself, and sends it as a light one or as it is. Before a walk ends, the
results of all helpers are sent.

The one taker is a loader: it takes items as they are itself, reads smaller ones and hands each to an idle unpacker; if
none is idle, it sleeps until one is done. After a walk it waits for all unpackers. Whoever sleeps wakes a while after
what it slept for, and works only then.
"""

import numpy as np

from nfvlab.kernels.conveyor import (
    HELPED,
    HELPER_CPU,
    LIGHT,
    LINK,
    NEW,
    NOW,
    OPEN,
    RAW,
    TAKEN,
    TAKER_CPU,
    admit,
    carry,
    drawn,
    first_free,
    first_from,
    hold,
    idle,
    others_work,
    send,
    sort_of,
    take_item,
    work,
)
from nfvlab.kernels.jit import inlined, jit

#: cost: the worker's work: for a light item, for handing over, for a result and per byte of it
CHECK, HAND, PUT, PER_BYTE = 0, 1, 2, 3
#: cost: time until a sleeper wakes, a helper's work for a light item
WAKE, HELPER_CHECK = 4, 5
#: cost: the loader's work for a smaller item, and per byte of it
READ, READ_BYTE = 6, 7
#: cost: a taker's work by kind, link time of a new item; sizes: light item, whole one, head of a smaller one
TAKE, LINK_NEW, LIGHT_SIZE, WHOLE, HEAD = 8, 11, 12, 13, 14
#: cost: the worker's work to tell that an item is no light one, for one that it sends as it is
LOOK = 15
COSTS = 16
#: option: wait for a helper, the worker tells light items apart
WAIT, APART = 0, 1
_SIZE, _LINK, _READ, _UNPACK = 0, 1, 2, 3
LOADED = -1.0  # instead of an unpacker's work: the loader takes the item itself


@inlined
def _first_done(times, now, wake):
    """(who is done by now, or done first; when: now, or when the sleeper that waited for it wakes)."""
    who = idle(times, now)
    if who < 0:
        now = times[first_free(times)] + wake
        who = idle(times, now)
    return who, now


@inlined
def _all_done(times, now, wake):
    """When a sleeper that waits for one after the other has found all done."""
    for k in range(times.size):
        if times[k] > now:
            now = times[k] + wake
    return now


@inlined
def _send_smaller(clock, taker, unpacker, pipe, pipe_at, rates, result, cost):
    """Send a result, to be read by the loader and unpacked by an unpacker."""
    size = result[_SIZE]
    clock[NOW] = admit(pipe, pipe_at, clock[NOW], size, rates)
    arrived = carry(clock, clock[NOW], size, result[_LINK], rates)
    who, now = _first_done(unpacker, max(taker[0], arrived), cost[WAKE])
    read = result[_READ] + size * rates[OPEN]
    taker[0] = others_work(clock, now, read, rates)
    unpacker[who] = others_work(clock, taker[0] + cost[WAKE], result[_UNPACK], rates)
    clock[TAKER_CPU] += read + result[_UNPACK]
    clock[TAKEN] = max(clock[TAKEN], unpacker[who])
    hold(pipe, pipe_at, size, taker[0])


@jit
def _flush(clock, taker, unpacker, pipe, pipe_at, rates, result, cost):
    """Send what a helper holds, if anything: a smaller item, or a light one that the loader takes itself."""
    size = result[_SIZE]
    if size == 0:
        return
    work(clock, cost[PUT] + size * cost[PER_BYTE], rates)
    if result[_UNPACK] != LOADED:
        _send_smaller(clock, taker, unpacker, pipe, pipe_at, rates, result, cost)
    else:
        clock[NOW] = send(clock, taker, pipe, pipe_at, clock[NOW], size, 0.0, result[_READ], rates)
    result[_SIZE] = 0.0


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
    taker,
    pipe,
    pipe_at,
    rates,
    done,
    unpacker,
    sizes,
    help_work,
    unpack_work,
    bounds,
    cost,
    option,
    rng,
):
    """Send the items of `todo` from item `at` on, circularly, until a limit is passed (see `kernels.pipe.walk`).

    done, unpacker: float64, when each helper and each unpacker is done with its item; taker: float64[1], the loader.
    sizes: float64[3, m]; help_work, unpack_work: float64[3], the work of a helper for an item of each content, and how
    much more than to take it as it is that of loader and unpacker is. cost: float64[COSTS], option: int64[2].
    Returns (counts: int64[4] of light, new, seen and raw items, bytes, next item, items left).
    """
    counts = np.zeros(4, dtype=np.int64)
    held = np.zeros((done.size, 4))
    put, item = 0.0, at
    while left > 0 and put <= budget and clock[NOW] <= deadline:
        w, word = first_from(todo, item)
        mask = np.uint64(word)
        while mask and put <= budget:
            rest, item, kind = take_item(todo, heavy, seen, w, mask)
            mask = np.uint64(rest)
            left -= 1
            counts[kind] += 1
            link = cost[LINK_NEW] if kind == NEW else 0.0
            who = idle(done, clock[NOW])
            if kind == LIGHT and (option[APART] or (who < 0 and not option[WAIT])):
                work(clock, cost[CHECK], rates)
                size = cost[LIGHT_SIZE]
                put += size
                clock[NOW] = send(clock, taker, pipe, pipe_at, clock[NOW], size, 0.0, cost[TAKE], rates)
                continue
            if who < 0 and not option[WAIT]:
                counts[RAW] += 1
                size = cost[WHOLE]
                work(clock, cost[LOOK] + size * cost[PER_BYTE], rates)
                clock[NOW] = send(
                    clock, taker, pipe, pipe_at, clock[NOW], size, link, cost[TAKE + kind], rates
                )
                put += size
                continue
            if who < 0:
                who, clock[NOW] = _first_done(done, clock[NOW], cost[WAKE])
            _flush(clock, taker, unpacker, pipe, pipe_at, rates, held[who], cost)
            work(clock, cost[HAND], rates)
            if kind == LIGHT:
                needs, size, read, unpack = cost[HELPER_CHECK], cost[LIGHT_SIZE], cost[TAKE], LOADED
            else:
                sort = sort_of(item, bounds)
                needs, size = help_work[sort], drawn(sizes, sort, rng) + cost[HEAD]
                reading = size * cost[READ_BYTE]
                read = cost[READ] + reading
                unpack = max(cost[TAKE + kind] + unpack_work[sort] - reading, 0.0)
            done[who] = others_work(clock, clock[NOW] + cost[WAKE], needs, rates)
            clock[HELPED] += needs
            clock[HELPER_CPU] += needs
            held[who, _SIZE], held[who, _LINK], held[who, _READ], held[who, _UNPACK] = (
                size,
                link,
                read,
                unpack,
            )
            put += size
        item += 1
    clock[NOW] = _all_done(done, clock[NOW], cost[WAKE])
    for who in range(done.size):
        _flush(clock, taker, unpacker, pipe, pipe_at, rates, held[who], cost)
    taker[0] = _all_done(unpacker, max(taker[0], clock[LINK]), cost[WAKE])
    return counts, put, item % (todo.size << 6), left
