"""What a recording implies for a scenario: values with bounds, rows to solve stage costs from, and what it assumes.

`implied_noise`, `implied_hops`, `implied_exits` and `implied_guest` make an `Implied` each, from one kind of recording:

    params = params.replace(**noise_of(*read_oslat(path)).overrides)

Sources: F. Garwood, Biometrika 28 (1936) 437, exact bounds of a Poisson rate; for means, the Student t interval of the
samples at the lower ends of their buckets and at the upper ends.
"""

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from nfvlab.realtime.recorded import CONFIDENCE, Interval
from nfvlab.realtime.solve import Row

if TYPE_CHECKING:
    import pandas

#: float64[k] values, and float64[k] how many samples each stands for
Weighted = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True, kw_only=True)
class Implied:
    """What one recording says.

    overrides : {field of a scenario: value}
    bounds : {name with its unit: interval at the confidence asked for}; every override is within its own
    rows : measured sums of stages, for `solve`
    assumed : what was taken for granted, a sentence each
    untold : what the recording cannot say, a sentence each
    source : the tool that recorded
    """

    overrides: dict[str, float] = field(default_factory=dict)
    bounds: dict[str, Interval] = field(default_factory=dict)
    rows: tuple[Row, ...] = ()
    assumed: tuple[str, ...] = ()
    untold: tuple[str, ...] = ()
    source: str = ""

    def to_frame(self) -> "pandas.DataFrame":
        """One row a name: value (NaN where there is none to use), low, high."""
        import pandas as pd

        made = [(name, self.overrides.get(name, math.nan), *bound) for name, bound in self.bounds.items()]
        return pd.DataFrame(made, columns=["name", "value", "low", "high"]).set_index("name")


def rate_bounds(
    least_count: float, most_count: float, duration_ns: float, *, confidence: float = CONFIDENCE
) -> Interval:
    """Events per second where at least and at most so many were counted in a time, if they come at random."""
    from scipy.special import gammainccinv, gammaincinv

    tail = (1 - confidence) / 2
    low = float(gammaincinv(least_count, tail)) if least_count else 0.0
    high = float(gammainccinv(most_count + 1, tail))
    return Interval(low / duration_ns * 1e9, high / duration_ns * 1e9)


def mean_bounds(low: Weighted, high: Weighted, *, confidence: float = CONFIDENCE) -> Interval:
    """Bounds of the mean of what samples came from, given each sample at its lowest and each at its highest.

    A single sample gives from 0 to infinity. The lower bound is not below 0.
    """
    from scipy.special import stdtrit

    n = float(np.sum(low[1]))
    if n < 2:
        return Interval(0.0, math.inf)
    t = float(stdtrit(n - 1, (1 + confidence) / 2))
    ends = []
    for (values, weights), sign in ((low, -1), (high, 1)):
        mean = weighted_mean((values, weights))
        if math.isinf(mean):
            ends.append(math.inf)
            continue
        variance = float(weights @ np.square(values - mean)) / (n - 1)
        ends.append(mean + sign * t * math.sqrt(variance / n))
    return Interval(max(ends[0], 0.0), ends[1])


def weighted_mean(values: Weighted) -> float:
    """The mean of values by their weights; infinite if one with a weight is."""
    counted = values[1] > 0
    return float(np.average(values[0][counted], weights=values[1][counted]))


def within(value: float, bounds: Interval) -> float:
    """The value, or the bound that it is beyond."""
    return min(max(value, bounds.low), bounds.high)


def check_positive(name: str, value: float, remedy: str) -> None:
    """ValueError for what is no finite number above 0."""
    if not 0 < value < math.inf:
        raise ValueError(f"{name} = {value}: must be a finite number above 0; {remedy}")
