"""A trap: importance sampling by a shifted mean, on a path of seven stages of which one is wide.

The stages are lognormal, their medians 1. The textbook's choice shifts the mean of the wide stage's logarithm so that
this stage alone makes the path late. But a path is also late when a narrow stage is, or several are a little. Such
draws are rare under the shift and have large weights: most runs meet too few of them, are too low, and know nothing of
it, since their error is made of the same draws.

How the setting was found: of widths 0.6 to 1, narrow ones 0.5 to 0.65 and shifts 3.25 to 4, it is the one where the
median of 25 runs was 2 % low with a claimed error of 0.8 %; equal stages, all shifted alike, went up to 99 % low.
P. Glasserman and Y. Wang, Counterexamples in importance sampling for large deviations probabilities, Annals of Applied
Probability 7 (1997) 731, show the same for Gaussian walks.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from nfvlab.realtime.rare import RareEstimate, of_draws
from nfvlab.realtime.rare_sums import tail_of_sum

DRAWS = 200_000
SHIFT = 3.6
_AT_ONCE = 1 << 15


@dataclass(frozen=True)
class Lognormal:
    """A time of median 1 whose logarithm has the standard deviation `sigma`."""

    sigma: float

    def sf(self, x: np.ndarray) -> np.ndarray:
        """P(X > x)."""
        with np.errstate(divide="ignore"):
            return ndtr(-np.log(np.maximum(x, 0.0)) / self.sigma)

    def isf(self, q: np.ndarray) -> np.ndarray:
        """The x with sf(x) = q."""
        return np.exp(-self.sigma * ndtri(q))


STAGES = (Lognormal(0.8), *(Lognormal(0.575) for _ in range(6)))
LATE = float(
    np.exp(0.8 * SHIFT) + 6 * np.exp(0.575**2 / 2)
)  # the wide stage at the shift, the others at their means


@dataclass(frozen=True)
class Trap:
    """Runs of the shifted mean in rising order, beside what is right."""

    reference: RareEstimate
    runs: tuple[RareEstimate, ...]

    @property
    def typical(self) -> RareEstimate:
        """The median run."""
        return self.runs[len(self.runs) // 2]

    @property
    def off_frac(self) -> float:
        """How far the typical run is from the reference: negative if it is low."""
        return self.typical.value / self.reference.value - 1

    @property
    def claimed_frac(self) -> float:
        """The median of the relative errors that the runs claim."""
        return float(np.median([run.relative_error for run in self.runs]))


def shifted_mean(stages, late: float, shifts, *, rng: np.random.Generator, n: int) -> RareEstimate:
    """P(sum of lognormal stages > late) with the mean of stage k's standardised logarithm shifted by shifts[k].

    Right on average over many runs; a single run is what this module warns of.
    """
    sigmas, shifts = np.array([stage.sigma for stage in stages]), np.asarray(shifts, dtype=np.float64)
    if shifts.shape != sigmas.shape:
        raise ValueError(f"shifts have shape {shifts.shape}: give one for each of the {sigmas.size} stages")
    parts = []
    for first in range(0, n, _AT_ONCE):
        score = rng.standard_normal((min(_AT_ONCE, n - first), sigmas.size)) + shifts
        is_late = np.exp(sigmas * score).sum(axis=1) > late
        parts.append(np.where(is_late, np.exp(shifts @ shifts / 2 - score @ shifts), 0.0))
    return of_draws(np.concatenate(parts), "importance sampling by a shifted mean")


def trap(*, rng: np.random.Generator, runs: int = 15) -> Trap:
    """Runs of the shifted mean on the path, and conditional Monte Carlo, each run and the reference of DRAWS draws."""
    if runs < 1 or runs % 2 == 0:
        raise ValueError(f"runs = {runs}: give an odd number, so that one is in the middle")
    shifts = np.append(SHIFT, np.zeros(len(STAGES) - 1))
    made = [shifted_mean(STAGES, LATE, shifts, rng=rng, n=DRAWS) for _ in range(runs)]
    reference = tail_of_sum(STAGES, LATE, rng=rng, n=DRAWS)
    return Trap(reference, tuple(sorted(made, key=lambda run: run.value)))
