"""Characteristic times and Zipf's law in classes: limits, sums done by hand, and the exact cache."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfvlab.kernels import setassoc
from nfvlab.llc import che
from nfvlab.llc.components import Cycle, Phases, flows
from nfvlab.llc.params import Tenant
from nfvlab.llc.popularity import dirty_frac, zipf, zipf_bins

EXPONENTS = (0.0, 0.3, 0.8, 1.0, 1.2, 2.0, 3.0)
LAWS = (zipf(5000, 0.8), Cycle(3000, (3000.0,)), Cycle(64, (1.0, 1.0, 20.0, 106.0)), Phases(4000, 4, 9000.0))


@pytest.mark.parametrize("exponent", EXPONENTS)
@pytest.mark.parametrize("lines", [1, 7, 24, 25, 1000, 300_000])
def test_classes_have_the_exact_number_and_mass_of_their_lines(lines, exponent):
    count, probability = zipf_bins(lines, exponent)
    weight = np.arange(1, lines + 1) ** -exponent
    edges = np.concatenate([[0], np.rint(np.cumsum(count)).astype(int)])
    assert edges[-1] == lines and count.size <= 128
    mass = np.add.reduceat(weight, edges[:-1]) / weight.sum()
    assert np.allclose(count * probability, mass, rtol=1e-7, atol=0)


def test_a_thousand_million_lines_have_the_harmonic_sum_of_their_number():
    count, probability = zipf_bins(10**9, 1.0)
    assert count.sum() == 10**9
    assert 1 / probability[0] == pytest.approx(np.log(1e9) + np.euler_gamma, rel=1e-9)  # the harmonic number


@pytest.mark.parametrize("exponent", EXPONENTS)
def test_in_classes_the_hit_ratio_is_within_1e_4_of_the_sum_over_all_lines(exponent):
    law = zipf(300_000, exponent)
    weight = np.arange(1, 300_001) ** -exponent
    weight /= weight.sum()
    for share in (0.003, 0.03, 0.3, 0.9):
        x = float(np.exp(np.interp(np.log(share * law.lines), law.log_footprint, law.log_x)))
        assert float(law.hit(np.float64(x))) == pytest.approx(1 - weight @ np.exp(-weight * x), abs=1e-4)
        exact = -np.expm1(-weight * x).sum()
        assert float(law.footprint(np.float64(x))) == pytest.approx(exact, rel=2e-3)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: type(law).__name__)
def test_hits_are_what_the_footprint_does_not_grow(law):
    """hit = 1 - footprint' / touches per unit of time, the law of Denning and Schwartz."""
    x = np.geomspace(0.3, 0.98 * law.horizon, 400)
    x = x[np.all([np.abs(x - gap) > 2e-3 * x for gap, _ in law.gaps], axis=0)] if law.gaps else x
    touches = law.lines * len(law.intervals) / law.horizon if law.gaps else 1.0
    slope = (law.footprint(x * 1.001) - law.footprint(x * 0.999)) / (0.002 * x)
    assert np.allclose(law.hit(x), 1 - slope / touches, atol=3e-3)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: type(law).__name__)
def test_a_footprint_grows_from_nothing_to_all_lines_and_ever_more_slowly(law):
    x = np.linspace(1e-3, law.horizon, 3000)
    grown = law.footprint(x)
    assert grown[0] < 0.1 and grown[-1] == pytest.approx(law.lines, rel=1e-3)
    assert (np.diff(grown) > -1e-9 * law.lines).all()
    assert (np.diff(grown, 2) < 1e-6 * law.lines).all()


def test_phases_seen_through_a_short_window_are_one_region_and_through_a_long_one_several():
    law = Phases(4000, 4, 50_000.0)
    assert float(law.footprint(np.float64(3000.0))) == pytest.approx(1000 * -np.expm1(-3.0), rel=0.05)
    # Three stays long, a window holds two regions' stays, and shares x and 1 - x of the other two, x uniform: of
    # each of those, exp(-50 x) is left out, 1/50 on average.
    assert float(law.footprint(np.float64(150_000.0))) == pytest.approx(4000 - 2 * 1000 / 50, rel=1e-4)
    one = Phases(4000, 1, 7.0)
    assert float(one.footprint(np.float64(2000.0))) == pytest.approx(4000 * -np.expm1(-0.5), rel=1e-6)


