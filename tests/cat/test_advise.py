"""From monitoring to masks: what is promised holds for the planted curves, and a proposed measurement pays."""

import numpy as np
import pandas as pd
import pytest
from cat.curves_for_tests import assert_valid
from cat.watched_for_tests import WAY, WAYS, cliff, flat, held, planted, power, samples
from hypothesis import given, settings
from hypothesis import strategies as st

from nfvlab.cat.advise import advise, schemata
from nfvlab.cat.parts import Capability
from nfvlab.cat.recorded import from_resctrl
from nfvlab.cat.regret import worst_regret
from nfvlab.cat.watched import watched
from nfvlab.kernels import partition
from nfvlab.params import ParamError
from nfvlab.readers.resctrl import Resctrl
from nfvlab.readers.resctrl_words import Group

PART = Capability(cbm_len=WAYS)
BYTES = WAY * WAYS


def recording(rng, truths, middles, *, n=60, spread=0.3, noise=0.05, **fields):
    return pd.concat(
        [
            samples(rng, name, truth, held(rng, n, middle, spread), noise=noise, **fields)
            for (name, truth), middle in zip(truths.items(), middles, strict=True)
        ]
    )


def true_regret(truths, ways):
    """How much the best allocation for the planted curves undercuts `ways`."""
    costs = np.array([truth(np.arange(WAYS + 1.0)) for truth in truths.values()])
    most = np.full(len(costs), WAYS)
    best = partition.split_sum(costs, np.ones(len(costs), dtype=np.int64), most, WAYS)
    rows = np.arange(len(costs))
    return costs[rows, list(ways)].sum() - costs[rows, best].sum()


@settings(max_examples=25)
@given(st.integers(0, 2**31), st.integers(1, 4), st.booleans())
def test_the_masks_miss_no_more_than_is_said(seed, groups, cautious):
    rng = np.random.default_rng(seed)
    truths = {f"g{k}": planted(rng) for k in range(groups)}
    frame = recording(rng, truths, rng.uniform(1, WAYS / groups, groups), noise=1e-6)
    (advice,) = advise(frame, PART, cache_bytes=BYTES, cautious=cautious)
    assert true_regret(truths, advice.allocation.ways) <= advice.regret * (1 + 1e-6) + 1.0
    assert_valid(advice.allocation.masks, PART)
    for name, (expected, least, most) in advice.effect().items():
        ways = advice.allocation.ways[list(truths).index(name)]
        true = float(truths[name](float(ways)))
        assert least * (1 - 1e-3) <= true <= most * (1 + 1e-3) and least <= expected <= most


@settings(max_examples=5)
@given(st.integers(0, 2**31))
def test_measuring_what_is_proposed_again_and_again_leads_to_the_best_masks(seed):
    rng = np.random.default_rng(seed)
    truths = {f"g{k}": planted(rng) for k in range(3)}
    frames = [recording(rng, truths, (4, 6, 8), noise=1e-6)]
    for turn in range(1, 40):
        (advice,) = advise(pd.concat(frames), PART, cache_bytes=BYTES, cautious=False)
        if advice.measure is None:
            break
        group, ways = advice.measure.group, advice.measure.ways
        start = turn * 1e12
        frames.append(
            samples(rng, group, truths[group], np.full(8, float(ways)), own=ways, noise=1e-6, start=start)
        )
    assert advice.measure is None
    expected = sum(rate for rate, _, _ in advice.effect().values())
    assert true_regret(truths, advice.allocation.ways) <= advice.regret + 1.0 <= 0.01 * expected + 1.0


def test_a_proposed_measurement_brings_what_it_says_when_the_estimate_is_right():
    rng = np.random.default_rng(3)
    truths = {"vm": power(4e9, 0.5), "scan": flat(3e9)}
    frame = recording(rng, truths, (5, 12))
    (advice,) = advise(frame, PART, cache_bytes=BYTES)
    measure = advice.measure
    k = list(truths).index(measure.group)
    after = list(advice.curves)
    after[k] = after[k].with_measured(measure.ways, after[k].estimate[measure.ways])
    limits = (np.ones(2, dtype=np.int64), np.full(2, WAYS), WAYS)
    assert worst_regret(advice.curves, np.ones(2), advice.allocation.ways, *limits) == measure.before
    assert worst_regret(after, np.ones(2), advice.allocation.ways, *limits) == measure.after < measure.before
    assert measure.group in measure.words() and f"{measure.ways} ways" in measure.words()


def test_the_regret_is_the_largest_over_all_allocations_and_extreme_curves():
    rng = np.random.default_rng(4)
    for _ in range(20):
        truths = {f"g{k}": planted(rng) for k in range(2)}
        (advice,) = advise(recording(rng, truths, (6, 9)), PART, cache_bytes=BYTES)
        a = advice.allocation.ways
        worst = 0.0
        for first in range(1, WAYS):
            for b in ((first, second) for second in range(1, WAYS - first + 1)):
                gain = 0.0
                for curve, here, there in zip(advice.curves, a, b, strict=True):
                    if there > here:
                        gain += curve.upper[here] - curve.lower[there]
                    elif there < here:
                        gain -= max(0.0, curve.lower[there] - curve.upper[here])
                worst = max(worst, gain)
        assert advice.regret == pytest.approx(worst)


