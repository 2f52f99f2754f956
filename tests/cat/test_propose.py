"""The optimiser's proposal for a scenario: masks that the part takes, from curves that no mask changes."""

import numpy as np
import pytest
from cat.tenants_for_tests import STREAM, TASK, TWO, anything
from hypothesis import given, settings
from hypothesis import strategies as st
from resctrl_host import mount

from nfvlab.cat import propose, tables
from nfvlab.cat.analytic import analyze
from nfvlab.cat.cbm import Cbm
from nfvlab.cat.params import Params
from nfvlab.cat.scenarios import SCENARIOS
from nfvlab.llc import curves
from nfvlab.llc.params import LINE_BYTES, Tenant
from nfvlab.params import ParamError
from nfvlab.units import MiB


def values(p: Params) -> dict[str, float]:
    """The theory's outputs by name."""
    found = analyze(p)
    return {name: found.value(name) for name in found.outputs()}


def slowdowns(p: Params) -> list[float]:
    """How many times slower each tenant is than alone, by the theory of all of them together."""
    of = values(p)
    return [1 / propose.speed(p, k, of) for k in range(len(p.tenants))]


def masks(p: Params) -> list[tuple[int, int]]:
    """Data and code masks that count."""
    return [(t.data_mask, t.code_mask if p.cdp else t.data_mask) for t in p.tenants]


def has_device(p: Params) -> bool:
    return any(t.workload == "packets" for t in p.tenants)


# -- masks that hold on a host -------------------------------------------------------------------------------------


def check(p: Params, found: propose.Proposal) -> None:
    """What every proposal keeps to, read from its masks alone."""
    taken = 0
    for t, (data, code) in zip(p.tenants, masks(found.params), strict=True):
        for mask in {data, code}:
            assert 0 < mask < 1 << p.cache_ways and mask.bit_count() >= p.min_cbm_ways
            assert p.sparse_masks or Cbm(mask, p.cache_ways).contiguous
            assert not (has_device(p) and mask & p.io_mask)
        if t.code_frac == 0 and t.workload != "wakeups":
            assert data == code, "who fetches no code has one mask"
        assert not taken & (data | code), "each tenant has ways of its own"
        taken |= data | code
    assert found.params.replace(tenants=p.tenants) == p, "nothing but masks is changed"


def accept(p: Params, found: propose.Proposal) -> None:
    """Groups with the tenants' names, in a resctrl of a part with as many ways; it reads back what was written."""
    fs = mount(
        sockets=1,
        options="cdp" if p.cdp else "",
        l3=propose.capability(p),
        l3_bytes=p.cache_sets * p.cache_ways * LINE_BYTES,
        mb=None,
    )
    for name, lines in found.schemata().items():
        group = name.replace(" ", "_")
        fs.mkdir(group)
        fs.write(f"{group}/schemata", lines + "\n")
        read = {line.strip() for line in fs.read(f"{group}/schemata").splitlines()}
        assert {line.strip() for line in lines.splitlines()} <= read


@pytest.mark.parametrize("objective", ["throughput", "fairness", "lookahead"])
@pytest.mark.parametrize("name", SCENARIOS)
def test_the_scenarios_get_masks_that_a_host_takes(name, objective):
    p = SCENARIOS[name]
    found = propose.proposal(p, objective=objective)
    check(p, found)
    accept(p, found)


@pytest.mark.parametrize("seed", range(25))
@pytest.mark.parametrize("cdp", [False, True])
def test_any_tenants_get_masks_that_a_host_takes(seed, cdp):
    p = anything(seed, cdp=cdp, min_cbm_ways=1 + seed % 2, sparse_masks=seed % 4 > 1)
    if not fits(p):
        with pytest.raises(ParamError, match="ways"):
            propose.proposal(p)
        return
    found = propose.proposal(p)
    check(p, found)
    accept(p, found)


def fits(p: Params) -> bool:
    """Whether the smallest masks find room, one a tenant: with CDP code and data may have the same."""
    each = p.min_cbm_ways
    closed = p.io_mask if has_device(p) else 0
    free = "".join("x" if closed >> way & 1 else "." for way in range(p.cache_ways))
    runs = [len(run) for run in free.split("x")]
    room = sum(runs) // each if p.sparse_masks else sum(run // each for run in runs)
    return room >= len(p.tenants)


