"""The notebook's tables about a device's interrupt agree with what they are made of."""

import numpy as np
import pytest

from nfvlab import units
from nfvlab.units import us
from nfvlab.vfio import figures_paths, steps, studies
from nfvlab.vfio import figures_timeline as timeline
from nfvlab.vfio.analytic import analyze, tail
from nfvlab.vfio.locks import VARIANTS
from nfvlab.vfio.params import PATHS, Params
from nfvlab.vfio.paths import program
from nfvlab.vfio.scenarios import SCENARIOS

THREADED, NO_THREAD = PATHS.index("threaded"), PATHS.index("no thread")
STARVED = Params(irq_priority_level=1, vcpu_priority_level=1)
FATAL = "PREEMPT_RT: IRQF_NO_THREAD, sleeping lock"


@pytest.fixture(scope="module")
def cases():
    halting = Params(halting=True, spread_frac=0.0, load_frac=0.3, load_ns=20 * us)
    return {
        "above": halting.replace(vcpu_priority_level=20, load_priority_level=10),
        "inverted": halting.replace(vcpu_priority_level=60, load_priority_level=55),
        "starved": halting.replace(halting=False, vcpu_priority_level=60),
    }


@pytest.fixture(scope="module")
def worst(cases):
    return studies.worst(cases, seed=2, n=3000)


# -- tables -------------------------------------------------------------------------------------------------


def test_what_the_thread_costs_is_the_difference_of_the_means():
    frame = studies.buys({"isolated": Params(), "starved": STARVED})
    means = analyze(Params()).latency_ns
    row = frame.loc["isolated"]
    assert row["threaded"] == units.human("x_ns", means[THREADED])
    assert row["saved"] == units.human("x_ns", means[THREADED] - means[NO_THREAD])
    assert frame.loc["starved", "threaded"] == "never ends" and frame.loc["starved", "saved"] == "all"


def test_a_path_is_made_of_the_stages_that_its_programs_name():
    p = Params()
    row = studies.made_of(p).loc["threaded"]
    schedule = (p.wake_cycles + 2 * p.switch_cycles) * p.cycle_ns
    assert row["wake-up, switch"] == units.human("x_ns", schedule)
    assert row["in all"] == units.human("x_ns", analyze(p).latency_ns[THREADED])
    assert studies.made_of(p).loc["VT-d running", "wake-up, switch"] == ""


def test_quantiles_are_those_of_the_tail_and_what_never_ends_says_so():
    frame = studies.tails({"isolated": Params(), "starved": STARVED}, ["threaded"], (1e-3, 1e-9))
    low, high = (units.human("x_ns", value) for value in tail(Params(), "threaded").quantile_ns(1e-9))
    shown = frame.loc[("isolated", "threaded"), studies.one_in(1e-9)]
    assert shown == (low if low == high else f"{low} … {high}")
    assert set(frame.loc[("starved", "threaded")]) == {"never ends"}


def test_no_simulated_latency_is_beyond_its_bound(worst):
    assert (worst["largest_ns"] <= worst["worst_ns"] * (1 + 1e-9)).all()
    by = worst.set_index(["case", "path"])
    assert np.isfinite(by.loc[("inverted", "no thread"), "worst_ns"])
    assert np.isinf(by.loc[("inverted", "threaded"), "worst_ns"])
    assert by.loc[("inverted", "threaded"), "largest_ns"] > 5 * us
    assert np.isinf(by.loc[("starved", "threaded"), "largest_ns"])
    words = studies.worst_table(worst)
    assert words.loc[("starved", "threaded"), "longest seen"] == "never ends"


def test_without_load_the_share_saved_is_theory_s_and_load_leaves_less():
    frame = studies.saved(Params(), "load_frac", [0.0, 0.4], "load_ns", [100 * us], seed=1, n=4000)
    means = analyze(Params()).latency_ns
    assert frame["saved_frac"][0] == pytest.approx(1 - means[NO_THREAD] / means[THREADED], abs=0.01)
    assert frame["saved_frac"][1] < 0.5 * frame["saved_frac"][0]
    assert studies.saved(STARVED, "load_frac", [0.0], "load_ns", [us], seed=1, n=10)["saved_frac"][0] == 1.0
    assert studies.saved_table(frame, "load_frac", "load_ns", rows=1, columns=2).shape == (1, 2)


