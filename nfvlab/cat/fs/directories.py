"""mkdir, rmdir and rename of groups (rdtgroup_mkdir, _rmdir, _rename, Linux fs/resctrl/rdtgroup.c)."""

import errno

from nfvlab.cat.fs.groups import Group, initialize
from nfvlab.cat.fs.mount import Mount
from nfvlab.cat.fs.nodes import Dir, Node
from nfvlab.cat.fs.pseudo_lock import release
from nfvlab.cat.fs.status import Refused


def make(mount: Mount, parent: Dir, name: str) -> None:
    """A control group at the root, a monitoring group in a `mon_groups`; the name is known to be free."""
    if "\n" in name:
        raise Refused(errno.EINVAL)
    if mount.allocates and parent.group is mount.default and parent.role == "group":
        mount.status.clear()
        _make_control(mount, name)
    elif not mount.monitors.capable:
        raise Refused(errno.EPERM)
    elif parent.group is None:
        raise Refused(errno.ENODEV)
    else:
        mount.status.clear()
        _make_monitor(mount, parent, name)


def _make_control(mount: Mount, name: str) -> None:
    """rdtgroup_mkdir_ctrl_mon: a class, an RMID, first masks; a failure gives back what it had got.

    An RMID that is given back goes through limbo like any other.
    """
    group = Group(name, closid=mount.classes.alloc(), mbps_event=mount.mbps_event)
    try:
        group.rmid = mount.monitors.alloc()
        try:
            mount.monitors.begin(group.rmid)
            initialize(mount.classes, mount.schemas, group.closid)
        except Refused:
            mount.monitors.free(group.rmid)
            raise
    except Refused:
        mount.classes.free(group.closid)
        raise
    mount.classes.groups.insert(0, group)


def _make_monitor(mount: Mount, parent: Dir, name: str) -> None:
    """rdtgroup_mkdir_mon."""
    if not _holds_monitor(parent, name):
        raise Refused(errno.EPERM)
    if parent.group.mode.pseudo:
        raise Refused(errno.EINVAL, "Pseudo-locking in progress\n")
    group = Group(name, closid=parent.group.closid, rmid=mount.monitors.alloc(), parent=parent.group)
    mount.monitors.begin(group.rmid)
    parent.group.children[name] = group


def _holds_monitor(parent: Dir, name: str) -> bool:
    """is_mon_groups: monitoring groups stand in a `mon_groups`, and none is called so."""
    return parent.role == "mon_groups" and name != "mon_groups"


def remove(mount: Mount, node: Dir) -> None:
    """rdtgroup_rmdir: groups only. The status is not touched, whatever happens."""
    group = node.group
    if node.role != "group" or group is mount.default:
        raise Refused(errno.EPERM)
    if not group.control:
        mount.tasks.move_all(group, group.parent)
        mount.monitors.free(group.rmid)
        del group.parent.children[group.name]
    elif group.mode.pseudo:
        mount.classes.groups.remove(group)
        release(group, mount.classes)
    else:
        _remove_control(mount, group)


def _remove_control(mount: Mount, group: Group) -> None:
    """rdtgroup_rmdir_ctrl: tasks and CPUs go to the default group, class and RMIDs back."""
    mount.tasks.move_all(group, mount.default)
    mount.default.cpus |= group.cpus
    mount.monitors.free(group.rmid)
    mount.classes.free(group.closid)
    mount.classes.groups.remove(group)
    for child in group.children.values():
        mount.monitors.free(child.rmid)


def rename(mount: Mount, node: Node, old_parent: Dir, old: str, parent: Dir, new: str, taken: bool) -> None:
    """rdtgroup_rename: monitoring groups only; in another control group its tasks take that group's class."""
    owner = node.group if isinstance(node, Dir) else old_parent.group
    if owner is None or parent.group is None:
        raise Refused(errno.ENOENT)
    mount.status.clear()
    if not isinstance(node, Dir):
        raise Refused(errno.EPERM, "Source and destination must be directories")
    group = node.group
    if group.control or not _holds_monitor(old_parent, old):
        raise Refused(errno.EPERM, "Source must be a MON group\n")
    if not _holds_monitor(parent, new):
        raise Refused(errno.EPERM, "Destination must be a mon_groups subdirectory\n")
    if group.cpus and parent.group is not group.parent:
        raise Refused(errno.EPERM, "Cannot move a MON group that monitors CPUs\n")
    if taken:
        raise Refused(errno.EEXIST)
    del group.parent.children[old]
    group.name, group.parent, group.closid = new, parent.group, parent.group.closid
    parent.group.children[new] = group
    mount.tasks.move_all(group, group)
