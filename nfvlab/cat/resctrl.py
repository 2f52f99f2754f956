"""An in-memory resctrl: a mounted /sys/fs/resctrl to try things on, without the hardware and without root.

    fs = Resctrl(Host.of(SKYLAKE_SP))
    fs.mkdir("g1")
    fs.write("g1/schemata", "L3:0=f;1=f\\n")
    fs.write("g1/mode", "exclusive\\n")       # ResctrlError: EINVAL
    fs.read("info/last_cmd_status")           # "Schemata overlaps\\n"

A call is accepted or refused as the kernel would: same checks in the same order, same errno, same text in
`info/last_cmd_status`. The kernel is Linux 6.16 and later (fs/resctrl, with the x86 registers below it); its
documentation differs in places. Quirks that are kept:

- all lines of a schemata write are parsed before any is applied; a domain id that does not exist fails with status
  "ok", and so does text without a newline at the end, which does not even clear the status; neither does rmdir
- a new group gets only the first run of the ways it could have, on parts with sparse masks too
- exclusive refuses ways that hardware fills; a new group may still get them
- a group that leaves pseudo-locksetup takes its old masks back, even where another has become exclusive meanwhile
- with mba_MBps a bandwidth is set as soon as it has parsed; without, it is rounded up to its step
- a freed RMID is busy for a second at least; a mkdir that fails late sends its RMID through limbo as well

kernfs refuses to open a file whose permissions have no read or no write at all, for root too: EACCES, status untouched.
So the files of a group in pseudo-locksetup say "Pseudo-locking in progress" only after a chmod.

Left out: CPUs that come and go, sub-NUMA clusters, counter assignment (mbm_event), I/O allocation (io_alloc), energy
events, the feedback loop of mba_MBps, users other than root, unmounting.
"""

import errno
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from nfvlab.cat import goresctrl, schemata
from nfvlab.cat.fs import directories, group_files, info_files
from nfvlab.cat.fs.mount import Mount
from nfvlab.cat.fs.nodes import ANY_READ, ANY_WRITE, Dir, File, Node
from nfvlab.cat.fs.status import Refused, ResctrlError
from nfvlab.cat.parts import Host

WRITE_MAX_BYTES = 4096  # one page (kernfs atomic_write_len)
NAME_MAX_BYTES = 255
MOUNT_POINT = "/sys/fs/resctrl"


class _Place(NamedTuple):
    """What a path leads to: the directory it stands in, its name there, and the node, None if there is none."""

    parent: Dir
    name: str
    node: Node | None


