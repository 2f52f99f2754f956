"""The talk's four figures beside the theory, under two readings of what its engine does; and its worst case.

7 GiB filled with the Calgary corpus, 1 GiB of them rewritten periodically, 10 Gbit/s: rows qat-* of published.csv. The
talk does not say how fast that GiB is rewritten, on which hosts, or whether Huffman codes are fixed or dynamic.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nfvlab import paths
from nfvlab.precopy.params import PAGE_BYTES
from nfvlab.qat.analytic import Theory, analyze
from nfvlab.qat.laws import law
from nfvlab.qat.params import Params
from nfvlab.readers.hosts import read_host
from nfvlab.units import Gbps, GHz, GiB, human

if TYPE_CHECKING:
    from pandas import DataFrame

HOST = ("hosts", "haswell-x540.toml")  # the authors' of that year
READINGS = {"fixed Huffman codes": "1 fixed", "dynamic codes, level 1": "1 dynamic"}
ROWS = {
    "qat-total": "total_time_ns",
    "qat-downtime": "downtime_ns",
    "qat-traffic": "wire_bytes",
    "qat-cpu": "source_cpu_frac",
}
REWRITES_PER_S = tuple(float(rate) for rate in np.geomspace(2e3, 2e5, 13))  # pages; the talk does not say
TOLERANCE = 0.05
NONE, CPU, QAT = range(3)
MISSING = {
    "qat-downtime": (
        "The downtime limit, and how fast and in which rhythm the GiB is rewritten. The stop rule leaves what can be "
        "sent in the limit at the rate that QEMU counts, so that the downtime shrinks as the bytes do; by where in a "
        "round the rest falls below the limit, it shrinks by less or more: see `unsaid`. By the textbook's rounds, "
        "which leave no rest unsent, it would shrink to the square of the ratio."
    ),
    "qat-total": "Bytes at the link's rate; what the authors' source or destination adds to a page is not known.",
    "qat-traffic": "Pages that are compressed smaller than this reading has it.",
    "qat-cpu": "Costs per page and request are assumed; host CPU may have been counted over more than the thread.",
}


@dataclass(frozen=True)
class Figure:
    """One published change and the theory's under one reading: median, least and most over the rates of rewriting."""

    row: str
    reading: str
    published_frac: float
    computed_frac: float
    low_frac: float
    high_frac: float
    textbook_frac: float | None = None

    @property
    def error_frac(self) -> float:
        """Computed less published."""
        return self.computed_frac - self.published_frac

    @property
    def ok(self) -> bool:
        """Whether the median is within five points."""
        return abs(self.error_frac) <= TOLERANCE

    @property
    def missing(self) -> str:
        """The effect that is missing where it is not."""
        return "" if self.ok else MISSING[self.row]

    def words(self) -> dict[str, str]:
        """The comparison in percent."""
        textbook = "" if self.textbook_frac is None else human("change_frac", self.textbook_frac)
        return {
            "row": self.row,
            "reading": self.reading,
            "published": human("change_frac", self.published_frac),
            "theory": human("change_frac", self.computed_frac),
            "from": human("change_frac", self.low_frac),
            "to": human("change_frac", self.high_frac),
            "same rounds": textbook,
            "within 5 points": "yes" if self.ok else "no",
        }


def scenario(reading: str = "fixed Huffman codes", rate_per_s: float = 5e4, **changes) -> Params:
    """The talk's migration under a reading of READINGS, rewriting so many pages a second; `changes` are set last."""
    constants, _ = read_host(paths.data_file(*HOST))
    host = {name: value for name, value in constants.items() if name in Params.specs()}
    known = {
        "ram_bytes": 8 * GiB,
        "touched_bytes": 6 * GiB,
        "wss_bytes": 1 * GiB,
        "write_rate_per_s": rate_per_s,
        "link_bytes_per_s": 10 * Gbps,
        "dirty_log_stop_ns": 0.0,
        "cpu_hz": 2.3 * GHz,
        "engine_deflate": READINGS[reading],
    }
    return Params(**(host | known | changes))


