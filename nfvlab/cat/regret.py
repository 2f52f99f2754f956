"""How wrong a recommendation can be when curves are only known within bounds, and which measurement helps most.

Curves fall: more ways never cost bandwidth. So a group that got more ways elsewhere could save at most upper(here) -
lower(there), and one that got fewer saves nothing. The worst case over all other allocations is a dynamic programme.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nfvlab.cat.curves import Curve
from nfvlab.kernels import partition
from nfvlab.units import human

QUANTITY = "bandwidth_bytes_per_s"
WORTHWHILE = 0.98  # a measurement is proposed when it may leave at most this share of what is open
NEGLIGIBLE_FRAC = 0.01  # of the bandwidth expected: a regret below it is not worth a measurement


@dataclass(frozen=True)
class Measurement:
    """Let `group` have `ways` ways of its own for a while.

    If its rate then is as estimated, the regret falls from `before` to `after`, bytes/s. It may stay where several
    groups have to be measured before it falls; then this is the one that leaves most open.
    """

    group: str
    ways: int
    before: float
    after: float

    def words(self) -> str:
        """What to do, and what for."""
        run = f"run {self.group} with {self.ways} ways of its own for a minute"
        if self.before == float("inf"):
            return f"{run}: nothing bounds its bandwidth there"
        if self.after > WORTHWHILE * self.before:
            return f"{run}: what it does there leaves most open"
        gain = f"from {human(QUANTITY, self.before)} to {human(QUANTITY, self.after)}"
        return f"{run}: what the masks may miss falls {gain}"


def worst_regret(curves: Sequence[Curve], weights, ways, least, most, total: int) -> float:
    """By how much any allocation within the limits could undercut `ways`, for any curves within the bounds."""
    return _worst_case(curves, weights, ways, least, most, total)[1]


def _worst_case(curves, weights, ways, least, most, total: int) -> tuple[int, float, np.ndarray]:
    """(groups whose rate nothing bounds, regret, ways of the allocation that could be better by it)."""
    gains = np.zeros((len(curves), total + 1))
    for k, (curve, here) in enumerate(zip(curves, ways, strict=True)):
        gains[k, here + 1 : most[k] + 1] = curve.upper[here] - curve.lower[here + 1 : most[k] + 1]
        gains[k, 1:here] = -np.maximum(curve.lower[1:here] - curve.upper[here], 0.0)
    gains *= np.asarray(weights)[:, None]
    unbounded = int(np.isinf(gains).any(axis=1).sum())
    if unbounded:
        return unbounded, float("inf"), np.array(ways)
    best = partition.split_sum(-gains, least, most, total)
    return 0, max(0.0, float(gains[np.arange(len(curves)), best].sum())), best


def best_measurement(curves: Sequence[Curve], weights, ways, least, most, total: int) -> Measurement | None:
    """The group and way count whose measurement would lower the worst regret of `ways` most.

    Judged by the mean over three outcomes: the estimate, and the bounds where they are finite. Where no single one
    lowers it, the group about whose part in the worst case least is known. None when the regret is negligible.
    """
    question = (weights, ways, least, most, total)
    unbounded, before, there = _worst_case(curves, *question)
    expected = sum(w * c.estimate[n] for w, c, n in zip(weights, curves, ways, strict=True))
    if before <= NEGLIGIBLE_FRAC * expected:
        return None
    found = []
    for k, curve in enumerate(curves):
        for count in range(least[k], min(most[k], total - (least.sum() - least[k])) + 1):
            rates = [curve.estimate[count], curve.lower[count], curve.upper[count]]
            if rates[1] == rates[2]:
                continue
            left = [_after(curves, k, count, rate, question) for rate in rates if np.isfinite(rate)]
            found.append((*np.mean(left, axis=0).tolist(), abs(count - ways[k]), k, count))
    if found and (min(found)[0] < unbounded or min(found)[1] <= WORTHWHILE * before < np.inf):
        k, count = min(found)[-2:]
    else:
        doubts = [
            (w * ((c.upper if np.isfinite(c.upper[n]) else c.estimate)[n] - c.lower[n]), k, n)
            for k, (c, w) in enumerate(zip(curves, weights, strict=True))
            for n in (ways[k], int(there[k]))
        ]
        doubt, k, count = max(doubts)
        if not doubt > 0:
            return None
    after = _after(curves, k, count, curves[k].estimate[count], question)[1]
    return Measurement(curves[k].group, int(count), before, after)


def _after(curves, k: int, count: int, rate: float, question) -> tuple[int, float]:
    """(unbounded groups, regret) when group k is known to have `rate` at `count` ways."""
    measured = curves[k].with_measured(count, float(rate))
    return _worst_case([*curves[:k], measured, *curves[k + 1 :]], *question)[:2]


def bounding_ways(curves: Sequence[Curve], weights, least, most, total: int) -> tuple[np.ndarray, list[str]]:
    """Fewest ways of each group that keep its rate bounded: int64[groups], and notes on those that cannot have them.

    Where they do not fit, a way less is given, one by one, where the estimates lose least by it.
    """
    wanted = np.array([min(c.bounded_ways, m) for c, m in zip(curves, most, strict=True)], dtype=np.int64)
    wanted = np.maximum(wanted, least)
    lowered = set()
    while wanted.sum() > total and (wanted > least).any():
        loss = [
            w * (c.estimate[n - 1] - c.estimate[n]) if n > low else np.inf
            for c, n, low, w in zip(curves, wanted, least, weights, strict=True)
        ]
        k = int(np.argmin(loss))
        wanted[k] -= 1
        lowered.add(curves[k].group)
    below = "may get fewer ways than it was ever seen with: nothing bounds its bandwidth there"
    return wanted, [f"{group} {below}" for group in sorted(lowered)]


__all__ = ["Measurement", "best_measurement", "bounding_ways", "worst_regret"]
