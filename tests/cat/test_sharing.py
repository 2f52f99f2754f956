"""Classes that share a mask: what each holds, what it costs, and the best of all groupings."""

import itertools

import numpy as np
import pytest
from cat.curves_for_tests import assert_valid, part
from hypothesis import given
from hypothesis import strategies as st

from nfvlab.cat import sharing
from nfvlab.cat.allocate import allocate
from nfvlab.params import ParamError

SCAN = np.full(9, 100.0)  # misses whatever it gets
LOOP = np.array([60.0, 60, 60, 60, 0, 0, 0, 0, 0])  # fits in four ways
SMALL = 8 * 0.5 ** np.arange(9.0)


def groupings(classes):
    """All ways to put classes into groups."""
    if not classes:
        yield ()
        return
    first, rest = classes[0], classes[1:]
    for others in groupings(rest):
        yield ((first,), *others)
        for k in range(len(others)):
            yield (*others[:k], (first, *others[k]), *others[k + 1 :])


def test_a_shared_mask_fills_by_misses():
    held = sharing.held_ways(np.array([np.full(9, 3.0), np.full(9, 1.0)]))
    assert held == pytest.approx(np.outer([0.75, 0.25], np.arange(9)))


def test_costs_between_whole_ways_are_linear_and_a_forbidden_column_forbids_its_neighbourhood():
    costs = np.array([[8.0, 4, 0], [np.inf, 1, 2]])
    assert sharing.cost_held(costs, np.array([[0.5, 1.0, 2.0], [0.5, 1.0, 1.5]])).tolist() == [
        [6.0, 4.0, 0.0],
        [np.inf, 1.0, 1.5],
    ]


def test_a_scan_beside_a_loop_takes_what_the_loop_needs():
    costs = np.array([SCAN, LOOP])
    apart = allocate(costs, part(8))
    shared = allocate(costs, part(8), groups=((0, 1),), misses=costs)
    assert apart.costs == (100.0, 0.0)
    # 8 ways by misses, 100 to 60: the loop holds 3 of them and misses all the time.
    assert shared.held_ways == pytest.approx((5.0, 3.0)) and shared.costs == pytest.approx((100.0, 60.0))
    assert shared.masks == (0xFF,) and shared.schemata() == {"c0+c1": "L3:0=ff"}


@pytest.mark.parametrize("objective", ["throughput", "fairness"])
@given(classes=st.integers(2, 4), closids=st.integers(1, 3), seed=st.integers(0, 2**31))
def test_no_grouping_is_better_than_the_one_found(objective, classes, closids, seed):
    costs = -np.sort(-np.random.default_rng(seed).integers(0, 50, (classes, 9)), axis=1).astype(float)
    few = part(8, num_closids=closids)
    found = allocate(costs, few, objective=objective, groups="best", misses=costs)
    every = [g for g in groupings(tuple(range(classes))) if len(g) <= closids]
    made = [allocate(costs, few, objective=objective, groups=g, misses=costs) for g in every]
    name = "worst" if objective == "fairness" else "total"
    best = min(getattr(one, name) for one in made)
    assert getattr(found, name) == pytest.approx(best, rel=1e-12, abs=1e-9)
    assert found.exact and len(found.groups) <= closids
    assert_valid(found.masks, few)


def test_sharing_can_be_better_than_masks_of_ones_own():
    # Apart each has one way: 9 + 0.1. Together the first, which misses more, holds more than one of the two.
    steep = np.array([9.0, 9, 1, 0, 0, 0, 0, 0, 0])
    costs = np.array([steep, np.array([4.0, 0.1, 0, 0, 0, 0, 0, 0, 0])])
    apart = allocate(costs, part(2))
    best = allocate(costs, part(2), groups="best", misses=costs)
    assert best.groups == ((0, 1),) and best.total < apart.total


def test_nobody_shares_without_gain():
    costs = np.zeros((3, 9))
    assert allocate(costs, part(8), groups="best", misses=costs).groups == ((0,), (1,), (2,))


