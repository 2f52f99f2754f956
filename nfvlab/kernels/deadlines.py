"""Rounds of a party inside that sets itself a deadline again and again, on an alarm or on a countdown.

`rounds` plays them, from one setting of the deadline to the next; `deadlines_tables` has the records,
`deadlines_time` what takes time, `deadlines_timers` the timers. Every cycle is on one account of `sums`.
"""

import numpy as np

from nfvlab.kernels import tsc
from nfvlab.kernels.deadlines_tables import (
    ALARM,
    ARM_ALARM,
    ARM_COUNTDOWN,
    ARMED,
    COUNTDOWN,
    DELIVER,
    END,
    ENTRY,
    HALT,
    IDLE,
    IDLE_EXIT,
    INSIDE,
    LOOP,
    NOISE,
    NONE,
    PAST,
    POLL,
    REFUSED,
    RETURN,
    SWITCH,
    THINK,
    WAKE,
    WRITE,
)
from nfvlab.kernels.deadlines_time import (
    compute,
    draw,
    interrupted,
    leave,
    pass_time,
    read,
    skip_noise,
    spend,
    until_noise,
    wait_until,
)
from nfvlab.kernels.deadlines_timers import arm_alarm, arm_countdown, enter, inject, rings, take_alarm
from nfvlab.kernels.jit import jit


@jit
def set_deadline(m, rng):
    """The deadline is written, up to the entry: whether its interrupt is there already."""
    m.deadline = tsc.scale(read(m), m.ratio)[0] + m.interval
    leave(m, rng)
    spend(m, rng, WRITE)
    armed = arm_countdown(m)
    if armed != REFUSED:
        spend(m, rng, ARM_COUNTDOWN)
    else:
        armed = arm_alarm(m)
        if armed == ARMED:
            spend(m, rng, ARM_ALARM)
    if not (m.short and m.usable and (armed == ARMED or m.posted)):
        spend(m, rng, LOOP)
    if rings(m):
        take_alarm(m, rng)
        return True
    return armed == PAST


@jit
def sleep(m, rng):
    """The thread sleeps until the alarm wakes it."""
    m.switches += 2
    spend(m, rng, SWITCH)
    if not rings(m) and not wait_until(m, rng, float(m.rings_at - m.origin), IDLE):
        spend(m, rng, IDLE_EXIT)
    m.rings_at = NONE
    spend(m, rng, ALARM)
    if m.threaded:
        m.switches += 1
        spend(m, rng, SWITCH)
    spend(m, rng, WAKE)
    spend(m, rng, SWITCH)


@jit
def await_alarm(m, rng):
    """Poll for the alarm, then sleep until it rings."""
    if not rings(m) and m.poll_for > 0:
        rings_at = float(m.rings_at - m.origin)
        wait_until(m, rng, min(rings_at, m.t + m.poll_for), POLL)
    if rings(m):
        take_alarm(m, rng)
    else:
        sleep(m, rng)


@jit
def halt(m, rng):
    """The inner party halts, until it is back with its interrupt: the alarm takes over from the countdown."""
    leave(m, rng)
    spend(m, rng, HALT)
    past = False
    if m.counts_to != NONE:
        past = arm_alarm(m) == PAST
        if not past:
            spend(m, rng, ARM_ALARM)
    if not past:
        await_alarm(m, rng)
    spend(m, rng, LOOP)
    inject(m, rng, ENTRY)


@jit
def run_to_expiry(m, rng):
    """Run inside until a timer expires: False if the alarm rang while others had the CPU, and was served with them."""
    while True:
        expiry = m.fires if m.counts_to != NONE else float(m.rings_at - m.origin)
        skip_noise(m, expiry)
        if m.noise_at >= max(expiry, m.t):
            pass_time(m, max(expiry - m.t, 0.0), INSIDE, INSIDE)
            return True
        until_noise(m, INSIDE)
        interrupted(m, rng)
        if rings(m):
            take_alarm(m, rng)
            return False
        enter(m, rng, NOISE)


@jit
def run(m, rng):
    """The inner party is busy until its timer expires, and is back with the interrupt."""
    if not run_to_expiry(m, rng):
        inject(m, rng, NOISE)
        return
    leave(m, rng)
    short = False
    if m.counts_to != NONE:
        m.counts_to = NONE
        m.expiries += 1
        spend(m, rng, COUNTDOWN)
        short = m.short and m.posted
    else:
        take_alarm(m, rng)
    if not short:
        spend(m, rng, LOOP)
    inject(m, rng, ENTRY)


@jit
def rebase(m):
    """Count the time from the last whole cycle on."""
    whole = np.floor(m.t)
    m.origin += np.int64(whole)
    m.t -= whole
    m.noise_at -= whole


@jit
def play(m, rng):
    """A round: from the write of the deadline to the next. The latency, in outer cycles."""
    rebase(m)
    seen, part = tsc.scale(m.origin, m.ratio)
    if set_deadline(m, rng):
        inject(m, rng, ENTRY)
    else:
        enter(m, rng, ENTRY)
        expired = rings(m) or (m.counts_to != NONE and m.fires <= m.t)
        if m.sleeps and not expired:
            halt(m, rng)
        else:
            run(m, rng)
    compute(m, rng, draw(m, rng, DELIVER), DELIVER)
    m.due = (m.deadline - seen - part) / (m.ratio / tsc.UNSCALED)
    latency = m.t - m.due
    compute(m, rng, draw(m, rng, RETURN), RETURN)
    if not m.posted:
        leave(m, rng)
        spend(m, rng, END)
        spend(m, rng, LOOP)
        enter(m, rng, ENTRY)
    compute(m, rng, m.cost[THINK], THINK)
    return latency


@jit
def rounds(m, rng, latency):
    """As many rounds as `latency` has room for: their latencies, float64, in outer cycles."""
    for k in range(len(latency)):
        latency[k] = play(m, rng)


__all__ = ["play", "rounds"]
