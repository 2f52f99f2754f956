"""Independent references by Zipf's law: up to a thousand million lines in about a hundred classes.

References are independent of each other, line i of N being referenced with probability i^-s / H (the independent
reference model). Lines of nearly equal probability go into one class with their exact number and exact mass, the
sums by the Euler-Maclaurin formula. All times here are counted in references of this component.
"""

import functools
from dataclasses import dataclass

import numpy as np

_HEAD = 24  # most popular lines, each a class of its own
_BINS = 128
_STEPS = 400  # of the table over time
_QUIET = 1e-4  # references by which nothing is repeated, as a share of the time to the first repeat


def zipf_bins(lines: int, exponent: float) -> tuple[np.ndarray, np.ndarray]:
    """Classes of nearly equal popularity: (lines in each, probability of one of its lines), float64[classes]."""
    if lines < 1 or exponent < 0:
        raise ValueError(f"lines = {lines}, exponent = {exponent}: need a line, and an exponent from 0 up")
    if exponent == 0:
        return np.array([float(lines)]), np.array([1.0 / lines])
    edges = np.arange(1, min(lines, _HEAD) + 1)
    if lines > _HEAD:
        tail = np.unique(np.rint(np.geomspace(_HEAD + 1, lines + 1, _BINS - _HEAD + 1)).astype(np.int64))
        edges = np.concatenate([edges, tail])
    else:
        edges = np.append(edges, lines + 1)
    low, high = edges[:-1].astype(float), edges[1:].astype(float)
    count = high - low
    mass = np.where(count == 1, low**-exponent, _power_sum(low, high, exponent))
    return count, mass / count / mass.sum()


def _power_sum(low: np.ndarray, high: np.ndarray, s: float) -> np.ndarray:
    """Sum of i^-s over low <= i < high, by the midpoint form of the Euler-Maclaurin formula."""
    a, b = low - 0.5, high - 0.5
    power = (1 - s) * np.log(b / a)
    near = np.abs(power) < 1e-12  # a sum of 1 / i: a logarithm
    whole = a ** (1 - s) * np.log(b / a) * np.where(near, 1.0, np.expm1(power) / np.where(near, 1.0, power))
    first = s * (b ** (-s - 1) - a ** (-s - 1)) / 24
    third = -7 * s * (s + 1) * (s + 2) * (b ** (-s - 3) - a ** (-s - 3)) / 5760
    return whole + first + third


@dataclass(frozen=True, eq=False)
class Popularity:
    """Independent references to lines of known popularity, tabulated over the time in references."""

    lines: float
    count: np.ndarray
    probability: np.ndarray
    log_x: np.ndarray
    log_footprint: np.ndarray
    hit_frac: np.ndarray
    gaps = ()  # no reuse time is certain

    @property
    def horizon(self) -> float:
        """References by which nearly every line has been referenced."""
        return float(np.exp(self.log_x[-1]))

    def footprint(self, x: np.ndarray) -> np.ndarray:
        """Mean number of distinct lines in x references in a row."""
        return np.minimum(x, np.exp(np.interp(np.log(x), self.log_x, self.log_footprint)))

    def hit(self, x: np.ndarray) -> np.ndarray:
        """Probability that a reference comes within x references after the one before to the same line."""
        return np.interp(np.log(x), self.log_x, self.hit_frac)

    def dirty_miss(self, x: np.ndarray, write_frac: float) -> np.ndarray:
        """Write-backs per reference if lines unreferenced for x references are evicted."""
        return self.profile(x, write_frac)[2]

    def profile(self, x: np.ndarray, write_frac: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """`footprint`, `hit` and `dirty_miss` at once."""
        return between(self.log_x, _table(self, write_frac), x)


def between(log_x: np.ndarray, table: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Footprint, hit ratio and write-backs at times x from `table`[steps, 3] over evenly spaced log_x."""
    place = (np.log(x) - log_x[0]) / (log_x[1] - log_x[0])
    place = np.minimum(np.maximum(place, 0), table.shape[0] - 1.000001)
    at = place.astype(np.intp)
    low = table[at]
    found = low + (table[at + 1] - low) * (place - at)[:, None]
    return np.minimum(x, np.exp(found[:, 0])), found[:, 1], found[:, 2]


@functools.lru_cache(maxsize=256)
def zipf(lines: int, exponent: float) -> Popularity:
    """References to `lines` lines by Zipf's law; kept, since a slider asks for the same again and again."""
    count, p = zipf_bins(lines, exponent)
    return popularity(count, p)


def popularity(count: np.ndarray, probability: np.ndarray) -> Popularity:
    """Independent references to classes of `count` lines, each line with `probability` (summing to 1)."""
    mass = count * probability
    collide = float(mass @ probability)  # probability that two references in a row are to one line
    start, end = min(0.5, _QUIET / collide), 40.0 / probability[mass > 1e-12].min()
    log_x = np.linspace(np.log(start), np.log(end), _STEPS)
    seen = -np.expm1(-np.exp(log_x)[:, None] * probability)
    return Popularity(float(count.sum()), count, probability, log_x, np.log(seen @ count), seen @ mass)


@functools.lru_cache(maxsize=256)
def _table(law: Popularity, write_frac: float) -> np.ndarray:
    """Logarithm of the footprint, hit ratio and write-backs per reference over the table's times, float64[steps, 3].

    A line is evicted once per miss. If its next reference is a hit with probability h, it is referenced 1 / (1-h)
    times until then, and never written in all of them with probability (1-w)(1-h) / (1 - (1-w)h).
    """
    seen = -np.expm1(-np.exp(law.log_x)[:, None] * law.probability)
    dirty = ((1 - seen) * dirty_frac(seen, write_frac)) @ (law.count * law.probability)
    return np.stack([law.log_footprint, law.hit_frac, dirty], axis=1)


def dirty_frac(hit: np.ndarray, write_frac: float) -> np.ndarray:
    """Share of evicted lines that were written, if each reference hits with probability `hit`, independently."""
    clean = (1 - write_frac) * (1 - hit)
    rest = clean + write_frac
    return 1 - np.divide(clean, rest, out=np.ones_like(clean), where=rest > 0)


__all__ = ["Popularity", "between", "dirty_frac", "popularity", "zipf", "zipf_bins"]
