"""rtla timerlat hist and rtla osnoise hist: latencies of a timer, and noise, of every CPU in buckets.

timerlat: from the time a timer was to expire to its IRQ handler (irq), to the thread that it wakes (thread) and to
user space (user). rtla divides by its unit, cuts the fraction off, and counts v under v // width.
osnoise: how long one interruption of a busy loop lasted (noise). The kernel counts in buckets and rtla reads their
lower ends: minimum, maximum and average are of lower ends too.
"""

import dataclasses
import os
import re
from dataclasses import dataclass

import pandas as pd

from nfvlab.readers.errors import ReaderError, printable
from nfvlab.readers.files import MAX_BYTES, load_text
from nfvlab.readers.latency import COLUMNS, Histogram, LatencyMeta, LatencyThread, latency_frame
from nfvlab.readers.rtla_checks import bucket_width, check_averages, check_extremes, check_total
from nfvlab.readers.rtla_table import Table

__all__ = ["RtlaMeta", "looks_like_rtla", "one_context", "read_rtla"]

KINDS = {
    "irq": "timer IRQ latency",
    "thread": "timer thread latency",
    "user": "timer user-space latency",
    "noise": "interruption",
}


@dataclass(frozen=True, kw_only=True)
class RtlaMeta(LatencyMeta):
    """What stands beside the rows; contexts: what each of `threads` counts (irq, thread, user, noise)."""

    contexts: tuple[str, ...] = ()


def looks_like_rtla(text: str) -> bool:
    """Whether a line of it begins a histogram of rtla."""
    return bool(re.search(r"# RTLA (?:timerlat|osnoise) histogram\r?$", text, re.MULTILINE))


def read_rtla(path: str | os.PathLike, *, max_bytes: int = MAX_BYTES) -> tuple[pd.DataFrame, RtlaMeta]:
    """A row per column of rtla and bucket, and what stands beside; or `ReaderError`.

    Columns: thread (number of the column, its CPU in `meta.threads`), low_ns, high_ns, count, context (irq, thread,
    user of timerlat, noise of osnoise). The bucket of overflows begins where the rows end, and ends at the maximum
    (inf without a summary). The width of a bucket is not in the file: it is the widest that all figures allow.
    """
    text = load_text(path, max_bytes=max_bytes)
    rows = text.split("\n")
    if rows.pop():
        what = "the last line has no end: it may be cut"
        raise ReaderError(
            path, len(rows) + 1, what, "End the file with a line feed if it is whole, or record it again"
        )
    table = Table(path)
    for line, row in enumerate(rows, start=1):
        table.take(line, row.strip())
    table.done(len(rows))
    width, notes = bucket_width(table)
    check_extremes(table, width)
    frame = latency_frame(path, [_histogram(table, at, width) for at in range(len(table.columns))])
    check_averages(table, width)
    check_total(table)
    meta = _meta(path, table, notes)
    names = dict(enumerate(meta.contexts))
    return frame.assign(context=frame["thread"].map(names).astype("str")), meta


def one_context(frame: pd.DataFrame, meta: RtlaMeta, context: str) -> tuple[pd.DataFrame, RtlaMeta]:
    """The rows and threads of one context, with the columns of every latency tool; ValueError for one not there."""
    if context not in meta.contexts:
        there = ", ".join(dict.fromkeys(meta.contexts)) or "none"
        raise ValueError(f"context {context!r} is not in this recording; it has: {there}")
    kept = [at for at, found in enumerate(meta.contexts) if found == context]
    rows = frame.loc[frame["context"] == context, list(COLUMNS)].reset_index(drop=True)
    threads = tuple(meta.threads[at] for at in kept)
    return rows, dataclasses.replace(
        meta, threads=threads, contexts=(context,) * len(kept), kind=KINDS[context]
    )


def _histogram(table: Table, at: int, width: int) -> Histogram:
    unit = table.unit_ns
    rows = [(index, counts[at]) for index, counts in table.rows.items()]
    low, count = [index * unit for index, _ in rows], [n for _, n in rows]
    high = [(index + width) * unit for index, _ in rows]
    about = _about(table, at)
    if about.overflows:
        most = table.figure("max", at)
        step = width if table.tool == "osnoise" else 1
        low.append((max(table.rows, default=-width) + width) * unit)
        high.append(float("inf") if most is None else (most + step) * unit)
        count.append(about.overflows)
    return Histogram(about=about, low_ns=low, high_ns=high, count=count, line=table.summary["over"][0])


def _about(table: Table, at: int) -> LatencyThread:
    over = int(table.figure("over", at))
    inside = sum(counts[at] for counts in table.rows.values())
    said = table.figure("count", at)
    taken = inside + over if said is None else int(said)
    known = {label: table.figure(label, at) for label in ("min", "avg", "max")} if taken else {}
    if table.mean_of_buckets():
        known["avg"] = None
    values = {label: None if value is None else value * table.unit_ns for label, value in known.items()}
    return LatencyThread(
        thread=at,
        cpu=table.columns[at].cpu,
        cycles=taken,
        min_ns=values.get("min"),
        max_ns=values.get("max"),
        mean_ns=values.get("avg"),
        overflows=over,
        duration_ns=table.duration_ns,
    )


def _meta(path, table: Table, notes: list[str]) -> RtlaMeta:
    notes += [f"rtla said: {printable(row, 80)}" for row in table.around[:8]]
    if len(table.around) > 8:
        notes.append(f"left out: {len(table.around) - 8} more lines around the histogram")
    if not table.columns:
        notes.append("no CPU has a sample")
    if "count" not in table.summary:
        notes.append("no summary: extremes and averages are not known")
    if table.mean_of_buckets():
        notes.append("averages are left out: this rtla adds up buckets, not samples")
    return RtlaMeta(
        path=printable(os.fsdecode(path), 4096),
        tool=f"rtla {table.tool} hist",
        form="histogram",
        kind="timer latency" if table.tool == "timerlat" else KINDS["noise"],
        resolution_ns=table.unit_ns,
        threads=tuple(_about(table, at) for at in range(len(table.columns))),
        contexts=tuple(column.context for column in table.columns),
        notes=tuple(dict.fromkeys(notes)),
    )
