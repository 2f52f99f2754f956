"""pqos monitoring as text: `pqos -m … -o FILE`, or a terminal's own log of it with escape codes.

Standard library only. A block is a line `TIME …`, a line of column names, and a row per group of cores or per
process; a row's values stand right-aligned below their names, and an event that a group does not have is blank.
"""

import os
import re
from collections.abc import Iterator
from typing import Any

from nfvlab.readers.errors import ReaderError, printable
from nfvlab.readers.files import AGAIN
from nfvlab.readers.pqos_words import TEXT, Column, column, value, whole_cell

_ESCAPE = re.compile(r"\x1b\[[0-9;?]*(?:[A-Za-z]|(?=\x1b)|$)")
_TIME = re.compile(r"TIME (.{1,40})")
_ROW_LIKE = re.compile(r" *(?:CORE|PID|SKT|SOCKET|CHANNEL)\b| *[0-9][0-9,x-]*(?: +[0-9N][0-9.Ak/]*){2}")
_NAME = re.compile(r"\S+")
#: What pqos and its library say beside the table.
MESSAGE = re.compile(
    r"(?:NOTE|INFO|DEBUG|WARN|WARNING|ERROR):.*|\s*(?:CAT or )?CMT (?:&|/|and) MBM.*|CMT/MBM .*|Failed to .*"
    r"|Terminat.*|Monitoring .*|Allocation .*|.* reset (?:successful|failed).*",
    re.IGNORECASE,
)
Row = tuple[int, int, str, dict[str, Any]]  # line, block, time, {word: value}
Columns = list[tuple[Column, int]]  # with the place where the name ends


def looks_like_text(text: str) -> bool:
    """Whether a line `TIME …` is followed by pqos column names."""
    return bool(
        re.search(r"^(?:\x1b\[[0-9;?]*[A-Za-z])*TIME .*\n *(?:CORE|PID|SKT|SOCKET|CHANNEL)\b", text, re.M)
    )


def text_rows(path: str | os.PathLike, text: str, notes: list[str]) -> Iterator[Row]:
    """The rows of the blocks; a line that is none of what pqos writes is a `ReaderError`."""
    block, time, columns, before = -1, "", None, []
    lines = text.split("\n")
    for line, whole_line in enumerate(lines, start=1):
        for part in _ESCAPE.split(whole_line.rstrip("\r")):
            if not part.strip():
                continue
            if not part.replace("\t", " ").isprintable():
                raise ReaderError(path, line, f"{printable(part, 60)!r} is no text", AGAIN)
            found = _TIME.fullmatch(part.strip())
            if found:
                block, time, columns = block + 1, found[1], None
            elif block < 0:
                if _ROW_LIKE.match(part):
                    raise ReaderError(path, line, "rows or column names stand before the first TIME", AGAIN)
                before.append(part)
            elif MESSAGE.fullmatch(part):
                notes.append(f"pqos said: {printable(part.strip(), 80)}")
            elif columns is None:
                columns = _header(path, line, part)
            else:
                last = line == len(lines)
                yield line, block, time, _row(path, line, part, columns, last, notes)
    if block < 0:
        raise ReaderError(path, 1, "there is no line TIME in it", "Give what pqos -m printed")
    if columns is None:
        raise ReaderError(path, len(lines), "the file ends after a line TIME (truncated)", AGAIN)
    if before:
        notes.append(
            f"left out: {len(before)} lines before the first TIME, {printable(before[0].strip(), 60)!r} …"
        )


def _header(path, line: int, text: str) -> Columns:
    found = [(column(path, line, name[0], TEXT), name.end()) for name in _NAME.finditer(text)]
    words = [made.word for made, _ in found]
    if len(set(words)) != len(words):
        raise ReaderError(path, line, "a column stands twice", AGAIN)
    if found[0][0].word not in ("cores", "pid", "socket", "channel"):
        what = f"{printable(text.strip(), 60)!r} where the column names belong"
        raise ReaderError(path, line, what, AGAIN)
    return found


def _row(path, line: int, text: str, columns: Columns, last: bool, notes: list[str]) -> dict[str, Any]:
    cells = _by_place(text, columns)
    if cells is None:
        tokens = text.split()
        if len(tokens) != len(columns):
            what = f"{len(tokens)} values, not {len(columns)}, and they do not stand below their names"
            raise ReaderError(path, line, what, AGAIN)
        cells = tokens
    if last and not (cells[-1].strip() and whole_cell(columns[-1][0], cells[-1])):
        raise ReaderError(path, line, "the file ends in the middle of a row (truncated)", AGAIN)
    if len(text.rstrip()) < columns[-1][1] - 1 and not cells[-1].strip() and len(text) < columns[-1][1]:
        notes.append("rows end before their last column: taken as not monitored")
    made = {}
    for (kind, _), cell in zip(columns, cells, strict=True):
        made[kind.word] = value(path, line, kind, cell, cut=True)
        if kind.kind == "cores" and len(cell.strip()) == 8:
            made["cut"] = True
    return made


def _by_place(text: str, columns: Columns) -> list[str] | None:
    """The cells below the names, each at the right end of its column; None if the row is not laid out so."""
    start, cells = 0, []
    for position, (_, end) in enumerate(columns):
        cell = text[start:end]
        if position and cell.strip() and not cell.startswith(" "):
            return None
        if cell.strip() and (
            cell != cell.rstrip() or len(cell) != end - start or (position and " " in cell.strip())
        ):
            return None
        cells.append(cell)
        start = end
    return cells if cells[0].strip() and not text[start:].strip() else None
