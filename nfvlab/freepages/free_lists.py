"""What the guest's allocator holds free, region by region, and in how many blocks: expectations only.

A buddy allocator keeps free memory in blocks of 2^k pages at addresses that are multiples of 2^k, and merges
two halves as soon as both are free, up to order 10. A page is therefore in a block of order k if its block of
that order is all free and (for k < 10) its block of order k + 1 is not.
"""

from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple

from nfvlab.freepages.params import Params
from nfvlab.precopy.params import PAGE_BYTES
from nfvlab.precopy.regions import Region, regions
from nfvlab.units import KiB, MiB

TOP_ORDER = 10
BLOCK_PAGES = 1 << TOP_ORDER
RESERVED = (640 * KiB // PAGE_BYTES, MiB // PAGE_BYTES)  # frames that the firmware keeps from the guest
DMA_PAGES = 16 * MiB // PAGE_BYTES  # ZONE_DMA, which serves no ordinary allocation
SOMEWHERE = (BLOCK_PAGES - 1) / 2  # from a random address to the next multiple of a block, on average


class Stretch(NamedTuple):
    """A region of the guest's memory as its allocator sees it.

    `content` is the region with the long-lived pages in it, `used` what of it is in use, so that it has to be
    sent; `free` counts its pages on the free lists, `blocks` the blocks there, `whole` those of order 10.
    """

    content: Region
    used: Region
    free: float = 0.0
    blocks: float = 0.0
    whole: float = 0.0


def stretches(p: Params) -> tuple[Stretch, ...]:
    """The guest's memory in address order."""
    memory = regions(p)
    found: list[Stretch] = []
    start = 0.0
    for free, group in groupby(range(len(memory)), lambda i: _is_free(p, memory[i])):
        places = list(group)
        run = [memory[i] for i in places]
        if free:
            end = start + sum(region.pages for region in run)
            apart = [memory[i].name for i in (places[0] - 1, (places[-1] + 1) % len(memory))]
            blocks = _run_blocks(start, end, *(name != "middle" for name in apart))
            found += _free_run(p, run, blocks, start)
        else:
            found += _used_run(run, start)
        start += sum(region.pages for region in run)
    return tuple(found)


def _is_free(p: Params, region: Region) -> bool:
    return region.name in ("stale", "zero") or (region.name == "touched" and p.touched_freed)


def _used_run(run: list[Region], start: float) -> Iterator[Stretch]:
    """Regions in use; in the lowest cluster, free pages are strewn among the used ones."""
    for region in run:
        if region.name == "low":
            share = 1 - region.nonzero / region.pages
            free = max(region.pages - region.nonzero - share * _reserved(start, region.pages), 0.0)
            left = region.pages - free
            used = region._replace(pages=left, written=min(region.written, left))
            yield Stretch(region, used, free, blocks_strewn(region.pages, free / region.pages))
        else:
            yield Stretch(region, region)
        start += region.pages


def _free_run(p: Params, run: list[Region], blocks: tuple[float, float], start: float) -> Iterator[Stretch]:
    """Regions that are free but for long-lived pages and for what an ended application left in use."""
    total, (whole, smaller) = sum(region.pages for region in run), blocks
    ended = p.ended_pages if p.touched_freed and p.touched_bytes else 0
    for region in run:
        part = region.pages / total
        broken = p.fragmentation_frac * whole * part
        kept = min(ended * part, region.pages - broken) + _reserved(start, region.pages)
        zero_frac = 1 - region.nonzero / region.pages
        yield Stretch(
            content=region._replace(nonzero=region.nonzero + broken * zero_frac),
            used=Region(region.name, broken + kept, broken + kept * (1 - zero_frac)),
            free=max(region.pages - broken - kept, 0.0),
            blocks=part * (whole + smaller) + (TOP_ORDER - 1) * broken,
            whole=max(whole * part - broken - kept / BLOCK_PAGES, 0.0),
        )
        start += region.pages


def _reserved(start: float, pages: float) -> float:
    """Reserved frames among some pages."""
    return max(min(start + pages, RESERVED[1]) - max(start, RESERVED[0]), 0.0)


def _run_blocks(start: float, end: float, left_known: bool, right_known: bool) -> tuple[float, float]:
    """Blocks of order 10, and smaller ones, of a run of free pages between two addresses.

    At a known end the smaller blocks are the ones of a binary number; at an end that lies anywhere, half of
    its ten digits.
    """
    lead, low = (-start % BLOCK_PAGES, _ones(-start)) if left_known else (SOMEWHERE, TOP_ORDER / 2)
    tail, high = (end % BLOCK_PAGES, _ones(end)) if right_known else (SOMEWHERE, TOP_ORDER / 2)
    whole = (end - start - lead - tail) / BLOCK_PAGES
    if whole >= 1:
        return whole, low + high
    whole = max(end - start - BLOCK_PAGES + 1, 0.0) / BLOCK_PAGES
    return whole, blocks_in_run(end - start) - whole


def _ones(pages: float) -> int:
    return (round(pages) % BLOCK_PAGES).bit_count()


def blocks_in_run(pages: float) -> float:
    """Expected blocks of a run of free pages that starts anywhere.

    A run of L pages holds e_k = max(0, L - 2^k + 1) / 2^k whole multiples of 2^k on average; two of them make
    one of the next order, so that e_k - 2 e_(k+1) stay of order k. They add up to L less the sum of e_1 to
    e_10, which is (L + 1) / 1024 + 9 for a long run.
    """
    return pages - sum(max(0.0, pages - (1 << k) + 1) / (1 << k) for k in range(1, TOP_ORDER + 1))


def blocks_strewn(pages: float, free_frac: float) -> float:
    """Expected blocks where each page is free with the same probability q, independently.

    A block of 2^k pages is free with q^(2^k) and stays apart if its other half is not: q^(2^k) (1 - q^(2^k)).
    """
    total = pages / BLOCK_PAGES * free_frac**BLOCK_PAGES
    for order in range(TOP_ORDER):
        free = free_frac ** (1 << order)
        total += pages / (1 << order) * free * (1 - free)
    return total


def free_outside_dma(memory: tuple[Stretch, ...]) -> float:
    """Free pages that an ordinary allocation may take."""
    start, total = 0.0, 0.0
    for stretch in memory:
        pages = stretch.content.pages
        inside = min(max(DMA_PAGES - start, 0.0), pages)
        total += stretch.free * (1 - inside / pages)
        start += pages
    return total
