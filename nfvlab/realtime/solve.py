"""Which stage costs measured rows imply: a linear model with a prior, solved for the most probable costs.

A row is a measured sum of stages, each so many times: 1530 cycles = exit + entry + loop + … Rows are fewer than stages,
so every stage also has a prior, its cost in the table with an error of `PRIOR_SD` of itself. The solution says how much
of each stage the rows tell, and how much is still the prior.

Source: A. Tarantola, Inverse Problem Theory, 2005, section 3.2 (linear least squares with Gaussian priors).
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas

PRIOR_SD = 0.5  # of the cost itself


@dataclass(frozen=True)
class Row:
    """A measured number: `counts` stages of each kind, `constant_cycles` beside them, and its error."""

    name: str
    counts: Mapping[str, float]
    cycles: float
    error_cycles: float
    constant_cycles: float = 0.0


@dataclass(frozen=True)
class Solved:
    """Costs in cycles with their errors; `told` is the share of a cost's prior variance that the rows removed."""

    costs: dict[str, float]
    errors: dict[str, float]
    told: dict[str, float]
    rows: tuple[Row, ...]

    def predicted(self, row: Row) -> float:
        """What the solved costs add up to for a row, in cycles."""
        return row.constant_cycles + sum(n * self.costs[stage] for stage, n in row.counts.items())

    def to_frame(self) -> "pandas.DataFrame":
        """One row a stage: cost, error, share told by the measurements."""
        import pandas as pd

        columns = {"cost_cycles": self.costs, "error_cycles": self.errors, "told_frac": self.told}
        return pd.DataFrame(columns).rename_axis("stage")

    def residuals(self) -> "pandas.DataFrame":
        """One row a measurement: measured, predicted, difference, and the difference in errors."""
        import pandas as pd

        made = [(r.name, r.cycles, self.predicted(r), r.error_cycles) for r in self.rows]
        frame = pd.DataFrame(made, columns=["row", "measured_cycles", "predicted_cycles", "error"])
        frame["difference_cycles"] = frame["predicted_cycles"] - frame["measured_cycles"]
        frame["in_errors"] = frame["difference_cycles"] / frame.pop("error")
        return frame.set_index("row")


def solve(rows: Iterable[Row], prior: Mapping[str, float], *, prior_sd: float = PRIOR_SD) -> Solved:
    """The most probable costs, none below 0, of the stages in `prior` (cycles by name).

    ValueError for rows that name a stage without a prior, that have no error, or if there is none.
    """
    rows = tuple(rows)
    names = [name for name in prior if any(row.counts.get(name) for row in rows)]
    _check(rows, prior, prior_sd)
    from scipy.optimize import lsq_linear

    spreads = np.array([prior_sd * max(prior[name], 1.0) for name in names])
    start = np.array([prior[name] for name in names], dtype=float)
    errors = np.array([row.error_cycles for row in rows])
    counts = np.array([[row.counts.get(name, 0.0) for name in names] for row in rows])
    wanted = np.array([row.cycles - row.constant_cycles for row in rows])
    design = np.vstack([counts * spreads / errors[:, None], np.eye(len(names))])
    target = np.concatenate([(wanted - counts @ start) / errors, np.zeros(len(names))])
    found = lsq_linear(design, target, bounds=(-start / spreads, np.inf)).x
    left = np.diag(np.linalg.inv(design.T @ design))  # of the prior's variance
    return Solved(
        costs={name: max(0.0, float(x)) for name, x in zip(names, start + found * spreads, strict=True)},
        errors={name: float(x) for name, x in zip(names, np.sqrt(left) * spreads, strict=True)},
        told={name: float(1 - x) for name, x in zip(names, left, strict=True)},
        rows=rows,
    )


def _check(rows: tuple[Row, ...], prior: Mapping[str, float], prior_sd: float) -> None:
    if not rows:
        raise ValueError("rows = (): there is nothing to solve from; give one measured row at least")
    if not 0 < prior_sd < math.inf:
        raise ValueError(f"prior_sd = {prior_sd}: must be above 0; 0.5 trusts the table to a half")
    for row in rows:
        unknown = sorted(set(row.counts) - set(prior))
        if unknown:
            raise ValueError(f"row {row.name!r} counts {', '.join(unknown)}: give a prior for each stage")
        if not 0 < row.error_cycles < math.inf or not math.isfinite(row.cycles):
            raise ValueError(
                f"row {row.name!r}: {row.cycles} ± {row.error_cycles} cycles: must be finite, with an error above 0"
            )
