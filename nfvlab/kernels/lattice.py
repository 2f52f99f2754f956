"""Sums of independent laws on a lattice, with what rounding can have done to them.

A law on 0, 1, 2 … is given by its tails: float64[n + 1], tails[k] = P(index >= k), falling from tails[0] = 1; the last
is all that lies beyond the grid. `masses` are their differences.

`sum_direct` and the recursions add and multiply numbers that are not negative: every result is right to a relative
error that they return or name, whatever the order of adding (N. J. Higham, Accuracy and Stability of Numerical
Algorithms, 2nd ed., lemma 3.1). `sum_tilted` and `renewal_tilted` go through FFTs, whose error is relative to the
largest values only. So the law is tilted first: mass k times exp(tilt k), which moves its weight to the tail that is
asked for. The error of one transform of length 2**m is at most `m * FFT_LEVEL` in the Euclidean norm (Higham, theorem
24.2, with twiddle factors right to a unit in the last place); Young's inequality carries it through the convolutions.
"""

import numpy as np

from nfvlab.kernels.jit import jit

UNIT = 2.0**-53
FFT_LEVEL = 8 * UNIT  # a level of butterflies: (1 + gamma_4)(sqrt 2 + 1) unit roundoffs, rounded up
NEGLIGIBLE = 1e-150  # masses below are dropped: products of what remains do not underflow
LARGEST_EXPONENT = (
    300.0  # of a tilt over the grid: its square, over twice the grid, stays within floating point
)
TILTED_ERROR = (
    1e-100  # of tilted masses that underflow; where the way back is cut short, it makes the error exceed 1
)


def gamma(operations: float) -> float:
    """Relative error of so many roundings in a row, at most."""
    return operations * UNIT / (1 - operations * UNIT)


def masses(tails: np.ndarray) -> np.ndarray:
    """P(index = k) for k = 0 … n - 1: float64[n], each right to one rounding."""
    return tails[:-1] - tails[1:]


def sum_direct(laws: list[np.ndarray]) -> tuple[np.ndarray, float]:
    """Tails of the sum of independent laws (float64[n + 1] each), and their relative error; quadratic in n."""
    n = laws[0].size - 1
    mass, beyond = masses(laws[0]), laws[0][-1]
    for tails in laws[1:]:
        made = np.convolve(mass, _trimmed(masses(tails)))
        beyond += made[n:].sum() + mass.sum() * tails[-1]
        mass = np.zeros(n)
        mass[: made.size] = np.where(made < NEGLIGIBLE, 0.0, made)[:n]
    tails = np.append(np.cumsum(mass[::-1])[::-1] + beyond, beyond)
    return tails, gamma((2 * n + 4) * len(laws) + n)


def _trimmed(mass: np.ndarray) -> np.ndarray:
    """Without the zeros at its end, but never empty."""
    nonzero = np.flatnonzero(mass)
    return mass[: nonzero[-1] + 1 if nonzero.size else 1]


def sum_tilted(laws: list[np.ndarray], tilt: float) -> tuple[np.ndarray, np.ndarray]:
    """Tails of the sum of independent laws (float64[n + 1] each), and their absolute error: float64[n + 1].

    The tilt must lie in 0 … LARGEST_EXPONENT / n. The error falls with k as exp(-tilt k): it is small beside tails
    where the tilted law has its weight.
    """
    n = laws[0].size - 1
    length = 1 << (2 * n - 1).bit_length()
    weights, back = np.exp(tilt * np.arange(n)), -tilt * np.arange(length)
    mass, log_scale = _tilted(masses(laws[0]), weights, 0.0)
    error, beyond, beyond_error = TILTED_ERROR, laws[0][-1], 0.0
    for tails in laws[1:]:
        other, log_scale = _tilted(masses(tails), weights, log_scale)
        made, round_off = convolve_fft(mass, other, length)
        error = error * (1 + gamma(n)) + round_off
        scale = np.exp(np.minimum(log_scale + back, LARGEST_EXPONENT))
        beyond_error += tails[-1] * beyond_error + error * np.sqrt((scale[n:] ** 2).sum())
        beyond += made[n:] @ scale[n:] + (1 - min(beyond, 1.0)) * tails[-1]
        mass = made[:n]
    scale = np.exp(np.minimum(log_scale + back[:n], LARGEST_EXPONENT))
    tails = np.append(np.cumsum((mass * scale)[::-1])[::-1] + beyond, beyond)
    reach = np.append(np.sqrt(np.cumsum((scale**2)[::-1])[::-1]), 0.0)
    relative = gamma((len(laws) + 1) * (8 * LARGEST_EXPONENT + 4 * n))
    return tails, relative * tails + (error * reach + beyond_error) * (1 + relative)


