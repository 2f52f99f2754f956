"""Estimates of rare events by weighted draws, which say whether one draw decides what they claim.

A rare event is found by drawing from a law under which it is common, and giving every draw its weight, the ratio of the
laws. The mean of the weighted draws is right on average, whatever law was drawn from; a single run need not be. Where
few draws with large weights carry the probability, most runs meet none of them: such a run is too low, and so is its
error, because both are computed from the draws that were met. What such a run does show is a weight that stands out.

S. Asmussen and P. W. Glynn, Stochastic Simulation, Springer 2007, chapters V and VI. A. Kong, A note on importance
sampling using standardized weights, University of Chicago, technical report 348, 1992 (effective number of draws).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from nfvlab.stats import Estimate

LARGEST_PER_STDERR = 0.1  # a crude run with 100 hits is just trusted: its share is 1/100, its error 1/10


@dataclass(frozen=True)
class RareEstimate(Estimate):
    """A probability from weighted draws: `largest_frac` of it is due to one draw, `effective_count` draws carry it.

    Both are NaN where no draw met the event.
    """

    largest_frac: float = math.nan
    effective_count: float = math.nan

    @property
    def relative_error(self) -> float:
        """Standard error over value."""
        return self.stderr / self.value if self.value > 0 else math.nan

    @property
    def trusted(self) -> bool:
        """Whether value and error may be used; `verdict` says why."""
        return self.verdict == "trusted"

    @property
    def verdict(self) -> str:
        """`trusted`, `no draw met the event` or `one draw decides`.

        One draw decides if its share, less the 1/n that is everybody's, is more than a tenth of the claimed relative
        error (with few draws: more than log(n)/sqrt(n) of it, about what the largest of n exponential variables has).
        Then it makes up more than 1/100 of the variance, and others like it are likely to be missing.
        """
        if not self.value > 0:
            return "no draw met the event"
        allowed = max(LARGEST_PER_STDERR, math.log(self.n) / math.sqrt(self.n)) * self.relative_error
        return "trusted" if self.largest_frac - 1 / self.n <= allowed else "one draw decides"

    def __str__(self) -> str:
        return f"{super().__str__()}; largest share {self.largest_frac:.2g}: {self.verdict}"


def of_draws(draws: ArrayLike, method: str) -> RareEstimate:
    """The mean of independent weighted draws, float64[n], none negative, at least two of them."""
    values = np.asarray(draws, dtype=np.float64)
    if values.ndim != 1 or values.size < 2:
        raise ValueError(f"draws have shape {values.shape}: give two or more in a row; one has no error")
    if not (np.isfinite(values) & (values >= 0)).all():
        raise ValueError(
            "draws hold values that are negative or not finite: a weight is neither; correct its law"
        )
    total, n = float(values.sum()), values.size
    if total == 0:
        return RareEstimate(0.0, math.nan, method, n, n - 1)
    shares = values / total  # squares of the values themselves may be too small for a float
    stderr = 0.0 if values.min() == values.max() else total * float(shares.std(ddof=1)) / math.sqrt(n)
    return RareEstimate(
        value=total / n,
        stderr=stderr,
        method=method,
        n=n,
        dof=n - 1,
        largest_frac=float(shares.max()),
        effective_count=float(1 / np.sum(shares**2)),
    )
