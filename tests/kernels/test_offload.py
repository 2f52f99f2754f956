"""Requests through a ring of servers: cases by hand, what is conserved, wrong versions, and the uncompiled form."""

import inspect

import numpy as np
import pytest
from conveyor_cases import ITEMS, ground, same, walked
from hypothesis import given, settings
from hypothesis import strategies as st

from nfvlab.kernels import conveyor, offload, sealers
from nfvlab.kernels.conveyor import BYTES, HELPED, SPIN, TAKEN, TAKER_CPU, WORK

BUILD, SUBMIT, POLL, PUT, REQUEST, ITEM, LATENCY = 1.0, 2.0, 1.0, 1.0, 3.0, 10.0, 5.0
COSTS = {
    "CHECK": 7.0,
    "BUILD": BUILD,
    "SUBMIT": SUBMIT,
    "POLL": POLL,
    "PUT": PUT,
    "REQUEST": REQUEST,
    "ITEM": ITEM,
    "LATENCY": LATENCY,
    "LIGHT_SIZE": 9.0,
    "WHOLE": 300.0,
    "SMALLEST_RAW": 250.0,
    "HEAD": 12.0,
}


def costs(**overrides):
    made = np.zeros(offload.COSTS)
    for name, value in (COSTS | overrides).items():
        made[getattr(offload, name)] = value
    return made


def walk(
    g,
    *,
    items=1,
    depth=4,
    wait=True,
    apart=True,
    answers=0,
    servers=1,
    devices=1,
    form=offload.walk,
    light=20.0,
    **more,
):
    limits = {name: more.pop(name) for name in ("budget", "deadline") if name in more}
    g.sealer = sealers.new_sealers(devices)
    stations = (np.zeros(servers), *offload.new_ring(depth), g.sealer)
    option = np.array([items, depth, wait, apart, answers], dtype=np.int64)
    return walked(form, g, stations, (light, g.bounds, costs(**more), option, g.rng), **limits)


def test_one_item_takes_every_step_once():
    g = ground([3])
    out = walk(g)
    # built at 1, submitted at 3, served until 16, answered at 21, taken at 22 and put at 23
    assert out.now == 23 and g.clock[WORK] == 5 and g.clock[SPIN] == 18 and g.clock[HELPED] == 13
    assert out.counts == [0, 1, 0, 0] and out.put == g.clock[BYTES] == 62 and (out.item, out.left) == (4, 0)


def test_a_request_of_several_items_pays_once():
    one, three = ground(range(3)), ground(range(3))
    walk(one), walk(three, items=3)
    assert one.clock[HELPED] == 3 * 13 and three.clock[HELPED] == 3 + 30
    assert one.clock[WORK] == 3 * 5 and three.clock[WORK] == 3 * BUILD + SUBMIT + POLL + 3 * PUT


def test_a_full_ring_makes_the_worker_wait_or_send_the_item_as_it_is():
    g = ground(range(2))
    assert walk(g, depth=1).now == 23 + 23  # one after the other
    g = ground(range(2))
    out = walk(g, depth=1, wait=False)
    assert out.counts == [0, 2, 0, 1] and out.put == 62 + 300 and out.now == 23 and g.clock[WORK] == 5
    g = ground(range(2))
    walk(g, depth=1, wait=False, LOOK=2.0)
    assert g.clock[WORK] == 5 + 2  # the item as it is has been looked at; BUILD holds that of the other


def test_two_requests_in_flight_overlap_at_the_server():
    g = ground(range(2))
    # served 3-16 and 16-29, answered 21 and 34; the worker is free to take both
    assert walk(g, depth=2).now == 34 + POLL + PUT


def test_two_servers_work_side_by_side():
    g = ground(range(2))
    assert walk(g, depth=2, servers=2).now == 6 + 13 + 5 + POLL + PUT  # the second submitted at 6


def test_an_item_that_does_not_shrink_goes_whole():
    g = ground([0], sizes=np.full((3, 1), 250.0))
    out = walk(g)
    assert out.put == 300 and out.counts == [0, 1, 0, 1]
    assert g.clock[WORK] == BUILD + SUBMIT + POLL  # it has the head of every item that goes as it came
    g = ground(range(3), sizes=np.array([[50.0, 250.0]] * 3))
    out = walk(g, items=3)
    assert 0 < out.counts[3] < 3
    assert g.clock[WORK] == 3 * BUILD + SUBMIT + POLL + (3 - out.counts[3]) * PUT


