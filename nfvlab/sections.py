"""Which controls stand where: groups in front, masks in a table, the rest under "More parameters"."""

import re
from collections.abc import Callable, Mapping, Sequence

from . import nested, style, units
from .params import Params

_PART = re.compile(r"(\w+)\[(\d+)\]\.")
MASK = units.SUFFIXES["_mask"]


class Sections:
    """The fields of a scenario, sorted and named for a panel.

    `groups` maps a heading to paths; with "tenants[*].data_bytes" a group stands once for each tenant. `labels`
    renames fields by path, pattern or name. `relevant(p, path)` leaves out what a scenario does not use.
    """

    def __init__(
        self,
        groups: Mapping[str, Sequence[str]],
        labels: Mapping[str, str],
        relevant: Callable[[Params, str], bool],
    ) -> None:
        self.groups, self.labels, self._relevant = groups, labels, relevant

    def front(self, p: Params) -> dict[str, list[str]]:
        """Paths by heading, without the masks."""
        used, found = set(self._used(p)), {}
        for title, patterns in self.groups.items():
            for heading, paths in _by_part(title, patterns, p).items():
                found[heading] = [path for path in paths if path in used and not is_mask(path)]
        return {heading: paths for heading, paths in found.items() if paths or heading}

    def masks(self, p: Params) -> list[str]:
        """Paths of the masks that a group names."""
        named = self._named(p)
        return [path for path in self._used(p) if path in named and is_mask(path)]

    def rest(self, p: Params) -> list[str]:
        """Paths that no group names."""
        named = self._named(p)
        return [path for path in self._used(p) if path not in named]

    def label(self, path: str) -> str:
        """What a field is called: as `labels` says, or its name in words; a mask says whose it is."""
        pattern = re.sub(r"\[\d+\]", "[*]", path)
        name = nested.field_name(path)
        keys = [key for key in (path, pattern, name) if key in self.labels]
        label = self.labels[keys[0]] if keys else style.words(name)
        return f"{self.place(path)} {label.lower()}" if is_mask(path) and self.place(path) else label

    def full_label(self, path: str) -> str:
        """What a field is called where those of several parts stand together: "Tenant 2: ring"."""
        label, place = self.label(path), self.place(path)
        return label if not place or label.startswith(place) else f"{place}: {label.lower()}"

    def place(self, path: str) -> str:
        """Which of several parts a field belongs to: "Tenant 2"; empty for one of the whole."""
        step = _PART.match(path)
        return f"{step[1].removesuffix('s').capitalize()} {int(step[2]) + 1}" if step else ""

    def _used(self, p: Params) -> list[str]:
        return [leaf.path for leaf in nested.leaves(p) if self._relevant(p, leaf.path)]

    def _named(self, p: Params) -> set[str]:
        patterns = [pattern for listed in self.groups.values() for pattern in listed]
        return {path for pattern in patterns for path in nested.expand(pattern, p)}


def part_of(path: str) -> int:
    """Position of the part that a field belongs to; 0 for one of the whole."""
    step = _PART.match(path)
    return int(step[2]) if step else 0


def is_mask(path: str) -> bool:
    """Whether a field is a bit mask, which has a row of its own in the panel's table."""
    return units.dimension(nested.field_name(path)) is MASK if path.endswith("_mask") else False


def _by_part(title: str, patterns: Sequence[str], p: Params) -> dict[str, list[str]]:
    """One group, or, where its fields are those of several parts, one a part: "Tenant 1", "Tenant 2" …"""
    found: dict[str, list[str]] = {}
    for pattern in patterns:
        for path in nested.expand(pattern, p):
            heading = f"{title} {part_of(path) + 1}" if "[*]" in pattern else title
            found.setdefault(heading, []).append(path)
    return found
