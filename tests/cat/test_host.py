"""From recordings to masks: the planted optimum lies in the stated range; what cannot be advised is said and kept."""

import numpy as np
import pytest
from cat.host_for_tests import Stretch, bandwidth, best_ways, record
from cat.watched_for_tests import WAY, WAYS, cliff, flat, planted, power

from nfvlab.cat.advise import schemata
from nfvlab.cat.host import recommend
from nfvlab.cat.pasted import mounted
from nfvlab.params import ParamError
from nfvlab.readers import ReaderError
from nfvlab.readers.resctrl import read_resctrl

FULL = (1 << WAYS) - 1
THREE = {"/": flat(3e8), "vm": power(4e9, 0.6), "web": cliff(2e9, 6, 2e8)}
SHARED = Stretch(40, dict.fromkeys(THREE, FULL), {"/": (3, 0.5), "vm": (6, 1), "web": (8, 1)})
APART = Stretch(40, {"/": 0x3, "vm": 0xFFF00, "web": 0xF0})


@pytest.fixture
def made(tmp_path):
    def run(*args, name="r.json", seed=0, **fields):
        return read_resctrl(record(tmp_path / name, np.random.default_rng(seed), *args, **fields))

    return run


def stretches_for(rng, names):
    """All ways for all, then ways of their own: two times in which a group holds different numbers of ways."""
    middles = rng.dirichlet(np.full(len(names), 3.0)) * (WAYS - 1) + 0.3
    cut = np.sort(rng.choice(np.arange(1, WAYS), len(names) - 1, replace=False))
    ends = [0, *cut.tolist(), WAYS]
    own = {n: (1 << b) - (1 << a) for n, a, b in zip(names, ends[:-1], ends[1:], strict=True)}
    held = {n: (m, 0.3) for n, m in zip(names, middles, strict=True)}
    return [Stretch(30, dict.fromkeys(names, FULL), held), Stretch(30, own)]


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("cautious", [True, False])
def test_the_planted_optimum_is_within_the_range(made, seed, cautious):
    rng = np.random.default_rng(seed)
    truths = {name: planted(rng) for name in ("/", "a", "b", "c")[: 2 + seed % 3]}
    found = recommend(
        [made(truths, stretches_for(rng, list(truths)), noise=1e-6, seed=seed)], cautious=cautious
    )
    (advice,) = found.advices
    ways = dict(zip(advice.allocation.names, advice.allocation.ways, strict=True))
    missed = bandwidth(truths, ways) - bandwidth(truths, best_ways(truths))
    assert missed <= advice.regret * (1 + 1e-5) + 1.0
    for name, (_, least, most) in advice.effect().items():
        assert least * (1 - 1e-3) <= truths[name](float(ways[name])) <= most * (1 + 1e-3)
    assert found.tried.accepted
    fs = mounted(found.phase, found.capability, found.way_bytes * WAYS)
    for write in found.tried.writes:
        fs.write(write.path, write.text + "\n")
    for name, mask in zip(advice.allocation.names, advice.allocation.masks, strict=True):
        told = fs.read("schemata" if name == "/" else f"{name}/schemata")
        assert told.strip() == f"L3:0={mask:x}"


def test_now_is_since_the_masks_last_changed(made):
    found = recommend([made(THREE, [SHARED, APART], noise=0.01)])
    (advice,) = found.advices
    now = dict(zip(advice.allocation.names, zip(advice.now_ways, advice.now_rate, strict=True), strict=True))
    for name, ways in (("/", 2), ("vm", 12), ("web", 4)):
        assert now[name] == (pytest.approx(ways), pytest.approx(THREE[name](ways), rel=0.02))
    assert found.phase.begin_ns == 40e9
    seen = found.seen.set_index(["group", "phase"])
    assert seen.loc[("vm", 0), "mask"] == FULL and seen.loc[("vm", 1), "mask"] == 0xFFF00
    assert seen.loc[("vm", 0), "held_ways"] == pytest.approx(6, abs=0.3)


