"""The multi-thread compression of 2015 beside the theory: rows mt-* of published.csv.

Two E5-2680 hosts, 1 GbE, 8 compress and 2 decompress threads, zlib level 1. The rows do not say what the guests hold;
the run without compression tells how many pages there are, and is not predicted. Two things are left to be read from
the compressed run's bytes, or taken from elsewhere: how small an idle guest's pages become, and random numbers.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nfvlab import paths
from nfvlab.precopy.params import PAGE_BYTES, ZERO_PAGE_BYTES, boot_pages, ram_pages
from nfvlab.precopy.rates import NORMAL_BYTES
from nfvlab.qat.analytic import analyze
from nfvlab.qat.compared import Compared
from nfvlab.qat.params import Params
from nfvlab.units import Gbps, GHz, GiB, human

if TYPE_CHECKING:
    from pandas import DataFrame

SIDES = ("without", "with")
OUTPUTS = {"total": "total_time_ns", "downtime": "downtime_ns", "bytes": "transferred_bytes"}
WORKING_SETS_BYTES = (0.5 * GiB, 1 * GiB, 2 * GiB)  # "RAM areas": the row does not say how large
HOST = {
    "ram_bytes": 4 * GiB,
    "link_bytes_per_s": 1 * Gbps,
    "cpu_method": "threads zlib",
    "compress_threads_count": 8,
    "decompress_threads_count": 2,
    "workers_check_zero": False,
    "cpu_hz": 2.7 * GHz,
}
MISSING = {
    "recorded ratio": (
        "The idle guest's pages become smaller than those of the recordings, whose guest is 1 GiB with an initramfs: "
        "what share of it is page tables, `struct page` or file cache is not known."
    ),
    "downtime": "How near to the limit the last look at the pages left was: chance, up to the limit itself.",
    "total": "The authors' hosts: their own time for zero pages, first touches and handing pages over.",
}
STEPS = 40


@dataclass(frozen=True)
class Figure(Compared):
    """One published number and the theory's; `given` if the scenario was made with it."""

    row: str
    side: str
    case: str
    output: str
    published: float
    computed: float
    given: bool

    @property
    def reason(self) -> str:
        """Why it is missed, if it is."""
        return MISSING[
            "recorded ratio" if self.output == "transferred_bytes" else self.row.rpartition("-")[2]
        ]

    def words(self) -> dict[str, str]:
        """The comparison in human units."""
        return {
            "row": f"{self.row}, {self.side}",
            "case": self.case,
            "published": human(self.output, self.published),
            "theory": human(self.output, self.computed),
            "error": human("error_frac", self.error_frac),
            "within 15 %": self.verdict,
        }


def rows() -> dict[tuple[str, str], float]:
    """{(row, side): value} of rows mt-*, in ns and bytes."""
    from nfvlab.readers.published import read_published

    frame, _ = read_published(paths.data_file("published.csv"))
    names = [name for name in frame.index if name.startswith("mt-")]
    return {(name, side): float(frame.loc[name, side]) for name in names for side in SIDES}


def idle(ratio_from_bytes: bool) -> Params:
    """The idle guest: as many pages as its uncompressed bytes say, of the recordings' ratio or of its own."""
    known, p = rows(), Params(**HOST)
    pages = (known["mt-idle-bytes", "without"] - ZERO_PAGE_BYTES * ram_pages(p)) / (
        NORMAL_BYTES - ZERO_PAGE_BYTES
    )
    p = p.replace(boot_middle_pages=round(pages - (boot_pages(p) + p.boot_stale_pages - p.boot_middle_pages)))
    if not ratio_from_bytes:
        return p
    return p.replace(system_ratio=_solve(p, "system_ratio", (0.05, 1.0), 1, known["mt-idle-bytes", "with"]))


def busy(wss_bytes: float) -> Params:
    """The guest that writes random numbers: how fast by the uncompressed bytes, how small they become by the others."""
    known = rows()
    p = idle(True).replace(wss_bytes=wss_bytes, content="own", own_ratio=0.5)
    most = p.link_bytes_per_s * p.link_share_frac / PAGE_BYTES
    p = p.replace(write_rate_per_s=1.0)
    rate = _solve(p, "write_rate_per_s", (1.0, 3 * most), 0, known["mt-busy-bytes", "without"])
    p = p.replace(write_rate_per_s=rate)
    return p.replace(own_ratio=_solve(p, "own_ratio", (0.05, 1.0), 1, known["mt-busy-bytes", "with"]))


def _solve(p: Params, field: str, ends: tuple[float, float], way: int, target: float) -> float:
    """The value of a field for which the transferred bytes of a way come nearest to a target; they grow with it."""
    low, high = ends
    for _ in range(STEPS):
        middle = (low + high) / 2
        sent = analyze(p.replace(**{field: middle})).transferred_bytes[way]
        low, high = (middle, high) if sent < target else (low, middle)
    return low


def compare() -> tuple[Figure, ...]:
    """All rows: the idle guest with either ratio, the busy one with several working sets."""
    cases: dict[str, tuple[Callable[[], Params], str, tuple[str, ...]]] = {
        "recorded ratio": (lambda: idle(False), "idle", ("without",)),
        "ratio by its bytes": (lambda: idle(True), "idle", SIDES),
    }
    for size in WORKING_SETS_BYTES:
        name = f"{human('wss_bytes', size)} rewritten"
        cases[name] = ((lambda size=size: busy(size)), "busy", SIDES)
    known, found = rows(), []
    for case, (scenario, guest, given) in cases.items():
        theory = analyze(scenario())
        for (row, side), published in known.items():
            _, kind, quantity = row.split("-")
            if kind == guest:
                output = OUTPUTS[quantity]
                computed = getattr(theory, output)[SIDES.index(side)]
                made = quantity == "bytes" and side in given
                found.append(Figure(row, side, case, output, published, computed, made))
    return tuple(found)


def table(figures: Iterable[Figure]) -> "DataFrame":
    """The comparison in words, one row a number and case."""
    import pandas as pd

    return pd.DataFrame([figure.words() for figure in figures]).set_index(["row", "case"])
