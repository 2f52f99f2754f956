"""One way of a round as a latency: its mean, its tail, and what the host spins; and mixtures of ways.

Without noise the latency is a lattice's law. A delay by noise is a mixture of exponentials in closed form; it is added
to a few values that stand for that law, so that the tail is right on the scale of the stages and on that of the noise.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from nfvlab.timer import late
from nfvlab.timer.disturbed import Hit
from nfvlab.timer.late import Lattice, Sum

_NODES, _LOOKS, _ENTRIES = 24, 16, 2  # values that stand for a law: of all, until the look, after it
_GRID = 48
_DEEP = 2e-7
_POINTS = 24  # to which a quantile's interval is cut at once


@dataclass(frozen=True)
class Part:
    """Rounds that go one way with one advance; times in cycles.

    `seen`: until the look, from T or the round's begin; `offset`: the deadline on that scale; `after`: until the
    handler; `spins`: the host waits for the deadline. `steps`: how much the timer came early, where noise is not on.
    """

    frac: float
    seen: Lattice
    offset: float
    after: Sum
    spins: bool
    hits: Sequence[Hit] = ()
    steps: float = 0.0
    law: Lattice = field(init=False)

    def __post_init__(self):
        if self.spins:
            first = late.spun(self.seen, self.offset)
        else:
            first = Lattice(self.seen.origin - self.offset, self.seen.step, self.seen.mass)
        object.__setattr__(self, "law", late.then(first, self.after))

    @property
    def calm_frac(self) -> float:
        """Share of these rounds that no noise hits."""
        return max(0.0, 1 - sum(hit.frac for hit in self.hits))

    @cached_property
    def _shorts(self) -> list[float]:
        """Mean spin without noise, then with each hit."""
        if not self.spins:
            return [0.0] * (1 + len(self.hits))
        ahead, mass = self.offset - self.seen.at, self.seen.mass
        calm = float(mass @ np.maximum(ahead, 0.0))
        return [calm, *(self._short(hit, ahead, calm) for hit in self.hits)]

    def _short(self, hit: Hit, ahead: np.ndarray, calm: float) -> float:
        if not hit.before:
            return calm
        return float(self.seen.mass @ hit.mean_short(np.maximum(ahead - self._moved(hit), 0.0)))

    def _moved(self, hit: Hit) -> float:
        """What the timer is not early where noise was on already."""
        return self.steps if hit.met else 0.0

    @property
    def wait(self) -> float:
        """Mean spin."""
        fracs = [self.calm_frac, *(hit.frac for hit in self.hits)]
        return sum(frac * short for frac, short in zip(fracs, self._shorts, strict=True))

    @property
    def mean(self) -> float:
        """Mean latency: what passes until the handler, less the way to the deadline, and the spin."""
        path = float(self.seen.mass @ self.seen.at) - self.offset + self.after.mean
        return path + self.wait + sum(hit.frac * (hit.mean + self._moved(hit)) for hit in self.hits)

    def sf(self, x: np.ndarray) -> np.ndarray:
        """P(latency > x)."""
        tails = self.calm_frac * self.law.sf(x)
        for hit in self.hits:
            if self.spins and hit.before:
                seen, seen_fracs = self.seen.nodes(_LOOKS)
                values, fracs = self._entries
                left = x[:, None, None] - values[:, None]
                over = hit.sf(left - (seen - self.offset + self._moved(hit)))
                delayed = np.where(left < 0, 1.0, over) @ seen_fracs @ fracs
            else:
                values, fracs = self.law.nodes(_NODES)
                delayed = hit.sf(x[:, None] - values - self._moved(hit)) @ fracs
            tails = tails + hit.frac * delayed
        return tails

    @property
    def _entries(self) -> tuple[np.ndarray, np.ndarray]:
        """The stages after the look, as a few values."""
        return late.look(self.after, (np.zeros(1), np.ones(1)), 0.0).nodes(_ENTRIES)

    def grid(self, points: int) -> np.ndarray:
        """Latencies between which the tail may be interpolated: so many for the law, and some for all noise."""
        found = [np.linspace(*_inner(self.law), points)]
        lengths = [mean for hit in self.hits for weight, mean in hit.parts if hit.frac * weight > 1e-7]
        if lengths:
            found.append(self.law.origin + np.geomspace(0.02 * min(lengths), 20 * max(lengths), _GRID // 2))
        return np.concatenate(found)


def _inner(law: Lattice) -> tuple[float, float]:
    """Where the law's mass is, but for _DEEP above and a thousandth below."""
    below = np.cumsum(law.mass)
    first, last = np.searchsorted(below, 1e-3), np.searchsorted(below, 1 - _DEEP)
    return law.origin + law.step * (first - 0.5), law.origin + law.step * (min(last, law.mass.size - 1) + 0.5)


def sf(parts: Sequence[Part], x: np.ndarray) -> np.ndarray:
    """P(latency > x) over all ways: float64 of x's shape."""
    return np.clip(sum(part.frac * part.sf(x) for part in parts), 0.0, 1.0)


def grid(parts: Sequence[Part]) -> np.ndarray:
    """Latencies of all ways, rising."""
    used = [part for part in parts if part.frac > _DEEP]
    return np.unique(np.concatenate([part.grid(max(12, _GRID // len(used))) for part in used]))


def quantile(parts: Sequence[Part], x: np.ndarray, tails: np.ndarray, tail_frac: float) -> float:
    """Where the tail falls to `tail_frac`, from tails on a grid that holds it."""
    for _ in range(2):
        at = int(np.clip(np.argmax(tails <= tail_frac), 1, x.size - 1))
        x = np.linspace(x[at - 1], x[at], _POINTS)
        tails = sf(parts, x)
    at = int(np.clip(np.argmax(tails <= tail_frac), 1, x.size - 1))
    above, below = tails[at - 1], tails[at]
    share = (above - tail_frac) / (above - below) if above > below else 1.0
    return float(x[at - 1] + np.clip(share, 0.0, 1.0) * (x[at] - x[at - 1]))


def curve(x: np.ndarray, tails: Sequence[np.ndarray], most: int) -> np.ndarray:
    """At most about `most` of the points x by quantiles, between tails of 0.999 and 1e-6 of any of the laws."""
    levels = np.concatenate([np.linspace(0.999, 0.12, most // 6), np.geomspace(0.1, 1e-6, most // 3)])
    found = [np.interp(-np.log(levels), -np.log(np.maximum(t, 1e-12)), x) for t in tails]
    return np.unique(np.concatenate(found))


__all__ = ["Part", "curve", "grid", "quantile", "sf"]
