"""From guest frame numbers to offsets in the RAM block, across the hole below 4 GiB.

A guest counts its memory by page frame number (PFN), the host's migration bitmap by page of the RAM block
`pc.ram`. The two agree up to the PCI hole; above 4 GiB they differ by its size. A free-page bitmap is raw,
that is by PFN, so it must be folded before it can filter the migration bitmap: taken as it is, it drops
pages that are in use.

The split is that of QEMU's machines (hw/i386/pc_q35.c `pc_q35_init`, hw/i386/pc_piix.c `pc_init1`), the
start of the upper part `above_4g_mem_start` of hw/i386/x86.c (4 GiB; AMD guests near 1 TiB of addresses
are moved up, which `above_4g_start_bytes` expresses). Bitmaps are packed uint64 arrays: bit i of word w is
page 64 w + i.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from nfvlab.kernels.bitcopy import copy_bits
from nfvlab.kernels.pagemap import count, count_range, words_for
from nfvlab.params import ParamError, Problem
from nfvlab.units import GiB, KiB, MiB

PAGE_BYTES = 4096
LEGACY_HOLE_PAGES = (640 * KiB // PAGE_BYTES, MiB // PAGE_BYTES)


@dataclass(frozen=True)
class Region:
    """Guest frames `first_pfn` to `first_pfn + pages - 1` are pages `first_page` onwards of the RAM block."""

    first_pfn: int
    pages: int
    first_page: int

    @property
    def end_pfn(self) -> int:
        """The frame behind the last one."""
        return self.first_pfn + self.pages

    @property
    def end_page(self) -> int:
        """The page behind the last one."""
        return self.first_page + self.pages


class MemoryMap:
    """Where the guest's frames lie in the RAM block; frames in no region are holes.

    `reserved` frames (pairs of first and count) are backed by RAM, but the guest's firmware map does not
    give them to the guest, so that they can never be free. `ParamError` lists all that is wrong with the
    regions.
    """

    def __init__(self, regions: Iterable[Region], reserved: Iterable[tuple[int, int]] = ()):
        self.regions = tuple(sorted(regions, key=lambda region: region.first_pfn))
        self.reserved = tuple(reserved)
        problems = list(_problems(self.regions))
        if problems:
            raise ParamError(problems, "memory map")

    def __repr__(self) -> str:
        return f"MemoryMap({list(self.regions)}, reserved={list(self.reserved)})"

    def __eq__(self, other: object) -> bool:
        same = isinstance(other, MemoryMap)
        return same and (self.regions, self.reserved) == (other.regions, other.reserved)

    def __hash__(self) -> int:
        return hash((self.regions, self.reserved))

    @property
    def ram_pages(self) -> int:
        """Pages of the RAM block."""
        return sum(region.pages for region in self.regions)

    @property
    def end_pfn(self) -> int:
        """The frame behind the guest's last one: the length of a raw bitmap in bits."""
        return self.regions[-1].end_pfn

    @property
    def holes(self) -> tuple[tuple[int, int], ...]:
        """The holes between regions, as pairs of first frame and count."""
        edges = [0, *(edge for region in self.regions for edge in (region.first_pfn, region.end_pfn))]
        pairs = zip(edges[::2], edges[1::2], strict=False)
        return tuple((start, stop - start) for start, stop in pairs if stop > start)

    def page_of(self, pfn: int) -> int:
        """The page of the RAM block behind a guest frame; `ParamError` for a frame in a hole or beyond."""
        for region in self.regions:
            if region.first_pfn <= pfn < region.end_pfn:
                return region.first_page + pfn - region.first_pfn
        spans = ", ".join(f"{region.first_pfn}-{region.end_pfn - 1}" for region in self.regions)
        rule = f"must lie in one of the guest's regions {spans}"
        raise ParamError([Problem("pfn", pfn, rule, "give a frame that is RAM")], "memory map")

    def pfn_of(self, page: int) -> int:
        """The guest frame in front of a page of the RAM block."""
        for region in self.regions:
            if region.first_page <= page < region.end_page:
                return region.first_pfn + page - region.first_page
        rule = f"must be 0 to {self.ram_pages - 1}"
        raise ParamError([Problem("page", page, rule, "give a page of the RAM block")], "memory map")

    def to_ram_block(self, raw: np.ndarray) -> np.ndarray:
        """A bitmap by guest frame as one by page of the RAM block.

        A bitmap that ends early says nothing of the frames behind its end. One that is too long, or that
        marks a frame in a hole or a reserved one, does not describe this guest: `ParamError` names every
        fault.
        """
        self.check(raw)
        folded = np.zeros(words_for(self.ram_pages), dtype=np.uint64)
        for region in self.regions:
            copy_bits(raw, region.first_pfn, folded, region.first_page, region.pages)
        return folded

    def to_guest(self, folded: np.ndarray) -> np.ndarray:
        """A bitmap by page of the RAM block as one by guest frame: the inverse of `to_ram_block`."""
        _check_words(folded, "folded", words_for(self.ram_pages))
        raw = np.zeros(words_for(self.end_pfn), dtype=np.uint64)
        for region in self.regions:
            copy_bits(folded, region.first_page, raw, region.first_pfn, region.pages)
        return raw

    def check(self, raw: np.ndarray) -> None:
        """Refuse a raw bitmap that cannot be this guest's; all faults at once."""
        _check_words(raw, "raw", words_for(self.end_pfn))
        remedy = "ask the guest again, with its memory map beside it; do not migrate by this bitmap"
        problems = []
        for first, pages in (*self.holes, (self.end_pfn, -self.end_pfn % 64)):
            if hits := _hits(raw, first, pages):
                where = f"{_address(first)}-{_address(first + pages)}"
                rule = f"marks {hits} frames as free where the guest has no RAM ({where})"
                problems.append(Problem("raw", f"a bitmap of {raw.size} words", rule, remedy))
        for first, pages in self.reserved:
            if hits := _hits(raw, first, pages):
                where = f"{_address(first)}-{_address(first + pages)}"
                rule = f"marks {hits} frames as free that the firmware keeps from the guest ({where})"
                problems.append(Problem("raw", f"a bitmap of {raw.size} words", rule, remedy))
        if problems:
            raise ParamError(problems, "free-page bitmap")


