"""A guest that lives: its allocator boots, applications take memory, write it, and give it back.

What the free lists look like when a migration asks for them is history: the boot's long-lived pages, then
what applications took and freed in large and small pieces, with kernel pages (page tables, slabs, page
cache) that were allocated meanwhile and stay. `GuestMemory` plays that history on the buddy allocator,
block by block, and yields what the balloon driver would report: the blocks by order as their lists hold
them, and the raw bitmap.

Zones and their order are Linux's (include/linux/mmzone.h; x86: DMA below 16 MiB, DMA32 below 4 GiB,
NORMAL): an allocation without constraint tries the highest zone first, and the reserve for lower zones
(`lowmem_reserve`) keeps it out of ZONE_DMA. A fresh zone hands out its lowest blocks first
(`__free_pages_core` puts them at the tail).
"""

from dataclasses import dataclass

import numpy as np

from nfvlab.freepages.physmap import PAGE_BYTES, MemoryMap
from nfvlab.kernels import blocks, buddy, pagemap
from nfvlab.units import GiB, MiB

DMA_END = 16 * MiB // PAGE_BYTES
DMA32_END = 4 * GiB // PAGE_BYTES
HUGE_ORDER = 9  # a transparent huge page, 2 MiB


@dataclass(frozen=True)
class Allocation:
    """Blocks that an application holds, and those that the kernel took meanwhile and keeps."""

    frames: np.ndarray  # int64: first guest frame of each block, in the order they were taken
    orders: np.ndarray  # int64
    strays: np.ndarray  # int64: single frames

    @property
    def pages(self) -> int:
        """Pages that the application holds."""
        return int((1 << self.orders).sum())


