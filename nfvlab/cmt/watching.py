"""A running host watched: traffic and lines at the edges of slices and readings, and what the counters say of them."""

import math
from dataclasses import dataclass

import numpy as np

from nfvlab import results
from nfvlab.cmt.counters import KernelCounter, correction_of, hardware_count, occupancy_reading
from nfvlab.cmt.params import Params
from nfvlab.llc.engine import Engine
from nfvlab.llc.params import LINE_BYTES
from nfvlab.llc.replications import SLICES, mean

SNAPSHOTS = 160  # of the occupancy, in the measured time


@dataclass(frozen=True)
class Watched:
    """What the host did, from the end of the warm-up on. K tenants; RMID K is the devices'.

    edges_ns : float64[e], of slices and readings
    moved_bytes : float64[e, K, 2], traffic since the beginning, by node (own, other); lines : int64[e, K], held there
    times_ns, occupancy : float64[s], int64[s, K + 1], between the edges
    """

    edges_ns: np.ndarray
    moved_bytes: np.ndarray
    lines: np.ndarray
    times_ns: np.ndarray
    occupancy: np.ndarray

    def at(self, times_ns: np.ndarray) -> np.ndarray:
        """Which edges these times are."""
        return np.searchsorted(self.edges_ns, times_ns)


def sampling_ns(p: Params) -> np.ndarray:
    """When the counters are read: at the end of the warm-up, and every sample_ns from there while it fits."""
    count = math.floor(p.measured_ns / p.sample_ns * (1 + 1e-12))
    return p.warmup_ns + p.sample_ns * np.arange(count + 1)


def slicing_ns(p: Params) -> np.ndarray:
    """Edges of the slices."""
    return p.warmup_ns + p.measured_ns / SLICES * np.arange(SLICES + 1)


def watch(p: Params, engine: Engine) -> Watched:
    """Run the host to the end of the measured time, stopping to look at every edge."""
    edges = np.unique(np.concatenate([slicing_ns(p), sampling_ns(p)]))
    moved = np.zeros((engine.count, 2))
    rows, lines, parts = [], [], []
    for k, edge in enumerate(edges):
        window = engine.run(edge, snapshot_ns=p.measured_ns / SNAPSHOTS)
        moved = moved + (window.fills + window.write_backs)[: engine.count] * float(LINE_BYTES)
        rows.append(moved)
        lines.append(engine.lines()[: engine.count])
        parts += [window] if k else []  # the first one is the warm-up
    times = np.concatenate([window.snapshot_ns for window in parts])
    held = np.concatenate([window.occupancy for window in parts])
    return Watched(edges, np.array(rows), np.array(lines), times, held)


def read(p: Params, seen: Watched, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """What the kernel reads every sample_ns: arrays of `Samples`, one row a reading and one column a tenant.

    `rng` draws what the counters show at the beginning: they have counted since long before.
    """
    at = seen.at(sampling_ns(p))
    seconds = p.sample_ns / 1e9
    total, local = seen.moved_bytes[at].sum(axis=2), seen.moved_bytes[at, :, 0]
    readings = [
        [occupancy_reading(n * LINE_BYTES, p.upscale_bytes) for n in row] for row in seen.lines[at[1:]]
    ]
    return {
        "read_ns": seen.edges_ns[at[1:]],
        "readings_bytes": np.array(readings, dtype=float),
        "true_per_s": np.diff(total, axis=0) / seconds,
        "total_per_s": _as_read(p, total, rng) / seconds,
        "local_per_s": _as_read(p, local, rng) / seconds,
    }


def _as_read(p: Params, moved_bytes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Traffic since the beginning, float64[r + 1, K], as differences of what the kernel reads: float64[r, K] bytes."""
    part = correction_of(p.part_cores)
    columns = []
    for k, column in enumerate(moved_bytes.T):
        rmid = p.first_rmid_count + k
        factor = part.factor if part and part.applies(rmid) else 1.0
        hardware = {"unit_bytes": p.upscale_bytes, "width": p.counter_bits, "factor": factor}
        shown, begun = int(rng.integers(0, 1 << p.counter_bits)), rng.random() * p.upscale_bytes
        counted = [hardware_count(float(moved) + begun, **hardware) for moved in column]
        msr = [(shown + units) % (1 << p.counter_bits) for units in counted]
        kernel = KernelCounter(rmid, p.upscale_bytes, p.counter_bits, part if p.corrected else None)
        kernel.reset(msr[0])
        columns.append(np.diff([0, *map(kernel.read, msr[1:])]))
    return np.array(columns, dtype=float).T


def totals_of(p: Params, seen: Watched, readings: dict[str, np.ndarray]) -> dict[str, float]:
    """The outputs of the tenants over the measured time."""
    count = len(p.tenants)
    ends = seen.at(slicing_ns(p)[[0, -1]])
    moved = np.diff(seen.moved_bytes[ends].sum(axis=2), axis=0)[0]
    bandwidth = moved / (p.measured_ns / 1e9)
    with np.errstate(invalid="ignore", divide="ignore"):  # no traffic: there is no such value
        error = np.sqrt(np.mean((readings["total_per_s"] - bandwidth) ** 2, axis=0)) / bandwidth
    made = {
        "occupancy_bytes": mean(seen.occupancy)[:count] * LINE_BYTES,
        "reading_bytes": readings["readings_bytes"].mean(axis=0),
        "bandwidth_bytes_per_s": bandwidth,
        "total_bytes_per_s": readings["total_per_s"].mean(axis=0),
        "local_bytes_per_s": readings["local_per_s"].mean(axis=0),
        "rate_error_frac": np.where(moved >= p.upscale_bytes, error, math.nan),
    }
    return {key: value for name, row in made.items() for key, value in results.indexed(name, row).items()}


def slices_of(p: Params, seen: Watched) -> dict[str, np.ndarray]:
    """Occupancy and true traffic of the tenants over the slices: float64[SLICES] each."""
    edges, count = slicing_ns(p), len(p.tenants)
    cuts = np.searchsorted(seen.times_ns, edges, side="right")
    held = [mean(seen.occupancy[a:b])[:count] * LINE_BYTES for a, b in zip(cuts, cuts[1:], strict=False)]
    moved = np.diff(seen.moved_bytes[seen.at(edges)].sum(axis=2), axis=0) / (p.measured_ns / SLICES / 1e9)
    made = {"occupancy_bytes": np.array(held), "bandwidth_bytes_per_s": moved}
    return {key: value for name, rows in made.items() for key, value in results.indexed(name, rows.T).items()}
