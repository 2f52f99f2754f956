"""What the CPUs of `sched` do: run threads and handlers, switch, leave the inner mode, idle."""

import numpy as np

from nfvlab.kernels.jit import jit
from nfvlab.kernels.sched_tables import (
    ALWAYS,
    BY_HANDLER,
    DELIVER,
    DONE,
    END,
    ENTER,
    HANDLER,
    HELD,
    HOLDING,
    IDLE,
    IF_ASLEEP,
    IF_INSIDE,
    IF_OFF,
    LEAVE,
    LEAVING,
    LOOP,
    NAP,
    NOTICE,
    NOTIFY,
    OTHER_CPU,
    OWED,
    POST,
    RAISE,
    RECEIVER,
    RECEIVING_CPU,
    ROUSE,
    ROUSING,
    SEND,
    SERVER,
    SPEND,
    SPIN,
    SWITCH,
    SWITCHING,
    THREAD,
    THREADS,
    WAKE,
)


@jit
def draw(m, row, rng):
    """How long a step takes this time."""
    return m.fixed_ns[row] + (m.mean_ns[row] * rng.standard_exponential() if m.mean_ns[row] > 0 else 0.0)


@jit
def record(s, since, until, cpu, who, row):
    """Write a line of the log, if there is one and something lasted."""
    if s.logging and until > since:
        line = s.log[s.logged]
        line[0], line[1], line[2], line[3], line[4] = since, until, cpu, who, row
        s.logged += 1


@jit
def close(s, c):
    """Write down what a CPU did since it began with it or went on."""
    activity = s.activity[c]
    if activity == IDLE or not s.logging:
        return
    who = s.current[c] if activity == THREAD else s.target[c] if activity == SWITCHING else BY_HANDLER
    record(s, s.begun[c], s.now, c, RECEIVER if activity in (LEAVING, HOLDING) else who, s.step[c])


@jit
def begin(s, c, activity, row, length):
    """A CPU begins with something that takes time."""
    s.activity[c], s.step[c] = activity, row
    s.begun[c], s.end[c] = s.now, s.now + length


@jit
def spend(m, s, row, rng):
    """The length of a step that begins now; it is billed if the message is to blame."""
    length = draw(m, row, rng)
    if m.billed[row] == ALWAYS or (m.billed[row] == OWED and s.due):
        s.cost += length
    return length


@jit
def choose(m, s, c):
    """The thread that should run on a CPU; negative: none is ready."""
    best = -1
    for t in range(THREADS):
        if m.cpu[t] == c and not s.asleep[t]:
            ahead = m.priority[t] - m.priority[best] if best >= 0 else 1
            if ahead > 0 or (ahead == 0 and s.stamp[t] < s.stamp[best]):
                best = t
    return best


@jit
def ready(s, t):
    """A thread becomes ready, behind its equals."""
    s.asleep[t], s.alarm[t] = 0, np.inf
    s.stamp[t] = s.stamps
    s.stamps += 1


@jit
def switch(m, s, c, rng):
    """Turn a CPU to the thread that should run, or back to things of its own, or let it idle."""
    best = choose(m, s, c)
    s.current[c] = -1
    if best < 0 and not s.displaced[c]:
        s.activity[c], s.end[c], s.back[c] = IDLE, np.inf, 0
        return
    length = draw(m, SWITCH, rng)
    if best < 0 or s.back[c] or s.called[best]:
        s.switches += 1
        s.cost += length
    s.back[c], s.target[c] = 0, best
    s.displaced[c] = best >= 0 and (s.displaced[c] or (c == OTHER_CPU and m.priority[best] > 0))
    if best >= 0:
        s.called[best] = 0
    if best == RECEIVER and m.held_frac > 0 and rng.random() < m.held_frac:
        s.rest[c] = length
        begin(s, c, HOLDING, HELD, m.held_ns * rng.random())
    else:
        s.rest[c] = 0.0
        begin(s, c, SWITCHING, SWITCH, length)


@jit
def instant(m, s, row, rng):
    """Do a step that takes no time; the row of the next one."""
    op, arg, inside = m.op[row], m.arg[row], s.inside == 1 and s.activity[RECEIVING_CPU] == THREAD
    if op == RAISE:
        s.raised[m.on_cpu[row]] = arg
    elif op == WAKE and s.asleep[arg]:
        ready(s, arg)
        s.called[arg] = 1
        if arg == RECEIVER:
            s.due = 1
        elif m.cpu[arg] == RECEIVING_CPU and not s.asleep[RECEIVER]:
            # awake, the receiver never sleeps again
            s.starving = int(m.priority[RECEIVER] >= m.priority[arg])
    elif op == SEND:
        s.wire = arg
        s.wire_begun, s.wire_end = s.now, s.now + draw(m, arg, rng)
    elif op == POST:
        s.pending = 1
    elif op == NOTIFY and s.pending and inside:
        s.pending, s.pc[RECEIVER] = 0, NOTICE
        s.left[RECEIVER] = draw(m, NOTICE, rng)
        close(s, RECEIVING_CPU)
        begin(s, RECEIVING_CPU, THREAD, NOTICE, s.left[RECEIVER])
    elif (
        (op == IF_ASLEEP and s.asleep[RECEIVER])
        or (op == IF_INSIDE and inside)
        or (op == IF_OFF and s.current[RECEIVING_CPU] != RECEIVER)
    ):
        return arg
    return row + 1


