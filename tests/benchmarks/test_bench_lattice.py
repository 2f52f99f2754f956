"""Benchmarks of tails by lattice beside what a user would write: `make bench`. Times are printed, never asserted."""

import os

import numpy as np
from benchmarks.timing import Contender, race, show

from nfvlab.realtime.composed import rare
from nfvlab.realtime.lattice import bound
from nfvlab.realtime.laws import Constant, Exponential, Gamma, Lognormal, Uniform
from nfvlab.realtime.waits import wait

TAIL = 1e-9
DRAWS = 1_000_000
PATH = (
    Constant(value_ns=400.0),
    Gamma(excess_ns=300.0, cv=0.5, min_ns=200.0),
    Exponential(excess_ns=250.0, min_ns=100.0),
    Lognormal(excess_ns=500.0, cv=0.6, min_ns=300.0),
    Uniform(width_ns=1000.0),
    Gamma(excess_ns=800.0, cv=1.2, min_ns=700.0),
    rare(1e-6, Uniform(width_ns=50e3, min_ns=100e3)),
    Exponential(excess_ns=90.0),
)


def drawn(rng, n: int = DRAWS):
    """Monte Carlo of the path in numpy."""
    sigma = np.sqrt(np.log1p(0.6**2))
    total = 400.0 + 200.0 + rng.gamma(4.0, 75.0, n) + 100.0 + rng.exponential(250.0, n)
    total += 300.0 + rng.lognormal(np.log(500.0) - sigma**2 / 2, sigma, n) + rng.uniform(0.0, 1000.0, n)
    total += 700.0 + rng.gamma(1.2**-2, 800.0 * 1.2**2, n) + rng.exponential(90.0, n)
    hits = rng.random(n) < 1e-6
    total[hits] += rng.uniform(100e3, 150e3, hits.sum())
    return np.quantile(total, 1 - 1e-4)


def plain_fft(points: int, end_ns: float) -> float:
    """One FFT over rounded laws, without bounds: the quantile at TAIL."""
    edges = (np.arange(points + 1) + 0.5) * end_ns / points
    spectrum = 1.0
    for law in PATH[1:]:
        tails = np.append(1.0, law.beyond(edges))
        spectrum = spectrum * np.fft.rfft(tails[:-1] - tails[1:], 2 * points)
    tails = 1 - np.cumsum(np.fft.irfft(spectrum)[:points])
    origin = sum(law.origin_ns for law in PATH)
    return origin + int(np.argmax(tails <= TAIL)) * end_ns / points


def test_speed_of_a_path():
    """The quantile at 1e-9 with bounds (target: 0.5 s to 1e-3, 30 ms coarse), a plain FFT without, a million draws."""
    contenders = {
        "bounds, to 0.1 %": Contender(lambda _: bound(PATH, TAIL, rel=1e-3)),
        "bounds, to 1 %": Contender(lambda _: bound(PATH, TAIL, rel=1e-2)),
        "bounds, to 0.01 %": Contender(lambda _: bound(PATH, TAIL, rel=1e-4)),
        "bounds, 512 cells": Contender(lambda _: bound(PATH, TAIL, points=512)),
        "plain FFT, 8192 cells, no bounds": Contender(lambda _: plain_fft(8192, 160e3)),
        "Monte Carlo, 1e6 draws": Contender(drawn, lambda: np.random.default_rng(1)),
    }
    seconds = race(contenders)
    show(f"quantile at 1e-9 of eight stages; load {os.getloadavg()[0]:.1f}", seconds)
    needed = 100 / TAIL  # draws for a tenth of the tail as its standard error
    cost = seconds["Monte Carlo, 1e6 draws"] * needed / DRAWS
    print(f"  Monte Carlo to 10 % of the tail: 1e11 draws, {cost / 3600:.1f} h by this rate,", end=" ")
    print(f"{cost / seconds['bounds, to 0.1 %']:.2g} times as long")
    for rel in (1e-2, 1e-3, 1e-4):
        made = bound(PATH, TAIL, rel=rel)
        print(f"  bounds at 1e-9: {made.quantile_ns(TAIL)}, {made.points} cells")
    print(f"  plain FFT says {plain_fft(8192, 160e3):.0f}")


def test_speed_of_waits():
    """M/M/1 at 1e-9: what the load costs."""
    service = Exponential(excess_ns=1000.0)
    contenders = {
        f"load {load}, to 1 %": Contender(lambda _, load=load: wait(service, load * 1e6, rel=1e-2))
        for load in (0.3, 0.7, 0.9, 0.99)
    }
    show(f"waits of M/M/1; load {os.getloadavg()[0]:.1f}", race(contenders))
    for load in (0.3, 0.7, 0.9, 0.99, 0.999):
        made = wait(service, load * 1e6, rel=1e-2)
        print(f"  load {load}: width {made.rel_width(TAIL):.4f} with {made.points} cells")
