"""QEMU's migration thread: each of its rules by numbers that a reader can derive."""

import math

import numpy as np
import pytest
from bare_migration import PAGES, WINDOW, Script, Watched, migrated, scenario

from nfvlab.precopy.guest import Guest
from nfvlab.precopy.migration_thread import BULK, ITERATE, STOPPED
from nfvlab.precopy.simulation import simulate
from nfvlab.units import MB, KiB, MiB, kB, ms, s, us

PAGE, ZERO, END = 4104, 9, 8  # bytes of a normal page, a zero page and an end of section on the wire
NAME = 7  # of the block pc.ram: its length and itself


# -- the limiter --------------------------------------------------------------------------------------------


def test_a_window_sends_the_first_whole_page_past_its_budget_and_sleeps():
    rows = migrated(scenario()).timeline
    assert (WINDOW - 1) * PAGE <= 1 * MB < WINDOW * PAGE
    assert rows[0].sent_bytes == NAME + WINDOW * PAGE + END
    assert {row.sent_bytes for row in rows[1:60]} == {WINDOW * PAGE + END}
    assert [row.t_ns / ms for row in rows[:60]] == pytest.approx(range(100, 6100, 100))
    assert [row.remaining_pages for row in rows[:60]] == [PAGES - WINDOW * k for k in range(1, 61)]


def test_zero_pages_fill_a_window_with_their_nine_bytes():
    p = scenario(max_bandwidth_bytes_per_s=20 * kB)  # 2000 bytes a window: 223 x 9 = 2007
    thread = migrated(p, guest=Guest(p, np.random.default_rng(1)))
    assert {row.sent_bytes for row in thread.timeline[1:20]} == {223 * ZERO + END}
    assert thread.totals.normal_pages == 0
    assert thread.totals.duplicate_pages == PAGES


def test_what_a_window_leaves_of_its_budget_is_lost():
    """A slow source, 0.64 ms a page, never spends the budget of 2437 pages, and gets no more for it later."""
    rows = migrated(scenario(send_ns=0.64 * ms, max_bandwidth_bytes_per_s=100 * MB)).timeline
    # 64 pages take 40.96 ms: an iteration sends 128, and the window is over after the second one
    assert {row.sent_bytes for row in rows[1:-1]} == {256 * PAGE + 2 * END}
    assert [row.t_ns / ms for row in rows[:9]] == pytest.approx([163.84 * k for k in range(1, 10)])


def test_an_iteration_lasts_more_than_fifty_whole_milliseconds():
    """MAX_WAIT is compared in whole ms after 64 pages: at 10 us a page the first look past 51 ms is at 51.2 ms."""
    thread = migrated(scenario(send_ns=10 * us, max_bandwidth_bytes_per_s=1e12))
    # 80 words of 0.64 ms: 5120 pages an iteration, two in a window, which ends when the second does
    assert [row.t_ns / ms for row in thread.timeline[:1]] == pytest.approx([102.4])
    assert thread.timeline[0].sent_bytes == NAME + 2 * (5120 * PAGE + END)


def test_the_first_window_opens_before_the_set_up():
    thread = migrated(scenario(send_ns=10 * us, max_bandwidth_bytes_per_s=1e12, setup_ns=250 * ms))
    first, second, *_ = thread.timeline
    assert first.t_ns / ms == pytest.approx(250 + 51.2)
    assert second.t_ns / ms == pytest.approx(250 + 3 * 51.2)
    assert thread.totals.setup_time_ns == 250 * ms


def test_lateness_delays_every_window_that_slept():
    p = scenario(wakeup_ns=10 * ms)
    lengths = np.diff([0.0] + [row.t_ns for row in migrated(p).timeline[:-1]])
    assert (lengths >= 100 * ms * (1 - 1e-12)).all()
    assert abs(lengths.mean() - 110 * ms) < 4 * 10 * ms / math.sqrt(lengths.size)


# -- synchronisations and the stop rule ---------------------------------------------------------------------


