"""Waiting times of the M/G/1 queue, first come first served, with rigorous bounds; with vacations and with a setup.

The wait is the all-time maximum of a random walk: a geometric sum of ladder heights, which have the defective tail
G(x) = arrival rate E[max(B - x, 0)], from G(0) = the load (Pollaczek and Khinchine; S. Asmussen, Applied Probability
and Queues, 2nd ed., VIII.5). With H for the ladder height's measure, P(W > x) = G(x) + integral of P(W > x - u) H(du)
over [0, x].

Why rounding bounds it: write the ladder height as a random variable that is "none" with probability 1 - G(0). If
G <= G' at every x, heights can be coupled so that each is none or at most its partner; then so is the sum up to the
first none: W <= W'. Ladder heights rounded up, or down, to the lattice have such tails G'. The load itself is not
rounded, so that the bounds stay close at high load. What lies beyond the grid is in G there, so it counts as infinite.

Exhaustive service with other pauses adds an independent time (S. W. Fuhrmann and R. B. Cooper, Operations Research 33,
1985): with vacations, taken one after the other while nobody waits, the residual time of a vacation; with a setup D
before the first service of a busy period, D with probability 1 / (1 + arrival rate E[D]), else a residual time of D.
"""

from collections.abc import Sequence

import numpy as np

from nfvlab.kernels import lattice
from nfvlab.realtime.bounded import Bounded
from nfvlab.realtime.lattice import (
    CUT,
    DIRECT_POINTS,
    check_width,
    convolve,
    on_lattice,
    refine,
    short_step,
)
from nfvlab.realtime.laws import UNIT, Law, beyond_from, check_tail, mean_excess_from, reaches_from

Service = Law | Sequence[Law]
_FIRST_POINTS, _MOST_FIRST_POINTS = 512, 1 << 15
_SINGLE_CELLS = 2048  # taken one by one where a tilt is looked for


def wait(
    service: Service,
    arrivals_per_s: float,
    *,
    vacation: Law | None = None,
    setup: Law | None = None,
    tail_frac: float = 1e-9,
    rel: float = 1e-2,
    points: int | None = None,
) -> Bounded:
    """Bounds of the time from arrival to service; `service` is a law, or the laws of one server's stages.

    Arrivals are Poisson. The quantile at `tail_frac` is known to `rel` of itself, or as well as MAX_POINTS cells allow;
    `points` sets the number of cells instead.
    """
    return _bounds(service, arrivals_per_s, vacation, setup, (), tail_frac, rel, points)


def sojourn(
    service: Service,
    arrivals_per_s: float,
    *,
    vacation: Law | None = None,
    setup: Law | None = None,
    tail_frac: float = 1e-9,
    rel: float = 1e-2,
    points: int | None = None,
) -> Bounded:
    """Bounds of the time from arrival to the end of service: the wait (see there) and an independent service."""
    return _bounds(service, arrivals_per_s, vacation, setup, _stages(service), tail_frac, rel, points)


def _stages(service: Service) -> tuple[Law, ...]:
    return (service,) if isinstance(service, Law) else tuple(service)


def _bounds(service, arrivals_per_s, vacation, setup, after, tail_frac, rel, points) -> Bounded:
    """The wait and the laws `after` it, on the lattice that its quantile needs."""
    check_tail(tail_frac)
    check_width(rel, points)
    if vacation is not None and setup is not None:
        raise ValueError("vacation and setup are both given: the server either takes vacations or is set up")
    stages, rate = _stages(service), arrivals_per_s * 1e-9
    _check_load(stages, arrivals_per_s)

    def make(step_ns: float, cells: int) -> Bounded:
        parts = [_queue(_excess(stages, step_ns, cells, tail_frac), rate, step_ns)]
        if vacation is not None:
            parts.append(_residual(vacation, step_ns, cells))
        if setup is not None:
            parts.append(_started(setup, rate, step_ns, cells))
        if after:
            parts.append(on_lattice(after, step_ns, cells, tail_frac))
        return convolve(parts, tail_frac)

    end_ns, first = _grid(make, stages, tail_frac)
    return refine(lambda cells: make(short_step(end_ns / cells), cells), tail_frac, rel, points, first)


