"""The pictures of a device's interrupt show what simulation and theory say, and no more."""

import numpy as np
import pytest

from nfvlab import units
from nfvlab.vfio import figures_timeline as timeline
from nfvlab.vfio import paths
from nfvlab.vfio.analytic import analyze
from nfvlab.vfio.figures import Live, figure
from nfvlab.vfio.params import PATHS, Params
from nfvlab.vfio.scenarios import SCENARIOS
from nfvlab.vfio.simulation import simulate

STARVED = Params(irq_priority_level=1, vcpu_priority_level=1)
LOADED = SCENARIOS["load above vCPU"]
every_scenario = pytest.mark.parametrize("p", SCENARIOS.values(), ids=SCENARIOS.keys())


# -- timelines ----------------------------------------------------------------------------------------------


def test_without_chance_the_interrupt_shown_takes_the_mean_of_theory():
    p = Params()
    means = analyze(p).latency_ns[:5]  # VT-d preempted waits for a slice of random phase
    shown = [way.latency_ns for way in timeline.ways(p)[:5]]
    assert np.allclose(shown, means, rtol=1e-9)


@every_scenario
def test_every_stage_has_a_role_and_blocks_of_a_lane_do_not_overlap(p):
    made = timeline.ways(p)
    longest = timeline.cut_to_ns(made)
    for way in made:
        lanes = {}
        for block in timeline.blocks(way, longest):
            lanes.setdefault(block.middle, []).append((block.left_ns, block.right_ns))
        for ends in lanes.values():
            ends.sort()
            assert all(a[1] <= b[0] + 1e-6 for a, b in zip(ends[:-1], ends[1:], strict=True))


def test_all_stages_of_the_programs_have_a_role():
    every = [p.replace(atomic=atomic) for p in SCENARIOS.values() for atomic in (True, False)]
    stages = {
        stage for p in every for k in range(len(PATHS)) for stage in paths.program(p, k).stages if stage
    }
    assert stages <= set(timeline.ROLE_OF)


@every_scenario
def test_the_parts_of_a_latency_add_up_to_it(p):
    for way in timeline.ways(p):
        if np.isfinite(way.latency_ns):
            assert sum(timeline.by_role(way).values()) == pytest.approx(way.latency_ns, rel=1e-9)


def test_a_long_wait_is_cut_and_says_how_long_it_was_and_work_is_to_scale():
    made = timeline.ways(LOADED)
    longest = timeline.cut_to_ns(made)
    blocks = timeline.blocks(made[PATHS.index("no thread")], longest)
    (job,) = [block for block in blocks if block.cut]
    assert job.stage == "job" and job.lasts_ns > longest > 0
    assert job.right_ns - job.left_ns == pytest.approx(longest, rel=0.05)
    for block in blocks:
        if block.role not in ("waits", "runs"):
            assert block.right_ns - block.left_ns == pytest.approx(block.lasts_ns, rel=1e-9)


def test_nothing_is_cut_where_nothing_waits_long():
    made = timeline.ways(Params())
    longest = timeline.cut_to_ns(made)
    for way in made[:5]:
        assert not any(block.cut for block in timeline.blocks(way, longest))
        assert timeline.seen_at_ns(way, longest) == pytest.approx(way.latency_ns)


def test_a_path_that_starves_has_no_end_but_is_drawn_up_to_there():
    made = dict(zip(PATHS, timeline.ways(STARVED), strict=True))
    longest = timeline.cut_to_ns(list(made.values()))
    assert np.isinf(made["threaded"].latency_ns)
    assert np.isnan(timeline.seen_at_ns(made["threaded"], longest))
    assert timeline.blocks(made["threaded"], longest)


# -- the live picture ---------------------------------------------------------------------------------------


def drawn(p, n=0):
    picture = Live(p)
    samples = simulate(p, rng=np.random.default_rng(3), n=n) if n else None
    theory = analyze(p)
    picture.draw(p, theory, samples)
    return picture, theory, samples


def test_the_ends_are_where_the_latencies_are_and_say_them():
    picture, theory, _ = drawn(Params())
    _, ends, said, *_ = picture.boxes[0]
    assert np.allclose(ends.get_xdata()[:5], theory.latency_ns[:5])
    assert [text.get_text() for text in said[:5]] == [
        units.human("latency_ns", value) for value in theory.latency_ns[:5]
    ]


def test_the_tail_shows_both_bounds_of_theory_and_the_samples_between():
    picture, theory, samples = drawn(LOADED, n=2000)
    for k in range(len(PATHS)):
        for line, curve in ((picture.low[k], theory.curve_low[k]), (picture.high[k], theory.curve_high[k])):
            x, y = line.get_data()
            shown = np.isfinite(y)
            assert np.array_equal(x, theory.curve_ns) and np.array_equal(y[shown], curve[shown])
    assert picture.seen[0].get_xdata()[-1] == samples.latency_ns_each[:, 0].max()


def test_blocks_follow_the_scenario():
    picture, *_ = drawn(Params())
    before = len(picture.boxes[0][0].get_paths())
    picture.draw(LOADED, analyze(LOADED))
    assert len(picture.boxes[0][0].get_paths()) != before
    cut = [text.get_text() for text in picture.boxes[0][3] if text.get_visible()]
    assert cut and all(text.endswith("s") for text in cut)


def test_what_starves_is_said_in_the_picture_the_headline_and_the_words():
    picture, theory, samples = drawn(STARVED, n=50)
    assert picture.boxes[0][2][1].get_text() == "never"
    assert picture.headline(STARVED, theory, samples)["threaded"] == "never"
    assert "threaded never" in figure(STARVED).alt


def test_the_headline_has_mean_bounds_and_switches_and_the_words_have_all_paths():
    picture, theory, samples = drawn(Params(), n=200)
    tile = picture.headline(Params(), theory, samples)["threaded"]
    low, high = (
        units.human("latency_ns", t[1]) for t in (theory.latency_p999_low_ns, theory.latency_p999_high_ns)
    )
    assert tile.startswith(units.human("latency_ns", theory.latency_ns[1]))
    assert f"99.9 %: {low.removesuffix(' µs')} to {high}" in tile
    assert "simulated" in tile and tile.endswith("2 switches")
    words = picture.alt(Params(), theory, samples)
    assert all(
        f"{path} {units.human('latency_ns', mean)}" in words
        for path, mean in zip(PATHS, theory.latency_ns, strict=True)
    )


def test_two_lanes_only_where_two_cpus_work():
    picture, *_ = drawn(Params())
    assert not any(text.get_text() for text in picture.boxes[0][4])
    other = Params(same_cpu=False)
    picture.draw(other, analyze(other))
    assert [text.get_text() for text in picture.boxes[0][4]] == ["V", "H"] * 3 + [""] * 6


def test_a_control_is_there_only_where_the_scenario_uses_it():
    picture = Live(Params())
    assert not picture.relevant(Params(), "load_ns") and picture.relevant(LOADED, "load_ns")
    assert not picture.relevant(Params(), "work_ns") and picture.relevant(Params(atomic=False), "work_ns")
    assert picture.relevant(Params(), "irq_cycles")
