"""A group's curve from monitoring: its memory bandwidth over the ways it could have, and what the data leave open.

Each sample is a point: what the group held of the cache (llc_occupancy), and at which rate it went to memory
(mbm_total_bytes). Assumed is only that the group's work does not change while it is watched, and that more cache never
costs it bandwidth (under LRU a larger cache holds what a smaller one does). Then a rate seen at x ways bounds the
curve: below x it is at least that rate, above x at most. Where nothing was seen there is no other bound: under the
fewest ways seen the rate may be anything up to a limit that the caller knows, above the most ways seen anything down to
nothing. A class that shares ways is on its own curve, too, at what it holds (see `sharing`).

The estimate goes through the points (made falling by isotonic regression) and on by a power law, whose exponent is
fitted where the ways seen differ enough; else it is 0.5, the middle of the 0.3 to 0.7 of Hartstein et al. (Cache miss
behavior: is it sqrt(2)?, Computing Frontiers 2006). Between and beyond the points it is a guess; the bounds are not.

Others measure more: RapidMRC (Tam et al., ASPLOS 2009) traces addresses by the performance monitoring unit, DCAPS
(Xiang et al., EuroSys 2018) predicts curves online in software, dCat (Xu et al., EuroSys 2018) tries ways out and looks
what each brings. Occupancy and bandwidth alone tell less; what they leave open is what `advise` asks to measure.
"""

from dataclasses import dataclass

import numpy as np

from nfvlab import stats
from nfvlab.params import ParamError, Problem

SIGMA = 3.0  # chance exceeds the error of one level as rarely as a normal variable exceeds this: 1 in 370
MOST_LEVELS = 6  # between two gaps
FEWEST = 4  # points of a level, and of a group
NARROWEST_WAYS = 0.25  # from the begin of one level to that of the next
GAP_WAYS = 0.4  # without a point: levels do not reach over it
EXPONENT = 0.5
SETTLED_FRAC = 0.8  # a group that fills less of its own ways, and grows no more, has all that it wants


@dataclass(frozen=True)
class Level:
    """Points close to each other: the ways held (lowest, mean, highest), the mean rate, and its error at SIGMA."""

    low_ways: float
    mean_ways: float
    high_ways: float
    rate: float
    error: float
    n: int


@dataclass(frozen=True, eq=False)
class Curve:
    """What is known of a group: float64[ways + 1] by ways; column 0, no cache, is not a number.

    estimate : bandwidth in bytes/s; lower, upper : where it lies, infinite where nothing bounds it
    levels : what was seen; exponent : of the power law beyond it; notes : what speaks against the assumptions
    """

    group: str
    estimate: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    levels: tuple[Level, ...]
    exponent: float
    notes: tuple[str, ...] = ()

    @property
    def seen_ways(self) -> tuple[float, float]:
        """Fewest and most ways that it was seen to hold."""
        return self.levels[0].low_ways, self.levels[-1].high_ways

    @property
    def bounded_ways(self) -> int:
        """Fewest whole ways at which an upper bound is known; one more than there are when none is."""
        known = np.isfinite(self.upper[1:])
        return int(np.argmax(known)) + 1 if known.any() else self.upper.size

    def with_measured(self, ways: int, rate: float) -> "Curve":
        """The curve after a measurement at `ways` that gives `rate`, without error."""
        lower, upper = self.lower.copy(), self.upper.copy()
        lower[1 : ways + 1] = np.maximum(lower[1 : ways + 1], rate)
        upper[ways:] = np.minimum(upper[ways:], rate)
        estimate = np.clip(self.estimate, lower, upper)
        return Curve(self.group, estimate, lower, upper, self.levels, self.exponent, self.notes)