def test_more_classes_than_can_be_compared_are_joined_two_at_a_time():
    rng = np.random.default_rng(1)
    costs = -np.sort(-rng.integers(0, 50, (sharing.EXACT_CLASSES + 2, 13)), axis=1).astype(float)
    found = allocate(costs, part(12, num_closids=4), groups="best", misses=costs)
    assert not found.exact and len(found.groups) == 4
    assert sorted(itertools.chain(*found.groups)) == list(range(len(costs)))
    halves = tuple(tuple(range(k, len(costs), 4)) for k in range(4))
    assert found.total < allocate(costs, part(12, num_closids=4), groups=halves, misses=costs).total


def test_fewer_ways_than_classes_make_classes_share_too():
    costs = np.tile(SMALL[:4], (5, 1))
    found = allocate(costs, part(3), groups="best", misses=costs)
    assert sum(found.ways) == 3 and len(found.groups) <= 3


@pytest.mark.parametrize("objective", ["throughput", "fairness"])
def test_with_cdp_a_group_splits_its_ways_between_code_and_data_as_well_as_can_be(objective):
    rng = np.random.default_rng(7)
    data, code = -np.sort(-rng.integers(0, 50, (2, 3, 9)), axis=2).astype(float)
    groups = ((0, 1), (2,))
    found = allocate(
        data, part(8), objective=objective, code_costs=code, groups=groups, misses=data, code_misses=code
    )
    held_d, held_c = sharing.held_ways(data[:2]), sharing.held_ways(code[:2])
    pair_d, pair_c = sharing.cost_held(data[:2], held_d), sharing.cost_held(code[:2], held_c)
    values = []
    for a, b, c, d in itertools.product(range(1, 9), repeat=4):
        if a + b + c + d <= 8:
            each = [*(pair_d[:, a] + pair_c[:, b]), data[2, c] + code[2, d]]
            values.append(max(each) if objective == "fairness" else sum(each))
    got = found.worst if objective == "fairness" else found.total
    assert got == pytest.approx(min(values))


def test_groups_given_in_any_order_keep_their_masks_with_their_classes():
    costs = np.array([SCAN, LOOP, SMALL])
    found = allocate(costs, part(8), groups=((2,), (1,), (0,)), names=("scan", "loop", "small"))
    assert found.group_names == ("small", "loop", "scan")
    ways = dict(zip(found.group_names, found.ways, strict=True))
    assert found.costs == (SCAN[ways["scan"]], LOOP[ways["loop"]], SMALL[ways["small"]])
    assert found.held_ways == (ways["scan"], ways["loop"], ways["small"])


def test_sharing_without_misses_or_with_bad_groups_is_refused():
    costs = np.array([SCAN, LOOP, SMALL])
    for fields, words in (
        ({"groups": ((0, 1), (2,))}, "hold parts of it by their misses"),
        ({"groups": "best", "capability": part(8, num_closids=2)}, "hold parts of it by their misses"),
        ({"groups": ((0, 1),), "misses": costs}, "each of the classes 0 to 2 once"),
        ({"groups": ((0, 1, 2), ()), "misses": costs}, "each of the classes 0 to 2 once"),
        ({"groups": "all"}, 'must be tuples of class numbers, "best"'),
        ({"groups": ((0, 1), (2,)), "misses": -costs}, "not negative"),
        ({"groups": ((0, 1), (2,)), "misses": costs[:, :8]}, "the curves end at 7"),
        (
            {"groups": ((0, 1), (2,)), "misses": costs, "min_ways": (5, 1, 1), "max_ways": (8, 2, 8)},
            "do not let",
        ),
    ):
        with pytest.raises(ParamError, match=words):
            allocate(**{"costs": costs, "capability": part(8)} | fields)
    unknown = costs.copy()
    unknown[:, 0] = np.nan
    assert allocate(unknown, part(8)).ways == allocate(costs, part(8)).ways
    with pytest.raises(ParamError, match="column 0 is needed"):
        allocate(unknown, part(8), groups=((0, 1), (2,)), misses=costs)
