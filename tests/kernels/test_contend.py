"""Agents with clocks: small cases by hand, a world of lists and a heap on random ones, wrong worlds, bad input."""

import os
import subprocess
import sys

import numpy as np
import pytest
from cache_oracle import state
from contend_oracle import WRONG, Lists, random_scene

from nfvlab.kernels import contend, setassoc
from nfvlab.kernels.agents import BANK_SHIFT
from nfvlab.kernels.contend import FIRST, LAST
from nfvlab.kernels.setassoc import CODE, IO, WRITE

D = 0  # a read of data
INF = np.inf


def world(
    streams,
    *,
    classes=None,
    sets=1,
    ways=4,
    hit_ns=2.0,
    parallelism=1.0,
    memory_ns=100.0,
    transfer_ns=8.0,
    **traits,
):
    """A cache, an agent and a class for each stream of (line, kind, gap), and a channel."""
    agents = contend.idle(
        classes or range(len(streams)), hit_ns, parallelism, capacity=max(map(len, streams)), **traits
    )
    for a, stream in enumerate(streams):
        fill(agents, a, stream)
    return setassoc.empty(sets, ways, len(streams)), agents, contend.channel(memory_ns, transfer_ns)


def fill(agents, a, stream):
    lines, kinds, gaps = zip(*stream, strict=True)
    contend.refill(agents, a, [64 * line for line in lines], kinds, gaps)


def go(made, until_ns=INF, masks=None, **options):
    ways, agents = made[0].rows.shape[1], len(made[1].class_id)
    masks = [((1 << ways) - 1,) * 2] * agents if masks is None else masks
    return contend.run(*made, masks, range(agents), until_ns, **options)


def test_one_agent_by_hand():
    # due at 5, miss until 105; due at 105, hit until 107; due at 117, miss (the channel was free at 13) until 217
    made = world([[(1, D, 5.0), (1, WRITE, 0.0), (2, CODE, 10.0)]])
    run = go(made)
    assert run.exhausted == 0
    assert run.hits.tolist() == [[1, 0]] and run.misses.tolist() == [[1, 1]]
    assert made[1].clock_ns.tolist() == run.elapsed_ns.tolist() == [217.0]
    assert run.wait_ns.tolist() == [0.0]
    assert made[2].free_ns.tolist() == [125.0]
    assert run.fills.tolist() == run.reads.tolist() == [2]


def test_two_misses_at_once_queue_for_the_channel():
    # both due at 0: agent 0 first, its line moves until 8; agent 1 waits 8, then takes 100
    made = world([[(1, D, 0.0), (1, D, INF)], [(2, D, 0.0), (2, D, INF)]])
    run = go(made)
    assert made[1].clock_ns.tolist() == [100.0, 108.0]
    assert run.wait_ns.tolist() == [0.0, 8.0]
    assert run.exhausted == -1  # asleep for ever, both


def test_parallelism_divides_latency_and_wait_of_a_miss_but_not_a_hit():
    made = world([[(1, D, 0.0)], [(2, D, 0.0), (2, D, 0.0)]], parallelism=[1.0, 4.0])
    fill_up = go(made)
    assert fill_up.exhausted == 0 and made[1].clock_ns.tolist() == [100.0, 0.0]
    fill(made[1], 0, [(9, D, INF)])
    run = go(made)
    assert made[1].clock_ns[1] == (100 + 8) / 4 + 2
    assert run.wait_ns[1] == 8.0


def test_nobody_waits_for_a_write_back_but_the_next_miss():
    # 2 evicts dirty 1 from the one way: at 100 line 2 moves until 108, line 1 back until 116; a miss at 101 waits 15
    made = world([[(1, WRITE, 0.0), (2, D, 0.0), (2, D, INF)], [(8, D, 101.0), (8, D, INF)]], ways=2)
    run = go(made, masks=[(1, 1), (2, 2)])
    assert made[1].clock_ns.tolist() == [200.0, 101 + 15 + 100]
    assert run.wait_ns.tolist() == [0.0, 15.0]
    assert run.write_backs.tolist() == [1, 0]
    assert made[2].free_ns[0] == 124.0


def test_posted_accesses_take_their_agent_no_time_and_whole_lines_need_no_read():
    # writes at 0, 1 and 2 into one way; each of the last two sends a dirty line back (8 ns each from 1 on); the read
    # at 3 sends the third, behind its own line: the channel is free at 1 + 8 + 8 + 8 + 8
    stream = [(line, IO | WRITE, gap) for line, gap in ((1, 0.0), (2, 1.0), (3, 1.0))] + [(4, IO, 1.0)]
    made = world([stream], ways=1)
    run = go(made)
    assert made[1].clock_ns.tolist() == [3.0] and run.wait_ns.tolist() == [0.0]
    assert (run.fills.tolist(), run.reads.tolist(), run.write_backs.tolist()) == ([4], [1], [3])
    assert made[2].free_ns[0] == 33.0


