"""What there is to allocate: resources, their domains, the schemas by which they are written, and who overlaps whom.

Linux fs/resctrl/rdtgroup.c; the control registers are those of arch/x86/kernel/cpu/resctrl/core.c.
"""

from dataclasses import dataclass, field
from enum import Enum

from nfvlab.cat import schemata
from nfvlab.cat.fs.kstrto import U32_MAX
from nfvlab.cat.parts import Bandwidth, Capability, Host

MBPS_MAX = U32_MAX  # of a class under the software controller: no limit (MBA_MAX_MBPS)
CODE, DATA, BOTH = "CODE", "DATA", ""  # which of CDP's two masks a schema writes; BOTH without CDP
PEER = {CODE: DATA, DATA: CODE, BOTH: BOTH}


class Mode(Enum):
    """The mode of a group, as its file shows it."""

    SHAREABLE = "shareable"
    EXCLUSIVE = "exclusive"
    LOCKSETUP = "pseudo-locksetup"
    LOCKED = "pseudo-locked"

    @property
    def pseudo(self) -> bool:
        """Whether the group holds, or is about to hold, a pseudo-locked region."""
        return self in (Mode.LOCKSETUP, Mode.LOCKED)


@dataclass(eq=False)
class Region:
    """A pseudo-locked region, or one being set up (struct pseudo_lock_region).

    A mask that parsed claims its domain even if a later line of the same write fails; the next write may claim another
    one. The kernel then forgets the first, and its pointer dangles when the region goes; here it is let go at the end.
    """

    schema: "Schema | None" = None
    domain: "Domain | None" = None
    cbm: int = 0
    _claimed: "list[Domain]" = field(default_factory=list)

    def claim(self, schema: "Schema", domain: "Domain", cbm: int) -> None:
        """What parse_line does with a mask for a group in pseudo-locksetup."""
        self.schema, self.domain, self.cbm = schema, domain, cbm
        domain.region = self
        self._claimed.append(domain)

    def clear(self) -> None:
        """pseudo_lock_region_clear: let the domain go."""
        if self.domain:
            self.domain.region = None
        self.schema, self.domain, self.cbm = None, None, 0

    def drop(self) -> None:
        """pseudo_lock_free: the region ends."""
        for domain in self._claimed:
            domain.region = None if domain.region is self else domain.region
        self.clear()


@dataclass(eq=False)
class Domain:
    """One instance of a resource: a cache, or a socket's memory.

    cpus : its CPUs, one bit each; values : the control register of every class (with CDP two a class)
    mbps : limits of the software controller, MiB/s; staged : new values by CODE, DATA, BOTH, not yet applied
    """

    id: int
    cpus: int
    values: list[int]
    mbps: list[int]
    staged: dict[str, int] = field(default_factory=dict)
    region: Region | None = None

    def get(self, closid: int, kind: str) -> int:
        """resctrl_arch_get_config."""
        return self.values[_index(closid, kind)]


def _index(closid: int, kind: str) -> int:
    return closid if kind == BOTH else 2 * closid + (kind == CODE)


@dataclass(eq=False)
class Resource:
    """A cache level or a bandwidth; `cdp`: code and data have masks of their own."""

    name: str
    capability: Capability | Bandwidth
    domains: list[Domain]
    cache_bytes: int = 0
    cdp: bool = False
    mba_sc: bool = False

    @property
    def cache(self) -> bool:
        """Whether it is allocated by masks."""
        return isinstance(self.capability, Capability)

    @property
    def default(self) -> int:
        """What a class gets that nobody has limited (resctrl_get_default_ctrl)."""
        return self.capability.full_mask if self.cache else self.capability.max_bandwidth

    def apply(self, closid: int) -> None:
        """resctrl_arch_update_domains: what is staged becomes what is."""
        for domain in self.domains:
            for kind, value in domain.staged.items():
                domain.values[_index(closid, kind)] = value


@dataclass(frozen=True, eq=False)
class Schema:
    """One line of the schemata file."""

    resource: Resource
    kind: str

    @property
    def name(self) -> str:
        """L3, L3CODE, MB …"""
        return self.resource.name + self.kind

    @property
    def num_closids(self) -> int:
        """Classes that the line can be written for."""
        return self.resource.capability.num_closids // (2 if self.resource.cdp else 1)

    def value(self, domain: Domain, closid: int) -> int:
        """What the schemata file shows."""
        return domain.mbps[closid] if self.resource.mba_sc else domain.get(closid, self.kind)


def resources(host: Host, cdp: frozenset[str], mba_sc: bool) -> list[Resource]:
    """The part's resources in the kernel's order; `cdp` names the caches that have it on."""
    part = host.part
    found = []
    for name, capability, layout, size in (
        ("L3", part.l3, host.l3, part.l3_bytes),
        ("L2", part.l2, host.l2, part.l2_bytes),
        ("MB", part.mb, host.l3, 0),
        ("SMBA", part.smba, host.l3, 0),
    ):
        if capability:
            resource = Resource(name, capability, [], size, name in cdp, mba_sc and name == "MB")
            for key, cpus in layout.items():
                count = capability.num_closids
                mask = sum(1 << cpu for cpu in cpus)
                resource.domains.append(Domain(key, mask, [resource.default] * count, [MBPS_MAX] * count))
            found.append(resource)
    return found


def schemas(found: list[Resource], layout: schemata.Layout) -> list[Schema]:
    """The lines of the schemata file, in the order of the layout's kernel (schemata_list_create)."""
    lines = [Schema(r, kind) for r in found for kind in ((DATA, CODE) if r.cdp else (BOTH,))]
    by_name = {schema.name: schema for schema in lines}
    return [by_name[name] for name in schemata.in_order(by_name, layout)]


def columns(found: list[Resource]) -> schemata.Columns:
    """Column widths: names as wide as with CDP where the part can do it, values as wide as the widest resource's."""
    names, values = [0], [0]
    for r in found:
        names.append(len(r.name) + 4 * (r.cache and r.capability.cdp_capable))
        values.append((r.capability.cbm_len + 3) // 4 if r.cache else len(str(r.default)))
    return schemata.Columns(max(names), max(values))
