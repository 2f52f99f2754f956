"""Items lent to helpers that keep the result until their next item: cases by hand, wrong versions, the plain form."""

import inspect

import numpy as np
import pytest
from conveyor_cases import ITEMS, ground, same, walked
from hypothesis import given, settings
from hypothesis import strategies as st

from nfvlab.kernels import lend
from nfvlab.kernels.conveyor import BYTES, HELPED, TAKEN, TAKER_CPU, WORK

COSTS = {
    "CHECK": 7.0,
    "HAND": 2.0,
    "PUT": 1.0,
    "WAKE": 5.0,
    "HELPER_CHECK": 4.0,
    "READ": 3.0,
    "TAKE": 1.0,
    "LIGHT_SIZE": 9.0,
    "WHOLE": 300.0,
    "HEAD": 12.0,
}
HELP = np.array([100.0, 100.0, 100.0])


def walk(
    g,
    *,
    helpers=2,
    wait=True,
    apart=True,
    form=lend.walk,
    help_work=HELP,
    unpack_work=HELP,
    done=None,
    unpackers=1,
    **more,
):
    limits = {name: more.pop(name) for name in ("budget", "deadline") if name in more}
    cost = np.zeros(lend.COSTS)
    for name, value in (COSTS | more).items():
        cost[getattr(lend, name)] = value
    done = np.zeros(helpers) if done is None else done
    g.unpacker = np.zeros(unpackers)
    option = np.array([wait, apart], dtype=np.int64)
    more = (help_work, unpack_work, g.bounds, cost, option, g.rng)
    return walked(form, g, (done, g.unpacker), more, **limits)


def test_an_item_is_sent_when_its_helper_is_done():
    g = ground([0])
    out = walk(g)
    # handed over by 2, begun at 7, done at 107; the worker wakes at 112 and has put it by 113
    assert out.now == 113 and out.put == g.clock[BYTES] == 62 and g.clock[HELPED] == 100
    assert out.counts == [0, 1, 0, 0]


def test_with_all_helpers_busy_the_worker_sleeps_until_the_first_is_done():
    g = ground(range(3))
    # handed over at 2 and 4, done at 107 and 109; the worker wakes at 112, hands over the third at 115; that is done
    # at 220, the worker awake at 225; the rest is put by 227
    assert walk(g).now == 227
    assert g.clock[WORK] == 3 * (2 + 1)


def test_or_it_sends_the_item_as_it_is():
    g = ground(range(3))
    out = walk(g, wait=False)
    assert out.counts == [0, 3, 0, 1] and out.put == 2 * 62 + 300
    look = ground(range(3))
    walk(look, wait=False, LOOK=2.0)
    assert look.clock[WORK] == g.clock[WORK] + 2


def test_a_light_item_that_finds_no_helper_is_looked_at_by_the_worker_and_sent_as_one():
    g = ground(range(4), heavy=[0, 1, 3])
    out = walk(g, wait=False, apart=False)
    assert out.counts == [1, 3, 0, 1] and out.put == g.clock[BYTES] == 2 * 62 + 9 + 300
    assert g.clock[WORK] == 2 * (2 + 1) + 7


def test_light_items_go_by_the_worker_or_by_the_helpers():
    g = ground([0, 1], heavy=[])
    out = walk(g, apart=True)
    assert (out.now, out.put, g.clock[HELPED]) == (14, 18, 0)
    g = ground([0, 1], heavy=[])
    out = walk(g, apart=False)
    # handed over by 2 and 4, done at 11 and 13; the worker wakes at 16, has put them by 17 and 18
    assert (out.now, out.put, g.clock[HELPED]) == (18, 18, 8)
    assert g.clock[TAKER_CPU] == 2 * 1 and g.taker[0] == 19 and not g.unpacker.any()


def test_a_helper_that_is_still_busy_from_the_walk_before_is_not_idle():
    g = ground([0])
    assert walk(g, done=np.array([50.0])).now == 50 + 5 + 113


def test_content_sets_size_and_work():
    g = ground(range(2))
    g.bounds[:] = (0, 1, 1, 2)
    out = walk(g, help_work=np.array([1.0, 10.0, 20.0]), unpack_work=np.array([0.0, 30.0, 40.0]))
    assert out.put == 112 + 212 and g.clock[HELPED] == 30 and g.clock[TAKER_CPU] == 70 + 2 * 3


def test_the_loader_reads_and_an_unpacker_that_it_wakes_does_the_rest():
    g = ground([0])
    walk(g, READ_BYTE=0.5)
    # in by 113; read by 113 + 3 + 31; the unpacker begins 5 later and has 100 less 31 to do; the loader waits for it
    assert g.clock[TAKEN] == g.unpacker[0] == 147 + 5 + 69 and g.taker[0] == 221 + 5
    assert g.clock[TAKER_CPU] == 3 + 100


