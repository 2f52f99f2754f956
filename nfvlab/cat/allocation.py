"""What the optimiser answers: ways, masks, predicted costs, what a way more or less would be worth, and schemata."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nfvlab.params import ParamError, Problem, html_table
from nfvlab.units import UnknownUnit, human

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True, kw_only=True)
class Allocation:
    """Masks for classes of service, and what they are predicted to cost.

    A group is the classes that share one mask (usually one class); `groups` holds indexes into `names`. By group:
    ways (with CDP code and data together), masks (with CDP those of data), code_masks (CDP only), io_ways (how many
    shareable ways its masks touch), next_way and last_way (how much one way more would lower the group's weighted
    cost, and how much one way less would raise it; not a number where that is not allowed). By class: costs (in the
    caller's unit, unweighted), weights, held_ways (its expected part of a shared mask). `exact`: whether no allowed
    allocation is better by the objective.
    """

    names: tuple[str, ...]
    groups: tuple[tuple[int, ...], ...]
    objective: str
    exact: bool
    maximise: bool
    quantity: str
    cbm_len: int
    ways: tuple[int, ...]
    masks: tuple[int, ...]
    code_masks: tuple[int, ...] | None
    io_ways: tuple[int, ...]
    idle_ways: int
    costs: tuple[float, ...]
    weights: tuple[float, ...]
    held_ways: tuple[float, ...]
    next_way: tuple[float, ...] = field(
        compare=False
    )  # follows from the rest, and nan is not equal to itself
    last_way: tuple[float, ...] = field(compare=False)

    @property
    def total(self) -> float:
        """Sum of the classes' weighted costs."""
        return sum(w * c for w, c in zip(self.weights, self.costs, strict=True))

    @property
    def worst(self) -> float:
        """The worst weighted cost of a class: the largest, or when maximising the smallest."""
        return (min if self.maximise else max)(w * c for w, c in zip(self.weights, self.costs, strict=True))

    @property
    def group_names(self) -> tuple[str, ...]:
        """The names of each group's classes, joined by "+"."""
        return tuple("+".join(self.names[k] for k in group) for group in self.groups)

    def schemata(self, domains: Sequence[int] = (0,), resource: str = "L3") -> dict[str, str]:
        """What to write into each group's `schemata` file, the same masks in every cache of `domains`.

        {"vm+host": "L3:0=ff000;1=ff000"}; with CDP two lines, L3CODE and L3DATA.
        """
        _check_domains(domains)

        def line(name: str, mask: int) -> str:
            digits = -(-self.cbm_len // 4)
            return f"{name}:" + ";".join(f"{domain}={mask:0{digits}x}" for domain in domains)

        if self.code_masks is None:
            return {n: line(resource, m) for n, m in zip(self.group_names, self.masks, strict=True)}
        return {
            name: line(f"{resource}CODE", code) + "\n" + line(f"{resource}DATA", data)
            for name, code, data in zip(self.group_names, self.code_masks, self.masks, strict=True)
        }

    def to_frame(self) -> "pandas.DataFrame":
        """One row a class: group, ways, mask, code_mask, io_ways, held_ways, weight, cost, next_way, last_way."""
        import pandas as pd

        rows = []
        for g, group in enumerate(self.groups):
            shared = {"group": self.group_names[g], "ways": self.ways[g], "mask": self.masks[g]}
            if self.code_masks is not None:
                shared["code_mask"] = self.code_masks[g]
            for k in group:
                own = {"held_ways": self.held_ways[k], "weight": self.weights[k], "cost": self.costs[k]}
                worth = {"next_way": self.next_way[g], "last_way": self.last_way[g]}
                rows.append({"class": self.names[k], **shared, "io_ways": self.io_ways[g], **own, **worth})
        return pd.DataFrame(rows).set_index("class")

    def _picture(self, mask: int) -> str:
        return "".join("x" if mask >> bit & 1 else "." for bit in range(self.cbm_len - 1, -1, -1))

    def _rows(self) -> list[dict[str, str]]:
        rows = []
        for g, group in enumerate(self.groups):
            masks = {"mask": f"{self.masks[g]:x}", "ways, top to bottom": self._picture(self.masks[g])}
            if self.code_masks is not None:
                masks |= {
                    "code mask": f"{self.code_masks[g]:x}",
                    "of code": self._picture(self.code_masks[g]),
                }
            row = {"class": self.group_names[g], "ways": str(self.ways[g]), **masks}
            row[self.quantity or "cost"] = ", ".join(self._number(self.costs[k]) for k in group)
            row |= {"one way more saves": self._number(self.next_way[g])}
            rows.append(row | {"one way less costs": self._number(self.last_way[g])})
        return rows

    def _number(self, value: float) -> str:
        try:
            return human(self.quantity, value)
        except UnknownUnit:
            return "undefined" if value != value else f"{value:.4g}"

    def _repr_html_(self) -> str:
        found = "exact" if self.exact else "not proved best"
        idle = f", {self.idle_ways} ways left over" if self.idle_ways else ""
        total, worst = self._number(self.total), self._number(self.worst)
        caption = f"{self.objective} ({found}): total {total}, worst {worst}{idle}"
        return html_table(caption, self._rows())

    def __str__(self) -> str:
        return "\n".join(
            f"{name}: {line}" for name, text in self.schemata().items() for line in text.split("\n")
        )


def _check_domains(domains: Sequence[int]) -> None:
    whole = all(isinstance(d, int) and not isinstance(d, bool) and d >= 0 for d in domains)
    if not domains or not whole or len(set(domains)) < len(domains):
        rule = "must be the ids of caches, each once"
        raise ParamError(
            [Problem("domains", tuple(domains), rule, "as in the schemata file: (0, 1)")], "schemata"
        )


__all__ = ["Allocation"]
