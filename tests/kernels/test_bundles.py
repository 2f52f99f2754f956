"""Bundles that helpers and servers make smaller: cases by hand, what is conserved, wrong versions, the plain form."""

import inspect

import numpy as np
import pytest
from conveyor_cases import ITEMS, ground, same, walked
from hypothesis import given, settings
from hypothesis import strategies as st

from nfvlab.kernels import bundles, device
from nfvlab.kernels.conveyor import BYTES, HELPED, HELPER_CPU, TAKER_CPU, WORK

COSTS = {
    "CHECK": 7.0,
    "QUEUE": 1.0,
    "HAND": 2.0,
    "WAKE": 5.0,
    "HELPER_CHECK": 4.0,
    "LIGHT_SIZE": 9.0,
    "WHOLE": 300.0,
    "SMALLEST_RAW": 1e18,
    "HEAD": 20.0,
}
DEVICE = {"SUBMIT": 2.0, "POLL": 1.0, "REQUEST": 3.0, "ITEM": 10.0, "LATENCY": 5.0}
HELP = np.array([100.0, 100.0, 100.0])


def new_device(*, unit=1, least=0, tries=1, polls=False, servers=1, places=64, instances=0, **costs):
    cost = np.zeros(device.COSTS)
    for name, value in (DEVICE | costs).items():
        cost[getattr(device, name)] = value
    return device.new_device(servers, places, instances, cost, np.array([unit, least, tries, polls]))


def walk(
    g,
    *,
    items=2,
    apart=True,
    sync=bundles.NEVER,
    helpers=2,
    by=None,
    takers_by=None,
    form=bundles.walk,
    **more,
):
    """by, takers_by: what `new_device` takes, for helpers and takers that have a device."""
    limits = {name: more.pop(name) for name in ("budget", "deadline") if name in more}
    help_work, unpack_work = more.pop("help_work", HELP), more.pop("unpack_work", HELP)
    larger = np.zeros_like(g.sizes) + more.pop("larger", 0.0)
    cost = np.zeros(bundles.COSTS)
    for name, value in (COSTS | more).items():
        cost[getattr(bundles, name)] = value
    option = np.array([items, apart, sync, by is not None, takers_by is not None])
    g.helper = np.zeros(helpers)
    g.devices = [new_device(**(given or {})) for given in (by, takers_by)]
    last = (larger, help_work, unpack_work, g.bounds, cost, option, g.rng)
    return walked(form, g, (g.helper, *g.devices), last, **limits)


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


def test_each_helper_does_its_work_for_the_head_that_it_sends_and_a_taker_opens_it():
    g = ground(range(2), opening=0.5, takers=2)
    out = walk(g, sync=bundles.ALWAYS, HEAD_BYTE=0.25)
    # the bundle left at 209; two heads of 20 bytes: 5 of each helper, side by side
    assert out.now == 214 and g.clock[HELPER_CPU] == 200 + 2 * 5 and g.clock[BYTES] == 120 + 40
    assert g.clock[TAKER_CPU] == 200 + (120 + 40) / 2


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
    assert out.counts == [1, 1, 0, 0] and out.put == g.clock[BYTES] == 9 + 70
    g = ground([0, 1], heavy=[0])
    out = walk(g, apart=False)
    assert out.put == 70 and g.clock[HELPER_CPU] == 4 + 100


def test_a_device_takes_a_bundle_in_requests():
    g = ground(range(2))
    out = walk(g, by={}, sync=bundles.ALWAYS)
    # the helper begins at 9, submits by 11 and 13; served 11-24 and 24-37; the answer at 29 is read meanwhile, that at
    # 42 by 43
    assert g.clock[HELPED] == 26 and g.clock[HELPER_CPU] == 2 * (2 + 1) and out.now == 43
    assert walk(ground(range(2)), by={"unit": 2}, sync=bundles.ALWAYS).now == 11 + 23 + 5 + 1
    g = ground(range(2))
    walk(g, by={"polls": True})
    assert g.clock[HELPER_CPU] == 2 * 2 + (43 - 13)


def test_answers_that_come_together_are_read_one_after_the_other():
    # served 11-24 and 13-26, answered at 29 and 31: read 29-39 and 39-49
    assert walk(ground(range(2)), by={"servers": 2, "POLL": 10.0}, sync=bundles.ALWAYS).now == 49
    # requests of two items and of one: submitted by 12 and 14, answered at 40 and 32, read 40-50 and 50-60
    g = ground(range(3))
    assert walk(g, items=3, by={"unit": 2, "servers": 2, "POLL": 10.0}, sync=bundles.ALWAYS).now == 60


