"""Pictures of interrupt delivery show what the models say."""

import numpy as np
import pandas as pd
import pytest

from nfvlab import apicv
from nfvlab.apicv import figures_course, figures_rate
from nfvlab.apicv.course import course
from nfvlab.apicv.figures import Live
from nfvlab.apicv.params import MODES
from nfvlab.apicv.studies import RATED

P = apicv.SCENARIOS["busy forwarder"]


def test_bars_are_exits_and_cycles_of_the_theory():
    theory = apicv.analyze(P)
    picture = Live(P)
    picture.draw(P, theory)
    for (made, _, _), output in zip(picture.boxes, ("exits_ratio", "cost_cycles"), strict=True):
        assert [bar.get_width() for bar in made] == pytest.approx(getattr(theory, output))


def test_the_headline_has_a_line_a_mode_with_its_latency_first():
    theory = apicv.analyze(P)
    lines = Live(P).headline(P, theory)
    assert list(lines) == list(MODES)
    assert lines["posted"].startswith(f"{theory.latency_ns[2] / 1e3:.3g} µs")


@pytest.mark.parametrize(
    "name, busy, halting",
    [
        ("masked_ns", True, False),
        ("halt_poll_ns", False, True),
        ("away_ns", False, False),
        ("exit_cycles", True, True),
    ],
)
def test_a_panel_has_the_knobs_that_the_scenario_uses(name, busy, halting):
    picture = Live(P)
    assert picture.relevant(P, name) == busy
    assert picture.relevant(P.replace(halting=True), name) == halting
    assert picture.relevant(P.replace(away_frac=0.1), "away_ns")


def test_a_course_has_a_mark_a_mode_where_its_handler_begins():
    drawn = figures_course.courses(P)
    begins = [course(P, mode).handler_ns for mode in range(len(MODES))]
    marks = [line.get_xdata()[0] for line in drawn.axes[0].get_lines()]
    assert marks == pytest.approx(begins)
    assert "VT-d posted: handler after" in drawn.alt and "no host work" in drawn.alt


def rates():
    rows = [
        (rate, mode, output, 1.0 + k, 1.5 + k, 0.1)
        for rate in (1e3, 1e5)
        for output in RATED
        for k, mode in enumerate(MODES)
    ]
    return pd.DataFrame(
        rows, columns=["interrupts_per_s", "mode", "output", "theory", "monte_carlo", "stderr"]
    )


def test_over_the_rate_lines_are_theory_and_dots_are_simulated():
    drawn = figures_rate.by_rate(rates())
    lines = drawn.axes[0].get_lines()
    assert [line.get_ydata()[0] for line in lines[::2]] == [1, 2, 3, 4]
    assert [line.get_ydata()[0] for line in lines[1::2]] == [1.5, 2.5, 3.5, 4.5]
    assert "At 100 k/s" in drawn.alt


def test_a_map_says_its_range():
    frame = pd.DataFrame(np.array([[1.0, 2.0], [3.0, 4.0]]), index=[0.1, 0.2], columns=[1e3, 1e4])
    drawn = figures_rate.maps([("Cycles", "eoi_exit_frac", frame), ("Latency", "away_frac", frame)])
    assert "Cycles: 1 to 4 times" in drawn.alt
