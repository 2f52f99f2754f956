"""A worker walks a bitmap and hands each item to an idle helper, whose last result it sends on before.

A helper works on one item at a time, and keeps the result until it gets its next item. If none is idle, the worker
waits, or sends the item as it is. Before a walk ends, the results of all helpers are sent.
"""

import numpy as np

from nfvlab.kernels.conveyor import (
    HELPED,
    HELPER_CPU,
    NOW,
    drawn,
    first_free,
    first_from,
    others_work,
    send,
    sort_of,
    work,
)
from nfvlab.kernels.jit import jit
from nfvlab.kernels.pagemap import popcount

LIGHT, NEW, AGAIN, RAW = 0, 1, 2, 3
#: cost: the worker's work: for a light item, for handing over, for a result and per byte of it
CHECK, HAND, PUT, PER_BYTE = 0, 1, 2, 3
#: cost: time until a helper wakes, its work for a light item
WAKE, HELPER_CHECK = 4, 5
#: cost: the takers' work by kind, link time of a new item; sizes: light item, whole one, head of a smaller one
TAKE, LINK_NEW, LIGHT_SIZE, WHOLE, HEAD = 6, 9, 10, 11, 12
COSTS = 13
#: option: wait for a helper, the worker tells light items apart
WAIT, APART = 0, 1
_SIZE, _TAKE, _LINK = 0, 1, 2

_ONE = np.uint64(1)


@jit
def _idle(clock, done):
    """The first helper that is done by now; -1 if none."""
    for k in range(done.size):
        if done[k] <= clock[NOW]:
            return k
    return -1


@jit
def _flush(who, clock, taker, pipe, pipe_at, rates, held, cost):
    """Send what a helper holds, if anything."""
    size = held[_SIZE, who]
    if size > 0:
        work(clock, cost[PUT] + size * cost[PER_BYTE], rates)
        take, link = held[_TAKE, who], held[_LINK, who]
        clock[NOW] = send(clock, taker, pipe, pipe_at, clock[NOW], size, link, take, 0.0, rates)
        held[_SIZE, who] = 0.0


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
    sizes,
    help_work,
    take_more,
    bounds,
    cost,
    option,
    rng,
):
    """Send the items of `todo` from item `at` on, circularly, until a limit is passed (see `kernels.pipe.walk`).

    done: float64[helpers], when each is done with its item. sizes: float64[3, m]; help_work, take_more: float64[3], a
    helper's work for an item of each content, and how much more a taker's is. cost: float64[COSTS], option: int64[2].
    Returns (counts: int64[4] of light, new, seen and raw items, bytes, next item, items left).
    """
    counts = np.zeros(4, dtype=np.int64)
    held = np.zeros((3, done.size))
    put, item = 0.0, at
    while left > 0 and put <= budget and clock[NOW] <= deadline:
        w, word = first_from(todo, item)
        mask = np.uint64(word)
        item = w << 6
        while mask and put <= budget:
            bit = mask & ~(mask - _ONE)
            mask &= ~bit
            item = (w << 6) + popcount(bit - _ONE)
            todo[w] &= ~bit
            left -= 1
            kind = LIGHT if (heavy[w] & bit) == 0 else AGAIN if seen[w] & bit else NEW
            counts[kind] += 1
            if kind != LIGHT:
                seen[w] |= bit
            link = cost[LINK_NEW] if kind == NEW else 0.0
            if kind == LIGHT and option[APART]:
                work(clock, cost[CHECK], rates)
                size = cost[LIGHT_SIZE]
                put += size
                clock[NOW] = send(clock, taker, pipe, pipe_at, clock[NOW], size, 0.0, cost[TAKE], 0.0, rates)
                continue
            who = _idle(clock, done)
            if who < 0 and not option[WAIT]:
                counts[RAW] += kind != LIGHT
                size = cost[WHOLE]
                work(clock, size * cost[PER_BYTE], rates)
                clock[NOW] = send(
                    clock, taker, pipe, pipe_at, clock[NOW], size, link, cost[TAKE + kind], 0.0, rates
                )
                put += size
                continue
            if who < 0:
                who = first_free(done)
                clock[NOW] = done[who]
            _flush(who, clock, taker, pipe, pipe_at, rates, held, cost)
            work(clock, cost[HAND], rates)
            if kind == LIGHT:
                needs, size, take = cost[HELPER_CHECK], cost[LIGHT_SIZE], cost[TAKE]
            else:
                sort = sort_of(item, bounds)
                needs, take = help_work[sort], cost[TAKE + kind] + take_more[sort]
                size = drawn(sizes, sort, rng) + cost[HEAD]
            done[who] = others_work(clock, clock[NOW] + cost[WAKE], needs, rates)
            clock[HELPED] += needs
            clock[HELPER_CPU] += needs
            held[_SIZE, who], held[_TAKE, who], held[_LINK, who] = size, take, link
            put += size
        item += 1
    for who in range(done.size):
        if held[_SIZE, who] > 0:
            clock[NOW] = max(clock[NOW], done[who])
            _flush(who, clock, taker, pipe, pipe_at, rates, held, cost)
    return counts, put, item % (todo.size << 6), left
