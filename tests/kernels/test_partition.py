"""Splits of units among takers: every kernel against all splits tried one by one, and compiled against plain."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfvlab.kernels import partition


@st.composite
def problems(draw, finite=False, takers=4, units=6):
    """(costs, least, most, total): small whole costs, so that sums are exact and ties are many."""
    n, total = draw(st.integers(1, takers)), draw(st.integers(0, units))
    one = st.integers(-3, 5).map(float)
    cost = one if finite else st.one_of(one, st.just(np.inf))
    costs = draw(st.lists(st.lists(cost, min_size=units + 1, max_size=units + 1), min_size=n, max_size=n))
    least = draw(st.lists(st.integers(0, 2), min_size=n, max_size=n))
    more = draw(st.lists(st.integers(0, units), min_size=n, max_size=n))
    most = [min(units, a + b) for a, b in zip(least, more, strict=True)]
    return np.array(costs), np.array(least), np.array(most), total


def all_splits(least, most, total):
    ranges = [range(a, b + 1) for a, b in zip(least, most, strict=True)]
    return [units for units in itertools.product(*ranges) if sum(units) <= total]


def costs_of(costs, units):
    return [float(costs[k, u]) for k, u in enumerate(units)]


def best_by_hand(problem, value):
    """The allowed splits that are best by value, then use most units, then are most even; empty if there are none."""
    costs, least, most, total = problem
    allowed = [u for u in all_splits(least, most, total) if np.isfinite(costs_of(costs, u)).all()]
    ranked = {u: (value(costs_of(costs, u)), -sum(u), sum(v * v for v in u)) for u in allowed}
    return {u for u, rank in ranked.items() if rank == min(ranked.values())}


def falling(values):
    return sorted(values, reverse=True)


EXACT = {"sum": (partition.split_sum, sum), "leximin": (partition.split_leximin, falling)}


@pytest.mark.parametrize("name", EXACT)
@given(problems())
def test_a_programme_finds_what_trying_all_splits_finds(name, problem):
    kernel, value = EXACT[name]
    found = tuple(kernel(*problem).tolist())
    expected = best_by_hand(problem, value)
    assert found in expected if expected else found == (-1,) * len(problem[0])


@given(problems(finite=True), st.integers(1, 6))
def test_looking_ahead_is_allowed_and_never_better_than_the_programme(problem, reach):
    costs, least, most, total = problem
    found = partition.split_lookahead(*problem, reach)
    if not all_splits(least, most, total):
        assert (found == -1).all()
        return
    assert (least <= found).all() and (found <= most).all() and found.sum() <= total
    best = partition.split_sum(*problem)
    assert sum(costs_of(costs, found)) >= sum(costs_of(costs, best))


@given(problems())
def test_the_splits_come_one_after_the_other_in_any_portions(problem):
    _, least, most, total = problem
    expected = all_splits(least, most, total)
    for portion in (1, 7, len(expected) + 1):
        units, found = least.copy(), []
        while units[0] >= 0:
            out = np.empty((portion, least.size), dtype=np.int64)
            rows = partition.next_splits(units, least, most, total, out)
            found += [tuple(row) for row in out[:rows].tolist()]
        assert len(found) == len(expected) and set(found) == set(expected)


@given(problems(takers=2))
def test_a_curve_for_two_is_the_best_split_of_every_total(problem):
    costs, least, _, _ = problem
    a, b, units = costs[0], costs[-1], costs.shape[1] - 1
    low_a, low_b = int(least[0]), int(least[-1])
    curve, first = partition.convolve_min(a, b, low_a, low_b, units)
    for w in range(units + 1):
        options = [a[u] + b[w - u] for u in range(low_a, w - low_b + 1)]
        assert curve[w] == min(options, default=np.inf)
        assert np.isinf(curve[w]) or curve[w] == a[first[w]] + b[w - first[w]]


@given(problems(finite=True), st.integers(1, 6))
def test_compiled_and_plain_agree(problem, reach):
    costs, least, most, total = problem
    for kernel, more in (
        (partition.split_sum, ()),
        (partition.split_leximin, ()),
        (partition.split_lookahead, (reach,)),
    ):
        assert np.array_equal(kernel(*problem, *more), kernel.py_func(*problem, *more))
    outs = [np.zeros((40, least.size), dtype=np.int64) for _ in range(2)]
    states = [least.copy(), least.copy()]
    rows = [
        kernel(state, least, most, total, out)
        for kernel, state, out in zip(
            (partition.next_splits, partition.next_splits.py_func), states, outs, strict=True
        )
    ]
    assert rows[0] == rows[1] and np.array_equal(*outs) and np.array_equal(*states)
    curve = (costs[0], costs[-1], int(least[0]), int(least[-1]), costs.shape[1] - 1)
    for compiled, plain in zip(
        partition.convolve_min(*curve), partition.convolve_min.py_func(*curve), strict=True
    ):
        assert np.array_equal(compiled, plain)


def test_leximin_does_not_stop_at_the_largest_cost():
    # Taker 0 stays at 9 whatever it gets; of the other two the larger cost is made small first.
    costs = np.array([[9.0, 9, 9, 9, 9], [8, 6, 4, 2, 0], [5, 4, 3, 2, 1]])
    ones = np.ones(3, dtype=np.int64)
    found = partition.split_leximin(costs, ones, np.full(3, 4), 6)
    assert found.tolist() == [1, 3, 2]  # 9, 3, 2 of what is left: (9, 3, 2) beats (9, 4, 2), (9, 4, 4), …


def test_looking_ahead_sees_the_cliff_that_greedy_does_not():
    # Taker 0 saves nothing before its fourth unit, then 90 (22.5 a unit); taker 1 saves 10 with each.
    costs = np.array([[90.0, 90, 90, 90, 0], [40, 30, 20, 10, 0]])
    none, most = np.zeros(2, dtype=np.int64), np.full(2, 4)
    assert partition.split_lookahead(costs, none, most, 4, 4).tolist() == [4, 0]
    assert partition.split_lookahead(costs, none, most, 4, 1).tolist() == [0, 4]


def test_looking_ahead_can_miss_the_best_split():
    # Per unit taker 1 saves 11 over two units, taker 0 saves 30 over three (10 each); all three units are worth 30.
    costs = np.array([[30.0, 30, 30, 0], [22, 22, 0, 0]])
    none, most = np.zeros(2, dtype=np.int64), np.full(2, 3)
    assert partition.split_lookahead(costs, none, most, 3, 3).tolist() == [1, 2]
    assert partition.split_sum(costs, none, most, 3).tolist() == [3, 0]
