"""Contenders in things done per second of CPU time: all of them in each round, medians, ratios round by round."""

import os
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np


class Contender(NamedTuple):
    """What is timed: `play(n, seed)` does n things."""

    play: Callable[[int, int], Any]
    n: int


def rates(
    contenders: Mapping[str, Contender], *, rounds: int = 5, warm_up: int = 100
) -> dict[str, np.ndarray]:
    """Things per CPU second by contender: float64[rounds], with draws of its own in each; `warm_up` things first."""
    found: dict[str, list[float]] = {name: [] for name in contenders}
    for play, n in contenders.values():
        play(min(n, warm_up), 0)  # compiles
    for seed in range(rounds):
        for name, (play, n) in contenders.items():
            start = time.process_time()
            play(n, seed)
            found[name].append(n / (time.process_time() - start))
    return {name: np.array(values) for name, values in found.items()}


def ratio(found: Mapping[str, np.ndarray], ours: str, theirs: str) -> float:
    """How many times faster; a slow spell meets both of a round."""
    return statistics.median(found[ours] / found[theirs])


def show(title: str, found: Mapping[str, np.ndarray]) -> None:
    """Print medians."""
    print(f"\n{title}; load {os.getloadavg()[0]:.1f}")
    for name, values in found.items():
        print(f"  {name:32} {statistics.median(values) / 1e6:9.4f} M per CPU second")
