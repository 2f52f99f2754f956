"""What pages become under each method: tables of sizes from which the simulation draws, by content.

The Calgary corpus gives sizes page by page; pages of a mean ratio follow a normal law around it. A ratio is declared
for deflate level 1: other methods make it larger or smaller by as much as they do on Calgary.
"""

import functools
from statistics import NormalDist

import numpy as np

from nfvlab.paths import data_file
from nfvlab.precopy.memory import layout
from nfvlab.precopy.params import PAGE_BYTES
from nfvlab.qat.params import Params
from nfvlab.readers.compression import read_compression

SYSTEM, TOUCHED, WRITTEN = 0, 1, 2
REFERENCE = "deflate1_bytes"
COLUMN_OF_DEFLATE = {
    "1 fixed": "deflate1_fixed_bytes",
    "1 dynamic": REFERENCE,
    "1": REFERENCE,
    "6": "deflate6_bytes",
    "9": "deflate9_bytes",
}
ZSTD = "zstd1_bytes"
STORED_BYTES = 5  # RFC 1951: block header, length and its complement
ZSTD_FRAME_BYTES = 13  # RFC 8878: magic, frame header, content size, block header
STREAM_BLOCK_PAGES = 4  # zlib ends a stored block of a stream after 16 Ki symbols
SMALLEST_BYTES = 9


@functools.cache
def calgary() -> dict[str, np.ndarray]:
    """Sizes of the corpus's 793 pages by method (data/compression/calgary_4kib.csv)."""
    frame, meta = read_compression(data_file("compression", "calgary_4kib.csv"))
    return {f"{name}_bytes": frame[f"{name}_bytes"].to_numpy(dtype=float) for name in meta.methods}


def factor(column: str) -> float:
    """Size under a method over size under deflate level 1, on the corpus."""
    table = calgary()
    return float(table[column].sum() / table[REFERENCE].sum())


def random_bytes(column: str, stream: bool) -> float:
    """What a page of random bytes becomes: it is stored."""
    overhead = ZSTD_FRAME_BYTES if column == ZSTD else STORED_BYTES
    return PAGE_BYTES + overhead / (STREAM_BLOCK_PAGES if stream else 1)


def around(mean_bytes: float, cv_frac: float, pages: int) -> np.ndarray:
    """Sizes of `pages` pages, normal around their mean, within what is possible."""
    law = NormalDist()
    z = np.array([law.inv_cdf((k + 0.5) / pages) for k in range(pages)])
    return np.clip(mean_bytes * (1 + cv_frac * z), SMALLEST_BYTES, PAGE_BYTES + STORED_BYTES)


def written_content(p: Params) -> str:
    """What the pages of the working set hold."""
    return p.content if p.written_content == "same" else p.written_content


def tables(p: Params, column: str, *, stream: bool = False) -> np.ndarray:
    """Compressed sizes by content: float64[3, pages of the corpus], rows SYSTEM, TOUCHED, WRITTEN."""
    return np.array([_sizes(p, kind, column, stream) for kind in ("system", p.content, written_content(p))])


def _sizes(p: Params, content: str, column: str, stream: bool) -> np.ndarray:
    table = calgary()[column]
    if content == "random":
        return np.full(table.size, random_bytes(column, stream))
    if content == "system":
        return around(p.system_ratio * PAGE_BYTES * factor(column), p.own_cv_frac, table.size)
    history = p.stream_ratio if stream else 1.0
    if content == "own":
        return around(p.own_ratio * PAGE_BYTES * factor(column) * history, p.own_cv_frac, table.size)
    return table * history


def by_content(p: Params, usual: float, random: float) -> np.ndarray:
    """A cost by content: float64[3], `random` where pages hold random bytes."""
    kinds = ("system", p.content, written_content(p))
    return np.array([random if kind == "random" else usual for kind in kinds])


def bounds(p: Params) -> np.ndarray:
    """int64[4]: first page and end of the touched pages, of the working set (see kernels.conveyor.sort_of)."""
    where = layout(p)
    ends = [(start, start + size) for start, size in (where.touched, where.working_set)]
    return np.array(ends, dtype=np.int64).ravel()
