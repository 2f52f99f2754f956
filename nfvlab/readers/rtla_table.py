"""The table that `rtla timerlat hist` and `rtla osnoise hist` print, line by line.

Standard library only. After tools/tracing/rtla/src/timerlat_hist.c and osnoise_hist.c: comment lines with the tool, the
unit and the duration; `Index` and a name a column (IRQ-, Thr- and Usr- of timerlat, CPU- of osnoise); a row a bucket,
rows of zeros left out unless --with-zeros; the lines over, and (without --no-summary) count, min, avg, max; in later
versions a second block, ALL, of timerlat. Messages may follow: of stopped tracing, auto-analysis, lost events.
"""

import os
import re
from dataclasses import dataclass, field

from nfvlab.readers.cells import number, whole
from nfvlab.readers.errors import ReaderError, printable
from nfvlab.readers.files import AGAIN

#: {a column's prefix: our word for what it counts}
CONTEXTS = {"IRQ": "irq", "Thr": "thread", "Usr": "user", "CPU": "noise"}
UNITS = {"nanoseconds (ns)": 1.0, "microseconds (us)": 1000.0}
_TOOL = re.compile(r".*# RTLA (timerlat|osnoise) histogram")
_UNIT = re.compile(r"# Time unit is (.*)")
_DURATION = re.compile(r"# Duration: +([0-9]{1,3}) (-?[0-9]{1,2}):([0-9]{2}):([0-9]{2})")
_INDEX = re.compile(r"Index((?: +[A-Z][A-Za-z]{2}-[0-9]{3,5})*)")
_NO_INDEX = re.compile(r"(?: *(?:IRQ|Thr|Usr|CPU)-[0-9]{3,5})+")
_ROW = re.compile(r"[0-9]+(?: +[0-9]+)*")
_LABELLED = re.compile(r"(over|count|min|avg|max|ALL):(.*)")
_NEXT = {"over": "count", "count": "min", "min": "avg", "avg": "max"}


@dataclass(frozen=True)
class Column:
    """What a column counts, and where: "IRQ-003" is irq of CPU 3."""

    name: str
    context: str
    cpu: int


