"""Groups, and the classes of service they hold (struct rdtgroup; closid_init, closid_alloc)."""

import errno
from dataclasses import dataclass, field
from typing import Optional

from nfvlab.cat.fs.controls import MBPS_MAX, PEER, Domain, Mode, Region, Resource, Schema
from nfvlab.cat.fs.status import Refused


@dataclass(eq=False)
class Group:
    """A control group, or (with a parent) a monitoring group.

    cpus : CPUs whose unassigned tasks it takes, one bit each
    children : its monitoring groups by name; permissions : modes of its files that were changed
    """

    name: str
    closid: int = 0
    rmid: int = 0
    parent: Optional["Group"] = None
    mode: Mode = Mode.SHAREABLE
    cpus: int = 0
    children: dict[str, "Group"] = field(default_factory=dict)
    permissions: dict[str, int] = field(default_factory=dict)
    region: Region | None = None
    mbps_event: str = ""

    @property
    def control(self) -> bool:
        """Whether it allocates; a monitoring group does not."""
        return self.parent is None


class Classes:
    """Which classes are taken, and by whom; class 0 is the default group's."""

    def __init__(self, schemas: list[Schema], default: Group):
        self.resources = list(dict.fromkeys(schema.resource for schema in schemas))
        self.count = min((schema.num_closids for schema in schemas), default=0)
        self.groups = [default]  # newest first, the default group last, as the kernel lists them
        self._taken = {0}

    @property
    def default(self) -> Group:
        """The group at the root."""
        return self.groups[-1]

    def alloc(self) -> int:
        """The lowest free class; ENOSPC if there is none."""
        free = (i for i in range(self.count) if i not in self._taken)
        closid = next(free, None)
        if closid is None:
            raise Refused(errno.ENOSPC, "Out of CLOSIDs\n")
        self._taken.add(closid)
        return closid

    def free(self, closid: int) -> None:
        """Give a class back."""
        self._taken.discard(closid)

    def taken(self) -> list[int]:
        """The classes in use, lowest first."""
        return sorted(closid for closid in self._taken if closid < self.count)

    def mode(self, closid: int) -> Mode | None:
        """The mode of the group that holds the class (rdtgroup_mode_by_closid)."""
        return next((group.mode for group in self.groups if group.closid == closid), None)

    def others(self, closid: int) -> list[tuple[int, Mode | None]]:
        """(class, mode) of all others that count: a group in pseudo-locksetup has no say over its masks yet."""
        found = ((i, self.mode(i)) for i in self.taken() if i != closid)
        return [(i, mode) for i, mode in found if mode is not Mode.LOCKSETUP]

    def overlaps(self, schema: Schema, domain: Domain, cbm: int, closid: int, *, exclusive: bool) -> bool:
        """rdtgroup_cbm_overlaps: whether `cbm` for this class meets another class's mask, code or data.

        exclusive : look at exclusive groups only; otherwise at all, and at the ways that hardware fills
        """
        kinds = {schema.kind, PEER[schema.kind]}
        if not exclusive and cbm & schema.resource.capability.shareable_bits:
            return True
        return any(
            cbm & domain.get(i, kind)
            for i, mode in self.others(closid)
            for kind in kinds
            if not exclusive or mode is Mode.EXCLUSIVE
        )

    def initial_mask(self, schema: Schema, domain: Domain, closid: int) -> int:
        """What a new class gets: the first run of what is free, shared, or shareable (__init_one_rdt_domain)."""
        capability = schema.resource.capability
        used = wanted = capability.shareable_bits
        for i, mode in self.others(closid):
            masks = domain.get(i, schema.kind) | domain.get(i, PEER[schema.kind])
            used |= masks
            if mode is Mode.SHAREABLE:
                wanted |= masks
        if domain.region:
            used |= domain.region.cbm
        mask = first_run(wanted | ~used & capability.full_mask)
        if mask.bit_count() < capability.min_cbm_bits:
            raise Refused(errno.ENOSPC, f"No space on {schema.name}:{domain.id}\n")
        return mask

    def bit_usage(self, schema: Schema, domain: Domain) -> str:
        """One letter a way, highest first: X H S E P 0 (rdt_bit_usage_show)."""
        shared = exclusive = 0
        for i in self.taken():
            mode, mask = self.mode(i), domain.get(i, schema.kind)
            shared |= mask if mode is Mode.SHAREABLE else 0
            exclusive |= mask if mode is Mode.EXCLUSIVE else 0
        capability, locked = schema.resource.capability, domain.region.cbm if domain.region else 0
        letters = []
        for way in reversed(range(capability.cbm_len)):
            hardware, software, only, held = (
                bits >> way & 1 for bits in (capability.shareable_bits, shared, exclusive, locked)
            )
            if hardware or software:
                letters.append("X" if hardware and software else "H" if hardware else "S")
            else:
                letters.append("E" if only else "P" if held else "0")
        return "".join(letters)


def first_run(mask: int) -> int:
    """Only the lowest run of ones (cbm_ensure_valid), on parts with sparse masks as well."""
    low = mask & -mask
    return mask & ~(mask + low) if mask else 0


def initialize(classes: Classes, schemas: list[Schema], closid: int) -> None:
    """rdtgroup_init_alloc: a new class's masks and bandwidths; nothing is staged afterwards, whatever happens."""
    try:
        for schema in schemas:
            resource = schema.resource
            for domain in resource.domains:
                if resource.mba_sc:
                    domain.mbps[closid] = MBPS_MAX
                elif resource.cache:
                    domain.staged[schema.kind] = classes.initial_mask(schema, domain, closid)
                else:
                    domain.staged[schema.kind] = resource.default
            resource.apply(closid)
    finally:
        unstage(schemas)


def unstage(schemas: list[Schema]) -> None:
    """rdt_staged_configs_clear."""
    for schema in schemas:
        for domain in schema.resource.domains:
            domain.staged.clear()


def size_bytes(resource: Resource, mask: int) -> int:
    """rdtgroup_cbm_to_size: whole bytes a way times the ways."""
    return resource.cache_bytes // resource.capability.cbm_len * mask.bit_count()
