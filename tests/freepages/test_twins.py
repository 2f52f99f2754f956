"""Theory against mechanism: every scenario, scenarios at random, and mechanisms that are wrong on purpose."""

from functools import cache

import numpy as np
import pytest

from nfvlab import freepages, twin
from nfvlab.freepages import simulation
from nfvlab.freepages.free_memory import BLOCK_PAGES, FreeMemory
from nfvlab.freepages.params import Params, low_watermark_pages
from nfvlab.freepages.scenarios import SCENARIOS
from nfvlab.freepages.simulation import BitmapThread, HintThread
from nfvlab.kernels import pagemap
from nfvlab.params import ParamError
from nfvlab.precopy.params import boot_pages
from nfvlab.units import GiB, Mbps, MiB, kB, ms, us

SEED = 20160825
COUNT = 40
MANY = 8  # replications where a mutant is to be told from chance


@pytest.mark.parametrize("skipping", [True, False], ids=["skipping", "plain"])
@pytest.mark.parametrize("name", SCENARIOS)
def test_theory_meets_mechanism(name, skipping):
    p = SCENARIOS[name].replace(skipping=skipping)
    n = 2 if name == "throttled forwarding" else 4
    compared = twin.compare(freepages, p, rng=np.random.default_rng([SEED, skipping]), n=n)
    assert compared.ok, compared


