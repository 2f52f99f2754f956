"""The text of a schemata file: read from any kernel, written as a given kernel writes it.

Four layouts have been in kernels since 2017. What differs is the order of the lines, whether names stand right-aligned
in a column, and whether values are filled up to the widest one:

    4.10  `L3:0=fffff;1=fffff`, caches before bandwidth
    4.12  names in a column (as wide as with CDP, where the part can), masks filled with zeros, bandwidth with blanks
    5.15  the same with the resources in reverse
    6.15  values no longer filled: `    L3:0=7f;1=fffff`

Sources: show_doms and schemata_list_add (fs/resctrl, before 6.16 arch/x86/kernel/cpu/resctrl), and the commit
"x86/resctrl: Remove data_width and the tabular format" of March 2025.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from nfvlab.cat.fs.kstrto import BadNumber, strim, unsigned

CACHES = ("L3", "L3DATA", "L3CODE", "L2", "L2DATA", "L2CODE")
BANDWIDTHS = ("MB", "SMBA")
NAMES = CACHES + BANDWIDTHS
UNINITIALIZED = "uninitialized"  # of a group that waits for its pseudo-locked region
FIX = "Give it as the kernel prints it: `L3:0=ff;1=ff`"

Schemata = dict[str, dict[int, int] | None]


class SchemataError(ValueError):
    """Text that is no schemata file."""

    def __init__(self, line: int, what: str, remedy: str = FIX):
        super().__init__(f"schemata, line {line}: {what}. {remedy}")


@dataclass(frozen=True)
class Layout:
    """How a kernel lays the text out: aligned names, filled values, the resources in reverse."""

    since: str
    aligned: bool
    filled: bool
    reversed: bool


V4_10 = Layout("4.10", aligned=False, filled=False, reversed=False)
V4_12 = Layout("4.12", aligned=True, filled=True, reversed=False)
V5_15 = Layout("5.15", aligned=True, filled=True, reversed=True)
V6_15 = Layout("6.15", aligned=True, filled=False, reversed=True)
LAYOUTS = {layout.since: layout for layout in (V4_10, V4_12, V5_15, V6_15)}
TODAY = V6_15


@dataclass(frozen=True)
class Columns:
    """Widths of the two columns: characters of the longest name and of the widest value."""

    name: int = 0
    value: int = 0


def read(text: str, *, base: int | None = None) -> Schemata:
    """{name: {domain: value}} in the order of the text; masks are hex, bandwidths decimal, as the kernel reads them.

    A line `L3:uninitialized` gives None. With `base` all values have that base: the `size` file is decimal.
    """
    found: Schemata = {}
    for number, line in enumerate(text.removesuffix("\n").split("\n"), 1):
        name, colon, rest = line.partition(":")
        name = strim(name)
        if not colon:
            raise SchemataError(number, f"no ':' in {line[:60]!r}")
        if name not in NAMES:
            raise SchemataError(number, f"{name[:60]!r} is no resource; known: {', '.join(NAMES)}")
        if name in found:
            raise SchemataError(number, f"{name} stands twice")
        value_base = base or (10 if name in BANDWIDTHS else 16)
        found[name] = None if rest == UNINITIALIZED else _domains(number, name, rest, value_base)
    return found


def _domains(number: int, name: str, text: str, base: int) -> dict[int, int]:
    values: dict[int, int] = {}
    for part in text.removesuffix(";").split(";"):
        domain, equals, digits = part.partition("=")
        if not equals:
            raise SchemataError(number, f"no '=' in {part[:60]!r} of {name}")
        try:
            key, value = unsigned(domain), unsigned(strim(digits), base)
        except BadNumber:
            kind = "hex mask" if base == 16 else "decimal number"
            raise SchemataError(
                number, f"{part[:60]!r} of {name} is not domain=value with a {kind}"
            ) from None
        if key in values:
            raise SchemataError(number, f"domain {key} of {name} stands twice")
        values[key] = value
    return values


def write(
    values: Mapping[str, Mapping[int, int] | None], layout: Layout = TODAY, columns: Columns = Columns()
) -> str:
    """The text of {name: {domain: value}}, in the layout's order and columns, which grow to hold what is there."""
    unknown = [name for name in values if name not in NAMES]
    if unknown:
        raise ValueError(f"{unknown[0]!r} is no resource; known: {', '.join(NAMES)}. Name one of these")
    columns = _grown(values, columns)
    ordered = sorted(values, key=lambda name: _place(name, layout))
    return "".join(line(name, values[name], layout, columns) for name in ordered)


def line(
    name: str, values: Mapping[int, int] | None, layout: Layout = TODAY, columns: Columns = Columns()
) -> str:
    """One line; domains in rising order. None writes `L3:uninitialized`, which no kernel aligns."""
    if values is None:
        return f"{name}:{UNINITIALIZED}\n"
    width = columns.value if layout.filled else 0
    cells = (f"{domain}={value_text(name, values[domain], width)}" for domain in sorted(values))
    return f"{name:>{columns.name if layout.aligned else 0}}:{';'.join(cells)}\n"


def value_text(name: str, value: int, width: int = 0) -> str:
    """A mask in hex filled with zeros, a bandwidth in decimal filled with blanks."""
    return f"{value:{width}d}" if name in BANDWIDTHS else f"{value:0{width}x}"


def paste(values: Mapping[str, Mapping[int, int]]) -> str:
    """The lines as one would type them into a schemata file: no columns, caches first."""
    return write(values, V4_10)


def in_order(names: Iterable[str], layout: Layout = TODAY) -> list[str]:
    """The names as the layout's kernel orders them."""
    return sorted(names, key=lambda name: _place(name, layout))


def _place(name: str, layout: Layout) -> int:
    """CDP's data line stands before its code line in every kernel."""
    level = ("L3", "L2", "MB", "SMBA").index(name.removesuffix("CODE").removesuffix("DATA"))
    return (-2 * level if layout.reversed else 2 * level) + name.endswith("CODE")


def _grown(values: Mapping[str, Mapping[int, int] | None], columns: Columns) -> Columns:
    texts = (value_text(name, value) for name, row in values.items() for value in (row or {}).values())
    return Columns(
        max([columns.name, *map(len, values)]),
        max([columns.value, *map(len, texts)]),
    )


__all__ = [
    "LAYOUTS",
    "TODAY",
    "V4_10",
    "V4_12",
    "V5_15",
    "V6_15",
    "Columns",
    "Layout",
    "Schemata",
    "SchemataError",
    "in_order",
    "line",
    "paste",
    "read",
    "value_text",
    "write",
]
