"""A resctrl tree in a tar archive, plain or compressed, read as a stream: nothing is ever written.

Standard library only. A member that leaves the archive (an absolute name, `..`), a device, a pipe or a second
member of the same name is refused; links are left out with a note; what unpacks beyond a bound is refused.
"""

import bz2
import gzip
import lzma
import os
import tarfile
import zlib

from nfvlab.readers.errors import ReaderError, printable
from nfvlab.readers.files import AGAIN
from nfvlab.readers.resctrl_tree import MAX_DEPTH, MAX_FILE_BYTES, MAX_FILES, Tree, find_root, text_of, wanted

MAX_PACKED_BYTES = 64 << 20
MAX_UNPACKED_BYTES = 256 << 20
_PACKED = {
    b"\x1f\x8b": ("gzip", gzip.open, "gunzip"),
    b"BZh": ("bzip2", bz2.open, "bunzip2"),
    b"\xfd7zXZ\x00": ("xz", lzma.open, "unxz"),
}
_DAMAGED = (tarfile.TarError, OSError, EOFError, zlib.error, lzma.LZMAError)


def is_tar(head: bytes) -> bool:
    """Whether a file that begins so may be a tar archive: compressed, or marked as tar at offset 257."""
    return head.startswith(tuple(_PACKED)) or head[257:262] == b"ustar"


class _Bounded:
    """A stream that gives at most so many bytes."""

    def __init__(self, file, path: str):
        self.file, self.path, self.left, self.tail = file, path, MAX_UNPACKED_BYTES, b""

    def read(self, size: int) -> bytes:
        if size > self.left:
            what = f"unpacks to more than {MAX_UNPACKED_BYTES} bytes"
            raise ReaderError(self.path, None, what, "A resctrl tree is small: pack it alone")
        data = self.file.read(size)
        self.left -= len(data)
        self.tail = (self.tail + data)[-512:]
        return data

    def ended(self) -> bool:
        """Whether the stream, read to its end, ends in zeros as an archive does."""
        while self.read(min(self.left, 1 << 16) or 1):
            pass
        return not self.tail.strip(b"\0")


def load_tar(path: str | os.PathLike) -> Tree:
    """The resctrl tree in a tar archive (plain, gzip, bzip2 or xz); or `ReaderError`."""
    name = os.fsdecode(path)
    packed = os.path.getsize(name)
    if packed > MAX_PACKED_BYTES:
        raise ReaderError(
            path, None, f"{packed} bytes, above the limit of {MAX_PACKED_BYTES}", "Pack the tree alone"
        )
    with open(name, "rb") as file:
        head = file.read(6)
    form, opener, unpack = next(
        (p for magic, p in _PACKED.items() if head.startswith(magic)), (None, open, "")
    )
    texts: dict[str, bytes] = {}
    folders: set[str] = set()
    notes: list[str] = []
    try:
        with opener(name, "rb") as file:
            stream = _Bounded(file, name)
            with tarfile.open(fileobj=stream, mode="r|") as archive:
                for number, member in enumerate(archive):
                    if number >= MAX_FILES:
                        raise ReaderError(path, None, f"more than {MAX_FILES} members", "Pack the tree alone")
                    _member(name, archive, member, texts, folders, notes)
            if not stream.ended():
                raise ReaderError(path, None, "the archive has no end mark: it is cut or damaged", AGAIN)
    except _DAMAGED as error:
        if form and not texts and not folders:
            what = f"compressed with {form}, and no readable tar archive in it ({printable(str(error), 80)})"
            raise ReaderError(path, None, what, f"Unpack it first: {unpack}") from None
        raise ReaderError(
            path, None, f"a damaged or cut archive: {printable(str(error), 80)}", AGAIN
        ) from None
    return _tree(name, texts, folders, notes)


def _member(path: str, archive, member, texts: dict[str, bytes], folders: set[str], notes: list[str]) -> None:
    shown = printable(member.name, 80)
    parts = [part for part in member.name.split("/") if part not in ("", ".")]
    if member.name.startswith("/") or ".." in parts:
        raise ReaderError(
            path, None, f"the member {shown!r} leaves the archive", "Pack the tree by relative names"
        )
    if len(parts) > MAX_DEPTH + 2:
        raise ReaderError(path, None, f"the member {shown!r} lies too deep", "Pack the tree alone")
    name = "/".join(parts)
    folders |= {"/".join(parts[:n]) for n in range(1, len(parts) + member.isdir())}
    if member.issym() or member.islnk():
        notes.append(f"left out: {shown} is a link")
    elif member.isdir():
        return
    elif not member.isreg() or member.issparse():
        raise ReaderError(
            path, None, f"the member {shown!r} is no plain file", "Pack files and directories only"
        )
    elif name in texts:
        raise ReaderError(
            path, None, f"the member {shown!r} stands twice", "Pack the tree into a new archive"
        )
    elif member.size > MAX_FILE_BYTES:
        what = f"the member {shown!r} has {member.size} bytes, above the limit of {MAX_FILE_BYTES}"
        raise ReaderError(path, None, what, "Pack the tree alone")
    else:
        texts[name] = archive.extractfile(member).read()
        if len(texts[name]) != member.size:
            raise ReaderError(path, None, f"the archive ends within {shown!r}", AGAIN)


def _tree(path: str, data: dict[str, bytes], folders: set[str], notes: list[str]) -> Tree:
    base = find_root(path, folders, list(data))
    below = base + "/" if base else ""
    texts = {
        short: text_of(f"{path}: {name}", content)
        for name, content in sorted(data.items())
        if name.startswith(below) and wanted(short := name.removeprefix(below))
    }
    inside = frozenset(name.removeprefix(below) for name in folders if name.startswith(below))
    return Tree(printable(path, 4096), "tar", texts, inside, {}, tuple(notes))
