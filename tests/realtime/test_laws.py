"""Laws against 60-digit references and quadrature: tails to their stated error, mean excesses, quantiles, refusals."""

import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import pdtrc
from tail_references import erlang_tail, normal_tail

from nfvlab.realtime.composed import Bursts, Discrete, Histogram, Largest, Mixture, hyperexponential, rare
from nfvlab.realtime.laws import Constant, Exponential, Gamma, Law, Lognormal, Uniform, difference

SMOOTH = [
    Uniform(width_ns=700.0, min_ns=40.0),
    Exponential(excess_ns=300.0, min_ns=25.0),
    Gamma(excess_ns=400.0, cv=0.3, min_ns=100.0),
    Gamma(excess_ns=400.0, cv=1.7),
    Lognormal(excess_ns=500.0, cv=0.8, min_ns=60.0),
    hyperexponential([0.9, 0.1], [100.0, 2000.0], min_ns=30.0),
    Mixture(
        fracs=(0.7, 0.3),
        laws=(Uniform(width_ns=100.0, min_ns=50.0), Gamma(excess_ns=300.0, cv=0.5, min_ns=400.0)),
    ),
    Largest(laws=(Exponential(excess_ns=200.0, min_ns=10.0), Uniform(width_ns=900.0))),
]
STEPPED = [
    Constant(value_ns=250.0),
    Discrete(values_ns=(100.0, 40.0, 700.0), fracs=(0.5, 0.25, 0.25)),
    rare(1e-3, Uniform(width_ns=100.0, min_ns=5000.0)),
]


def name(law: Law) -> str:
    return type(law).__name__


@pytest.mark.parametrize("shape", [1, 4, 16, 64, 256, 1024])
def test_gamma_tails_are_right_with_a_margin_of_ten(shape):
    law = Gamma(excess_ns=float(shape), cv=shape**-0.5)
    for y in np.geomspace(0.1, 40 * math.sqrt(shape) + shape + 60, 60):
        exact = erlang_tail(shape, float(y))
        if exact > Decimal("1e-60"):
            assert abs(Decimal(float(law.beyond(y))) / exact - 1) < Decimal(law.rel_error / 10), y


@pytest.mark.parametrize("cv", [0.02, 0.3, 1.0, 10.0])
def test_lognormal_tails_are_right_with_a_margin_of_ten(cv):
    law = Lognormal(excess_ns=1000.0, cv=cv)
    variance = (1 + Decimal(cv) ** 2).ln()
    for score in np.linspace(-4, 15, 40):
        t = float(1000 * math.exp(score * math.sqrt(variance) - float(variance) / 2))
        z = (Decimal(t) / 1000).ln() / variance.sqrt() + variance.sqrt() / 2
        assert abs(Decimal(float(law.beyond(np.float64(t)))) / normal_tail(z) - 1) < Decimal(
            law.rel_error / 10
        )


@pytest.mark.parametrize("law", [Exponential(excess_ns=1.0), Uniform(width_ns=800.0)], ids=name)
def test_simple_tails_are_right(law):
    for t in np.linspace(0.0, 138.0, 200):
        exact = (-Decimal(float(t))).exp() if name(law) == "Exponential" else 1 - Decimal(float(t)) / 800
        assert abs(Decimal(float(law.beyond(t))) / exact - 1) <= Decimal(law.rel_error)


@pytest.mark.parametrize("law", SMOOTH[:-1] + STEPPED, ids=name)
def test_the_mean_excess_is_the_integral_of_the_tail(law):
    corners = sorted({50.0, 60.0, 100.0, 150.0, 400.0, 700.0, 5000.0, 5100.0})
    for t in (0.0, 55.0, 130.0, 900.0):
        value, error = law.mean_excess(np.array([t]))
        ends = [t, *(c for c in corners if c > t), 2e4, 1e6]
        whole = sum(
            quad(lambda u: float(law.beyond(np.array([u]))[0]), a, b, limit=200)[0]
            for a, b in zip(ends, ends[1:], strict=False)
        )
        assert value[0] == pytest.approx(whole, rel=1e-6, abs=1e-9)
        assert 0 <= error[0] <= 2e-9 * max(20.0, value[0])


@pytest.mark.parametrize("law", SMOOTH + STEPPED, ids=name)
def test_tails_fall_and_those_with_the_value_itself_are_not_smaller(law):
    t = np.linspace(0.0, 8000.0, 4001)
    beyond, reaches = law.beyond(t), law.reaches(t)
    assert (np.diff(beyond) <= 1e-15).all() and (reaches >= beyond).all() and reaches[0] == 1
    assert law.cdf(law.origin_ns - 1.0) == 0
    assert law.sf(np.array([-1.0, 1e9])).tolist() == pytest.approx([1.0, 0.0], abs=1e-9)


@pytest.mark.parametrize("law", SMOOTH + STEPPED, ids=name)
@pytest.mark.parametrize("tail", [0.5, 1e-2, 1e-9])
def test_a_quantile_is_the_first_place_with_so_small_a_tail(law, tail):
    x = law.quantile_ns(tail)
    assert law.sf(x) <= tail * (1 + 1e-9)
    before = law.origin_ns + (x - law.origin_ns) * (1 - 1e-9)
    assert x == law.origin_ns or law.sf(before) >= tail * (1 - 1e-9)


