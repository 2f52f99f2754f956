"""The theory of a shared cache: limits, order, sums and scales, over random scenarios."""

import dataclasses
import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import edges, typical

from nfvlab.cat.analytic import analyze
from nfvlab.cat.params import OUTPUTS, PER_TENANT, Params
from nfvlab.llc.equilibrium import references
from nfvlab.llc.params import LINE_BYTES, Tenant, cache_bytes
from nfvlab.units import MiB, ms

SMALL = {"cache_sets": 1024, "warmup_ns": 10 * ms, "measured_ns": 10 * ms}
KINDS = st.sampled_from(["zipf", "scan", "chase", "phases", "packets", "wakeups"])


def alone(steady: bool = True, **fields):
    return analyze(Params(**SMALL, tenants=(Tenant(**fields),)), steady=steady)


@given(typical(Params))
@settings(max_examples=40)
def test_outputs_are_shares_of_one_rates_above_zero_and_what_they_are_made_of(p):
    theory = analyze(p)
    outputs = theory.outputs()
    assert set(outputs) == {
        *(f"{name}[{k}]" for name in PER_TENANT for k in range(len(p.tenants))),
        *(name for name in OUTPUTS if name not in PER_TENANT),
    }
    for name, (value, _) in outputs.items():
        if "frac" in name and not math.isnan(value):
            assert -1e-9 <= value <= 1 + 1e-9, name
        assert not value < 0, name
    assert sum(theory.occupancy_bytes) <= cache_bytes(p) * (1 + 1e-6)
    for k, t in enumerate(p.tenants):
        data, code = references(t)
        assert theory.cpi_ratio[k] * t.instructions_ratio >= p.core_hz / 1e9 * t.work_ns * (1 - 1e-9)
        assert math.isnan(theory.unit_ns[k]) or t.workload in ("packets", "wakeups")
        assert math.isnan(theory.packets_per_s[k]) == (t.workload != "packets")
        if not code:
            assert math.isnan(theory.code_miss_frac[k])
        elif not math.isnan(theory.code_miss_frac[k] + theory.data_miss_frac[k]):
            both = data * theory.data_miss_frac[k] + code * theory.code_miss_frac[k]
            assert theory.miss_frac[k] == pytest.approx(both / (data + code), abs=1e-9)


@given(edges(Params))
@settings(max_examples=60)
def test_at_the_ends_of_the_domains_nothing_breaks(p):
    for value, claim in analyze(p).outputs().values():
        assert math.isnan(value) or value >= 0
        assert claim.kind == "approx"


@given(typical(Params, cache_sets=1024), st.permutations(range(8)))
@settings(max_examples=30)
def test_the_order_of_tenants_does_not_matter(p, order):
    order = [k for k in order if k < len(p.tenants)]
    here, there = analyze(p), analyze(p.replace(tenants=tuple(p.tenants[k] for k in order)))
    if here.equilibrium.residual + there.equilibrium.residual > 1e-3:
        return
    wanted = np.array(here.miss_frac)[order]
    assert np.allclose(there.miss_frac, wanted, atol=0.05 if len(set(p.tenants)) > 3 else 5e-3)


@given(typical(Params, cache_sets=1024), st.floats(0.3, 3))
@settings(max_examples=30)
def test_time_has_no_unit(p, factor):
    longer = {name: getattr(p, name) * factor for name in ("hit_ns", "memory_ns", "warmup_ns", "measured_ns")}
    tenants = tuple(
        dataclasses.replace(
            t,
            work_ns=t.work_ns * factor,
            interval_ns=t.interval_ns * factor,
            offered_packets_per_s=t.offered_packets_per_s / factor,
        )
        for t in p.tenants
    )
    scaled = p.replace(
        **longer,
        tenants=tenants,
        memory_bytes_per_s=p.memory_bytes_per_s / factor,
    )
    here, there = analyze(p), analyze(scaled)
    if max(here.equilibrium.residual, there.equilibrium.residual) < 5e-4:
        assert there.miss_frac == pytest.approx(here.miss_frac, abs=2e-3)
        speeds = np.array(there.references_per_s) * factor
        assert speeds == pytest.approx(here.references_per_s, rel=5e-3)
        assert np.array(there.cpi_ratio) / factor == pytest.approx(here.cpi_ratio, rel=5e-3)


