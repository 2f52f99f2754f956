"""What the estimators claim at 1e-6 and 1e-9: no bias over many runs, and intervals that cover as often as they say."""

import math

import numpy as np
import pytest
import scipy.stats as laws

from nfvlab.realtime.rare_laws import exponential
from nfvlab.realtime.rare_machines import busy_period
from nfvlab.realtime.rare_splitting import reach
from nfvlab.realtime.rare_sums import tail_of_sum
from nfvlab.realtime.rare_walk import wait_tail

LOAD, SIGMA = 0.5, 2.0
COVERED = math.erf(SIGMA / math.sqrt(2))


def late_sum(tail_frac, rng):
    """Seven exponentials are an Erlang law; hazards inflated to where all stages are late together."""
    late = float(laws.gamma(7).isf(tail_frac))
    return tail_of_sum([laws.expon()] * 7, late, rng=rng, n=1000, inflation=late / 7)


def long_wait(tail_frac, rng):
    """P(W > x) = load exp(-(1 - load) x)."""
    gap = exponential(1 / LOAD)
    return wait_tail(exponential(1.0), gap, math.log(LOAD / tail_frac) / (1 - LOAD), rng=rng, n=300)


def passed(tail_frac, rng):
    """(1 - load) e / (1 - load e) = tail_frac with e = exp(-(1 - load) x)."""
    late = -math.log(tail_frac / (1 - LOAD + LOAD * tail_frac)) / (1 - LOAD)
    count = round(-math.log(tail_frac) / 1.5)
    levels = late * np.arange(1, count + 1) / count
    return reach(busy_period(exponential(1.0), exponential(1 / LOAD)), levels, rng=rng, effort=60)


@pytest.mark.parametrize(("estimate", "runs"), [(late_sum, 150), (long_wait, 300), (passed, 25)])
@pytest.mark.parametrize("tail_frac", [1e-6, 1e-9])
def test_runs_are_unbiased_and_their_intervals_cover(estimate, runs, tail_frac):
    rng = np.random.default_rng(1)
    made = [estimate(tail_frac, rng) for _ in range(runs)]
    values = np.array([run.value for run in made])
    assert abs(values.mean() - tail_frac) < 4 * values.std(ddof=1) / math.sqrt(runs)
    # claims are as wide as the runs are apart; a variance over runs is known to sqrt(2 to 6 / runs) of itself
    claimed = np.mean([run.stderr**2 for run in made])
    assert claimed / values.var(ddof=1) == pytest.approx(1, abs=4 * math.sqrt(6 / runs))
    covered = np.mean([abs(run.value - tail_frac) <= run.reach(SIGMA) for run in made])
    # runs whose few largest draws are missing are low and sure: up to one in twenty more than a normal law's
    assert covered > COVERED - 0.05 - 4 * math.sqrt(COVERED * (1 - COVERED) / runs)
