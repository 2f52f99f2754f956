"""Turns of a pool and its caller: what a caller that comes round too early waits, or passes by; a ring's iterations."""

from collections.abc import Callable, Iterable
from math import erf, exp, inf, pi, sqrt
from typing import NamedTuple

BISECTIONS = 16


class Passed(NamedTuple):
    """A station that a pool's pages and others pass: time per page of each kind, and time that it has in an iteration.

    first_ns: time per page that fills the pool at the iteration's begin.
    """

    own_ns: float
    other_ns: float
    has_ns: float
    first_ns: float = 0.0


class Iteration(NamedTuple):
    """Pages that go through the pool, pages that pass it by, and of the former those that empty it at the end."""

    through: float
    others: float
    kept: float


def iteration(run_ns: float, pool_ns: float, places: float, stations: Iterable[Passed]) -> Iteration:
    """An iteration of run_ns beside a pool that takes pool_ns a page, full from the begin, and emptied after the end.

    It begins empty: it takes `places` pages at once, without anything being passed by, and one for each that is done.
    What passes by is what the stations have time for beside; if there is none, the pool is not filled.
    """
    done, stations = run_ns / pool_ns, list(stations)
    left = [(one, one.has_ns - done * one.own_ns) for one in stations]
    kept = min(places, *(max(has, 0.0) / one.first_ns if one.first_ns else inf for one, has in left))
    others = min((has - kept * one.first_ns) / one.other_ns if one.other_ns else inf for one, has in left)
    return Iteration(done + kept, max(others, 0.0), kept)


def turn_ns(held_ns: float, caller_ns: float, wake_ns: float, threads: int) -> float:
    """Time per page of a saturated pool of threads: each is held for held_ns a page, caller_ns of it by its caller.

    A caller that comes round before the first thread is done sleeps, and runs wake_ns after it was. By then the others
    are done as well: their turns are of one length, and those that it finds done together it hands out to one after
    the other, so that they stay together. So the wake-up is on top of every turn, not of every page. A pool is
    saturated for good once it is: what came faster than its turns waits in the socket.
    """
    if threads * caller_ns >= held_ns:
        return held_ns / threads
    return (held_ns + wake_ns) / threads


def shortfall(mean_ns: float, spread_ns: float) -> tuple[float, float]:
    """P(X > 0) and E[max(X, 0)] of a normal X of mean and standard deviation."""
    z = mean_ns / spread_ns
    chance = (1 + erf(z / sqrt(2))) / 2
    return chance, spread_ns * exp(-z * z / 2) / sqrt(2 * pi) + mean_ns * chance


def chance_ns(away_ns: float, caller_ns: float, wake_ns: float, threads: int, spread_ns: float) -> float:
    """Time per page of a pool whose caller's times vary, by spread_ns over a turn: `turn_ns` where they do not.

    A thread is away for away_ns; its caller comes round when it has seen to the others. If that is too early, it waits
    for what is missing, and for its wake-up. So long it comes later to all others, taken in the mean: it is early more
    often where threads are two or three. A long wake-up keeps the threads together, as in `turn_ns`. Bisected.
    """

    def found_ns(wait_ns: float) -> float:
        early, missing_ns = shortfall(away_ns - (threads - 1) * (caller_ns + wait_ns), spread_ns)
        return early * wake_ns + missing_ns

    together_ns = turn_ns(caller_ns + away_ns, caller_ns, wake_ns, threads)
    return max(caller_ns + _settled(found_ns, wake_ns + away_ns), together_ns)


def passed_by(away_ns: float, caller_ns: float, raw_ns: float, threads: int, spread_ns: float) -> float:
    """Pages that a caller sends as they are, raw_ns each, for one that a thread takes; otherwise as `chance_ns`.

    If it comes too early, one page passes by, and more until the thread is done: on the average half of one too late.
    """

    def found(raw: float) -> float:
        missing_ns = away_ns - (threads - 1) * (caller_ns + raw * raw_ns)
        early, _ = shortfall(missing_ns, spread_ns)
        _, more_ns = shortfall(missing_ns - raw_ns / 2, spread_ns)
        return early + more_ns / raw_ns

    return _settled(found, away_ns / raw_ns + 1)


def _settled(falling: Callable[[float], float], most: float) -> float:
    """Where a falling function is its argument, between 0 and `most`."""
    low, high = 0.0, most
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if falling(middle) > middle else (low, middle)
    return (low + high) / 2
