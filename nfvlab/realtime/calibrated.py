"""A scenario calibrated on recordings: what they say of it, what they say nothing of, and how sure they are.

`calibrate` takes a scenario of `apicv`, `timer` or `vfio` and what recordings imply:

    noise = noise_of(*read_oslat("oslat.json"))
    hop = hop_of(*read_rtla("timerlat.txt"), tsc_hz=2.3e9)
    host = calibrate(params, noise, hop, source="my host")
    host.params, host.to_frame()

Fields that a recording counted are taken over. Stage costs are solved from all rows together, the scenario's own costs
being the prior; only those of which the rows tell something are written back.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from nfvlab.params import Params
from nfvlab.realtime import params as realtime
from nfvlab.realtime.implied import Implied
from nfvlab.realtime.recorded import CONFIDENCE, Interval
from nfvlab.realtime.solve import Row, Solved, solve

if TYPE_CHECKING:
    import pandas

#: Share of a cost's prior variance that the rows must remove, or the cost stays as it is. It is small because costs
#: are solved together: what stays as it is no longer adds up with the others to the rows.
TOLD_FRAC = 0.02
_DISAGREE = 2.0  # errors by which a row may miss what the solved costs add up to


class Change(NamedTuple):
    """One field: before and after, its error (NaN where only bounds are known), bounds, share told, from what."""

    name: str
    before: float
    after: float
    error: float
    bounds: Interval
    told_frac: float
    source: str


@dataclass(frozen=True)
class Calibrated:
    """A scenario with what recordings say of it.

    params : the scenario; changes : one for each field that a recording said something of
    assumed, untold : the sentences of the recordings
    notes : what of the recordings could not be used, or does not fit
    solved : the stage costs with their residuals, None without rows
    source : what the recordings are
    """

    params: Params
    changes: tuple[Change, ...]
    assumed: tuple[str, ...] = ()
    untold: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    solved: Solved | None = None
    source: str = ""

    def to_frame(self) -> "pandas.DataFrame":
        """One row a changed field: before, after, error, low, high, told_frac, from; in the field's own unit."""
        import pandas as pd

        rows = [(*change[:4], *change.bounds, *change[5:]) for change in self.changes]
        columns = ["field", "before", "after", "error", "low", "high", "told_frac", "from"]
        return pd.DataFrame(rows, columns=columns).set_index("field")


def calibrate(p: Params, *implied: Implied, source: str = "", confidence: float = CONFIDENCE) -> Calibrated:
    """The scenario with the fields that recordings counted, and the stage costs that their rows imply.

    source : what the recordings are, for captions
    confidence : of the bounds of costs; those of counted fields are as the recording was asked for
    A value beyond its field's domain is moved to the domain's end, with a note. ValueError for a scenario without
    stages, without anything implied, for two recordings that give one field different values, and a row given twice.
    """
    if not isinstance(p, realtime.Exits):
        raise ValueError(
            f"{type(p).__module__}: has no stages of the real-time path; give apicv, timer or vfio Params"
        )
    _check(implied)
    notes: list[str] = []
    counted = list(_counted(p, implied, notes))
    rows = tuple(_usable(p, [row for one in implied for row in one.rows], notes))
    solved = solve(rows, _prior(p)) if rows else None
    costs = list(_costs(p, solved, confidence, notes)) if solved else []
    changes = (*counted, *costs)
    return Calibrated(
        params=p.replace(**{change.name: change.after for change in changes}),
        changes=changes,
        assumed=_once(sentence for one in implied for sentence in one.assumed),
        untold=_once(sentence for one in implied for sentence in one.untold),
        notes=tuple(notes),
        solved=solved,
        source=source,
    )


def _check(implied: tuple[Implied, ...]) -> None:
    if not implied:
        raise ValueError("implied = (): nothing to calibrate with; give what one recording implies at least")
    for one in implied:
        if not isinstance(one, Implied):
            raise ValueError(f"{type(one).__name__}: is not Implied; make it by noise_of, hop_of, exits_of …")
    given: dict[str, float] = {}
    for name, value in (item for one in implied for item in one.overrides.items()):
        if given.setdefault(name, value) != value:
            what = f"{name} = {given[name]:g} in one recording and {value:g} in another"
            raise ValueError(f"{what}: keep one of them")
    seen: list[Row] = []
    for row in (row for one in implied for row in one.rows):
        if row in seen:
            raise ValueError(f"row {row.name!r}: given twice; it would count as two measurements")
        seen.append(row)


def _counted(p: Params, implied: tuple[Implied, ...], notes: list[str]) -> Iterable[Change]:
    """The fields that a recording gives, in the domain."""
    done = set()
    for one in implied:
        for name, value in one.overrides.items():
            if name in done:
                continue
            done.add(name)
            if name not in p.specs():
                notes.append(f"{name} = {value:g}: the scenario has no such field")
                continue
            bounds = one.bounds.get(name, Interval(value, value))
            after = _inside(p, name, value, notes)
            yield Change(name, getattr(p, name), after, math.nan, bounds, 1.0, one.source)


def _inside(p: Params, name: str, value: float, notes: list[str]) -> float:
    """The value, or the end of the field's domain that it is beyond."""
    low, high = p.specs()[name].domain
    inside = min(max(value, low), high)
    if inside != value:
        notes.append(f"{name} = {value:g}: beyond the domain, {inside:g} is used")
    return inside


def _prior(p: Params) -> dict[str, float]:
    """Every known stage's cost: the scenario's own, and the table's for stages that it does not have."""
    table = {
        name: spec.default
        for part in (realtime.Exits, realtime.Wakes, realtime.Posting)
        for name, spec in part.specs().items()
    }
    known = {**table, **{name: getattr(p, name) for name in p.specs()}}
    return {name: value for name, value in known.items() if name.endswith("_cycles")}


def _usable(p: Params, rows: Iterable[Row], notes: list[str]) -> Iterable[Row]:
    """The rows whose stages all have a prior, and one of which the scenario has."""
    prior = _prior(p)
    for row in rows:
        if unknown := sorted(set(row.counts) - set(prior)):
            notes.append(f"{row.name}: left out, the scenario has no {', '.join(unknown)}")
        elif not set(row.counts) & set(p.specs()):
            notes.append(f"{row.name}: left out, the scenario has none of its stages")
        else:
            yield row


def _costs(p: Params, solved: Solved, confidence: float, notes: list[str]) -> Iterable[Change]:
    from scipy.special import ndtri

    half = float(ndtri((1 + confidence) / 2))
    for name, cost in solved.costs.items():
        rows = ", ".join(_once(row.name for row in solved.rows if row.counts.get(name)))
        if solved.told[name] < TOLD_FRAC:
            notes.append(f"{name}: {rows} tells too little of it, it stays as it is")
        elif name not in p.specs():
            notes.append(f"{name} = {cost:.4g}: solved for, but the scenario has no such field")
        else:
            error = solved.errors[name]
            bounds = Interval(max(cost - half * error, 0.0), cost + half * error)
            after = _inside(p, name, cost, notes)
            yield Change(name, getattr(p, name), after, error, bounds, solved.told[name], rows)
    for row, miss in solved.residuals()["in_errors"].items():
        if abs(miss) > _DISAGREE:
            notes.append(f"{row}: missed by {abs(miss):.2g} errors, its stages are not what it is made of")


def _once(sentences: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(sentences))
