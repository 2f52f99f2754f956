"""Every switch of the simulated ways does what it says."""

import numpy as np
import pytest
from qat.steady import FAST, HALF, NONZERO, SEED, SMALL, out, run

from nfvlab.kernels import pagemap
from nfvlab.precopy.memory import layout
from nfvlab.precopy.params import PAGE_BYTES, ram_pages
from nfvlab.precopy.ramblocks import NAME_BYTES
from nfvlab.qat import rings, simulation, sizes
from nfvlab.qat.params import WAYS
from nfvlab.units import Gbps, MiB, s, us

# -- every switch --------------------------------------------------------------------------------------------------

SLOW_ENGINE = FAST.replace(engine_bits_per_s=4e9, ring_requests=4)


def test_a_full_ring_is_waited_for_or_sends_raw():
    wait, raw = out(SLOW_ENGINE), out(SLOW_ENGINE.replace(wait_when_full=False))
    assert wait["raw_frac"] == 0 and raw["raw_frac"] > 0.2
    assert raw["total_time_ns"] < 0.8 * wait["total_time_ns"] and raw["wire_bytes"] > wait["wire_bytes"]


def test_a_page_that_the_ring_has_no_place_for_has_been_looked_at_too():
    p = SLOW_ENGINE.replace(wait_when_full=False)
    thread = simulation.thread_of(p, "QAT", np.random.default_rng(SEED))
    thread.run()
    assert thread.raw_pages > 0.2 * NONZERO
    looks = NONZERO * p.nonzero_check_cycles + (ram_pages(p) - NONZERO) * p.zero_scan_ns * p.cpu_hz / s
    assert thread.cycles_by_step()["check for zero"] * NONZERO == pytest.approx(looks)


def test_more_requests_in_flight_hide_the_latency():
    alone = FAST.replace(engine_latency_ns=50 * us, wait_when_full=True)
    assert out(alone.replace(ring_requests=1))["total_time_ns"] > 3 * out(alone)["total_time_ns"]


def test_more_pages_in_a_request_cost_the_thread_less():
    one, eight = out(FAST.replace(request_pages=1)), out(FAST.replace(request_pages=8))
    spent = [found["thread_busy_frac"] * found["total_time_ns"] for found in (one, eight)]
    each = (FAST.submit_cycles + FAST.poll_cycles) / FAST.cpu_hz * s
    assert spent[0] - spent[1] == pytest.approx(NONZERO * each * 7 / 8, rel=0.01)


def test_a_cached_translation_costs_before_and_not_in_the_walk():
    cached, read = out(FAST), out(FAST.replace(cached_translation=False))
    spent = [found["thread_busy_frac"] * found["total_time_ns"] for found in (cached, read)]
    cycle = s / FAST.cpu_hz
    expected = (
        NONZERO * (FAST.pagemap_cycles - FAST.cached_cycles) * cycle
        - ram_pages(FAST) * FAST.preread_cycles * cycle
    )
    assert spent[1] - spent[0] == pytest.approx(expected, rel=0.01)


def test_memory_that_is_not_locked_faults_in_the_device():
    p = FAST.replace(engine_bits_per_s=2e9, wait_when_full=True, unlocked_frac=0.1, io_fault_ns=100 * us)
    locked, loose = out(p), out(p.replace(mlock=False))
    busy = [found["engine_busy_frac"] * found["total_time_ns"] * p.slices_count for found in (locked, loose)]
    assert busy[1] - busy[0] == pytest.approx(NONZERO * 0.1 * 100 * us, rel=0.05)


def test_interrupts_free_the_cpu_that_polls():
    p = FAST.replace(engine_bits_per_s=2e9, wait_when_full=True)
    polled, interrupted = out(p), out(p.replace(interrupts=True))
    assert polled["source_cpu_frac"] > 0.95
    assert interrupted["source_cpu_frac"] < 0.8


def test_a_zero_check_spares_the_engine_and_costs_the_thread():
    idle = SMALL.replace(touched_bytes=0.0, link_bytes_per_s=100 * Gbps)
    with_check, without = out(idle.replace(zero_check=True)), out(idle)
    busy = [found["engine_busy_frac"] * found["total_time_ns"] for found in (with_check, without)]
    assert busy[1] > 3 * busy[0]
    assert without["destination_cpu_frac"] * without["total_time_ns"] > 2 * (
        with_check["destination_cpu_frac"] * with_check["total_time_ns"]
    )


def test_random_pages_go_as_they_are():
    found = out(SMALL.replace(content="random", zero_check=True, wait_when_full=True))
    assert found["raw_frac"] == pytest.approx(65536 / NONZERO, rel=0.01)


