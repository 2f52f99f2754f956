import functools
import itertools
import multiprocessing
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest
import sweep_work
import toy
from numpy.random import SeedSequence, default_rng
from pandas.testing import assert_frame_equal

from nfvlab import __version__
from nfvlab.params import ParamError
from nfvlab.sweep import sweep
from nfvlab.units import ms

P = toy.Params()
STALLS = [1 * ms, 2 * ms, 3 * ms, 5 * ms, 8 * ms]
GRID = {"stall_ns": STALLS, "pattern": ["fixed", "exponential"]}
DRAWS = {"seed": 7, "n": 12}


def reference():
    """The sweep of GRID, spelt out: one child of the seed a point, in order."""
    rows = []
    children = SeedSequence(DRAWS["seed"]).spawn(10)
    for child, (stall, pattern) in zip(children, itertools.product(*GRID.values()), strict=True):
        p = P.replace(stall_ns=stall, pattern=pattern)
        seen = toy.simulate(p, rng=default_rng(child), n=DRAWS["n"]).estimate()
        rows.append([stall, pattern, *itertools.chain(*((e.value, e.stderr) for e in seen.values()))])
    return rows


# --- the table


def test_one_knob_over_a_theory():
    frame = sweep(toy.analyze, P, {"stall_ns": np.linspace(1 * ms, 5 * ms, 5)})
    assert frame.columns.tolist() == ["stall_ns", *toy.OUTPUTS]
    assert frame["stall_ns"].tolist() == [1 * ms, 2 * ms, 3 * ms, 4 * ms, 5 * ms]
    assert frame["total_time_ns"].tolist() == [
        toy.analyze(P.replace(stall_ns=stall)).total_time_ns for stall in frame["stall_ns"]
    ]
    assert frame.attrs["source"] == f"nfvlab {__version__} · theory"


def test_a_grid_over_a_simulation_is_the_seeds_children_in_order():
    frame = sweep(toy.simulate, P, GRID, **DRAWS)
    outputs = itertools.chain(*((name, f"{name}_stderr") for name in toy.OUTPUTS))
    assert frame.columns.tolist() == ["stall_ns", "pattern", *outputs]
    assert frame.values.tolist() == reference()
    assert frame.attrs["source"] == f"nfvlab {__version__} · seed 7 · n=12 a point"


def test_chosen_outputs_only():
    chosen = ["late_frac", "total_time_ns"]
    frame = sweep(toy.simulate, P, {"stall_ns": STALLS}, outputs=chosen, **DRAWS)
    assert frame.columns.tolist() == [
        "stall_ns", "late_frac", "late_frac_stderr", "total_time_ns", "total_time_ns_stderr"
    ]  # fmt: skip
    assert sweep(toy.analyze, P, {"stall_ns": STALLS}, outputs=chosen).columns.tolist() == [
        "stall_ns",
        *chosen,
    ]


def test_values_are_stored_as_the_parameters_store_them():
    frame = sweep(toy.analyze, P, {"stall_ns": (1_000_000,), "streams_count": np.array([1, 2])})
    assert frame["stall_ns"].dtype == float
    assert frame["streams_count"].dtype == int


def test_values_may_come_from_a_generator():
    assert len(sweep(toy.analyze, P, {"stall_ns": (k * ms for k in range(1, 4))})) == 3


# --- the same whatever runs it


def test_threads_give_the_same_bits():
    with ThreadPoolExecutor(3) as executor:
        assert sweep(toy.simulate, P, GRID, executor=executor, **DRAWS).values.tolist() == reference()


def test_processes_give_the_same_bits():
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as executor:
        assert sweep(toy.simulate, P, GRID, executor=executor, **DRAWS).values.tolist() == reference()


def test_more_points_than_pieces_of_work():
    knob = {
        "stall_ns": np.linspace(1 * ms, 2 * ms, 150)
    }  # 64 pieces at most, so three points travel together
    alone = sweep(toy.simulate, P, knob, **DRAWS)
    with ThreadPoolExecutor(2) as executor:
        assert_frame_equal(sweep(toy.simulate, P, knob, executor=executor, **DRAWS), alone, check_exact=True)


def test_another_seed_gives_another_table():
    one, other = (sweep(toy.simulate, P, GRID, seed=seed, n=12)["total_time_ns"].tolist() for seed in (7, 8))
    assert all(a != b for a, b in zip(one, other, strict=True))


