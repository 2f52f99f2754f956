"""The optimiser against all allocations of small parts, its identities, its limits, and its refusals."""

import itertools

import numpy as np
import pytest
from cat.curves_for_tests import assert_valid, each, every_split, part, small
from hypothesis import assume, given
from hypothesis import strategies as st

from nfvlab.cat.allocate import OBJECTIVES, allocate
from nfvlab.cat.parts import AMD_ROME, BROADWELL_EP, HASWELL_EP
from nfvlab.params import ParamError


def falling(values):
    return sorted(values, reverse=True)


VALUE = {"throughput": sum, "fairness": falling}


def refused(**changed):
    """The text of the refusal of a good question with some things changed."""
    good = {"costs": np.tile(np.arange(8.0, -1, -1), (2, 1)), "capability": part()}
    with pytest.raises(ParamError) as caught:
        allocate(**good | changed)
    return str(caught.value)


@pytest.mark.parametrize("objective", VALUE)
@given(small())
def test_no_allocation_is_better(objective, question):
    costs, capability = question
    possible = every_split(len(costs), capability)
    assume(possible)
    found = allocate(costs, capability, objective=objective)
    value = VALUE[objective]
    assert value(list(found.costs)) == min(value(each(costs, ways)) for ways in possible)
    assert list(found.costs) == each(costs, found.ways) and found.exact
    assert tuple(m.bit_count() for m in found.masks) == found.ways
    assert found.idle_ways == capability.cbm_len - sum(found.ways)
    assert_valid(found.masks, capability)


@given(small(), st.sampled_from(["lookahead", "greedy"]))
def test_a_rule_of_thumb_is_allowed_and_never_better_than_the_exact_answer(question, objective):
    costs, capability = question
    assume(every_split(len(costs), capability))
    rule, best = (allocate(costs, capability, objective=o) for o in (objective, "throughput"))
    assert rule.total >= best.total and not rule.exact
    assert_valid(rule.masks, capability)


@given(st.integers(1, 5), st.integers(0, 2**31))
def test_greedy_is_optimal_for_convex_curves(classes, seed):
    # Suh, Rudolph and Devadas 2004; so is look-ahead, which then never needs to look further than one way.
    steps = -np.sort(-np.random.default_rng(seed).integers(0, 9, (classes, 12)), axis=1)
    costs = 200.0 - np.cumsum(np.column_stack([np.zeros(classes), steps]), axis=1)
    totals = {o: allocate(costs, part(12), objective=o).total for o in ("greedy", "lookahead", "throughput")}
    assert len(set(totals.values())) == 1


def test_greedy_is_not_optimal_at_a_cliff():
    costs = np.array([[90.0, 90, 90, 90, 0, 0], [50, 40, 30, 20, 10, 0]])
    totals = {o: allocate(costs, part(5), objective=o).total for o in ("greedy", "throughput")}
    assert totals == {"greedy": 100.0, "throughput": 40.0}  # 90 + 10 with ways (1, 4); 0 + 40 with (4, 1)


@pytest.mark.parametrize("objective", OBJECTIVES)
@given(question=small(falling=True), factor=st.sampled_from([0.25, 2.0, 1024.0]))
def test_the_unit_of_the_weights_does_not_matter(objective, question, factor):
    costs, capability = question
    assume(every_split(len(costs), capability))
    once, more = (allocate(costs, capability, objective=objective, weights=w) for w in (1.0, factor))
    assert once.masks == more.masks and once.costs == more.costs
    assert more.total == factor * once.total


@given(small(), st.data())
def test_a_weight_counts_a_class_that_many_times(question, data):
    costs, capability = question
    assume(every_split(len(costs), capability))
    n = len(costs)
    weights = np.array(data.draw(st.lists(st.integers(1, 5), min_size=n, max_size=n)), dtype=float)
    weighted = allocate(costs, capability, weights=weights)
    assert weighted.masks == allocate(costs * weights[:, None], capability).masks
    assert weighted.total == sum(w * c for w, c in zip(weights, weighted.costs, strict=True))


