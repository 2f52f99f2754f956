"""Bundles that helpers and servers make smaller: cases by hand, what is conserved, wrong versions, the plain form."""

import inspect

import numpy as np
import pytest
from conveyor_cases import ITEMS, ground, same, walked
from hypothesis import given, settings
from hypothesis import strategies as st

from nfvlab.kernels import bundles
from nfvlab.kernels.conveyor import BYTES, HELPED, HELPER_CPU, TAKER_CPU, WORK

COSTS = {
    "CHECK": 7.0,
    "QUEUE": 1.0,
    "HAND": 2.0,
    "WAKE": 5.0,
    "HELPER_CHECK": 4.0,
    "SUBMIT": 2.0,
    "POLL": 1.0,
    "REQUEST": 3.0,
    "ITEM": 10.0,
    "LATENCY": 5.0,
    "FULL": 1e18,
    "LIGHT_SIZE": 9.0,
    "WHOLE": 300.0,
    "SMALLEST_RAW": 1e18,
    "HEAD": 20.0,
}
HELP = np.array([100.0, 100.0, 100.0])


def walk(
    g,
    *,
    items=2,
    apart=True,
    sync=bundles.NEVER,
    served=False,
    unit=1,
    least=0,
    polls=False,
    helpers=2,
    **more,
):
    form = more.pop("form", bundles.walk)
    limits = {name: more.pop(name) for name in ("budget", "deadline") if name in more}
    help_work, take_more = more.pop("help_work", HELP), more.pop("take_more", HELP)
    servers = more.pop("servers", 1)
    cost = np.zeros(bundles.COSTS)
    for name, value in (COSTS | more).items():
        cost[getattr(bundles, name)] = value
    option = np.array([items, apart, sync, served, unit, least, polls], dtype=np.int64)
    stations = (np.zeros(helpers), np.zeros(servers))
    return walked(form, g, stations, (help_work, take_more, g.bounds, cost, option, g.rng), **limits)


def test_a_helper_works_through_its_bundle_while_the_worker_goes_on():
    g = ground(range(2), per_byte=1.0)
    out = walk(g)
    # queued by 2, handed over by 4, begun at 9, done at 209; 20 + 2 x 50 bytes
    assert out.now == 4 and out.put == g.clock[BYTES] == 120 and g.clock[WORK] == 4
    assert g.clock[HELPED] == g.clock[HELPER_CPU] == 200 and g.taker[0] == 209 + 120 + 200
    assert out.counts == [0, 2, 0, 0]


def test_with_all_helpers_busy_the_worker_waits():
    g = ground(range(6))
    # handed over at 4 and 8, done at 209 and 213; the third bundle waits for 209
    assert walk(g).now == 209 + 2


def test_to_synchronise_is_to_wait_for_all_and_send_a_head_each():
    g = ground(range(2))
    out = walk(g, sync=bundles.ALWAYS)
    assert out.now == 209 and out.put == 120 + 2 * 20
    assert walk(ground(range(2)), sync=bundles.WHEN_EMPTY).now == 209
    assert walk(ground(range(80)), sync=bundles.WHEN_EMPTY, budget=100).now == 4


def test_a_bundle_may_stay_open_at_the_end_only_to_be_sent_as_it_is():
    g = ground(range(3))
    out = walk(g)
    assert out.put == 120 + 70 and g.clock[HELPED] == 300


def test_what_a_bundle_counts_is_not_what_it_sends():
    g = ground(range(2))
    assert walk(g, COUNTED=4096.0).put == 2 * 4096 + 20 and g.clock[BYTES] == 120


def test_light_items_go_by_the_worker_or_in_bundles():
    g = ground([0, 1], heavy=[0])
    out = walk(g, apart=True)
    assert out.counts == [1, 1, 0, 0] and out.put == 9 + 70
    g = ground([0, 1], heavy=[0])
    out = walk(g, apart=False)
    assert out.put == 70 and g.clock[HELPER_CPU] == 4 + 100


def test_servers_take_a_bundle_in_requests():
    g = ground(range(2))
    walk(g, served=True, sync=bundles.ALWAYS)
    # the helper begins at 9, submits by 11 and 13; served 11-24 and 24-37, answered at 42, two answers read by 44
    assert g.clock[HELPED] == 26 and g.clock[HELPER_CPU] == 2 * (2 + 1)
    assert walk(ground(range(2)), served=True, sync=bundles.ALWAYS).now == 44
    assert walk(ground(range(2)), served=True, sync=bundles.ALWAYS, unit=2).now == 11 + 23 + 5 + 1
    g = ground(range(2))
    walk(g, served=True, polls=True)
    assert g.clock[HELPER_CPU] == 6 + (42 - 13)


