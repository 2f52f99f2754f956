"""A resctrl recording of a simulated host: four groups on one cache under three allocations, sample by sample.

The format is that of `nfvlab record resctrl` (`readers.resctrl_recording`), the host is not real: the exact cache of
`llc.engine` runs it, `counters` makes the kernel's readings of it. Nothing is scaled: times are the simulated ones, a
reading every 10 ms instead of every second, so that 0.6 s are 60 samples and every reference between them is made.

    python -m nfvlab.cmt.recording data/recordings/resctrl/simulated_600ms.jsonl

The default group has RMID 0 and with it, as is assumed here of parts without RMIDs for devices, what devices write.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from nfvlab.cmt.counters import MBM_LOCAL, MBM_TOTAL, KernelCounter, hardware_count, occupancy_reading
from nfvlab.cmt.limbo import default_threshold
from nfvlab.cmt.params import Params, Tenant
from nfvlab.llc.engine import Engine
from nfvlab.llc.params import LINE_BYTES, cache_bytes
from nfvlab.readers.resctrl_recording import end_line, group_record, groups_line, header_line, sample_line
from nfvlab.units import KiB, MiB, ms

SEED = 2016
SAMPLES = 60
GROUPS = ("vm_packets", "neighbour", "realtime", "/")  # of the tenants, in their order
RMIDS = 88  # as the kernel says it in num_rmids, the default group's included
CLOSIDS = 16
SHARED = (0xFFFFF, 0xFFFFF, 0xFFFFF, 0xFFFFF)
ALLOCATIONS = (  # from which sample on, masks of the groups
    (0, SHARED),
    (20, (0x00FF0, 0x0F000, 0x0000F, 0x30000)),
    (40, (0x00FFC, 0x03000, 0x00003, 0x3C000)),
)
SCENARIO = Params(
    cache_sets=8192,
    cache_ways=20,
    io_mask=0xC0000,
    tenants=(
        Tenant(workload="packets", data_bytes=6 * MiB, skew_exponent=0.4, lookups_count=3, work_ns=25.0),
        Tenant(workload="scan", data_bytes=64 * MiB, parallelism_ratio=4.0, write_frac=0.3, remote_frac=0.3),
        Tenant(workload="wakeups", data_bytes=512 * KiB, code_bytes=64 * KiB, interval_ns=5 * ms),
        Tenant(workload="zipf", data_bytes=16 * MiB, work_ns=40.0),
    ),
    upscale_bytes=64 * KiB,
    sample_ns=10 * ms,
    warmup_ns=30 * ms,
    measured_ns=SAMPLES * 10 * ms,
    rmid_count=RMIDS - 1,
    threshold_bytes=default_threshold(8192 * 20 * LINE_BYTES, RMIDS, 64 * KiB),
)
SOURCE = f"nfvlab.cmt.recording, a simulation and no real host (seed {SEED}, a reading every 10 ms)"


def masks_at(sample: int) -> tuple[int, ...]:
    """The groups' masks from this sample on."""
    return next(masks for first, masks in reversed(ALLOCATIONS) if first <= sample)


def with_masks(p: Params, masks: tuple[int, ...]) -> Params:
    """The scenario with these masks."""
    return p.replace(
        tenants=tuple(t.replace(data_mask=mask) for t, mask in zip(p.tenants, masks, strict=True))
    )


def scenarios(p: Params = SCENARIO) -> list[tuple[float, str, Params]]:
    """The parts of the recording: (begins at ns, label, scenario with its masks)."""
    made = []
    for first, masks in ALLOCATIONS:
        counts = ", ".join(str(mask.bit_count()) for mask in masks)
        label = "all share all ways" if masks == SHARED else f"own ways: {counts}"
        made.append((first * p.sample_ns, label, with_masks(p, masks)))
    return made