def test_only_a_compressed_page_costs_its_header():
    p = FAST.replace(content="random")
    thread = simulation.thread_of(p, "QAT", np.random.default_rng(SEED))
    thread.run()
    t = thread.totals
    smaller = t.normal_pages - thread.raw_pages
    assert 0 < smaller < 0.5 * t.normal_pages
    assert thread.cycles_by_step()["put"] * t.normal_pages == pytest.approx(smaller * p.put_cycles)


def test_threads_wait_or_send_raw():
    p = FAST.replace(compress_threads_count=2)
    wait, raw = out(p, "CPU threads"), out(p.replace(compress_wait=False), "CPU threads")
    assert wait["raw_frac"] == 0 and raw["raw_frac"] > 0.5 and raw["total_time_ns"] < wait["total_time_ns"]


def test_more_threads_are_faster_until_there_are_no_more_cores():
    times = [out(FAST.replace(compress_threads_count=n), "CPU threads")["total_time_ns"] for n in (1, 2, 4)]
    assert times[0] / times[1] == pytest.approx(2, rel=0.1) and times[1] / times[2] == pytest.approx(
        2, rel=0.2
    )
    shared = out(FAST.replace(compress_threads_count=4, shared_cores=2.0), "CPU threads")
    assert shared["total_time_ns"] > 1.7 * times[2]
    assert shared["source_cpu_frac"] + shared["destination_cpu_frac"] <= 2.0


def test_what_the_loading_thread_does_is_a_part_of_what_a_page_costs_the_destination():
    p = SMALL.replace(decompress_threads_count=8)
    spent = run(p, "CPU threads").spent
    inflate = PAGE_BYTES / p.inflate_bytes_per_s * s
    page = p.first_touch_ns + inflate + p.handoff_cycles / p.cpu_hz * s
    zeros = (ram_pages(p) - NONZERO) * p.zero_load_ns
    assert spent.destination_cpu_ns == pytest.approx(NONZERO * page + zeros)


def test_qatzip_in_software_where_the_packets_are_small():
    p = FAST.replace(accelerator="QATzip", zero_check=False)
    packet, buffer = p.packet_pages * PAGE_BYTES, p.buffer_bytes
    assert buffer < packet
    device, software = out(p), out(p.replace(software_below_bytes=packet + 1.0))
    assert software["engine_busy_frac"] == 0 and software["source_cpu_frac"] > 3 * device["source_cpu_frac"]
    between = out(p.replace(software_below_bytes=buffer + 1.0))  # the destination looks at the first buffer
    by_device = [found["engine_busy_frac"] * found["total_time_ns"] for found in (device, between)]
    assert by_device[1] > 0.95 * by_device[0]
    assert cpu_ns(between, "destination") > 2 * cpu_ns(device, "destination")


def test_iaa_falls_back_to_software_when_its_queue_is_full():
    p = FAST.replace(accelerator="IAA", engine_bits_per_s=2e9, ring_requests=8)
    few, many = out(p), out(p.replace(ring_requests=4096))
    cpu = [found["source_cpu_frac"] * found["total_time_ns"] for found in (few, many)]
    assert (
        few["engine_busy_frac"] * few["total_time_ns"]
        < 0.9 * many["engine_busy_frac"] * many["total_time_ns"]
    )
    assert few["total_time_ns"] < many["total_time_ns"], cpu


def cpu_ns(found, end):
    return found[f"{end}_cpu_frac"] * found["total_time_ns"]


def test_qatzip_without_an_instance_is_software_for_a_whole_packet_at_either_end():
    p = FAST.replace(accelerator="QATzip", channels_count=4, instances_count=4)
    own, one = out(p), out(p.replace(instances_count=1))
    busy = [found["engine_busy_frac"] * found["total_time_ns"] * p.slices_count for found in (own, one)]
    requests = busy[0] / (p.engine_request_ns + 16 * rings.engine_page_ns(p))
    assert requests >= NONZERO / 16  # each of them by the device
    assert busy[1] < 0.95 * busy[0]
    deflated = (busy[0] - busy[1]) / busy[0] * NONZERO
    deflate_ns = PAGE_BYTES / p.zlib_bytes_per_s * s
    assert cpu_ns(one, "source") - cpu_ns(own, "source") == pytest.approx(deflated * deflate_ns, rel=0.05)
    slow = p.replace(inflate_engine_bits_per_s=4e9)  # so that the destination's channels are busy at once
    ends = [cpu_ns(out(slow.replace(instances_count=count)), "destination") for count in (4, 1)]
    assert ends[1] > 1.5 * ends[0]


