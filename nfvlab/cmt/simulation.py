"""Monte Carlo of tenants watched by RMID: the exact cache, its counters, the kernel's readings, and limbo.

Each replication runs tenants from an empty cache through `warmup_ns` and `measured_ns` and reads the counters of every
RMID each `sample_ns`. Then it ends the first tenant and follows its lines (`departure`), and lets groups come and go
under the kernel's allocator, each RMID as slow to get clean as that one was (`groups`).
"""

import dataclasses
import math
from dataclasses import dataclass

import numpy as np

from nfvlab import stats
from nfvlab.cmt import groups
from nfvlab.cmt.counters import longest_interval_ns
from nfvlab.cmt.departure import Decay, depart
from nfvlab.cmt.limbo import RmidAllocator, round_threshold
from nfvlab.cmt.params import OUTPUTS, PER_TENANT, Params
from nfvlab.cmt.watching import read, slices_of, totals_of, watch
from nfvlab.llc import replications
from nfvlab.llc.engine import Engine
from nfvlab.llc.params import LINE_BYTES
from nfvlab.llc.replications import SLICES, names

ENDS = 64  # moments between two checks at which the first tenant ends, in each replication


@dataclass(frozen=True, kw_only=True)
class Samples(replications.Samples):
    """n independent replications. K tenants; RMID K is the devices'. Rows as in `llc.replications`, and for figures:

    times_ns, occupancy_bytes : float64[n, s], float64[n, s, K + 1], over the measured time
    read_ns, readings_bytes : float64[n, r], float64[n, r, K], llc_occupancy as read
    true_per_s, total_per_s, local_per_s : float64[n, r, K] bytes per second up to each reading: all traffic, as read
    decay_ns, decay_bytes : float64[n, levels], the first tenant's lines after its end
    carried_on : bool[n], whether lines were still going when the run was over, see `departure`
    starts, refused : int64[n], groups that started, and that were refused
    """

    times_ns: np.ndarray
    occupancy_bytes: np.ndarray
    read_ns: np.ndarray
    readings_bytes: np.ndarray
    true_per_s: np.ndarray
    total_per_s: np.ndarray
    local_per_s: np.ndarray
    decay_ns: np.ndarray
    decay_bytes: np.ndarray
    carried_on: np.ndarray
    starts: np.ndarray
    refused: np.ndarray
    outputs = OUTPUTS
    per_tenant = PER_TENANT

    def estimate_of(self, name: str) -> stats.Estimate:
        """As for any Monte Carlo, but for what may be infinite or never happen, and for what comes in whole units."""
        field, _, tenant = name.partition("[")
        never = int(np.isinf(self.values("clean_wait_ns")).sum())
        if name == "longest_interval_ns":
            return stats.Estimate(float(self.values(name)[0]), 0.0, "counted, not drawn", self.n)
        if name == "clean_wait_ns" and never:
            error = 0.0 if never == self.n else math.nan
            return stats.Estimate(math.inf, error, f"never clean in {never} of {self.n}", self.n)
        if name in ("refused_frac", "limbo_count") and never == self.n:
            return stats.Estimate(float(self.values(name)[0]), 0.0, "the limit: no RMID comes back", self.n)
        if name == "refused_frac":
            return self._refused()
        if field == "rate_error_frac":
            return self._rate_error(int(tenant[:-1]))
        made = super().estimate_of(name)
        if name == "stale_bytes" and self.carried_on.any():
            return dataclasses.replace(made, method=f"{made.method}, {int(self.carried_on.sum())} carried on")
        return made

    def least_deviation(self, name: str) -> float:
        """A unit more or less in the sum of all readings; a line in the true traffic."""
        field = name.partition("[")[0]
        if field in ("total_bytes_per_s", "local_bytes_per_s"):
            return self._unit_per_s() / self._readings / math.sqrt(12)
        if field == "bandwidth_bytes_per_s":
            return LINE_BYTES / (self.params.measured_ns / 1e9) / math.sqrt(12)
        return 0.0

    @property
    def _readings(self) -> int:
        return self.read_ns.shape[1]

    def _unit_per_s(self) -> float:
        """The rate that one unit more in a reading makes."""
        return self.params.upscale_bytes / self.params.sample_ns * 1e9

    def _refused(self) -> stats.Estimate:
        """Refusals may be too rare to be seen in any replication."""
        started, refused = int(self.starts.sum()), int(self.refused.sum())
        if started + refused and refused in (0, started + refused):
            return stats.proportion(refused, started + refused)
        return super().estimate_of("refused_frac")

    def _rate_error(self, tenant: int) -> stats.Estimate:
        """The root of the mean square; its error by that of the mean square."""
        true = self.values(f"bandwidth_bytes_per_s[{tenant}]").mean()
        if true * self.params.measured_ns / 1e9 < self.params.upscale_bytes:
            return stats.Estimate(math.nan, math.nan, "there is no such value", self.n)
        squares = stats.mean(np.mean((self.total_per_s[:, :, tenant] / true - 1) ** 2, axis=1))
        least = (self._unit_per_s() / true) ** 2 / self._readings / math.sqrt(12 * self.n)
        root, stderr = math.sqrt(squares.value), float(np.maximum(squares.stderr, least))  # NaN stays NaN
        error = stderr / (2 * root) if root > 0 else math.sqrt(stderr)
        return stats.Estimate(root, error, f"root of {squares.method}", self.n, squares.dof)


