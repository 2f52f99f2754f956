"""Compressed migration in theory: pre-copy where nothing is compressed, limits of each station, what is claimed."""

import math
import time
from statistics import median

import pytest
from hypothesis import given, settings
from qat.guests import BUSY, CPU, FULL, NONE, QAT, STEADY
from strategies import typical

from nfvlab.precopy import analytic as precopy
from nfvlab.precopy.regions import regions
from nfvlab.qat.analytic import Talk, analyze, ring_rates, ways
from nfvlab.qat.compressed_rounds import memory
from nfvlab.qat.params import ACCELERATORS, OUTPUTS, WAYS, Params
from nfvlab.qat.slices import slice_ns
from nfvlab.units import GB, Gbps, GiB, s


def outputs(theory, way):
    return {name: getattr(theory, name)[way] for name in OUTPUTS}


# -- pre-copy ------------------------------------------------------------------------------------------------------


@settings(max_examples=25)
@given(typical(Params, shared_cores=0.0, encrypted=False))
def test_without_compression_it_is_the_theory_of_pre_copy(p):
    """Of the same memory, not encrypted; zero pages strewn and free ones skipped are a matter of what is sent."""
    ours = analyze(p)
    theirs = precopy.analyze(p, memory(p), p.free_report_ns if p.skip_free else 0.0)
    if not (p.zero_mix_frac or p.skip_free):
        assert memory(p) == regions(p)
    for name in ("total_time_ns", "downtime_ns", "transferred_bytes", "dirty_sync_count", "converged_frac"):
        assert getattr(ours, name)[NONE] == pytest.approx(getattr(theirs, name), rel=1e-7, nan_ok=True), name
    if theirs.converged_frac:
        assert ours.wire_bytes[NONE] == pytest.approx(theirs.transferred_bytes, rel=1e-6)
        assert ours.raw_frac[NONE] == 1
        assert ours.engine_busy_frac[NONE] == 0


@settings(max_examples=30)
@given(typical(Params))
def test_shares_are_shares_and_a_migration_that_fails_has_none(p):
    theory = analyze(p)
    for way in range(len(WAYS)):
        found = outputs(theory, way)
        if not found["converged_frac"]:
            assert all(math.isnan(value) for name, value in found.items() if name != "converged_frac")
            continue
        assert 0 <= found["thread_busy_frac"] <= 1 + 1e-9, WAYS[way]
        for name in ("raw_frac", "engine_busy_frac", "link_busy_frac"):
            assert 0 <= found[name] <= 1.06, (WAYS[way], name)  # a varying host is faster than its mean page
        assert found["source_cpu_frac"] >= found["thread_busy_frac"] * (1 - 1e-9)
        assert sum(share for _, share in theory.courses[way].slowest_frac) == pytest.approx(1)


# -- limits --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("accelerator", ACCELERATORS)
def test_a_slow_link_takes_the_bytes_over_its_rate(accelerator):
    p = FULL.replace(accelerator=accelerator, link_bytes_per_s=0.1 * Gbps, link_share_frac=1.0, **STEADY)
    theory = analyze(p)
    assert theory.total_time_ns[QAT] == pytest.approx(
        theory.wire_bytes[QAT] / p.link_bytes_per_s * 1e9, rel=0.01
    )
    assert theory.courses[QAT].slowest_frac[0] == ("link", pytest.approx(1.0, abs=1e-3))
    assert theory.link_busy_frac[QAT] == pytest.approx(1, abs=0.01)