def test_with_all_unpackers_taken_the_loader_sleeps_until_the_first_is_done():
    g = ground(range(2))
    walk(g)
    # in by 113 and 114; read by 116, unpacked 121-221; the loader wakes at 226, has read the second by 229
    assert g.clock[TAKEN] == 229 + 5 + 100 and g.taker[0] == 339 and g.clock[TAKER_CPU] == 2 * 103
    g = ground(range(2))
    walk(g, unpackers=2)
    assert list(g.unpacker) == [221, 119 + 5 + 100]


def test_an_item_has_left_the_pipe_when_it_is_read():
    g = ground(range(2), capacity=62.0)
    assert walk(g).now == 116  # not 221


def test_the_loader_opens_every_byte():
    shut, opened = ground(range(2), heavy=[0]), ground(range(2), heavy=[0], opening=0.5)
    walk(shut, READ_BYTE=0.5), walk(opened, READ_BYTE=0.5)
    assert opened.clock[TAKER_CPU] - shut.clock[TAKER_CPU] == (62 + 9) / 2
    assert opened.unpacker[0] - shut.unpacker[0] == 62 / 2  # it does not unpack the less for it


members = st.sets(st.integers(0, ITEMS - 1), min_size=1, max_size=90)


@settings(max_examples=40, deadline=None)
@given(
    todo=members,
    heavy=members,
    wait=st.booleans(),
    apart=st.booleans(),
    helpers=st.integers(1, 4),
    unpackers=st.integers(1, 3),
    processors=st.sampled_from([0.0, 1.5]),
    budget=st.sampled_from([1e18, 2000.0]),
)
def test_the_compiled_walk_is_the_plain_one_and_loses_nothing(
    todo, heavy, wait, apart, helpers, unpackers, processors, budget
):
    grounds = [
        ground(todo, heavy, per_byte=0.5, capacity=500.0, processors=processors, opening=0.2)
        for _ in range(2)
    ]
    outs = [
        walk(g, form=form, wait=wait, apart=apart, helpers=helpers, unpackers=unpackers, budget=budget)
        for g, form in zip(grounds, (lend.walk, lend.walk.py_func), strict=True)
    ]
    assert outs[0] == outs[1] and same(*grounds)
    assert np.array_equal(grounds[0].unpacker, grounds[1].unpacker)
    g, out = grounds[0], outs[0]
    assert sum(out.counts[:3]) + out.left == len(todo)
    assert out.put == g.clock[BYTES]
    if processors:
        assert g.clock[WORK] + g.clock[HELPED] <= processors * out.now + 1e-9


MUTANTS = {
    "a light item goes as a whole where no helper is idle": ("(who < 0 and not option[WAIT])", "False"),
    "what goes as it came is not looked at": ("cost[LOOK] + size", "size"),
    "the last results are never sent": ("for who in range(done.size):", "for who in range(0):"),
    "helpers begin at once": ("clock[NOW] + cost[WAKE]", "clock[NOW]"),
    "unpackers begin at once": ("taker[0] + cost[WAKE]", "taker[0]"),
    "nobody waits for the first": ("times[first_free(times)] + wake", "now"),
    "who waited for the first is awake at once": ("first_free(times)] + wake", "first_free(times)]"),
    "who waited for all is awake at once": ("now = times[k] + wake", "now = times[k]"),
    "nobody waits for the unpackers": ("    taker[0] = _all_done(", "    _all_done("),
    "an item stays in the pipe until it is unpacked": ("size, taker[0])", "size, unpacker[who])"),
    "a light item goes to an unpacker": ("result[_UNPACK] != LOADED", "True"),
}


def right(form):
    """Whether a walk does what the cases above say."""
    one, three, two, both = ground([0]), ground(range(3)), ground(range(2)), ground(range(2))
    light = ground([0, 1], heavy=[])
    passed = ground(range(4), heavy=[0, 1, 3])
    walk(passed, form=form, wait=False, apart=False, LOOK=2.0)
    narrow = ground(range(2), capacity=62.0)
    walk(both, form=form)
    walk(light, form=form, apart=False)
    return (
        walk(one, form=form).now == 113
        and walk(three, form=form).now == 227
        and walk(two, form=form, helpers=4).put == two.clock[BYTES]
        and two.clock[WORK] == 6
        and (both.clock[TAKEN], both.taker[0]) == (334, 339)
        and not light.unpacker.any()
        and (passed.clock[BYTES], passed.clock[WORK]) == (2 * 62 + 9 + 300, 6 + 7 + 2)
        and walk(narrow, form=form).now == 116
    )


def test_the_walk_itself_is_right():
    assert right(lend.walk.py_func)


@pytest.mark.parametrize("name", MUTANTS)
def test_a_wrong_walk_is_found_out(name):
    old, new = MUTANTS[name]
    source = inspect.getsource(lend)
    assert source.count(old) == 1, old
    space = {}
    exec(source.replace("@jit\n", "").replace(old, new), space)
    assert not right(space["walk"])
