"""A worker walks a bitmap, gives items to servers in requests through a ring, and sends on what they have made smaller.

Light items are sent at once (or go to the servers too); heavy ones go to the servers, several in one request, unless
the ring is full: then the worker waits, or sends the item as it is. Answers are taken in the order of the requests, by
polling whenever a request is built, or when an interrupt has announced them. Before a walk ends, all answers are in.
"""

import numpy as np

from nfvlab.kernels.conveyor import (
    HELPED,
    LIGHT,
    NEW,
    NOW,
    RAW,
    SPIN,
    drawn,
    first_free,
    first_from,
    meet,
    send,
    sort_of,
    take_item,
    work,
)
from nfvlab.kernels.jit import jit

#: cost: the worker's work by step
CHECK, BUILD, SUBMIT, POLL, PUT, PER_BYTE, INTERRUPT = 0, 1, 2, 3, 4, 5, 6
#: cost: the server's time per request and per item, that of no server, and what a fault adds to how many of the items
REQUEST, ITEM, LATENCY, FAULT, FAULT_SHARE = 7, 8, 9, 10, 11
#: cost: the takers' work by kind, more of it for a smaller item, their device's time per item, link time of a new item
TAKE, TAKE_MORE, TAKE_DEVICE, LINK_NEW = 12, 15, 16, 17
#: cost: sizes: of a light item, of one as it is, of one not compressed in an answer; head of a smaller one; and how
#: long an answer waits for an interrupt
LIGHT_SIZE, WHOLE, SMALLEST_RAW, HEAD, HOLD = 18, 19, 20, 21, 22
COSTS = 23
#: option: items of a request, requests in flight, wait for the ring, tell light items apart, answers per interrupt
ITEMS, DEPTH, WAIT, APART, ANSWERS = 0, 1, 2, 3, 4
#: ring_at: the oldest request, how many, how many announced; sums: requests, items in them, interrupts
_HEAD, _FILL, _ANNOUNCED, REQUESTS, SERVED, INTERRUPTS = 0, 1, 2, 3, 4, 5
_AT, _SIZE, _TAKE, _LINK, _DEVICE, _COUNT = 0, 1, 2, 3, 4, 5


def new_ring(depth: int):
    """An empty ring of requests and the one being built: (ring, ring_at, open request)."""
    return np.zeros((6, depth)), np.zeros(6, dtype=np.int64), np.zeros(6)


@jit
def _visible(ring, ring_at, cost, answers):
    """When the oldest answer is there to be taken."""
    head, depth = ring_at[_HEAD], ring.shape[1]
    if answers == 0 or ring_at[_ANNOUNCED] > 0:
        return ring[_AT, head]
    held = ring[_AT, head] + cost[HOLD]
    if ring_at[_FILL] < answers:
        return held
    last = 0.0
    for k in range(answers):
        last = max(last, ring[_AT, (head + k) % depth])
    return min(held, last)


@jit
def _announce(ring, ring_at, now, answers):
    """Count the answers that an interrupt at `now` announces."""
    while ring_at[_ANNOUNCED] < min(ring_at[_FILL], answers):
        if ring[_AT, (ring_at[_HEAD] + ring_at[_ANNOUNCED]) % ring.shape[1]] > now:
            break
        ring_at[_ANNOUNCED] += 1


@jit
def _collect(wait, clock, taker, pipe, pipe_at, rates, ring, ring_at, cost, answers):
    """Take all answers that are there, after waiting for the oldest if asked to, and send them on."""
    while ring_at[_FILL] > 0:
        ready = _visible(ring, ring_at, cost, answers)
        if ready > clock[NOW]:
            if not wait:
                return
            if answers == 0:
                clock[SPIN] += ready - clock[NOW]
            clock[NOW] = ready
        wait = False
        if answers > 0:
            if ring_at[_ANNOUNCED] == 0:
                _announce(ring, ring_at, clock[NOW], answers)
                work(clock, cost[INTERRUPT], rates)
                ring_at[INTERRUPTS] += 1
            ring_at[_ANNOUNCED] -= 1
        head = ring_at[_HEAD]
        size = ring[_SIZE, head]
        work(clock, cost[POLL] + ring[_COUNT, head] * cost[PUT] + size * cost[PER_BYTE], rates)
        clock[NOW] = send(
            clock,
            taker,
            pipe,
            pipe_at,
            clock[NOW],
            size,
            ring[_LINK, head],
            ring[_TAKE, head],
            ring[_DEVICE, head],
            rates,
        )
        ring_at[_HEAD] = (head + 1) % ring.shape[1]
        ring_at[_FILL] -= 1


