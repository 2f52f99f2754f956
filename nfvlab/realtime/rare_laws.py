"""Laws of times that stay in their family when they are twisted: mixtures of shifted gammas, atoms included.

Twisting by exp(theta x) multiplies a component's weight by exp(theta shift) (1 - theta scale)**-shape and divides its
scale by 1 - theta scale. Constants, exponential, Erlang, hyperexponential and empirical laws are all of this family;
lognormal and Pareto laws are not, and have no exponential moment: their sums belong to `rare_sums`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import logsumexp


@dataclass(frozen=True)
class Mixed:
    """With chance `weights[k]`: `shifts[k]` plus a gamma time of `shapes[k]` and `scales[k]`; scale 0: no gamma.

    All times are in one unit. ValueError if a number is negative or not finite, a shape is zero, or nothing has weight.
    """

    weights: tuple[float, ...]
    shifts: tuple[float, ...]
    shapes: tuple[float, ...]
    scales: tuple[float, ...]

    def __post_init__(self):
        for name in ("weights", "shifts", "shapes", "scales"):
            values = np.asarray(getattr(self, name), dtype=np.float64)
            if values.shape != (len(self.weights),):
                raise ValueError(
                    f"{name} have shape {values.shape}: give one for each of the {len(self.weights)} weights"
                )
            wrong = ~(np.isfinite(values) & ((values > 0) if name == "shapes" else (values >= 0)))
            if wrong.any():
                raise ValueError(
                    f"{name} hold {values[wrong][0]}: must be finite and not negative, a shape above 0"
                )
        if not self.mean > 0:
            raise ValueError("all times are zero: a law of times needs one that is longer, with some weight")

    @property
    def mean(self) -> float:
        """E[X]."""
        weights, shifts, shapes, scales = self._columns
        return float(weights @ (shifts + shapes * scales)) if weights.size else 0.0

    @property
    def least(self) -> float:
        """The lower end of the law."""
        return float(self._columns[1].min())

    @property
    def most(self) -> float:
        """The upper end of the law."""
        return float("inf") if np.isfinite(self.pole) else float(self._columns[1].max())

    @property
    def pole(self) -> float:
        """Where E[exp(theta X)] becomes infinite."""
        widest = float(self._columns[3].max())
        return 1 / widest if widest > 0 else float("inf")

    def log_moment(self, theta: float) -> float:
        """log E[exp(theta X)], for theta below the pole."""
        return float(logsumexp(self._log_weights(theta)))

    def twisted(self, theta: float) -> "Mixed":
        """The law with density proportional to exp(theta x) times this one's."""
        _, shifts, shapes, scales = self._columns
        logs = self._log_weights(theta)
        made = (np.exp(logs - logsumexp(logs)), shifts, shapes, scales / (1 - theta * scales))
        return Mixed(*(tuple(column.tolist()) for column in made))

    def draw(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """n independent times."""
        weights, shifts, shapes, scales = self._columns
        if weights.size == 1:
            return shifts[0] + (
                scales[0] * rng.standard_gamma(shapes[0], n) if scales[0] > 0 else np.zeros(n)
            )
        which = rng.choice(weights.size, size=n, p=weights)
        times = shifts[which]
        spread = np.flatnonzero(scales[which] > 0)
        times[spread] += scales[which[spread]] * rng.standard_gamma(shapes[which[spread]])
        return times

    def _log_weights(self, theta: float) -> np.ndarray:
        """Logarithms of the components' shares of E[exp(theta X)]."""
        if not theta < self.pole:
            raise ValueError(f"theta = {theta}: must be below {self.pole}, where the moment becomes infinite")
        weights, shifts, shapes, scales = self._columns
        return np.log(weights) + theta * shifts - shapes * np.log1p(-theta * scales)

    @cached_property
    def _columns(self) -> tuple[np.ndarray, ...]:
        """Weights (summing to 1), shifts, shapes, scales of the components that have weight."""
        weights, *others = (
            np.asarray(c, float) for c in (self.weights, self.shifts, self.shapes, self.scales)
        )
        kept = weights > 0
        return weights[kept] / weights.sum() if kept.any() else weights[kept], *(c[kept] for c in others)


def constant(value: float) -> Mixed:
    """Always the same time."""
    return Mixed((1.0,), (value,), (1.0,), (0.0,))


def exponential(mean: float, shift: float = 0.0) -> Mixed:
    """`shift`, and an exponential time of that mean."""
    return Mixed((1.0,), (shift,), (1.0,), (mean,))


def gamma(mean: float, cv: float, shift: float = 0.0) -> Mixed:
    """`shift`, and a gamma time of that mean and coefficient of variation."""
    if not cv > 0:
        raise ValueError(f"cv = {cv}: must be above 0; a constant does not vary")
    return Mixed((1.0,), (shift,), (cv**-2,), (mean * cv**2,))


def hyperexponential(weights: Sequence[float], means: Sequence[float]) -> Mixed:
    """An exponential time of one of several means."""
    count = len(means)
    return Mixed(tuple(weights), (0.0,) * count, (1.0,) * count, tuple(means))


def empirical(values: Sequence[float], weights: Sequence[float] | None = None) -> Mixed:
    """One of the values, all as likely unless they have weights: a recording, or the masses of a histogram."""
    count = len(values)
    return Mixed(tuple(weights or (1.0,) * count), tuple(values), (1.0,) * count, (0.0,) * count)
