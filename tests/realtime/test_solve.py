"""Which stage costs measured rows imply."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfvlab.realtime.solve import Row, solve

PRIOR = {"exit_cycles": 400.0, "entry_cycles": 400.0, "loop_cycles": 300.0, "eoi_cycles": 100.0}


@given(truth=st.lists(st.floats(50, 2000), min_size=4, max_size=4))
def test_as_many_exact_rows_as_stages_give_the_planted_costs(truth):
    planted = dict(zip(PRIOR, truth, strict=True))
    counts = [(1, 0, 0, 0), (1, 1, 0, 0), (1, 1, 1, 0), (2, 2, 2, 1)]
    rows = [Row(str(c), dict(zip(PRIOR, c, strict=True)), float(np.dot(c, truth)), 1e-3) for c in counts]
    solved = solve(rows, PRIOR)
    assert solved.costs == pytest.approx(planted, rel=1e-3)
    assert all(told > 0.999 for told in solved.told.values())


def test_a_sum_says_nothing_of_how_it_is_split():
    solved = solve([Row("exit and entry", {"exit_cycles": 1, "entry_cycles": 1}, 1000.0, 1.0)], PRIOR)
    # the prior's 800 lack 200, which equal priors share equally
    assert solved.costs == pytest.approx({"exit_cycles": 500.0, "entry_cycles": 500.0}, rel=1e-3)
    # of two equal prior variances one combination is told: half of each remains
    assert solved.told["exit_cycles"] == pytest.approx(0.5, abs=1e-3)
    assert "loop_cycles" not in solved.costs


def test_costs_are_never_negative():
    rows = [Row("less than nothing", {"eoi_cycles": 1.0}, 10.0, 1.0, constant_cycles=500.0)]
    solved = solve(rows, PRIOR)
    assert 0 <= solved.costs["eoi_cycles"] < 1e-9
    assert solved.predicted(rows[0]) == pytest.approx(500.0)


def test_residuals_stand_in_their_errors():
    rows = [Row("a", {"exit_cycles": 1}, 400.0, 10.0), Row("b", {"exit_cycles": 1}, 420.0, 10.0)]
    frame = solve(rows, PRIOR).residuals()
    assert frame.loc["a", "in_errors"] == pytest.approx(-frame.loc["b", "in_errors"], abs=0.1)
    assert frame.loc["a", "in_errors"] == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize(
    ("rows", "word"),
    [
        ([], "nothing to solve"),
        ([Row("x", {"exit": 1}, 1.0, 1.0)], "give a prior"),
        ([Row("x", {"exit_cycles": 1}, 1.0, 0.0)], "error above 0"),
        ([Row("x", {"exit_cycles": 1}, float("nan"), 1.0)], "must be finite"),
    ],
)
def test_rows_that_say_nothing_are_refused(rows, word):
    with pytest.raises(ValueError, match=word):
        solve(rows, PRIOR)