def test_a_cautious_advice_takes_no_ways_that_a_group_was_seen_to_hold():
    rng = np.random.default_rng(5)
    truths = {"loop": cliff(5e9, 6, 1e8), "scan": flat(3e9)}
    frame = recording(rng, truths, (7, 11))
    (careful,) = advise(frame, PART, cache_bytes=BYTES)
    assert careful.allocation.ways[0] >= 7 and careful.allocation.ways[1] >= 11
    assert np.isfinite(careful.regret) and all(np.isfinite(most) for _, _, most in careful.effect().values())
    (bold,) = advise(frame, PART, cache_bytes=BYTES, cautious=False)
    assert np.isinf(bold.regret) and "nothing bounds" in bold.measure.words()


def test_groups_that_do_not_fit_as_seen_are_named():
    rng = np.random.default_rng(6)
    frame = recording(rng, {"a": power(4e9, 0.5), "b": power(2e9, 0.5)}, (9.5, 9.5))
    (advice,) = advise(frame, PART, cache_bytes=BYTES, max_ways={"a": 16}, taken_mask=0xF)
    assert sum(advice.allocation.ways) == 16
    assert any("fewer ways than it was ever seen with" in note for note in advice.notes)


def test_weights_and_limits_reach_the_optimiser():
    rng = np.random.default_rng(7)
    frame = recording(rng, {"a": power(4e9, 0.5), "b": power(4e9, 0.5)}, (6, 6))
    ways = [
        advise(frame, PART, cache_bytes=BYTES, cautious=False, **fields)[0].allocation.ways
        for fields in ({"weights": {"a": 20.0}}, {"min_ways": {"b": 12}}, {"max_ways": {"b": 3}})
    ]
    assert ways[0][0] > 13 and ways[1][1] >= 12 and ways[2] == (17, 3)


def test_every_domain_has_its_own_masks_in_one_line_a_group():
    rng = np.random.default_rng(8)
    truths = {"a": power(4e9, 0.7), "b": flat(1e9)}
    frame = pd.concat([recording(rng, truths, m, domain=d) for d, m in ((1, (4, 12)), (0, (12, 4)))])
    found = advise(frame, PART, cache_bytes=BYTES)
    assert [advice.domain for advice in found] == [0, 1]
    masks = [dict(zip(advice.allocation.names, advice.allocation.masks, strict=True)) for advice in found]
    assert schemata(found) == {g: f"L3:0={masks[0][g]:05x};1={masks[1][g]:05x}" for g in ("a", "b")}


def test_an_advice_shows_itself():
    rng = np.random.default_rng(9)
    (advice,) = advise(
        recording(rng, {"<vm>": power(4e9, 0.5), "b": flat(1e9)}, (6, 9)), PART, cache_bytes=BYTES
    )
    html = advice._repr_html_()
    assert "&lt;vm&gt;" in html and "may miss" in html and "ways of its own for a minute" in html
    frame = advice.to_frame()
    assert (frame["lower_bytes_per_s"] <= frame["expected_bytes_per_s"]).all()
    assert frame.loc["b", "now_bytes_per_s"] == pytest.approx(1e9, rel=0.1)


def test_counters_that_restart_or_say_nothing_are_left_out_and_said():
    rng = np.random.default_rng(10)
    frame = recording(rng, {"a": flat(1e9), "b": flat(2e9)}, (6, 9), noise=0.01)
    clean = watched(frame, WAY)[0, "a"]
    frame = frame.reset_index(drop=True)
    frame.loc[20:60, "mbm_total_bytes"] -= frame.loc[20, "mbm_total_bytes"]  # made again: counts from 0
    frame.loc[40, "mbm_total_bytes"] = np.nan
    frame.loc[50, "llc_occupancy_bytes"] = np.nan
    torn = watched(frame.sample(frac=1, random_state=1), WAY)[0, "a"]
    assert torn.left_out == 5 and torn.rates.size == clean.rates.size - 5
    assert torn.rates.mean() == pytest.approx(1e9, rel=0.02)
    (advice,) = advise(frame, PART, cache_bytes=BYTES)
    assert any("5 intervals" in note for note in advice.notes)


def test_a_frame_of_read_resctrl_is_taken_as_it_is():
    rng = np.random.default_rng(11)
    frame = recording(rng, {"a": flat(1e9), "/": flat(2e9)}, (6, 9)).rename(
        columns={"group": "control_group"}
    )
    frame["mon_group"], frame["node"] = "", pd.NA
    part = frame[frame["control_group"] == "a"].assign(mon_group="one of its own")
    node = frame.assign(node=3)
    found = watched(pd.concat([frame, part, node]), WAY)
    assert list(found) == [(0, "a"), (0, "/")]
    assert found[0, "a"].rates.size == 59


