"""A worker walks a bitmap, gives items to servers in requests through a ring, and sends on what they have made smaller.

Light items are sent at once (or go to the servers too); heavy ones go to the servers, several in one request, unless
the ring is full: then the worker waits, or sends the item as it is. Answers are taken in the order of the requests, by
polling whenever a request is built, or when an interrupt has announced them. Before a walk ends, all answers are in.

What is sent may have to be sealed, and opened again, by work for each byte of it. Servers may seal what they answer:
several of them are a device, and what they have made passes the one sealer of their device, first come, first served.
The takers' devices may open that: an entry passes one of their openers before the device that makes it large again.
"""

import numpy as np

from nfvlab.kernels import sealers
from nfvlab.kernels.conveyor import (
    DEVICE,
    HELPED,
    LIGHT,
    NEW,
    NOW,
    OPEN,
    RAW,
    SPIN,
    TAKEN,
    TAKER_CPU,
    admit,
    carry,
    drawn,
    first_free,
    first_from,
    hold,
    meet,
    others_work,
    send,
    sort_of,
    take_item,
    work,
)
from nfvlab.kernels.jit import inlined, jit

#: cost: the worker's work by step; PUT is that for the head of a smaller item
CHECK, BUILD, SUBMIT, POLL, PUT, PER_BYTE, INTERRUPT = 0, 1, 2, 3, 4, 5, 6
#: cost: the server's time per request and per item, that of no server, and what a fault adds to how many of the items
REQUEST, ITEM, LATENCY, FAULT, FAULT_SHARE = 7, 8, 9, 10, 11
#: cost: the takers' work by kind, more of it for a smaller item, their device's time per item, link time of a new item
TAKE, TAKE_MORE, TAKE_DEVICE, LINK_NEW = 12, 15, 16, 17
#: cost: sizes: of a light item, of one as it is, of one not compressed in an answer; head of a smaller one; and how
#: long an answer waits for an interrupt
LIGHT_SIZE, WHOLE, SMALLEST_RAW, HEAD, HOLD = 18, 19, 20, 21, 22
#: cost: the worker's work to seal a byte; a sealer's time per byte (0: none), what sealing adds to an item; an
#: opener's time per byte (0: none); head of an item as it is, a taker's work to have such a one opened
SEAL_BYTE, SEALER_BYTE, SEAL_HEAD, OPENER_BYTE, WHOLE_HEAD, TAKE_SEALED = 23, 24, 25, 26, 27, 28
#: cost: the worker's work to tell that an item is no light one, for one that it sends as it is (BUILD holds it, too)
LOOK = 29
COSTS = 30
#: option: items of a request, requests in flight, wait for the ring, tell light items apart, answers per interrupt
ITEMS, DEPTH, WAIT, APART, ANSWERS = 0, 1, 2, 3, 4
#: ring_at: the oldest request, how many, how many announced; sums: requests, items in them, interrupts, smaller items
_HEAD, _FILL, _ANNOUNCED, REQUESTS, SERVED, INTERRUPTS, SMALLER = 0, 1, 2, 3, 4, 5, 6
#: a request: bytes, takers' work, link time, their device's time, items, how many of them are smaller; then rows of
#: `sealers`, whether sealed or not: bytes for the sealer, device, when the server is done, when the sealer is
_SIZE, _TAKE, _LINK, _DEVICE, _COUNT, _SMALL, _LINE = 0, 1, 2, 3, 4, 5, 6
_INSIDE, _DONE = _LINE + sealers.BYTES, _LINE + sealers.SEALED
_FIELDS = _LINE + sealers.ROWS


def new_ring(depth: int):
    """An empty ring of requests and the one being built: (ring, ring_at, open request)."""
    return np.zeros((_FIELDS, depth)), np.zeros(7, dtype=np.int64), np.zeros(_FIELDS)


@jit
def _visible(ring, ring_at, cost, answers):
    """When the oldest answer is there to be taken."""
    head, depth = ring_at[_HEAD], ring.shape[1]
    if answers == 0 or ring_at[_ANNOUNCED] > 0:
        return ring[_DONE, head] + cost[LATENCY]
    held = ring[_DONE, head] + cost[LATENCY] + cost[HOLD]
    if ring_at[_FILL] < answers:
        return held
    last = 0.0
    for k in range(answers):
        last = max(last, ring[_DONE, (head + k) % depth] + cost[LATENCY])
    return min(held, last)


@jit
def _announce(ring, ring_at, now, latency, answers):
    """Count the answers that an interrupt at `now` announces."""
    while ring_at[_ANNOUNCED] < min(ring_at[_FILL], answers):
        if ring[_DONE, (ring_at[_HEAD] + ring_at[_ANNOUNCED]) % ring.shape[1]] + latency > now:
            break
        ring_at[_ANNOUNCED] += 1


@inlined
def _forward(clock, taker, pipe, pipe_at, rates, ring, head, size, sealed, sealer, cost):
    """Send an answer on (see `conveyor.send`), through opener and device of the takers if they have them."""
    clock[NOW] = admit(pipe, pipe_at, clock[NOW], size, rates)
    arrived = carry(clock, clock[NOW], size, ring[_LINK, head], rates)
    who = first_free(taker)
    take = ring[_TAKE, head] + (size - sealed if cost[OPENER_BYTE] > 0 else size) * rates[OPEN]
    end = others_work(clock, max(taker[who], arrived), take, rates)
    taker[who] = end
    clock[TAKER_CPU] += take
    if cost[OPENER_BYTE] > 0:
        end = sealers.opened(sealer, ring[_INSIDE, head], end, cost[OPENER_BYTE])
    if ring[_DEVICE, head] > 0:
        clock[DEVICE] = max(clock[DEVICE], end) + ring[_DEVICE, head]
        end = clock[DEVICE]
    clock[TAKEN] = max(clock[TAKEN], end)
    hold(pipe, pipe_at, size, end)