@pytest.mark.parametrize("objective", VALUE)
@given(question=small(ways=8))
def test_one_way_more_never_hurts(objective, question):
    costs, capability = question
    assume(every_split(len(costs), capability))
    longer = np.column_stack([costs, costs[:, -1] + 3])
    fewer = allocate(longer, capability, objective=objective)
    more = allocate(longer, part(9, min_cbm_bits=capability.min_cbm_bits), objective=objective)
    assert VALUE[objective](list(more.costs)) <= VALUE[objective](list(fewer.costs))


@pytest.mark.parametrize("objective", VALUE)
@given(question=small(), data=st.data())
def test_the_order_of_the_classes_does_not_matter(objective, question, data):
    costs, capability = question
    assume(every_split(len(costs), capability))
    order = data.draw(st.permutations(range(len(costs))))
    one, other = (allocate(c, capability, objective=objective) for c in (costs, costs[list(order)]))
    assert VALUE[objective](list(one.costs)) == VALUE[objective](list(other.costs))
    assert sorted(one.ways) == sorted(other.ways) or one.total == other.total


@pytest.mark.parametrize("objective", VALUE)
@given(question=small())
def test_a_benefit_is_a_cost_with_the_sign_turned(objective, question):
    costs, capability = question
    assume(every_split(len(costs), capability))
    cost = allocate(costs, capability, objective=objective, weights=2.0)
    gain = allocate(-costs, capability, objective=objective, weights=2.0, maximise=True)
    assert gain.masks == cost.masks and gain.next_way == pytest.approx(cost.next_way, nan_ok=True)
    assert gain.costs == tuple(-c for c in cost.costs) and gain.worst == -cost.worst


@given(small(), st.data())
def test_limits_of_single_classes_are_kept(question, data):
    costs, capability = question
    n, bits = len(costs), capability.min_cbm_bits
    least = data.draw(st.lists(st.integers(0, 3), min_size=n, max_size=n))
    most = [max(low, bits) + data.draw(st.integers(0, 4)) for low in least]
    possible = [
        w
        for w in every_split(n, capability)
        if all(a <= x <= b for a, x, b in zip(least, w, most, strict=True))
    ]
    assume(possible)
    found = allocate(costs, capability, min_ways=least, max_ways=most)
    assert found.ways in possible
    assert found.total == min(sum(each(costs, w)) for w in possible)


@given(small(classes=3, ways=7), st.integers(0, 127), st.sampled_from(sorted(VALUE)))
def test_ways_in_several_runs_are_used_as_well_as_masks_without_holes_can(question, taken, objective):
    costs, capability = question
    available = capability.full_mask & ~taken
    runs = [len(run) for run in f"{available:b}".split("0") if run]

    def fits(ways):
        places = itertools.product(range(len(runs)), repeat=len(ways))
        return any(
            all(
                sum(w for w, p in zip(ways, where, strict=True) if p == r) <= size
                for r, size in enumerate(runs)
            )
            for where in places
        )

    possible = [w for w in every_split(len(costs), capability) if fits(w)]
    assume(possible)
    found = allocate(costs, capability, objective=objective, taken_mask=taken)
    value = VALUE[objective]
    assert value(list(found.costs)) == min(value(each(costs, w)) for w in possible)
    assert_valid(found.masks, capability, available)


def test_a_forbidden_column_is_never_chosen():
    costs = np.array([[np.inf, np.inf, np.inf, 5.0, 4], [0, 1.0, 0.5, np.inf, 0]])
    for objective in VALUE:
        found = allocate(costs, part(4), objective=objective, max_ways=4)
        assert found.ways == (3, 1)
    assert "every allocation is forbidden" in refused(costs=np.full((2, 9), np.inf))


def test_classes_stay_off_the_io_ways_unless_they_may_use_them():
    costs = np.tile(np.arange(20.0, -1, -1), (2, 1))
    off = allocate(costs, BROADWELL_EP.l3)
    assert off.masks == (0x3FE00, 0x001FF) and off.io_ways == (0, 0)
    on = allocate(costs, BROADWELL_EP.l3, use_io_ways=True)
    assert on.masks == (0xFFC00, 0x003FF) and on.io_ways == (2, 0)
    minds = allocate(costs, BROADWELL_EP.l3, use_io_ways=True, io_sensitivity=(1, 0))
    assert minds.masks == (0x003FF, 0xFFC00)


