"""Monte Carlo of tenants with capacity bit masks: an exact cache, cores with clocks, replicated.

Each replication has pages, popular lines, orders and phases of its own. It begins with an empty cache and runs for
`warmup_ns` uncounted, then for `measured_ns` in slices of equal length, which show whether the warm-up was enough.
"""

import math
from dataclasses import dataclass

import numpy as np

from nfvlab.cat.params import OUTPUTS, PER_TENANT, Params
from nfvlab.llc import replications
from nfvlab.llc.engine import Engine, Window, period_ns
from nfvlab.llc.params import LINE_BYTES, Tenant, lines_of
from nfvlab.llc.replications import SLICES, count_deviation, mean

SNAPSHOTS = 4  # of the occupancy in a slice; as many in the whole warm-up as in the measured time
LATENCY_NS = np.logspace(0, 9, 901)  # edges of the histograms, 100 bins a decade


@dataclass(frozen=True, kw_only=True)
class Samples(replications.Samples):
    """n independent replications. K tenants; RMID K is the devices'. Rows as in `llc.replications`, and for figures:

    times_ns, occupancy_bytes : float64[n, s], float64[n, s, K + 1], from the empty cache on
    latency_counts : int64[n, K, bins], packets or wake-ups by their time, bins between LATENCY_NS
    """

    times_ns: np.ndarray
    occupancy_bytes: np.ndarray
    latency_counts: np.ndarray
    outputs = OUTPUTS
    per_tenant = PER_TENANT

    def least_deviation(self, name: str) -> float:
        """A reference, a line more or less; a packet or wake-up, if their number in the measured time is not whole."""
        field, _, index = name.partition("[")
        weights = {"references_per_s": 1.0, "packets_per_s": 0.0, "bandwidth_bytes_per_s": float(LINE_BYTES)}
        if field not in weights:
            return 0.0
        t, time_s = self.params.tenants[int(index[:-1])], self.params.measured_ns / 1e9
        units = count_deviation(1e9 / period, time_s) if (period := period_ns(t)) else 0.0
        of_unit = {"references_per_s": references_of_unit(t), "packets_per_s": 1.0}.get(field, 0.0)
        return math.hypot(weights[field] / math.sqrt(12), of_unit * units) / time_s


def references_of_unit(t: Tenant) -> float:
    """References of a packet, mean, or of a wake-up; 1 for work without units."""
    if t.workload == "packets":
        return (1 + t.header_lines + t.lookups_count) / (1 - t.code_frac)
    return lines_of(t.data_bytes) + lines_of(t.code_bytes) if t.workload == "wakeups" else 1.0


def simulate(p: Params, *, rng: np.random.Generator, n: int) -> Samples:
    """n independent replications, each with its own generator spawned from `rng`."""
    return Samples(**replications.replicated(replicate, p, rng, n))


def replicate(p: Params, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """One replication: a row of each array of `Samples`."""
    engine = Engine(p, p.tenants, rng)
    warm = engine.run(p.warmup_ns, snapshot_ns=p.warmup_ns / (SLICES * SNAPSHOTS) or np.inf)
    slice_ns = p.measured_ns / SLICES
    windows = [
        engine.run(p.warmup_ns + (k + 1) * slice_ns, snapshot_ns=slice_ns / SNAPSHOTS) for k in range(SLICES)
    ]
    units = [np.concatenate([w.units_of(k) for w in windows]) for k in range(engine.count)]
    clipped = [np.clip(u, LATENCY_NS[0], LATENCY_NS[-1]) for u in units]
    return {
        "totals": measure(p, windows),
        "slices": np.array([measure(p, [window]) for window in windows]),
        "times_ns": np.concatenate([w.snapshot_ns for w in (warm, *windows)]),
        "occupancy_bytes": np.concatenate([w.occupancy for w in (warm, *windows)]) * float(LINE_BYTES),
        "latency_counts": np.array([np.histogram(u, LATENCY_NS)[0] for u in clipped]),
    }


def measure(p: Params, windows: list[Window]) -> np.ndarray:
    """The outputs over windows that follow each other, in the order of the columns."""
    hits, misses, wait_ns, busy_ns = (
        sum(getattr(window, name) for window in windows) for name in ("hits", "misses", "wait_ns", "busy_ns")
    )
    count = len(p.tenants)
    time_s = (windows[-1].end_ns - windows[0].start_ns) / 1e9
    references = (hits + misses).sum(axis=1)
    lines = sum((window.fills + window.write_backs).sum(axis=1) for window in windows)[:count]
    held = np.concatenate([window.occupancy for window in windows])
    instructions = references * np.array([t.instructions_ratio for t in p.tenants])
    units = [np.concatenate([window.units_of(k) for window in windows]) for k in range(count)]
    packets = [t.workload == "packets" for t in p.tenants]
    with np.errstate(invalid="ignore", divide="ignore"):  # 0 / 0: there is no such value
        shares = misses / (hits + misses)
        made = {
            "miss_frac": misses.sum(axis=1) / references,
            "data_miss_frac": shares[:, 0],
            "code_miss_frac": shares[:, 1],
            "occupancy_bytes": mean(held)[:count] * LINE_BYTES,
            "references_per_s": references / time_s,
            "bandwidth_bytes_per_s": lines * LINE_BYTES / time_s,
            "cpi_ratio": p.core_hz * busy_ns / 1e9 / instructions,
            "packets_per_s": [
                u.size / time_s if of else math.nan for u, of in zip(units, packets, strict=True)
            ],
            "unit_ns": [mean(u) for u in units],
            "unit_p99_ns": [np.quantile(u, 0.99) if u.size else math.nan for u in units],
            "memory_wait_ns": wait_ns.sum() / max(1, misses.sum()),
            "memory_busy_frac": sum(window.channel_ns for window in windows) / 1e9 / time_s,
        }
    return np.concatenate([np.atleast_1d(made[name]) for name in OUTPUTS]).astype(float)
