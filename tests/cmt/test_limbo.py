"""The allocator of RMIDs against cases made by hand, and wrong variants that they refuse."""

import errno
import math

import pytest

from nfvlab.cmt import limbo
from nfvlab.cmt.limbo import NoRmid, RmidAllocator

S = 1e9


def allocator(count=3, **changed):
    return RmidAllocator(count, **{"threshold_bytes": 100, "unit_bytes": 10, **changed})


def readings(table):
    """Readings of (RMID, domain), or of an RMID in every domain; 0 where nothing is said."""
    return lambda rmid, domain: table.get((rmid, domain), table.get(rmid, 0))


def refused(made):
    with pytest.raises(NoRmid) as no:
        made.alloc()
    return no.value.errno


def test_rmids_are_given_out_from_the_one_that_was_free_longest():
    made = allocator()
    assert [made.alloc() for _ in range(3)] == [1, 2, 3]
    made.free(2, 0)
    made.free(1, 0)
    made.check(0, S, readings({}))
    assert [made.alloc() for _ in range(2)] == [1, 2]  # a check walks RMIDs upwards, so 1 comes out first


def test_none_left_is_no_space_and_with_some_in_limbo_busy():
    made = allocator()
    for _ in range(3):
        made.alloc()
    assert refused(made) == errno.ENOSPC
    made.free(2, 0)
    assert refused(made) == errno.EBUSY
    made.check(0, S, readings({2: 100}))
    assert refused(made) == errno.EBUSY
    made.check(0, 2 * S, readings({2: 90}))
    assert made.alloc() == 2 and refused(made) == errno.ENOSPC


def test_clean_is_below_the_threshold_not_at_it():
    assert limbo.is_clean(99, 100) and not limbo.is_clean(100, 100)
    assert not limbo.is_clean(None, 100)
    assert allocator(threshold_bytes=109).threshold_bytes == 100  # whole units
    assert allocator(threshold_bytes=9).threshold_bytes == 0  # and then nothing is ever clean


def test_default_threshold_by_hand():
    # 35 MiB = 36700160 bytes over 56 RMIDs are 655360 bytes: exactly 10 units of 64 KiB
    assert 36700160 // 56 == 655360 == 10 * 65536
    assert limbo.default_threshold(35 * 2**20, 56, 65536) == 10 * 65536
    assert limbo.default_threshold(35 * 2**20, 57, 65536) == 9 * 65536


def test_checks_begin_one_interval_after_limbo_fills_and_end_when_it_is_empty():
    made = allocator()
    first, second = made.alloc(), made.alloc()
    assert made.due()[0] == math.inf
    made.free(first, 0.3 * S)
    made.free(second, 0.9 * S)
    assert made.due() == (1.3 * S, 0)  # the second one moves nothing
    assert made.check(0, 1.3 * S, readings({second: 200})) == [first]
    assert made.due() == (2.3 * S, 0)
    assert made.check(0, 2.3 * S, readings({})) == [second]
    assert made.due()[0] == math.inf


def test_an_rmid_must_be_clean_in_every_domain():
    made = allocator(domains=2)
    rmid = made.alloc()
    made.free(rmid, 0)
    assert made.check(0, S, readings({(rmid, 1): 500})) == []
    assert made.limbo_count == 1 and made.busy[rmid] == 1
    assert made.due() == (S, 1)  # its own check is still to come
    assert made.check(1, S, readings({(rmid, 1): 500})) == []
    assert made.check(1, 2 * S, readings({})) == [rmid]
    assert made.limbo_count == 0


def test_a_failed_reading_keeps_it_in_limbo():
    made = allocator()
    made.free(made.alloc(), 0)
    assert made.check(0, S, readings({1: None})) == []


def test_run_makes_every_check_that_is_due():
    made = allocator()
    made.free(made.alloc(), 0)
    asked = []

    def reading_at(now):
        asked.append(now)
        return readings({1: 1000 - now / S * 300})

    made.run(10 * S, reading_at)
    assert asked == [S, 2 * S, 3 * S, 4 * S]  # 1000 - 300 t: 100 at t = 3 is not below, -200 at t = 4 is


def test_what_is_not_in_use_cannot_be_freed():
    made = allocator()
    made.free(0, 0)  # the default group's RMID: nothing happens
    assert made.limbo_count == 0
    with pytest.raises(ValueError, match="rmid = 2: not in use"):
        made.free(2, 0)
    rmid = made.alloc()
    made.free(rmid, 0)
    with pytest.raises(ValueError, match="rmid = 1: not in use"):
        made.free(rmid, 0)
    with pytest.raises(ValueError, match="rmid_count = 0"):
        allocator(0)


class OneDomain(RmidAllocator):
    """Looks at the first domain only."""

    def free(self, rmid, now_ns):
        super().free(rmid, now_ns)
        self.busy[rmid] = 1


class ReusedAtOnce(RmidAllocator):
    """No limbo."""

    def free(self, rmid, now_ns):
        self.in_use.remove(rmid)
        self.free_lru.append(rmid)


class AtTheThreshold(RmidAllocator):
    """Clean at the threshold, too: the perf driver's rule, not resctrl's."""

    def check(self, domain, now_ns, reading):
        return super().check(domain, now_ns, lambda rmid, d: reading(rmid, d) - 1)


class MostRecentFirst(RmidAllocator):
    """Gives out the RMID that was freed last."""

    def alloc(self):
        self.free_lru.rotate(1)
        return super().alloc()


@pytest.mark.parametrize(
    ("mutant", "case"),
    [
        (OneDomain, test_an_rmid_must_be_clean_in_every_domain),
        (ReusedAtOnce, test_none_left_is_no_space_and_with_some_in_limbo_busy),
        (AtTheThreshold, test_none_left_is_no_space_and_with_some_in_limbo_busy),
        (MostRecentFirst, test_rmids_are_given_out_from_the_one_that_was_free_longest),
    ],
)
def test_wrong_allocators_are_refused(monkeypatch, mutant, case):
    monkeypatch.setitem(globals(), "RmidAllocator", mutant)
    with pytest.raises((AssertionError, KeyError, pytest.fail.Exception)):
        case()
