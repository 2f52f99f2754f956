"""Two CPUs under fixed priorities with preemption, and a message that makes its way to a thread on one of them.

Events in order of time: steps end, threads wake, messages arrive, everything stops for a while. A CPU runs its handlers
before any thread, and of its ready threads the one of the highest priority; among equals the one that has been ready
longest, so an equal never preempts. A handler and a switch are not preempted; what comes meanwhile is seen at their
end. A stop holds up all that goes on, also what is on its way or asleep. Words and tables as in `sched_tables`.
"""

import numpy as np

from nfvlab.kernels.jit import jit
from nfvlab.kernels.sched_cpus import attend, choose, close, draw, go, instant, over, ready, record
from nfvlab.kernels.sched_tables import (
    BY_MESSAGE,
    BY_STOP,
    CPUS,
    END,
    HANDLER,
    HOLD,
    IDLE,
    LOG_COLUMNS,
    OTHER_CPU,
    RECEIVER,
    RECEIVING_CPU,
    SPEND,
    SPIN,
    STOP,
    THREADS,
)


@jit
def _arrive(m, s, hold, rng):
    """A step of the message is over."""
    row = s.wire
    record(s, s.wire_begun, s.now, -1, BY_MESSAGE, row)
    s.wire_begun, s.wire_end = s.now, np.inf
    row += 1
    while m.op[row] != SPEND and m.op[row] != HOLD and m.op[row] != END:
        row = instant(m, s, row, rng)
    if m.op[row] != END:
        s.wire = row
        s.wire_end = s.now + (hold if m.op[row] == HOLD else draw(m, row, rng))


@jit
def _stop(s, length):
    """Everything stops: what was going on goes on later by so much."""
    now = s.now
    for c in range(CPUS):
        close(s, c)
        s.begun[c] = now + length
        s.end[c] += length
    if s.wire_end < np.inf:
        record(s, s.wire_begun, now, -1, BY_MESSAGE, s.wire)
        s.wire_begun = now + length
        s.wire_end += length
    for t in range(THREADS):
        s.alarm[t] += length
    s.stopped_until = now + length
    record(s, now, now + length, -1, BY_STOP, STOP)


@jit
def _backlog(m, rng):
    """How long the stops that have come take yet, at any time: from none, long enough ago to be forgotten."""
    if m.stop_every_ns == np.inf:
        return 0.0
    left, ago = 0.0, 100.0 * m.stop_ns
    while True:
        gap = m.stop_every_ns * rng.standard_exponential()
        if gap >= ago:
            return max(0.0, left - ago)
        ago -= gap
        left = max(0.0, left - gap) + m.stop_ns


@jit
def _reset(s):
    """Nothing has happened, and nobody does anything."""
    s.now, s.wire_begun, s.wire_end = 0.0, 0.0, np.inf
    s.next_stop, s.stopped_until, s.done_at, s.cost = np.inf, 0.0, np.inf, 0.0
    s.pending, s.inside, s.due, s.inner, s.inner_left, s.starving = 0, 0, 0, -1, 0.0, 0
    s.exits, s.switches, s.stamps, s.logged = 0, 0, THREADS, 0
    for c in range(CPUS):
        s.activity[c], s.end[c], s.rest[c], s.begun[c] = IDLE, np.inf, 0.0, 0.0
        s.current[c], s.target[c], s.raised[c], s.back[c], s.displaced[c] = -1, -1, -1, 0, 0


@jit
def _start(m, start, s, rng):
    """Put everything as a run begins, and send the message."""
    _reset(s)
    for t in range(THREADS):
        s.pc[t], s.left[t], s.stamp[t], s.called[t] = m.first[t], start.left_ns[t], t, 0
        s.asleep[t], s.alarm[t] = start.asleep[t], start.alarm_ns[t]
    for c in range(CPUS):
        s.current[c] = choose(m, s, c)
        if s.current[c] == RECEIVER:
            s.pc[RECEIVER] = SPIN
        if s.current[c] >= 0:
            go(m, s, c, rng)
    s.wire = m.message
    s.wire_end = draw(m, m.message, rng)
    if m.stop_every_ns < np.inf:
        s.next_stop = m.stop_every_ns * rng.standard_exponential()
        backlog = _backlog(m, rng)
        if backlog > 0:
            _stop(s, backlog)


@jit
def _finished(s):
    """Whether the receiver has the message or never will, with nobody at work for it; or nothing happens any more."""
    if s.activity[OTHER_CPU] != IDLE:
        return False
    starved = s.starving and not s.due and s.activity[RECEIVING_CPU] != HANDLER
    return starved or s.done_at < np.inf or s.now == np.inf


@jit
def _event(m, s, hold, rng):
    """Go on to the next event, and let it happen."""
    stop_at = max(s.next_stop, s.stopped_until)
    first = min(s.wire_end, stop_at, s.end.min(), s.alarm.min())
    s.now = first
    if first == stop_at:
        _stop(s, m.stop_ns)
        s.next_stop += m.stop_every_ns * rng.standard_exponential()
        return
    if first == s.wire_end:
        _arrive(m, s, hold, rng)
    for t in range(THREADS):
        if s.alarm[t] == first:
            ready(s, t)
    for c in range(CPUS):
        if s.end[c] == first:
            over(m, s, c, rng)
    for c in range(CPUS):
        attend(m, s, c, rng)


@jit
def run(m, starts, s, rng):
    """Run the message's way once from each start.

    m, starts, s: a record of MACHINE, an array of START, a record of STATE, all of `sched_tables`; s is changed in
    place. Returns float64[n, 4]: when the receiver had the message (infinite: never), how often the inner mode was
    left for it, switches for it, and billed time.
    """
    made = np.empty((starts.size, 4))
    s.logging = 0
    for i in range(starts.size):
        _start(m, starts[i], s, rng)
        while not _finished(s):
            _event(m, s, starts[i].hold_ns, rng)
        made[i, 0], made[i, 1], made[i, 2], made[i, 3] = s.done_at, s.exits, s.switches, s.cost
    return made


@jit
def follow(m, start, s, until, rng):
    """One run with all that was done, to its end or, if that is given as finite, until a time.

    Returns float64[lines, 5]: begin, end, cpu (negative: none), who and row, in the order in which they ended.
    """
    log, used = np.empty((64, LOG_COLUMNS)), 0
    s.logging = 1
    _start(m, start, s, rng)
    while s.now < until and not (until == np.inf and _finished(s)):
        _event(m, s, start.hold_ns, rng)
        if used + s.logged > log.shape[0]:
            longer = np.empty((2 * log.shape[0], LOG_COLUMNS))
            longer[:used] = log[:used]
            log = longer
        for i in range(s.logged):
            log[used] = s.log[i]
            used += 1
        s.logged = 0
    return log[:used]
