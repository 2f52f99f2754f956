"""Auto-converge: when the throttle grows, how far it bites, and the syncs that QEMU 9.2 adds."""

import math

import numpy as np
import pytest
from bare_migration import PAGES, WINDOW, migrated, scenario

from nfvlab.precopy.auto_converge import AutoConverge
from nfvlab.precopy.guest import Guest
from nfvlab.units import MiB, ms, s, us

STEPS = [0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.99]


def judge(periods, **fields):
    """The throttle after each period of (dirtied, sent) bytes."""
    converge, throttle, history = AutoConverge(scenario(auto_converge=True, **fields)), 0.0, []
    for dirtied, sent in periods:
        throttle = converge.throttle(throttle, dirtied, sent)
        history.append(throttle)
    return history


def test_every_second_bad_period_throttles_one_step_more():
    history = judge([(51, 100)] * 20)
    assert history[0::2] == pytest.approx([0.0, *STEPS])
    assert history[1::2] == pytest.approx([*STEPS, 0.99])


def test_half_of_what_was_sent_is_not_too_much():
    assert judge([(50, 100)] * 10) == [0.0] * 10
    assert judge([(50, 100)] * 2, throttle_trigger_frac=0.49) == [0.0, 0.2]


def test_a_good_period_between_two_bad_ones_is_not_forgiven():
    assert judge([(60, 100), (10, 100), (10, 100), (60, 100)]) == [0.0, 0.0, 0.0, 0.2]


def test_steps_are_parameters():
    fields = {"throttle_initial_frac": 0.05, "throttle_increment_frac": 0.5, "throttle_max_frac": 0.7}
    assert judge([(1, 1)] * 6, **fields) == pytest.approx([0.0, 0.05, 0.05, 0.55, 0.55, 0.7])


def test_without_the_capability_nothing_is_throttled():
    converge = AutoConverge(scenario(auto_converge=False, throttle_sync_ns=1.0))
    assert [converge.throttle(0.0, 100, 1) for _ in range(4)] == [0.0] * 4
    assert not converge.wants_sync(1e18, 2)


def writer(p, seed=1):
    """3000 pages a second over all of a guest of 64 MiB, of which 2440 are sent."""
    return migrated(p, guest=Guest(p, np.random.default_rng(seed)))


def too_fast(**fields):
    workload = {"wss_bytes": 64 * MiB, "write_rate_per_s": 3000.0, "pattern": "sequential"}
    return scenario(**(workload | {"auto_converge": True, "give_up_ns": 200 * s} | fields))


def test_a_throttle_bites_when_the_idle_share_is_gone_and_not_before():
    """100 us a visit keep the vCPU busy for 30 %: up to a throttle of 70 % nothing changes."""
    tireless = writer(too_fast(visit_ns=0.0))
    thread = writer(too_fast(visit_ns=100 * us))
    history = list(dict.fromkeys(round(row.throttle_frac, 9) for row in thread.timeline))
    assert history == pytest.approx([0.0, *STEPS[: len(history) - 1]])
    unthrottled = sum(row.throttle_frac < 0.75 for row in thread.timeline)
    assert thread.timeline[:unthrottled] == tireless.timeline[:unthrottled]
    assert not tireless.totals.converged
    assert thread.totals.converged
    assert thread.totals.throttle_frac > 0.75


def test_each_step_takes_two_synchronisations_more_than_a_second_apart():
    thread = writer(too_fast(visit_ns=0.0))
    steps = [
        now.dirty_sync_count
        for before, now in zip(thread.timeline, thread.timeline[1:], strict=False)
        if now.throttle_frac > before.throttle_frac
    ]
    assert steps == [3, 5, 7, 9, 11, 13, 15, 17, 19]  # the first sync finds all pages dirty already
    assert np.diff(thread.sync_times_ns[1:20]).min() > 1 * s


def test_periods_of_less_than_a_second_are_added_up():
    """Syncs at 6.5, 6.9, 7.3 and 7.7 s: only the last comes more than 1 s after the period began at 6.5 s."""
    events = [(6.4 * s + k * 0.4 * s, np.arange(1000) + 1000 * k) for k in range(4)]
    thread = migrated(scenario(auto_converge=True), *events)
    assert [round(at / ms) for at in thread.sync_times_ns] == [0, 6500, 6900, 7300, 7700, 8100, 8100]
    assert thread.fresh == [0, 1000, 1000, 1000, 1000, 0, 0]
    # the first period had 1000 dirty pages for 15860 sent, the second 3000 for 12 windows of 244
    assert thread.auto_converge.dirty_rate_high_count == 1
    assert thread.totals.dirty_pages_per_s == pytest.approx(3000 / 1.2)


def test_the_timer_asks_for_a_sync_only_if_none_came_since_its_last_tick():
    converge = AutoConverge(scenario(auto_converge=True, throttle_sync_ns=5 * s))
    asked = [(4.9, 1), (5.0, 1), (9.9, 1), (10.0, 1), (15.0, 3), (20.0, 3), (25.0, 4), (30.0, 6), (35.1, 6)]
    answers = [converge.wants_sync(at * s, syncs) for at, syncs in asked]
    # in the bulk pass never; at 15 s it sees 3, at 20 s still 3: its own sync is the fourth; at 30 s 6 are there
    assert answers == [False] * 5 + [True, True, False, True]


def test_since_qemu_9_2_a_long_pass_is_cut_by_the_throttles_own_syncs():
    """A pass takes 6.7 s: after the first one the timer looks every 5 s, and the throttle grows faster."""
    before, after = (writer(too_fast(visit_ns=100 * us, throttle_sync_ns=ns)) for ns in (0.0, 5 * s))
    assert after.totals.converged
    assert after.totals.total_time_ns < before.totals.total_time_ns
    gaps = np.diff(after.sync_times_ns)
    assert gaps[0] == pytest.approx(before.sync_times_ns[1])  # the bulk pass is left alone
    assert gaps[1:].max() <= 10.2 * s < math.inf
    assert PAGES / WINDOW * 100 * ms > 5 * s
