"""The guest's free memory as its buddy allocator holds it: by frame, in blocks, with holes.

Built from the pages that are used (precopy.memory): every run of unused frames goes to the free lists, and a share of
the free 4 MiB blocks is broken up by one long-lived page each, as a guest that has worked for a while has them.
"""

from dataclasses import dataclass

import numpy as np

from nfvlab.freepages.params import Params
from nfvlab.freepages.physmap import MemoryMap, pc_map
from nfvlab.kernels import buddy, pagemap
from nfvlab.precopy.memory import Memory, layout

DMA_END = 1 << 12  # ZONE_DMA ends at 16 MiB
DMA32_END = 1 << 20  # ZONE_DMA32 ends at 4 GiB
BLOCK_PAGES = 1 << buddy.MAX_ORDER


@dataclass
class FreeMemory:
    """Free lists by zone, and where the guest's frames lie in the RAM block."""

    lists: buddy.Lists
    memory_map: MemoryMap

    @property
    def zones(self) -> np.ndarray:
        """Zones that an allocation without constraint tries, highest first; lowmem_reserve keeps ZONE_DMA out."""
        return np.arange(self.lists.live.shape[0] - 1, 0, -1)

    @property
    def blocks(self) -> int:
        """Blocks on all free lists."""
        return int(self.lists.live.sum())

    @property
    def free_pages(self) -> int:
        """Free pages altogether."""
        return buddy.free_frames(self.lists)

    def raw_bitmap(self) -> np.ndarray:
        """What the walk of the free lists writes: one bit a guest frame, holes included."""
        words = pagemap.zeros(self.memory_map.end_pfn)
        buddy.paint(self.lists, words)
        return words

    def allocate_block(self, watermark_pages: int) -> int | None:
        """First frame of a free 4 MiB block, or None: mm/page_alloc.c __zone_watermark_ok, over the zones together."""
        if self.allocatable_pages - (BLOCK_PAGES - 1) <= watermark_pages:
            return None
        frame = np.empty(1, dtype=np.int64)
        return int(frame[0]) if buddy.alloc(self.lists, self.zones, buddy.MAX_ORDER, frame) else None

    @property
    def allocatable_pages(self) -> int:
        """Free pages outside ZONE_DMA."""
        by_order = self.lists.live[1:].sum(axis=0)
        return int((by_order << np.arange(by_order.size)).sum())


def free_memory(p: Params, memory: Memory, rng: np.random.Generator) -> FreeMemory:
    """The free lists that match `memory`; breaking up blocks marks the pages that do it as used and non-zero."""
    memory_map = pc_map(int(p.ram_bytes), p.machine)
    free = FreeMemory(buddy.make(_zone_edges(memory_map.end_pfn)), memory_map)
    for region in reversed(memory_map.regions):
        unused = ~memory.used[region.first_page >> 6 : -(-region.end_page // 64)]
        starts, lengths = pagemap.runs(unused, region.pages + (region.first_page & 63))
        first = region.first_pfn - (region.first_page & 63)
        for start, length in zip(starts[::-1], lengths[::-1], strict=True):
            buddy.free_range(free.lists, max(first + start, region.first_pfn), first + start + length)
    for start, pages in memory_map.reserved:
        buddy.reserve(free.lists, start, start + pages)
    _break_up(p.fragmentation_frac, free, memory, rng)
    stale, size = layout(p).stale
    for zone in free.zones:
        _shuffle(free.lists, int(zone), (memory_map.pfn_of(stale), size), rng)
    return free


def _shuffle(lists: buddy.Lists, zone: int, stale: tuple[int, int], rng: np.random.Generator) -> None:
    """Blocks of the largest order as a working guest has them: at random, but what the boot freed last comes first."""
    blocks = rng.permutation(buddy.walk(lists, zone, buddy.MAX_ORDER))
    buddy.alloc(lists, np.array([zone]), buddy.MAX_ORDER, np.empty(blocks.size, dtype=np.int64))
    first, pages = stale
    fresh = (blocks + BLOCK_PAGES > first) & (blocks < first + pages)
    ordered = np.concatenate([blocks[~fresh], blocks[fresh]])
    buddy.free(lists, ordered, np.full(blocks.size, buddy.MAX_ORDER))


def _zone_edges(end_pfn: int) -> list[int]:
    end = -(-end_pfn // BLOCK_PAGES) * BLOCK_PAGES
    return [0, *(edge for edge in (DMA_END, DMA32_END) if edge < end), end]


def _break_up(share: float, free: FreeMemory, memory: Memory, rng: np.random.Generator) -> None:
    """One used page at a random place in a random share of the free blocks of the largest order."""
    largest = [buddy.walk(free.lists, int(z), buddy.MAX_ORDER) for z in free.zones]
    blocks = np.concatenate(largest) if largest else np.empty(0, dtype=np.int64)
    chosen = rng.choice(blocks, size=round(share * blocks.size), replace=False)
    frames = np.sort(chosen + rng.integers(0, BLOCK_PAGES, chosen.size))
    buddy.reserve_each(free.lists, frames)
    pages = np.array([free.memory_map.page_of(int(frame)) for frame in frames], dtype=np.int64)
    pagemap.set_bits(memory.used, pages)
    pagemap.set_bits(memory.nonzero, pages)
