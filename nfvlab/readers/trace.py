"""Traces of memory accesses: raw 64-bit addresses, and what `valgrind --tool=lackey --trace-mem=yes` prints.

Raw: little-endian unsigned 64-bit byte addresses, one after another, all taken as reads of data.
Lackey: a line for each access, `I  address,size` (fetch of an instruction), ` L …` (load), ` S …` (store) or ` M …`
(load and store of one place, here one access that writes), the address hexadecimal, the size in bytes (valgrind,
lackey/lk_main.c); and lines of valgrind's own, `==process== …`. An access that touches several lines of the cache
becomes one access to each of them.
"""

import gzip
import os
import re
import zlib
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from nfvlab.readers.errors import ReaderError, printable
from nfvlab.readers.files import AGAIN, open_regular

MAX_BYTES = 1 << 30
RAW, LACKEY = "raw", "lackey"
CODE, WRITE = 1, 2  # bits of a kind, as the cache takes them

_GZIP = b"\x1f\x8b\x08"
_BLOCK = 4 << 20
_LONGEST = 1 << 16  # bytes of a line
_TEXT = re.compile(rb"[\t\r\n\x20-\x7e]*")
_LACKEY = re.compile(rb"(?:[=*-]{2}\d+[=*-]{2}|I  [0-9A-Fa-f]+,| [LSM] [0-9A-Fa-f]+,)")
_KINDS = np.array([CODE, 0, WRITE, WRITE], dtype=np.uint8)  # of a fetch, load, store, modify
_NAMES = ("fetches", "loads", "stores", "modifies")
_RECORD = "Record with valgrind --tool=lackey --trace-mem=yes --log-file=FILE, which keeps other output apart"
_SAYS = {
    1: ("neither an access nor a remark of valgrind", _RECORD),
    2: ("the address is not 1 to 16 hexadecimal digits and a comma", AGAIN),
    3: ("the size is not a number of bytes from 1 to 65536", AGAIN),
    4: ("the access runs past the last address", AGAIN),
}


class Trace(NamedTuple):
    """Accesses in order, each to one cache line."""

    address: np.ndarray  # uint64[n], bytes; of the first byte that is touched in the line
    kind: np.ndarray  # uint8[n]: CODE for a fetch, WRITE for a write, 0 for a read of data

    def lines(self, line_bytes: int = 64) -> np.ndarray:
        """Line addresses: uint64[n]."""
        return self.address // np.uint64(line_bytes)


def read_trace(
    path: str | os.PathLike, *, format: str | None = None, line_bytes: int = 64, max_bytes: int = MAX_BYTES
) -> tuple[Trace, dict[str, Any]]:
    """(the accesses, what was read).

    format : "raw", "lackey", or None: seen from the beginning of the file
    line_bytes : size of a cache line, a power of two, at which lackey's accesses are split
    max_bytes : limit of the (unpacked) size; a raw trace that is not packed is mapped into memory instead

    A file may be packed with gzip. In the second result are `format`, and `records` (accesses in the file), `split`
    (those that touch more than one line), `fetches`, `loads`, `stores` and `modifies` of lackey's.
    """
    if format not in (None, RAW, LACKEY):
        raise ValueError(f"format is {format!r}: not one of {RAW!r}, {LACKEY!r} and None. Give one of those")
    if line_bytes < 1 or line_bytes & (line_bytes - 1):
        raise ValueError(f"line_bytes is {line_bytes}: not a power of two. Give e.g. 64")
    with open(open_regular(path), "rb") as file:
        try:
            size, head = os.fstat(file.fileno()).st_size, file.read(4096)
            file.seek(0)
            packed = head.startswith(_GZIP) and not (format == RAW and not os.fsdecode(path).endswith(".gz"))
            if packed:
                file, head = _unpacked(file)
            if not head:
                raise ReaderError(path, None, "the file is empty", AGAIN)
            format = format or _recognise(path, head)
            if format == LACKEY:
                return _lackey(path, file, line_bytes, max_bytes)
            return _raw(path, file, size, packed, max_bytes)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise ReaderError(path, None, f"damaged gzip: {printable(str(error))}", AGAIN) from None
        except OSError as error:
            raise ReaderError(path, None, f"reading failed: {error.strerror}", AGAIN) from None


