"""What the guest's allocator holds free, region by region, and in how many blocks: expectations only.

A buddy allocator keeps free memory in blocks of 2^k pages at addresses that are multiples of 2^k, and merges
two halves as soon as both are free, up to order 10. A run of L free pages that starts anywhere holds
e_k = max(0, L - 2^k + 1) / 2^k whole multiples of 2^k on average; two of them make one of the next order, so that
e_k - 2 e_(k+1) stay of order k, which adds up to L - (e_1 + ... + e_10) blocks.
"""

from collections.abc import Iterator
from typing import NamedTuple

from nfvlab.freepages.params import Params
from nfvlab.freepages.regions import FREE, regions
from nfvlab.precopy.params import PAGE_BYTES
from nfvlab.precopy.regions import Region
from nfvlab.units import KiB, MiB

TOP_ORDER = 10
BLOCK_PAGES = 1 << TOP_ORDER
ORDERS = tuple(1 << k for k in range(1, TOP_ORDER + 1))
LOW_RUN_PAGES = 128  # mean run of used pages in the lowest cluster
RESERVED = (640 * KiB // PAGE_BYTES, MiB // PAGE_BYTES)  # frames that the firmware keeps from the guest
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
    free = [region.name in FREE for region in memory]
    found: list[Stretch] = []
    start, i = 0.0, 0
    while i < len(memory):
        j = i + 1
        while free[i] and j < len(memory) and free[j]:
            j += 1
        end = start + sum(region.pages for region in memory[i:j])
        if free[i]:
            ends_known = memory[i - 1].name != "middle", memory[j % len(memory)].name != "middle"
            found += _free_run(p, memory[i:j], start, _run_blocks(start, end, *ends_known))
        elif memory[i].name == "low":
            found.append(_low(memory[i]))
        else:
            found.append(Stretch(memory[i], memory[i]))
        start, i = end, j
    return tuple(found)


def _low(region: Region) -> Stretch:
    """The lowest cluster: runs of used pages with gaps between them, whose lengths are geometric."""
    share = 1 - region.nonzero / region.pages
    free = max(region.pages * share - _reserved(0.0, region.pages) * share, 0.0)
    gaps = max(region.nonzero // LOW_RUN_PAGES, 1)
    mean = free / gaps
    whole = mean * (mean / (mean + 1)) ** (BLOCK_PAGES - 1) / BLOCK_PAGES
    used = region._replace(pages=region.pages - free, written=min(region.written, region.pages - free))
    return Stretch(region, used, free, gaps * blocks_in_gap(mean), gaps * whole)


def _free_run(p: Params, run, start: float, blocks: tuple[float, float]) -> Iterator[Stretch]:
    """Regions that are free but for a long-lived page in a share of the whole blocks."""
    total, (whole, smaller) = sum(region.pages for region in run), blocks
    for region in run:
        part = region.pages / total
        broken = p.fragmentation_frac * whole * part
        kept = broken + _reserved(start, region.pages)
        filled = region.nonzero / region.pages
        yield Stretch(
            content=region._replace(nonzero=region.nonzero + broken * (1 - filled)),
            used=Region(region.name, kept, broken + (kept - broken) * filled),
            free=max(region.pages - kept, 0.0),
            blocks=part * (whole + smaller) + (TOP_ORDER - 1) * broken,
            whole=whole * part - broken,
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
    """Expected blocks of a run of free pages that starts anywhere: (L + 1) / 1024 + 9 for a long one."""
    return pages - sum(max(0.0, pages - size + 1) / size for size in ORDERS)


def blocks_in_gap(mean_pages: float) -> float:
    """Expected blocks of a run of random length: for a geometric one, E max(0, L - x) = m (m / (m + 1))^x."""
    ratio = mean_pages / (mean_pages + 1)
    return mean_pages * (1 - sum(ratio ** (size - 1) / size for size in ORDERS))
