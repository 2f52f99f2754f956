"""Numbers in the cells of text tables: plain decimals, as C's printf writes them in the C locale, or `ReaderError`.

Standard library only.
"""

import os
import re

from nfvlab.readers.checks import LARGEST
from nfvlab.readers.errors import ReaderError, printable
from nfvlab.readers.files import AGAIN

LOCALE = "Record it again under LC_ALL=C, which writes a decimal point"
_PLAIN = re.compile(r"([0-9]{1,20})(\.[0-9]{1,12})?")
_COMMA = re.compile(r"[0-9]{1,20},[0-9]+")


def number(
    path: str | os.PathLike,
    line: int | None,
    name: str,
    cell: str,
    *,
    scale: float = 1.0,
    whole: bool = False,
    remedy: str = AGAIN,
) -> float:
    """The cell's number x scale: finite, not negative, no sign, no exponent, below 2^62; or `ReaderError`."""
    text = cell.strip()
    found = _PLAIN.fullmatch(text)
    if found and not (whole and found[2]):
        value = float(text)
        if value > LARGEST:
            raise ReaderError(path, line, f"{name} is {text}, above {LARGEST} (wrapped?)", remedy)
        return value * scale
    if _COMMA.fullmatch(text):
        raise ReaderError(path, line, f"{name} is {text!r}, with a decimal comma", LOCALE)
    if not text:
        raise ReaderError(path, line, f"{name} is missing", remedy)
    if text.startswith("-") and _PLAIN.fullmatch(text[1:]):
        raise ReaderError(path, line, f"{name} is {text}, below 0", remedy)
    belongs = "a whole number" if whole else "a number"
    raise ReaderError(path, line, f"{name} is {printable(text, 60)!r} where {belongs} belongs", remedy)


def whole(
    path: str | os.PathLike, line: int | None, name: str, cell: str, *, base: int = 10, high: int = 2**32 - 1
) -> int:
    """The cell's whole number, in base 10 or 16 (with or without 0x), in [0, high]; or `ReaderError`."""
    text = cell.strip()
    digits = r"(?:0[xX])?[0-9a-fA-F]{1,16}" if base == 16 else r"[0-9]{1,20}"
    if not re.fullmatch(digits, text):
        kind = "a hexadecimal number" if base == 16 else "a whole number"
        shown = printable(text, 60)
        raise ReaderError(path, line, f"{name} is {shown!r} where {kind} belongs", AGAIN)
    value = int(text, base)
    if value > high:
        raise ReaderError(path, line, f"{name} is {text}, above {high}", AGAIN)
    return value
