"""Loading a file that may be anything: the checks that every reader shares.

Standard library only. A file that is missing, a directory, a pipe, empty, too large, compressed, binary, in
another encoding, truncated or not strict JSON becomes a `ReaderError` that names the line where it is known.
"""

import errno
import json
import math
import os
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nfvlab.readers.errors import ReaderError, printable
from nfvlab.readers.locate import huge_number, line_at, second_key, walk

MAX_BYTES = 64 << 20  # parsed JSON takes 10 to 30 times its size in memory
MAX_DEPTH = 64
AGAIN = "Record it again, or take an undamaged copy"

_MAGIC = {
    b"\x1f\x8b": ("gzip", "gunzip"),
    b"\x28\xb5\x2f\xfd": ("zstd", "unzstd"),
    b"\xfd7zXZ\x00": ("xz", "unxz"),
    b"BZh": ("bzip2", "bunzip2"),
    b"PK\x03\x04": ("zip", "unzip"),
}
_BLANK = re.compile(r"[ \t\r\n]*")
_BEGUN = re.compile(r"-|[.eE][+-]?|t|tr|tru|f|fa|fal|fals|n|nu|nul")  # of a number or a literal
_UTF16_32 = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")
_OPEN = {
    errno.ENOENT: ("no such file", "Check the path"),
    errno.ENOTDIR: ("no such file", "Check the path"),
    errno.EACCES: ("no permission to read it", "Make it readable (chmod u+r), or copy it"),
    errno.ENXIO: ("not a regular file", "Give the path of a file"),
    errno.ENAMETOOLONG: ("the name is too long for a file", "Check the path"),
    errno.ELOOP: ("a loop of symbolic links", "Give the path of the file itself"),
}


@dataclass(frozen=True)
class Documents:
    """The JSON values of one file, in order (one value, or one after another as in JSON lines).

    cut_line : line of a last value that the file ends within after whole values; None if there is none
    """

    path: str
    values: tuple[Any, ...]
    lines: tuple[int, ...]
    cut_line: int | None
    text: str

    def line(self, at: tuple = ()) -> int | None:
        """Line of the value at (document number, key or index, …), or of the nearest thing around it."""
        best = None
        for path, _, offset in walk(self.text):
            if path == at[: len(path)] and (best is None or len(path) > best[0]):
                best = (len(path), offset)
                if path == at:
                    break
        return None if best is None else line_at(self.text, best[1])


def load_text(path: str | os.PathLike, *, max_bytes: int = MAX_BYTES) -> str:
    """The text of a regular UTF-8 file, a byte order mark dropped; `ReaderError` for anything else."""
    data = _read(path, max_bytes)
    for magic, (name, tool) in _MAGIC.items():
        if data.startswith(magic):
            raise ReaderError(path, None, f"compressed with {name}", f"Unpack it first: {tool}")
    if data.startswith(_UTF16_32):
        raise ReaderError(path, 1, "UTF-16 or UTF-32 text", "Save it as UTF-8 (iconv -t UTF-8)")
    if b"\x00" in data:
        line = data.count(b"\n", 0, data.index(b"\x00")) + 1
        raise ReaderError(path, line, "a NUL byte: the file is binary or damaged", AGAIN)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        what = f"byte 0x{data[error.start]:02x} at offset {error.start} is not UTF-8"
        raise ReaderError(path, line, what, "Save it as UTF-8 (iconv -t UTF-8), or record it again") from None
    if not text.strip():
        raise ReaderError(path, None, "the file is empty", AGAIN)
    return text


