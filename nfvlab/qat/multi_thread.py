"""The multi-thread compression of 2015 simulated: rows mt-* of published.csv, as their document describes the runs.

QEMU docs/multi-thread-compression.txt: two E5-2680 hosts, 1 GbE, a guest of 4 vCPUs and 4096 MiB with the default
machine and display (total ram 4211524 KiB: blocks of 4305 pages beside the guest's memory, the display's first), 8
compress and 2 decompress threads, level 1, a speed limit that never binds. The idle guest runs nothing; in the busy one
a program writes random numbers to areas of RAM, periodically: how large, how often, how random is not said.

What is not said is read from one number each, `given`, and predicts the others: the idle guest's pages and their ratio
from its bytes; how fast the busy guest writes and how small its pages become from its bytes. No time is given.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import brentq

from nfvlab.precopy.params import PAGE_BYTES, ZERO_PAGE_BYTES, boot_pages, ram_pages
from nfvlab.precopy.rates import NORMAL_BYTES
from nfvlab.qat.compared import Compared
from nfvlab.qat.compress_threads import LENGTH_BYTES, ZLIB_BYTES
from nfvlab.qat.params import Params
from nfvlab.qat.published import HOST, OUTPUTS, SIDES, rows
from nfvlab.qat.simulation import migrate, outputs_of
from nfvlab.units import GiB, KiB, ms

if TYPE_CHECKING:
    from pandas import DataFrame

TOTAL_RAM_BYTES = 4211524 * KiB
WAYS = dict(zip(SIDES, ("none", "CPU threads"), strict=True))
WORKING_SETS_BYTES = (
    1 * GiB,
    2 * GiB,
)  # half a GiB has the bytes only if its pages hardly shrink: a ratio of 0.99
BUSY_DOWNTIME_NS = dict(zip(SIDES, (337 * ms, 173 * ms), strict=True))  # in the document, not among the rows
MISSING = {
    "mt-idle-downtime": (
        "How much was left when the rest fell below the limit at the end of a window: chance, of which one run tells "
        "little; see the range over the runs."
    ),
    "mt-busy-downtime": (
        "How large the rewritten areas are, and the periods of their rewriting: here pages are visited evenly in time, "
        "so that the rest grows little between the last look and the stop."
    ),
}
GIVEN = "bytes"  # the scenarios were made with them
CLOSE = 0.003
NEVER = 5.0  # logarithm of the excess of a migration that does not end


@dataclass(frozen=True)
class Figure(Compared):
    """One published number, the simulation's median and range over its runs; `given`: the scenario was made with it."""

    row: str
    side: str
    case: str
    published: float
    simulated: float
    low: float
    high: float
    given: bool

    @property
    def ours(self) -> float:
        """The simulation's median."""
        return self.simulated

    @property
    def reason(self) -> str:
        """Why it is missed, if it is."""
        return MISSING.get(self.row, "not explained")


def numbers() -> dict[tuple[str, str], float]:
    """{(row, side): value} of the document: rows mt-* of published.csv and the busy downtime, in ns and bytes."""
    return rows() | {("mt-busy-downtime", side): value for side, value in BUSY_DOWNTIME_NS.items()}


class Runs:
    """Migrations of a scenario with the same seeds each time, so that a knob's effect is not hidden by chance."""

    def __init__(self, rng: np.random.Generator, n: int):
        self.seeds = [int(seed) for seed in rng.integers(2**63, size=n)]

    def outputs(self, p: Params, side: str, n: int | None = None) -> list[dict[str, float]]:
        """All outputs of each run, or of the first n."""
        runs = (migrate(p, WAYS[side], np.random.default_rng(seed)) for seed in self.seeds[:n])
        return [outputs_of(run) for run in runs]

    def values(self, p: Params, side: str, output: str, n: int | None = None) -> np.ndarray:
        """An output of each run, or of the first n: float64[n]; not a number where it does not end."""
        return np.array([found[output] for found in self.outputs(p, side, n)])

    def solve(
        self,
        scenario: Callable[[float], Params],
        ends: tuple[float, float],
        row: tuple[str, str],
        n: int | None = 1,
    ) -> Params:
        """The scenario between two values of its knob that has a published number (median of n runs, to 0.3 %)."""
        target, side, output = rows()[row], row[1], OUTPUTS[row[0].rpartition("-")[2]]

        def excess(value: float) -> float:
            found = float(np.median(self.values(scenario(value), side, output, n)))
            over = np.log(found / target) if found == found else NEVER
            return 0.0 if abs(over) < CLOSE else over

        return scenario(brentq(excess, *ends, rtol=1e-4))


