"""The mechanism of skipping: what is left out, what must not be, and mutants that get it wrong."""

import numpy as np
import pytest

from nfvlab.freepages.free_memory import BLOCK_PAGES
from nfvlab.freepages.params import Params
from nfvlab.freepages.simulation import BitmapThread, HintThread, simulate, thread
from nfvlab.kernels import pagemap
from nfvlab.precopy.migration_thread import MigrationThread
from nfvlab.units import GiB, MiB, ms

SMALL = {"ram_bytes": 1 * GiB, "fragmentation_frac": 0.0, "speed_cv_frac": 0.0}
WRITING = SMALL | {"wss_bytes": 128 * MiB, "write_rate_per_s": 50_000.0}
TRANSPORTS = ["bitmap", "hints"]


def run_thread(seed=1, kind=None, **fields):
    p = Params(**fields)
    source = thread(p, np.random.default_rng(seed))
    if kind is not None:
        source.__class__ = kind
        if hasattr(source, "device"):
            source.device.hint = source._unmark  # the mutant's
    source.run()
    return source


def lost_pages(source):
    """Pages in use whose last content the destination does not have: neither sent as such nor zero at both ends."""
    pages = source.pages
    unsent = source.guest.nonzero & ~source.seen
    free = source.free.memory_map.to_ram_block(source.free.raw_bitmap()) if hasattr(source, "free") else None
    if free is not None:
        unsent[: free.size] &= ~free  # free pages' content is nobody's
        held = pagemap.zeros(pages)
        for block in getattr(getattr(source, "driver", None), "free_page_list", []):
            start = source.free.memory_map.page_of(block)
            pagemap.set_range(held, start, start + BLOCK_PAGES)
        unsent &= ~held
    return int(pagemap.count(unsent))


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("machine", ["q35", "i440fx"])
@pytest.mark.parametrize("ram_gib", [1, 5])
def test_no_page_in_use_is_lost(transport, machine, ram_gib):
    source = run_thread(
        **(WRITING | {"ram_bytes": ram_gib * GiB, "machine": machine, "transport": transport})
    )
    assert source.totals.converged
    assert source.skipped_pages > 0.5 * ram_gib * 262144
    assert lost_pages(source) == 0


def test_the_bitmap_skips_exactly_the_free_pages():
    p = Params(**SMALL)
    source = thread(p, np.random.default_rng(1))
    free = source.free.free_pages
    source.run()
    assert source.skipped_pages == free
    assert source.totals.normal_pages + source.totals.duplicate_pages >= source.pages - free


def test_the_report_costs_its_walk():
    source = run_thread(**SMALL)
    p = source.p
    expected = p.request_ns + p.walk_block_ns * source.free.blocks + p.walk_page_ns * source.free.free_pages
    assert source.report_ns == pytest.approx(expected)
    assert source.timeline[0].t_ns >= source.totals.setup_time_ns + source.report_ns


def test_without_skipping_the_thread_is_plain_pre_copy():
    assert type(thread(Params(**SMALL, skipping=False), np.random.default_rng(1))) is MigrationThread


def test_hints_clear_only_what_the_sender_has_not_passed():
    eager = run_thread(**SMALL, transport="hints", hint_block_ns=1e3, request_ns=0.0)
    late = run_thread(**SMALL, transport="hints", hint_block_ns=5e6, request_ns=0.0)
    never = run_thread(**SMALL, transport="hints", request_ns=1e11)
    assert eager.skipped_pages > late.skipped_pages > never.skipped_pages == 0
    sent = [s.totals.duplicate_pages + s.totals.normal_pages for s in (eager, late, never)]
    assert sent == sorted(sent)
    for source in (eager, late):
        again = (
            source.totals.normal_pages + source.totals.duplicate_pages + source.skipped_pages - source.pages
        )
        assert 0 <= again < 3000  # what the kernel rewrote meanwhile


