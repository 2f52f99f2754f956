"""Rows of ways: clicking, dragging and typing agree on one mask."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfvlab.masks import MaskRow, block, head, span
from nfvlab.params import ASSUMED, Params, param


@dataclass(frozen=True, kw_only=True)
class Masked(Params):
    """One mask."""

    data_mask: int = param(0xF0, "ways it may fill", domain=(1, 2**32 - 1), source=ASSUMED)


def row(bits=20, value=0xFF000):
    told, refused = [], []
    made = MaskRow(Masked.specs()["data_mask"], told.append, refused.append)
    made.frame(bits)
    made.put(value)
    return made, told, refused


def drawn(made):
    return "".join(str(int(cell.value)) for cell in made.strip.children)


def test_the_highest_bit_stands_at_the_left():
    made, told, _ = row()
    assert drawn(made) == "1" * 8 + "0" * 12
    assert made.block.value == (0, 8) and made.entry.value == "ff000" and told == []


def test_a_click_takes_a_way_or_gives_it_back():
    made, told, _ = row()
    made.strip.children[8].value = True  # way 11
    assert told == [0xFF800] and made.block.value == (0, 9) and made.entry.value == "ff800"
    made.strip.children[0].value = False
    assert told[-1] == 0x7F800 and made.value == 0x7F800


def test_dragging_makes_one_block():
    made, told, _ = row(value=0b1001)
    made.block.value = (4, 12)
    assert told == [0x0FF00] and drawn(made) == "0" * 4 + "1" * 8 + "0" * 8
    made.block.value = (4, 4)  # a mask has a way at least
    assert told[-1] == 0x08000 and made.block.value == (4, 5)


def test_typing_takes_what_resctrl_writes():
    made, told, refused = row()
    made.entry.value = "0x3"
    assert told == [3] and made.block.value == (18, 20)
    made.entry.value = "twelve"
    assert told == [3] and "'twelve' is not a mask" in refused[0]


def test_bits_above_the_ways_of_a_part_are_kept_but_not_drawn():
    made, told, _ = row(bits=20, value=0xF0001)
    made.frame(11)
    assert len(made.strip.children) == 11 and drawn(made) == "0" * 10 + "1"
    assert made.value == 0xF0001 and made.block.max == 11 and told == []
    made.frame(20)
    assert drawn(made) == "1111" + "0" * 15 + "1" and made.entry.value == "f0001" and told == []


@given(st.integers(1, 32).flatmap(lambda bits: st.tuples(st.just(bits), st.integers(1, 2**bits - 1))))
def test_a_block_spans_the_mask(drawn):
    bits, mask = drawn
    first, last = span(mask, bits)
    around = block(first, last, bits)
    assert around & mask == mask and around.bit_length() == mask.bit_length()
    assert (around & -around) == (mask & -mask) and 0 <= first < last <= bits
    assert (around == mask) == (bin(mask).strip("0b").count("0") == 0)


@pytest.mark.parametrize("edge", [0, 5, 20])
def test_a_block_has_a_way_at_least(edge):
    assert bin(block(edge, edge, 20)).count("1") == 1


def test_the_head_numbers_the_ways_and_marks_some():
    assert head(3, 0b100, "devices").count("nfvlab-marked") == 1
    assert ">2</span>" in head(3, 0, "") and "devices" not in head(3, 0, "devices")
