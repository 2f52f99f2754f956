"""The guest's memory in address order: pre-copy's regions, and where an application that has ended left its content.

An application takes its memory from the highest zone first, and from the bottom of each zone up (Linux gives a fresh
zone's lowest blocks first), in huge pages as far as there are any. When it ends, its pages are free, with what was
written to them. Not followed: an application that takes all there is, down to the gaps of the lowest cluster.
"""

from collections.abc import Iterator
from typing import NamedTuple

from nfvlab.freepages.params import Params
from nfvlab.precopy.params import PAGE_BYTES, top_pages
from nfvlab.precopy.regions import LOW_DENSITY, Region
from nfvlab.precopy.regions import regions as in_use
from nfvlab.units import GiB, MiB

HUGE_PAGES = 512  # a transparent huge page
DMA_PAGES = 16 * MiB // PAGE_BYTES  # ZONE_DMA, which serves no ordinary allocation
NEVER = 9
FREE = ("stale", "zero", "freed")


def below_4g_pages(p: Params) -> int:
    """Pages of the RAM block that lie below 4 GiB: QEMU hw/i386/pc_q35.c, pc_piix.c."""
    most, split = (2.75 * GiB, 2 * GiB) if p.machine == "q35" else (3.5 * GiB, 3 * GiB)
    return int(min(p.ram_bytes, split if p.ram_bytes >= most else most) // PAGE_BYTES)


def regions(p: Params) -> tuple[Region, ...]:
    """Regions from address 0 up, firmware last; those named in `FREE` are on the guest's free lists."""
    if not p.touched_freed:
        return in_use(p)
    return tuple(_filled(p, _booted(p)))


def _booted(p: Params) -> list[Region]:
    """The guest without the application; pages that it leaves in use stay right above the boot's."""
    guest, working = int(p.ram_bytes // PAGE_BYTES), int(p.wss_bytes // PAGE_BYTES)
    top = top_pages(p)
    room = guest - working - p.boot_middle_pages - top
    low = max(min(round(p.boot_low_pages / LOW_DENSITY), room), p.boot_low_pages)
    stale = min(max(p.boot_stale_pages - working, 0), max(room - low, 0))
    ended = min(p.ended_pages, max(room - low - stale, 0))
    zero = max(room - low - stale - ended, 0)
    found = (
        Region("low", low, p.boot_low_pages, min(p.background_wss_bytes // PAGE_BYTES, low)),
        Region("working set", working, working, working),
        Region("stale", stale, stale),
        Region("ended", ended, 0),
        Region("zero", zero / 2, 0),
        Region("middle", p.boot_middle_pages, p.boot_middle_pages),
        Region("zero", zero / 2, 0),
        Region("top", top, top),
        Region("firmware", p.rom_pages, 0),
    )
    return [region for region in found if region.pages > 0]


class Piece(NamedTuple):
    """A part of a region, where it starts, and when an application takes it: lower turns first, NEVER never."""

    start: float
    part: Region
    turn: int


def _filled(p: Params, memory: list[Region]) -> list[Region]:
    """The same after an application took, wrote and gave back its memory."""
    left = p.touched_bytes // PAGE_BYTES
    content = 1.0 if p.touched_content == "random" else 0.0
    pieces, taken = list(_pieces(p, memory)), {}
    for piece in sorted(pieces, key=lambda piece: (piece.turn, piece.start)):
        taken[piece.start] = min(left, piece.part.pages) if piece.turn < NEVER else 0.0
        left -= taken[piece.start]
    found = []
    for start, part, _ in pieces:
        if taken[start]:
            found.append(Region("freed", taken[start], content * taken[start]))
        if part.pages > taken[start]:
            found.append(_part(part, part.pages - taken[start]))
    return found


def _pieces(p: Params, memory: list[Region]) -> Iterator[Piece]:
    """Huge pages above 4 GiB, then below; then what is too small for one, at the ends of a run; ZONE_DMA never."""
    split, start = below_4g_pages(p), 0.0
    free = [*(region.name in FREE for region in memory), False]
    for i, region in enumerate(memory):
        end = start + region.pages
        low, high = max(start, DMA_PAGES), end
        if free[i] and not (i and free[i - 1] and start > DMA_PAGES):
            low += -low % HUGE_PAGES
        if free[i] and not free[i + 1]:
            high -= high % HUGE_PAGES
        for part in _cut(region, *(place - start for place in (DMA_PAGES, split, low, high))):
            zone = 0 if start >= split else 1
            turn = zone if low <= start < high else 2 + zone
            yield Piece(start, part, turn if free[i] and start >= DMA_PAGES else NEVER)
            start += part.pages
        start = end


def _cut(region: Region, *places: float) -> list[Region]:
    """The region in pieces that end at places within it."""
    edges = sorted(
        {0.0, *(float(place) for place in places if 0 < place < region.pages), float(region.pages)}
    )
    return [_part(region, high - low) for low, high in zip(edges, edges[1:], strict=False)]


def _part(region: Region, pages: float) -> Region:
    """So many of its pages."""
    share = pages / region.pages
    return Region(region.name, pages, region.nonzero * share, region.written * share)
