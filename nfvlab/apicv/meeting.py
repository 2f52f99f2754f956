"""How an interrupt finds a vCPU that has nothing to handle: running, masked, preempted, on its way to sleep, asleep.

Poisson arrivals see time averages (R. W. Wolff, Operations Research 30, 1982). The application runs from the return
of one interrupt to the next: its masked sections and its preemptions are a Markov chain that starts with IF = 1, so a
short idle period finds fewer masked sections than their share of time.
"""

from dataclasses import dataclass

import numpy as np

from nfvlab.apicv import waiting
from nfvlab.apicv.accounting import EMULATED, VTD, Routes


@dataclass(frozen=True)
class Branch:
    """One state that the vCPU is found in: its probability, and what then happens up to the handler.

    `clear` and `first`: cumulants of the times from the bit's setting to its clearing, and to the handler. `told_ns`:
    mean time in between in which the guest runs and further notifications reach it. The rest are counts and cycles.
    """

    weight: float
    clear: np.ndarray
    first: np.ndarray
    own_cycles: float
    other_cycles: float = 0.0
    exits: float = 0.0
    notified: float = 0.0
    halts: float = 0.0
    told_ns: float = 0.0


def branches(r: Routes, idle_ns: float, fixed: bool) -> list[Branch]:
    """The states that an interrupt finds after an idle time of mean idle_ns, exponential or `fixed`."""
    found = _halted(r, idle_ns, fixed) if r.p.halting else _busy(r, idle_ns, fixed)
    return [branch for branch in found if branch.weight > 1e-12]


def _states(r: Routes, idle_ns: float, fixed: bool) -> np.ndarray:
    """Probabilities of: running with IF = 1, masked, preempted with IF = 1, preempted while masked."""
    p = r.p
    end = 1 / p.masked_ns if p.masked_frac > 0 else 0.0
    begin = end * p.masked_frac / (1 - p.masked_frac)
    leave, back = r.preemptions_per_ns, 1 / r.preemption[0]
    q = np.zeros((4, 4))
    q[0, 1], q[1, 0] = begin, end
    q[0, 2], q[1, 3], q[2, 0], q[3, 1] = leave, leave, back, back
    q -= np.diag(q.sum(axis=1))
    start = np.array([1.0, 0.0, 0.0, 0.0])
    if not fixed:
        return _relaxed(r, np.linalg.solve(np.eye(4) - max(idle_ns, 1e-9) * q.T, start), begin + end)
    masked = p.masked_frac * -np.expm1(-(begin + end) * idle_ns)
    away = leave / (leave + back) * -np.expm1(-(leave + back) * idle_ns)
    one = np.array([1 - masked, masked])
    return _relaxed(r, np.concatenate([(1 - away) * one, away * one]), begin + end)


def _relaxed(r: Routes, found: np.ndarray, change_per_ns: float) -> np.ndarray:
    """The states when the kick or notification has travelled: the application has gone on meanwhile."""
    awake = found[0] + found[1]
    settled = awake * r.p.masked_frac
    kept = np.exp(-change_per_ns * r.time(*r.travel)[0]) if r.travel else 1.0
    masked = settled + (found[1] - settled) * kept
    return np.array([awake - masked, masked, found[2], found[3]])


def _busy(r: Routes, idle_ns: float, fixed: bool) -> list[Branch]:
    p = r.p
    runs, masked, away, masked_away = _states(r, idle_ns, fixed)
    first, travel = r.time(*r.first), r.time(*r.travel)
    section = waiting.exponential(p.masked_ns)
    lost = waiting.compound(r.preemptions_per_ns * p.masked_ns, r.preemption)
    window, opened = r.time(*r.window), r.cycles(*r.window, *r.first)
    kick = 0.0 if r.told else 1.0
    late = 1.0 if r.mode == EMULATED else 0.0
    absent = waiting.exponential(p.away_ns) + r.time("switch")
    entry = r.cycles("inject", "deliver") if r.mode == EMULATED else r.cycles("deliver")
    return [
        Branch(
            runs,
            travel + r.time(*r.meeting),
            r.time(*r.after_meeting),
            r.cycles(*r.meeting, *r.after_meeting),
            exits=kick,
            notified=1.0,
        ),
        Branch(
            masked,
            travel + r.time(*r.blind_meeting) + section + lost + window,
            first,
            r.cycles(*r.blind_meeting) + opened,
            exits=kick + late,
            notified=1.0,
            told_ns=p.masked_ns,
        ),
        Branch(away, absent + r.time(*r.take), first, entry),
        Branch(
            masked_away,
            absent + r.time(*r.enter) + section + lost + window,
            first,
            opened,
            exits=late,
            told_ns=p.masked_ns,
        ),
    ]


def _halted(r: Routes, idle_ns: float, fixed: bool) -> list[Branch]:
    p, first = r.p, r.time(*r.first)
    halting, leaving = r.time("exit", "halt"), r.time("switch")
    ends = np.cumsum([halting[0], p.halt_poll_ns, leaving[0]])
    past = (ends < idle_ns).astype(float) if fixed else np.exp(-ends / max(idle_ns, 1e-9))
    early, polled, dozing, asleep = -np.diff(np.concatenate([[1.0], past, [0.0]]))
    interrupt = ("irq",) if r.mode == VTD else ()  # the device's own message: it comes, ready or not
    told = float(len(interrupt))
    short = r.cycles("exit", "halt", *interrupt, *r.take, *r.first)
    own = r.cycles("exit", "halt", "switch", *r.woken, *r.first)
    if r.mode != VTD:
        own -= r.cycles("wake", "ipi")
    other = 0.0 if r.mode == VTD else r.cycles("wake")
    half = waiting.merged(waiting.residual(halting))
    rest = waiting.merged(waiting.residual(leaving)) if leaving[0] > 0 else leaving
    take, woken = r.time(*interrupt, *r.take), r.time(*r.woken)
    return [
        Branch(early, half + take, first, short, halts=1.0, notified=told),
        Branch(polled, take, first, short, halts=1.0, notified=told),
        Branch(dozing, rest + woken, first, own, other, halts=1.0, notified=1.0),
        Branch(asleep, woken, first, own, other, halts=1.0, notified=1.0),
    ]


def average(found: list[Branch], name: str) -> float:
    """Mean of a count or of cycles over the branches."""
    return float(sum(branch.weight * getattr(branch, name) for branch in found))


__all__ = ["Branch", "average", "branches"]
