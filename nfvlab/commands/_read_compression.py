"""The table that `nfvlab read` prints of compressed page sizes."""

from nfvlab.commands._lines import about, grid, notes, quantity

_USE = "notebooks/07_qat.ipynb: pages' contents and the methods' speeds"


def compression(path) -> list[str]:
    """Where the pages come from, and by method what they become and how fast."""
    from nfvlab.readers.compression import read_compression

    frame, meta = read_compression(path)
    first = {
        "file": meta.path,
        "table": "compressed page sizes",
        "of": meta.file and f"{meta.file} ({meta.format})",
        "rows": f"{len(frame):,} pages, {quantity('_bytes', meta.buffer_bytes)} compressed at a time",
        "drawn": _drawn(meta),
        "zero": None if meta.drawn_pages is None else _zero(meta),
        "cpu": meta.cpu,
        "outcome": meta.outcome,
    }
    head = ["", "of original", "10 %", "90 %", "compresses", "decompresses", "empty call", "by"]
    rows = [_method(name, frame[f"{name}_bytes"], meta) for name in meta.methods]
    lines = about(first) + grid("compressed size, speed in bytes of pages on one core", [head, *rows])
    return [*lines, "", f"use       {_USE}", *notes(meta)]


def _drawn(meta) -> str | None:
    if meta.asked_pages is None:
        return None
    rest = meta.file_pages - meta.hole_pages
    if meta.drawn_pages is None:
        return f"up to {min(meta.asked_pages, rest):,} of {rest:,} pages (seed {meta.seed})"
    return f"{meta.drawn_pages:,} of {rest:,} pages (seed {meta.seed})"


def _zero(meta) -> str:
    share = quantity("_frac", meta.zero_frac)
    return f"{share} of the file: {meta.hole_pages:,} pages are holes, {meta.zero_pages:,} of those drawn are zero"


def _method(name: str, sizes, meta) -> list[str]:
    from nfvlab.readers.compression_lines import PAGE_BYTES

    shares = [sizes.mean(), sizes.quantile(0.1), sizes.quantile(0.9)]
    cells = [name, *(quantity("_frac", size / PAGE_BYTES) for size in shares)]
    speed = meta.speeds.get(name)
    if speed is None:
        return [*cells, "-", "-", "-", meta.libraries.get(name, "-")]
    rates = [quantity("_bytes_per_s", rate) for rate in speed[:2]]
    return [*cells, *rates, quantity("_ns", speed.setup_ns), meta.libraries[name]]
