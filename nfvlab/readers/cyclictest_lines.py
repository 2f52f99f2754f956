"""The lines of cyclictest without a histogram: T: lines, once at the end or as a screen that refreshes, and -v values.

Standard library only. The widths of Act: and Avg: tell the unit: 5 characters for microseconds, 8 for nanoseconds (-N),
in every version (print_stat).
"""

import re
from collections import Counter

from nfvlab.readers.cyclictest_words import Counted
from nfvlab.readers.errors import ReaderError, printable
from nfvlab.readers.files import AGAIN
from nfvlab.units import us

_N = "-?[0-9]{1,18}"
_STAT = re.compile(
    rf"T: ?([0-9]{{1,6}}) \( *([0-9]+)\) P: ?([0-9]+) I:([0-9]+) C: *({_N}) "
    rf"Min: *({_N}) Act:( *{_N}) Avg:( *{_N}) Max: *({_N})(?: SMI: *[0-9]+)?"
)
_SPIKE = re.compile(r"T: ?[0-9]+ Spike: *[0-9]+: TS: *[0-9]+")
_VALUE = re.compile(rf"([0-9]{{1,6}}): *([0-9]{{1,18}}): *({_N})(?: +[0-9]+)?")
_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def lines_of(text: str) -> list[tuple[int, str]]:
    """(line number, line) without what only moves a terminal's cursor; what follows a \\r replaces what is before."""
    clean = _ESCAPE.sub("", text)
    rows = (row.rstrip("\r").rsplit("\r", 1)[-1].strip() for row in clean.split("\n"))
    return list(enumerate(rows, start=1))


class Screen:
    """Takes T: lines; the last one of a thread counts."""

    def __init__(self, path):
        self.path = path
        self.last: dict[int, tuple[int, re.Match]] = {}
        self.evidence: list[tuple[str, str, int | None]] = []

    def take(self, line: int, row: str) -> bool:
        """Take one line; False if it is no T: line."""
        if not row.startswith("T:"):
            return False
        found = _STAT.fullmatch(row)
        if not found:
            if _SPIKE.fullmatch(row):
                return False
            what = f"{printable(row, 80)!r} is no whole T: line"
            raise ReaderError(self.path, line, what, AGAIN)
        for name, cell in zip(
            ("cycles", "minimum", "latency", "mean", "maximum"), found.groups()[4:9], strict=True
        ):
            if cell.strip().startswith("-"):
                raise ReaderError(self.path, line, f"the {name} is {cell.strip()}, below 0", AGAIN)
        thread = int(found[1])
        before = self.last.get(thread)
        if before and int(found[5]) < int(before[1][5]):
            what = f"thread {thread} has {found[5]} cycles after {before[1][5]}"
            raise ReaderError(self.path, line, what, "Keep one run in a file")
        self.last[thread] = (line, found)
        self._note_unit(line, found)
        return True

    def about(self, thread: int) -> dict:
        """Words of `LatencyThread` that only these lines have."""
        if thread not in self.last:
            return {}
        found = self.last[thread][1]
        return {"priority": int(found[3]), "interval_ns": int(found[4]) * us}

    def counted(self) -> list[Counted]:
        """One `Counted` a thread: all its samples between its smallest and its largest latency."""
        missing = sorted(set(range(max(self.last) + 1)) - set(self.last))
        if missing:
            what = f"there is no line of thread {missing[0]}"
            raise ReaderError(self.path, max(line for line, _ in self.last.values()), what, AGAIN)
        return [self._counted(thread, *self.last[thread]) for thread in sorted(self.last)]

    def _counted(self, thread: int, line: int, found: re.Match) -> Counted:
        cycles, low, now, mean, high = (int(found[at]) for at in (5, 6, 7, 8, 9))
        if cycles and now > high:
            what = f"thread {thread}: the latest latency is {now}, above the largest, {high}"
            raise ReaderError(self.path, line, what, AGAIN)
        return Counted(
            thread=thread,
            cycles=cycles,
            low=low,
            high=high,
            mean=float(mean),
            slack=1.0
            + high / max(cycles, 1),  # a screen may have counted a sample in the sum and not yet as a cycle
            overflows=cycles,
            about=self.about(thread),
            line=line,
        )

    def _note_unit(self, line: int, found: re.Match) -> None:
        widths = {len(cell) for cell in (found[7], found[8])}
        for width, unit in ((5, "us"), (8, "ns")):
            padded = any(len(cell) == width and cell.startswith(" ") for cell in (found[7], found[8]))
            if (padded or widths == {5}) and width in widths and not self.evidence:
                self.evidence.append((unit, f"Act: and Avg: are {width} characters wide", line))


class Values:
    """Takes the lines of -v: thread, cycle, latency."""

    def __init__(self, path):
        self.path = path
        self.latencies: dict[int, Counter] = {}
        self.next: dict[int, int] = {}
        self.lines: dict[int, int] = {}

    def take(self, line: int, row: str) -> bool:
        """Take one line; False if it is none of -v."""
        found = _VALUE.fullmatch(row)
        if not found:
            return False
        thread, cycle, latency = int(found[1]), int(found[2]), int(found[3])
        if latency < 0:
            raise ReaderError(self.path, line, f"the latency is {latency}, below 0", AGAIN)
        if cycle != self.next.get(thread, 0):
            what = f"thread {thread}: cycle {cycle} stands where {self.next.get(thread, 0)} belongs"
            raise ReaderError(
                self.path, line, what, "Record every cycle: without -o, and no slower than it prints"
            )
        self.next[thread] = cycle + 1
        self.latencies.setdefault(thread, Counter())[latency] += 1
        self.lines[thread] = line
        return True

    def counted(self) -> list[Counted]:
        """One `Counted` a thread, from all its latencies."""
        return [
            Counted(
                thread=thread,
                cycles=sum(seen.values()),
                low=min(seen),
                high=max(seen),
                mean=sum(latency * count for latency, count in seen.items()) / sum(seen.values()),
                slack=0.0,
                buckets=dict(sorted(seen.items())),
                end=None,
                line=self.lines[thread],
            )
            for thread, seen in sorted(self.latencies.items())
        ]
