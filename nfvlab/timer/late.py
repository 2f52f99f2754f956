"""The law of a latency without noise: stages on a lattice, the spin until the deadline, the entry.

A stage of mean c lasts (1 - s) c and an exponential time of mean s c. On a lattice of step h an exponential time of
mean m is geometric with ratio exp(-h / m); what rounding takes from its mean, m - h / (exp(h / m) - 1), is given back
as a shift. Sums are products of transforms (J. Abate and W. Whitt, Queueing Systems 10, 1992, section 5: the
lattice-Poisson algorithm), so a law costs one FFT. Times in cycles.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from nfvlab.timer.params import Params
from nfvlab.timer.rounds import Stages, Way, cost_cycles

CELLS = 1024
_DEEP = 22.0  # the largest mean, so many times over, is passed with 3e-10
_WIDER = 6.0  # standard deviations on top
_NOTHING = 1e-12  # cycles: what varies by less is fixed
_STILL = 1e-3  # cycles: the step where nothing varies
_HARMONICS = np.exp(-2j * np.pi * np.arange(CELLS // 2 + 1) / CELLS)


@dataclass(frozen=True)
class Sum:
    """A sum of stages: what is fixed of it, and the mean and number of every exponential part, in cycles."""

    fixed: float
    means: np.ndarray
    counts: np.ndarray

    @property
    def mean(self) -> float:
        """Mean."""
        return self.fixed + float(self.counts @ self.means)

    @property
    def variance(self) -> float:
        """Variance."""
        return float(self.counts @ self.means**2)

    @property
    def reach(self) -> float:
        """The varying part passes it once in 1e9 times or less."""
        if self.means.size == 0:
            return 0.0
        return self.mean - self.fixed + _DEEP * self.means.max() + _WIDER * self.variance**0.5

    def spectrum(self, step: float) -> tuple[np.ndarray, float]:
        """Transform of the varying part on a lattice of CELLS steps, and the shift that keeps its mean."""
        if self.means.size == 0:
            return np.ones(CELLS // 2 + 1), 0.0
        ratio = np.exp(-step / self.means)
        factors = ((1 - ratio[:, None]) / (1 - ratio[:, None] * _HARMONICS)) ** self.counts[:, None]
        return factors.prod(axis=0), float(self.counts @ (self.means - step * ratio / (1 - ratio)))


def total(p: Params, stages: Stages) -> Sum:
    """The law's ingredients for so many stages of a scenario."""
    parts = [
        (p.spread_frac * getattr(p, f"{name}_cycles"), count) for name, count in stages.items() if count > 0
    ]
    varying = np.array([part for part in parts if part[0] > _NOTHING]).reshape(-1, 2)
    return Sum((1 - p.spread_frac) * cost_cycles(p, stages), varying[:, 0], varying[:, 1])


@dataclass(frozen=True)
class Lattice:
    """A law on origin + step * (0 … CELLS - 1): float64[CELLS] of probabilities; a cell's mass is spread over it."""

    origin: float
    step: float
    mass: np.ndarray

    @property
    def at(self) -> np.ndarray:
        """The points."""
        return self.origin + self.step * np.arange(CELLS)

    def sf(self, x: np.ndarray) -> np.ndarray:
        """P(> x)."""
        beyond = np.append(np.cumsum(self.mass[::-1])[::-1], 0.0)
        return np.interp(x, self.origin + self.step * (np.arange(CELLS + 1) - 0.5), beyond)

    def nodes(self, most: int) -> tuple[np.ndarray, np.ndarray]:
        """Values and probabilities of at most `most` points that stand for the law; its mean is kept."""
        cells = np.flatnonzero(self.mass > 1e-9)
        low, high = cells[0], cells[-1] + 1
        starts = np.arange(low, high, -(-(high - low) // most))
        mass = np.add.reduceat(self.mass[:high], starts)
        values = np.add.reduceat((self.mass * self.at)[:high], starts) / np.maximum(mass, 1e-300)
        return values[mass > 0], mass[mass > 0]


def step_for(*widths: float) -> float:
    """A lattice's step that holds parts of these widths together."""
    return max(1.02 * sum(widths) / (CELLS - 2), _STILL)


def look(path: Sum, early: tuple[np.ndarray, np.ndarray], after_reach: float) -> Lattice:
    """Time from T to the look at the clock: the path, less what the timer is early.

    The lattice has room for stages of `after_reach` to be added.
    """
    values, fracs = early
    first = -float(values.max())
    step = step_for(path.reach, values.max() - values.min(), after_reach)
    spectrum, shift = path.spectrum(step)
    if values.size > 1:
        spectrum = spectrum * np.fft.rfft(_placed((-values - first) / step, fracs))
    mass = np.maximum(np.fft.irfft(spectrum, CELLS), 0.0)
    return Lattice(path.fixed + shift + first, step, mass / mass.sum())


def _placed(positions: np.ndarray, fracs: np.ndarray) -> np.ndarray:
    """Mass at fractional cells, split between neighbours so that the mean stays: float64[CELLS]."""
    cell = np.floor(positions).astype(np.int64)
    part = positions - cell
    return np.bincount(cell, fracs * (1 - part), CELLS) + np.bincount(cell + 1, fracs * part, CELLS)


def spun(seen: Lattice, advance: float) -> Lattice:
    """The time after the deadline at which the spin ends: max(0, look - advance)."""
    origin = max(seen.origin - advance, 0.0)
    positions = (np.maximum(seen.at - advance, 0.0) - origin) / seen.step
    return Lattice(origin, seen.step, _placed(np.minimum(positions, CELLS - 2), seen.mass))


def then(first: Lattice, after: Sum) -> Lattice:
    """The law of what stands first and independent stages after it."""
    spectrum, shift = after.spectrum(first.step)
    mass = np.maximum(np.fft.irfft(np.fft.rfft(first.mass) * spectrum, CELLS), 0.0)
    return Lattice(first.origin + after.fixed + shift, first.step, mass / mass.sum())


def fractions(p: Params, ways: Sequence[Way], point: float) -> np.ndarray:
    """Share of the rounds that go each way if T is `point` cycles after the round's begin."""
    ended = [
        1.0
        if way.until is None
        else _longer(p, tuple(sorted(way.until.items())), point - way.pause_ns / p.cycle_ns)
        for way in ways
    ]
    return np.diff(np.maximum.accumulate(ended), prepend=0.0)


def _longer(p: Params, stages: tuple[tuple[str, int], ...], cycles: float) -> float:
    """Probability that these stages take so many cycles or longer."""
    until = total(p, Stages(dict(stages)))
    if cycles <= until.fixed:
        return 1.0
    if cycles > until.fixed + until.reach:
        return 0.0
    return float(_law(p, stages).sf(np.array(cycles)))


@lru_cache(maxsize=32)
def _law(p: Params, stages: tuple[tuple[str, int], ...]) -> Lattice:
    """The law of these stages' sum."""
    return look(total(p, Stages(dict(stages))), (np.zeros(1), np.ones(1)), 0.0)


__all__ = ["CELLS", "Lattice", "Sum", "fractions", "look", "spun", "then", "total"]