def test_each_request_has_a_head():
    assert walk(ground(range(3)), items=3, by={"unit": 2}, REQUEST_HEAD=7.0).put == 20 + 3 * 50 + 2 * 7


def test_what_is_too_small_or_finds_no_place_in_the_queue_the_helper_does_itself():
    for instances in (0, 2):
        g = ground(range(2))
        walk(g, by={"least": 3, "instances": instances})
        assert g.clock[HELPED] == 0 and g.clock[HELPER_CPU] == 200
        g = ground(range(2))
        walk(g, by={"least": 2, "instances": instances})  # each request is smaller, but not the call
        assert g.clock[HELPED] == 26 and g.clock[HELPER_CPU] == 6
    # the place is taken at 11 until 24: tried for at 13, at 15 ... 19, and with success at 25
    for tries, helped, cpu in ((1, 13, 2 + 2 + 100 + 1), (4, 13, 2 + 8 + 100 + 1), (7, 26, 2 + 14 + 2)):
        g = ground(range(2))
        walk(g, by={"places": 1, "tries": tries})
        assert (g.clock[HELPED], g.clock[HELPER_CPU]) == (helped, cpu)


def test_helpers_find_the_queue_as_it_is_at_their_time():
    g = ground(range(7), heavy=[0, 1, 2, 4, 5, 6])
    walk(g, items=3, by={"places": 1}, CHECK=20.0)
    # one begins at 10: served 12-25, finds no place at 14, works until 114, served 116-129; the other at 35: served
    # 37-50, finds no place at 39, works until 139, served 141-154
    assert g.clock[HELPED] == 4 * 13 and g.clock[HELPER_CPU] == 6 * 2 + 2 * 100 + 4


def test_a_helper_without_an_instance_does_its_whole_bundle_itself():
    cpu = {}
    for instances in (1, 2):
        g = ground(range(4))
        walk(g, by={"instances": instances})
        cpu[instances] = g.clock[HELPED], g.clock[HELPER_CPU]
    assert cpu == {1: (26, 6 + 200), 2: (52, 12)}
    g = ground(range(6))
    walk(g, items=3, by={"instances": 1})
    # the first submits at 12, 14 and 16; the second begins at 15
    assert g.clock[HELPED] == 39 and g.clock[HELPER_CPU] == 9 + 300


def test_what_a_helper_makes_instead_of_the_device_has_another_size():
    how = {"REQUEST_HEAD": 7.0, "PART_HEAD": 3.0}
    for larger in (0.0, -10.0, 4.0):
        g = ground(range(4))
        out = walk(g, by={"instances": 1}, larger=larger, **how)
        # the device: a head for each of two requests; the helper: one head, and a mark between the parts
        device_bytes, own_bytes = 20 + 2 * (50 + 7), 20 + 2 * (50 + larger) + 7 + 3
        assert out.put == g.clock[BYTES] == device_bytes + own_bytes
        g = ground(range(4))
        walk(g, by={"least": 3}, larger=larger, **how)
        assert g.clock[BYTES] == 2 * own_bytes
        g = ground(range(2))
        walk(g, by={"places": 1}, larger=larger, **how)  # only the second finds no place
        assert g.clock[BYTES] == device_bytes + larger
    g = ground(range(4))
    assert walk(g, by={"instances": 1}, larger=4.0, COUNTED=300.0).put == 2 * (2 * 300 + 20)
    g = ground(range(4))
    walk(g, larger=4.0, **how)
    assert g.clock[BYTES] == 2 * 120  # no device that it would do without


def test_an_instance_is_given_back_when_all_answers_are_in():
    g = ground(range(4))
    walk(g, by={"instances": 1}, helpers=1)
    assert g.clock[HELPED] == 52 and g.clock[HELPER_CPU] == 12 and g.devices[0].instance[0] < np.inf


def test_with_an_instance_a_helper_waits_for_a_place_in_its_queue():
    g = ground(range(2))
    out = walk(g, by={"instances": 1, "places": 1}, sync=bundles.ALWAYS)
    # submitted by 11, served until 24; submitted by 26, served until 39, answered at 29 and 44, all read by 45
    assert out.now == 45 and g.clock[HELPED] == 26 and g.clock[HELPER_CPU] == 6


def test_faults_keep_a_server():
    g = ground(range(4))
    walk(g, by={"FAULT": 1000.0, "FAULT_SHARE": 1.0})
    assert g.clock[HELPED] == 4 * (13 + 1000)


