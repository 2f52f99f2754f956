"""The published figures of monitoring (data/published.csv, feature cmt), each made again by the code that claims it.

rmid-threshold        the largest threshold of the 4.4 driver: an equal share of the cache for each RMID, by
                      `limbo.default_threshold` in whole units
mbm-correction-worst  the factor of the part with 22 cores above RMID 159: how many times more the corrected reading
                      of a miscounted RMID tells, by `counters.KernelCounter`
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nfvlab import paths
from nfvlab.cmt.counters import KernelCounter, correction_of
from nfvlab.cmt.limbo import default_threshold
from nfvlab.units import KiB, MiB, human

if TYPE_CHECKING:
    from pandas import DataFrame

LLC_BYTES, RMIDS, UNIT_BYTES = 35 * MiB, 56, 64 * KiB  # the row's; the unit is that of Xeon E5
CORES, FIRST_MISCOUNTED = 22, 160
TOLERANCES = {"rmid-threshold": 0.0005, "mbm-correction-worst": 5e-7}  # half of the last digit printed


@dataclass(frozen=True)
class Figure:
    """One published number and ours; the tolerance is half of its last digit."""

    row: str
    case: str
    suffix: str
    published: float
    ours: float

    @property
    def tolerance(self) -> float:
        """How far off it may be."""
        return TOLERANCES[self.row]

    @property
    def ok(self) -> bool:
        """Whether it is reproduced."""
        return abs(self.ours - self.published) <= self.tolerance * (1 + 1e-9)


def threshold_frac() -> float:
    """The largest recycling threshold as a share of the cache."""
    return default_threshold(LLC_BYTES, RMIDS, UNIT_BYTES) / LLC_BYTES


def correction_ratio(units: int = 10**9) -> float:
    """Corrected over counted bytes of the first RMID that the part miscounts, after so many units."""
    part = correction_of(CORES)
    told = [KernelCounter(FIRST_MISCOUNTED, UNIT_BYTES, 44, fix).read(units) for fix in (part, None)]
    return told[0] / told[1]


def reproduce() -> list[Figure]:
    """Every row of the feature, published and ours."""
    from nfvlab.readers.published import read_published

    frame, _ = read_published(paths.data_file("published.csv"))
    made = {"rmid-threshold": threshold_frac, "mbm-correction-worst": correction_ratio}
    rows = frame[frame["feature"] == "cmt"]
    return [Figure(row, r["case"], r["suffix"], r["with"], made[row]()) for row, r in rows.iterrows()]


def table() -> "DataFrame":
    """The same in words, a row a number."""
    import pandas as pd

    rows = {}
    for f in reproduce():
        shown = [
            f"{x:.6f}" if f.suffix == "_ratio" else human(f"x{f.suffix}", x) for x in (f.published, f.ours)
        ]
        rows[f.row] = {
            "case": f.case,
            "published": shown[0],
            "ours": shown[1],
            "reproduced": "yes" if f.ok else "no",
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("row")
