"""Interrupts that find their vector still waiting: K vectors with one place each before one server.

One vector is the M/G/1 queue with one waiting place (M/G/1/2), whose embedded chain at the ends of service is exact
(L. Takács, Introduction to the Theory of Queues, 1962). K vectors of equal rates are K classes with single buffers and
a server without preemption: the number of pending ones at the ends of service is a Markov chain whatever the order of
service (H. Takagi, Analysis of Polling Systems, 1986, chapter 2). The highest of them goes first; the vector of rank r
waits until the r - 1 above it are empty, a first passage of their own chain. A bit that is set, or ON, is dead time:
a counter of type I, which loses what comes in it and is not prolonged by it (W. Feller, On probability problems in the
theory of counters, 1948; D. R. Cox, Renewal Theory, 1962, chapter 9).
"""

from dataclasses import dataclass
from functools import cache
from math import comb

import numpy as np

_SLOTS = 12  # whole services that a wait is drawn out in; later ones together


def counted_per_ns(rate_per_ns: float, dead_ns: float) -> float:
    """Rate that a counter of type I registers: every registration makes it deaf for dead_ns."""
    return rate_per_ns / (1 + rate_per_ns * dead_ns)


def set_within(times_ns: np.ndarray, rate_per_ns: float, periodic: bool) -> np.ndarray:
    """Probability that a clear bit is set within each of the times; its phase is uniform if it is periodic."""
    passed = rate_per_ns * np.maximum(times_ns, 0.0)
    return np.minimum(passed, 1.0) if periodic else -np.expm1(-passed)


def binomial(n: int, chances: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """P(b of n bits set), b = 0 … n, where the chance itself has a law: float64[n + 1]."""
    c = np.clip(chances, 0.0, 1.0)
    b = np.arange(n + 1)
    return _ways(n) * (weights @ (c[:, None] ** b * (1 - c[:, None]) ** (n - b)))


@cache
def _ways(n: int) -> np.ndarray:
    """n over 0 … n."""
    return np.array([comb(n, b) for b in range(n + 1)], dtype=float)


def arrivals(count: int, chances: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Row i: the law of the number of pending vectors, if i are when a service starts: float64[count, count + 1].

    i = 0 … count - 1, of `count` vectors, the served one's bit already cleared.
    """
    return _rows([binomial(n, chances, weights) for n in range(count + 1)], count)


def _rows(laws: list[np.ndarray], count: int) -> np.ndarray:
    rows = np.zeros((count, count + 1))
    for pending in range(count):
        rows[pending, pending:] = laws[count - pending]
    return rows


def pending_law(served: np.ndarray, after: np.ndarray, met: np.ndarray) -> np.ndarray:
    """Stationary law of the number of pending vectors at the ends of service: float64[count + 1].

    `served` as made by `arrivals`, `after` the same for a service that follows an idle period; `met[i]`: probability
    that i others are set before the delivery that ends an idle period.
    """
    count = len(served)
    step = np.zeros((count + 1, count + 1))
    step[0] = met @ after
    step[1:] = served
    return stationary(step)


def stationary(step: np.ndarray) -> np.ndarray:
    """Stationary law of a Markov chain that has one."""
    size = len(step)
    system = step.T - np.eye(size)
    system[-1] = 1.0
    right = np.zeros(size)
    right[-1] = 1.0
    law = np.maximum(np.linalg.solve(system, right), 0.0)
    return law / law.sum()


@dataclass(frozen=True)
class Behind:
    """The whole services that an interrupt waits for behind higher ones, after the present one.

    law: probabilities of 0 … n - 1 services, averaged over the ranks; later: mean number of those that take n or more
    (their probability is what is left of one); means: mean number by rank, the highest first.
    """

    law: np.ndarray
    later: float
    means: np.ndarray


def whole_services(count: int, chances: np.ndarray, weights: np.ndarray, most: float = 1e6) -> Behind:
    """First passage of the vectors above each rank to none pending; after `most` services it is over, on average."""
    law, later, means = np.zeros(_SLOTS), 0.0, np.zeros(count)
    law[0] = 1.0
    laws = [binomial(n, chances, weights) for n in range(count)]
    for above in range(1, count):
        rows = _rows(laws, above)
        alpha = stationary(np.vstack([rows[:1], rows]))[1:]
        inner = rows[:, 1:]
        law[0] += 1 - alpha.sum()
        for k in range(1, _SLOTS):
            left = alpha @ inner
            gone = alpha.sum() - left.sum()
            law[k] += gone
            means[above] += k * gone
            alpha = left
        if alpha.sum() > 1e-12:
            more = _passage(inner, most) + _SLOTS - 1
            later += alpha @ more
            means[above] += alpha @ more
    law /= count
    beyond = max(1 - law.sum(), 0.0)
    return Behind(law, later / count / beyond if beyond > 1e-12 else float(_SLOTS), means)


def _passage(inner: np.ndarray, most: float) -> np.ndarray:
    """Mean number of steps until the chain leaves the states of `inner`."""
    stay = np.clip(inner, 0.0, None) * (1 - 1 / max(most, 2.0))
    return np.linalg.solve(np.eye(len(stay)) - stay, np.ones(len(stay)))


__all__ = [
    "Behind",
    "arrivals",
    "binomial",
    "counted_per_ns",
    "pending_law",
    "set_within",
    "stationary",
    "whole_services",
]
