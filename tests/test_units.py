import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfvlab import units
from nfvlab.units import (
    GB,
    SUFFIXES,
    Gbps,
    GHz,
    GiB,
    KiB,
    MBps,
    Mbps,
    UnknownUnit,
    axis_unit,
    dimension,
    human,
    minute,
    ms,
    s,
    us,
)

names = st.sampled_from(sorted(SUFFIXES.keys() - {"_mask"})).map(lambda suffix: f"some{suffix}")


def test_constants_are_in_the_base_units():
    assert 8 * GiB == 2**33
    assert 2 * GB == 2_000_000_000
    assert (us, ms, s, minute) == (1e3, 1e6, 1e9, 60e9)
    assert 10 * Gbps == 1.25e9  # bits per second carry an eighth as many bytes
    assert 8 * Mbps == 1 * MBps
    assert 2.3 * GHz == 2.3e9


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("downtime_ns", 3e8, "300 ms"),
        ("downtime_ns", 0, "0 ns"),
        ("downtime_ns", -1500, "-1.5 µs"),
        ("downtime_ns", 0.25, "0.25 ns"),
        ("total_time_ns", 5400e9, "1.5 h"),
        ("ram_bytes", 8 * GiB, "8 GiB"),
        ("ram_bytes", 1023, "1023 B"),
        ("ram_bytes", 1 * KiB, "1 KiB"),
        ("link_bytes_per_s", 10 * Gbps, "10 Gbit/s"),
        ("normal_pages", 2_097_152, "2.1 Mpages"),
        ("normal_pages", 8192, "8192 pages"),
        ("dirty_sync_count", 12, "12"),
        ("dirty_sync_count", 123456, "123456"),
        ("wss_frac", 0.125, "12.5 %"),
        ("write_rate_per_s", 50_000, "50 k/s"),
        ("offered_packets_per_s", 14.88e6, "14.9 Mpps"),
        ("timer_shift", 5, "5"),
        ("compression_ratio", 0.375, "0.375"),
        ("downtime_ns", math.inf, "∞ ns"),
        ("downtime_ns", math.nan, "undefined"),
    ],
)
def test_human(name, value, words):
    assert human(name, value) == words


@pytest.mark.parametrize(
    ("value", "words"), [(999.4e6, "999 ms"), (999.6e6, "1 s"), (0.9996e6, "1 ms"), (59.99e9, "1 min")]
)
def test_a_value_that_rounds_up_to_the_next_unit_is_shown_in_it(value, words):
    assert human("downtime_ns", value) == words


@given(names, st.floats(1e-3, 1e15))
def test_human_keeps_three_digits(name, value):
    """Reading the words back gives the value to half a unit of the third digit."""
    words = human(name, value)
    number, _, unit = words.partition(" ")
    factor = {label: factor for factor, label in dimension(name).steps}[unit]
    assert float(number) * factor == pytest.approx(value, rel=5.1e-3)


@given(names, st.floats(1e-3, 1e15))
def test_human_is_odd(name, value):
    assert human(name, -value) == f"-{human(name, value)}"


def test_the_longest_suffix_wins():
    assert dimension("link_bytes_per_s").quantity == "bandwidth"
    assert dimension("write_rate_per_s").quantity == "rate"
    assert dimension("offered_packets_per_s").quantity == "packet rate"
    assert dimension("pages") is dimension("dirty_pages")


def test_an_unknown_suffix_is_refused_with_the_known_ones():
    with pytest.raises(UnknownUnit, match=r"'downtime_ms'.*_ns"):
        dimension("downtime_ms")
    with pytest.raises(UnknownUnit):
        dimension("columns")  # ends in letters of a suffix, but not in a suffix


@pytest.mark.parametrize("suffix", sorted(SUFFIXES))
def test_every_dimension_is_complete(suffix):
    dim = SUFFIXES[suffix]
    factors = [factor for factor, _ in dim.steps]
    assert dim.quantity
    assert factors == sorted(set(factors))
    assert len({label for _, label in dim.steps}) == len(dim.steps)


def test_axis_unit_follows_the_largest_value():
    assert axis_unit("downtime_ns", [0, 2e6, 3e8]) == (1e6, "ms")
    assert axis_unit("downtime_ns", np.array([[1e3, np.nan], [np.inf, -2e9]])) == (1e9, "s")
    assert axis_unit("ram_bytes", (64 * GiB,)) == (GiB, "GiB")
    assert axis_unit("dirty_sync_count", range(20)) == (1, "")
    assert axis_unit("downtime_ns", []) == (1, "ns")


@given(names, st.floats(1e-3, 1e15))
def test_axis_and_words_agree_on_the_unit(name, value):
    scale, label = axis_unit(name, [value])
    assert human(name, value).partition(" ")[2] == label
    assert scale in [factor for factor, _ in dimension(name).steps]


def test_the_module_needs_the_standard_library_only():
    assert not hasattr(units, "np")


def test_a_mask_reads_as_hexadecimal():
    assert units.human("data_mask", 0xFF000) == "0xff000" and axis_unit("data_mask", [2**20]) == (1, "")


def test_one_of_several_has_the_unit_of_all():
    assert units.dimension("miss_frac[3]") is units.dimension("miss_frac")
    assert units.human("unit_ns[0]", 1500) == "1.5 µs"
