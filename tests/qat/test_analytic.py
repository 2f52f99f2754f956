"""Compressed migration in theory: pre-copy where nothing is compressed, limits of each station, order, accounting."""

import csv
import math
import time
from statistics import median

import numpy as np
import pytest
from hypothesis import given, settings
from strategies import typical

from nfvlab import paths
from nfvlab.precopy import analytic as precopy
from nfvlab.precopy.regions import regions
from nfvlab.qat import compressed_rounds, cpu_work
from nfvlab.qat.analytic import Channels, Talk, Threads, Xbzrle, analyze, ring_rates, ways
from nfvlab.qat.compressed_rounds import follow, memory
from nfvlab.qat.laws import law
from nfvlab.qat.mva import machine_repair
from nfvlab.qat.params import ACCELERATORS, OUTPUTS, WAYS, Params
from nfvlab.qat.slices import slice_ns
from nfvlab.qat.work import Way
from nfvlab.units import GB, Gbps, GiB, MiB, s

NONE, CPU, QAT = range(len(WAYS))
QUIET = {"write_rate_per_s": 0.0, "background_rate_per_s": 0.0, "auto_converge": False, "give_up_ns": 1e15}
FULL = Params(ram_bytes=8 * GiB, touched_bytes=6 * GiB, wss_bytes=1 * GiB, **QUIET)
BUSY = FULL.replace(write_rate_per_s=5e4, background_rate_per_s=100.0)
STEADY = {"speed_cv_frac": 0.0, "setup_ns": 0.0, "sync_ns": 0.0, "sync_per_gib_ns": 0.0}


def column(name):
    with open(paths.data_file("compression", "calgary_4kib.csv"), encoding="utf-8") as lines:
        return [int(row[name]) for row in csv.DictReader(lines)]


def outputs(theory, way):
    return {name: getattr(theory, name)[way] for name in OUTPUTS}


# -- pre-copy ------------------------------------------------------------------------------------------------------


@settings(max_examples=25)
@given(typical(Params, shared_cores=0.0))
def test_without_compression_it_is_the_theory_of_pre_copy(p):
    """Of the same memory; strewn zero pages and skipped free ones are a matter of what is sent, not of how."""
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
        for name in ("raw_frac", "thread_busy_frac", "engine_busy_frac", "link_busy_frac"):
            assert 0 <= found[name] <= 1.06, (WAYS[way], name)  # a varying host is faster than its mean page
        assert found["source_cpu_frac"] >= found["thread_busy_frac"] * (1 - 1e-9)
        assert sum(share for _, share in theory.courses[way].slowest_frac) == pytest.approx(1)


# -- what a page becomes -------------------------------------------------------------------------------------------


def test_the_two_readings_of_the_talk_by_the_table():
    p = Params()
    sizes = {name: np.mean(column(f"deflate1{name}_bytes")) / 4096 for name in ("", "_fixed")}
    assert law(p, "calgary", "1 fixed").mean_bytes / 4096 == pytest.approx(sizes["_fixed"])
    assert law(p, "calgary", "1 dynamic").mean_bytes / 4096 == pytest.approx(sizes[""])
    assert 100 * (sizes["_fixed"] - 1) == pytest.approx(-45.4, abs=0.05)
    assert 100 * (sizes[""] - 1) == pytest.approx(-56.4, abs=0.05)


def test_own_pages_keep_the_methods_proportions():
    p = Params(own_ratio=0.3)
    ratio = law(p, "own", "1 fixed").mean_bytes / law(p, "own", "1").mean_bytes
    assert ratio == pytest.approx(np.mean(column("deflate1_fixed_bytes")) / np.mean(column("deflate1_bytes")))
    assert law(p, "own", "1").mean_bytes == pytest.approx(0.3 * 4096)


def test_pages_spread_as_the_tables_do_not_all_shrink():
    """A mean just below a page: half of the pages are larger, and go as they are."""
    found = law(Params(own_ratio=0.99, own_cv_frac=0.3), "own", "1")
    assert found.mean_bytes == pytest.approx(0.99 * 4096) and found.cv_frac == pytest.approx(0.3)
    assert 0.3 < found.raw_frac < 0.8 and found.least_bytes < 0.95 * found.mean_bytes
    assert law(Params(own_ratio=0.5, own_cv_frac=0.0), "own", "1").raw_frac == 0


def stored(law):
    """Random bytes: a stored block is five bytes more, and the page is sent as it is."""
    found = law(Params(), "random", "1 fixed")
    assert (found.mean_bytes, found.least_bytes, found.raw_frac) == (4101, 4096, 1)


