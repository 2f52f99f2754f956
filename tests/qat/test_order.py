"""Order and scale in the theory of compressed migration: what more of a thing does, and what saves what."""

import pytest
from qat.guests import CPU, FULL, NONE, QAT, QUIET

from nfvlab.qat.analytic import analyze
from nfvlab.qat.compressed_rounds import memory
from nfvlab.qat.params import WAYS, Params
from nfvlab.units import Gbps, GiB


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
