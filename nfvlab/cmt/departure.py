"""A tenant ends: what becomes of its lines, and when its RMID is clean, on the exact cache.

Nobody touches the lines of a tenant that has ended; they go when others need their places. Levels are taken at times
that grow by a fixed factor. The run is over when nothing is left; when what is left lies in ways that no running class
may fill; or when the others have made their share of references (`BUDGET_TURNS` for each line of the cache). If no
line went in the last half of that, none ever will, as far as can be seen: what is left stays. Else the rest is taken
to go at the rate of that half, and the run says so (`extrapolated`).
"""

import math
from dataclasses import dataclass

import numpy as np

from nfvlab.llc.engine import Engine
from nfvlab.llc.params import LINE_BYTES

FIRST_NS, GROWTH, LEVELS = 1e3, 1.06, 360  # levels from 1 us to 1.3e9 times as long
BUDGET_TURNS, BUDGET_LEAST = 8, 500_000  # references for each line of the cache, and at least


@dataclass(frozen=True)
class Decay:
    """Lines of a tenant after its end, in bytes.

    times_ns, level_bytes : float64[LEVELS + 1], from the end on; NaN where the run was over before
    simulated : how many of them are not NaN
    final_bytes : what stays for ever; fade_per_ns : rate at which the rest goes after the last level, 0: it is gone
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
        if not self.extrapolated:
            return self.final_bytes
        return float(self.level_bytes[last] * math.exp(-self.fade_per_ns * (at_ns - self.times_ns[last])))

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
        if bytes_left <= 0 or not self.extrapolated:
            return math.inf
        return float(self.times_ns[self.simulated - 1] + math.log(levels[-1] / bytes_left) / self.fade_per_ns)


def depart(engine: Engine, tenant: int) -> Decay:
    """Stop a tenant of a running engine now, and follow its lines."""
    engine.stop(tenant)
    end = engine.now_ns
    times = np.concatenate(([0.0], FIRST_NS * GROWTH ** np.arange(LEVELS)))
    levels = np.full(times.size, np.nan)
    made = np.zeros(times.size)  # references of the others up to a level
    levels[0] = engine.lines()[tenant]
    budget = max(BUDGET_LEAST, BUDGET_TURNS * engine.p.cache_sets * engine.p.cache_ways)
    stuck = _closed_ways(engine)
    last = 0
    while last + 1 < times.size and made[last] < budget:
        if levels[last] == engine.held_by_way(tenant)[stuck].sum():
            break
        last += 1
        window = engine.run(end + times[last])
        levels[last] = engine.lines()[tenant]
        made[last] = made[last - 1] + window.hits.sum() + window.misses.sum()
    closed = levels[last] == engine.held_by_way(tenant)[stuck].sum()
    half = int(np.searchsorted(made[: last + 1], made[last] / 2))
    going = not closed and levels[half] > levels[last] > 0
    fade = math.log(levels[half] / levels[last]) / (times[last] - times[half]) if going else 0.0
    return Decay(times, levels * LINE_BYTES, last + 1, float(levels[last] * LINE_BYTES), fade)


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
