"""What the fluid theory claims of a migration, and where it cannot know better.

A fluid has no chance in it. Two things that chance decides are left open: where in a window the first pass ends
(only at a window's end is there a new threshold, only between iterations is it looked at), and what a sync finds
when the marked pages come close to the threshold: then a round more or less is sent.
"""

from math import sqrt

import numpy as np

from nfvlab.precopy.dirtying import unique_pages
from nfvlab.precopy.fluid import Fluid
from nfvlab.precopy.params import PAGE_BYTES, Params
from nfvlab.precopy.rates import NORMAL_BYTES, costs, full_window_ns, iterations_per_window, visits_per_s
from nfvlab.results import Claim, approx, exact
from nfvlab.units import human

HERE = "tests/precopy/test_twins.py, random scenarios"
CLOSE_FRAC = 0.15  # of the threshold; plus twice the threshold's own variation


def close_frac(p: Params) -> float:
    """How near to the threshold, as a share of it, a sync's outcome is left to chance."""
    cv = sqrt(p.speed_cv_frac**2 + p.link_cv_frac**2) / sqrt(iterations_per_window(p))
    return CLOSE_FRAC + 2 * cv


def close_rounds(p: Params, course: Fluid) -> np.ndarray:
    """Whether each round's sync came close to the threshold."""
    distance = np.abs(course.round_left_bytes - course.round_threshold_bytes)
    return distance < close_frac(p) * course.round_threshold_bytes


def claim(p: Params, course: Fluid, name: str) -> Claim:
    """The claim of one output for this migration."""
    close = close_rounds(p, course)
    window_ns, rounds = full_window_ns(p), int(close.sum())
    if name == "converged_frac":
        if not rounds or (course.converged and course.total_time_ns < 0.8 * p.give_up_ns):
            return exact()
        return approx(
            rel=0, abs=1, where="too close to call: a sync near the threshold, or near the end of patience"
        )
    if name == "dirty_sync_count":
        return approx(rel=0.1, abs=1, where=HERE)
    if name == "duplicate_pages":
        return approx(rel=1e-4, abs=1, where=HERE)
    if name in ("downtime_ns", "pause_ns"):
        return approx(rel=0.1, abs=min(0.75 * window_ns, _threshold_ns(p, course)), where=HERE)
    if name == "total_time_ns":
        lengths = np.diff(course.round_t_ns, prepend=0.0)[1:]
        return approx(rel=0.01, abs=0.5 * window_ns + _more(lengths, rounds), where=HERE)
    written = (
        float(unique_pages(p, visits_per_s(p) * window_ns / 1e9)) + p.background_rate_per_s * window_ns / 1e9
    )
    pages = 0.5 * written + _more(course.round_sent_bytes[1:], rounds) / NORMAL_BYTES
    return approx(rel=5e-4, abs=pages * (NORMAL_BYTES if name == "transferred_bytes" else 1), where=HERE)


def _threshold_ns(p: Params, course: Fluid) -> float:
    """Time that the stop-and-copy of all that the stop rule allows would take."""
    pages = course.round_threshold_bytes[-1] / PAGE_BYTES if course.round_threshold_bytes.size else 0.0
    return max(pages * max(cost.bottleneck_ns for cost in costs(p)), 1.0)


def _more(rounds: np.ndarray, count: int) -> float:
    """What `count` rounds more of the size of the last ones come to."""
    return float(rounds[-count:].sum()) if count and rounds.size else 0.0


def doubts(p: Params, course: Fluid) -> tuple[str, ...]:
    """What the fluid leaves to chance in this migration, in sentences; none if there is nothing worth saying."""
    found = []
    close, share = int(close_rounds(p, course).sum()), 100 * close_frac(p)
    if close:
        found.append(
            f"{close} of {course.round_t_ns.size} syncs followed here found what the stop rule allows to within "
            f"{share:.0f} %: chance decides whether the guest is stopped there, or one more round is sent."
        )
    reach = claim(p, course, "downtime_ns")
    if course.converged and reach.abs > 0.5 * course.downtime_ns:
        found.append(
            "The downtime depends on where between two looks at the stop rule the pages left fell below it; "
            f"that alone is worth up to {human('downtime_ns', reach.abs)}."
        )
    if p.pattern in ("hot", "zipf") and course.round_t_ns.size > 1 and visits_per_s(p):
        visits = visits_per_s(p) * float(course.round_t_ns[0]) / 1e9
        unique = float(unique_pages(p, visits))
        found.append(
            f"The visits of the first pass fell on {unique:,.0f} distinct pages, {visits / unique:.1f} on each: "
            "no single dirty rate describes this guest, and a geometric series in it is far off."
        )
    return tuple(found)
