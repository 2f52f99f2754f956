"""Tasks and CPUs of groups (rdtgroup_tasks_write, rdtgroup_cpus_write, Linux fs/resctrl/rdtgroup.c)."""

import errno

from nfvlab.cat.fs import cpulist
from nfvlab.cat.fs.controls import Mode
from nfvlab.cat.fs.groups import Group
from nfvlab.cat.fs.kstrto import BadNumber, signed, strim, strsep
from nfvlab.cat.fs.status import Refused


class Tasks:
    """The tasks of the host: pid -> the class and the RMID it runs with, in the order in which they began."""

    def __init__(self, pids, *, allocates: bool, monitors: bool):
        self._of: dict[int, tuple[int, int]] = dict.fromkeys(pids, (0, 0))
        self._allocates, self._monitors = allocates, monitors
        self.writer = next(iter(self._of), 0)  # the task that writes to the files: what pid 0 means

    def of(self, group: Group) -> list[int]:
        """Tasks that the group's file lists: by class in a control group, by RMID in a monitoring group."""
        return [pid for pid, (closid, rmid) in self._of.items() if self._matches(group, closid, rmid)]

    def _matches(self, group: Group, closid: int, rmid: int) -> bool:
        if group.control:
            return self._allocates and closid == group.closid
        return self._monitors and rmid == group.rmid

    def ids(self, pid: int) -> tuple[int, int]:
        """(class, RMID) of a task."""
        if pid not in self._of:
            raise ValueError(f"pid = {pid}: there is no such task. Start it with fork()")
        return self._of[pid]

    def fork(self, parent: int, pid: int) -> None:
        """A new task inherits its parent's class and RMID."""
        if pid in self._of or pid < 1:
            raise ValueError(f"pid = {pid}: a new task has a positive number of its own. Take another one")
        self._of[pid] = self.ids(parent)

    def exit(self, pid: int) -> None:
        """A task ends."""
        self.ids(pid)
        del self._of[pid]

    def move_all(self, group: Group, to: Group) -> None:
        """rdt_move_group_tasks: when a group goes."""
        for pid in self.of(group):
            self._of[pid] = to.closid, to.rmid

    def write(self, text: str, group: Group) -> None:
        """Move the tasks of a list, one by one; those before a bad one stay moved."""
        if group.mode.pseudo:
            raise Refused(errno.EINVAL, "Pseudo-locking in progress\n")
        rest: str | None = text
        while rest and not rest.startswith("\n"):
            word, rest = strsep(rest, ",")
            word = strim(word)
            try:
                pid = signed(word, 0)
            except BadNumber:
                raise Refused(errno.EINVAL, f"Task list parsing error pid {word}\n") from None
            if pid < 0:
                raise Refused(errno.EINVAL, f"Invalid pid {pid}\n")
            try:
                self._move(pid, group)
            except Refused as refused:
                message = f"{refused.message}Error while processing task {pid}\n"
                raise Refused(refused.errno, message) from None

    def _move(self, pid: int, group: Group) -> None:
        task = pid or self.writer
        if task not in self._of:
            raise Refused(errno.ESRCH, f"No task {pid}\n")
        if not group.control and self._of[task][0] != group.parent.closid:
            raise Refused(errno.EINVAL, "Can't move task to different control group\n")
        self._of[task] = (group.closid, group.rmid)

    def text(self, group: Group) -> str:
        """The `tasks` file."""
        return "".join(f"{pid}\n" for pid in self.of(group))


class Cpus:
    """The CPUs of the host: which there could be, and which are on."""

    def __init__(self, online: int, count: int):
        self.online, self.count = online, count

    def text(self, group: Group, *, as_list: bool) -> str:
        """The `cpus` or `cpus_list` file; of a pseudo-locked group, the CPUs over its region."""
        cpus = group.region.domain.cpus if group.mode is Mode.LOCKED else group.cpus
        return (cpulist.list_text(cpus) if as_list else cpulist.mask_text(cpus, self.count)) + "\n"

    def write(self, text: str, group: Group, groups: list[Group], *, as_list: bool) -> None:
        """Give the group exactly these CPUs."""
        if group.mode.pseudo:
            raise Refused(errno.EINVAL, "Pseudo-locking in progress\n")
        try:
            new = (cpulist.parse_list if as_list else cpulist.parse_mask)(text, self.count)
        except Refused as refused:
            raise Refused(refused.errno, "Bad CPU list/mask\n") from None
        if new & ~self.online:
            raise Refused(errno.EINVAL, "Can only assign online CPUs\n")
        if group.control:
            self._control(new, group, groups)
        else:
            self._monitor(new, group)

    @staticmethod
    def _control(new: int, group: Group, groups: list[Group]) -> None:
        """cpus_ctrl_write: dropped CPUs go to the default group, added ones leave where they were."""
        default, dropped, added = groups[-1], group.cpus & ~new, new & ~group.cpus
        if dropped:
            if group is default:
                raise Refused(errno.EINVAL, "Can't drop CPUs from default group\n")
            default.cpus |= dropped
        for other in groups:
            if other is not group and other.cpus & added:
                other.cpus &= ~added
                for child in other.children.values():
                    child.cpus &= other.cpus
        group.cpus = new
        for child in group.children.values():
            child.cpus = 0

    @staticmethod
    def _monitor(new: int, group: Group) -> None:
        """cpus_mon_write: only CPUs of the parent; they leave the parent's other monitoring groups."""
        if new & ~group.parent.cpus:
            raise Refused(errno.EINVAL, "Can only add CPUs to mongroup that belong to parent\n")
        for sibling in group.parent.children.values():
            if sibling is not group:
                sibling.cpus &= ~(new & ~group.cpus)
        group.cpus = new
