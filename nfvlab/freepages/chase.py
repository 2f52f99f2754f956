"""Hints of free 4 MiB blocks against the sender: what is out of the bitmap when it gets there.

The driver takes blocks in random order (those with stale pages first), one every so often; the sender comes
up from address 0. Where a share s of the pages lies in blocks that are hinted sooner or later, h(t) of them
by the time t, the sender meets 1 - s h(t) of the pages, so that it moves at dx/dt = v / (1 - s h(t)). With h
linear in t between the first hint and the last this has a closed form.
"""

from math import exp, inf, log1p
from typing import NamedTuple

from nfvlab.freepages.free_lists import BLOCK_PAGES, Stretch, free_outside_dma
from nfvlab.freepages.params import Params
from nfvlab.precopy.rates import costs, mean_bytes_per_s
from nfvlab.precopy.regions import Region
from nfvlab.units import GiB

FASTEST = 1e12  # pages/s of a sender that costs nothing


class Hints(NamedTuple):
    """When hints begin, how long each takes, how many there are, and how many of them hold stale pages."""

    start_ns: float
    each_ns: float
    count: float
    stale: float
    blocks: float

    def law(self, stale: bool) -> tuple[float, float, float]:
        """Of blocks with or without stale pages: from when to when they are hinted, and which share is."""
        first, last = (0.0, self.stale) if stale else (self.stale, self.blocks)
        given = min(max(self.count - first, 0.0), last - first)
        share = given / (last - first) if last > first else 0.0
        return self.start_ns + first * self.each_ns, self.start_ns + (first + given) * self.each_ns, share


def hints(p: Params, memory: tuple[Stretch, ...]) -> Hints:
    """The hints that the driver would give if no synchronisation cut it short.

    It stops when the zones' free pages, less what the block itself does not count, are down to the reserve.
    """
    each_ns = p.hint_block_ns + (BLOCK_PAGES * p.fresh_touch_ns if p.init_on_alloc else 0.0)
    blocks = sum(stretch.whole for stretch in memory)
    allowed = (free_outside_dma(memory) - (BLOCK_PAGES - 1) - p.hint_reserve_pages) / BLOCK_PAGES
    count = min(blocks, max(-(-allowed // 1), 0.0))
    stale = sum(
        min(stretch.content.pages / BLOCK_PAGES + 1, blocks)
        for stretch in memory
        if stretch.content.name == "stale" and stretch.whole
    )
    sync_ns = p.sync_ns + p.sync_per_gib_ns * p.ram_bytes / GiB
    return Hints(p.setup_ns + sync_ns + p.request_ns, each_ns, count, min(stale, blocks), blocks)


def chase(p: Params, memory: tuple[Stretch, ...], given: Hints) -> tuple[list[float], float]:
    """Pages of each region that the hints take out in time, and when the sender is through."""
    t = given.start_ns - p.request_ns
    skipped = []
    for stretch in memory:
        region = stretch.content
        speed = pages_per_s(p, region) / 1e9
        share = min(stretch.whole * BLOCK_PAGES / region.pages, 1.0)
        law = given.law(region.name == "stale") if share else (inf, inf, 0.0)
        end = through(t, region.pages, speed, share, law)
        skipped.append(max(region.pages - speed * (end - t), 0.0) if share else 0.0)
        t = end
    return skipped, t


def pages_per_s(p: Params, region: Region) -> float:
    """How fast the sender goes through such a region."""
    cost = costs(p).mix(region.nonzero / region.pages)
    return min(mean_bytes_per_s(p, cost) / cost.wire_bytes, FASTEST)


def through(t: float, pages: float, speed: float, share: float, law: tuple[float, float, float]) -> float:
    """When a sender that starts at `t` is through some pages: dx/dt = v / (1 - s h(t)), solved."""
    begin, end, top = law
    if t < begin:
        reach = speed * (begin - t)
        if reach >= pages or share * top == 0:
            return t + pages / speed
        pages, t = pages - reach, begin
    if t < end and share * top > 0:
        slope = share * top / (end - begin)
        left = 1 - slope * (t - begin)  # of the pages, still to be sent now
        last = max(1 - share * top, 1e-12)
        reach = -speed / slope * log1p((last - left) / left)
        if reach >= pages:
            return t + left / slope * (1 - exp(-slope * pages / speed))
        pages, t = pages - reach, end
    return t + pages * (1 - share * top) / speed