def idle() -> Params:
    """The idle guest: how many pages its uncompressed bytes hold, how small they become by the compressed ones."""
    known = rows()
    p = Params(**HOST)
    p = p.replace(rom_pages=round((TOTAL_RAM_BYTES - p.ram_bytes) / PAGE_BYTES))
    plain, small = (known["mt-idle-bytes", side] - ZERO_PAGE_BYTES * ram_pages(p) for side in SIDES)
    pages = plain / (NORMAL_BYTES - ZERO_PAGE_BYTES)
    header = NORMAL_BYTES - PAGE_BYTES + LENGTH_BYTES + ZLIB_BYTES
    ratio = (small / pages + ZERO_PAGE_BYTES - header) / PAGE_BYTES
    others = boot_pages(p) + p.boot_stale_pages - p.boot_middle_pages
    return p.replace(boot_middle_pages=round(pages - others), system_ratio=ratio)


def writing(runs: Runs, p: Params, wss_bytes: float) -> Params:
    """The guest that rewrites a working set as fast as its uncompressed bytes say."""
    p = p.replace(wss_bytes=wss_bytes, content="own")
    most = p.link_bytes_per_s / PAGE_BYTES
    return runs.solve(
        lambda rate: p.replace(write_rate_per_s=rate), (most / 30, most), ("mt-busy-bytes", "without")
    )


def shrinking(runs: Runs, p: Params) -> Params:
    """The same, its written pages as small as its compressed bytes say."""
    return runs.solve(lambda ratio: p.replace(own_ratio=ratio), (0.2, 0.95), ("mt-busy-bytes", "with"))


def reproduce(
    *, rng: np.random.Generator, n: int, working_sets_bytes: Sequence[float] = WORKING_SETS_BYTES
) -> tuple[Figure, ...]:
    """All rows, by n simulated migrations each: the idle guest, and busy ones by the size of what they rewrite."""
    runs, guest = Runs(rng, n), idle()
    found = [*figures_of(runs, guest, "idle", "idle")]
    for size in working_sets_bytes:
        written = shrinking(runs, writing(runs, guest, size))
        found += figures_of(runs, written, "busy", f"{size / GiB:g} GiB rewritten")
    return tuple(found)


def figures_of(runs: Runs, p: Params, guest: str, case: str) -> Iterable[Figure]:
    """Rows mt-`guest`-* by a scenario."""
    found = {side: runs.outputs(p, side) for side in SIDES}
    for (row, side), published in numbers().items():
        _, kind, quantity = row.split("-")
        if kind == guest:
            values = [one[OUTPUTS[quantity]] for one in found[side]]
            spread = (float(f(values)) for f in (np.median, np.min, np.max))
            yield Figure(row, side, case, published, *spread, quantity == GIVEN)


def compare(
    *, rng: np.random.Generator, n: int = 5, working_sets_bytes: Sequence[float] = WORKING_SETS_BYTES
) -> "DataFrame":
    """`reproduce` as a table indexed by row, side and case, in ns and bytes; error_frac, within, missing."""
    import pandas as pd

    figures = reproduce(rng=rng, n=n, working_sets_bytes=working_sets_bytes)
    table = [asdict(f) | {"error_frac": f.error_frac, "within": f.ok, "missing": f.missing} for f in figures]
    return pd.DataFrame(table).set_index(["row", "side", "case"])
