"""Miss ratios from reuse times: StatStack, and the footprint with the higher-order theory of locality. Plain numpy.

The reuse time of an access is how many accesses ago its line was used before (1: the access just before). Times lie in
bins, each time of its own below 2**13, then 4096 in each doubling; a bin keeps the number and the sum of its times, so
that whatever is said at the lower edge of a bin is exact for the trace's own times. The last bin is empty.

D. Eklov and E. Hagersten, StatStack: efficient modeling of LRU caches, ISPASS 2010. X. Xiang, C. Ding, H. Luo and
B. Bao, HOTL: a higher order theory of locality, ASPLOS 2013; X. Xiang, B. Bao, C. Ding and Y. Gao, Linear-time modeling
of program working set in shared cache, PACT 2011 (the average footprint).
"""

from typing import NamedTuple

import numpy as np

BIN_BITS = 12
_PER_DOUBLING = 1 << BIN_BITS


class Times(NamedTuple):
    """How many times fell into each bin, and their sum."""

    counts: np.ndarray  # int64[bins]
    sums: np.ndarray  # int64[bins]


class ReuseTimes(NamedTuple):
    """Reuse times of a trace of n accesses to m lines."""

    reuse: Times  # of the n - m accesses that have one
    first: Times  # of each line: place of its first access, from 1
    last: Times  # of each line: place of its last access, counted from the end, from 1

    @property
    def lines(self) -> int:
        """Distinct lines."""
        return int(self.first.counts.sum())

    @property
    def accesses(self) -> int:
        """Accesses of the trace."""
        return int(self.reuse.counts.sum()) + self.lines


class Curve(NamedTuple):
    """Miss ratio of a fully associative LRU cache by its size, linear between the points."""

    lines: np.ndarray  # float64[points], rising
    miss_frac: np.ndarray  # float64[points]

    def miss_ratio(self, sizes) -> np.ndarray:
        """At sizes in lines: float64[sizes]."""
        return np.interp(np.asarray(sizes, dtype=np.float64), self.lines, self.miss_frac)


def edges(bins: int) -> np.ndarray:
    """The lowest time of each bin, and of the one after the last: int64[bins + 1]; bin 0 stays empty."""
    index = np.arange(bins + 1)
    shift = np.maximum(index // _PER_DOUBLING - 1, 0)
    return (index - shift * _PER_DOUBLING) << shift


def statstack(times: ReuseTimes) -> Curve:
    """The miss-ratio curve if each access passed by were reused as late as any: from reuse times alone.

    An access with reuse time t is expected at stack distance sum over 0 < k < t of P(reuse time > k), lines not used
    again counting as reused never. Right for independent references, and for a scan; where a program has phases, each
    with reuse times of its own, the curve mixes them and is off, as everything made from their one histogram is.
    """
    _check(times)
    low, later, sums = (column[1:] for column in _later(times.reuse))
    unending = times.lines  # each line's last use
    capped = (times.reuse.sums.sum() - sums + low * (later + unending)) / times.accesses  # E[min(time, low)]
    return _rising(capped - 1, (later + unending) / times.accesses)


def footprint(times: ReuseTimes) -> tuple[np.ndarray, np.ndarray]:
    """(lengths int64[points], distinct lines in a window of that length on average float64[points]), exact.

    The average is over all windows of one length within the trace. A line is missing from the windows that lie between
    two of its uses, before its first or after its last: from t - w of them if that takes t > w accesses.
    """
    _check(times)
    low, _, missing = _missing(times)
    n = times.accesses
    inside = low <= n
    return low[inside], times.lines - missing[inside] / (n - low[inside] + 1)


def hotl(times: ReuseTimes) -> Curve:
    """The miss-ratio curve from the footprint fp: at size fp(w), misses per access are fp(w + 1) - fp(w)."""
    _check(times)
    low, later, missing = _missing(times)
    n, m = times.accesses, times.lines
    low, later, missing = (column[(low >= 1) & (low <= n)] for column in (low, later, missing))
    upper = m - missing / (n - low + 1)
    lower = m - (missing + later) / (n - low + 2)  # of windows one shorter: each gap of t >= w is in one more
    return _rising(lower, upper - lower)


def _later(times: Times):
    """By bin: its lowest time w, how many times are >= w, and the sum of those."""
    low = edges(times.counts.size)[:-1]
    return low, *(np.cumsum(column[::-1])[::-1] for column in times)


def _missing(times: ReuseTimes):
    """By lowest time w of a bin: (w, gaps of t >= w, sum of t - w over them); gaps: reuses, firsts and lasts."""
    gaps = Times(*(sum(columns) for columns in zip(*times, strict=True)))
    low, later, sums = _later(gaps)
    return low, later, sums - low * later


def _rising(lines: np.ndarray, miss_frac: np.ndarray) -> Curve:
    """The curve at its points of rising size."""
    kept = np.append(True, np.diff(np.maximum.accumulate(lines)) > 0)
    return Curve(lines[kept], miss_frac[kept])


def _check(times: ReuseTimes) -> None:
    if not times.accesses:
        raise ValueError("times has no access: an empty trace has no curve. Give at least one access")
