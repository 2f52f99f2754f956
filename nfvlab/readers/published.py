"""Figures that the features' authors and the kernel published (data/published.csv), in our units.

In the file `same` repeats the row above, in whole or before a semicolon; `without` and `with` are the
quantity without and with the feature, as printed in `unit`.
"""

import csv
import io
import os

import pandas as pd

from nfvlab.readers.errors import ReaderError
from nfvlab.readers.files import load_text
from nfvlab.units import Gbps, KiB, ms, us

COLUMNS = ("id", "feature", "case", "quantity", "without", "with", "unit", "setup", "source")
UNITS = {
    "ns": (1.0, "_ns"),
    "us": (us, "_ns"),
    "ms": (ms, "_ns"),
    "KiB": (float(KiB), "_bytes"),
    "Gbit/s": (Gbps, "_bytes_per_s"),
    "percent": (0.01, "_frac"),
    "percent of LLC": (0.01, "_frac"),
    "cycles": (1.0, "_cycles"),
    "ratio": (1.0, "_ratio"),
}
FIX = "Correct the row, or take the file as it came"


def read_published(path: str | os.PathLike) -> tuple[pd.DataFrame, dict[str, str]]:
    """(one row per figure, indexed by id; {id: unit as printed}).

    Columns: feature, case, quantity, without, with (in our units, NaN where not published), suffix (the unit,
    as our names end in it: "_ns", "_bytes", …), setup, source.
    """
    reader = csv.reader(io.StringIO(load_text(path), newline=""), strict=True)
    rows, printed, above = {}, {}, None
    try:
        for number, cells in enumerate(reader):
            line = reader.line_num
            if number == 0:
                _header(path, cells)
            elif cells:
                above = _resolve(path, line, cells, above)
                if above["id"] in rows:
                    raise ReaderError(path, line, f"the id {above['id']!r} stands twice", FIX)
                rows[above["id"]], printed[above["id"]] = _row(path, line, above), above["unit"]
    except csv.Error as error:
        raise ReaderError(path, reader.line_num, f"not CSV: {error}", FIX) from None
    if not rows:
        raise ReaderError(path, None, "there is no row in it", FIX)
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("id"), printed


def _header(path, cells: list[str]) -> None:
    if tuple(cells) != COLUMNS:
        what = f"the first line is {','.join(cells)[:100]!r}, not {','.join(COLUMNS)}"
        raise ReaderError(path, 1, what, "Give a file with these columns")


def _resolve(path, line: int, cells: list[str], above: dict[str, str] | None) -> dict[str, str]:
    """The row with every `same` replaced by what stands above."""
    if len(cells) != len(COLUMNS):
        raise ReaderError(path, line, f"{len(cells)} cells, not {len(COLUMNS)}", FIX)
    row = dict(zip(COLUMNS, cells, strict=True))
    for name, cell in row.items():
        first, semicolon, more = cell.partition(";")
        if first.strip() == "same":
            if above is None:
                raise ReaderError(path, line, f"{name} is 'same', but no row stands above", FIX)
            row[name] = above[name] + semicolon + more
    return row


def _row(path, line: int, row: dict[str, str]) -> dict[str, str | float]:
    if row["unit"] not in UNITS:
        raise ReaderError(
            path, line, f"the unit {row['unit']!r} is not known; known: {', '.join(UNITS)}", FIX
        )
    if not row["id"]:
        raise ReaderError(path, line, "the row has no id", FIX)
    scale, suffix = UNITS[row["unit"]]
    numbers = {name: _number(path, line, name, row[name]) * scale for name in ("without", "with")}
    texts = {name: row[name] for name in ("feature", "case", "quantity")}
    return {**texts, **numbers, "suffix": suffix, "setup": row["setup"], "source": row["source"]}


def _number(path, line: int, name: str, cell: str) -> float:
    try:
        number = float(cell) if cell.strip() else float("nan")
    except ValueError:
        raise ReaderError(path, line, f"{name} is {cell[:60]!r} where a number belongs", FIX) from None
    if cell.strip() and not abs(number) < 1e15:
        raise ReaderError(path, line, f"{name} is {cell[:60]!r}, not a finite number of this world", FIX)
    return number
