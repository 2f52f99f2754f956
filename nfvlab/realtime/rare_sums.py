"""How often a sum of independent stages is late: conditional Monte Carlo, with inflated hazards.

With V_i = P(stage i takes longer than it did), which is uniform, the stage of the smallest V is the one that is late.
It is not drawn but integrated out: P(S > u) is the sum over i of the mean of min(sf_i(u - S_{-i}), min over j != i of
V_j), S_{-i} being the sum of the others. For equal laws that is the estimator of S. Asmussen and D. P. Kroese,
Improved algorithms for rare event simulation with heavy tails, Advances in Applied Probability 38 (2006) 545, whose
relative error vanishes with the probability if tails are heavy. Ranking by V makes it good for stages of different laws
as well, and there are no ties where laws have atoms.

If tails are light, no stage is late alone, and the others are late too rarely. So hazards are inflated: stage j is
drawn with its cumulative hazard -log V_j times c_j >= 1, that is, with the tail sf_j**(1 / c_j), and the weight
c_j V_j**(1 - 1/c_j) <= c_j (twisting the hazard rate: S. Juneja and P. Shahabuddin, Simulating heavy tailed processes
using delayed hazard rate twisting, ACM TOMACS 12 (2002) 94). The factors come from pilot runs, by cross-entropy: c_j is
the mean hazard of stage j when it is one of the others and the sum is late (S. Asmussen, D. P. Kroese and
R. Y. Rubinstein, Heavy tails, importance sampling and cross-entropy, Stochastic Models 21 (2005) 57). A tenth of the
draws has the factor at which all stages are late together, so that no way of being late is drawn too rarely (a
defensive mixture: T. Hesterberg, Weighted average importance sampling, Technometrics 37 (1995) 185).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from nfvlab.realtime.rare import RareEstimate, of_draws

PILOTS, PILOT_DRAWS = 4, 4000
DEFENCE = 0.1  # share of the draws in which all stages are late together
_MOST = 700.0  # exp(-700) is still a float
_AT_ONCE = 1 << 15


class Stage(Protocol):
    """A law of a time: what scipy.stats' frozen distributions are."""

    def sf(self, x: np.ndarray) -> np.ndarray:
        """P(X > x)."""

    def isf(self, q: np.ndarray) -> np.ndarray:
        """The smallest x with sf(x) <= q."""


@dataclass(frozen=True)
class Sometimes:
    """A stage that takes no time, and rarely takes `law`: a rare mode, as a system management interrupt."""

    chance_frac: float
    law: Stage  # of a time that is never negative

    def __post_init__(self):
        if not 0 < self.chance_frac <= 1:
            raise ValueError(f"chance_frac = {self.chance_frac}: must be above 0 and at most 1")

    def sf(self, x: np.ndarray) -> np.ndarray:
        """P(X > x)."""
        return np.where(np.asarray(x) < 0, 1.0, self.chance_frac * self.law.sf(x))

    def isf(self, q: np.ndarray) -> np.ndarray:
        """The smallest x with sf(x) <= q."""
        share = np.asarray(q) / self.chance_frac
        return np.where(share < 1, self.law.isf(np.minimum(share, 1.0)), 0.0)


def tail_of_sum(
    stages: Sequence[Stage],
    late: float,
    *,
    rng: np.random.Generator,
    n: int,
    inflation: ArrayLike | None = None,
) -> RareEstimate:
    """P(sum of the stages > late), from `n` draws of all stages.

    `inflation` gives the factors c_j, one number or one for each stage; 1 is plain conditional Monte Carlo. Without it,
    factors are found first in pilot runs of their own draws, so that the estimate stays unbiased. ValueError if there
    is no stage, `late` is not finite, n < 2, or a factor is below 1 or above 700.
    """
    stages = tuple(stages)
    if not stages:
        raise ValueError("stages is empty: a sum needs at least one stage")
    if not np.isfinite(late):
        raise ValueError(f"late = {late}: must be finite, in the unit of the stages")
    if n < 2:
        raise ValueError(f"n = {n}: an error needs at least 2 draws; 10,000 are a beginning")
    laws = _found(stages, late, rng) if inflation is None else [(1.0, _checked(inflation, len(stages)))]
    parts = [
        _draws(stages, late, laws, rng, min(_AT_ONCE, n - first))[0].sum(axis=1)
        for first in range(0, n, _AT_ONCE)
    ]
    low, high = (edge(laws[0][1]) for edge in (np.min, np.max))
    return of_draws(
        np.concatenate(parts), f"conditional Monte Carlo, hazards inflated by {low:.3g} to {high:.3g}"
    )