@jit
def enter(s, c):
    """The receiver is inside again: on with what was left, or with a note that waits; true: it has nothing to do."""
    s.inside, s.due = 1, 0
    if s.inner >= 0:
        s.pc[RECEIVER], s.left[RECEIVER], s.inner = s.inner, s.inner_left, -1
    elif s.pending:
        s.pending, s.pc[RECEIVER] = 0, DELIVER
    else:
        begin(s, c, THREAD, SPIN, np.inf)
        return True
    return False


@jit
def go(m, s, c, rng):
    """Let the current thread of a CPU go on until it does something that takes time."""
    t = s.current[c]
    while True:
        row = s.pc[t]
        op = m.op[row]
        if op == SPEND:
            s.left[t] = spend(m, s, row, rng) if s.left[t] < 0 else s.left[t]
            begin(s, c, THREAD, row, s.left[t])
            return
        if op in (NAP, END):
            s.asleep[t], s.current[c], s.back[c] = 1, -1, t == SERVER
            switch(m, s, c, rng)
            if op == NAP:  # from when the CPU is free of it
                free = s.now if s.activity[c] == IDLE else s.end[c] + s.rest[c]
                s.alarm[t], s.pc[t] = free + draw(m, row, rng), m.arg[row]
            return
        if op == DONE:
            s.done_at, s.pc[t] = s.now, SPIN
        elif op != ENTER:
            s.pc[t] = instant(m, s, row, rng)
        elif enter(s, c):
            return


@jit
def settle(m, s, c, rng):
    """A CPU chooses what to do next: a handler, its current thread, or another one."""
    row = s.raised[c]
    if row >= 0:
        s.raised[c] = -1
        begin(s, c, HANDLER, row, spend(m, s, row, rng))
    elif s.current[c] >= 0 and choose(m, s, c) == s.current[c]:
        go(m, s, c, rng)
    else:
        switch(m, s, c, rng)


@jit
def leave(m, s, c, rng):
    """The receiver's CPU leaves the inner mode."""
    length = draw(m, LEAVE, rng)
    if s.raised[c] >= 0:
        s.exits += 1
        s.due = 1
        s.cost += length
    if s.pc[RECEIVER] != SPIN:
        s.inner, s.inner_left = s.pc[RECEIVER], s.left[RECEIVER]
    s.inside, s.pc[RECEIVER], s.left[RECEIVER] = 0, LOOP, -1.0
    begin(s, c, LEAVING, LEAVE, length)


@jit
def attend(m, s, c, rng):
    """A CPU sees what has come meanwhile, if it can be interrupted."""
    if s.activity[c] != IDLE and s.activity[c] != THREAD:
        return
    best = choose(m, s, c)
    if s.raised[c] < 0 and best == s.current[c]:
        return
    if s.activity[c] == THREAD:
        t = s.current[c]
        s.left[t] = s.end[c] - s.now
        close(s, c)
        if t == RECEIVER and s.inside:
            leave(m, s, c, rng)
            return
    elif c == RECEIVING_CPU:
        length = draw(m, ROUSE, rng)
        if s.raised[c] >= 0 or s.called[best]:
            s.cost += length
        begin(s, c, ROUSING, ROUSE, length)
        return
    settle(m, s, c, rng)


@jit
def over(m, s, c, rng):
    """What a CPU did is over."""
    close(s, c)
    activity = s.activity[c]
    if activity == THREAD:
        t = s.current[c]
        s.left[t] = -1.0
        s.pc[t] += 1
        go(m, s, c, rng)
    elif activity == SWITCHING:
        s.current[c] = s.target[c]
        if s.target[c] >= 0:
            go(m, s, c, rng)
        else:
            s.activity[c], s.end[c] = IDLE, np.inf
    elif activity == HOLDING:
        begin(s, c, SWITCHING, SWITCH, s.rest[c])
        s.rest[c] = 0.0
    elif activity == HANDLER:
        row = s.step[c] + 1
        while m.op[row] != SPEND and m.op[row] != END:
            row = instant(m, s, row, rng)
        if m.op[row] == SPEND:
            begin(s, c, HANDLER, row, spend(m, s, row, rng))
        else:
            settle(m, s, c, rng)
    else:
        settle(m, s, c, rng)
