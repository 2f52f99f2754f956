"""The guest's memory as runs of like pages, in address order: all that the first pass of a migration depends on."""

from typing import NamedTuple

from nfvlab.precopy.params import PAGE_BYTES, Params, top_pages

LOW_DENSITY = 0.64  # non-zero share of the lowest cluster: zero pages are strewn among the kernel's own


class Region(NamedTuple):
    """`pages` pages, `nonzero` of them with content, strewn evenly; to the first `written` the guest goes on writing.

    `name` is what they hold; the region "low" is where the guest's own kernel writes.
    """

    name: str
    pages: float
    nonzero: float
    written: float = 0.0

    def cut(self, sent: float) -> "Region":
        """What is left of it after its first `sent` pages."""
        left = self.pages - sent
        return Region(self.name, left, self.nonzero * left / self.pages, max(self.written - sent, 0.0))


def regions(p: Params) -> tuple[Region, ...]:
    """Regions from address 0 up, firmware last; `pages` adds up to `ram_pages(p)`.

    The cluster whose place varies from boot to boot (initramfs, page cache) is put in the middle of the zero pages.
    """
    guest = int(p.ram_bytes // PAGE_BYTES)
    touched, working = p.touched_bytes // PAGE_BYTES, p.wss_bytes // PAGE_BYTES
    used = max(touched, working) if p.touched_freed else touched + working
    top = top_pages(p)
    room = guest - used - p.boot_middle_pages - top
    low = max(min(round(p.boot_low_pages / LOW_DENSITY), room), p.boot_low_pages)
    stale = min(max(p.boot_stale_pages - used, 0), max(room - low, 0))
    zero = max(room - low - stale, 0)
    filled = 1.0 if p.touched_content == "random" else 0.0
    first = working if p.touched_freed else 0  # the working set reuses the first pages that were freed
    kept = max(touched - first, 0)
    data = Region("touched", kept, filled * kept)
    work = Region("working set", working, working, working)
    found = (
        Region("low", low, p.boot_low_pages, min(p.background_wss_bytes // PAGE_BYTES, low)),
        *((work, data) if p.touched_freed else (data, work)),
        Region("stale", stale, stale),
        Region("zero", zero / 2, 0),
        Region("middle", p.boot_middle_pages, p.boot_middle_pages),
        Region("zero", zero / 2, 0),
        Region("top", top, top),
        Region("firmware", p.rom_pages, 0),
    )
    return tuple(region for region in found if region.pages > 0)
