"""What the Monte Carlos of `cat` and `cmt` share: rows of outputs over the measured time and over slices of it."""

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from nfvlab import results, stats

SLICES = 40  # of the measured time


def names(outputs: dict[str, str], per_tenant: tuple[str, ...], tenants: tuple[Any, ...]) -> tuple[str, ...]:
    """The outputs of a scenario, one a tenant where there is one for each: "miss_frac[0]", …"""
    made: dict[str, Any] = {}
    for name in outputs:
        made |= results.indexed(name, tenants) if name in per_tenant else {name: None}
    return tuple(made)


def replicated(
    replicate: Callable[[Any, np.random.Generator], dict[str, np.ndarray]],
    p: Any,
    rng: np.random.Generator,
    n: int,
) -> dict[str, Any]:
    """The fields of `Samples` from n independent replications, each with its own generator spawned from `rng`."""
    entropy = results.provenance(rng)
    rows = [replicate(p, child) for child in rng.spawn(n)]
    columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    return {"params": p, "entropy": entropy, "n": n, **columns}


@dataclass(frozen=True, kw_only=True)
class Samples(results.Samples):
    """n independent replications.

    totals : float64[n, outputs] over the measured time, in the order of `columns`; NaN where there is no such value
    slices : float64[n, SLICES, outputs], the same over each slice of it; NaN where a slice cannot tell
    """

    totals: np.ndarray
    slices: np.ndarray
    outputs: ClassVar[dict[str, str]] = {}
    per_tenant: ClassVar[tuple[str, ...]] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the outputs."""
        return names(self.outputs, self.per_tenant, self.params.tenants)

    def values(self, name: str) -> np.ndarray:
        """An output of every replication: float64[n]; "miss_frac[1]" is the second tenant's."""
        return self.totals[:, self.columns.index(name)]

    def series(self, name: str) -> np.ndarray:
        """An output over the measured time: float64[n, SLICES]."""
        return self.slices[:, :, self.columns.index(name)]

    def estimate(self) -> dict[str, stats.Estimate]:
        """Means of independent replications. A single one does not tell its error (NaN).

        Its slices cannot: pages, popular lines and orders stay the same in a replication and differ in the next. With
        batch means over the slices of small caches up to 80 % of the values were more than 4 errors off.
        """
        return {name: self.estimate_of(name) for name in self.columns}

    def estimate_of(self, name: str) -> stats.Estimate:
        """The estimate of one output."""
        made = self._mean(name)
        least = self.least_deviation(name) / math.sqrt(self.n)
        if math.isnan(made.stderr) or made.stderr >= least:
            return made
        return dataclasses.replace(made, stderr=least, method=f"{made.method}, whole counts")

    def least_deviation(self, name: str) -> float:
        """The standard deviation that an output has in any case, because it counts whole things in a given time.

        A few replications that agree to the last count do not prove that there is no more to know.
        """
        return 0.0

    def _mean(self, name: str) -> stats.Estimate:
        values = self.values(name)
        values = values[~np.isnan(values)]  # a replication may end before the first wake-up does
        if not values.size:
            return stats.Estimate(math.nan, math.nan, "there is no such value", self.n)
        return stats.mean(values)

    def drift(self, name: str) -> float:
        """Second half of the measured time less the first, in standard errors: beyond 4 the warm-up was too short.

        NaN where a slice has no such value, or chance cannot be told from change.
        """
        series = self.series(name)
        if not np.isfinite(series).all():
            return math.nan
        halves = series[:, : SLICES // 2], series[:, SLICES // 2 :]
        if self.n > 1:
            change = stats.mean(halves[1].mean(axis=1) - halves[0].mean(axis=1))
            return change.value / change.stderr if change.stderr > 0 else math.nan
        first, second = (stats.batch_means(half[0], batches=SLICES // 4) for half in halves)
        error = math.hypot(first.stderr, second.stderr)
        return (second.value - first.value) / error if error > 0 else math.nan


def count_deviation(per_s: float, time_s: float) -> float:
    """Standard deviation of how many things fall into a time if they come evenly and their phase is by chance."""
    rest = per_s * time_s % 1
    return math.sqrt(rest * (1 - rest))


def mean(rows: np.ndarray) -> np.ndarray:
    """The mean of rows, NaN without a warning if there are none."""
    return rows.mean(axis=0) if len(rows) else np.full(rows.shape[1:], math.nan)
