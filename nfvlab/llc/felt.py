"""From misses to what people feel: latency, cycles per instruction, and the time of a packet or a wake-up.

Nothing here knows of caches: numbers of misses come in, times go out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

_LATTICE = 120  # references of a unit up to which its distribution is summed exactly
_TAIL = 1e-7  # probability left out of such a sum


def amat_ns(hit_ns: float, miss_frac: float, memory_ns: float) -> float:
    """Average memory access time: what a hit takes, and for misses the way to memory besides."""
    return hit_ns + miss_frac * memory_ns


def mpki(misses_per_s: float, instructions_per_s: float) -> float:
    """Misses per thousand instructions."""
    return 1000 * misses_per_s / instructions_per_s


def cpi_ratio(base_ratio: float, misses_per_kilo: float, penalty_cycles: float) -> float:
    """Cycles per instruction: without misses, and linear in misses per thousand instructions."""
    return base_ratio + misses_per_kilo / 1000 * penalty_cycles


def penalty_cycles(core_hz: float, memory_ns: float, parallelism_ratio: float) -> float:
    """Cycles that a miss costs a core which has that many out at the same time."""
    return core_hz / 1e9 * memory_ns / parallelism_ratio


@dataclass(frozen=True)
class Unit:
    """The work of one packet or wake-up.

    kinds: (references, probability that each misses), independent. fetches: code fetches before each of `fetched`
    data references are geometric with mean `fetches`, each missing with probability `fetch_miss`. reference_ns: what
    each reference takes; miss_ns: what a miss takes besides.
    """

    kinds: tuple[tuple[float, float], ...]
    fetched: float
    fetches: float
    fetch_miss: float
    reference_ns: float
    miss_ns: float

    @property
    def mean_ns(self) -> float:
        """Mean time."""
        references, misses = self._means()
        return references * self.reference_ns + misses * self.miss_ns

    @property
    def sd_ns(self) -> float:
        """Standard deviation."""
        spread = self.fetched * self.fetches * (1 + self.fetches)  # of the number of fetches
        each = self.reference_ns + self.fetch_miss * self.miss_ns
        chance = self.fetched * self.fetches * self.fetch_miss * (1 - self.fetch_miss)
        chance += sum(n * p * (1 - p) for n, p in self.kinds)
        return float(np.sqrt(spread * each**2 + chance * self.miss_ns**2))

    def quantile_ns(self, q: float) -> float:
        """The time that a share q of units does not exceed."""
        return self.quantiles_ns((q,))[0]

    def quantiles_ns(self, shares: Sequence[float]) -> tuple[float, ...]:
        """Times that these shares of units do not exceed; summed exactly for short units, else normal."""
        if self._means()[0] > _LATTICE:
            return tuple(self.mean_ns + NormalDist().inv_cdf(q) * self.sd_ns for q in shares)
        values, mass = self.distribution()
        below = np.cumsum(mass)
        places = np.searchsorted(below, np.asarray(shares) * below[-1])
        return tuple(float(values[min(place, values.size - 1)]) for place in places)

    def distribution(self) -> tuple[np.ndarray, np.ndarray]:
        """(times, probabilities), float64[n] each, the times rising."""
        data = np.ones(1)
        for n, p in self.kinds:
            data = np.convolve(data, binomial(round(n), min(max(p, 0.0), 1.0)))
        data = data[: max(1, int(np.searchsorted(np.cumsum(data), 1 - _TAIL)) + 1)]
        fetched = _fetches(self.fetched, self.fetches)
        rows = fetched[:, None] * _misses(fetched.size, data, self.fetch_miss)
        references = sum(round(n) for n, _ in self.kinds) + np.arange(fetched.size)
        times = references[:, None] * self.reference_ns + np.arange(rows.shape[1]) * self.miss_ns
        order = np.argsort(times, axis=None, kind="stable")
        return times.ravel()[order], rows.ravel()[order]

    def _means(self) -> tuple[float, float]:
        """Mean numbers of references and of misses."""
        fetches = self.fetched * self.fetches
        references = sum(n for n, _ in self.kinds) + fetches
        return references, sum(n * p for n, p in self.kinds) + fetches * self.fetch_miss


def binomial(n: int, p: float) -> np.ndarray:
    """Probabilities of 0 … n successes, float64[n + 1]."""
    if p in (0.0, 1.0):
        return np.eye(n + 1)[0 if p == 0.0 else n]
    k = np.arange(n + 1)
    steps = np.concatenate([[0.0], np.cumsum(np.log((n - k[:-1]) / (k[:-1] + 1)))])
    return np.exp(steps + k * np.log(p) + (n - k) * np.log1p(-p))


def _fetches(data: float, mean: float) -> np.ndarray:
    """Probabilities of the number of code fetches among `data` references: negative binomial."""
    if not mean:
        return np.ones(1)
    most = int(data * mean + 12 * np.sqrt(data * mean * (1 + mean)) + 20)
    j = np.arange(most)
    steps = np.log((data + j) / (j + 1)) + np.log(mean / (1 + mean))
    mass = np.exp(-data * np.log1p(mean) + np.concatenate([[0.0], np.cumsum(steps)]))
    return mass[: int(np.searchsorted(np.cumsum(mass), 1 - _TAIL)) + 1]


def _misses(fetches: int, data: np.ndarray, p: float) -> np.ndarray:
    """Probabilities of misses by number of fetches: those of the data and so many fetches that miss with p."""
    if p <= 0:
        return np.broadcast_to(data, (fetches, data.size))
    rows = np.zeros((fetches, data.size + fetches - 1))
    rows[0, : data.size] = data
    for j in range(1, fetches):
        rows[j] = (1 - p) * rows[j - 1]
        rows[j, 1:] += p * rows[j - 1, :-1]
    return rows


__all__ = ["Unit", "amat_ns", "binomial", "cpi_ratio", "mpki", "penalty_cycles"]
