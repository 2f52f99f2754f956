"""QEMU's published run of QATzip beside the theory: rows qatzip-* and zstd-* of published.csv.

A 64 GiB guest at rest, 54 GiB of it filled with data of the Silesia corpus, 8 multifd channels, 4 devices, 10 Gbit/s.
Neither hosts nor limits are told. Three things are read from the run: the link's rate is its throughput without
compression; bytes are throughput times total time, and those of the two runs give how many pages there are and how
small QATzip makes them. The rest is predicted, zstd's bytes among it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scipy.optimize import brentq

from nfvlab import paths
from nfvlab.qat.analytic import Theory, analyze
from nfvlab.qat.compared import Compared
from nfvlab.qat.params import WAYS, Params
from nfvlab.qat.talk import scenario
from nfvlab.units import GiB, human, s

if TYPE_CHECKING:
    from pandas import DataFrame

SIDES = {"none": ("qatzip", "without"), "CPU threads": ("zstd", "with"), "QAT": ("qatzip", "with")}
TITLES = {"none": "none", "CPU threads": "multifd zstd", "QAT": "QATzip"}
OUTPUTS = {
    "total": "total_time_ns",
    "downtime": "downtime_ns",
    "bytes": "wire_bytes",
    "send-cpu": "source_cpu_frac",
    "receive-cpu": "destination_cpu_frac",
}
GIVEN = {("none", "wire_bytes"), ("QAT", "wire_bytes")}
MISSING = {
    "total_time_ns": "How fast the hosts' cores are, which is not told: where channels are the slowest, it decides.",
    "downtime_ns": "The downtime limit, which is not told, and how far below it the last look at the pages found them.",
    "wire_bytes": "How much smaller zstd makes these data than deflate does: here as on pages of the Calgary corpus.",
    "source_cpu_frac": (
        "How fast the hosts' cores are, what their sockets cost a byte, and how often QATzip's calls poll: none of "
        "it is told. Without compression they had 8 channels to feed, here it is one thread."
    ),
    "destination_cpu_frac": (
        "How fast the hosts' cores are, which is not told: reading the sockets, decompression, the first write of "
        "each page, copies out of the device's buffers."
    ),
}


@dataclass(frozen=True)
class Figure(Compared):
    """One published number of one way and the theory's; `given` if the scenario was made with it."""

    way: str
    output: str
    published: float
    computed: float
    given: bool

    @property
    def reason(self) -> str:
        """Why it is missed, if it is."""
        return MISSING[self.output]

    def words(self) -> dict[str, str]:
        """The comparison in human units."""
        return {
            "way": TITLES[self.way],
            "output": self.output,
            "published": human(self.output, self.published),
            "theory": human(self.output, self.computed),
            "error": "" if self.given else human("error_frac", self.error_frac),
            "within 15 %": self.verdict,
        }


def _published() -> "DataFrame":
    from nfvlab.readers.published import read_published

    return read_published(paths.data_file("published.csv"))[0]


def _throughput(frame: "DataFrame", way: str) -> float:
    name, side = SIDES[way]
    return float(frame.loc[f"{name}-throughput", side])


def numbers() -> dict[tuple[str, str], float]:
    """{(way, output): published value}, in ns, bytes and shares of one CPU; bytes are throughput times total time."""
    frame, found = _published(), {}
    for way, (name, side) in SIDES.items():
        row = {
            quantity: float(frame.loc[f"{name}-{quantity}", side])
            for quantity in OUTPUTS
            if quantity != "bytes"
        }
        row["bytes"] = _throughput(frame, way) * row["total"] / s
        found |= {(way, output): row[quantity] for quantity, output in OUTPUTS.items()}
    return found


def link_bytes_per_s(way: str = "none") -> float:
    """The published throughput of a way; without compression, the link's rate."""
    return _throughput(_published(), way)


def guest() -> Params:
    """The scenario: its pages as many, and under QATzip as small, as the published bytes have them to be."""
    known = numbers()
    p = scenario(
        ram_bytes=64 * GiB,
        wss_bytes=0.0,
        rate_per_s=0.0,
        link_bytes_per_s=link_bytes_per_s(),
        link_share_frac=1.0,
        content="own",
        own_ratio=0.4,
        cpu_method="multifd zstd",
        accelerator="QATzip",
        engine_deflate="1 dynamic",
        devices_count=4,
        channels_count=8,
        multifd_counts_wire=True,
        workers_check_zero=True,
        sync_each_iteration=False,
    )
    pages = _solve(lambda v: p.replace(touched_bytes=v), (40 * GiB, 60 * GiB), 0, known["none", "wire_bytes"])
    return _solve(lambda v: pages.replace(own_ratio=v), (0.1, 1.0), 2, known["QAT", "wire_bytes"])


def _solve(made: Callable[[float], Params], ends: tuple[float, float], way: int, target: float) -> Params:
    """The scenario between two values of its knob at which a way's bytes on the wire are the target."""
    return made(brentq(lambda value: analyze(made(value)).wire_bytes[way] - target, *ends, rtol=1e-6))


def compare(theory: Theory | None = None) -> tuple[Figure, ...]:
    """All numbers, way by way."""
    theory = theory or analyze(guest())
    return tuple(
        Figure(way, output, value, getattr(theory, output)[WAYS.index(way)], (way, output) in GIVEN)
        for (way, output), value in numbers().items()
    )


def table(figures: Iterable[Figure]) -> "DataFrame":
    """The comparison in words, one row a number."""
    import pandas as pd

    return pd.DataFrame([figure.words() for figure in figures]).set_index(["way", "output"])
