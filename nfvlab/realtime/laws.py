"""Laws of the stages of a latency: tails that say how far rounding may have moved them. Times in ns.

A law has an origin, below which it has no mass, and is evaluated from there: `beyond(t)` is P(X - origin > t) and
`reaches(t)` is P(X - origin >= t), for t >= 0. Both are right to the relative error `rel_error` down to tails of 1e-60.
`mean_excess(t)` is E[max(X - origin - t, 0)], with its absolute error. `lower` and `upper` are laws below and above it
in stochastic order, each with a tail of its own; they differ where only the bucket of a value is known.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaincc, ndtr

UNIT = 2.0**-53
ARGUMENT_ERROR = 8 * 746 * UNIT  # of exp(-y), y right to 8 roundings, wherever it is not zero
_PARTS = np.linspace(0.0, 1.0, 65)


class Law:
    """Base of the laws: what follows from `origin_ns`, `rel_error`, `beyond` and `mean_excess`."""

    origin_ns: float
    rel_error = 1e-12

    def beyond(self, t: np.ndarray) -> np.ndarray:
        """P(X - origin > t) for t >= 0."""
        raise NotImplementedError(f"{type(self).__name__} must define beyond()")

    def reaches(self, t: np.ndarray) -> np.ndarray:
        """P(X - origin >= t) for t >= 0; without atoms the same as beyond, but for t = 0."""
        return np.where(t > 0, self.beyond(t), 1.0)

    def mean_excess(self, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """E[max(X - origin - t, 0)] for t >= 0, and its absolute error."""
        raise ValueError(f"{self} has no mean in closed form; give its parts, or a law that has one")

    @property
    def lower(self) -> "Law":
        """A law that is stochastically smaller, or the same."""
        return self

    @property
    def upper(self) -> "Law":
        """A law that is stochastically larger, or the same."""
        return self

    @property
    def mean_ns(self) -> float:
        """E[X]."""
        return self.origin_ns + float(self.mean_excess(np.zeros(1))[0][0])

    @property
    def max_ns(self) -> float:
        """The largest value, infinity if there is none."""
        return np.inf

    def sf(self, x_ns):
        """P(X > x)."""
        t = np.asarray(x_ns, dtype=float) - self.origin_ns
        return np.where(t < 0, 1.0, self.beyond(np.maximum(t, 0.0)))[()]

    def cdf(self, x_ns):
        """P(X <= x)."""
        return 1.0 - self.sf(x_ns)

    def quantile_ns(self, tail_frac: float) -> float:
        """The smallest x with P(X > x) <= tail_frac, from above to about 1e-15 of the distance to the origin."""
        check_tail(tail_frac)
        low, high = 0.0, 1.0
        if self.beyond(np.zeros(1))[0] <= tail_frac:
            return self.origin_ns
        while self.beyond(np.array([high]))[0] > tail_frac:
            low, high = high, 16 * high
            if high > 1e300:
                return np.inf
        for _ in range(10):
            t = low + (high - low) * _PARTS
            at = int(np.argmax(self.beyond(t) <= tail_frac))
            low, high = t[at - 1], t[at]
        return self.origin_ns + high


def difference(a: np.ndarray, b: float) -> tuple[np.ndarray, np.ndarray]:
    """a - b rounded down and up: the error of a difference is itself a number (D. Knuth, TAOCP 2, 4.2.2)."""
    if not b:
        return a, a
    made = a - b
    back = made - a
    error = (a - (made - back)) - (b + back)
    down, up = np.nextafter(made, -np.inf), np.nextafter(made, np.inf)
    return np.where(error < 0, down, made), np.where(error > 0, up, made)


def beyond_from(origin_ns: float, law: Law, t: np.ndarray) -> np.ndarray:
    """P(X - origin > t) for an origin that is the law's own or zero; rounding makes it larger, never smaller."""
    down, _ = difference(t, law.origin_ns - origin_ns)
    return np.where(down < 0, 1.0, law.beyond(np.maximum(down, 0.0)))


def reaches_from(origin_ns: float, law: Law, t: np.ndarray) -> np.ndarray:
    """P(X - origin >= t) for an origin that is the law's own or zero; rounding makes it smaller, never larger."""
    _, up = difference(t, law.origin_ns - origin_ns)
    return np.where(up <= 0, 1.0, law.reaches(np.maximum(up, 0.0)))