def _check_load(stages: Sequence[Law], arrivals_per_s: float) -> None:
    """Refuse a queue that grows without end."""
    if not (np.isfinite(arrivals_per_s) and arrivals_per_s > 0):
        raise ValueError(f"arrivals_per_s = {arrivals_per_s}: must be finite and above zero")
    mean_ns = sum(law.upper.mean_ns for law in stages)
    if not 0 < mean_ns * arrivals_per_s * 1e-9 < 1 - 1e-9:
        raise ValueError(
            f"arrivals_per_s = {arrivals_per_s}, mean service {mean_ns} ns: the load must lie above 0 and below 1; "
            "lower the rate, or bound the service time"
        )


def _grid(make, stages: Sequence[Law], tail_frac: float) -> tuple[float, int]:
    """Where the grid may end, and cells to start with: four times as far until the end is passed rarely enough."""
    mean_ns = sum(law.upper.mean_ns for law in stages)
    end_ns, share = mean_ns, max(tail_frac / 100, 1e-30)
    for _ in range(20):
        cells = int(min(max(4 * end_ns / mean_ns, _FIRST_POINTS), _MOST_FIRST_POINTS))
        coarse = make(short_step(end_ns / cells), cells)
        _, high = coarse.quantile_ns(share)
        if np.isfinite(high):
            return min(high + coarse.step_ns, end_ns), cells
        end_ns *= 4
    raise ValueError(
        f"tail_frac = {tail_frac}: no bound is passed so rarely; the load is too close to 1 for the lattice, or "
        "service times are too heavy in the tail: lower the rate, bound the service time, or ask for a larger tail_frac"
    )


def _excess(stages: Sequence[Law], step_ns: float, points: int, tail_frac: float):
    """E[max(B - x, 0)] from below and above at x = 0, step … points * step."""
    x = step_ns * np.arange(points + 1)
    if len(stages) == 1:
        return _law_excess(stages[0], x)
    ends = [law.upper.quantile_ns(max(1e-6 * tail_frac, 1e-30)) for law in stages]
    cells = max(points, int(np.ceil(sum(ends) / step_ns)) + 1)
    rest = 1.01 * sum(_law_excess(law, np.array([end]))[1][0] for law, end in zip(stages, ends, strict=True))
    low, high = on_lattice(stages, step_ns, cells, tail_frac).sf(step_ns * np.arange(cells + 1))
    means = np.sum([[ends[0] for ends in _law_excess(law, np.zeros(1))] for law in stages], axis=0)
    above, below = step_ns * high[:-1], step_ns * low[1:]  # of the tail's integral over each cell
    error = lattice.gamma(cells + 8)
    later_low, later_high = (
        np.append(np.cumsum(part[::-1])[::-1], 0.0)[: points + 1] for part in (below, above)
    )
    taken_low, taken_high = (np.append(0.0, np.cumsum(part))[: points + 1] for part in (below, above))
    return (
        np.maximum(later_low * (1 - error), means[0] - (taken_high + means[0]) * error - taken_high),
        np.minimum(later_high * (1 + error) + rest, means[1] + (taken_low + means[1]) * error - taken_low),
    )


