"""Allocation by a model of all classes together, where nothing couples them and where something does."""

import numpy as np
import pytest
from cat.curves_for_tests import assert_valid, each, every_split, part, small
from hypothesis import assume, given
from hypothesis import strategies as st

from nfvlab.cat import coupled
from nfvlab.cat.allocate import allocate
from nfvlab.cat.coupled import allocate_coupled, count_splits
from nfvlab.params import ParamError


def by_curves(costs):
    return lambda ways: costs[np.arange(len(costs)), ways]


@given(small(), st.sampled_from(["throughput", "fairness"]), st.integers(0, 255))
def test_without_coupling_it_finds_what_the_curves_give(question, objective, taken):
    costs, capability = question
    try:
        expected = allocate(costs, capability, objective=objective, taken_mask=taken)
    except ParamError:
        assume(False)
    found = allocate_coupled(
        by_curves(costs), len(costs), capability, objective=objective, taken_mask=taken, all_ways=False
    )
    order = sum if objective == "throughput" else lambda values: sorted(values, reverse=True)
    assert order(found.costs) == order(expected.costs)
    assert_valid(found.masks, capability, capability.full_mask & ~taken)
    if found.ways == expected.ways:
        assert found.next_way == pytest.approx(expected.next_way, nan_ok=True)


def shared_channel(ways):
    """Time per request of three classes whose misses wait for one channel: misses * (80 + 400 * load**4)."""
    misses = np.array([30.0, 20.0, 25.0]) * np.array([0.6, 0.9, 0.8]) ** ways
    load = misses.sum(axis=1, keepdims=True) / 40
    return misses * (80 + 400 * load**4)


@pytest.mark.parametrize("all_ways", [True, False])
def test_with_coupling_no_split_is_better(all_ways):
    found = allocate_coupled(shared_channel, 3, part(9), weights=(1, 2, 3), all_ways=all_ways)
    every = np.array(every_split(3, part(9)))
    totals = shared_channel(every) @ [1, 2, 3]
    assert found.total == pytest.approx(totals.min()) and found.ways == tuple(every[totals.argmin()])
    assert sum(found.ways) == 9


def test_portions_do_not_matter(monkeypatch):
    whole = allocate_coupled(shared_channel, 3, part(9), all_ways=False)
    monkeypatch.setattr(coupled, "PORTION", 7)
    assert allocate_coupled(shared_channel, 3, part(9), all_ways=False) == whole


@given(st.integers(1, 4), st.integers(0, 9), st.data())
def test_splits_are_counted_before_they_are_tried(classes, total, data):
    least = np.array(data.draw(st.lists(st.integers(0, 3), min_size=classes, max_size=classes)))
    most = least + data.draw(st.integers(0, 4))
    at_least = data.draw(st.integers(0, total))
    grid = np.stack(np.meshgrid(*[np.arange(a, b + 1) for a, b in zip(least, most, strict=True)]), axis=-1)
    sums = grid.reshape(-1, classes).sum(axis=1)
    assert count_splits(least, most, total, at_least) == ((sums >= at_least) & (sums <= total)).sum()


def test_refusals():
    costs = np.tile(np.arange(20.0, -1, -1), (8, 1))
    with pytest.raises(ParamError, match=r"50,388 splits .* are more than 50,000; raise min_ways"):
        # 19 gaps between 20 ways, 7 of them are borders: 19! / (7! 12!) = 50 388
        allocate_coupled(by_curves(costs), 8, part(20), most_splits=50_000)
    for model, words in (
        (lambda ways: np.zeros(len(ways)), "must return"),
        (lambda ways: np.where(ways > 3, np.nan, 1.0), "not a number at these ways"),
        (lambda ways: np.full(ways.shape, np.inf), "no split of 8 ways"),
    ):
        with pytest.raises(ParamError, match=words):
            allocate_coupled(model, 2, part(8))
    with pytest.raises(ParamError, match="no split of 8 ways"):
        allocate_coupled(by_curves(costs), 2, part(8), min_ways=5)
    with pytest.raises(ParamError, match="throughput, fairness"):
        allocate_coupled(by_curves(costs), 2, part(8), objective="greedy")
    with pytest.raises(ParamError, match="2 classes of service"):
        allocate_coupled(by_curves(costs), 3, part(8, num_closids=2))


def test_a_class_can_be_forbidden_some_ways():
    costs = np.array([[9.0, 9, 9, 9, 9, 1, 1, 1, 1], [5, 4, 3, 2, 1, 0, 0, 0, 0]])

    def model(ways):
        found = by_curves(costs)(ways).astype(float)
        found[ways[:, 1] < 4] = np.inf
        return found

    found = allocate_coupled(model, 2, part(8), all_ways=False)
    assert each(costs, found.ways) == list(found.costs) and found.ways[1] >= 4
