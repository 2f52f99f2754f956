"""Pictures and tables of rare events: what they draw is what was computed, and their words say so."""

import numpy as np
import pytest

from nfvlab.figures import png
from nfvlab.realtime import figures_tails, studies
from nfvlab.realtime.extremes_example import wrong_both_ways
from nfvlab.realtime.rare import of_draws
from nfvlab.realtime.rare_trap import Trap, trap
from nfvlab.realtime.studies import CONDITIONAL, PLAIN, SHIFTED, SIEGMUND, SPLIT, Point


@pytest.fixture(scope="module")
def points():
    return studies.estimates(rng=np.random.default_rng(1), tail_fracs=(1e-2, 1e-6, 1e-8, 1e-9))


@pytest.fixture(scope="module")
def cases():
    return wrong_both_ways(rng=np.random.default_rng(2), n=200_000)


@pytest.fixture(scope="module")
def runs():
    return trap(rng=np.random.default_rng(3), runs=7)


@pytest.mark.parametrize("method", [CONDITIONAL, SIEGMUND, SPLIT])
def test_the_methods_made_for_it_meet_the_truth_down_to_1e_9(points, method):
    some = [p for p in points if p.method == method]
    assert {1e-6, 1e-9} <= {p.tail_frac for p in some}
    for point in some:
        assert (
            point.low_frac - point.found.reach() < point.found.value < point.high_frac + point.found.reach()
        )
        assert point.relative_error < 0.15


def test_plain_draws_meet_nothing_of_what_is_rare(points):
    rare = [p for p in points if p.method == PLAIN and p.tail_frac <= 1e-8]
    assert rare and all(p.found.value == 0 and np.isnan(p.relative_error) for p in rare)
    assert any(p.verdict == "one draw decides" for p in points if p.method == SHIFTED)


def test_estimates_are_drawn_where_they_are(points):
    drawn = figures_tails.estimates(points)
    assert [axes.get_title(loc="left") for axes in drawn.axes] == [
        "Path of seven stages",
        "Wait for a server",
        "Work of a busy period",
    ]
    crosses = [line for axes in drawn.axes for line in axes.lines if line.get_marker() == "x"]
    assert len(crosses) == sum(point.found.value == 0 for point in points)
    shown = [line.get_ydata()[0] for line in drawn.axes[1].lines if line.get_marker() == "o"]
    assert shown == [point.ratio for point in points if point.method == SIEGMUND]
    assert "splitting: at 1e-09" in drawn.alt and "plain Monte Carlo" in drawn.alt and png(drawn)


def test_an_estimate_out_of_sight_is_an_arrow_and_one_that_is_not_trusted_hollow():
    high = Point("s", PLAIN, 1e-3, 1e-3, 1e-3, of_draws([1.0, *[0.0] * 99], PLAIN))
    low = Point("s", PLAIN, 1e-2, 0.5, 0.5, of_draws([1.0, *[0.0] * 99], PLAIN))
    axes = figures_tails.estimates([high, low]).axes[0]
    assert {line.get_marker() for line in axes.lines[1:]} == {"^", "v"}
    assert all(line.get_markerfacecolor() == "white" for line in axes.lines[1:])


def test_the_trap_s_runs_are_drawn_with_their_own_claims(runs):
    drawn = figures_tails.trap(runs)
    dots = [line.get_xdata()[0] for line in drawn.axes[0].lines if line.get_marker() == "o"]
    assert dots == [run.value / runs.reference.value - 1 for run in runs.runs]
    assert f"{runs.off_frac:+.1%}" in drawn.alt and png(drawn)


def test_a_trap_s_words_count_runs():
    truth, low, right = (of_draws(mean + np.array([-0.1, 0.1] * 50), "test") for mean in (1.0, 0.9, 1.0))
    words = repr(studies.trap_table(Trap(truth, (low, right, right))))
    assert "1 of 3" in words and "0 of 3" in words and "+0.0%" in words


def test_both_ways_of_being_wrong_are_drawn(cases):
    drawn = figures_tails.extrapolated(cases)
    titles = [axes.get_title(loc="left") for axes in drawn.axes]
    assert "too low" in titles[0] and "too low" in titles[1] and "too high" in titles[2]
    for axes, case in zip(drawn.axes, cases, strict=True):
        x, fitted = axes.lines[1].get_data()  # the dashes pass through what the fit says
        says = np.exp(np.interp(np.log(case.extrapolated.value), np.log(x), np.log(fitted)))
        assert says == pytest.approx(case.extrapolated.tail_frac, rel=1e-6)
        threshold = fitted[0]  # ends at the threshold, where the fitted peaks are
        assert threshold == pytest.approx((case.values_ns > x[0]).mean(), rel=0.1)
    assert "true is 1.01 ms" in drawn.alt and png(drawn)


def test_tables_say_what_the_pictures_do(points, cases, runs):
    assert "none met" in repr(studies.estimates_table(points))
    assert "1.01 ms" in repr(studies.extrapolated_table(cases))
    assert f"{runs.off_frac:+.1%}" in repr(studies.trap_table(runs))
