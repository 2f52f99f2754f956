"""Where a reading misleads: cases with what is read, what is true, and what helps."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from nfvlab import cmt, units
from nfvlab.cmt.params import Params
from nfvlab.glossary import Table
from nfvlab.llc.figures import tenant_name

READ = {  # output that is read -> the truth it is taken for
    "total_bytes_per_s": "bandwidth_bytes_per_s",
    "local_bytes_per_s": "bandwidth_bytes_per_s",
    "reading_bytes": "occupancy_bytes",
}
_ROWS = {
    "total_bytes_per_s": "total_per_s",
    "local_bytes_per_s": "local_per_s",
    "reading_bytes": "readings_bytes",
}


class Case(NamedTuple):
    """A scenario, the tenant and the output that is read, and what helps."""

    label: str
    scenario: str
    tenant: int
    output: str
    remedy: str


CASES = (
    Case("no trap at all", "three tenants", 1, "total_bytes_per_s", ""),
    Case(
        "the counter went round",
        "narrow counter goes round",
        1,
        "total_bytes_per_s",
        "read more often than longest_interval_ns; the kernel does, once a second",
    ),
    Case(
        "a part that miscounts, uncorrected",
        "miscounting part, not corrected",
        1,
        "total_bytes_per_s",
        "a kernel that knows the factors (mbm_cf_table)",
    ),
    Case(
        "local bytes taken for all",
        "two NUMA nodes",
        2,
        "local_bytes_per_s",
        "mbm_total_bytes",
    ),
    Case(
        "an interval shorter than a unit",
        "short intervals, coarse units",
        0,
        "total_bytes_per_s",
        "wait until 41 units have passed, or take means",
    ),
    Case(
        "a program with phases",
        "phases",
        0,
        "total_bytes_per_s",
        "intervals longer than its phases: the counter is right, the rate is not constant",
    ),
    Case(
        "few units held",
        "short intervals, coarse units",
        2,
        "reading_bytes",
        "add half a unit: a reading is rounded down",
    ),
)


@dataclass(frozen=True)
class Misled:
    """A case by theory (mean and error of a reading, relative to the truth) and in one run, reading by reading."""

    case: Case
    params: Params
    true: float
    mean_frac: float
    error_frac: float
    readings_frac: np.ndarray

    @property
    def scatter_frac(self) -> float:
        """Standard deviation of a reading, relative to the truth; NaN where theory does not say."""
        return float(np.sqrt(max(self.error_frac**2 - (self.mean_frac - 1) ** 2, 0.0)))

    @property
    def who(self) -> str:
        """Whose reading it is."""
        return tenant_name(self.params, self.case.tenant)


def misled(cases: Iterable[Case] = CASES, *, seed: int) -> list[Misled]:
    """Each case by theory, and the readings of one simulated run."""
    made = []
    for case in cases:
        p = cmt.SCENARIOS[case.scenario]
        theory, seen = cmt.analyze(p), cmt.simulate(p, rng=np.random.default_rng(seed), n=1)
        true = getattr(theory, READ[case.output])[case.tenant]
        readings = getattr(seen, _ROWS[case.output])[0, :, case.tenant]
        simulated = seen.values(f"{READ[case.output]}[{case.tenant}]")[0]
        error = theory.rate_error_frac[case.tenant] if case.output == "total_bytes_per_s" else np.nan
        mean = getattr(theory, case.output)[case.tenant] / true
        made.append(Misled(case, p, true, mean, float(error), readings / simulated))
    return made


def table(made: Iterable[Misled]) -> Table:
    """The cases in words."""
    rows = []
    for one in made:
        name = one.case.output
        error = "" if np.isnan(one.error_frac) else f" ± {units.human('x_frac', one.scatter_frac)}"
        rows.append(
            {
                "trap": one.case.label,
                "whose": one.who,
                "true": units.human(name, one.true),
                "read (theory)": f"{one.mean_frac:.0%}{error}",
                "read (simulated)": f"{one.readings_frac.mean():.0%}",
                "what helps": one.case.remedy,
            }
        )
    return Table("What is read, as a share of what is true", rows)


__all__ = ["CASES", "Case", "Misled", "misled", "table"]
