"""The talk's two tables of masks on a 16-way cache, as data, and who overlaps whom in any set of masks.

Source: "Cache allocation" slides of the talk that this package teaches: CAT only, and with CDP.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations

from nfvlab.cat.cbm import Cbm

WAYS = 16


@dataclass(frozen=True)
class Table:
    """Masks of classes of service. Without CDP a class has one mask, named like it; with CDP `.Data` and `.Code`."""

    name: str
    masks: tuple[tuple[str, Cbm], ...]

    @property
    def by_name(self) -> dict[str, Cbm]:
        """{row: mask} in the table's order."""
        return dict(self.masks)

    @property
    def overlaps(self) -> tuple["Overlap", ...]:
        """Which rows share ways."""
        return overlaps(self.by_name)

    @property
    def cdp(self) -> bool:
        """Whether code and data have masks of their own."""
        return any(name.endswith(".Code") for name, _ in self.masks)


@dataclass(frozen=True)
class Overlap:
    """Two rows and the ways that both may fill."""

    first: str
    second: str
    shared: Cbm


def overlaps(masks: Mapping[str, Cbm]) -> tuple[Overlap, ...]:
    """Every pair of names whose masks share a way, in the order of the names."""
    pairs = combinations(masks.items(), 2)
    return tuple(Overlap(a, b, first & second) for (a, first), (b, second) in pairs if first.overlaps(second))


def alone(masks: Mapping[str, Cbm], name: str) -> Cbm:
    """The ways that only `name` may fill."""
    mask = masks[name]
    for other, theirs in masks.items():
        if other != name:
            mask -= theirs
    return mask


def idle(masks: Iterable[Cbm], length: int) -> Cbm:
    """The ways that nobody may fill."""
    free = Cbm.full(length)
    for mask in masks:
        free -= mask
    return free


def _table(name: str, **masks: int) -> Table:
    return Table(name, tuple((row.replace("_", "."), Cbm(mask, WAYS)) for row, mask in masks.items()))


CAT = _table("CAT", COS0=0xF000, COS1=0x0F00, COS2=0x00C0, COS3=0x00FF)
CDP = _table(
    "CDP",
    COS0_Data=0xF000,
    COS0_Code=0x0C00,
    COS1_Data=0x03E0,
    COS1_Code=0x0070,
    others=0x000F,
)
