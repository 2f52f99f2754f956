"""Interrupts computed by hand: costs are powers of two, so that a sum says which stages it is made of."""

from typing import NamedTuple

import numpy as np

from nfvlab.kernels import sched
from nfvlab.kernels import sched_tables as tables
from nfvlab.vfio import paths, scheduler
from nfvlab.vfio.params import Params

NAMES = ("ipi", "irq", "exit", "entry", "loop", "sync", "deliver", "switch", "wake", "idle_exit", "msi")
NAMES += ("irqfd", "post", "primary", "remap", "notify")
CYCLES = {name: 2.0**k for k, name in enumerate(NAMES)}
HOST = set(NAMES) - {"ipi", "deliver", "remap", "notify"}
JOB_NS = 1e6
BACK = "loop sync entry deliver"
INJECT = "irqfd post"


def scenario(**overrides) -> Params:
    """Stages of exactly so many nanoseconds; a load that makes one request in a very long time, if any."""
    costs = {f"{name}_cycles": cycles for name, cycles in CYCLES.items()}
    given = {"tsc_hz": 1e9, "spread_frac": 0.0, "work_ns": 0.0, "load_ns": JOB_NS, **costs}
    return Params(**{**given, **overrides})


def total(stages: str) -> float:
    """The time of stages named with blanks between."""
    return sum(CYCLES[name] for name in stages.split())


class Case(NamedTuple):
    """A scenario, what the load does at first, and what must come out."""

    path: int
    overrides: dict
    stages: str  # of the latency
    exits: int
    switches: int
    extra_ns: float = 0.0  # of the latency: jobs and what is left of them
    after: str = ""  # host stages after the latency, or while another CPU goes on
    unbilled: str = ""  # host stages in the latency that the interrupt does not cause
    left_ns: float = -1.0  # of a job that V is in at first
    alarm_ns: float = np.inf  # when the load's request comes

    @property
    def cost(self) -> float:
        """What the host spends on it."""
        spent = [name for name in (self.stages + " " + self.after).split() if name in HOST]
        return total(" ".join(spent)) - total(self.unbilled)


OTHER, HALT, BOTH = {"same_cpu": False}, {"halting": True}, {"same_cpu": False, "halting": True}
QUEUED = {"atomic": False}

ALONE = (
    Case(0, {}, f"ipi exit irq msi {INJECT} {BACK}", 1, 0),
    Case(0, OTHER, f"ipi irq msi {INJECT} ipi notify deliver", 0, 0),
    Case(0, HALT, f"ipi idle_exit irq msi {INJECT} wake switch {BACK}", 0, 1),
    Case(0, BOTH, f"ipi irq msi {INJECT} wake ipi idle_exit switch {BACK}", 0, 1),
    Case(1, {}, f"ipi exit irq primary wake switch msi {INJECT} switch {BACK}", 1, 2),
    Case(1, OTHER, f"ipi irq primary wake switch msi {INJECT} ipi notify deliver", 0, 2, after="switch"),
    Case(1, HALT, f"ipi idle_exit irq primary wake switch msi {INJECT} wake switch {BACK}", 0, 2),
    Case(
        1,
        BOTH,
        f"ipi irq primary wake switch msi {INJECT} wake ipi idle_exit switch {BACK}",
        0,
        3,
        after="switch",
    ),
    Case(2, {}, f"ipi exit irq msi {INJECT} {BACK}", 1, 0),
    Case(2, BOTH, f"ipi irq msi {INJECT} wake ipi idle_exit switch {BACK}", 0, 1),
    Case(0, OTHER | QUEUED, f"ipi irq msi wake switch {INJECT} ipi notify deliver", 0, 1),
    Case(0, HALT | QUEUED, f"ipi idle_exit irq msi wake switch {INJECT} wake switch {BACK}", 0, 2),
    Case(2, BOTH | QUEUED, f"ipi irq msi wake switch {INJECT} wake ipi idle_exit switch {BACK}", 0, 2),
    Case(
        1,
        OTHER | QUEUED,
        f"ipi irq primary wake switch msi wake switch {INJECT} ipi notify deliver",
        0,
        3,
        after="switch",
    ),
    Case(
        1,
        HALT | QUEUED,
        f"ipi idle_exit irq primary wake switch msi wake switch {INJECT} wake switch {BACK}",
        0,
        3,
    ),
    Case(1, {"vcpu_priority_level": 0, "irq_priority_level": 1}, None, 1, 2),
    Case(3, {}, "remap ipi notify deliver", 0, 0),
    Case(3, BOTH, "remap ipi notify deliver", 0, 0),
    Case(4, {}, f"remap ipi idle_exit irq wake switch {BACK}", 0, 1),
)
ALONE = tuple(c if c.stages else c._replace(stages=ALONE[4].stages) for c in ALONE)