def test_too_few_ways_for_all_are_refused():
    p = TWO.replace(cache_ways=4, io_mask=0xC, tenants=(TWO.tenants[0].replace(data_mask=0xF),) * 4)
    with pytest.raises(ParamError, match="has 2"):
        propose.proposal(p)


# -- on what a proposal depends ------------------------------------------------------------------------------------


@settings(max_examples=20)
@given(st.lists(st.integers(1, 0xFFF), min_size=2, max_size=2))
def test_the_present_masks_do_not_matter(mine):
    p = TWO.replace(
        sparse_masks=True,
        tenants=tuple(t.replace(data_mask=m) for t, m in zip(TWO.tenants, mine, strict=True)),
    )
    assert propose.proposal(p) is propose.proposal(TWO.replace(sparse_masks=True)), (
        "found again, not made again"
    )


def test_curves_are_made_once_whatever_the_masks(monkeypatch):
    asked = []
    solo, split = curves.solo, curves.split
    monkeypatch.setattr(curves, "solo", lambda p, t: asked.append(t) or solo(p, t))
    monkeypatch.setattr(curves, "split", lambda p, t: asked.append(t) or split(p, t))
    p = TWO.replace(memory_ns=81.5)  # not asked for by any other test
    propose.proposal(p)
    assert len(asked) == 2
    narrow = tuple(t.replace(data_mask=1 << k) for k, t in enumerate(p.tenants))
    propose.proposal(p.replace(tenants=narrow))
    propose.proposal(p.replace(min_cbm_ways=2), objective="fairness")
    assert len(asked) == 2, "neither masks nor what the part takes changes a curve"
    other = (p.tenants[0].replace(data_bytes=MiB / 7), p.tenants[1])
    propose.proposal(p.replace(tenants=other))
    assert asked[2:] == [propose.without_masks(p.replace(tenants=other)).tenants[0]]
    del asked[:]
    for masks_of in (p, p.replace(tenants=narrow)):
        propose.proposal(masks_of.replace(cdp=True))
    assert asked, "code and data have curves of their own"
    again = len(asked)
    propose.proposal(p.replace(cdp=True, tenants=narrow))
    assert len(asked) == again


@pytest.mark.parametrize("p", [TWO, SCENARIOS["too few ways"]], ids=["small", "too few ways"])
def test_more_ways_never_cost_more(p):
    for k in range(len(p.tenants)):
        cost = propose.slowdown(p, k)
        assert cost.shape == (p.cache_ways + 1,) and np.isinf(cost[0]) and cost[-1] == pytest.approx(1)
        assert (np.diff(cost[1:]) <= 1e-6 * cost[1:-1]).all()


# -- what it is worth ----------------------------------------------------------------------------------------------

MARGIN = 0.01  # of the sum: a curve is of a tenant alone, without the others' traffic on the memory channel


