"""Wraps against a counter of whole numbers, read as the kernel reads it."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nfvlab.cmt.wraps import binary_factor, longest_interval_ns, modulo, reading, turn_bytes
from nfvlab.units import GB, KiB, s

SEED = 20261125


def kernel_readings(bytes_passed, unit, bits, miscount, factor):
    """Bytes that the kernel tells of each interval: a running total in units, `bits` wide, differences by shifts."""
    units = np.floor(np.cumsum(bytes_passed) / miscount / unit).astype(np.uint64)
    shift = np.uint64(64 - bits)
    raw = units % np.uint64(1 << bits)
    moves = ((raw[1:] << shift) - (raw[:-1] << shift)) >> shift
    total = np.cumsum(moves)
    if factor:
        total = (total * np.uint64(int(factor * 2**20 + 0.5))) >> np.uint64(20)
    return np.diff(total).astype(float) * unit


@settings(max_examples=40)
@given(
    st.floats(2, 40),
    st.floats(0.01, 3),
    st.integers(4, 6),
    st.sampled_from([(1, 0), (1.4, 1.4), (1.4, 0), (0.9, 0.9)]),
)
def test_readings_are_those_of_a_counter(units_passed, sd_units, bits, correction):
    """Any traffic, from less than a turn to many: mean and mean square of 40 000 readings."""
    miscount, factor = correction
    unit, n = 4096, 40_000
    mean, sd = units_passed * unit, sd_units * unit
    rng = np.random.default_rng(SEED)
    passed = np.rint(np.maximum(rng.normal(mean, sd, n), 0) / 64) * 64
    seen = kernel_readings(passed, unit, bits, miscount, factor)
    told = reading(passed.mean(), passed.var(), unit, bits, miscount, factor or 1.0)
    spread = seen.std() / n**0.5
    assert told.mean == pytest.approx(seen.mean(), abs=6 * spread + 0.04 * unit + 0.02 * seen.mean())
    squares = (seen - passed[1:].mean()) ** 2
    assert told.squared_error == pytest.approx(
        squares.mean(), abs=6 * squares.std() / n**0.5 + 0.25 * unit**2, rel=0.06
    )


@given(st.integers(4, 62), st.sampled_from([1, 64, 64 * KiB]), st.floats(1e6, 1e13))
def test_the_longest_interval_is_one_turn_at_full_bandwidth(bits, unit, bandwidth):
    t = longest_interval_ns(bits, unit, bandwidth)
    assert t / 1e9 * bandwidth == pytest.approx(turn_bytes(bits, unit))
    assert longest_interval_ns(bits + 1 if bits < 62 else bits, unit, bandwidth / 2) >= 2 * t * (1 - 1e-12)


def test_24_bits_of_64_kib_last_27_seconds_at_40_gb_per_s():
    assert longest_interval_ns(24, 64 * KiB, 40 * GB) == pytest.approx(2**40 / 40e9 * s)


@given(st.floats(0, 1e9), st.floats(0, 1e6))
def test_below_a_turn_the_mean_is_exact(passed, sd):
    told = reading(passed, min(sd, passed / 10) ** 2, 1024, 24, 1.0, 1.0)
    assert told.mean == pytest.approx(passed)


@given(st.floats(0.1, 30), st.floats(0, 5))
@example(0.25, 1.0)
def test_a_reading_lies_within_a_turn(turns, sd):
    told = modulo(1e6 * turns, 1e12 * sd**2, 1e6, 1000, 1e6 * turns)
    assert -1e-3 <= told.mean < 1e6
    assert told.squared_error >= (told.mean - 1e6 * turns) ** 2 - 1


def test_whole_turns_are_lost():
    assert modulo(7.25e6, 0, 1e6, 1000, 7.25e6) == pytest.approx((0.25e6, 49e12))


def test_far_over_a_turn_a_reading_is_anywhere_in_it():
    near, far = (modulo(100.5e6, (sd * 1e6) ** 2, 1e6, 1000, 100.5e6) for sd in (0.99, 1.01))
    assert near.mean == pytest.approx(far.mean, rel=2e-3)
    assert near.squared_error == pytest.approx(far.squared_error, rel=1e-3)


def test_factors_have_20_binary_digits():
    # CF(1.142857) of Linux monitor.c: 1048576 * 1.142857 + 0.5 = 1198372.8 + ..., cut
    assert binary_factor(1.142857) * 2**20 == int(1048576 * 1.142857 + 0.5)
    assert binary_factor(1.0) == 1


def test_a_miscounting_part_without_correction_is_wrong_by_its_factor():
    told = reading(1e9, 0, 1024, 44, 1.25, 1.0)
    assert told.mean == pytest.approx(0.8e9)
    assert told.squared_error**0.5 == pytest.approx(0.2e9, rel=1e-5)
    assert reading(1e9, 0, 1024, 44, 1.25, binary_factor(1.25)).mean == pytest.approx(1e9, rel=1e-6)
