"""Where a fitted tail is wrong: too low by orders, and too high, on two hosts whose exact tails are known."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from scipy.special import betainc, betaincinv

from nfvlab.realtime.extremes import Quantile, quantile

# A beta law below 10 us; once in 3 million, a millisecond on top.
BODY_NS, BODY_SHAPES, SMI_NS, SMI_FRAC = 10_000.0, (2.0, 6.0), 1_000_000.0, 3e-7
# A Pareto tail of shape 1/2, cut off where it is left once in 1e7.
SCALE_NS, HEAVY, BOUND_FRAC = 2_000.0, 0.5, 1e-7
BOUND_NS = SCALE_NS * BOUND_FRAC**-HEAVY


@dataclass(frozen=True)
class Case:
    """An extrapolated time beside the exact one, in ns; `values_ns` are the samples, `tail` is the exact P(X > x)."""

    name: str
    extrapolated: Quantile
    exact: float
    values_ns: np.ndarray = field(repr=False, compare=False)
    tail: Callable[[np.ndarray], np.ndarray] = field(repr=False, compare=False)

    @property
    def ratio(self) -> float:
        """Extrapolated over exact."""
        return self.extrapolated.value / self.exact


def moded_tail(x_ns: np.ndarray) -> np.ndarray:
    """P(X > x) of the host with a bounded body and a rare mode."""
    x_ns = np.asarray(x_ns, dtype=np.float64)
    body, later = (1 - betainc(*BODY_SHAPES, np.clip(x / BODY_NS, 0.0, 1.0)) for x in (x_ns, x_ns - SMI_NS))
    return (1 - SMI_FRAC) * body + SMI_FRAC * later


def bounded_tail(x_ns: np.ndarray) -> np.ndarray:
    """P(X > x) of the host with a heavy body and a hard bound."""
    x_ns = np.asarray(x_ns, dtype=np.float64)
    return np.where(x_ns < BOUND_NS, np.minimum(1.0, (x_ns / SCALE_NS) ** (-1 / HEAVY)), 0.0)


def wrong_both_ways(
    *, rng: np.random.Generator, n: int = 1_000_000, tail_frac: float = 1e-9
) -> tuple[Case, ...]:
    """Fitted tails of n samples of two hosts at `tail_frac`, beside the exact times.

    The first host has a bounded body (a beta law) and a rare mode. A sample of a million misses it three times out of
    four; where two samples are of it, the fit turns from a bounded tail to one without end, and still ends up below the
    two. The second has a heavy tail up to a hard bound out of the sample's reach, as a watchdog or a budget is.
    """
    if not 0 < tail_frac < min(SMI_FRAC, BOUND_FRAC):
        raise ValueError(
            f"tail_frac = {tail_frac}: the example needs it below {BOUND_FRAC}, where its tails end"
        )
    body = BODY_NS * rng.beta(*BODY_SHAPES, n)
    seen = body.copy()
    seen[: min(2, n)] += SMI_NS
    heavy = np.minimum(SCALE_NS * (1 - rng.random(n)) ** -HEAVY, BOUND_NS)
    mode_ns = SMI_NS + BODY_NS * float(betaincinv(*BODY_SHAPES, 1 - tail_frac / SMI_FRAC))
    samples = {
        "bounded body, rare mode not seen": (body, mode_ns, moded_tail),
        "bounded body, rare mode seen twice": (seen, mode_ns, moded_tail),
        "heavy body, hard bound not seen": (heavy, BOUND_NS, bounded_tail),
    }
    return tuple(
        Case(name, quantile(values, tail_frac, extrapolate=True), exact, values, tail)
        for name, (values, exact, tail) in samples.items()
    )
