"""Machines to split: the work of a server in a busy period, and any state machine whose states are Python objects.

For the first the answer is known. The work of M/G/1 passes x before the server is idle with probability
(P(W + S > x) - P(W > x)) / P(W <= x), W being the stationary wait and S an independent service: L. Takacs, Application
of ballot theorems in the theory of queues, Proc. Symp. Congestion Theory, Chapel Hill 1965 (in the form of S. Asmussen,
Applied Probability and Queues, 2nd ed., Springer 2003, chapter X), where W's density is the arrival rate times
P(W <= x) - P(W + S <= x).

Splitting does this badly where services have a tail that falls slower than twice the rate at which waits do (by
exp(-r x) with r < 2 theta, theta the `decay_rate` of rare_walk): a few long services jump over many levels at once and
carry much of the probability. No choice of levels mends it; the largest weight shows it. Waits have Siegmund's change
of measure, which does not mind.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from nfvlab.realtime.rare_laws import Mixed
from nfvlab.realtime.rare_splitting import Machine


def busy_period(services: Mixed | Sequence[Mixed], gap: Mixed) -> Machine:
    """A server's work just after each arrival, from the job that ends an idle time; finished when idle again.

    A service is the sum of independent `services`. States and importance are the work, float64, in the laws' unit; 0 is
    idle. Lindley's recursion, stopped at its first 0.
    """
    stages = (services,) if isinstance(services, Mixed) else tuple(services)

    def service(rng: np.random.Generator, n: int) -> np.ndarray:
        return sum(stage.draw(rng, n) for stage in stages)

    def step(work: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        left = work - gap.draw(rng, work.size)
        return np.where(left > 0, left + service(rng, work.size), 0.0)

    return Machine(lambda rng, n: service(rng, n), step, lambda work: work, lambda work: work <= 0)


def of_objects(
    start: Callable[[np.random.Generator], Any],
    step: Callable[[Any, np.random.Generator], Any],
    importance: Callable[[Any], float],
    finished: Callable[[Any], bool],
) -> Machine:
    """A machine from functions of one state, which may be any object; states are an array of objects.

    `step` returns a new state and leaves the one it was given as it is: several paths may go on from it.
    """
    return Machine(
        start=lambda rng, n: _row(start(rng) for _ in range(n)),
        step=lambda states, rng: _row(step(state, rng) for state in states),
        importance=lambda states: np.array([importance(state) for state in states], dtype=np.float64),
        finished=lambda states: np.array([finished(state) for state in states], dtype=bool),
    )


def _row(states: Iterable[Any]) -> np.ndarray:
    """Objects in a row; numpy would make a table of tuples."""
    listed = list(states)
    row = np.empty(len(listed), dtype=object)
    for k, state in enumerate(listed):
        row[k] = state
    return row
