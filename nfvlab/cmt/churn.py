"""Groups that come and go, and RMIDs held beyond their end: how many are refused, how many wait in limbo.

An RMID is a server of a loss system: a group that finds none free is refused and lost (Linux fs/resctrl/monitor.c,
resctrl_find_free_rmid: EBUSY, or ENOSPC without one in limbo). It is held for the group's life, then in limbo for the
time to get clean, then until the next check. With checks often compared to lives this is Erlang's loss formula, which
holds for any distribution of the holding time (Sevastyanov, Theory of Probability and Its Applications 2 (1957) 104).
Checks do not go on for ever: the first RMID in limbo orders one (add_rmid_to_limbo), a check that leaves some there
the next (cqm_handle_limbo). So a lone RMID waits a whole interval, and not half of one: see `limbo_wait_ns`.

With rare checks it is not: RMIDs come back in batches, and refusals pile up at the end of each interval. Then the
interval is followed: by Erlang's law, the held ones are Poisson, cut off at the number of RMIDs, in its middle; right
after the check they are fewer by half a batch. From there on Poisson starts take what is free, E min(free, started)
exactly; groups in service end exponentially; what ends is due at the first check after it got clean. The mean number
held after a check is the one that reproduces itself.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

_CELLS = 16
_ROUNDS = 6
_SLIVER = 1e-6  # of an interval, too short to be cut into cells
_SMALL_BATCH = 1.5  # RMIDs given back at a check, up to which Erlang's formula is the better of the two
_NEGLIGIBLE = 1e-6
_FOR_EVER = 30.0  # ends in the time to get clean, from which checks do not stop
_CLOSE = 1e-5  # of the RMIDs, by which the interval may miss itself


class Churn(NamedTuple):
    """Share of starts refused, mean number of RMIDs in limbo, mean number held by groups."""

    refused_frac: float
    limbo_count: float
    busy_count: float


def erlang_b(servers: int, load: float) -> float:
    """Erlang's loss formula: the share lost by `servers` offered `load` (rate x holding time) by a Poisson process."""
    if servers < 0 or not load >= 0:
        raise ValueError(f"servers = {servers}, load = {load}: both are 0 or more")
    if load == 0:
        return 0.0 if servers else 1.0
    if math.isinf(load):
        return 1.0
    return float(_states_below(servers, load)[0])


def _states_below(top: int, load: float) -> np.ndarray:
    """P(top - i), i = 0..top, of a Poisson number of mean `load` cut off above `top`."""
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(top, 0, -1) / load))])
    states = np.exp(logs - logs.max())
    return states / states.sum()


def churn(starts_per_s: float, lifetime_ns: float, clean_ns: float, check_ns: float, rmids: int) -> Churn:
    """The long run of Poisson starts with exponential lives on `rmids` RMIDs.

    `clean_ns` passes from a group's end until its occupancy is below the threshold (inf: never); checks are
    `check_ns` apart. Without starts there is no share to refuse: NaN.
    """
    rate = starts_per_s / 1e9
    if not rate:
        return Churn(math.nan, 0.0, 0.0)
    if math.isinf(clean_ns):
        return Churn(1.0, float(rmids), 0.0)  # one RMID after the other is lost
    refused = 0.0
    for _ in range(4):
        wait = limbo_wait_ns(rate * (1 - refused), clean_ns, check_ns)
        refused = erlang_b(rmids, rate * (lifetime_ns + wait))
    taken = rate * (1 - refused)
    peak = erlang_b(rmids, rate * (lifetime_ns + wait + check_ns / 2))
    if taken * check_ns < _SMALL_BATCH or peak < _NEGLIGIBLE:
        return Churn(refused, taken * wait, taken * lifetime_ns)
    idle, start = 0.0, None
    for _ in range(_ROUNDS):
        interval = _Interval(rate, lifetime_ns, clean_ns, check_ns, rmids, idle)
        found, start = interval.settle(start)
        before, idle = idle, interval.idle_after()
        if abs(idle - before) < 1e-3 * check_ns:
            break
    return found


def limbo_wait_ns(ends_per_ns: float, clean_ns: float, check_ns: float) -> float:
    """Mean time in limbo if groups end by a Poisson process, and checks are made only while some RMID is in limbo.

    One that finds limbo empty leaves at the first check after it got clean, of those at whole intervals from its end;
    the others meet checks at a uniform phase. A check ends them if nobody ended in the last `clean_ns`: with n whole
    intervals and a rest r of one in that time, checks go on for
    K = 1 / b + (a^-n - 1) / (b (1 - a)) intervals on average, a = exp(-rate check), b = exp(-rate r).
    """
    first = check_ns * max(1, math.ceil(clean_ns / check_ns))
    n, rest = divmod(clean_ns, check_ns)
    batch = ends_per_ns * check_ns
    if n * batch + ends_per_ns * rest > _FOR_EVER:
        return clean_ns + check_ns / 2
    more = math.expm1(n * batch) / -math.expm1(-batch) if n else 0.0
    others = batch * math.exp(ends_per_ns * rest) * (1 + more)
    return (first + others * (clean_ns + check_ns / 2)) / (1 + others)