def test_who_is_due_first_goes_first_not_whose_clock_is_behind():
    # agent 0 sleeps until 50 and finds line 1 in the cache, which agent 1 fetched at 10
    made = world([[(1, D, 50.0)], [(1, D, 10.0), (3, D, INF)]])
    assert go(made).hits.tolist() == [[1, 0], [0, 0]]
    tie = world([[(1, D, 5.0)], [(1, D, 5.0)]])
    assert go(tie).misses.tolist() == [[1, 0], [0, 0]]  # together: the first agent goes first


def test_a_sleep_of_a_millisecond_is_one_step():
    made = world([[(1, D, 0.0), (1, D, 1e6), (1, D, 0.0)]])
    go(made)
    assert made[1].clock_ns.tolist() == [100 + 1e6 + 2 + 2]


def test_units_are_timed_from_when_they_are_due():
    # unit 1 is due at 10 (a period after 0), works until 14, misses until 114, hits after a gap of 5 until 121;
    # unit 2, due at 60, is begun at 121 and done at 127; unit 3, due at 260, is on time and done at 266
    units = [
        (1, FIRST, 10.0),
        (1, LAST, 5.0),
        (1, FIRST | LAST, 50.0),
        (1, FIRST | LAST, 200.0),
        (1, LAST, 0.0),
    ]
    run = go(world([units], work_ns=4.0))
    assert run.units.tolist() == [3]  # the last LAST ends no unit: none is in work
    assert run.unit_agent.tolist() == [0, 0, 0]
    assert run.unit_ns.tolist() == [111.0, 67.0, 6.0]
    assert run.unit_end_ns.tolist() == [121.0, 127.0, 266.0]


def test_a_unit_that_a_device_begins_is_timed_from_there():
    # the device writes at 10 and, when the agent is done at 110, at once again although due at 20; work comes with gaps
    units = [(1, FIRST | IO | WRITE, 10.0), (2, LAST, 0.0), (1, FIRST | IO | WRITE, 10.0), (2, LAST, 3.0)]
    run = go(world([units], work_ns=50.0))
    assert run.unit_ns.tolist() == [100.0, 5.0]
    assert run.unit_end_ns.tolist() == [110.0, 115.0]


def test_the_top_bits_of_a_kind_choose_a_class():
    made = world(
        [[(line, line << BANK_SHIFT | CODE * (line & 1), 0.0) for line in range(4)]], classes=[[2, 0, 1, 2]]
    )
    run = contend.run(*made, [(1, 2), (4, 8), (1, 2)], [0, 0, 0], INF)
    assert run.misses.tolist() == [[0, 1], [1, 0], [1, 1]]
    assert [(line, way) for line, way, _, _ in state(made[0])[0]] == [(3, 1), (2, 2), (0, 0)]


def test_snapshots_are_taken_before_what_is_due_then():
    # accesses due at 0, 100, 200; snapshots at 100 and 200 (before the access due then); none after the last
    made = world([[(1, D, 0.0), (2, D, 0.0), (3, D, 0.0)]])
    run = go(made, snapshot_ns=100.0)
    assert run.snapshot_ns.tolist() == [100.0, 200.0]
    assert run.occupancy.tolist() == [[1], [2]]
    fill(made[1], 0, [(4, D, 0.0), (4, D, INF)])
    assert go(made, 600.0, snapshot_ns=100.0).snapshot_ns.tolist() == [300.0, 400.0, 500.0, 600.0]
    assert go(made, 600.0, snapshot_ns=100.0).snapshot_ns.tolist() == []


def test_many_snapshots_and_units_find_room():
    made = world([[(1, FIRST | LAST, 10.0)] * 500])
    run = go(made, snapshot_ns=1.0)
    assert run.units.tolist() == [500]
    # done at 110, 112, ... (late) until the units, due each 10, are caught up with at 130
    assert run.unit_ns.tolist() == [100.0 - 8 * k for k in range(12)] + [4.0] + [2.0] * 487
    assert run.snapshot_ns.tolist() == np.arange(1, made[1].now_ns[0] + 1).tolist()
    assert run.occupancy[:, 0].tolist() == [0] * 10 + [1] * (run.snapshot_ns.size - 10)