def lowmem_bytes(ram_bytes: int, machine: str = "q35", max_ram_below_4g_bytes: int | None = None) -> int:
    """The split of a PC: how much RAM lies below 4 GiB when not all of it fits.

    q35: 2 GiB when there are 2.75 GiB or more, else 2.75 GiB, and never above `max-ram-below-4g`. i440fx
    ("pc"): `max-ram-below-4g` (3.5 GiB), lowered to 3 GiB when the RAM reaches it.
    """
    if machine == "q35":
        lowmem = 0x80000000 if ram_bytes >= 0xB0000000 else 0xB0000000
        return min(lowmem, max_ram_below_4g_bytes or 4 * GiB)
    lowmem = max_ram_below_4g_bytes or 0xE0000000
    return min(lowmem, 0xC0000000) if ram_bytes >= lowmem else lowmem


def pc_map(
    ram_bytes: int,
    machine: str = "q35",
    *,
    max_ram_below_4g_bytes: int | None = None,
    above_4g_start_bytes: int = 4 * GiB,
) -> MemoryMap:
    """The memory map of a QEMU PC, `machine` "q35" or "i440fx".

    640 KiB to 1 MiB are RAM of the block behind the VGA window and the firmware's shadow; the firmware map
    (e820) keeps them from the guest.
    """
    problems = list(_pc_problems(ram_bytes, machine, max_ram_below_4g_bytes, above_4g_start_bytes))
    if problems:
        raise ParamError(problems, "memory map")
    pages = ram_bytes // PAGE_BYTES
    low = min(pages, lowmem_bytes(ram_bytes, machine, max_ram_below_4g_bytes) // PAGE_BYTES)
    regions = [Region(0, low, 0)]
    if pages > low:
        regions.append(Region(above_4g_start_bytes // PAGE_BYTES, pages - low, low))
    first, stop = LEGACY_HOLE_PAGES
    return MemoryMap(regions, reserved=[(first, stop - first)])


def filter_bitmap(migration: np.ndarray, raw: np.ndarray, memory_map: MemoryMap) -> tuple[np.ndarray, int]:
    """The migration bitmap (by page of the RAM block) without the free pages, and how many that drops.

    Only for the bulk stage, before the dirty log is first merged: later a set bit may stand for a write
    that the guest made after it had reported the page free.
    """
    _check_words(migration, "migration", words_for(memory_map.ram_pages))
    kept = migration & ~memory_map.to_ram_block(raw)
    return kept, int(count(migration)) - int(count(kept))


def _problems(regions: tuple[Region, ...]) -> Iterable[Problem]:
    """What is wrong with the regions of a map."""
    if not regions:
        yield Problem("regions", (), "must hold at least one region", "give the guest some RAM")
    for region in regions:
        if region.pages <= 0 or region.first_pfn < 0 or region.first_page < 0:
            yield Problem("regions", region, "must hold pages, from frame 0 or above on", "mend its numbers")
    for low, high in zip(regions, regions[1:], strict=False):
        if high.first_pfn < low.end_pfn:
            rule = f"overlaps {low} in guest frames"
            yield Problem("regions", high, rule, "give each frame to one region")
    by_page = sorted(regions, key=lambda region: region.first_page)
    if by_page and by_page[0].first_page != 0:
        yield Problem("regions", by_page[0], "must start the RAM block at page 0", "shift it down")
    for low, high in zip(by_page, by_page[1:], strict=False):
        if high.first_page != low.end_page:
            word = "overlaps" if high.first_page < low.end_page else "leaves a gap behind"
            rule = f"{word} {low} in the RAM block"
            yield Problem("regions", high, rule, f"start it at page {low.end_page}")


def _pc_problems(ram_bytes, machine, max_ram_below_4g_bytes, above_4g_start_bytes) -> Iterable[Problem]:
    """What is wrong with the description of a PC."""
    if machine not in ("q35", "i440fx"):
        yield Problem("machine", machine, "must be q35 or i440fx", "give a MemoryMap of your own")
    if ram_bytes < 2 * MiB or ram_bytes % PAGE_BYTES:
        yield Problem("ram_bytes", ram_bytes, "must be whole pages, 2 MiB or more", "round it up")
    limit = max_ram_below_4g_bytes
    if limit is not None and not (MiB <= limit <= 4 * GiB and limit % PAGE_BYTES == 0):
        rule = "must be whole pages from 1 MiB to 4 GiB"
        yield Problem("max_ram_below_4g_bytes", limit, rule, "leave it out for the machine's own split")
    if above_4g_start_bytes < 4 * GiB or above_4g_start_bytes % PAGE_BYTES:
        rule = "must be whole pages, 4 GiB or above"
        yield Problem("above_4g_start_bytes", above_4g_start_bytes, rule, "leave it out for 4 GiB")


def _check_words(words: np.ndarray, name: str, at_most: int) -> None:
    """Refuse what is not a packed bitmap of a fitting length."""
    if not isinstance(words, np.ndarray) or words.dtype != np.uint64 or words.ndim != 1:
        rule = "must be a one-dimensional array of uint64 words"
        shown = f"{type(words).__name__} of {getattr(words, 'dtype', 'no dtype')}"
        raise ParamError([Problem(name, shown, rule, "pack it: bit i of word w is page 64 w + i")], "bitmap")
    exact = name != "raw"
    if words.size > at_most or (exact and words.size != at_most):
        bound = "exactly" if exact else "at most"
        rule = f"must have {bound} {at_most} words for this guest"
        remedy = "use the memory map of the guest that reported it"
        raise ParamError([Problem(name, f"{words.size} words", rule, remedy)], "bitmap")


def _hits(words: np.ndarray, first: int, pages: int) -> int:
    """Set bits among some frames, as far as the bitmap reaches."""
    return int(count_range(words, first, max(first, min(first + pages, 64 * words.size))))


def _address(pfn: int) -> str:
    """A frame's guest physical address."""
    return f"{pfn * PAGE_BYTES:#x}"
