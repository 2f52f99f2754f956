"""A file as pages of memory: any file in whole pages, or the loaded segments of an ELF core; holes are not read.

An ELF core is what QEMU's dump-guest-memory, `virsh dump --memory-only` and gcore write. Segments that show the same
bytes of the file twice (dump-guest-memory with paging) count once. ELF: System V ABI, "Object Files" and "Program
Header"; more than 65534 segments: PN_XNUM, Linux include/uapi/linux/elf.h.
"""

import errno
import os
import struct
from dataclasses import dataclass

import numpy as np

from nfvlab.readers.compression_lines import PAGE_BYTES
from nfvlab.readers.errors import ReaderError
from nfvlab.readers.files import AGAIN, open_regular

RAW, CORE = "raw", "ELF core"
DUMP = "Take one that is not compressed: dump-guest-memory without -z, -l and -s, or virsh dump --memory-only"
REFUSED = {
    b"KDUMP   ": "a compressed dump (kdump): its pages are packed already",
    b"DISKDUMP": "a compressed dump (diskdump): its pages are packed already",
    b"makedumpfile": "a flattened dump of makedumpfile: its pages are packed already",
    b"QEVM": "a saved migration stream of QEMU: its pages stand among headers, and zero pages are gone",
    b"LibvirtQemud": "a state that libvirt saved: its pages stand among headers, and zero pages are gone",
}
_ET_CORE, _PT_LOAD, _PN_XNUM, _MOST_SEGMENTS = 4, 1, 0xFFFF, 1 << 20
#: offsets and formats by class: e_phoff and e_shoff, e_phentsize and e_phnum, sh_info, p_offset, p_filesz
_LAYOUT = {1: ("I", 28, 42, 28, 4, 16, 32), 2: ("Q", 32, 54, 44, 8, 32, 56)}


