"""Long waits: M/M/1, M/D/1 (Erlang's series in fractions), M/H2/1, GI/M/1; the laws under a twist; wrong ones fail."""

import math
from decimal import Decimal, localcontext

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfvlab.kernels import fifo
from nfvlab.realtime import rare_laws, rare_walk
from nfvlab.realtime.rare_laws import Mixed, constant, empirical, exponential, gamma, hyperexponential
from nfvlab.realtime.rare_walk import decay_rate, wait_tail


def rng(seed=1):
    return np.random.default_rng(seed)


def md1(load, late):
    """P(W > late) of M/D/1 with services of 1 (A. K. Erlang 1909): its terms alternate and cancel, so 120 digits."""
    with localcontext() as context:
        context.prec = 120
        load, late, below = Decimal(str(load)), Decimal(late), Decimal(0)
        for k in range(int(late) + 1):
            x = load * (k - late)
            below += (x**k if k else Decimal(1)) / math.factorial(k) * (-x).exp()
        return float(1 - (1 - load) * below)


def mh21(load, weights, means, late):
    """P(W > late) of M/H2/1 with mean services of 1: two exponentials, whose rates are the roots of a quadratic.

    Pollaczek and Khinchine's transform of the wait is (1 - load) s / (s - r + r B(s)), r = load the arrival rate.
    """
    rates = [1 / m for m in means]
    # s - r + r sum w q / (q + s) = s ((s + q1)(s + q2) - r (s + w1 q2 + w2 q1)) / ((s + q1)(s + q2)), w summing to 1
    q1, q2 = rates
    w1, w2 = weights
    poles = np.roots([1, q1 + q2 - load, q1 * q2 - load * (w1 * q2 + w2 * q1)])
    a, b = -poles  # both positive

    def residue(pole, other):
        return (1 - load) * (pole + q1) * (pole + q2) / (pole - other)

    return sum(residue(-x, -y) / x * math.exp(-x * late) for x, y in ((a, b), (b, a)))


def assert_met(made, exact, most=0.02):
    assert abs(made.value - exact) < made.reach(), (made, exact)
    assert made.trusted and made.relative_error < most


@pytest.mark.parametrize("load", [0.05, 0.3, 0.8, 0.95])
@pytest.mark.parametrize("late", [0.0, 1.0, 10.0, 60.0])
def test_m_m_1(load, late):
    """Services of mean 1."""
    made = wait_tail(exponential(1.0), exponential(1 / load), late, rng=rng(1), n=10_000)
    assert_met(made, load * math.exp(-(1 - load) * late), most=0.05)