class _Interval:
    """From one check to the next, in cells: it begins with `held` RMIDs and must end so.

    `idle` passes with an empty limbo before somebody ends and so orders the next check.
    """

    def __init__(self, rate, life, clean, check, rmids, idle):
        self.rate, self.life, self.clean, self.rmids = rate, life, clean, rmids
        self.check = check + idle
        self.whole, late = divmod(clean, self.check)
        if min(late, self.check - late) < _SLIVER * self.check:
            self.whole, late = float(round(clean / self.check)), 0.0
        early = self.check - late  # what ends until then is clean after `whole` more intervals
        fine = np.linspace(0, 1, _CELLS + 1) ** 3  # denser at the beginning, when the free ones are taken
        parts = [early * fine] if late == 0 else [early * fine, early + late * fine[1:]]
        self.edges = np.concatenate(parts)
        middle = (self.edges[1:] + self.edges[:-1]) / 2
        self.late = middle > early
        self.wait = (self.whole + 1 + self.late) * self.check - middle
        self.wait = np.where(
            middle < idle, np.minimum(self.wait, check * max(1, math.ceil(clean / check))), self.wait
        )
        self.started = _poisson_tails(rate * self.edges, rmids)
        self.decay = np.exp(-np.diff(self.edges) / life)
        age = self.edges[:, None] - self.edges[None, 1:]
        self.remains = np.where(age >= 0, np.exp(-np.maximum(age, 0) / life), 0.0)  # of a cell's, by edge
        self.survives = np.exp(-self.edges / life)
        self.batch, self.flows = 0.0, None

    def settle(self, start: float | None = None) -> tuple[Churn, float]:
        """The interval that reproduces itself, and the logarithm of the load that stands for the number held."""
        low = start or math.log(self.rate * (self.life + self.whole * self.check + self.check / _CELLS))
        high, step = low, 0.5
        while self._gain(low) < 0:
            low, step = low - step, 2 * step
        while self._gain(high) > 0:
            low, high, step = high, high + step, 2 * step
        root = _root(self._gain, low, high, within=_CLOSE * self.rmids)
        taken, ends = self.flows
        through = taken.sum() / self.check
        refused = min(max(1 - through / self.rate, 0.0), 1.0)
        return Churn(refused, float((ends * self.wait).sum() / self.check), through * self.life), root

    def idle_after(self) -> float:
        """Mean time from a check that leaves limbo empty to the next end, times the probability of such a check."""
        _, ends = self.flows
        dirty = self.whole * ends.sum() + ends[self.late].sum()
        first = np.exp(-np.concatenate([[0.0], np.cumsum(ends)]))
        mean = float((0.5 * (first[1:] + first[:-1]) * np.diff(self.edges)).sum())
        return math.exp(-dirty) * mean

    def _gain(self, log_load):
        """RMIDs held after the next check less those held after this one; the flows and the batch are kept."""
        for _ in range(4):
            taken, ends, again, held = self._follow(math.exp(log_load), self.batch)
            before, self.batch = self.batch, float(taken.sum())
            if abs(self.batch - before) < _CLOSE * self.rmids:
                break
        self.flows = taken, ends
        return float(again - held)

    def _follow(self, load, batch):
        """(taken, ended) by cell, RMIDs held after the next check, and after this one."""
        top = max(self.rmids - batch / 2, 0.0)
        whole, part = int(top), top - int(top)
        free = _at_least(self.rmids, whole, load)
        if part:
            free = (1 - part) * free + part * _at_least(self.rmids, whole + 1, load)
        taken = np.diff(free @ self.started)
        rate = taken / np.diff(self.edges)
        stays = rate * self.life * (1 - self.decay)
        since = self.remains @ stays
        busy = since + since[-1] / -math.expm1(-self.check / self.life) * self.survives
        ends = taken - np.diff(busy)
        again = busy[-1] + self.whole * taken.sum() + ends[self.late].sum()
        return taken, ends, again, self.rmids - free.sum()


def _root(f: Callable[[float], float], low: float, high: float, within: float) -> float:
    """Where f, positive at `low` and negative at `high`, is zero to `within`: false position, Illinois' rule."""
    f_low, f_high, last = f(low), f(high), 0
    for _ in range(60):
        step = f_low / (f_low - f_high) if f_low > 0 > f_high else 0.5
        x = low + (high - low) * min(max(step, 0.01), 0.99)
        y = f(x)
        if abs(y) < within or high - low < 1e-9:
            break
        if y > 0:
            low, f_low, f_high = x, y, f_high / 2 if last > 0 else f_high
        else:
            high, f_high, f_low = x, y, f_low / 2 if last < 0 else f_low
        last = 1 if y > 0 else -1
    return x


def _at_least(rmids: int, top: int, load: float) -> np.ndarray:
    """P(j or more of the RMIDs are free), j = 1..rmids, if the held ones are Poisson(load) cut off at `top`."""
    free = np.zeros(rmids + 1)
    free[rmids - top :] = _states_below(top, load)  # by number free: rmids - top .. rmids
    return np.cumsum(free[::-1])[::-1][1:]


def _poisson_tails(means: np.ndarray, most: int) -> np.ndarray:
    """P(X >= j), j = 1..most, for Poisson variables of these means: float64[most, means]."""
    j = np.arange(most)[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(j > 0, np.log(means) - np.log(np.maximum(j, 1)), -means)
        below = np.cumsum(np.exp(np.cumsum(terms, axis=0)), axis=0)
    return np.where(means > 0, np.clip(1 - below, 0.0, 1.0), 0.0)