def _tilted(mass: np.ndarray, weights: np.ndarray, log_scale: float) -> tuple[np.ndarray, float]:
    """The tilted law, scaled to a sum of 1, and the logarithm of all scales so far."""
    tilted = mass * weights
    total = tilted.sum()
    return (tilted / total, log_scale + np.log(total)) if total > 0 else (tilted, log_scale)


def convolve_fft(a: np.ndarray, b: np.ndarray, length: int) -> tuple[np.ndarray, float]:
    """a * b, not below zero, for a and b not below zero: (float64[length], error in the Euclidean norm).

    `length` is a power of 2, at least a.size + b.size - 1. With F the error of a transform and |b^| <= sum(b), each of
    both transforms and the one back adds at most F (|a|_2 sum(b) + sum(a) |b|_2), and so does each product of spectra.
    """
    made = np.fft.irfft(np.fft.rfft(a, length) * np.fft.rfft(b, length), length)
    transform = length.bit_length() * FFT_LEVEL
    size = np.linalg.norm(a) * np.abs(b).sum() + np.abs(a).sum() * np.linalg.norm(b)
    return np.maximum(made, 0.0), 1.01 * (3 * transform + 4 * UNIT) * size


@jit
def renewal(mass, source):
    """Solve z = source + mass * z (convolution) on n cells, all not below zero, mass[0] < 1: float64[n]; quadratic.

    Its relative error is at most gamma((n + 6)**2 / 2): cell k takes k + 5 roundings more than the cells before it.
    """
    n = source.size
    z = np.empty(n)
    scale = 1.0 / (1.0 - mass[0])
    for k in range(n):
        total = 0.0
        for j in range(1, k + 1):
            total += mass[j] * z[k - j]
        z[k] = (total + source[k]) * scale
    return z


def renewal_tilted(mass: np.ndarray, source: np.ndarray, tilt: float) -> tuple[np.ndarray, np.ndarray]:
    """As `renewal`, by FFT: (z, absolute error), float64[n] both, mass tilted must sum to less than 1.

    However z was found, what it leaves of the equation bounds its error: (1 - mass) * (z - z') = r, so that in the
    tilted domain |z - z'|_2 <= |r|_2 / (1 - sum(mass)).
    """
    n = source.size
    length = 1 << (2 * n - 1).bit_length()
    exponent = tilt * np.arange(n)
    mass, source = mass * np.exp(exponent), source * np.exp(exponent)
    left = 1 - mass.sum() * (1 + gamma(n))
    if left <= 0:
        raise ValueError(f"tilt = {tilt}: the tilted masses sum to {1 - left}; take a smaller tilt, below 1")
    series = _reciprocal(np.append(1 - mass[0], -mass[1:]), n)
    z = np.fft.irfft(np.fft.rfft(series, length) * np.fft.rfft(source, length), length)[:n]
    z = np.maximum(z, 0.0)
    renewed, round_off = convolve_fft(mass, z, length)
    residual = np.linalg.norm(source + renewed[:n] - z)
    round_off += 4 * UNIT * (np.linalg.norm(source) + 2 * np.linalg.norm(z))
    relative = gamma((8 * LARGEST_EXPONENT + 4) * (n + 2))  # of weights, in products of up to n masses
    back = np.exp(-exponent)
    return z * back, (1.01 * (residual + round_off) / left + relative * z) * back


def _reciprocal(series: np.ndarray, n: int) -> np.ndarray:
    """The first n coefficients of 1 / series, by Newton's iteration."""
    inverse = np.array([1 / series[0]])
    while inverse.size < n:
        size = min(2 * inverse.size, n)
        length = 1 << (3 * size - 1).bit_length()
        spectrum = np.fft.rfft(inverse, length)
        inverse = np.fft.irfft(spectrum * (2 - spectrum * np.fft.rfft(series[:size], length)), length)[:size]
    return inverse


@jit
def compound_poisson(rate, mass, none):
    """P(sum = k) of a Poisson(rate) number of independent terms with masses float64[n], on n cells; quadratic.

    `none` is P(sum = 0) = exp(-rate (1 - mass[0])). Panjer's recursion (H. H. Panjer, ASTIN Bulletin 12, 1981). Its
    relative error is at most gamma((n + 8)**2 / 2), and that of `none`. What `mass` lacks to 1 is
    the chance of a term beyond the grid.
    """
    n = mass.size
    made = np.empty(n)
    made[0] = none
    for k in range(1, n):
        total = 0.0
        for j in range(1, k + 1):
            total += j * mass[j] * made[k - j]
        made[k] = rate / k * total
    return made
