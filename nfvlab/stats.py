"""Estimates that know their error: a value, its standard error, and how the error was obtained.

Each function fits one kind of data; the choice matters. Where values depend on each other (successive waiting
times in a queue) the error of the mean taken as if they were independent is far too small: use `batch_means`.
An error that the observations are too few to tell is NaN, and `twin.compare` then gives no verdict.

Sources: A. M. Law and W. D. Kelton, Simulation Modeling and Analysis, 3rd ed., 2000, chapter 9 (replications,
batch means); E. B. Wilson, Journal of the American Statistical Association 22 (1927) 209; H. A. David and
H. N. Nagaraja, Order Statistics, 3rd ed., 2003, section 7.1.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

BATCHES = 20  # Schmeiser, Operations Research 30 (1982) 556: between 10 and 30, hardly depending on the data
_WILSON_SIGMA = 4.0
_QUANTILE_SIGMA = 2.0


@dataclass(frozen=True)
class Estimate:
    """A value and its standard error, from `n` observations; `dof` are the error's degrees of freedom."""

    value: float
    stderr: float
    method: str
    n: int
    dof: float = math.inf

    def reach(self, sigma: float = 4.0) -> float:
        """The error that chance exceeds as rarely as a normal variable exceeds `sigma` standard deviations.

        It is `sigma * stderr` when the standard error is well known, more (Student's t) when it rests on few
        observations.
        """
        return self.stderr * student(sigma, self.dof) if self.stderr > 0 else self.stderr

    def __str__(self) -> str:
        return f"{self.value:.6g} ± {self.stderr:.2g} ({self.method}, n={self.n})"


def mean(x: ArrayLike) -> Estimate:
    """The mean of independent observations; its error is s/sqrt(n), exactly 0 if all are equal."""
    values = _observations(x)
    if values.size == 1:
        return Estimate(float(values[0]), math.nan, "a single replication", 1, 0)
    return _mean(values, "independent replications")


def batch_means(x: ArrayLike, batches: int = BATCHES) -> Estimate:
    """The mean of a stationary series whose successive values depend on each other.

    The series is cut into `batches` runs of equal length, whose means are nearly independent if a run is much
    longer than the memory of the series. Values left over are dropped at the beginning, where a transient
    would be; a longer transient is the caller's to remove.
    """
    if batches < 2:
        raise ValueError(f"batches = {batches}: an error needs at least 2 batches; the default is {BATCHES}")
    values = _observations(x)
    if values.size < 2 * batches:
        raise ValueError(f"n = {values.size}: {batches} batches need at least {2 * batches} observations")
    size = values.size // batches
    means = values[values.size - batches * size :].reshape(batches, size).mean(axis=1)
    estimate = _mean(means, f"{batches} batch means")
    return Estimate(estimate.value, estimate.stderr, estimate.method, values.size, estimate.dof)


def quantile(x: ArrayLike, q: float) -> Estimate:
    """The q-quantile of independent observations, whatever their distribution.

    The number of observations below the true quantile is binomial, which gives an interval between two order
    statistics; its longer side, divided by the two standard deviations it spans, is the standard error.
    About 4 q/(1-q) observations are needed for a high quantile (q > 1/2), 4 (1-q)/q for a low one.
    """
    if not 0 < q < 1:
        raise ValueError(f"q = {q}: a quantile lies between 0 and 1, both excluded; give for example q=0.99")
    values = np.sort(_observations(x))
    n, span = values.size, _QUANTILE_SIGMA * math.sqrt(values.size * q * (1 - q))
    low, high = math.floor(n * q - span), math.ceil(n * q + span)
    value = float(np.quantile(values, q))
    if low < 1 or high > n:
        return Estimate(value, math.nan, "order statistics, too few", n)
    stderr = max(value - values[low - 1], values[high - 1] - value) / _QUANTILE_SIGMA
    return Estimate(value, float(stderr), "order statistics", n)