@given(KINDS, st.floats(16, 22), st.integers(1, 19))
@settings(max_examples=40)
def test_alone_more_ways_never_miss_more(workload, size, ways):
    fields = {"workload": workload, "data_bytes": 2.0**size, "skew_exponent": 0.6, "interval_ns": 4 * ms}
    less, more = (alone(**fields, data_mask=(1 << w) - 1) for w in (ways, ways + 1))
    assert more.miss_frac[0] <= less.miss_frac[0] + 2e-3
    assert more.references_per_s[0] >= less.references_per_s[0] * (1 - 2e-3)


@pytest.mark.parametrize("workload", ["zipf", "scan", "chase", "phases"])
def test_what_fits_easily_does_not_miss_once_it_is_in(workload):
    theory = alone(workload=workload, data_bytes=0.25 * MiB)
    assert theory.miss_frac[0] < 1e-4
    assert theory.occupancy_bytes[0] == pytest.approx(0.25 * MiB, rel=2e-3)
    assert theory.references_per_s[0] == pytest.approx(1e9 / 30, rel=1e-3)
    assert theory.bandwidth_bytes_per_s[0] < 1e6


@pytest.mark.parametrize("workload", ["scan", "chase"])
def test_a_walk_twice_as_long_as_the_cache_always_misses_and_writes_back_what_it_wrote(workload):
    theory = alone(workload=workload, data_bytes=4 * MiB, write_frac=0.3)
    assert theory.miss_frac[0] > 0.999
    assert theory.occupancy_bytes[0] == pytest.approx(cache_bytes(theory.params), rel=1e-3)
    traffic = 1.3 * LINE_BYTES * theory.references_per_s[0]
    assert theory.bandwidth_bytes_per_s[0] == pytest.approx(traffic, rel=1e-2)


@given(KINDS, KINDS, st.integers(1, 17))
@settings(max_examples=30)
def test_exclusive_masks_are_caches_of_their_own(first, second, ways):
    """Each misses what it misses alone in as many ways, if memory is fast and its device fills others."""
    fast = {**SMALL, "memory_bytes_per_s": 1e13, "io_mask": 0xC0000}
    tenants = [
        Tenant(workload=kind, data_bytes=1.5 * MiB, skew_exponent=0.5, interval_ns=4 * ms, data_mask=mask)
        for kind, mask in ((first, (1 << ways) - 1), (second, ((1 << (18 - ways)) - 1) << ways))
    ]
    devices = sum(t.workload == "packets" for t in tenants)
    if devices == 2 or "wakeups" in (first, second):
        return  # devices share their ways; a wake-up's share of the time depends on how fast it is
    both = analyze(Params(**fast, tenants=tuple(tenants)))
    for k, t in enumerate(tenants):
        one = analyze(Params(**fast, tenants=(t,)))
        assert both.miss_frac[k] == pytest.approx(one.miss_frac[0], abs=5e-3)


def test_a_noisy_neighbour_slows_packets_and_a_mask_of_their_own_helps():
    packets = Tenant(workload="packets", data_bytes=1 * MiB, skew_exponent=0.4, offered_packets_per_s=2e7)
    noise = Tenant(workload="scan", data_bytes=64 * MiB, parallelism_ratio=8.0)
    quiet = analyze(Params(**SMALL, tenants=(packets,)))
    shared = analyze(Params(**SMALL, tenants=(packets, noise)))
    cut = analyze(
        Params(
            **SMALL,
            tenants=(packets.replace(data_mask=0xFFFF0), noise.replace(data_mask=0x0000F)),
        )
    )
    assert quiet.packets_per_s[0] > cut.packets_per_s[0] * 0.999 > shared.packets_per_s[0] * 1.2
    assert quiet.unit_p99_ns[0] <= cut.unit_p99_ns[0] < shared.unit_p99_ns[0]


def test_code_of_its_own_ways_is_not_evicted_by_data():
    """A code loop beside its own data, which is referenced once and again: CDP keeps the loop in."""
    t = Tenant(data_bytes=256 * MiB, skew_exponent=0.0, code_bytes=0.125 * MiB, code_frac=0.05)
    together = analyze(Params(**SMALL, tenants=(t,)))
    apart = analyze(Params(**SMALL, cdp=True, tenants=(t.replace(data_mask=0x0FFFF, code_mask=0xF0000),)))
    assert together.code_miss_frac[0] > 0.5
    assert apart.code_miss_frac[0] < 0.5 * together.code_miss_frac[0]
    assert apart.references_per_s[0] > together.references_per_s[0]


