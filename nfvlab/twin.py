"""Twins: a theory and a simulation that share no formula, set side by side and judged claim by claim."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nfvlab.params import Params, html_table
from nfvlab.results import Claim, Samples, Theory
from nfvlab.specs import owner_name
from nfvlab.stats import Estimate
from nfvlab.units import human

if TYPE_CHECKING:
    import pandas

SIGMA = 4.0
_ROUNDING = 1e-9  # relative; two roads to one number differ by that much in floating point
_COLUMNS = ("field", "claim", "theory", "monte_carlo", "stderr", "z", "verdict")


@dataclass(frozen=True)
class Row:
    """One output on both sides; the verdict is "holds", "fails" or "no error bar"."""

    field: str
    claim: Claim
    theory: float
    monte_carlo: float
    stderr: float
    z: float
    verdict: str

    @property
    def ok(self) -> bool:
        """Whether the claim holds."""
        return self.verdict == "holds"

    def words(self) -> dict[str, str]:
        """The row in human units."""
        shown = {key: human(self.field, getattr(self, key)) for key in ("theory", "monte_carlo", "stderr")}
        claim = self.claim.words(self.field) + (f" ({self.claim.where})" if self.claim.where else "")
        return {"field": self.field, "claim": claim, **shown, "z": f"{self.z:.2f}", "verdict": self.verdict}


@dataclass(frozen=True)
class Comparison:
    """The twin table of one scenario: a row an output."""

    params: Params
    rows: tuple[Row, ...]
    source: str

    @property
    def ok(self) -> bool:
        """Whether every claim holds."""
        return not self.failures

    @property
    def failures(self) -> tuple[Row, ...]:
        """The rows whose claim does not hold."""
        return tuple(row for row in self.rows if not row.ok)

    def to_frame(self) -> "pandas.DataFrame":
        """One row an output, in base units: field, claim, theory, monte_carlo, stderr, z, verdict."""
        import pandas as pd

        rows = [{key: getattr(row, key) for key in _COLUMNS} | {"claim": str(row.claim)} for row in self.rows]
        return pd.DataFrame(rows, columns=list(_COLUMNS))

    def __str__(self) -> str:
        table = [dict(zip(_COLUMNS, _COLUMNS, strict=True)), *(row.words() for row in self.rows)]
        widths = [max(len(line[key]) for line in table) for key in _COLUMNS]
        lines = [
            "  ".join(line[key].ljust(w) for key, w in zip(_COLUMNS, widths, strict=True)) for line in table
        ]
        return "\n".join(line.rstrip() for line in [f"{self.params!r} · {self.source}", *lines])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        held = f"{len(self.rows) - len(self.failures)} of {len(self.rows)} claims hold"
        return html_table(
            f"{owner_name(type(self.params))}: {held} · {self.source}", (r.words() for r in self.rows)
        )


def compare(feature: Any, p: Params, *, rng: np.random.Generator, n: int) -> Comparison:
    """Analyze and simulate `p` (n replications) with a feature's functions, and judge every claim.

    An exact value must lie within four standard errors of the simulated one, a bound not pass it by more, an
    approximation not stray further than its tolerance and four standard errors. ValueError if an output is on
    one side only.
    """
    return judge(feature.analyze(p), feature.simulate(p, rng=rng, n=n))


def judge(theory: Theory, samples: Samples) -> Comparison:
    """Set a theory beside samples of the same scenario."""
    claimed, seen = theory.outputs(), samples.estimate()
    if set(claimed) != set(seen):
        sides = {"theory": set(claimed) - set(seen), "simulation": set(seen) - set(claimed)}
        only = "; ".join(
            f"only the {side} has {', '.join(sorted(names))}" for side, names in sides.items() if names
        )
        raise ValueError(f"the twins do not share their outputs: {only}")
    rows = tuple(_row(name, claim, value, seen[name]) for name, (value, claim) in claimed.items())
    return Comparison(theory.params, rows, samples.source_line())


def _row(name: str, claim: Claim, theory: float, seen: Estimate) -> Row:
    difference = 0.0 if theory == seen.value else theory - seen.value
    reach = seen.reach(SIGMA)
    z = SIGMA * difference / reach if reach else math.copysign(math.inf, difference) if difference else 0.0
    return Row(
        name,
        claim,
        theory,
        seen.value,
        seen.stderr,
        z,
        _verdict(claim, theory, seen.value, difference, reach),
    )


def _verdict(claim: Claim, theory: float, seen: float, difference: float, reach: float) -> str:
    if math.isnan(theory) or math.isnan(seen):
        return "holds" if math.isnan(theory) and math.isnan(seen) else "fails"  # both: there is no such value
    if math.isnan(reach):
        return "no error bar"
    slack = 0.0
    if math.isfinite(difference):
        slack = reach + _ROUNDING * max(abs(theory), abs(seen))
        slack += claim.rel * abs(seen) + claim.abs
    too_low, too_high = difference < -slack, difference > slack
    broken = {"lower": too_high, "upper": too_low}.get(claim.kind, too_low or too_high)
    return "fails" if broken else "holds"
