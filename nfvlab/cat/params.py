"""The scenario of tenants who share a cache by masks, and the names of the outputs."""

from collections.abc import Iterable
from dataclasses import dataclass

from nfvlab.cat.cbm import Cbm
from nfvlab.llc.params import MAX_WAYS, Cache, Tenant
from nfvlab.params import ASSUMED, Problem, param

OUTPUTS = {
    "miss_frac": "misses per reference",
    "data_miss_frac": "misses per data reference",
    "code_miss_frac": "misses per code fetch",
    "occupancy_bytes": "of the cache, lines that it filled",
    "references_per_s": "references to the cache",
    "bandwidth_bytes_per_s": "to and from memory: lines filled, and its modified lines written back",
    "cpi_ratio": "cycles per instruction",
    "packets_per_s": "packets forwarded",
    "unit_ns": "mean time of one packet, or from a wake-up to the end of its work",
    "unit_p99_ns": "99th percentile of that time",
    "memory_wait_ns": "mean time that a miss waits for the memory channel; 0 without a miss",
    "memory_busy_frac": "share of the time that the memory channel is busy",
}
PER_TENANT = tuple(name for name in OUTPUTS if not name.startswith("memory_"))


@dataclass(frozen=True, kw_only=True)
class Params(Cache):
    """Tenants with capacity bit masks on one last-level cache."""

    tenants: tuple[Tenant, ...] = param(
        (Tenant(workload="packets", skew_exponent=0.4), Tenant(workload="scan", parallelism_ratio=8.0)),
        "who shares the cache, one class of service each",
        domain=(1, 8),
        source=ASSUMED,
    )
    min_cbm_ways: int = param(
        1,
        "fewest ways of a mask (min_cbm_bits)",
        domain=(1, MAX_WAYS),
        typical=(1, 2),
        source="Linux Documentation/filesystems/resctrl.rst",
    )
    sparse_masks: bool = param(
        False, "a mask may have gaps (sparse_masks)", source="CPUID 0x10.1 ECX[3]: Linux resctrl.rst"
    )

    def rules(self) -> Iterable[Problem]:
        """The rules that bind several fields."""
        yield from super().rules()
        yield from self.mask_problems(self.tenants)
        for position, tenant in enumerate(self.tenants):
            for name in ("data_mask", "code_mask") if self.cdp else ("data_mask",):
                mask = Cbm(getattr(tenant, name), MAX_WAYS)
                if not self.sparse_masks and not mask.contiguous:
                    rule, remedy = (
                        "must be one block of ways",
                        "close the gap, or take a part with sparse_masks",
                    )
                    yield Problem(name, mask.mask, rule, remedy, f"tenants[{position}]")
                if len(mask) < self.min_cbm_ways:
                    rule = f"must have {self.min_cbm_ways} ways at least"
                    yield Problem(name, mask.mask, rule, "add ways", f"tenants[{position}]")


__all__ = ["OUTPUTS", "PER_TENANT", "Params"]