@jit
def _collect(wait, clock, taker, pipe, pipe_at, rates, ring, ring_at, sealer, cost, answers):
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
                _announce(ring, ring_at, clock[NOW], cost[LATENCY], answers)
                work(clock, cost[INTERRUPT], rates)
                ring_at[INTERRUPTS] += 1
            ring_at[_ANNOUNCED] -= 1
        head = ring_at[_HEAD]
        size = ring[_SIZE, head]
        sealed = ring[_INSIDE, head] + ring[_COUNT, head] * cost[SEAL_HEAD]
        putting = cost[POLL] + ring[_SMALL, head] * cost[PUT] + size * cost[PER_BYTE]
        work(clock, putting + (size - sealed) * cost[SEAL_BYTE], rates)
        _forward(clock, taker, pipe, pipe_at, rates, ring, head, size, sealed, sealer, cost)
        ring_at[_HEAD] = (head + 1) % ring.shape[1]
        ring_at[_FILL] -= 1


@jit
def _submit(clock, rates, server, ring, ring_at, opened, sealer, cost, faults):
    """Give the open request to the first free server, and what that makes of it to the sealer of its device."""
    work(clock, cost[SUBMIT], rates)
    who = first_free(server)
    busy = cost[REQUEST] + opened[_COUNT] * cost[ITEM] + faults * cost[FAULT]
    server[who] = max(server[who], clock[NOW]) + busy
    clock[HELPED] += busy
    ring_at[REQUESTS] += 1
    ring_at[SERVED] += np.int64(opened[_COUNT])
    ring_at[SMALLER] += np.int64(opened[_SMALL])
    by = who % sealer.shape[1]
    opened[_LINE + sealers.BY] = by
    opened[_LINE + sealers.COMES] = opened[_DONE] = server[who]
    sealer[sealers.TOTAL, by] += opened[_INSIDE] + opened[_COUNT] * cost[SEAL_HEAD]
    tail = (ring_at[_HEAD] + ring_at[_FILL]) % ring.shape[1]
    ring[:, tail] = opened
    ring_at[_FILL] += 1
    opened[:] = 0.0
    if cost[SEALER_BYTE] > 0:
        sealers.seal(ring[_LINE:], ring_at[_HEAD], ring_at[_FILL], tail, sealer, cost[SEALER_BYTE])


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
    sealer,
    sizes,
    light_size,
    bounds,
    cost,
    option,
    rng,
):
    """Send the items of `todo` from item `at` on, circularly, until a limit is passed (see `kernels.pipe.walk`).

    server: float64[servers], when each is done; those of a device are each a number of devices apart. sealer:
    float64[4, devices], see `kernels.sealers`. sizes: float64[3, m], what items of each content become; light_size:
    what a light item becomes. bounds: int64[4], see `conveyor.sort_of`. cost: float64[COSTS], option: int64[5].
    Returns (counts: int64[4] of light, new, seen and raw items, bytes, next item, items left).
    """
    counts = np.zeros(4, dtype=np.int64)
    line = (taker, pipe, pipe_at, rates, ring, ring_at, sealer, cost)
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
                _collect(False, clock, *line, option[ANSWERS])
                if ring_at[_FILL] == option[DEPTH]:
                    if option[WAIT]:
                        _collect(True, clock, *line, option[ANSWERS])
                    else:
                        counts[RAW] += not is_light
                        size, take = cost[WHOLE], cost[TAKE + kind]
                        work(clock, cost[LOOK] + size * (cost[PER_BYTE] + cost[SEAL_BYTE]), rates)
                        clock[NOW] = send(clock, taker, pipe, pipe_at, clock[NOW], size, link, take, rates)
                        put += size
                        continue
            work(clock, cost[BUILD], rates)
            size = light_size if is_light else drawn(sizes, sort_of(item, bounds), rng)
            take, device = cost[TAKE + kind], 0.0
            if size >= cost[SMALLEST_RAW]:
                counts[RAW] += not is_light
                size, head = cost[WHOLE], cost[WHOLE_HEAD]
                take += cost[TAKE_SEALED]
            else:
                size, head = size + cost[HEAD], cost[HEAD]
                take += cost[TAKE_MORE]
                device = cost[TAKE_DEVICE]
                opened[_SMALL] += 1
            if cost[FAULT_SHARE] > 0 and rng.random() < cost[FAULT_SHARE]:
                faults += 1
            if cost[SEALER_BYTE] > 0:
                opened[_INSIDE] += size - head
                size += cost[SEAL_HEAD]
            put += size
            opened[_SIZE] += size
            opened[_TAKE] += take
            opened[_LINK] += link
            opened[_DEVICE] += device
            opened[_COUNT] += 1
            if opened[_COUNT] == option[ITEMS]:
                _submit(clock, rates, server, ring, ring_at, opened, sealer, cost, faults)
                faults = 0
        item += 1
        if lights > 0:
            size = lights * cost[LIGHT_SIZE]
            clock[NOW] = send(clock, taker, pipe, pipe_at, clock[NOW], size, 0.0, lights * cost[TAKE], rates)
            lights = 0
    if opened[_COUNT] > 0:
        _submit(clock, rates, server, ring, ring_at, opened, sealer, cost, faults)
    while ring_at[_FILL] > 0:
        _collect(True, clock, *line, option[ANSWERS])
    return counts, put, item % (todo.size << 6), left
