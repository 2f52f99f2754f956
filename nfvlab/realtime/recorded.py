"""A recorded latency distribution, and what its samples can say: bounds at a confidence, never a bare quantile.

A recording counts latencies in buckets, so it knows each one to its bucket only; and it holds n samples, so it says
nothing of what happens more rarely than about 3/n. Every number here is an interval that allows for both.

Samples are taken as independent. Wake-ups a millisecond apart mostly are; long disturbances hit several in a row and
make the intervals too narrow, by as much as samples come in clusters.

Sources: C. J. Clopper and E. S. Pearson, Biometrika 26 (1934) 404, exact binomial bounds; H. A. David and
H. N. Nagaraja, Order Statistics, 3rd ed., 2003, section 7.1, bounds of a quantile.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import pandas

CONFIDENCE = 0.95
LEVELS = (0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999, 0.999999)


class Interval(NamedTuple):
    """Where a number lies at the confidence asked for; `high` may be infinite."""

    low: float
    high: float


@dataclass(frozen=True)
class Recorded:
    """Latencies in buckets [low_ns, high_ns), `count` samples in each; buckets of several threads may overlap.

    low_ns, high_ns : float64[k]; count : int64[k], above 0
    """

    low_ns: np.ndarray
    high_ns: np.ndarray
    count: np.ndarray

    @property
    def n(self) -> int:
        """Samples in all."""
        return int(self.count.sum())

    @property
    def smallest_ns(self) -> float:
        """No sample is below this."""
        return float(self.low_ns[0])

    @property
    def largest_ns(self) -> float:
        """Every sample is below this; infinite if the last bucket is open."""
        return float(self.high_ns.max())

    def mean_ns(self) -> Interval:
        """The samples' mean, all at the lower or all at the upper ends of their buckets."""
        share = self.count / self.n
        return Interval(float(share @ self.low_ns), float(share @ self.high_ns))

    def above(self, latency_ns: float, *, confidence: float = CONFIDENCE) -> Interval:
        """The probability of a latency of `latency_ns` or more."""
        low, high = self.band(np.array([latency_ns]), confidence=confidence)
        return Interval(float(low[0]), float(high[0]))

    def band(self, at_ns: np.ndarray, *, confidence: float = CONFIDENCE) -> tuple[np.ndarray, np.ndarray]:
        """`above` at many latencies at once, (low, high): at each one the truth is between, not at all together."""
        _check_share("confidence", confidence)
        at_ns, tail = np.asarray(at_ns, dtype=float), (1 - confidence) / 2
        surely = self.n - _counted_below(self.low_ns, self.count, at_ns, "left")
        perhaps = self.n - _counted_below(self.high_ns, self.count, at_ns, "right")
        return _lowest(surely, self.n, tail), _highest(perhaps, self.n, tail)

    def quantile(self, q: float, *, confidence: float = CONFIDENCE) -> Interval:
        """The q-quantile; its upper bound is infinite where n samples are too few to give one."""
        _check_share("q", q)
        _check_share("confidence", confidence)
        from scipy.stats import binom

        tail = (1 - confidence) / 2
        below = int(binom.ppf(tail, self.n, q))  # samples surely not above the quantile
        beyond = int(binom.isf(tail, self.n, q)) + 1
        low = _ranked(self.low_ns, self.count, below) if below >= 1 else 0.0
        high = _ranked(self.high_ns, self.count, beyond) if beyond <= self.n else math.inf
        return Interval(low, high)

    def rarest(self, *, confidence: float = CONFIDENCE) -> float:
        """The probability below which nothing was tried: an event of it stays unseen by chance (about 3/n)."""
        return 1 - (1 - confidence) ** (1 / self.n)

    def ccdf(self) -> tuple[np.ndarray, np.ndarray]:
        """(latency_ns, share of samples of that or more) at every bucket's lower end: for a stepped curve."""
        reached = np.cumsum(self.count[::-1])[::-1] / self.n
        return self.low_ns, reached

    def shifted(self, by_ns: float) -> "Recorded":
        """The same distribution with every latency longer by `by_ns`, none below 0."""
        return Recorded(
            np.maximum(self.low_ns + by_ns, 0.0), np.maximum(self.high_ns + by_ns, 1e-9), self.count
        )

    def to_frame(self, levels: Iterable[float] = LEVELS) -> "pandas.DataFrame":
        """One row a quantile: low_ns, high_ns at 95 % confidence, and whether the samples suffice."""
        import pandas as pd

        rows = [(q, *self.quantile(q)) for q in levels]
        frame = pd.DataFrame(rows, columns=["quantile", "low_ns", "high_ns"])
        frame["enough"] = np.isfinite(frame["high_ns"])
        return frame.set_index("quantile")


def recorded(frame: "pandas.DataFrame", *, thread: int | None = None) -> Recorded:
    """The distribution in a frame of `readers.latency` (thread, low_ns, high_ns, count): one thread's, or all.

    ValueError for a frame without samples, or a thread that is not in it.
    """
    if thread is not None:
        there = sorted(frame["thread"].unique())
        if thread not in there:
            raise ValueError(f"thread = {thread}: the recording has {', '.join(map(str, there)) or 'none'}")
        frame = frame[frame["thread"] == thread]
    if not len(frame):
        raise ValueError("the recording holds no sample: record longer, or with a histogram (-h)")
    merged = frame.groupby(["low_ns", "high_ns"], as_index=False)["count"].sum().sort_values("low_ns")
    return Recorded(
        merged["low_ns"].to_numpy(float),
        merged["high_ns"].to_numpy(float),
        merged["count"].to_numpy(np.int64),
    )


def _ranked(ends_ns: np.ndarray, count: np.ndarray, rank: int) -> float:
    """The end of the bucket with the sample of this rank, counted from 1, buckets in the order of these ends."""
    order = np.argsort(ends_ns, kind="stable")
    return float(ends_ns[order][np.searchsorted(np.cumsum(count[order]), rank)])


def _counted_below(ends_ns: np.ndarray, count: np.ndarray, at_ns: np.ndarray, side: str) -> np.ndarray:
    """How many samples have this end of their bucket before each latency ("left"), or at it too ("right")."""
    order = np.argsort(ends_ns, kind="stable")
    before = np.concatenate([[0], np.cumsum(count[order])])
    return before[np.searchsorted(ends_ns[order], at_ns, side)]


def _lowest(k: np.ndarray, n: int, tail: float) -> np.ndarray:
    from scipy.special import betaincinv

    return np.where(k > 0, betaincinv(np.maximum(k, 1), n - np.maximum(k, 1) + 1, tail), 0.0)


def _highest(k: np.ndarray, n: int, tail: float) -> np.ndarray:
    from scipy.special import betaincinv

    return np.where(k < n, betaincinv(np.minimum(k, n - 1) + 1, n - np.minimum(k, n - 1), 1 - tail), 1.0)


def _check_share(name: str, value: float) -> None:
    if not 0 < value < 1:
        raise ValueError(f"{name} = {value}: lies between 0 and 1, both excluded; give for example 0.99")
