"""perf stat as fields (`perf stat -x,`): counts over time, by CPU or socket, in our words and units."""

import os
import re
from dataclasses import dataclass

import pandas as pd

from nfvlab.readers.errors import ReaderError, printable
from nfvlab.readers.files import MAX_BYTES, load_text
from nfvlab.readers.perf_line import guess_separator, take
from nfvlab.readers.perf_words import CQM_EVENTS

_STARTED = re.compile(r"# started on (.+)")


@dataclass(frozen=True)
class PerfStat:
    """What stands beside the rows.

    separator : what stands between the fields
    interval : whether the file has times (-I): then a count is what its interval added, but of a level
    started : what the comment line says, None without
    """

    path: str
    separator: str
    interval: bool
    started: str | None
    notes: tuple[str, ...] = ()


def read_perf_stat(
    path: str | os.PathLike, *, separator: str | None = None, max_bytes: int = MAX_BYTES
) -> tuple[pd.DataFrame, PerfStat]:
    """A row per count, and what stands beside; or `ReaderError`.

    separator : of `-x`; found in the file if None
    Columns: t_ns (NaN without -I), where ("" for the whole, CPU0, S0, S0-D0-C1, comm-pid), units_count (CPUs in it, NaN
    where not printed), event, value (in our unit, NaN unless counted), suffix ("_bytes", "_ns", "_count", or "" where
    perf's unit has no word of ours), unit (as perf prints it), status ("counted", "not counted", "not supported"),
    cgroup, variance_frac, run_ns, running_frac (below 1 the count is scaled up), metrics (a tuple of (value, unit)).
    """
    text = load_text(path, max_bytes=max_bytes)
    lines = [(n, row.rstrip("\r")) for n, row in enumerate(text.split("\n"), start=1)]
    if not text.endswith("\n"):
        what = "the last line has no end: it may be cut"
        raise ReaderError(
            path, lines[-1][0], what, "End the file with a line feed if it is whole, or record it again"
        )
    started, rows, notes = None, [], []
    separator = separator or guess_separator(text)
    if not separator:
        raise ReaderError(path, *_stranger(lines))
    for line, row in lines:
        if not row.strip():
            continue
        if row.startswith("#"):
            found = _STARTED.fullmatch(row)
            started = printable(found[1], 80) if found else started
            if not found and row.count(separator) > 1 and separator != " ":
                raise ReaderError(
                    path, line, "a comment that looks like a count", "Take the # away, or the line"
                )
            notes += [] if found else [f"left out: the comment {printable(row, 80)!r}"]
        else:
            take(path, line, row.split(separator), rows, separator)
    if not rows:
        raise ReaderError(path, None, "there is no count in it", "Give what perf stat -x, wrote")
    return _assemble(path, separator, started, rows, notes)


def _stranger(lines: list[tuple[int, str]]) -> tuple[int, str, str]:
    line, row = next(((n, row) for n, row in lines if row.strip() and not row.startswith("#")), lines[0])
    if row.lstrip().startswith('{"'):
        return line, "perf stat -j (JSON)", "Record it with perf stat -x,"
    if "Performance counter stats" in row or re.fullmatch(r" +[0-9.,]+ .*", row):
        return line, "perf stat for people to read", "Record it with perf stat -x,"
    return line, f"{printable(row, 60)!r} is no line of perf stat -x", "Record it with perf stat -x,"


def _assemble(path, separator: str, started: str | None, rows: list[dict], notes: list[str]):
    order = [
        "t_ns",
        "where",
        "units_count",
        "event",
        "value",
        "suffix",
        "unit",
        "status",
        "cgroup",
        "variance_frac",
    ]
    frame = pd.DataFrame(rows)[[*order, "run_ns", "running_frac", "metrics"]].astype(
        {"t_ns": float, "value": float}
    )
    interval = bool(frame["t_ns"].notna().any())
    if (frame["t_ns"].diff() < 0).any():
        line = rows[int((frame["t_ns"].diff() < 0).idxmax())]["line"]
        raise ReaderError(path, line, "the time goes back", "Keep one run of perf in a file")
    for status in ("not counted", "not supported"):
        lost = sorted(set(frame.loc[frame["status"] == status, "event"]))
        notes += [f"{status}: {', '.join(lost)}"] if lost else []
    if (frame["running_frac"] < 1).any():
        notes.append("some counts are scaled up: their events shared a counter (running_frac below 1)")
    for unit in sorted(set(frame.loc[frame["suffix"] == "", "unit"])):
        notes.append(f"the unit {unit!r} is left as perf prints it")
    bare = set(frame.loc[frame["unit"] == "", "event"]) & set(CQM_EVENTS)
    if bare:
        notes.append(f"{', '.join(sorted(bare))}: without a unit perf printed the bare count, unscaled")
    name = printable(os.fsdecode(path), 4096)
    return frame, PerfStat(name, separator, interval, started, tuple(dict.fromkeys(notes)))
