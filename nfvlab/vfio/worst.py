"""Worst cases: the largest latency of a path whose stages all have an end, and no end where one has none.

The load is one thread whose jobs may follow each other at once: its think time is exponential, so it has no smallest
period. Above the vCPU thread it may hold it off for ever (response-time analysis with a period that tends to the cost);
beside it, first come first served, it goes before it once.
"""

import math

from nfvlab.realtime.laws import Constant, Uniform
from nfvlab.realtime.response import path_worst_case_ns
from nfvlab.vfio.params import Params
from nfvlab.vfio.stages import ENTER, Mode, laws, modes, never_ends


def worst_ns(p: Params, path: str) -> float:
    """The latency that no interrupt on this path exceeds, or infinity; ValueError for what is not one of PATHS."""
    found = modes(p, path)
    if never_ends(p, path) or p.smi_per_s * p.smi_ns > 0:
        return math.inf
    return max(_worst(p, mode, path) for mode in found)


def _worst(p: Params, mode: Mode, path: str) -> float:
    """All stages at their ends, a whole job before the vCPU, and the work that a job's end within the flight makes."""
    if mode.queues and not mode.once:
        return math.inf
    parts = [*laws(p, (*mode.flight, *mode.serial)), *mode.held, *mode.work, *mode.extra, *laws(p, mode.late)]
    if mode.left_ns and mode.waits:
        parts.append(Uniform(width_ns=mode.left_ns))
    if mode.queues:
        parts += [Constant(value_ns=p.load_ns), *laws(p, ("switch", "switch", "exit", *ENTER))]
        if path == "mainline" and p.irqoff_frac:
            parts.append(Constant(value_ns=p.irqoff_ns))
    return path_worst_case_ns(parts)


__all__ = ["worst_ns"]
