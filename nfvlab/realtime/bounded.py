"""A law between two laws on a lattice: bounds of its tail and of its quantiles, floating point included."""

import math
from dataclasses import dataclass

import numpy as np

from nfvlab.realtime.laws import check_tail, difference


@dataclass(frozen=True, kw_only=True, eq=False)
class Bounded:
    """Two laws on a lattice of `step_ns`, one below and one above a law in stochastic order.

    `low_tails` and `high_tails` (float64[points + 1]) are P(index >= k), from origins of their own. The law's tail is
    at least (1 - rel_error) of the one, less abs_error, and at most (1 + rel_error) of the other, and abs_error.
    """

    step_ns: float
    low_origin_ns: float
    high_origin_ns: float
    low_tails: np.ndarray
    high_tails: np.ndarray
    rel_error: float = 0.0
    abs_error: float = 0.0

    @property
    def points(self) -> int:
        """Cells of the grid."""
        return self.low_tails.size - 1

    def sf(self, x_ns) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper bound of P(X > x), for numbers or arrays."""
        x = np.asarray(x_ns, dtype=float)
        _, late = difference(x, self.low_origin_ns)
        early, _ = difference(x, self.high_origin_ns)
        low = np.where(late < 0, 1.0, np.append(self._low, 0.0)[self._cell(late) + 1])
        high = np.where(early < 0, 1.0, self._high[np.minimum(self._cell(early) + 1, self.points)])
        return low[()], high[()]

    @property
    def _low(self) -> np.ndarray:
        return np.maximum(self.low_tails * (1 - self.rel_error) - self.abs_error, 0.0)

    @property
    def _high(self) -> np.ndarray:
        return np.minimum(self.high_tails * (1 + self.rel_error) + self.abs_error, 1.0)

    def _cell(self, t: np.ndarray) -> np.ndarray:
        """floor(t / step), exactly (multiples of the step are), from 0 to `points`."""
        t = np.clip(t, 0.0, self.step_ns * self.points)
        k = np.floor(t / self.step_ns)
        return (k - (k * self.step_ns > t) + ((k + 1) * self.step_ns <= t)).astype(np.int64)

    def quantile_ns(self, tail_frac: float) -> tuple[float, float]:
        """Lower and upper bound of the smallest x with P(X > x) <= tail_frac; the upper one may be infinity."""
        check_tail(tail_frac)
        low = np.count_nonzero(self._low[1:] > tail_frac)
        high = np.count_nonzero(self._high[1:] > tail_frac)
        above = up(self.high_origin_ns, high * self.step_ns) if high < self.points else np.inf
        return down(self.low_origin_ns, low * self.step_ns), above

    def rel_width(self, tail_frac: float) -> float:
        """How far the bounds of the quantile lie apart, relative to the lower one."""
        low, high = self.quantile_ns(tail_frac)
        return (high - low) / low if low > 0 else (np.inf if high > 0 else 0.0)


def down(a: float, b: float) -> float:
    """a + b, rounded down."""
    made, error = _added(a, b)
    return math.nextafter(made, -math.inf) if error < 0 else made


def up(a: float, b: float) -> float:
    """a + b, rounded up."""
    made, error = _added(a, b)
    return math.nextafter(made, math.inf) if error > 0 else made


def _added(a: float, b: float) -> tuple[float, float]:
    """a + b in floating point, and what it lacks (`laws.difference`, for single numbers)."""
    a, b = float(a), float(b)
    made = a + b
    back = made - a
    return made, (a - (made - back)) + (b - back)


__all__ = ["Bounded", "down", "up"]