def estimate_curve(
    group: str,
    held_ways,
    rates,
    ways: int,
    *,
    own=None,
    settled=None,
    limit_bytes_per_s: float = np.inf,
) -> Curve:
    """The curve of a group at 1 to `ways` ways from points in the order of time.

    held_ways: float[n], ways held, or where bool[n] `own` says so, ways given to the group alone; rates: float[n],
    bytes/s over the same time. settled: bool[n], points at which the group left ways of its own empty: then it wants no
    more, and more ways change nothing. limit_bytes_per_s: what the group cannot exceed with any cache (its references
    times 64 bytes, or the memory's bandwidth). Errors: ParamError with fewer than 4 points.
    """
    held, rates = np.asarray(held_ways, dtype=float), np.asarray(rates, dtype=float)
    own, settled = (
        np.zeros(held.shape, dtype=bool) if x is None else np.asarray(x, dtype=bool) for x in (own, settled)
    )
    _check(group, held, rates, own, settled)
    levels = find_levels(held, rates, own)
    lower, upper = _bounds(levels, ways, float(limit_bytes_per_s))
    notes = _changes(levels, held, rates)
    top = levels[-1]
    done = settled[held >= top.low_ways].mean() > 0.5
    if done:
        beyond = np.arange(ways + 1) >= top.low_ways
        lower[beyond] = np.maximum(lower[beyond], top.rate - top.error)
        notes.append("it leaves ways of its own empty: taken to want no more than it has")
    if (lower > upper).any():
        lower, upper = np.minimum(lower, upper), np.maximum(lower, upper)
        notes.append("its rate rises with its occupancy: its work changed, or its own load moves both")
    exponent = 0.0 if done else _exponent(levels)
    guess = np.clip(_through(levels, exponent, np.maximum(np.arange(ways + 1), 0.5)), lower, upper)
    for column in (guess, lower, upper):
        column[0] = np.nan
    return Curve(group, guess, lower, upper, levels, exponent, tuple(notes))


def _bounds(levels: tuple["Level", ...], ways: int, limit: float) -> tuple[np.ndarray, np.ndarray]:
    """What a falling curve through the levels can be: (lower, upper), float64[ways + 1]."""
    lower, upper, count = np.zeros(ways + 1), np.full(ways + 1, limit), np.arange(ways + 1)
    for level in levels:
        below, above = count <= level.low_ways + 1e-9, count >= level.high_ways - 1e-9
        lower[below] = np.maximum(lower[below], level.rate - level.error)
        upper[above] = np.minimum(upper[above], level.rate + level.error)
    return lower, upper


def find_levels(held: np.ndarray, rates: np.ndarray, own: np.ndarray | None = None) -> tuple[Level, ...]:
    """Points put into levels, by rising mean of the ways.

    FEWEST points or more at the same number of own ways (bool[n] `own`) are one level. The others are first cut where
    nothing was seen for GAP_WAYS or more; a piece of fewer than FEWEST points joins the one next to it. Then each piece
    is cut into up to MOST_LEVELS, of equal numbers as far as they stay NARROWEST_WAYS apart. Fewer than FEWEST points
    beside levels of own ways are not used.
    """
    free = np.ones(held.size, dtype=bool)
    levels = []
    for count in np.unique(held[own]) if own is not None else ():
        inside = own & (held == count)
        if inside.sum() >= FEWEST:
            levels.append(_level(held[inside], rates[inside]))
            free &= ~inside
    order = np.argsort(held, kind="stable")
    order, cuts = order[free[order]], [0]
    for step in (np.nonzero(np.diff(held[order]) >= GAP_WAYS)[0] + 1).tolist():
        if step - cuts[-1] >= FEWEST and order.size - step >= FEWEST:
            cuts.append(step)
    for a, b in zip(cuts, [*cuts[1:], order.size], strict=True):
        levels += [_level(held[part], rates[part]) for part in _cut(held, order[a:b]) if part.size >= FEWEST]
    return tuple(sorted(levels, key=lambda level: level.mean_ways))


