"""Tails of sums with rigorous bounds: every stage rounded down and up on a lattice, the rest charged to infinity.

A stage X with origin o becomes o + step floor((X - o) / step) below and o + step ceil((X - o) / step) above; sums of
such laws lie below and above the sum of the stages, at every x. What lies beyond the grid counts as its end below and
as infinity above. Floating point is part of the bounds: if every tail of one stage is at most (1 + e) T + a, with T the
tail in store, then so is that of its sum with any independent Y, for P(X + Y > x) = E[P(X > x - Y | Y)]; and the same
from below. So relative and absolute errors of stages, special functions included, add up, and those of the convolution
(`nfvlab.kernels.lattice`) come on top.
"""

from collections.abc import Callable, Sequence
from functools import reduce

import numpy as np

from nfvlab.kernels import lattice
from nfvlab.realtime.bounded import Bounded, down, up
from nfvlab.realtime.composed import Bursts
from nfvlab.realtime.laws import Law, beyond_from, check_tail, reaches_from

CUT = 1e-60  # tails below are taken as zero, and as so much absolute error
DIRECT_POINTS = 4096  # up to here the direct sum is as fast as FFTs
COARSE_POINTS = 256
MAX_POINTS = 1 << 17
_LARGEST_STEP = 32  # of refinement: then it is seen whether that helps
_BURST_POINTS = 4096  # the recursion is quadratic: bursts lie on a lattice so much coarser


def short_step(step_ns: float) -> float:
    """The next number of 20 binary digits: its multiples up to 2**33 are exact."""
    mantissa, exponent = np.frexp(step_ns)
    return float(np.ldexp(np.ceil(np.ldexp(mantissa, 20)), exponent - 20))


def discretise(law: Law, step_ns: float, points: int) -> Bounded:
    """A law rounded down and up; `step_ns` as from `short_step`."""
    if isinstance(law, Bursts):
        return _bursts(law, step_ns, points)
    return _rounded(law.lower, law.upper, law.origin_ns, step_ns, points)


def _rounded(lower: Law, upper: Law, origin_ns: float, step_ns: float, points: int) -> Bounded:
    """Both laws on the lattice; where neither has atoms, one array serves for both, one step apart."""
    t = step_ns * np.arange(points + 1)
    low, beyond = _cut(reaches_from(origin_ns, lower, t)), _cut(beyond_from(origin_ns, upper, t))
    errors = {"rel_error": max(lower.rel_error, upper.rel_error), "abs_error": CUT}
    ends = {"step_ns": step_ns, "low_origin_ns": origin_ns, "low_tails": low}
    if np.array_equal(low, beyond):
        return Bounded(high_origin_ns=up(origin_ns, step_ns), high_tails=low, **ends, **errors)
    return Bounded(high_origin_ns=origin_ns, high_tails=np.append(1.0, beyond[:-1]), **ends, **errors)


def _cut(tails: np.ndarray) -> np.ndarray:
    """Falling, and zero where negligible."""
    return np.minimum.accumulate(np.where(tails < CUT, 0.0, np.minimum(tails, 1.0)))