def _draws(stages, late, laws, rng, n) -> tuple[np.ndarray, np.ndarray]:
    """Weighted probabilities with stage i integrated out float64[n, stages], and the hazards that were drawn.

    laws: (share of the draws, factors float64[stages]), the shares summing to 1.
    """
    which = rng.choice(len(laws), size=n, p=[share for share, _ in laws])
    hazards = np.array([factors for _, factors in laws])[which] * rng.standard_exponential((n, len(stages)))
    level = np.exp(-hazards)
    times = np.column_stack([stage.isf(level[:, i]) for i, stage in enumerate(stages)])
    others = _without(np.add, times, 0.0)
    smallest = _without(np.minimum, level, 1.0)
    logs = [np.log(share) + _without(np.add, _log_ratio(factors, hazards), 0.0) for share, factors in laws]
    weight = np.exp(-np.logaddexp.reduce(logs))
    beyond = np.column_stack([stage.sf(late - others[:, i]) for i, stage in enumerate(stages)])
    return weight * np.minimum(beyond, smallest), hazards


def _log_ratio(factors: np.ndarray, hazards: np.ndarray) -> np.ndarray:
    """Log of the density of inflated hazards over that of the stages' own."""
    return hazards * (1 - 1 / factors) - np.log(factors)


def _without(join: np.ufunc, table: np.ndarray, nothing: float) -> np.ndarray:
    """Each row's items joined, without the one of each column; nothing is taken away again, which would round."""
    edge = np.full((table.shape[0], 1), nothing)
    before = join.accumulate(np.hstack((edge, table[:, :-1])), axis=1)
    after = join.accumulate(np.hstack((edge, table[:, :0:-1])), axis=1)[:, ::-1]
    return join(before, after)


def _found(stages, late: float, rng) -> list[tuple[float, np.ndarray]]:
    """Factors by cross-entropy, starting from the hazard at which all stages together are late; both are drawn from."""
    joint = np.full(len(stages), max(1.0, _joint_hazard(stages, late)))
    laws = [(1.0, joint)]
    for _ in range(PILOTS):
        made, hazards = _draws(stages, late, laws, rng, PILOT_DRAWS)
        weight = _without(np.add, made, 0.0)  # of a stage as one of the others
        total = weight.sum(axis=0)
        mean = np.divide((weight * hazards).sum(axis=0), total, out=laws[0][1].copy(), where=total > 0)
        laws = [(1 - DEFENCE, np.clip(mean, 1.0, _MOST)), (DEFENCE, joint)]
    return laws


def _joint_hazard(stages, late: float) -> float:
    """The hazard at which the sum of the stages is `late`, if all have the same."""
    low, high = 0.0, _MOST
    for _ in range(40):
        middle = (low + high) / 2
        reached = sum(float(stage.isf(np.exp(-middle))) for stage in stages)
        low, high = (middle, high) if reached < late else (low, middle)
    return high


def _checked(inflation: ArrayLike, count: int) -> np.ndarray:
    factors = np.asarray(inflation, dtype=np.float64)
    if factors.shape not in ((), (count,)):
        raise ValueError(
            f"inflation has shape {factors.shape}: give one number, or one for each of {count} stages"
        )
    if not ((factors >= 1) & (factors <= _MOST)).all():
        raise ValueError(f"inflation = {inflation}: factors are from 1 (none) to {_MOST:.0f}")
    return np.broadcast_to(factors, (count,)).copy()
