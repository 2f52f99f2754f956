"""What stands at a path: a file with its handlers, or a directory with its entries."""

from collections.abc import Callable
from typing import NamedTuple, Union

from nfvlab.cat.fs.groups import Group

READ, WRITE = 0o444, 0o644
ANY_READ, ANY_WRITE = 0o444, 0o222


class File(NamedTuple):
    """A file: its permissions, what a read shows, what a write does with the bytes (one character each)."""

    mode: int
    show: Callable[[], str]
    store: Callable[[str], None] | None = None


class Dir(NamedTuple):
    """A directory: what is in it, the group it belongs to (None under info), and what it is to that group.

    role : "group", "mon_groups", "info", or "data" for the rest
    """

    entries: Callable[[], dict[str, Union["Dir", File]]]
    group: Group | None
    role: str = "data"


Node = Dir | File
