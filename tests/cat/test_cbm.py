"""Masks as values, and cbm_validate's rules (fs/resctrl/ctrlmondata.c) in its order."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfvlab.cat.cbm import Cbm, CbmError, contiguous_masks, first_free_run, validate
from nfvlab.cat.parts import (
    AMD_ROME,
    HASWELL_EP,
    PARTS,
    SKYLAKE_SP,
    Bandwidth,
    Capability,
    Host,
    Monitoring,
    Part,
)

TWENTY = Capability(cbm_len=20)


@st.composite
def capabilities(draw):
    length = draw(st.integers(1, 32))
    return Capability(
        cbm_len=length, min_cbm_bits=draw(st.integers(0, min(3, length))), sparse_masks=draw(st.booleans())
    )


@st.composite
def masks(draw):
    length = draw(st.integers(1, 32))
    return Cbm(draw(st.integers(0, 2**length - 1)), length)


def test_a_mask_knows_its_ways_and_runs():
    mask = Cbm(0b1100_0111_0000, 20)
    assert mask.ways == (4, 5, 6, 10, 11) and len(mask) == mask.ways_count == 5
    assert mask.runs == ((4, 3), (10, 2)) and not mask.contiguous
    assert mask.first_run() == Cbm(0x70, 20) and mask.first_run().contiguous
    assert 10 in mask and 9 not in mask and list(mask) == [4, 5, 6, 10, 11]
    assert (
        not Cbm(0, 4)
        and Cbm(0, 4).runs == ()
        and not Cbm(0, 4).contiguous
        and Cbm(0, 4).first_run() == Cbm(0, 4)
    )


def test_masks_combine_as_sets_of_ways():
    low, high = Cbm(0x0F, 8), Cbm(0x3C, 8)
    assert (low | high).mask == 0x3F and (low & high).mask == 0x0C and (low - high).mask == 0x03
    assert (~low).mask == 0xF0 and low.overlaps(high) and not low.overlaps(~low)
    with pytest.raises(ValueError, match="masks of 8 and of 9 ways"):
        low | Cbm(1, 9)


@given(masks())
def test_runs_say_the_whole_mask(mask):
    assert sum(((1 << n) - 1) << start for start, n in mask.runs) == mask.mask
    assert all(start + n < later for (start, n), (later, _) in zip(mask.runs, mask.runs[1:], strict=False))
    assert (~mask).ways_count + mask.ways_count == mask.length and hash(mask) == hash(
        pickle.loads(pickle.dumps(mask))
    )


@pytest.mark.parametrize(
    ("length", "text"), [(20, "0007f"), (11, "07f"), (8, "7f"), (7, "7f"), (32, "0000007f")]
)
def test_hex_is_as_wide_as_a_full_mask(length, text):
    assert Cbm(0x7F, length).hex() == text and Cbm(0x7F, length).hex(0) == str(Cbm(0x7F, length)) == "7f"


@pytest.mark.parametrize("text", ["f0", "F0", "0xf0", "0XF0", "+f0", "000000f0", "f0\n"])
def test_the_kernel_reads_hex_with_a_sign_a_prefix_and_a_newline(text):
    assert validate(text, TWENTY) == 0xF0


@pytest.mark.parametrize(
    "text", ["", "0x", "g", "f0 ", " f0", "-f", "f_0", "1" * 17, "f\n\n", "0x0x1", "f0h"]
)
def test_what_is_no_hex_number_of_64_bits_is_refused(text):
    with pytest.raises(CbmError) as caught:
        validate(text, TWENTY)
    assert str(caught.value) == f"Non-hex character in the mask {text}"


@pytest.mark.parametrize(
    ("text", "capability", "message"),
    [
        ("0", TWENTY, "Mask out of range"),
        ("100000", TWENTY, "Mask out of range"),
        ("ffffffffffffffff", TWENTY, "Mask out of range"),
        ("5", TWENTY, "The mask 5 has non-consecutive 1-bits"),
        ("0xF0F", TWENTY, "The mask f0f has non-consecutive 1-bits"),
        ("1", HASWELL_EP.l3, "Need at least 2 bits in the mask"),
        ("80000", HASWELL_EP.l3, "Need at least 2 bits in the mask"),
        # On a part with holes the bits are counted up to the first hole: five bits here, and one in the first run.
        ("f1", Capability(cbm_len=8, min_cbm_bits=2, sparse_masks=True), "Need at least 2 bits in the mask"),
    ],
)
def test_the_first_broken_rule_speaks(text, capability, message):
    with pytest.raises(CbmError) as caught:
        Cbm.parse(text, capability)
    assert str(caught.value) == message


def test_amd_takes_holes_and_even_no_way_at_all():
    assert Cbm.parse("5", AMD_ROME.l3).ways == (0, 2) and not Cbm.parse("0", AMD_ROME.l3)


@given(capabilities(), st.integers(0, 2**33))
def test_what_is_accepted_is_printed_and_read_again(capability, mask):
    try:
        accepted = Cbm.parse(f"{mask:x}", capability)
    except CbmError:
        contiguous = Cbm(mask, 33 if mask >> 32 else 32).runs if mask < 2**32 else ()
        assert (
            mask > capability.full_mask
            or len(contiguous) > 1 - capability.sparse_masks
            or not contiguous
            or contiguous[0][1] < capability.min_cbm_bits
        )
    else:
        assert (
            Cbm.parse(accepted.hex(), capability)
            == Cbm.parse(str(accepted), capability)
            == Cbm(mask, capability.cbm_len)
        )


@given(capabilities())
def test_all_contiguous_masks_are_those_that_are_accepted(capability):
    found = contiguous_masks(capability)
    n, least = capability.cbm_len, max(1, capability.min_cbm_bits)
    assert len(set(found)) == len(found) == (n - least + 1) * (n - least + 2) // 2
    assert all(mask.contiguous and validate(str(mask), capability) == mask.mask for mask in found)


def test_the_first_free_run_is_the_lowest_one():
    assert first_free_run(TWENTY, Cbm(0xF000F, 20)) == Cbm(0x0FFF0, 20)
    assert first_free_run(TWENTY, Cbm(0xFFF0E, 20)) == Cbm(0x00001, 20)
    assert not first_free_run(TWENTY, Cbm.full(20))


def test_cdp_halves_the_classes():
    assert [SKYLAKE_SP.l3.closids(cdp) for cdp in (False, True)] == [16, 8]
    assert Capability(cbm_len=8, num_closids=15).closids(True) == 7


def test_the_parts_are_as_their_sources_say():
    rows = {
        name: (p.l3.cbm_len, p.l3.shareable_bits, p.l3.num_closids, p.l3.min_cbm_bits)
        for name, p in PARTS.items()
    }
    assert rows == {
        "Xeon E5-2658 v3": (20, 0xC0000, 4, 2),
        "Xeon E5-2683 v4": (20, 0xC0000, 16, 1),
        "Xeon Scalable, 24.75 MiB": (11, 0x600, 16, 1),
        "Xeon, 4th generation": (15, 0x6000, 8, 1),
        "EPYC 7002": (16, 0, 16, 0),
    }
    assert all(part.source for part in PARTS.values())
    # pqos prints 2359296 bytes a way for the 24.75 MiB part, 6815744 for the 4th generation (the latter's sources).
    assert Cbm(1, 11).size_bytes(SKYLAKE_SP.l3_bytes) == 2359296
    assert Cbm(1, 15).size_bytes(PARTS["Xeon, 4th generation"].l3_bytes) == 6815744


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Cbm(0, 0), "length = 0"),
        (lambda: Cbm(0x10, 4), "mask = 0x10: 4 ways make masks up to 0xf"),
        (lambda: Cbm(-1, 4), "mask = -0x1"),
        (lambda: Capability(cbm_len=33), "cbm_len = 33"),
        (lambda: Capability(cbm_len=4, min_cbm_bits=5), "min_cbm_bits = 5"),
        (lambda: Capability(cbm_len=4, shareable_bits=0x10), "shareable_bits = '0x10'"),
        (lambda: Capability(cbm_len=4, num_closids=0), "num_closids = 0"),
        (lambda: Bandwidth(min_bandwidth=101), "min_bandwidth = 101"),
        (lambda: Bandwidth(bandwidth_gran=0), "bandwidth_gran = 0"),
        (lambda: Bandwidth(num_closids=0), "num_closids = 0"),
        (lambda: Bandwidth(throttle_mode="some"), "throttle_mode = 'some'"),
        (lambda: Monitoring(num_rmids=0), "num_rmids = 0"),
        (lambda: Monitoring(num_rmids=4, events=("x",)), "events = "),
        (lambda: Monitoring(num_rmids=4, upscaling_bytes=0), "upscaling_bytes = 0"),
        (lambda: Part(name="none", l3_bytes=1), "neither allocates nor monitors"),
        (lambda: Part(name="none", l3_bytes=0, l3=TWENTY), "l3_bytes = 0"),
        (lambda: Host(part=SKYLAKE_SP, l3={}), "at least one L3"),
        (lambda: Host(part=SKYLAKE_SP, l3={0: (0,), 1: (0,)}), "disjoint"),
        (lambda: Host(part=SKYLAKE_SP, l3={-1: (0,)}), "not negative"),
        (lambda: Host(part=SKYLAKE_SP, l3={0: (7,)}, cpus_count=7), "cpus_count = 7"),
        (lambda: Host(part=PARTS["Xeon, 4th generation"], l3={0: (0,)}), "allocates its L2"),
        (lambda: Host.of(SKYLAKE_SP, sockets=0), "at least 1"),
    ],
)
def test_what_cannot_be_is_refused_by_name_and_rule(make, words):
    with pytest.raises(ValueError, match=r"\. ") as caught:
        make()
    assert words in str(caught.value)