def test_the_answer_can_be_pasted():
    costs = np.tile(np.arange(20.0, -1, -1), (2, 1))
    found = allocate(costs, BROADWELL_EP.l3, names=("vm", "host"), use_io_ways=True)
    assert found.schemata((0, 1)) == {"vm": "L3:0=ffc00;1=ffc00", "host": "L3:0=003ff;1=003ff"}
    assert found.schemata(resource="L2")["host"] == "L2:0=003ff"
    assert str(found) == "vm: L3:0=ffc00\nhost: L3:0=003ff"
    for domains in ((), (0, 0), (-1,), (True,)):
        with pytest.raises(ParamError, match="domains"):
            found.schemata(domains)


def test_a_way_more_is_worth_what_the_curve_says():
    costs = np.array([[9.0, 7, 4, 2, 1], [9, 8, 6, 5, 4]])
    found = allocate(costs, part(4), weights=(2.0, 1.0))
    assert found.ways == (3, 1)
    assert found.next_way == (2.0, 2.0)  # 2 * (2 - 1), 8 - 6
    assert found.last_way[0] == 4.0 and np.isnan(found.last_way[1])  # 2 * (4 - 2); one way is the least
    capped = allocate(costs, part(4), max_ways=(2, 4))
    assert np.isnan(capped.next_way[0])


def test_with_cdp_every_class_has_two_masks_and_costs_the_sum():
    rng = np.random.default_rng(3)
    for objective, value in VALUE.items():
        data, code = rng.integers(0, 30, (2, 2, 9)).astype(float)
        found = allocate(data, part(8), objective=objective, code_costs=code)
        possible = [w for w in itertools.product(range(1, 9), repeat=4) if sum(w) <= 8]
        both = [[data[0, w[0]] + code[0, w[1]], data[1, w[2]] + code[1, w[3]]] for w in possible]
        assert value(list(found.costs)) == min(map(value, both))
        assert_valid((*found.masks, *found.code_masks), part(8))
        assert found.ways == tuple(
            a.bit_count() + b.bit_count() for a, b in zip(found.masks, found.code_masks, strict=True)
        )


@pytest.mark.parametrize("objective", ["lookahead", "greedy"])
def test_rules_of_thumb_know_cdp_too(objective):
    data, code = (
        np.array([[np.inf, 9, 5, 2, 1, 0, 0, 0, 0]] * 2),
        np.array([[np.inf, 4, 1, 0, 0, 0, 0, 0, 0]] * 2),
    )
    found = allocate(data, part(8), objective=objective, code_costs=code, io_sensitivity=(1, 2))
    best = allocate(data, part(8), code_costs=code)
    assert sum(found.ways) == 8 and found.total >= best.total
    assert_valid((*found.masks, *found.code_masks), part(8))


def test_with_cdp_there_are_two_lines_a_group_and_half_as_many_groups():
    data, code = np.tile(np.arange(20.0, -1, -1), (2, 1)), np.tile(10 * 0.5 ** np.arange(21), (2, 1))
    found = allocate(data, BROADWELL_EP.l3, code_costs=code, names=("a", "b"))
    lines = found.schemata((0,))["a"].split("\n")
    assert [line.partition(":")[0] for line in lines] == ["L3CODE", "L3DATA"]
    assert "code_mask" in found.to_frame()
    few = part(8, num_closids=2)
    assert "1 classes of service with CDP" in refused(code_costs=np.ones((2, 9)), capability=few)
    assert "has no CDP" in refused(
        code_costs=np.ones((2, 9)), capability=HASWELL_EP.l3, costs=np.ones((2, 21))
    )