def test_a_sticky_mask_takes_all_ways_that_devices_fill():
    narrow = Tenant(workload="scan", data_bytes=1 * MiB, data_mask=0x40000)
    wide = narrow.replace(data_mask=0xC0000)
    sticky = analyze(Params(**SMALL, io_sticky=True, tenants=(narrow,)))
    assert sticky.outputs() == analyze(Params(**SMALL, tenants=(wide,))).outputs() or np.allclose(
        sticky.occupancy_bytes, analyze(Params(**SMALL, tenants=(wide,))).occupancy_bytes
    )
    assert sticky.occupancy_bytes[0] > 1.5 * analyze(Params(**SMALL, tenants=(narrow,))).occupancy_bytes[0]


def test_a_cold_cache_misses_what_it_has_not_yet_seen():
    """16 million lines cannot have come in within 20 ms at 100 ns each: nearly all are new."""
    t = Tenant(data_bytes=1024 * MiB, skew_exponent=0.0)
    p = Params(cache_sets=65_536, tenants=(t,))
    assert analyze(p).occupancy_bytes[0] < 0.25 * cache_bytes(p)
    assert analyze(p, steady=True).occupancy_bytes[0] == pytest.approx(cache_bytes(p), rel=1e-3)


def test_late_wake_ups_are_later_the_longer_one_looks():
    t = Tenant(workload="wakeups", data_bytes=1 * MiB, interval_ns=0.1 * ms)
    near, far = (
        analyze(Params(cache_sets=4096, warmup_ns=w * ms, measured_ns=10 * ms, tenants=(t,)))
        for w in (10, 40)
    )
    late = near.equilibrium.busy_ns(0) - t.interval_ns
    assert late > 0
    assert far.unit_ns[0] - near.unit_ns[0] == pytest.approx(
        30 * ms * late / near.equilibrium.busy_ns(0), rel=0.05
    )
    assert any("falls behind" in doubt for doubt in near.doubts())


def test_solo_curves_fall_with_the_ways_and_meet_the_theory_of_the_tenant_alone():
    t = Tenant(data_bytes=2 * MiB, skew_exponent=0.7, code_frac=0.2)
    theory = analyze(Params(**SMALL, tenants=(t, Tenant(workload="scan"))))
    curve = theory.solo_curve(0)
    assert curve.miss_frac.shape == (20,)
    assert (np.diff(curve.miss_frac) < 1e-6).all()
    assert (np.diff(curve.references_per_s) > -1e-3).all()
    for ways in (3, 11, 20):
        one = analyze(Params(**SMALL, tenants=(t.replace(data_mask=(1 << ways) - 1),)), steady=True)
        assert curve.miss_frac[ways - 1] == pytest.approx(one.miss_frac[0], abs=1e-3)
        assert curve.cpi_ratio[ways - 1] == pytest.approx(one.cpi_ratio[0], rel=1e-3)
        assert curve.misses_per_s[ways - 1] == pytest.approx(
            one.miss_frac[0] * one.references_per_s[0], rel=5e-3
        )


def test_doubts_name_what_is_poor():
    walk = Tenant(workload="scan", data_bytes=1.25 * MiB, data_mask=0xFFFFF)
    words = " ".join(analyze(Params(**SMALL, hashed=False, tenants=(walk,)), steady=True).doubts())
    assert "just fits" in words and "colours" in words
    overlap = Params(**SMALL, tenants=(walk.replace(data_mask=0x3FF), walk.replace(data_mask=0xFFE00)))
    assert any("overlap" in doubt for doubt in analyze(overlap).doubts())
    assert analyze(Params(**SMALL, tenants=(Tenant(data_bytes=2 * MiB),))).doubts() == ()


def test_two_equilibria_are_told():
    """A scan that stays in the cache only while it is fast, beside chases that drive it out once it is slow."""
    scan = Tenant(workload="scan", data_bytes=0.15 * MiB, work_ns=4.0)
    chase = Tenant(workload="chase", data_bytes=8 * MiB, work_ns=4.0, parallelism_ratio=4.0)
    p = Params(**SMALL, memory_ns=200.0, tenants=(scan, chase, chase, chase))
    found = analyze(p)
    told = any("two equilibria" in doubt for doubt in found.doubts())
    assert told == (found.miss_frac[0] > 0.5)


def test_a_slider_is_served_at_once():
    """The best of several runs for two tenants; 1 ms on a quiet machine."""
    p = Params(tenants=(Tenant(), Tenant(workload="scan", data_bytes=16 * MiB)))
    spent = []
    for _ in range(12):
        start = time.thread_time()
        analyze(p)
        spent.append(time.thread_time() - start)
    assert min(spent) < 0.02
