"""Three migrations side by side: exact cases, what is conserved, every switch, wrong versions."""

import time

import numpy as np
import pytest
from qat.steady import BUSY, FAST, HALF, NONZERO, OTHER_WAYS, SEED, SMALL, ids, out, run

from nfvlab.kernels import pagemap
from nfvlab.precopy import simulation as precopy
from nfvlab.precopy.guest import Guest
from nfvlab.precopy.migration_thread import MigrationThread
from nfvlab.precopy.params import PAGE_BYTES, ram_pages
from nfvlab.precopy.ramblocks import NAME_BYTES
from nfvlab.qat import channels, compress_threads, rings, simulation
from nfvlab.qat.books import sync_work_ns
from nfvlab.qat.params import OUTPUTS, WAYS, Params
from nfvlab.qat.simulation import Samples, outputs_of, simulate
from nfvlab.units import Gbps, GiB, MiB, ms, s, us

# -- exact --------------------------------------------------------------------------------------------------------


def test_without_compression_it_is_plain_precopy():
    visits, sending = np.random.default_rng(SEED).spawn(2)
    plain = precopy.run(MigrationThread(BUSY, sending, Guest(BUSY, visits)))
    assert run(BUSY, "none").totals == plain.totals


def test_every_byte_of_the_talks_way_is_accounted_for():
    p = SMALL.replace(zero_check=True, engine_deflate="1 dynamic", wait_when_full=True)
    made = run(p)
    t = made.totals
    assert t.normal_pages == NONZERO and t.normal_pages + t.duplicate_pages == ram_pages(p)
    pages = t.normal_pages * (HALF + 8 + 4) + t.duplicate_pages * 9
    assert made.spent.wire_bytes == pytest.approx(pages + sum(NAME_BYTES.values()))
    ends = t.transferred_bytes - made.spent.wire_bytes  # 8 bytes for each iteration, not in the pages
    assert ends >= 8 and ends % 8 == pytest.approx(0)


def test_every_byte_of_compress_threads_is_accounted_for():
    made = run(SMALL, "CPU threads")
    t = made.totals
    pages = t.normal_pages * (HALF + 8 + 4 + 6) + t.duplicate_pages * 9
    assert made.spent.wire_bytes == pytest.approx(pages + sum(NAME_BYTES.values()))
    assert t.transferred_bytes == pytest.approx(made.spent.wire_bytes, rel=1e-4)


def test_who_finds_all_compress_threads_busy_looks_for_zero_pages_itself():
    p = SMALL.replace(compress_wait=False, workers_check_zero=True, compress_threads_count=2)
    made = run(p, "CPU threads")
    t, raw = made.totals, made.spent.raw_pages
    assert raw > 0.5 * NONZERO and t.duplicate_pages == ram_pages(p) - NONZERO
    pages = (t.normal_pages - raw) * (HALF + 8 + 4 + 6) + raw * (8 + PAGE_BYTES) + t.duplicate_pages * 9
    assert made.spent.wire_bytes == pytest.approx(pages + sum(NAME_BYTES.values()))


def test_multifd_of_7_2_counts_whole_pages_and_10_0_what_it_sends():
    p = SMALL.replace(cpu_method="multifd zlib", channels_count=2)
    old, new = run(p, "CPU threads"), run(p.replace(multifd_counts_wire=True), "CPU threads")
    packet = 320 + 8 * 128
    for made in (old, new):
        t = made.totals
        pages = t.normal_pages * HALF + t.duplicate_pages * 9 + sum(NAME_BYTES.values())
        heads = (made.spent.wire_bytes - pages) / packet
        assert heads == pytest.approx(round(heads), abs=1e-6) and heads > t.normal_pages / 128
    assert old.totals.transferred_bytes - old.spent.wire_bytes == pytest.approx(NONZERO * HALF, rel=1e-4)
    assert new.totals.transferred_bytes == pytest.approx(new.spent.wire_bytes, rel=1e-4)


def test_without_zero_check_zero_pages_are_compressed_and_counted_as_such():
    p = SMALL.replace(engine_deflate="1 dynamic", wait_when_full=True)
    made = run(p)
    t = made.totals
    pages = t.normal_pages * (HALF + 12) + t.duplicate_pages * (p.zero_compressed_bytes + 12)
    assert made.spent.wire_bytes == pytest.approx(pages + sum(NAME_BYTES.values()))


