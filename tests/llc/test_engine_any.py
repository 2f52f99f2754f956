"""Any tenants under any masks: what holds whatever they do."""

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nfvlab.kernels.masks import widen
from nfvlab.llc.engine import Engine
from nfvlab.llc.params import LINE_BYTES, WORKLOADS, Cache, Tenant
from nfvlab.units import us

WAYS = 6
masks = st.integers(1, 2**WAYS - 1)


@st.composite
def tenants(draw):
    lines = draw(st.integers(8, 400))
    return Tenant(
        workload=draw(st.sampled_from(WORKLOADS)),
        data_bytes=lines * LINE_BYTES,
        code_bytes=draw(st.integers(1, 100)) * LINE_BYTES,
        code_frac=draw(st.sampled_from([0.0, 0.3])),
        write_frac=draw(st.sampled_from([0.0, 0.5, 1.0])),
        work_ns=draw(st.floats(1, 100)),
        parallelism_ratio=draw(st.floats(1, 8)),
        skew_exponent=draw(st.floats(0, 1.5)),
        ring_count=64,
        buffer_bytes=512,
        frame_bytes=draw(st.sampled_from([64, 512])),
        offered_packets_per_s=draw(st.sampled_from([1e6, 1e8])),
        interval_ns=20 * us,
        phase_references_count=draw(st.integers(10, 500)),
        data_mask=draw(masks),
        code_mask=draw(masks),
    )


@st.composite
def hosts(draw):
    cache = Cache(
        cache_sets=draw(st.sampled_from([1, 16, 32])),
        cache_ways=WAYS,
        hashed=draw(st.booleans()),
        cdp=draw(st.booleans()),
        io_mask=draw(masks),
        io_sticky=draw(st.booleans()),
        memory_bytes_per_s=draw(st.sampled_from([1e9, 40e9])),
    )
    return cache, tuple(draw(st.lists(tenants(), min_size=1, max_size=4))), draw(st.integers(0, 2**32))


def allowed(cache, t, k, count):
    """The ways that the lines of RMID k may lie in."""
    if k == count:
        return cache.io_mask
    mask = t[k].data_mask
    mask |= t[k].code_mask if cache.cdp else 0
    return widen(mask, cache.io_mask) if cache.io_sticky else mask


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(hosts())
def test_lines_traffic_and_time_add_up(host):
    cache, t, seed = host
    made = Engine(cache, t, np.random.default_rng(seed))
    room = cache.cache_sets * cache.cache_ways
    gone = np.zeros(len(t) + 1)  # lines evicted, by RMID
    for end in (40e3, 90e3, 150e3):
        held = made.lines()
        window = made.run(end, snapshot_ns=10e3)
        fills = window.fills.sum(axis=1)
        assert np.array_equal(fills[:-1], window.misses.sum(axis=1))
        gone += fills + held - made.lines()
        assert made.lines().sum() <= room and (window.occupancy.sum(axis=1) <= room).all()
        for k in range(len(t) + 1):
            outside = [w for w in range(WAYS) if not allowed(cache, t, k, len(t)) >> w & 1]
            assert made.held_by_way(k)[outside].sum() == 0
        assert (window.busy_ns >= 0).all() and (window.wait_ns >= 0).all()
        assert (window.unit_ns > 0).all() and (window.unit_end_ns >= window.start_ns).all()
    assert (gone >= 0).all()
    assert (window.write_backs.sum(axis=1) <= gone).all()
    for k, tenant in enumerate(t):
        if tenant.workload != "packets":
            assert tenant.write_frac > 0 or window.write_backs[k].sum() == 0
