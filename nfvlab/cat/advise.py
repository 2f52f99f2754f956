"""From monitoring to masks: a curve per group with what is open about it, the best masks by it, and what to measure.

The recommendation is exact for the estimated curves. How wrong it may be is computed from their bounds (`regret`): by
how much the best masks of all could be better, at worst, for any curves that the samples allow; and which group at
which way count, measured, would lower that most. A group is not asked to do with fewer ways than bound its rate (what
it was seen to hold), unless `cautious` is False or there are not enough ways.

Bandwidth counts lines that are written back, and on some parts prefetches, as well as misses. To weigh one group's
bytes against another's is the caller's matter (`weights`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nfvlab.cat.allocate import allocate
from nfvlab.cat.allocation import Allocation
from nfvlab.cat.curves import Curve, estimate_curve
from nfvlab.cat.division import class_limits, class_weights, refuse, ways_to_give
from nfvlab.cat.parts import Capability
from nfvlab.cat.regret import QUANTITY, Measurement, best_measurement, bounding_ways, worst_regret
from nfvlab.cat.watched import Points, watched
from nfvlab.params import html_table
from nfvlab.units import human

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True, eq=False)
class Advice:
    """What to do in one domain (cache), and what that is expected to bring.

    curves: of each group, in the order of allocation.names; now_ways, now_rate: mean of what was seen, float64[groups];
    regret: bytes/s, weighted, infinite where nothing bounds a group's curve; measure: None when nothing would help.
    """

    domain: int
    allocation: Allocation
    curves: tuple[Curve, ...]
    now_ways: np.ndarray
    now_rate: np.ndarray
    regret: float
    measure: Measurement | None
    notes: tuple[str, ...]
    cdp: bool = False

    def effect(self) -> dict[str, tuple[float, float, float]]:
        """Bandwidth of each group with the masks: (expected, at least, at most), bytes/s."""
        return {
            curve.group: tuple(float(row[ways]) for row in (curve.estimate, curve.lower, curve.upper))
            for curve, ways in zip(self.curves, self.allocation.ways, strict=True)
        }

    def to_frame(self) -> "pandas.DataFrame":
        """A row a group: ways, mask, seen and now, and the bandwidth expected, with its bounds."""
        import pandas as pd

        rows = []
        for k, (curve, (expected, least, most)) in enumerate(
            zip(self.curves, self.effect().values(), strict=True)
        ):
            row = {"group": curve.group, "domain": self.domain, "ways": self.allocation.ways[k]}
            row |= {"mask": self.allocation.masks[k], "seen_low_ways": curve.seen_ways[0]}
            row |= {"seen_high_ways": curve.seen_ways[1], "now_ways": self.now_ways[k]}
            row |= {"now_bytes_per_s": self.now_rate[k], "expected_bytes_per_s": expected}
            rows.append(row | {"lower_bytes_per_s": least, "upper_bytes_per_s": most})
        return pd.DataFrame(rows).set_index("group")

    def __repr__(self) -> str:
        lines = ("  ".join(row.values()) for row in self._rows())
        return "\n".join([f"cache {self.domain}: {self._says()}", *(f"  {line}" for line in lines)])

    def _repr_html_(self) -> str:
        return html_table(f"cache {self.domain}: {self._says()}", self._rows())

    def _says(self) -> str:
        bounded = f"may miss {human(QUANTITY, self.regret)}"
        missed = bounded if np.isfinite(self.regret) else "nothing bounds what it may miss"
        return "; ".join([missed, *self._sentences()])

    def _rows(self) -> list[dict[str, str]]:
        rows = []
        for k, (curve, (expected, least, most)) in enumerate(
            zip(self.curves, self.effect().values(), strict=True)
        ):
            low, high = curve.seen_ways
            row = {"group": curve.group, "seen with": f"{low:.1f} to {high:.1f} ways"}
            row |= {"its bandwidth": human(QUANTITY, self.now_rate[k])}
            row |= {"ways": str(self.allocation.ways[k]), "mask": f"{self.allocation.masks[k]:x}"}
            row |= {"bandwidth then": human(QUANTITY, expected)}
            rows.append(row | {"at least": human(QUANTITY, least), "at most": human(QUANTITY, most)})
        return rows

    def _sentences(self) -> list[str]:
        return [*([self.measure.words()] if self.measure else []), *self.notes]


def advise(
    frame: "pandas.DataFrame",
    capability: Capability,
    *,
    cache_bytes: float,
    weights: Mapping[str, float] | None = None,
    min_ways: Mapping[str, int] | None = None,
    max_ways: Mapping[str, int] | None = None,
    limit_bytes_per_s: float | Mapping[str, float] = np.inf,
    use_io_ways: bool = False,
    taken_mask: int = 0,
    cautious: bool = True,
    cdp: bool = False,
) -> tuple[Advice, ...]:
    """Masks for the groups that `frame` watched, of each domain in it: those with the least expected bandwidth.

    frame: as for `watched`. cache_bytes: size of one cache. weights, min_ways, max_ways, limit_bytes_per_s (see
    `estimate_curve`): by group, others have 1, min_cbm_bits, all, and no limit. cdp: whether CDP is mounted, which
    halves the classes of service; code and data get the same mask.
    Errors: ParamError: a group with fewer than 4 samples; more groups than ways or classes of service.
    """
    if not cache_bytes > 0:
        refuse("cache_bytes", cache_bytes, "a cache has a size", "give the bytes of one L3")
    points = watched(frame, cache_bytes / capability.cbm_len)
    by_group = {"weights": weights, "min_ways": min_ways, "max_ways": max_ways}
    by_group["limit_bytes_per_s"] = limit_bytes_per_s if isinstance(limit_bytes_per_s, Mapping) else None
    _known(by_group, {group for _, group in points})
    place = {"use_io_ways": use_io_ways, "taken_mask": taken_mask}
    _, total = ways_to_give(capability, use_io_ways, taken_mask)
    made = []
    for domain in sorted({domain for domain, _ in points}):
        some = [found for (there, _), found in points.items() if there == domain]
        names = [found.group for found in some]
        if len(names) > capability.closids(cdp):
            rule = f"the part has {capability.closids(cdp)} classes of service{' with CDP' if cdp else ''}"
            refuse(
                "frame",
                f"{len(names)} groups in domain {domain}",
                rule,
                "watch fewer, or join some in one group",
            )
        scale = class_weights([_of(weights, name, 1.0) for name in names], len(names))
        low, high = [_of(min_ways, name, 0) for name in names], [_of(max_ways, name, total) for name in names]
        limits = class_limits(low, high, len(names), max(1, capability.min_cbm_bits), total)
        tops = [_of(limit_bytes_per_s, name, np.inf) for name in names]
        curves = tuple(
            estimate_curve(
                p.group, p.held_ways, p.rates, total, own=p.own, settled=p.settled, limit_bytes_per_s=top
            )
            for p, top in zip(some, tops, strict=True)
        )
        allocation, notes = _best(curves, capability, scale, limits, total, cautious, place)
        question = (curves, scale, allocation.ways, *limits, total)
        made.append(
            Advice(
                domain=domain,
                allocation=allocation,
                curves=curves,
                now_ways=np.array([found.held_ways.mean() for found in some]),
                now_rate=np.array([found.rates.mean() for found in some]),
                regret=worst_regret(*question),
                measure=best_measurement(*question),
                notes=(*notes, *_notes(some, curves)),
                cdp=cdp,
            )
        )
    return tuple(made)


def _best(
    curves, capability, scale, limits, total: int, cautious: bool, place
) -> tuple[Allocation, list[str]]:
    """The best masks by the estimates, and notes on groups that could not be treated with caution."""
    least, most = limits
    careful, notes = bounding_ways(curves, scale, least, most, total) if cautious else (least, [])
    allocation = allocate(
        np.array([curve.estimate for curve in curves]),
        capability,
        names=[curve.group for curve in curves],
        weights=scale,
        min_ways=careful,
        max_ways=most,
        quantity=QUANTITY,
        **place,
    )
    return allocation, notes


def _notes(some: Sequence[Points], curves: Sequence[Curve]) -> list[str]:
    left_out = sum(found.left_out for found in some)
    notes = [f"{curve.group}: {note}" for curve in curves for note in curve.notes]
    return notes + (
        [f"{left_out} intervals without values left out, or over a restarted counter"] if left_out else []
    )


def schemata(advices: Sequence[Advice]) -> dict[str, str]:
    """What to write into each group's `schemata`, for all domains: {"vm": "L3:0=ff000;1=003ff"}.

    Where CDP is mounted there are two lines with the same masks, L3CODE and L3DATA.
    """
    masks: dict[str, list[str]] = {}
    for advice in advices:
        for group, line in advice.allocation.schemata((advice.domain,)).items():
            masks.setdefault(group, []).append(line.partition(":")[2])
    names = ("L3CODE", "L3DATA") if any(advice.cdp for advice in advices) else ("L3",)
    return {
        group: "\n".join(f"{name}:" + ";".join(parts) for name in names) for group, parts in masks.items()
    }


def _of(given, group: str, default):
    if isinstance(given, Mapping):
        return given.get(group, default)
    return default if given is None else given


def _known(by_group: Mapping[str, Mapping | None], groups: set[str]) -> None:
    for field, given in by_group.items():
        unknown = sorted(set(given or {}) - groups)
        if unknown:
            refuse(
                field,
                unknown,
                f"names no group watched; there are {', '.join(sorted(groups))}",
                "name one of them",
            )


__all__ = ["Advice", "advise", "schemata"]
