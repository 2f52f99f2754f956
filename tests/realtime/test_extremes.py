"""What n samples can say: refused or flagged beyond 3/n, intervals that cover, and a fit that is wrong both ways."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfvlab.realtime import extremes_example as example
from nfvlab.realtime.extremes import BeyondData, largest_tail, quantile, samples_needed


def rng(seed=1):
    return np.random.default_rng(seed)


def binomial_below(k, n, p):
    """P(Binomial(n, p) <= k), summed."""
    return math.fsum(math.comb(n, j) * p**j * (1 - p) ** (n - j) for j in range(k + 1))


@pytest.mark.parametrize("n", [10, 1000, 10**6])
def test_none_of_n_leaves_three_in_n(n):
    # (1 - p)**n = 0.05 at -log(0.05) / n = 2.996 / n for large n
    assert largest_tail(0, n) == pytest.approx(-math.log(0.05) / n, rel=2 / n)
    assert largest_tail(0, n) * n <= 3
    assert samples_needed(largest_tail(0, n) * (1 + 1e-9)) == n


@given(st.integers(1, 60), st.data(), st.sampled_from([0.8, 0.95, 0.999]))
def test_the_largest_tail_is_clopper_pearson_s(n, data, confidence):
    k = data.draw(st.integers(0, n))
    p = largest_tail(k, n, confidence=confidence)
    assert k == n and p == 1 or binomial_below(k, n, p) == pytest.approx(1 - confidence, rel=1e-6)


@pytest.mark.parametrize("n", [100, 5000])
def test_it_answers_down_to_three_in_n_and_refuses_beyond(n):
    values = rng().standard_exponential(n)
    edge = largest_tail(0, n)
    made = quantile(values, edge * (1 + 1e-9))
    assert not made.beyond_data and made.upper == values.max() and math.isnan(made.shape)
    with pytest.raises(BeyondData, match=rf"{n} samples say nothing of what is rarer than .* \(about 3/n\)"):
        quantile(values, edge * (1 - 1e-9))


def test_the_refusal_says_how_many_samples_would_do():
    with pytest.raises(BeyondData, match="take 2995732273, or extrapolate=True"):
        quantile(rng().random(1000), 1e-9)
    assert samples_needed(1e-9) == 2_995_732_273  # -log(0.05) (1e9 - 1/2), rounded up


def test_an_extrapolation_is_flagged_and_has_no_upper_bound():
    values = rng(2).standard_exponential(100_000)
    made = quantile(values, 1e-7, extrapolate=True)
    assert made.beyond_data and made.upper == math.inf
    assert made.lower < values.max() and made.lower == quantile(values, largest_tail(0, values.size)).lower
    # an exponential tail goes on as it was: shape 0, and -log(1e-7) = 16.1 within the fit's own error
    assert abs(made.shape) < 0.15 and 11 < made.value < 27


LAWS = {
    "exponential": (lambda g, n: g.standard_exponential(n), lambda p: -math.log(p)),
    "Pareto": (lambda g, n: (1 - g.random(n)) ** -0.5, lambda p: p**-0.5),
    "die": (lambda g, n: g.integers(1, 7, n).astype(float), lambda p: 6.0 - math.floor(6 * p)),
}


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize(("n", "tail_frac"), [(100, 0.05), (1000, 0.01), (1000, 0.3), (400, 0.0075)])
@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_each_bound_holds_as_often_as_it_says(law, n, tail_frac, confidence):
    draw, exact = LAWS[law]
    g, truth, runs = rng(3), exact(tail_frac), 600
    made = [quantile(draw(g, n), tail_frac, confidence=confidence) for _ in range(runs)]
    least = confidence - 4 * math.sqrt(confidence * (1 - confidence) / runs)
    assert np.mean([m.lower <= truth for m in made]) > least
    assert np.mean([m.upper >= truth for m in made]) > least


def test_the_bounds_are_no_wider_than_they_must_be():
    # of a continuous law the order statistic next inside covers too rarely
    n, tail_frac = 1000, 0.01
    values = np.arange(1.0, n + 1)
    made = quantile(values, tail_frac)
    above = int(n - made.upper)  # samples above the upper bound
    assert binomial_below(above, n, tail_frac) <= 0.05 < binomial_below(above + 1, n, tail_frac)
    below = int(made.lower) - 1
    assert binomial_below(below, n, 1 - tail_frac) <= 0.05 < binomial_below(below + 1, n, 1 - tail_frac)


@given(st.lists(st.integers(0, 9), min_size=80, max_size=200), st.floats(0.04, 0.9))
def test_a_histogram_is_its_samples(values, tail_frac):
    bins, counts = np.unique(values, return_counts=True)
    padded = np.append(bins, 100), np.append(counts, 0)
    assert quantile(*padded[:1], tail_frac, counts=padded[1]) == quantile(values, tail_frac)


def test_overflows_are_longer_than_all_and_cannot_be_fitted():
    values = np.arange(1.0, 991.0)
    made = quantile(values, 0.005, overflows=10)
    assert made.n == 1000 and made.value == made.upper == math.inf and made.lower <= 990
    assert quantile(values, 0.1, overflows=10).value == 900
    with pytest.raises(BeyondData, match="overflows = 10: a tail cannot be fitted"):
        quantile(values, 1e-6, overflows=10, extrapolate=True)


def test_too_few_samples_have_no_tail():
    with pytest.raises(BeyondData, match="stand out above a threshold"):
        quantile(rng().random(100), 1e-6, extrapolate=True)
    with pytest.raises(BeyondData, match="0 samples stand out"):
        quantile(np.ones(10_000), 1e-6, extrapolate=True)


@pytest.fixture(scope="module")
def found():
    return [example.wrong_both_ways(rng=rng(seed)) for seed in range(2)]


def test_a_fitted_tail_is_wrong_both_ways(found):
    for missed, seen, bounded in found:
        assert missed.extrapolated.beyond_data and bounded.extrapolated.beyond_data
        assert missed.ratio < 0.02  # a hundred times too low: the mode was not there to be seen
        assert missed.extrapolated.shape < 0 < seen.extrapolated.shape
        assert seen.ratio < 0.1 and seen.extrapolated.value < np.sort(seen.values_ns)[-2]
        assert bounded.ratio > 2  # and too high, whatever the draws
        for case in (missed, seen, bounded):
            assert case.extrapolated.lower <= case.exact  # the honest bound holds all along


def test_the_exact_times_are_those_of_the_hosts():
    """The tails by a different road: a million draws given that the mode is there, and the law's own inverse."""
    missed, _, bounded = example.wrong_both_ways(rng=rng(), n=20_000)
    assert missed.tail(missed.exact) == pytest.approx(1e-9, rel=1e-6)
    later = example.SMI_NS + example.BODY_NS * rng(4).beta(*example.BODY_SHAPES, 1_000_000)
    share, late = example.SMI_FRAC, missed.exact
    assert share * (later > late).mean() == pytest.approx(
        1e-9, rel=0.1
    )  # 3333 of a million: 1.7 % twice over
    assert bounded.exact == pytest.approx(example.SCALE_NS * 1e-7**-0.5)
    assert (
        bounded.tail(bounded.exact * (1 - 1e-9)) == pytest.approx(1e-7) and bounded.tail(bounded.exact) == 0
    )
    for case in (missed, bounded):
        for x in np.quantile(case.values_ns, [0.3, 0.9, 0.99]):
            assert case.tail(x) == pytest.approx((case.values_ns > x).mean(), abs=0.02)


def test_a_sample_of_a_million_misses_the_mode_three_times_of_four():
    missed = (1 - example.SMI_FRAC) ** 1_000_000
    assert missed == pytest.approx(0.74, abs=0.01)
    with pytest.raises(ValueError, match="tail_frac = 1e-06: the example needs it below"):
        example.wrong_both_ways(rng=rng(), tail_frac=1e-6)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: quantile([], 0.5), "there is no sample"),
        (lambda: quantile([1.0, math.nan], 0.5), "not all finite"),
        (lambda: quantile([1.0], 0.0), "tail_frac = 0.0: must lie between 0 and 1"),
        (lambda: quantile([1.0, 2.0], 0.9, counts=[1, -1]), "whole numbers, none negative"),
        (lambda: quantile([1.0, 2.0], 0.9, counts=[1]), "two rows of one length"),
        (lambda: quantile([1.0], 0.99, overflows=-1), "whole numbers, none negative"),
        (lambda: quantile([1.0], 0.99, confidence=1), "confidence = 1"),
        (lambda: largest_tail(3, 2), "exceeding = 3, n = 2"),
        (lambda: samples_needed(2.0), "tail_frac = 2.0"),
    ],
)
def test_bad_input_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()