@pytest.mark.parametrize("load", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("late", [0.0, 0.5, 3.0, 12.25])
def test_m_d_1(load, late):
    made = wait_tail(constant(1.0), exponential(1 / load), late, rng=rng(2), n=10_000)
    assert_met(made, md1(load, late), most=0.05)


@pytest.mark.parametrize("load", [0.2, 0.7])
@pytest.mark.parametrize("late", [0.0, 2.0, 20.0, 100.0])
def test_m_h2_1(load, late):
    weights, means = (0.9, 0.1), (0.5, 5.5)  # of mean 1
    made = wait_tail(hyperexponential(weights, means), exponential(1 / load), late, rng=rng(3), n=20_000)
    assert_met(made, mh21(load, weights, means, late))


def test_the_references_agree_where_they_meet():
    assert mh21(0.6, (0.5, 0.5), (1.0000001, 0.9999999), 4.0) == pytest.approx(
        0.6 * math.exp(-0.4 * 4), rel=1e-5
    )
    assert md1(0.5, 0.0) == pytest.approx(0.5)
    assert md1(0.7, 1.0) == pytest.approx(1 - 0.3 * (math.exp(0.7)), rel=1e-12)  # k = 1 has no time left


@pytest.mark.parametrize("late", [0.0, 3.0, 40.0])
def test_g_m_1_waits_are_exponential(late):
    """Arrivals a clock's: P(W > t) = s exp(-(1 - s) t), s the root of s = exp(-(1 - s) gap) below 1."""
    s = 0.5
    for _ in range(200):
        s = math.exp(-(1 - s) * 1.5)
    assert_met(
        wait_tail(exponential(1.0), constant(1.5), late, rng=rng(4), n=10_000), s * math.exp(-(1 - s) * late)
    )


def test_a_service_of_stages_is_the_service():
    stages = [exponential(0.2, shift=0.1), constant(0.1), exponential(0.3)]
    made = wait_tail(stages, exponential(1.0), 5.0, rng=rng(5), n=40_000)
    gaps = rng(6).standard_exponential((40, 100_000))
    services = (
        0.2 + 0.2 * rng(7).standard_exponential(gaps.shape) + 0.3 * rng(8).standard_exponential(gaps.shape)
    )
    share = (fifo.waiting_times(gaps, services).waits > 5.0).mean(axis=1)
    assert abs(made.value - share.mean()) < made.reach() + 4 * share.std(ddof=1) / math.sqrt(share.size)


def test_the_relative_error_stays_bounded():
    errors = [
        wait_tail(gamma(1.0, 0.5), exponential(1.5), late, rng=rng(9), n=5000).relative_error
        for late in (5, 50, 300)
    ]
    assert max(errors) < 1.2 * min(errors) < 0.02


def test_services_shorter_than_every_gap_never_wait():
    made = wait_tail(constant(1.0), constant(1.0 + 1e-9), 0.0, rng=rng(), n=100)
    assert made.value == 0 and made.method.endswith("no service is longer than a gap")
    made = wait_tail(empirical([0.5, 1.0]), exponential(2.0, shift=1.0), 0.0, rng=rng(), n=100)
    assert made.value == 0


laws = st.one_of(
    st.builds(exponential, st.floats(0.1, 3), st.floats(0, 2)),
    st.builds(gamma, st.floats(0.1, 3), st.floats(0.2, 2), st.floats(0, 2)),
    st.builds(constant, st.floats(0.1, 3)),
    st.builds(lambda a, b: hyperexponential((0.3, 0.7), (a, b)), st.floats(0.1, 3), st.floats(0.1, 3)),
    st.builds(empirical, st.lists(st.floats(0.1, 3), min_size=1, max_size=6)),
)


@given(laws, st.floats(-2, 0.9))
def test_the_twisted_law_has_the_twisted_moments(law, share):
    theta = share * min(law.pole, 2.0)
    twisted = law.twisted(theta)
    for step in (-0.3, 0.05):  # E'[exp(s X)] = E[exp((theta + s) X)] / E[exp(theta X)]
        s = step * (min(law.pole, 2.0) - theta)
        assert twisted.log_moment(s) == pytest.approx(
            law.log_moment(theta + s) - law.log_moment(theta), abs=1e-9
        )
    slope = (
        (law.log_moment(theta + 1e-6) - law.log_moment(theta - 1e-6)) / 2e-6
        if law.pole - theta > 1e-3
        else None
    )
    assert slope is None or twisted.mean == pytest.approx(slope, rel=1e-4, abs=1e-6)


@given(laws)
def test_draws_have_the_law_s_mean_and_bounds(law):
    drawn = law.draw(rng(10), 4000)
    assert law.least <= drawn.min() and drawn.max() <= law.most
    assert abs(drawn.mean() - law.mean) <= 6 * drawn.std() / math.sqrt(4000) + 1e-12


@given(laws, st.floats(0.05, 0.95))
def test_the_decay_rate_is_the_root(law, load):
    gap = exponential(law.mean / load)
    theta = decay_rate((law,), gap)
    assert 0 < theta < law.pole
    assert law.log_moment(theta) + gap.log_moment(-theta) == pytest.approx(
        0, abs=1e-9 * (1 + theta * law.mean)
    )


@pytest.mark.parametrize("load", [1e-3, 0.999])
def test_the_decay_rate_of_m_m_1_is_known(load):
    assert decay_rate((exponential(1.0),), exponential(1 / load)) == pytest.approx(1 - load, rel=1e-9)


def half_twisted_service(self, theta):
    """A wrong measure: services are twisted by half. (Gaps left as they are give walks without drift, for ever.)"""
    return RIGHT(self, theta / 2 if theta > 0 else theta)


def too_far(services, gap):
    """A wrong measure: not the root."""
    return 0.8 * decay_rate(services, gap)


RIGHT = Mixed.twisted


@pytest.mark.parametrize(
    ("where", "name", "wrong"), [(Mixed, "twisted", half_twisted_service), (rare_walk, "decay_rate", too_far)]
)
def test_wrong_measures_are_rejected(monkeypatch, where, name, wrong):
    exact = 0.5 * math.exp(-0.5 * 10)
    assert_met(wait_tail(exponential(1.0), exponential(2.0), 10.0, rng=rng(11), n=10_000), exact)
    monkeypatch.setattr(where, name, wrong)
    made = wait_tail(exponential(1.0), exponential(2.0), 10.0, rng=rng(11), n=10_000)
    assert abs(made.value - exact) > made.reach()


def test_bad_queues_are_refused():
    one, two = exponential(1.0), exponential(2.0)
    with pytest.raises(ValueError, match="load = 1: services as long as the gaps never end"):
        wait_tail(one, one, 1.0, rng=rng(), n=10)
    with pytest.raises(ValueError, match="late = -1.0"):
        wait_tail(one, two, -1.0, rng=rng(), n=10)
    with pytest.raises(ValueError, match="n = 1"):
        wait_tail(one, two, 1.0, rng=rng(), n=1)
    with pytest.raises(ValueError, match="services is empty"):
        wait_tail([], two, 1.0, rng=rng(), n=10)


def test_bad_laws_are_refused():
    with pytest.raises(ValueError, match="means|scales hold -1.0"):
        hyperexponential((0.5, 0.5), (1.0, -1.0))
    with pytest.raises(ValueError, match="shapes hold 0.0"):
        Mixed((1.0,), (0.0,), (0.0,), (1.0,))
    with pytest.raises(ValueError, match="weights hold nan"):
        empirical([1.0, 2.0], [math.nan, 1.0])
    with pytest.raises(ValueError, match="shifts have shape"):
        Mixed((1.0,), (), (1.0,), (1.0,))
    with pytest.raises(ValueError, match="all times are zero"):
        constant(0.0)
    with pytest.raises(ValueError, match="cv = 0"):
        gamma(1.0, 0)
    with pytest.raises(ValueError, match="theta = 2.0: must be below 1.0"):
        exponential(1.0).twisted(2.0)
    assert rare_laws.empirical([0.0, 1.0], [0.0, 2.0]).least == 1.0  # what has no weight is not there
