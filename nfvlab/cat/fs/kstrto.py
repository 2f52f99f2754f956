"""Numbers and lines as the kernel reads them: kstrtoul and its family (lib/kstrtox.c), strsep, strim."""

import errno
from typing import NamedTuple

U32_MAX = 2**32 - 1
U64_MAX = 2**64 - 1
SPACES = "\t\n\v\f\r \xa0"  # isspace() of lib/ctype.c, on bytes
DIGITS = {c: int(c, 16) for c in "0123456789abcdefABCDEF"}


class BadNumber(ValueError):
    """Text that a kstrto function refuses; `errno` is EINVAL or ERANGE."""

    def __init__(self, number: int):
        self.errno = number
        super().__init__(errno.errorcode[number])


class Run(NamedTuple):
    """Digits read from the start of a text: their value, how many, and whether they pass 64 bits."""

    value: int
    length: int
    overflow: bool


def leading_digits(text: str, base: int) -> Run:
    """The longest run of digits of `base` that `text` starts with (_parse_integer)."""
    value = length = 0
    for c in text:
        if DIGITS.get(c, 16) >= base:
            break
        value, length = value * base + DIGITS[c], length + 1
    return Run(value & U64_MAX, length, value > U64_MAX)


def unsigned(text: str, base: int = 10, *, top: int = U64_MAX) -> int:
    """kstrtoul, kstrtouint, kstrtou32 …: a plus sign, digits, one newline and nothing else; BadNumber otherwise.

    base 16 takes a 0x prefix; base 0 takes 0x and a leading 0 (octal) as they are meant in C.
    """
    return _checked(_magnitude(text.removeprefix("+"), base), 0, top)


def signed(text: str, base: int = 10, *, low: int = -(2**31), top: int = 2**31 - 1) -> int:
    """kstrtoint: like `unsigned`, with a minus sign as well; an int, unless other limits are given."""
    if text.startswith("-"):
        return _checked(-_magnitude(text[1:], base), low, top)
    return _checked(_magnitude(text.removeprefix("+"), base), low, top)


def _magnitude(text: str, base: int) -> int:
    hexadecimal = text[:2].lower() == "0x"
    if base == 0:
        base = 16 if hexadecimal and text[2:3] in DIGITS else 8 if text.startswith("0") else 10
    if base == 16 and hexadecimal:
        text = text[2:]
    run = leading_digits(text, base)
    if run.overflow:
        raise BadNumber(errno.ERANGE)
    if not run.length or text[run.length :] not in ("", "\n"):
        raise BadNumber(errno.EINVAL)
    return run.value


def _checked(value: int, low: int, top: int) -> int:
    if not low <= value <= top:
        raise BadNumber(errno.ERANGE)
    return value


def strsep(text: str | None, mark: str) -> tuple[str | None, str | None]:
    """(what stands before the first `mark`, what stands after it or None if there is none)."""
    if text is None:
        return None, None
    before, found, after = text.partition(mark)
    return before, after if found else None


def strim(text: str) -> str:
    """`text` without white space at either end."""
    return text.strip(SPACES)
