"""Guest frames and RAM-block pages: QEMU's splits, the fold across the hole, bitmaps that are refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfvlab.freepages.physmap import MemoryMap, Region, filter_bitmap, lowmem_bytes, pc_map
from nfvlab.kernels.pagemap import words_for
from nfvlab.params import ParamError
from nfvlab.units import GiB, KiB, MiB

PAGE = 4096


def pack(flags):
    bits = np.packbits(flags, bitorder="little")
    return np.concatenate([bits, np.zeros(-bits.size % 8, dtype=np.uint8)]).view(np.uint64)


def unpack(words, n):
    return np.unpackbits(words.view(np.uint8), bitorder="little")[:n].astype(bool)


def bitmap(n_bits, items):
    flags = np.zeros(n_bits, dtype=bool)
    flags[list(items)] = True
    return pack(flags)


# QEMU's own examples stand in hw/i386/pc_piix.c: pc -m 4G -> 3072M low; max-ram-below-4g=2G -> 2048M;
# max-ram-below-4g=4G -m 3968M -> 3968M; qemu-devel shows an 8 GiB guest as 3 GiB (pc) and 2 GiB (q35) low
@pytest.mark.parametrize(
    "machine, ram, limit, low",
    [
        ("i440fx", 4 * GiB, None, 3 * GiB),
        ("i440fx", 4 * GiB, 2 * GiB, 2 * GiB),
        ("i440fx", 3968 * MiB, 4 * GiB, 3968 * MiB),
        ("i440fx", 8 * GiB, None, 3 * GiB),
        ("i440fx", 3 * GiB, None, 3 * GiB),
        ("i440fx", 3583 * MiB, None, 3583 * MiB),
        ("i440fx", 3584 * MiB, None, 3 * GiB),
        ("q35", 8 * GiB, None, 2 * GiB),
        ("q35", 2 * GiB, None, 2 * GiB),
        ("q35", 2815 * MiB, None, 2815 * MiB),
        ("q35", 2816 * MiB, None, 2 * GiB),
        ("q35", 8 * GiB, GiB, GiB),
        ("q35", 8 * GiB, 3 * GiB, 2 * GiB),
    ],
)
def test_the_split_is_qemus(machine, ram, limit, low):
    memory = pc_map(ram, machine, max_ram_below_4g_bytes=limit)
    assert memory.regions[0] == Region(0, low // PAGE, 0)
    assert memory.ram_pages == ram // PAGE
    if ram > low:
        assert memory.regions[1] == Region(4 * GiB // PAGE, (ram - low) // PAGE, low // PAGE)
        assert memory.holes == ((low // PAGE, (4 * GiB - low) // PAGE),)
        assert memory.end_pfn * PAGE == ram + 4 * GiB - low
    else:
        assert len(memory.regions) == 1 and memory.holes == ()


def test_frames_and_pages_by_hand():
    memory = pc_map(8 * GiB)  # q35: 2 GiB low, 6 GiB from 4 GiB on
    assert memory.page_of(0) == 0 and memory.page_of(2 * GiB // PAGE - 1) == 2 * GiB // PAGE - 1
    assert memory.page_of(4 * GiB // PAGE) == 2 * GiB // PAGE
    assert memory.page_of(10 * GiB // PAGE - 1) == 8 * GiB // PAGE - 1 == memory.ram_pages - 1
    assert memory.pfn_of(2 * GiB // PAGE) == 4 * GiB // PAGE
    assert memory.page_of(640 * KiB // PAGE) == 640 * KiB // PAGE  # behind the VGA window, but in the block
    for pfn in (2 * GiB // PAGE, 4 * GiB // PAGE - 1, 10 * GiB // PAGE):
        with pytest.raises(ParamError, match=f"pfn = {pfn}"):
            memory.page_of(pfn)
    with pytest.raises(ParamError, match="must be 0 to 2097151"):
        memory.pfn_of(8 * GiB // PAGE)


def test_an_upper_part_that_was_moved_up():
    memory = pc_map(8 * GiB, above_4g_start_bytes=1024 * GiB)
    assert memory.page_of(1024 * GiB // PAGE) == 2 * GiB // PAGE


def test_folding_by_hand():
    memory = pc_map(3 * GiB)  # 2 GiB low, 1 GiB at 4 GiB
    low, high = 2 * GiB // PAGE, 4 * GiB // PAGE
    raw = bitmap(memory.end_pfn, [1, 300, low - 1, high, high + 5, memory.end_pfn - 1])
    pages = np.flatnonzero(unpack(memory.to_ram_block(raw), memory.ram_pages))
    assert pages.tolist() == [1, 300, low - 1, low, low + 5, memory.ram_pages - 1]
    migration = pack(np.ones(memory.ram_pages, dtype=bool))
    kept, dropped = filter_bitmap(migration, raw, memory)
    assert dropped == 6
    assert np.flatnonzero(~unpack(kept, memory.ram_pages)).tolist() == pages.tolist()
    assert unpack(migration, memory.ram_pages).all()  # the bitmap given is left alone


@st.composite
def maps(draw):
    """Maps of one to four small regions at any alignment, in any order within the RAM block."""
    gaps = draw(st.lists(st.tuples(st.integers(0, 200), st.integers(1, 300)), min_size=1, max_size=4))
    spans, pfn = [], 0
    for gap, pages in gaps:
        spans.append((pfn + gap, pages))
        pfn += gap + pages
    regions, page = [], 0
    for first, pages in draw(st.permutations(spans)):
        regions.append(Region(first, pages, page))
        page += pages
    return MemoryMap(regions)


@given(maps(), st.randoms(use_true_random=False))
def test_the_fold_is_page_by_page(memory, random):
    pfns = [pfn for region in memory.regions for pfn in range(region.first_pfn, region.end_pfn)]
    free = [pfn for pfn in pfns if random.random() < 0.5]
    raw = bitmap(memory.end_pfn, free)
    folded = memory.to_ram_block(raw)
    expected = bitmap(memory.ram_pages, [memory.page_of(pfn) for pfn in free])
    np.testing.assert_array_equal(folded, expected)
    np.testing.assert_array_equal(memory.to_guest(folded), raw)
    assert [memory.pfn_of(memory.page_of(pfn)) for pfn in pfns] == pfns


@given(maps(), st.integers(0, 10))
def test_a_bitmap_may_end_early(memory, words):
    raw = bitmap(memory.end_pfn, [r.first_pfn + k for r in memory.regions for k in range(r.pages)])[:words]
    pages = np.flatnonzero(unpack(memory.to_ram_block(raw), memory.ram_pages))
    assert all(memory.pfn_of(int(page)) < 64 * words for page in pages)
    inside = sum(max(0, min(r.end_pfn, 64 * raw.size) - r.first_pfn) for r in memory.regions)
    assert pages.size == inside


def ignoring_the_hole(migration, raw, memory):
    """The mutant: the raw bitmap is taken as if frame numbers were pages of the RAM block."""
    return migration & ~raw[: migration.size]


def test_ignoring_the_hole_loses_pages_in_use():
    """6 GiB, of which 63 frames from 4 GiB on are free: the mutant drops pages 4 GiB of the block instead."""
    memory = pc_map(6 * GiB)
    low, high = 2 * GiB // PAGE, 4 * GiB // PAGE
    free = [high + k for k in range(64) if k != 7]
    raw = bitmap(memory.end_pfn, free)
    migration = pack(np.ones(memory.ram_pages, dtype=bool))
    in_use = set(range(memory.ram_pages)) - {low + k for k in range(64) if k != 7}

    kept, dropped = filter_bitmap(migration, raw, memory)
    assert dropped == 63 and set(np.flatnonzero(~unpack(kept, memory.ram_pages))) & in_use == set()

    mutant = ignoring_the_hole(migration, raw, memory)
    lost = set(np.flatnonzero(~unpack(mutant, memory.ram_pages))) & in_use
    assert lost == set(free)  # read as pages, these are frames from 6 GiB on, which the guest still uses
    assert memory.pfn_of(high) == 6 * GiB // PAGE


def test_ignoring_the_hole_is_seen_where_the_bitmap_reaches_into_it():
    """The other direction of the same mistake: a bitmap by page of the block is refused as a raw one."""
    memory = pc_map(6 * GiB)
    by_page = bitmap(memory.ram_pages, [2 * GiB // PAGE + 3])
    with pytest.raises(ParamError, match=r"no RAM \(0x80000000-0x100000000\)"):
        filter_bitmap(pack(np.ones(memory.ram_pages, dtype=bool)), by_page, memory)


def test_a_bitmap_that_is_too_long_is_refused():
    memory = pc_map(3 * GiB)
    raw = np.zeros(words_for(memory.end_pfn) + 1, dtype=np.uint64)
    with pytest.raises(ParamError, match=f"raw = .*at most {words_for(memory.end_pfn)} words"):
        memory.to_ram_block(raw)


def test_all_bits_where_there_is_no_ram_are_named_at_once():
    memory = MemoryMap([Region(0, 1000, 0), Region(2000, 70, 1000)], reserved=[(160, 96)])
    raw = bitmap(2112, [5, 170, 200, 1500, 2001, 2070, 2111])
    with pytest.raises(ParamError) as refused:
        memory.to_ram_block(raw)
    rules = [problem.rule for problem in refused.value.problems]
    assert len(rules) == 3
    assert "marks 1 frames as free where the guest has no RAM (0x3e8000-0x7d0000)" in rules[0]
    assert "marks 2 frames as free where the guest has no RAM (0x816000" in rules[1]  # behind the last frame
    assert "marks 2 frames as free that the firmware keeps" in rules[2]
    memory.check(bitmap(2070, [5, 999, 2000, 2069]))


@pytest.mark.parametrize("bad", [np.zeros(4), np.zeros((2, 2), dtype=np.uint64), [1, 2], None, b"12345678"])
def test_what_is_not_a_packed_bitmap_is_refused(bad):
    with pytest.raises(ParamError, match="uint64"):
        pc_map(GiB).to_ram_block(bad)
    with pytest.raises(ParamError, match="uint64"):
        filter_bitmap(bad, np.zeros(1, dtype=np.uint64), pc_map(GiB))


def test_a_migration_bitmap_of_another_guest_is_refused():
    with pytest.raises(ParamError, match="exactly 4096 words"):
        filter_bitmap(np.zeros(4097, dtype=np.uint64), np.zeros(1, dtype=np.uint64), pc_map(GiB))


@pytest.mark.parametrize(
    "regions, faults",
    [
        ([], ["at least one region"]),
        ([Region(0, 0, 0)], ["must hold pages"]),
        ([Region(0, 10, 0), Region(5, 10, 10)], ["overlaps Region(first_pfn=0"]),
        ([Region(0, 10, 0), Region(20, 10, 8)], ["overlaps"]),
        ([Region(0, 10, 0), Region(20, 10, 12)], ["leaves a gap behind"]),
        ([Region(0, 10, 3)], ["start the RAM block at page 0"]),
        ([Region(0, 10, 1), Region(5, 10, 9)], ["guest frames", "start the RAM block", "RAM block"]),
    ],
)
def test_maps_that_cannot_be_are_refused(regions, faults):
    with pytest.raises(ParamError) as refused:
        MemoryMap(regions)
    assert len(refused.value.problems) == len(faults)
    for problem, fault in zip(refused.value.problems, faults, strict=True):
        assert fault in problem.rule and problem.remedy


def test_machines_that_cannot_be_are_refused_with_all_reasons():
    with pytest.raises(ParamError) as refused:
        pc_map(4095, "isapc", max_ram_below_4g_bytes=17, above_4g_start_bytes=1)
    assert [p.field for p in refused.value.problems] == [
        "machine",
        "ram_bytes",
        "max_ram_below_4g_bytes",
        "above_4g_start_bytes",
    ]


def test_maps_compare_by_value():
    assert pc_map(8 * GiB) == pc_map(8 * GiB) != pc_map(8 * GiB, "i440fx")
    assert len({pc_map(8 * GiB), pc_map(8 * GiB)}) == 1 and "Region" in repr(pc_map(GiB))
    assert lowmem_bytes(8 * GiB) == 2 * GiB