def test_alone_uniform_lines_hit_as_often_as_they_are_held():
    for share in (0.2, 0.5, 0.99):
        assert che.hits([zipf(10_000, 0.0)], [2.0], share * 10_000)[0] == pytest.approx(share, abs=1e-4)


def test_a_walk_hits_always_if_it_fits_and_never_if_it_is_one_line_too_long():
    assert che.hits([Cycle(1000, (1000.0,))], [3.0], 1000.0)[0] == 1.0
    assert che.hits([Cycle(1001, (1001.0,))], [3.0], 1000.0)[0] == 0.0


def test_a_walk_faster_than_the_characteristic_time_hits_beside_popular_lines():
    laws = [zipf(100_000, 0.6), Cycle(500, (500.0,))]
    slow, fast = (che.hits(laws, [1.0, rate], 5000.0) for rate in (0.01, 1.0))
    assert (slow[1], fast[1]) == (0.0, 1.0)
    assert fast[0] < slow[0]


@given(st.floats(0.01, 100), st.floats(0.05, 0.95), st.sampled_from([0.0, 0.7, 1.1]))
def test_times_scale_with_the_rates_and_what_is_held_adds_up_to_the_cache(factor, share, exponent):
    laws, rates = (
        [zipf(20_000, exponent), Phases(8000, 2, 5000.0), Cycle(3000, (3000.0,))],
        np.array([1.0, 0.5, 0.2]),
    )
    lines = share * 31_000
    slow, fast = (che.characteristic_time(laws, list(rates * x), lines) for x in (1.0, factor))
    assert fast == pytest.approx(slow / factor, rel=1e-6)
    assert che.occupancies(laws, list(rates), lines).sum() == pytest.approx(lines, rel=1e-3)
    more = che.hits(laws, list(rates), 1.05 * lines)
    assert (more >= che.hits(laws, list(rates), lines) - 1e-9).all()


def test_without_an_end_of_room_nothing_misses():
    laws = [zipf(100, 1.0), Cycle(50, (50.0,))]
    assert che.characteristic_time(laws, [1.0, 1.0], 151.0) == np.inf
    assert che.hits(laws, [1.0, 1.0], 151.0).tolist() == [1.0, 1.0]
    assert che.occupancies(laws, [1.0, 1.0], 151.0).sum() == 150


@pytest.mark.parametrize(("lines", "rates"), [(0.0, [1.0]), (5.0, [0.0])])
def test_nothing_to_hold_and_nobody_who_refers_are_refused(lines, rates):
    with pytest.raises(ValueError, match="above zero"):
        che.characteristic_time([zipf(10, 1.0)], rates, lines)


def test_bad_classes_are_refused():
    with pytest.raises(ValueError, match="lines = 0"):
        zipf_bins(0, 1.0)


def test_evicted_lines_are_dirty_by_their_share_of_writes_if_they_never_hit_and_nearly_always_if_they_often_do():
    assert dirty_frac(np.array([0.0, 0.999]), 0.3) == pytest.approx([0.3, 1 - 0.7e-3 / (0.7e-3 + 0.3)])
    assert dirty_frac(np.array([0.0, 1.0]), 0.0).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("exponent", [0.0, 0.8])
def test_with_32_ways_the_exact_cache_is_che_s(exponent):
    """64 sets differ from each other, which leaves up to 0.02."""
    rng = np.random.default_rng(3)
    t, n = Tenant(data_bytes=64 * 6000, skew_exponent=exponent), 400_000
    law = flows(t)[0][0].law
    weight = np.arange(1, 6001) ** -exponent
    line = rng.permutation(6000)[rng.choice(6000, n, p=weight / weight.sum())]
    cache, zero = setassoc.empty(64, 32, 1, hashed=True), np.zeros(n, np.uint8)
    mask = np.array([[0xFFFFFFFF] * 2], np.uint32)
    address = line.astype(np.uint64) * np.uint64(64)
    for half in (slice(n // 2), slice(n // 2, n)):
        counts = setassoc.access(cache, address[half], zero[half], zero[half], mask, np.zeros(1, np.int32))
    seen = counts.misses[0, 0] / (n // 2)
    assert 1 - che.hits([law], [1.0], 64 * 32.0)[0] == pytest.approx(seen, abs=0.02)
