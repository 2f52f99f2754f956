"""Few ways: how likely a line is still in its set, when the sets are not equally full.

Lines fall on sets at random, so the number of other lines referenced in a line's set since its own last reference is
nearly Poisson, with the footprint's growth over the number of sets as its mean; the line is still there if fewer than
`ways` were. Read the other way round: the characteristic time is not one number but a random one, for which the
footprint per set has the gamma distribution of shape `ways`. Plain Che puts its mean in place of it.

References: A. J. Smith, IEEE TSE 4(2), 1978; Hill and Smith, IEEE Trans. Computers 38(12), 1989 (conversion of stack
distances); Fagin, 1977; Che, Tung and Wang, IEEE JSAC 20(7), 2002; Fricker, Robert and Roberts, ITC 24, 2012.
"""

from collections.abc import Sequence

import numpy as np

from nfvlab.llc.components import Law

_NODES = 400


def hit_below(ways: int, mean: np.ndarray, variance: np.ndarray | None = None) -> np.ndarray:
    """Probability that fewer than `ways` other lines came into the set.

    mean: of that number; variance: if it is known to be less than the mean (few sets), the binomial of the same two
    moments is taken, which is exact for equally likely lines; without it the Poisson.
    """
    mean = np.asarray(mean, float)
    poisson = poisson_below(ways, mean)
    if variance is None:
        return poisson
    from scipy.special import betainc

    variance = np.broadcast_to(variance, mean.shape)
    narrow = variance < mean * (1 - 1e-9)
    p = np.where(narrow, 1 - variance / np.where(mean > 0, mean, 1), 0.5)
    trials = np.where(narrow, mean / p, 2.0 * ways)
    inside = np.maximum(trials - ways + 1, 1e-12)
    binomial = np.where(trials <= ways - 1, 1.0, betainc(inside, ways, 1 - p))
    return np.where(narrow, binomial, poisson)


def poisson_below(ways: int, mean: np.ndarray) -> np.ndarray:
    """Probability that a Poisson number is less than `ways`: exp(-mean) times the first terms of exp(mean)."""
    mean = np.minimum(mean, 1e4)  # where it is nothing for any number of ways there is
    terms = np.ones_like(mean)
    for k in range(ways - 1, 0, -1):
        terms = 1 + terms * (mean / k)
    return np.exp(-mean) * terms


def smith(distances: np.ndarray, *, sets: int, ways: int) -> float:
    """Hit ratio of a set-associative cache from a histogram of stack distances of a fully associative one.

    distances: references by stack distance, float64[n]; distance d means d other lines since the last reference to
    the line; references to new lines are the entry past the last, or left out of the histogram's hits by the caller
    giving them there. Exact under a random mapping: of d lines, Binomial(d, 1/sets) fall into the line's own set.
    """
    from scipy.special import betainc

    counts = np.asarray(distances, float)
    if counts.ndim != 1 or counts.size < 1 or (counts < 0).any() or counts.sum() <= 0:
        raise ValueError("distances: need counts from 0 up in one dimension, and a reference among them")
    if sets < 1 or ways < 1:
        raise ValueError(f"sets = {sets}, ways = {ways}: need one of each")
    d = np.arange(counts.size - 1, dtype=float)
    few = d < ways
    if sets == 1:
        kept = few.astype(float)
    else:
        kept = np.where(few, 1.0, betainc(np.where(few, 1, d - ways + 1), ways, 1 - 1 / sets))
    return float(counts[:-1] @ kept / counts.sum())


def shared(
    laws: Sequence[Law], rates: Sequence[float], *, sets: int, ways: int
) -> tuple[np.ndarray, np.ndarray]:
    """Components that share all `ways` of `sets`: (hit ratio of each, lines held by each), float64[components].

    rates: time units of each law per unit of common time.
    """
    t = times(laws, rates)
    occupied = np.array([law.footprint(t * rate) for law, rate in zip(laws, rates, strict=True)])
    alive = hit_below(ways, occupied.sum(axis=0) / sets)
    hits = [hit_frac(law, rate, t, alive) for law, rate in zip(laws, rates, strict=True)]
    return np.array(hits), lines_held(occupied, alive)


def times(laws: Sequence[Law], rates: Sequence[float], nodes: int = _NODES) -> np.ndarray:
    """Ages at which to look: over all scales of these components, and on both sides of every certain reuse time."""
    ends = [law.horizon / rate for law, rate in zip(laws, rates, strict=True)]
    grid = np.geomspace(0.1 / sum(rates), 1.01 * max(ends), nodes)
    return np.unique(np.concatenate([grid, gap_times(laws, rates)]))


def gap_times(laws: Sequence[Law], rates: Sequence[float]) -> np.ndarray:
    """The certain reuse times of these components in common time."""
    return np.array([gap / rate for law, rate in zip(laws, rates, strict=True) for gap, _ in law.gaps])


def hit_frac(law: Law, rate: float, t: np.ndarray, alive: np.ndarray) -> float:
    """Hit ratio of a component, given how likely a line unreferenced for `t` is still there, `alive`[t]."""
    if law.gaps:
        gaps, shares = np.array(law.gaps).T
        return float(np.interp(gaps / rate, t, alive) @ shares)
    return float(over_ages(law.hit(t * rate), alive))


def over_ages(at: np.ndarray, alive: np.ndarray) -> np.ndarray:
    """Mean over the eviction age of a quantity that is `at`[..., t] if the age is t."""
    return at @ age_weights(alive)


def age_weights(alive: np.ndarray) -> np.ndarray:
    """Probability of each age of eviction, float64[t], from survival `alive`[t] up to it: half of each step's fall."""
    weights = np.empty_like(alive)
    weights[1:-1] = 0.5 * (alive[:-2] - alive[2:])
    weights[0] = 1 - 0.5 * (alive[0] + alive[1])
    weights[-1] = 0.5 * (alive[-2] + alive[-1])
    return weights


def lines_held(occupied: np.ndarray, alive: np.ndarray) -> np.ndarray:
    """Mean number of lines held, given footprints `occupied`[..., t] and survival `alive`[t]."""
    return over_ages(occupied, alive)


__all__ = [
    "age_weights",
    "gap_times",
    "hit_below",
    "hit_frac",
    "lines_held",
    "over_ages",
    "poisson_below",
    "shared",
    "smith",
    "times",
]
