"""Error bars are tested by what they promise: how often the truth lies further away than they say."""

import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, norm, t

from nfvlab import stats
from nfvlab.stats import Estimate, batch_means, mean, proportion, quantile, student

REPEATS = 2000


def misses(estimates, truth, sigma):
    """Share of estimates whose truth lies further away than `sigma` standard errors, after Student's t."""
    return np.mean([abs(estimate.value - truth) > estimate.reach(sigma) for estimate in estimates])


def expected(sigma):
    return 2 * NormalDist().cdf(-sigma)


def four_sigma(share):
    """Four standard deviations of the number of misses in REPEATS trials, as a share."""
    return 4 * math.sqrt(share * (1 - share) / REPEATS)


def ar1(rng, rows, length, phi):
    """Stationary Gaussian AR(1) series, mean 0, variance 1, autocorrelation phi**lag: (rows, length)."""
    x = np.empty((rows, length))
    x[:, 0] = rng.standard_normal(rows)
    for i in range(1, length):
        x[:, i] = phi * x[:, i - 1] + math.sqrt(1 - phi**2) * rng.standard_normal(rows)
    return x


# --- means of independent observations


def test_mean_by_hand():
    assert mean([1, 2, 3]) == Estimate(2.0, 1 / math.sqrt(3), "independent replications", 3, 2)


def test_equal_observations_have_no_error():
    assert mean([0.1] * 7).stderr == 0  # 0.1 * 7 / 7 is not 0.1 in floating point; the value is
    assert mean([0.1] * 7).value == 0.1
    assert batch_means([0.1] * 70).stderr == 0
    assert mean([0.1] * 7).reach() == 0


def test_a_single_replication_has_a_value_and_an_unknown_error():
    estimate = mean([3.0])
    assert estimate.value == 3
    assert math.isnan(estimate.stderr)
    assert math.isnan(estimate.reach())


@pytest.mark.parametrize("n", [2, 3, 10, 100])
@pytest.mark.parametrize("sigma", [1, 2])
def test_the_error_of_a_mean_covers_the_truth_as_often_as_it_says(n, sigma):
    rng = np.random.default_rng(11)
    share = misses([mean(x) for x in rng.normal(5, 2, (REPEATS, n))], 5, sigma)
    assert share == pytest.approx(expected(sigma), abs=four_sigma(expected(sigma)))


# --- series


@pytest.mark.parametrize("sigma", [1, 2])
def test_batch_means_cover_the_truth_of_a_dependent_series(sigma):
    """20 batches of m = 250 values, phi = 0.9.

    Batches remember each other a little: the variance is 2 phi / (m (1 - phi²)) = 3.8 % too small, the error
    1.9 %, which moves the share of misses by at most 2 * pdf(1) * 1.9 % = 0.9 %.
    """
    series = ar1(np.random.default_rng(5), REPEATS, 5000, 0.9)
    share = misses([batch_means(x) for x in series], 0, sigma)
    assert share == pytest.approx(expected(sigma), abs=four_sigma(expected(sigma)) + 0.01)


def test_the_independent_error_of_a_dependent_series_is_too_small():
    """The mistake that batch means are for: sqrt((1+phi)/(1-phi)) = 4.4 times too small, 65 % misses."""
    series = ar1(np.random.default_rng(5), REPEATS, 5000, 0.9)
    share = misses([mean(x) for x in series], 0, 2)
    assert share == pytest.approx(expected(2 / math.sqrt(1.9 / 0.1)), abs=four_sigma(0.65))


def test_batch_means_by_hand():
    estimate = batch_means([100, 1, 3, 5, 7, 9, 11], batches=3)  # 100 is left over at the beginning
    assert estimate.value == 6
    assert estimate.stderr == pytest.approx(4 / math.sqrt(3))  # of the means 2, 6, 10
    assert (estimate.method, estimate.n, estimate.dof) == ("3 batch means", 7, 2)


def test_batch_means_refuse_too_few():
    with pytest.raises(ValueError, match="20 batches need at least 40"):
        batch_means(range(39))
    with pytest.raises(ValueError, match="at least 2 batches"):
        batch_means(range(39), batches=1)


# --- quantiles


@pytest.mark.parametrize("q", [0.05, 0.5, 0.99])
@pytest.mark.parametrize("draw", ["standard_exponential", "standard_normal", "random"])
def test_the_error_of_a_quantile_covers_the_truth(q, draw):
    """Whatever the distribution; the longer side makes it a little careful, never careless."""
    truth = {"standard_exponential": -math.log(1 - q), "standard_normal": norm.ppf(q), "random": q}[draw]
    samples = getattr(np.random.default_rng(2), draw)((REPEATS, 1000))
    share = misses([quantile(x, q) for x in samples], truth, 2)
    assert expected(2) / 8 < share < expected(2) + four_sigma(expected(2))