def test_a_used_up_stream_stops_the_run_until_it_is_refilled():
    made = world([[(1, D, 0.0)] * 3, [(2, D, 0.0)]])
    assert go(made).exhausted == 1
    assert made[1].position.tolist() == [1, 1] and go(made).misses.sum() == 0
    fill(made[1], 1, [(2, D, 0.0)] * 2)
    assert go(made).exhausted == 0


def made_of(scene, capacity=None):
    """Cache, agents without accesses, and channel of a scene."""
    capacity = capacity or max(map(len, scene["streams"]))
    traits = (scene["classes"], scene["hit_ns"], scene["parallelism"])
    agents = contend.idle(*traits, capacity=capacity, work_ns=scene["work_ns"])
    channel = contend.channel(scene["memory_ns"], scene["transfer_ns"])
    return setassoc.empty(scene["sets"], scene["ways"], len(scene["masks"])), agents, channel


def play(scene, untils=(INF,), capacity=None):
    """The kernel's outcome, in pieces of time, and in streams refilled bit by bit."""
    streams = [list(stream) for stream in scene["streams"]]
    made = made_of(scene, capacity)
    agents, runs = made[1], []
    for until in untils:
        while True:
            for a in range(len(streams)):
                if agents.position[a] == agents.length[a] and streams[a]:
                    fill(agents, a, streams[a][:capacity])
                    del streams[a][:capacity]
            runs.append(contend.run(*made, scene["masks"], range(len(scene["masks"])), until, 50.0))
            if runs[-1].exhausted < 0 or not streams[runs[-1].exhausted]:
                break
    return runs, *made


def outcome(runs, cache, agents, channel):
    """What a run, or its pieces together, came to."""

    def total(name):
        return sum(getattr(run, name) for run in runs).tolist()

    def joined(name):
        return [row for run in runs for row in getattr(run, name).tolist()]

    return {
        "misses": total("misses"),
        "hits": total("hits"),
        "wait_ns": total("wait_ns"),
        "units": list(zip(joined("unit_agent"), joined("unit_end_ns"), joined("unit_ns"), strict=True)),
        "snapshots": list(zip(joined("snapshot_ns"), joined("occupancy"), strict=True)),
        "traffic": [total("fills"), total("write_backs")],
        "clock_ns": agents.clock_ns.tolist(),
        "free_ns": float(channel.free_ns[0]),
        "state": state(cache),
    }


def listed(kind, scene, until=INF):
    w = kind(scene).run(until)
    counts = np.zeros((2, len(scene["masks"]), 2), dtype=int)
    for c, code, rank in w.outcomes:
        counts[int(rank is None), c, code] += 1
    return {
        "misses": counts[1].tolist(),
        "hits": counts[0].tolist(),
        "wait_ns": w.waits,
        "units": w.units,
        "snapshots": w.snapshots,
        "traffic": [w.cache.fills, w.cache.write_backs],
        "clock_ns": w.clock,
        "free_ns": w.free,
        "state": w.cache.state(),
    }


SEEDS = range(40)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_kernel_agrees_with_a_world_of_lists(seed):
    scene = random_scene(seed)
    for until in (INF, 1000.0):
        assert outcome(*play(scene, [until])) == listed(Lists, scene, until)


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.__name__)
def test_a_wrong_world_is_found(wrong):
    assert any(outcome(*play(random_scene(seed))) != listed(wrong, random_scene(seed)) for seed in SEEDS)


@pytest.mark.parametrize("seed", range(12))
def test_pieces_of_time_and_of_streams_change_nothing(seed):
    scene = random_scene(seed)
    whole = outcome(*play(scene))
    assert whole["snapshots"], "so that pieces have some to get wrong"
    times = np.sort(np.random.default_rng(seed).choice(np.arange(0.0, 3000.0, 12.5), 9, replace=False))
    assert outcome(*play(scene, [*times, 150.0, INF])) == whole
    assert outcome(*play(scene, capacity=7)) == whole
    assert outcome(*play(scene, [*times, INF], capacity=1)) == whole


