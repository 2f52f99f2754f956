"""Benchmark of an interrupt's 1e-9 quantile beside Monte Carlo in numpy: `make bench`. Times are printed."""

import os

import numpy as np
from benchmarks.timing import Contender, race, show

from nfvlab.realtime.lattice import bound
from nfvlab.vfio.analytic import analyze, tail
from nfvlab.vfio.params import Params
from nfvlab.vfio.scenarios import SCENARIOS
from nfvlab.vfio.stages import laws
from nfvlab.vfio.summed import end_ns, summed

TAIL = 1e-9
SEEN = 1e-6  # as rare as a million draws can say anything of
DRAWS = 1_000_000
REL = 1e-3
P = Params()
NAMES = ("irq", "msi", "irqfd", "post", "loop", "entry", "deliver")
STAGES = laws(P, NAMES)
MIN_NS = np.array([law.origin_ns for law in STAGES])
EXCESS_NS = np.array([law.mean_ns for law in STAGES]) - MIN_NS


def drawn(rng, n: int = DRAWS) -> np.ndarray:
    """Plain Monte Carlo of seven stages: float64[n] ns."""
    total = np.full(n, MIN_NS.sum())
    for mean in EXCESS_NS:
        total += rng.exponential(mean, n)
    return total


def afresh(work):
    """A run that finds no sum in the caches."""

    def run(_):
        summed.cache_clear()
        end_ns.cache_clear()
        return work()

    return Contender(run)


def slope_ns(made) -> float:
    """How many ns of the quantile a relative change of the tail is worth, at SEEN: -dx / d log P."""
    low, high = (sum(made.quantile_ns(SEEN * at)) / 2 for at in (2.0, 0.5))
    return (high - low) / np.log(4.0)


def test_speed_of_seven_stages():
    """Target: 0.5 s to a thousandth; Monte Carlo to a standard error of that, by its measured rate."""
    seconds = race(
        {
            "lattice.bound, seven stages": afresh(lambda: bound(STAGES, TAIL, rel=REL)),
            "vfio.tail, no thread": afresh(lambda: tail(P, "no thread", tail_frac=TAIL, rel=REL)),
            "vfio.tail, threaded": afresh(lambda: tail(P, "threaded", tail_frac=TAIL, rel=REL)),
            "Monte Carlo, 1e6 draws": Contender(drawn, lambda: np.random.default_rng(1)),
        }
    )
    show(f"quantile at 1e-9 to a thousandth; load {os.getloadavg()[0]:.1f}", seconds)
    made = bound(STAGES, TAIL, rel=REL)
    first = seconds["lattice.bound, seven stages"]
    for share in (SEEN, TAIL):
        x = sum(made.quantile_ns(share)) / 2
        # stderr of the quantile at share: slope / sqrt(n share); wanted: rel x
        n = (slope_ns(made) / (REL * x)) ** 2 / share
        cost = seconds["Monte Carlo, 1e6 draws"] * n / DRAWS
        print(f"  Monte Carlo to {REL} of the quantile at {share:g}: {n:.2g} draws, {cost:.3g} s,", end=" ")
        print(f"{cost / first:.3g} times the bounds' (which hold at 1e-9, and for certain)")
    print(f"  bounds at 1e-9: {made.quantile_ns(TAIL)}; at 1e-6: {made.quantile_ns(SEEN)}")
    seen = np.quantile(drawn(np.random.default_rng(2)), 1 - SEEN)
    print(f"  a million draws say {seen:.0f} at 1e-6")


def test_speed_of_analyze():
    """What a slider waits for: all paths of every scenario, on the panel's lattice (target: 10 ms)."""
    contenders = {name: afresh(lambda p=p: analyze(p)) for name, p in SCENARIOS.items()}
    show(f"vfio.analyze; load {os.getloadavg()[0]:.1f}", race(contenders))
