"""analyze(): how late the guest's timer is under the hrtimer and under the VMX-preemption timer, and what it costs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nfvlab import results
from nfvlab.results import Claim, exact, output
from nfvlab.timer import claims, late, tails
from nfvlab.timer.disturbed import hits
from nfvlab.timer.params import OUTPUTS, TIMERS, Params
from nfvlab.timer.quantised import early_cycles, late_cycles
from nfvlab.timer.rounds import Stages, Way, cost_cycles, looks, ways
from nfvlab.timer.settled import settled_cycles
from nfvlab.timer.tails import Part

_NEVER = 1e-9
_CURVE = 96
_NOISES = Stages(exit=1, loop=1, entry=1)  # of noise that comes while the guest runs


@dataclass(frozen=True, kw_only=True)
class Theory(results.Theory):
    """The steady state of a guest that arms again and again, [0] on the hrtimer, [1] on the VMX-preemption timer.

    `way_frac` by timer: {way of a round: share of the rounds}. `advance_ns` by timer: mean advance in the steady state.
    `curve_low` and `curve_high`, float64[timers, k]: P(latency > curve_ns[k]); the theory is no bound, they are equal.
    """

    params: Params
    latency_ns: tuple[float, ...] = output(OUTPUTS["latency_ns"], exact())
    latency_p99_ns: tuple[float, ...] = output(OUTPUTS["latency_p99_ns"], exact())
    latency_p999_ns: tuple[float, ...] = output(OUTPUTS["latency_p999_ns"], exact())
    exits_ratio: tuple[float, ...] = output(OUTPUTS["exits_ratio"], exact())
    switches_ratio: tuple[float, ...] = output(OUTPUTS["switches_ratio"], exact())
    cost_cycles: tuple[float, ...] = output(OUTPUTS["cost_cycles"], exact())
    wait_ns: tuple[float, ...] = output(OUTPUTS["wait_ns"], exact())
    hardware_frac: tuple[float, ...] = output(OUTPUTS["hardware_frac"], exact())
    way_frac: tuple[dict[str, float], ...]
    advance_ns: tuple[float, ...]
    curve_ns: np.ndarray
    curve_low: np.ndarray
    curve_high: np.ndarray

    def claim(self, name: str) -> Claim:
        """What is claimed of output `name` for this very scenario."""
        return claims.claim(self, name)


@dataclass(frozen=True)
class _Side:
    """One timer: its ways with their shares, met noise, mean advance, and the laws of its latency; in cycles."""

    ways: tuple[Way, ...]
    fracs: np.ndarray
    saved: np.ndarray  # exits per round, with loop and entry, that noise on the CPU has made already
    advance: float
    parts: tuple[Part, ...]

    def mean(self, values: Sequence[float]) -> float:
        """Mean over the ways."""
        return float(self.fracs @ np.array(values, dtype=float))


def analyze(p: Params) -> Theory:
    """Both timers' latency, exits and costs, from the ways a round can go."""
    sides = [_side(p, timer) for timer in range(len(TIMERS))]
    x = np.unique(np.concatenate([tails.grid(side.parts) for side in sides]))
    above = [tails.sf(side.parts, x) for side in sides]
    chosen = tails.curve(x, above, _CURVE)
    curve = np.array([tails.sf(side.parts, chosen) for side in sides])
    p99, p999 = (
        tuple(
            p.cycle_ns * tails.quantile(side.parts, x, t, level) for side, t in zip(sides, above, strict=True)
        )
        for level in (1e-2, 1e-3)
    )
    return Theory(
        params=p,
        latency_ns=tuple(p.cycle_ns * sum(part.frac * part.mean for part in side.parts) for side in sides),
        latency_p99_ns=p99,
        latency_p999_ns=p999,
        exits_ratio=tuple(side.mean([w.exits for w in side.ways]) - side.saved.sum() for side in sides),
        switches_ratio=tuple(side.mean([w.switches for w in side.ways]) for side in sides),
        cost_cycles=tuple(
            side.mean([cost_cycles(p, w.host) for w in side.ways])
            - side.saved.sum() * cost_cycles(p, _NOISES)
            for side in sides
        ),
        wait_ns=tuple(p.cycle_ns * sum(part.frac * part.wait for part in side.parts) for side in sides),
        hardware_frac=tuple(side.mean([w.hardware for w in side.ways]) for side in sides),
        way_frac=tuple(
            {w.name: float(f) for w, f in zip(side.ways, side.fracs, strict=True)} for side in sides
        ),
        advance_ns=tuple(p.cycle_ns * side.advance for side in sides),
        curve_ns=p.cycle_ns * chosen,
        curve_low=curve,
        curve_high=curve,
    )


def interval_cycles(p: Params) -> float:
    """From the guest's look at its TSC to the deadline, in host cycles: whole ticks, from a TSC read rounded down."""
    tick = p.tsc_hz / p.guest_hz
    return math.floor(p.interval_ns * p.guest_hz / 1e9) * tick - (0.5 * tick if p.guest_tsc_hz else 0.0)


def _side(p: Params, timer: int) -> _Side:
    found = ways(p, timer)
    interval = interval_cycles(p)
    steps = 2.0**p.timer_shift - 1 if any(way.early for way in found) else 0.0
    advances, weights = settled_cycles(p, timer, found, steps)
    fracs, saved, parts = np.zeros(len(found)), np.zeros(len(found)), []
    for advance, weight in zip(advances, weights, strict=True):
        shares = late.fractions(p, found, interval - advance)
        fracs += weight * shares
        for k, share in enumerate(shares):
            if share > _NEVER:
                part = _part(p, timer, found, k, weight * share, interval, float(advance))
                parts.append(part)
                if found[k].met == "guest" and not found[k].hardware:
                    kept = sum(hit.frac for hit in part.hits if hit.met and hit.shift < 0)
                    saved[k] += weight * share * kept
    return _Side(found, fracs, saved, float(advances @ weights), tuple(parts))


def _part(p: Params, timer: int, found, k: int, frac: float, interval: float, advance: float) -> Part:
    """The law of one way with one advance."""
    way = found[k]
    after = late.total(p, way.to_handler)
    early = _early(p, way, found, interval - advance)
    return Part(
        frac=frac,
        seen=late.look(late.total(p, way.to_look), early, after.reach),
        offset=interval if way.from_start else advance,
        after=after,
        spins=looks(p),
        hits=tuple(hits(p, timer, way, interval - advance)),
        steps=float(early[0] @ early[1]) if way.early else 0.0,
    )


def _early(p: Params, way: Way, found, point: float) -> tuple[np.ndarray, np.ndarray]:
    """How much the timer is early by its steps, less what it is late by the guest's; values and probabilities."""
    if way.from_start:
        return np.zeros(1), np.ones(1)
    values, fracs = np.zeros(1), np.ones(1)
    if way.early:
        entry = Stages(entry=1)  # the field is written, and loaded, as it begins
        back = late.total(p, found[-2].until - entry)
        own = Stages({"deliver": 1, "return": 1})
        again = late.total(p, way.host + own - entry)  # from one expiry to the next writing
        think = p.think_ns / p.cycle_ns
        values, fracs = early_cycles(
            p.timer_shift,
            (again.mean + think, again.variance**0.5),
            (point - back.mean, back.variance**0.5),
        )
    if p.guest_tsc_hz:
        ticks, tick_fracs = late_cycles(p.tsc_hz / p.guest_hz)
        values = np.subtract.outer(values, ticks).ravel()
        fracs = np.multiply.outer(fracs, tick_fracs).ravel()
    return values, fracs


__all__ = ["Theory", "analyze", "interval_cycles"]
