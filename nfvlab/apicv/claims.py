"""What the theory of interrupt delivery claims of a scenario: exact where it counts, else to what was measured.

Four kinds of scenario are told apart. `ordinary`: the vCPU and the housekeeping CPU keep up with what comes. `loaded`:
they do with little to spare, and a wait depends on what waits before it. `crowded`: one of them hardly does, or
periodic vectors meet each other or a preemption by chance of their phases; low vectors starve, their waits end with
the run. `in step`: periodic vectors that a guest hardly keeps up with, where the way that the last interrupt took
decides how the next one is met.
"""

from typing import Any

from nfvlab.apicv.accounting import POSTED
from nfvlab.results import Claim, approx, exact, field_of

HERE = "tests/apicv/test_twins.py, random scenarios"
LOADED, CROWDED, QUEUED, IN_STEP = 0.4, 0.85, 0.55, 0.4  # loads from which on

# relative and absolute tolerance by kind; the absolute one is in the output's unit
_ORDINARY = {
    "exits_ratio": (0.02, 0.01),
    "halts_ratio": (0.02, 0.005),
    "cost_cycles": (0.03, 0.0),
    "latency_ns": (0.03, 0.0),
    "latency_p99_ns": (0.1, 0.0),
    "coalesced_frac": (0.05, 0.006),
    "notifications_ratio": (0.03, 0.006),
    "cpu_frac": (0.03, 0.0),
    "saturation_per_s": (0.03, 0.0),
}
_LOADED = _ORDINARY | {
    "exits_ratio": (0.03, 0.02),
    "latency_ns": (0.12, 0.0),
    "latency_p99_ns": (0.15, 0.0),
    "notifications_ratio": (0.06, 0.02),
    "coalesced_frac": (0.06, 0.02),
    "cpu_frac": (0.05, 0.0),
}
_CROWDED = {
    "exits_ratio": (0.06, 0.04),
    "halts_ratio": (0.04, 0.06),
    "cost_cycles": (0.06, 0.0),
    "latency_ns": (0.7, 0.0),
    "latency_p99_ns": (1.6, 0.0),
    "coalesced_frac": (0.08, 0.03),
    "notifications_ratio": (0.08, 0.04),
    "cpu_frac": (0.1, 0.0),
    "saturation_per_s": (0.03, 0.0),
}
_IN_STEP = _CROWDED | {
    "exits_ratio": (0.3, 0.1),
    "halts_ratio": (0.1, 0.3),
    "cost_cycles": (0.2, 0.0),
    "coalesced_frac": (0.3, 0.1),
    "notifications_ratio": (0.3, 0.15),
}
_SHORT_HANDLER = (0.25, 0.0)  # over before the next message has come: stages of the guest hold it back


def claim(theory: Any, name: str) -> Claim:
    """The claim of one output, "latency_ns[2]", of an `analytic.Theory`."""
    p, field, mode = theory.params, field_of(name), int(name.partition("[")[2].rstrip("]") or 0)
    if field == "exits_ratio" and mode >= POSTED:
        return exact("an EOI exits with its share, nothing else does")
    if field == "halts_ratio" and not p.halting:
        return exact("the guest never halts")
    rel, absolute = _tolerances(theory, mode)[field]
    if field == "saturation_per_s" and p.handler_ns < 4 * p.ipi_cycles * p.cycle_ns:
        rel, absolute = _SHORT_HANDLER
    return approx(rel=rel, abs=absolute, where=HERE)


def _tolerances(theory: Any, mode: int) -> dict[str, tuple[float, float]]:
    p, busy = theory.params, theory.busy_frac[mode] + theory.cpu_frac[mode]
    periodic = p.arrivals == "periodic"
    if periodic and busy > IN_STEP:
        return _IN_STEP
    queued = mode <= POSTED and theory.sender_frac > QUEUED
    if busy > CROWDED or queued or (periodic and (p.vector_count > 1 or p.away_frac > 0)):
        return _CROWDED
    return _LOADED if busy > LOADED else _ORDINARY


__all__ = ["claim"]
