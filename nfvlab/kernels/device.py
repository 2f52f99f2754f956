"""A device that several callers share: instances to be had, a queue, servers; what it does not take a caller does.

A caller makes a call of several requests, and does all of it itself if it is too small. With instances it needs one for
the whole call, and does all of it itself if none is to be had; then each instance has a queue of its own, and a caller
waits for a place in it. Without instances there is one queue, and a caller that finds no place after some tries does
that request itself. A place in the queue is held until a server is done. What has been made in larger parts than a
request can be is also done by the caller, who finds that out with an instance in hand. Requests and calls are to be
made in the order of their times, as far as that matters.
"""

from typing import NamedTuple

import numpy as np

from nfvlab.kernels.conveyor import first_free, idle, others_work
from nfvlab.kernels.jit import inlined

#: cost: a caller's work to submit a request, once a try, and for its answer
SUBMIT, POLL = 0, 1
#: cost: a server's time per request and per item, that of no server, and what a fault adds to how many of the items
REQUEST, ITEM, LATENCY, FAULT, FAULT_SHARE = 2, 3, 4, 5, 6
COSTS = 7
#: option: items of a request, least of a call for the device, tries, the caller stays awake while it waits for answers
UNIT, LEAST, TRIES, POLLS = 0, 1, 2, 3


class Device(NamedTuple):
    """When servers and instances are free, and when requests in the queues are served (float64[queues, places])."""

    server: np.ndarray
    instance: np.ndarray
    queue: np.ndarray
    queue_at: np.ndarray
    cost: np.ndarray
    option: np.ndarray


def new_device(servers: int, places: int, instances: int, cost: np.ndarray, option: np.ndarray) -> Device:
    """An idle device; instances: 0 for one queue that all callers share."""
    queues = max(instances, 1)
    times = np.zeros(servers), np.zeros(instances), np.zeros((queues, places))
    return Device(*times, np.zeros(queues, dtype=np.int64), cost, option)


@inlined
def begin(device, now, items):
    """Take an instance for a call that begins now; returns its queue, -1 if it is too small or there is no instance."""
    if items < device.option[LEAST]:
        return -1
    if device.instance.size == 0:
        return 0
    which = idle(device.instance, now)
    if which >= 0:
        device.instance[which] = np.inf
    return which


@inlined
def request(device, clock, rates, queue, now, items, own_work, rng):
    """A caller makes one request, or does it itself by `own_work`.

    Returns (when the caller goes on, its CPU, a server's time, when the answer is there: 0 if there will be none).
    """
    cost, option, spent = device.cost, device.option, 0.0
    at = device.queue_at[queue]
    taken = False
    if device.instance.size > 0:
        now = max(now, device.queue[queue, at])
    for _ in range(option[TRIES]):
        now = others_work(clock, now, cost[SUBMIT], rates)
        spent += cost[SUBMIT]
        if device.queue[queue, at] <= now:
            taken = True
            break
    if not taken:
        return others_work(clock, now, own_work, rates), spent + own_work, 0.0, 0.0
    faults = 0
    if cost[FAULT_SHARE] > 0:
        for _ in range(items):
            faults += rng.random() < cost[FAULT_SHARE]
    busy = cost[REQUEST] + items * cost[ITEM] + faults * cost[FAULT]
    who = first_free(device.server)
    device.server[who] = max(device.server[who], now) + busy
    device.queue[queue, at] = device.server[who]
    device.queue_at[queue] = (at + 1) % device.queue.shape[1]
    return now, spent, busy, device.server[who] + cost[LATENCY]


@inlined
def later(device, last, answered, before):
    """When a caller can begin to look at answers and wait for none, the one at `answered` after `before` others.

    It looks at them in the order of their requests, at one while others are not there yet; last: as found so far.
    """
    return max(last, answered - before * device.cost[POLL])


@inlined
def end(device, clock, rates, queue, now, last, answers):
    """A call ends: its `answers` are looked at (see `later` for `last`), its instance is given back.

    Returns (when that is done, the caller's CPU for it).
    """
    spent = answers * device.cost[POLL]
    if device.option[POLLS] and last > now:
        spent += last - now
    now = others_work(clock, max(now, last), answers * device.cost[POLL], rates)
    if device.instance.size > 0:
        device.instance[queue] = now
    return now, spent


@inlined
def call(device, clock, rates, now, items, first, own_work, rng):
    """A whole call, all its requests at once: (when it ends, the caller's CPU).

    first: the items of its first part, by which the caller tells whether it is too small, or too large for a request.
    """
    queue = begin(device, now, first)
    if queue < 0 or first > device.option[UNIT]:
        now = others_work(clock, now, own_work, rates)
        if queue >= 0:
            end(device, clock, rates, queue, now, now, 0)
        return now, own_work
    left, last, answers, spent = items, now, 0, 0.0
    while left > 0:
        part = min(left, device.option[UNIT])
        left -= part
        own = own_work * part / items
        now, cpu, _, answered = request(device, clock, rates, queue, now, part, own, rng)
        spent += cpu
        if answered > 0:
            last = later(device, last, answered, answers)
            answers += 1
    now, cpu = end(device, clock, rates, queue, now, last, answers)
    return now, spent + cpu
