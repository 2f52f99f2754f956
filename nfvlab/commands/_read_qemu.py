"""The table that `nfvlab read` prints of a migration."""

from collections.abc import Iterable
from typing import Any

from nfvlab.commands._lines import about, notes, span
from nfvlab.readers.errors import printable

ROWS = ("scenario", "final", "measured", "guest")
TITLES = {"scenario": "scenario", "final": "totals", "measured": "measured", "guest": "guest"}


def migration(path) -> list[str]:
    """Lines of the table: what it is, its knobs and totals with units, then the notes."""
    from nfvlab.readers.qemu import read_qemu

    frame, meta = read_qemu(path)
    version = ".".join(map(str, meta.qemu_version or ())) or "of unknown version"
    repeat = f" (repeat {meta.repeat})" if meta.repeat else ""
    lines = about(
        {
            "file": meta.path,
            "name": f"{meta.name}{repeat}" if meta.name else None,
            "outcome": f"{meta.outcome}: {meta.error}" if meta.error else meta.outcome,
            "QEMU": version,
            "polls": f"{len(frame)}{span(frame)}",
        }
    )
    for part in ROWS:
        cells = [(name, _cell(name, value)) for name, value in getattr(meta, part).items()]
        cells = [(name, text) for name, text in cells if text]
        if meta.wire_bytes is not None and part == "measured":
            cells.append(("wire_bytes", _cell("wire_bytes", meta.wire_bytes)))
        if cells:
            width = max(len(name) for name, _ in cells)
            lines += ["", TITLES[part]]
            lines += [f"  {printable(name):<{width}}  {printable(text)}" for name, text in cells]
    return lines + notes(meta)


def _cell(name: str, value: Any) -> str:
    """A value as people read it; empty for what has no place in a table."""
    from nfvlab.units import UnknownUnit, human

    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        try:
            return human(name, value)
        except UnknownUnit:
            return str(value)
    if isinstance(value, dict):
        return ", ".join(f"{key} {_cell(name, item)}" for key, item in value.items())
    if isinstance(value, Iterable) and not isinstance(value, str):
        return "" if name == "serial" else ", ".join(map(str, value)) or "none"
    return "none" if value is None else str(value)
