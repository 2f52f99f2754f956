"""Sets of CPUs as resctrl reads and prints them: hex words and lists (lib/bitmap-str.c, lib/vsprintf.c).

A set is an int with one bit a CPU. The parsers raise Refused with the kernel's error number.
"""

import errno

from nfvlab.cat.fs.kstrto import DIGITS, SPACES, U32_MAX, leading_digits
from nfvlab.cat.fs.status import Refused

BETWEEN = SPACES + ","  # what may stand between two words of a mask or two ranges of a list
WORD_DIGITS = 8


def mask_text(cpus: int, count: int) -> str:
    """The set as the `cpus` file prints it: words of 32 bits, highest first, as many digits as `count` CPUs need."""
    words = []
    for low in range(0, count, 32):
        digits = (min(32, count - low) + 3) // 4
        words.append(f"{cpus >> low & U32_MAX:0{digits}x}")
    return ",".join(reversed(words))


def list_text(cpus: int) -> str:
    """The set as the `cpus_list` file prints it: "0-3,8"."""
    return ",".join(f"{a}-{b}" if b > a else f"{a}" for a, b in ranges(cpus))


def ranges(bits: int) -> list[tuple[int, int]]:
    """(first, last) of every run of ones, lowest first."""
    found, low = [], 0
    while bits:
        skip = (bits & -bits).bit_length() - 1
        bits, low = bits >> skip, low + skip
        ones = (~bits & bits + 1).bit_length() - 1
        found.append((low, low + ones - 1))
        bits, low = bits >> ones, low + ones
    return found


def parse_mask(text: str, count: int) -> int:
    """bitmap_parse: words of up to eight hex digits, the last one lowest; commas and white space between them."""
    text = text.partition("\n")[0]
    cpus, position, words, end = 0, 0, (count + 31) // 32, len(text)
    while True:
        while end and text[end - 1] in BETWEEN:
            end -= 1
        if not end:
            break
        if position == words:
            raise Refused(errno.EOVERFLOW)
        word, end = _word_before(text, end)
        cpus |= word << 32 * position
        position += 1
    if cpus >> count:
        raise Refused(errno.EOVERFLOW)
    return cpus


def _word_before(text: str, end: int) -> tuple[int, int]:
    """The word that ends at `end`, and where it starts. Eight digits swallow a stray character before them."""
    start = end
    while start and end - start < WORD_DIGITS and (start == end or text[start - 1] not in BETWEEN):
        if text[start - 1] not in DIGITS:
            raise Refused(errno.EINVAL)
        start -= 1
    word = int(text[start:end], 16)
    if end - start == WORD_DIGITS and start and text[start - 1] not in BETWEEN:
        if text[start - 1] in DIGITS:
            raise Refused(errno.EOVERFLOW)
        start -= 1
    return word, start


def parse_list(text: str, count: int) -> int:
    """bitmap_parselist: "0-3,8", "0-31:2/8" (the first 2 of every 8), N for the last CPU, "all"."""
    cpus, rest = 0, text
    while rest := rest.lstrip(BETWEEN):
        first, last, used, group, rest = _region(rest, count)
        if first > last or not group or used > group:
            raise Refused(errno.EINVAL)
        if last >= count:
            raise Refused(errno.ERANGE)
        for start in range(first, last + 1, group):
            cpus |= (1 << min(last - start + 1, used)) - 1 << start
    return cpus


def _region(text: str, count: int) -> tuple[int, int, int, int, str]:
    """(first, last, used, group, what follows) of the region that `text` starts with."""
    if text[:3].lower() == "all":
        first, last, text = 0, count - 1, text[3:]
    else:
        first, text = _number(text, count)
        last = first
        if text[:1] not in BETWEEN:
            last, text = _number(_after(text, "-"), count)
    if text[:1] in BETWEEN:  # a line that ends here ends the list
        whole = last + 1 & U32_MAX
        return first, last, whole, whole, "" if text.startswith("\n") else text
    used, text = _number(_after(text, ":"), count)
    group, text = _number(_after(text, "/"), count)
    return first, last, used, group, text


def _number(text: str, count: int) -> tuple[int, str]:
    if text.startswith("N"):
        return count - 1, text[1:]
    run = leading_digits(text, 10)
    if not run.length:
        raise Refused(errno.EINVAL)
    if run.overflow or run.value > U32_MAX:
        raise Refused(errno.EOVERFLOW)
    return run.value, text[run.length :]


def _after(text: str, mark: str) -> str:
    if not text.startswith(mark):
        raise Refused(errno.EINVAL)
    return text[1:]