def test_quantile_of_a_heavy_atom_has_no_error():
    estimate = quantile([0.0] * 90 + [7.0] * 10, 0.5)
    assert (estimate.value, estimate.stderr) == (0, 0)


def test_a_quantile_beyond_the_observations_has_an_unknown_error():
    assert math.isnan(quantile(range(100), 0.99).stderr)
    assert quantile(range(1000), 0.99).stderr > 0


@pytest.mark.parametrize("q", [0, 1, -0.1, math.nan])
def test_quantile_refuses_what_is_not_inside(q):
    with pytest.raises(ValueError, match="between 0 and 1"):
        quantile(range(100), q)


# --- proportions


@given(st.integers(1, 10**6), st.data())
def test_a_proportion_is_refused_when_the_score_test_refuses_it(n, data):
    """Wilson's interval inverts the score test: beyond it the truth is four of its own sigmas away."""
    k = data.draw(st.integers(0, n))
    estimate = proportion(k, n)
    assert estimate.value == k / n
    assert estimate.stderr > 0
    end = estimate.value + (1 if k <= n / 2 else -1) * estimate.reach(4)  # of the longer side
    assert 0 <= end <= 1
    assert abs(estimate.value - end) == pytest.approx(4 * math.sqrt(end * (1 - end) / n), rel=1e-6)


@pytest.mark.parametrize("truth", [0.001, 0.05, 0.5, 0.9])
@pytest.mark.parametrize("n", [20, 200, 2000])
def test_a_proportion_covers_the_truth_at_four_sigma(truth, n):
    """Exactly, over all counts: a correct share is refused less than once in two thousand times."""
    counts = np.arange(n + 1)
    refused = [abs(k / n - truth) > proportion(int(k), n).reach(4) for k in counts]
    assert binom.pmf(counts, n, truth)[refused].sum() < 5e-4


@pytest.mark.parametrize(("k", "n"), [(-1, 5), (6, 5), (0, 0), (1.5, 5)])
def test_proportion_refuses_impossible_counts(k, n):
    with pytest.raises(ValueError, match="whole numbers"):
        proportion(k, n)


# --- small samples


@pytest.mark.parametrize("dof", [1, 2, 3, 4, 5, 10, 19, 99, 200, 201, 1000])
@pytest.mark.parametrize("sigma", [0.5, 1.0, 2.0, 4.0])
def test_student_is_students_t(sigma, dof):
    assert student(sigma, dof) == pytest.approx(t.isf(norm.sf(sigma), dof), rel=2e-5)


def test_student_of_infinitely_many_is_normal():
    assert student(4.0, math.inf) == 4
    assert Estimate(0, 2.0, "given", 10).reach(3) == 6


@pytest.mark.parametrize("x", [[], [1.0, math.nan], [1.0, math.inf], [[1.0, 2.0]], 3.0])
@pytest.mark.parametrize("estimator", [mean, batch_means, lambda x: quantile(x, 0.5)])
def test_what_cannot_be_estimated_from_is_refused(x, estimator):
    with pytest.raises(ValueError, match="shape|n = 0|NaN or infinite"):
        estimator(x)


def test_an_estimate_prints_its_error_and_method():
    assert str(Estimate(3.14159265, 0.0123, "batch means", 500)) == "3.14159 ± 0.012 (batch means, n=500)"
    assert stats.BATCHES == 20


def test_a_pooled_quantile_holds_its_error_for_dependent_rows():
    rng, q, truth, far = np.random.default_rng(7), 0.9, -math.log(0.1), 0
    for _ in range(200):
        level = rng.exponential(size=(12, 50))
        x = np.repeat(level, 8, axis=1)  # every value eight times: n = 400 a row, but 50 independent ones
        estimate = stats.pooled_quantile(x, q)
        far += abs(estimate.value - truth) > estimate.reach(2.0)
    assert 1 <= far <= 24  # 4.6 % of 200 outside two standard deviations, and three deviations of that count


def test_a_pooled_quantile_of_one_row_does_not_know_its_error():
    assert math.isnan(stats.pooled_quantile(np.ones((1, 5)), 0.5).stderr)
    with pytest.raises(ValueError, match="one row a replication"):
        stats.pooled_quantile(np.ones(5), 0.5)
