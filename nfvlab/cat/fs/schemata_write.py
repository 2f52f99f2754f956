"""A write to a schemata file (rdtgroup_schemata_write and below, Linux fs/resctrl/ctrlmondata.c).

All lines are parsed before any is applied. Two things do not wait: a limit of the software controller (mba_MBps), and
the region of a group in pseudo-locksetup, which claims its domain as soon as its mask has parsed.
"""

import errno

from nfvlab.cat.cbm import CbmError, validate
from nfvlab.cat.fs.controls import Domain, Mode, Resource, Schema
from nfvlab.cat.fs.groups import Classes, Group, unstage
from nfvlab.cat.fs.kstrto import U32_MAX, BadNumber, strim, strsep, unsigned
from nfvlab.cat.fs.pseudo_lock import in_hierarchy, lock
from nfvlab.cat.fs.status import Refused


def write(text: str, group: Group, schemas: list[Schema], classes: Classes) -> None:
    """Parse `text` (without its last newline) and apply it to the group; Refused with nothing staged otherwise."""
    if group.mode is Mode.LOCKED:
        _invalid("Resource group is pseudo-locked\n")
    unstage(schemas)
    try:
        rest: str | None = text
        while rest is not None:
            line, rest = strsep(rest, "\n")
            _line(line, group, schemas, classes)
        for schema in schemas:
            if not schema.resource.mba_sc:
                schema.resource.apply(group.closid)
        if group.mode is Mode.LOCKSETUP:
            lock(group, classes)
    finally:
        unstage(schemas)


def _line(line: str, group: Group, schemas: list[Schema], classes: Classes) -> None:
    name, values = strsep(line, ":")
    name = strim(name)
    if values is None:
        _invalid("Missing ':'\n")
    if not values:
        _invalid(f"Missing '{name}' value\n")
    for schema in schemas:
        if schema.name == name and group.closid < schema.num_closids:
            _parse_line(values, schema, group, classes)
            return
    _invalid(f"Unknown or unsupported resource name '{name}'\n")


def _parse_line(rest: str | None, schema: Schema, group: Group, classes: Classes) -> None:
    """parse_line: `id=value` after `id=value`. An id that does not exist fails without a word."""
    if group.mode is Mode.LOCKSETUP and not schema.resource.cache:
        _invalid("Cannot pseudo-lock MBA resource\n")
    while rest:
        cell, rest = strsep(rest, ";")
        key, value = strsep(cell, "=")
        domain_id = _domain_id(key) if value is not None else None
        if domain_id is None:
            _invalid("Missing '=' or non-numeric domain\n")
        domain = next((d for d in schema.resource.domains if d.id == domain_id), None)
        if domain is None:
            _invalid()
        _parse_value(strim(value), schema, domain, group, classes)
        if group.mode is Mode.LOCKSETUP:
            group.region.claim(schema, domain, domain.staged[schema.kind])
            return


def _domain_id(text: str) -> int | None:
    try:
        return unsigned(text)
    except BadNumber:
        return None


def _parse_value(text: str, schema: Schema, domain: Domain, group: Group, classes: Classes) -> None:
    if schema.kind in domain.staged:
        _invalid(f"Duplicate domain {domain.id}\n")
    if schema.resource.cache:
        domain.staged[schema.kind] = _mask(text, schema, domain, group, classes)
    elif schema.resource.mba_sc:
        domain.mbps[group.closid] = _bandwidth(text, schema.resource)
    else:
        domain.staged[schema.kind] = _bandwidth(text, schema.resource)


def _mask(text: str, schema: Schema, domain: Domain, group: Group, classes: Classes) -> int:
    """parse_cbm: a mask for this group in this domain."""
    if group.mode is Mode.LOCKSETUP and in_hierarchy(domain, classes.resources):
        _invalid("Pseudo-locked region in hierarchy\n")
    try:
        mask = validate(text, schema.resource.capability)
    except CbmError as refusal:
        raise Refused(errno.EINVAL, f"{refusal}\n") from None
    if not group.mode.pseudo and domain.region and domain.region.cbm & mask:
        _invalid("CBM overlaps with pseudo-locked region\n")
    if classes.overlaps(schema, domain, mask, group.closid, exclusive=True):
        _invalid("Overlaps with exclusive group\n")
    if group.mode is not Mode.SHAREABLE and classes.overlaps(
        schema, domain, mask, group.closid, exclusive=False
    ):
        _invalid("Overlaps with other group\n")
    return mask


def _bandwidth(text: str, resource: Resource) -> int:
    """bw_validate: a bandwidth, rounded up to the step; the software controller takes any number of 32 bits."""
    bandwidth = resource.capability
    if bandwidth.needs_linear and not bandwidth.delay_linear:
        _invalid("No support for non-linear MB domains\n")
    try:
        value = unsigned(text, 10, top=U32_MAX)
    except BadNumber:
        raise Refused(errno.EINVAL, f"Invalid MB value {text}\n") from None
    if resource.mba_sc:
        return value
    low, high = bandwidth.min_bandwidth, bandwidth.max_bandwidth
    if not low <= value <= high:
        _invalid(f"MB value {value} out of range [{low},{high}]\n")
    return -(-value // bandwidth.bandwidth_gran) * bandwidth.bandwidth_gran


def _invalid(message: str = "") -> None:
    raise Refused(errno.EINVAL, message)
