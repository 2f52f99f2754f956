"""The perf driver's rotation: runs of the worker followed by hand, and what rotation costs."""

import math

import numpy as np
import pytest

from nfvlab.cmt import rotation
from nfvlab.cmt.params import Params, Tenant
from nfvlab.cmt.rotation import QUEUE_NS, Group, Rotation
from nfvlab.cmt.rotation_study import share_left, study
from nfvlab.units import KiB, ms, us


def rng(seed=3):
    return np.random.default_rng(seed)


def run(groups, max_rmid, units=lambda rmid, now: 0, limit=10, runs=1):
    """The driver after `runs` of the worker, 250 ms apart: RMIDs of the groups by name, after each run."""
    made = Rotation(max_rmid, limit, units)
    all_groups = [Group(name) for name in range(groups)]
    for group in all_groups:
        made.add(group)
    seen = []
    for _ in range(runs):
        made.rotate()
        seen.append([group.rmid for group in all_groups])
        made.now_ns += QUEUE_NS
    return made, seen


def test_one_rmid_is_kept_in_reserve_and_enough_of_them_leave_nothing_to_do():
    made, seen = run(groups=2, max_rmid=3, runs=3)
    assert seen == [[2, 3]] * 3 and made.rotation_rmid == 1 and not made.limbo
    assert made.add(Group(2)) is True  # no RMID left: the worker is to run at once


def test_two_groups_and_two_rmids_by_hand():
    # At 0 the head loses 2, the other gets the reserve 1. At 250 that one loses 1, with no reserve to give: nobody is
    # watched; 2 is clean, becomes the reserve, and the standard is lowered by a unit. At 500 there is nothing to take;
    # 2 goes to the first group, the standard rises; 1 is the reserve, the standard is lowered again. At 750 as at 0.
    made, seen = run(groups=2, max_rmid=2, runs=6)
    assert seen == [[None, 1], [None, None], [2, None], [None, 1], [None, None], [2, None]]
    assert made.threshold_units == 1
    watched = study([8, 8], 2, 10, lambda t: float(t <= 0), duration_ns=300 * QUEUE_NS).watched_frac
    assert np.allclose(watched, 1 / 3)


def test_an_rmid_stays_in_limbo_for_the_queue_time_however_clean():
    made = Rotation(3, 0, lambda rmid, now: 0)
    group = Group(0)
    made.add(group)
    made.now_ns = 7.0
    made.remove(group)
    for now, out in ((7.0, False), (7.0 + QUEUE_NS - 1, False), (7.0 + QUEUE_NS, True)):
        made.now_ns = now
        made.rotate()
        assert (not made.limbo) is out
    assert list(made.free) == [3, 2]


def test_dirty_is_above_the_threshold_not_at_it():
    def leaves(units):
        made = Rotation(3, 0, lambda rmid, now: units)
        group = Group(0)
        made.add(group)
        made.remove(group)
        made.now_ns = QUEUE_NS
        made.rotate()
        return not made.limbo

    assert leaves(0) and not leaves(1)


def test_where_no_line_is_ever_replaced_every_rmid_ends_in_limbo():
    # Each run takes one more RMID away; the limit of a quarter holds back only the additional ones.
    made, seen = run(groups=9, max_rmid=8, units=lambda rmid, now: 100, limit=10, runs=8)
    assert seen[-1] == [None] * 9 and len(made.limbo) == 8 and made.rotation_rmid is None
    assert made.threshold_units == 0  # stuck, it does not even lower its standard


def test_groups_that_wait_get_rmids_behind_the_head_of_the_list():
    made = Rotation(4, 0, lambda rmid, now: 0)
    groups = [Group(name) for name in range(5)]
    for group in groups[:3]:
        made.add(group)
    made.remove(groups[1])
    for group in groups[3:]:
        made.add(group)
    made.now_ns = QUEUE_NS
    assert [group.rmid for group in groups] == [2, None, 4, None, None]
    made._stabilize()
    assert groups[3].rmid == 3 and groups[4].rmid is None and made.rotation_rmid == 1