def streamed(law):
    """With pages before it as history a Calgary page is smaller; random and system pages are not."""
    p = Params(stream_ratio=0.5)
    for content, share in (("calgary", 0.5), ("random", 1.0), ("system", 1.0)):
        alone = law(p, content, "1").mean_bytes
        assert law(p, content, "1", streamed=True).mean_bytes == pytest.approx(share * alone)


@pytest.mark.parametrize("oracle", [stored, streamed], ids=lambda one: one.__name__)
def test_laws(oracle):
    oracle(law)


# -- limits --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["1 fixed", "1 dynamic", "6"])
def test_traffic_of_a_full_guest_is_the_tables_mean(method):
    """The bulk alone: two guests that differ in a GiB touched differ by its pages, header and length."""
    p = FULL.replace(engine_deflate=method, wait_when_full=True)
    more = p.replace(touched_bytes=7 * GiB, wss_bytes=0.0)
    less = p.replace(touched_bytes=6 * GiB, wss_bytes=0.0)
    gained = analyze(more).wire_bytes[QAT] - analyze(less).wire_bytes[QAT]
    name = {"1 fixed": "deflate1_fixed_bytes", "1 dynamic": "deflate1_bytes", "6": "deflate6_bytes"}[method]
    pages = 1 * GiB / 4096
    assert gained == pytest.approx(pages * (np.mean(column(name)) - p.zero_compressed_bytes), rel=1e-9)


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
    """Nearly all is sent as it is: as without compression, but for zero pages, which nobody looks for."""
    p = FULL.replace(engine_bits_per_s=1e6, zero_check=True, preread_cycles=0.0, **STEADY)
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


# -- accounting ----------------------------------------------------------------------------------------------------


def counted(analyze=analyze):
    """QEMU 7.2 counts 4096 bytes a page, and goes by them: the wire is faster than it thinks, the downtime is not."""
    p = BUSY.replace(
        cpu_method="multifd zstd", link_bytes_per_s=1 * Gbps, zstd_bytes_per_s=5e9, channels_count=4
    )
    pages, wire = analyze(p), analyze(p.replace(multifd_counts_wire=True))
    assert wire.transferred_bytes[CPU] == pytest.approx(wire.wire_bytes[CPU])
    sent = pages.courses[CPU].fluid.normal_pages
    zero = pages.courses[CPU].fluid.duplicate_pages
    assert pages.transferred_bytes[CPU] == pytest.approx(sent * (4096 + 320 / 128 + 8) + zero * 9, rel=1e-6)
    assert pages.wire_bytes[CPU] < 0.5 * pages.transferred_bytes[CPU]
    assert (
        pages.courses[CPU].fluid.round_threshold_bytes[-1]
        > 2 * wire.courses[CPU].fluid.round_threshold_bytes[-1]
    )
    assert pages.downtime_ns[CPU] > wire.downtime_ns[CPU]


def limited(analyze=analyze):
    """max-bandwidth limits what is counted: pages by one rule, wire bytes by the other."""
    p = FULL.replace(
        cpu_method="multifd zstd", zstd_bytes_per_s=5e9, max_bandwidth_bytes_per_s=0.1 * GB, **STEADY
    )
    for rule in (False, True):
        theory = analyze(p.replace(multifd_counts_wire=rule))
        rate = theory.transferred_bytes[CPU] / theory.total_time_ns[CPU] * s
        assert rate == pytest.approx(0.1 * GB, rel=0.03)


@pytest.mark.parametrize("oracle", [counted, limited], ids=lambda one: one.__name__)
def test_accounting(oracle):
    oracle()


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


# -- order ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "field, values, output, sign",
    [
        ("engine_bits_per_s", (1e9, 5e9, 2e10, 1e11), "total_time_ns", -1),
        ("ring_requests", (1, 2, 8, 64), "total_time_ns", -1),
        ("link_bytes_per_s", (1 * Gbps, 5 * Gbps, 10 * Gbps), "total_time_ns", -1),
        ("own_ratio", (0.2, 0.4, 0.8), "wire_bytes", 1),
        ("request_pages", (1, 4, 16), "thread_busy_frac", -1),
        ("pagemap_cycles", (500.0, 2e3, 1e4), "thread_busy_frac", 1),
        ("io_fault_ns", (0.0, 1e4, 1e5), "total_time_ns", 1),
    ],
)
def test_order(field, values, output, sign):
    p = FULL.replace(content="own", cached_translation=False, mlock=False, wait_when_full=True)
    found = [getattr(analyze(p.replace(**{field: value})), output)[QAT] for value in values]
    assert all(sign * (b - a) >= -1e-9 * abs(a) for a, b in zip(found, found[1:], strict=False)), found
    assert sign * (found[-1] - found[0]) > 0