def _cut(held: np.ndarray, order: np.ndarray) -> list[np.ndarray]:
    """One piece of sorted points in levels, each in the order of time."""
    enough, start, parts = max(FEWEST, -(-order.size // MOST_LEVELS)), 0, []
    x = held[order]
    for end in range(enough, order.size - enough + 1):
        if end - start >= enough and x[end] > x[end - 1] and x[end] - x[start] >= NARROWEST_WAYS:
            parts.append(np.sort(order[start:end]))
            start = end
    return [*parts, np.sort(order[start:])]


def _level(held: np.ndarray, rates: np.ndarray) -> Level:
    found = _mean(rates)
    return Level(held.min(), held.mean(), held.max(), found.value, found.reach(SIGMA), rates.size)


def _mean(rates: np.ndarray) -> stats.Estimate:
    """Mean of a series; from 16 values on by batch means, which allow for what one sample tells of the next."""
    return stats.batch_means(rates, min(20, rates.size // 4)) if rates.size >= 16 else stats.mean(rates)


def _changes(levels: tuple[Level, ...], held: np.ndarray, rates: np.ndarray) -> list[str]:
    """Whether the first and the second half of the time differ at the same ways by more than chance."""
    half = np.arange(held.size) < held.size // 2
    for level in levels:
        inside = (held >= level.low_ways) & (held <= level.high_ways)
        early, late = rates[inside & half], rates[inside & ~half]
        if min(early.size, late.size) >= 8:
            a, b = _mean(early), _mean(late)
            if abs(a.value - b.value) > a.reach(SIGMA) + b.reach(SIGMA):
                rates_seen = f"{a.value:.3g} to {b.value:.3g} bytes/s"
                return [f"at {level.mean_ways:.1f} ways its rate went from {rates_seen}: its work changed"]
    return []


def _exponent(levels: tuple[Level, ...]) -> float:
    """Of the power law rate = a * ways**-exponent through the levels, where they tell one."""
    some = [level for level in levels if level.rate > 0 and level.mean_ways > 0]
    if len(some) < 2 or some[-1].mean_ways < 1.3 * some[0].mean_ways:
        return EXPONENT
    x, y = (np.log([getattr(level, name) for level in some]) for name in ("mean_ways", "rate"))
    weight = np.sqrt([level.n for level in some])
    return float(np.clip(-np.polyfit(x, y, 1, w=weight)[0], 0.0, 3.0))


def _through(levels: tuple[Level, ...], exponent: float, at: np.ndarray) -> np.ndarray:
    """Through the falling levels, straight in logarithms; by the power law beyond the first and last of them."""
    x = np.maximum([level.mean_ways for level in levels], 1e-3)
    y = falling([level.rate for level in levels], [level.n for level in levels])
    floor = max(y.max() * 1e-9, 1e-300)
    inside = np.exp(np.interp(np.log(at), np.log(x), np.log(np.maximum(y, floor))))
    inside[inside <= floor * 1.001] = 0.0
    before = y[0] * (np.minimum(at, x[0]) / x[0]) ** -exponent
    after = y[-1] * (np.maximum(at, x[-1]) / x[-1]) ** -exponent
    return np.where(at < x[0], before, np.where(at > x[-1], after, inside))


def falling(values, weights) -> np.ndarray:
    """The non-increasing sequence closest to `values` by weighted squares (pool adjacent violators): float64[n]."""
    blocks: list[list[float]] = []  # value, weight, length
    for value, weight in zip(values, weights, strict=True):
        blocks.append([float(value), float(weight), 1])
        while len(blocks) > 1 and blocks[-2][0] < blocks[-1][0]:
            value_b, weight_b, length_b = blocks.pop()
            value_a, weight_a, length_a = blocks.pop()
            both = weight_a + weight_b
            blocks.append([(value_a * weight_a + value_b * weight_b) / both, both, length_a + length_b])
    return np.concatenate([np.full(int(length), value) for value, _, length in blocks])


def _check(group: str, held: np.ndarray, rates: np.ndarray, own: np.ndarray, settled: np.ndarray) -> None:
    problems = []
    if held.ndim != 1 or held.shape != rates.shape or held.shape != settled.shape:
        rule = (
            f"held_ways {held.shape}, rates {rates.shape} and settled {settled.shape} must be of one length"
        )
        problems.append(Problem("held_ways", f"of {group}", rule, "give a value for each sample"))
    elif held.size < FEWEST:
        rule = f"group {group} has fewer than {FEWEST} samples with occupancy and rate"
        problems.append(Problem("samples", held.size, rule, "watch it longer"))
    elif not (np.isfinite(held).all() and np.isfinite(rates).all() and held.min() >= 0 and rates.min() >= 0):
        rule = "must be finite and not negative"
        problems.append(Problem("samples", f"of {group}", rule, "leave out samples that are not"))
    if problems:
        raise ParamError(problems, "estimate_curve")


__all__ = ["Curve", "Level", "estimate_curve", "falling", "find_levels"]