def pooled_quantile(x: ArrayLike, q: float) -> Estimate:
    """The q-quantile of series whose values depend on each other: one row a replication, rows independent.

    x : float[n, m]. The value is the quantile of all rows together, which has the least bias; its error comes from the
    rows' own quantiles around it (sectioning; Asmussen and Glynn, Stochastic Simulation, 2007, section III.5). A row
    needs some ten values beyond the quantile, or its own is biased and the error too large.
    """
    rows = np.asarray(x, dtype=float)
    if rows.ndim != 2:
        raise ValueError(f"shape = {rows.shape}: give one row a replication; for one series use quantile()")
    if not 0 < q < 1:
        raise ValueError(f"q = {q}: a quantile lies between 0 and 1, both excluded; give for example q=0.99")
    n = len(rows)
    value = float(np.quantile(_observations(rows.ravel()), q))
    if n == 1:
        return Estimate(value, math.nan, "a single replication", 1, 0)
    own = np.quantile(rows, q, axis=1)
    stderr = math.sqrt(float(np.sum((own - value) ** 2)) / (n * (n - 1)))
    return Estimate(value, stderr, "sections", n, n - 1)


def proportion(k: int, n: int) -> Estimate:
    """The share of `k` successes in `n` independent trials; its error is never 0, even for none or all.

    The error is a quarter of the longer side of Wilson's interval at four standard deviations, so that a true
    share is refused at four standard errors just when the score test refuses it.
    """
    if int(k) != k or int(n) != n or not 0 <= k <= n or n < 1:
        raise ValueError(
            f"k = {k}, n = {n}: count k successes out of n trials, whole numbers with 0 <= k <= n >= 1"
        )
    share, z2 = k / n, _WILSON_SIGMA**2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = math.sqrt(z2 * share * (1 - share) / n + (z2 / (2 * n)) ** 2) / (1 + z2 / n)
    stderr = max(centre + half - share, share - (centre - half)) / _WILSON_SIGMA
    return Estimate(share, stderr, "Wilson", int(n))


@lru_cache(maxsize=1024)
def student(sigma: float, dof: float) -> float:
    """How many standard errors of `dof` degrees of freedom are as rare as `sigma` normal ones."""
    if dof > 200:  # Cornish-Fisher, Abramowitz and Stegun 26.7.5; relative error below 1e-5 here
        z, terms = sigma, 0.0
        if math.isfinite(dof):
            terms = (z**3 + z) / (4 * dof) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * dof**2)
        return z + terms
    wanted = math.erfc(sigma / math.sqrt(2))
    low, high = 0.0, 1.0
    while _outside(high, int(dof)) > wanted:
        high *= 2
    while high - low > 1e-9 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if _outside(middle, int(dof)) > wanted else (low, middle)
    return high


def _outside(t: float, dof: int) -> float:
    """P(|T| > t) for Student's T: the finite sums of Abramowitz and Stegun 26.7.3 and 26.7.4."""
    angle = math.atan2(t, math.sqrt(dof))
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = dof % 2
    term, total = (cosine, cosine) if odd else (1.0, 1.0)
    for k in range(3 if odd else 2, dof - 1, 2):
        term *= cosine**2 * ((k - 1) / k)
        total += term
    if not odd:
        return 1 - sine * total
    return 1 - (2 / math.pi) * (angle + (sine * total if dof > 1 else 0.0))


def _mean(values: np.ndarray, method: str) -> Estimate:
    n = values.size
    if values.min() == values.max():
        return Estimate(float(values[0]), 0.0, method, n, n - 1)
    return Estimate(float(values.mean()), float(values.std(ddof=1)) / math.sqrt(n), method, n, n - 1)


def _observations(x: ArrayLike) -> np.ndarray:
    values = np.asarray(x, dtype=float)
    if values.ndim != 1:
        raise ValueError(
            f"shape = {values.shape}: observations are one-dimensional; flatten or pick a column"
        )
    if values.size == 0:
        raise ValueError("n = 0: there is nothing to estimate from; simulate at least once")
    wrong = np.count_nonzero(~np.isfinite(values))
    if wrong:
        raise ValueError(
            f"{wrong} of {values.size} observations are NaN or infinite; say what they mean first"
        )
    return values
