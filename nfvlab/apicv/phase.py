"""One periodic vector: the phase at which its deliveries fall between two arrivals is a Markov chain on a circle."""

import numpy as np

from nfvlab.apicv import waiting
from nfvlab.apicv.coalescing import stationary

_BINS = 48
_PERIODS = 40  # longer times fall at any phase


def in_step(period_ns: float, held: np.ndarray, gap_ns: float, lead: np.ndarray) -> tuple[float, float]:
    """(Share of the deliveries that follow an idle period, arrivals per delivery).

    A service lasts `held`, a pending one is delivered gap_ns after it, and one that found the guest idle after `lead`
    (mixtures of weight 1). A delivery at phase f is followed by arrivals at T - f, 2 T - f … from then on.
    """
    merged = waiting.multiples(lead, period_ns)
    if held[0, 1] > _PERIODS * period_ns:
        return 0.0, (waiting.mean_of(held) + gap_ns) / period_ns
    width = period_ns / _BINS
    count = _periods(held, period_ns)
    at = np.arange(-_BINS, (count + 1) * _BINS + 1)
    beyond = waiting.tail(held, (at - 0.5) * width)
    row = np.arange(_BINS)
    idle = 1 - beyond[2 * _BINS - row]
    step = _turned(_folded(beyond, row, count), gap_ns / width)
    step += ((1 - idle - step.sum(axis=1)) / _BINS)[:, None]
    step += idle[:, None] * _phases(lead, period_ns)
    phase = stationary(step)
    later = (np.arange(2, count + 2)[:, None] * period_ns - gap_ns) - (row + 0.5) * width
    lost = np.interp(later, (at - 0.5) * width, beyond, right=0.0).sum(axis=0)
    share = float(phase @ idle)
    return share, float(1 + phase @ np.minimum(lost, 1e9) + share * merged)


def _periods(mix: np.ndarray, period_ns: float) -> int:
    longest = (mix[:, 1] + 12 * np.sqrt(np.maximum(mix[:, 2], 0.0))).max()
    return int(min(longest / period_ns, _PERIODS)) + 1


def _folded(beyond: np.ndarray, row: np.ndarray, count: int) -> np.ndarray:
    """Where services end that outlast the period, by the phase they begin at: float64[bins, bins]."""
    bins = -np.diff(beyond)
    ends = _BINS + np.arange(count * _BINS) - row[:, None] + _BINS
    return bins[ends].reshape(_BINS, count, _BINS).sum(axis=1)


def _turned(law: np.ndarray, bins: float) -> np.ndarray:
    """The phases, later by some bins and a part of one."""
    whole, part = divmod(bins, 1.0)
    return (1 - part) * np.roll(law, int(whole), axis=1) + part * np.roll(law, int(whole) + 1, axis=1)


def _phases(mix: np.ndarray, period_ns: float) -> np.ndarray:
    """Law of the phase of a time that starts with an arrival: float64[bins]."""
    count = _periods(mix, period_ns)
    edges = np.arange(count * _BINS + 1) * (period_ns / _BINS)
    beyond = waiting.tail(mix, edges)
    beyond[0] = 1.0  # a time of zero falls into the first bin
    law = -np.diff(beyond).reshape(count, _BINS).sum(axis=0)
    return law + (1 - law.sum()) / _BINS


__all__ = ["in_step"]
