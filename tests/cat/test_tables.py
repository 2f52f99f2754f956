"""Tables about masks: what parts take, what a resctrl answers, what is proposed, and what each tenant holds."""

import itertools

import numpy as np
import pytest
from cat.tenants_for_tests import PLAIN, SMALL, STREAM, TASK, TWO
from resctrl_host import mount

from nfvlab import cat, units
from nfvlab.cat import propose, reprogram, tables
from nfvlab.cat.params import Params
from nfvlab.cat.parts import PARTS
from nfvlab.cat.scenarios import SCENARIOS
from nfvlab.llc.params import LINE_BYTES
from nfvlab.paths import data_file
from nfvlab.readers.published import read_published
from nfvlab.units import GB, ms

SEED = 2016


def test_classes_are_those_of_the_parts_and_cdp_halves_them():
    rows = {row["part"]: row for row in tables.classes().rows}
    assert set(rows) == {name for name, part in PARTS.items() if part.l3 is not None}
    for name, row in rows.items():
        l3 = PARTS[name].l3
        assert int(row["ways"]) == l3.cbm_len and int(row["classes"]) == l3.num_closids
        if l3.cdp_capable:
            assert int(row["with CDP"]) == int(row["classes"]) // 2
        else:
            assert row["with CDP"] == "no CDP"
        assert (row["gaps in masks"] == "allowed") == l3.sparse_masks
        assert row["devices fill"] in (f"{l3.shareable_bits:x}", "not said")


def test_what_is_tried_is_answered_in_the_words_of_the_host():
    fs = mount(sockets=1)
    fs.mkdir("vm")
    table = tables.tried(
        fs,
        [
            ("vm/schemata", "L3:0=f"),
            ("vm/schemata", "L3:0=5"),
            ("vm/schemata", "L3:1=f"),
            ("vm/mode", "exclusive"),
        ],
    )
    answers = [(row["answer"], row["last_cmd_status"]) for row in table.rows]
    assert answers[0] == ("taken", "ok")
    assert answers[1] == ("Invalid argument", "The mask 5 has non-consecutive 1-bits")
    assert answers[2] == ("Invalid argument", "ok")  # an unknown domain: the kernel says no more
    assert "L3:0=0f" in fs.read("vm/schemata").replace(" ", "") or "L3:0=f" in fs.read("vm/schemata").replace(
        " ", ""
    )
    assert [row["text"] for row in table.rows] == ["L3:0=f", "L3:0=5", "L3:1=f", "exclusive"]


def course(t_ns, occupancy, changed):
    return reprogram.Course(
        stages=(TWO,) * (len(changed) + 1),
        t_ns=np.array(t_ns, float),
        occupancy_bytes=np.array(occupancy, float),
        changed_ns=changed,
        by_way_bytes=np.zeros((len(changed) + 1, 2, 12)),
    )


def test_half_way_is_where_half_of_the_change_is_done():
    """Counted by hand: from 0 to 8 units by steps of 2, then from 8 back to 4 by steps of 1."""
    held = np.array([2, 4, 6, 8, 7, 6, 5, 4]) * 1024.0
    made = course(np.arange(1, 9) * 1e6, np.stack([held, np.full(8, 1024.0)], axis=1), (4e6,))
    frame = tables.settled(made, ["one", "other"])
    assert frame.loc[("stage 1", "one")].to_dict() == {"holds at the end": "8 KiB", "half-way after": "2 ms"}
    assert frame.loc[("stage 2", "one")].to_dict() == {"holds at the end": "4 KiB", "half-way after": "2 ms"}
    assert frame.loc[("stage 2", "other"), "holds at the end"] == "1 KiB"


def slowdowns(p: Params) -> list[float]:
    """By the rates of references; of wake-ups, which come when they come, by cycles per instruction."""
    now, alone = cat.analyze(p), [propose.alone(p, k) for k in range(len(p.tenants))]
    return [
        now.cpi_ratio[k] / alone[k].cpi_ratio[0]
        if t.workload == "wakeups"
        else alone[k].references_per_s[0] / now.references_per_s[k]
        for k, t in enumerate(p.tenants)
    ]


def test_proposals_are_the_masks_and_what_the_theory_says_of_them():
    frame = tables.proposals(TWO)
    assert list(frame.index) == ["throughput", "fairness", "lookahead", "whole model"]
    for objective in frame.index[:3]:
        found = propose.proposal(TWO, objective=objective).params
        slow = slowdowns(found)
        row = frame.loc[objective]
        assert row["Tenant 2, zipf"] == f"{found.tenants[1].data_mask:x}, {slow[1]:.3g} times"
        assert (row["sum"], row["worst"]) == (f"{sum(slow):.3g}", f"{max(slow):.3g}")
    assert float(frame.loc["whole model", "sum"]) <= float(frame["sum"].astype(float).min())


def test_the_whole_model_is_the_best_of_every_division():
    tenants = tuple(t.replace(data_mask=0x3F, code_mask=0x3F) for t in (PLAIN, STREAM, TASK))
    p = Params(**SMALL | {"cache_ways": 6, "io_mask": 0x30, "memory_bytes_per_s": 8 * GB}, tenants=tenants)
    every = [
        tables.blocks(p, ways, True)
        for ways in itertools.product(range(1, 5), (1, 2), range(1, 5))
        if sum(ways) == 6
    ]
    best = min(every, key=lambda q: sum(slowdowns(q)))
    assert slowdowns(best)[2] > 1.1, "the work in wake-ups counts"
    assert sum(slowdowns(tables.whole_model(p))) == pytest.approx(sum(slowdowns(best)))


@pytest.mark.parametrize(
    ("ways", "io", "masks"),
    [((2, 3), True, (0xC00, 0x380)), ((2, 3), False, (0x300, 0x0E0)), ((6, 6), True, (0xFC0, 0x03F))],
)
def test_blocks_stand_from_the_top_down_below_the_devices_ways(ways, io, masks):
    assert tuple(t.data_mask for t in tables.blocks(TWO, ways, io).tenants) == masks


def test_the_published_wakeups_are_counted_in_lines():
    p = Params(**SMALL, tenants=(TASK, STREAM)).replace(warmup_ns=2 * ms, measured_ns=4 * ms)
    table = tables.published_wakeups(p, seed=SEED, n=2)
    rows, _ = read_published(data_file("published.csv"))
    lost = rows.loc["guest-cyclictest-memstress", "with"] - rows.loc["guest-cyclictest-idle", "with"]
    lines = round(lost / (p.memory_ns + p.hit_ns))
    assert lines > 1 and table.rows[2]["value"] == units.human("unit_ns", lost)
    assert table.rows[3]["value"] == units.human("miss_lines", lines)
    task = TASK.replace(data_bytes=float(lines * LINE_BYTES), code_bytes=float(LINE_BYTES))
    again = cat.simulate(p.replace(tenants=(task, STREAM)), rng=np.random.default_rng(SEED), n=2)
    assert table.rows[4]["value"] == units.human("unit_ns", again.estimate()["unit_p99_ns[0]"].value)


def test_doubts_are_the_theorys_own():
    name = "overlapping masks"
    assert [row["doubt"] for row in tables.doubts({name: SCENARIOS[name]}).rows] == list(
        cat.analyze(SCENARIOS[name]).doubts()
    )
    sure = Params(**SMALL, tenants=(PLAIN,))
    assert cat.analyze(sure).doubts() == () and tables.doubts({"sure": sure}).rows[0]["scenario"] == "none"