@pytest.mark.parametrize("law", SMOOTH + STEPPED, ids=name)
def test_the_largest_value_is_where_the_tail_ends(law):
    if math.isfinite(law.max_ns):
        assert law.sf(law.max_ns) == 0 and law.sf(law.max_ns * (1 - 1e-9)) > 0
    else:
        assert law.sf(3000.0) > 0


values = st.lists(st.tuples(st.integers(0, 20), st.integers(1, 9)), min_size=1, max_size=6)


@given(values, st.integers(-1, 22))
def test_discrete_laws_count_what_lies_above(pairs, t):
    total = sum(weight for _, weight in pairs)
    law = Discrete(values_ns=tuple(float(v) for v, _ in pairs), fracs=tuple(w / total for _, w in pairs))
    assert law.sf(float(t)) == pytest.approx(sum(w for v, w in pairs if v > t) / total, rel=1e-12)
    assert law.mean_ns == pytest.approx(sum(v * w for v, w in pairs) / total, rel=1e-12)
    if t >= 0:
        expected = sum(w for v, w in pairs if v >= t) / total
        assert law.reaches(np.array([float(t)]))[0] == pytest.approx(expected, rel=1e-12)


def test_a_histogram_lies_between_the_ends_of_its_buckets():
    law = Histogram(low_ns=(0.0, 10.0, 30.0), high_ns=(10.0, 20.0, math.inf), counts=(6, 3, 1))
    assert law.lower.sf([5.0, 10.0, 25.0, 30.0]).tolist() == pytest.approx([0.4, 0.1, 0.1, 0.0])
    assert law.upper.sf([5.0, 10.0, 25.0, 1e9]).tolist() == pytest.approx([1.0, 0.4, 0.1, 0.1])
    assert (
        law.lower.mean_ns == pytest.approx(6.0) and law.upper.mean_ns == math.inf and law.max_ns == math.inf
    )
    assert (law.upper.quantile_ns(0.05), law.lower.quantile_ns(0.05)) == (math.inf, pytest.approx(30.0))
    empty_end = Histogram(low_ns=(0.0, 10.0), high_ns=(10.0, math.inf), counts=(6, 0))
    assert empty_end.max_ns == 10 and empty_end.upper.mean_ns == pytest.approx(10.0)


def test_a_mixture_of_histograms_has_their_ends():
    law = Mixture(
        fracs=(0.5, 0.5), laws=(Histogram(low_ns=(1.0,), high_ns=(2.0,), counts=(4,)), Constant(value_ns=5.0))
    )
    assert law.lower.sf([0.5, 1.0, 5.0]).tolist() == [1.0, 0.5, 0.0]
    assert law.upper.sf([1.5, 2.0, 4.9, 5.0]).tolist() == [1.0, 0.5, 0.5, 0.0]
    both = Largest(laws=law.laws)
    assert both.lower.max_ns == both.upper.max_ns == 5 and both.sf(4.0) == 1


@given(st.floats(0, 1e9), st.floats(0, 1e9))
def test_a_difference_is_enclosed(a, b):
    down, up = (float(end) for end in difference(np.float64(a), b))
    assert Fraction(down) <= Fraction(a) - Fraction(b) <= Fraction(up)
    assert up <= math.nextafter(down, math.inf)


@pytest.mark.parametrize("hits", [0.0, 1e-6, 0.3, 7.0, 100.0])
def test_the_quantile_of_bursts_is_far_enough(hits):
    law = Bursts(hits=hits, hit=Constant(value_ns=1.0))
    assert pdtrc(int(law.quantile_ns(1e-9)), hits) <= 1e-9
    assert (law.max_ns == math.inf) == (hits > 0)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Constant(value_ns=-1.0), "value_ns = -1.0: must be finite and not negative"),
        (lambda: Uniform(width_ns=0.0), "width_ns = 0.0: must be finite and above zero"),
        (lambda: Exponential(excess_ns=math.nan), "excess_ns = nan"),
        (lambda: Gamma(excess_ns=1.0, cv=0.001), "cv = 0.001: must be 0.02 to 5"),
        (lambda: Lognormal(excess_ns=1.0, cv=11.0), "cv = 11.0: must be 0.02 to 10"),
        (lambda: Discrete(values_ns=(-1.0,), fracs=(1.0,)), "must not be negative"),
        (lambda: Discrete(values_ns=(1.0, 2.0), fracs=(0.5, 0.6)), "sum to 1.1"),
        (lambda: Mixture(fracs=(1.0,), laws=()), "1 fractions for 0 parts"),
        (lambda: Histogram(low_ns=(5.0,), high_ns=(4.0,), counts=(1,)), r"bucket \[5.0, 4.0\)"),
        (lambda: Histogram(low_ns=(5.0,), high_ns=(6.0,), counts=(0,)), r"counts = \(0,\)"),
        (lambda: Histogram(low_ns=(5.0,), high_ns=(), counts=(1,)), "differ in length"),
        (lambda: Largest(laws=()), "at least one law"),
        (lambda: Bursts(hits=101.0, hit=Constant(value_ns=1.0)), "hits = 101.0: at most 100"),
        (lambda: rare(1.5, Constant(value_ns=1.0)), "probability_frac = 1.5"),
        (lambda: Constant(value_ns=1.0).quantile_ns(0.0), "tail_frac = 0.0"),
        (lambda: Constant(value_ns=1.0).quantile_ns(1e-31), "from 1e-30"),
        (lambda: SMOOTH[-1].mean_ns, "has no mean in closed form"),
    ],
)
def test_what_makes_no_sense_is_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()
