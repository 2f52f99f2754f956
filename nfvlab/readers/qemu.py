"""Live migrations of QEMU: query-migrate replies and recordings, read into our words and units.

`read_qemu` takes what people have: one reply, a list of polled replies, JSON lines (as `nfvlab record
migration` appends them) or a QMP transcript, each reply wrapped in {"return": …} or not; and recordings of
schema nfvlab-qemu-migration/1. The traps are met here once: times in ms, `mbps` in megabits, `downtime` only
when completed, totals that read 0 right after `completed`, multifd's uncompressed count before QEMU 8.1.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from nfvlab.readers import qemu_recording as parts
from nfvlab.readers.checks import Checker, show
from nfvlab.readers.errors import ReaderError, printable
from nfvlab.readers.files import MAX_BYTES, load_documents
from nfvlab.readers.qemu_polls import POLLS, Row, parse_version, poll_rows, reply_rows
from nfvlab.readers.qemu_words import FIELDS, OUTCOME, to_query_migrate

__all__ = ["POLLS", "RECORDING", "Migration", "read_qemu", "require_completed", "to_query_migrate"]

RECORDING = "nfvlab-qemu-migration/1"


@dataclass(frozen=True)
class Migration:
    """What a file says beside the polls, in ns and bytes; what the file does not say is not there.

    outcome : completed, not_converged (given up), failed, cancelled, none; unfinished: the polls end too soon
    scenario : the knobs that the file has, under the names of `precopy.Params`; capabilities and parameters
        under QEMU's own names
    final : the last totals, in the words of the frame
    measured : pause_ns (STOP to RESUME), source_cpu_ns, destination_cpu_ns …
    wire_bytes, wire : what crossed a played link in all, and by time
    notes : what a reader of the numbers has to know; nothing is corrected in silence
    other : what has no word of ours; of polls one value per row of the frame, under "poll/…"
    """

    path: str
    schema: str | None = None
    name: str | None = None
    repeat: int | None = None
    outcome: str = "none"
    error: str | None = None
    scenario: dict[str, Any] = field(default_factory=dict)
    final: dict[str, Any] = field(default_factory=dict)
    measured: dict[str, Any] = field(default_factory=dict)
    guest: dict[str, Any] = field(default_factory=dict)
    qemu_version: tuple[int, ...] | None = None
    wire_bytes: float | None = None
    wire: pd.DataFrame = field(default_factory=parts.wire_frame, repr=False, compare=False)
    events: pd.DataFrame = field(default_factory=parts.event_frame, repr=False, compare=False)
    notes: tuple[str, ...] = ()
    other: dict[str, Any] = field(default_factory=dict, repr=False)


def read_qemu(path: str | os.PathLike, *, max_bytes: int = MAX_BYTES) -> tuple[pd.DataFrame, Migration]:
    """Polls of one migration (a row each, in the file's order), and everything beside them; or `ReaderError`.

    Columns: poll ("timeline", "final"), t_ns (NaN where no time was recorded), status, and the words of
    `qemu_words.FIELDS` that occur. Host names are dropped.
    """
    documents = load_documents(path, max_bytes=max_bytes)
    check = Checker(documents)
    first = documents.values[0]
    schema = check.text(first, "schema", (0,), required=False) if isinstance(first, dict) else None
    beside: dict[str, Any] = {"other": {}, "scenario": {}}
    if schema == RECORDING:
        if len(documents.values) > 1 or documents.cut_line is not None:
            check.problem((1,), "more follows the recording: it must be alone in its file")
        rows = list(_recording(first, check, beside))
    elif schema in (None, POLLS):
        rows = list(poll_rows(documents.values, schema is not None, check, beside))
    else:
        raise ReaderError(path, 1, f"schema is {show(schema)}; known: {RECORDING}, {POLLS}", "Update nfvlab")
    if documents.cut_line is not None:
        check.notes.append(f"line {documents.cut_line}, the last, is cut off and was left out")
    check.done()
    if not rows:
        raise ReaderError(path, 1, "there is no query-migrate reply in it", "Record while the migration runs")
    return _assemble(documents.path, schema, rows, check.notes, beside)


def require_completed(meta: Migration, *words: str) -> None:
    """`ReaderError` unless the migration completed and its totals or measurements have all the words."""
    if meta.outcome != "completed":
        why = f" ({meta.error})" if meta.error else ""
        remedy = "Leave it out, or record a migration that completes"
        raise ReaderError(meta.path, None, f"the migration's outcome is {meta.outcome}{why}", remedy)
    missing = [word for word in words if word not in meta.final and word not in meta.measured]
    if missing:
        what = f"the migration completed, but the file has no {', '.join(missing)}"
        raise ReaderError(meta.path, None, what, "Record until the last reply after `completed`")


def _recording(doc: dict, check: Checker, beside: dict) -> Iterator[Row]:
    at, other = (0,), beside["other"]
    beside["name"] = check.text(doc, "name", at)
    beside["repeat"] = check.number(doc, "repeat", at, whole=True, required=False)
    beside["outcome"] = check.text(doc, "outcome", at)
    knobs = check.section(doc, "scenario", at)
    if knobs:
        beside["scenario"] = parts.scenario(knobs, check, (0, "scenario"), other)
    qemu = check.section(doc, "qemu", at, required=False, null=True)
    beside["qemu_version"] = parse_version(check.text(qemu, "version", (0, "qemu"), required=False), check)
    parts.rest(qemu, {"version"}, "qemu", other)
    parts.rest(check.section(doc, "host", at, required=False, null=True), set(), "host", other)
    for key, take in {"measured": parts.measured, "guest": parts.guest}.items():
        section = check.section(doc, key, at, required=False, null=True)
        beside[key] = take(section, check, (0, key), other)
    beside["events"] = parts.events(doc, check, at)
    beside["wire"] = parts.wire(doc, check, at)
    beside["wire_bytes"] = check.number(doc, "wire_bytes", at, null=True, required=False)
    known = {"schema", "name", "repeat", "outcome", "scenario", "qemu", "host", "measured", "guest", "events"}
    parts.rest(doc, {*known, "wire_timeline", "wire_bytes", "final", "timeline"}, "recording", other)
    for i, item in enumerate(check.items(doc, "timeline", at)):
        yield from reply_rows(item, check, (0, "timeline", i), "timeline")
    final = check.section(doc, "final", at, null=True)
    if final:
        yield from reply_rows(final, check, (0, "final"), "final")


def _assemble(path, schema, rows: list[Row], notes: list[str], beside: dict):
    """Frame and `Migration` from checked rows: the last totals, the outcome, the notes."""
    data = {
        "poll": [r.poll for r in rows],
        "t_ns": [r.t_ns for r in rows],
        "status": [r.status for r in rows],
    }
    frame = pd.DataFrame(data).astype({"t_ns": float})
    for word in (f.word for f in FIELDS):
        column = [row.words.get(word) for row in rows]
        if any(value is not None for value in column):
            whole = all(isinstance(value, int) for value in column)
            frame[word] = pd.Series(column, dtype="int64" if whole else "float64")
    for key in {key: None for row in rows for key in row.other}:
        beside["other"][f"poll/{key}"] = tuple(row.other.get(key) for row in rows)
    rows = _last_migration(rows, notes)
    outcome = _outcome(beside.pop("outcome", None), rows[-1].status, notes)
    final = _final(rows, notes)
    error = next((row.error for row in reversed(rows) if row.error), None)
    notes += _multifd(final, beside)
    if beside.get("guest", {}).get("crashed_after_migration"):
        notes.append("the guest crashed at the destination after the migration")
    notes = tuple(dict.fromkeys(notes))
    return frame, Migration(path, schema, outcome=outcome, error=error, final=final, notes=notes, **beside)


def _last_migration(rows: list[Row], notes: list[str]) -> list[Row]:
    """The rows of the last migration in the file; a status under way after one that ended begins another."""
    ended = [OUTCOME.get(row.status, "unfinished") not in ("unfinished", "none") for row in rows]
    starts = [i for i in range(1, len(rows)) if ended[i - 1] and not ended[i]]
    if starts:
        what = "the totals and the outcome are of the last, which begins in row"
        notes.append(f"the polls show {len(starts) + 1} migrations: {what} {starts[-1]}")
    return rows[starts[-1] :] if starts else rows


def _outcome(recorded: str | None, status: str, notes: list[str]) -> str:
    """The recorder's word, unless the last status contradicts it."""
    last = OUTCOME.get(status, "unfinished")
    if recorded is None or recorded == last:
        return last
    if recorded != "not_converged" or last == "completed":  # given up while it ran, or cancelled for it
        notes.append(f"the recorded outcome is {printable(recorded)}, the last status {status}")
    return last if recorded == "completed" and last != "unfinished" else recorded


def _final(rows: list[Row], notes: list[str]) -> dict[str, Any]:
    """The last totals; where the last reply has none yet, the last that were not zero, with a note."""
    last, final = f"the last reply ({rows[-1].status})", dict(rows[-1].words)
    if not final.get("transferred_bytes"):
        full = _latest(rows, "transferred_bytes")
        if full is not None:
            final.update({w: v for w, v in rows[full].words.items() if w in _TOTALS})
            notes.append(f"{last} has no totals yet: bytes and pages are those of {_place(rows, full)}")
    if not final.get("total_time_ns"):
        if final.pop("total_time_ns", None) is not None and final.pop("downtime_ns", None) is not None:
            notes.append(f"{last} came before QEMU had computed total-time and downtime: they are left out")
        timed = _latest(rows, "total_time_ns")
        if timed is not None:
            final["total_time_ns"] = rows[timed].words["total_time_ns"]
            notes.append(f"{last} has no total-time yet: it is that of {_place(rows, timed)}")
    return {f.word: final[f.word] for f in FIELDS if f.word in final}


_TOTALS = {f.word for f in FIELDS if f.section != ""}


def _latest(rows: list[Row], word: str) -> int | None:
    return next((i for i in reversed(range(len(rows))) if rows[i].words.get(word)), None)


def _place(rows: list[Row], i: int) -> str:
    return f"row {i} of the polls (status {rows[i].status})"


def _multifd(final: dict[str, Any], beside: dict[str, Any]) -> list[str]:
    """QEMU before 8.1 (commit cbec7eb76879) counts a page that multifd compressed as page_bytes."""
    known = beside.get("qemu_version")
    method = beside["scenario"].get("parameters", {}).get("multifd-compression")
    if not final.get("multifd_bytes") or method == "none" or (known and known >= (8, 1)):
        return []
    if method is None and "parameters" in beside["scenario"]:  # not set: none
        return []
    truth = "; wire_bytes is what crossed the link" if beside.get("wire_bytes") else ""
    sure = "this QEMU counts" if known and method else "if multifd compresses, QEMU before 8.1 counts"
    what = "compressed pages as whole ones in transferred_bytes, multifd_bytes and throughput_bytes_per_s"
    return [f"{sure} {what}{truth}"]
