"""A worker walks a bitmap and fills bundles of items; helpers make them smaller, alone or by servers, and send them.

A bundle goes to a helper that is idle; if none is, the worker waits. A helper works through its bundle, alone or by
giving it to servers in requests (when their queue is full, it does the work itself), and puts it into the pipe, where
it may wait for room. Bundles take the link in the order in which they were given out.
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
#: cost: the worker's work: for a light item, a heavy one, a bundle; time until a helper wakes
CHECK, QUEUE, HAND, WAKE = 0, 1, 2, 3
#: cost: a helper's work: for a light item, to look at a heavy one, to copy one, per byte sent, per request, per answer
HELPER_CHECK, HELPER_LOOK, COPY, PER_BYTE, SUBMIT, POLL = 4, 5, 6, 7, 8, 9
#: cost: a server's time per request and per item, and that of no server; the work that a server has taken on when full
REQUEST, ITEM, LATENCY, FULL = 10, 11, 12, 13
#: cost: the takers' work by kind, their device's time per item, link time of a new item
TAKE, TAKE_DEVICE, LINK_NEW = 14, 17, 18
#: cost: sizes: of a light item, of a whole one, of one not compressed, head of a bundle, of a request, of each item
LIGHT_SIZE, WHOLE, SMALLEST_RAW, HEAD, REQUEST_HEAD, ITEM_HEAD = 19, 20, 21, 22, 23, 24
#: cost: what a heavy item counts (0: its bytes on the wire)
COUNTED = 25
COSTS = 26
#: option: items of a bundle, the worker tells light items apart, wait for all helpers at the end (NEVER, ALWAYS or
#: WHEN_EMPTY), servers help, items of a request, least of them for a server, helpers poll for answers without sleeping
ITEMS, APART, SYNC, SERVED, UNIT, LEAST, POLLS = 0, 1, 2, 3, 4, 5, 6
NEVER, ALWAYS, WHEN_EMPTY = 0, 1, 2
_COUNT, _SIZE, _TAKE, _LINK, _DEVICE, _LOOK, _HEAVY = 0, 1, 2, 3, 4, 5, 6

_ONE = np.uint64(1)


@jit
def _served(clock, rates, start, bundle, own_work, server, cost, option):
    """The helper gives its bundle to the servers, request by request; returns when all answers are in."""
    now, last, requests = start, start, 0
    left = np.int64(bundle[_HEAVY])
    whole = left
    while left > 0:
        items = min(left, option[UNIT])
        left -= items
        who = first_free(server)
        if items < option[LEAST] or server[who] - now > cost[FULL]:
            needs = own_work * items / whole
            now = others_work(clock, now, needs, rates)
            clock[HELPER_CPU] += needs
            continue
        now = others_work(clock, now, cost[SUBMIT], rates)
        busy = cost[REQUEST] + items * cost[ITEM]
        server[who] = max(server[who], now) + busy
        clock[HELPED] += busy
        last = max(last, server[who] + cost[LATENCY])
        requests += 1
    if option[POLLS] and last > now:
        clock[HELPER_CPU] += last - now
    now = others_work(clock, max(now, last), requests * cost[POLL], rates)
    clock[HELPER_CPU] += requests * (cost[SUBMIT] + cost[POLL])
    return now, requests


@jit
def _dispatch(clock, taker, pipe, pipe_at, rates, helper, server, bundle, own_work, cost, option):
    """Give the bundle to the first idle helper and let it work; returns what the bundle counts."""
    who = first_free(helper)
    clock[NOW] = max(clock[NOW], helper[who])
    work(clock, cost[HAND], rates)
    alone = bundle[_LOOK] if option[SERVED] else bundle[_LOOK] + own_work
    now = others_work(clock, clock[NOW] + cost[WAKE], alone, rates)
    clock[HELPER_CPU] += alone
    requests = 0
    if option[SERVED]:
        now, requests = _served(clock, rates, now, bundle, own_work, server, cost, option)
    else:
        clock[HELPED] += own_work
    size = bundle[_SIZE] + cost[HEAD] + requests * cost[REQUEST_HEAD]
    copying = size * cost[PER_BYTE]
    now = others_work(clock, now, copying, rates)
    clock[HELPER_CPU] += copying
    take, link, device = bundle[_TAKE], bundle[_LINK], bundle[_DEVICE]
    helper[who] = send(clock, taker, pipe, pipe_at, now, size, link, take, device, rates)
    counted = bundle[_HEAVY] * cost[COUNTED] + cost[HEAD] if cost[COUNTED] > 0 else size
    bundle[:] = 0.0
    return counted


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
    helper,
    server,
    sizes,
    help_work,
    take_more,
    bounds,
    cost,
    option,
    rng,
):
    """Send the items of `todo` from item `at` on, circularly, until a limit is passed (see `kernels.pipe.walk`).

    helper, server: float64, when each is done. sizes: float64[3, m]; help_work, take_more: float64[3], a helper's work
    for an item of each content if no server does it, and a taker's. cost: float64[COSTS], option: int64[7].
    Returns (counts: int64[4] of light, new, seen and raw items, bytes as they count, next item, items left).
    """
    counts = np.zeros(4, dtype=np.int64)
    bundle = np.zeros(7)
    put, item, own_work, lights = 0.0, at, 0.0, 0
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
            if kind == LIGHT and option[APART]:
                work(clock, cost[CHECK], rates)
                put += cost[LIGHT_SIZE]
                lights += 1
                continue
            bundle[_COUNT] += 1
            bundle[_TAKE] += cost[TAKE + kind]
            if kind == LIGHT:
                bundle[_LOOK] += cost[HELPER_CHECK]
            else:
                seen[w] |= bit
                work(clock, cost[QUEUE], rates)
                sort = sort_of(item, bounds)
                size = drawn(sizes, sort, rng)
                own_work += help_work[sort]
                if size >= cost[SMALLEST_RAW]:
                    counts[RAW] += 1
                    size = cost[WHOLE]
                else:
                    bundle[_TAKE] += take_more[sort]
                    bundle[_DEVICE] += cost[TAKE_DEVICE]
                bundle[_SIZE] += size + cost[ITEM_HEAD]
                bundle[_LOOK] += cost[HELPER_LOOK] + cost[COPY]
                bundle[_HEAVY] += 1
                if kind == NEW:
                    bundle[_LINK] += cost[LINK_NEW]
            if bundle[_COUNT] == option[ITEMS]:
                put += _dispatch(
                    clock, taker, pipe, pipe_at, rates, helper, server, bundle, own_work, cost, option
                )
                own_work = 0.0
        item += 1
        if lights > 0:
            size = lights * cost[LIGHT_SIZE]
            clock[NOW] = send(
                clock, taker, pipe, pipe_at, clock[NOW], size, 0.0, lights * cost[TAKE], 0.0, rates
            )
            lights = 0
    if bundle[_COUNT] > 0:
        put += _dispatch(clock, taker, pipe, pipe_at, rates, helper, server, bundle, own_work, cost, option)
    if option[SYNC] == ALWAYS or (option[SYNC] == WHEN_EMPTY and left == 0):
        for k in range(helper.size):
            clock[NOW] = max(clock[NOW], helper[k])
        size = helper.size * cost[HEAD]
        clock[NOW] = send(clock, taker, pipe, pipe_at, clock[NOW], size, 0.0, 0.0, 0.0, rates)
        put += size
    return counts, put, item % (todo.size << 6), left
