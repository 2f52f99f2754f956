"""Correction factors of miscounting bandwidth counters (data/mbm_correction.csv), row by row and strictly.

On the parts of errata SKX99 and BDF102 an MBM counter whose RMID is above a threshold counts too little or too much;
the kernel multiplies what it read by the part's factor. The table has one row a core count; a threshold of 0 beside a
factor of 1 is the documentation's way to say that the part needs no correction.
"""

import csv
import io
import os
from typing import TYPE_CHECKING, NamedTuple

from nfvlab.readers.errors import ReaderError
from nfvlab.readers.files import load_text

if TYPE_CHECKING:
    import pandas

COLUMNS = ("core_count", "rmid_count", "rmid_threshold", "correction_factor", "source")
FIX = "Correct the row, or take the file as it came"
_RMIDS_A_CORE = 8  # monitor.c finds a part's row by (RMIDs / 8) - 1


class Correction(NamedTuple):
    """One part: its cores, its RMIDs, the last RMID that counts right, and the factor above it."""

    core_count: int
    rmid_count: int
    rmid_threshold: int
    correction_factor: float
    source: str


def correction_rows(path: str | os.PathLike) -> tuple[Correction, ...]:
    """The rows of the table, in the order of the core count; `ReaderError` for anything else."""
    reader = csv.reader(io.StringIO(load_text(path), newline=""), strict=True)
    rows: list[Correction] = []
    try:
        for number, cells in enumerate(reader):
            line = reader.line_num
            if number == 0:
                _header(path, cells)
            elif cells:
                rows.append(_row(path, line, cells))
                if len(rows) > 1 and rows[-1].core_count <= rows[-2].core_count:
                    what = f"core_count {rows[-1].core_count} after {rows[-2].core_count}: it must rise"
                    raise ReaderError(path, line, what, FIX)
    except csv.Error as error:
        raise ReaderError(path, reader.line_num, f"not CSV: {error}", FIX) from None
    if not rows:
        raise ReaderError(path, None, "there is no row in it", FIX)
    return tuple(rows)


def read_mbm_correction(path: str | os.PathLike) -> tuple["pandas.DataFrame", dict[int, str]]:
    """(one row a core count, its index: rmid_count, rmid_threshold, correction_factor; {core count: source})."""
    import pandas as pd

    rows = correction_rows(path)
    frame = pd.DataFrame(rows, columns=list(COLUMNS)).set_index("core_count")
    return frame.drop(columns="source"), {row.core_count: row.source for row in rows}


def _header(path, cells: list[str]) -> None:
    if tuple(cells) != COLUMNS:
        what = f"the first line is {','.join(cells)[:100]!r}, not {','.join(COLUMNS)}"
        raise ReaderError(path, 1, what, "Give a file with these columns")


def _row(path, line: int, cells: list[str]) -> Correction:
    if len(cells) != len(COLUMNS):
        raise ReaderError(path, line, f"{len(cells)} cells, not {len(COLUMNS)}", FIX)
    cores, rmids, threshold = (
        _whole(path, line, name, cell) for name, cell in zip(COLUMNS, cells[:3], strict=False)
    )
    if cores < 1 or rmids != cores * _RMIDS_A_CORE:
        what = f"{rmids} RMIDs at {cores} cores: these parts have {_RMIDS_A_CORE} a core"
        raise ReaderError(path, line, what, FIX)
    if threshold >= rmids:
        raise ReaderError(path, line, f"the threshold {threshold} is no RMID of {rmids}", FIX)
    factor = _factor(path, line, cells[3])
    if threshold == 0 and factor != 1:
        raise ReaderError(path, line, f"no threshold (0), yet a factor of {factor}", FIX)
    if not cells[4].strip():
        raise ReaderError(path, line, "the row has no source", FIX)
    return Correction(cores, rmids, threshold, factor, cells[4])


def _whole(path, line: int, name: str, cell: str) -> int:
    if not (cell.isascii() and cell.isdigit() and len(cell) <= 6):
        raise ReaderError(path, line, f"{name} is {cell[:60]!r} where a whole number belongs", FIX)
    return int(cell)


def _factor(path, line: int, cell: str) -> float:
    try:
        factor = float(cell)
    except ValueError:
        raise ReaderError(
            path, line, f"correction_factor is {cell[:60]!r} where a number belongs", FIX
        ) from None
    if not 0.5 <= factor <= 2:
        raise ReaderError(path, line, f"a correction_factor of {cell[:60]} is beyond 0.5 to 2", FIX)
    return factor
