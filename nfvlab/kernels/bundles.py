"""A worker walks a bitmap and fills bundles of items; helpers make them smaller, alone or by a device, and send them.

A bundle goes to a helper that is idle; if none is, the worker waits. A helper works through its bundle, alone or by a
call to the device that all helpers share (`kernels.device`), and puts it into the pipe, where it may wait for room;
what helpers do is done in the order of its times. A taker unpacks a bundle, alone or by a call to the takers' device,
in the order in which bundles arrive; what a helper made alone is in one part, and the device takes no part larger than
a request. Before a walk ends, all bundles are on their way.
"""

import numpy as np

from nfvlab.kernels.conveyor import (
    HELPED,
    HELPER_CPU,
    LIGHT,
    NEW,
    NOW,
    OPEN,
    RAW,
    TAKEN,
    TAKER_CPU,
    admit,
    any_of,
    carry,
    first_free,
    first_from,
    hold,
    others_work,
    send,
    sort_of,
    take_item,
    work,
)
from nfvlab.kernels.device import UNIT, begin, call, end, later, request
from nfvlab.kernels.jit import inlined, jit

#: cost: the worker's work: for a light item, a heavy one, a bundle; time until a helper wakes
CHECK, QUEUE, HAND, WAKE = 0, 1, 2, 3
#: cost: a helper's work: for a light item, to look at a heavy one, to copy one, per byte sent
HELPER_CHECK, HELPER_LOOK, COPY, PER_BYTE = 4, 5, 6, 7
#: cost: the takers' work by kind, link time of a new item
TAKE, LINK_NEW = 8, 11
#: cost: sizes: of a light item, of a whole one, of one not compressed, head of a bundle, of a request, of each item
LIGHT_SIZE, WHOLE, SMALLEST_RAW, HEAD, REQUEST_HEAD, ITEM_HEAD = 12, 13, 14, 15, 16, 17
#: cost: what a heavy item counts (0: its bytes on the wire)
COUNTED = 18
#: cost: a helper's work per byte of the head that it sends to synchronise
HEAD_BYTE = 19
#: cost: bytes between the parts, each as large as a request, of what a helper makes of a whole bundle under one head
PART_HEAD = 20
COSTS = 21
#: option: items of a bundle, the worker tells light items apart, wait for all helpers at the end (NEVER, ALWAYS or
#: WHEN_EMPTY), a device helps the helpers, the takers
ITEMS, APART, SYNC, SERVED, TAKERS_SERVED = 0, 1, 2, 3, 4
NEVER, ALWAYS, WHEN_EMPTY = 0, 1, 2
#: a bundle: items, bytes, takers' work, link time; the takers' own work to unpack it, how many items of it are smaller;
#: a helper's work to look at it, and its own to make it smaller; heavy items
_COUNT, _SIZE, _TAKE, _LINK, _UNPACK, _SMALL, _LOOK, _OWN, _HEAVY = 0, 1, 2, 3, 4, 5, 6, 7, 8
#: what becomes of it: what its helper does next; queue of its call, items not yet in a request, when to look at answers
#: so as to wait for none, answers
_NEXT, _LINE, _LEFT, _LAST, _ANSWERS = 9, 10, 11, 12, 13
#: bytes that its helper makes its items larger by than the device would, and that it has become larger by; whether its
#: helper has made it all in one part
_MORE, _GROWN, _ONE_PART = 14, 15, 16
_IDLE, _BEGINS, _REQUESTS, _SENDS = 0, 1, 2, 3
_FIELDS = 17


@inlined
def _take(clock, taker, rates, arrived, load, takers_device, option, rng):
    """The first taker that is free takes a bundle; returns when it is done."""
    who = first_free(taker)
    spent = load[_TAKE] if option[TAKERS_SERVED] else load[_TAKE] + load[_UNPACK]
    spent += load[_SIZE] * rates[OPEN]
    now = others_work(clock, max(taker[who], arrived), spent, rates)
    if option[TAKERS_SERVED]:
        items = np.int64(load[_SMALL])
        first = items if load[_ONE_PART] else min(items, takers_device.option[UNIT])
        now, cpu = call(takers_device, clock, rates, now, items, first, load[_UNPACK], rng)
        spent += cpu
    taker[who] = now
    clock[TAKER_CPU] += spent
    clock[TAKEN] = max(clock[TAKEN], now)
    return now