def lines(p: Params = SCENARIO, *, seed: int = SEED, samples: int = SAMPLES) -> Iterator[str]:
    """The recording, line by line; with fewer `samples` it ends earlier, the same up to there."""
    yield header_line(_info(p), _groups(p, masks_at(0), tasks=True), interval_ns=p.sample_ns, source=SOURCE)
    engine = Engine(
        p, p.tenants, np.random.default_rng(seed), remote_fracs=[t.remote_frac for t in p.tenants]
    )
    engine.set_masks(with_masks(p, masks_at(0)).tenants)
    engine.run(p.warmup_ns)
    host = _Counters(p)
    for k in range(samples):
        if k and masks_at(k) != masks_at(k - 1):
            engine.set_masks(with_masks(p, masks_at(k)).tenants)
            yield groups_line(k * p.sample_ns, _groups(p, masks_at(k)))
        yield sample_line(k * p.sample_ns, host.rows(engine))
        if k + 1 < samples:
            host.count(engine.run(p.warmup_ns + (k + 1) * p.sample_ns))
    yield end_line("complete", (samples - 1) * p.sample_ns, samples)


class _Counters:
    """Counters by group, from 0 at the first sample on: total and local traffic, as the kernel adds it up."""

    def __init__(self, p: Params):
        self.p, count = p, len(p.tenants)
        self.moved = np.zeros((count, 2))
        self.kernel = [
            {event: KernelCounter(k, p.upscale_bytes, p.counter_bits) for event in (MBM_TOTAL, MBM_LOCAL)}
            for k in range(count)
        ]

    def count(self, window) -> None:
        """Lines read and written back since the last sample; the devices' go to the last group, RMID 0."""
        moved = (window.reads + window.write_backs) * float(LINE_BYTES)
        self.moved += moved[: len(self.moved)]
        self.moved[-1] += moved[len(self.moved)]

    def rows(self, engine: Engine) -> list[tuple]:
        """One row a group, the default one first, as `sample_line` takes them."""
        held = engine.lines().astype(float)
        held[len(GROUPS) - 1] += held[len(GROUPS)]
        rows = []
        for k in _order():
            total = self._read(k, MBM_TOTAL, self.moved[k].sum())
            local = self._read(k, MBM_LOCAL, self.moved[k, 0])
            occupancy = occupancy_reading(held[k] * LINE_BYTES, self.p.upscale_bytes)
            rows.append((GROUPS[k], "", 0, None, [occupancy, total, local]))
        return rows

    def _read(self, k: int, event: int, moved_bytes: float) -> int:
        unit, width = self.p.upscale_bytes, self.p.counter_bits
        return self.kernel[k][event].read(hardware_count(moved_bytes, unit_bytes=unit, width=width))


def _order() -> list[int]:
    """The default group first, then by name, as the recorder writes them."""
    return sorted(range(len(GROUPS)), key=lambda k: (GROUPS[k] != "/", GROUPS[k]))


def _info(p: Params) -> dict[str, str]:
    """What `info` of such a host says."""
    features = "llc_occupancy\nmbm_total_bytes\nmbm_local_bytes\n"
    return {
        "L3/cbm_mask": f"{(1 << p.cache_ways) - 1:x}\n",
        "L3/min_cbm_bits": "1\n",
        "L3/num_closids": f"{CLOSIDS}\n",
        "L3/shareable_bits": f"{p.io_mask:x}\n",
        "L3_MON/max_threshold_occupancy": f"{p.threshold_bytes:.0f}\n",
        "L3_MON/mon_features": features,
        "L3_MON/num_rmids": f"{RMIDS}\n",
    }


def _groups(p: Params, masks: tuple[int, ...], *, tasks: bool = False) -> list[dict]:
    """The groups' files; a group's core is its tenant's."""
    way_bytes = cache_bytes(p) // p.cache_ways
    made = []
    for k in _order():
        files = {
            "schemata": f"    L3:0={masks[k]:x}\n",
            "size": f"    L3:0={masks[k].bit_count() * way_bytes}\n",
            "mode": "shareable\n",
            "cpus_list": f"{k}\n",
        }
        made.append(group_record(GROUPS[k], **files, **({"tasks_count": 1} if tasks else {})))
    return made


def write(path: Path) -> None:
    """Make the recording, whole, as data/recordings/resctrl/simulated_600ms.jsonl has it."""
    path.write_text("".join(lines()), encoding="utf-8")


__all__ = [
    "ALLOCATIONS",
    "GROUPS",
    "SCENARIO",
    "SEED",
    "lines",
    "masks_at",
    "scenarios",
    "with_masks",
    "write",
]

if __name__ == "__main__":
    write(Path(sys.argv[1]))
