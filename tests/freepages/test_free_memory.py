"""The guest's free lists match its memory, across the PCI hole and with broken-up blocks."""

import numpy as np
import pytest

from nfvlab.freepages.free_memory import BLOCK_PAGES, guest_with_free_lists
from nfvlab.freepages.params import Params
from nfvlab.kernels import buddy, pagemap
from nfvlab.precopy.memory import guest_memory, layout
from nfvlab.units import GiB, MiB

LEGACY = (160, 96)  # 640 KiB to 1 MiB, in frames


def made(seed=1, **fields):
    """Scenario, the guest's memory at boot (drawn alike), its non-zero pages and its free lists."""
    p = Params(**fields)
    boot = guest_memory(p, np.random.default_rng(seed))
    return p, boot, *guest_with_free_lists(p, np.random.default_rng(seed))


def folded(free):
    return free.memory_map.to_ram_block(free.raw_bitmap())  # refuses a bit in a hole


@pytest.mark.parametrize("machine", ["q35", "i440fx"])
@pytest.mark.parametrize("ram_gib", [0.5, 2, 3, 8])
def test_every_page_is_either_used_or_on_a_free_list(machine, ram_gib):
    p, boot, _, free = made(ram_bytes=ram_gib * GiB, machine=machine, fragmentation_frac=0.0)
    bits = folded(free)
    assert int(pagemap.count(bits & boot.used[: bits.size])) == 0
    pages = int(p.ram_bytes // 4096)
    legacy_unused = LEGACY[1] - int(pagemap.count_range(boot.used, LEGACY[0], sum(LEGACY)))
    in_ram = int(pagemap.count_range(boot.used, 0, pages))
    assert int(pagemap.count(bits)) == pages - in_ram - legacy_unused == free.free_pages


def test_breaking_up_blocks_takes_one_page_of_each_chosen_block():
    _, _, whole_nonzero, whole = made(fragmentation_frac=0.0)
    _, _, nonzero, broken = made(fragmentation_frac=0.25)
    blocks = int(whole.lists.live[1:, buddy.MAX_ORDER].sum())
    pinned = whole.free_pages - broken.free_pages
    assert pinned == pytest.approx(0.25 * blocks, abs=2)  # of all zones' blocks, those of ZONE_DMA too
    assert int(pagemap.count(folded(whole) & ~folded(broken) & nonzero[: folded(whole).size])) == pinned
    assert int(pagemap.count(nonzero)) >= int(pagemap.count(whole_nonzero))
    assert broken.blocks > whole.blocks  # one page leaves up to ten smaller blocks


def test_blocks_run_out_at_the_watermark_and_never_come_from_zone_dma():
    *_, free = made(ram_bytes=1 * GiB, fragmentation_frac=0.0)
    taken = []
    while (frame := free.allocate_block(20_000)) is not None:
        taken.append(frame)
    assert all(frame % BLOCK_PAGES == 0 and frame >= 4096 for frame in taken)
    assert len(set(taken)) == len(taken)
    # __zone_watermark_ok: the last success left at least watermark + 1 - 1 after its 1024 pages, one more would not
    assert free.allocatable_pages - (BLOCK_PAGES - 1) <= 20_000 < free.allocatable_pages + 1


def test_what_the_boot_freed_last_is_given_out_first():
    p, _, _, free = made(ram_bytes=1 * GiB, fragmentation_frac=0.0)
    stale, size = layout(p).stale
    touching = set(range(stale // BLOCK_PAGES, -(-(stale + size) // BLOCK_PAGES)))
    whole = set(range(-(-stale // BLOCK_PAGES), (stale + size) // BLOCK_PAGES))
    first = {free.allocate_block(0) // BLOCK_PAGES for _ in range(len(touching))}
    assert whole <= first
    assert (
        len(first & touching) >= len(first) - 1
    )  # the lowest block also holds pages of the kernel: not free whole


@pytest.mark.parametrize("content", ["random", "zero"])
def test_an_ended_application_frees_its_pages_but_leaves_their_content(content):
    size = 4 * GiB
    before = made(fragmentation_frac=0.0)
    after = made(touched_bytes=size, touched_freed=True, touched_content=content, fragmentation_frac=0.0)
    assert after[3].free_pages == before[3].free_pages
    changed = int(pagemap.count(after[2])) - int(pagemap.count(before[2]))
    stale = before[0].boot_stale_pages
    if content == "random":
        assert size // 4096 - stale <= changed <= size // 4096
    else:
        assert -stale <= changed <= 0  # it zeroed stale pages, if it got them


def test_an_application_that_lives_keeps_its_pages():
    p, boot, nonzero, free = made(touched_bytes=4 * GiB, fragmentation_frac=0.0)
    start, size = layout(p).touched
    assert int(pagemap.count_range(nonzero, start, start + size)) == size
    assert int(pagemap.count_range(folded(free), start, start + size)) == 0


def test_zero_pages_of_an_ended_application_stay_in_use():
    fields = {"touched_bytes": 256 * MiB, "touched_freed": True, "fragmentation_frac": 0.0}
    none, some = made(**fields), made(**fields, ended_pages=9000)
    assert none[3].free_pages - some[3].free_pages == 9000
    assert int(pagemap.count(none[2])) == int(pagemap.count(some[2]))