def test_an_engine_that_is_the_bottleneck_sets_the_time():
    p = SMALL.replace(engine_bits_per_s=1e9, wait_when_full=True, zero_check=True, engine_request_ns=0.0)
    made = out(p)
    assert made["engine_busy_frac"] * made["total_time_ns"] == pytest.approx(
        NONZERO * PAGE_BYTES * 8 / 1e9 * s
    )
    assert made["engine_busy_frac"] > 0.97


def test_a_link_that_is_the_bottleneck_sets_the_time():
    made = out(SMALL.replace(link_bytes_per_s=1 * Gbps))
    assert made["link_busy_frac"] > 0.9
    sent = made["link_busy_frac"] * made["total_time_ns"] * (1 * Gbps * 0.94) / s
    assert sent == pytest.approx(
        made["wire_bytes"] - SMALL.socket_bytes, rel=0.01
    )  # the sockets are full at the end


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"zero_check": True},
        {"zero_check": True, "ring_requests": 2, "engine_bits_per_s": 1e9},
        {"interrupts": True},
        {"cached_translation": False},
        {"content": "random"},
        {"encrypted": True},
        {"encrypted": True, "device_encrypts": False, "zero_check": True},
    ],
    ids=str,
)
def test_the_migration_threads_steps_add_up_to_its_work(how):
    thread = simulation.thread_of(BUSY.replace(**how), "QAT", np.random.default_rng(SEED))
    thread.run()
    steps = thread.cycles_by_step()
    syncs = sync_work_ns(BUSY, thread.totals.dirty_sync_count)
    cycles = (thread.spent().thread_ns - syncs) * BUSY.cpu_hz / s / thread.totals.normal_pages
    assert sum(steps.values()) == pytest.approx(cycles, rel=1e-9)
    assert (steps["interrupt"] > 0) == BUSY.replace(**how).interrupts


# -- whatever the way ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("way", "how"), OTHER_WAYS, ids=map(ids, OTHER_WAYS))
def test_each_way_sends_every_page_and_stays_within_its_resources(way, how):
    p = BUSY.replace(**how)
    made = run(p, way)
    t, found = made.totals, outputs_of(made)
    thread = simulation.thread_of(p, way, np.random.default_rng(SEED))
    thread.run()
    assert thread.left == 0 and not pagemap.count(thread.bitmap)
    assert t.converged and t.normal_pages + t.duplicate_pages >= ram_pages(p)
    for name in ("thread_busy_frac", "engine_busy_frac", "link_busy_frac", "raw_frac"):
        assert 0 <= found[name] <= 1 + 1e-6, name
    assert found["source_cpu_frac"] >= found["thread_busy_frac"] - 1e-9
    assert set(found) == set(OUTPUTS)


def test_samples_are_replications_of_all_ways():
    p = BUSY.replace(ram_bytes=256 * MiB, touched_bytes=64 * MiB, wss_bytes=16 * MiB)
    samples = simulate(p, rng=np.random.default_rng(1), n=2)
    assert isinstance(samples, Samples) and samples.totals.shape == (2, len(OUTPUTS) * len(WAYS))
    again = simulate(p, rng=np.random.default_rng(1), n=2)
    assert np.array_equal(samples.totals, again.totals)
    found = samples.estimate()
    assert found["wire_bytes[2]"].value < found["wire_bytes[0]"].value


def test_a_migration_that_is_given_up_has_no_times():
    p = BUSY.replace(give_up_ns=200 * ms, touched_content="random")
    found = out(p, "none")
    assert found["converged_frac"] == 0 and np.isnan(found["total_time_ns"])


@pytest.mark.parametrize("way", WAYS)
def test_what_is_used_grows_from_window_to_window_and_ends_at_what_is_spent(way):
    made = run(BUSY, way)
    assert len(made.uses) == len(made.timeline) > 5
    for name in ("thread_ns", "engine_ns", "link_ns"):
        course = np.array([getattr(use, name) for use in made.uses])
        windows = np.diff([use.t_ns for use in made.uses])
        assert (np.diff(course) >= -1e-3).all() and course[-1] == getattr(made.spent, name)
        assert (np.diff(course) <= windows * 1.001 + 1).all(), name


@pytest.mark.parametrize("sync", [True, False])
def test_a_migration_is_not_over_before_its_channels_are(sync):
    p = SMALL.replace(cpu_method="multifd zlib", sync_each_iteration=sync, channels_count=2)
    thread = simulation.thread_of(p, "CPU threads", np.random.default_rng(SEED))
    thread.run()
    assert thread.totals.converged and thread.now_ns >= thread.helper.max()