def test_refusals():
    rng = np.random.default_rng(12)
    frame = recording(rng, {"a": flat(1e9), "b": flat(2e9)}, (6, 9))
    for fields, words in (
        ({"frame": frame.drop(columns="mbm_total_bytes")}, "lacks mbm_total_bytes"),
        ({"frame": frame.iloc[:0]}, "has no sample of a group"),
        ({"frame": frame.iloc[:64]}, "group b has fewer than 4 samples"),
        ({"weights": {"c": 2.0}}, "names no group watched; there are a, b"),
        ({"min_ways": {"a": 30}}, "needs at least 30 ways|at most 20"),
        ({"cache_bytes": 0}, "a cache has a size"),
        ({"capability": Capability(cbm_len=20, num_closids=1)}, "1 classes of service"),
    ):
        with pytest.raises(ParamError, match=words):
            advise(**{"frame": frame, "capability": PART, "cache_bytes": BYTES} | fields)


def rows_of(domain):
    """Samples of two groups of a recording, 90 s."""
    rng = np.random.default_rng(13)
    frame = recording(rng, {"/": flat(1e9), "vm": power(2e9, 0.5)}, (9, 6), n=91, domain=domain)
    return frame.rename(columns={"group": "control_group"}).assign(mon_group="", node=pd.NA)


def host(masks, later=None, **info):
    """What read_resctrl says beside the samples: two groups, and their masks from the 45th second on."""
    size = {name: {0: mask.bit_count() * WAY} for name, mask in masks.items()}

    def groups(some):
        return {
            (name, ""): Group(name, schemata={"L3": {0: mask}}, size={"L3": size[name]}, mode="shareable")
            for name, mask in some.items()
        }

    words = {"cbm_mask": 0xFFFFF, "min_cbm_bits": 2, "num_closids": 16, "shareable_bits": 0xC0000} | info
    changes = ((45e9, groups(later)),) if later else ()
    return Resctrl("recording", "recording", resources={"L3": words}, groups=groups(masks), changes=changes)


def test_a_recording_says_which_ways_were_a_groups_own():
    meta = host({"/": 0xFFFFF, "vm": 0xFF}, {"/": 0x3FF00, "vm": 0xFF})
    question = from_resctrl(rows_of(0), meta)
    frame = question["frame"]
    early = frame["t_ns"] < 45e9
    assert frame.loc[early, "ways"].isna().all()  # the default group overlaps
    assert set(frame.loc[~early & (frame["control_group"] == "vm"), "ways"]) == {8.0}
    assert set(frame.loc[~early & (frame["control_group"] == "/"), "ways"]) == {10.0}
    assert question["capability"].min_cbm_bits == 2 and question["cache_bytes"] == BYTES
    (advice,) = advise(**question)
    assert set(schemata([advice])) == {"/", "vm"} and advice.curves[1].seen_ways[1] >= 8
    io = from_resctrl(rows_of(0), host({"/": 0xC0000, "vm": 0xFF}))["frame"]
    assert io.loc[io["control_group"] == "/", "ways"].isna().all()


def test_under_cdp_both_masks_are_written_and_there_are_half_as_many_classes():
    rows, meta = rows_of(0), host({"/": 0xFF00, "vm": 0xFF})
    both = {
        key: Group(
            group.control,
            schemata={"L3DATA": group.schemata["L3"], "L3CODE": group.schemata["L3"]},
            size={"L3DATA": group.size["L3"]},
        )
        for key, group in meta.groups.items()
    }
    resources = {"L3DATA": meta.resources["L3"] | {"num_closids": 2}}
    meta = Resctrl("recording", "recording", resources=resources, groups=both)
    lines = schemata(advise(**from_resctrl(rows, meta)))["vm"].split("\n")
    assert [line.partition(":")[0] for line in lines] == ["L3CODE", "L3DATA"]
    assert lines[0].partition(":")[2] == lines[1].partition(":")[2]
    resources["L3DATA"]["num_closids"] = 1
    with pytest.raises(ParamError, match="1 classes of service with CDP"):
        advise(**from_resctrl(rows, meta))


def test_recordings_without_allocation_or_sizes_are_refused():
    with pytest.raises(ParamError, match="nothing of L3 allocation"):
        from_resctrl(rows_of(0), Resctrl("recording", "recording"))
    meta = host({"/": 0xFF00, "vm": 0xFF})
    bare = {key: Group(group.control, schemata=group.schemata) for key, group in meta.groups.items()}
    with pytest.raises(ParamError, match="how many bytes its mask covers"):
        from_resctrl(rows_of(0), Resctrl("recording", "recording", resources=meta.resources, groups=bare))


def test_locked_ways_are_not_given_out():
    meta = host({"/": 0xFFF00, "vm": 0xF0})
    locked = Group("lock", schemata={"L3": {0: 0x3}}, mode="pseudo-locked")
    meta = Resctrl(
        "recording", "recording", resources=meta.resources, groups=meta.groups | {("lock", ""): locked}
    )
    (advice,) = advise(**from_resctrl(rows_of(0), meta))
    assert not any(mask & 0xC0003 for mask in advice.allocation.masks)
