"""pqos monitoring as CSV (`-u csv`) and XML (`-u xml`).

Standard library only. Traps of the CSV, met here: a core list is one quoted cell; since 2022 the header has blanks
instead of a comma before MBL[MB/s] (pqos/monitor_csv.c); -o appends, so that a second header may follow.
"""

import csv
import os
import re
from collections.abc import Iterator
from typing import Any
from xml.parsers import expat

from nfvlab.readers.errors import ReaderError, printable
from nfvlab.readers.files import AGAIN
from nfvlab.readers.pqos_text import MESSAGE, Row
from nfvlab.readers.pqos_words import CSV, IDENTITIES, XML, Column, column, value, whole_cell

_HEADER = re.compile(r"Time,(?:Core|PID|Channel|Socket)\b.*")


def looks_like_csv(text: str) -> bool:
    """Whether a line is a pqos CSV header."""
    return bool(re.search(r"^Time,(?:Core|PID|Channel|Socket)\b", text, re.M))


def looks_like_xml(text: str) -> bool:
    """Whether a file begins as `pqos -u xml` does."""
    head = text[:400].lstrip()
    return head.startswith("<records>") or (head.startswith("<?xml") and "<records>" in head)


def csv_rows(path: str | os.PathLike, text: str, notes: list[str]) -> Iterator[Row]:
    """The rows below the header; a line that is none of what pqos writes is a `ReaderError`."""
    columns, seen, block, before, time, runs = None, set(), -1, [], None, 0
    lines = text.split("\n")
    for line, raw in enumerate(lines, start=1):
        row = raw.rstrip("\r")
        if not row.strip():
            continue
        if _HEADER.fullmatch(row):
            columns, runs = _header(path, line, row), runs + 1
        elif columns is None:
            if row.count(",") > 1:
                raise ReaderError(path, line, "rows stand before the header Time,…", AGAIN)
            before.append(row)
        elif MESSAGE.fullmatch(row):
            notes.append(f"pqos said: {printable(row.strip(), 80)}")
        else:
            said, made = _row(path, line, row, columns, line == len(lines))
            key = tuple(made.get(name) for name in IDENTITIES)
            if said != time or key in seen:
                block, seen, time = block + 1, set(), said
            seen.add(key)
            yield line, block, said, made
    if columns is None:
        raise ReaderError(path, 1, "there is no header Time,… in it", "Give what pqos -u csv wrote")
    if runs > 1:
        notes.append(f"{runs} runs of pqos were appended to the file")
    if before:
        notes.append(
            f"left out: {len(before)} lines before the header, {printable(before[0].strip(), 60)!r} …"
        )


def _header(path, line: int, row: str) -> list[Column]:
    names = [part for cell in row.split(",")[1:] for part in re.split(r" {2,}", cell.strip())]
    made = [column(path, line, name.strip(), CSV) for name in names]
    words = [each.word for each in made]
    if len(set(words)) != len(words):
        raise ReaderError(path, line, "a column stands twice", AGAIN)
    return made


def _row(path, line: int, row: str, columns: list[Column], last: bool) -> tuple[str, dict[str, Any]]:
    try:
        cells = next(csv.reader([row], strict=True))
    except csv.Error as error:
        raise ReaderError(path, line, f"not CSV: {error}", AGAIN) from None
    if len(cells) != 1 + len(columns):
        more = len(cells) > 1 + len(columns) and any(kind.word.startswith("mbm_local") for kind in columns)
        what = f"{len(cells)} cells, not {1 + len(columns)}" + (" (truncated?)" if last else "")
        remedy = (
            "Record it again; if with --iface=mmio, as text: its CSV has columns without names"
            if more
            else AGAIN
        )
        raise ReaderError(path, line, what, remedy)
    if last and not whole_cell(columns[-1], cells[-1]):
        raise ReaderError(path, line, "the file ends in the middle of a row (truncated)", AGAIN)
    return cells[0], {
        kind.word: value(path, line, kind, cell) for kind, cell in zip(columns, cells[1:], strict=True)
    }


class _Records:
    """Collects the records of a pqos XML file; entities and document types are refused before they act."""

    def __init__(self, path: str | os.PathLike):
        self.path, self.rows, self.stack, self.text = path, [], [], ""
        self.row: dict[str, str] = {}
        self.parser = expat.ParserCreate(encoding="UTF-8")
        self.parser.StartElementHandler = self.start
        self.parser.EndElementHandler = self.end
        self.parser.CharacterDataHandler = self.data
        self.parser.StartDoctypeDeclHandler = self.doctype

    def refuse(self, what: str) -> ReaderError:
        return ReaderError(self.path, self.parser.CurrentLineNumber, what, "Give what pqos -u xml wrote")

    def doctype(self, *_) -> None:
        raise self.refuse("a document type where pqos writes none")

    def start(self, name: str, attributes: dict[str, str]) -> None:
        expected = ("records", "record", None)[min(len(self.stack), 2)]
        if len(self.stack) > 2 or attributes or (expected and name != expected):
            raise self.refuse(f"<{printable(name, 40)}> where pqos writes none")
        if name == "record" and len(self.stack) == 1:
            self.row = {}
        elif len(self.stack) == 2 and name in self.row:
            raise self.refuse(f"<{printable(name, 40)}> stands twice in a record")
        self.stack.append(name)
        self.text = ""

    def data(self, text: str) -> None:
        if len(self.stack) < 3 and text.strip():
            raise self.refuse(f"{printable(text.strip(), 40)!r} between the elements")
        self.text += text

    def end(self, name: str) -> None:
        if len(self.stack) == 3:
            self.row[name] = self.text
        elif len(self.stack) == 2:
            self.rows.append((self.parser.CurrentLineNumber, self.row))
        self.stack.pop()
        self.text = ""


def xml_rows(path: str | os.PathLike, text: str) -> Iterator[Row]:
    """The records of the file; anything else in it is a `ReaderError`."""
    records = _Records(path)
    try:
        records.parser.Parse(text, True)
    except expat.ExpatError as error:
        cut = error.code in (expat.errors.codes[expat.errors.XML_ERROR_NO_ELEMENTS], 3, 4, 5)
        what = f"not XML: {expat.errors.messages[error.code]}"
        remedy = "End pqos with Ctrl-C or -t, or close the file with </records>" if cut else AGAIN
        raise ReaderError(path, error.lineno, what, remedy) from None
    block, seen, time = -1, set(), None
    for line, row in records.rows:
        if "time" not in row:
            raise ReaderError(path, line, "<time> is missing", AGAIN)
        said = row.pop("time")
        made = {
            (kind := column(path, line, name, XML)).word: value(path, line, kind, cell)
            for name, cell in row.items()
        }
        key = tuple(made.get(name) for name in IDENTITIES)
        if said != time or key in seen:
            block, seen, time = block + 1, set(), said
        seen.add(key)
        yield line, block, said, made
