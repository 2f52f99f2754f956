"""Late sums: closed forms of light and heavy tails, atoms, rare modes; what inflation buys; wrong versions."""

import math

import numpy as np
import pytest
import scipy.stats as laws
from hypothesis import given, settings
from hypothesis import strategies as st

from nfvlab.realtime import rare_sums
from nfvlab.realtime.rare_sums import Sometimes, tail_of_sum


def rng(seed=1):
    return np.random.default_rng(seed)


def hypoexponential(means, late):
    """P(sum of exponentials of different means > late): partial fractions of the product of transforms."""
    rates = [1 / m for m in means]
    return sum(
        math.exp(-r * late) * math.prod(q / (q - r) for j, q in enumerate(rates) if j != i)
        for i, r in enumerate(rates)
    )


def convolved(first, second, late, cells=1_000_000):
    """P(X + Y > late) for two smooth laws above zero, by the midpoint rule."""
    x = (np.arange(cells) + 0.5) * (late / cells)
    return first.sf(late) + (first.pdf(x) * second.sf(late - x)).sum() * (late / cells)


def assert_met(made, exact, most=0.02):
    assert abs(made.value - exact) < made.reach(), (made, exact)
    assert made.trusted and made.relative_error < most


@pytest.mark.parametrize("late", [10, 20, 30, 45, 80])
def test_seven_equal_exponentials_are_an_erlang_law_down_to_1e_26(late):
    assert_met(tail_of_sum([laws.expon()] * 7, late, rng=rng(), n=20_000), laws.gamma(7).sf(late))


@pytest.mark.parametrize("means", [(1, 2), (5, 1, 3, 0.5), (1, 1.1, 0.9, 1.2, 0.8, 4, 0.3)])
@pytest.mark.parametrize("times", [2, 6, 15])
def test_different_exponentials_are_hypoexponential(means, times):
    late = times * sum(means)
    assert_met(
        tail_of_sum([laws.expon(scale=m) for m in means], late, rng=rng(2), n=20_000),
        hypoexponential(means, late),
    )


@pytest.mark.parametrize("pair", [(0.5, 0.5), (0.9, 0.4), (1.5, 1.5)])
@pytest.mark.parametrize("late", [6.0, 20.0, 100.0])
def test_two_lognormals_are_their_convolution(pair, late):
    first, second = (laws.lognorm(sigma) for sigma in pair)
    exact = convolved(first, second, late)
    assert_met(tail_of_sum([first, second], late, rng=rng(3), n=20_000), exact)


@given(
    means=st.lists(st.floats(0.1, 10), min_size=2, max_size=5, unique_by=lambda m: round(math.log(m) * 2)),
    times=st.floats(1, 20),
    seed=st.integers(0, 1000),
)
@settings(max_examples=30)
def test_any_exponentials(means, times, seed):
    late = times * sum(means)
    made = tail_of_sum([laws.expon(scale=m) for m in means], late, rng=rng(seed), n=4000)
    # partial fractions cancel: means are a factor 1.3 or more apart for that
    assert abs(made.value - hypoexponential(means, late)) < made.reach(5) + 1e-9 * made.value


@pytest.mark.parametrize("inflation", [1, 1.5, 3, [1, 4, 2]])
def test_any_inflation_is_unbiased(inflation):
    stages = [laws.expon(scale=m) for m in (1, 2, 3)]
    made = tail_of_sum(stages, 15, rng=rng(4), n=200_000, inflation=inflation)
    assert abs(made.value - hypoexponential((1, 2, 3), 15)) < made.reach()


def test_inflation_is_what_light_tails_need_and_heavy_ones_do_not():
    light, late = [laws.expon()] * 7, 30
    plain = tail_of_sum(light, late, rng=rng(5), n=20_000, inflation=1)
    inflated = tail_of_sum(light, late, rng=rng(5), n=20_000)
    assert not plain.trusted and inflated.trusted and inflated.relative_error < plain.relative_error / 10
    errors = [
        tail_of_sum([laws.pareto(1.5)] * 4, late, rng=rng(6), n=20_000, inflation=1).relative_error
        for late in (1e2, 1e3, 1e4)
    ]
    assert errors[0] > 4 * errors[1] > 16 * errors[2]  # Asmussen and Kroese: it vanishes


def test_atoms_and_constants():
    """A die of four sides three times, and a constant: P(sum of dice > 9) = (6 + 3 + 1) / 64 of 10, 11, 12."""
    dice = [laws.randint(1, 5)] * 3
    assert_met(tail_of_sum(dice, 9, rng=rng(7), n=40_000), 10 / 64)
    constant = laws.rv_discrete(values=([5], [1.0]))
    assert_met(tail_of_sum([*dice, constant], 14, rng=rng(8), n=40_000), 10 / 64)
    assert_met(tail_of_sum(dice, 11.5, rng=rng(9), n=40_000), 1 / 64)


