"""The text of a resctrl `schemata` or `size` file, in the layouts of all kernels.

Standard library only. The kernel pads the resource's name to a common width and, before Linux 6.15, the
values too: `    L3:0=0fff;1=0fff`, `MB:0= 100` (fs/resctrl/ctrlmondata.c, rdtgroup_schemata_show).
"""

import os
import re
from collections.abc import Iterator

from nfvlab.readers.cells import whole
from nfvlab.readers.errors import ReaderError, printable
from nfvlab.readers.files import AGAIN

MASKS = ("L3", "L3CODE", "L3DATA", "L2", "L2CODE", "L2DATA")
NUMBERS = ("MB", "SMBA")
_LINE = re.compile(r"[ \t]*([A-Za-z][A-Za-z0-9_]*)[ \t]*:(.*)", re.DOTALL)


def parse_schemata(
    text: str, path: str | os.PathLike = "schemata", *, decimal: bool = False
) -> dict[str, dict[int, int]]:
    """{resource: {domain: value}}: masks of L2 and L3 (hexadecimal), MB and SMBA as printed; or `ReaderError`.

    decimal : every value is decimal, as in `size` (bytes)
    An uninitialized resource (mode pseudo-locksetup) has no domain.
    """
    made: dict[str, dict[int, int]] = {}
    for line, name, rest in resource_lines(text, path):
        if name not in MASKS + NUMBERS:
            what = f"the resource {printable(name, 30)!r} is not known; known: {', '.join(MASKS + NUMBERS)}"
            raise ReaderError(path, line, what, "Leave the line out, or update nfvlab")
        if name in made:
            raise ReaderError(path, line, f"the resource {name} stands twice", AGAIN)
        base = 16 if name in MASKS and not decimal else 10
        high = 2**62 if decimal else 2**32 - 1
        made[name] = {} if rest.strip() == "uninitialized" else _domains(path, line, name, rest, base, high)
    return made


def resource_lines(text: str, path: str | os.PathLike) -> Iterator[tuple[int, str, str]]:
    """(line, resource, what stands after the colon) of every line that is not blank; or `ReaderError`."""
    for line, row in enumerate(text.split("\n"), start=1):
        if row.strip():
            found = _LINE.fullmatch(row)
            if not found:
                what = f"{printable(row.strip(), 60)!r} has no 'resource:' before its domains"
                raise ReaderError(path, line, what, AGAIN)
            yield line, found[1], found[2]


def _domains(path, line: int, name: str, rest: str, base: int, high: int) -> dict[int, int]:
    made: dict[int, int] = {}
    for part in rest.split(";"):
        left, equals, right = part.partition("=")
        if not equals:
            what = f"{name}: {printable(part.strip(), 40)!r} where domain=value belongs"
            raise ReaderError(path, line, what, AGAIN)
        domain = whole(path, line, f"{name}'s domain", left)
        if domain in made:
            raise ReaderError(path, line, f"{name}: the domain {domain} stands twice", AGAIN)
        made[domain] = whole(path, line, f"{name}:{domain}", right, base=base, high=high)
    return made
