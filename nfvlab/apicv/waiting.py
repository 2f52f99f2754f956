"""Times as mixtures of shifted gamma laws: sums of stages by their cumulants, residual times, tails. Times in ns.

A sum of stages of the real-time path is told by its first three cumulants, an array (mean, variance, third), so that
independent times add. The shifted gamma law (Pearson type III) with the same cumulants stands for it: exact for one
stage and for any number of equal ones. A mixture is an array of rows (weight, mean, variance, third).

The residual of a renewal interval that an observer finds has the density P(X > x) / E[X] (D. R. Cox, Renewal Theory,
1962, section 5.3). The wait in front of a server with Poisson arrivals is the M/G/1 queue's (Pollaczek and Khinchine;
L. Takács, Operations Research 10, 1962, for the moments).
"""

import numpy as np
from scipy.special import gammaincc

ZERO = np.zeros(3)
_FLAT = 1e-9  # a deviation below this share of the mean counts as none
_SLICES = 8
_STEPS = 500
_GRID = 100


def stages(costs_ns, spread: float) -> np.ndarray:
    """Cumulants of a sum of stages, each (1 - spread) c + Exp(spread c)."""
    square, cube = sum(c * c for c in costs_ns), sum(c**3 for c in costs_ns)
    return np.array([float(sum(costs_ns)), spread**2 * square, 2 * spread**3 * cube])


def exponential(mean_ns: float) -> np.ndarray:
    """Cumulants of an exponential time."""
    return np.array([mean_ns, mean_ns**2, 2 * mean_ns**3])


def of_moments(first: float, second: float, third: float) -> np.ndarray:
    """Cumulants from the raw moments E[X], E[X^2], E[X^3]."""
    return np.array(
        [
            first,
            max(second - first**2, 0.0),
            max(third - 3 * first * second + 2 * first**3, 0.0),
        ]
    )


def moments(time: np.ndarray) -> tuple[float, float, float]:
    """Raw moments from the cumulants."""
    mean, variance, third = time
    return mean, variance + mean**2, third + 3 * mean * variance + mean**3


def compound(rate: float, jump: np.ndarray) -> np.ndarray:
    """Cumulants of a Poisson number (mean `rate`) of independent jumps."""
    return rate * np.array(moments(jump))


def mixture(*parts) -> np.ndarray:
    """Rows of a mixture from pairs (weight, cumulants); parts of no weight are left out."""
    rows = [(weight, *time) for weight, time in parts if weight > 0]
    return np.array(rows) if rows else np.empty((0, 4))


def plus(mix: np.ndarray, time: np.ndarray) -> np.ndarray:
    """The mixture, later by an independent time."""
    later = mix.copy()
    later[:, 1:] += time
    return later


def scaled(mix: np.ndarray, weight: float) -> np.ndarray:
    """The mixture with all weights multiplied."""
    return mix * np.array([weight, 1.0, 1.0, 1.0])


