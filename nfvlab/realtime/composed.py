"""Laws made of other laws: atoms and histograms, mixtures, rare modes, the largest of several, bursts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce

import numpy as np
from scipy.special import pdtrc

from nfvlab.realtime.laws import (
    UNIT,
    Constant,
    Exponential,
    Law,
    beyond_from,
    check,
    check_tail,
    mean_excess_from,
    reaches_from,
)


def _check_fracs(fracs: Sequence[float], parts: Sequence) -> None:
    if len(fracs) != len(parts) or not parts:
        raise ValueError(f"{len(fracs)} fractions for {len(parts)} parts: give each part its fraction")
    total = float(np.sum(fracs))
    if min(fracs) < 0 or not abs(total - 1) <= 1e-9:
        raise ValueError(f"fracs = {tuple(fracs)} sum to {total}: must not be negative and sum to 1")


@dataclass(frozen=True, kw_only=True)
class Discrete(Law):
    """Finitely many values, each with its fraction; infinity stands for what has no bound."""

    values_ns: tuple[float, ...]
    fracs: tuple[float, ...]
    origin_ns = 0.0

    def __post_init__(self):
        _check_fracs(self.fracs, self.values_ns)
        if not min(self.values_ns) >= 0:
            raise ValueError(f"values_ns = {self.values_ns}: times must not be negative")

    @cached_property
    def _rising(self) -> tuple[np.ndarray, np.ndarray]:
        """Values in rising order, and the mass from each on (0 after the last)."""
        fracs, values = np.asarray(self.fracs, dtype=float), np.asarray(self.values_ns, dtype=float)
        order = np.argsort(values)[fracs[np.argsort(values)] > 0]
        mass = fracs[order] / fracs.sum()
        tails = np.minimum(np.append(np.cumsum(mass[::-1])[::-1], 0.0), 1.0)
        return values[order], np.append(1.0, tails[1:])

    @property
    def rel_error(self) -> float:
        """That of adding the fractions."""
        return (len(self.fracs) + 4) * 2 * UNIT

    @property
    def max_ns(self) -> float:
        """The largest value that has any mass."""
        return max(v for v, frac in zip(self.values_ns, self.fracs, strict=True) if frac > 0)

    def beyond(self, t):
        """Mass of the values above t."""
        values, tails = self._rising
        return tails[np.searchsorted(values, t, side="right")]

    def reaches(self, t):
        """Mass of the values from t on."""
        values, tails = self._rising
        return tails[np.searchsorted(values, t, side="left")]

    def mean_excess(self, t):
        """The excess of every value above t."""
        if np.isinf(self.max_ns):
            return np.full_like(t, np.inf), np.zeros_like(t)
        values, tails = self._rising
        at = np.searchsorted(values, t, side="right")
        steps = np.append(np.diff(values) * tails[1:-1], 0.0)
        later = np.append(np.cumsum(steps[::-1])[::-1], 0.0)
        to_next = np.append(values, 0.0)[at] - t
        value = np.where(at < values.size, to_next * tails[at] + later[np.minimum(at, values.size - 1)], 0.0)
        return value, 4 * (self.rel_error + UNIT) * value


@dataclass(frozen=True, kw_only=True)
class Histogram(Law):
    """A recorded histogram: `counts` of values in [low, high); the high end of an open bucket is infinity.

    Where in its bucket a value lies is not known: `lower` has all at the low ends, `upper` at the high ends. The law's
    own tail and mean are those of `upper`.
    """

    low_ns: tuple[float, ...]
    high_ns: tuple[float, ...]
    counts: tuple[int, ...]
    origin_ns = 0.0

    def __post_init__(self):
        if not len(self.low_ns) == len(self.high_ns) == len(self.counts):
            raise ValueError("low_ns, high_ns and counts differ in length: give every bucket all three")
        if not self.counts or min(self.counts) < 0 or sum(self.counts) == 0:
            raise ValueError(f"counts = {self.counts}: must not be negative, and some above zero")
        for low, high in zip(self.low_ns, self.high_ns, strict=True):
            if not 0 <= low <= high:
                raise ValueError(f"bucket [{low}, {high}): must run upwards from zero or more")

    def _at(self, ends: tuple[float, ...]) -> Discrete:
        total = sum(self.counts)
        return Discrete(values_ns=ends, fracs=tuple(count / total for count in self.counts))

    @cached_property
    def lower(self) -> Discrete:
        """All at the low ends of their buckets."""
        return self._at(self.low_ns)

    @cached_property
    def upper(self) -> Discrete:
        """All at the high ends of their buckets."""
        return self._at(self.high_ns)

    @property
    def max_ns(self) -> float:
        """The high end of the last bucket that has a count."""
        return self.upper.max_ns

    def beyond(self, t):
        """That of `upper`."""
        return self.upper.beyond(t)

    def mean_excess(self, t):
        """That of `upper`."""
        return self.upper.mean_excess(t)


@dataclass(frozen=True, kw_only=True)
class Mixture(Law):
    """One of several laws, each with its probability."""

    fracs: tuple[float, ...]
    laws: tuple[Law, ...]

    def __post_init__(self):
        _check_fracs(self.fracs, self.laws)

    @property
    def origin_ns(self) -> float:
        """That of all the laws if they share one, else zero."""
        origins = {law.origin_ns for law in self.laws}
        return origins.pop() if len(origins) == 1 else 0.0

    @property
    def rel_error(self) -> float:
        """The largest, and that of adding."""
        return max(law.rel_error for law in self.laws) + (len(self.laws) + 4) * 2 * UNIT

    @property
    def lower(self) -> "Mixture":
        """The mixture of what is below each law."""
        return Mixture(fracs=self.fracs, laws=tuple(law.lower for law in self.laws))

    @property
    def upper(self) -> "Mixture":
        """The mixture of what is above each law."""
        return Mixture(fracs=self.fracs, laws=tuple(law.upper for law in self.laws))

    @property
    def max_ns(self) -> float:
        """The largest of all that happen."""
        return max(law.max_ns for law, frac in zip(self.laws, self.fracs, strict=True) if frac > 0)

    def _parts(self):
        return zip(np.asarray(self.fracs) / np.sum(self.fracs), self.laws, strict=True)

    def beyond(self, t):
        """The weighted tails."""
        return sum(frac * beyond_from(self.origin_ns, law, t) for frac, law in self._parts())

    def reaches(self, t):
        """The weighted tails, values themselves included."""
        return sum(frac * reaches_from(self.origin_ns, law, t) for frac, law in self._parts())

    def mean_excess(self, t):
        """The weighted excesses."""
        total, error = np.zeros_like(t), np.zeros_like(t)
        for frac, law in self._parts():
            value, wrong = mean_excess_from(self.origin_ns, law, t)
            total, error = total + frac * value, error + frac * wrong
        return total, error + (2 * len(self.laws) + 6) * UNIT * total


@dataclass(frozen=True, kw_only=True)
class Largest(Law):
    """The largest of independent times: all of several things must have ended."""

    laws: tuple[Law, ...]
    origin_ns = 0.0

    def __post_init__(self):
        if not self.laws:
            raise ValueError("laws = (): give at least one law")

    @property
    def rel_error(self) -> float:
        """The largest, and that of combining."""
        return max(law.rel_error for law in self.laws) + 8 * len(self.laws) * UNIT

    @property
    def lower(self) -> "Largest":
        """The largest of what is below each law."""
        return Largest(laws=tuple(law.lower for law in self.laws))

    @property
    def upper(self) -> "Largest":
        """The largest of what is above each law."""
        return Largest(laws=tuple(law.upper for law in self.laws))

    @property
    def max_ns(self) -> float:
        """The largest of all."""
        return max(law.max_ns for law in self.laws)

    def beyond(self, t):
        """1 - the product of the distribution functions."""
        return _any(beyond_from(0.0, law, t) for law in self.laws)

    def reaches(self, t):
        """1 - the product of P(X < t)."""
        return _any(reaches_from(0.0, law, t) for law in self.laws)


def _any(probabilities: Iterable[np.ndarray]) -> np.ndarray:
    """That any of independent events happens, right in proportion."""
    return reduce(lambda total, p: total + (1 - total) * p, probabilities)


@dataclass(frozen=True, kw_only=True)
class Bursts(Law):
    """The sum of a Poisson number of hits, `hits` on average (at most 100), each of law `hit`.

    Such as SMIs or host preemptions that fall into a window. Its tail is known on the lattice only.
    """

    hits: float
    hit: Law
    origin_ns = 0.0

    def __post_init__(self):
        check("hits", self.hits)
        if self.hits > 100:
            raise ValueError(f"hits = {self.hits}: at most 100; split the window and add its parts")

    def quantile_ns(self, tail_frac: float) -> float:
        """An upper bound: of the number, and of each of so many, half of the probability."""
        check_tail(tail_frac)
        most = int(np.argmax(pdtrc(np.arange(1000), self.hits) <= tail_frac / 2))
        return most * self.hit.quantile_ns(tail_frac / 2 / most) if most else 0.0

    @property
    def max_ns(self) -> float:
        """Without bound, unless nothing hits."""
        return np.inf if self.hits > 0 and self.hit.max_ns > 0 else 0.0


def rare(probability_frac: float, law: Law) -> Mixture:
    """A rare mode on top of a path: with this probability `law` is added, else nothing."""
    if not 0 <= probability_frac <= 1:
        raise ValueError(f"probability_frac = {probability_frac}: must be 0 to 1")
    return Mixture(fracs=(1 - probability_frac, probability_frac), laws=(Constant(value_ns=0.0), law))


def hyperexponential(fracs: Sequence[float], excess_ns: Sequence[float], min_ns: float = 0.0) -> Mixture:
    """`min_ns` and one of several exponential excesses, by their means."""
    laws = tuple(Exponential(excess_ns=mean, min_ns=min_ns) for mean in excess_ns)
    return Mixture(fracs=tuple(fracs), laws=laws)
