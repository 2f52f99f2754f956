"""A resctrl tree as texts by path: a live mount, a copied directory or a tar of one, read without trusting it.

Standard library only. Nothing is unpacked to disk; links are never followed; depth, number and size are bounded.
"""

import errno
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field

from nfvlab.readers.errors import ReaderError, printable
from nfvlab.readers.files import AGAIN

MAX_FILES = 20_000
MAX_DEPTH = 9
MAX_FILE_BYTES = 4 << 20
COPY = "Copy the tree first (cp -r /sys/fs/resctrl copy; tar -cf copy.tar copy)"
#: Reading it changes info/last_cmd_status of a live mount (fs/resctrl: resctrl_io_alloc_cbm_show).
TOUCHY = ("io_alloc_cbm",)
_FILES = {"schemata", "size", "mode", "cpus", "cpus_list", "tasks", "mba_MBps_event", "ctrl_hw_id"}


@dataclass(frozen=True)
class Tree:
    """A resctrl tree: texts by path below its root, "/" between the parts.

    path : the file or directory it came from
    kind : directory or tar
    unread : {path: why} of files that are there and could not be read
    notes : what was left out
    """

    path: str
    kind: str
    texts: dict[str, str]
    folders: frozenset[str]
    unread: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def place(self, name: str) -> str:
        """A file of the tree as an error names it."""
        return os.path.join(self.path, name) if self.kind == "directory" else f"{self.path}: {name}"


def wanted(name: str) -> bool:
    """Whether a file of a tree says something to us."""
    parts = name.split("/")
    inside = {"info", "mon_data"} & set(parts[:-1])
    return bool(inside or parts[-1] in _FILES) and parts[-1] not in TOUCHY


def load_folder(path: str | os.PathLike, want: Callable[[str], bool] = wanted) -> Tree:
    """The tree at or below a directory; info/last_cmd_status is read before anything else."""
    root = os.fsdecode(path)
    names, folders, notes = _scan(root)
    base = find_root(root, folders, names)
    below = base + "/" if base else ""
    names = [name.removeprefix(below) for name in names if name.startswith(below)]
    folders = {name.removeprefix(below) for name in folders if name.startswith(below)}
    texts, unread = {}, {}
    top = os.path.join(root, base) if base else root
    for name in sorted(filter(want, names), key=lambda name: (name != "info/last_cmd_status", name)):
        try:
            data = _read(os.path.join(top, name))
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENODEV):  # the group went away meanwhile
                unread[name] = error.strerror or "it cannot be read"
            continue
        texts[name] = text_of(os.path.join(top, name), data)
    return Tree(printable(top, 4096), "directory", texts, frozenset(folders), unread, tuple(notes))


def _scan(root: str) -> tuple[list[str], set[str], list[str]]:
    """Regular files and directories below a root, by relative path."""
    names, folders, notes, todo, seen = [], set(), [], [("", 0)], 0
    while todo:
        below, depth = todo.pop()
        try:
            entries = list(os.scandir(os.path.join(root, below) if below else root))
        except OSError as error:
            if not below:
                raise ReaderError(root, None, f"cannot be read: {error.strerror}", "Check the path") from None
            notes.append(f"left out: {printable(below)} cannot be read ({error.strerror})")
            continue
        seen += len(entries)
        if seen > MAX_FILES:
            what = f"more than {MAX_FILES} files and directories: that is no resctrl tree"
            raise ReaderError(root, None, what, "Give the path of the tree itself")
        for entry in entries:
            name = f"{below}/{entry.name}" if below else entry.name
            if entry.is_symlink():
                notes.append(f"left out: {printable(name)} is a link")
            elif entry.is_dir(follow_symlinks=False):
                folders.add(name)
                todo += [(name, depth + 1)] if depth < MAX_DEPTH else []
            elif entry.is_file(follow_symlinks=False):
                names.append(name)
            else:
                notes.append(f"left out: {printable(name)} is no regular file")
    return names, folders, notes


def _read(path: str) -> bytes:
    """What a regular file holds, whatever its size says: the kernel gives its files none."""
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise ReaderError(path, None, "not a regular file", AGAIN)
        data = file.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise ReaderError(path, None, f"above the limit of {MAX_FILE_BYTES} bytes", AGAIN)
    return data


def text_of(path: str, data: bytes) -> str:
    """ASCII text of a file in the tree; `ReaderError` for anything else."""
    try:
        text = data.decode("ascii")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ReaderError(path, line, f"byte 0x{data[error.start]:02x} is not ASCII", AGAIN) from None
    bad = next((c for c in text if not (c.isprintable() or c in "\n\t")), None)
    if bad is not None:
        raise ReaderError(path, text.count("\n", 0, text.index(bad)) + 1, f"holds {bad!r}, no text", AGAIN)
    return text


def find_root(path: str, folders: set[str], names: list[str]) -> str:
    """Where in a directory or archive the resctrl tree is: beside its `info`; "" if at the top."""
    found = [name for name in folders if name.rpartition("/")[2] == "info"]
    found = [name for name in found if any(other.startswith(name + "/") for other in names)]
    roots = sorted(
        (name.rpartition("/")[0] for name in found), key=lambda name: (name.count("/"), name != "", name)
    )
    depth = [0 if not name else name.count("/") + 1 for name in roots]
    if not roots:
        if not folders and not names:
            what, remedy = (
                "is empty: no resctrl is mounted on it",
                "Mount it (mount -t resctrl resctrl /sys/fs/resctrl)",
            )
        else:
            what, remedy = "no resctrl tree in it: nothing stands in a directory info", COPY
        raise ReaderError(path, None, what, remedy)
    if depth.count(min(depth)) > 1:
        what = f"several resctrl trees in it: {printable(', '.join(roots[:4]))}"
        raise ReaderError(path, None, what, "Keep one, or give the path of one")
    return roots[depth.index(min(depth))]