def test_an_idle_guest_is_synchronised_three_times():
    """At the start, when what is left comes below the threshold, and when the guest is stopped."""
    thread = migrated(scenario())
    t = thread.totals
    assert t.dirty_sync_count == 3
    assert thread.fresh == [0, 0, 0]
    assert (t.normal_pages, t.duplicate_pages) == (PAGES, 0)
    assert t.converged and t.remaining_bytes == 0
    # bandwidth 10.02 MB/s x 300 ms = 3.0 MB or 733 pages: first undercut after 65 windows, by 524 pages
    assert thread.threshold_bytes == pytest.approx((WINDOW * PAGE + END) * 3)
    assert t.downtime_bytes == (PAGES - 65 * WINDOW) * PAGE
    assert [round(at / ms) for at in thread.sync_times_ns] == [0, 6500, 6500]


def test_before_the_first_window_is_over_there_is_no_threshold():
    """All is sent within 100 ms: nothing is pending, and the guest is stopped without a second look."""
    t = migrated(scenario(max_bandwidth_bytes_per_s=1e12)).totals
    assert t.dirty_sync_count == 2
    assert t.downtime_bytes == 0


def test_a_page_written_between_sync_and_sending_is_sent_twice():
    page = 10_000  # its turn comes in window 41, the next sync after window 65
    for written in (50 * ms, 3.9 * s, 4.05 * s, 6.4 * s):  # before its turn and after, all the same
        thread = migrated(scenario(), (written, page))
        assert (thread.totals.normal_pages, thread.fresh) == (PAGES + 1, [0, 1, 0])


def test_a_page_written_before_a_sync_that_finds_it_still_unsent_is_sent_once():
    at_set_up = migrated(scenario(setup_ns=10 * ms), (5 * ms, 10_000))  # all pages are still unsent
    assert at_set_up.totals.normal_pages == PAGES
    late = migrated(scenario(), (50 * ms, 16_000))  # among the 524 that are left at the second sync
    assert late.totals.normal_pages == PAGES


def test_a_zero_page_that_is_written_is_sent_as_normal():
    """10 us a zero page: 5120 in each iteration of 51.2 ms, then the last 1024."""
    p = scenario(zero_scan_ns=10 * us)
    guest = Script(p, (20 * ms, 0), (60 * ms, PAGES - 1))
    guest.nonzero[:] = 0
    t = migrated(p, guest=guest).totals
    assert t.duplicate_pages == PAGES - 1  # all but the last, which was written before its turn
    assert t.normal_pages == 3  # page 0 after the sync, the last page in its turn and again after the sync


def test_the_remainder_stays_in_the_bitmap_when_a_sync_brings_too_much():
    """524 pages are left when 1000 more turn up: 1524 are not below 733, and sending goes on where it was."""
    thread = migrated(scenario(), (1 * s, np.arange(1000)))
    t = thread.totals
    assert thread.fresh == [0, 1000, 0, 0]
    assert [round(at / ms) for at in thread.sync_times_ns] == [0, 6500, 6900, 6900]
    after = [row.remaining_pages for row in thread.timeline if row.t_ns > 6.55 * s]
    assert after[:4] == [1524 - WINDOW, 1524 - 2 * WINDOW, 1524 - 3 * WINDOW, 1524 - 4 * WINDOW]
    assert t.downtime_bytes == (1524 - 4 * WINDOW) * PAGE
    assert t.normal_pages == PAGES + 1000
    assert t.dirty_sync_count == 4


def test_after_the_remainder_the_walk_starts_over():
    """Pages behind the cursor are sent only after those ahead of it."""
    p = scenario(downtime_limit_ns=100 * ms)  # threshold 244 pages
    # 36 pages are left after 67 windows; then 300 more are dirty, 100 of them ahead of the cursor
    ahead, behind = np.arange(PAGES - 136, PAGES - 36), np.arange(200)
    thread = Watched(p, np.random.default_rng(1), Script(p, (6.65 * s, np.concatenate((ahead, behind)))))
    seen = []
    send = thread.send

    def watch(*args):
        before = thread.bitmap.copy()
        send(*args)
        seen.append(
            np.flatnonzero(np.unpackbits((before & ~thread.bitmap).view(np.uint8), bitorder="little"))
        )

    thread.send = watch
    thread.run()
    assert thread.fresh == [0, 300, 0, 0]
    first_after = seen[67]  # the window after the sync
    assert set(first_after) == set(range(PAGES - 36, PAGES)) | set(range(200)) | set(ahead[:8])


