"""The table that oslat prints: a line a field, a column a thread.

Standard library only.
"""

import math
import re

from nfvlab.readers.cells import number, whole
from nfvlab.readers.errors import ReaderError, printable
from nfvlab.readers.files import AGAIN
from nfvlab.readers.oslat_buckets import US, Row, Scale

_FIELD = re.compile(
    r"(Core|CPU Freq|Counter Freq|Minimum|Average|Maximum|Max-Min|Duration):\s+(\S+(?: \S+)*?)"
    r"(?: \((?:us|[Mm][Hh]z|sec)\))?"
)
_BUCKET = re.compile(
    r"([0-9]{1,15}(?:\.[0-9]{3})?) \(us\):\s+([0-9]+(?: [0-9]+)*)( \(including overflows\))?"
)
_BIAS = re.compile(r"Global bias set to ([0-9]{1,15}(?:\.[0-9]{3})?) \(us\)")
_PRIORITY = re.compile(r"Thread priority:\s+(?:default|SCHED_FIFO:([0-9]{1,2}))")
_VERSION = re.compile(r"oslat V ([0-9.]{1,12})")
_FIELDS = ("Core", "Minimum", "Average", "Maximum", "Max-Min", "Duration")


class Table:
    """Takes the lines of an output one by one."""

    def __init__(self, path):
        self.path = path
        self.fields: dict[str, tuple[int, list[str]]] = {}
        self.names: list[int] = []
        self.counts: list[list[int]] = []
        self.dots: set[int] = set()  # indices of the rows below a line of dots (-z)
        self.version: str | None = None
        self.bias = 0
        self.priority: int | None = None
        self.ended = self.decimals = False

    def take(self, line: int, row: str) -> None:
        """Take one line."""
        if found := _BUCKET.fullmatch(row):
            self._bucket(line, found)
        elif row == "..." and "Core" in self.fields and not self.ended:
            self.dots.add(len(self.names))
        elif found := _FIELD.fullmatch(row):
            self._field(line, found[1], found[2].split())
        elif found := _BIAS.fullmatch(row):
            self.bias = nanoseconds(found[1])
        elif found := _PRIORITY.fullmatch(row):
            self.priority = int(found[1]) if found[1] else None
        elif found := _VERSION.fullmatch(row):
            self.version = found[1]
        elif row and "Core" in self.fields and "Duration" not in self.fields:
            raise ReaderError(self.path, line, f"{printable(row, 60)!r} is no line of oslat's table", AGAIN)

    def _field(self, line: int, name: str, cells: list[str]) -> None:
        if name in self.fields:
            raise ReaderError(self.path, line, f"{name!r} stands twice", "Keep one run in a file")
        if name != "Core" and len(cells) != self._threads(line):
            what = f"{name}: has {len(cells)} values for {self._threads(line)} threads"
            raise ReaderError(self.path, line, what, AGAIN)
        self.fields[name] = (line, cells)

    def _bucket(self, line: int, found: re.Match) -> None:
        counts = [whole(self.path, line, "the count", cell, high=2**62) for cell in found[2].split()]
        name = nanoseconds(found[1])
        wrong = None
        if len(counts) != self._threads(line):
            wrong = f"{len(counts)} counts for {self._threads(line)} threads"
        elif self.ended:
            wrong = "a bucket below the one that includes overflows"
        elif self.names and name <= self.names[-1]:
            wrong = f"the bucket {found[1]} does not come after the one before it"
        elif self.names and ("." in found[1]) != self.decimals:
            wrong = f"the bucket {found[1]}: some have decimals and some have none"
        if wrong:
            raise ReaderError(self.path, line, wrong, AGAIN)
        self.decimals = "." in found[1]
        self.names.append(name)
        self.counts.append(counts)
        self.ended = bool(found[3])

    def _threads(self, line: int) -> int:
        if "Core" not in self.fields:
            raise ReaderError(self.path, line, "a line of the table above the line Core:", AGAIN)
        return len(self.fields["Core"][1])

    def scale(self) -> Scale:
        """Width, step and bias of the run; the table must be whole."""
        at = max((line for line, _ in self.fields.values()), default=None)
        if not self.fields:
            raise ReaderError(self.path, None, "there is no table in it", "Let oslat run to its end")
        missing = next((name for name in _FIELDS if name not in self.fields), None)
        if missing or not self.ended:
            what = f"there is no line {missing}:" if missing else "no bucket includes overflows"
            raise ReaderError(self.path, at, f"{what} (truncated?)", AGAIN)
        steps = [b - a for a, b in zip(self.names, self.names[1:], strict=False)]
        close = {step for index, step in enumerate(steps, start=1) if index not in self.dots}
        if 0 not in self.dots:
            close.add(self.names[0] - self.bias)
        offsets = [name - self.bias for name in self.names]
        width = min(close) if close else math.gcd(*offsets)
        if len(close) > 1 or width <= 0 or any(offset % width for offset in offsets):
            what = f"the buckets are not in steps of one width from {self.bias} ns on: rows are missing"
            raise ReaderError(self.path, self.fields["Core"][0], what, AGAIN)
        notes = [] if close else [f"the width of a bucket is not certain: it is taken to be {width} ns"]
        step = 1 if self.decimals else US
        return Scale(width=width, step=step, bias=self.bias, last=self.names[-1], notes=notes)

    def rows(self) -> list[Row]:
        """One `Row` a thread."""
        return [self._row(at) for at in range(len(self.fields["Core"][1]))]

    def _row(self, at: int) -> Row:
        line = self.fields["Core"][0]
        low, high, spread = (self._latency(name, at) for name in ("Minimum", "Maximum", "Max-Min"))
        if high - low != spread:
            what = f"thread {at}: Max-Min is {spread} ns, Maximum less Minimum {high - low} ns"
            raise ReaderError(self.path, self.fields["Max-Min"][0], what, AGAIN)
        mean_line, means = self.fields["Average"]
        duration_line, durations = self.fields["Duration"]
        return Row(
            thread=at,
            cpu=whole(self.path, line, "the core", self.fields["Core"][1][at]),
            buckets={n: c[at] for n, c in zip(self.names, self.counts, strict=True) if c[at]},
            low=low,
            high=high,
            mean_us=number(self.path, mean_line, "the mean", means[at]),
            mean_slack_us=0.0005,
            duration_ns=number(self.path, duration_line, "the duration", durations[at], scale=1e9),
            priority=self.priority,
            line=line,
        )

    def _latency(self, name: str, at: int) -> int:
        line, cells = self.fields[name]
        if not re.fullmatch(r"[0-9]{1,15}\.[0-9]{3}" if self.decimals else r"[0-9]{1,15}", cells[at]):
            belongs = "µs with three decimals" if self.decimals else "whole µs"
            what = f"{name} is {printable(cells[at], 40)!r} where {belongs} belong"
            raise ReaderError(self.path, line, what, AGAIN)
        return nanoseconds(cells[at])


def nanoseconds(text: str) -> int:
    """A number of µs, whole or with three decimals, in nanoseconds."""
    micro, _, nano = text.partition(".")
    return int(micro) * US + int(nano or 0)
