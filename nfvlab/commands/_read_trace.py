"""The table that `nfvlab read` prints of a trace of memory accesses."""

from nfvlab.commands._lines import about, grid, quantity

SIZES = 8


def trace(path) -> list[str]:
    """What was traced, and the exact misses of an LRU cache by its size."""
    from nfvlab.kernels.stackdist import stack_distances
    from nfvlab.llc.params import LINE_BYTES
    from nfvlab.llc.tracecurves import sizes_of
    from nfvlab.readers.errors import printable
    from nfvlab.readers.trace import read_trace

    found, meta = read_trace(path)
    lines = found.lines()
    distances = stack_distances(lines)
    sizes = sizes_of(lines, SIZES)
    counts = ", ".join(f"{meta[name]:,} {name}" for name in ("fetches", "loads", "stores", "modifies"))
    data = quantity("_bytes", distances.cold * LINE_BYTES)
    first = {"file": printable(str(path), 4096), "trace": "valgrind lackey", "accesses": counts}
    first |= {"lines": f"{distances.cold:,} of {LINE_BYTES} bytes, {data}"}
    rows = [
        [quantity("_bytes", size * LINE_BYTES), quantity("_frac", miss)]
        for size, miss in zip(sizes.tolist(), distances.miss_ratio(sizes).tolist(), strict=True)
    ]
    return about(first) + grid("misses of an LRU cache of", rows)