def test_a_dask_worker_killed_midway_changes_nothing(tmp_path):
    dask = pytest.importorskip("dask", reason="Dask is an extra: install nfvlab[dask]")
    distributed = pytest.importorskip("distributed", reason="Dask is an extra: install nfvlab[dask]")
    mark = tmp_path / "killed"
    work = functools.partial(sweep_work.killed_once, mark=mark)
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with (
        dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"}),  # starts much faster
        distributed.LocalCluster(processes=True, **options) as cluster,
        distributed.Client(cluster) as client,
    ):
        frame = sweep(work, P, GRID, executor=client.get_executor(), **DRAWS)
    assert mark.exists(), "no worker was killed"
    assert frame.values.tolist() == reference()


# --- the bar


@pytest.mark.parametrize(
    ("func", "progress", "shown"),
    [
        (toy.simulate, None, False),
        (toy.simulate, True, True),
        (sweep_work.slow, None, True),
        (sweep_work.slow, False, False),
    ],
)
def test_a_bar_appears_after_a_second(func, progress, shown, capsys):
    sweep(func, P, {"stall_ns": STALLS[:3]}, progress=progress, **DRAWS)
    out, err = capsys.readouterr()
    assert out == ""
    assert ("sweep" in err) == shown
    assert shown or err == ""


# --- what is refused


def refuse(*args, **kwargs):
    with pytest.raises(ParamError) as caught:
        sweep(*args, **kwargs)
    return caught.value


def never(p, *, rng, n):
    raise AssertionError("ran before everything was checked")


def test_every_point_that_breaks_a_rule_is_named_before_anything_runs():
    error = refuse(never, P, {"stall_ns": [1 * ms, -1.0], "deadline_ns": [2e9, 1.0]}, **DRAWS)
    assert [problem.where.partition(" (")[0] for problem in error.problems] == [
        "point 1",
        "point 2",
        "point 3",
        "point 3",
    ]
    assert "point 1 (stall_ns = 1 ms, deadline_ns = 1 ns): deadline_ns = 1.0 (1 ns): at least" in str(error)


def test_an_unknown_knob_is_refused_with_the_nearest():
    error = refuse(never, P, {"stal_ns": [1.0], "deadlines_ns": [2.0]}, **DRAWS)
    assert [problem.remedy for problem in error.problems] == [
        "did you mean 'stall_ns'?",
        "did you mean 'deadline_ns'?",
    ]


@pytest.mark.parametrize(
    ("kwargs", "field"),
    [
        ({"over": {}}, "over"),
        ({"over": ["stall_ns"]}, "over"),
        ({"over": {"stall_ns": []}}, "stall_ns"),
        ({"over": {"stall_ns": iter(())}}, "stall_ns"),
        ({"over": {"stall_ns": 3.0}}, "stall_ns"),
        ({"over": {"pattern": "fixed"}}, "pattern"),
        ({"base": {"stall_ns": 1}}, "base"),
        ({"seed": None}, "seed"),
        ({"seed": -1}, "seed"),
        ({"seed": 1.5}, "seed"),
        ({"n": None}, "n"),
        ({"n": 0}, "n"),
        ({"n": True}, "n"),
        ({"executor": 4}, "executor"),
        ({"func": toy.analyze, "n": None}, "seed"),
    ],
)
def test_a_wrong_call_names_the_argument(kwargs, field):
    call = {"func": never, "base": P, "over": {"stall_ns": STALLS}, **DRAWS} | kwargs
    (problem,) = refuse(call.pop("func"), call.pop("base"), call.pop("over"), **call).problems
    assert problem.field == field


def test_all_that_is_wrong_with_a_call_is_told_at_once():
    assert [p.field for p in refuse(never, P, {"stall_ns": 1.0}).problems] == ["stall_ns", "seed", "n"]


def test_a_function_that_processes_cannot_import_is_refused():
    with ProcessPoolExecutor(1) as executor:
        error = refuse(lambda p: toy.analyze(p), P, {"stall_ns": STALLS}, executor=executor)
    assert "importable by other processes" in str(error)


def test_an_unknown_output_lists_the_known():
    with pytest.raises(ValueError, match=r"'late'.*total_time_ns, stalls_count"):
        sweep(toy.analyze, P, {"stall_ns": STALLS}, outputs=["late"])


@pytest.mark.parametrize("threads", [0, 2])
def test_a_mistake_in_the_model_says_at_which_point(threads):
    executor = ThreadPoolExecutor(threads) if threads else None
    with pytest.raises(ZeroDivisionError) as caught:
        sweep(sweep_work.broken, P, {"stall_ns": STALLS}, executor=executor, **DRAWS)
    assert caught.value.__notes__ == ["at point 2 (stall_ns = 3 ms) of the sweep"]
    if executor:
        executor.shutdown()
