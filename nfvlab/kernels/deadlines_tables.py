"""Records of the rounds in `deadlines`: stages and accounts, clocks and rules, and a machine that has them all.

An inner party (a guest, say) sets itself a deadline. Outside, one of two timers is set for it: the *countdown*, which
is worked out at each entry and counts inside only, or the *alarm*, which interrupts the CPU wherever it is. Time runs
in cycles since `origin`, a whole count of the outer clock, and clocks are read as whole counts: origin + floor(t).
"""

import numpy as np

STAGES = (
    *("exit", "write", "arm countdown", "arm alarm", "loop", "entry", "sync", "inject", "look", "end"),
    *("deliver", "return", "halt", "switch", "wake", "idle exit", "alarm", "countdown"),
    *("spin", "poll", "idle", "noise", "inside", "think"),
)
(EXIT, WRITE, ARM_COUNTDOWN, ARM_ALARM, LOOP, ENTRY, SYNC, INJECT, LOOK, END) = range(10)
(DELIVER, RETURN, HALT, SWITCH, WAKE, IDLE_EXIT, ALARM, COUNTDOWN) = range(10, 18)
(SPIN, POLL, IDLE, NOISE, INSIDE, THINK) = range(18, 24)

NONE = -1  # no such timer is set
REFUSED, ARMED, PAST = 0, 1, 2
LOG_ROWS = 4096

_INT, _TIME = np.int64, np.float64

MACHINE = np.dtype(
    [
        # time in cycles since `origin`
        ("t", _TIME),
        ("noise_at", _TIME),  # the next of others' interrupts, their mean gap and length …
        ("noise_gap", _TIME),
        ("noise_length", _TIME),
        ("settle", _TIME),  # … and how long after one nothing of it is left
        ("poll_for", _TIME),
        ("fires", _TIME),  # when the countdown is at zero
        ("due", _TIME),  # when the inner clock shows the deadline
        # clocks in whole counts, and what happened
        ("origin", _INT),
        ("deadline", _INT),  # of the inner clock
        ("counts_to", _INT),  # outer clock at which the countdown, or the alarm, is to expire; or NONE
        ("rings_at", _INT),
        ("advance", _INT),  # ns
        ("exits", _INT),
        ("switches", _INT),
        ("expiries", _INT),  # of the countdown
        # what does not change: clocks (see `tsc`), the countdown's bit and largest value
        ("outer_khz", _INT),
        ("inner_khz", _INT),
        ("ratio", _INT),
        ("multiplier", _INT),
        ("shift", _INT),
        ("x", _INT),
        ("max_value", _INT),
        ("interval", _INT),  # from setting the deadline to it, inner counts
        ("usable", _INT),  # the countdown, at all
        ("sleeps", _INT),  # the inner party waits asleep
        ("adaptive", _INT),  # the advance
        ("posted", _INT),  # an interrupt ends without an exit
        ("short", _INT),  # no loop around the countdown's exits
        ("threaded", _INT),  # the alarm is served in a thread
        ("spread", _TIME),  # share of each stage that varies
        ("cost", _TIME, (len(STAGES),)),  # mean cycles of each stage
        # accounts, and a log: begin and end in cycles of the round, stage, account
        ("sums", _TIME, (len(STAGES),)),
        ("logged", _INT),
        ("log_rows", _INT),
        ("log", _TIME, (LOG_ROWS, 4)),
    ]
)


def blank() -> np.record:
    """A machine in which nothing takes time, nothing is set, nothing is logged and nobody disturbs."""
    m = np.zeros(1, dtype=MACHINE).view(np.recarray)[0]
    m.noise_at = m.noise_gap = m.fires = np.inf
    m.counts_to = m.rings_at = NONE
    return m


__all__ = ["LOG_ROWS", "MACHINE", "STAGES", "blank"]
