"""In which order the guest's allocator gives out its free 4 MiB blocks: by zone, and what is stale first.

An allocation without constraint starts in the highest zone and goes down; lowmem_reserve keeps it out of ZONE_DMA
(Linux mm/page_alloc.c). Within a zone the blocks that were freed last come first; the rest lies at random.
"""

from typing import NamedTuple

from nfvlab.freepages.free_lists import Stretch
from nfvlab.freepages.params import Params
from nfvlab.freepages.regions import DMA_PAGES, below_4g_pages


class Part(NamedTuple):
    """A part of a stretch in one zone; `turn` orders the parts: lower turns are given out first, DMA never."""

    stretch: int
    pages: float
    turn: tuple[int, int]


DMA = (9, 0)


def parts(p: Params, memory: tuple[Stretch, ...]) -> tuple[Part, ...]:
    """The stretches in address order, cut where a zone or the stale pages begin or end."""
    dma32, stale = below_4g_pages(p), memory[0].content.pages if memory[0].content.name == "low" else 0.0
    cuts = sorted({DMA_PAGES, dma32, stale, stale + p.boot_stale_pages})
    found, start = [], 0.0
    for i, stretch in enumerate(memory):
        end = start + stretch.content.pages
        edges = [start, *(cut for cut in cuts if start < cut < end), end]
        for low, high in zip(edges, edges[1:], strict=False):
            rank = 0 if stale <= low < stale + p.boot_stale_pages else 1
            turn = DMA if low < DMA_PAGES else (1 if low < dma32 else 0, rank)
            found.append(Part(i, high - low, turn))
        start = end
    return tuple(found)