@inlined
def _grow(load, by):
    """A bundle becomes larger after it has been given to a helper."""
    load[_SIZE] += by
    load[_GROWN] += by


@inlined
def _step(clock, taker, pipe, pipe_at, rates, now, load, device, takers_device, cost, option, rng):
    """A helper does what is next with its bundle, at time `now`; returns when it goes on."""
    spent, line = 0.0, np.int64(load[_LINE])
    if load[_NEXT] == _BEGINS:
        line = begin(device, now, load[_HEAVY]) if option[SERVED] else -1
        load[_LINE], load[_LEFT], load[_LAST], load[_ANSWERS] = line, load[_HEAVY], now, 0
        load[_NEXT] = _REQUESTS
        if line < 0:
            spent = load[_OWN]
            now = others_work(clock, now, spent, rates)
            clock[HELPED] += 0.0 if option[SERVED] else spent
            if option[SERVED] and load[_HEAVY] > 0:
                load[_ONE_PART] = 1
                parts = np.ceil(load[_HEAVY] / device.option[UNIT]) - 1
                _grow(load, load[_MORE] + parts * (cost[PART_HEAD] - cost[REQUEST_HEAD]))
            load[_NEXT] = _SENDS
    elif load[_NEXT] == _REQUESTS and load[_LEFT] > 0:
        items = min(np.int64(load[_LEFT]), device.option[UNIT])
        own = load[_OWN] * items / load[_HEAVY]
        now, spent, busy, answered = request(device, clock, rates, line, now, items, own, rng)
        clock[HELPED] += busy
        load[_LEFT] -= items
        if answered > 0:
            load[_LAST] = later(device, load[_LAST], answered, load[_ANSWERS])
            load[_ANSWERS] += 1
        else:
            _grow(load, load[_MORE] * items / load[_HEAVY])
    elif load[_NEXT] == _REQUESTS:
        now, spent = end(device, clock, rates, line, now, load[_LAST], load[_ANSWERS])
        load[_NEXT] = _SENDS
    else:
        spent = load[_SIZE] * cost[PER_BYTE]
        now = admit(pipe, pipe_at, others_work(clock, now, spent, rates), load[_SIZE], rates)
        arrived = carry(clock, now, load[_SIZE], load[_LINK], rates)
        hold(
            pipe, pipe_at, load[_SIZE], _take(clock, taker, rates, arrived, load, takers_device, option, rng)
        )
        load[_NEXT] = _IDLE
    clock[HELPER_CPU] += spent
    return now


@inlined
def _first(helper, loads, idle):
    """The first in time of the helpers that are idle, or of those that are not; -1 if there is none."""
    best = -1
    for k in range(helper.size):
        if (loads[k, _NEXT] == _IDLE) == idle and (best < 0 or helper[k] < helper[best]):
            best = k
    return best


@jit
def _advance(
    until, wait, clock, taker, pipe, pipe_at, rates, helper, loads, device, takers_device, cost, option, rng
):
    """Let the helpers do what they do until then in the order of its times, and go on until one is idle if asked to."""
    ways = (device, takers_device, cost, option, rng)
    while True:
        who = _first(helper, loads, False)
        if who < 0:
            return
        if helper[who] > until:
            idle = _first(helper, loads, True) if wait else -1
            if not wait or (idle >= 0 and helper[idle] <= helper[who]):
                return
        helper[who] = _step(clock, taker, pipe, pipe_at, rates, helper[who], loads[who], *ways)


@jit
def _dispatch(
    clock, taker, pipe, pipe_at, rates, helper, loads, bundle, device, takers_device, cost, option, rng
):
    """Give the bundle to a helper that is idle, or to the first that will be.

    Returns what the bundle counts, with what the one before has become larger by.
    """
    others = (taker, pipe, pipe_at, rates, helper, loads, device, takers_device, cost, option, rng)
    _advance(clock[NOW], True, clock, *others)
    who = _first(helper, loads, True)
    clock[NOW] = max(clock[NOW], helper[who])
    work(clock, cost[HAND], rates)
    helper[who] = others_work(clock, clock[NOW] + cost[WAKE], bundle[_LOOK], rates)
    clock[HELPER_CPU] += bundle[_LOOK]
    heads = np.ceil(bundle[_HEAVY] / device.option[UNIT]) if option[SERVED] else 0.0
    bundle[_SIZE] += cost[HEAD] + heads * cost[REQUEST_HEAD]
    bundle[_NEXT] = _BEGINS
    grown = loads[who, _GROWN]
    loads[who] = bundle
    counted = bundle[_HEAVY] * cost[COUNTED] + cost[HEAD] if cost[COUNTED] > 0 else bundle[_SIZE] + grown
    bundle[:] = 0.0
    return counted