def _bursts(law: Bursts, step_ns: float, points: int) -> Bounded:
    """The Poisson sum below and above.

    A tail of each hit that is e too large, relatively, makes that of n hits (1 + e)**n too large; summed over n that is
    a rate 1 + e as large, and a factor exp(rate e).
    """
    times = -(-points // _BURST_POINTS)
    coarse = -(-points // times)
    hit = _rounded(law.hit.lower, law.hit.upper, 0.0, times * step_ns, coarse)
    step_up = hit.high_tails if hit.high_origin_ns == 0 else np.append(1.0, hit.high_tails[:-1])
    low, _ = _poisson(law.hits * (1 - hit.rel_error), hit.low_tails)
    high, beyond = _poisson(law.hits * (1 + hit.rel_error), step_up)
    at = -(-np.arange(points + 1) // times)
    error = 2 * law.hits * hit.rel_error + lattice.gamma((coarse + 8) ** 2 / 2 + 4 * law.hits + 2 * coarse)
    return Bounded(
        step_ns=step_ns,
        low_origin_ns=0.0,
        high_origin_ns=0.0,
        low_tails=_falling(low)[at],
        high_tails=_falling(high + beyond)[at],
        rel_error=1.01 * error,
        abs_error=(law.hits + 1) * 2 * CUT,
    )


def _poisson(rate: float, tails: np.ndarray) -> tuple[np.ndarray, float]:
    """Tails on the grid of a Poisson sum without what lies beyond it, and a bound of that (Chernoff's)."""
    mass = lattice.masses(tails)
    n = mass.size
    made = lattice.compound_poisson(rate, mass, np.exp(-rate * (1 - mass[0])))
    inside = np.append(np.cumsum(made[::-1])[::-1], 0.0)
    tilts = np.geomspace(1e-2, lattice.LARGEST_EXPONENT, 64) / n
    grown = np.exp(np.outer(tilts, np.arange(n))) @ mass
    with np.errstate(over="ignore"):
        beyond = np.exp(rate * (grown - mass.sum()) - tilts * n).min()
    return inside, min(1.0, 1.01 * beyond + rate * tails[-1])


def _falling(tails: np.ndarray) -> np.ndarray:
    """Tails that start at 1 and fall, whatever rounding did."""
    return np.minimum.accumulate(np.append(1.0, np.minimum(tails[1:], 1.0)))


def convolve(parts: Sequence[Bounded], tail_frac: float = 1e-9) -> Bounded:
    """The sum of independent parts on one lattice; valid everywhere, sharp to tails of `tail_frac`."""
    step_ns, points = parts[0].step_ns, parts[0].points
    if any(part.step_ns != step_ns or part.points != points for part in parts):
        raise ValueError(
            "the parts lie on different lattices; discretise all with one step and number of points"
        )
    low, high, round_off = _sum([part.low_tails for part in parts], tail_frac)
    if not all(part.low_tails is part.high_tails for part in parts):
        _, high, round_off = _sum([part.high_tails for part in parts], tail_frac)
    return Bounded(
        step_ns=step_ns,
        low_origin_ns=reduce(down, (part.low_origin_ns for part in parts)),
        high_origin_ns=reduce(up, (part.high_origin_ns for part in parts)),
        low_tails=low,
        high_tails=high,
        rel_error=1.01 * float(np.expm1(sum(part.rel_error for part in parts) + round_off)),
        abs_error=2 * sum(part.abs_error for part in parts),
    )


def _sum(laws: list[np.ndarray], tail_frac: float) -> tuple[np.ndarray, np.ndarray, float]:
    """Tails of the sum from below and above, and what relative error they have on top."""
    varying = [tails for tails in laws if tails[1] > 0] or laws[:1]
    if varying[0].size - 1 <= DIRECT_POINTS or len(varying) == 1:
        tails, round_off = lattice.sum_direct(varying)
        tails = _falling(tails)
        return tails, tails, round_off
    found = [lattice.sum_tilted(varying, tilt) for tilt in _tilts(varying, tail_frac)]
    low = np.max([tails - error for tails, error in found], axis=0)
    high = np.min([tails + error for tails, error in found], axis=0)
    return _falling(np.maximum.accumulate(low[::-1])[::-1].clip(0.0)), _falling(high), 0.0


def _tilts(laws: list[np.ndarray], tail_frac: float) -> list[float]:
    """Zero for the body, and the saddle points of the tail asked for and of some on the way, from coarser laws."""
    times = max(1, (laws[0].size - 1) // COARSE_POINTS)
    coarse = [tails[::times] for tails in laws]
    k = np.arange(coarse[0].size - 1)
    tilts = np.geomspace(1e-4, 1.0, 128) * lattice.LARGEST_EXPONENT / (k.size + 1)
    mass, grown = np.array([lattice.masses(tails) for tails in coarse]), np.exp(np.outer(k, tilts))
    means = ((mass * k) @ grown / (mass @ grown)).sum(axis=0)  # of the tilted sum; rises with the tilt
    tails, _ = lattice.sum_direct(coarse)
    steps = int(np.ceil(-np.log10(tail_frac) / 8))
    wanted = [np.count_nonzero(tails[1:] > tail_frac ** (step / steps)) for step in range(1, steps + 1)]
    return [0.0, *np.interp(wanted, means, tilts / times)]


def bound(
    laws: Sequence[Law], tail_frac: float = 1e-9, *, rel: float = 1e-3, points: int | None = None
) -> Bounded:
    """Bounds of the sum of independent stages whose quantile at `tail_frac` is known to `rel` of itself.

    The lattice is refined to that width, to MAX_POINTS cells, or until finer cells no longer help (an infinite upper
    bound stays so; bursts have cells of their own); `Bounded.rel_width` says what was reached. With
    `points` given, it has so many cells, whatever the width: 512 take a few milliseconds for a path of seven stages.
    """
    check_tail(tail_frac)
    check_width(rel, points)
    if not laws:
        raise ValueError("laws is empty: give at least one law")
    end_ns = _end_ns(laws, tail_frac)
    return refine(
        lambda cells: on_lattice(laws, _step_ns(laws, end_ns, cells), cells, tail_frac),
        tail_frac,
        rel,
        points,
    )


def check_width(rel: float, points: int | None) -> None:
    """Refuse a width or a number of cells that no lattice has."""
    if not rel > 0:
        raise ValueError(f"rel = {rel}: the relative width must be above zero")
    if points is not None and not 16 <= points <= MAX_POINTS:
        raise ValueError(f"points = {points}: must be 16 to {MAX_POINTS}")


def refine(
    make: Callable[[int], Bounded],
    tail_frac: float,
    rel: float,
    points: int | None,
    first: int = COARSE_POINTS,
) -> Bounded:
    """What `make` makes with `points` cells, or with more and more from `first` on (see `bound`)."""
    if points is not None:
        return make(points)
    points, before = first, np.inf
    while True:
        made = make(points)
        width = made.rel_width(tail_frac)
        if width <= rel or points == MAX_POINTS or (points >= DIRECT_POINTS and not width < 0.9 * before):
            return made
        wanted = min(1.05 * width / rel, _LARGEST_STEP) * points
        points, before = min(MAX_POINTS, max(2 * points, int(wanted))), width


def _step_ns(laws: Sequence[Law], end_ns: float, points: int) -> float:
    """Cells up to the end, and for every law one more: rounding up passes the end by no more."""
    return short_step(end_ns / max(points - len(laws) - 1, points / 2))


def on_lattice(laws: Sequence[Law], step_ns: float, points: int, tail_frac: float = 1e-9) -> Bounded:
    """Bounds of the sum on a given lattice."""
    return convolve([discretise(law, step_ns, points) for law in laws], tail_frac)


def _end_ns(laws: Sequence[Law], tail_frac: float) -> float:
    """Where the grid may end: the sum passes it with a hundredth of `tail_frac` at most, if anything does.

    First the sum of every stage's own quantile, which is far enough; then what a coarse lattice over that says.
    """
    share = max(tail_frac / 100, 1e-30)
    far = sum(_reach_ns(law, max(share / len(laws), 1e-30)) for law in laws)
    if far == 0:
        return 1.0
    coarse = on_lattice(laws, _step_ns(laws, far, COARSE_POINTS), COARSE_POINTS, tail_frac)
    return min(far, coarse.quantile_ns(share)[1] - coarse.low_origin_ns)


def _reach_ns(law: Law, tail_frac: float) -> float:
    """From its origin to its quantile; if that is infinite, to the rarest one that is not."""
    while tail_frac < 1:
        for side in (law.upper, law.lower):
            reach = side.quantile_ns(tail_frac) - law.origin_ns
            if np.isfinite(reach):
                return reach
        tail_frac *= 10
    raise ValueError(f"{law}: has no finite quantile; no bound can be given")
