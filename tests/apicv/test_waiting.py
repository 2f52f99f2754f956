"""Waits against the formulas of queueing theory: Pollaczek-Khinchine, vacations, residual times, exact tails."""

import math

import numpy as np
import pytest

from nfvlab.apicv import waiting as w

LOADS = [0.05, 0.5, 0.9]


def fixed(time_ns):
    return np.array([time_ns, 0.0, 0.0])


@pytest.mark.parametrize("load", LOADS)
@pytest.mark.parametrize("spread", [0.0, 0.3, 1.0])
def test_the_mean_wait_is_pollaczek_and_khinchines(load, spread):
    service = w.stages([100.0, 300.0], spread)
    rate = load / 400
    second = 400**2 + spread**2 * (100**2 + 300**2)
    assert w.mean_of(w.queue(service, rate)) == pytest.approx(rate * second / (2 * (1 - load)))


@pytest.mark.parametrize("load", LOADS)
def test_exponential_services_give_the_exact_tail(load):
    """M/M/1: P(W > x) = load exp(-(1 - load) x / mean)."""
    x = np.array([0.0, 50.0, 200.0, 1000.0])
    tail = w.tail(w.queue(w.exponential(100.0), load / 100), x)
    assert tail == pytest.approx(load * np.exp(-(1 - load) * x / 100), rel=1e-6)


def test_a_wait_at_full_load_is_refused():
    with pytest.raises(ValueError, match="load"):
        w.queue(fixed(100.0), 0.01)


def test_vacations_add_the_residual_of_one():
    """M/G/1 with vacations: the wait decomposes (Fuhrmann and Cooper 1985; Doshi 1986)."""
    wait, vacation = w.queue(fixed(100.0), 0.004), w.stages([400.0], 0.5)
    mean = w.mean_of(w.convolved(wait, w.residual(vacation)))
    second = 400**2 + (0.5 * 400) ** 2
    assert mean == pytest.approx(0.004 * 100**2 / (2 * 0.6) + second / (2 * 400))


@pytest.mark.parametrize("time", [fixed(80.0), w.exponential(80.0), w.stages([50.0, 30.0], 0.4)])
def test_the_residual_has_its_mean(time):
    _, second, _ = w.moments(time)
    left = w.residual(time)
    assert left[:, 0].sum() == pytest.approx(1)
    assert w.mean_of(left) == pytest.approx(second / (2 * time[0]), rel=1e-3)


def test_a_time_with_hardly_a_skew_has_a_sane_residual():
    """Its shift would be negative: a gamma from zero stands for it."""
    left = w.residual(np.array([1000.0, 200.0**2, 1.0]))
    assert w.mean_of(left) == pytest.approx((1000**2 + 200**2) / 2000, rel=1e-3)


def test_the_residual_of_an_exponential_is_itself():
    x = np.array([10.0, 80.0, 300.0])
    assert w.tail(w.residual(w.exponential(80.0)), x) == pytest.approx(np.exp(-x / 80), rel=1e-6)


def test_the_residual_of_a_constant_is_uniform():
    x = np.array([10.0, 40.0, 70.0])
    assert w.tail(w.residual(fixed(80.0)), x) == pytest.approx(1 - x / 80, abs=0.03)


def test_cumulants_of_stages_add():
    a, b = w.stages([100.0], 0.3), w.stages([50.0, 7.0], 0.3)
    assert a + b == pytest.approx(w.stages([100.0, 50.0, 7.0], 0.3))


def test_moments_and_cumulants_are_inverse():
    time = w.stages([30.0, 5.0], 0.7)
    assert w.of_moments(*w.moments(time)) == pytest.approx(time)


def test_a_compound_sum_has_walds_mean_and_variance():
    mean, variance, _ = w.compound(3.0, w.exponential(10.0))
    assert (mean, variance) == pytest.approx((30.0, 3 * 2 * 10**2))


def test_whole_steps_in_an_exponential_time():
    mix = w.mixture((1.0, w.exponential(100.0)))
    assert w.multiples(mix, 70.0) == pytest.approx(1 / math.expm1(0.7), rel=1e-6)
    assert w.multiples(w.mixture((1.0, fixed(250.0))), 100.0) == 2


def test_atoms_integrate_polynomials():
    points, weights = w.atoms(w.mixture((0.3, w.stages([40.0], 0.5)), (0.7, fixed(20.0))), 4)
    first = w.moments(w.stages([40.0], 0.5))
    for power in (1, 2, 3):
        assert weights @ points**power == pytest.approx(0.3 * first[power - 1] + 0.7 * 20.0**power)


@pytest.mark.parametrize("share", [0.5, 0.01, 1e-4])
def test_a_quantile_inverts_the_tail(share):
    mix = w.mixture((0.6, w.exponential(100.0)), (0.4, w.stages([300.0], 0.2)))
    x = w.quantile(mix, share)
    assert w.tail(mix, np.array([x]))[0] == pytest.approx(share, rel=1e-4)


def test_a_quantile_of_a_constant_is_the_constant():
    assert w.quantile(w.mixture((1.0, fixed(500.0))), 0.01) == pytest.approx(500.0, rel=1e-6)