@pytest.mark.parametrize("seed", range(12))
def test_lines_and_units_add_up(seed):
    scene = random_scene(seed)
    (run,), cache, agents, _ = play(scene)
    made = [kind for a, stream in enumerate(scene["streams"]) for _, kind, _ in stream[: agents.position[a]]]
    assert run.hits.sum() + run.misses.sum() == len(made)
    assert run.fills.tolist() == run.misses.sum(axis=1).tolist()  # the RMID of a class is its number here
    written = sum(bool(kind & IO and kind & WRITE) for kind in made)
    assert 0 <= (run.fills - run.reads).sum() <= written and (run.reads <= run.fills).all()
    assert cache.occupancy.sum() == (cache.owner >= 0).sum() <= run.fills.sum() - run.write_backs.sum()
    assert run.units.sum() == run.unit_ns.size and (run.unit_ns >= 0).all()


def test_a_saturated_channel_moves_one_line_each_transfer_time():
    """Four agents that only miss, with much parallelism: the channel never rests, so time is lines by transfer time."""
    streams = [[(1000 * a + k, D, 0.0) for k in range(400)] for a in range(4)]
    made = world(streams, sets=4, parallelism=1.0, memory_ns=10.0, transfer_ns=20.0)
    run = go(made)
    lines = run.reads.sum()
    assert made[2].free_ns[0] == lines * 20.0
    # in turn: each waits while the lines of the three others move, less what its own latency beyond its line covers
    assert run.wait_ns.sum() / lines == pytest.approx(4 * 20 - 10, rel=0.01)


def digest():
    return str([outcome(*play(random_scene(seed))) for seed in range(4)])


def test_compiled_and_plain_agree():
    for seed in range(8):
        results = []
        for form in (contend._run, contend._run.py_func):
            scene = random_scene(seed)
            cache, agents, channel = made_of(scene)
            for a, stream in enumerate(scene["streams"]):
                fill(agents, a, stream)
            channel = contend.channel(scene["memory_ns"] / 3, scene["transfer_ns"] / 3)
            masks, rmids = scene["masks"].astype(np.uint64), np.arange(len(scene["masks"]), dtype=np.int32)
            columns = form(cache, agents, channel, masks, rmids, 2e3, 70.0)
            state_of = (agents.clock_ns, agents.unit_due_ns, agents.begun_ns, channel.free_ns, cache.rows)
            results.append([np.array(c).tobytes() for c in (*columns, *state_of)])
        assert results[0] == results[1]


def test_without_compiling_the_whole_module_gives_the_same():
    code = "import sys; sys.path[:0] = sys.argv[1:]; import test_contend; print(test_contend.digest())"
    here = os.path.dirname(__file__)
    done = subprocess.run(
        [sys.executable, "-c", code, here, os.path.dirname(here)],
        env=os.environ | {"NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout.strip() == digest(), done.stderr


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: contend.idle([0, 1], [1.0, -1.0], 1.0, capacity=1),
            r"hit_ns = \[1.0, -1.0\]: must be finite, and 0",
        ),
        (
            lambda: contend.idle([0], 1.0, 0.5, capacity=1),
            r"parallelism = \[0.5\]: must be finite, and 1 or more",
        ),
        (lambda: contend.idle([], 1.0, 1.0, capacity=1), "0 agents"),
        (lambda: contend.idle([0], 1.0, 1.0, capacity=0), "capacity = 0"),
        (lambda: contend.idle([300], 1.0, 1.0, capacity=1), "class_id from 300 to 300: must be 0 to 255"),
        (lambda: contend.channel(np.nan, 1.0), "memory_ns = nan"),
        (lambda: contend.channel(1.0, -1.0), "transfer_ns = -1"),
        (
            lambda: fill(world([[(1, D, 0.0)]])[1], 0, [(1, D, 0.0)]),
            "agent 0 has 1 accesses to make: refill it when",
        ),
        (lambda: world([[(1, D, -1.0)]]), "gap_ns from -1: must be 0 or more"),
        (lambda: world([[(1, D, np.nan)]]), "gap_ns from nan"),
        (
            lambda: contend.refill(contend.idle([0], 1, 1, capacity=1), 0, [0, 0], [0, 0], [0, 0]),
            "2 accesses: must be 1 to 1",
        ),
        (
            lambda: contend.refill(contend.idle([0], 1, 1, capacity=1), 0, [0], [0], []),
            "address 1, kind 1, gap_ns 0 items",
        ),
        (lambda: go(world([[(1, D, 0.0)]]), masks=[(16, 1)]), "data mask 0x10 of class 0"),
        (lambda: go(world([[(1, D, 0.0)]] * 2), masks=[(1, 1)]), "rmid_of_class of"),
        (lambda: go(world([[(1, D, 0.0)]]), np.nan), "until_ns is not a number"),
        (lambda: go(world([[(1, D, 0.0)]]), snapshot_ns=0.0), "snapshot_ns = 0.0: must be more than 0"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