@pytest.mark.parametrize(("buffer_pages", "by_cpu"), [(16, True), (128, False)])
def test_the_destination_inflates_what_software_made_itself_if_it_is_larger_than_a_buffer(
    buffer_pages, by_cpu
):
    how = {"channels_count": 4, "instances_count": 1, "buffer_bytes": buffer_pages * PAGE_BYTES}
    quick = {"engine_request_ns": 0.0, "engine_latency_ns": 0.0, "inflate_engine_bits_per_s": 1e13}
    p = FAST.replace(
        accelerator="QATzip", submit_cycles=0.0, poll_cycles=0.0, copy_cycles=0.0, **how, **quick
    )
    assert p.packet_pages == 128
    spent = run(p).spent
    by_software = NONZERO - spent.engine_ns * p.slices_count / rings.engine_page_ns(p)
    assert by_software > 50 * p.packet_pages
    light_ns = (ram_pages(p) - NONZERO) * p.zero_load_ns
    inflated = (spent.destination_cpu_ns - light_ns) / (PAGE_BYTES / p.inflate_bytes_per_s * s)
    assert (inflated > 0.99 * by_software) == by_cpu == (inflated > 0.3 * by_software)


def test_the_ring_plays_no_part_in_qatzip_nor_the_instances_in_iaa():
    p = FAST.replace(accelerator="QATzip", engine_bits_per_s=2e9, channels_count=4)
    assert out(p) == out(p.replace(ring_requests=1))
    p = p.replace(accelerator="IAA")
    assert out(p) == out(p.replace(instances_count=1)) != out(p.replace(ring_requests=1))


def test_software_beside_a_device_is_of_level_1():
    p = FAST.replace(accelerator="QATzip", instances_count=1)
    assert out(p) == out(p.replace(zlib_level="9"))


def test_qatzip_in_software_writes_zlibs_dynamic_codes():
    p = FAST.replace(accelerator="QATzip", channels_count=4, engine_request_ns=0.0, packet_pages=16)
    fixed = HALF * sizes.factor(sizes.COLUMN_OF_DEFLATE["1 fixed"])
    assert fixed > 1.2 * HALF
    for instances in (4, 1):
        made = run(p.replace(instances_count=instances))
        by_device = made.spent.engine_ns * p.slices_count / rings.engine_page_ns(p)
        zeros = (ram_pages(p) - NONZERO) * 9 + sum(NAME_BYTES.values())
        pages = made.spent.wire_bytes - zeros
        heads = (pages - by_device * fixed - (NONZERO - by_device) * HALF) / (NONZERO / 16)
        least = 320 + 8 * 16 + 10 + 2 + 12 + 8  # RFC 1952, with QATzip's field
        assert least <= heads < least + 4  # some packets are not full
        assert (by_device < 0.95 * NONZERO) == (instances == 1)


def test_iaa_in_software_writes_what_its_device_does():
    p = FAST.replace(accelerator="IAA", engine_bits_per_s=2e9, multifd_counts_wire=True)
    few, many = run(p.replace(ring_requests=8)), run(p.replace(ring_requests=4096))
    assert few.spent.engine_ns < 0.9 * many.spent.engine_ns
    assert few.spent.wire_bytes == pytest.approx(many.spent.wire_bytes, rel=1e-3)


def test_memory_that_is_not_locked_faults_in_iaa_but_not_in_qatzips_buffers():
    p = FAST.replace(accelerator="IAA", engine_bits_per_s=2e9, unlocked_frac=0.1, io_fault_ns=100 * us)
    p = p.replace(ring_requests=4096)
    locked, loose = out(p), out(p.replace(mlock=False))
    busy = [found["engine_busy_frac"] * found["total_time_ns"] * p.slices_count for found in (locked, loose)]
    assert busy[1] - busy[0] == pytest.approx(NONZERO * 0.1 * 100 * us, rel=0.05)
    p = p.replace(accelerator="QATzip")
    assert out(p) == out(p.replace(mlock=False))


def test_a_zero_mix_leaves_less_to_compress():
    p = SMALL.replace(zero_mix_frac=0.5, zero_check=True)
    assert run(p).totals.normal_pages == pytest.approx(NONZERO - 32768, abs=600)  # 4.7 sigma of a binomial


@pytest.mark.parametrize("freed", [False, True])
def test_a_zero_mix_leaves_pages_in_use_alone(freed):
    p = SMALL.replace(wss_bytes=64 * MiB, touched_freed=freed, zero_mix_frac=0.5)
    where = layout(p)
    guest, _ = simulation.guest_of(p, np.random.default_rng(SEED))
    first = where.working_set[0]
    assert pagemap.count_range(guest.nonzero, first, sum(where.working_set)) == where.working_set[1]
    start = sum(where.working_set) if freed else where.touched[0]
    mixed = sum(where.touched) - start
    assert pagemap.count_range(guest.nonzero, start, sum(where.touched)) == pytest.approx(mixed / 2, abs=600)


def test_free_pages_that_are_skipped_are_not_sent():
    p = SMALL.replace(skip_free=True)
    for way in WAYS:
        t = run(p, way).totals
        assert t.normal_pages + t.duplicate_pages < ram_pages(p) / 1.5
        assert t.normal_pages >= NONZERO - p.boot_stale_pages
