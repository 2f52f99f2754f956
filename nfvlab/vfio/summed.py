"""Sums of stages on a lattice, kept: modes and paths of a scenario share many of them."""

import functools
import math

import numpy as np

from nfvlab.realtime.bounded import Bounded
from nfvlab.realtime.lattice import on_lattice, short_step
from nfvlab.realtime.laws import Exponential, Law

_TILTS = np.linspace(0.05, 0.99, 40)
_SHORTEST_NS = 1e-200  # below it a tilt would not be a number


@functools.lru_cache(maxsize=512)
def summed(parts: tuple[Law, ...], tail_frac: float, points: int, step_ns: float) -> Bounded:
    """The sum of stages on a lattice up to what is passed so rarely; modes and paths share many."""
    last_ns = max(end_ns(parts, tail_frac), 1e-6)
    if step_ns:
        points = int(last_ns / step_ns) + len(parts) + 2
    step_ns = step_ns or short_step(last_ns / (points - len(parts) - 1))
    return on_lattice(parts, step_ns, points, tail_frac)


@functools.lru_cache(maxsize=2048)
def end_ns(parts: tuple[Law, ...], tail_frac: float) -> float:
    """How far from its origin the sum is passed with `tail_frac` at most (Chernoff's bound of the exponentials)."""
    means = np.array([law.excess_ns for law in parts if isinstance(law, Exponential)])
    others = sum(law.max_ns - law.origin_ns for law in parts if not isinstance(law, Exponential))
    if not means.size:
        return others
    tilts = _TILTS / max(means.max(), _SHORTEST_NS)
    return others + float(
        ((-np.log1p(-np.outer(tilts, means)).sum(axis=1) - math.log(tail_frac)) / tilts).min()
    )
