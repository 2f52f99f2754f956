"""Where a guest's non-zero pages lie: the picture that the sender walks through.

Seen in the recordings' timelines (bytes, normal and zero pages against the walk): a dense cluster at the bottom
(kernel image and early allocations, 64 % non-zero), then pages that the boot freed again, which are
what applications get first; then what applications touched; one cluster somewhere in
the free memory (initramfs, page cache), and the array of `struct page` at the very top.
"""

from dataclasses import dataclass

import numpy as np

from nfvlab.kernels import pagemap
from nfvlab.precopy.params import PAGE_BYTES, Params, ram_pages, top_pages

LOW_DENSITY = 0.64
RUN_PAGES = 128


@dataclass(frozen=True)
class Layout:
    """First page and number of pages of each region."""

    stale: tuple[int, int]
    touched: tuple[int, int]
    working_set: tuple[int, int]
    background: tuple[int, int]
    top: tuple[int, int]


def layout(p: Params) -> Layout:
    """The regions of the guest's memory, from the bottom up."""
    pages = int(p.ram_bytes // PAGE_BYTES)
    touched = int(p.touched_bytes // PAGE_BYTES)
    wss = int(p.wss_bytes // PAGE_BYTES)
    top = top_pages(p)
    in_place = wss if p.touched_freed else touched + wss
    span = min(
        round(p.boot_low_pages / LOW_DENSITY), pages - top - p.boot_middle_pages - max(in_place, touched)
    )
    span = max(span, p.boot_low_pages)
    working_set = span if p.touched_freed else span + touched
    background = min(int(p.background_wss_bytes // PAGE_BYTES), span)
    stale = min(p.boot_stale_pages, pages - top - p.boot_middle_pages - span)
    return Layout((span, stale), (span, touched), (working_set, wss), (0, background), (pages - top, top))


@dataclass(frozen=True)
class Memory:
    """Bitmaps over the pages of all RAM blocks when the migration starts: uint64, one bit a page.

    nonzero: pages whose content is not zero. used: pages that the guest's kernel or an application holds.
    """

    nonzero: np.ndarray
    used: np.ndarray


def guest_memory(p: Params, rng: np.random.Generator) -> Memory:
    """The guest's memory: what is used, and what is not zero although it is free."""
    where = layout(p)
    used = pagemap.zeros(ram_pages(p))
    _scatter(used, where.touched[0], p.boot_low_pages, rng)
    _fill(used, where.top)
    low = max(sum(where.stale), sum(where.touched), sum(where.working_set))
    room = where.top[0] - low - p.boot_middle_pages
    middle = low + int(rng.integers(0, max(room, 0) + 1))
    _fill(used, (middle, p.boot_middle_pages))
    nonzero = used.copy()
    _fill(nonzero, where.stale)
    _fill(nonzero, where.touched, p.touched_content == "random")
    _fill(nonzero, where.working_set)
    if p.touched_freed:
        _fill(used, (low, min(p.ended_pages, middle - low)))
    else:
        _fill(used, where.touched)
    _fill(used, where.working_set)
    _fill(used, (int(p.ram_bytes // PAGE_BYTES), p.rom_pages))
    return Memory(nonzero, used)


def _fill(words, region, nonzero=True):
    start, size = region
    (pagemap.set_range if nonzero else pagemap.clear_range)(words, start, start + size)


def _scatter(words, span, wanted, rng):
    """Set `wanted` of the first `span` bits, in runs with gaps between them."""
    runs = max(1, wanted // RUN_PAGES)
    lengths = _parts(wanted, runs, rng)
    gaps = _parts(span - wanted, runs, rng)
    at = 0
    for length, gap in zip(lengths, gaps, strict=True):
        pagemap.set_range(words, at, at + int(length))
        at += int(length + gap)


def _parts(total, parts, rng):
    """`total` split at random into `parts` whole numbers."""
    cuts = np.sort(rng.integers(0, total + 1, parts - 1))
    return np.diff(np.concatenate(([0], cuts, [total])))