def test_switchover_bandwidth_takes_the_place_of_the_last_window():
    """At 1 GB/s for 300 ms all that is left would fit: the guest is stopped as soon as there is a threshold."""
    thread = migrated(scenario(avail_switchover_bytes_per_s=1e9))
    t = thread.totals
    assert thread.threshold_bytes == 3e8
    assert t.precopy_bytes == NAME + WINDOW * PAGE + END
    assert t.downtime_bytes == (PAGES - WINDOW) * PAGE
    assert t.stopped_at_ns == pytest.approx(100 * ms)
    # and with a bandwidth for less than a page it waits until nothing is left
    assert migrated(scenario(avail_switchover_bytes_per_s=1e4)).totals.downtime_bytes == 0


def test_phases_follow_each_other():
    phases = [row.phase for row in migrated(scenario(), (1 * s, np.arange(1000))).timeline]
    assert sorted(phases, key=[BULK, ITERATE, STOPPED].index) == phases
    assert set(phases) == {BULK, ITERATE, STOPPED}


# -- the end ------------------------------------------------------------------------------------------------


def test_stop_and_copy_ignores_the_limiter_but_not_the_link():
    p = scenario(link_bytes_per_s=20 * MB)
    rest = (PAGES - 65 * WINDOW) * PAGE  # 2.15 MB: two windows of the limiter, 107.5 ms of the link
    t = migrated(p).totals
    assert t.downtime_ns == 0  # it fits into the sockets (4 MiB) at once
    assert t.pause_ns == pytest.approx(rest / (20 * MB) * s)
    tight = migrated(p.replace(socket_bytes=64 * KiB)).totals  # under one word of 64 pages
    assert tight.pause_ns == pytest.approx(rest / (20 * MB) * s)
    last = (PAGES % 64 or 64) * PAGE  # the source is done when only the last word is in the sockets
    assert tight.downtime_ns == pytest.approx((rest - last) / (20 * MB) * s)
    assert tight.total_time_ns == pytest.approx(tight.stopped_at_ns + tight.downtime_ns)


def test_stopping_and_resuming_and_a_synchronisation_add_up():
    p = scenario(
        stop_ns=3 * ms, resume_ns=7 * ms, sync_ns=2 * ms, sync_per_gib_ns=16 * ms
    )  # 64 MiB: 1 ms more
    t = migrated(p).totals
    assert t.downtime_ns == pytest.approx(3 * ms + 3 * ms)
    assert t.pause_ns == pytest.approx(t.downtime_ns + 7 * ms, abs=1 * us)  # and 215 ns of the link
    assert t.setup_time_ns == pytest.approx(3 * ms)


def test_the_guest_stands_still_while_it_is_stopped():
    p = scenario(stop_ns=100 * ms, send_ns=1 * ms)
    guest = Script(p)
    t = migrated(p, guest=guest).totals
    assert guest.ran_ns == pytest.approx(t.stopped_at_ns)
    assert t.total_time_ns > guest.ran_ns + 100 * ms


@pytest.mark.parametrize("deferred", [True, False])
def test_stopping_the_dirty_log_counts_only_if_it_is_not_deferred(deferred):
    p = scenario(stop_ns=2 * ms, resume_ns=5 * ms)
    base = migrated(p).totals
    t = migrated(p.replace(dirty_log_stop_ns=32 * ms, dirty_log_stop_deferred=deferred)).totals
    extra = 0 if deferred else 32 * ms
    for name in ("downtime_ns", "pause_ns", "total_time_ns"):
        assert getattr(t, name) == pytest.approx(getattr(base, name) + extra, abs=1 * us)


def test_a_guest_that_dirties_faster_than_it_is_sent_is_given_up():
    """2440 pages a second are sent; a sequential writer dirties 5000 of 8192."""
    p = scenario(wss_bytes=32 * MiB, write_rate_per_s=5000, pattern="sequential", give_up_ns=30 * s)
    thread = migrated(p, guest=Guest(p, np.random.default_rng(1)))
    t = thread.totals
    assert not t.converged
    assert math.isnan(t.total_time_ns) and math.isnan(t.downtime_ns) and math.isnan(t.pause_ns)
    assert 30 * s <= thread.now_ns < 30.1 * s
    assert t.remaining_bytes == thread.left * 4096 > thread.threshold_bytes
    samples = simulate(p, rng=np.random.default_rng(1), n=3)
    assert samples.estimate()["converged_frac"].value == 0
    assert math.isnan(samples.estimate()["total_time_ns"].value)