@dataclass
class Table:
    """What has been taken so far; summary and total: {label: (line, values as printed)}."""

    path: str | os.PathLike
    tool: str | None = None
    line: int = 0
    unit_ns: float | None = None
    duration_ns: float | None = None
    columns: list[Column] | None = None
    rows: dict[int, list[int]] = field(default_factory=dict)
    summary: dict[str, tuple[int, list[str]]] = field(default_factory=dict)
    total: dict[str, tuple[int, list[str]]] = field(default_factory=dict)
    around: list[str] = field(default_factory=list)

    def take(self, line: int, row: str) -> None:
        """Take one line, or refuse one that rtla does not print there."""
        tool = _TOOL.fullmatch(row)
        if tool and self.tool:
            raise ReaderError(self.path, line, "a second histogram", "Keep one run in a file")
        if tool:
            self.tool, self.line = tool[1], line
        elif self.tool and self.columns is None:
            self._head(line, row)
        elif self.tool and _LABELLED.fullmatch(row):
            self._labelled(line, *_LABELLED.fullmatch(row).groups())
        elif _ROW.fullmatch(row) and self.tool and not self.summary:
            self._row(line, row.split())
        elif self.tool and (_ROW.fullmatch(row) or (row and not self._complete())):
            raise self._wrong(line, f"{printable(row, 60)!r} where rtla prints no such line")
        elif row:
            self.around.append(row)

    def done(self, line: int) -> None:
        """Refuse a table that is not whole."""
        if self.tool is None:
            what = "no line `# RTLA timerlat histogram` or `# RTLA osnoise histogram`"
            raise ReaderError(
                self.path, None, what, "Record it without --no-header, which leaves the unit out"
            )
        if not self._complete():
            raise self._wrong(line, "the file ends within the histogram (truncated)")
        if self.unit_ns is None:
            raise self._wrong(self.line, "there is no line `# Time unit is …`")

    def _head(self, line: int, row: str) -> None:
        unit, duration, index = _UNIT.fullmatch(row), _DURATION.fullmatch(row), _INDEX.fullmatch(row)
        if unit:
            self.unit_ns = UNITS.get(unit[1])
            if self.unit_ns is None:
                raise self._wrong(line, f"the unit is {printable(unit[1], 40)!r}; known: {', '.join(UNITS)}")
        elif duration:
            days, hours, minutes, seconds = map(int, duration.groups())
            seconds += 60 * (minutes + 60 * (hours + 24 * days))
            self.duration_ns = seconds * 1e9 if hours >= 0 else None
        elif index:
            self.columns = [self._column(line, name) for name in index[1].split()]
            if len({column.name for column in self.columns}) < len(self.columns):
                raise self._wrong(line, "a column stands twice")
        elif _NO_INDEX.fullmatch(row):
            what = "columns without `Index`: recorded with --no-index, the width of a bucket is not in it"
            raise ReaderError(self.path, line, what, "Record it without --no-index")
        else:
            raise self._wrong(line, f"{printable(row, 60)!r} in the head of the histogram")

    def _column(self, line: int, name: str) -> Column:
        prefix, _, cpu = name.partition("-")
        context = CONTEXTS.get(prefix)
        if context is None or (context == "noise") != (self.tool == "osnoise"):
            raise self._wrong(line, f"{printable(name, 40)!r} is no column of {self.tool} hist")
        return Column(name, context, int(cpu))

    def _row(self, line: int, cells: list[str]) -> None:
        if len(cells) != len(self.columns) + 1:
            raise self._wrong(line, f"{len(cells) - 1} values for {len(self.columns)} columns")
        index = whole(self.path, line, "the index", cells[0], high=2**53)
        if self.rows and index <= next(reversed(self.rows)):
            raise self._wrong(line, f"the index {index} does not rise")
        named = zip(self.columns, cells[1:], strict=True)
        self.rows[index] = [whole(self.path, line, column.name, cell, high=2**62) for column, cell in named]

    def _labelled(self, line: int, label: str, rest: str) -> None:
        block = self.total if "max" in self.summary or self.total else self.summary
        words = rest.split()
        last = list(block)[-1] if block else None
        expected = ("over",) if block is self.summary else ("ALL",)
        if last is not None:
            expected = ("count",) if last == "ALL" else (_NEXT.get(last),)
        if label not in expected:
            raise self._wrong(line, f"the line {label}: where rtla prints {expected[0] or 'none'}")
        columns = self.contexts() if block is self.total else [column.name for column in self.columns]
        if not self.columns and words == ["0"]:
            words = []  # of osnoise without a sample since 2024
        if len(words) != len(columns) or (label == "ALL" and [CONTEXTS.get(w) for w in words] != columns):
            raise self._wrong(line, f"{label}: {printable(rest.strip(), 60)!r} for {len(columns)} columns")
        block[label] = (line, words)

    def contexts(self) -> list[str]:
        """The words of the columns, each once, in order."""
        return list(dict.fromkeys(column.context for column in self.columns))

    def figure(self, label: str, at: int) -> float | None:
        """A value of the summary, in the table's unit; None where rtla prints none or a dash."""
        line, words = self.summary.get(label, (None, None))
        if words is None or words[at] == "-":
            return None
        return number(self.path, line, f"{label} of {self.columns[at].name}", words[at]) if words else None

    def mean_of_buckets(self) -> bool:
        """Whether the averages are of an osnoise hist before 2023: whole, and of buckets instead of samples."""
        words = self.summary.get("avg", (0, []))[1]
        return self.tool == "osnoise" and bool(words) and not any("." in word for word in words)

    def _complete(self) -> bool:
        whole_summary = list(self.summary)[-1:] in (["over"], ["max"])
        return whole_summary and (not self.total or "max" in self.total)

    def _wrong(self, line: int, what: str) -> ReaderError:
        return ReaderError(self.path, line, what, AGAIN)
