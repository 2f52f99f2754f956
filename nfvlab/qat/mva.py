"""Closed networks of queues: exact mean-value analysis, its closed forms, and the bounds that hold for any times.

`mva` is exact for exponential times (product form; Reiser and Lavenberg, "Mean-Value Analysis of Closed Multichain
Queuing Networks", JACM 27, 1980): an arriving customer sees the network as it is with one customer less. `bounds` are
the asymptotic and balanced-job bounds (Denning and Buzen, "The Operational Analysis of Queueing Network Models",
Computing Surveys 10, 1978; Zahorjan et al., CACM 25, 1982). The upper asymptotic bound is reached when times are
constant: a ring of constant times settles into turns without queues but at the slowest station.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from typing import NamedTuple

NEGLIGIBLE, BISECTIONS = 1e-5, 16
SATURATED = 1e-10  # what is left to the bottleneck's rate when more customers are not worth following


class Station(NamedTuple):
    """`service_ns` per visit at each of `servers` servers; customers in service keep one each."""

    service_ns: float
    servers: int = 1

    @property
    def demand_ns(self) -> float:
        """Time per customer when all servers work."""
        return self.service_ns / self.servers


@dataclass(frozen=True)
class Closed:
    """Customers per ns, and for each station the mean number there and the share of its servers that work."""

    per_ns: float
    number: tuple[float, ...]
    busy_frac: tuple[float, ...]


def mva(stations: Sequence[Station], delay_ns: float, customers: int) -> Closed:
    """Exact mean values of a ring of stations and a delay with no queue, for exponential times.

    A station of several servers serves j customers at rate min(j, servers) / service_ns; its marginal probabilities
    are carried along. ValueError if no station and no delay takes time, or for less than one customer.
    """
    if customers < 1 or delay_ns + sum(one.service_ns for one in stations) <= 0:
        raise ValueError(
            f"customers = {customers}, delay_ns = {delay_ns}: a ring needs a customer and some time"
        )
    most = max((one.demand_ns for one in stations), default=0.0)
    number = [0.0] * len(stations)
    idle = [[1.0] + [0.0] * (one.servers - 1) for one in stations]  # P(j there), j < servers
    rate = 0.0
    for n in range(1, customers + 1):
        stay = [_stay_ns(*one) for one in zip(stations, number, idle, strict=True)]
        rate = n / (delay_ns + sum(stay))
        number = [rate * one for one in stay]
        for station, chances in zip(stations, idle, strict=True):
            _marginals(station, chances, rate)
        if most and rate * most > 1 - SATURATED:
            number = _queue_at_slowest(stations, number, customers - n)
            break
    busy = tuple(min(rate * one.demand_ns, 1.0) for one in stations)
    return Closed(rate, tuple(number), busy)


def _stay_ns(station: Station, number: float, chances: Sequence[float]) -> float:
    """Mean time at a station for a customer that finds the network of one customer less."""
    spare = sum((station.servers - 1 - j) * chance for j, chance in enumerate(chances[:-1]))
    return station.demand_ns * (1 + number + spare)


def _marginals(station: Station, chances: list[float], rate: float) -> None:
    """P(j customers) for j below the number of servers, with one customer more in the network."""
    load, servers = rate * station.service_ns, station.servers
    for j in range(servers - 1, 0, -1):
        chances[j] = load / j * chances[j - 1]
    working = load + sum((servers - j) * chances[j] for j in range(1, servers))
    chances[0] = max(1 - working / servers, 0.0)


def _queue_at_slowest(stations: Sequence[Station], number: list[float], more: int) -> list[float]:
    demands = [one.demand_ns for one in stations]
    at = demands.index(max(demands))
    return [one + (more if place == at else 0.0) for place, one in enumerate(number)]


class Bounds(NamedTuple):
    """Customers per ns, at least and at most."""

    low: float
    high: float


def bounds(stations: Sequence[Station], delay_ns: float, customers: float) -> Bounds:
    """Asymptotic bounds: all others queue before a customer everywhere; none does, or the slowest station is busy."""
    alone_ns = delay_ns + sum(one.service_ns for one in stations)
    queued_ns = delay_ns + sum(
        one.service_ns + max(customers - one.servers, 0) * one.demand_ns for one in stations
    )
    most = max((one.demand_ns for one in stations), default=0.0)
    high = min(customers / alone_ns if alone_ns else inf, 1 / most if most else inf)
    return Bounds(customers / queued_ns if queued_ns else high, high)


def balance(raw_ns: Sequence[float], through_ns: Sequence[float], pool_per_ns: float) -> float:
    """Share of the pages that go through a pool when those that find it full pass it by.

    Of a share f through the pool, station k takes (1 - f) raw_ns[k] + f through_ns[k] a page; the slowest sets the
    pace, and the pool takes pool_per_ns pages: f is the smallest solution of f = pool_per_ns x pace(f), or 1.
    """
    share = 0.0
    for raw, through in zip(raw_ns, through_ns, strict=True):
        left = 1 + pool_per_ns * (raw - through)
        if pool_per_ns == inf or left <= 0 or pool_per_ns * raw >= left:
            return 1.0
        share = max(share, pool_per_ns * raw / left)
    return share


def engset(call_ns: float, between_ns: float, sources: float, servers: int) -> float:
    """Share of the calls that find all servers taken, of sources that call again `between_ns` after a call's end.

    Engset's loss formula, for calls of any length: what a caller sees is the state of the other sources. `sources` may
    be the mean of a number that varies slowly.
    """
    if servers >= sources or call_ns <= 0:
        return 0.0
    if between_ns <= 0:
        return 1 - servers / sources
    load = call_ns / between_ns
    term = total = 1.0
    for taken in range(1, servers + 1):
        term *= max(sources - taken, 0.0) / taken * load
        total += term
    return term / total


def losses(
    lost_ns: Sequence[float],
    through_ns: Sequence[float],
    call_at: Callable[[float], float],
    lost_call_ns: float,
    sources: int,
    servers: int,
) -> float:
    """Share of the pages that servers take, which have room on the average: a call that finds all taken goes elsewhere.

    As in `balance`, station k takes lost_ns[k] or through_ns[k] a page. `call_at`: a call's time a page, given the time
    from one page on servers to the next. A source that is elsewhere, for lost_call_ns a page, does not call
    meanwhile: the more are, the fewer are lost. Bisected.
    """

    def found_lost(lost: float) -> float:
        pace_ns = max(lost * other + (1 - lost) * own for other, own in zip(lost_ns, through_ns, strict=True))
        call_ns = call_at(pace_ns / max(1 - lost, SATURATED))
        calling = sources - lost * lost_call_ns / pace_ns
        between_ns = calling * pace_ns / max(1 - lost, SATURATED) - call_ns
        return engset(call_ns, max(between_ns, 0.0), calling, servers)

    low, high = 0.0, found_lost(0.0)
    for _ in range(BISECTIONS if high > NEGLIGIBLE else 0):
        middle = (low + high) / 2
        low, high = (middle, high) if found_lost(middle) > middle else (low, middle)
    return 1 - (low + high) / 2