class Resctrl:
    """A mounted resctrl.

    host : the processor and its layout (parts.Host); options : mount options of cdp, cdpl2, mba_MBps, debug, as a
    text with commas or one by one; layout : of which kernel's schemata files; tasks : pids that run, the first one
    writes. Paths are relative to the mount point or start with /sys/fs/resctrl. All calls raise ResctrlError.
    """

    def __init__(
        self,
        host: Host,
        *,
        options: str | Iterable[str] = (),
        layout: schemata.Layout = schemata.TODAY,
        tasks: Iterable[int] = (1,),
    ):
        chosen = [o for o in options.split(",") if o] if isinstance(options, str) else options
        self._mount = Mount(host, tuple(dict.fromkeys(chosen)), layout, tuple(tasks))
        self._root = group_files.root(self._mount, lambda: info_files.entries(self._mount))

    @property
    def host(self) -> Host:
        """The host it was mounted on."""
        return self._mount.host

    @property
    def last_cmd_status(self) -> str:
        """What info/last_cmd_status reads."""
        return self.read("info/last_cmd_status")

    # files and directories

    def read(self, path: str) -> str:
        """The text of a file."""
        return self._call(path, lambda: _from_bytes(self._open(path, ANY_READ).show()))

    def write(self, path: str, text: str | bytes) -> None:
        """Write `text` to a file at once, as `echo` does; end it with a newline."""
        self._call(path, lambda: self._write(path, _to_bytes(text)))

    def allocate(self, path: str, shares: Mapping[str, str | Mapping[str, str]]) -> None:
        """Write shares in goresctrl's words to a group's schemata: {"L3": "60%", "MB": "50%"} (goresctrl.py)."""
        self.write(f"{path}/schemata", goresctrl.schemata_text(self._mount.schemas, shares))

    def mkdir(self, path: str) -> None:
        """Make a group."""

        def run() -> None:
            place = self._find(path)
            if place.node is not None:
                raise Refused(errno.EEXIST)
            directories.make(self._mount, place.parent, place.name)

        self._call(path, run)

    def rmdir(self, path: str) -> None:
        """Remove a group."""

        def run() -> None:
            node = self._existing(path).node
            if not isinstance(node, Dir):
                raise Refused(errno.ENOTDIR)
            if node is self._root:
                raise Refused(errno.EBUSY)
            directories.remove(self._mount, node)

        self._call(path, run)

    def rename(self, old: str, new: str) -> None:
        """Give a monitoring group another name, or another control group."""

        def run() -> None:
            source, target = self._existing(old), self._find(new)
            if source.node is self._root or target.node is self._root:
                raise Refused(errno.EBUSY)
            if (source.parent.group, source.parent.role, source.name) == (
                target.parent.group,
                target.parent.role,
                target.name,
            ):
                return
            if isinstance(target.node, File) and isinstance(source.node, Dir):
                raise Refused(errno.ENOTDIR)
            taken = target.node is not None
            directories.rename(
                self._mount, source.node, source.parent, source.name, target.parent, target.name, taken
            )

        self._call(old, run)

    def listdir(self, path: str = "") -> list[str]:
        """The names in a directory, sorted."""

        def run() -> list[str]:
            node = self._existing(path).node
            if not isinstance(node, Dir):
                raise Refused(errno.ENOTDIR)
            return sorted(_from_bytes(name) for name in node.entries())

        return self._call(path, run)

    def exists(self, path: str) -> bool:
        """Whether there is something at `path`."""
        try:
            self._call(path, lambda: self._existing(path))
        except ResctrlError:
            return False
        return True

    def chmod(self, path: str, mode: int) -> None:
        """Change the permissions of a group's file."""

        def run() -> None:
            place = self._existing(path)
            if not isinstance(place.node, File) or place.parent.role != "group":
                raise Refused(errno.EPERM)
            place.parent.group.permissions[place.name] = mode

        self._call(path, run)

    # the world outside

    def tick(self, seconds: int = 1) -> None:
        """Time passes: once a second every domain looks whether RMIDs in limbo have become clean."""
        for _ in range(seconds):
            self._mount.monitors.check_limbo()

    def set_occupancy(self, domain: int, rmid: int, bytes_held: int | str) -> None:
        """Bytes of the domain's L3 that carry the RMID; "Unavailable" or "Error" if the counter cannot be read."""
        self._mount.monitors.set_counter(domain, rmid, "llc_occupancy", bytes_held)

    def set_traffic(
        self, domain: int, rmid: int, *, total_bytes: int | str | None = None, local_bytes=None
    ) -> None:
        """Bytes that the RMID has moved since boot; they only grow."""
        for event, value in (("mbm_total_bytes", total_bytes), ("mbm_local_bytes", local_bytes)):
            if value is not None:
                self._mount.monitors.set_counter(domain, rmid, event, value)

    def fork(self, parent: int, pid: int) -> None:
        """A task starts another one, which inherits its groups."""
        self._mount.tasks.fork(parent, pid)

    def exit(self, pid: int) -> None:
        """A task ends."""
        self._mount.tasks.exit(pid)

    def ids(self, path: str = "") -> tuple[int, int]:
        """(CLOSID, RMID) of the group at `path`; a pseudo-locked group keeps numbers that are no longer its own."""
        node = self._call(path, lambda: self._existing(path).node)
        if not isinstance(node, Dir) or node.role != "group":
            raise ValueError(f"{path!r} is no group. Give the path of a group's directory")
        return node.group.closid, node.group.rmid

    def task_ids(self, pid: int) -> tuple[int, int]:
        """(CLOSID, RMID) that a task runs with."""
        return self._mount.tasks.ids(pid)

    @property
    def limbo(self) -> dict[int, tuple[int, ...]]:
        """{RMID in limbo: domains not yet seen clean}."""
        return self._mount.monitors.limbo

    @property
    def free_rmids(self) -> tuple[int, ...]:
        """RMIDs that mkdir can take, next one first."""
        return self._mount.monitors.free_rmids

    # paths

    def _call(self, path: str, run):
        try:
            return run()
        except Refused as refused:
            self._mount.status.add(refused.message)
            status = _from_bytes(self._mount.status.read())
            raise ResctrlError(refused.errno, path, status) from None

    def _open(self, path: str, wanted: int) -> File:
        """kernfs_fop_open: EACCES where the permissions allow it to nobody, whoever asks."""
        node = self._existing(path).node
        if isinstance(node, Dir):
            raise Refused(errno.EISDIR)
        if not node.mode & wanted or (wanted == ANY_WRITE and not node.store):
            raise Refused(errno.EACCES)
        return node

    def _write(self, path: str, text: str) -> None:
        file = self._open(path, ANY_WRITE)
        if len(text) > WRITE_MAX_BYTES:
            raise Refused(errno.E2BIG)
        file.store(text)

    def _existing(self, path: str) -> _Place:
        place = self._find(path)
        if place.node is None:
            raise Refused(errno.ENOENT)
        return place

    def _find(self, path: str) -> _Place:
        """Follow `path`; only its last part may be missing."""
        inside = path.removeprefix(MOUNT_POINT) if f"{path}/".startswith(f"{MOUNT_POINT}/") else path
        trail, name = [self._root], ""
        node: Node | None = self._root
        for part in filter(None, _to_bytes(inside).split("/")):
            if node is None:
                raise Refused(errno.ENOENT)
            if not isinstance(node, Dir):
                raise Refused(errno.ENOTDIR)
            if part == ".":
                continue
            if part == "..":
                trail = trail[:-1] or trail
                node, name = trail[-1], ""
                continue
            if len(part) > NAME_MAX_BYTES:
                raise Refused(errno.ENAMETOOLONG)
            parent, name = node, part
            node = parent.entries().get(part)
            if isinstance(node, Dir):
                trail.append(node)
        if isinstance(node, Dir):
            return _Place(trail[-2] if len(trail) > 1 else self._root, name, node)
        return _Place(parent, name, node)


def _to_bytes(text: str | bytes) -> str:
    """The bytes of a text, one character each, as the kernel sees them."""
    return (text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text).decode("latin-1")


def _from_bytes(text: str) -> str:
    return text.encode("latin-1").decode("utf-8", "surrogateescape")