def simulate(p: Params, *, rng: np.random.Generator, n: int) -> Samples:
    """n independent replications, each with its own generator spawned from `rng`."""
    return Samples(**replications.replicated(replicate, p, rng, n))


def replicate(p: Params, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """One replication: a row of each array of `Samples`."""
    of_host, of_counters, of_ends, of_groups = rng.spawn(4)
    engine = Engine(p, p.tenants, of_host, remote_fracs=[t.remote_frac for t in p.tenants])
    seen = watch(p, engine)
    readings = read(p, seen, of_counters)
    slices = slices_of(p, seen)
    decay = depart(engine, 0)
    host = _churn(p, decay, of_groups)
    made = {
        **totals_of(p, seen, readings),
        **_wait(p, decay, of_ends.random(ENDS)),
        "longest_interval_ns": longest_interval_ns(
            width=p.counter_bits, unit_bytes=p.upscale_bytes, bytes_per_s=p.memory_bytes_per_s
        ),
        "refused_frac": host.refused_frac,
        "limbo_count": host.limbo_count,
    }
    order = names(OUTPUTS, PER_TENANT, p.tenants)
    empty = np.full(SLICES, math.nan)
    return {
        **readings,
        "times_ns": seen.times_ns,
        "occupancy_bytes": seen.occupancy * float(LINE_BYTES),
        "totals": np.array([made[name] for name in order]),
        "slices": np.stack([slices.get(name, empty) for name in order], axis=1),
        "decay_ns": decay.times_ns,
        "decay_bytes": decay.level_bytes,
        "carried_on": np.bool_(decay.extrapolated),
        "starts": np.int64(host.started),
        "refused": np.int64(host.busy + host.no_space),
    }


def _wait(p: Params, decay: Decay, phases: np.ndarray) -> dict[str, float]:
    """The wait for a clean RMID and what it carries then: means over ends at these shares of a check's interval."""
    clean_ns = decay.below_ns(round_threshold(p.threshold_bytes, p.upscale_bytes))
    if math.isinf(clean_ns):
        return {"clean_wait_ns": math.inf, "stale_bytes": math.nan}
    first = (1 - phases) * p.check_ns  # from the end to the next check
    waits = first + np.maximum(0, np.ceil((clean_ns - first) / p.check_ns)) * p.check_ns
    return {"clean_wait_ns": waits.mean(), "stale_bytes": np.mean([decay.level(wait) for wait in waits])}


def _churn(p: Params, decay: Decay, rng: np.random.Generator) -> groups.Churned:
    """Groups that come and go, each RMID getting clean as the first tenant's did."""
    allocator = RmidAllocator(
        p.rmid_count, threshold_bytes=p.threshold_bytes, unit_bytes=p.upscale_bytes, check_ns=p.check_ns
    )
    clean_ns = decay.below_ns(allocator.threshold_bytes)
    rates = {"starts_per_s": p.starts_per_s, "lifetime_ns": p.lifetime_ns}
    return groups.churn(allocator, clean_ns=clean_ns, rng=rng, **rates)
