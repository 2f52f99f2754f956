"""XBZRLE: when differences begin, what is put into the cache and what keeps its place there; wrong versions."""

import numpy as np
import pytest

from nfvlab.kernels import pagemap
from nfvlab.precopy.memory import layout
from nfvlab.precopy.migration_thread import BULK, ITERATE, STOPPED
from nfvlab.precopy.page_costs import page_costs
from nfvlab.precopy.params import PAGE_BYTES, ram_pages
from nfvlab.qat import simulation, xbzrle
from nfvlab.qat.params import Params
from nfvlab.qat.simulation import migrate
from nfvlab.units import Gbps, MiB, ms

SEED = 20160825
STEADY = {"speed_cv_frac": 0.0, "background_rate_per_s": 0.0}
SMALL = Params(ram_bytes=512 * MiB, touched_bytes=256 * MiB, cpu_method="xbzrle", delta_bytes=4, **STEADY)
BUSY = SMALL.replace(wss_bytes=64 * MiB, write_rate_per_s=2e4, content="random", link_bytes_per_s=1 * Gbps)

FULL = layout(SMALL).touched[0]  # the first of many pages that are not zero


class Driven:
    """An xbzrle thread whose walks and dirty pages the test orders."""

    def __init__(self):
        self.thread = simulation.thread_of(SMALL, "CPU threads", np.random.default_rng(SEED))
        self.thread.bitmap_sync()

    def dirty(self, *pages):
        pagemap.set_bits(self.thread.guest.dirty_log, np.array(pages))
        self.thread.bitmap_sync()

    def walk(self, budget=np.inf):
        """Pages sent whole, as a difference, as zero."""
        t, before = self.thread, self.sent()
        t.walk(budget, np.inf, page_costs(SMALL, t.rng))
        return tuple(after - so_far for after, so_far in zip(self.sent(), before, strict=True))

    def sent(self):
        t = self.thread
        return t.totals.normal_pages, t.encoded_pages, t.totals.duplicate_pages

    def cached(self):
        return pagemap.count(self.thread.cached)


def in_second_round():
    """Driven to where all pages have been sent once."""
    driven = Driven()
    driven.walk()
    return driven


def test_until_the_walk_has_reached_the_end_pages_go_whole_and_uncached():
    driven = Driven()
    driven.walk(budget=100 * MiB)
    half = driven.thread.cursor
    driven.dirty(FULL, half + 1000)  # behind the cursor, and ahead of it where it was to be sent anyway
    first = sum(driven.walk())
    assert first == ram_pages(SMALL) - half and driven.thread.left == 1 and driven.cached() == 0
    assert driven.walk() == (1, 0, 0) and driven.cached() == 1
    driven.dirty(FULL)
    assert driven.walk() == (0, 1, 0)


def test_a_page_is_sent_whole_when_it_is_sent_again_for_the_first_time():
    driven = in_second_round()
    assert driven.thread.left == driven.cached() == 0
    driven.dirty(FULL, FULL + 1)
    assert driven.walk() == (2, 0, 0) and driven.cached() == 2
    driven.dirty(FULL, FULL + 2)
    assert driven.walk() == (1, 1, 0) and driven.cached() == 3


def test_the_stop_and_copy_puts_nothing_into_the_cache():
    driven = in_second_round()
    driven.dirty(FULL)
    driven.walk()
    driven.thread.phase = STOPPED
    driven.dirty(FULL, FULL + 1)
    assert driven.walk() == (1, 1, 0) and driven.cached() == 1


def test_a_zero_page_is_put_into_the_cache():
    driven = in_second_round()
    nonzero = driven.thread.guest.nonzero
    page = int(np.flatnonzero(np.unpackbits(nonzero.view(np.uint8), bitorder="little")[FULL:] == 0)[0]) + FULL
    driven.dirty(page)
    assert driven.walk() == (0, 0, 1) and driven.cached() == 1
    pagemap.set_bits(nonzero, np.array([page]))
    driven.dirty(page)
    assert driven.walk() == (0, 1, 0)


def test_xbzrle_sends_differences_of_pages_that_were_sent_again_before():
    p = BUSY.replace(downtime_limit_ns=20 * ms)
    delta, whole = (migrate(p, way, np.random.default_rng(SEED)) for way in ("CPU threads", "none"))
    assert delta.spent.wire_bytes < whole.spent.wire_bytes
    over = migrate(p.replace(delta_bytes=PAGE_BYTES), "CPU threads", np.random.default_rng(SEED))
    assert over.totals.normal_pages > delta.totals.normal_pages


def test_a_small_xbzrle_cache_keeps_the_first_pages_only():
    p = SMALL.replace(wss_bytes=64 * MiB, xbzrle_cache_bytes=16.0 * MiB)
    thread = simulation.thread_of(p, "CPU threads", np.random.default_rng(1))
    thread.totals.dirty_sync_count = 2
    sent = pagemap.zeros(thread.pages)
    pagemap.set_range(sent, 10_000, 20_000)
    thread._insert(sent)
    assert pagemap.count(thread.cached) == xbzrle.cache_pages(p) == 4096
    pagemap.clear_range(sent, 10_000, 14_096)
    thread._insert(sent)  # the places are held by fresh pages
    assert pagemap.count_range(thread.cached, 14_096, 20_000) == 0
    thread.totals.dirty_sync_count = 4
    thread._insert(sent)  # two rounds later they are not fresh
    assert pagemap.count_range(thread.cached, 14_096, 20_000) == 4096


# -- wrong versions ------------------------------------------------------------------------------------------------


class CachesInTheFirstRound(xbzrle.XbzrleThread):
    """Takes what was sent in the first round for cached."""

    def walk(self, budget, deadline_ns, costs):
        if self.phase != BULK:
            self.cached |= self.seen
        return super().walk(budget, deadline_ns, costs)


class CachesFromTheSecondSync(xbzrle.XbzrleThread):
    """Does not wait for the end of the first round."""

    def walk(self, budget, deadline_ns, costs):
        self.wrapped = self.phase != BULK
        return super().walk(budget, deadline_ns, costs)


class CachesInTheStop(xbzrle.XbzrleThread):
    """Does not tell the last stage apart."""

    def walk(self, budget, deadline_ns, costs):
        self.phase = ITERATE
        return super().walk(budget, deadline_ns, costs)


class ForgetsZeroPages(xbzrle.XbzrleThread):
    """Puts no zero page into the cache."""

    def _insert(self, sent):
        super()._insert(sent & self.guest.nonzero)


MUTANTS = {
    CachesInTheFirstRound: test_a_page_is_sent_whole_when_it_is_sent_again_for_the_first_time,
    CachesFromTheSecondSync: test_until_the_walk_has_reached_the_end_pages_go_whole_and_uncached,
    CachesInTheStop: test_the_stop_and_copy_puts_nothing_into_the_cache,
    ForgetsZeroPages: test_a_zero_page_is_put_into_the_cache,
}


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_wrong_thread_is_found_out(mutant, monkeypatch):
    monkeypatch.setattr(simulation, "XbzrleThread", mutant)
    with pytest.raises(AssertionError):
        MUTANTS[mutant]()
