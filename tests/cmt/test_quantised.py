"""Whole units against enumeration: every phase, every point of a lattice, every offset of a burst."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfvlab.cmt.quantised import (
    beat_variance,
    interval_for_error,
    mean_reading,
    share_error,
    unit_variance,
)
from nfvlab.units import KiB

units = st.sampled_from([64, 128, 192, 1000, 4096, 65536])
means = st.floats(0, 1e6)


def lattice(mean, sd, step):
    """Points of a normal variable on multiples of `step`, and their probabilities."""
    reach = math.ceil(10 * sd / step) + 2
    points = step * np.arange(round(mean / step) - reach, round(mean / step) + reach + 1)
    weights = np.array(
        [
            math.erf((x + step / 2 - mean) / sd / 2**0.5) - math.erf((x - step / 2 - mean) / sd / 2**0.5)
            for x in points
        ]
    )
    return points, weights / weights.sum()


@given(units, st.floats(2e4, 1e6), st.floats(10, 3000))
def test_the_mean_reading_is_that_of_the_lattice(unit, mean, sd):
    points, weights = lattice(mean, sd, 64)
    truth = float(weights @ (points // unit * unit))
    # sums of erfc in place of erf differences, and a uniform phase beyond one unit of deviation: parts in 10^7
    assert mean_reading(mean, sd, unit, 64) == pytest.approx(truth, rel=1e-6, abs=1e-3 + 1e-6 * unit)


@given(units, means, st.floats(0, 1e6))
def test_a_reading_is_short_by_less_than_a_unit(unit, mean, sd):
    told = mean_reading(mean, min(sd, mean / 5), unit, 1)
    assert mean - unit <= told + 0.5 and told <= mean + 0.5 + 1e-9 * mean  # a still one is first a whole byte


@given(units, st.integers(0, 10**6))
def test_what_stands_still_is_cut_to_whole_units(unit, lines):
    assert mean_reading(64.0 * lines, 0, unit, 64) == 64 * lines // unit * unit
    assert mean_reading(64.0 * lines * (1 - 1e-13), 0, unit, 64) == 64 * lines // unit * unit


def test_what_wanders_far_is_short_by_half_a_unit_less_half_a_line():
    assert mean_reading(100e6, 1e6, 64 * KiB, 64) == 100e6 - (64 * KiB - 64) / 2


def two_level(x, unit, step=1):
    """Variance of the move of a unit counter over x bytes, by going through all phases."""
    phases = np.arange(0, unit, step)
    moves = ((phases + x) // unit - phases // unit) * unit
    assert moves.mean() == pytest.approx(x)  # the mean of the moves is exact
    return moves.var()


@given(st.integers(2, 300), st.integers(0, 2000))
def test_the_error_of_a_unit_counter_is_that_of_all_phases(unit, x):
    assert unit_variance(x, 0, unit) == pytest.approx(two_level(x, unit), abs=1e-9 * unit**2)
    assert unit_variance(x, 0, unit, 1) == pytest.approx(two_level(x, unit), abs=1e-9 * unit**2)


@given(st.sampled_from([64, 128, 640, 6400]), st.floats(2e4, 1e5), st.floats(70, 5000))
def test_the_error_over_chance_traffic_is_that_of_the_lattice(unit, mean, sd):
    points, weights = lattice(mean, sd, 64)
    f = points / unit % 1
    truth = unit**2 * float(weights @ (f * (1 - f)))
    # the continuous wave with the lattice's share taken off its mean: 1/64 of a unit's 1/6 where sd > 8 lines
    assert unit_variance(mean, sd, unit, 64) == pytest.approx(truth, abs=4e-3 * unit**2)


def test_units_of_a_line_cost_a_rate_nothing():
    assert unit_variance(12345 * 64, 640, 64, 64) == 0
    assert unit_variance(12345 * 64, 64e4, 64, 64) == 0


@given(st.floats(1e6, 1e11), st.floats(0, 1e9), st.sampled_from([1024, 65536]), st.floats(1e-4, 0.5))
def test_the_interval_for_an_error_gives_that_error(rate, variance, unit, error):
    t = interval_for_error(error, rate, variance, unit) / 1e9
    assert variance * t + unit**2 / 6 == pytest.approx((error * rate * t) ** 2, rel=1e-9)
    assert interval_for_error(error / 2, rate, variance, unit) > t * 1e9


def test_without_chance_41_units_must_pass_for_one_percent():
    seconds = interval_for_error(0.01, 1e9, 0, 65536) / 1e9
    assert seconds * 1e9 / 65536 == pytest.approx(1 / math.sqrt(6) / 0.01)  # 40.8
    assert (
        share_error(1e9, 1e6, seconds * 1e9, 65536) < 0.0123
    )  # the worst phase is sqrt(6)/2 of the mean square


def test_nothing_tells_a_rate_of_nothing():
    assert math.isinf(interval_for_error(0.01, 0, 0, 65536))
    assert math.isnan(share_error(0, 0, 1e9, 65536))


@given(st.floats(0.1, 20), st.floats(0, 1))
def test_beats_are_those_of_bursts_laid_out_in_time(length, width):
    n = 4000
    starts = (np.arange(n) + 0.5) / n

    def upto(x):
        """Traffic until x of bursts of `width` at 0, 1, 2 …"""
        whole = np.floor(x)
        return whole + (np.minimum((x - whole) / width, 1) if width > 1e-9 else 1.0)

    truth = (upto(starts + length) - upto(starts)).var()
    assert beat_variance(1.0, width, length) == pytest.approx(truth, abs=2e-3)


def test_an_interval_of_whole_periods_does_not_beat():
    assert beat_variance(1e6, 0, 5e6) == 0
    assert beat_variance(1e6, 3e5, 5e6) == pytest.approx(0, abs=1e-12)
    assert beat_variance(1e6, 0, 4.5e6) == 0.25
    assert beat_variance(1e6, 1e6, 4.5e6) == pytest.approx(0, abs=1e-12)  # bursts without a pause