def test_more_compress_threads_are_faster_until_the_destination_is_slower():
    p = FULL.replace(decompress_threads_count=64, handoff_cycles=100.0)
    times = [analyze(p.replace(compress_threads_count=n)).total_time_ns[CPU] for n in (1, 2, 4, 8)]
    assert times[0] / times[1] == pytest.approx(2, rel=0.05)
    assert times[2] / times[3] == pytest.approx(2, rel=0.1)
    slow = analyze(p.replace(compress_threads_count=64, decompress_threads_count=1))
    assert slow.courses[CPU].slowest_frac[0][0] == "destination"


def test_a_zero_check_pays_where_memory_is_zero():
    """An idle guest: each zero page is a stored header or a compressed page with its own; the thread's time differs."""
    p = Params(ram_bytes=8 * GiB, zero_scan_ns=100.0, wait_when_full=True, **QUIET)
    without, checked = analyze(p), analyze(p.replace(zero_check=True))
    zero = sum(region.pages - region.nonzero for region in memory(p))
    assert without.wire_bytes[QAT] - checked.wire_bytes[QAT] == pytest.approx(
        zero * (12 + p.zero_compressed_bytes - 9), rel=1e-6
    )
    assert without.engine_busy_frac[QAT] > checked.engine_busy_frac[QAT]
    assert without.total_time_ns[QAT] > checked.total_time_ns[QAT]
    hasty = analyze(p.replace(wait_when_full=False))  # what finds the ring full goes as it is, zero or not
    assert hasty.wire_bytes[QAT] > 5 * without.wire_bytes[QAT]


def test_reading_addresses_early_saves_the_thread_and_costs_before():
    p = FULL.replace(pagemap_cycles=5000.0)
    kept, read = analyze(p), analyze(p.replace(cached_translation=False))
    assert kept.thread_busy_frac[QAT] < read.thread_busy_frac[QAT]
    free = analyze(p.replace(preread_cycles=0.0))
    later_ns = kept.total_time_ns[QAT] - free.total_time_ns[QAT]
    assert later_ns == pytest.approx(kept.preread_ns, rel=0.02)
    worked_ns = [one.source_cpu_frac[QAT] * one.total_time_ns[QAT] for one in (kept, free)]
    assert worked_ns[0] - worked_ns[1] == pytest.approx(kept.preread_ns, rel=0.02)
    assert kept.total_time_ns[CPU] == free.total_time_ns[CPU]
    assert kept.preread_ns == pytest.approx((8 * GiB / 4096 + p.rom_pages) * 100 / 2.7)
    assert read.preread_ns == 0


def test_twice_the_memory_is_twice_the_bytes():
    one, two = (
        analyze(FULL.replace(ram_bytes=n * 16 * GiB, touched_bytes=n * 5 * GiB, wss_bytes=n * 1 * GiB))
        for n in (1, 2)
    )
    fixed = analyze(
        FULL.replace(ram_bytes=16 * GiB, touched_bytes=5 * GiB, wss_bytes=1 * GiB, boot_per_gib_pages=0)
    )
    for way in range(len(WAYS)):
        grown = two.wire_bytes[way] - one.wire_bytes[way]
        assert grown == pytest.approx(one.wire_bytes[way], rel=0.02), fixed.wire_bytes[way]


def test_free_pages_are_skipped_whichever_way():
    """The idle guest's own pages are left, and the firmware's; the report comes first."""
    p = Params(ram_bytes=8 * GiB, skip_free=True, free_report_ns=0.0, **QUIET)
    left = p.boot_low_pages + p.boot_middle_pages + p.boot_top_pages + 8 * p.boot_per_gib_pages
    theory = analyze(p)
    assert theory.wire_bytes[NONE] == pytest.approx(left * 4104 + p.rom_pages * 9, rel=1e-6)
    late = analyze(p.replace(free_report_ns=1e8))
    for way in range(len(WAYS)):
        assert late.total_time_ns[way] - theory.total_time_ns[way] == pytest.approx(1e8, rel=0.2)
    freed = p.replace(touched_bytes=4 * GiB, touched_freed=True)
    assert analyze(freed).wire_bytes[NONE] == pytest.approx(theory.wire_bytes[NONE], rel=1e-6)


# -- channels, threads, xbzrle -------------------------------------------------------------------------------------


