"""The timer's pictures show what the theory says, and their alternative text says it, too."""

import numpy as np
import pytest

from nfvlab import units
from nfvlab.timer import earliness, figures, figures_advance, figures_countdown, settling
from nfvlab.timer.advance import ADVANCE_INIT_NS, adjust
from nfvlab.timer.analytic import analyze
from nfvlab.timer.params import Params


def live(**fields):
    p = Params(**fields)
    theory = analyze(p)
    picture = figures.Live(p)
    drawn = picture.still(p, theory)
    return picture, theory, drawn


def test_the_bars_are_the_theorys_latency_and_cost():
    picture, theory, _ = live(noise_per_s=200.0)
    for (output, _), (made, _, _) in zip(picture.bars, picture.boxes, strict=True):
        assert [bar.get_width() for bar in made] == pytest.approx(list(getattr(theory, output)))


def test_the_lines_are_the_theorys_tails():
    picture, theory, _ = live(noise_per_s=200.0)
    for k in range(2):
        x, y = picture.high[k].get_data()
        shown = np.isfinite(y)
        assert np.array_equal(x, theory.curve_ns) and shown.sum() > 20
        assert np.array_equal(y[shown], theory.curve_high[k][shown])


def test_the_alternative_text_names_both_timers_with_latency_and_cost():
    _, theory, drawn = live()
    for k, name in enumerate(figures.NAMES):
        tile = drawn.alt.split(name)[1]
        assert tile.index(units.human("latency_ns", theory.latency_ns[k])) < 5
        assert units.human("cost_cycles", theory.cost_cycles[k]) in tile


def test_interrupts_before_their_deadline_are_told_where_the_log_axis_cannot_show_them():
    picture, theory, _ = live(timer_shift=12)
    assert theory.latency_ns[1] < 0
    assert "preemption timer" in picture.early.get_text() and "hrtimer" not in picture.early.get_text()
    assert live()[0].early.get_text() == ""


@pytest.mark.parametrize(
    ("field", "unused", "used"),
    [
        ("advance_ns", {"advance": "adaptive"}, {"advance": "fixed"}),
        ("halt_poll_ns", {}, {"halting": True}),
        ("noise_ns", {}, {"noise_per_s": 1.0}),
        ("fastpath", {"apicv": False}, {}),
    ],
)
def test_a_control_that_does_nothing_is_left_out(field, unused, used):
    picture = figures.Live(Params())
    assert not picture.relevant(Params(**unused), field)
    assert picture.relevant(Params(**used), field)


# -- the countdown -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shift", [0, 1, 4])
def test_the_timer_is_early_by_two_remainders_and_never_late(shift):
    """T - ((t >> X) + v << X) = (t mod 2**X) + ((T - t) mod 2**X): 0 to 2 (2**X - 1), in the mean 2**X - 1."""
    step = 1 << shift
    phase, rest = np.arange(step)[:, None], np.arange(step)
    assert np.array_equal(earliness.all_phases(shift), phase + rest)


def test_a_drawn_countdown_ends_where_the_timer_fires():
    one = earliness.counted(5, 1024 + 31, 1024 + 31 + 8 * 32 + 31)
    assert one.early_cycles == 62
    zero = one.tsc[one.value == 0]
    assert zero[0] == one.fires_tsc == one.deadline_tsc - 62
    falls = np.flatnonzero(np.diff(one.value))
    assert np.all(one.tsc[falls + 1] % 32 == 0), "the value falls where bit 5 changes"
    drawn = figures_countdown.countdowns([one], 5, ["worst"])
    assert "worst: 62 cycles early" in drawn.alt
    assert [text.get_text() for text in drawn.axes[1].texts if "early" in text.get_text()] == [
        "62 cycles\nearly"
    ]


def test_the_table_of_shifts_has_cycles_and_time():
    frame = earliness.by_shift((0, 5), 2.5e9)
    assert list(frame.loc[5]) == [32, 0, 31, 62, pytest.approx(12.4)]
    assert list(frame.loc[0]) == [1, 0, 0, 0, 0]
    assert figures_countdown.shift_table(frame).loc[5, "mean as time"] == "12.4 ns"
    assert "0 to 62 cycles, 31 in the mean" in figures_countdown.earliness(5, 2.5e9).alt


# -- the adaptive advance ------------------------------------------------------------------------------------------


def course(rounds_count=40, **fields):
    p = Params(advance="adaptive", **fields)
    return settling.course(p, 0, rounds_count=rounds_count, rng=np.random.default_rng(7))


def test_the_advance_follows_kvms_rule_from_its_start():
    one = course()
    advance = ADVANCE_INIT_NS
    for error, after in zip(one.error_cycles, one.advance_ns, strict=True):
        advance = adjust(advance, int(error), 2_500_000)
        assert advance == after


def test_without_spread_the_error_is_the_path_less_the_advance():
    """At the start the advance is 1000 ns = 2500 cycles; the path is the sum of the way's stages."""
    p = Params(advance="adaptive", spread_frac=0.0)
    from nfvlab.timer.rounds import cost_cycles, ways

    one = settling.course(p, 0, rounds_count=1, rng=np.random.default_rng(7))
    assert one.error_cycles[0] == cost_cycles(p, ways(p, 0)[-1].to_look) - 2500


def test_a_path_of_more_than_the_spikes_limit_never_moves_the_advance():
    one = course(halting=True, idle_exit_cycles=20_000.0)
    assert set(one.advance_ns) == {ADVANCE_INIT_NS}
    assert figures_advance.table({"deep": one}).loc["deep", "looks left out as spikes"] == "100 %"


def test_the_picture_of_the_advance_has_the_dead_band_and_every_course():
    courses = {"quiet": course(), "noise": course(noise_per_s=1e5)}
    drawn = figures_advance.settling(courses)
    upper, lower = drawn.axes
    for line, one in zip(upper.lines, courses.values(), strict=True):
        assert np.array_equal(line.get_ydata(), one.advance_ns)
    band = next(p for p in lower.patches)
    assert (band.get_y(), band.get_height()) == (-100, 200)
    assert "quiet" in drawn.alt and "noise" in drawn.alt
