"""Sweeps: turn one knob, or several over a grid, and collect theory or simulation in a tidy table."""

import inspect
import itertools
import pickle
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, as_completed
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from nfvlab import __version__
from nfvlab.params import ParamError, Params, Problem
from nfvlab.specs import in_words

if TYPE_CHECKING:
    import pandas

_CHUNKS = 64  # at most as many pieces of work are handed to an executor, so that short points travel together


@dataclass(frozen=True)
class _Task:
    """One point: what to compute there, and the seed of its own that makes it independent of the others."""

    index: int
    name: str
    params: Params
    seed: int | None
    n: int | None


def sweep(
    func: Callable[..., Any],
    base: Params,
    over: Mapping[str, Iterable[Any]],
    *,
    outputs: Sequence[str] | None = None,
    seed: int | None = None,
    n: int | None = None,
    executor: Executor | None = None,
    progress: bool | None = None,
) -> "pandas.DataFrame":
    """Call a feature's `analyze` or `simulate` at every point of a grid around `base`.

    `over` gives each knob its values; several knobs span their Cartesian product, the last turning fastest.
    The table has one row a point, in that order: the knobs, then the outputs (all, or those named), for a
    simulation each with its standard error in `<output>_stderr`.

    A simulation takes `n` replications a point and a `seed`; the i-th point uses the i-th child that
    `numpy.random.SeedSequence(seed)` spawns, so the table is the same to the bit whatever runs it: `executor`
    is any `concurrent.futures.Executor` (threads, processes, a Dask cluster's `client.get_executor()`).

    A progress bar appears if it takes longer than a second; `progress` turns it on at once, or off. Points
    that break a rule, unknown knobs and missing arguments raise one `ParamError` before anything runs.
    """
    random = {"rng", "n"} <= set(inspect.signature(func).parameters)
    knobs = {name: _values(values) for name, values in over.items()} if isinstance(over, Mapping) else {}
    problems = [
        *_wrong_grid(base, over, knobs),
        *_wrong_draws(random, seed, n),
        *_wrong_executor(func, executor),
    ]
    if problems:
        raise ParamError(problems, "sweep")
    tasks = _tasks(base, knobs, seed, n)
    rows = _in_order(func, tasks, None if outputs is None else tuple(outputs), executor, progress)

    import pandas as pd

    points = [{name: getattr(task.params, name) for name in knobs} for task in tasks]
    shared = set(knobs) & set(rows[0])
    if shared:
        raise ValueError(f"{sorted(shared)} are knobs and outputs at once; leave them out with outputs=[...]")
    frame = pd.DataFrame([point | row for point, row in zip(points, rows, strict=True)])
    made_by = f"seed {seed} · n={n} a point" if random else "theory"
    frame.attrs["source"] = f"nfvlab {__version__} · {made_by}"
    return frame


def _values(values: Any) -> list[Any]:
    """The values of a knob; none if they are not a collection of values."""
    return [] if isinstance(values, str | bytes) or not isinstance(values, Iterable) else list(values)


def _wrong_grid(base: Any, over: Any, knobs: Mapping[str, list[Any]]) -> Iterator[Problem]:
    if not isinstance(base, Params):
        yield Problem("base", base, "must be a set of parameters", "give the feature's Params()")
    if not knobs:
        yield Problem("over", over, "must name at least one knob", "write over={knob: [values]}")
    for name in knobs:
        if not knobs[name]:
            yield Problem(name, over[name], "must be a list of values", "write [one, another]")


def _wrong_draws(random: bool, seed: Any, n: Any) -> Iterator[Problem]:
    for name, value, least in (("seed", seed, 0), ("n", n, 1)):
        if not random and value is not None:
            yield Problem(name, value, "a theory draws nothing", f"leave {name} out")
        if random and (isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least):
            rule = f"a simulation needs a whole number, at least {least}"
            yield Problem(name, value, rule, "give for example seed=2024, n=100")


