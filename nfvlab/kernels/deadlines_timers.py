"""The two timers of `deadlines`, as they are set, run out, and make up for having come early; clocks in whole counts.

The countdown counts changes of bit X of the outer clock and is refused where its field is too small; the alarm rings
when a clock in ns shows its time. Both are set early by an advance.
"""

import numpy as np

from nfvlab.kernels import tsc
from nfvlab.kernels.deadlines_tables import (
    ALARM,
    ARMED,
    ENTRY,
    INJECT,
    LOOK,
    NONE,
    PAST,
    REFUSED,
    SPIN,
    SWITCH,
    SYNC,
)
from nfvlab.kernels.deadlines_time import draw, read, spend, work
from nfvlab.kernels.jit import jit


@jit
def arm_countdown(m):
    """Set the countdown, if it is usable and its field holds the distance less the advance."""
    if not m.usable:
        return REFUSED
    now, ratio = read(m), m.ratio
    ahead = tsc.ns_to_ticks(m.advance, m.multiplier, m.shift)
    early = max(m.deadline - tsc.scale(now, ratio)[0], 0) - ahead
    delta = tsc.unscale(max(early, 0), ratio)
    if delta < 0 or delta >> m.x > m.max_value:
        return REFUSED
    if delta == 0:
        return PAST
    m.counts_to = now + delta
    return ARMED


@jit
def arm_alarm(m):
    """Set the alarm, instead of the countdown."""
    now, advance = read(m), m.advance
    left = m.deadline - tsc.scale(now, m.ratio)[0]
    m.counts_to = NONE
    if left > 0:
        ns = tsc.ticks_to_ns(left, m.inner_khz)
        if ns > advance:
            khz = m.outer_khz
            m.rings_at = tsc.count_at(tsc.clock_ns(now, khz) + ns - advance, khz)
            return ARMED
    return PAST


@jit
def load(m):
    """Work out the countdown's field and load it, at one reading of the clock: when it will be at zero."""
    m.fires = np.inf
    if m.counts_to != NONE:
        now, x = read(m), m.x
        value = max(m.counts_to - now, 0) >> x
        fires = ((now >> x) + value) << x if value > 0 else now
        m.fires = fires - m.origin


@jit
def enter(m, rng, account):
    """The way in; the countdown is loaded as it begins."""
    load(m)
    work(m, rng, draw(m, rng, ENTRY), ENTRY, account)


@jit
def rings(m):
    """Whether the alarm's interrupt is due."""
    return m.rings_at != NONE and read(m) >= m.rings_at


@jit
def take_alarm(m, rng):
    """Take the alarm's interrupt while the thread has the CPU; to another thread and back if that serves it."""
    m.rings_at = NONE
    spend(m, rng, ALARM)
    if m.threaded:
        m.switches += 2
        spend(m, rng, SWITCH)
        spend(m, rng, SWITCH)


@jit
def make_up(m):
    """The cycles to spin until the deadline, after a look at the clock that may also adapt the advance."""
    ratio, inner_khz = m.ratio, m.inner_khz
    error = tsc.scale(read(m), ratio)[0] - m.deadline
    if m.adaptive:
        m.advance = tsc.adjust(m.advance, error, inner_khz)
    multiplier, shift = m.multiplier, m.shift
    return tsc.spin(error, m.advance, m.outer_khz, inner_khz, ratio, multiplier, shift)


@jit
def inject(m, rng, account):
    """Hand over the timer's interrupt, wait for its deadline, and enter."""
    spend(m, rng, SYNC if m.posted else INJECT)
    if m.advance > 0:
        spend(m, rng, LOOK)
        work(m, rng, float(make_up(m)), SPIN, SPIN)
    enter(m, rng, account)


__all__ = ["arm_alarm", "arm_countdown", "enter", "inject", "load", "make_up", "rings", "take_alarm"]
