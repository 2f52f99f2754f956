"""Latencies that a tool has counted in buckets: one frame for every tool, and what stands beside it.

A bucket [low_ns, high_ns) has the latencies that the tool cannot tell apart. Tools round: `resolution_ns` is the step,
`min_ns`, `max_ns` and `mean_ns` are what they print, so that a printed maximum of 7 µs, rounded down, is below 8 µs.
A bucket without a sample has no row. All samples of a thread are in its rows; `latency_frame` refuses others.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from nfvlab.readers.checks import LARGEST, Checker
from nfvlab.readers.errors import ReaderError, printable
from nfvlab.readers.files import AGAIN, Documents
from nfvlab.readers.locate import line_at, walk

COLUMNS = ("thread", "low_ns", "high_ns", "count")


@dataclass(frozen=True, kw_only=True)
class LatencyThread:
    """What a tool says of one thread (or CPU); None where it does not.

    cycles : samples taken, all of them
    min_ns, max_ns, mean_ns : as printed, None without a sample
    overflows : samples beyond the tool's histogram
    interval_ns : from one wake-up to the next
    duration_ns : how long it ran
    last_sum_ns : all samples of its last bucket added up, at least and at most, where the mean tells that
    """

    thread: int
    cpu: int | None = None
    cycles: int | None = None
    min_ns: float | None = None
    max_ns: float | None = None
    mean_ns: float | None = None
    overflows: int | None = None
    interval_ns: float | None = None
    priority: int | None = None
    duration_ns: float | None = None
    last_sum_ns: tuple[float, float] | None = None


@dataclass(frozen=True, kw_only=True)
class LatencyMeta:
    """What stands beside the rows.

    form : which of the tool's outputs it was: "json", "histogram", "summary", "samples" …
    kind : what a latency is: "wake-up latency", "interruption", "timer IRQ latency" …
    resolution_ns : the step the tool rounds to
    realtime : whether the kernel says that it is PREEMPT_RT
    bias_ns : what the tool subtracted from every sample before it chose the bucket, and added to the bucket's name
    """

    path: str
    tool: str
    form: str
    kind: str
    resolution_ns: float
    threads: tuple[LatencyThread, ...]
    version: str | None = None
    command: str | None = None
    started: str | None = None
    kernel: str | None = None
    realtime: bool | None = None
    bias_ns: float | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Histogram:
    """One thread's buckets, rising, and the line to blame.

    low_ns, high_ns, count : one value a bucket; buckets of count 0 are left out of the frame
    """

    about: LatencyThread
    low_ns: Sequence[float] = ()
    high_ns: Sequence[float] = ()
    count: Sequence[int] = field(default=(), repr=False)
    line: int | None = None


def latency_frame(path: str | os.PathLike, histograms: Sequence[Histogram]) -> pd.DataFrame:
    """A row per thread and bucket with samples: thread, low_ns, high_ns, count; or `ReaderError`.

    Refused are buckets that overlap or fall, and a thread whose counts are not its cycles (where those are known).
    """
    parts = [_rows(path, histogram) for histogram in histograms]
    seen = [histogram.about.thread for histogram in histograms]
    for histogram in histograms:
        if seen.count(histogram.about.thread) > 1:
            what = f"thread {histogram.about.thread} stands twice"
            raise ReaderError(path, histogram.line, what, AGAIN)
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)] if parts else [[], [], [], []]
    frame = pd.DataFrame(dict(zip(COLUMNS, columns, strict=True)))
    return frame.astype({"thread": "int64", "low_ns": float, "high_ns": float, "count": "int64"})


def _rows(path: str | os.PathLike, histogram: Histogram) -> tuple[np.ndarray, ...]:
    about, line = histogram.about, histogram.line
    total = sum(histogram.count)
    if about.cycles is not None and total != about.cycles:
        what = f"thread {about.thread}: the buckets hold {total} samples, but {about.cycles} were taken"
        raise ReaderError(path, line, what, AGAIN)
    if total > LARGEST or min(histogram.count, default=0) < 0:
        what = f"thread {about.thread}: a count is below 0, or above {LARGEST} in all"
        raise ReaderError(path, line, what, AGAIN)
    count = np.asarray(histogram.count, dtype=np.int64)
    low, high = np.asarray(histogram.low_ns, dtype=float), np.asarray(histogram.high_ns, dtype=float)
    wrong = np.flatnonzero(~(low < high))
    if wrong.size:
        what = f"thread {about.thread}: a bucket from {low[wrong[0]]:g} to {high[wrong[0]]:g} ns"
        raise ReaderError(path, line, what, AGAIN)
    wrong = np.flatnonzero(high[:-1] > low[1:])
    if wrong.size:
        at = wrong[0] + 1
        what = f"thread {about.thread}: the bucket from {low[at]:g} ns overlaps the one before it"
        raise ReaderError(path, line, what, AGAIN)
    kept = count > 0
    return np.full(int(kept.sum()), about.thread), low[kept], high[kept], count[kept]


def check_mean(
    path: str | os.PathLike,
    line: int | None,
    about: LatencyThread,
    *,
    least_ns: float,
    most_ns: float,
    slack_ns: float,
) -> None:
    """Refuse a printed mean that the counts do not allow.

    least_ns, most_ns : the smallest and largest sum of all samples that the counts allow
    slack_ns : how far the printed mean may be from the exact one, by its rounding
    """
    if about.mean_ns is None or not about.cycles:
        return
    slack_ns += 1e-9 * abs(about.mean_ns)
    low, high = least_ns / about.cycles, most_ns / about.cycles
    if not low - slack_ns <= about.mean_ns <= high + slack_ns:
        what = f"thread {about.thread}: the mean is {about.mean_ns:g} ns, but by the counts it is "
        what += f"{low:g} ns" if low == high else f"from {low:g} to {high:g} ns"
        raise ReaderError(path, line, what, AGAIN)


def options(command: str, values: str, optional: str, names: Mapping[str, str]) -> dict[str, str]:
    """The options of a command line as getopt_long takes them: {letter: value, "" for a flag}; the last one counts.

    values, optional : the letters that take a value, and those that take one only in the same word
    names : {long name: its letter}
    """
    found: dict[str, str] = {}
    words = iter(command.split()[1:])
    for word in words:
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            letter = names.get(name)
            if letter and letter in values and not equals:
                value = next(words, "")
            if letter:
                found[letter] = value
        elif word.startswith("-"):
            for at, letter in enumerate(word[1:], start=2):
                if letter in values or letter in optional:
                    found[letter] = word[at:] or (next(words, "") if letter in values else "")
                    break
                found[letter] = ""
    return found


def count_of(value: str | None) -> int | None:
    """The whole number that an option's value is, None for anything else."""
    return int(value) if value and len(value) <= 18 and value.isascii() and value.isdigit() else None


