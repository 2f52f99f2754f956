"""Misses of a trace by cache size, four ways: counted, from reuse times, from a sample, and set by set."""

from typing import TYPE_CHECKING

import numpy as np

from nfvlab.kernels import shards
from nfvlab.kernels.reuse import statstack
from nfvlab.kernels.reusetime import reuse_times
from nfvlab.kernels.stackdist import stack_distances
from nfvlab.llc.associative import smith

if TYPE_CHECKING:
    import pandas

MEASURES = {
    "exact": "counted: stack distances of all accesses (Mattson)",
    "statstack": "from reuse times (StatStack)",
    "shards": "from a sample of the lines (SHARDS, corrected)",
    "associative": "set by set, from the counted distances (Smith)",
}


def sizes_of(lines: np.ndarray, count: int = 40) -> np.ndarray:
    """Cache sizes worth looking at, int64: from one line to all of the trace's, even in the logarithm."""
    distinct = np.unique(lines).size
    return np.unique(np.geomspace(1, distinct, count).round().astype(np.int64))


def curves(
    lines: np.ndarray, *, ways: int, rate: float, rng: np.random.Generator, sizes: np.ndarray | None = None
) -> "pandas.DataFrame":
    """Misses per access by size in lines: columns cache_lines, and those of `MEASURES`.

    lines: uint64[n] line addresses; ways: of the set-associative cache (NaN where a size is no whole number of sets);
    rate: share of the lines that are sampled.
    """
    import pandas as pd

    sizes = sizes_of(lines) if sizes is None else np.asarray(sizes)
    counted = stack_distances(lines)
    histogram = np.concatenate([counted.counts, [counted.cold]])
    found = {
        "cache_lines": sizes,
        "exact": counted.miss_ratio(sizes),
        "statstack": statstack(reuse_times(lines)).miss_ratio(sizes),
        "shards": shards.sample_at_rate(lines, rate, rng).miss_ratio(sizes),
        "associative": [
            1 - smith(histogram, sets=size // ways, ways=ways) if size >= ways else np.nan for size in sizes
        ],
    }
    return pd.DataFrame(found)