def test_light_items_are_told_apart_or_served_like_the_others():
    g = ground([0, 1], heavy=[1])
    out = walk(g, apart=True)
    assert out.counts == [1, 1, 0, 0] and out.put == 9 + 62 and g.clock[WORK] == 7 + 5
    g = ground([0, 1], heavy=[1])
    out = walk(g, apart=False)
    assert out.counts == [1, 1, 0, 0] and out.put == (20 + 12) + 62 and g.clock[HELPED] == 26


def test_answers_wait_for_their_interrupt_without_polls():
    g = ground([0])
    out = walk(g, answers=4, HOLD=100.0, INTERRUPT=50.0)
    assert out.now == 21 + 100 + 50 + POLL + PUT and g.clock[SPIN] == 0
    g = ground(range(2))
    out = walk(g, answers=2, HOLD=1000.0, INTERRUPT=50.0)
    assert out.now == 34 + 50 + 2 * (POLL + PUT)  # both answers are in at 34: one interrupt


def test_faults_keep_the_server():
    g = ground(range(4))
    walk(g, FAULT=1000.0, FAULT_SHARE=1.0)
    assert g.clock[HELPED] == 4 * (13 + 1000)


def test_an_item_seen_before_is_counted_and_taken_as_such():
    g = ground([5])
    g.seen[:] = g.todo
    assert walk(g, TAKE=1.0).counts == [0, 0, 1, 0]


SEALED = {"SEAL_BYTE": 0.25, "SEALER_BYTE": 0.5, "SEAL_HEAD": 28.0, "WHOLE_HEAD": 8.0}


def test_what_servers_made_is_sealed_before_it_is_answered_and_heads_by_the_worker():
    g = ground([3])
    out = walk(g, **SEALED)
    # served until 16, sealed until 16 + 25, answered at 46; poll, put and 12 bytes of head to seal
    assert out.now == 46 + POLL + PUT + 3 and out.put == g.clock[BYTES] == 62 + 28
    assert g.clock[HELPED] == 13 and g.sealer[sealers.TOTAL, 0] == 50 + 28


def test_an_item_that_does_not_shrink_is_sealed_as_it_is():
    g = ground([0], sizes=np.full((3, 1), 250.0))
    out = walk(g, **SEALED)
    assert out.put == 300 + 28 and out.now == 16 + 292 / 2 + 5 + POLL + 8 / 4


def test_the_worker_seals_what_is_no_request():
    g = ground(range(2))
    out = walk(g, depth=1, wait=False, **SEALED)
    assert out.counts[3] == 1 and out.put == 90 + 300 and g.clock[WORK] == 5 + 3 + 300 / 4


def test_each_device_has_its_own_sealer():
    one, two = ground(range(2)), ground(range(2))
    slow = SEALED | {"SEALER_BYTE": 2.0}
    # served until 16 and 19: sealed until 116 and 216, or until 116 and 119
    assert walk(one, servers=2, **slow).now == 216 + 5 + POLL + PUT + 3
    assert walk(two, servers=2, devices=2, **slow).now == 116 + 5 + 2 * (POLL + PUT + 3)
    assert list(two.sealer[sealers.TOTAL]) == [78, 78]


def test_an_opener_takes_its_part_before_the_takers_device():
    g = ground([0], opening=1.0)
    walk(g, TAKE_DEVICE=7.0, **SEALED)
    # sent at 51; a taker opens all 90 bytes, then the device's 7
    assert g.clock[TAKEN] == 51 + 90 + 7
    g = ground([0], opening=1.0)
    walk(g, TAKE_DEVICE=7.0, OPENER_BYTE=2.0, **SEALED)
    assert g.clock[TAKEN] == 51 + 12 + 2 * 50 + 7 and g.clock[TAKER_CPU] == 12


@pytest.mark.parametrize("limit", ["budget", "deadline"])
def test_a_limit_ends_the_walk_and_the_next_goes_on(limit):
    g = ground(range(200))
    first = walk(g, **{limit: 1000.0})
    assert 0 < first.left < 200
    second = walk(g)
    assert second.left == 0 and first.counts[1] + second.counts[1] == 200 and not g.todo.any()


scenario = st.fixed_dictionaries(
    {
        "items": st.integers(1, 5),
        "depth": st.integers(1, 6),
        "wait": st.booleans(),
        "apart": st.booleans(),
        "answers": st.integers(0, 4),
        "servers": st.integers(1, 3),
        "FAULT_SHARE": st.sampled_from([0.0, 0.3]),
        "FAULT": st.just(40.0),
        "HOLD": st.just(30.0),
        "devices": st.integers(1, 3),
        "SEALER_BYTE": st.sampled_from([0.0, 0.4]),
        "OPENER_BYTE": st.sampled_from([0.0, 0.3]),
        "SEAL_BYTE": st.just(0.1),
        "budget": st.sampled_from([1e18, 2000.0]),
    }
)
members = st.sets(st.integers(0, ITEMS - 1), min_size=1, max_size=90)


