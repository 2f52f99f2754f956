"""The tables that `perf kvm stat report` and `perf kvm stat live` print, line by line.

Standard library only. After print_result in tools/perf/builtin-kvm.c: a line `Analyze events for …:`, the names of the
columns, a row an event, a line `Total Samples:…`, and, if perf lost records, a line `Lost events: …`. The columns Min
Time and Max Time came with v3.13; names are right-aligned in 20 characters, in 40 since v6.3. AMD's names have spaces.
"""

import math
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from nfvlab.readers.cells import LOCALE, number, whole
from nfvlab.readers.errors import ReaderError, printable
from nfvlab.readers.files import AGAIN

#: {first column's title: what --event asked for}
TITLES = {"VM-EXIT": "vmexit", "MMIO Access": "mmio", "IO Port Access": "ioport", "MSR Access": "msr"}
_ESCAPE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_CLOCK = re.compile(r"([0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6})")
_ANALYZE = re.compile(r"Analyze events for (?:(?P<vms>.*), )?(?:all VCPUs|VCPU (?P<vcpu>[0-9]{1,9})):")
_HEADER = re.compile(r"(?P<title>\S.*?) +Samples +Samples% +Time%(?P<minmax> +Min Time +Max Time)? +Avg time")
_ROW = re.compile(
    r"(?P<event>\S.*?) +(?P<samples>[0-9]+) +(?P<samples_percent>[0-9]+\.[0-9]{2})%"
    r" +(?P<time_percent>[0-9]+\.[0-9]{2}|-?nan)%(?: +(?P<min>[0-9.]+)us +(?P<max>[0-9.]+)us)?"
    r" +(?P<mean>[0-9.]+)us \( \+- *(?P<stderr>[0-9]+\.[0-9]{2})% \)"
)
_TOTAL = re.compile(r"Total Samples:([0-9]+), Total events handled time:([0-9]+\.[0-9]{2})us\.")
_LOST = re.compile(r"Lost events: ([0-9]+)")
_SAID = re.compile(r"unknown kvm exit code:.*|.* VM [0-9-]+, vcpu [0-9]+: .* event took [0-9]+usec")
_OF_A_TABLE = re.compile(r"[0-9]% .*us\b|Total Samples|Samples%|Lost events|\( \+-")


@dataclass(frozen=True)
class Row:
    """One event as printed: shares in percent, times in microseconds; min and max NaN where perf prints none.

    step_us : one unit of the last digit printed of a time
    """

    line: int
    event: str
    samples: int
    samples_percent: float
    time_percent: float
    min_us: float
    max_us: float
    mean_us: float
    stderr_percent: float
    step_us: float


@dataclass
class Table:
    """One report: what it is of, its rows and its totals."""

    line: int
    vms: str | None = None
    vcpu: int | None = None
    clock: str | None = None
    report: str = ""
    minmax: bool = False
    rows: list[Row] = field(default_factory=list)
    total_line: int = 0
    samples: int = 0
    total_us: float = 0.0
    lost: int = 0


def looks_like_perf_kvm_stat(text: str) -> bool:
    """Whether a line of it names the columns of perf kvm stat."""
    return any(
        _HEADER.fullmatch(_ESCAPE.sub("", row).strip()) for row in text.split("\n") if "Samples%" in row
    )


def tables(path: str | os.PathLike, text: str, notes: list[str]) -> Iterator[Table]:
    """The reports of a text, in order; a line of a table that is no line of perf's is a `ReaderError`."""
    table, done, clock, outside = None, None, None, []
    for line, raw in enumerate(text.split("\n"), start=1):
        row = _ESCAPE.sub("", raw).strip()
        found = _CLOCK.fullmatch(row)
        if found:
            clock = found[1]
        elif _SAID.fullmatch(row):
            notes.append(f"perf said: {printable(row, 80)}")
        elif table is not None:
            if _take(path, line, row, table):
                yield table
                table, done = None, table
        elif _ANALYZE.fullmatch(row) or _HEADER.fullmatch(row):
            table, clock, done = Table(line, clock=clock), None, None
            _take(path, line, row, table)
        elif done and _LOST.fullmatch(row):
            done.lost = whole(path, line, "the number of lost events", _LOST.fullmatch(row)[1], high=2**62)
        elif _OF_A_TABLE.search(row):
            raise ReaderError(path, line, f"{printable(row, 60)!r} stands outside a report", AGAIN)
        elif row:
            outside.append(row)
    if table is not None:
        raise ReaderError(path, line, "the file ends before the line Total Samples (truncated)", AGAIN)
    if outside:
        notes.append(f"left out: {len(outside)} lines outside the reports, {printable(outside[0], 60)!r} …")


def _take(path, line: int, row: str, table: Table) -> bool:
    """Take one line of a report; whether it was its last."""
    head, columns, total = _ANALYZE.fullmatch(row), _HEADER.fullmatch(row), _TOTAL.fullmatch(row)
    if not row:
        return False
    if head and line == table.line:
        table.vms = None if (head["vms"] or "").startswith("dazed") else printable(head["vms"] or "all VMs")
        table.vcpu = None if head["vcpu"] is None else int(head["vcpu"])
    elif columns and not table.report:
        if columns["title"] not in TITLES:
            what = f"the first column is {printable(columns['title'], 40)!r}; known: {', '.join(TITLES)}"
            raise ReaderError(path, line, what, "Give a report of perf kvm stat on x86")
        table.report, table.minmax = TITLES[columns["title"]], bool(columns["minmax"])
    elif head or columns:
        raise ReaderError(path, line, "a report begins before the total of the one above (truncated?)", AGAIN)
    elif total and table.report:
        table.total_line = line
        table.samples = whole(path, line, "the total of samples", total[1], high=2**62)
        table.total_us = number(path, line, "the total time", total[2])
        return True
    else:
        table.rows.append(_row(path, line, row, table))
    return False


def _row(path, line: int, row: str, table: Table) -> Row:
    found = _ROW.fullmatch(row)
    if not found or not table.report or (found["min"] is not None) != table.minmax:
        comma = _ROW.fullmatch(re.sub(r"([0-9]),([0-9]{2})", r"\1.\2", row))
        what = f"{printable(row, 80)!r} is no row of perf kvm stat"
        raise ReaderError(path, line, what, LOCALE if comma and not found else AGAIN)
    percents = [number(path, line, "a share", found[name]) for name in ("samples_percent", "stderr")]
    nan = found["time_percent"].endswith("nan")
    times = [
        math.nan if found[name] is None else number(path, line, f"the {name} time", found[name])
        for name in ("min", "max", "mean")
    ]
    return Row(
        line,
        printable(found["event"], 60),
        whole(path, line, "the number of samples", found["samples"], high=2**62),
        percents[0],
        math.nan if nan else number(path, line, "the share of the time", found["time_percent"]),
        *times,
        percents[1],
        0.01 if all("." in found[name] for name in ("min", "max", "mean") if found[name]) else 1.0,
    )
