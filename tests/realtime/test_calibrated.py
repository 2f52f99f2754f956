"""A scenario calibrated on recordings: planted values come back, the rest stays, and what does not fit is said."""

import dataclasses
import math

import numpy as np
import pytest

from nfvlab.apicv.params import Params as Apicv
from nfvlab.freepages import Params as FreePages
from nfvlab.params import ParamError
from nfvlab.realtime.calibrated import TOLD_FRAC, calibrate
from nfvlab.realtime.implied import Implied
from nfvlab.realtime.recorded import Interval
from nfvlab.realtime.solve import PRIOR_SD, Row
from nfvlab.timer.params import Params as Timer
from nfvlab.vfio.params import Params as Vfio

FEATURES = pytest.mark.parametrize("params", [Apicv, Timer, Vfio], ids=["apicv", "timer", "vfio"])
PLANTED = {"exit_cycles": 700.0, "entry_cycles": 300.0, "loop_cycles": 900.0}


def rows_of(costs, error=1.0, noise=(0.0, 0.0, 0.0)):
    sums = (("a", ("exit_cycles",)), ("b", ("exit_cycles", "entry_cycles")), ("c", tuple(costs)))
    return tuple(
        Row(name, dict.fromkeys(stages, 1.0), sum(costs[s] for s in stages) + off, error)
        for (name, stages), off in zip(sums, noise, strict=True)
    )


NOISE = Implied(
    overrides={"noise_per_s": 120.0, "noise_ns": 8e3},
    bounds={"noise_per_s": Interval(100.0, 140.0), "noise_ns": Interval(7e3, 9e3)},
    assumed=("at random",),
    untold=("the rarest",),
    source="oslat",
)


@FEATURES
def test_planted_costs_come_back_and_the_others_stay(params):
    made = calibrate(params(), Implied(rows=rows_of(PLANTED)), source="a host")
    assert {name: getattr(made.params, name) for name in PLANTED} == pytest.approx(PLANTED, abs=2.0)
    assert set(made.params.changes(params())) == set(PLANTED)
    frame = made.to_frame()
    assert list(frame.index) == ["exit_cycles", "entry_cycles", "loop_cycles"]
    assert frame.loc["exit_cycles", "before"] == params().exit_cycles
    assert (frame["told_frac"] > 0.99).all() and (frame["low"] < frame["after"]).all()
    assert frame.loc["exit_cycles", "from"] == "a, b, c" and frame.loc["loop_cycles", "from"] == "c"
    assert made.source == "a host" and made.notes == ()


@pytest.mark.parametrize("error", [20.0, 300.0])
def test_the_truth_is_in_a_costs_bounds_as_often_as_they_say(error):
    """The bounds trust the scenario's costs to a half, so the truth is drawn from there; below 0 it cannot be."""
    rng, held = np.random.default_rng(51), dict.fromkeys(PLANTED, 0)
    for _ in range(200):
        truth = {
            name: max(rng.normal(cost, PRIOR_SD * cost), 0.0)
            for name, cost in ((name, getattr(Timer(), name)) for name in PLANTED)
        }
        frame = calibrate(Timer(), Implied(rows=rows_of(truth, error, rng.normal(0, error, 3)))).to_frame()
        for name, value in truth.items():
            held[name] += (
                name not in frame.index or frame.loc[name, "low"] <= value <= frame.loc[name, "high"]
            )
    assert min(held.values()) >= 181  # 95 % of 200 less three standard deviations


def test_counted_fields_are_taken_over_with_their_bounds():
    made = calibrate(Timer(), NOISE)
    assert (made.params.noise_per_s, made.params.noise_ns) == (120.0, 8e3)
    row = made.to_frame().loc["noise_ns"]
    assert (row["before"], row["low"], row["high"], row["from"]) == (Timer().noise_ns, 7e3, 9e3, "oslat")
    assert math.isnan(row["error"]) and row["told_frac"] == 1
    assert (made.assumed, made.untold, made.solved) == (("at random",), ("the rarest",), None)