def test_a_sparse_part_takes_masks_with_holes_where_there_is_no_other_way():
    costs = np.tile(np.arange(16.0, -1, -1), (2, 1))
    found = allocate(costs, AMD_ROME.l3, taken_mask=0x0180, min_ways=(9, 1))
    assert found.ways == (9, 5)
    assert_valid(found.masks, AMD_ROME.l3, 0xFE7F)
    with pytest.raises(ParamError, match="do not fit runs"):
        allocate(costs, part(16), taken_mask=0x0180, min_ways=(9, 1))


def test_equal_classes_get_equal_ways_and_worthless_ways_are_given_evenly():
    assert allocate(np.ones((3, 10)), part(9)).ways == (3, 3, 3)
    assert allocate(np.ones((3, 10)), part(9), objective="lookahead").ways == (3, 3, 3)


def test_refusals_name_the_value_the_rule_and_the_remedy():
    many = np.tile(np.arange(8.0, -1, -1), (9, 1))
    assert "9 masks need 9 ways, 0xff has 8; lower min_ways" in refused(costs=many)
    assert "the part has 4 classes of service; let some share" in refused(
        costs=many[:5], capability=part(num_closids=4)
    )
    assert "may get 8 ways, but the curves end at 5" in refused(costs=many[:2, :6])
    assert "must be a number" in refused(costs=np.array([[1, np.nan, *range(7)]]))
    assert "must be a number" in refused(costs=np.array([[1, -np.inf, *range(7)]]))
    assert "must be [classes, ways + 1]" in refused(costs=np.arange(9.0))
    assert "needs at least 5 ways and may have at most 3" in refused(min_ways=5, max_ways=3)
    assert "one for each of the 2 classes" in refused(weights=(1, 2, 3))
    assert "above 0" in refused(weights=(0, 1))
    assert "a whole number" in refused(min_ways=(1.5, 1))
    assert "throughput, fairness" in refused(objective="speed")
    assert "different words" in refused(names=("a", "a"))
    assert "fit the mask of all ways, 0xff" in refused(taken_mask=0x100)
    assert "there are 2 groups" in refused(io_sensitivity=(1, 2, 3))
    assert "leave no way" in refused(taken_mask=0xFF)
    assert "cannot see past" in refused(costs=np.full((1, 9), np.inf), objective="greedy")


def test_the_answer_shows_itself_as_a_table():
    found = allocate(
        np.array([[4e6, 2e6, 1e6], [3e6, 2e6, 1.5e6]]),
        part(2),
        quantity="lost_packets_per_s",
        names=("<a>", "b"),
    )
    html = found._repr_html_()
    assert "<caption>throughput (exact): total 4 Mpps, worst 2 Mpps" in html and "&lt;a&gt;" in html
    frame = found.to_frame()
    assert frame.index.name == "class" and list(frame["ways"]) == [1, 1] and list(frame["cost"]) == [2e6, 2e6]
    assert hash(found) == hash(found) and "x." in html


WRONG = {  # ways off by one, benefit for cost, no least bits, first way free
    "one way too many": lambda costs, capability: allocate(
        costs, part(capability.cbm_len + 1, min_cbm_bits=2)
    ),
    "benefit for cost": lambda costs, capability: allocate(-costs, capability),
    "no least bits": lambda costs, capability: allocate(costs, part(capability.cbm_len)),
    "column off by one": lambda costs, capability: allocate(np.roll(costs, 1, axis=1), capability),
}


@pytest.mark.parametrize("mutant", WRONG)
def test_wrong_optimisers_are_rejected(mutant):
    """Each mutant's ways are not allowed, or cost more than the best, on at least one of ten random questions."""
    rng, capability, caught = np.random.default_rng(5), part(8, min_cbm_bits=2), 0
    for _ in range(10):
        costs = np.column_stack([-np.sort(-rng.integers(0, 50, (3, 9)), axis=1), np.zeros(3)]).astype(float)
        ways = WRONG[mutant](costs, capability).ways
        possible = every_split(3, capability)
        best = min(sum(each(costs, w)) for w in possible)
        caught += ways not in possible or sum(each(costs, ways)) > best
    assert caught
