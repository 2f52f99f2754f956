"""What the theory of compressed migration claims, by regime: as wide as 98 % of drawn scenarios need.

Where nothing passes a pool by, the laws are those of constant times, and so are the claims narrow. What is left to
chance there is pre-copy's: where in a window a pass ends, and whether a round more is sent.
Of 80 more drawn scenarios (seeds 6200-6279), encrypted and not, two runs each, 0.2 % of the outputs miss by more than
tolerance and four standard errors: all of one way that the theory keeps just above its threshold, and never ends.
"""

from math import isnan
from typing import NamedTuple

from nfvlab.precopy import claims as precopy
from nfvlab.precopy.fluid import Fluid
from nfvlab.precopy.params import PAGE_BYTES
from nfvlab.qat.params import Params
from nfvlab.results import Claim, approx
from nfvlab.units import MiB

HERE = "400 drawn scenarios, tests/qat/drawn.py, seeds 1000-1159, 3000-3099, 4000-4079, 5000-5059: all outputs of 92 %"
BYTES = ("transferred_bytes", "wire_bytes")
SHARES_ABS = 0.02
OWN_RAW_ABS = 0.2  # how sizes of other pages are spread is assumed: many may lie near a page's own
LIMITED_REL = 0.3  # what channels have been handed when a window's budget is spent is sent beyond it
SMALL_BYTES, SMALL_REL = 1 * MiB, 0.25  # sockets that do not even out what stations take
PATIENCE_FRAC = 0.05  # of all that was sent


class Regime(NamedTuple):
    """Tolerances relative to the truth: of total time, downtime, bytes, CPU, shares of time; of raw_frac, absolute."""

    total: float
    downtime: float
    size: float
    cpu: float
    busy: float
    raw: float
    why: str = ""

    def rel(self, name: str) -> float:
        """The tolerance of an output."""
        known = {"total_time_ns": self.total, "downtime_ns": self.downtime} | dict.fromkeys(BYTES, self.size)
        return known.get(name, self.cpu if "cpu" in name else self.busy)


PLAIN = Regime(0.03, 0.1, 0.02, 0.05, 0.05, 0.03)
WAITS = Regime(
    0.05, 0.1, 0.04, 0.25, 0.05, 0.03, "how long a full ring is polled in vain goes by its turns' phase"
)
TURNS = Regime(0.1, 0.1, 0.2, 0.2, 0.2, 0.07, "pages find a ring full in turns, whose phase is taken as even")
SPRINTS = Regime(
    0.05, 0.1, 0.05, 0.05, 0.05, 0.05, "threads are found as on the average, as in a sprint, or between"
)
CALLS = Regime(
    0.2, 0.1, 0.03, 0.85, 0.25, 0.03, "calls meet at the instances by chance, or as a link lets go of all"
)
JOBS = Regime(
    0.25,
    0.4,
    0.03,
    0.65,
    0.7,
    0.08,
    "packets overflow the queue in bursts; which try is too late goes by speed and chance",
)


def regime(p: Params, way: int) -> Regime:
    """The regime of the scenario's way number `way`."""
    if way == 1 and p.cpu_method == "threads zlib" and not p.compress_wait:
        return SPRINTS
    if way < 2:
        return PLAIN
    if p.accelerator == "talk":
        return WAITS if p.wait_when_full else TURNS
    if p.accelerator == "QATzip":
        return CALLS if p.instances_count < p.channels_count else PLAIN
    return JOBS if p.channels_count * p.packet_pages > p.ring_requests else PLAIN


def claim(
    p: Params,
    course: Fluid,
    name: str,
    way: int,
    between: float = 0.0,
    held: float = 0.0,
    limited: bool = False,
) -> Claim:
    """The claim of output `name` of a way whose course is given: pre-copy's own, and what its regime needs.

    between: how far this output is from what it would be at the other end of what the theory leaves open. held: the
    share of all bytes that several connections' sockets hold, which nobody waits for at the end: chance decides about
    half of it. limited: whether max-bandwidth limits channels.
    """
    kind = regime(p, way)
    where = f"{HERE}; {kind.why}" if kind.why else HERE
    spread = 0.0 if isnan(between) else abs(between)
    if name == "converged_frac":
        if _nearly_done(p, course) or isnan(between):
            return approx(rel=0, abs=1, where="too close to call: little was left when it was given up")
        return precopy.claim(p, course, name)
    if name == "raw_frac":
        own = "own" in (p.content, p.written_content)
        return approx(rel=0, abs=max(kind.raw, OWN_RAW_ABS if own else 0.0) + spread, where=where)
    close = int(precopy.close_rounds(p, course).sum())
    if name == "downtime_ns" and close:
        spread += p.downtime_limit_ns  # one round more, and any rest below the limit may be left
    if name == "dirty_sync_count":
        return approx(rel=0.1, abs=max(1, close) + spread, where=where)
    rel = kind.rel(name)
    if name not in BYTES:
        rel += held / 2 + LIMITED_REL * limited + SMALL_REL * (p.socket_bytes < SMALL_BYTES) + varying(p)
    if name.endswith("_frac"):
        return approx(rel=rel, abs=SHARES_ABS + spread, where=where)
    known = precopy.claim(p, course, "transferred_bytes" if name in BYTES else name)
    return approx(rel=max(known.rel, rel), abs=max(known.abs, PAGE_BYTES) + spread, where=where)


def varying(p: Params) -> float:
    """How far the mean speed over few iterations may be from the mean over many: the square of its variation."""
    return max(p.speed_cv_frac, p.link_cv_frac) ** 2


def _nearly_done(p: Params, course: Fluid) -> bool:
    """Whether a migration that was given up would have completed a little later, by its mean rate so far."""
    if course.converged or not course.transferred_bytes:
        return False
    left = course.curve_left_bytes[-1] / course.transferred_bytes
    return bool(left < PATIENCE_FRAC)
