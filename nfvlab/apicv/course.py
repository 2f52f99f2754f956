"""The course of one interrupt in one mode: what each CPU does from its arrival to the guest's next instruction."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from nfvlab.apicv.delivery import DELIVERIES
from nfvlab.apicv.guest import Guest
from nfvlab.apicv.ledger import Ledger
from nfvlab.apicv.params import MODES, Params
from nfvlab.apicv.simulation import FIRST_VECTOR
from nfvlab.apicv.world import Ended, World

GUEST_STAGES = ("notify", "deliver", "return")  # the processor and the guest itself, without the host
_LONG = 1.0  # seconds until the interrupt: the guest has been running or asleep for long


class Segment(NamedTuple):
    """A piece of a timeline, in ns since the interrupt's arrival. cpu: "V" the vCPU's, "H" the housekeeping one."""

    start_ns: float
    end_ns: float
    cpu: str
    stage: str

    @property
    def in_guest(self) -> bool:
        """Whether guest code runs, or the processor delivers without the host."""
        return self.stage in (*GUEST_STAGES, "application", "handler")


@dataclass(frozen=True)
class Course:
    """One interrupt: segments in order, the handler's first instruction, and when the guest is back where it was."""

    mode: str
    segments: tuple[Segment, ...]
    handler_ns: float
    end_ns: float
    exits: int

    def cycles(self, tsc_hz: float) -> float:
        """Cycles of both CPUs, without application and handler."""
        spent = sum(s.end_ns - s.start_ns for s in self.segments if s.stage not in ("application", "handler"))
        return spent * tsc_hz / 1e9


def course(p: Params, mode: int) -> Course:
    """One interrupt alone, at mean costs, that comes to a vCPU thread on its CPU: running, or halted with `p.halting`.

    ValueError for a mode that is none of MODES by its index.
    """
    if not 0 <= mode < len(MODES):
        raise ValueError(f"mode = {mode}: give an index of {', '.join(MODES)}, 0 to {len(MODES) - 1}")
    alone = p.replace(spread_frac=0.0, away_frac=0.0, masked_frac=0.0, halt_poll_ns=0.0)
    at = _LONG * p.tsc_hz
    ledger = Ledger(alone, np.random.default_rng(0))  # at mean costs only a share of TPR writes is drawn
    world = World(DELIVERIES[mode](), ledger, iter([(at, FIRST_VECTOR, 0)]))
    world.trace, latency = [], [math.nan]
    guest = Guest(alone, world, [at], latency)
    guest.start()
    try:
        while math.isnan(latency[0]) or guest.pieces:
            guest.step()
    except Ended:
        pass
    ns = 1e9 / p.tsc_hz
    handler_ns, end_ns = latency[0] * ns, (world.now - at) * ns
    noted = [Segment((a - at) * ns, (b - at) * ns, cpu, stage) for a, b, cpu, stage in world.trace if b > at]
    return Course(
        MODES[mode], tuple(_with_guest(noted, handler_ns, p.halting)), handler_ns, end_ns, _exits(ledger)
    )


def _exits(ledger: Ledger) -> int:
    return ledger.exits.total()


def _with_guest(noted: list[Segment], handler_ns: float, halting: bool) -> list[Segment]:
    """The segments, and what the guest does in V's gaps: nothing while it is halted, its application, its handler."""
    made, at = list(noted), 0.0
    for segment in sorted(s for s in noted if s.cpu == "V"):
        if segment.start_ns > at + 1e-6:
            asleep = halting and at < handler_ns
            if not asleep:
                stage = "handler" if at >= handler_ns - 1e-6 else "application"
                made.append(Segment(at, segment.start_ns, "V", stage))
        at = max(at, segment.end_ns)
    return sorted(made)


__all__ = ["Course", "Segment", "course"]
