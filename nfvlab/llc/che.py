"""Characteristic times: a line is evicted when it has not been referenced for T, the same T for all that share.

T is where the mean number of distinct lines in a window reaches what the cache holds (Fagin 1977; Che, Tung and Wang,
IEEE JSAC 20(7), 2002), for lines by any stationary law. Right for many ways and many lines; for few ways see
`associative`, for masks that overlap `overlap`.
"""

from collections.abc import Sequence

import numpy as np

from nfvlab.llc.components import Law

_TOLERANCE = 1e-12


def characteristic_time(laws: Sequence[Law], rates: Sequence[float], lines: float) -> float:
    """The time in which these components reference `lines` distinct lines; infinity if they have no more than that.

    rates: time units of each law per unit of common time.
    """
    if lines <= 0 or min(rates) <= 0:
        raise ValueError(f"lines = {lines}, rates = {tuple(rates)}: must be above zero")
    low, high = 1e-3 / sum(rates), max(law.horizon / rate for law, rate in zip(laws, rates, strict=True))
    if footprint(laws, rates, high) < lines * (1 - _TOLERANCE):
        return float("inf")
    while high > low * (1 + 1e-10):
        middle = float(np.sqrt(low * high))
        low, high = (middle, high) if footprint(laws, rates, middle) < lines else (low, middle)
    return high


def footprint(laws: Sequence[Law], rates: Sequence[float], t: float) -> float:
    """Mean number of distinct lines that these components reference in a window of length t."""
    return float(sum(law.footprint(np.float64(t * rate)) for law, rate in zip(laws, rates, strict=True)))


def hits(laws: Sequence[Law], rates: Sequence[float], lines: float) -> np.ndarray:
    """Hit ratio of each component in one fully associative cache of `lines` lines, float64[components]."""
    time = characteristic_time(laws, rates, lines)
    if np.isinf(time):
        return np.ones(len(laws))
    return np.array([float(law.hit(np.float64(time * rate))) for law, rate in zip(laws, rates, strict=True)])


def occupancies(laws: Sequence[Law], rates: Sequence[float], lines: float) -> np.ndarray:
    """Lines held of each component, float64[components]; they add up to `lines` once the cache is full."""
    time = characteristic_time(laws, rates, lines)
    held = [
        law.lines if np.isinf(time) else float(law.footprint(np.float64(time * rate)))
        for law, rate in zip(laws, rates, strict=True)
    ]
    return np.array(held)


__all__ = ["characteristic_time", "footprint", "hits", "occupancies"]