def test_takers_have_a_device_of_their_own():
    g = ground(range(2))
    walk(g, takers_by={})
    # in at 209; submitted by 211 and 213, served until 237, answered at 229 and 242, all read by 243
    assert g.helper[1] == 0 and g.helper[0] == 209 and g.taker[0] == 243 and g.clock[TAKER_CPU] == 6
    g = ground(range(4), takers=2)
    walk(g, takers_by={"instances": 1})
    # the second is in at 213 and finds no instance
    assert list(g.taker) == [243, 413] and g.clock[TAKER_CPU] == 6 + 200


def test_what_a_helper_made_alone_in_one_part_is_too_large_for_the_takers_device():
    for unit, cpu in ((1, 6 + 200), (2, 3 + 3)):
        g = ground(range(4))
        walk(g, by={"instances": 1, "unit": unit}, takers_by={"instances": 2, "unit": unit})
        assert g.clock[TAKER_CPU] == cpu


def test_a_taker_that_finds_a_part_too_large_keeps_its_instance():
    quick = {"REQUEST": 0.0, "ITEM": 0.0, "LATENCY": 0.0, "POLL": 0.5}
    for instances, cpu in ((1, 5 * 5 + 2 * 200), (2, 6 * 5 + 200)):
        g = ground(range(14), takers=2)
        walk(g, by={"instances": 1}, takers_by=quick | {"instances": instances})
        # one helper has the device and is done at 43, 84 ... 207 and 248, the other at 213: unpacked until 413
        assert g.clock[TAKER_CPU] == cpu and max(g.taker) == (448 if instances == 1 else 413)
        assert (g.devices[1].instance < np.inf).all()


def test_a_taker_judges_a_bundle_by_its_first_part():
    for unit, least, cpu in ((1, 1, 6), (1, 2, 200), (2, 2, 3), (2, 3, 200)):
        g = ground(range(2))
        walk(g, by={"unit": unit}, takers_by={"unit": unit, "least": least})
        assert g.clock[TAKER_CPU] == cpu


def test_an_item_that_does_not_shrink_goes_whole():
    g = ground(range(2))
    out = walk(g, SMALLEST_RAW=50.0, WHOLE=60.0)
    assert out.counts == [0, 2, 0, 2] and out.put == 20 + 120 and g.clock[TAKER_CPU] == 0


def test_a_full_pipe_holds_the_helper():
    g = ground(range(4), capacity=120.0, per_byte=1.0)
    walk(g, sync=bundles.ALWAYS, unpack_work=np.zeros(3), HEAD=20.0)
    assert g.clock[BYTES] == 280
    # the first is through at 209 + 120; the second, ready at 213, enters then, and with it its helper goes on
    assert g.taker[0] == 329 + 120 + 40


