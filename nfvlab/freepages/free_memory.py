"""The guest's free memory as its buddy allocator holds it: by frame, in blocks, with holes.

The life of the guest (guest_memory) is played on what the boot left (precopy.memory): an application that has ended
took its memory from the free lists, wrote it and gave it back; a share of the free 4 MiB blocks is broken up by one
long-lived page each.
"""

import numpy as np

from nfvlab.freepages.guest_memory import GuestMemory
from nfvlab.freepages.params import Params
from nfvlab.freepages.physmap import PAGE_BYTES, pc_map
from nfvlab.kernels import buddy
from nfvlab.precopy.memory import guest_memory, layout

BLOCK_PAGES = 1 << buddy.MAX_ORDER


class FreeMemory(GuestMemory):
    """The guest's frames under their allocator, as its balloon driver uses them during a migration."""

    @property
    def blocks(self) -> int:
        """Blocks on all free lists."""
        return int(self.lists.live.sum())

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
    free = FreeMemory(memory_map, boot.used, boot.nonzero)
    if p.touched_freed:
        free.end(free.fill(int(p.touched_bytes // PAGE_BYTES), written=p.touched_content))
    free.pin(p.fragmentation_frac, rng)
    stale, size = layout(p).stale
    for zone in free.zones:
        _shuffle(free.lists, int(zone), (memory_map.pfn_of(stale), size), rng)
    boot.nonzero[: free.nonzero.size] = free.nonzero  # the firmware's pages behind them are zero
    return boot.nonzero, free


def _shuffle(lists: buddy.Lists, zone: int, stale: tuple[int, int], rng: np.random.Generator) -> None:
    """Blocks of the largest order as a working guest has them: at random, but what the boot freed last comes first."""
    blocks = rng.permutation(buddy.walk(lists, zone, buddy.MAX_ORDER))
    buddy.alloc(lists, np.array([zone]), buddy.MAX_ORDER, np.empty(blocks.size, dtype=np.int64))
    first, pages = stale
    fresh = (blocks + BLOCK_PAGES > first) & (blocks < first + pages)
    ordered = np.concatenate([blocks[~fresh], blocks[fresh]])
    buddy.free(lists, ordered, np.full(blocks.size, buddy.MAX_ORDER))
