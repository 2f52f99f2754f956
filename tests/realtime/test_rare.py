"""Weighted draws: value, error, and whether one draw decides; and the trap that shows why that is asked."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfvlab import stats
from nfvlab.realtime import rare, rare_sums, rare_trap

weights = st.lists(st.floats(0, 1e3), min_size=2, max_size=50)


@given(weights, st.sampled_from([1.0, 1e-200, 1e200]))
def test_value_and_error_are_those_of_the_mean_at_any_size(drawn, unit):
    made = rare.of_draws(np.array(drawn) * unit, "test")
    plain = stats.mean(drawn)
    if made.value == 0:
        assert made.verdict == "no draw met the event" and not made.trusted and math.isnan(made.stderr)
        return
    assert made.value == pytest.approx(plain.value * unit) and made.n == len(drawn)
    assert made.stderr == pytest.approx(plain.stderr * unit, rel=1e-6, abs=1e-12 * made.value)
    assert 1 / made.n <= made.largest_frac * (1 + 1e-12) and made.largest_frac <= 1
    assert 1 - 1e-12 <= made.effective_count <= made.n * (1 + 1e-12)
    assert (
        made.largest_frac >= 1 / made.effective_count - 1e-12
    )  # the largest share is at least the mean by weight


def test_shares_by_hand():
    made = rare.of_draws([1, 2, 5, 0], "test")
    assert made.value == 2 and made.largest_frac == 5 / 8 and made.effective_count == pytest.approx(64 / 30)


def crude(hits, n):
    return rare.of_draws(np.repeat([1.0, 0.0], [hits, n - hits]), "crude")


def test_a_crude_run_is_trusted_from_a_hundred_hits_on():
    # share 1/hits against a tenth of 1/sqrt(hits); of a million draws log(n)/sqrt(n) is 0.014, less than a tenth
    assert crude(101, 1_000_000).trusted
    assert crude(90, 1_000_000).verdict == "one draw decides"
    assert crude(0, 1000).verdict == "no draw met the event"


def test_equal_draws_are_exact_and_one_that_stands_out_is_found():
    assert rare.of_draws(np.full(100, 0.3), "test").trusted
    assert rare.of_draws(np.full(100, 0.3), "test").stderr == 0
    # a hundred thousand draws, one of them 300 times the others: its share is only 0.003
    outlier = np.append(np.ones(99_999), 300.0)
    assert rare.of_draws(outlier, "test").verdict == "one draw decides"


@pytest.mark.parametrize("n", [20, 100, 1000, 10_000])
def test_draws_of_a_light_law_raise_few_alarms(n):
    rng = np.random.default_rng(1)
    runs = [rare.of_draws(rng.standard_exponential(n), "test").trusted for _ in range(200)]
    assert (
        np.mean(runs) > 0.6
    )  # the largest of n is beyond mean + log(n) deviations 3 times out of 10 at most
    even = [rare.of_draws(rng.random(n), "test").trusted for _ in range(50)]
    assert np.mean(even) > 0.95


def test_draws_of_a_heavy_law_raise_them_nearly_always():
    rng = np.random.default_rng(2)
    runs = [rare.of_draws(rng.pareto(1.3, 10_000), "test").trusted for _ in range(100)]
    assert np.mean(runs) < 0.1


@pytest.mark.parametrize("drawn", [[1.0], [[1, 2]], [1, -1], [1, math.nan], [1, math.inf]])
def test_what_is_no_sample_of_weights_is_refused(drawn):
    with pytest.raises(ValueError, match="draws"):
        rare.of_draws(drawn, "test")


def test_the_text_says_what_to_think_of_it():
    assert str(crude(0, 10)).endswith("no draw met the event")
    assert str(crude(500, 1000)).endswith("largest share 0.002: trusted")


@pytest.fixture(scope="module")
def found():
    return rare_trap.trap(rng=np.random.default_rng(3), runs=25)


def test_the_trap_s_typical_run_is_two_per_cent_low_and_sure_of_itself(found):
    assert found.reference.trusted and found.reference.relative_error < 0.001
    assert -0.035 < found.off_frac < -0.01
    claimed = np.median([run.relative_error for run in found.runs])
    assert 0.006 < claimed < 0.011
    assert np.mean([run.value < found.reference.value for run in found.runs]) > 0.7


def test_the_largest_weight_unmasks_it(found):
    assert not found.typical.trusted
    assert np.mean([run.trusted for run in found.runs]) < 0.1
    assert (
        min(run.effective_count for run in found.runs if run.relative_error < 0.01) > 5000
    )  # that does not show it


def test_the_trap_s_stage_is_lognormal():
    stage = rare_trap.Lognormal(0.7)
    assert stage.sf(1.0) == 0.5 and stage.sf(-1.0) == 1 and stage.sf(0.0) == 1
    assert stage.sf(math.exp(0.7 * 1.959963984540054)) == pytest.approx(0.025)
    assert stage.sf(stage.isf(np.array([0.9, 1e-3, 1e-200]))) == pytest.approx([0.9, 1e-3, 1e-200])


def test_a_shifted_mean_is_right_where_it_covers_the_event():
    # one stage alone: the weights are bounded, and the answer is in closed form
    stage, late = rare_trap.Lognormal(0.5), math.exp(0.5 * 4)
    made = rare_trap.shifted_mean([stage], late, [4.0], rng=np.random.default_rng(4), n=50_000)
    assert made.trusted and abs(made.value - stage.sf(late)) < made.reach()
    exact = rare_sums.tail_of_sum([stage], late, rng=np.random.default_rng(4), n=2)
    assert exact.value == pytest.approx(stage.sf(late)) and exact.stderr == 0


def test_the_trap_refuses_what_it_cannot_do():
    rng = np.random.default_rng(5)
    with pytest.raises(ValueError, match="runs = 4: give an odd number"):
        rare_trap.trap(rng=rng, runs=4)
    with pytest.raises(ValueError, match="one for each of the 7 stages"):
        rare_trap.shifted_mean(rare_trap.STAGES, 9.0, [1.0], rng=rng, n=10)
