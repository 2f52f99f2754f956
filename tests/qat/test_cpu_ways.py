"""Compress threads, channels and xbzrle in theory: turns, synchronising, sockets, sprints, software."""

import numpy as np
import pytest
from qat.guests import BUSY, CPU, FULL, NONE, QAT, STEADY
from qat.oracles import machine_repair

from nfvlab.qat import compressed_rounds, cpu_work
from nfvlab.qat.analytic import Channels, Qatzip, Talk, Threads, Xbzrle, analyze, ring_rates
from nfvlab.qat.compressed_rounds import follow
from nfvlab.qat.params import Params
from nfvlab.units import Gbps, MiB


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
    assert (
        touched.flow.through_frac == pytest.approx(share, rel=0.01) and share < 0.6
    )  # but for iterations' ends
    assert analyze(p.replace(max_bandwidth_bytes_per_s=100e9)).courses[QAT].through_frac > 0.9


def test_small_packets_are_compressed_in_software():
    """At the destination the first buffer decides, which may be small though the packet is not."""
    p = FULL.replace(accelerator="QATzip", link_bytes_per_s=100 * Gbps)
    assert p.buffer_bytes == 16 * 4096 < p.packet_pages * 4096
    sizes = (1024, 128 * 1024, 1024 * 1024)
    hard, first, soft = (analyze(p.replace(software_below_bytes=size)) for size in sizes)
    assert soft.engine_busy_frac[QAT] == 0 < min(hard.engine_busy_frac[QAT], first.engine_busy_frac[QAT])
    assert soft.source_cpu_frac[QAT] > 3 * hard.source_cpu_frac[QAT]
    engine_ns, spent_ns = (
        [one.total_time_ns[QAT] * getattr(one, name)[QAT] for one in (hard, first)]
        for name in ("engine_busy_frac", "destination_cpu_frac")
    )
    assert engine_ns[0] == pytest.approx(engine_ns[1], rel=0.02)
    assert spent_ns[1] > 2 * spent_ns[0]


@pytest.mark.parametrize(("buffer_pages", "by_cpu"), [(16, True), (128, False)])
def test_what_software_made_is_inflated_by_a_device_only_if_a_buffer_holds_it(buffer_pages, by_cpu):
    p = Params(accelerator="QATzip", instances_count=1, channels_count=8, buffer_bytes=buffer_pages * 4096.0)
    device = Qatzip(p)
    work, soft = device.page("calgary", True), device.other("calgary", True)
    assert work.inflate_ns > 0
    assert (soft.inflate_ns == 0) == by_cpu
    assert (soft.loaders_ns > work.loaders_ns + 0.5 * device.load_soft_ns) == by_cpu
    assert device.soft("random", True).loaders_ns <= work.loaders_ns  # a stored block is only copied


def test_a_full_work_queue_is_left_to_software():
    p = FULL.replace(accelerator="IAA", link_bytes_per_s=100 * Gbps, ring_requests=1)
    few, many = analyze(p), analyze(p.replace(ring_requests=1024))
    assert few.courses[QAT].through_frac < 1
    assert few.total_time_ns[QAT] > many.total_time_ns[QAT]


def mutant_first_pass(monkeypatch):
    """xbzrle encodes from the first time that a page is sent again."""
    monkeypatch.setattr(compressed_rounds.PacedRounds, "hit_frac", lambda self: 1.0)
    test_xbzrle_sends_differences_of_what_was_sent_again_before()


def mutant_cache(monkeypatch):
    """The cache holds any number of pages."""
    monkeypatch.setattr(cpu_work.Xbzrle, "slots", 1e12)
    test_xbzrle_sends_differences_of_what_was_sent_again_before()


@pytest.mark.parametrize("mutant", [mutant_first_pass, mutant_cache], ids=lambda one: one.__name__)
def test_wrong_versions_are_found(mutant, monkeypatch):
    with pytest.raises(AssertionError):
        mutant(monkeypatch)
