"""The variance of a tenant's traffic against references drawn one by one."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfvlab.cmt.params import Params, Tenant
from nfvlab.cmt.traffic import Traffic, traffic
from nfvlab.llc.sharing import Use
from nfvlab.units import ms

SEED = 20261128
USE = Use(
    data_references=1.0,
    code_references=0.0,
    data_misses=0.3,
    code_misses=0.0,
    ring_misses=(0.0, 0.0),
    write_backs=0.1,
    io_write_backs=0.0,
    lines=1e4,
    io_lines=0.0,
)


def told(t, use, wait_ns=0.0, per_ns=None, **fields):
    p = Params(tenants=(t,), **fields)
    misses = use.data_misses + use.code_misses
    unit_ns = t.work_ns + (p.hit_ns + misses * (p.memory_ns + wait_ns)) / t.parallelism_ratio
    return traffic(p, t, use, per_ns or 1 / unit_ns, wait_ns)


def lines_in(windows, miss_frac, dirty_frac, hit_ns, miss_ns, window_ns, rng):
    """Lines that pass in each window, by references one after the other."""
    n = int(1.05 * windows * window_ns / (hit_ns + miss_frac * (miss_ns - hit_ns))) + 1000
    missed = rng.random(n) < miss_frac
    at = np.cumsum(np.where(missed, miss_ns, hit_ns))
    lines = missed * (1 + (rng.random(n) < dirty_frac))
    edges = np.searchsorted(at, window_ns * np.arange(windows + 1))
    return np.diff(np.concatenate([[0], np.cumsum(lines)])[edges])


@pytest.mark.parametrize("miss_frac", [0.02, 0.3, 0.9, 1.0])
@pytest.mark.parametrize("dirty_frac", [0.0, 0.4])
def test_references_one_by_one(miss_frac, dirty_frac):
    """4000 windows of 300 references and more: the variance is known to 2 %, short windows cost another few."""
    t = Tenant(work_ns=10.0, parallelism_ratio=2.0)
    use = dataclasses.replace(USE, data_misses=miss_frac, write_backs=miss_frac * dirty_frac)
    flow = told(t, use, wait_ns=30.0)
    window = 300 * (20 + miss_frac * 55)
    seen = lines_in(4000, miss_frac, dirty_frac, 20.0, 75.0, window, np.random.default_rng(SEED))
    assert flow.lines_per_ns * window == pytest.approx(seen.mean(), abs=5 * (seen.var() / seen.size) ** 0.5)
    assert flow.variance_per_ns * window == pytest.approx(seen.var(), rel=0.08, abs=0.3)


def test_poisson_counts_are_only_the_limit_of_rare_misses():
    rare = told(Tenant(), dataclasses.replace(USE, data_misses=1e-4, write_backs=0.0))
    assert rare.variance_per_ns == pytest.approx(rare.lines_per_ns, rel=1e-2)
    always = told(Tenant(), dataclasses.replace(USE, data_misses=1.0, write_backs=0.0))
    assert always.variance_per_ns == pytest.approx(0, abs=1e-12)


def test_work_that_is_due_does_not_wait_for_misses():
    """Packets below what the core can do: durations fall away, the misses of a packet are a binomial number."""
    t = Tenant(workload="packets", lookups_count=4, offered_packets_per_s=1e5)
    use = dataclasses.replace(USE, data_references=6.0, data_misses=2.0, write_backs=0.0)
    flow = told(t, use, per_ns=1e5 / 1e9)
    assert flow.variance_per_ns == pytest.approx(1e5 / 1e9 * 4 * 0.5 * 0.5)


def test_bursts_of_wake_ups_beat():
    t = Tenant(workload="wakeups", interval_ns=1 * ms)
    use = dataclasses.replace(USE, data_references=1000.0, data_misses=1000.0, write_backs=0.0)
    flow = told(t, use, per_ns=1e-6)
    assert flow.passed(5 * ms) == pytest.approx((5 * 1000 * 64, 0), abs=1e-3)
    # half an interval more: 5 or 6 wake-ups with probability (1 - 2 w) / 2 each, a burst of w = 0.11 ms cut in it else
    w = 0.110
    assert flow.passed(5.5 * ms)[1] == pytest.approx(
        ((1 - 2 * w) / 4 + 2 * w / 12) * (1000 * 64) ** 2, rel=0.01
    )


@given(st.floats(0.001, 1), st.floats(0, 1), st.floats(1, 100), st.floats(1, 8))
def test_variance_is_never_below_zero_and_scales_with_time(miss_frac, dirty_frac, work, parallel):
    t = Tenant(work_ns=work, parallelism_ratio=parallel)
    use = dataclasses.replace(USE, data_misses=miss_frac, write_backs=miss_frac * dirty_frac)
    flow = told(t, use)
    assert flow.variance_per_ns >= 0
    # with a and b the durations, Var(Y - r X) <= Var of two lines a miss
    assert flow.variance_per_ns <= 4 * flow.lines_per_ns + 1e-12
    slow = traffic(
        Params(tenants=(t,), hit_ns=40.0, memory_ns=160.0),
        dataclasses.replace(t, work_ns=2 * work),
        use,
        flow.lines_per_ns / (miss_frac * (1 + dirty_frac)) / 2,
        0.0,
    )
    assert slow.variance_per_ns == pytest.approx(flow.variance_per_ns / 2, rel=1e-6, abs=1e-15)


def test_a_tenant_that_never_misses_is_silent():
    assert told(Tenant(), dataclasses.replace(USE, data_misses=0.0, write_backs=0.0)) == Traffic(0.0, 0.0)


def test_phases_burst_when_they_begin():
    """A region that fits is loaded once a phase: all its misses are in the burst."""
    t = Tenant(workload="phases", data_bytes=64 * 4000, phases_count=4, phase_references_count=20_000)
    use = dataclasses.replace(USE, data_misses=1000 * (1 - np.exp(-20)) / 20_000, write_backs=0.0)
    flow = told(t, use)
    assert flow.burst_lines == pytest.approx(1000, rel=1e-3)
    assert flow.burst_lines == pytest.approx(flow.lines_per_ns * flow.period_ns, rel=1e-3)
    assert 0.05 < flow.width_ns / flow.period_ns < 0.3  # 2000 of 20 000 references, and these slower