def compare(rates_per_s: Sequence[float] = REWRITES_PER_S) -> tuple[Figure, ...]:
    """The four rows under both readings."""
    from nfvlab.readers.published import read_published

    frame, _ = read_published(paths.data_file("published.csv"))
    found = []
    for reading in READINGS:
        theories = [analyze(scenario(reading, rate)) for rate in rates_per_s]
        for row, output in ROWS.items():
            changes = np.array([change(theory, output) for theory in theories])
            textbook = same_rounds_frac(reading) if row == "qat-downtime" else None
            published = float(frame.loc[row, "with"])
            spread = (float(np.median(changes)), float(changes.min()), float(changes.max()))
            found.append(Figure(row, reading, published, *spread, textbook))
    return tuple(found)


def change(theory: Theory, output: str, way: int = QAT) -> float:
    """A way against no compression: as a share, of CPU time in points of one CPU."""
    values = getattr(theory, output)
    return values[way] - values[NONE] if output.endswith("_frac") else values[way] / values[NONE] - 1


def page_frac(reading: str) -> float:
    """Change of a Calgary page's bytes by the per-page table alone."""
    return law(scenario(reading), "calgary", READINGS[reading]).least_bytes / PAGE_BYTES - 1


def same_rounds_frac(reading: str) -> float:
    """Change of the downtime by the textbook, the GiB rewritten in the first pass, two rounds before the stop.

    The second round sends that GiB in a share c of the time, so that a share c of the pages is left, each sent in c of
    its time.
    """
    return (1 + page_frac(reading)) ** 2 - 1


def favoured(figures: Iterable[Figure]) -> str:
    """The reading whose medians miss the published figures by less in all (sum of the absolute errors)."""
    misses = dict.fromkeys(READINGS, 0.0)
    for figure in figures:
        misses[figure.reading] += abs(figure.error_frac)
    return min(misses, key=misses.__getitem__)


def table(figures: Iterable[Figure]) -> "DataFrame":
    """The comparison in words, one row a figure and reading."""
    import pandas as pd

    return pd.DataFrame([figure.words() for figure in figures]).set_index(["row", "reading"])


@dataclass(frozen=True)
class Worst:
    """Random pages: changes against no compression, on a link, with an engine, waiting for the ring or not."""

    link_bytes_per_s: float
    engine_bits_per_s: float
    wait_when_full: bool
    total_frac: float
    wire_frac: float
    cpu_frac: float

    def words(self) -> dict[str, str]:
        """The case in human units."""
        return {
            "link": human("link_bytes_per_s", self.link_bytes_per_s),
            "engine": human("engine_bits_per_s", self.engine_bits_per_s),
            "full ring": "waits" if self.wait_when_full else "sends raw",
            "total time": human("change_frac", self.total_frac),
            "traffic": human("change_frac", self.wire_frac),
            "CPU": human("change_frac", self.cpu_frac),
        }


def worst_case(
    links_bytes_per_s: Sequence[float] = (10 * Gbps, 25 * Gbps, 40 * Gbps, 100 * Gbps),
    engine_bits_per_s: float = 24e9,
) -> tuple[Worst, ...]:
    """The talk's worst case, random numbers: no worse where the engine outruns the link, and where it would be."""
    found = []
    for link in links_bytes_per_s:
        for waits in (False, True):
            p = scenario(
                content="random",
                link_bytes_per_s=link,
                wait_when_full=waits,
                engine_bits_per_s=engine_bits_per_s,
                write_rate_per_s=5e4,
            )
            theory = analyze(p)
            changes = (change(theory, name) for name in ("total_time_ns", "wire_bytes", "source_cpu_frac"))
            found.append(Worst(link, engine_bits_per_s, waits, *changes))
    return tuple(found)
