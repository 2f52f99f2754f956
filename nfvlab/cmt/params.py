"""The scenario of tenants watched by RMID, and the names of the outputs."""

from collections.abc import Iterable
from dataclasses import dataclass

from nfvlab.llc import params as llc
from nfvlab.params import ASSUMED, Problem, param
from nfvlab.units import KiB, MiB, minute, ms, s, us

SDM = "Intel SDM vol. 3B, 18.18 (Resource Director Technology monitoring)"
MONITOR = "Linux arch/x86/kernel/cpu/resctrl/monitor.c"

OUTPUTS = {
    "occupancy_bytes": "of the cache, lines that carry its RMID",
    "reading_bytes": "llc_occupancy, as the counter tells it: whole units of the upscaling factor",
    "bandwidth_bytes_per_s": "true traffic to and from memory: lines filled, and its modified lines written back",
    "total_bytes_per_s": "mbm_total_bytes over the sampling interval, as the kernel reports it",
    "local_bytes_per_s": "mbm_local_bytes over the sampling interval, as the kernel reports it",
    "rate_error_frac": "root mean square error of one reading of mbm_total_bytes, relative to the true traffic; "
    "undefined where that is less than one unit of the counter in all",
    "longest_interval_ns": "longest sampling interval in which no counter goes round twice",
    "clean_wait_ns": "from the first tenant's end until its RMID can be given out again",
    "stale_bytes": "lines of the first tenant that are charged to the next owner of its RMID",
    "refused_frac": "share of new groups refused for want of a clean RMID",
    "limbo_count": "RMIDs in limbo, mean",
}
PER_TENANT = (
    "occupancy_bytes",
    "reading_bytes",
    "bandwidth_bytes_per_s",
    "total_bytes_per_s",
    "local_bytes_per_s",
    "rate_error_frac",
)


@dataclass(frozen=True, kw_only=True)
class Tenant(llc.Tenant):
    """A tenant with an RMID of its own, on one of two NUMA nodes."""

    remote_frac: float = param(
        0.0,
        "share of its memory on the other node: traffic that mbm_local_bytes leaves out",
        domain=(0, 1),
        typical=(0, 1),
        source=ASSUMED,
    )


@dataclass(frozen=True, kw_only=True)
class Params(llc.Cache):
    """Tenants watched by RMID: occupancy, bandwidth, and what becomes of an RMID when its tenant ends."""

    tenants: tuple[Tenant, ...] = param(
        (
            Tenant(workload="packets", skew_exponent=0.4),
            Tenant(workload="scan", data_bytes=256 * MiB, parallelism_ratio=8.0, remote_frac=0.3),
            Tenant(workload="zipf", data_bytes=32 * MiB),
        ),
        "who is watched, one RMID each; the first one ends in the study of limbo",
        domain=(1, 8),
        source=ASSUMED,
    )
    upscale_bytes: int = param(
        64 * KiB,
        "upscaling factor: bytes of one unit of both counters, CPUID 0xF.1 EBX",
        domain=(1, 16 * MiB),
        typical=(1 * KiB, 256 * KiB),
        log=True,
        source=SDM,
    )
    counter_bits: int = param(
        24,
        "width of the bandwidth counters: 24 and the offset of CPUID 0xF.1 EAX[7:0]",
        domain=(4, 62),
        typical=(6, 44),
        source=SDM,
    )
    sample_ns: float = param(
        5 * ms,
        "from one reading to the next",
        domain=(1 * us, 100 * s),
        typical=(0.5 * ms, 50 * ms),
        log=True,
        source="the kernel itself reads once a second",
    )
    part_cores: int = param(
        0,
        "cores of a part with miscounting bandwidth counters; 0: a part that counts right",
        domain=(0, 28),
        typical=(0, 28),
        source="errata SKX99, BDF102: data/mbm_correction.csv",
    )
    first_rmid_count: int = param(
        1,
        "RMID of the first tenant, the others follow: miscounting starts above a threshold",
        domain=(1, 1023),
        typical=(1, 224),
        source=MONITOR,
    )
    corrected: bool = param(
        True, "the kernel multiplies such counts by its correction factor", source=MONITOR
    )
    rmid_count: int = param(
        64,
        "RMIDs that can be given out, besides the default group's",
        domain=(1, 4096),
        typical=(8, 512),
        log=True,
        source="CPUID 0xF.0 EBX",
    )
    threshold_bytes: float = param(
        320 * KiB,
        "max_threshold_occupancy: an RMID below it in every domain may be used again",
        domain=(0, 2**40),
        typical=(0, 2 * MiB),
        source=MONITOR + ": cache size / RMIDs, in whole units",
    )
    check_ns: float = param(
        1 * s,
        "from one check of limbo to the next",
        domain=(1 * us, 3600 * s),
        typical=(10 * ms, 10 * s),
        log=True,
        source=MONITOR + ": CQM_LIMBOCHECK_INTERVAL",
    )
    starts_per_s: float = param(
        0.5,
        "groups (VMs, pods) that start",
        domain=(0, 1e6),
        typical=(0.01, 100),
        log=True,
        source=ASSUMED,
    )
    lifetime_ns: float = param(
        1 * minute,
        "mean life of a group, exponential",
        domain=(1 * us, 1e18),
        typical=(1 * s, 10 * minute),
        log=True,
        source=ASSUMED,
    )

    def rules(self) -> Iterable[Problem]:
        """The rules that bind several fields."""
        yield from super().rules()
        yield from self.mask_problems(self.tenants)
        if 4 * self.sample_ns > self.measured_ns:
            yield self.problem(
                "sample_ns", "four readings at least must fit measured_ns", "lower it or raise measured_ns"
            )


def from_resctrl(frame, meta) -> dict[str, float]:
    """What a resctrl recording or tree (`read_resctrl`) says of the host: overrides for `Params.replace`.

    rmid_count, threshold_bytes, upscale_bytes (the greatest common divisor of the occupancies seen: a multiple of the
    factor), cache_ways, io_mask, cache_sets (from the sizes of masks). What the recording does not say is left out; who
    the tenants are and how often they are read is yours to say.
    """
    monitored = meta.resources.get("L3_MON", {})
    allocated = meta.resources.get("L3") or meta.resources.get("L3DATA") or {}
    found = {"upscale_bytes": meta.occupancy_step_bytes}
    if "num_rmids" in monitored:
        found["rmid_count"] = monitored["num_rmids"] - 1  # the default group's is never free
    if "max_threshold_occupancy_bytes" in monitored:
        found["threshold_bytes"] = float(monitored["max_threshold_occupancy_bytes"])
    if "cbm_mask" in allocated:
        found["cache_ways"] = allocated["cbm_mask"].bit_length()
        found["io_mask"] = allocated.get("shareable_bits") or None
        found["cache_sets"] = _sets(meta)
    return {name: value for name, value in found.items() if value is not None}


def _sets(meta) -> int | None:
    """Sets of one cache: bytes that a group's mask covers, over its ways, in lines."""
    for group in meta.groups.values():
        for resource in ("L3", "L3DATA"):
            for domain, size in group.size.get(resource, {}).items():
                mask = group.schemata.get(resource, {}).get(domain, 0)
                if mask and size:
                    return round(size / mask.bit_count() / llc.LINE_BYTES)
    return None


__all__ = ["OUTPUTS", "PER_TENANT", "Params", "Tenant", "from_resctrl"]
