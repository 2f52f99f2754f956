"""What counters that tell whole units do to a mean and to a rate.

A unit is the upscaling factor (CPUID 0xF.1 EBX). An occupancy is read as floor(occupancy / unit) * unit: it is short by
half a unit less half a line if it wanders over more than a unit, by anything up to a unit if it stands still. A
bandwidth counter shows floor(running total / unit): over an interval in which x bytes pass it moves by one of the two
whole numbers of units around x, in the mean by x exactly if its phase is uniform: so the mean rate is right, and one
reading is off by sqrt(f (1 - f)) units with f = frac(x / unit), by sqrt(1/6) of a unit if f is anywhere (the difference
of two uniform phases; W. R. Bennett, Bell System Technical Journal 27 (1948) 446, for the uniform error itself).

Traffic itself is a chance count: over long intervals of length t its variance grows as
(variance_per_s) * t (a renewal-reward process, D. R. Cox, Renewal Theory, 1962, section 8.3), and the relative error of
a rate falls as 1 / sqrt(t) by this, and as 1 / t by whole units.
"""

import math

import numpy as np

_WIDE = (
    1.0  # units (whole lines) of deviation from which the phase is uniform: the rest is exp(-2 pi^2) = 3e-9
)
_REACH = 9.0
_LATTICE = 8.0  # steps of standard deviation up to which the lattice is summed point by point
_HARMONICS = np.arange(1, 200)


def exceeds(x: float, mean: float, sd: float) -> float:
    """P(X >= x) of a normal variable; sd 0: of the constant."""
    if sd <= 0:
        return float(mean >= x)
    return 0.5 * math.erfc((x - mean) / sd / math.sqrt(2))


def mean_reading(mean: float, sd: float, unit: int, step: int = 1) -> float:
    """Mean of floor(X / unit) * unit for an X near normal on multiples of `step`, 0 or more; all in bytes."""
    grain = math.gcd(unit, step)
    if sd <= 0:
        return float(round(mean / step) * step // unit * unit)
    if sd > _WIDE * math.lcm(unit, step):
        return max(mean - (unit - grain) / 2, 0.0)
    low = max(math.floor((mean - _REACH * sd) / unit), 0)
    high = math.ceil((mean + _REACH * sd) / unit)
    levels = range(low + 1, high + 1)
    return unit * (low + sum(exceeds(-(-m * unit // step) * step - step / 2, mean, sd) for m in levels))


def unit_variance(mean: float, sd: float, unit: int, step: int = 0) -> float:
    """Mean squared error, in bytes^2, of the move of a unit counter of uniform phase over X bytes: unit^2 E f (1 - f).

    X is near normal, on multiples of `step` if that is not 0.
    """
    if step and sd < _LATTICE * step:
        near, reach = round(mean / step), math.ceil(_REACH * max(sd, 0.0) / step) + 1
        points = step * np.arange(max(near - reach, 0), near + reach + 1)
        edges = (points[0] - step / 2 + step * np.arange(points.size + 1)).tolist()
        above = np.array([exceeds(edge, mean, sd) for edge in edges])
        weights = above[:-1] - above[1:]
        f = points / unit % 1.0
        return unit**2 * float((weights * f * (1 - f)).sum() / max(weights.sum(), 1e-300))
    fine = 1 - (math.gcd(unit, step) / unit) ** 2 if step else 1.0
    if sd <= 0:
        f = mean / unit % 1.0
        return unit**2 * f * (1 - f)
    wave = np.exp(-2 * (math.pi * _HARMONICS * min(sd / unit, 1e3)) ** 2) / (math.pi * _HARMONICS) ** 2
    turn = mean / unit % 1.0
    return unit**2 * fine * max(1 / 6 - float((np.cos(2 * math.pi * _HARMONICS * turn) * wave).sum()), 0.0)


def interval_for_error(error_frac: float, bytes_per_s: float, variance_per_s: float, unit: int) -> float:
    """Shortest interval, ns, in which one reading is right to `error_frac` rms, chance and whole units together.

    The positive root t of (e r t)^2 = v t + unit^2 / 6. Without chance sqrt(1/6) / e units must pass: 41 for 1 %.
    """
    if not bytes_per_s > 0:
        return math.inf
    square, half = (error_frac * bytes_per_s) ** 2, variance_per_s / 2
    return (half + math.sqrt(half**2 + square * unit**2 / 6)) / square * 1e9


def share_error(bytes_per_s: float, variance_per_s: float, interval_ns: float, unit: int) -> float:
    """Rms error of one reading of a rate, relative to it, without wraps and beats: chance and whole units."""
    passed, variance = bytes_per_s * interval_ns / 1e9, variance_per_s * interval_ns / 1e9
    if not passed > 0:
        return math.nan
    return math.sqrt(variance + unit_variance(passed, math.sqrt(variance), unit)) / passed


def beat_variance(period_ns: float, width_ns: float, interval_ns: float) -> float:
    """Variance of the share of a periodic burst's traffic that falls into an interval, in (traffic of a period)^2.

    Bursts of `width_ns` come every `period_ns`; the interval begins at a uniform phase. Bursts without width give
    f (1 - f) with f = frac(interval / period): nothing if the interval is a multiple of the period.
    """
    f, w = interval_ns / period_ns % 1.0, min(width_ns / period_ns, 1.0)
    if w <= 0:
        return f * (1 - f)
    k = _HARMONICS
    wave = np.sinc(k * w) ** 2 * np.sin(math.pi * k * f) ** 2 / (math.pi * k) ** 2
    return 2 * float(wave.sum())