def convolved(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The sum of two independent mixtures."""
    rows = np.empty((len(a), len(b), 4))
    rows[..., 0] = a[:, None, 0] * b[None, :, 0]
    rows[..., 1:] = a[:, None, 1:] + b[None, :, 1:]
    return rows.reshape(-1, 4)


def mean_of(mix: np.ndarray) -> float:
    """Mean of a mixture whose weights need not sum to one."""
    return float(mix[:, 0] @ mix[:, 1] / mix[:, 0].sum()) if len(mix) else 0.0


def merged(mix: np.ndarray) -> np.ndarray:
    """Cumulants of a whole mixture."""
    weight = mix[:, 0] / mix[:, 0].sum()
    raw = np.array([moments(row) for row in mix[:, 1:]])
    return of_moments(*(weight @ raw))


def _gammas(mix: np.ndarray) -> tuple[np.ndarray, ...]:
    """Shift, shape and scale of every row; shape 0 for a row that does not vary."""
    mean, variance, third = mix[:, 1], mix[:, 2], mix[:, 3]
    flat = variance <= (_FLAT * mean) ** 2
    third = np.maximum(third, 1e-3 * np.maximum(variance, 0.0) ** 1.5)
    safe = np.where(flat, 1.0, variance)
    scale = np.where(flat, 1.0, third / (2 * safe))
    shape = np.where(flat, 0.0, safe / np.where(flat, 1.0, scale) ** 2)
    return np.where(flat, mean, mean - shape * scale), shape, scale


def tail(mix: np.ndarray, x_ns: np.ndarray) -> np.ndarray:
    """P(X > x) of a mixture at every x: float64[k]."""
    if not len(mix):
        return np.zeros(len(x_ns))
    shift, shape, scale = _gammas(mix)
    y = (np.asarray(x_ns)[:, None] - shift) / scale
    far = (y > shape + 40 * np.sqrt(shape) + 40) | (shape <= 0)  # nothing is left there
    over = (y < 0).astype(float)
    between = ~far & (y > 0)
    over[between] = gammaincc(np.broadcast_to(shape, y.shape)[between], y[between])
    return np.where((y <= 0) & (shape > 0), 1.0, over) @ mix[:, 0]


def multiples(mix: np.ndarray, step_ns: float) -> float:
    """Mean number of whole steps in a time: the sum of P(X > k step), k = 1 …"""
    if not len(mix):
        return 0.0
    longest = float((mix[:, 1] + 40 * np.sqrt(np.maximum(mix[:, 2], 0.0))).max())
    count = int(min(longest / step_ns, _STEPS)) + 1
    return float(tail(mix, step_ns * np.arange(1, count + 1)).sum())


def atoms(mix: np.ndarray, count: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Points and weights that integrate polynomials over the mixture exactly (Gauss; Golub and Welsch 1969)."""
    shift, shape, scale = _gammas(mix)
    points, weights = [], []
    n = np.arange(count)
    for weight, a, k, b in zip(mix[:, 0], shift, shape, scale, strict=True):
        if k == 0:
            points.append(np.array([a]))
            weights.append(np.array([weight]))
            continue
        side = np.sqrt(n[1:] * (n[1:] + k - 1))
        values, vectors = np.linalg.eigh(np.diag(2 * n + k) + np.diag(side, 1) + np.diag(side, -1))
        points.append(a + b * values)
        weights.append(weight * vectors[0] ** 2)
    return np.concatenate(points), np.concatenate(weights)


def residual(time: np.ndarray) -> np.ndarray:
    """What is left of a renewal interval at a random instant: a mixture of weight 1.

    The interval is a constant and then a gamma time; the instant falls into either in proportion to their means.
    """
    if time[0] <= 0:
        return mixture((1.0, ZERO))
    shift, shape, scale = (float(part[0]) for part in _gammas(mixture((1.0, time))))
    if shift < 0:
        shift, shape, scale = 0.0, time[0] ** 2 / time[1], time[1] / time[0]
    rest = time - np.array([shift, 0.0, 0.0])
    width = shift / _SLICES
    parts = [
        (
            shift / time[0] / _SLICES,
            rest + np.array([(k + 0.5) * width, width**2 / 12, 0.0]),
        )
        for k in range(_SLICES if shift > 0 else 0)
    ]
    if shape > 0 and rest[0] > 0:
        first = scale * (shape + 1) / 2
        second = scale**2 * (shape + 1) * (shape + 2) / 3
        third = scale**3 * (shape + 1) * (shape + 2) * (shape + 3) / 4
        parts.append((rest[0] / time[0], of_moments(first, second, third)))
    return mixture(*parts)


def queue(service: np.ndarray, rate_per_ns: float) -> np.ndarray:
    """Wait of the M/G/1 queue, first come first served: a mixture, exact in its two moments; load below 1."""
    load = rate_per_ns * service[0]
    if not load < 1:
        raise ValueError(f"load = {load:.3g}: must lie below 1; lower the rate or the service time")
    if load <= 0:
        return mixture((1.0, ZERO))
    _, second, third = moments(service)
    mean = rate_per_ns * second / (2 * (1 - load))
    square = 2 * mean**2 + rate_per_ns * third / (3 * (1 - load))
    first, second = mean / load, square / load
    variance = max(second - first**2, 0.0)
    return mixture((1 - load, ZERO), (load, np.array([first, variance, 2 * variance**2 / first])))


def quantile(mix: np.ndarray, tail_frac: float) -> float:
    """The smallest time that is passed with a probability of at most `tail_frac`."""
    low, high = 0.0, float((mix[:, 1] + 60 * np.sqrt(np.maximum(mix[:, 2], 0.0))).max()) + 1.0
    parts = np.linspace(0.0, 1.0, 6)
    for _ in range(30):
        if high - low <= 1e-9 * high:
            break
        x = low + (high - low) * parts
        at = int(np.argmax(tail(mix, x) <= tail_frac))
        low, high = x[max(at - 1, 0)], x[at]
    return high


def curve(mix: np.ndarray, count: int = 80, least: float = 1e-6) -> np.ndarray:
    """Times at which the tail falls smoothly from 1 to `least`: float64[count], rising."""
    spread = np.sqrt(np.maximum(mix[:, 2], 0.0))
    low = max(float((mix[:, 1] - 4 * spread).min()), 1e-3)
    high = float((mix[:, 1] + 20 * spread).max()) * 1.01 + 1.0
    grid = np.geomspace(low, max(high, 2 * low), _GRID)
    logs = -np.log(np.maximum(tail(mix, grid), 1e-300))
    keep = np.maximum.accumulate(np.minimum(logs, -np.log(least)))
    height = keep / keep[-1] + np.minimum(1 - np.exp(-keep), 1) + 1e-3 * np.linspace(0, 1, _GRID)
    return np.interp(np.linspace(height[0], height[-1], count), height, grid)
