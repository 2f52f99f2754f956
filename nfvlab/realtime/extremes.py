"""What n samples can say of an upper tail, and what an extrapolation beyond them is worth.

If none of n independent samples was longer than x, P(X > x) may still be as large as 1 - 0.05**(1/n), about 3/n, with
95 % confidence (the rule of three: J. A. Hanley and A. Lippman-Hand, JAMA 249 (1983) 1743). What happens more rarely
than that, samples do not know. A fitted tail answers all the same: peaks over a threshold follow a generalised Pareto
law in the limit (J. Pickands, Annals of Statistics 3 (1975) 119), if the tail beyond the samples goes on as it was
within them. A rare mode or a hard bound, which a host has, breaks that in either direction.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betainc, betaincinv

CONFIDENCE = 0.95
PEAKS, PEAKS_FRAC = 1000, 0.05  # the longest samples that are fitted: at most so many, and this share of all
LEAST_PEAKS = 20


class BeyondData(ValueError):
    """A tail was asked for that the samples cannot know."""


@dataclass(frozen=True)
class Quantile:
    """The time that is exceeded with probability `tail_frac`, from n samples, in their unit.

    `lower` and `upper` hold it with the confidence asked for; `upper` is infinite where the samples do not bound it.
    With `beyond_data` the value is a generalised Pareto tail of that `shape` and `scale` above `threshold`, an
    extrapolation: `upper` is then infinite and `lower` the last bound that the samples give.
    """

    tail_frac: float
    value: float
    lower: float
    upper: float
    n: int
    beyond_data: bool = False
    threshold: float = math.nan
    shape: float = math.nan
    scale: float = math.nan


def largest_tail(exceeding: int, n: int, *, confidence: float = CONFIDENCE) -> float:
    """The largest P(X > x) that `exceeding` of n samples above x allow (Clopper and Pearson); of none, about 3/n."""
    if int(n) != n or int(exceeding) != exceeding or not 0 <= exceeding <= n or n < 1:
        raise ValueError(
            f"exceeding = {exceeding}, n = {n}: whole numbers with 0 <= exceeding <= n >= 1 are needed"
        )
    _check_share("confidence", confidence)
    if exceeding == 0:
        return -math.expm1(math.log1p(-confidence) / n)
    return 1.0 if exceeding == n else float(betaincinv(exceeding + 1, n - exceeding, confidence))


def samples_needed(tail_frac: float, *, confidence: float = CONFIDENCE) -> int:
    """How many samples without an exceedance show that P(X > x) is at most `tail_frac`: about 3 / tail_frac."""
    _check_share("tail_frac", tail_frac)
    _check_share("confidence", confidence)
    return math.ceil(math.log1p(-confidence) / math.log1p(-tail_frac))


def quantile(
    values: ArrayLike,
    tail_frac: float,
    *,
    counts: ArrayLike | None = None,
    overflows: int = 0,
    extrapolate: bool = False,
    confidence: float = CONFIDENCE,
) -> Quantile:
    """The time exceeded with probability `tail_frac`, by order statistics: float64[n], or a histogram with `counts`.

    A bin stands for its value; `overflows` are samples known only to be longer than all values. Each bound holds with
    the confidence given, for any law. Beyond what samples can say (`tail_frac` below `largest_tail(0, n)`) it raises
    BeyondData, or with `extrapolate` gives a fitted tail that is flagged. ValueError if samples are not finite, counts
    are negative or there is nothing.
    """
    values, counts = _sorted(values, counts, overflows)
    _check_share("tail_frac", tail_frac)
    _check_share("confidence", confidence)
    n = int(counts.sum()) + int(overflows)
    exceeding = n - np.cumsum(counts)  # samples above each value
    known = largest_tail(0, n, confidence=confidence)
    if tail_frac < known:
        if not extrapolate:
            raise BeyondData(
                f"tail_frac = {tail_frac:g}: {n} samples say nothing of what is rarer than {known:.3g} (about 3/n); "
                f"take {samples_needed(tail_frac, confidence=confidence)}, or extrapolate=True for a flagged guess"
            )
        return _extrapolated(
            values, counts, overflows, tail_frac, _lower(values, exceeding, n, known, confidence)
        )
    upper = _exceeded_by(values, exceeding, _few(n, tail_frac, 1 - confidence))
    lower = _lower(values, exceeding, n, tail_frac, confidence)
    return Quantile(tail_frac, _exceeded_by(values, exceeding, math.floor(n * tail_frac)), lower, upper, n)


def _few(n: int, share: float, chance: float) -> int:
    """The largest k with P(Binomial(n, share) <= k) <= chance; -1 if there is none."""
    low, high = -1, n
    while high - low > 1:
        k = (low + high) // 2
        low, high = (k, high) if betainc(n - k, k + 1, 1 - share) <= chance else (low, k)
    return low


def _exceeded_by(values: np.ndarray, exceeding: np.ndarray, most: int) -> float:
    """The smallest value that at most so many samples exceed; infinite if that many are overflows, or none may be."""
    fits = np.flatnonzero(exceeding <= most)
    return float(values[fits[0]]) if fits.size else math.inf


def _lower(values: np.ndarray, exceeding: np.ndarray, n: int, tail_frac: float, confidence: float) -> float:
    """The smallest value that more samples do not exceed than may by chance lie below the quantile."""
    few = _few(n, 1 - tail_frac, 1 - confidence)
    if few < 0:
        return -math.inf
    fits = np.flatnonzero(n - exceeding > few)
    return float(values[fits[0]] if fits.size else values[-1])


def _extrapolated(values, counts, overflows, tail_frac, lower) -> Quantile:
    """A generalised Pareto tail through the longest samples, by maximum likelihood."""
    from scipy import stats

    n = int(counts.sum())
    if overflows:
        raise BeyondData(
            f"overflows = {overflows}: a tail cannot be fitted to samples of unknown length; widen the bins"
        )
    peaks = min(PEAKS, int(n * PEAKS_FRAC))
    longest = values[np.searchsorted(np.cumsum(counts), n - np.arange(peaks + 1), side="left")]
    excess = longest[:-1] - longest[-1]
    excess = excess[excess > 0]
    if excess.size < LEAST_PEAKS:
        raise BeyondData(
            f"n = {n}: {excess.size} samples stand out above a threshold; {LEAST_PEAKS} or more are needed for a tail"
        )
    unit = float(excess.mean())
    shape, _, scale = stats.genpareto.fit(excess / unit, floc=0.0)
    threshold, scale = float(longest[-1]), float(scale) * unit
    value = threshold + float(stats.genpareto.isf(tail_frac * n / excess.size, shape, scale=scale))
    return Quantile(tail_frac, value, lower, math.inf, n, True, threshold, float(shape), scale)


def _sorted(values: ArrayLike, counts: ArrayLike | None, overflows: int) -> tuple[np.ndarray, np.ndarray]:
    """Values in rising order and how often each was seen."""
    values = np.asarray(values, dtype=np.float64)
    counts = np.ones(values.shape, dtype=np.int64) if counts is None else np.asarray(counts)
    if values.ndim != 1 or counts.shape != values.shape:
        raise ValueError(
            f"values have shape {values.shape}, counts {counts.shape}: give two rows of one length"
        )
    if not np.isfinite(values).all():
        raise ValueError("values are not all finite: leave out what was not measured, count overflows apart")
    if (
        (counts < 0).any()
        or (counts != np.floor(counts)).any()
        or overflows < 0
        or int(overflows) != overflows
    ):
        raise ValueError(
            "counts and overflows are whole numbers, none negative: give how often each value was seen"
        )
    order = np.argsort(values, kind="stable")
    values, counts = values[order], counts[order].astype(np.int64)
    seen = counts > 0
    if not seen.any():
        raise ValueError("there is no sample: measure at least once")
    return values[seen], counts[seen]


def _check_share(name: str, value: float) -> None:
    if not 0 < value < 1:
        raise ValueError(f"{name} = {value}: must lie between 0 and 1, both excluded")