def thread_lines(documents: Documents, key: str) -> dict[str, int]:
    """{name: line} of the objects in the first document's object `key`."""
    places = (
        (at[2], offset) for at, _, offset in walk(documents.text) if len(at) == 3 and at[:2] == (0, key)
    )
    return {name: line_at(documents.text, offset) for name, offset in places}


def rt_tests_header(check: Checker, document: dict) -> dict:
    """What rt-tests (src/lib/rt-utils.c, rt_write_json) say of a run, as words of `LatencyMeta`; no host name."""
    said = {
        key.removesuffix(":"): key for key in document
    }  # "cmdline:" and "rt_test_version:" have a colon inside
    system = check.section(document, "sysinfo", (0,), required=False)
    realtime = check.number(system, "realtime", (0, "sysinfo"), whole=True, required=False, high=1)
    texts = {
        "command": check.text(document, said.get("cmdline", "cmdline"), (0,), required=False),
        "version": check.text(document, said.get("rt_test_version", "rt_test_version"), (0,), required=False),
        "started": check.text(document, "start_time", (0,), required=False),
        "kernel": check.text(system, "release", (0, "sysinfo"), required=False),
    }
    made = {word: None if text is None else printable(text, 4096) for word, text in texts.items()}
    return made | {"realtime": None if realtime is None else bool(realtime)}
