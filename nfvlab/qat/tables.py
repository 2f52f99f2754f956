"""The reader's own pages as a scenario: what a table of `nfvlab measure compression` says of sizes and speeds.

Of the sizes a mean and a spread are taken, page by page. Speeds are those of one core of the machine that measured,
the set-up of each call among them. How a page shrinks with others as its history (stream_ratio), what the booted
system's pages become (system_ratio), and the accelerator stay as they are: no such table tells them.
"""

from typing import TYPE_CHECKING, Any

from nfvlab.precopy.params import PAGE_BYTES
from nfvlab.qat import sizes
from nfvlab.qat.params import Params
from nfvlab.readers.errors import ReaderError

if TYPE_CHECKING:
    from pandas import DataFrame

RATIO_FROM = ("deflate1", "deflate1_fixed", "deflate6", "deflate9", "zstd1")
COMPRESSES = {  # method: (usual pages, random ones)
    "deflate1": ("zlib_bytes_per_s", "zlib_random_bytes_per_s"),
    "deflate6": ("zlib6_bytes_per_s", "zlib_random_bytes_per_s"),
    "deflate9": ("zlib9_bytes_per_s", "zlib_random_bytes_per_s"),
    "zstd1": ("zstd_bytes_per_s", "zstd_random_bytes_per_s"),
}
DECOMPRESSES = {"zstd1": "unzstd_bytes_per_s", "deflate1": "inflate_bytes_per_s"}


def from_compression(frame: "DataFrame", meta) -> dict[str, Any]:
    """Overrides of `Params` from a table of compressed sizes: what touched pages hold, how fast a core is.

    frame, meta : what `readers.compression.read_compression` returned, a page at a time
    Keys: content ("own", or "random" where pages do not shrink), own_ratio and own_cv_frac for deflate level 1 (of
    another method by its share on Calgary), zero_mix_frac, speeds in bytes per second; what the table does not tell is
    absent. Errors: ReaderError for a table of larger buffers, or without a method that this feature knows.
    """
    if meta.buffer_bytes != PAGE_BYTES:
        what = f"it was compressed {meta.buffer_bytes} bytes at a time: of a single page it says nothing"
        raise ReaderError(meta.path, None, what, "Measure with --buffer 4KiB")
    method = next((name for name in RATIO_FROM if name in meta.methods), None)
    if method is None:
        what = f"it has {', '.join(meta.methods)}, none of {', '.join(RATIO_FROM)}"
        raise ReaderError(meta.path, None, what, "Measure with --methods deflate1")
    column = f"{method}_bytes"
    bytes_per_page = frame[column].to_numpy(dtype=float)
    random = bool(bytes_per_page.mean() >= PAGE_BYTES)
    found: dict[str, Any] = {"content": "random"} if random else _own(bytes_per_page, column)
    if meta.zero_frac == meta.zero_frac:
        found["zero_mix_frac"] = meta.zero_frac
    return found | _speeds(meta.speeds, random)


def _own(bytes_per_page, column: str) -> dict[str, Any]:
    mean = float(bytes_per_page.mean())
    ratio = _within("own_ratio", mean / PAGE_BYTES / sizes.factor(column))
    spread = _within("own_cv_frac", float(bytes_per_page.std()) / mean)
    return {"content": "own", "own_ratio": ratio, "own_cv_frac": spread}


def _within(name: str, value: float) -> float:
    low, high = Params.specs()[name].domain
    return min(max(value, low), high)


def _speeds(speeds, random: bool) -> dict[str, float]:
    found = {}
    for method, names in COMPRESSES.items():
        if method in speeds:
            found.setdefault(names[random], speeds[method].compress_bytes_per_s)
    if not random:  # stored blocks are copied, which says nothing of decompression
        found |= {
            name: speeds[method].decompress_bytes_per_s
            for method, name in DECOMPRESSES.items()
            if method in speeds
        }
    return found
