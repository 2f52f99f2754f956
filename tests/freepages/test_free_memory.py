"""The guest's free lists match its memory, across the PCI hole and with broken-up blocks."""

import numpy as np
import pytest

from nfvlab.freepages.free_memory import BLOCK_PAGES, free_memory
from nfvlab.freepages.params import Params
from nfvlab.kernels import buddy, pagemap
from nfvlab.precopy.memory import guest_memory, layout
from nfvlab.units import GiB, MiB

LEGACY = (160, 96)  # 640 KiB to 1 MiB, in frames


def made(seed=1, **fields):
    p = Params(**fields)
    rng = np.random.default_rng(seed)
    memory = guest_memory(p, rng)
    return p, memory, free_memory(p, memory, rng)


@pytest.mark.parametrize("machine", ["q35", "i440fx"])
@pytest.mark.parametrize("ram_gib", [0.5, 2, 3, 8])
def test_every_page_is_either_used_or_on_a_free_list(machine, ram_gib):
    p, memory, free = made(ram_bytes=ram_gib * GiB, machine=machine)
    folded = free.memory_map.to_ram_block(free.raw_bitmap())  # refuses a bit in a hole
    used = memory.used[: folded.size]
    assert int(pagemap.count(folded & used)) == 0
    pages = int(p.ram_bytes // 4096)
    legacy_unused = LEGACY[1] - int(pagemap.count_range(memory.used, LEGACY[0], sum(LEGACY)))
    in_ram = int(pagemap.count_range(memory.used, 0, pages))
    assert int(pagemap.count(folded)) == pages - in_ram - legacy_unused
    assert free.free_pages == int(pagemap.count(folded))


def test_breaking_up_blocks_takes_one_page_of_each_chosen_block():
    _, whole_memory, whole = made(fragmentation_frac=0.0)
    _, memory, broken = made(fragmentation_frac=0.25)
    blocks = int(whole.lists.live[1:, buddy.MAX_ORDER].sum())
    assert int(broken.lists.live[1:, buddy.MAX_ORDER].sum()) == blocks - round(0.25 * blocks)
    extra = int(pagemap.count(memory.used)) - int(pagemap.count(whole_memory.used))
    assert extra == round(0.25 * blocks)
    assert (
        int(pagemap.count(memory.nonzero & memory.used))
        - int(pagemap.count(whole_memory.nonzero & whole_memory.used))
        == extra
    )
    assert broken.blocks > whole.blocks  # one page leaves up to ten smaller blocks


def test_blocks_run_out_at_the_watermark_and_never_come_from_zone_dma():
    _, _, free = made(ram_bytes=1 * GiB, fragmentation_frac=0.0)
    taken = []
    while (frame := free.allocate_block(20_000)) is not None:
        taken.append(frame)
    assert all(frame % BLOCK_PAGES == 0 and frame >= 4096 for frame in taken)
    assert len(set(taken)) == len(taken)
    # __zone_watermark_ok: the last success left at least watermark + 1 - 1 after its 1024 pages, one more would not
    assert free.allocatable_pages - (BLOCK_PAGES - 1) <= 20_000 < free.allocatable_pages + 1


def test_what_the_boot_freed_last_is_given_out_first():
    p, _, free = made(ram_bytes=1 * GiB, fragmentation_frac=0.0)
    stale, size = layout(p).stale
    touching = set(range(stale // BLOCK_PAGES, -(-(stale + size) // BLOCK_PAGES)))
    whole = set(range(-(-stale // BLOCK_PAGES), (stale + size) // BLOCK_PAGES))
    first = {free.allocate_block(0) // BLOCK_PAGES for _ in range(len(touching))}
    assert whole <= first
    assert (
        len(first & touching) >= len(first) - 1
    )  # the lowest block also holds pages of the kernel: not free whole


def test_an_ended_application_frees_its_pages_but_not_their_content():
    p, memory, free = made(touched_bytes=4 * GiB, touched_freed=True, fragmentation_frac=0.0)
    start, size = layout(p).touched
    assert int(pagemap.count_range(memory.nonzero, start, start + size)) == size
    assert int(pagemap.count_range(memory.used, start, start + size)) == 0
    assert free.free_pages * 4096 > 7 * GiB
    kept_memory = guest_memory(p.replace(touched_freed=False), np.random.default_rng(1))
    assert int(pagemap.count_range(kept_memory.used, start, start + size)) == size


def test_zero_pages_of_an_ended_application_stay_in_use():
    p, memory, _ = made(touched_bytes=256 * MiB, touched_freed=True, ended_pages=9000, fragmentation_frac=0.0)
    none = guest_memory(p.replace(ended_pages=0), np.random.default_rng(1))
    assert int(pagemap.count(memory.used)) - int(pagemap.count(none.used)) == 9000
    assert np.array_equal(memory.nonzero, none.nonzero)
