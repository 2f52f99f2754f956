"""What the theory of compressed migration claims: tolerances that are provisional until both sides are compared."""

from nfvlab.precopy import claims as precopy
from nfvlab.precopy.fluid import Fluid
from nfvlab.precopy.params import PAGE_BYTES
from nfvlab.qat.params import Params
from nfvlab.results import Claim, approx, lower

PROVISIONAL = "provisional: set by eye on drawn scenarios, held by no test yet"
LOOSE = {
    "total_time_ns": 0.03,
    "downtime_ns": 0.1,
    "transferred_bytes": 0.02,
    "wire_bytes": 0.02,
    "source_cpu_frac": 0.05,
    "destination_cpu_frac": 0.05,
    "thread_busy_frac": 0.05,
    "engine_busy_frac": 0.05,
    "link_busy_frac": 0.05,
}
SHARES_ABS = 0.02
PATIENCE_FRAC = 0.05  # of all that was sent
BURSTS_REL, BURSTS_TIME_REL = 0.3, 0.1  # where pages pass a full pool by: bytes and shares, times
RAW_ABS = 0.05  # the spread of other pages' sizes is the table's by assumption
OVERFLOW_REL = (
    0.8  # where channels ask for more at once than the device's queue holds: software does the rest
)


def claim(
    p: Params, course: Fluid, name: str, doubt: float = 0.0, bursty: bool = False, overflows: bool = False
) -> Claim:
    """The claim of output `name` of the way whose course is given: pre-copy's own, and what the stations' laws add.

    doubt: by how much of itself the pace is open between constant times and exponential ones. bursty: pages that find
    what compresses full go another way, and the balance knows averages only; overflows: so much is asked for at once
    that this is the rule.
    """
    if overflows:
        doubt += OVERFLOW_REL
    elif bursty:
        doubt += BURSTS_TIME_REL if name in ("total_time_ns", "downtime_ns") else BURSTS_REL
    if name == "converged_frac" and _nearly_done(p, course):
        return approx(rel=0, abs=1, where="too close to call: little was left when it was given up")
    if name == "converged_frac":
        return precopy.claim(p, course, name)
    if name == "raw_frac" and bursty:
        return lower(where="bursts find a ring full that has room on the average")
    if name == "raw_frac":
        return approx(rel=0, abs=RAW_ABS, where=PROVISIONAL)
    if name == "dirty_sync_count":
        return approx(rel=0.1, abs=1, where=PROVISIONAL)
    if name.endswith("_frac"):
        return approx(rel=LOOSE[name] + doubt, abs=SHARES_ABS, where=PROVISIONAL)
    known = precopy.claim(p, course, "transferred_bytes" if name == "wire_bytes" else name)
    return approx(rel=max(known.rel, LOOSE[name]) + doubt, abs=max(known.abs, PAGE_BYTES), where=PROVISIONAL)


def _nearly_done(p: Params, course: Fluid) -> bool:
    """Whether a migration that was given up would have completed a little later, by its mean rate so far."""
    if course.converged or not course.transferred_bytes:
        return False
    left = course.curve_left_bytes[-1] / course.transferred_bytes
    return bool(left < PATIENCE_FRAC)
