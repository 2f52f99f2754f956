"""Modes of a group, and pseudo-locked regions (rdtgroup_mode_write; Linux fs/resctrl/pseudo_lock.c).

A group in pseudo-locksetup has a class but neither tasks, CPUs nor an RMID; the mask written next is loaded and locked,
and the class is free again.
"""

import errno

from nfvlab.cat.fs.controls import Domain, Mode, Region, Resource, Schema
from nfvlab.cat.fs.groups import Classes, Group, size_bytes
from nfvlab.cat.fs.monitors import Monitors
from nfvlab.cat.fs.status import Refused
from nfvlab.cat.fs.tasks import Tasks
from nfvlab.units import MiB

KMALLOC_MAX_BYTES = 4 * MiB  # on x86-64: the largest run of pages, 2^10 of 4 KiB
RESTRICTED = ("tasks", "cpus", "cpus_list", "mon_groups")


def in_hierarchy(domain: Domain, resources: list[Resource]) -> bool:
    """rdtgroup_pseudo_locked_in_hierarchy: whether a CPU of `domain` already sits over a region at any level."""
    taken = 0
    for resource in resources:
        for other in resource.domains:
            taken |= other.cpus if other.region else 0
    return bool(domain.cpus & taken)


def lock(group: Group, classes: Classes) -> None:
    """rdtgroup_pseudo_lock_create: load the region and lock it; on failure the group stays in pseudo-locksetup."""
    region = group.region
    if size_bytes(region.schema.resource, region.cbm) > KMALLOC_MAX_BYTES:
        region.clear()
        raise Refused(errno.E2BIG, "Requested region exceeds maximum size\n")
    group.mode = Mode.LOCKED
    classes.free(group.closid)
    group.permissions |= {"cpus": 0o444, "cpus_list": 0o444}


def release(group: Group, classes: Classes) -> None:
    """rdtgroup_pseudo_lock_remove: the group goes, and its region with it."""
    if group.mode is Mode.LOCKSETUP:
        classes.free(group.closid)
    group.region.drop()
    group.region = None


class Modes:
    """Writes to a group's `mode` file."""

    def __init__(
        self, schemas: list[Schema], classes: Classes, monitors: Monitors, tasks: Tasks, supported: bool
    ):
        self._schemas, self._classes, self._monitors, self._tasks = schemas, classes, monitors, tasks
        self._supported = supported

    def write(self, text: str, group: Group) -> None:
        """rdtgroup_mode_write, without the last newline."""
        if text == group.mode.value:
            return
        if group.mode is Mode.LOCKED:
            _invalid("Cannot change pseudo-locked group\n")
        if text == Mode.SHAREABLE.value:
            self._leave_setup(group)
            group.mode = Mode.SHAREABLE
        elif text == Mode.EXCLUSIVE.value:
            self._check_exclusive(group)
            self._leave_setup(group)
            group.mode = Mode.EXCLUSIVE
        elif text == Mode.LOCKSETUP.value:
            self._enter_setup(group)
            group.mode = Mode.LOCKSETUP
        else:
            _invalid("Unknown or unsupported mode\n")

    def _check_exclusive(self, group: Group) -> None:
        """rdtgroup_mode_test_exclusive: no way of the group is another's, or hardware's."""
        caches = [schema for schema in self._schemas if schema.resource.cache]
        for schema in caches:
            for domain in schema.resource.domains:
                mask = domain.get(group.closid, schema.kind)
                if self._classes.overlaps(schema, domain, mask, group.closid, exclusive=False):
                    _invalid("Schemata overlaps\n")
        if not caches:
            _invalid("Cannot be exclusive without CAT/CDP\n")

    def _enter_setup(self, group: Group) -> None:
        """rdtgroup_locksetup_enter; the checks in its order."""
        if group is self._classes.default:
            _invalid("Cannot pseudo-lock default group\n")
        if any(schema.resource.cdp for schema in self._schemas):
            _invalid("CDP enabled\n")
        if not self._supported:
            _invalid("Pseudo-locking not supported\n")
        if group.children:
            _invalid("Monitoring in progress\n")
        if self._tasks.of(group):
            _invalid("Tasks assigned to resource group\n")
        if group.cpus:
            _invalid("CPUs assigned to resource group\n")
        group.permissions |= dict.fromkeys(RESTRICTED, 0)
        group.region = Region()
        self._monitors.free(group.rmid)

    def _leave_setup(self, group: Group) -> None:
        """rdtgroup_locksetup_exit: back to tasks and an RMID. Nobody looks whether its old masks are still free."""
        if group.mode is Mode.LOCKSETUP:
            group.rmid = self._monitors.alloc()
            for name in RESTRICTED:
                group.permissions.pop(name, None)
            group.region.drop()
            group.region = None


def _invalid(message: str) -> None:
    raise Refused(errno.EINVAL, message)
