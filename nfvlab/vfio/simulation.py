"""Monte Carlo of a device's interrupts: each one finds a host in its stationary state, and its path runs there.

Nothing is added up from laws of stages: `paths` writes the programs, `scheduler` begins each run, `kernels.sched` lets
CPUs and threads run through them, and the latency is when the guest's handler has the interrupt.

Decisions, where the mechanism leaves a choice:

- A stop for an SMI holds up everything: CPUs, vectors on their way, and the load's sleep. SMIs that come during one
  follow it; what is left of them at the device's write is found by running them up to it.
- A section with interrupts off is met when the vector arrives, so what is left of it comes on top of the travel.
- The load thinks from when its CPU is free of it (the switch away belongs to the job). A request during a handler or
  a switch is seen at its end. In the guest it costs an exit, and then loop, sync and entry again; in thread context
  what is left goes on.
- An idle V leaves its C-state for whatever comes first, a request of the load too. H never idles: a woken worker
  takes its turn there, the IRQ thread puts others aside, and the switch back to them counts.
- A thread that goes to sleep hands over to the next one in one switch (kernel/sched/core.c: schedule), so on an
  otherwise idle V the IRQ thread and the woken vCPU thread make two switches, not three.
- A rescheduling interrupt makes the vCPU thread ready when it arrives, not when it is sent.
- A worker first does the other work of its queue, as CPU time of SCHED_OTHER on its CPU, and then the item.
- Mainline: every switch to the vCPU thread may meet a section that cannot be preempted.
- What was posted before the end of a VM entry is delivered by that entry. SN is set while the vCPU thread is not on
  its CPU; a notification that finds V in the host does nothing.
- VT-d running: the load is thinking at the device's write, for the vCPU has the CPU. VT-d preempted: who preempted is
  above all priorities; the load behind it is in its stationary state.
- Switches and cycles count that the interrupt causes: to its threads and from them, and the way back into the guest
  after an exit or a wake-up for it. Those that end a preemption by others do not, nor do waits, other work or jobs.
- A thread of the interrupt that is not above a vCPU thread that never sleeps waits for ever: the latency is infinite;
  exits, switches and cycles are those until the vCPU is back in the guest.
"""

import math
from dataclasses import dataclass

import numpy as np

from nfvlab import results, stats
from nfvlab.vfio import scheduler
from nfvlab.vfio.params import OUTPUTS, PATHS, Params
from nfvlab.vfio.scheduler import Segment

_QUANTILES = {
    "latency_p99_low_ns": 0.99,
    "latency_p99_high_ns": 0.99,
    "latency_p999_low_ns": 0.999,
    "latency_p999_high_ns": 0.999,
}


@dataclass(frozen=True, kw_only=True)
class Samples(results.Samples):
    """n independent interrupts on each of the six paths, in the order of PATHS.

    latency_ns_each : float64[n, 6], infinite where the path never ends
    exits_each, switches_each : float64[n, 6], counts
    cost_cycles_each : float64[n, 6], cycles of both host CPUs
    """

    latency_ns_each: np.ndarray
    exits_each: np.ndarray
    switches_each: np.ndarray
    cost_cycles_each: np.ndarray

    def estimate(self) -> dict[str, stats.Estimate]:
        """Every output of every path: "latency_ns[0]" is mainline's mean."""
        return {
            f"{name}[{path}]": self.estimate_of(name, path) for name in OUTPUTS for path in range(len(PATHS))
        }

    def estimate_of(self, name: str, path: int) -> stats.Estimate:
        """The estimate of one output of one path."""
        counted = {
            "exits_ratio": self.exits_each,
            "switches_ratio": self.switches_each,
            "cost_cycles": self.cost_cycles_each,
        }
        if name in counted:
            return stats.mean(counted[name][:, path])
        latencies = self.latency_ns_each[:, path]
        never = int(np.isinf(latencies).sum())
        if never:
            error = 0.0 if never == self.n else math.nan
            return stats.Estimate(math.inf, error, f"never in {never} of {self.n}", self.n)
        if name == "worst_ns":
            return stats.Estimate(float(latencies.max()), 0.0, f"largest of {self.n}", self.n)
        if name in _QUANTILES:
            return stats.quantile(latencies, _QUANTILES[name])
        return stats.mean(latencies)


def simulate(p: Params, *, rng: np.random.Generator, n: int) -> Samples:
    """n interrupts on each path, each path with its own generator spawned from `rng`.

    ValueError for n < 1, and where one interrupt would wait for too many jobs of the load (`scheduler.check`).
    """
    if n < 1:
        raise ValueError(f"n = {n}: there is nothing to simulate; give at least 1 interrupt")
    entropy = results.provenance(rng)
    made = [scheduler.run(p, path, rng=child, n=n) for path, child in enumerate(rng.spawn(len(PATHS)))]
    latencies, exits, switches, costs = np.stack(made, axis=2).transpose(1, 0, 2)
    return Samples(
        params=p,
        entropy=entropy,
        n=n,
        latency_ns_each=latencies,
        exits_each=exits,
        switches_each=switches,
        cost_cycles_each=costs,
    )


def trace_one(p: Params, path: int | str, *, rng: np.random.Generator) -> list[Segment]:
    """One interrupt's timeline, by begin: what each CPU did, and the vectors on their way, from the device's write on.

    path : a name of PATHS or its index. Segments of one CPU do not overlap; gaps are idle. A path that never ends is
    followed until nothing more happens for it.
    """
    return scheduler.trace(p, index_of(path), rng=rng)[1]


def index_of(path: int | str) -> int:
    """The index of a path in PATHS. ValueError if there is no such path."""
    if isinstance(path, str):
        if path in PATHS:
            return PATHS.index(path)
    elif 0 <= path < len(PATHS):
        return int(path)
    raise ValueError(f"path = {path!r}: give one of {', '.join(PATHS)}, or its index from 0 on")


__all__ = ["Samples", "Segment", "index_of", "simulate", "trace_one"]
