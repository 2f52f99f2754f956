"""Service gaps of a migration, and the packets that fall into them."""

from types import SimpleNamespace

import numpy as np
import pytest

from nfvlab.freepages.forwarding import Gaps, forward, gaps_of
from nfvlab.freepages.params import Params, packets_per_s
from nfvlab.units import ms, us


def run(*, syncs=(), stop=None, pause=0.0, rows=()):
    totals = SimpleNamespace(converged=stop is not None, stopped_at_ns=stop, pause_ns=pause)
    timeline = [SimpleNamespace(t_ns=t, throttle_frac=share) for t, share in rows]
    return SimpleNamespace(totals=totals, timeline=timeline, sync_times_ns=syncs)


def test_the_talks_line_rate_read_both_ways():
    talk = Params(line_rate_bits_per_s=2013e6, frame_bytes=64)
    assert packets_per_s(talk.replace(line_rate_on_the_wire=False)) == pytest.approx(3.93e6, rel=1e-3)
    assert packets_per_s(talk.replace(line_rate_on_the_wire=True)) == pytest.approx(3.0e6, rel=2e-3)


def test_a_stop_loses_rate_times_pause_and_nothing_else():
    gaps = gaps_of(run(stop=500 * ms, pause=20 * ms), sync_gap_ns=0.0)
    made = forward(gaps, rate_per_s=1e6, capacity_per_s=2e6, ring_count=256, until_ns=520 * ms)
    assert made.unheard_count == 20_000
    assert made.ring_drop_count == 0
    assert made.forwarded_count + made.lost_count == made.arrived_count == 720_000


def test_a_gap_drops_what_the_ring_cannot_hold():
    gaps = gaps_of(run(syncs=(100 * ms,), stop=500 * ms, pause=1 * ms), sync_gap_ns=1 * ms)
    made = forward(gaps, rate_per_s=1e6, capacity_per_s=2e6, ring_count=256, until_ns=501 * ms)
    assert made.ring_drop_count == pytest.approx(1000 - 256, abs=1)


def test_a_short_gap_drops_nothing():
    gaps = gaps_of(run(syncs=(100 * ms,), stop=500 * ms, pause=0.0), sync_gap_ns=200 * us)
    made = forward(gaps, rate_per_s=1e6, capacity_per_s=2e6, ring_count=256, until_ns=501 * ms)
    assert made.lost_count == 0
    assert made.longest_wait_ns == pytest.approx(200 * us, rel=0.01)


def test_a_throttled_vcpu_sleeps_its_share_after_every_timeslice():
    # QEMU cpu-throttle.c: share 0.5 sleeps 10 ms after each 10 ms that it runs
    gaps = gaps_of(run(rows=[(0.0, 0.5), (100 * ms, 0.5)]), sync_gap_ns=0.0)
    assert np.allclose(gaps.start_ns / ms, [10, 30, 50, 70, 90])
    assert np.allclose((gaps.stop_ns - gaps.start_ns) / ms, 10)


def test_a_sleep_goes_on_over_the_end_of_a_window():
    # share 0.99 sleeps 990 ms after each 10 ms that it runs, however long a window is
    rows = [(at * 100 * ms, 0.99) for at in range(21)]
    gaps = gaps_of(run(rows=rows), sync_gap_ns=0.0)
    assert np.allclose(gaps.start_ns / ms, [10, 1010])
    assert np.allclose((gaps.stop_ns - gaps.start_ns) / ms, 990)


def test_gaps_never_overlap_and_the_stop_wins():
    gaps = gaps_of(run(syncs=(95 * ms, 99 * ms), stop=100 * ms, pause=10 * ms), sync_gap_ns=6 * ms)
    assert np.all(gaps.start_ns[1:] >= gaps.stop_ns[:-1])
    assert gaps.closed.tolist() == [False] * (gaps.closed.size - 1) + [True]
    assert gaps.start_ns[-1] == 100 * ms
    assert gaps.stop_ns[-1] == 110 * ms


def test_no_load_no_packets():
    made = forward(
        Gaps(np.empty(0), np.empty(0), np.empty(0, bool)),
        rate_per_s=0,
        capacity_per_s=1,
        ring_count=1,
        until_ns=1e9,
    )
    assert (made.arrived_count, made.lost_count) == (0, 0)


def test_rate_by_time_adds_up_to_the_packets():
    gaps = gaps_of(run(stop=100 * ms, pause=10 * ms), sync_gap_ns=0.0)
    made = forward(gaps, rate_per_s=2e6, capacity_per_s=3e6, ring_count=64, until_ns=110 * ms)
    assert made.rate_per_s.sum() * 1e-3 == pytest.approx(made.forwarded_count)
    during = (made.t_ns > 101 * ms) & (made.t_ns < 109 * ms)
    assert np.all(made.rate_per_s[during] == 0)
