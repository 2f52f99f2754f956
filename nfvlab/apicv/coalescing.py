"""Interrupts that find their vector still waiting: K vectors with one place each before one server.

One vector is the M/G/1 queue with one waiting place (M/G/1/2), whose embedded chain at the ends of service is exact
(L. Takács, Introduction to the Theory of Queues, 1962). K vectors of equal rates are K classes with single buffers and
a server without preemption: the number of pending ones at the ends of service is a Markov chain whatever the order of
service (H. Takagi, Analysis of Polling Systems, 1986, chapter 2). The highest of them goes first; the vector of rank r
waits until the r - 1 above it are empty, a first passage of their own chain. A bit that is set, or ON, is dead time:
a counter of type I, which loses what comes in it and is not prolonged by it (W. Feller, On probability problems in the
theory of counters, 1948; D. R. Cox, Renewal Theory, 1962, chapter 9).
"""

import numpy as np
from scipy.special import gammaln

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
    b = np.arange(n + 1)
    ways = np.exp(gammaln(n + 1) - gammaln(b + 1) - gammaln(n - b + 1))
    c = np.clip(chances, 0.0, 1.0)[:, None]
    return weights @ (ways * c**b * (1 - c) ** (n - b))


def arrivals(count: int, chances: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Row i: the law of the number of pending vectors, if i are when a service starts: float64[count, count + 1].

    i = 0 … count - 1, of `count` vectors, the served one's bit already cleared.
    """
    rows = np.zeros((count, count + 1))
    for pending in range(count):
        rows[pending, pending:] = binomial(count - pending, chances, weights)
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


def whole_services(count: int, chances: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, float]:
    """Law of the number of whole services that an interrupt waits for behind higher ones, after the present one.

    Averaged over the ranks: the probabilities of 0 … n - 1 services, and the mean number of those that take n or more
    (their probability is what is left of one).
    """
    law, rest = np.zeros(_SLOTS), 0.0
    law[0] = 1.0
    for above in range(1, count):
        rows = arrivals(above, chances, weights)
        step = np.vstack([rows[:1], rows])
        alpha = stationary(step)[1:]
        inner = step[1:, 1:]
        law[0] += 1 - alpha.sum()
        for k in range(1, _SLOTS):
            left = alpha @ inner
            law[k] += alpha.sum() - left.sum()
            alpha = left
        if alpha.sum() > 1e-12:
            more = np.linalg.solve(np.eye(above) - inner, np.ones(above))
            rest += alpha @ (more + _SLOTS - 1)
    law /= count
    beyond = max(1 - law.sum(), 0.0)
    return law, (rest / count / beyond if beyond > 1e-12 else float(_SLOTS))


def locked(period_ns: float, service_ns: float, gap_ns: float, first_ns: float) -> tuple[float, float]:
    """One periodic vector: (share of the deliveries that follow an idle period, arrivals per delivery).

    A service of `service_ns`, `gap_ns` more before a pending one, `first_ns` before one that found the guest idle. If
    the period is longer than service and gap, the lateness of a first delivery is made up one period after another.
    """
    busy = service_ns + gap_ns
    if period_ns <= busy:
        return 0.0, busy / period_ns
    late = first_ns + service_ns - period_ns
    after = 0 if late <= 0 else int(np.ceil(min(late / (period_ns - busy), 1e6)))
    return 1 / (after + 1), 1.0


__all__ = [
    "arrivals",
    "binomial",
    "counted_per_ns",
    "locked",
    "pending_law",
    "set_within",
    "stationary",
    "whole_services",
]