class GuestMemory:
    """Guest frames under their allocator, and which pages of the RAM block are not zero.

    `used` and `nonzero` are packed bitmaps by page of the RAM block; what is not used is free from the
    start.
    """

    def __init__(self, memory_map: MemoryMap, used: np.ndarray, nonzero: np.ndarray | None = None):
        self.memory_map = memory_map
        words = pagemap.words_for(memory_map.ram_pages)
        self.nonzero = (used if nonzero is None else nonzero)[:words].copy()
        end = -(-memory_map.end_pfn >> buddy.MAX_ORDER) << buddy.MAX_ORDER
        self.lists = buddy.make([0, *(edge for edge in (DMA_END, DMA32_END) if edge < end), end])
        unused = memory_map.to_guest(~used[:words])
        starts, lengths = pagemap.runs(unused, memory_map.end_pfn)
        for start, length in zip(starts[::-1], lengths[::-1], strict=True):  # from the top: the lowest leads
            buddy.free_range(self.lists, start, start + length)
        for first, pages in memory_map.reserved:
            buddy.reserve(self.lists, first, first + pages)

    @property
    def zones(self) -> np.ndarray:
        """The zones that an ordinary allocation tries, in that order."""
        return np.arange(self.lists.live.shape[0] - 1, 0, -1)

    @property
    def free_pages(self) -> int:
        """Free pages."""
        return buddy.free_frames(self.lists)

    def pin(self, share: float, rng: np.random.Generator) -> int:
        """Break up a share of the free blocks of the largest order by one long-lived page each, placed at random.

        This is the fragmentation that defeats hints, which know whole blocks only. Returns how many it
        broke up.
        """
        whole = self.free_blocks()[buddy.MAX_ORDER]
        chosen = rng.choice(whole, size=round(share * whole.size), replace=False)
        frames = chosen + rng.integers(0, 1 << buddy.MAX_ORDER, chosen.size)
        taken = int(buddy.reserve_each(self.lists, frames))
        self._write(frames, np.zeros_like(frames), True)
        return taken

    def fill(
        self, pages: int, *, written: str = "random", huge: bool = True, strays: int = 0, grouped: bool = True
    ) -> Allocation:
        """An application takes so many pages and writes them, with "random" content or with "zero".

        `huge`: in transparent huge pages as far as there are any, the rest in single pages. `strays` single
        kernel pages are taken meanwhile and are not zero. `grouped`: from whole blocks of the largest order that
        the kernel steals for them, as Linux groups pages by mobility (`__rmqueue_fallback`); else by turns with
        the application's, evenly spread. It gets less if there is no more.
        """
        big = np.empty(pages >> HUGE_ORDER if huge else 0, dtype=np.int64)
        by_turns = 0 if grouped else strays * (big.size << HUGE_ORDER) // max(pages, 1)
        kept = self._grouped(strays) if grouped else np.empty(by_turns, dtype=np.int64)
        got, stray = buddy.alloc_two(self.lists, self.zones, HUGE_ORDER, big, 0, kept[:by_turns])
        stray = kept.size if grouped else stray
        small, orders, others = self._singles(pages - (got << HUGE_ORDER), strays - stray)
        allocation = Allocation(
            np.concatenate([big[:got], small]),
            np.concatenate([np.full(got, HUGE_ORDER), orders]),
            np.concatenate([kept[:stray], others]),
        )
        self._write(allocation.frames, allocation.orders, written == "random")
        self._write(allocation.strays, np.zeros_like(allocation.strays), True)
        return allocation

    def _grouped(self, strays: int) -> np.ndarray:
        """Single pages from blocks of the largest order; what is left of the last block stays free."""
        whole = np.empty(-(-strays >> buddy.MAX_ORDER), dtype=np.int64)
        whole = whole[: buddy.alloc(self.lists, self.zones, buddy.MAX_ORDER, whole)]
        frames = (whole[:, None] + np.arange(1 << buddy.MAX_ORDER)).ravel()
        if frames.size > strays:
            buddy.free_range(self.lists, frames[strays], frames[-1] + 1)
        return frames[:strays]

    def _singles(self, pages: int, strays: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Single pages, taken one by one, some evenly spread ones of them strays: blocks, orders, strays."""
        wanted = pages + strays
        frames, orders = np.empty(wanted, dtype=np.int64), np.empty(wanted, dtype=np.int64)
        n_blocks, got = buddy.take(self.lists, self.zones, wanted, frames, orders)
        frames, orders = frames[:n_blocks], orders[:n_blocks]
        if not strays:
            return frames.copy(), orders.copy(), np.empty(0, dtype=np.int64)
        ends = np.cumsum(1 << orders)  # the blocks' places in the sequence of single pages
        begins = ends - (1 << orders)

        def frame_of(places):
            return (frames - begins)[np.searchsorted(ends, places, side="right")] + places

        places = np.arange(1, strays + 1) * wanted // strays - 1
        places = places[places < got]
        edges = np.unique(np.concatenate([begins, places, places + 1, [got]]))
        runs = ~np.isin(edges[:-1], places)
        starts, lengths = frame_of(edges[:-1][runs]), np.diff(edges)[runs]
        return *blocks.cut(starts, starts + lengths, buddy.MAX_ORDER), frame_of(places)

    def end(self, allocation: Allocation) -> None:
        """The application ends: its pages are free again, with the content they have; the strays stay."""
        buddy.free(self.lists, allocation.frames, allocation.orders)

    def free_blocks(self) -> list[np.ndarray]:
        """First frames of the free blocks, by order (0 to 10), as the lists hold them, the highest zone first."""
        zones = range(self.lists.live.shape[0] - 1, -1, -1)
        orders = range(self.lists.live.shape[1])
        return [np.concatenate([buddy.walk(self.lists, z, order) for z in zones]) for order in orders]

    def raw_bitmap(self) -> np.ndarray:
        """The free pages by guest frame, holes included, as the talk's driver reports them."""
        words = pagemap.zeros(self.memory_map.end_pfn)
        buddy.paint(self.lists, words)
        return words

    def walk_ns(self, block_ns: float, page_ns: float, word_ns: float) -> float:
        """Time to walk the lists: per free block, per bit set for a free page, and per bitmap word handed over."""
        words = pagemap.words_for(self.memory_map.end_pfn)
        return block_ns * int(self.lists.live.sum()) + page_ns * self.free_pages + word_ns * words

    def _write(self, frames: np.ndarray, orders: np.ndarray, nonzero: bool) -> None:
        """Blocks get a content: not zero, or zero."""
        regions = self.memory_map.regions
        first = np.array([region.first_pfn for region in regions])
        shift = np.array([region.first_page - region.first_pfn for region in regions])
        pages = frames + shift[np.searchsorted(first, frames, side="right") - 1]
        blocks.mark(self.nonzero, pages, orders, nonzero)
