"""How often a state machine gets somewhere before it comes home: multilevel splitting with fixed effort.

The way to the event is cut by levels of an importance function. In each stage as many paths are run as in any other,
from states in which the paths of the stage before crossed its level; each of those is used equally often, but for a
remainder that is drawn. The product of the shares that cross is unbiased, whatever the importance function; the error
comes from independent repeats, because paths of one run share ancestors.

M. J. J. Garvels, The splitting method in rare event simulation, thesis, University of Twente, 2000; P. L'Ecuyer,
V. Demers and B. Tuffin, Rare events, splitting, and quasi-Monte Carlo, ACM TOMACS 17 (2007) 9.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from nfvlab.realtime.rare import RareEstimate, of_draws

MAX_STEPS = 1_000_000


class Machine(NamedTuple):
    """A Markov chain, many copies at a time: states are an array whose first axis counts the copies."""

    start: Callable[[np.random.Generator, int], np.ndarray]  # n states to start from
    step: Callable[[np.ndarray, np.random.Generator], np.ndarray]  # the states after one step
    importance: Callable[[np.ndarray], np.ndarray]  # float64[n]: how near the event
    finished: Callable[[np.ndarray], np.ndarray]  # bool[n]: whether the path ends here; asked after a step


def reach(
    machine: Machine,
    levels: Sequence[float],
    *,
    rng: np.random.Generator,
    effort: int,
    repeats: int = 20,
    max_steps: int = MAX_STEPS,
) -> RareEstimate:
    """P(the importance reaches the last of `levels` before a path is finished), with `effort` paths a stage.

    A state that is finished where it reaches the last level has reached it. ValueError if levels do not rise, effort or
    repeats are too few, or paths are neither finished nor across a level after `max_steps` steps.
    """
    levels = np.asarray(levels, dtype=np.float64)
    if levels.ndim != 1 or not levels.size or not (np.diff(levels) > 0).all() or np.isnan(levels).any():
        raise ValueError(f"levels = {levels.tolist()}: give rising numbers, the last one where the event is")
    if effort < 1 or repeats < 2:
        raise ValueError(
            f"effort = {effort}, repeats = {repeats}: needs a path a stage, and 2 repeats for an error"
        )
    made = [_run(machine, levels, rng, effort, max_steps) for _ in range(repeats)]
    return of_draws(np.array(made), f"splitting, {levels.size} levels, {effort} paths each")


def _run(machine: Machine, levels: np.ndarray, rng, effort: int, max_steps: int) -> float:
    """One unbiased estimate: the product of the shares of paths that cross."""
    product, states = 1.0, machine.start(rng, effort)
    for level in levels:
        crossed = _cross(machine, states, level, levels[-1], rng, max_steps)
        product *= crossed.shape[0] / effort
        if not crossed.shape[0]:
            return 0.0
        states = crossed[_shared_out(crossed.shape[0], effort, rng)]
    return product


def _cross(
    machine: Machine, states: np.ndarray, level: float, last: float, rng, max_steps: int
) -> np.ndarray:
    """The states in which paths first are at the level or beyond, of those that get there."""
    there = machine.importance(states) >= level
    crossed, states = [states[there]], states[~there]
    for _ in range(max_steps):
        if not states.shape[0]:
            return np.concatenate(crossed)
        states = machine.step(states, rng)
        importance, finished = machine.importance(states), machine.finished(states)
        there = (importance >= level) & (~finished | (importance >= last))
        crossed.append(states[there])
        states = states[~there & ~finished]
    if not states.shape[0]:
        return np.concatenate(crossed)
    raise ValueError(
        f"max_steps = {max_steps}: {states.shape[0]} paths neither finished nor crossed level {level:g}; "
        "let them finish, or allow more steps"
    )


def _shared_out(found: int, effort: int, rng) -> np.ndarray:
    """Which of the found states each path starts from: all equally often, the remainder drawn."""
    whole = np.tile(np.arange(found), effort // found)
    return np.append(whole, rng.choice(found, size=effort % found, replace=False))