@jit
def _submit(clock, rates, server, ring, ring_at, opened, cost, faults):
    """Give the open request to the first free server."""
    work(clock, cost[SUBMIT], rates)
    who = first_free(server)
    busy = cost[REQUEST] + opened[_COUNT] * cost[ITEM] + faults * cost[FAULT]
    server[who] = max(server[who], clock[NOW]) + busy
    clock[HELPED] += busy
    ring_at[REQUESTS] += 1
    ring_at[SERVED] += np.int64(opened[_COUNT])
    opened[_AT] = server[who] + cost[LATENCY]
    tail = (ring_at[_HEAD] + ring_at[_FILL]) % ring.shape[1]
    ring[:, tail] = opened
    ring_at[_FILL] += 1
    opened[:] = 0.0


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
    server,
    ring,
    ring_at,
    opened,
    sizes,
    light_size,
    bounds,
    cost,
    option,
    rng,
):
    """Send the items of `todo` from item `at` on, circularly, until a limit is passed (see `kernels.pipe.walk`).

    server: float64[servers], when each is done. sizes: float64[3, m], what items of each content become; light_size:
    what a light item becomes. bounds: int64[4], see `conveyor.sort_of`. cost: float64[COSTS], option: int64[5].
    Returns (counts: int64[4] of light, new, seen and raw items, bytes, next item, items left).
    """
    counts = np.zeros(4, dtype=np.int64)
    put, faults, lights = 0.0, 0, 0
    item = at
    while left > 0 and put <= budget and clock[NOW] <= deadline:
        w, word = first_from(todo, item)
        mask = np.uint64(word)
        while mask and put <= budget:
            rest, item, kind = take_item(todo, heavy, seen, w, mask)
            mask = np.uint64(rest)
            left -= 1
            counts[kind] += 1
            is_light = kind == LIGHT
            if is_light and option[APART]:
                work(clock, cost[CHECK], rates)
                put += cost[LIGHT_SIZE]
                lights += 1
                continue
            if is_light:
                kind = meet(seen, item)
            link = cost[LINK_NEW] if kind == NEW else 0.0
            if opened[_COUNT] == 0:
                _collect(False, clock, taker, pipe, pipe_at, rates, ring, ring_at, cost, option[ANSWERS])
                if ring_at[_FILL] == option[DEPTH]:
                    if option[WAIT]:
                        _collect(
                            True, clock, taker, pipe, pipe_at, rates, ring, ring_at, cost, option[ANSWERS]
                        )
                    else:
                        counts[RAW] += not is_light
                        work(clock, cost[WHOLE] * cost[PER_BYTE], rates)
                        clock[NOW] = send(
                            clock,
                            taker,
                            pipe,
                            pipe_at,
                            clock[NOW],
                            cost[WHOLE],
                            link,
                            cost[TAKE + kind],
                            0.0,
                            rates,
                        )
                        put += cost[WHOLE]
                        continue
            work(clock, cost[BUILD], rates)
            size = light_size if is_light else drawn(sizes, sort_of(item, bounds), rng)
            take, device = cost[TAKE + kind], 0.0
            if size >= cost[SMALLEST_RAW]:
                counts[RAW] += not is_light
                size = cost[WHOLE]
            else:
                size += cost[HEAD]
                take += cost[TAKE_MORE]
                device = cost[TAKE_DEVICE]
            if cost[FAULT_SHARE] > 0 and rng.random() < cost[FAULT_SHARE]:
                faults += 1
            put += size
            opened[_SIZE] += size
            opened[_TAKE] += take
            opened[_LINK] += link
            opened[_DEVICE] += device
            opened[_COUNT] += 1
            if opened[_COUNT] == option[ITEMS]:
                _submit(clock, rates, server, ring, ring_at, opened, cost, faults)
                faults = 0
        item += 1
        if lights > 0:
            size = lights * cost[LIGHT_SIZE]
            clock[NOW] = send(
                clock, taker, pipe, pipe_at, clock[NOW], size, 0.0, lights * cost[TAKE], 0.0, rates
            )
            lights = 0
    if opened[_COUNT] > 0:
        _submit(clock, rates, server, ring, ring_at, opened, cost, faults)
    while ring_at[_FILL] > 0:
        _collect(True, clock, taker, pipe, pipe_at, rates, ring, ring_at, cost, option[ANSWERS])
    return counts, put, item % (todo.size << 6), left
