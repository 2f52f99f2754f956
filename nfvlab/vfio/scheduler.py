"""A path's programs under the scheduler: each interrupt meets a host in its stationary state.

The scheduler itself is `kernels.sched`: events in order of time, SCHED_FIFO with preemption, interrupts before threads.
"""

from typing import NamedTuple

import numpy as np

from nfvlab.kernels import sched
from nfvlab.kernels import sched_tables as tables
from nfvlab.vfio.params import PATHS, Params
from nfvlab.vfio.paths import (
    BLOCKED,
    CPU_NAMES,
    PREEMPTED,
    RUNNING,
    WHO,
    Program,
    program,
    think_ns,
)

MOST_REQUESTS = 1e5  # of the load during one interrupt: some 20 ms to simulate


class Segment(NamedTuple):
    """A piece of a timeline; cpu is "V", "H", or "" for what no CPU does."""

    start_ns: float
    end_ns: float
    cpu: str
    who: str
    stage: str


def blocked(p: Params, path: int) -> bool:
    """Whether the vCPU thread is blocked when the interrupt comes."""
    return path == BLOCKED or (p.halting and path not in (RUNNING, PREEMPTED))


def starved(p: Params, path: int) -> bool:
    """Whether the load is ready and never gets the CPU, behind a vCPU thread that never sleeps."""
    return not blocked(p, path) and p.load_priority_level <= p.vcpu_priority_level


def starts(p: Params, path: int, rng: np.random.Generator, n: int) -> np.recarray:
    """The host as n interrupts find it: thread states, the load in a job or thinking, interrupts off or not."""
    made = np.zeros(n, dtype=tables.START).view(np.recarray)
    made["asleep"], made["left_ns"], made["alarm_ns"] = 1, -1.0, np.inf
    made["asleep"][:, tables.RECEIVER] = blocked(p, path)
    if p.load_frac and starved(p, path):
        made["asleep"][:, tables.LOAD] = 0
    elif p.load_frac:
        at_work = (rng.random(n) < p.load_frac) & (path != RUNNING)
        made["asleep"][:, tables.LOAD] = ~at_work
        made["left_ns"][:, tables.LOAD] = np.where(at_work, p.load_ns * rng.random(n), -1.0)
        think = think_ns(p) * rng.standard_exponential(n)
        made["alarm_ns"][:, tables.LOAD] = np.where(at_work, np.inf, think)
    if path == PREEMPTED:
        made["asleep"][:, tables.BURST] = 0
        made["left_ns"][:, tables.BURST] = p.away_ns * rng.random(n)
    off = rng.random(n) < p.irqoff_frac
    made["hold_ns"] = np.where(off, p.irqoff_ns * rng.random(n), 0.0)
    return made


def requests(p: Params, path: int, way: Program) -> float:
    """How many requests of the load may come on an interrupt's way: one a think time while anything else goes on.

    Inside the guest each costs the way back in, during which more of them come.
    """
    if not p.load_frac or starved(p, path):
        return 0.0
    m, first = way.machine, way.machine.first
    lasts = np.where(m.op == tables.SPEND, m.fixed_ns + m.mean_ns, 0.0) / think_ns(p)
    lasts[[first[tables.LOAD], first[tables.BURST]]] = 0.0
    inner, back = lasts[[tables.NOTICE, tables.DELIVER]].sum(), lasts[tables.LOOP : tables.SPIN].sum()
    return float(lasts.sum() + inner * back)


def check(p: Params, path: int, way: Program) -> None:
    """ValueError for an interrupt that has to wait for more jobs of the load than can be followed one by one."""
    expected = requests(p, path, way)
    if expected > MOST_REQUESTS:
        raise ValueError(
            f"load_ns = {p.load_ns:g}, load_frac = {p.load_frac:g}: some {expected:.2g} jobs of the load may come on "
            f"one interrupt's way ({PATHS[path]}), each of which is simulated, {MOST_REQUESTS:g} at most; "
            "raise load_ns, or lower load_frac or the costs of the stages"
        )


def run(p: Params, path: int, *, rng: np.random.Generator, n: int) -> np.ndarray:
    """n interrupts on a path: float64[n, 4], latency in ns, VM exits, context switches, host cycles."""
    way = program(p, path)
    check(p, path, way)
    made = sched.run(way.machine, starts(p, path, rng, n), tables.blank(tables.STATE), rng)
    made[:, 3] /= p.cycle_ns
    return made


def trace(p: Params, path: int, *, rng: np.random.Generator) -> tuple[float, list[Segment]]:
    """One interrupt on a path: its latency in ns (infinite: it never comes), and all that was done, by begin."""
    way, state = program(p, path), tables.blank(tables.STATE)
    check(p, path, way)
    log = sched.follow(way.machine, starts(p, path, rng, 1)[0], state, np.inf, rng)
    return float(state.done_at), [_segment(way, *line) for line in sorted(log.tolist())]


def _segment(way: Program, start: float, end: float, cpu: float, who: float, row: float) -> Segment:
    """A line of the log in words; a CPU switches back to threads of its own, which have no name."""
    place = CPU_NAMES[int(cpu)] if cpu >= 0 else ""
    name = WHO[int(who)] if who >= 0 else f"threads of {place}"
    return Segment(start, end, place, name, way.stages[int(row)])


__all__ = ["Segment", "blocked", "run", "starts", "starved", "trace"]
