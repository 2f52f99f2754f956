"""What the Monte Carlos of `cat` and `cmt` share: rows of outputs over the measured time and over slices of it."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from nfvlab import replications, stats
from nfvlab.replications import names, replicated

SLICES = 40  # of the measured time


@dataclass(frozen=True, kw_only=True)
class Samples(replications.Samples):
    """n independent replications.

    totals : float64[n, outputs] over the measured time, in the order of `columns`; NaN where there is no such value
    slices : float64[n, SLICES, outputs], the same over each slice of it; NaN where a slice cannot tell

    Slices give no error of a mean: pages, popular lines and orders stay the same in a replication and differ in the
    next. With batch means over the slices of small caches up to 80 % of the values were more than 4 errors off.
    """

    slices: np.ndarray
    per_tenant: ClassVar[tuple[str, ...]] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the outputs."""
        return names(self.outputs, self.per_tenant, self.params.tenants)

    def series(self, name: str) -> np.ndarray:
        """An output over the measured time: float64[n, SLICES]."""
        return self.slices[:, :, self.columns.index(name)]

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


__all__ = ["SLICES", "Samples", "count_deviation", "mean", "names", "replicated"]
