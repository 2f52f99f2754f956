"""Lines that the tables of `nfvlab read` have in common; all of them safe to print."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

from nfvlab.readers.errors import printable
from nfvlab.units import UnknownUnit, human

MOST_ROWS = 60


def about(rows: dict[str, Any]) -> list[str]:
    """What a file is, a label and a text a line; what is None is left out."""
    return [f"{label:<9} {printable(str(text), 4096)}" for label, text in rows.items() if text is not None]


def grid(title: str, rows: Iterable[Sequence[str]]) -> list[str]:
    """A title and rows in columns as wide as their widest cell; nothing without rows."""
    cells = [[printable(cell, 120) for cell in row] for row in rows]
    if not cells:
        return []
    more = len(cells) - MOST_ROWS
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "  " + "  ".join(f"{c:<{w}}" for c, w in zip(row, widths, strict=True)).rstrip() for row in cells
    ]
    return ["", title, *lines[:MOST_ROWS], *([f"  and {more} more"] if more > 0 else [])]


def quantity(name: str, value: float) -> str:
    """A value in the unit its name declares, "-" for NaN, plain where the name has no unit."""
    if math.isnan(value):
        return "-"
    try:
        return human(name, value)
    except UnknownUnit:
        return f"{value:.6g}"


def span(frame) -> str:
    """ ", from … to …" of the frame's times; nothing of a single one."""
    times = frame["t_ns"].dropna()
    if times.nunique() < 2:
        return ""
    return f", from {human('t_ns', times.min())} to {human('t_ns', times.max())}"


def notes(meta) -> list[str]:
    """The notes, and the names of what has no word of ours."""
    lines = ["", "notes", *(f"  {printable(note, 1000)}" for note in meta.notes)] if meta.notes else []
    other = getattr(meta, "other", None)
    if other:
        lines += ["", f"kept under their own names: {printable(', '.join(sorted(other)), 1000)}"]
    return lines
