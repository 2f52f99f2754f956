"""Waiting times in a queue of one server, first come first served: compiled, vectorised, and drawn on the fly.

Gap k is the time from arrival k - 1 to arrival k (gap 0: from the start), service k what job k takes. The wait of job
k is W_k = max(0, W_{k-1} + S_{k-1} - A_k): D. V. Lindley, The theory of queues with a single server, Proc. Cambridge
Philosophical Society 48 (1952) 277. Summed up, W_k = P_k - min(0, P_0 .. P_k) with P the sums of S_{k-1} - A_k, which
needs no loop. Times are in any one unit; what the server has to do at the start is the `backlog`.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from nfvlab.kernels.jit import jit

BLOCK = 1 << 14  # jobs that are summed up in one go
_AT_ONCE = 1 << 17  # items of a block of many queues


class Served(NamedTuple):
    """Waits of jobs, and what the server still has to do when the last of them has just come."""

    waits: np.ndarray  # float64, as the gaps
    backlog: np.ndarray  # float64[], or float64[queues]


def waiting_times(gaps: ArrayLike, services: ArrayLike, backlog: ArrayLike = 0.0) -> Served:
    """Waits of jobs by the recursion: gaps float64[jobs], or float64[queues, jobs] for queues that never meet.

    `services` is of the same shape, or broadcasts to it; `backlog` is one number, or one for each queue. A run goes on
    with the next jobs when it is given the backlog of the run before. Each step rounds to half a unit in the last
    place of the wait; an idle server forgets all rounding. ValueError if a time is negative or not finite.
    """
    gaps, services, backlog, shape = _tables(gaps, services, backlog)
    waits = np.empty(gaps.shape)
    serve(gaps, services, backlog, waits)
    return Served(waits.reshape(shape), backlog.reshape(shape[:-1]))


def waiting_times_by_sums(gaps: ArrayLike, services: ArrayLike, backlog: ArrayLike = 0.0) -> Served:
    """The same by cumulative sums and running minima in plain numpy, BLOCK jobs at a time.

    A block passes only its backlog on. Its sums start at the backlog and are rounded as often as it has jobs, so that
    a wait is off by at most 4 BLOCK eps times the largest sum in size, which an idle time makes large: the error goes
    with the time that a block spans, where the recursion's goes with the wait. Blocks of one busy period add up.
    """
    gaps, services, backlog, shape = _tables(gaps, services, backlog)
    waits = np.empty(gaps.shape)
    queues, n = gaps.shape
    jobs = max(1, min(BLOCK, n, _AT_ONCE // max(1, queues)))
    steps, sums = np.empty((2, queues, jobs + 1))
    steps[:, 0] = 0.0  # the least sum is at most 0
    for first in range(0, n, jobs):
        into = waits[:, first : first + jobs]
        count = into.shape[1]
        last, now = slice(first, first + count - 1), slice(first + 1, first + count)
        np.subtract(backlog, gaps[:, first], out=steps[:, 1])
        np.subtract(services[:, last], gaps[:, now], out=steps[:, 2 : count + 1])
        np.cumsum(steps[:, : count + 1], axis=1, out=sums[:, : count + 1])
        lowest = np.minimum.accumulate(sums[:, : count + 1], axis=1, out=steps[:, : count + 1])
        np.subtract(sums[:, 1 : count + 1], lowest[:, 1:], out=into)
        backlog = into[:, -1] + services[:, first + count - 1]
    return Served(waits.reshape(shape), backlog.reshape(shape[:-1]))


@jit
def serve(gaps, services, backlog, waits):
    """Into `waits`: when each job's service begins after its arrival; `backlog` moves on. float64[queues, jobs]."""
    for q in range(gaps.shape[0]):
        work = backlog[q]
        for k in range(gaps.shape[1]):
            wait = work - gaps[q, k]
            wait = wait if wait > 0.0 else 0.0
            waits[q, k] = wait
            work = wait + services[q, k]
        backlog[q] = work


@jit
def stream(rng, backlog, gap_mean, service_fixed, service_spread, mean_waits, jobs):
    """Into `mean_waits`: means over successive runs of `jobs` jobs, which are drawn one by one; returns the backlog.

    Gaps are exponential, services `service_fixed` plus an exponential time of mean `service_spread`: M/M/1 without the
    one, M/D/1 without the other (then nothing is drawn for it). Nothing is stored of a job.
    """
    work = backlog
    for b in range(mean_waits.size):
        total = 0.0
        for _ in range(jobs):
            wait = work - gap_mean * rng.standard_exponential()
            wait = wait if wait > 0.0 else 0.0
            total += wait
            work = wait + service_fixed
            if service_spread > 0.0:
                work += service_spread * rng.standard_exponential()
        mean_waits[b] = total / jobs
    return work


def _tables(gaps: ArrayLike, services: ArrayLike, backlog: ArrayLike):
    """Gaps and services as float64[queues, jobs], a copy of the backlog as float64[queues], the shape asked for."""
    gaps = np.asarray(gaps, dtype=np.float64)
    shape = gaps.shape
    if gaps.ndim not in (1, 2):
        raise ValueError(f"gaps have shape {shape}: give [jobs], or [queues, jobs] for independent queues")
    made = {"gaps": gaps}
    for name, value, to in (("services", services, shape), ("backlog", backlog, shape[:-1])):
        value = np.asarray(value, dtype=np.float64)
        try:
            made[name] = np.broadcast_to(value, to)
        except ValueError:
            raise ValueError(
                f"{name} have shape {value.shape}: with gaps {shape} give {to} or one number"
            ) from None
    for name, value in made.items():
        if value.size and not (value.min() >= 0 and value.max() < np.inf):  # NaN is neither
            wrong = ~(np.isfinite(value) & (value >= 0))
            raise ValueError(
                f"{name} hold {value[wrong].flat[0]}: a time is finite and not negative; correct it"
            )
    table = shape if len(shape) == 2 else (1, *shape)
    gaps, services = (np.ascontiguousarray(made[name].reshape(table)) for name in ("gaps", "services"))
    return gaps, services, np.array(made["backlog"].reshape(table[:1])), shape
