"""Splitting against gambler's ruin and chains solved as linear equations; unbiased at any effort; wrong ones fail."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nfvlab.realtime import rare_splitting
from nfvlab.realtime.rare_splitting import Machine, reach


def rng(seed=1):
    return np.random.default_rng(seed)


def gambler(up):
    """From 1, a step up with chance `up`, else down; finished at 0."""
    return Machine(
        start=lambda g, n: np.ones(n, dtype=int),
        step=lambda s, g: s + np.where(g.random(s.size) < up, 1, -1),
        importance=lambda s: s.astype(float),
        finished=lambda s: s == 0,
    )


def ruin(up, top):
    """P(top before 0 from 1): the classical (q/p - 1) / ((q/p)**top - 1)."""
    return ((1 - up) / up - 1) / (((1 - up) / up) ** top - 1)


@pytest.mark.parametrize(("up", "top"), [(0.4, 5), (0.3, 10), (0.25, 20)])
def test_gamblers_reach_the_top_as_rarely_as_they_should(up, top):
    made = reach(gambler(up), range(2, top + 1), rng=rng(), effort=400)
    assert abs(made.value - ruin(up, top)) < made.reach() and made.trusted
    assert made.relative_error < 0.15 and made.n == 20


def matrix(rows):
    """A chain on 0 .. k-1 by its rows of chances, finished at 0, from 1; importance is the state's number."""
    edges = np.cumsum(rows, axis=1)
    return Machine(
        start=lambda g, n: np.ones(n, dtype=int),
        step=lambda s, g: np.minimum((g.random(s.size)[:, None] >= edges[s]).sum(axis=1), len(rows) - 1),
        importance=lambda s: s.astype(float),
        finished=lambda s: s == 0,
    )


def solved(rows):
    """P(the last state before 0, from 1) by linear equations."""
    inner = rows[1:-1, 1:-1]
    return np.linalg.solve(np.eye(len(inner)) - inner, rows[1:-1, -1])[0]


@given(st.integers(0, 2**32 - 1), st.integers(3, 7), st.booleans())
@settings(max_examples=15)
def test_any_chain_that_jumps_over_levels(seed, size, few_levels):
    rows = rng(seed).dirichlet(np.full(size, 0.7), size)
    rows = 0.9 * rows + 0.1 * np.eye(size)[0]  # every path ends
    levels = [size - 1] if few_levels else range(1, size)
    made = reach(matrix(rows), levels, rng=rng(seed + 1), effort=200, repeats=100)
    # 15 examples on 100 repeats; a value below 1e-4 is met too rarely in 20,000 paths for an error
    assert abs(made.value - solved(rows)) < max(made.reach(5) if made.stderr > 0 else 0, 1e-4)


@pytest.mark.parametrize("effort", [1, 2, 3, 7])
def test_few_paths_are_unbiased(effort):
    made = reach(gambler(0.4), [2, 3, 4], rng=rng(2), effort=effort, repeats=6000)
    assert abs(made.value - ruin(0.4, 4)) < made.reach()


def test_a_poor_importance_function_is_unbiased_too():
    """Two counters; the event is the first at 5, the importance falls behind with the second."""

    def step(states, g):
        moved = states.copy()
        moved[:, 0] += np.where(g.random(len(states)) < 0.35, 1, -1)
        moved[:, 1] = g.integers(0, 3, len(states))
        return moved

    def importance(states):
        return np.where(states[:, 0] >= 5, 10.0, states[:, 0] - 0.4 * states[:, 1])

    machine = Machine(lambda g, n: np.tile([1, 0], (n, 1)), step, importance, lambda s: s[:, 0] <= 0)
    made = reach(machine, [1.5, 2.5, 3.5, 10], rng=rng(3), effort=200, repeats=60)
    assert abs(made.value - ruin(0.35, 5)) < made.reach()


def test_a_state_that_is_finished_at_the_top_has_reached_it():
    coin = Machine(
        lambda g, n: np.zeros(n),
        lambda s, g: np.where(g.random(s.size) < 0.25, 2.0, 1.0),
        lambda s: s,
        lambda s: s > 0,
    )
    made = reach(coin, [2.0], rng=rng(4), effort=1000)
    assert abs(made.value - 0.25) < made.reach()
    # at 1 it is finished, though past the first level: it must not go on from there
    made = reach(coin, [1.0, 2.0], rng=rng(4), effort=1000)
    assert abs(made.value - 0.25) < made.reach()


def test_where_all_start_beyond_it_is_sure():
    made = reach(gambler(0.5), [0.5, 1.0], rng=rng(), effort=10)
    assert made.value == 1 and made.stderr == 0


def test_what_never_happens_is_zero_and_not_trusted():
    made = reach(gambler(0.0), [2, 3], rng=rng(), effort=50)
    assert made.value == 0 and made.verdict == "no draw met the event"


@given(st.integers(1, 40), st.integers(1, 40))
def test_starts_are_shared_out_evenly(found, effort):
    counts = np.bincount(rare_splitting._shared_out(found, effort, rng()), minlength=found)
    assert counts.sum() == effort and counts.size == found and counts.max() - counts.min() <= 1


def first_only(found, effort, g):
    """A wrong splitting: all paths go on from the first state that crossed."""
    return np.zeros(effort, dtype=int)


def ever_going(machine, states, level, last, g, most):
    """A wrong splitting: paths that are finished go on."""
    return RIGHT(machine._replace(finished=lambda s: s < -20), states, level, last, g, most)


RIGHT = rare_splitting._cross


def forked():
    """From 0 to 1 or 2 alike, which succeed with chance 0 and 1/2."""
    return Machine(
        lambda g, n: np.zeros(n),
        lambda s, g: np.where(
            s == 0, 1 + g.integers(0, 2, s.size), np.where((s == 2) & (g.random(s.size) < 0.5), 3, -1)
        ),
        lambda s: np.minimum(s, 1.0) + (s == 3),
        lambda s: s < 0,
    )


def test_ancestors_matter():
    made = reach(forked(), [1, 2], rng=rng(5), effort=50)
    assert abs(made.value - 0.25) < made.reach() and made.relative_error < 0.1


@pytest.mark.parametrize(("name", "wrong"), [("_shared_out", first_only), ("_cross", ever_going)])
def test_wrong_splittings_are_rejected(monkeypatch, name, wrong):
    monkeypatch.setattr(rare_splitting, name, wrong)
    made = reach(gambler(0.4), [2, 3, 4, 5], rng=rng(6), effort=200)
    off = abs(made.value - ruin(0.4, 5)) > made.reach()
    assert off or reach(forked(), [1, 2], rng=rng(6), effort=50).relative_error > 0.15


def test_bad_input_is_refused():
    for levels in ([], [2, 2], [3, 2], [math.nan], [[1, 2]]):
        with pytest.raises(ValueError, match="levels"):
            reach(gambler(0.4), levels, rng=rng(), effort=10)
    for effort, repeats in ((0, 20), (10, 1)):
        with pytest.raises(ValueError, match="effort = .*repeats = "):
            reach(gambler(0.4), [2], rng=rng(), effort=effort, repeats=repeats)
    idle = gambler(0.4)._replace(step=lambda s, g: s)
    with pytest.raises(ValueError, match="max_steps = 100: 10 paths neither finished nor crossed level 2"):
        reach(idle, [2], rng=rng(), effort=10, max_steps=100)
