"""The talk's two tables, and who overlaps whom."""

from hypothesis import given
from hypothesis import strategies as st

from nfvlab.cat import talk
from nfvlab.cat.cbm import Cbm


def names(table):
    return [(o.first, o.second, o.shared.ways) for o in table.overlaps]


def test_with_cat_alone_two_classes_share_two_ways():
    assert {k: v.mask for k, v in talk.CAT.by_name.items()} == {
        "COS0": 0xF000,
        "COS1": 0x0F00,
        "COS2": 0x00C0,
        "COS3": 0x00FF,
    }
    assert names(talk.CAT) == [("COS2", "COS3", (6, 7))]  # 00C0 lies within 00FF
    assert not talk.alone(talk.CAT.by_name, "COS2") and talk.alone(talk.CAT.by_name, "COS3").mask == 0x3F
    assert not talk.idle(talk.CAT.by_name.values(), 16) and not talk.CAT.cdp


def test_with_cdp_one_class_shares_ways_between_its_code_and_its_data():
    assert {k: v.mask for k, v in talk.CDP.by_name.items()} == {
        "COS0.Data": 0xF000,
        "COS0.Code": 0x0C00,
        "COS1.Data": 0x03E0,
        "COS1.Code": 0x0070,
        "others": 0x000F,
    }
    assert names(talk.CDP) == [("COS1.Data", "COS1.Code", (5, 6))]  # 03E0 & 0070 = 0060
    assert talk.CDP.cdp and all(mask.contiguous for mask in talk.CDP.by_name.values())


@given(st.lists(st.integers(0, 255), min_size=1, max_size=6))
def test_overlaps_are_the_pairs_that_share_and_no_other(masks):
    named = {f"m{i}": Cbm(mask, 8) for i, mask in enumerate(masks)}
    found = {(o.first, o.second): o.shared.mask for o in talk.overlaps(named)}
    pairs = [(a, b) for i, a in enumerate(named) for b in list(named)[i + 1 :]]
    assert found == {(a, b): s for a, b in pairs if (s := named[a].mask & named[b].mask)}
    lone = sum(talk.alone(named, name).ways_count for name in named)
    assert lone == sum(1 for way in range(8) if sum(way in mask for mask in named.values()) == 1)
    assert talk.idle(named.values(), 8).ways_count == sum(
        1 for way in range(8) if not any(way in m for m in named.values())
    )
