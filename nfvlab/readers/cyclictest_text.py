"""The histogram that cyclictest -h and -H print, to the terminal or with --histfile to a file.

Standard library only. Rows are a latency and a count a thread; -H adds their sum (until rt-tests 2.5 only where there
are several threads). rt-tests up to 2.5 print every row and `# Total:`; later ones (src/lib/histogram.c) leave out the
rows of zeros and the total, and with it the histogram's end.
"""

import re

from nfvlab.readers.cyclictest_words import Counted
from nfvlab.readers.errors import ReaderError
from nfvlab.readers.files import AGAIN

_ROW = re.compile(r"[0-9]{1,18}(?:\s+[0-9]{1,18})+")
_FOOT = re.compile(
    r"# (Total|Min Latencies|Avg Latencies|Max Latencies|Histogram Overflows|SMIs):((?:\s+[0-9]{1,18})*)"
)
_THREAD = re.compile(r"# Thread ([0-9]{1,6}):((?:\s+[0-9]{1,18})*)(?:\s+# ([0-9]{1,18}) others)?")
_CYCLES = "# Histogram Overflow at cycle number:"
START = "# Histogram"
_SUMMED = ("Total", "Max Latencies", "Histogram Overflows")  # -H adds a value


class Table:
    """Takes the lines of one histogram, then gives the threads."""

    def __init__(self, path):
        self.path, self.start = path, None
        self.rows: list[tuple[int, int, list[int]]] = []
        self.feet: dict[str, tuple[int, list[int]]] = {}
        self.listed: dict[int, tuple[int, list[int], int]] = {}
        self.cycles_line: int | None = None

    def take(self, line: int, row: str) -> bool:
        """Take one line; False if it is none of a histogram's."""
        if _ROW.fullmatch(row):
            if self.feet or self.cycles_line:
                raise ReaderError(self.path, line, "a row below the histogram's end", AGAIN)
            label, *counts = (int(cell) for cell in row.split())
            self.rows.append((line, label, counts))
        elif found := _FOOT.fullmatch(row):
            if found[1] in self.feet:
                raise ReaderError(self.path, line, f"{found[1]!r} stands twice", "Keep one run in a file")
            self.feet[found[1]] = (line, [int(cell) for cell in found[2].split()])
        elif row == _CYCLES:
            self.cycles_line = line
        elif self.cycles_line and (found := _THREAD.fullmatch(row)):
            at = [int(cell) for cell in found[2].split()]
            if int(found[1]) in self.listed:
                raise ReaderError(self.path, line, f"thread {int(found[1])} stands twice", AGAIN)
            self.listed[int(found[1])] = (line, at, int(found[3] or 0))
        else:
            return False
        return True

    def counted(self, asked_end: int | None, notes: list[str]) -> list[Counted]:
        """One `Counted` a thread; everything that the table says twice must agree."""
        threads = self._threads()
        self._check_rows(threads)
        end = self._end(asked_end, notes)
        smallest, mean, largest, beyond = (
            self.feet[name][1]
            for name in ("Min Latencies", "Avg Latencies", "Max Latencies", "Histogram Overflows")
        )
        made = []
        for at in range(threads):
            buckets = {label: counts[at] for _, label, counts in self.rows if counts[at]}
            total = sum(buckets.values())
            if "Total" in self.feet and self.feet["Total"][1][at] != total:
                line, totals = self.feet["Total"]
                what = f"thread {at}: the rows hold {total} samples, # Total says {totals[at]}"
                raise ReaderError(self.path, line, what, AGAIN)
            self._check_listed(at, total, beyond[at])
            made.append(
                Counted(
                    thread=at,
                    cycles=total + beyond[at],
                    low=smallest[at],
                    high=largest[at],
                    mean=float(mean[at]),
                    slack=1.0,
                    buckets=buckets,
                    end=end,
                    overflows=beyond[at],
                    line=self.feet["Min Latencies"][0],
                )
            )
        return made

    def _threads(self) -> int:
        """How many threads there are: # Min Latencies: has one value for each, with -H as well."""
        for name in ("Min Latencies", "Avg Latencies", "Max Latencies", "Histogram Overflows"):
            if name not in self.feet:
                last = self.rows[-1][0] if self.rows else self.start
                raise ReaderError(self.path, last, f"there is no line '# {name}:' (truncated?)", AGAIN)
        threads = len(self.feet["Min Latencies"][1])
        if not threads:
            raise ReaderError(self.path, self.feet["Min Latencies"][0], "there is no thread in it", AGAIN)
        for name, (line, values) in self.feet.items():
            if len(values) == threads:
                continue
            if len(values) != threads + 1 or name not in _SUMMED:
                what = f"# {name}: has {len(values)} values for {threads} threads"
                raise ReaderError(self.path, line, what, AGAIN)
            whole = max(values[:-1]) if name == "Max Latencies" else sum(values[:-1])
            if values[-1] != whole:
                what = f"# {name}: ends in {values[-1]}, the threads give {whole}"
                raise ReaderError(self.path, line, what, AGAIN)
        return threads

    def _check_rows(self, threads: int) -> None:
        wide = len(self.rows[0][2]) if self.rows else threads
        before = -1
        whole = self._zeros()
        for line, label, counts in self.rows:
            wrong = None
            if len(counts) != wide or wide not in (threads, threads + 1):
                wrong = f"{len(counts)} counts for {threads} threads"
            elif label <= before:
                wrong = f"the latency {label} does not come after {before}"
            elif whole and label != before + 1:
                wrong = f"the latency {label} comes after {before}: rows are missing"
            elif wide > threads and counts[-1] != sum(counts[:-1]):
                wrong = f"the sum is {counts[-1]}, the threads give {sum(counts[:-1])}"
            if wrong:
                raise ReaderError(self.path, line, wrong, AGAIN)
            before = label

    def _end(self, asked: int | None, notes: list[str]) -> int:
        """The first latency beyond the histogram."""
        after = self.rows[-1][1] + 1 if self.rows else 0
        if "Total" not in self.feet:
            notes.append("without '# Total:' only the mean would show that a row is lost")
        every_row = after == len(self.rows) and (self._zeros() or "Total" in self.feet)
        if every_row or (asked is not None and asked >= after):
            return after if every_row else asked
        if any(self.feet["Histogram Overflows"][1]):
            notes.append("rows of zeros are left out: overflows are taken to begin after the last row")
        return after

    def _zeros(self) -> bool:
        """Whether there is a row without a sample: then this version prints every row."""
        return any(not any(counts) for _, _, counts in self.rows)

    def _check_listed(self, thread: int, total: int, overflows: int) -> None:
        """The cycle numbers of the overflows: as many as there are, rising, below the number of cycles."""
        if self.cycles_line is None:
            return
        if thread not in self.listed:
            what = f"thread {thread} has no line of cycle numbers (truncated?)"
            raise ReaderError(self.path, self.cycles_line, what, AGAIN)
        line, at, others = self.listed[thread]
        wrong = None
        if len(at) + others != overflows:
            wrong = f"{len(at) + others} cycle numbers for {overflows} overflows"
        elif not _rising(at) or (at and at[-1] >= total + overflows):
            wrong = f"the cycle numbers do not rise from 0 to {total + overflows - 1}"
        if wrong:
            raise ReaderError(self.path, line, f"thread {thread}: {wrong}", AGAIN)


def _rising(values: list[int]) -> bool:
    return all(a < b for a, b in zip(values, values[1:], strict=False))
