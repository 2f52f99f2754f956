"""Tables of compressed page sizes, schema nfvlab-compression/1: how their lines are written and taken apart.

# {"schema", "source", "file", "format", "buffer_bytes", "file_pages", "hole_pages", "asked_pages", "seed", "repeats",
   "cpu", "libraries"}: what is known before the first page; `libraries` {method: library and version}
page,deflate1_bytes,…: the columns, then a row for each page that is not zero
# {"end": {"outcome", "drawn_pages", "zero_pages"}, "speeds": {method: {…}}}: what is known after the last one

The first and the last line may both be missing: data/compression/calgary_4kib.csv has neither.
"""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nfvlab.readers.cells import whole
from nfvlab.readers.errors import ReaderError, printable
from nfvlab.readers.files import AGAIN

SCHEMA = "nfvlab-compression/1"
SOURCE = "nfvlab measure compression"
PAGE_BYTES = 4096
LARGEST_PAGE = 2 * PAGE_BYTES  # bytes; no method makes more of a page, even of a random one
MOST_BUFFER = 1 << 20
FIX = "Correct the row, or measure again"

#: {method: what it is}; a table's columns are these names with "_bytes"
METHODS = {
    "deflate1": "raw DEFLATE level 1, dynamic Huffman codes",
    "deflate1_fixed": "raw DEFLATE level 1, fixed Huffman codes (zlib's Z_FIXED)",
    "deflate6": "raw DEFLATE level 6",
    "deflate9": "raw DEFLATE level 9",
    "zstd1": "Zstandard level 1, a frame a buffer",
    "lz4": "LZ4, a block a buffer",
    "isal1": "raw DEFLATE by ISA-L, level 1",
}
RATES = ("compress_bytes_per_s", "decompress_bytes_per_s")


@dataclass
class Table:
    """The lines of a table: rows checked one by one, head and end as texts with their line numbers."""

    methods: tuple[str, ...]
    rows: list[list[int]]  # page number, then bytes by method
    head: tuple[int, str] | None
    end: tuple[int, str] | None


def head_line(**known: Any) -> str:
    """The first line, of what is known before the first page."""
    return "# " + json.dumps({"schema": SCHEMA, "source": SOURCE} | known) + "\n"


def columns_line(methods: Iterable[str]) -> str:
    """The line that names the columns."""
    return ",".join(["page", *(f"{name}_bytes" for name in methods)]) + "\n"


def rows_text(rows: Iterable[Sequence[int]]) -> str:
    """Rows as lines: a page's number, then its compressed bytes by method."""
    return "".join(",".join(map(str, row)) + "\n" for row in rows)


def end_line(
    outcome: str, drawn_pages: int, zero_pages: int, speeds: Mapping[str, Mapping[str, float]]
) -> str:
    """The last line: how it ended (complete, stopped), what was drawn, {method: speeds}."""
    end = {"outcome": outcome, "drawn_pages": drawn_pages, "zero_pages": zero_pages}
    return "# " + json.dumps({"end": end, "speeds": dict(speeds)}) + "\n"


def looks_like_compression(text: str) -> bool:
    """Whether a text begins as such a table does."""
    begin = text.lstrip()[:4096]
    return begin.startswith(f'# {{"schema": "{SCHEMA}"') or begin.startswith("page,") and "_bytes" in begin


def parse_table(path: str | os.PathLike, text: str) -> Table:
    """The lines of a table, or `ReaderError` with the line that is wrong."""
    if not text.endswith("\n"):
        line = text.count("\n") + 1
        what = "the file ends in the middle of a line"
        raise ReaderError(path, line, what, "Delete that line, or end it if it is whole")
    lines = [line.removesuffix("\r") for line in text[:-1].split("\n")]
    last = len(lines)
    head = (1, lines[0][1:]) if lines[0].startswith("#") else None
    end = (last, lines[-1][1:]) if head and last > 1 and lines[-1].startswith("#") else None
    first = 1 if head is None else 2
    if first > last:
        raise ReaderError(path, None, "the file ends before its columns", AGAIN)
    methods = _columns(path, first, lines[first - 1])
    rows = lines[first : last - (end is not None)]
    numbered = enumerate(rows, first + 1)
    return Table(methods, [_row(path, line, row, methods) for line, row in numbered], head, end)


def _columns(path, line: int, text: str) -> tuple[str, ...]:
    page, *names = text.split(",")
    methods = tuple(name.removesuffix("_bytes") for name in names)
    wrong = [
        name for name in names if name.removesuffix("_bytes") not in METHODS or not name.endswith("_bytes")
    ]
    if page != "page" or not names:
        what = (
            f"the columns are {printable(text, 100)!r}, not page and then {columns_line(METHODS)[5:].strip()}"
        )
    elif wrong:
        what = f"no method of ours: {printable(', '.join(wrong))}; known: {', '.join(METHODS)}"
    elif len(set(methods)) < len(methods):
        what = "a column stands twice"
    else:
        return methods
    raise ReaderError(
        path, line, what, "Give a table of `nfvlab measure compression`, or one with its columns"
    )


def _row(path, line: int, text: str, methods: tuple[str, ...]) -> list[int]:
    if text.startswith("#"):
        raise ReaderError(path, line, "a remark among the rows", FIX)
    cells = text.split(",")
    if len(cells) != len(methods) + 1:
        raise ReaderError(path, line, f"{len(cells)} cells, not {len(methods) + 1}", FIX)
    row = [whole(path, line, "page", cells[0], high=2**52)]
    for name, cell in zip(methods, cells[1:], strict=True):
        row.append(whole(path, line, f"{name}_bytes", cell, high=LARGEST_PAGE))
        if not row[-1]:
            raise ReaderError(path, line, f"{name}_bytes is 0: nothing compresses to nothing", FIX)
    return row
