"""Monte Carlos that run a scenario n times over: one row of outputs a replication, and what they estimate."""

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from nfvlab import results, stats


def names(outputs: dict[str, str], several: tuple[str, ...], parts: tuple[Any, ...]) -> tuple[str, ...]:
    """The outputs of a scenario; those in `several` once for each part: "miss_frac[0]", "miss_frac[1]" …"""
    made: dict[str, Any] = {}
    for name in outputs:
        made |= results.indexed(name, parts) if name in several else {name: None}
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

    totals : float64[n, outputs], in the order of `columns`; NaN where there is no such value
    """

    totals: np.ndarray
    outputs: ClassVar[dict[str, str]] = {}

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the outputs."""
        return tuple(self.outputs)

    def values(self, name: str) -> np.ndarray:
        """An output of every replication: float64[n]; "miss_frac[1]" is the second part's."""
        return self.totals[:, self.columns.index(name)]

    def estimate(self) -> dict[str, stats.Estimate]:
        """Means of independent replications. A single one does not tell its error (NaN)."""
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
        values = values[~np.isnan(values)]
        if not values.size:
            return stats.Estimate(math.nan, math.nan, "there is no such value", self.n)
        return stats.mean(values)


__all__ = ["Samples", "names", "replicated"]