devices = st.none() | st.fixed_dictionaries(
    {
        "unit": st.integers(1, 3),
        "least": st.integers(0, 2),
        "tries": st.integers(1, 4),
        "polls": st.booleans(),
        "servers": st.integers(1, 2),
        "places": st.sampled_from([1, 3, 64]),
        "instances": st.integers(0, 2),
        "FAULT": st.just(40.0),
        "FAULT_SHARE": st.sampled_from([0.0, 0.3]),
    }
)
scenario = st.fixed_dictionaries(
    {
        "items": st.integers(1, 9),
        "apart": st.booleans(),
        "sync": st.sampled_from([bundles.NEVER, bundles.ALWAYS, bundles.WHEN_EMPTY]),
        "helpers": st.integers(1, 3),
        "by": devices,
        "takers_by": devices,
        "larger": st.sampled_from([0.0, -3.0, 7.0]),
        "PART_HEAD": st.just(2.0),
        "REQUEST_HEAD": st.sampled_from([0.0, 9.0]),
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
        ground(
            todo,
            heavy,
            per_byte=0.5,
            capacity=900.0,
            takers=2,
            processors=processors,
            sizes=sizes,
            opening=0.2,
        )
        for _ in range(2)
    ]
    outs = [
        walk(g, form=form, **options)
        for g, form in zip(grounds, (bundles.walk, bundles.walk.py_func), strict=True)
    ]
    assert outs[0] == outs[1] and same(*grounds) and np.array_equal(grounds[0].helper, grounds[1].helper)
    for compiled, plain in zip(*(g.devices for g in grounds), strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(compiled, plain, strict=True))
        assert (compiled.instance < np.inf).all()
    g, out = grounds[0], outs[0]
    assert sum(out.counts[:3]) + out.left == len(todo)
    if not options["COUNTED"]:
        assert out.put == pytest.approx(g.clock[BYTES])


MUTANTS = {
    "answers are read when all are in": ("answered - before * device.cost[POLL]", "answered"),
    "answers are read whether in or not": ("max(last, answered - before * device.cost[POLL])", "last"),
    "the open bundle is forgotten": ("if bundle[_COUNT] > 0:", "if False:"),
    "nobody waits for the helpers": ("clock[NOW] = max(clock[NOW], helper[k])", "pass"),
    "work is carried over to the next bundle": ("bundle[:] = 0.0", "pass"),
    "light items are lost on the wire": ("if lights > 0:", "if False:"),
    "an instance is never given back": ("device.instance[queue] = now", "pass"),
    "an instance is given back at once": ("device.instance[which] = np.inf", "pass"),
    "each request is too small for itself": (
        "    taken = False\n",
        "    taken = False\n    if items < option[LEAST]:\n"
        "        return others_work(clock, now, own_work, rates), own_work, 0.0, 0.0\n",
    ),
    "a taker judges a bundle by all of it": ("else min(items, takers_device.option[UNIT])", "else items"),
    "the takers' device takes what is too large": (" or first > device.option[UNIT]:", ":"),
    "who finds a part too large never gives its instance back": (
        "        if queue >= 0:\n",
        "        if False:\n",
    ),
    "who finds a part too large has no instance": (
        "    queue = begin(device, now, first)\n",
        "    queue = -1 if first > device.option[UNIT] else begin(device, now, first)\n",
    ),
    "nobody waits for a place in an instance's queue": ("now = max(now, device.queue[queue, at])", "pass"),
    "a try costs nothing": ("spent += cost[SUBMIT]", "pass"),
    "a place is free when its request is begun": (
        "device.queue[queue, at] = device.server",
        "now + 0 * device.server",
    ),
    "no fault is drawn": ("if cost[FAULT_SHARE] > 0:", "if False:"),
    "a bundle is done as a whole when it is given out": (
        "    loads[who] = bundle\n",
        "    loads[who] = bundle\n    _advance(np.inf, False, clock, *others)\n",
    ),
    "a helper makes what the device would": ("load[_SIZE] += by", "pass"),
    "what has grown is not counted": ("load[_GROWN] += by", "pass"),
    "a helper makes a head for each part": ("* (cost[PART_HEAD] - cost[REQUEST_HEAD])", "* 0.0"),
    "takers do not wait for their device": ("    taker[who] = now\n", "    taker[who] = arrived\n"),
}
CASES = (
    test_a_device_takes_a_bundle_in_requests,
    test_what_is_too_small_or_finds_no_place_in_the_queue_the_helper_does_itself,
    test_helpers_find_the_queue_as_it_is_at_their_time,
    test_a_helper_without_an_instance_does_its_whole_bundle_itself,
    test_what_a_helper_makes_instead_of_the_device_has_another_size,
    test_an_instance_is_given_back_when_all_answers_are_in,
    test_with_an_instance_a_helper_waits_for_a_place_in_its_queue,
    test_faults_keep_a_server,
    test_takers_have_a_device_of_their_own,
    test_what_a_helper_made_alone_in_one_part_is_too_large_for_the_takers_device,
    test_a_taker_that_finds_a_part_too_large_keeps_its_instance,
    test_a_taker_judges_a_bundle_by_its_first_part,
    test_a_bundle_may_stay_open_at_the_end_only_to_be_sent_as_it_is,
    test_to_synchronise_is_to_wait_for_all_and_send_a_head_each,
    test_light_items_go_by_the_worker_or_in_bundles,
)


def wrong(old, new):
    """The plain walk, with a piece of its text or of its device's replaced."""
    imported = next(
        line for line in inspect.getsource(bundles).splitlines() if "kernels.device import" in line
    )
    source = inspect.getsource(device) + inspect.getsource(bundles).replace(imported, "")
    assert source.count(old) == 1, old
    space = {}
    exec(source.replace(old, new).replace("@jit\n", "").replace("@inlined\n", ""), space)
    return space["walk"]


@pytest.mark.parametrize("name", MUTANTS)
def test_a_wrong_walk_is_found_out(name, monkeypatch):
    monkeypatch.setitem(walk.__kwdefaults__, "form", wrong(*MUTANTS[name]))
    found = 0
    for case in CASES:
        try:
            case()
        except (AssertionError, ZeroDivisionError):
            found += 1
    assert found


def test_the_walk_that_is_made_wrong_is_right_before(monkeypatch):
    monkeypatch.setitem(walk.__kwdefaults__, "form", wrong("if lights > 0:", "if lights >= 1:"))
    for case in CASES:
        case()