def test_the_hard_interrupt_is_as_long_as_its_stages_and_the_simulation_agrees():
    frame = studies.hard_interrupt(Params(), [100.0, 10_000.0])
    assert np.allclose(frame["theory_ns"], frame["simulated_ns"], rtol=1e-9)
    by = frame.set_index(["way", "irqfd_cycles"])["theory_ns"]
    assert by["threaded", 100.0] == by["threaded", 10_000.0]
    assert by["no thread", 100.0] < by["threaded", 100.0] < by["no thread", 10_000.0]
    shares = studies.hard_table(frame, [1e5])
    assert shares.loc[("threaded", "100 cycles"), "100 k/s"] == units.human(
        "x_frac", 1e-4 * by["threaded", 100.0]
    )


def test_bounds_weighted_draws_and_counts_agree_on_a_tail():
    frame = studies.three_ways(Params(), "threaded", (1e-2, 1e-6), seed=3, n=4000)
    for _, row in frame.iterrows():
        low, high = map(float, row["bounds"].split(" to "))
        value, rest = row["weighted draws"].split(" ± ")
        error, verdict = rest.split(", ")
        assert low - 4 * float(error) <= float(value) <= high + 4 * float(error)
        assert verdict == "trusted"
    assert frame.iloc[1, 2].startswith("none in 4000")


def test_the_table_of_locks_has_every_variant_and_the_fatal_runs():
    rows = studies.locks().rows
    assert [row["handler and lock"] for row in rows] == [variant.name for variant in VARIANTS]
    for row, variant in zip(rows, VARIANTS, strict=True):
        assert (row["shortest run to it"] == "none") == variant.safe


def test_the_published_hop_stands_beside_the_sum_of_stages():
    p = Params()
    rows = studies.published(p).rows
    assert rows[0]["saved"] == "3 µs"  # 14 us without, 11 us with
    assert rows[1]["saved"] == units.human("x_ns", (p.wake_cycles + p.switch_cycles) * p.cycle_ns)


# -- pictures -----------------------------------------------------------------------------------------------


def test_named_stages_stand_in_their_blocks_and_the_alt_text_has_the_latencies():
    drawn = figures_paths.paths(Params())
    (axes,) = drawn.axes
    words = {text.get_text() for text in axes.texts}
    assert {"wake", "switch", "irqfd", "C-state"} <= words
    for way in timeline.ways(Params()):
        assert f"{way.name} {units.human('x_ns', way.latency_ns)}" in drawn.alt


def test_worst_cases_are_drawn_where_the_frame_has_them(cases, worst):
    drawn = figures_paths.priorities(cases, worst)
    drawn_at = {float(line.get_xdata()[0]) for line in drawn.axes[1].lines}
    for name in ("worst_ns", "largest_ns"):
        assert {v for v in worst[name] if np.isfinite(v)} <= drawn_at
    assert "never ends" in drawn.alt and "no bound" in drawn.alt


def test_maps_and_lines_say_their_extremes():
    frame = studies.hard_interrupt(Params(), [100.0, 1000.0, 10_000.0])
    drawn = figures_paths.hard_interrupt(frame)
    assert np.array_equal(drawn.axes[0].lines[0].get_ydata(), frame["theory_ns"][:3])
    assert units.human("x_ns", frame["theory_ns"].iloc[-1]) in drawn.alt
    saved = studies.saved(Params(), "load_frac", [0.0, 0.3], "load_ns", [us, 100 * us], seed=1, n=200)
    picture = figures_paths.saved(saved, "load_frac", "load_ns", ("Load", "Bursts"), title="Saved")
    assert f"{100 * saved['saved_frac'].max():.0f} %" in picture.alt


# -- step by step -------------------------------------------------------------------------------------------


def test_every_stage_has_a_reason():
    every = [p.replace(atomic=atomic) for p in SCENARIOS.values() for atomic in (True, False)]
    stages = {stage for p in every for k in range(len(PATHS)) for stage in program(p, k).stages if stage}
    assert stages <= set(steps.WHY)


def test_an_interrupt_is_walked_from_the_write_to_the_handler():
    walked = steps.walk(Params(), "threaded")
    assert [walked.steps[0].action, walked.steps[-1].action] == ["travel", "delivery"]
    assert [step.action for step in walked.steps].count("context switch") == 2
    assert walked.steps[0].registers["CPU V"] == "vCPU: guest"
    assert steps.walk(STARVED, "threaded").steps[-1].action != "delivery"


def test_a_fatal_run_ends_with_its_fault_and_a_safe_variant_has_none():
    shown = steps.fatal(FATAL)
    assert shown.steps[-1].outcome == "it must sleep in hard-interrupt context"
    with pytest.raises(ValueError, match="every run ends well"):
        steps.fatal(VARIANTS[0].name)
    with pytest.raises(ValueError, match="no variant"):
        steps.fatal("spinning")
