"""The textbook recursion: its closed form, its limits, its place beside our theory."""

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from nfvlab.precopy import SCENARIOS, analyze, clark, geometric, textbook
from nfvlab.units import GiB

volumes = st.floats(1e6, 1e12)
rates = st.floats(1e6, 1e11)
ratios = st.floats(0.01, 0.9)


@given(volumes, rates, ratios, st.floats(1e-6, 0.9))
def test_the_recursion_with_a_constant_dirty_rate_is_the_geometric_series(
    volume, bandwidth, ratio, stop_frac
):
    stop = volume * stop_frac
    series = geometric(volume, ratio * bandwidth, bandwidth, stop)
    assume(abs(math.log(stop_frac) / math.log(ratio) % 1) > 1e-6)  # else rounding decides on the last round
    recursion = clark(volume, lambda seconds: ratio * bandwidth * seconds, bandwidth, stop)
    assert recursion.rounds == series.rounds
    for name in ("total_time_ns", "downtime_ns", "transferred_bytes"):
        assert getattr(recursion, name) == pytest.approx(getattr(series, name), rel=1e-9)


def test_a_series_by_hand():
    # 8 + 4 + 2 are sent in rounds, 1 is left for the stop; at one byte a second
    series = geometric(8, 0.5, 1, 1)
    assert (series.rounds, series.transferred_bytes, series.downtime_ns) == (3, 15, 1e9)
    assert clark(8, lambda seconds: 0.5 * seconds, 1, 1).volumes_bytes == (8, 4, 2, 1)


@given(volumes, rates, st.floats(1, 10))
def test_a_guest_that_dirties_as_fast_as_the_link_sends_never_converges(volume, bandwidth, ratio):
    for found in (
        geometric(volume, ratio * bandwidth, bandwidth, volume / 2),
        clark(volume, lambda seconds: ratio * bandwidth * seconds, bandwidth, volume / 2),
    ):
        assert not found.converged
        assert found.total_time_ns == math.inf


@given(volumes, rates)
def test_a_quiet_guest_is_sent_once(volume, bandwidth):
    found = geometric(volume, 0, bandwidth, volume / 10)
    assert (found.rounds, found.downtime_ns) == (1, 0)
    assert (
        found.transferred_bytes
        == volume
        == clark(volume, lambda _: 0.0, bandwidth, volume / 10).transferred_bytes
    )


@given(volumes, rates, ratios)
def test_what_fits_into_the_downtime_is_sent_in_it(volume, bandwidth, ratio):
    found = geometric(volume, ratio * bandwidth, bandwidth, volume)
    assert (found.rounds, found.transferred_bytes) == (0, volume)


@given(volumes, rates, ratios, st.floats(0.01, 0.9))
def test_series_is_consistent(volume, bandwidth, ratio, stop_frac):
    found = geometric(volume, ratio * bandwidth, bandwidth, stop_frac * volume)
    assert found.total_time_ns == pytest.approx(found.transferred_bytes / bandwidth * 1e9)
    assert found.downtime_ns <= stop_frac * volume / bandwidth * 1e9 * (1 + 1e-9)
    assert volume < found.transferred_bytes <= volume / (1 - ratio) * (1 + 1e-9)


@given(volumes, rates, ratios, st.floats(1.1, 10))
def test_a_faster_link_takes_no_more_rounds_and_less_time(volume, bandwidth, ratio, faster):
    dirty, stop = ratio * bandwidth, volume / 20
    slow, fast = geometric(volume, dirty, bandwidth, stop), geometric(volume, dirty, bandwidth * faster, stop)
    assert fast.rounds <= slow.rounds
    assert fast.total_time_ns < slow.total_time_ns


def test_the_textbook_knows_no_zero_pages():
    p = SCENARIOS["idle guest"]
    assert textbook(p).transferred_bytes == p.ram_bytes == 8 * GiB
    assert analyze(p).transferred_bytes < 0.04 * textbook(p).transferred_bytes


def test_the_textbook_sends_a_hot_set_again_in_full_while_we_keep_a_remainder():
    """With a hot set the number of rounds is not that of the recursion: QEMU syncs before all is sent."""
    p = SCENARIOS["database, hot set"]
    assert analyze(p).dirty_sync_count - 2 > textbook(p).rounds
    assert analyze(p).transferred_bytes < textbook(p).transferred_bytes
