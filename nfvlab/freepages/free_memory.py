"""The guest's free memory as its buddy allocator holds it: by frame, in blocks, with holes.

The life of the guest (guest_memory) is played on what the boot left (precopy.memory): an application that has ended
took its memory from the free lists, wrote it and gave it back; a share of the free 4 MiB blocks is broken up by one
long-lived page each.
"""

from dataclasses import dataclass

import numpy as np

from nfvlab.freepages.guest_memory import GuestMemory
from nfvlab.freepages.params import Params
from nfvlab.freepages.physmap import PAGE_BYTES, MemoryMap, pc_map
from nfvlab.kernels import buddy, pagemap
from nfvlab.precopy.memory import guest_memory, layout

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


def guest_with_free_lists(p: Params, rng: np.random.Generator) -> tuple[np.ndarray, FreeMemory]:
    """The guest when the migration starts: bitmap of its non-zero pages (all RAM blocks), and its free lists."""
    memory_map = pc_map(int(p.ram_bytes), p.machine)
    boot = guest_memory(p.replace(touched_bytes=0.0) if p.touched_freed else p, rng)
    life = GuestMemory(memory_map, boot.used, boot.nonzero)
    if p.touched_freed:
        life.end(life.fill(int(p.touched_bytes // PAGE_BYTES), written=p.touched_content))
    life.pin(p.fragmentation_frac, rng)
    free = FreeMemory(life.lists, memory_map)
    stale, size = layout(p).stale
    for zone in free.zones:
        _shuffle(free.lists, int(zone), (memory_map.pfn_of(stale), size), rng)
    boot.nonzero[: life.nonzero.size] = life.nonzero  # the firmware's pages behind them are zero
    return boot.nonzero, free


def _shuffle(lists: buddy.Lists, zone: int, stale: tuple[int, int], rng: np.random.Generator) -> None:
    """Blocks of the largest order as a working guest has them: at random, but what the boot freed last comes first."""
    blocks = rng.permutation(buddy.walk(lists, zone, buddy.MAX_ORDER))
    buddy.alloc(lists, np.array([zone]), buddy.MAX_ORDER, np.empty(blocks.size, dtype=np.int64))
    first, pages = stale
    fresh = (blocks + BLOCK_PAGES > first) & (blocks < first + pages)
    ordered = np.concatenate([blocks[~fresh], blocks[fresh]])
    buddy.free(lists, ordered, np.full(blocks.size, buddy.MAX_ORDER))
