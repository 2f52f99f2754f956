"""Interruptions of a CPU, from oslat or osnoise: how many a second, and how long they keep it.

oslat counts every turn of a busy loop, so its first bucket holds the loop itself: a turn is an interruption if it is
longer than a floor, and was interrupted by less than it took, but by no less than that less the bucket of the loop.
osnoise counts interruptions only (Linux kernel/trace/trace_osnoise.c, sample_threshold).
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nfvlab.realtime.implied import (
    Implied,
    Weighted,
    check_positive,
    mean_bounds,
    rate_bounds,
    weighted_mean,
    within,
)
from nfvlab.realtime.recorded import CONFIDENCE, Interval

if TYPE_CHECKING:
    import pandas

    from nfvlab.readers.latency import LatencyMeta

_ASSUMED = (
    "interruptions come at random (Poisson), alike on all CPUs watched",
    "their mean has a normal error: a rare long one that was missed is not in the bounds",
)


def noise_of(
    frame: "pandas.DataFrame",
    meta: "LatencyMeta",
    *,
    floor_ns: float | None = None,
    watched_frac: float = 1.0,
    confidence: float = CONFIDENCE,
) -> Implied:
    """`noise_per_s` and `noise_ns` of a CPU: overrides for `timer.Params`, and their bounds.

    floor_ns : what is shorter is no interruption; by default the end of the bucket of oslat's loop, for osnoise 0
    watched_frac : the share of the time that the tool watched (osnoise: runtime over period)
    `residual_ns` is what is left of an interruption when one looks at random into it, E[S^2] / 2 E[S]: of exponential
    lengths it is their mean. ValueError for recordings of other tools, or without their duration.
    """
    oslat = meta.tool == "oslat"
    duration_ns = _duration(meta) * _share(watched_frac)
    loop_ns = _loop_end(frame) if oslat else 0.0
    floor = loop_ns if floor_ns is None else floor_ns
    if not 0 <= floor < math.inf:
        raise ValueError(
            f"floor_ns = {floor}: must be 0 or a finite number above; 1000 is one bucket of oslat"
        )
    perhaps = _lengths(frame, meta, floor, loop_ns)
    surely = perhaps.among(perhaps.sure)
    counts = float(surely.count.sum()), float(perhaps.count.sum())
    rate = rate_bounds(*counts, duration_ns, confidence=confidence)
    untold = _untold(duration_ns, floor, oslat)
    if not counts[1]:
        none = "no interruption was seen: how long one lasts is not told"
        bounds = {"noise_per_s": rate}
        return Implied(
            overrides={"noise_per_s": 0.0},
            bounds=bounds,
            assumed=_ASSUMED,
            untold=(none, *untold),
            source=meta.tool,
        )
    shortest = mean_bounds(perhaps.least(), perhaps.most(), confidence=confidence)
    longest = mean_bounds(surely.least(), surely.most(), confidence=confidence) if counts[0] else shortest
    length = Interval(shortest.low, max(shortest.high, longest.high))
    residual = perhaps.residual()
    overrides = {
        "noise_per_s": within(sum(counts) / 2 / duration_ns * 1e9, rate),
        "noise_ns": within(perhaps.middle(), length),
    }
    bounds = {"noise_per_s": rate, "noise_ns": length, "residual_ns": residual}
    told = _shape(length, residual)
    return Implied(
        overrides=overrides, bounds=bounds, assumed=_ASSUMED, untold=(*told, *untold), source=meta.tool
    )


def sections_of(noise: Implied) -> Implied:
    """Interruptions as the sections with interrupts off of `vfio.Params`: `irqoff_frac` and `irqoff_ns`.

    noise : what `noise_of` made of a recording
    The share is the same, and so is what an arrival waits: a section of fixed length L is met half-way through, so L is
    twice the residual. ValueError where no interruption was seen.
    """
    if "residual_ns" not in noise.bounds or not noise.overrides.get("noise_per_s"):
        raise ValueError("noise: no interruption in it; record longer, or leave irqoff_frac at 0")
    rate, length, residual = (noise.bounds[name] for name in ("noise_per_s", "noise_ns", "residual_ns"))
    share = Interval(rate.low * length.low / 1e9, min(rate.high * length.high / 1e9, 1.0))
    section = Interval(2 * residual.low, 2 * residual.high)
    middle = sum(section) / 2 if math.isfinite(section.high) else section.low
    taken = noise.overrides["noise_per_s"] * noise.overrides["noise_ns"] / 1e9
    return Implied(
        overrides={"irqoff_frac": within(taken, share), "irqoff_ns": middle},
        bounds={"irqoff_frac": share, "irqoff_ns": section},
        assumed=(*noise.assumed, "whatever interrupts a loop holds off interrupts too, for as long"),
        untold=noise.untold,
        source=noise.source,
    )


@dataclass(frozen=True)
class _Lengths:
    """Lengths of interruptions in rows: float64[k] each; a row's samples lie in [low, high], their mean in its bounds.

    sure : bool[k], whether all samples of a row are above the floor
    """

    low: np.ndarray
    high: np.ndarray
    count: np.ndarray
    mean_low: np.ndarray
    mean_high: np.ndarray
    sure: np.ndarray

    def among(self, rows: np.ndarray) -> "_Lengths":
        """Those rows."""
        return _Lengths(**{name: values[rows] for name, values in vars(self).items()})

    def least(self) -> Weighted:
        """All as short, and then as unequal, as can be."""
        return self._spread(self.mean_low)

    def most(self) -> Weighted:
        """All as long, and then as unequal, as can be."""
        return self._spread(self.mean_high)

    def middle(self) -> float:
        """A mean between the least and the most; the least if there is no most."""
        low, high = weighted_mean(self.least()), weighted_mean(self.most())
        return (low + high) / 2 if math.isfinite(high) else low

    def residual(self) -> Interval:
        """E[S^2] / 2 E[S], of equal lengths in a row at least, of the most unequal ones at most."""
        values, weights = self.most()
        most, least = float(self.count @ self.mean_high), float(self.count @ self.mean_low)
        low = float(self.count @ self.mean_low**2) / (2 * most) if math.isfinite(most) else 0.0
        square = float(weights[weights > 0] @ values[weights > 0] ** 2)
        return Interval(low, square / (2 * least) if least else math.inf)

    def _spread(self, mean: np.ndarray) -> Weighted:
        """Each row's samples at its two ends, so that they have this mean."""
        upper = np.where(mean >= self.high, 1.0, 0.0)
        inner = (self.low < mean) & (mean < self.high)
        upper[inner] = (mean - self.low)[inner] / (self.high - self.low)[inner]
        return np.concatenate([self.low, self.high]), np.concatenate(
            [self.count * (1 - upper), self.count * upper]
        )


