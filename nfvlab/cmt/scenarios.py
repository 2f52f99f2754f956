"""Hosts worth watching: what the monitoring counters tell, and where they do not."""

from nfvlab.cmt.params import Params, Tenant
from nfvlab.units import GB, KiB, MiB, ms, s, us

# A slice of a socket, as two of its cores have: 2048 sets of 20 ways are 2.5 MiB.
_SLICE = {
    "cache_sets": 2048,
    "cache_ways": 20,
    "warmup_ns": 15 * ms,
    "measured_ns": 10 * ms,
    "sample_ns": 1 * ms,
    "upscale_bytes": 16 * KiB,
    "threshold_bytes": 32 * KiB,
}
_FORWARDER = Tenant(
    workload="packets", data_bytes=1 * MiB, skew_exponent=0.4, lookups_count=3, ring_count=512, work_ns=15.0
)
_STREAM = Tenant(workload="scan", data_bytes=32 * MiB, parallelism_ratio=4.0, write_frac=0.3, remote_frac=0.3)
_DATABASE = Tenant(workload="zipf", data_bytes=4 * MiB, work_ns=20.0)
_THREE = (_FORWARDER, _STREAM, _DATABASE)
_SLICED = Params(tenants=_THREE, **_SLICE)
_PHASED = Tenant(
    workload="phases", data_bytes=4 * MiB, phases_count=4, phase_references_count=60_000, work_ns=15.0
)

SCENARIOS: dict[str, Params] = {
    "three tenants": _SLICED,
    "RMIDs run out": _SLICED.replace(rmid_count=23, starts_per_s=1.0, lifetime_ns=20 * s),
    "idle host: limbo lasts": _SLICED.replace(
        warmup_ns=60 * ms,
        tenants=(
            _DATABASE.replace(data_bytes=1 * MiB, skew_exponent=0.2),
            Tenant(workload="wakeups", data_bytes=64 * KiB, code_bytes=16 * KiB, interval_ns=200 * us),
        ),
    ),
    "miscounting part (22 cores)": _SLICED.replace(part_cores=22, first_rmid_count=159),
    "miscounting part, not corrected": _SLICED.replace(part_cores=22, first_rmid_count=159, corrected=False),
    # 64 units of 16 KiB are 1 MiB: the stream moves more than that between two readings.
    "narrow counter goes round": _SLICED.replace(counter_bits=6),
    "two NUMA nodes": _SLICED.replace(
        tenants=(
            _FORWARDER.replace(remote_frac=0.0),
            _STREAM.replace(remote_frac=1.0),
            _DATABASE.replace(remote_frac=0.5),
        )
    ),
    "phases": _SLICED.replace(tenants=(_PHASED, _DATABASE), sample_ns=0.5 * ms, measured_ns=20 * ms),
    "short intervals, coarse units": _SLICED.replace(
        sample_ns=0.1 * ms, upscale_bytes=64 * KiB, threshold_bytes=128 * KiB
    ),
    # 32 KiB are no whole unit of 64 KiB: the kernel makes 0 of it, and no occupancy is below that.
    "threshold below one unit": _SLICED.replace(upscale_bytes=64 * KiB),
    "memory at its limit": _SLICED.replace(
        tenants=(_FORWARDER, _STREAM.replace(parallelism_ratio=16.0, work_ns=2.0)), memory_bytes_per_s=4 * GB
    ),
}
