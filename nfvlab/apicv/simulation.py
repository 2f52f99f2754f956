"""Monte Carlo of interrupts that arrive at a vCPU: events around the virtual APIC's state machine, in four modes.

Each replication lets the same interrupts arrive in every mode, `WARM_UP` and then `MEASURED` of them, and plays out
what device, host CPU, vCPU thread and guest do (`world`, `delivery`, `guest`). The rate at which a vCPU is saturated
comes from a run of its own, in which a request follows each delivery at once.

Decisions, where the outline of the model is silent: between the last look at the requests and the guest's first
instruction the host's interrupts are off, so a message that comes then meets the running guest. One that comes earlier
is an interrupt of the host's and costs `irq_cycles`. A VT-d notification is the device's own message and travels once.
In emulated mode KVM asks for the interrupt window whenever a request remains that it cannot inject.
"""

import math
from dataclasses import dataclass

import numpy as np

from nfvlab import replications, stats
from nfvlab.apicv.delivery import DELIVERIES
from nfvlab.apicv.guest import Guest
from nfvlab.apicv.ledger import Ledger
from nfvlab.apicv.params import MODES, OUTPUTS, Params
from nfvlab.apicv.world import Ended, World

WARM_UP, MEASURED = 40, 400
SATURATED = 50  # deliveries of a saturated vCPU
FIRST_VECTOR, VECTOR_STEP = 0x30, 3


@dataclass(frozen=True, kw_only=True)
class Samples(replications.Samples):
    """n replications.

    latency_ns_each : float64[n, modes, MEASURED], from arrival to handler of each interrupt
    exits : float64[n, modes, kinds], exits per delivered interrupt by kind, in the order of `EXIT_KINDS`
    """

    latency_ns_each: np.ndarray
    exits: np.ndarray
    outputs = OUTPUTS

    @property
    def columns(self) -> tuple[str, ...]:
        """The outputs, one a mode each."""
        return replications.names(OUTPUTS, tuple(OUTPUTS), MODES)

    def estimate_of(self, name: str) -> stats.Estimate:
        """Means of replications; quantiles of all interrupts together."""
        field, _, mode = name.partition("[")
        if field == "latency_p99_ns":
            return stats.pooled_quantile(self.latency_ns_each[:, int(mode[:-1])], 0.99)
        return super().estimate_of(name)

    def least_deviation(self, name: str) -> float:
        """A count of whole interrupts is uncertain by one at each end of the measured time."""
        field = name.partition("[")[0]
        return 0.5 / MEASURED if field == "notifications_ratio" else 0.0


EXIT_KINDS = ("external interrupt", "interrupt window", "WRMSR", "virtualized EOI")


def simulate(p: Params, *, rng: np.random.Generator, n: int) -> Samples:
    """n independent replications, each with its own generator spawned from `rng`."""
    return Samples(**replications.replicated(replicate, p, rng, n))


def replicate(p: Params, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """One replication: the four modes on the same arrivals."""
    of_arrivals, *of_modes = rng.spawn(1 + 2 * len(MODES))
    arrivals = arrive(p, of_arrivals, WARM_UP + MEASURED)
    runs = [
        run(p, kind, arrivals, generator) for kind, generator in zip(DELIVERIES, of_modes[::2], strict=True)
    ]
    for made, kind, generator in zip(runs, DELIVERIES, of_modes[1::2], strict=True):
        made["saturation_per_s"] = saturation_per_s(p, kind, generator)
    totals = [made[name] for name in OUTPUTS for made in runs]
    return {
        "totals": np.array(totals),
        "latency_ns_each": np.array([made["each"] for made in runs]),
        "exits": np.array([made["exits"] for made in runs]),
    }


def arrive(p: Params, rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """(times in cycles, vectors) of the first `count` interrupts, in order of time."""
    hz, k = p.tsc_hz, p.vector_count
    if p.arrivals == "poisson":
        times = np.cumsum(rng.exponential(1 / p.interrupts_per_s, count)) * hz
        return times, FIRST_VECTOR + VECTOR_STEP * rng.integers(k, size=count)
    period = k / p.interrupts_per_s * hz
    times = (rng.random(k)[:, None] + np.arange(-(-count // k) + 1)) * period
    order = np.argsort(times, axis=None)[:count]
    vectors = FIRST_VECTOR + VECTOR_STEP * (order // times.shape[1])
    return times.ravel()[order], vectors


def run(p: Params, kind: type, arrivals: tuple[np.ndarray, np.ndarray], rng: np.random.Generator) -> dict:
    """One mode on these arrivals: its outputs, and the latencies in ns."""
    times, vectors = (part.tolist() for part in arrivals)
    ledger = Ledger(p, rng)
    world = World(kind(), ledger, zip(times, vectors, range(len(times)), strict=True))
    latency = [math.nan] * len(times)
    guest = Guest(p, world, times, latency)
    guest.start()
    _until(guest, lambda: world.now >= times[WARM_UP])
    ledger.clear()
    begin, before, merged = world.now, guest.delivered, guest.merged
    _until(guest, lambda: world.now >= times[-1])
    counted = guest.delivered - before, guest.merged - merged
    measured = _measured(ledger, world.now - begin, *counted)
    _until(guest, lambda: not any(map(math.isnan, latency)))
    each = np.array(latency[WARM_UP:]) / p.tsc_hz * 1e9
    return {**measured, "latency_ns": each.mean(), "latency_p99_ns": np.quantile(each, 0.99), "each": each}


def _until(guest: Guest, reached) -> None:
    """Step the guest until something holds, or nothing more happens."""
    try:
        while not reached():
            guest.step()
    except Ended:
        pass


def _measured(ledger: Ledger, cycles: float, delivered: int, merged: int) -> dict:
    if not delivered:
        nothing = dict.fromkeys(OUTPUTS, math.nan)
        return {**nothing, "cpu_frac": 0.0, "exits": np.full(len(EXIT_KINDS), math.nan)}
    return {
        "exits_ratio": ledger.exits.total() / delivered,
        "halts_ratio": ledger.halts / delivered,
        "cost_cycles": ledger.cost / delivered,
        "coalesced_frac": merged / (delivered + merged),
        "notifications_ratio": ledger.notifications
        / (MEASURED - 1),  # arrivals between the first and the last
        "cpu_frac": sum(ledger.vcpu_cpu.values()) / cycles,
        "exits": np.array([ledger.exits[kind] / delivered for kind in EXIT_KINDS]),
    }


def saturation_per_s(p: Params, kind: type, rng: np.random.Generator) -> float:
    """Deliveries per second if a request is always waiting, nobody else wants the CPU and the guest never halts."""
    alone = p.replace(halting=False, away_frac=0.0, masked_frac=0.0)
    ledger = Ledger(alone, rng)
    arrived, latency = [0.0], [math.nan]
    world = World(kind(), ledger, iter([(0.0, FIRST_VECTOR, 0)]))
    guest = Guest(alone, world, arrived, latency, refill=True)
    guest.start()
    _until(guest, lambda: guest.delivered >= 3)
    begin, before = world.now, guest.delivered
    _until(guest, lambda: guest.delivered >= before + SATURATED)
    return SATURATED / (world.now - begin) * p.tsc_hz


__all__ = ["EXIT_KINDS", "MEASURED", "Samples", "arrive", "run", "saturation_per_s", "simulate"]
