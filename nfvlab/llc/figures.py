"""Tenants in pictures and panels: their colours and names, and which of a tenant's fields its workload uses."""

from nfvlab import figures as house
from nfvlab.llc.params import WORKLOADS, Cache

COLOURS = tuple(
    getattr(house.PALETTE, name)
    for name in ("blue", "orange", "green", "pink", "brown", "sky", "grey", "vermillion")
)  # in the order of the tenants, eight at most
MOST = len(COLOURS)

USES = {  # field -> the workloads that use it; others are used by all
    "skew_exponent": ("zipf", "packets"),
    "phases_count": ("phases",),
    "phase_references_count": ("phases",),
    "offered_packets_per_s": ("packets",),
    "frame_bytes": ("packets",),
    "ring_count": ("packets",),
    "buffer_bytes": ("packets",),
    "backlog_count": ("packets",),
    "header_lines": ("packets",),
    "lookups_count": ("packets",),
    "interval_ns": ("wakeups",),
    "code_frac": tuple(workload for workload in WORKLOADS if workload != "wakeups"),
}


def used(p: Cache, tenant: int, name: str) -> bool:
    """Whether a tenant's workload uses a field of its."""
    workload = p.tenants[tenant].workload
    if name == "code_mask":
        return p.cdp
    if name == "code_bytes":
        return workload == "wakeups" or p.tenants[tenant].code_frac > 0
    return workload in USES.get(name, WORKLOADS)


def relevant(p: Cache, path: str) -> bool:
    """Whether a scenario uses a field by its path, "tenants[0].ring_count": what a `Picture` asks."""
    if not path.startswith("tenants["):
        return True
    position, name = path.removeprefix("tenants[").split("].")
    return used(p, int(position), name)


def tenant_name(p: Cache, tenant: int) -> str:
    """What a tenant is called: "Tenant 1, packets"."""
    return f"Tenant {tenant + 1}, {p.tenants[tenant].workload}"


__all__ = ["COLOURS", "MOST", "USES", "relevant", "tenant_name", "used"]
