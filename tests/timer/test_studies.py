"""The notebook's tables: they hold what theory and simulation say, in words, and name what is missed."""

import numpy as np
import pytest

from nfvlab import timer, units
from nfvlab.timer import figures_effects, figures_gains, figures_round, studies
from nfvlab.timer.simulation import trace_one

BUSY = timer.SCENARIOS["busy guest"]
SEED = 4


@pytest.fixture(scope="module")
def effects():
    return studies.effects(BUSY, seed=SEED, n=4)


def test_on_and_off_is_the_theory_in_words():
    frame = studies.on_and_off({"busy": BUSY})
    theory = timer.analyze(BUSY)
    for k, name in enumerate(timer.TIMERS):
        row = frame.loc[("busy", name)]
        assert row["mean latency"] == units.human("latency_ns", theory.latency_ns[k])
        assert row["cycles"] == units.human("cost_cycles", theory.cost_cycles[k])


def test_each_effect_saves_its_own_stages(effects):
    """Two switches; hrtimer_arm less hv_arm; hrtimer_irq less hv_expire; nothing; two loops."""
    saved = -np.diff(effects["cost_cycles_theory"])
    assert saved == pytest.approx(
        [
            2 * BUSY.switch_cycles,
            BUSY.hrtimer_arm_cycles - BUSY.hv_arm_cycles,
            BUSY.hrtimer_irq_cycles - BUSY.hv_expire_cycles,
            0.0,
            2 * BUSY.loop_cycles,
        ]
    )
    late = -np.diff(effects["latency_ns_theory"])
    early = (2**BUSY.timer_shift - 1) * BUSY.cycle_ns
    parts = [2 * BUSY.switch_cycles, 0.0, BUSY.hrtimer_irq_cycles - BUSY.hv_expire_cycles]
    assert late[:3] == pytest.approx([x * BUSY.cycle_ns for x in parts], abs=1e-6)
    assert late[3:] == pytest.approx([early, BUSY.loop_cycles * BUSY.cycle_ns], abs=1e-6)


def test_the_simulation_sees_every_effect(effects):
    for name in studies.EFFECT_COLUMNS:
        off = np.abs(effects[f"{name}_theory"] - effects[f"{name}_monte_carlo"])
        assert np.all(off <= 5 * effects[f"{name}_stderr"] + 2.0), name


def test_the_ladder_draws_the_effects_and_says_them(effects):
    drawn = figures_effects.ladder(effects)
    widths = [bar.get_width() for bar in drawn.axes[0].patches]
    assert widths == pytest.approx(list(effects["latency_ns_theory"]))
    assert all(label in drawn.alt for label in effects.index)
    assert studies.effects_table(effects).shape[0] == len(effects)


def test_what_is_saved_over_the_interval_ends_where_the_field_does():
    """2**32 steps of 2**5 cycles at 2.5 GHz are 55 s; a halting guest saves nothing at all."""
    asked = {"busy": BUSY, "halting": BUSY.replace(halting=True)}
    frame = studies.by_interval(asked, [1e5, 50e9, 60e9]).set_index(["scenario", "interval_ns"])
    assert frame.loc[("busy", 1e5), "saved_ns"] == pytest.approx(frame.loc[("busy", 50e9), "saved_ns"], abs=1)
    assert frame.loc[("busy", 60e9), "saved_ns"] == pytest.approx(0, abs=1e-9)
    assert (frame.loc["halting"]["saved_ns"].abs() < 1e-9).all()
    drawn = figures_gains.by_interval(frame.reset_index())
    assert "halting: 0 ns at most" in drawn.alt
    assert "(sleeping)" in studies.interval_table(frame.reset_index()).loc["50 s", "halting"]


def test_a_coarse_timer_is_early_and_a_fine_one_refused():
    frame = studies.by_shift(BUSY, [0, 5, 12], seed=SEED, n=2)
    assert list(frame["refused"]) == [True, False, False]
    assert list(frame["theory_ns"] < 0) == [False, False, True]
    drawn = figures_gains.by_shift(frame)
    assert "before the deadline in the mean from X = 12 on" in drawn.alt
    assert list(drawn.axes[0].lines[0].get_ydata()) == list(frame["theory_ns"][1:])


def test_published_figures_that_are_missed_have_a_reason():
    table, missed = studies.published(), studies.missed()
    assert {(r["figure"], r["side"]) for r in table.rows if r["reproduced"] == "no"} == {
        (r["figure"], r["side"]) for r in missed.rows
    }
    assert all(len(row["why"]) > 40 for row in missed.rows)


def test_a_round_has_every_stage_once_and_the_handler_where_the_delivery_ends():
    rounds = {
        name: trace_one(BUSY, k, rng=np.random.default_rng(SEED)) for k, name in enumerate(("hr", "pt"))
    }
    table = figures_round.table(rounds)
    assert table.loc["hrtimer's interrupt", "pt"] == "" and table.loc["preemption timer's exit", "hr"] == ""
    for name, segments in rounds.items():
        host = sum(s.end_ns - s.start_ns for s in segments if figures_round.kind(s) == "host")
        assert table.loc["the guest does not get", name] == units.human("t_ns", host)
        said = units.human("t_ns", figures_round.handler_ns(segments))
        assert table.loc["handler after the deadline", name] == said
        assert said in figures_round.rounds({name: segments}).alt


def test_ways_and_simulated_outputs_are_told_for_both_timers():
    rows = studies.ways(timer.SCENARIOS["short deadline"]).rows
    assert {row["timer"] for row in rows} == set(timer.TIMERS)
    table = studies.simulated(BUSY, ["exits_ratio"], seed=SEED, n=2)
    assert [set(row) for row in table.rows] == [{"output", *timer.TIMERS}]