def equal_shares(p: Params) -> Params:
    """As many ways for each, next to each other, away from the devices' ways where a tenant has a device."""
    free = p.cache_ways if not has_device(p) else (p.io_mask & -p.io_mask).bit_length() - 1
    count = len(p.tenants)
    return tables.blocks(p, [free // count + (k < free % count) for k in range(count)], not has_device(p))


@pytest.mark.parametrize("objective", ["throughput", "fairness"])
@pytest.mark.parametrize("name", SCENARIOS)
def test_no_tenants_of_the_scenarios_were_better_off_with_equal_shares(name, objective):
    p = SCENARIOS[name]
    value = {"throughput": sum, "fairness": max}[objective]
    found, even = (
        value(slowdowns(q)) for q in (propose.proposal(p, objective=objective).params, equal_shares(p))
    )
    assert found <= (1 + MARGIN) * even


def test_masks_do_not_pay_where_all_come_back_to_their_lines():
    """The proposal gives each tenant ways of its own; where nobody streams, to share all ways may be better.

    Set by set the shared ways go to whoever needs them there, and they include those of the devices. Everywhere else
    the proposal is better than no masks.
    """
    worse = []
    for name, p in SCENARIOS.items():
        found, without = (sum(slowdowns(q)) for q in (propose.proposal(p).params, propose.without_masks(p)))
        worse += [name] if found > (1 + MARGIN) * without else []
    assert worse == ["overlapping masks"]
    assert not any(t.workload == "scan" for t in SCENARIOS["overlapping masks"].tenants)


@pytest.mark.parametrize("seed", range(40))
def test_no_tenants_at_random_were_better_off_with_equal_shares(seed):
    p = anything(seed, cdp=seed % 3 == 0)
    p = p.replace(io_mask=0b11 << (p.cache_ways - 2))
    assert sum(slowdowns(propose.proposal(p).params)) <= (1 + MARGIN) * sum(slowdowns(equal_shares(p)))


def test_the_best_division_is_found_among_all_of_them():
    p = propose.without_masks(TWO)
    every = [sum(slowdowns(tables.blocks(p, (w, 10 - w), False))) for w in range(1, 10)]
    found = propose.proposal(p)
    assert sum(slowdowns(found.params)) == pytest.approx(min(every), rel=MARGIN)
    assert max(every) > 1.1 * min(every), "it matters which"


def test_code_and_data_apart_are_never_dearer_than_together():
    divided = 0
    for seed in range(20):
        p = anything(seed)
        for k in range(len(p.tenants)):
            together, apart = propose.slowdown(p, k), propose.slowdown(p.replace(cdp=True), k)
            assert (apart <= together).all()
            codes = [propose.code_ways(p.replace(cdp=True), k, w) for w in range(1, p.cache_ways + 1)]
            assert all(0 <= c < w for w, c in enumerate(codes, 1))
            assert ((apart < together)[1:] == (np.array(codes) > 0)).all()
            divided += any(codes)
    assert divided > 5


def test_a_division_is_worth_what_its_curve_says():
    """Code that data evicts: the theory of the whole tenant, masks apart, beside the curve of the division."""
    p = SCENARIOS["code evicted by data, CDP"]
    cost = propose.slowdown(p, 0)
    ways = next(w for w in range(2, p.cache_ways + 1) if propose.code_ways(p, 0, w))
    data, code = propose.divided((1 << ways) - 1, propose.code_ways(p, 0, ways))
    t = p.tenants[0].replace(data_mask=data, code_mask=code)
    assert slowdowns(p.replace(tenants=(t,)))[0] == pytest.approx(cost[ways], rel=MARGIN)


@pytest.mark.parametrize(
    ("mask", "code_ways", "data", "code"),
    [(0b1110, 0, 0b1110, 0b1110), (0b1110, 1, 0b0110, 0b1000), (0b10110, 2, 0b00010, 0b10100)],
)
def test_the_topmost_ways_are_the_codes(mask, code_ways, data, code):
    assert propose.divided(mask, code_ways) == (data, code)


# -- speed ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workload", ["zipf", "scan", "chase", "phases", "packets", "wakeups"])
def test_who_is_alone_has_full_speed(workload):
    p = TWO.replace(tenants=(Tenant(workload=workload, data_bytes=MiB / 8, data_mask=0xFFF),))
    assert propose.speed(p, 0, values(p)) == 1


def test_wakeups_are_told_by_their_work_and_not_by_how_often_they_come():
    p = TWO.replace(tenants=(TASK, STREAM))
    of, alone = values(p), propose.alone(p, 0)
    assert of["references_per_s[0]"] == pytest.approx(alone.references_per_s[0])
    assert propose.speed(p, 0, of) == pytest.approx(alone.cpi_ratio[0] / of["cpi_ratio[0]"])
    assert propose.speed(p, 0, of) < 0.7
    assert propose.slowdown(p, 0)[1] > 1.5  # 80 KiB in a way of 16 KiB


def test_half_the_rate_is_half_the_speed():
    of = values(TWO)
    whole = propose.alone(TWO, 1).references_per_s[0]
    assert propose.speed(TWO, 1, of | {"references_per_s[1]": whole / 2}) == 0.5


def test_the_lines_to_paste_are_the_masks():
    p = SCENARIOS["the talk's example, CDP"]
    assert propose.schemata(p)["tenant 1 (packets)"] == "L3DATA:0=f000\nL3CODE:0=c00"
    p = SCENARIOS["packets beside a stream, CAT"]
    made = propose.schemata(p, (0, 1))
    assert list(made.values()) == ["L3:0=3fffc;1=3fffc", "L3:0=3;1=3"]
