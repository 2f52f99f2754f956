"""A tenant ends, or gets another RMID: what becomes of the lines that carry the old one, on the exact cache.

Nobody touches the lines of a tenant that has ended; they go when others need their places. A tenant that runs on under
another RMID goes on hitting its lines, and a hit does not change their RMID: its busiest lines keep it longest.

Levels are taken at times that grow by a fixed factor. The run is over when nothing is left; when what is left lies in
ways that no running class may fill; or when the others have made their share of references (`BUDGET_TURNS` for each
line of the cache, and `BUDGET_MORE`). What went in the second and in the last third of that time then tells how it
goes on: by the same ratio from third to third, towards what stays for ever (Aitken's rule; nothing stays if the ratio
is no less than 1). If no line went in the last third, none ever will, as far as can be seen.
"""

import math
from dataclasses import dataclass

import numpy as np

from nfvlab.llc.engine import Engine
from nfvlab.llc.params import LINE_BYTES

FIRST_NS, GROWTH, LEVELS = 1e3, 1.06, 360  # levels from 1 us to 1.3e9 times as long
BUDGET_TURNS, BUDGET_MORE = 8, 1_500_000  # references for each line of the cache, and as many more


@dataclass(frozen=True)
class Decay:
    """Lines of a tenant after its end, in bytes.

    times_ns, level_bytes : float64[LEVELS + 1], from the end on; NaN where the run was over before
    simulated : how many of them are not NaN
    final_bytes : what stays for ever; fade_per_ns : rate at which the rest goes after the last level, 0: it has gone
    """

    times_ns: np.ndarray
    level_bytes: np.ndarray
    simulated: int
    final_bytes: float
    fade_per_ns: float

    @property
    def extrapolated(self) -> bool:
        """Whether lines were still going at the end of the run."""
        return self.fade_per_ns > 0

    def level(self, at_ns: float) -> float:
        """Bytes left so long after the end."""
        last = self.simulated - 1
        if at_ns <= self.times_ns[last]:
            return float(np.interp(at_ns, self.times_ns[: last + 1], self.level_bytes[: last + 1]))
        more = self.level_bytes[last] - self.final_bytes
        return float(self.final_bytes + more * math.exp(-self.fade_per_ns * (at_ns - self.times_ns[last])))

    def below_ns(self, bytes_left: float) -> float:
        """When fewer bytes than these are left; infinite if that never comes."""
        levels = self.level_bytes[: self.simulated]
        under = np.flatnonzero(levels < bytes_left)
        if under.size:
            k = int(under[0])
            if k == 0:
                return 0.0
            high, low = levels[k - 1], levels[k]
            share = (high - bytes_left) / (high - low)
            return float(self.times_ns[k - 1] + share * (self.times_ns[k] - self.times_ns[k - 1]))
        if bytes_left <= self.final_bytes or not self.extrapolated:
            return math.inf
        share = (levels[-1] - self.final_bytes) / (bytes_left - self.final_bytes)
        return float(self.times_ns[self.simulated - 1] + math.log(share) / self.fade_per_ns)


def depart(engine: Engine, tenant: int) -> Decay:
    """Stop a tenant of a running engine now, and follow its lines."""
    engine.stop(tenant)
    return follow(engine, tenant)


def follow(engine: Engine, rmid: int) -> Decay:
    """Follow the lines with an RMID that nobody fills with any more."""
    start = engine.now_ns
    times = np.concatenate(([0.0], FIRST_NS * GROWTH ** np.arange(LEVELS)))
    levels, made = np.full(times.size, np.nan), np.zeros(times.size)  # made: references up to a level
    levels[0] = engine.lines()[rmid]
    budget = BUDGET_MORE + BUDGET_TURNS * engine.p.cache_sets * engine.p.cache_ways
    stuck = _closed_ways(engine)
    last = 0
    while last + 1 < times.size and made[last] < budget:
        if levels[last] == engine.held_by_way(rmid)[stuck].sum():
            break
        last += 1
        window = engine.run(start + times[last])
        levels[last] = engine.lines()[rmid]
        made[last] = made[last - 1] + window.hits.sum() + window.misses.sum()
    if levels[last] == engine.held_by_way(rmid)[stuck].sum():
        final, fade = levels[last], 0.0
    else:
        final, fade = _going_on(times[: last + 1], levels[: last + 1])
    return Decay(times, levels * LINE_BYTES, last + 1, float(final * LINE_BYTES), fade)


def _going_on(times: np.ndarray, levels: np.ndarray) -> tuple[float, float]:
    """(what stays for ever, rate at which the rest goes): from what went in the second and the last third of a run."""
    third = times[-1] / 3
    early, late = np.interp([third, 2 * third], times, levels)
    before, after = early - late, late - levels[-1]
    if after <= 0:
        return levels[-1], 0.0
    ratio = after / before if before > 0 else 1.0
    stays = levels[-1] - after * ratio / (1 - ratio) if ratio < 1 else -1.0
    if stays > 0:
        return stays, -math.log(ratio) / third
    return 0.0, math.log(late / levels[-1]) / third


def _closed_ways(engine: Engine) -> np.ndarray:
    """Ways that no running class may fill: bool[ways]."""
    masks = 0
    for k, t in enumerate(engine.tenants):
        if engine.running[k]:
            masks |= int(engine.masks[k, 0])
            if t.workload == "wakeups" or t.code_frac > 0:
                masks |= int(engine.masks[k, 1])
            if t.workload == "packets":
                masks |= int(engine.masks[engine.count, 0])
    return np.array([not masks >> way & 1 for way in range(engine.p.cache_ways)])
