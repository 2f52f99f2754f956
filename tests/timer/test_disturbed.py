"""Noise on the vCPU's CPU: busy periods against a queue played out, and the laws that stand for delays."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nfvlab.timer.disturbed import Hit, Noise, fitted, hits, noise
from nfvlab.timer.params import Params
from nfvlab.timer.rounds import HARDWARE, HRTIMER, ways
from nfvlab.timer.scenarios import BUSY
from nfvlab.units import kHz, us
from tests.strategies import typical

MADE = Noise(rate=0.4 / 700, length=700.0)
SEED, N = 2016, 40_000


def periods(made: Noise, rng: np.random.Generator, n: int) -> np.ndarray:
    """Busy periods played out: whoever comes meanwhile prolongs them."""
    found = np.empty(n)
    for k in range(n):
        length = rng.exponential(made.length)
        waiting = rng.poisson(made.rate * length)
        while waiting:
            waiting -= 1
            more = rng.exponential(made.length)
            length += more
            waiting += rng.poisson(made.rate * more)
        found[k] = length
    return found


def test_busy_periods_and_their_rest_have_the_moments_of_those_played_out():
    played = periods(MADE, np.random.default_rng(SEED), N)
    first, second, third = (np.mean(played**k) for k in (1, 2, 3))
    for found, samples in ((MADE.period[0], played), (MADE.period[1], played**2)):
        assert abs(found - samples.mean()) < 4 * samples.std() / N**0.5
    rest = second / (2 * first), third / (3 * first)
    assert MADE.rest[0] == pytest.approx(rest[0], rel=0.06)
    assert MADE.rest[1] == pytest.approx(rest[1], rel=0.25)  # a third moment of few long periods


@given(st.floats(0.001, 0.89), st.floats(1, 1e6))
def test_the_share_of_time_in_busy_periods_is_the_load(load, length):
    made = Noise(rate=load / length, length=length)
    assert made.kept_frac(made.period[0], np.inf) == pytest.approx(load)
    assert made.kept_frac(made.period[0], 0.0) == 0


@given(st.floats(0.01, 1e5), st.floats(1.0, 20.0))
def test_a_fitted_delay_has_the_two_moments_it_was_given(mean, ratio):
    square = ratio * mean**2
    shift, parts = fitted(mean, square)
    weights = [weight for weight, _ in parts]
    assert sum(weights) == pytest.approx(1)
    moments = [shift + sum(w * m for w, m in parts)]
    moments.append(shift**2 + sum(w * (2 * shift * m + 2 * m**2) for w, m in parts))
    assert moments == pytest.approx([mean, square], rel=1e-6)


@settings(max_examples=40)
@given(st.floats(-500, 500), st.floats(1, 1e4), st.floats(1, 1e4), st.floats(0, 1))
def test_a_hit_is_a_law(shift, one, other, weight):
    hit = Hit(0.1, shift, ((weight, one), (1 - weight, other)), before=True)
    x = np.linspace(shift - 100, shift + 40 * max(one, other), 4001)
    tails = hit.sf(x)
    assert np.all(np.diff(tails) <= 1e-12)
    assert x[0] + np.trapezoid(tails, x) == pytest.approx(hit.mean, abs=1e-2 * max(one, other) + 1)
    short = np.concatenate([[0], np.cumsum((1 - tails[1:] + 1 - tails[:-1]) / 2 * np.diff(x))])
    assert hit.mean_short(x) == pytest.approx(short, abs=1e-2 * max(one, other) + 1)


@given(typical(Params), st.sampled_from([HRTIMER, HARDWARE]), st.floats(0, 1e7))
def test_chances_of_being_hit_are_chances(p, timer, since):
    for way in ways(p, timer):
        found = hits(p, timer, way, since)
        assert all(0 <= hit.frac <= 1 + 1e-12 for hit in found)
        assert sum(hit.frac for hit in found) <= 1 + 1e-9
        assert found == [] or p.noise_per_s > 0


def test_a_host_without_noise_hits_nobody():
    assert noise(BUSY).rate == 0
    assert [hits(BUSY, HARDWARE, way, 1e5) for way in ways(BUSY, HARDWARE)] == [[], [], []]


def test_who_runs_long_enough_finds_noise_on_as_often_as_it_is():
    """In the guest a period also costs an exit, a loop and an entry, so that it is on more often than its load."""
    p = BUSY.replace(noise_per_s=20 * kHz, noise_ns=5 * us)
    way = ways(p, HARDWARE)[-1]
    met = sum(hit.frac for hit in hits(p, HARDWARE, way, 1e9) if hit.met)
    around = 20e3 * (p.exit_cycles + p.loop_cycles + p.entry_cycles) / p.tsc_hz
    assert 0.1 < met < 0.1 + around / 0.9
    assert met == pytest.approx(0.1 + around, rel=0.15)


def test_noise_on_the_hrtimer_spares_an_exit_and_on_the_preemption_timer_costs_a_loop():
    p = BUSY.replace(noise_per_s=1 * kHz, noise_ns=5 * us)
    spared = [hit for hit in hits(p, HRTIMER, ways(p, HRTIMER)[-1], 1e7) if hit.met and hit.shift < 0]
    assert spared
    met = [hit for hit in hits(p, HARDWARE, ways(p, HARDWARE)[-1], 1e7) if hit.met]
    assert met
    assert all(hit.mean > 0 for hit in met)
