"""Sets of parameters of every kind, for testing what is common to all: a host, its guests, a bigger host."""

from dataclasses import dataclass

from nfvlab.params import ASSUMED, Params, param
from nfvlab.units import GiB, MiB, ms


@dataclass(frozen=True, kw_only=True)
class Tenant(Params):
    """One of several guests."""

    wss_bytes: float = param(1 * GiB, "working set", domain=(0, 64 * GiB), log=False, source=ASSUMED)
    dirty_per_s: float = param(
        1e4, "pages dirtied", domain=(1, 1e9), typical=(10, 1e6), log=True, source="a paper"
    )


@dataclass(frozen=True, kw_only=True)
class House(Params):
    """A host with its guests."""

    ram_bytes: float = param(
        8 * GiB, "memory", domain=(1 * MiB, 64 * GiB), log=True, source="data sheet, p. 3"
    )
    downtime_ns: float = param(
        300 * ms, "limit", domain=(1 * ms, 1e12), typical=(1 * ms, 1e9), source=ASSUMED
    )
    timer_shift: int = param(5, "X", domain=(0, 31), typical=(0, 7), source="SDM")
    vcpu_count: int = param(4, "vCPUs", domain=(1, 288), log=True, source=ASSUMED)
    pinned: bool = param(True, "whether vCPUs are pinned", source=ASSUMED)
    pattern: str = param("uniform", "where writes fall", choices=("uniform", "hot"), source=ASSUMED)
    tenants: tuple[Tenant, ...] = param((), "the guests", domain=(0, 3), source=ASSUMED)

    def rules(self):
        used = sum(tenant.wss_bytes for tenant in self.tenants)
        if used > self.ram_bytes:
            yield self.problem("ram_bytes", "must hold all tenants", "raise ram_bytes or shrink a tenant")
        if self.vcpu_count > 64 and not self.pinned:
            yield self.problem("pinned", "must be on for so many vCPUs", "pin them")


@dataclass(frozen=True, kw_only=True)
class Mansion(House):
    """A host with more knobs."""

    timer_shift: int = param(6, "X, another default", domain=(1, 31), source="SDM")
    free_frac: float = param(0.5, "share that is free", domain=(0, 1), source=ASSUMED)

    def rules(self):
        yield from super().rules()
        if self.free_frac == 1 and self.tenants:
            yield self.problem("free_frac", "cannot be all with tenants", "lower free_frac")