@inlined
def _synchronise(clock, taker, pipe, pipe_at, rates, helper, cost):
    """Wait for all helpers, and have each send a head; returns the bytes of the heads."""
    own = cost[HEAD] * cost[HEAD_BYTE]
    if own > 0:
        for k in range(helper.size):
            helper[k] = others_work(clock, max(helper[k], clock[NOW]), own, rates)
            clock[HELPER_CPU] += own
    for k in range(helper.size):
        clock[NOW] = max(clock[NOW], helper[k])
    entries = helper.size if rates[OPEN] > 0 else 1  # each has a taker of its own, where they have to open it
    size = helper.size * cost[HEAD]
    for _ in range(entries):
        clock[NOW] = send(clock, taker, pipe, pipe_at, clock[NOW], size / entries, 0.0, 0.0, rates)
    return size


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
    device,
    takers_device,
    sizes,
    more,
    help_work,
    unpack_work,
    bounds,
    cost,
    option,
    rng,
):
    """Send the items of `todo` from item `at` on, circularly, until a limit is passed (see `kernels.pipe.walk`).

    helper: float64, when each is done. device, takers_device: see `kernels.device`. sizes: float64[3, m]; more: the
    same, by how much an item is larger if a helper makes it in the device's place. help_work, unpack_work: float64[3],
    a helper's and a taker's work for an item of each content if no device does it. cost: float64[COSTS], option:
    int64[5].
    Returns (counts: int64[4] of light, new, seen and raw items, bytes as they count, next item, items left).
    """
    counts = np.zeros(4, dtype=np.int64)
    bundle, loads = np.zeros(_FIELDS), np.zeros((helper.size, _FIELDS))
    others = (taker, pipe, pipe_at, rates, helper, loads)
    ways = (device, takers_device, cost, option, rng)
    put, item, lights = 0.0, at, 0
    while left > 0 and put <= budget and clock[NOW] <= deadline:
        w, word = first_from(todo, item)
        mask = np.uint64(word)
        while mask and put <= budget:
            rest, item, kind = take_item(todo, heavy, seen, w, mask)
            mask = np.uint64(rest)
            left -= 1
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
                work(clock, cost[QUEUE], rates)
                sort = sort_of(item, bounds)
                which = any_of(sizes, rng)
                size = sizes[sort, which]
                bundle[_OWN] += help_work[sort]
                if size >= cost[SMALLEST_RAW]:
                    counts[RAW] += 1
                    size = cost[WHOLE]
                else:
                    bundle[_UNPACK] += unpack_work[sort]
                    bundle[_SMALL] += 1
                    bundle[_MORE] += more[sort, which]
                bundle[_SIZE] += size + cost[ITEM_HEAD]
                bundle[_LOOK] += cost[HELPER_LOOK] + cost[COPY]
                bundle[_HEAVY] += 1
                if kind == NEW:
                    bundle[_LINK] += cost[LINK_NEW]
            if bundle[_COUNT] == option[ITEMS]:
                put += _dispatch(clock, *others, bundle, *ways)
        item += 1
        if lights > 0:
            _advance(clock[NOW], False, clock, *others, *ways)
            size = lights * cost[LIGHT_SIZE]
            clock[NOW] = send(clock, taker, pipe, pipe_at, clock[NOW], size, 0.0, lights * cost[TAKE], rates)
            lights = 0
    if bundle[_COUNT] > 0:
        put += _dispatch(clock, *others, bundle, *ways)
    _advance(np.inf, False, clock, *others, *ways)
    if cost[COUNTED] == 0:
        put += loads[:, _GROWN].sum()
    if option[SYNC] == ALWAYS or (option[SYNC] == WHEN_EMPTY and left == 0):
        put += _synchronise(clock, taker, pipe, pipe_at, rates, helper, cost)
    return counts, put, item % (todo.size << 6), left