def test_what_is_too_small_or_finds_the_queue_full_the_helper_does_itself():
    g = ground(range(2))
    walk(g, served=True, unit=1, least=2)
    assert g.clock[HELPED] == 0 and g.clock[HELPER_CPU] == 200
    g = ground(range(2))
    walk(g, served=True, FULL=5.0)
    assert g.clock[HELPED] == 13 and g.clock[HELPER_CPU] == 100 + 3


def test_an_item_that_does_not_shrink_goes_whole():
    g = ground(range(2))
    out = walk(g, SMALLEST_RAW=50.0, WHOLE=60.0)
    assert out.counts == [0, 2, 0, 2] and out.put == 20 + 120 and g.clock[TAKER_CPU] == 0


def test_a_full_pipe_holds_the_helper():
    g = ground(range(4), capacity=120.0, per_byte=1.0)
    walk(g, sync=bundles.ALWAYS, take_more=np.zeros(3), HEAD=20.0)
    assert g.clock[BYTES] == 280
    # the first is through at 209 + 120; the second, ready at 213, enters then, and with it its helper goes on
    assert g.taker[0] == 329 + 120 + 40


scenario = st.fixed_dictionaries(
    {
        "items": st.integers(1, 9),
        "apart": st.booleans(),
        "sync": st.sampled_from([bundles.NEVER, bundles.ALWAYS, bundles.WHEN_EMPTY]),
        "served": st.booleans(),
        "unit": st.integers(1, 3),
        "least": st.integers(0, 2),
        "polls": st.booleans(),
        "helpers": st.integers(1, 3),
        "servers": st.integers(1, 2),
        "FULL": st.sampled_from([20.0, 1e18]),
        "COUNTED": st.sampled_from([0.0, 4096.0]),
        "budget": st.sampled_from([1e18, 2000.0]),
    }
)
members = st.sets(st.integers(0, ITEMS - 1), min_size=1, max_size=90)


@settings(max_examples=40, deadline=None)
@given(todo=members, heavy=members, options=scenario, processors=st.sampled_from([0.0, 1.5]))
def test_the_compiled_walk_is_the_plain_one_and_loses_nothing(todo, heavy, options, processors):
    sizes = np.array([[10.0, 50.0], [60.0, 100.0], [100.0, 200.0]])
    grounds = [
        ground(todo, heavy, per_byte=0.5, capacity=900.0, takers=2, processors=processors, sizes=sizes)
        for _ in range(2)
    ]
    outs = [
        walk(g, form=form, **options)
        for g, form in zip(grounds, (bundles.walk, bundles.walk.py_func), strict=True)
    ]
    assert outs[0] == outs[1] and same(*grounds)
    g, out = grounds[0], outs[0]
    assert sum(out.counts[:3]) + out.left == len(todo)
    if not options["COUNTED"]:
        assert out.put == pytest.approx(g.clock[BYTES])


MUTANTS = {
    "the open bundle is forgotten": ("if bundle[_COUNT] > 0:", "if False:"),
    "nobody waits for the helpers": ("clock[NOW] = max(clock[NOW], helper[k])", "pass"),
    "work is carried over to the next bundle": ("                own_work = 0.0\n", "                pass\n"),
    "light items are lost on the wire": ("if lights > 0:", "if False:"),
}


def right(form):
    """Whether a walk does what the cases above say."""
    three, light, four = ground(range(3)), ground([0, 1], heavy=[0]), ground(range(4))
    walk(three, form=form)
    waited = walk(ground(range(2)), form=form, sync=bundles.ALWAYS).now
    out = walk(light, form=form)
    walk(four, form=form)
    return (
        three.clock[BYTES] == 190
        and waited == 209
        and out.put == light.clock[BYTES]
        and four.clock[HELPED] == 400
    )


def test_the_walk_itself_is_right():
    assert right(bundles.walk.py_func)


@pytest.mark.parametrize("name", MUTANTS)
def test_a_wrong_walk_is_found_out(name):
    old, new = MUTANTS[name]
    source = inspect.getsource(bundles.walk.py_func).removeprefix("@jit\n")
    assert source.count(old) == 1, old
    space = dict(vars(bundles))
    exec(source.replace(old, new), space)
    assert not right(space["walk"])