def test_hints_stop_at_the_watermark():
    source = run_thread(**SMALL, transport="hints", hint_block_ns=1e3, hint_reserve_pages=50_000)
    held = BLOCK_PAGES * len(source.driver.free_page_list)
    assert source.free.allocatable_pages - (BLOCK_PAGES - 1) <= 50_000
    assert 0 < source.skipped_pages <= held


def test_init_on_alloc_dirties_what_it_hints():
    plain = run_thread(**SMALL, transport="hints")
    zeroing = run_thread(**SMALL, transport="hints", init_on_alloc=True)
    held = BLOCK_PAGES * len(zeroing.driver.free_page_list)
    extra = zeroing.totals.duplicate_pages - plain.totals.duplicate_pages
    assert held > 100 * BLOCK_PAGES
    assert extra > 0.5 * held
    assert lost_pages(zeroing) == 0


def test_a_second_synchronisation_asks_under_a_new_command_id():
    source = run_thread(**WRITING, transport="hints", downtime_limit_ns=10 * ms)
    assert source.totals.dirty_sync_count > 3
    assert (
        source.device.cmd_id == 0x8000_0000 + source.totals.dirty_sync_count - 1
    )  # not for the stopped guest's


def test_every_run_has_its_own_generator_and_the_seed_tells_all():
    p = Params(**WRITING)
    one, two = (simulate(p, rng=np.random.default_rng(7), n=3) for _ in range(2))
    assert one == two
    assert len({run.totals.transferred_bytes for run in one.runs}) == 3


class HoleIgnored(BitmapThread):
    """Takes guest frames for pages of the RAM block."""

    def begin_bulk(self):
        raw = self.free.raw_bitmap()[: self.bitmap.size]
        self.skipped_pages = int(pagemap.subtract(self.bitmap[: raw.size], raw))
        self.left -= self.skipped_pages


class LoggedTooLate(BitmapThread):
    """Starts dirty logging only after the guest has reported."""

    def begin_bulk(self):
        super().begin_bulk()
        self.guest.dirty_log[:] = 0


class HintClearsTheLog(HintThread):
    """Applies a hint to the dirty log as well."""

    def _unmark(self, first_pfn, pages):
        super()._unmark(first_pfn, pages)
        page = self.free.memory_map.page_of(first_pfn)
        pagemap.clear_range(self.guest.dirty_log, page, page + pages)


def test_mutant_hole_ignored_loses_pages_in_use():
    source = run_thread(kind=HoleIgnored, **(WRITING | {"ram_bytes": 5 * GiB}))
    assert lost_pages(source) > 1000


def test_mutant_hint_that_clears_the_log_forgets_what_init_on_alloc_wrote():
    """The zeroes it wrote never reach the destination: the log must still bring those pages back."""
    good = run_thread(**SMALL, transport="hints", init_on_alloc=True)
    bad = run_thread(kind=HintClearsTheLog, **SMALL, transport="hints", init_on_alloc=True)
    assert bad.totals.duplicate_pages < good.totals.duplicate_pages - 50 * BLOCK_PAGES


def test_mutant_logging_after_the_report_loses_a_page_taken_into_use():
    """A page that is free when the walk passes and written before the bitmap arrives."""

    def with_a_late_write(kind):
        p = Params(**SMALL)
        source = thread(p, np.random.default_rng(1))
        source.__class__ = type("Late", (_LateWriter, kind), {})
        source.run()
        return bool(source.seen[source.victim >> 6] >> np.uint64(source.victim & 63) & np.uint64(1))

    assert with_a_late_write(BitmapThread)
    assert not with_a_late_write(LoggedTooLate)


class _LateWriter:
    """The guest takes one reported page into use while its bitmap is on the way."""

    victim = 200_000

    def elapse(self, dt_ns):
        super().elapse(dt_ns)
        if self.totals.dirty_sync_count == 1 and not self.timeline and not getattr(self, "wrote", False):
            self.wrote = self.now_ns > self.totals.setup_time_ns > 0
            if self.wrote:
                page = np.array([self.victim])
                pagemap.set_bits(self.guest.dirty_log, page)
                pagemap.set_bits(self.guest.nonzero, page)
