"""The files of a group (res_common_files and mkdir_mondata_all, Linux fs/resctrl/rdtgroup.c)."""

import errno
from collections.abc import Callable

from nfvlab.cat import schemata
from nfvlab.cat.fs import schemata_write
from nfvlab.cat.fs.controls import Mode, Schema
from nfvlab.cat.fs.groups import Group, size_bytes
from nfvlab.cat.fs.mount import Mount
from nfvlab.cat.fs.nodes import READ, WRITE, Dir, File, Node
from nfvlab.cat.fs.status import Refused


def root(mount: Mount, info: Callable[[], dict[str, Node]]) -> Dir:
    """The root: the default group, `info`, and every other control group."""

    def entries() -> dict[str, Node]:
        others = {g.name: directory(mount, g) for g in mount.classes.groups if g is not mount.default}
        return {**group_entries(mount, mount.default), "info": Dir(info, None, "info"), **others}

    return Dir(entries, mount.default, "group")


def directory(mount: Mount, group: Group) -> Dir:
    """A group's directory."""
    return Dir(lambda: group_entries(mount, group), group, "group")


def group_entries(mount: Mount, group: Group) -> dict[str, Node]:
    """Files and directories of a group, with the permissions they have now."""
    found: dict[str, Node] = _files(mount, group)
    for name, mode in group.permissions.items():
        if name in found:
            found[name] = found[name]._replace(mode=mode)
    if mount.monitors.capable:
        found["mon_data"] = Dir(lambda: _mon_data(mount, group), group)
        if group.control:
            children = group.children
            found["mon_groups"] = Dir(
                lambda: {name: directory(mount, child) for name, child in children.items()},
                group,
                "mon_groups",
            )
    return found


def _files(mount: Mount, group: Group) -> dict[str, File]:
    cpus, tasks, groups = mount.cpus, mount.tasks, mount.classes.groups

    def cpus_file(as_list: bool) -> File:
        return File(
            WRITE,
            lambda: cpus.text(group, as_list=as_list),
            _command(mount, lambda text: cpus.write(text, group, groups, as_list=as_list)),
        )

    found = {
        "cpus": cpus_file(False),
        "cpus_list": cpus_file(True),
        "tasks": File(
            WRITE, lambda: tasks.text(group), _command(mount, lambda text: tasks.write(text, group))
        ),
    }
    if mount.debug and mount.monitors.capable:
        found["mon_hw_id"] = File(READ, lambda: f"{group.rmid}\n")
    if group.control:
        found |= _control_files(mount, group)
    return found


def _control_files(mount: Mount, group: Group) -> dict[str, File]:
    def write_schemata(text: str) -> None:
        schemata_write.write(text, group, mount.schemas, mount.classes)

    found = {
        "schemata": File(WRITE, lambda: schemata_text(mount, group), _line_command(mount, write_schemata)),
        "mode": File(
            WRITE,
            lambda: f"{group.mode.value}\n",
            _line_command(mount, lambda text: mount.modes.write(text, group)),
        ),
        "size": File(READ, lambda: size_text(mount, group)),
    }
    if mount.debug:
        found["ctrl_hw_id"] = File(READ, lambda: f"{group.closid}\n")
    if mount.mba_sc:
        found["mba_MBps_event"] = File(
            WRITE,
            lambda: f"{group.mbps_event}\n",
            _line_command(mount, lambda text: _write_mbps_event(mount, group, text)),
        )
    return found


def _command(mount: Mount, store: Callable[[str], None]) -> Callable[[str], None]:
    """A handler that takes any text; the status is cleared first. The kernel's strings end at a zero byte."""

    def run(text: str) -> None:
        mount.status.clear()
        store(text.partition("\0")[0])

    return run


def _line_command(mount: Mount, store: Callable[[str], None]) -> Callable[[str], None]:
    """A handler that wants a newline at the end; without one it fails before the status is cleared."""

    def run(text: str) -> None:
        if not text.endswith("\n"):
            raise Refused(errno.EINVAL)
        _command(mount, store)(text[:-1])

    return run


def _write_mbps_event(mount: Mount, group: Group, text: str) -> None:
    """rdtgroup_mba_mbps_event_write."""
    if text not in ("mbm_local_bytes", "mbm_total_bytes") or text not in mount.monitors.events:
        raise Refused(errno.EINVAL, f"Unsupported event id '{text}'\n")
    group.mbps_event = text


def schemata_text(mount: Mount, group: Group) -> str:
    """rdtgroup_schemata_show; a pseudo-locked group has but its region, which is not aligned."""
    if group.mode is Mode.LOCKED:
        region = group.region
        return f"{region.schema.resource.name}:{region.domain.id}={region.cbm:x}\n"
    if group.mode is Mode.LOCKSETUP:
        return "".join(schemata.line(schema.name, None) for schema in mount.schemas)
    lines = []
    for schema in mount.schemas:
        if group.closid < schema.num_closids:
            values = {domain.id: schema.value(domain, group.closid) for domain in schema.resource.domains}
            lines.append(schemata.line(schema.name, values, mount.layout, mount.columns))
    return "".join(lines)


def size_text(mount: Mount, group: Group) -> str:
    """rdtgroup_size_show: bytes instead of masks; of bandwidths, what the schemata say."""
    name_width = mount.columns.name if mount.layout.aligned else 0
    if group.mode is Mode.LOCKED:
        region = group.region
        size = size_bytes(region.schema.resource, region.cbm)
        return f"{region.schema.name:>{name_width}}:{region.domain.id}={size}\n"
    lines = []
    for schema in mount.schemas:
        cells = ";".join(f"{d.id}={_size(schema, d, group)}" for d in schema.resource.domains)
        lines.append(f"{schema.name:>{name_width}}:{cells}\n")
    return "".join(lines)


def _size(schema: Schema, domain, group: Group) -> int:
    if group.mode is Mode.LOCKSETUP:
        return 0
    value = schema.value(domain, group.closid)
    return size_bytes(schema.resource, value) if schema.resource.cache else value


def _mon_data(mount: Mount, group: Group) -> dict[str, Node]:
    def domain_entries(domain: int) -> dict[str, Node]:
        return {
            event: File(READ, lambda event=event: mount.monitors.read(domain, mount.rmids(group), event))
            for event in mount.monitors.events
        }

    return {
        f"mon_L3_{domain:02d}": Dir(lambda domain=domain: domain_entries(domain), group)
        for domain in mount.monitors.domains
    }
