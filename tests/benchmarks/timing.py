"""Timing contenders against each other: interleaved rounds, medians, ratios."""

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple


class Contender(NamedTuple):
    """What is timed: `run` on what `prepare` made for this round (its time does not count)."""

    run: Callable[[Any], Any]
    prepare: Callable[[], Any] = lambda: None


def race(contenders: Mapping[str, Contender], *, rounds: int = 7) -> dict[str, float]:
    """Median seconds by contender; each round runs all of them once, so that a slow spell meets them all."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for name, contender in contenders.items():
        contender.run(contender.prepare())  # compiles, fills caches
        assert not seconds[name]
    for _ in range(rounds):
        for name, contender in contenders.items():
            made = contender.prepare()
            start = time.perf_counter()
            contender.run(made)
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(times) for name, times in seconds.items()}


def show(title: str, seconds: Mapping[str, float], *, items: int | None = None) -> None:
    """Print medians as ratios to the first contender's."""
    first = next(iter(seconds.values()))
    print(f"\n{title}")
    for name, value in seconds.items():
        each = f", {value / items * 1e9:8.2f} ns each" if items else ""
        print(f"  {name:32} {value * 1e3:10.2f} ms  x {value / first:7.2f}{each}")