def test_masks_that_are_as_good_stay_where_they_are(made):
    """Four ways each, wherever they lie: moving them would bring nothing."""
    alike = dict.fromkeys(("/", "a", "b", "c", "d"), flat(1e9))
    masks = {"/": 0xF00, "a": 0xF, "b": 0xF0000, "c": 0xF0, "d": 0xF000}
    options = {"min_ways": dict.fromkeys(alike, 4)}
    found = recommend([made(alike, [Stretch(40, masks)])], **options)
    assert found.advices[0].allocation.masks == tuple(masks.values())
    assert found.tried.writes == () and any("the masks stay" in note for note in found.notes)
    overlapping = masks | {"c": 0x1F0}
    found = recommend([made(alike, [Stretch(40, overlapping)])], **options)
    assert found.tried.writes and not any("the masks stay" in note for note in found.notes)


def test_a_group_without_counts_keeps_its_masks_and_its_own_ways(made):
    stretch = Stretch(60, {"/": 0x3, "vm": 0x0FFF0, "rt": 0xF0000, "web": 0xC})
    found = recommend([made(THREE | {"rt": flat(1e6)}, [stretch], unread=("rt",))])
    (advice,) = found.advices
    assert "rt" not in advice.allocation.names
    assert not any(mask & 0xF0000 for mask in advice.allocation.masks)
    assert any("rt in domain 0 is left out: 0 intervals" in note for note in found.notes)
    assert any("rt keeps f0000 in domain 0: not given to others" in note for note in found.notes)
    wide = Stretch(60, {"/": 0x3, "vm": 0x0FFF0, "rt": FULL, "web": 0xC})
    found = recommend([made(THREE | {"rt": flat(1e6)}, [wide], unread=("rt",))])
    assert any("rt keeps fffff in domain 0, over ways of /, vm, web" in note for note in found.notes)


def test_a_group_that_ended_is_left_out(made):
    later = Stretch(40, {"/": 0x3, "vm": 0xFFF00})
    found = recommend([made(THREE, [SHARED, later])])
    assert found.advices[0].allocation.names == ("/", "vm")
    assert any("web in domain 0 is left out: it had no mask at the end" in note for note in found.notes)


def test_locked_ways_stay_as_they_are(made):
    stretch = Stretch(40, {"/": 0x3, "vm": 0x0FFF0, "rt": 0xF0000, "web": 0xC})
    frame, meta = made(THREE | {"rt": flat(1e6)}, [stretch], modes={"rt": "pseudo-locked"})
    found = recommend([(frame, meta)])
    assert not any(mask & 0xF0000 for mask in found.advices[0].allocation.masks)
    assert any("pseudo-locked" in note for note in found.notes) and found.tried.accepted


def test_a_second_recording_closes_what_the_first_left_open(made):
    first = made(THREE, [SHARED])
    second = made(THREE, [APART], name="second.json", seed=1)
    (before,), (after,) = recommend([first]).advices, recommend([first, second]).advices
    vm, then = before.curves[1], after.curves[1]
    true = THREE["vm"](12)
    assert vm.lower[12] == 0 and vm.upper[12] > 1.3 * true
    assert 0.9 * true < then.lower[12] <= true <= then.upper[12] < 1.1 * true
    assert sum(level.n for level in then.levels) == 2 * 39  # 39 intervals each, none in between


def test_no_interval_reaches_from_one_recording_into_the_next(made):
    """A count that goes on much higher must not be taken for traffic."""
    first, (frame, meta) = made(THREE, [APART]), made(THREE, [APART], name="second.json", seed=1)
    higher = frame.assign(mbm_total_bytes=frame["mbm_total_bytes"] + 1e15)
    (advice,) = recommend([first, (higher, meta)]).advices
    assert max(level.rate for curve in advice.curves for level in curve.levels) < 3e9


