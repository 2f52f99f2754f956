"""Way counts to masks: valid on random parts, in class order, away from the I/O ways."""

import itertools

import pytest
from cat.curves_for_tests import assert_valid, part
from hypothesis import assume, given
from hypothesis import strategies as st

from nfvlab.cat.parts import BROADWELL_EP, SKYLAKE_SP
from nfvlab.cat.place import pack, place, way_runs
from nfvlab.params import ParamError


def test_classes_stand_in_their_order_from_the_top_down():
    assert place([8, 12], BROADWELL_EP.l3) == (0xFF000, 0x00FFF)
    assert place([3, 2, 1], part(8)) == (0b11100000, 0b00011000, 0b00000100)


def test_ways_left_over_lie_on_the_io_ways():
    assert place([5, 4], SKYLAKE_SP.l3) == (0b00111110000, 0b00000001111)  # 0x600 are the I/O ways
    assert place([5, 4], part(11, shareable_bits=0x003)) == (0b11111000000, 0b00000111100)


def test_who_minds_least_gets_the_io_ways():
    assert place([4, 4, 3], SKYLAKE_SP.l3, sensitivity=[2, 1, 1]) == (0x078, 0x780, 0x007)
    assert place([4, 4, 3], SKYLAKE_SP.l3, sensitivity=[0, 1, 1]) == (0x780, 0x078, 0x007)


@given(
    st.integers(1, 20),
    st.data(),
    st.booleans(),
)
def test_masks_are_valid_on_any_part(ways, data, sparse):
    bits = st.integers(0, 2**ways - 1)
    capability = part(ways, shareable_bits=data.draw(bits), sparse_masks=sparse)
    available = capability.full_mask & ~data.draw(bits)
    assume(available)
    runs = [len(run) for run in way_runs(available)]
    counts = data.draw(st.lists(st.integers(1, max(runs)), min_size=1, max_size=6))
    minds = data.draw(st.lists(st.integers(0, 3), min_size=len(counts), max_size=len(counts)))
    assume(sum(counts) <= sum(runs))
    possible = sparse or pack(counts, runs) is not None
    if not possible:
        with pytest.raises(ParamError, match="does not fit runs"):
            place(counts, capability, available=available, sensitivity=minds)
        return
    masks = place(counts, capability, available=available, sensitivity=minds)
    assert [m.bit_count() for m in masks] == counts
    assert_valid(masks, capability, available)


@given(
    st.lists(st.integers(1, 6), min_size=1, max_size=5), st.lists(st.integers(1, 8), min_size=1, max_size=3)
)
def test_packing_finds_a_way_exactly_when_there_is_one(counts, sizes):
    def fits(where):
        return all(
            sum(c for c, w in zip(counts, where, strict=True) if w == r) <= s for r, s in enumerate(sizes)
        )

    there_is = any(fits(where) for where in itertools.product(range(len(sizes)), repeat=len(counts)))
    found = pack(counts, sizes)
    assert (found is not None) == there_is
    assert found is None or fits(found)


def test_many_classes_are_placed_by_sorting():
    counts, minds = [1] * 16, [1.0 + k for k in range(16)]
    top = place(counts, part(20, shareable_bits=0xF0000), sensitivity=minds)
    assert_valid(top, part(20))
    assert all(mask & 0xF0000 == 0 for mask in top)  # four are left over, and lie there
    low = place(counts, part(16, shareable_bits=0x3), sensitivity=minds)
    assert low[0] == 1 and low[1] == 2


def test_a_sparse_part_with_least_bits_refuses_what_its_kernel_refuses():
    # 5 of the ways 0b1101101101 for a class: its lowest run would be one way short of two.
    capability = part(10, sparse_masks=True, min_cbm_bits=2)
    with pytest.raises(ParamError, match="Need at least 2 bits"):
        place([3, 4], capability, available=0b1101101101)


def test_refusals():
    for ways, minds, words in (
        ([], None, "every mask needs a way"),
        ([0, 2], None, "every mask needs a way"),
        ([5, 4], None, "9 ways are more than the 8 of 0xff"),
        ([1, 2], [1], "needs 2 finite numbers"),
        ([1, 2], [1, -1], "needs 2 finite numbers"),
    ):
        with pytest.raises(ParamError, match=words):
            place(ways, part(8), sensitivity=minds)
