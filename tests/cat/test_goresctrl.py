"""goresctrl's shares: the masks that its own tests expect (pkg/rdt/rdt_test.go, 20 bits, at least 2), and its rule."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from resctrl_host import mount

from nfvlab.cat import goresctrl
from nfvlab.cat.cbm import Cbm
from nfvlab.cat.goresctrl import GoresctrlError, Percent


@pytest.mark.parametrize(
    ("text", "base", "mask"),
    [
        ("100%", 0xFFFFF, 0xFFFFF),
        ("50%", 0xFFFFF, 0x3FF),
        ("0-7", 0xFFFFF, 0xFF),
        ("0x7", 0xFFFFF, 0x7),
        ("1-2", 0xFFFFF, 0x6),
        ("1%", 0xFFFFF, 0x3),  # widened to two bits, downwards as far as there is room
        ("99-100%", 0xFFFFF, 0xC0000),
        ("80%", 0x1FF00, 0xFF00),
        ("60%", 0x1F8, 0x78),
        ("60%", 0xFF0, 0x1F0),
        # (1 - 1) * 20 // 100 = 0 and (49 - 1) * 20 // 100 = 9; (50 - 1) * 20 // 100 = 9 again: both take bit 9
        ("0-49%", 0xFFFFF, 0x3FF),
        ("50-100%", 0xFFFFF, 0xFFE00),
        ("0,1,2", 0xFF00, 0x700),
    ],
)
def test_a_share_of_a_partition(text, base, mask):
    assert goresctrl.mask(text, Cbm(base, 20), 2) == Cbm(mask, 20)


@pytest.mark.parametrize(
    ("shares", "length", "least", "masks"),
    [
        ((21, 29), 20, 2, (0xF, 0x3F0)),
        ((42, 8), 20, 2, (0xFF, 0x300)),
        ((63, 19), 20, 2, (0x1FFF, 0xE000)),
        ((89, 11), 20, 2, (0x3FFFF, 0xC0000)),
        ((30, 30, 40), 8, 1, (0x3, 0xC, 0xF0)),
        ((75, 20, 5), 8, 1, (0x3F, 0x40, 0x80)),
        ((42, 43), 20, 1, (0xFF, 0x1FF00)),
        ((20, 40), 20, 1, (0xF, 0xFF0)),
        ((50, 30), 20, 1, (0x3FF, 0xFC00)),
    ],
)
def test_partitions_share_a_cache(shares, length, least, masks):
    named = {f"part-{i}": share for i, share in enumerate(shares)}
    assert tuple(m.mask for m in goresctrl.partitions(named, length, least).values()) == masks


@given(st.integers(1, 32), st.integers(1, 100), st.integers(1, 100), st.integers(1, 2))
def test_percentages_give_a_run_that_grows_with_them(length, low, high, least):
    base = Cbm.full(max(length, least))
    low, high = sorted((low, high))
    mask = goresctrl.mask(f"{low}-{high}%", base, least)
    assert mask.contiguous and mask.ways_count >= least and mask.mask & ~base.mask == 0
    assert goresctrl.mask("100%", base, least) == base
    if high < 100:
        wider = goresctrl.mask(f"{low}-{high + 1}%", base, least)
        assert wider.ways_count >= mask.ways_count


@given(
    st.lists(st.integers(1, 30), min_size=1, max_size=4).filter(lambda x: sum(x) <= 100), st.integers(8, 32)
)
def test_partitions_never_overlap(shares, length):
    named = {f"p{i}": share for i, share in enumerate(shares)}
    try:
        masks = goresctrl.partitions(named, length)
    except GoresctrlError:
        return  # too little was asked for that each could get a bit
    assert sum(m.mask for m in masks.values()) == (1 << sum(m.ways_count for m in masks.values())) - 1
    assert sum(m.ways_count for m in masks.values()) == sum(shares) * length // 100


def test_what_is_asked_for():
    assert goresctrl.parse("60%") == Percent(0, 60) and goresctrl.parse("5-9%") == Percent(5, 9)
    assert goresctrl.bits("1,3-4,8,10-12") == 0x1D1A and goresctrl.bits("") == 0
    shares = {"all": "50%", "1": "0x7", "2-3,9": "1-2"}
    assert goresctrl.per_cache(shares, [0, 1, 2, 3]) == {0: "50%", 1: "0x7", 2: "1-2", 3: "1-2"}
    assert goresctrl.per_cache("20%", [0, 4]) == {0: "20%", 4: "20%"}
    assert (
        goresctrl.schemata_line("L3", shares, dict.fromkeys(range(4), Cbm.full(20)), 2)
        == "L3:0=3ff;1=7;2=6;3=6\n"
    )
    assert [goresctrl.bandwidth(*x) for x in (("50%", 100), ("1%", 100), ("50%", 30), ("100%", 1))] == [
        50,
        10,
        15,
        10,
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "%",
        "101%",
        "50-40%",
        "0-101%",
        "1f%",
        "-5%",
        "x",
        "0x",
        "0xg",
        "0x2f",
        "0,2",
        "3-1",
        "3-3",
        "64",
        "0X1",
        "5 %",
    ],
)
def test_what_goresctrl_refuses(text):
    with pytest.raises(GoresctrlError):
        goresctrl.mask(text, Cbm.full(20))


def test_a_mask_must_fit_and_be_wide_enough():
    for text, base, words in (
        ("0x1ff", Cbm(0xFF00, 20), "0x1ff00 does not fit the base ff00"),
        ("0x1", Cbm.full(20), "at least 2 bits"),
        ("0%", Cbm.full(20), "nothing is asked for"),
        ("50%", Cbm(0, 20), "one block of at least 2 ones"),
        ("50%", Cbm(5, 20), "one block of at least 2 ones"),
    ):
        with pytest.raises(GoresctrlError, match=words):
            goresctrl.mask(text, base, 2)
    for shares in ({"a": 60, "b": 50}, {"a": 0}, {"a": -1, "b": 5}, {}, dict.fromkeys("abcdefghi", 11)):
        with pytest.raises(GoresctrlError):
            goresctrl.partitions(shares, 8)
    with pytest.raises(GoresctrlError, match="per cent"):
        goresctrl.bandwidth("100MBps")


def test_with_cdp_a_share_of_l3_is_for_code_and_data():
    fs = mount(options="cdp", sockets=1)
    fs.allocate("", {"L3": "50%", "L3CODE": "25%"})
    assert fs.read("schemata") == "    MB:0=100\nL3DATA:0=f\nL3CODE:0=3\n"
    with pytest.raises(GoresctrlError, match="'L2' is not allocated"):
        fs.allocate("", {"L2": "50%"})
