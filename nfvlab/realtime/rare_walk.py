"""How often a queue's wait is long: Siegmund's change of measure, for one server and renewal arrivals.

The stationary wait is the maximum of a random walk with steps service - gap. With the root theta > 0 of
E[exp(theta (service - gap))] = 1, services are drawn from their law twisted by exp(theta x), gaps from theirs by
exp(-theta x). Then every walk passes every level, and P(W > t) = E[exp(-theta X)], X being the first value above t.
No weight is larger than exp(-theta t), and the relative error stays bounded as t grows.

D. Siegmund, Importance sampling in the Monte Carlo study of sequential tests, Annals of Statistics 4 (1976) 673;
S. Asmussen, Applied Probability and Queues, 2nd ed., Springer 2003, chapters XIII.5 and VIII.
"""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import brentq

from nfvlab.realtime.rare import RareEstimate, of_draws
from nfvlab.realtime.rare_laws import Mixed


def wait_tail(
    services: Mixed | Sequence[Mixed], gap: Mixed, late: float, *, rng: np.random.Generator, n: int
) -> RareEstimate:
    """P(a job waits longer than `late` for the server), stationary, first come first served, from `n` walks.

    A service is the sum of independent `services`; arrivals are Poisson where `gap` is exponential (M/G/1). ValueError
    if the queue grows without end, or `late` is negative or not finite.
    """
    stages = (services,) if isinstance(services, Mixed) else tuple(services)
    _check(stages, gap, late, n)
    method = "Siegmund's change of measure"
    if sum(stage.most for stage in stages) <= gap.least:
        return of_draws(np.zeros(n), f"{method}: no service is longer than a gap")
    theta = decay_rate(stages, gap)
    twisted, twisted_gap = [stage.twisted(theta) for stage in stages], gap.twisted(-theta)
    passed, walks = [], np.zeros(n)
    while walks.size:
        for stage in twisted:
            walks += stage.draw(rng, walks.size)
        walks -= twisted_gap.draw(rng, walks.size)
        over = walks > late
        passed.append(walks[over])
        walks = walks[~over]
    return of_draws(np.exp(-theta * np.concatenate(passed)), f"{method}, theta = {theta:.4g}")


def decay_rate(services: Sequence[Mixed], gap: Mixed) -> float:
    """The root theta > 0 of E[exp(theta (service - gap))] = 1: waits fall by exp(-theta t)."""

    def growth(theta: float) -> float:
        return sum(stage.log_moment(theta) for stage in services) + gap.log_moment(-theta)

    pole = min(stage.pole for stage in services)
    high = pole / 2 if np.isfinite(pole) else 1 / sum(stage.mean for stage in services)
    while growth(high) <= 0:
        high = (high + pole) / 2 if np.isfinite(pole) else 2 * high
    low = high / 2
    while growth(low) >= 0:
        high, low = low, low / 2
    return brentq(growth, low, high, xtol=1e-15 * high, rtol=1e-14)


def _check(stages: Sequence[Mixed], gap: Mixed, late: float, n: int) -> None:
    if not stages:
        raise ValueError("services is empty: a service has at least one stage")
    load = sum(stage.mean for stage in stages) / gap.mean
    if not load < 1:
        raise ValueError(f"load = {load:.6g}: services as long as the gaps never end; make them shorter")
    if not (np.isfinite(late) and late >= 0):
        raise ValueError(f"late = {late}: must be finite and not negative, in the unit of the services")
    if n < 2:
        raise ValueError(f"n = {n}: an error needs at least 2 walks; 10,000 are a beginning")