def _wrong_executor(func: Any, executor: Any) -> Iterator[Problem]:
    if executor is None:
        return
    from concurrent.futures import ProcessPoolExecutor  # brings multiprocessing, which few sweeps need

    if not isinstance(executor, Executor):
        remedy = "give a ThreadPoolExecutor, a ProcessPoolExecutor or a Dask client.get_executor()"
        yield Problem("executor", executor, "must be a concurrent.futures.Executor", remedy)
    if isinstance(executor, ProcessPoolExecutor) and not _picklable(func):
        yield Problem("func", func, "must be importable by other processes", "define it in a module")


def _picklable(func: Any) -> bool:
    try:
        pickle.dumps(func)
    except Exception:
        return False
    return True


def _tasks(base: Params, knobs: Mapping[str, list[Any]], seed: int | None, n: int | None) -> list[_Task]:
    """Every point of the grid, or one ParamError that names all the points that break a rule."""
    unknown = {name: values[0] for name, values in knobs.items() if name not in base.specs()}
    if unknown:
        base.replace(**unknown)  # raises, with the nearest names
    tasks, problems = [], []
    for index, values in enumerate(itertools.product(*knobs.values())):
        point = dict(zip(knobs, values, strict=True))
        settings = ", ".join(f"{knob} = {_words(knob, value)}" for knob, value in point.items())
        name = f"point {index} ({settings})"
        try:
            tasks.append(_Task(index, name, base.replace(**point), seed, n))
        except ParamError as error:
            problems += [replace(problem, where=name) for problem in error.problems]
    if problems:
        raise ParamError(problems, "sweep")
    return tasks


def _words(name: str, value: Any) -> str:
    try:
        return in_words(name, value)
    except (ValueError, OverflowError):
        return repr(value)


def _in_order(
    func: Any,
    tasks: list[_Task],
    outputs: tuple[str, ...] | None,
    executor: Executor | None,
    progress: bool | None,
) -> list[dict[str, float]]:
    """The results of all tasks, in their order, with a bar that counts them as they come."""
    from tqdm import tqdm

    size = 1 if executor is None else -(-len(tasks) // _CHUNKS)
    chunks = [tasks[start : start + size] for start in range(0, len(tasks), size)]
    results: dict[int, dict[str, float]] = {}
    futures = [executor.submit(_run, func, chunk, outputs) for chunk in chunks] if executor else []
    done = (future.result() for future in as_completed(futures))
    if executor is None:
        done = (_run(func, chunk, outputs) for chunk in chunks)
    bar = {"desc": "sweep", "unit": "point", "leave": False, "delay": 0 if progress else 1}
    try:
        with tqdm(total=len(tasks), disable=progress is False, **bar) as counter:
            for part in done:
                results |= part
                counter.update(len(part))
    finally:
        for future in futures:
            future.cancel()
    return [results[task.index] for task in tasks]


def _run(func: Any, tasks: list[_Task], outputs: tuple[str, ...] | None) -> dict[int, dict[str, float]]:
    """Compute some points, wherever this runs; an error is told which point it came from."""
    results = {}
    for task in tasks:
        try:
            results[task.index] = _select(_compute(func, task), outputs)
        except Exception as error:
            error.add_note(f"at {task.name} of the sweep")
            raise
    return results


def _compute(func: Any, task: _Task) -> dict[str, float]:
    if task.seed is None:
        return {name: value for name, (value, _) in func(task.params).outputs().items()}
    child = np.random.SeedSequence(task.seed, spawn_key=(task.index,))  # what SeedSequence(seed).spawn makes
    row = {}
    for name, estimate in func(task.params, rng=np.random.default_rng(child), n=task.n).estimate().items():
        row |= {name: estimate.value, f"{name}_stderr": estimate.stderr}
    return row


def _select(row: dict[str, float], outputs: tuple[str, ...] | None) -> dict[str, float]:
    if outputs is None:
        return row
    missing = [name for name in outputs if name not in row]
    if missing:
        known = [name for name in row if not name.endswith("_stderr")]
        raise ValueError(f"outputs = {missing}: there are no such outputs; choose from {', '.join(known)}")
    return {name: row[name] for output in outputs for name in (output, f"{output}_stderr") if name in row}
