"""Monte Carlo of a migration: QEMU's mechanism at page level, replicated."""

from dataclasses import dataclass

import numpy as np

from nfvlab import results, stats
from nfvlab.precopy.guest import Guest
from nfvlab.precopy.migration_thread import MigrationThread, Row, Totals
from nfvlab.precopy.params import OUTPUTS, Params


@dataclass(frozen=True)
class Run:
    """One simulated migration: its totals, its timeline and when the dirty bitmap was synchronised."""

    totals: Totals
    timeline: tuple[Row, ...]
    sync_times_ns: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Samples(results.Samples):
    """n independent migrations."""

    runs: tuple[Run, ...]
    names = OUTPUTS

    def values(self, name: str) -> np.ndarray:
        """The output `name` of every run, float64 of shape (n,); not a number where a run gave up."""
        if name == "converged_frac":
            return np.array([float(run.totals.converged) for run in self.runs])
        return np.array([float(getattr(run.totals, name)) for run in self.runs])

    def estimate(self) -> dict[str, stats.Estimate]:
        """Means over the migrations that completed; the share that did."""
        done = np.array([run.totals.converged for run in self.runs])
        estimates = {name: _mean(self.values(name)[done]) for name in self.names if name != "converged_frac"}
        return estimates | {"converged_frac": stats.proportion(int(done.sum()), done.size)}


def _mean(values: np.ndarray) -> stats.Estimate:
    if values.size == 0:
        return stats.Estimate(float("nan"), float("nan"), "no migration completed", 0)
    return stats.mean(values)


def migrate(p: Params, rng: np.random.Generator) -> Run:
    """One migration."""
    thread = MigrationThread(p, rng, Guest(p, rng))
    return run(thread)


def run(thread: MigrationThread) -> Run:
    """Run a migration thread to its end."""
    return Run(thread.run(), tuple(thread.timeline), tuple(thread.sync_times_ns))


def simulate(p: Params, *, rng: np.random.Generator, n: int) -> Samples:
    """n independent migrations, each with its own generator spawned from `rng`."""
    entropy = results.provenance(rng)
    runs = tuple(migrate(p, child) for child in rng.spawn(n))
    return Samples(params=p, entropy=entropy, n=n, runs=runs)
