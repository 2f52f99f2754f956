"""Items lent to helpers that keep the result until their next item: cases by hand, wrong versions, the plain form."""

import inspect

import numpy as np
import pytest
from conveyor_cases import ITEMS, ground, same, walked
from hypothesis import given, settings
from hypothesis import strategies as st

from nfvlab.kernels import lend
from nfvlab.kernels.conveyor import BYTES, HELPED, TAKER_CPU, WORK

COSTS = {
    "CHECK": 7.0,
    "HAND": 2.0,
    "PUT": 1.0,
    "WAKE": 5.0,
    "HELPER_CHECK": 4.0,
    "TAKE": 1.0,
    "LIGHT_SIZE": 9.0,
    "WHOLE": 300.0,
    "HEAD": 12.0,
}
HELP = np.array([100.0, 100.0, 100.0])


def walk(
    g, *, helpers=2, wait=True, apart=True, form=lend.walk, help_work=HELP, take_more=HELP, done=None, **more
):
    limits = {name: more.pop(name) for name in ("budget", "deadline") if name in more}
    cost = np.zeros(lend.COSTS)
    for name, value in (COSTS | more).items():
        cost[getattr(lend, name)] = value
    done = np.zeros(helpers) if done is None else done
    option = np.array([wait, apart], dtype=np.int64)
    return walked(form, g, (done,), (help_work, take_more, g.bounds, cost, option, g.rng), **limits)


def test_an_item_is_sent_when_its_helper_is_done():
    g = ground([0])
    out = walk(g)
    # handed over by 2, begun at 7, done at 107, put at 108
    assert out.now == 108 and out.put == g.clock[BYTES] == 62 and g.clock[HELPED] == 100
    assert out.counts == [0, 1, 0, 0]


def test_with_all_helpers_busy_the_worker_waits_for_the_first():
    g = ground(range(3))
    # handed over at 2 and 4, done at 107 and 109; the third is handed over at 110, done at 215; the rest put by 217
    assert walk(g).now == 217
    assert g.clock[WORK] == 3 * (2 + 1)


def test_or_it_sends_the_item_as_it_is():
    g = ground(range(3))
    out = walk(g, wait=False)
    assert out.counts == [0, 3, 0, 1] and out.put == 2 * 62 + 300


def test_light_items_go_by_the_worker_or_by_the_helpers():
    g = ground([0, 1], heavy=[])
    out = walk(g, apart=True)
    assert (out.now, out.put, g.clock[HELPED]) == (14, 18, 0)
    g = ground([0, 1], heavy=[])
    out = walk(g, apart=False)
    # handed over by 2 and 4, done at 11 and 13; put at 12 and 14
    assert (out.now, out.put, g.clock[HELPED]) == (14, 18, 8)


def test_a_helper_that_is_still_busy_from_the_walk_before_is_not_idle():
    g = ground([0])
    assert walk(g, done=np.array([50.0])).now == 50 + 108


def test_content_sets_size_and_work():
    g = ground(range(2))
    g.bounds[:] = (0, 1, 1, 2)
    out = walk(g, help_work=np.array([1.0, 10.0, 20.0]), take_more=np.array([0.0, 30.0, 40.0]))
    assert out.put == 112 + 212 and g.clock[HELPED] == 30 and g.clock[TAKER_CPU] == 70


members = st.sets(st.integers(0, ITEMS - 1), min_size=1, max_size=90)


@settings(max_examples=40, deadline=None)
@given(
    todo=members,
    heavy=members,
    wait=st.booleans(),
    apart=st.booleans(),
    helpers=st.integers(1, 4),
    processors=st.sampled_from([0.0, 1.5]),
    budget=st.sampled_from([1e18, 2000.0]),
)
def test_the_compiled_walk_is_the_plain_one_and_loses_nothing(
    todo, heavy, wait, apart, helpers, processors, budget
):
    grounds = [
        ground(todo, heavy, per_byte=0.5, capacity=500.0, takers=2, processors=processors) for _ in range(2)
    ]
    outs = [
        walk(g, form=form, wait=wait, apart=apart, helpers=helpers, budget=budget)
        for g, form in zip(grounds, (lend.walk, lend.walk.py_func), strict=True)
    ]
    assert outs[0] == outs[1] and same(*grounds)
    g, out = grounds[0], outs[0]
    assert sum(out.counts[:3]) + out.left == len(todo)
    assert out.put == g.clock[BYTES]
    if processors:
        assert g.clock[WORK] + g.clock[HELPED] <= processors * out.now + 1e-9


MUTANTS = {
    "the last results are never sent": ("for who in range(done.size):", "for who in range(0):"),
    "helpers begin at once": ("clock[NOW] + cost[WAKE]", "clock[NOW]"),
    "nobody waits": ("clock[NOW] = done[who]", "pass"),
}


def right(form):
    """Whether a walk does what the cases above say."""
    one, three, two = ground([0]), ground(range(3)), ground(range(2))
    return (
        walk(one, form=form).now == 108
        and walk(three, form=form).now == 217
        and walk(two, form=form, helpers=4).put == two.clock[BYTES]
        and two.clock[WORK] == 6
    )


def test_the_walk_itself_is_right():
    assert right(lend.walk.py_func)


@pytest.mark.parametrize("name", MUTANTS)
def test_a_wrong_walk_is_found_out(name):
    old, new = MUTANTS[name]
    source = inspect.getsource(lend.walk.py_func).removeprefix("@jit\n")
    assert source.count(old) == 1, old
    space = dict(vars(lend))
    exec(source.replace(old, new), space)
    assert not right(space["walk"])
