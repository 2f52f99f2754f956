"""Laws as atoms, one below and one above: sums on a grid, hits by Kendall's identity, tails and quantiles.

Hits come at a rate while a work y is done, each adds an own time to the work, in which more may come: a delay cycle.
Kendall's identity gives its law without approximation (L. Takacs, Introduction to the Theory of Queues, 1962, ch. 1;
J. F. C. Kingman, Journal of Applied Probability 1, 1964): n hits and a work of e in all have the probability

    P(N = n, E in de | y) = (y / e) P(Poisson(rate e) = n) P(y + O1 + ... + On in de).

N and E rise with y, with O and with the rate: atoms moved down, or up, and rates taken low, or high, bound them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import gammaln, xlogy

from nfvlab.realtime.bounded import Bounded
from nfvlab.realtime.laws import check_tail

SLACK = 1e-11  # relative: more than all roundings of sums of some thousand terms, of exp and of gammaln
MOST_HITS = 60


@dataclass(frozen=True, eq=False)
class Grid:
    """Masses (float64[cells]) at `base_ns` + k `step_ns`."""

    base_ns: float
    step_ns: float
    masses: np.ndarray

    @property
    def at_ns(self) -> np.ndarray:
        """Where the masses are."""
        return self.base_ns + self.step_ns * np.arange(self.masses.size)

    def plus(self, other: "Grid") -> "Grid":
        """The sum of independent times on grids of one step."""
        return Grid(self.base_ns + other.base_ns, self.step_ns, np.convolve(self.masses, other.masses))

    def weighted(self, weights: np.ndarray | float) -> "Grid":
        """Every mass times its weight."""
        return Grid(self.base_ns, self.step_ns, self.masses * weights)

    def trimmed(self, least: float) -> "Grid":
        """Without the last masses, together below `least`, and the first ones that are zero."""
        tails = np.cumsum(self.masses[::-1])[::-1]
        end = max(1, int(np.count_nonzero(tails > least)))
        start = min(int(np.argmax(self.masses > 0)), end - 1)
        return Grid(self.base_ns + start * self.step_ns, self.step_ns, self.masses[start:end])


def masses_of(bounded: Bounded, upper: bool) -> tuple[np.ndarray, np.ndarray]:
    """Where the masses of one side are, and the masses; what is beyond the grid is at its end below, and lost above."""
    tails = bounded.high_tails if upper else bounded.low_tails
    origin = bounded.high_origin_ns if upper else bounded.low_origin_ns
    at = origin + bounded.step_ns * np.arange(tails.size)
    return at, np.append(tails[:-1] - tails[1:], 0.0 if upper else tails[-1])


def on_grid(at_ns: np.ndarray, masses: np.ndarray, step_ns: float, upper: bool) -> Grid:
    """Masses moved up, or down, to a grid that starts at the first one."""
    used = masses > 0
    at_ns, masses = at_ns[used], masses[used]
    if not masses.size:
        return Grid(0.0, step_ns, np.zeros(1))
    base = float(at_ns.min())
    cells = (np.ceil if upper else np.floor)((at_ns - base) / step_ns).astype(np.int64)
    return Grid(base, step_ns, np.bincount(cells, weights=masses))


def poisson(n: int, mean: np.ndarray) -> np.ndarray:
    """P(Poisson = n)."""
    return np.exp(xlogy(n, mean) - mean - gammaln(n + 1.0))


def cycle(work: Grid, own: Grid, rate_per_ns: float, least: float) -> Iterator[Grid]:
    """For n = 0, 1 ...: masses of all work done with n hits; ends when less than `least` is left."""
    grown = work.weighted(work.at_ns)
    left = work.masses.sum()
    for n in range(MOST_HITS):
        if n:
            grown = grown.plus(own).trimmed(least * 1e-3 * max(work.base_ns, work.step_ns))
        done = grown.at_ns
        part = poisson(n, rate_per_ns * done) / np.where(done > 0, done, 1.0)
        made = grown.weighted(part) if n else work.weighted(poisson(0, rate_per_ns * done))
        yield made
        left -= made.masses.sum()
        if left <= least or n + 1 == MOST_HITS:
            return


@dataclass(frozen=True, eq=False)
class Atoms:
    """A law of finitely many values, `frac` in all; what is missing of it lies at zero below, at infinity above."""

    at_ns: np.ndarray
    masses: np.ndarray
    frac: float
    upper: bool

    @cached_property
    def _sorted(self) -> tuple[np.ndarray, np.ndarray]:
        order = np.argsort(self.at_ns)
        tails = np.cumsum(self.masses[order][::-1])[::-1]
        if self.upper:
            lost = max(0.0, self.frac - float(tails[0]))
            return self.at_ns[order] * (1 + SLACK), np.append(tails, 0.0) * (1 + SLACK) + lost
        return self.at_ns[order] * (1 - SLACK), np.append(tails, 0.0) * (1 - SLACK)

    def sf(self, x_ns: np.ndarray) -> np.ndarray:
        """The tail, P(X > x)."""
        at, tails = self._sorted
        return np.clip(tails[np.searchsorted(at, x_ns, side="right")], 0.0, 1.0)

    def quantile_ns(self, tail_frac: float) -> float:
        """The smallest x with a tail of at most `tail_frac`; infinity if there is none."""
        at, tails = self._sorted
        if tails[0] <= tail_frac:
            return 0.0
        k = int(np.count_nonzero(tails > tail_frac))
        return float(at[k - 1]) if k < tails.size else np.inf

    @property
    def lost_frac(self) -> float:
        """What is missing."""
        return max(0.0, self.frac - float(self.masses.sum()))

    @property
    def mean_ns(self) -> float:
        """Of what is not missing."""
        return float((self.at_ns * self.masses).sum())

    def hit(self, rate_per_ns: float, own_ns: float, least: float) -> "Atoms":
        """With hits of a constant time each, in which more may come."""
        at, masses, left = [], [], float(self.masses.sum())
        for n in range(MOST_HITS):
            done = self.at_ns + n * own_ns
            share = self.at_ns / np.where(done > 0, done, 1.0) if n else 1.0
            made = self.masses * share * poisson(n, rate_per_ns * done)
            at.append(done)
            masses.append(made)
            left -= made.sum()
            if left <= least:
                break
        return Atoms(np.concatenate(at), np.concatenate(masses), self.frac, self.upper)

    def unhit(self, rate_per_ns: float) -> "Atoms":
        """As far as nothing hits."""
        return Atoms(self.at_ns, self.masses * poisson(0, rate_per_ns * self.at_ns), self.frac, self.upper)

    def plus_uniform(self, width_ns: float, cells: int) -> "Atoms":
        """And an independent uniform time; on a grid of about so many cells."""
        span = width_ns + float(np.ptp(self.at_ns))
        step = span / cells
        grid = on_grid(self.at_ns, self.masses, step, self.upper)
        edges = np.minimum(step * np.arange(int(np.ceil(width_ns / step)) + 1), width_ns)
        shares = np.diff(edges) / width_ns
        uniform = Grid(step if self.upper else 0.0, step, shares)
        made = grid.plus(uniform)
        return Atoms(made.at_ns, made.masses, self.frac, self.upper)

    def scaled(self, frac: float, later_ns: float = 0.0) -> "Atoms":
        """So much of it, so much later."""
        return Atoms(self.at_ns + later_ns, self.masses * frac, self.frac * frac, self.upper)


def together(parts: list[Atoms]) -> Atoms:
    """A mixture of parts."""
    return Atoms(
        np.concatenate([part.at_ns for part in parts]),
        np.concatenate([part.masses for part in parts]),
        sum(part.frac for part in parts),
        parts[0].upper,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Tail:
    """A law below and one above a latency; its tail lies between theirs, but for `rel_error` and `abs_error`."""

    low: Atoms
    high: Atoms
    rel_error: float
    abs_error: float

    def sf(self, x_ns) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper bound of P(X > x), for numbers or arrays."""
        x = np.asarray(x_ns, dtype=float)
        low = np.maximum(self.low.sf(x) * (1 - self.rel_error) - self.abs_error, 0.0)
        return low[()], np.minimum(self.high.sf(x) * (1 + self.rel_error) + self.abs_error, 1.0)[()]

    def quantile_ns(self, tail_frac: float) -> tuple[float, float]:
        """Lower and upper bound of the smallest x with P(X > x) <= tail_frac; the upper one may be infinity."""
        check_tail(tail_frac)
        low = self.low.quantile_ns((tail_frac + self.abs_error) / (1 - self.rel_error))
        high_tail = (tail_frac - self.abs_error) / (1 + self.rel_error)
        return low, self.high.quantile_ns(high_tail) if high_tail > 0 else np.inf

    def rel_width(self, tail_frac: float) -> float:
        """How far the bounds of the quantile lie apart, relative to the lower one."""
        low, high = self.quantile_ns(tail_frac)
        return (high - low) / low if low > 0 else (np.inf if high > 0 else 0.0)


__all__ = ["SLACK", "Atoms", "Grid", "Tail", "cycle", "masses_of", "on_grid", "poisson", "together"]
