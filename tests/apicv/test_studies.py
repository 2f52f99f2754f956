"""What the notebook about interrupt delivery computes, against the models that it comes from."""

import numpy as np
import pytest

from nfvlab import apicv, units
from nfvlab.apicv import race, steps_examples, studies
from nfvlab.apicv.params import MODES
from nfvlab.paths import data_file
from nfvlab.readers.published import read_published

P = apicv.SCENARIOS["busy forwarder"]


def test_the_answer_is_what_analyze_says():
    theory = apicv.analyze(P)
    table = studies.modes(P)
    assert list(table.index) == list(MODES)
    assert list(table["latency"]) == [units.human("latency_ns", value) for value in theory.latency_ns]


def test_scenarios_side_by_side_say_how_many_times():
    row = studies.states({"it": P}, "cost_cycles").loc["it"]
    cost = apicv.analyze(P).cost_cycles
    assert float(row["first by last"]) == pytest.approx(cost[0] / cost[-1], rel=0.05)


def test_rates_and_gains_are_those_of_the_models():
    frame = studies.by_rate(P, [1e4], seed=1, n=2)
    told = frame[(frame["output"] == "cpu_frac") & (frame["mode"] == "posted")].iloc[0]
    assert told["theory"] == apicv.analyze(P.replace(interrupts_per_s=1e4)).cpu_frac[2]
    assert told["monte_carlo"] == pytest.approx(told["theory"], rel=0.1)
    gain = studies.gain(P, "eoi_exit_frac", [1.0], [1e4], "exits_ratio")
    exits = apicv.analyze(P.replace(eoi_exit_frac=1.0, interrupts_per_s=1e4)).exits_ratio
    assert gain.loc[1.0, 1e4] == pytest.approx(exits[0] / exits[-1])
    assert studies.in_words(frame, "cpu_frac").shape == (1, len(MODES))


def test_exit_kinds_are_the_samples_own():
    samples = apicv.simulate(apicv.SCENARIOS["level-triggered"], rng=np.random.default_rng(1), n=1)
    table = studies.exit_kinds(samples)
    assert table.loc["posted", "virtualized EOI"] == 1.0 and table.loc["emulated", "virtualized EOI"] == 0.0
    assert table.loc["emulated", "WRMSR"] == pytest.approx(1.0, abs=0.02)


def test_the_worth_of_apicv_comes_out_of_the_path_within_the_published_rows():
    """2 % and 50 cycles: what the published rows of the same loop differ by among themselves."""
    frame, _ = read_published(data_file("published.csv"))
    published = [
        frame.loc[row, "without"] - frame.loc[row, "with"] for row in ("timer-apicv-off", "timer-apicv-immed")
    ]
    rows = str(studies.worth_beside_published())
    saved = float(rows.splitlines()[-1].split()[-2])
    assert min(published) * 0.98 - 50 < saved < max(published) * 1.02 + 50
    assert saved == pytest.approx(
        studies.machine.worth(studies.with_host(apicv.Params(), "skylake-sp.toml")).loc[
            "sum", "saved_cycles"
        ],
        abs=1,
    )


def test_races_say_who_loses():
    proved = race.demonstrate(kinds=("VT-d",), exits=1, halts=1, preemptions=1)
    text = str(studies.races(proved))
    assert "KVM  nothing is lost" in text and "sleeps as if preempted  lost: the vCPU sleeps" in text


def outcomes(stepper):
    return [step.outcome for step in stepper.steps]


def test_walks_show_what_they_are_for():
    assert outcomes(steps_examples.posted()).count("vector 41H is delivered") == 1
    nested = outcomes(steps_examples.priorities())
    assert [line for line in nested if "delivered" in line] == [
        f"vector {v}H is delivered" for v in ("41", "61", "45")
    ]
    exits = steps_examples.eoi_exit().steps
    position = next(k for k, step in enumerate(exits) if step.outcome.startswith("VM exit: virtualized EOI"))
    assert exits[position].registers["recognized"] == "0", "the EOI that exits evaluates nothing"
    assert exits[position + 1].outcome == "vector 45H is delivered"
    lowered = steps_examples.task_priority().steps
    assert [step.registers["recognized"] for step in lowered] == ["0", "0", "0", "0", "1", "0"]