def iterations(channels, packet_ns, packet_pages, iteration_ns, count=60):
    """Share of the channels' time that is used, iteration by iteration: the thread fills packets at once."""
    now_ns, used_ns, begin_ns = 0.0, 0.0, 0.0
    page_ns = packet_ns / packet_pages
    rng = np.random.default_rng(5)
    for _ in range(count):
        start_ns, free, filled, check = now_ns, [now_ns] * channels, 0, int(rng.integers(0, 64))
        at_ns = now_ns
        while True:
            filled += 1
            if filled == packet_pages:
                first = int(np.argmin(free))
                at_ns = max(at_ns, free[first])
                free[first] = at_ns + packet_ns
                used_ns, filled = used_ns + packet_ns, 0
            check = (check + 1) % 64
            if check == 0 and at_ns - start_ns > iteration_ns:
                break
        first = int(np.argmin(free))
        free[first] = max(free[first], at_ns) + filled * page_ns
        used_ns += filled * page_ns
        now_ns = max(free)
    return used_ns / channels / (now_ns - begin_ns)


@pytest.mark.parametrize("channels", [1, 2, 4, 8])
@pytest.mark.parametrize("packet_ms", [2.0, 7.3, 14.1])
def test_what_synchronising_channels_costs(channels, packet_ms):
    p = Params(channels_count=channels, cpu_method="multifd zlib")
    way = Channels(p)
    seen = iterations(channels, packet_ms * 1e6, p.packet_pages, 51e6)
    assert way.kept(packet_ms * 1e6 / p.packet_pages) == pytest.approx(seen, abs=0.05)
    assert Channels(p.replace(sync_each_iteration=False)).kept(1e4) == 1


def test_compress_threads_are_machines_and_the_migration_thread_repairs_them():
    p = FULL.replace(compress_threads_count=3, decompress_threads_count=64)
    way = Threads(p)
    work = way.page("calgary", True)
    assert work.workers_ns == pytest.approx(4096 / 75e6 * 1e9)
    turn_ns = work.thread_ns + work.workers_ns + 2 * p.handoff_ns  # it wakes up, and so does who needs it
    assert way.flow([(1.0, "calgary")], True).source_ns == pytest.approx(turn_ns / 3)
    constant, exponential = ring_rates(way)
    assert constant == pytest.approx(3e9 / turn_ns)
    assert exponential == pytest.approx(1e9 * machine_repair(turn_ns - work.thread_ns, work.thread_ns, 3))
    assert 0.9 * constant < exponential < constant


def test_threads_that_are_not_waited_for_take_what_they_can():
    p = FULL.replace(compress_wait=False, link_bytes_per_s=100 * Gbps, decompress_threads_count=64)
    flow = Threads(p).flow([(1.0, "calgary")], True)
    assert 0 < flow.through_frac < 1
    busy = flow.through_frac * (4096 / 75e6 * 1e9 + p.handoff_ns) / p.compress_threads_count
    assert busy == pytest.approx(max(flow.source_ns, flow.load_ns, flow.work.link_ns))


def test_xbzrle_sends_differences_of_what_was_sent_again_before():
    p = BUSY.replace(
        cpu_method="xbzrle", wss_bytes=64 * MiB, xbzrle_cache_bytes=256 * MiB, link_bytes_per_s=1 * Gbps
    )
    way = Xbzrle(p)
    fluid, sender = follow(p, way)
    hits = sorted({hit for _, fresh, hit, _ in sender.kinds if not fresh})
    assert hits[0] == 0 and hits[-1] > 0.8
    assert way.hit("calgary").wire_bytes == 8 + 3 + p.delta_bytes
    plain = analyze(p)
    assert plain.wire_bytes[CPU] < plain.wire_bytes[NONE]
    small = analyze(p.replace(xbzrle_cache_bytes=16 * MiB))
    assert plain.wire_bytes[CPU] < small.wire_bytes[CPU]
    overflow = analyze(p.replace(delta_bytes=4096))
    assert overflow.raw_frac[CPU] == 1
    assert overflow.wire_bytes[CPU] == pytest.approx(overflow.wire_bytes[NONE], rel=0.05)


def test_every_channel_has_sockets_of_its_own():
    """At the end of a link-bound migration, what they hold is still under way: it is not waited for."""
    p = FULL.replace(cpu_method="multifd zstd", zstd_bytes_per_s=5e9, link_bytes_per_s=1 * Gbps, **STEADY)
    one, eight = (analyze(p.replace(channels_count=n)) for n in (1, 8))
    held_ns = 7 * p.socket_bytes / (p.link_bytes_per_s * p.link_share_frac) * 1e9
    saved_ns = one.total_time_ns[CPU] - eight.total_time_ns[CPU]
    assert held_ns < saved_ns < 1.5 * held_ns  # they also bridge stretches of zero pages