def _lengths(frame, meta, floor_ns: float, loop_ns: float) -> _Lengths:
    """The rows above the floor, at least in part; a turn was interrupted for up to a loop less than it took."""
    rows = frame.sort_values(["thread", "low_ns"])
    low, high, count = (rows[name].to_numpy(float) for name in ("low_ns", "high_ns", "count"))
    mean_low, mean_high = np.maximum(low, floor_ns), high.copy()
    last = ~rows["thread"].duplicated(keep="last").to_numpy()
    sums = {about.thread: about.last_sum_ns for about in meta.threads if about.last_sum_ns}
    for at in np.flatnonzero(last & (low >= floor_ns)):
        if found := sums.get(rows["thread"].iloc[at]):
            mean_low[at], mean_high[at] = found[0] / count[at], found[1] / count[at]
    made = _Lengths(
        low=np.maximum(np.maximum(low, floor_ns) - loop_ns, 0.0),
        high=high,
        count=count,
        mean_low=np.maximum(mean_low - loop_ns, 0.0),
        mean_high=mean_high,
        sure=low >= floor_ns,
    )
    return made.among(high > floor_ns)


def _duration(meta) -> float:
    """CPU time watched, all threads together."""
    if meta.kind != "interruption":
        raise ValueError(
            f"{meta.tool}: counts {meta.kind}, not interruptions; give a recording of oslat or osnoise"
        )
    spans = [thread.duration_ns for thread in meta.threads]
    if not spans or not all(spans):
        raise ValueError("the recording does not say how long it took: give one with its duration")
    return sum(spans)


def _share(watched_frac: float) -> float:
    check_positive("watched_frac", watched_frac, "it is osnoise's runtime over its period, 1 by default")
    if watched_frac > 1:
        raise ValueError(f"watched_frac = {watched_frac}: more than the whole time; give 1 at most")
    return watched_frac


def _loop_end(frame) -> float:
    """The end of the bucket with the most turns: a loop that every other turn interrupts measures nothing."""
    return float(frame.loc[frame["count"].idxmax(), "high_ns"]) if len(frame) else 0.0


def _shape(length: Interval, residual: Interval) -> tuple[str, ...]:
    """A sentence if the lengths cannot be exponential with this mean."""
    if residual.low <= 2 * length.high:
        return ()
    what = (
        f"lengths are not exponential: what meets one waits {residual.low / 1e3:.3g} µs or more, the model "
    )
    return (f"{what}{length.high / 1e3:.3g} µs at most; raise noise_ns and lower noise_per_s for waits",)


def _untold(duration_ns: float, floor_ns: float, oslat: bool) -> tuple[str, ...]:
    shorter = (
        f"interruptions shorter than {floor_ns:g} ns"
        if oslat
        else "those below osnoise's threshold, 5 µs if not set"
    )
    twice = (
        "two in one turn of the loop count as one"
        if oslat
        else "two between two looks at the clock count as one"
    )
    rarer = f"what comes less often than once in {duration_ns / 3e9:.3g} s of one CPU (3/T)"
    return (shorter, twice, rarer, "what a vCPU on the CPU would change: the tool's thread was there instead")
