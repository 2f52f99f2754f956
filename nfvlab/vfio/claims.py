"""What the theory of a device's interrupt claims, output by output."""

import math
from typing import Any

from nfvlab.results import Claim, approx, exact, lower, upper
from nfvlab.vfio.stages import ENTER, cost

BOUNDS = "half of the distance between the means of the laws below and above"
OPEN = "no end is known of how often the load comes before the vCPU"
CHANGED = "where the load's state may have changed since t = 0"
_ROUGH = ("exit", "idle_exit", "switch", "switch", *ENTER)


def claim(theory: Any, name: str) -> Claim:
    """The claim of one output, "latency_ns[0]" or "worst_ns[5]", of an `analytic.Theory`."""
    field, _, index = name.rstrip("]").partition("[")
    if field in ("worst_ns", "latency_p99_high_ns", "latency_p999_high_ns"):
        return upper()
    if field in ("latency_p99_low_ns", "latency_p999_low_ns"):
        return lower()
    way = int(index or 0)
    if field == "latency_ns":
        reach = theory.reach_ns[way]
        if reach == math.inf:
            return lower(where=OPEN)
        return approx(rel=1e-6, abs=reach, where=BOUNDS) if reach else exact()
    changed = theory.changed_frac[way]
    if not changed:
        return exact()
    return approx(rel=0.0, abs=changed * _STEP[field](theory.params), where=CHANGED)


_STEP = {
    "exits_ratio": lambda p: 1.0,
    "switches_ratio": lambda p: 2.0,
    "cost_cycles": lambda p: max(1.0, sum(cost(p, name) for name in _ROUGH)),
}
__all__ = ["BOUNDS", "CHANGED", "claim"]