def _law_excess(law: Law, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """E[max(X - x, 0)] of a law from below and above."""
    (low, low_error), (high, high_error) = (mean_excess_from(0.0, side, x) for side in (law.lower, law.upper))
    return np.maximum(low - low_error, 0.0), high + high_error


def _queue(excess, rate_per_ns: float, step_ns: float) -> Bounded:
    """The wait without pauses, from the ladder heights' tails."""
    low = np.maximum.accumulate((excess[0] * rate_per_ns * (1 - 4 * UNIT))[::-1])[::-1]
    high = np.minimum.accumulate(excess[1] * rate_per_ns * (1 + 4 * UNIT))
    rounded_up = np.append(high[0], high[:-1])
    low_wait, _, low_error = _solve(low)
    _, high_wait, high_error = _solve(rounded_up)
    return Bounded(
        step_ns=step_ns,
        low_origin_ns=0.0,
        high_origin_ns=0.0,
        low_tails=low_wait,
        high_tails=high_wait,
        rel_error=max(low_error, high_error),
    )


def _solve(ladder: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """P(W >= k steps) from P(ladder height >= k steps): from below, above, and their relative error on top."""
    ladder = np.where(ladder < CUT, 0.0, ladder)
    mass, source = lattice.masses(ladder), ladder[1:]
    if mass.size <= DIRECT_POINTS:
        tails = _tails(lattice.renewal(mass, source))
        return tails, tails, lattice.gamma((mass.size + 8) ** 2 / 2)
    found = [lattice.renewal_tilted(mass, source, tilt) for tilt in _tilts(mass)]
    low = np.max([z - error for z, error in found], axis=0).clip(0.0)
    high = np.min([z + error for z, error in found], axis=0)
    return _tails(np.maximum.accumulate(low[::-1])[::-1]), _tails(high), 0.0


def _tails(z: np.ndarray) -> np.ndarray:
    """From 1, and falling."""
    return np.minimum.accumulate(np.append(1.0, np.minimum(z, 1.0)))


def _tilts(mass: np.ndarray) -> list[float]:
    """Zero, and tilts under which the masses sum to about half way and most of the way from the load to 1."""
    k, load = np.arange(mass.size), mass.sum()
    starts = np.append(k[:_SINGLE_CELLS], k[_SINGLE_CELLS :: -(-mass.size // _FIRST_POINTS)])
    middles = (starts + np.append(starts[1:], mass.size) - 1) / 2
    tilts = np.append(0.0, np.geomspace(1e-3, 1.0, 100) * lattice.LARGEST_EXPONENT / mass.size)
    sums = np.add.reduceat(mass, starts) @ np.exp(np.outer(middles, tilts))
    found = [0.0]
    for part in (0.5, 0.9):
        tilt = float(np.interp(load + part * (1 - load), sums, tilts))
        while mass @ np.exp(tilt * k) > load + 0.95 * (1 - load):
            tilt *= 0.9
        found.append(tilt)
    return found


def _residual(law: Law, step_ns: float, points: int) -> Bounded:
    """The residual time of a law seen from outside: P(> x) = E[max(X - x, 0)] / E[X]."""
    low, high = _law_excess(law, step_ns * np.arange(points + 1))
    if not 0 < low[0] <= high[0] < np.inf:
        raise ValueError(f"{law}: its mean must be above zero and finite; give an upper end")
    return _between(low / high[0], high / low[0], step_ns)


def _started(law: Law, rate_per_ns: float, step_ns: float, points: int) -> Bounded:
    """What a setup adds to the wait: all of it for who comes first, a residual time of it for who comes during it."""
    x = step_ns * np.arange(points + 1)
    low, high = (rate_per_ns * side for side in _law_excess(law, x))
    reaches = reaches_from(0.0, law.lower, x) * (1 - law.lower.rel_error)
    beyond = beyond_from(0.0, law.upper, x) * (1 + law.upper.rel_error)
    return _between((reaches + low) / (1 + high[0]), (beyond + high) / (1 + low[0]), step_ns)


def _between(low: np.ndarray, high: np.ndarray, step_ns: float) -> Bounded:
    """A time from 0 on with P(>= k steps) at least low[k] and P(> k steps) at most high[k]."""
    low, high = (np.where(tails < CUT, 0.0, np.minimum(tails, 1.0)) for tails in (low, high))
    return Bounded(
        step_ns=step_ns,
        low_origin_ns=0.0,
        high_origin_ns=0.0,
        low_tails=_tails(np.maximum.accumulate(low[::-1])[::-1][1:]),
        high_tails=_tails(high[:-1]),
        rel_error=16 * UNIT,
        abs_error=CUT,
    )
