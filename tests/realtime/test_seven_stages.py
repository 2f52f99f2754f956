"""The 1e-9 quantile of seven stages against references made by other roads."""

import math

import numpy as np
import pytest
from scipy.linalg import expm
from tail_references import hypoexponential_tail, quantile

from nfvlab.realtime.lattice import bound
from nfvlab.realtime.laws import Constant, Exponential
from nfvlab.vfio.bounds import Bounds
from nfvlab.vfio.params import Params
from nfvlab.vfio.stages import modes

TAIL = 1e-9
MEANS = (90.0, 130.0, 210.0, 340.0, 550.0, 610.0, 770.0)
ORIGINS = (400.0, 0.0, 250.0, 1000.0, 60.0, 300.0, 800.0)
PATH = tuple(Exponential(excess_ns=a, min_ns=b) for a, b in zip(MEANS, ORIGINS, strict=True))


def phase_tail(x: float) -> float:
    """P(sum > x) as the absorption time of a chain of seven states: a matrix exponential, no formula of sums."""
    rates = 1 / np.array(MEANS)
    generator = np.diag(-rates) + np.diag(rates[:-1], 1)
    return float(expm(generator * x)[0].sum())


def test_both_references_agree():
    for x in (1e3, 5e3, 1e4, 2e4):
        assert phase_tail(x) == pytest.approx(hypoexponential_tail(MEANS, x), rel=1e-9)


def exact_ns() -> float:
    """The quantile, from the sum of seven exponentials in 250 digits."""
    return sum(ORIGINS) + quantile(lambda x: hypoexponential_tail(MEANS, x), TAIL, 1e5)


def test_the_quantile_is_bracketed_to_a_thousandth():
    made = bound(PATH, TAIL, rel=1e-3)
    low, high = made.quantile_ns(TAIL)
    assert low <= exact_ns() <= high and high - low <= 1e-3 * low
    below, above = made.sf(exact_ns())
    assert below <= TAIL * (1 + 1e-9) and above >= TAIL * (1 - 1e-9)


def test_so_is_that_of_a_path_whose_stages_they_are():
    """The same seven as stages of an interrupt: a constant part, and an exponential one of each."""
    names = ("irq", "msi", "irqfd", "post", "loop", "entry", "deliver")
    nothing = dict.fromkeys(("ipi_cycles", "exit_cycles", "sync_cycles"), 0.0)
    costs = {f"{name}_cycles": 2 * mean for name, mean in zip(names, MEANS, strict=True)}
    p = Params(tsc_hz=1e9, spread_frac=0.5, **costs, **nothing)
    exact = sum(MEANS) + quantile(lambda x: hypoexponential_tail(MEANS, x), TAIL, 1e5)
    made = Bounds(p, "no thread", TAIL, 4096).tail(modes(p, "no thread"))
    low, high = made.quantile_ns(TAIL)
    assert low <= exact <= high and high - low <= 2e-3 * low


def test_monte_carlo_agrees_where_it_can_see():
    draws = np.random.default_rng(4).exponential(MEANS, (200_000, len(MEANS))).sum(axis=1) + sum(ORIGINS)
    made = bound(PATH, TAIL, rel=1e-3)
    for share in (0.1, 1e-2, 1e-3):
        low, high = made.sf(np.quantile(draws, 1 - share))
        slack = 5 * math.sqrt(share / draws.size)
        assert low - slack <= share <= high + slack


def test_a_constant_taken_for_a_varying_stage_is_rejected():
    stiff = (*PATH[:-1], Constant(value_ns=PATH[-1].mean_ns))
    low, high = bound(stiff, TAIL, rel=1e-3).quantile_ns(TAIL)
    assert not low <= exact_ns() <= high