def test_no_group_is_favoured_and_no_rmid_is_in_two_places():
    made = Rotation(7, 4, lambda rmid, now: int(now / QUEUE_NS) % 7 == rmid)
    groups = [Group(name) for name in range(12)]
    for group in groups:
        made.add(group)
    held = np.zeros(12)
    for _ in range(600):
        made.rotate()
        places = [g.rmid for g in groups if g.rmid] + [e.rmid for e in made.limbo] + list(made.free)
        places += [made.rotation_rmid] if made.rotation_rmid else []
        assert sorted(places) == list(range(1, 8))
        held += [group.rmid is not None for group in groups]
        made.now_ns += QUEUE_NS
    assert held.min() > 0.8 * held.max() > 0


@pytest.mark.parametrize("tau_ns", [1e7, 1e9])
def test_watched_time_is_shared_and_slow_caches_make_readings_wrong(tau_ns):
    seen = study([40.0] * 6, 4, 20, lambda t: math.exp(-t / tau_ns), duration_ns=100e9)
    assert np.ptp(seen.watched_frac) < 0.02 and seen.watched_frac.sum() <= 4
    assert abs(seen.lost_frac - (1 - seen.watched_frac.mean())) < 0.05
    assert seen.clean_wait_ns.min() >= QUEUE_NS
    assert (seen.reading_error_frac > 0.2) is (tau_ns > QUEUE_NS)


def test_readings_of_those_who_keep_their_rmid_are_right_and_of_others_nothing_where_nothing_is_replaced():
    enough, few = (study([40.0] * n, 4, 20, lambda t: 1.0, duration_ns=100e9) for n in (3, 6))
    assert enough.reading_error_frac == 0 and enough.lost_frac == 0
    assert few.lost_frac == 1 and few.watched_frac.max() == 0  # every RMID is in limbo, none ever clean


def test_a_running_tenants_busy_lines_keep_their_old_rmid():
    one = {"data_bytes": 16 * KiB, "data_mask": 0xFF}
    p = Params(
        cache_sets=64,
        cache_ways=8,
        io_mask=0x80,
        warmup_ns=200 * us,
        measured_ns=1 * ms,
        sample_ns=0.2 * ms,
        tenants=(
            Tenant(workload="zipf", **one),
            Tenant(workload="scan", data_bytes=512 * KiB, data_mask=0xFF),
        ),
    )
    hot = share_left(p.replace(tenants=(p.tenants[0].replace(skew_exponent=2.0), p.tenants[1])), 0, rng=rng())
    even = share_left(
        p.replace(tenants=(p.tenants[0].replace(skew_exponent=0.0), p.tenants[1])), 0, rng=rng()
    )
    scan = share_left(p, 1, rng=rng())
    assert hot(0.0) == even(0.0) == 1.0
    assert hot(500 * us) > even(500 * us) and hot(500 * us) > 0.01
    assert scan(200 * us) == 0.0  # it never comes back to a line that is still there
    alone = share_left(p.replace(tenants=p.tenants[:1]), 0, rng=rng())
    assert alone(1e12) > 0.9  # nobody evicts: an RMID taken from a group that runs on never comes clean


def test_a_part_without_a_reserve_is_refused():
    with pytest.raises(ValueError, match="max_rmid = 0"):
        Rotation(0, 1, lambda rmid, now: 0)


def test_wrong_drivers_are_refused(monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(rotation, "QUEUE_NS", 0.0)
        with pytest.raises(AssertionError):
            test_an_rmid_stays_in_limbo_for_the_queue_time_however_clean()
    with monkeypatch.context() as patch:
        patch.setattr(Rotation, "_pick_and_rotate", lambda self, waiting: None)
        with pytest.raises(AssertionError):
            test_two_groups_and_two_rmids_by_hand()
    with monkeypatch.context() as patch:
        patch.setattr(Rotation, "_sched_in", lambda self, rmid: False)
        with pytest.raises(AssertionError):
            test_groups_that_wait_get_rmids_behind_the_head_of_the_list()