@dataclass(frozen=True)
class Runs:
    """Consecutive units in rising order: [start, end) each."""

    start: np.ndarray  # int64
    end: np.ndarray  # int64

    @property
    def count(self) -> int:
        """Units in all runs."""
        return int((self.end - self.start).sum())

    def at(self, index: np.ndarray) -> np.ndarray:
        """The units of these places in the order of all runs."""
        before = np.concatenate([[0], np.cumsum(self.end - self.start)])
        run = np.searchsorted(before, index, side="right") - 1
        return self.start[run] + index - before[run]

    def grouped(self, size: int) -> "Runs":
        """The groups of `size` units, aligned, that these runs touch."""
        return _runs(self.start // size, -(-self.end // size))


class MemoryFile:
    """Pages of 4 KiB in a regular file, numbered from 0; a context manager that closes it.

    format : RAW or CORE
    pages : how many whole pages there are; what is left of less than a page is left out
    data : the pages that are not wholly in holes of the file
    """

    def __init__(self, path: str | os.PathLike):
        self.path, self.fd = path, open_regular(path)
        try:
            size = os.fstat(self.fd).st_size
            segments = self._segments(size)
            self.format = RAW if segments is None else CORE
            self._offset, count = _whole_pages([(0, size)] if segments is None else segments)
            self._first = np.concatenate([[0], np.cumsum(count)])
            self.pages = int(self._first[-1])
            if not self.pages:
                what = f"{size} bytes with no whole page of memory"
                raise ReaderError(path, None, what, "Give a larger file, or a dump that holds memory")
            self.data = self._data(size)
        except BaseException:
            os.close(self.fd)
            raise

    def __enter__(self) -> "MemoryFile":
        return self

    def __exit__(self, *_) -> None:
        os.close(self.fd)

    def page(self, number: int) -> bytes:
        """The 4096 bytes of a page; `ReaderError` where they cannot be read."""
        segment = int(np.searchsorted(self._first, number, side="right")) - 1
        at = int(self._offset[segment]) + (number - int(self._first[segment])) * PAGE_BYTES
        return self._read(at, PAGE_BYTES)

    def _read(self, at: int, count: int) -> bytes:
        try:
            data = os.pread(self.fd, count, at)
        except OSError as error:
            raise ReaderError(self.path, None, f"reading at {at} failed: {error.strerror}", AGAIN) from None
        if len(data) != count:
            raise ReaderError(self.path, None, f"the file ends within what begins at {at}", AGAIN)
        return data

    def _segments(self, size: int) -> list[tuple[int, int]] | None:
        """(offset, bytes) of an ELF core's loaded segments; None of any other file."""
        head = self._read(0, min(size, 64))
        for magic, what in REFUSED.items():
            if head.startswith(magic):
                raise ReaderError(self.path, None, what, DUMP)
        if not head.startswith(b"\x7fELF") or size < 64 or head[4] not in (1, 2) or head[5] not in (1, 2):
            return None
        order = "<" if head[5] == 1 else ">"
        if struct.unpack_from(f"{order}H", head, 16)[0] != _ET_CORE:
            return None
        return self._loaded(size, head, order)

    def _loaded(self, size: int, head: bytes, order: str) -> list[tuple[int, int]]:
        word, phoff, entsize, sh_info, p_offset, p_filesz, least = _LAYOUT[head[4]]
        table, sections = struct.unpack_from(f"{order}2{word}", head, phoff)
        entry, number = struct.unpack_from(f"{order}2H", head, entsize)
        if number == _PN_XNUM:
            if not 0 < sections <= size - sh_info - 4:
                raise self._damaged(f"its section table is said to be at {sections} of {size} bytes")
            (number,) = struct.unpack(f"{order}I", self._read(sections + sh_info, 4))
        if number and (entry < least or number > _MOST_SEGMENTS or table + number * entry > size):
            raise self._damaged(f"{number} segments of {entry} bytes at {table} do not fit in {size} bytes")
        headers = self._read(table, number * entry) if number else b""
        found = []
        for at in range(0, number * entry, entry):
            if struct.unpack_from(f"{order}I", headers, at)[0] == _PT_LOAD:
                offset, length = (
                    struct.unpack_from(f"{order}{word}", headers, at + k)[0] for k in (p_offset, p_filesz)
                )
                if offset + length > size:
                    raise self._damaged(f"a segment ends at {offset + length}, the file at {size}")
                found.append((offset, length))
        return found

    def _damaged(self, what: str) -> ReaderError:
        return ReaderError(self.path, None, f"a truncated or damaged ELF core: {what}", "Dump it again")

    def _data(self, size: int) -> Runs:
        """The pages that touch data, segment by segment."""
        start, end = _extents(self.fd, size)
        parts = [(np.empty(0, dtype=np.int64),) * 2]
        for offset, first, last in zip(self._offset, self._first, self._first[1:], strict=False):
            stop = offset + (last - first) * PAGE_BYTES
            some = slice(
                np.searchsorted(end, offset, side="right"), np.searchsorted(start, stop, side="left")
            )
            low, high = np.maximum(start[some], offset) - offset, np.minimum(end[some], stop) - offset
            parts.append((first + low // PAGE_BYTES, first - (-high // PAGE_BYTES)))
        starts, ends = (np.concatenate(column) for column in zip(*parts, strict=True))
        return _runs(starts, ends)


def _runs(start: np.ndarray, end: np.ndarray) -> Runs:
    """Runs in rising order, those that overlap cut so that nothing stands in two."""
    start = start.copy()
    start[1:] = np.maximum(start[1:], end[:-1])
    kept = start < end
    return Runs(start[kept], end[kept])


def _whole_pages(segments: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    """Offsets and whole pages of segments by offset, what overlaps counted once."""
    joined: list[list[int]] = []
    for offset, length in sorted(segments):
        if joined and offset < joined[-1][1]:
            joined[-1][1] = max(joined[-1][1], offset + length)
        else:
            joined.append([offset, offset + length])
    kept = [(low, (high - low) // PAGE_BYTES) for low, high in joined if high - low >= PAGE_BYTES]
    table = np.array(kept, dtype=np.int64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def _extents(fd: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Where the file has data: starts and ends in bytes; all of it where holes cannot be asked for."""
    found, at = [], 0
    while at < size:
        try:
            begin = os.lseek(fd, at, os.SEEK_DATA)
            at = os.lseek(fd, begin, os.SEEK_HOLE)
        except (OSError, AttributeError) as error:
            if getattr(error, "errno", None) != errno.ENXIO:  # a hole up to the end
                found = [*found, (at, size)]
            break
        found.append((begin, at))
    table = np.array(found, dtype=np.int64).reshape(-1, 2)
    return table[:, 0], table[:, 1]
