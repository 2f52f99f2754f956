"""The adaptive advance round by round: stages drawn one by one, KVM's rule on what each round measures."""

from typing import NamedTuple

import numpy as np

from nfvlab.timer.advance import ADVANCE_INIT_NS, adjust
from nfvlab.timer.params import Params
from nfvlab.timer.rounds import Stages, ways
from nfvlab.timer.scaling import GuestClock


class Course(NamedTuple):
    """Rounds in order: the look's error in guest cycles, and the advance in ns after it; int64[n] each."""

    error_cycles: np.ndarray
    advance_ns: np.ndarray


def course(p: Params, timer: int, *, rounds_count: int, rng: np.random.Generator) -> Course:
    """A timer's advance from its start; every round goes the usual way, and noise may delay it.

    Noise is an exponential delay of mean noise_ns in the share of the rounds that meet it.
    """
    stages = ways(p, timer)[-1].to_look
    paths = drawn_cycles(p, stages, rounds_count, rng)
    window_ns = paths * p.cycle_ns
    hit = rng.random(rounds_count) < -np.expm1(-p.noise_per_s * window_ns / 1e9)
    paths = paths + hit * rng.exponential(p.noise_ns / p.cycle_ns, rounds_count)
    if timer and not p.halting:
        paths = paths - rng.integers(0, 1 << p.timer_shift, (2, rounds_count)).sum(axis=0)
    clock = GuestClock(host_khz=round(p.tsc_hz / 1e3))
    advance, errors, advances = ADVANCE_INIT_NS, [], []
    for path in np.rint(paths).astype(int):
        error = int(path) - clock.nsec_to_cycles(advance)
        advance = adjust(advance, error, clock.virtual_tsc_khz)
        errors.append(error)
        advances.append(advance)
    return Course(np.array(errors), np.array(advances))


def drawn_cycles(p: Params, stages: Stages, count: int, rng: np.random.Generator) -> np.ndarray:
    """Durations of so many stages in a row, each a constant and an exponential time: float64[count], cycles."""
    total = np.zeros(count)
    for name, times in stages.items():
        cost = getattr(p, f"{name}_cycles")
        for _ in range(times):
            total += (1 - p.spread_frac) * cost + rng.exponential(p.spread_frac * cost, count)
    return total


__all__ = ["Course", "course", "drawn_cycles"]