def test_zero_pages_beside_the_channels_hold_up_nobody():
    p = FULL.replace(cpu_method="multifd zstd")
    fast, slow = analyze(p), analyze(p.replace(zero_load_ns=2e4))
    assert slow.total_time_ns[CPU] == pytest.approx(fast.total_time_ns[CPU], rel=1e-3)
    assert slow.total_time_ns[NONE] > 1.2 * fast.total_time_ns[NONE]


def test_a_limited_source_sprints_and_sleeps():
    """A window's budget fits into the socket: the ring is met at the thread's pace, however slow the link is."""
    p = FULL.replace(max_bandwidth_bytes_per_s=20e6, link_bytes_per_s=1 * Gbps)
    work, other = (getattr(Talk(p), name)("calgary", True) for name in ("page", "other"))
    pool_ns = Talk(p).pool_ns(work)
    share = other.thread_ns / pool_ns / (1 + (other.thread_ns - work.thread_ns) / pool_ns)
    _, sender = follow(p, Talk(p))
    touched = next(kind for (parts, fresh, *_), kind in sender.kinds.items() if parts == ((1.0, "calgary"),))
    assert touched.slowest == "max-bandwidth"
    assert touched.flow.through_frac == pytest.approx(share) and share < 0.6
    assert analyze(p.replace(max_bandwidth_bytes_per_s=100e9)).courses[QAT].through_frac > 0.9


def test_small_buffers_are_compressed_in_software():
    p = FULL.replace(accelerator="QATzip", software_below_bytes=128 * 1024, link_bytes_per_s=100 * Gbps)
    hard, soft = analyze(p.replace(software_below_bytes=1024)), analyze(p)
    assert soft.engine_busy_frac[QAT] == 0 < hard.engine_busy_frac[QAT]
    assert soft.source_cpu_frac[QAT] > 3 * hard.source_cpu_frac[QAT]


def test_a_full_work_queue_is_left_to_software():
    p = FULL.replace(accelerator="IAA", link_bytes_per_s=100 * Gbps, ring_requests=1)
    few, many = analyze(p), analyze(p.replace(ring_requests=1024))
    assert few.courses[QAT].through_frac < 1
    assert few.total_time_ns[QAT] > many.total_time_ns[QAT]


# -- wrong versions ------------------------------------------------------------------------------------------------


def mutant_stop_rule(monkeypatch):
    """Goes by wire bytes whatever QEMU counts."""
    right = Way.sized

    def wrong(self, work, wire, fresh, kind="", counted=None):
        return right(self, work, wire, fresh, kind, None)

    monkeypatch.setattr(Way, "sized", wrong)
    counted()


def mutant_stored_block(monkeypatch):
    """Random pages grow and are sent grown."""
    stored(lambda *args: law(*args)._replace(least_bytes=4101.0, raw_frac=0.0))


def mutant_history(monkeypatch):
    """All pages have a history, system pages too."""
    streamed(
        lambda p, content, method, streamed=False: law(p, content, method)._replace(
            mean_bytes=law(p, content, method).mean_bytes * (p.stream_ratio if streamed else 1)
        )
    )


def mutant_first_pass(monkeypatch):
    """xbzrle encodes from the first time that a page is sent again."""
    monkeypatch.setattr(compressed_rounds.PacedRounds, "hit_frac", lambda self: 1.0)
    test_xbzrle_sends_differences_of_what_was_sent_again_before()


def mutant_cache(monkeypatch):
    """The cache holds any number of pages."""
    monkeypatch.setattr(cpu_work.Xbzrle, "slots", 1e12)
    test_xbzrle_sends_differences_of_what_was_sent_again_before()


def mutant_spin(monkeypatch):
    """Waiting for the ring costs no CPU."""
    init = Talk.__init__

    def wrong(self, p):
        init(self, p)
        self.polls = False

    monkeypatch.setattr(Talk, "__init__", wrong)
    test_a_slow_engine_that_is_waited_for_takes_all_pages_at_its_rate()


@pytest.mark.parametrize(
    "mutant",
    [mutant_stop_rule, mutant_stored_block, mutant_history, mutant_first_pass, mutant_cache, mutant_spin],
    ids=lambda one: one.__name__,
)
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
