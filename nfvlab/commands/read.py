"""`nfvlab read`: what was understood of a recording, in units that people read."""

from collections.abc import Iterable
from typing import Any

ROWS = ("scenario", "final", "measured", "guest")
TITLES = {"scenario": "scenario", "final": "totals", "measured": "measured", "guest": "guest"}


def add_parser(subparsers) -> None:
    """Declare the command."""
    parser = subparsers.add_parser("read", help="show what was understood of a recording")
    parser.add_argument(
        "files", nargs="+", metavar="FILE", help="query-migrate replies, or a recorded migration"
    )


def run(args) -> int:
    """Print a table for each file; a file that cannot be read ends it with a `ReaderError`."""
    from nfvlab.readers.qemu import read_qemu

    for number, path in enumerate(args.files):
        frame, meta = read_qemu(path)
        print("\n" * bool(number) + "\n".join(table(frame, meta)))
    return 0


def table(frame, meta) -> list[str]:
    """Lines of the table: what it is, its knobs and totals with units, then the notes."""
    from nfvlab.readers.errors import printable

    version = ".".join(map(str, meta.qemu_version or ())) or "of unknown version"
    repeat = f" (repeat {meta.repeat})" if meta.repeat else ""
    about = {
        "file": meta.path,
        "name": f"{meta.name}{repeat}" if meta.name else None,
        "outcome": f"{meta.outcome}: {meta.error}" if meta.error else meta.outcome,
        "QEMU": version,
        "polls": f"{len(frame)}{_span(frame)}",
    }
    lines = [f"{label:<9} {printable(str(text), 4096)}" for label, text in about.items() if text is not None]
    for part in ROWS:
        cells = [(name, _cell(name, value)) for name, value in getattr(meta, part).items()]
        cells = [(name, text) for name, text in cells if text]
        if meta.wire_bytes is not None and part == "measured":
            cells.append(("wire_bytes", _cell("wire_bytes", meta.wire_bytes)))
        if cells:
            width = max(len(name) for name, _ in cells)
            lines += ["", TITLES[part]]
            lines += [f"  {printable(name):<{width}}  {printable(text)}" for name, text in cells]
    if meta.notes:
        lines += ["", "notes", *(f"  {printable(note, 1000)}" for note in meta.notes)]
    if meta.other:
        lines += ["", f"kept under their own names: {printable(', '.join(sorted(meta.other)), 1000)}"]
    return lines


def _span(frame) -> str:
    from nfvlab.units import human

    times = frame["t_ns"].dropna()
    return f", from {human('t_ns', times.min())} to {human('t_ns', times.max())}" if len(times) else ""


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