def mean_excess_from(origin_ns: float, law: Law, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """E[max(X - origin - t, 0)] and its error; below the law's own origin the way there comes on top."""
    down, up = difference(t, law.origin_ns - origin_ns)
    value, wrong = law.mean_excess(np.maximum(down, 0.0))
    way = np.maximum(-down, 0.0)
    return way + value, wrong + (up - down) + 2 * UNIT * (way + value)


def check_tail(tail_frac: float) -> None:
    """Refuse what is no probability of exceedance, or too rare for the lattice."""
    if not 1e-30 <= tail_frac < 1:
        raise ValueError(
            f"tail_frac = {tail_frac}: a probability of exceedance from 1e-30 to below 1 is needed"
        )


def check(name: str, value: float, *, positive: bool = False) -> None:
    """Refuse a time that is not finite, negative, or zero where it must not be."""
    if not (np.isfinite(value) and value >= 0) or (positive and value == 0):
        raise ValueError(
            f"{name} = {value}: must be finite and {'above zero' if positive else 'not negative'}"
        )


@dataclass(frozen=True, kw_only=True)
class Constant(Law):
    """Always the same time."""

    value_ns: float
    rel_error = 0.0

    def __post_init__(self):
        check("value_ns", self.value_ns)

    @property
    def origin_ns(self) -> float:
        """The value."""
        return self.value_ns

    @property
    def max_ns(self) -> float:
        """The value."""
        return self.value_ns

    def beyond(self, t):
        """Zero."""
        return np.zeros_like(t)

    def reaches(self, t):
        """One at zero."""
        return np.where(t > 0, 0.0, 1.0)

    def mean_excess(self, t):
        """Zero."""
        return np.zeros_like(t), np.zeros_like(t)


@dataclass(frozen=True, kw_only=True)
class Uniform(Law):
    """Uniform from `min_ns` on, over `width_ns`: for example, where in a period of that length something falls."""

    width_ns: float
    min_ns: float = 0.0
    rel_error = 4 * UNIT

    def __post_init__(self):
        check("width_ns", self.width_ns, positive=True)
        check("min_ns", self.min_ns)

    @property
    def origin_ns(self) -> float:
        """The smallest value."""
        return self.min_ns

    @property
    def max_ns(self) -> float:
        """The largest value."""
        return self.min_ns + self.width_ns

    def beyond(self, t):
        """1 - t / width."""
        return np.maximum(self.width_ns - t, 0.0) / self.width_ns

    def mean_excess(self, t):
        """(width - t)**2 / (2 width)."""
        value = np.maximum(self.width_ns - t, 0.0) ** 2 / (2 * self.width_ns)
        return value, 6 * UNIT * value


@dataclass(frozen=True, kw_only=True)
class Exponential(Law):
    """`min_ns` and an exponential excess of mean `excess_ns`."""

    excess_ns: float
    min_ns: float = 0.0
    rel_error = ARGUMENT_ERROR

    def __post_init__(self):
        check("excess_ns", self.excess_ns, positive=True)
        check("min_ns", self.min_ns)

    @property
    def origin_ns(self) -> float:
        """The smallest value."""
        return self.min_ns

    def beyond(self, t):
        """exp(-t / excess)."""
        return np.exp(-t / self.excess_ns)

    def mean_excess(self, t):
        """The mean times exp(-t / mean): no memory."""
        value = self.excess_ns * self.beyond(t)
        return value, 2 * self.rel_error * value


@dataclass(frozen=True, kw_only=True)
class Gamma(Law):
    """`min_ns` and a gamma excess of mean `excess_ns` and coefficient of variation `cv`, 0.02 to 5.

    The relative error is that of scipy's incomplete gamma function as measured in the tests, with a margin of ten.
    """

    excess_ns: float
    cv: float
    min_ns: float = 0.0
    rel_error = 1e-10

    def __post_init__(self):
        check("excess_ns", self.excess_ns, positive=True)
        check("min_ns", self.min_ns)
        if not 0.02 <= self.cv <= 5:
            raise ValueError(f"cv = {self.cv}: must be 0.02 to 5; a Constant varies less")

    @property
    def origin_ns(self) -> float:
        """The smallest value."""
        return self.min_ns

    def beyond(self, t):
        """The incomplete gamma function Q(shape, t / scale)."""
        return gammaincc(self.cv**-2, t / (self.excess_ns * self.cv**2))

    def mean_excess(self, t):
        """mean Q(shape + 1, t / scale) - t Q(shape, t / scale)."""
        whole = self.excess_ns * gammaincc(self.cv**-2 + 1, t / (self.excess_ns * self.cv**2))
        taken = t * self.beyond(t)
        return np.maximum(whole - taken, 0.0), 2 * self.rel_error * (whole + taken)


@dataclass(frozen=True, kw_only=True)
class Lognormal(Law):
    """`min_ns` and a lognormal excess of mean `excess_ns` and coefficient of variation `cv`, 0.02 to 10."""

    excess_ns: float
    cv: float
    min_ns: float = 0.0
    rel_error = 1e-10

    def __post_init__(self):
        check("excess_ns", self.excess_ns, positive=True)
        check("min_ns", self.min_ns)
        if not 0.02 <= self.cv <= 10:
            raise ValueError(f"cv = {self.cv}: must be 0.02 to 10; a Constant varies less")

    @property
    def origin_ns(self) -> float:
        """The smallest value."""
        return self.min_ns

    def _score(self, t) -> np.ndarray:
        """How many standard deviations log(t) lies above its mean."""
        with np.errstate(divide="ignore"):
            return np.log(t / self.excess_ns) / self._sigma + self._sigma / 2

    @property
    def _sigma(self) -> float:
        return float(np.sqrt(np.log1p(self.cv**2)))

    def beyond(self, t):
        """The normal tail of the logarithm."""
        return ndtr(-self._score(t))

    def mean_excess(self, t):
        """As the price of a call: mean N(sigma - z) - t N(-z), z the score."""
        whole = self.excess_ns * ndtr(self._sigma - self._score(t))
        taken = t * self.beyond(t)
        return np.maximum(whole - taken, 0.0), 2 * self.rel_error * (whole + taken)
