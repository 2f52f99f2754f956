"""Scenarios for tests: small ones, random ones, and tenants by number."""

import numpy as np

from nfvlab.cat.params import Params
from nfvlab.llc.params import WORKLOADS, Tenant
from nfvlab.units import MiB, ms

SMALL = {"cache_sets": 256, "cache_ways": 12, "io_mask": 0xC00, "warmup_ns": 4 * ms, "measured_ns": 4 * ms}
FORWARDER = Tenant(
    workload="packets",
    data_bytes=MiB / 8,
    code_frac=0.2,
    code_bytes=MiB / 64,
    ring_count=128,
    data_mask=0xFFF,
    code_mask=0xFFF,
)
PLAIN = Tenant(data_bytes=MiB / 4, data_mask=0xFFF, code_mask=0xFFF)
TASK = Tenant(workload="wakeups", data_bytes=MiB / 16, code_bytes=MiB / 64, data_mask=0xFFF, code_mask=0xFFF)
STREAM = Tenant(workload="scan", data_bytes=4 * MiB, parallelism_ratio=8.0, data_mask=0xFFF, code_mask=0xFFF)
TWO = Params(**SMALL, tenants=(FORWARDER, PLAIN))


def so_many(count: int, ways: int = 20, **fields) -> Params:
    """The first of eight tenants with any workload, in a small cache, all under the mask of all ways."""
    full = (1 << ways) - 1
    kinds = ("packets", "wakeups", "zipf", "scan", "chase", "phases", "packets", "zipf")
    tenants = tuple(
        Tenant(
            workload=kind,
            data_bytes=MiB / 16 * (k + 1),
            code_bytes=MiB / 32,
            code_frac=0.1 * (k % 3),
            ring_count=128,
            offered_packets_per_s=2e6,
            data_mask=full,
            code_mask=full,
        )
        for k, kind in enumerate(kinds[:count])
    )
    io = 0b11 << (ways - 2)
    return Params(**{**SMALL, "cache_ways": ways, "io_mask": io, "tenants": tenants, **fields})


def anything(seed: int, **fields) -> Params:
    """One to four tenants with any workload on any number of ways; every tenant may fill all of them."""
    rng = np.random.default_rng([seed, 1512])
    ways = int(rng.choice([8, 11, 16, 20]))
    full = (1 << ways) - 1

    def between(low: float, high: float) -> float:
        return float(np.exp(rng.uniform(np.log(low), np.log(high))))

    tenants = tuple(
        Tenant(
            workload=str(rng.choice(WORKLOADS)),
            data_bytes=between(MiB / 32, 2 * MiB),
            skew_exponent=rng.uniform(0, 1.2),
            code_bytes=between(MiB / 64, MiB / 2),
            code_frac=float(rng.choice([0.0, rng.uniform(0.02, 0.5)])),
            write_frac=rng.uniform(0, 1),
            work_ns=between(2, 200),
            parallelism_ratio=between(1, 10),
            phase_references_count=int(between(2e3, 2e4)),
            offered_packets_per_s=between(1e5, 1e7),
            ring_count=int(between(64, 1024)),
            lookups_count=int(rng.integers(0, 8)),
            data_mask=full,
            code_mask=full,
        )
        for _ in range(int(rng.integers(1, 5)))
    )
    io = 0b11 << int(rng.choice([0, ways // 2, ways - 2]))
    return Params(**{**SMALL, "cache_ways": ways, "io_mask": io, "tenants": tenants, **fields})
