"""pqos of intel-cmt-cat: monitored occupancy, bandwidth and misses by cores or processes, in our words and units.

`read_pqos` takes the text, CSV and XML that `pqos -m …` and `pqos -p …` write, of any year. The configuration that
`pqos -s` prints is read by `pqos_config.read_pqos_config`.
"""

import math
import os
from dataclasses import dataclass
from datetime import datetime

import pandas as pd

from nfvlab.readers.errors import ReaderError, printable
from nfvlab.readers.files import AGAIN, MAX_BYTES, load_text
from nfvlab.readers.pqos_config import looks_like_config
from nfvlab.readers.pqos_files import csv_rows, looks_like_csv, looks_like_xml, xml_rows
from nfvlab.readers.pqos_text import Row, looks_like_text, text_rows
from nfvlab.readers.pqos_words import CSV, IDENTITIES, TEXT

_ORDER = list(dict.fromkeys(column.word for column in (*TEXT.values(), *CSV.values())))


@dataclass(frozen=True)
class Pqos:
    """What stands beside the rows.

    format : text, csv or xml
    start : local time of the first sample, as printed; None if pqos printed none
    samples : how often it sampled
    """

    path: str
    format: str
    start: str | None
    samples: int
    notes: tuple[str, ...] = ()


def read_pqos(path: str | os.PathLike, *, max_bytes: int = MAX_BYTES) -> tuple[pd.DataFrame, Pqos]:
    """A row per sample and group of cores (or process), and what stands beside; or `ReaderError`.

    Columns: sample (from 0), t_ns (since the first sample, by the printed time, which has whole seconds), the
    identities that the file has of cores ("0-3,8"), cores_cut (the text cut the list to 8 characters, or may have),
    pid, socket, rmid, channel, and the measured words of `pqos_words`: ipc_ratio, llc_misses_count,
    llc_occupancy_bytes, mbm_local_bytes_per_s, mbm_remote_bytes_per_s, mbm_total_bytes_per_s …; NaN where the group
    was not monitored for it. Counts are of one interval.
    """
    text = load_text(path, max_bytes=max_bytes)
    notes: list[str] = []
    if looks_like_xml(text):
        form, rows = "xml", xml_rows(path, text)
    elif looks_like_csv(text):
        form, rows = "csv", csv_rows(path, text, notes)
    elif looks_like_text(text):
        form, rows = "text", text_rows(path, text, notes)
    elif looks_like_config(text):
        raise ReaderError(
            path, None, "the configuration that pqos -s prints", "Read it with read_pqos_config"
        )
    else:
        raise ReaderError(path, 1, "no output of pqos -m", "Give its text, CSV or XML")
    found = list(rows)
    if not found:
        raise ReaderError(path, None, "there is no row in it", "Let pqos run for an interval at least")
    return _assemble(path, form, found, notes)


def _assemble(path, form: str, rows: list[Row], notes: list[str]) -> tuple[pd.DataFrame, Pqos]:
    times = _times(path, rows, notes)
    words = list(dict.fromkeys(word for *_, row in rows for word in row if word != "cut"))
    order = [*IDENTITIES, *_ORDER, *words]
    words.sort(key=order.index)
    data: dict[str, list] = {"sample": [block for _, block, *_ in rows], "t_ns": times}
    for word in words:
        data[word] = [
            row.get(word, "" if word in ("cores", "pid", "channel") else math.nan) for *_, row in rows
        ]
        if word in ("cores", "pid") and form == "text" and "cores_cut" not in data:
            data["cores_cut"] = [row.get("cut", False) for *_, row in rows]
    frame = pd.DataFrame(data).astype({"t_ns": float})
    keys = ["sample", *(word for word in IDENTITIES if word in frame)]
    if frame.duplicated(keys).any():
        notes.append(
            "two rows of one sample have the same name: the text cuts a list of cores to 8 characters"
        )
    if frame.get("cores_cut", pd.Series(dtype=bool)).any():
        notes.append("lists of 8 characters may be cut (cores_cut); -u csv writes them whole")
    start = rows[0][2] if not math.isnan(times[0]) else None
    samples = int(frame["sample"].nunique())
    return frame, Pqos(printable(os.fsdecode(path), 4096), form, start, samples, tuple(dict.fromkeys(notes)))


def _times(path, rows: list[Row], notes: list[str]) -> list[float]:
    """Nanoseconds since the first printed time; NaN where pqos printed `error`."""
    known: dict[str, datetime | None] = {"error": None}
    for line, _, time, _ in rows:
        if time not in known:
            try:
                known[time] = datetime.strptime(time, "%Y-%m-%d %H:%M:%S")
            except ValueError:
                what = f"the time is {printable(time, 40)!r}, not YYYY-MM-DD HH:MM:SS"
                raise ReaderError(path, line, what, AGAIN) from None
    dated = [known[time] for _, _, time, _ in rows]
    zero = next((time for time in dated if time is not None), None)
    made = [math.nan if time is None else (time - zero).total_seconds() * 1e9 for time in dated]
    by_block = dict(zip((block for _, block, *_ in rows), made, strict=True))
    if any(b < a for a, b in zip(list(by_block.values())[:-1], list(by_block.values())[1:], strict=True)):
        notes.append("the printed time goes back between samples (the clock was set, or summer time ended)")
    if len(set(by_block.values())) < len(by_block):
        notes.append("several samples have the same printed time: it has whole seconds only")
    return made