def test_a_slow_engine_that_is_waited_for_takes_all_pages_at_its_rate():
    p = FULL.replace(engine_bits_per_s=1e8, wait_when_full=True, engine_request_ns=0.0, **STEADY)
    theory = analyze(p)
    pages = (p.ram_bytes // 4096) + p.rom_pages
    assert theory.total_time_ns[QAT] == pytest.approx(pages * 4096 * 8 / 1e8 * 1e9, rel=0.01)
    assert theory.engine_busy_frac[QAT] == pytest.approx(1, abs=0.01)
    assert theory.courses[QAT].slowest_frac[0][0] == "ring"
    assert theory.source_cpu_frac[QAT] == pytest.approx(1, abs=0.02)  # the thread polls all the time
    quiet = analyze(p.replace(interrupts=True))
    assert quiet.source_cpu_frac[QAT] < 0.05


def test_a_slow_engine_that_is_not_waited_for_costs_nothing():
    """Nearly all is sent as it is: as without compression, but for zero pages, which nobody looks for.

    If it need not be emptied often, that is.
    """
    seldom = {"ring_requests": 1, "request_pages": 1, "iterate_max_ns": 10 * s}
    p = FULL.replace(engine_bits_per_s=1e6, zero_check=True, preread_cycles=0.0, **seldom, **STEADY)
    theory = analyze(p)
    assert theory.raw_frac[QAT] > 0.99
    assert theory.total_time_ns[QAT] == pytest.approx(theory.total_time_ns[NONE], rel=0.01)
    assert theory.wire_bytes[QAT] == pytest.approx(theory.wire_bytes[NONE], rel=0.01)
    unchecked = analyze(p.replace(zero_check=False))
    assert (
        unchecked.wire_bytes[QAT] > unchecked.wire_bytes[NONE] + 0.75 * GiB
    )  # 8 GiB, 7 of them touched, 0.2 the system's


def test_one_request_in_flight_goes_round_alone():
    p = FULL.replace(ring_requests=1, wait_when_full=True, engine_latency_ns=1e5, request_pages=8, **STEADY)
    talk = ways(p)[QAT]
    work = talk.page("calgary", True)
    turn_ns = 8 * work.thread_ns + slice_ns(p, 8) + 1e5
    assert ring_rates(talk)[0] == pytest.approx(8e9 / turn_ns)
    assert ring_rates(talk)[1] == pytest.approx(8e9 / turn_ns)  # exponential or not: nobody to wait for
    assert talk.flow([(1.0, "calgary")], True).source_ns == pytest.approx(turn_ns / 8)


def test_random_pages_go_as_they_are():
    p = BUSY.replace(content="random", zero_check=True)
    theory = analyze(p)
    assert theory.raw_frac[QAT] == pytest.approx(1, abs=0.03)  # system pages shrink
    system = sum(region.nonzero for region in memory(p) if region.name not in ("touched", "working set"))
    assert theory.wire_bytes[QAT] < theory.wire_bytes[NONE]
    assert theory.wire_bytes[QAT] > theory.wire_bytes[NONE] - 1.2 * 4096 * system


def test_io_faults_keep_the_slices():
    p = FULL.replace(mlock=False, unlocked_frac=0.5, io_fault_ns=8e4)
    talk, locked = ways(p)[QAT], ways(p.replace(mlock=True))[QAT]
    assert talk.engine_ns - locked.engine_ns == pytest.approx(4e4)
    assert analyze(p).raw_frac[QAT] > analyze(p.replace(mlock=True)).raw_frac[QAT]


def test_shared_cores_bound_the_pace():
    p = FULL.replace(shared_cores=2.0, cpu_method="multifd zlib", **STEADY)
    theory = analyze(p)
    both = theory.source_cpu_frac[CPU] + theory.destination_cpu_frac[CPU]
    assert theory.courses[CPU].slowest_frac[0][0] == "shared cores"
    assert both == pytest.approx(2.0, rel=0.02)


def test_the_slowest_station_changes_on_the_way():
    """Zero pages compress to nothing: the device is slow there, the link where pages keep half of their bytes."""
    p = FULL.replace(ram_bytes=12 * GiB, wait_when_full=True)
    course = analyze(p).courses[QAT]
    names = [name for _, name in course.slowest]
    assert "link" in names and "ring" in names
    assert [t for t, _ in course.slowest] == sorted(t for t, _ in course.slowest)
    assert course.fluid.total_time_ns > course.slowest[-1][0]
    limited = analyze(p.replace(max_bandwidth_bytes_per_s=0.2 * GB)).courses[QAT]
    assert limited.slowest_frac[0][0] == "max-bandwidth"


def test_what_is_claimed_is_said():
    p = BUSY.replace(wait_when_full=True)
    theory = analyze(p)
    assert theory == analyze(p) and hash(theory) == hash(analyze(p))
    for name, (value, claim) in theory.outputs().items():
        assert math.isfinite(value), name
        assert claim.kind == "exact" or claim.where, name
        if not name.startswith(("downtime", "dirty_sync")):  # chance decides where below the limit it is
            assert claim.rel * abs(value) + claim.abs <= 0.25 * abs(value) + 1, name
    assert len(theory.to_frame()) == len(OUTPUTS) * len(WAYS)


# -- wrong versions ------------------------------------------------------------------------------------------------


def mutant_spin(monkeypatch):
    """Waiting for the ring costs no CPU."""
    init = Talk.__init__

    def wrong(self, p):
        init(self, p)
        self.polls = False

    monkeypatch.setattr(Talk, "__init__", wrong)
    test_a_slow_engine_that_is_waited_for_takes_all_pages_at_its_rate()


@pytest.mark.parametrize("mutant", [mutant_spin], ids=lambda one: one.__name__)
def test_wrong_versions_are_found(mutant, monkeypatch):
    with pytest.raises(AssertionError):
        mutant(monkeypatch)


def test_a_slider_can_call_it():
    for accelerator in ACCELERATORS:
        p = BUSY.replace(accelerator=accelerator)
        analyze(p)
        times = []
        for _ in range(15):
            start = time.perf_counter()
            analyze(p)
            times.append(time.perf_counter() - start)
        assert median(times) < 0.02, accelerator
