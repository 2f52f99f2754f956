"""The theory of monitoring: limits, conservation, scaling, and its claims."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nfvlab.cmt import claims
from nfvlab.cmt.analytic import analyze, miscount
from nfvlab.cmt.params import OUTPUTS, PER_TENANT, Params, Tenant
from nfvlab.llc.params import cache_bytes
from nfvlab.results import field_of
from nfvlab.units import GB, KiB, MiB, ms, s, us
from tests.strategies import edges, typical

SMALL = Params(
    cache_sets=2048,
    upscale_bytes=4 * KiB,
    threshold_bytes=40 * KiB,
    tenants=(
        Tenant(workload="zipf", data_bytes=4 * MiB),
        Tenant(workload="scan", data_bytes=32 * MiB, parallelism_ratio=8.0, remote_frac=0.3),
    ),
)
LOOP = Tenant(workload="chase", data_bytes=1 * MiB, write_frac=0.0)
FEW = st.lists(typical(Tenant), min_size=1, max_size=3).map(tuple)


def change(p=SMALL, **fields):
    return dataclasses.replace(p, **fields)


@settings(max_examples=40, deadline=None)
@given(typical(Params, tenants=SMALL.tenants), FEW)
def test_every_scenario_has_every_output(p, tenants):
    masked = [
        dataclasses.replace(t, data_mask=1 + t.data_mask % p.io_mask, code_mask=p.io_mask) for t in tenants
    ]
    full = (1 << p.cache_ways) - 1
    masked = [
        dataclasses.replace(t, data_mask=t.data_mask & full or 1, code_mask=t.code_mask & full or 1)
        for t in masked
    ]
    p = dataclasses.replace(p, tenants=tuple(masked))
    theory = analyze(p)
    outputs = theory.outputs()
    assert {field_of(name) for name in outputs} == set(OUTPUTS)
    assert sum(field_of(name) in PER_TENANT for name in outputs) == len(PER_TENANT) * len(p.tenants)
    values = {name: value for name, (value, _) in outputs.items()}
    for name, value in values.items():
        assert math.isnan(value) or value >= -1e-6, (name, value)
    room = cache_bytes(p)
    assert sum(theory.occupancy_bytes) <= 1.02 * room + 64
    for k, held in enumerate(theory.occupancy_bytes):
        # what stands still is rounded to whole lines first
        assert held - p.upscale_bytes - 64 <= theory.reading_bytes[k] <= held + 64
    # 1.02: the fixed point stops short of full consistency at a saturated channel
    assert sum(theory.bandwidth_bytes_per_s) <= 1.02 * p.memory_bytes_per_s
    assert theory.clean_wait_ns >= p.check_ns / 2
    assert math.isnan(theory.stale_bytes) == math.isinf(theory.clean_wait_ns)
    assert 0 <= theory.limbo_count <= p.rmid_count + 1e-6


def test_the_longest_interval_is_exact():
    theory = analyze(SMALL)
    assert theory.longest_interval_ns == 2**24 * 4096 / 40e9 * 1e9
    assert theory.claim("longest_interval_ns").kind == "exact"


def test_readings_of_a_counter_that_does_not_go_round_are_the_traffic():
    theory = analyze(SMALL)
    assert theory.total_bytes_per_s == pytest.approx(theory.bandwidth_bytes_per_s)
    assert theory.local_bytes_per_s == pytest.approx(
        [(1 - t.remote_frac) * b for t, b in zip(SMALL.tenants, theory.bandwidth_bytes_per_s, strict=True)]
    )


def test_a_narrow_counter_tells_too_little():
    theory = analyze(change(counter_bits=10, sample_ns=5 * ms))  # 4 MiB a turn, some MB pass
    told, true = theory.total_bytes_per_s[1], theory.bandwidth_bytes_per_s[1]
    assert true * 5e-3 > 2 * 4 * MiB
    assert told * 5e-3 < 4 * MiB
    assert theory.rate_error_frac[1] > 0.5


def test_shorter_intervals_are_less_certain_and_units_add_to_it():
    errors = [analyze(change(sample_ns=t)).rate_error_frac[0] for t in (0.3 * ms, 1.1 * ms, 4.7 * ms)]
    assert errors[0] > errors[1] > errors[2]
    assert analyze(change(upscale_bytes=64 * KiB)).rate_error_frac[0] > 2 * errors[2]


def test_a_miscounting_part():
    # data/mbm_correction.csv: 7 cores, RMIDs above 47, factor 1.142857
    p = change(part_cores=7, first_rmid_count=47)
    assert miscount(p, 0) == (1.0, 1.0)
    assert miscount(p, 1) == (1.142857, int(1.142857 * 2**20 + 0.5) / 2**20)
    assert miscount(change(p, corrected=False), 1) == (1.142857, 1.0)
    assert miscount(change(p, part_cores=8), 1) == (1.0, 1.0)
    right, wrong = analyze(p), analyze(change(p, corrected=False))
    assert right.total_bytes_per_s[1] == pytest.approx(right.bandwidth_bytes_per_s[1], rel=1e-6)
    assert wrong.total_bytes_per_s[1] == pytest.approx(wrong.bandwidth_bytes_per_s[1] / 1.142857)
    assert wrong.rate_error_frac[1] == pytest.approx(1 - 1 / 1.142857, rel=0.02)
    assert right.rate_error_frac[0] == pytest.approx(analyze(SMALL).rate_error_frac[0])


def test_a_loop_that_fits_alone_is_held_whole_and_silent():
    theory = analyze(change(tenants=(LOOP,), cache_sets=16_384))
    assert theory.occupancy_bytes[0] == pytest.approx(1 * MiB, rel=1e-6)
    assert theory.reading_bytes[0] == 1 * MiB
    assert theory.bandwidth_bytes_per_s[0] == 0 and math.isnan(theory.rate_error_frac[0])
    assert math.isinf(theory.clean_wait_ns) and theory.refused_frac == 1 and theory.limbo_count == 64


def test_a_scan_alone_brings_a_line_a_reference():
    t = Tenant(workload="scan", data_bytes=256 * MiB, write_frac=0.0, parallelism_ratio=1.0)
    p = change(tenants=(t,))
    theory = analyze(p)
    # one core waits for each line: nothing else is at the channel
    each_ns = t.work_ns + p.hit_ns + p.memory_ns
    assert theory.bandwidth_bytes_per_s[0] == pytest.approx(64e9 / each_ns, rel=1e-3)
    # it never pauses: only whole units are uncertain
    passed = 64 * p.sample_ns / each_ns
    assert theory.rate_error_frac[0] <= 0.5 * 4096 / passed * 1.01


def test_masks_apart_never_clean():
    first, second = SMALL.tenants
    apart = (dataclasses.replace(first, data_mask=0x003FF), dataclasses.replace(second, data_mask=0xFFC00))
    theory = analyze(change(tenants=apart))
    assert math.isinf(theory.clean_wait_ns) and theory.residue_bytes == pytest.approx(
        theory.occupancy_bytes[0]
    )


def test_a_threshold_above_what_it_holds_is_met_at_the_first_check():
    theory = analyze(change(threshold_bytes=1e9))
    assert theory.clean_ns == 0
    assert theory.clean_wait_ns == SMALL.check_ns / 2
    assert analyze(change(threshold_bytes=1 * KiB)).clean_ns == math.inf  # less than a unit: never below it


def test_rarer_checks_leave_less_stale():
    often, seldom = analyze(change(check_ns=10 * us)), analyze(change(check_ns=1 * s))
    assert often.clean_ns == seldom.clean_ns
    assert often.stale_bytes > 20 * seldom.stale_bytes
    assert often.stale_bytes < SMALL.threshold_bytes


@pytest.mark.parametrize("k", [0.5, 3.0])
def test_scaling_all_times_scales_the_answers(k):
    """Half as fast in everything: rates halve, waits double, shares and occupancies stay."""
    tenants = tuple(dataclasses.replace(t, work_ns=k * t.work_ns) for t in SMALL.tenants)
    slow = change(
        tenants=tenants,
        hit_ns=k * SMALL.hit_ns,
        memory_ns=k * SMALL.memory_ns,
        memory_bytes_per_s=SMALL.memory_bytes_per_s / k,
        sample_ns=k * SMALL.sample_ns,
        warmup_ns=k * SMALL.warmup_ns,
        measured_ns=k * SMALL.measured_ns,
        check_ns=k * SMALL.check_ns,
        lifetime_ns=k * SMALL.lifetime_ns,
        starts_per_s=SMALL.starts_per_s / k,
    )
    one, other = analyze(SMALL), analyze(slow)
    assert other.occupancy_bytes == pytest.approx(one.occupancy_bytes, rel=1e-3)
    assert other.rate_error_frac == pytest.approx(one.rate_error_frac, rel=1e-2)
    assert other.limbo_count == pytest.approx(one.limbo_count, rel=1e-2)
    assert other.clean_ns == pytest.approx(k * one.clean_ns, rel=1e-2)
    assert np.array(other.bandwidth_bytes_per_s) * k == pytest.approx(one.bandwidth_bytes_per_s, rel=1e-3)


def test_what_is_left_falls_from_the_occupancy():
    theory = analyze(SMALL)
    assert theory.decay_bytes[0] == pytest.approx(theory.occupancy_bytes[0], rel=0.01)
    assert (np.diff(theory.decay_bytes) <= 1e-6).all()


def test_claims_know_where_they_are_weak():
    theory = analyze(SMALL)
    assert claims.settled(theory) and not claims.close_call(theory)
    cold = analyze(change(warmup_ns=0.0))
    assert not claims.settled(cold)
    assert cold.claim("occupancy_bytes[0]").abs > theory.claim("occupancy_bytes[0]").abs
    walk = analyze(change(tenants=(Tenant(workload="scan", data_bytes=2.5 * MiB), LOOP)))
    assert claims.miss_slack(walk, 0) > 2 * claims.miss_slack(theory, 0)
    held = analyze(change(tenants=(LOOP,))).occupancy_bytes[0]
    near = analyze(change(tenants=(LOOP,), threshold_bytes=held * 0.9))
    assert claims.close_call(near) and near.claim("clean_wait_ns").kind == "upper"


def test_a_second_call_gives_the_same():
    assert analyze(SMALL) == analyze(SMALL)


def test_bandwidth_of_memory_bounds_everything():
    poor = analyze(change(memory_bytes_per_s=1 * GB))
    assert sum(poor.bandwidth_bytes_per_s) <= 1.01 * GB


@settings(max_examples=30, deadline=None)
@given(edges(Params, tenants=SMALL.tenants))
def test_the_ends_of_the_domains(p):
    theory = analyze(p)
    assert theory.longest_interval_ns > 0 and len(theory.outputs()) == len(OUTPUTS) + len(PER_TENANT)
