"""The guest's memory before the migration: counts by hand, regions that fit whatever the guest's size."""

import numpy as np
import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from nfvlab.kernels import pagemap
from nfvlab.params import ParamError
from nfvlab.precopy.memory import guest_memory, layout
from nfvlab.precopy.params import PAGE_BYTES, Params, boot_pages, ram_pages, top_pages
from nfvlab.units import GiB, MiB

SMALL = {"ram_bytes": 1 * GiB}


def memory(p, seed=1):
    return guest_memory(p, np.random.default_rng(seed))


def count(words, region=None):
    if region is None:
        return pagemap.count(words)
    return pagemap.count_range(words, region[0], region[0] + region[1])


def rom(p):
    return (ram_pages(p) - p.rom_pages, p.rom_pages)


def test_a_freshly_booted_guest():
    p = Params(**SMALL)
    m, where = memory(p), layout(p)
    assert count(m.nonzero) == boot_pages(p) + p.boot_stale_pages
    assert count(m.nonzero, (0, where.touched[0])) == p.boot_low_pages
    assert where.touched[0] == round(p.boot_low_pages / 0.64)  # 64 % of the lowest cluster are not zero
    assert count(m.nonzero, where.top) == where.top[1] == top_pages(p) == 700 + 4400
    assert count(m.used) == boot_pages(p) + p.rom_pages  # what the boot left stale is free
    assert count(m.nonzero, rom(p)) == 0


def test_what_an_application_touched_replaces_stale_pages_first():
    p = Params(**SMALL, touched_bytes=400 * MiB)
    m, where = memory(p), layout(p)
    assert where.stale[0] == where.touched[0]
    assert count(m.nonzero) == boot_pages(p) + 400 * 256  # all 4000 stale pages lie within
    assert count(m.used) == boot_pages(p) + 400 * 256 + p.rom_pages
    few = Params(**SMALL, touched_bytes=1000 * PAGE_BYTES)
    assert count(memory(few).nonzero) == boot_pages(few) + few.boot_stale_pages  # 1000 of the 4000


def test_memory_filled_with_zeros_is_used_but_cheap():
    p = Params(**SMALL, touched_bytes=400 * MiB, touched_content="zero")
    m, where = memory(p), layout(p)
    assert count(m.nonzero, where.touched) == 0
    assert count(m.nonzero) == boot_pages(p)
    assert count(m.used, where.touched) == 400 * 256


def test_freed_memory_is_free_but_not_zero_and_used_again():
    p = Params(**SMALL, touched_bytes=400 * MiB, touched_freed=True, wss_bytes=100 * MiB)
    m, where = memory(p), layout(p)
    assert where.working_set[0] == where.touched[0]
    assert count(m.nonzero, where.touched) == 400 * 256
    assert count(m.used, where.touched) == 100 * 256
    kept = p.replace(touched_freed=False)
    assert layout(kept).working_set[0] == sum(layout(kept).touched)
    assert count(memory(kept).used) == boot_pages(p) + 500 * 256 + p.rom_pages


def test_pages_that_an_ended_application_leaves_in_use_are_zero():
    p = Params(**SMALL, touched_bytes=400 * MiB, touched_freed=True)
    before, after = memory(p), memory(p.replace(ended_pages=3000))
    assert count(after.used) == count(before.used) + 3000
    assert (after.nonzero == before.nonzero).all()


def test_the_kernel_keeps_writing_to_its_own_lowest_pages():
    p = Params(**SMALL, background_wss_bytes=8 * MiB)
    assert layout(p).background == (0, 2048)


def test_the_same_generator_gives_the_same_memory():
    p = Params(**SMALL)
    assert (memory(p, 1).nonzero == memory(p, 1).nonzero).all()
    assert (memory(p, 1).nonzero != memory(p, 2).nonzero).any()


def test_the_middle_cluster_may_lie_anywhere_in_what_is_free():
    p = Params(**SMALL, boot_low_pages=0, boot_stale_pages=0, background_wss_bytes=0.0)
    starts = [pagemap.runs(memory(p, seed).nonzero, ram_pages(p))[0][0] for seed in range(200)]
    room = 262_144 - top_pages(p) - p.boot_middle_pages
    assert min(starts) >= 0 and max(starts) <= room
    spread = np.std(starts) / (room / 12**0.5)  # 1 if uniform over 0..room
    assert abs(np.mean(starts) / (room / 2) - 1) < 4 / 3**0.5 / 200**0.5
    assert abs(spread - 1) < 0.15


@pytest.mark.parametrize("mib", [75, 80, 100, 128])
def test_clusters_neither_overlap_nor_spill_in_a_small_guest(mib):
    """18 000 pages of 75 MiB are the boot's: stale pages and the middle cluster have to make room."""
    p = Params(ram_bytes=mib * MiB)
    for seed in range(20):
        m = memory(p, seed)
        assert count(m.nonzero) == boot_pages(p) + layout(p).stale[1]
        assert count(m.used) == boot_pages(p) + p.rom_pages
        assert count(m.nonzero, rom(p)) == 0


@st.composite
def guests(draw):
    """Guests of 256 MiB that anything from nothing to all of their memory is asked of."""
    room = st.integers(0, 250) | st.sampled_from([0, 184, 185])
    try:
        return Params(
            ram_bytes=256 * MiB,
            touched_bytes=draw(room) * MiB,
            touched_content=draw(st.sampled_from(["random", "zero"])),
            touched_freed=draw(st.booleans()),
            wss_bytes=draw(room) * MiB,
            boot_stale_pages=draw(st.integers(0, 60_000)),
            boot_middle_pages=draw(st.integers(0, 20_000)),
            ended_pages=draw(st.integers(0, 60_000)),
            rom_pages=draw(st.sampled_from([0, 1, 130])),
        )
    except ParamError:
        reject()


@given(guests())
def test_regions_fit_and_counts_add_up(p):
    m, where = memory(p), layout(p)
    guest, low = ram_pages(p) - p.rom_pages, where.touched[0]
    for start, size in (where.stale, where.touched, where.working_set, where.background, where.top):
        assert min(start, size) >= 0 and start + size <= guest
    held = working = int(p.wss_bytes // PAGE_BYTES)
    touched = int(p.touched_bytes // PAGE_BYTES)
    if not p.touched_freed:
        held += touched
    assert low + max(touched, held) + p.boot_middle_pages + where.top[1] <= guest
    above = np.zeros(guest, dtype=bool)  # the pages above the lowest cluster, one by one
    above[low : low + where.stale[1]] = True
    above[low : low + touched] = p.touched_content == "random"
    above[low + held - working : low + held] = True
    assert count(m.nonzero) == above.sum() + boot_pages(p)
    assert count(m.used) - p.rom_pages - boot_pages(p) - held in range(p.ended_pages + 1)
    assert not (m.nonzero | m.used)[-1] & ~pagemap.full(ram_pages(p))[-1]  # no bit past the end
