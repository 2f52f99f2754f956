"""Groups that come and go: laws of queues that hold when limbo is short, and by hand where it is not."""

import math

import numpy as np
import pytest

from nfvlab import stats
from nfvlab.cmt.groups import churn
from nfvlab.cmt.limbo import RmidAllocator

S = 1e9


def many(rmids, *, n=20, check_ns=S, clean_ns=0.0, starts_per_s=1.0, lifetime_ns=S, seed=5):
    made = []
    for rng in np.random.default_rng(seed).spawn(n):
        allocator = RmidAllocator(rmids, threshold_bytes=10, unit_bytes=1, check_ns=check_ns)
        rates = {"starts_per_s": starts_per_s, "lifetime_ns": lifetime_ns}
        made.append(churn(allocator, clean_ns=clean_ns, rng=rng, **rates))
    return made


def agrees(values, expected):
    seen = stats.mean(np.array(values))
    return abs(seen.value - expected) <= seen.reach(4)


def test_without_limbo_it_is_a_loss_system():
    # Erlang B, load 3 on 4 servers: (3^4/4!) / (1 + 3 + 9/2 + 27/6 + 81/24) = 3.375 / 16.375
    made = many(4, check_ns=1e-6 * S, starts_per_s=3.0)
    assert agrees([host.refused_frac for host in made], 3.375 / 16.375)


def test_a_lone_rmid_waits_a_whole_interval_since_the_worker_starts_with_it():
    # The first RMID in limbo waits T, those that follow before the check (Poisson, rate f) T/2 each on average; the
    # next one comes 1/f after the check: (T + f T^2 / 2) / (1/f + T).
    f, t = 0.5, 1.0
    made = many(400, starts_per_s=f, lifetime_ns=10 * S)
    assert agrees([host.limbo_count for host in made], (t + f * t * t / 2) / (1 / f + t))
    assert all(host.refused_frac == 0 for host in made)


def test_a_slow_cache_holds_rmids_for_whole_checks():
    # Many in limbo: the worker runs all the time, so an end falls anywhere between two checks, 1/2 of an interval on
    # average until the first check at which 2.3 intervals have passed: waits of 2.3 to 3.3, mean 2.8.
    made = many(2000, clean_ns=2.3 * S, starts_per_s=30.0, lifetime_ns=10 * S)
    assert agrees([host.limbo_count for host in made], 30 * 2.8)


def test_a_full_host_is_busy_or_out_of_space_by_what_is_in_limbo():
    short = many(8, n=5, starts_per_s=50, lifetime_ns=1000 * S)
    assert all(host.no_space > 20 * host.busy > 0 for host in short)
    long = many(8, n=5, starts_per_s=50, clean_ns=1000 * S, lifetime_ns=1 * S)
    assert all(host.busy > 20 * host.no_space for host in long)
    assert all(host.limbo_count > 7.5 for host in long)


def test_rmids_that_never_come_clean_are_lost_one_by_one():
    (host,) = many(8, n=1, clean_ns=math.inf)
    assert host.refused_frac == 1 and host.limbo_count == 8 and host.no_space == 0


def test_no_starts_nothing_to_refuse():
    (host,) = many(8, n=1, starts_per_s=0.0)
    assert math.isnan(host.refused_frac) and host.limbo_count == 0


def test_the_seed_decides():
    assert many(4, n=2) == many(4, n=2)
    assert many(4, n=2) != many(4, n=2, seed=6)


class CheckedAtFixedTimes(RmidAllocator):
    """The worker runs on, whether limbo is empty or not."""

    def free(self, rmid, now_ns):
        super().free(rmid, now_ns)
        self.next_check_ns = [(now_ns // self.check_ns + 1) * self.check_ns]


class CheckedAtOnce(RmidAllocator):
    """The worker's first run comes without delay."""

    def free(self, rmid, now_ns):
        super().free(rmid, now_ns)
        self.next_check_ns = [min(self.next_check_ns[0], now_ns)]


@pytest.mark.parametrize("mutant", [CheckedAtFixedTimes, CheckedAtOnce])
def test_wrong_workers_are_refused(monkeypatch, mutant):
    monkeypatch.setitem(globals(), "RmidAllocator", mutant)
    with pytest.raises(AssertionError):
        test_a_lone_rmid_waits_a_whole_interval_since_the_worker_starts_with_it()
