"""A mounted resctrl: everything that its files and directories work on (rdt_get_tree, rdt_enable_ctx)."""

import errno

from nfvlab.cat import schemata
from nfvlab.cat.fs.controls import columns, resources, schemas
from nfvlab.cat.fs.groups import Classes, Group
from nfvlab.cat.fs.monitors import Monitors
from nfvlab.cat.fs.pseudo_lock import Modes
from nfvlab.cat.fs.status import LastCommand, ResctrlError
from nfvlab.cat.fs.tasks import Cpus, Tasks
from nfvlab.cat.parts import Host


class Mount:
    """The state of one mount.

    options : of cdp, cdpl2, mba_MBps, debug; schemas : lines of a schemata file, in the layout's order
    """

    def __init__(self, host: Host, options: tuple[str, ...], layout: schemata.Layout, pids: tuple[int, ...]):
        refuse_options(host, options)
        self.host, self.options, self.layout = host, options, layout
        cdp = frozenset(level for level, option in (("L3", "cdp"), ("L2", "cdpl2")) if option in options)
        self.mba_sc = "mba_MBps" in options
        found = resources(host, cdp, self.mba_sc)
        self.allocates = bool(found)
        self.schemas = schemas(found, layout)
        self.columns = columns(found)
        online = sum(1 << cpu for cpus in host.l3.values() for cpu in cpus)
        self.monitors = Monitors(host)
        self.default = Group("", cpus=online, mbps_event=self.mbps_event)
        self.classes = Classes(self.schemas, self.default)
        self.tasks = Tasks(pids, allocates=self.allocates, monitors=self.monitors.capable)
        self.cpus = Cpus(online, host.cpus_count)
        self.modes = Modes(self.schemas, self.classes, self.monitors, self.tasks, host.part.pseudo_lock)
        self.status = LastCommand()
        self.monitors.begin(0)

    @property
    def mbps_event(self) -> str:
        """What the software controller steers by unless told otherwise: local bytes, or total if there are none."""
        return next((e for e in ("mbm_local_bytes", "mbm_total_bytes") if e in self.monitors.events), "")

    @property
    def debug(self) -> bool:
        """Whether the files show class and RMID numbers."""
        return "debug" in self.options

    def rmids(self, group: Group) -> list[int]:
        """RMIDs that a group's data are the sum of: its own, then those of its monitoring groups."""
        return [group.rmid, *(child.rmid for child in group.children.values())]


def refuse_options(host: Host, options: tuple[str, ...]) -> None:
    """EINVAL for an option that is not known, or that this host cannot do (rdt_parse_param, rdt_enable_ctx)."""
    part = host.part
    counts_bytes = part.monitoring and {"mbm_total_bytes", "mbm_local_bytes"} & set(part.monitoring.events)
    able = {
        "cdp": part.l3 and part.l3.cdp_capable,
        "cdpl2": part.l2 and part.l2.cdp_capable,
        "mba_MBps": counts_bytes and part.mb and part.mb.delay_linear,
        "debug": True,
    }
    for option in options:
        if not able.get(option):
            raise ResctrlError(errno.EINVAL, f"mount -o {option}", "ok\n")