def test_what_cannot_be_late_is_never_late():
    made = tail_of_sum([laws.uniform(), laws.uniform()], 2.0, rng=rng(), n=1000)
    assert made.value == 0 and made.verdict == "no draw met the event"
    sure = tail_of_sum([laws.uniform(1), laws.uniform(1)], 1.9, rng=rng(), n=1000)
    assert abs(sure.value - 1) < max(sure.reach(), 1e-12)


def test_two_uniform_stages_near_their_bound():
    # P(U + V > 2 - d) = d**2 / 2
    assert_met(tail_of_sum([laws.uniform()] * 2, 2 - 1e-4, rng=rng(10), n=20_000), 0.5e-8, most=0.03)


def test_a_rare_mode_is_found():
    """Stages of 1 and 2, and one of a millionth chance that takes 100 and more."""
    mode = Sometimes(1e-6, laws.expon(loc=100, scale=10))
    stages = [laws.expon(), laws.expon(scale=2), mode]
    # of the mode 1e-6 exp(-20/10) E[exp((X + Y)/10)] = 1e-6 exp(-2) / (0.9 * 0.8), X and Y hardly past 20 alone;
    # without it hypoexponential, 1e-26
    exact = 1e-6 * math.exp(-2) / (0.9 * 0.8)
    assert_met(tail_of_sum(stages, 120, rng=rng(11), n=20_000), exact, most=0.03)
    both = 1e-6 + hypoexponential((1, 2), 30)
    assert_met(tail_of_sum(stages, 30, rng=rng(12), n=20_000), both, most=0.03)


def test_a_stage_that_sometimes_takes_time():
    stage = Sometimes(0.25, laws.expon())
    assert stage.sf(np.array([-1.0, 0.0, 1.0])) == pytest.approx([1, 0.25, 0.25 * math.exp(-1)])
    assert stage.isf(np.array([0.9, 0.25, 0.1, 1e-9])) == pytest.approx(
        [0, 0, math.log(2.5), math.log(0.25e9)]
    )
    for chance in (0, 1.5, math.nan):
        with pytest.raises(ValueError, match="chance_frac"):
            Sometimes(chance, laws.expon())


def test_errors_are_honest():
    """Of 200 runs as many miss the truth by two errors as a normal variable would, within chance."""
    exact = laws.gamma(4).sf(20)
    runs = [tail_of_sum([laws.expon()] * 4, 20, rng=rng(seed), n=1000) for seed in range(200)]
    z = np.array([(run.value - exact) / run.stderr for run in runs])
    assert abs(z.mean()) < 4 / math.sqrt(200) and 0.85 < z.std() < 1.15


def without_smallest(join, table, nothing):
    """A wrong estimator: the stage that is integrated out may be any, and is counted each time."""
    return RIGHT(join, table, nothing) if join is np.add else np.ones_like(table)


def unweighted(factors, hazards):
    """A wrong estimator: inflated draws count as they are."""
    return np.zeros_like(hazards)


def with_own(join, table, nothing):
    """A wrong estimator: the stage is among the others."""
    return np.broadcast_to(join.reduce(table, axis=1, keepdims=True), table.shape)


RIGHT = rare_sums._without


@pytest.mark.parametrize(
    ("name", "wrong"), [("_without", without_smallest), ("_log_ratio", unweighted), ("_without", with_own)]
)
def test_wrong_estimators_are_rejected(monkeypatch, name, wrong):
    exact = laws.gamma(3).sf(12)
    assert_met(tail_of_sum([laws.expon()] * 3, 12, rng=rng(13), n=20_000), exact)
    monkeypatch.setattr(rare_sums, name, wrong)
    made = tail_of_sum([laws.expon()] * 3, 12, rng=rng(13), n=20_000)
    assert abs(made.value - exact) > made.reach()


def test_bad_input_is_refused():
    stage = [laws.expon()]
    with pytest.raises(ValueError, match="stages is empty"):
        tail_of_sum([], 1, rng=rng(), n=10)
    with pytest.raises(ValueError, match="late = nan"):
        tail_of_sum(stage, math.nan, rng=rng(), n=10)
    with pytest.raises(ValueError, match="n = 1: an error needs at least 2 draws"):
        tail_of_sum(stage, 1, rng=rng(), n=1)
    with pytest.raises(ValueError, match=r"inflation = 0.5: factors are from 1"):
        tail_of_sum(stage, 1, rng=rng(), n=10, inflation=0.5)
    with pytest.raises(ValueError, match="one for each of 1 stages"):
        tail_of_sum(stage, 1, rng=rng(), n=10, inflation=[1, 2])