def spread(rng: np.random.Generator) -> Params:
    """A scenario at random, wide in all that skipping depends on; small guests, so that many can be followed."""

    def between(low, high):
        return float(10 ** rng.uniform(np.log10(low), np.log10(high)))

    ram = float(int(between(512 * MiB, 5 * GiB)) // MiB * MiB)
    wss = float(rng.choice([0.0, rng.uniform(0, 0.4)])) * ram
    fields = {
        "ram_bytes": ram,
        "touched_bytes": float(rng.choice([0.0, rng.uniform(0, 0.7)])) * ram,
        "touched_freed": bool(rng.integers(2)),
        "touched_content": str(rng.choice(["random", "zero"])),
        "ended_pages": int(rng.choice([0, rng.integers(0, 20_000)])),
        "wss_bytes": wss,
        "write_rate_per_s": between(100, 1e5) if wss >= 4 * kB else 0.0,
        "pattern": str(rng.choice(["uniform", "sequential", "hot", "zipf"])),
        "link_bytes_per_s": between(500 * Mbps, 100e3 * Mbps),
        "max_bandwidth_bytes_per_s": float(rng.choice([1e11, between(2e7, 2e9)])),
        "downtime_limit_ns": between(5 * ms, 1000 * ms),
        "skipping": bool(rng.integers(6)),
        "transport": str(rng.choice(["bitmap", "hints"])),
        "machine": str(rng.choice(["q35", "i440fx"])),
        "fragmentation_frac": float(rng.choice([0.0, rng.uniform(0, 1)])),
        "request_ns": between(0.1 * ms, 100 * ms),
        "walk_block_ns": between(20, 2e3),
        "walk_page_ns": between(0.1, 50),
        "hint_block_ns": between(10 * us, 2 * ms),
        "hint_reserve_pages": low_watermark_pages(ram),
        "init_on_alloc": not rng.integers(4),
        "fresh_touch_ns": between(100, 2e4),
        "line_rate_bits_per_s": float(rng.choice([0.0, rng.uniform(1e7, 1e8)])),
        "ring_count": int(rng.choice([64, 256, 1024])),
        "sync_gap_ns": between(10 * us, 10 * ms),
        "zero_scan_ns": between(100, 3e3),
        "send_ns": between(100, 3e3),
        "first_touch_ns": between(200, 2e4),
        "boot_low_pages": int(rng.integers(1024, 20_000)),
        "boot_stale_pages": int(rng.integers(0, 20_000)),
        "boot_middle_pages": int(rng.integers(0, 20_000)),
        "boot_top_pages": int(rng.integers(0, 3000)),
        "auto_converge": not rng.integers(4),
        "give_up_ns": 20e9,
    }
    try:
        p = Params(**fields)
    except ParamError:
        return spread(rng)
    taken = p.touched_bytes + p.wss_bytes + 4096 * (boot_pages(p) + p.ended_pages)
    return p if taken < 0.95 * ram else spread(rng)  # an application leaves some pages to the others


@pytest.mark.parametrize("seed", range(COUNT))
def test_theory_meets_mechanism_anywhere(seed):
    p = spread(np.random.default_rng([SEED, seed]))
    compared = twin.compare(freepages, p, rng=np.random.default_rng([SEED, seed, 1]), n=4)
    assert compared.ok, f"{p.to_json()}\n{compared}"


# -- mutants: the twins must find every one of them ----------------------------------------------------------------

BUSY = {
    "background_wss_bytes": 16 * MiB,
    "background_rate_per_s": 100_000.0,
    "wss_bytes": 256 * MiB,
    "write_rate_per_s": 50_000.0,
}
GUEST = Params(ram_bytes=4 * GiB, fragmentation_frac=0.05, downtime_limit_ns=20 * ms, **BUSY)
HINTS = GUEST.replace(transport="hints", hint_block_ns=50 * us)


class HoleIgnored(BitmapThread):
    """Takes frame numbers for pages of the RAM block."""

    def begin_bulk(self):
        self.elapse(self.p.request_ns)
        raw = self.free.raw_bitmap()[: self.bitmap.size]
        self.skipped_pages = int(pagemap.subtract(self.bitmap[: raw.size], raw))
        self.left -= self.skipped_pages
        self.report_ns = self.p.request_ns + self.p.walk_block_ns * self.free.blocks
        self.report_ns += self.p.walk_page_ns * self.free.free_pages


class FiltersAgain(BitmapThread):
    """Takes the free pages out after every synchronisation, not only before the first page."""

    def bitmap_sync(self):
        super().bitmap_sync()
        if self.totals.dirty_sync_count > 1:
            folded = self.free.memory_map.to_ram_block(self.free.raw_bitmap())
            cleared = int(pagemap.subtract(self.bitmap[: folded.size], folded))
            self.skipped_pages += cleared
            self.left -= cleared


class SkipsNothing(BitmapThread):
    """Waits for the bitmap, and forgets to use it."""

    def begin_bulk(self):
        super().begin_bulk()
        self.bitmap = pagemap.full(self.pages)
        self.left = self.pages


class HalfBlocks(HintThread):
    """Takes a hint of 4 MiB for one of 2 MiB."""

    def _unmark(self, first_pfn, pages):
        super()._unmark(first_pfn, pages // 2)


class ClearsTheLog(HintThread):
    """Clears the hinted pages in the dirty log too."""

    def _unmark(self, first_pfn, pages):
        super()._unmark(first_pfn, pages)
        page = self.free.memory_map.page_of(first_pfn)
        pagemap.clear_range(self.guest.dirty_log, page, page + BLOCK_PAGES)


class NoReserve(HintThread):
    """Hints below the watermark, until the guest has nothing left."""

    def _allocate(self):
        return self.free.allocate_block(0)


class LowestZoneFirst(HintThread):
    """Gives out the memory that the sender is just coming to."""

    def __post_init__(self):
        super().__post_init__()
        self.free.__class__ = type(
            "Free", (FreeMemory,), {"zones": property(lambda f: np.arange(1, len(f.lists.live)))}
        )


MUTANTS = {
    "hole ignored": (HoleIgnored, GUEST, "skipped_pages"),
    "filter in later rounds": (FiltersAgain, GUEST, "skipped_pages"),
    "bitmap not used": (SkipsNothing, GUEST, "duplicate_pages"),
    "4 MiB blocks taken for 2 MiB": (HalfBlocks, HINTS, "skipped_pages"),
    "hints clear the dirty log": (ClearsTheLog, HINTS.replace(init_on_alloc=True), "duplicate_pages"),
    "no reserve": (NoReserve, HINTS.replace(hint_reserve_pages=400_000), "skipped_pages"),
    "lowest zone first": (LowestZoneFirst, HINTS.replace(hint_block_ns=1 * ms), "skipped_pages"),
}


@cache
def honest(p):
    return twin.compare(freepages, p, rng=np.random.default_rng(SEED), n=MANY)


@pytest.mark.parametrize("name", MUTANTS)
def test_mutants_are_found_out(name, monkeypatch):
    mutant, p, output = MUTANTS[name]
    assert honest(p).ok, honest(p)
    monkeypatch.setattr(simulation, mutant.__mro__[1].__name__, mutant)
    found = twin.compare(freepages, p, rng=np.random.default_rng(SEED), n=MANY)
    assert output in [row.field for row in found.failures], found


def test_packets_counted_twice_are_found_out(monkeypatch):
    """A mutant of the packets: what nobody hears during the pause is counted at both ends."""
    p = GUEST.replace(line_rate_bits_per_s=1e9, wss_bytes=0.0, write_rate_per_s=0.0, downtime_limit_ns=2 * ms)
    assert honest(p).ok, honest(p)
    forward = simulation.forwarding.forward

    def twice(gaps, **fields):
        made = forward(gaps, **fields)
        return simulation.forwarding.Forwarded(**vars(made) | {"unheard_count": 2 * made.unheard_count})

    monkeypatch.setattr(simulation.forwarding, "forward", twice)
    found = twin.compare(freepages, p, rng=np.random.default_rng(SEED), n=MANY)
    assert "lost_count" in [row.field for row in found.failures], found


def test_a_ring_that_forgets_is_found_out(monkeypatch):
    """A mutant of the packets: the ring keeps one packet in a gap."""
    p = GUEST.replace(line_rate_bits_per_s=1e9, sync_gap_ns=1 * ms, ring_count=1024)
    assert honest(p).ok, honest(p)
    forward = simulation.forwarding.forward
    monkeypatch.setattr(
        simulation.forwarding,
        "forward",
        lambda gaps, *, ring_count, **fields: forward(gaps, ring_count=1, **fields),
    )
    found = twin.compare(freepages, p, rng=np.random.default_rng(SEED), n=MANY)
    assert "ring_drop_count" in [row.field for row in found.failures], found
