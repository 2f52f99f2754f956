"""Tenants at fixed speeds on the exact cache: misses, lines held, write-backs, and where a ring's lines stay."""

import numpy as np
import pytest
import steady_tenants as steady
from hypothesis import given
from hypothesis import strategies as st

from nfvlab.llc.lives import burst, moved
from nfvlab.llc.params import Cache, Tenant
from nfvlab.llc.sharing import Sharing, class_masks
from nfvlab.units import KiB, MiB

ZIPF = Tenant(data_bytes=2 * MiB, code_frac=0.3)
RING = {"workload": "packets", "skew_exponent": 0.4, "data_bytes": 2 * MiB}
CASES = {
    "a walk": ((ZIPF, 0.03), (Tenant(workload="scan", data_bytes=1 * MiB, code_frac=0.2), 0.01)),
    "wake-ups": (
        (ZIPF, 0.03),
        (Tenant(workload="wakeups", data_bytes=256 * KiB, code_bytes=64 * KiB), 1.5e-6),
    ),
    "phases": (
        (ZIPF, 0.03),
        (Tenant(workload="phases", data_bytes=2 * MiB, phase_references_count=20_000), 0.03),
    ),
    "a ring in the way of a scan": (
        (Tenant(**RING, ring_count=4096, code_frac=0.3), 0.01),
        (Tenant(workload="scan", data_bytes=4 * MiB), 0.05),
    ),
    "a ring too long for its ways": (
        (Tenant(**RING, frame_bytes=512, ring_count=4096, data_mask=0x000FF), 0.01),
        (Tenant(workload="scan", data_bytes=4 * MiB, data_mask=0xFFF00), 0.05),
    ),
    "a backlog too long for its ways": (
        (Tenant(**RING, frame_bytes=512, backlog_count=512, header_lines=3, data_mask=0x000FF), 0.01),
        (Tenant(workload="scan", data_bytes=4 * MiB, data_mask=0xFFF00), 0.03),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_misses_lines_and_write_backs_are_those_of_the_exact_cache(name):
    """Write-backs within a twentieth; a tenth with phases, a sixth where the ring's lines live in the core's ways."""
    rough = 0.1 if name == "phases" else 0.17 if "backlog" in name else 0.05
    tenants, speeds = zip(*CASES[name], strict=True)
    references = sum(
        v * (30_000 if t.workload == "wakeups" else 6) for t, v in zip(tenants, speeds, strict=True)
    )
    until = 1_500_000 / min(references, 0.08)
    p = Cache(cache_sets=1024, warmup_ns=0.6 * until, measured_ns=0.4 * until)
    sharing, bursts = Sharing(p, tenants), [0.1 / v for v in speeds]
    for _ in range(12):  # until the ring's lines have settled
        uses = sharing.solve(speeds, bursts)
    seen, io_lines = steady.run(p, tenants, speeds, until, np.random.default_rng(2), warm=0.6)
    for v, use, exact in zip(speeds, uses, seen, strict=True):
        assert use.data_misses / use.data_references == pytest.approx(exact.data_miss_frac, abs=0.015)
        if use.code_references:
            assert use.code_misses / use.code_references == pytest.approx(exact.code_miss_frac, abs=0.03)
        if "phases" not in name and "wake-ups" not in name:  # those hold more or less as time goes
            assert use.lines == pytest.approx(exact.lines, rel=0.04, abs=50)
        written = use.write_backs * v
        assert written == pytest.approx(exact.write_backs_per_ns, rel=rough)
    if not {"phases", "wakeups"} & {t.workload for t in tenants}:
        assert sum(use.io_lines for use in uses) == pytest.approx(io_lines, rel=0.05, abs=50)


def test_masks_by_class_follow_cdp_and_sticky_bits():
    t = Tenant(data_mask=0x3, code_mask=0x40000)
    assert class_masks(Cache(), [t]) == (0x3, 0x3, 0xC0000)
    assert class_masks(Cache(cdp=True), [t]) == (0x3, 0x40000, 0xC0000)
    assert class_masks(Cache(cdp=True, io_sticky=True), [t]) == (0x3, 0xC0000, 0xC0000)


# ring lines


def chain(waited, turned, device_waited, turns, n, rng):
    """n lines followed through the ring: in the device's ways, or the core's; share in the core's, reads that miss."""
    core = np.zeros(n, bool)
    for _ in range(turns):
        before = core.copy()
        core &= rng.random(n) < turned  # else the device brings it into its own ways
        hit = np.where(core, rng.random(n) < waited, rng.random(n) < device_waited)
        core |= ~hit
    return before.mean(), 1 - hit.mean()


@pytest.mark.parametrize("turns", [1, 3, 40])
def test_lines_move_between_the_ways_of_device_and_core_as_followed_one_by_one(turns):
    rng = np.random.default_rng(1)
    for waited, turned, device in ((0.9, 0.7, 0.8), (1.0, 0.95, 0.5), (0.3, 0.2, 0.99)):
        away, missed = chain(waited, turned, device, turns + 1, 200_000, rng)
        assert moved(waited, turned, device, 0.0, turns) == pytest.approx((away, missed), abs=5e-3)


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.floats(0.5, 1e6))
def test_shares_of_a_ring_are_shares(waited, turned, device, fixed, turns):
    away, missed = moved(waited, turned, device, fixed, turns)
    assert 0 <= away <= 1 + 1e-9 and -1e-9 <= missed <= 1 + 1e-9


def test_a_line_that_always_lives_until_it_is_read_never_moves():
    assert moved(0.5, 0.5, 1.0, 0.3, 1e6) == (0.0, 0.0)


@given(st.floats(0.001, 1), st.floats(0.01, 1))
def test_windows_meet_bursts_on_average_by_their_length(window, length):
    shares, levels = burst(np.array([window]), length, 1.0)
    assert shares.sum() == pytest.approx(1)
    assert (shares >= -1e-12).all() and (levels <= 1 + 1e-12).all()
    assert (shares * levels).sum() == pytest.approx(window)