def open_regular(path: str | os.PathLike) -> int:
    """A descriptor of a regular file, open for reading; `ReaderError` for anything else."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe must not block us
    except OSError as error:
        what, remedy = _OPEN.get(error.errno, (os.strerror(error.errno or 0), "Check the path"))
        raise ReaderError(path, None, what, remedy) from None
    except ValueError as error:  # a NUL in the path
        raise ReaderError(path, None, str(error), "Check the path") from None
    mode = os.fstat(fd).st_mode
    if stat.S_ISREG(mode):
        return fd
    os.close(fd)
    if stat.S_ISDIR(mode):
        raise ReaderError(path, None, "a directory, not a file", "Give the path of one file in it")
    raise ReaderError(path, None, "not a regular file", "Save it to a file and give that path")


def _read(path: str | os.PathLike, max_bytes: int) -> bytes:
    fd = open_regular(path)
    try:
        size, data = os.fstat(fd).st_size, b""
        if size <= max_bytes:
            with open(fd, "rb", closefd=False) as file:
                data = file.read(max_bytes + 1)  # it may have grown since
        size = max(size, len(data))
    except OSError as error:
        raise ReaderError(path, None, f"reading failed: {error.strerror}", AGAIN) from None
    finally:
        os.close(fd)
    if size > max_bytes:
        what = f"{size} bytes, above the limit of {max_bytes}"
        raise ReaderError(path, None, what, "Record less often (--interval), or raise max_bytes")
    return data


def load_json(path: str | os.PathLike, *, max_bytes: int = MAX_BYTES) -> Any:
    """The one strict JSON value in a file: no NaN, no duplicate key, no deep nesting; or `ReaderError`."""
    documents = load_documents(path, max_bytes=max_bytes)
    if len(documents.values) > 1 or documents.cut_line is not None:
        line = documents.cut_line if len(documents.lines) < 2 else documents.lines[1]
        raise ReaderError(path, line, "more than one JSON value", "Keep one value in the file")
    return documents.values[0]


def load_documents(path: str | os.PathLike, *, max_bytes: int = MAX_BYTES) -> Documents:
    """All strict JSON values in a file, one after another: one value, JSON lines, pretty-printed replies."""
    return parse_documents(path, load_text(path, max_bytes=max_bytes))


def parse_documents(path: str | os.PathLike, text: str) -> Documents:
    """All strict JSON values in a text; `path` is the file that a `ReaderError` names."""
    decoder = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_constant)
    values, lines, cut = [], [], None
    at, line = _skip(text, 0), line_at(text, _skip(text, 0))
    while at < len(text):
        try:
            value, end = decoder.raw_decode(text, at)
            _check(value)
        except _Refused as refused:
            raise ReaderError(path, refused.line(text), refused.what, refused.remedy) from None
        except json.JSONDecodeError as error:
            if values and "\n" not in text[at:]:  # a writer was stopped in the middle of its last line
                cut = line
                break
            raise _not_json(path, text, error) from None
        except RecursionError:
            raise ReaderError(path, None, *_DEEP) from None
        except ValueError as error:  # int() refuses more than 4300 digits
            raise ReaderError(path, line, f"not a usable number: {error}", AGAIN) from None
        values.append(value)
        lines.append(line)
        line += text.count("\n", at, end := _skip(text, end))
        at = end
    return Documents(printable(os.fsdecode(path)), tuple(values), tuple(lines), cut, text)


class _Refused(ValueError):
    def __init__(self, what: str, remedy: str, find: Callable[[str], int | None] = lambda text: None):
        self.what, self.remedy, self._find = what, remedy, find

    def line(self, text: str) -> int | None:
        offset = self._find(text)
        return None if offset is None else line_at(text, offset)


_DEEP = (
    f"nested deeper than {MAX_DEPTH} levels",
    "No tool we read writes this; check where the file comes from",
)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        seen: set[str] = set()
        name = next(name for name, _ in pairs if name in seen or seen.add(name))
        raise _Refused(f"the key {printable(name)!r} stands twice in one object", AGAIN, second_key)
    return made


def _constant(name: str) -> None:
    def find(text: str) -> int | None:
        return next((offset for _, token, offset in walk(text) if token == name), None)

    raise _Refused(f"{name} where a number belongs", "JSON has no such number. " + AGAIN, find)


def _check(value: Any) -> None:
    """Refuse what JSON allows and nobody can use: numbers beyond float, deep nesting, lone surrogates."""
    todo = [(value, 1)]
    while todo:
        item, depth = todo.pop()
        if isinstance(item, dict | list):
            if depth > MAX_DEPTH:
                raise _Refused(*_DEEP)
            todo += [(child, depth + 1) for child in (item.values() if isinstance(item, dict) else item)]
            if isinstance(item, dict):
                todo += [(key, depth) for key in item if not key.isascii()]
        elif isinstance(item, float) and not math.isfinite(item):
            raise _Refused("a number beyond the range of a double", AGAIN, huge_number)
        elif isinstance(item, str) and not item.isascii() and any("\ud800" <= c <= "\udfff" for c in item):
            raise _Refused(f"half a character (a lone surrogate) in {printable(item)!r}", AGAIN)


def _not_json(path: str | os.PathLike, text: str, error: json.JSONDecodeError) -> ReaderError:
    rest = text[error.pos :].strip()
    if error.msg.startswith("Unterminated string") or not rest or _BEGUN.fullmatch(rest):
        return ReaderError(path, text.count("\n") + 1, "the file ends in the middle (truncated)", AGAIN)
    near = printable(text[error.pos : error.pos + 20].split("\n")[0])
    what = f"not JSON: {error.msg.lower()} at column {error.colno}, near {near!r}"
    return ReaderError(path, error.lineno, what, "Give the file as the tool wrote it")


def _skip(text: str, at: int) -> int:
    return _BLANK.match(text, at).end()