AHEAD, BETWEEN, EQUAL = ({"load_priority_level": level} for level in (60, 10, 50))  # IRQ thread 50, vCPU 1
LEFT = 5e5  # of the job; longer than everything before it can end
THREADED = f"irq primary wake switch msi {INJECT} switch"
RETURN = f"switch {BACK}"
AGAIN = "exit switch switch loop sync entry"  # a request that comes inside: out, to it, back, and in

LOADED = (
    # V is in a job of the load, which the handler interrupts and a thread above it preempts
    Case(0, AHEAD, f"irq msi {INJECT} {RETURN}", 0, 0, LEFT, unbilled="switch loop sync entry", left_ns=LEFT),
    Case(1, AHEAD, f"{THREADED} {BACK}", 0, 2, LEFT, unbilled="loop sync entry", left_ns=LEFT),
    Case(1, EQUAL, f"{THREADED} {BACK}", 0, 2, LEFT, unbilled="loop sync entry", left_ns=LEFT),
    Case(1, BETWEEN, f"{THREADED} {RETURN}", 0, 2, LEFT, unbilled="switch loop sync entry", left_ns=LEFT),
    Case(0, AHEAD | OTHER, RETURN, 0, 0, LEFT, f"irq msi {INJECT}", "switch loop sync entry", LEFT),
    Case(0, HALT | {"load_priority_level": 0}, f"ipi irq msi {INJECT} wake {RETURN}", 0, 1, left_ns=LEFT),
    Case(0, HALT | AHEAD, f"irq msi {INJECT} wake {RETURN}", 0, 1, LEFT, left_ns=LEFT),
    Case(0, HALT | {"load_priority_level": 1}, f"irq msi {INJECT} wake {RETURN}", 0, 1, LEFT, left_ns=LEFT),
    Case(4, BETWEEN, f"irq wake {RETURN}", 0, 1, LEFT, left_ns=LEFT),
    Case(4, {"load_priority_level": 0}, f"remap ipi irq wake {RETURN}", 0, 1, left_ns=LEFT),
    # a request of the load comes while the path goes on; the alarm's time says in which stage
    Case(
        0,
        AHEAD,
        f"ipi exit irq msi {INJECT} switch switch {BACK}",
        1,
        0,
        JOB_NS,
        unbilled="switch switch",
        alarm_ns=total("ipi exit irq msi") + 1,
    ),
    Case(
        0,
        AHEAD,
        f"ipi exit irq msi {INJECT} {BACK} {AGAIN}",
        1,
        0,
        JOB_NS,
        unbilled=AGAIN,
        alarm_ns=total(f"ipi exit irq msi {INJECT} loop sync entry") + 1,
    ),
    Case(
        0,
        AHEAD,
        f"ipi exit irq msi {INJECT} {BACK} switch switch",
        1,
        0,
        JOB_NS,
        unbilled="switch switch",
        alarm_ns=total(f"ipi exit irq msi {INJECT}") + 1,
    ),
    Case(
        1,
        AHEAD,
        f"ipi exit {THREADED} {BACK} switch switch",
        1,
        2,
        JOB_NS,
        unbilled="switch switch",
        alarm_ns=total("ipi exit irq primary wake switch msi") + 1,
    ),
    Case(
        1,
        BETWEEN,
        f"ipi exit {THREADED} {BACK} switch",
        1,
        2,
        JOB_NS,
        unbilled="switch",
        alarm_ns=total("ipi exit irq primary wake switch msi") + 1,
    ),
    Case(
        3,
        AHEAD,
        "exit switch switch loop sync entry deliver",
        0,
        0,
        JOB_NS + 100,
        unbilled=AGAIN,
        alarm_ns=100,
    ),
    Case(3, AHEAD, f"remap ipi notify deliver {AGAIN}", 0, 0, JOB_NS, unbilled=AGAIN, alarm_ns=2.0**15),
    # behind a vCPU thread that never sleeps the load never runs
    Case(0, {"load_priority_level": 1}, f"ipi exit irq msi {INJECT} {BACK}", 1, 0),
)


def outcome(case: Case, rng=None) -> list[float]:
    """Latency, exits, switches and cost of a case, under the scheduler as it is now."""
    p = scenario(**{"load_frac": 1e-9 if case in LOADED else 0.0, **case.overrides})
    rng = rng or np.random.default_rng(1)
    start = scheduler.starts(p, case.path, rng, 1)
    if case.left_ns > 0 or case.alarm_ns < np.inf:
        start.asleep[0, tables.LOAD] = case.left_ns < 0
        start.left_ns[0, tables.LOAD], start.alarm_ns[0, tables.LOAD] = case.left_ns, case.alarm_ns
    machine = paths.program(p, case.path).machine
    return sched.run(machine, start, tables.blank(tables.STATE), rng)[0].tolist()


def expected(case: Case) -> list[float]:
    """What must come out."""
    return [total(case.stages) + case.extra_ns, case.exits, case.switches, case.cost]
