"""Compressed sizes of memory pages, page by page, and the speeds they were made with.

What `nfvlab measure compression` writes and data/compression/calgary_4kib.csv are both such tables; the second has
sizes alone. `compression_lines` tells what a line holds.
"""

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from nfvlab.readers.checks import Checker, show
from nfvlab.readers.compression_lines import (
    MOST_BUFFER,
    PAGE_BYTES,
    RATES,
    SCHEMA,
    Table,
    looks_like_compression,
    parse_table,
)
from nfvlab.readers.errors import ReaderError, printable
from nfvlab.readers.files import AGAIN, load_text, parse_documents

if TYPE_CHECKING:
    import pandas

__all__ = ["CompressionMeta", "Speed", "looks_like_compression", "read_compression"]

_COUNTS = ("file_pages", "hole_pages", "asked_pages", "seed", "repeats")


class Speed(NamedTuple):
    """How fast a method is on one core, in CPU time, in bytes of pages (not of what they become) a second.

    setup_ns : CPU time of a call that compresses nothing: what a call costs beside its bytes; the speeds contain it
    """

    compress_bytes_per_s: float
    decompress_bytes_per_s: float
    setup_ns: float


@dataclass(frozen=True)
class CompressionMeta:
    """Where a table comes from; None where it does not say.

    buffer_bytes : what was compressed at a time; of a buffer of several pages each page's row has its share
    speeds : {method: Speed}, empty for a table of sizes alone and for one that was cut off
    libraries : {method: library and version}
    file, format : name of the file that was measured; "raw" or "ELF core"
    file_pages : pages of memory in it; of them hole_pages are zero because the file has a hole there
    drawn_pages : pages that were drawn from the others; of them zero_pages were zero and have no row
    outcome : "complete", "stopped" by a signal, "cut off" without an end, None without a head
    """

    path: str
    methods: tuple[str, ...]
    buffer_bytes: int = PAGE_BYTES
    speeds: dict[str, Speed] = field(default_factory=dict)
    libraries: dict[str, str] = field(default_factory=dict)
    file: str | None = None
    format: str | None = None
    cpu: str | None = None
    file_pages: int | None = None
    hole_pages: int | None = None
    asked_pages: int | None = None
    drawn_pages: int | None = None
    zero_pages: int | None = None
    seed: int | None = None
    repeats: int | None = None
    outcome: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def zero_frac(self) -> float:
        """Share of zero pages in the file, those of the sample scaled up to what is no hole; NaN if not told."""
        if self.drawn_pages is None:
            return float("nan")
        rest = self.file_pages - self.hole_pages
        return (self.hole_pages + rest * self.zero_pages / self.drawn_pages) / self.file_pages


def read_compression(path: str | os.PathLike) -> tuple["pandas.DataFrame", CompressionMeta]:
    """(one row a page that is not zero, by page number: `page`, `<method>_bytes`; where they come from).

    `ReaderError` for a file that is no such table, or a damaged one.
    """
    import pandas as pd

    table = parse_table(path, load_text(path))
    if not table.rows:
        raise ReaderError(path, None, "there is no page in it", AGAIN)
    _distinct(path, table)
    meta = _meta(path, table)
    columns = ["page", *(f"{name}_bytes" for name in table.methods)]
    frame = pd.DataFrame(table.rows, columns=columns, dtype="int64")
    return frame.sort_values("page", ignore_index=True), meta


def _distinct(path, table: Table) -> None:
    seen: set[int] = set()
    for line, (page, *_) in enumerate(table.rows, 2 if table.head is None else 3):
        if page in seen:
            raise ReaderError(
                path, line, f"page {page} stands twice", "Keep one of the two, or measure again"
            )
        seen.add(page)


def _meta(path, table: Table) -> CompressionMeta:
    plain = {"path": printable(os.fsdecode(path)), "methods": table.methods}
    if table.head is None:
        note = "sizes alone: no speeds, nothing about zero pages"
        return CompressionMeta(**plain, notes=(note,))
    known = _head(path, table)
    if table.end is None:
        note = "the file has no end: it was cut off; no speeds, nothing about zero pages"
        return CompressionMeta(**plain, **known, outcome="cut off", notes=(note,))
    return CompressionMeta(**plain, **known, **_end(path, table, known))


def _document(path, place: tuple[int, str]) -> Checker:
    """The one JSON object of a remark; lines are counted as in the file."""
    line, text = place
    documents = parse_documents(path, "\n" * (line - 1) + text)
    if len(documents.values) != 1 or documents.cut_line or not isinstance(documents.values[0], dict):
        raise ReaderError(path, line, "the remark is not one JSON object", AGAIN)
    return Checker(documents)


def _head(path, table: Table) -> dict:
    check = _document(path, table.head)
    (data,) = check.documents.values
    if data.get("schema") != SCHEMA:
        check.problem((0, "schema"), f"is {show(data.get('schema'))}, not {SCHEMA!r}")
    counts = {name: check.number(data, name, (0,), whole=True, scale=1) for name in _COUNTS}
    size = check.number(data, "buffer_bytes", (0,), whole=True, scale=1, low=PAGE_BYTES, high=MOST_BUFFER)
    if size and size % PAGE_BYTES:
        check.problem((0, "buffer_bytes"), f"is {size}, no multiple of {PAGE_BYTES}")
    texts = {name: check.text(data, name, (0,), null=True) for name in ("file", "format", "cpu")}
    said = check.section(data, "libraries", (0,))
    libraries = {name: check.text(said, name, (0, "libraries")) for name in table.methods}
    for name in said.keys() - libraries.keys():
        check.problem((0, "libraries", name), "has no column")
    check.done()
    pages, holes = counts["file_pages"], counts["hole_pages"]
    largest = max(row[0] for row in table.rows)
    if not pages or holes > pages:
        check.problem((0, "hole_pages"), f"is {holes} of {pages} pages")
    elif largest >= pages:
        check.problem((0, "file_pages"), f"is {pages}, and there is a page {largest}")
    check.done()
    known = {name: text and printable(text) for name, text in texts.items()}
    return (
        known | counts | {"buffer_bytes": size, "libraries": {k: printable(v) for k, v in libraries.items()}}
    )


def _end(path, table: Table, known: dict) -> dict:
    check = _document(path, table.end)
    (data,) = check.documents.values
    end = check.section(data, "end", (0,))
    outcome = check.word(end, "outcome", (0, "end"), {name: name for name in ("complete", "stopped")})
    drawn, zero = (
        check.number(end, name, (0, "end"), whole=True, scale=1) for name in ("drawn_pages", "zero_pages")
    )
    said = check.section(data, "speeds", (0,))
    speeds = {name: _speed(check, said, name) for name in table.methods}
    for name in said.keys() - speeds.keys():
        check.problem((0, "speeds", name), "has no column")
    check.done()
    if drawn - zero != len(table.rows):
        what = f"is {drawn}, of which {zero} are zero, and there are {len(table.rows)} rows"
        check.problem((0, "end", "drawn_pages"), what)
    elif drawn > (most := known["file_pages"] - known["hole_pages"]):
        check.problem((0, "end", "drawn_pages"), f"is {drawn}, and {most} pages are no holes")
    check.done()
    return {"outcome": outcome, "drawn_pages": drawn, "zero_pages": zero, "speeds": speeds}


def _speed(check: Checker, said: dict, name: str) -> Speed:
    at = (0, "speeds", name)
    found = check.section(said, name, (0, "speeds"))
    rates = [check.number(found, rate, at, low=1.0, high=1e13) for rate in RATES]
    return Speed(*rates, check.number(found, "setup_ns", at, high=1e9))