def test_a_field_that_the_scenario_has_not_is_noted():
    made = calibrate(Apicv(), NOISE)
    assert made.params == Apicv() and made.changes == ()
    assert made.notes[0] == "noise_per_s = 120: the scenario has no such field"
    assert list(made.to_frame().columns)[:2] == ["before", "after"]


def test_a_row_of_stages_that_the_scenario_has_not_is_left_out():
    strange = Row("MSR_WRITE", {"msr_cycles": 1.0, "loop_cycles": 1.0}, 5000.0, 10.0)
    assert calibrate(Apicv(), Implied(rows=(strange,))).notes == (
        "MSR_WRITE: left out, the scenario has no msr_cycles",
    )
    assert calibrate(Timer(), Implied(rows=(strange,))).params.msr_cycles > Timer().msr_cycles


def test_a_stage_of_the_common_table_helps_to_solve_though_the_scenario_has_it_not():
    """An interrupt of the host is irq and loop; a timer's scenario has the loop only."""
    row = Row("EXTERNAL_INTERRUPT", {"irq_cycles": 1.0, "loop_cycles": 1.0}, 3000.0, 1.0)
    made = calibrate(Timer(), Implied(rows=(row,)))
    assert "irq_cycles" not in made.to_frame().index
    assert made.solved.costs["irq_cycles"] + made.params.loop_cycles == pytest.approx(3000.0, abs=1.0)
    assert any(note.startswith("irq_cycles = ") and "no such field" in note for note in made.notes)


def test_what_rows_hardly_tell_stays_as_it_is():
    row = Row("vague", {"exit_cycles": 1.0}, 5000.0, 1e4)
    made = calibrate(Timer(), Implied(rows=(row,)))
    assert made.solved.told["exit_cycles"] < TOLD_FRAC
    assert made.params == Timer() and "vague tells too little" in made.notes[0]


def test_values_beyond_the_domain_are_moved_to_its_end():
    made = calibrate(Timer(), Implied(overrides={"noise_per_s": 2e6, "noise_ns": 100.0}))
    assert made.params.noise_per_s == 1e6 and "beyond the domain, 1e+06 is used" in made.notes[0]
    huge = calibrate(Timer(exit_cycles=9e5), Implied(rows=(Row("huge", {"exit_cycles": 1.0}, 3e6, 1.0),)))
    assert huge.params.exit_cycles == 1e6 and any("beyond the domain" in note for note in huge.notes)


def test_rows_that_disagree_are_noted():
    rows = tuple(Row(name, {"exit_cycles": 1.0}, c, 5.0) for name, c in (("one", 400.0), ("other", 800.0)))
    notes = calibrate(Timer(), Implied(rows=rows)).notes
    assert [note.split(":")[0] for note in notes] == ["one", "other"]


@pytest.mark.parametrize(
    ("scenario", "implied", "what"),
    [
        (Timer(), (), "nothing to calibrate with"),
        (Timer(), ({"noise_ns": 1.0},), "dict: is not Implied"),
        (FreePages(), (NOISE,), "has no stages of the real-time path"),
        (Timer(), (NOISE, Implied(overrides={"noise_ns": 9e3})), "noise_ns = 8000 in one recording and 9000"),
        (Timer(), (Implied(rows=rows_of(PLANTED)),) * 2, "row 'a': given twice"),
    ],
)
def test_combinations_that_mean_nothing_are_refused(scenario, implied, what):
    with pytest.raises(ValueError, match=what):
        calibrate(scenario, *implied)


def test_the_scenarios_own_rules_hold():
    loud = Implied(overrides={"noise_per_s": 1e5, "noise_ns": 1e5})
    with pytest.raises(ParamError, match="90 % of the CPU"):
        calibrate(Timer(), loud)


def test_the_same_value_from_two_recordings_is_no_conflict():
    clock = Implied(overrides={"tsc_hz": 2e9}, source="rtla timerlat")
    made = calibrate(Vfio(), clock, dataclasses.replace(clock, source="perf kvm stat"))
    assert made.params.tsc_hz == 2e9 and len(made.changes) == 1