def test_domains_are_advised_apart_in_one_line_a_group(made):
    found = recommend([made(THREE, [SHARED, APART], domains=(0, 1))])
    assert [advice.domain for advice in found.advices] == [0, 1]
    writes = {write.group: write.text for write in found.tried.writes}
    assert writes == schemata(found.advices) and ";1=" in writes["vm"]


def test_options_reach_the_optimiser(made):
    recordings = [made(THREE, [SHARED], shareable=0xC0000)]

    def ways(**options):
        (advice,) = recommend(recordings, **options).advices
        return dict(zip(advice.allocation.names, advice.allocation.ways, strict=True))

    assert sum(ways().values()) <= 18 < sum(ways(use_io_ways=True, cautious=False).values()) + 1
    assert ways(min_ways={"/": 9}, cautious=False)["/"] >= 9
    assert ways(weights={"vm": 100.0}, cautious=False)["vm"] > ways(cautious=False)["vm"]
    for option in ("weights", "min_ways"):
        with pytest.raises(ParamError, match="names no group that can be advised; there are /, vm, web"):
            recommend(recordings, **{option: {"db": 2}})


def test_under_cdp_code_and_data_get_the_same_mask(made):
    found = recommend([made(THREE, [SHARED, APART], cdp=True)])
    texts = [write.text.split("\n") for write in found.tried.writes]
    assert found.tried.accepted
    assert all(code.replace("L3CODE", "L3DATA") == data for code, data in texts)


def test_a_throttled_group_is_named(made):
    notes = recommend([made(THREE, [SHARED], mb={"vm": 50})]).notes
    assert any("vm has MB 50 in domain 0, others up to 100" in note for note in notes)
    assert not any("MB" in note for note in recommend([made(THREE, [SHARED], mb={"no": 1})]).notes)


def test_a_host_without_groups_is_told_to_make_some(made):
    only = {"/": flat(3e8)}
    found = recommend([made(only, [Stretch(40, {"/": FULL})])])
    assert any("make a group for each tenant" in note for note in found.notes)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"events": ("llc_occupancy",)}, "no group has a value of mbm_total_bytes"),
        ({"events": ("mbm_total_bytes",)}, "no group has a value of llc_occupancy"),
        ({"unread": tuple(THREE)}, "no group has a value of mbm_total_bytes"),
    ],
)
def test_what_the_part_does_not_count_is_named(made, fields, words):
    with pytest.raises(ReaderError, match=words):
        recommend([made(THREE, [SHARED], **fields)])


def test_too_few_samples_are_refused(made):
    with pytest.raises(ReaderError, match="one snapshot cannot give a curve.*nfvlab record resctrl"):
        recommend([made(THREE, [Stretch(1, SHARED.masks)])])
    with pytest.raises(ReaderError, match="no group can be advised: / in domain 0 is left out: 3 intervals"):
        recommend([made(THREE, [Stretch(4, SHARED.masks)])])
    assert recommend([made(THREE, [Stretch(5, SHARED.masks, SHARED.held)])]).advices


def test_recordings_of_different_hosts_are_refused(made):
    other = Stretch(40, {"/": 0x7FF, "vm": 0xF, "web": 0xF0})
    first, second = made(THREE, [SHARED]), made(THREE, [other], name="second.json", ways=11)
    with pytest.raises(ReaderError, match="its capability is not that of"):
        recommend([first, second])


def test_sizes_are_those_of_the_recording(made):
    assert recommend([made(THREE, [SHARED])]).way_bytes == WAY


def test_a_recommendation_shows_itself(made):
    hostile = {"/": flat(3e8), "<b>vm": power(4e9, 0.6)}
    found = recommend([made(hostile, [Stretch(40, {"/": 0x3, "<b>vm": 0xFF00})])])
    html = found._repr_html_()
    assert "<b>" not in html and "&lt;b&gt;vm/schemata" in html and html.count("<table") == 1
    assert found.commands().count("\n") + 1 == len(found.tried.writes) == 2