@settings(max_examples=40, deadline=None)
@given(todo=members, heavy=members, options=scenario, capacity=st.sampled_from([400.0, 1e18]))
def test_the_compiled_walk_is_the_plain_one_and_loses_nothing(todo, heavy, options, capacity):
    grounds = [ground(todo, heavy, per_byte=0.5, capacity=capacity, takers=2, opening=0.2) for _ in range(2)]
    outs = [
        walk(g, form=form, **options)
        for g, form in zip(grounds, (offload.walk, offload.walk.py_func), strict=True)
    ]
    assert outs[0] == outs[1] and same(*grounds)
    assert np.array_equal(grounds[0].sealer, grounds[1].sealer)
    g, out = grounds[0], outs[0]
    assert sum(out.counts[:3]) + out.left == len(todo)
    assert out.put == g.clock[BYTES]
    assert g.clock[conveyor.LINK_BUSY] == pytest.approx(out.put / 2)
    assert g.clock[WORK] + g.clock[SPIN] <= out.now + 1e-9


# -- wrong versions: each must be told from the walk ----------------------------------------------------------------

MUTANTS = {
    "what goes as it came is not looked at": ("cost[LOOK] + size", "size"),
    "what goes as it came is not sealed": ("(cost[PER_BYTE] + cost[SEAL_BYTE])", "cost[PER_BYTE]"),
    "a head is sealed by the server": ("[_INSIDE] += size - head", "[_INSIDE] += size"),
    "nothing is added where it is sealed": ("size += cost[SEAL_HEAD]", "pass"),
    "the ring holds one more": ("ring_at[_FILL] == option[DEPTH]", "ring_at[_FILL] > option[DEPTH]"),
    "answers still out at the end are forgotten": ("while ring_at[_FILL] > 0:", "while False:"),
    "an open request is not submitted": ("if opened[_COUNT] > 0:", "if False:"),
    "every item of a request is smaller": (
        "                opened[_SMALL] += 1\n            if cost[FAULT_SHARE]",
        "            opened[_SMALL] += 1\n            if cost[FAULT_SHARE]",
    ),
    "an item that grows goes as it came": ("size >= cost[SMALLEST_RAW]", "False"),
    "what was sent is not remembered": (
        "take_item(todo, heavy, seen,",
        "take_item(todo, heavy, seen.copy(),",
    ),
}


def mutant(old, new):
    """The plain walk with a piece of its text replaced."""
    source = inspect.getsource(offload.walk.py_func).removeprefix("@jit\n")
    assert source.count(old) == 1, old
    space = dict(vars(offload))
    exec(source.replace(old, new), space)
    return space["walk"]


def right(form):
    """Whether a walk does what must be done by the simplest of cases."""
    sealed = ground(range(3))
    full, grown, rest = ground(range(3)), ground([0], sizes=np.full((3, 1), 250.0)), ground(range(5))
    looked = ground(range(3))
    try:
        raw = walk(full, depth=2, wait=False, form=form)
        whole = walk(grown, form=form)
        last = walk(rest, items=3, form=form)
        walk(sealed, depth=2, wait=False, form=form, **SEALED)
        walk(looked, depth=2, wait=False, form=form, LOOK=2.0)
    except (IndexError, ValueError):
        return False
    once_more = ground(range(5))
    once_more.seen = rest.seen
    again = walk(once_more, form=form)
    return (
        raw.counts[3] == 1
        and looked.clock[WORK] == full.clock[WORK] + 2
        and (sealed.clock[BYTES], sealed.clock[WORK]) == (2 * 90 + 300, 2 * (5 + 3) + 300 / 4)
        and whole.put == 300 == grown.clock[BYTES]
        and grown.clock[WORK] == BUILD + SUBMIT + POLL
        and last.put == rest.clock[BYTES]
        and again.counts == [0, 0, 5, 0]
    )


def test_the_walk_itself_is_right():
    assert right(offload.walk) and right(offload.walk.py_func)


@pytest.mark.parametrize("name", MUTANTS)
def test_a_wrong_walk_is_found_out(name):
    assert not right(mutant(*MUTANTS[name]))