def test_a_page_alone_wakes_its_thread_and_then_the_migration_thread():
    p = FAST.replace(compress_threads_count=1, handoff_ns=0.0)
    at_once, late = out(p, "CPU threads"), out(p.replace(handoff_ns=100 * us), "CPU threads")
    assert late["total_time_ns"] - at_once["total_time_ns"] == pytest.approx(NONZERO * 2 * 100 * us, rel=0.01)


def test_where_one_thread_decompresses_each_page_wakes_it_and_the_loading_thread():
    p = FAST.replace(compress_threads_count=32, decompress_threads_count=1, socket_bytes=64 * 1024.0)
    waits = 0.0, 20 * us
    found = [out(p.replace(handoff_ns=wait), "CPU threads") for wait in waits]
    slower = found[1]["total_time_ns"] - found[0]["total_time_ns"]
    assert slower == pytest.approx(NONZERO * 2 * 20 * us, rel=0.01)
    page_ns = PAGE_BYTES / p.inflate_bytes_per_s * s + p.handoff_cycles / p.cpu_hz * s
    zeros_ns = (ram_pages(p) - NONZERO) * p.zero_scan_ns  # meanwhile the threads have nothing to do
    assert found[0]["total_time_ns"] == pytest.approx(NONZERO * page_ns + zeros_ns, rel=0.01)
    cpu = [made["destination_cpu_frac"] * made["total_time_ns"] for made in found]
    assert cpu[1] == pytest.approx(cpu[0], rel=0.01)  # who sleeps takes no CPU


# -- wrong versions ------------------------------------------------------------------------------------------------


class ForgetsLengths(rings.RingThread):
    """Sends compressed pages without their length."""

    def costs(self, pace):
        cost = super().costs(pace)
        cost[rings.offload.HEAD] = 8.0
        return cost


class LoaderWaitsForNobody(compress_threads.ThreadsThread):
    """Has as many decompress threads as there may ever be pages."""

    def prepare(self):
        super().prepare()
        self.inflated = np.zeros(1024)


class WakesAtOnce(compress_threads.ThreadsThread):
    """Forgets that a thread takes time to wake."""

    def costs(self, pace):
        cost = super().costs(pace)
        cost[compress_threads.lend.WAKE] = 0.0
        return cost


class CountsTwice(compress_threads.ThreadsThread):
    """Counts what is handed over and what comes back."""

    def put(self, sent_bytes):
        super().put(2 * sent_bytes)


class LosesZeroPages(channels.ChannelsThread):
    """Sends no header for a zero page."""

    def costs(self, pace):
        cost = super().costs(pace)
        cost[channels.bundles.LIGHT_SIZE] = 0.0
        return cost


class ReadsAPageTooFew(rings.RingThread):
    """Loses the last page of the bitmap before the first walk."""

    def begin_bulk(self):
        super().begin_bulk()
        pagemap.clear_range(self.bitmap, self.pages - 1, self.pages)
        self.left -= 1


MUTANTS = {
    ForgetsLengths: test_every_byte_of_the_talks_way_is_accounted_for,
    LoaderWaitsForNobody: test_where_one_thread_decompresses_each_page_wakes_it_and_the_loading_thread,
    WakesAtOnce: test_a_page_alone_wakes_its_thread_and_then_the_migration_thread,
    CountsTwice: test_every_byte_of_compress_threads_is_accounted_for,
    LosesZeroPages: test_multifd_of_7_2_counts_whole_pages_and_10_0_what_it_sends,
    ReadsAPageTooFew: test_every_byte_of_the_talks_way_is_accounted_for,
}


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_wrong_thread_is_found_out(mutant, monkeypatch):
    monkeypatch.setattr(simulation, mutant.__mro__[1].__name__, mutant)
    with pytest.raises(AssertionError):
        MUTANTS[mutant]()


# -- how long it takes ---------------------------------------------------------------------------------------------


def test_the_talks_guest_takes_two_seconds_at_most_and_time_grows_with_its_pages():
    p = Params(touched_bytes=6 * GiB, wss_bytes=1 * GiB, write_rate_per_s=2e4, pattern="sequential")
    small = p.replace(ram_bytes=4 * GiB, touched_bytes=2.5 * GiB)
    run(p), run(small)  # once, to compile
    took = []
    for scenario in (small, p):
        begun = time.process_time()
        run(scenario)
        took.append(time.process_time() - begun)
    assert took[1] < 2.0 and took[1] < 4 * took[0]