def looks_like_lackey(path: str | os.PathLike) -> bool:
    """Whether a file, packed with gzip or not, begins as lackey's traces do."""
    with open(open_regular(path), "rb") as file:
        try:
            head = file.read(4096)
            if head.startswith(_GZIP):
                file.seek(0)
                head = gzip.GzipFile(fileobj=file).read(4096)
        except (EOFError, zlib.error, OSError):
            return False
    return bool(_LACKEY.match(head))


def _unpacked(file: BinaryIO) -> tuple[BinaryIO, bytes]:
    """The unpacked file, and its beginning."""
    unpacked = gzip.GzipFile(fileobj=file)
    head = unpacked.read(4096)
    unpacked.seek(0)
    return unpacked, head


def _recognise(path, head: bytes) -> str:
    if _LACKEY.match(head):
        return LACKEY
    if _TEXT.fullmatch(head):
        first = printable(head.split(b"\n")[0].decode("ascii"), 60)
        what = f"text, but not lackey's: it begins with {first!r}"
        raise ReaderError(path, 1, what, _RECORD + '; or say format="raw" if these are addresses after all')
    return RAW


def _raw(path, file: BinaryIO, size: int, packed: bool, max_bytes: int) -> tuple[Trace, dict[str, Any]]:
    if packed:
        data = file.read(max_bytes + 1)
        size = len(data)
        if size > max_bytes:
            raise _too_large(path, max_bytes)
    if size % 8 or not size:
        what = f"{size} bytes, not one or more addresses of 8"
        raise ReaderError(path, None, what, "Cut it at a multiple of 8, or record it again")
    address = np.frombuffer(data, dtype="<u8") if packed else np.memmap(file, dtype="<u8", mode="r")
    return Trace(address, np.zeros(address.size, dtype=np.uint8)), {"format": RAW, "records": address.size}


def _lackey(path, file: BinaryIO, line_bytes: int, max_bytes: int) -> tuple[Trace, dict[str, Any]]:
    from nfvlab.kernels import recordtext

    parts, line, read, rest = [], 0, 0, b""
    while block := file.read(_BLOCK):
        read += len(block)
        if read > max_bytes:
            raise _too_large(path, max_bytes)
        text = np.frombuffer(rest + block, dtype=np.uint8)
        columns = [np.empty(text.size // 6 + 1, dtype=kind) for kind in (np.uint64, np.int64, np.uint8)]
        status, lines, records, at = recordtext.parse(text, *columns)
        line += lines
        rest = text[at:].tobytes()
        if status or len(rest) > _LONGEST:
            raise _wrong(path, line + 1, rest, status or recordtext.NOT_A_RECORD)
        parts.append([column[:records].copy() for column in columns])
    if rest:
        what = f"the file ends in the middle of a line: {_shown(rest)!r}"
        raise ReaderError(path, line + 1, what, "Record it again, or delete that line")
    addresses, sizes, which = (np.concatenate(column) for column in zip(*parts, strict=True))
    if not addresses.size:
        raise ReaderError(path, None, "there is no access in it", "Record with --trace-mem=yes")
    trace, split = _split(addresses, sizes, _KINDS[which], line_bytes)
    counted = dict(zip(_NAMES, np.bincount(which, minlength=4).tolist(), strict=True))
    return trace, {"format": LACKEY, "records": addresses.size, "split": split, **counted}


def _split(addresses, sizes, kinds, line_bytes: int) -> tuple[Trace, int]:
    """One access for each line that is touched, and how many touched more than one."""
    size = np.uint64(line_bytes)
    more = ((addresses + (sizes - 1).astype(np.uint64)) // size - addresses // size).astype(np.int64)
    split = int(np.count_nonzero(more))
    if split:
        first = np.repeat(np.cumsum(more + 1) - more - 1, more + 1)
        step = (np.arange(first.size) - first).astype(np.uint64)
        addresses, kinds = np.repeat(addresses, more + 1), np.repeat(kinds, more + 1)
        addresses = np.where(step > 0, (addresses // size + step) * size, addresses)
    return Trace(addresses, kinds), split


def _wrong(path, line: int, text: bytes, status: int) -> ReaderError:
    what, remedy = _SAYS[status]
    return ReaderError(path, line, f"{what}: {_shown(text)!r}", remedy)


def _shown(text: bytes) -> str:
    """The first line of some bytes, to be printed."""
    return printable(text[:200].split(b"\n")[0].decode("ascii", "backslashreplace"), 60)


def _too_large(path, max_bytes: int) -> ReaderError:
    return ReaderError(path, None, f"more than {max_bytes} bytes of trace", "Record less, or raise max_bytes")
