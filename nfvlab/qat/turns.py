"""Turns of a pool of threads and its caller: what a caller that comes round too early waits, or passes by."""

from collections.abc import Callable
from math import erf, exp, pi, sqrt

BISECTIONS = 16


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
