"""How small a page becomes: mean and spread of its compressed size, and whether it shrinks, by content and method.

Calgary's pages are counted in the per-page table. Other pages are known by the mean under deflate level 1; under
another method they are smaller or larger in the proportion of the table's means, and they are spread as the table's.
Random bytes become stored blocks.
"""

import csv
from functools import cache, lru_cache
from typing import NamedTuple

import numpy as np

from nfvlab import paths
from nfvlab.precopy.params import PAGE_BYTES
from nfvlab.qat.params import Params

STORED_BYTES = 5  # RFC 1951: a stored block is a byte with three bits of header, LEN and NLEN
ZSTD_BLOCK_BYTES = 128 * 1024  # RFC 8878: the largest block; its header is 3 bytes
COLUMNS = {
    "1 fixed": "deflate1_fixed_bytes",
    "1 dynamic": "deflate1_bytes",
    "1": "deflate1_bytes",
    "6": "deflate6_bytes",
    "9": "deflate9_bytes",
    "zstd": "zstd1_bytes",
}
REFERENCE = "deflate1_bytes"


class Law(NamedTuple):
    """Compressed size of a page (mean, coefficient of variation, bytes), and what is sent if those that do not shrink
    go as they are: the mean of min(size, 4096), and their share."""

    mean_bytes: float
    cv_frac: float
    least_bytes: float
    raw_frac: float

    @property
    def variance_bytes2(self) -> float:
        """Variance of the compressed size."""
        return (self.mean_bytes * self.cv_frac) ** 2


def law(p: Params, content: str, method: str, streamed: bool = False) -> Law:
    """The law of a page; content: one of CONTENTS or "system"; method: a key of COLUMNS.

    streamed: compressed with the pages before it as history.
    """
    if content == "random":
        return _random(method)
    share = p.stream_ratio if streamed and content != "system" else 1.0
    if content == "calgary":
        return _calgary(method, share)
    mean = PAGE_BYTES * share * _mean(COLUMNS[method]) / _mean(REFERENCE)
    if content == "system":
        return _shaped(method, mean * p.system_ratio, None)
    return _shaped(method, mean * p.own_ratio, p.own_cv_frac)


@lru_cache(maxsize=256)
def _shaped(method: str, mean: float, cv_frac: float | None) -> Law:
    """The table's sizes, moved and stretched to a mean and a coefficient of variation; by default their own."""
    sizes = sizes_bytes(COLUMNS[method])
    if cv_frac is None:
        cv_frac = float(sizes.std() / sizes.mean())
    return _counted(mean * (1 + cv_frac * (sizes - sizes.mean()) / sizes.std()))


def _random(method: str) -> Law:
    more = 3 * PAGE_BYTES / ZSTD_BLOCK_BYTES if method == "zstd" else STORED_BYTES
    return Law(PAGE_BYTES + more, 0.0, PAGE_BYTES, 1.0)


@cache
def _calgary(method: str, share: float) -> Law:
    return _counted(sizes_bytes(COLUMNS[method]) * share)


def _counted(sizes: np.ndarray) -> Law:
    raw, mean = sizes >= PAGE_BYTES, sizes.mean()
    least = np.minimum(sizes, PAGE_BYTES).mean()
    return Law(float(mean), float(sizes.std() / mean), float(least), float(raw.mean()))


@cache
def _mean(column: str) -> float:
    return float(sizes_bytes(column).mean())


@cache
def sizes_bytes(column: str) -> np.ndarray:
    """One column of the per-page table, float64, one entry a page."""
    with open(paths.data_file("compression", "calgary_4kib.csv"), encoding="utf-8", newline="") as lines:
        sizes = np.array([float(row[column]) for row in csv.DictReader(lines)])
    sizes.setflags(write=False)
    return sizes
