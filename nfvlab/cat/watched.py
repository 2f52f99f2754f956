"""What monitoring saw of each group, as points: the cache it held and its rate to memory, by domain and group."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nfvlab.cat.curves import SETTLED_FRAC
from nfvlab.params import ParamError, Problem

if TYPE_CHECKING:
    import pandas

NEEDED = ("t_ns", "domain", "llc_occupancy_bytes", "mbm_total_bytes")
GROWING_FRAC = 0.1  # of the bytes brought in: a group that keeps more of them is still filling its ways


@dataclass(frozen=True, eq=False)
class Points:
    """One group in one domain, an interval between two samples each: float64[n] in the order of time.

    held_ways: the group's own ways where bool[n] `own` says so, else what it held, mean of both ends; rates: bytes/s;
    settled: bool[n], it left ways of its own empty; left_out: intervals without a value, over a counter's restart, or
    over a change of its own ways.
    """

    group: str
    domain: int
    held_ways: np.ndarray
    rates: np.ndarray
    own: np.ndarray
    settled: np.ndarray
    left_out: int


def watched(frame: "pandas.DataFrame", way_bytes: float) -> dict[tuple[int, str], Points]:
    """The points of each (domain, group), in the order in which the groups first appear.

    frame: t_ns, domain, llc_occupancy_bytes, mbm_total_bytes (a running count), and either group or, as read_resctrl
    gives it, control_group and mon_group: then control groups are taken, whose rows hold their monitoring groups.
    Optional: ways, the number of ways that are the group's own at that time (not a number where it shares them).
    Errors: ParamError.
    """
    rows = _rows(frame)
    missing = [name for name in ("group", *NEEDED) if name not in rows]
    if missing:
        _refuse(
            "frame", list(frame.columns), f"lacks {', '.join(missing)}", "give samples as read_resctrl does"
        )
    found = {}
    for (domain, group), part in rows.groupby(["domain", "group"], sort=False):
        part = part.sort_values("t_ns", kind="stable")
        columns = {name: part[name].to_numpy(dtype=float) for name in ("t_ns", *NEEDED[2:])}
        own = part["ways"].to_numpy(dtype=float) if "ways" in part else np.full(len(part), np.nan)
        found[int(domain), str(group)] = _points(str(group), int(domain), columns, own, way_bytes)
    if not found:
        _refuse("frame", f"{len(frame)} rows", "has no sample of a group", "watch the groups for a while")
    return found


def _rows(frame: "pandas.DataFrame") -> "pandas.DataFrame":
    """Rows of whole domains, with a column `group`."""
    if "group" in frame or "control_group" not in frame:
        return frame
    rows = frame.rename(columns={"control_group": "group"})
    if "mon_group" in rows:
        rows = rows[rows["mon_group"] == ""]
    return rows[rows["node"].isna()] if "node" in rows else rows


def _points(
    group: str, domain: int, columns: dict[str, np.ndarray], own: np.ndarray, way_bytes: float
) -> Points:
    t_ns, held, count = (columns[name] for name in ("t_ns", *NEEDED[2:]))
    seconds, brought, grown = np.diff(t_ns) / 1e9, np.diff(count), np.diff(held)
    same = (own[1:] == own[:-1]) | (np.isnan(own[1:]) & np.isnan(own[:-1]))
    good = np.isfinite(brought) & np.isfinite(grown) & (brought >= 0) & (seconds > 0) & same
    with np.errstate(divide="ignore", invalid="ignore"):
        rates = brought / seconds
    mean = (held[1:] + held[:-1]) / 2 / way_bytes
    alone = ~np.isnan(own[1:])
    at = np.where(alone, own[1:], mean)
    room = alone & (mean <= SETTLED_FRAC * own[1:])
    settled = room & (np.abs(grown) <= GROWING_FRAC * np.maximum(brought, 0.0))
    return Points(
        group, domain, at[good], rates[good], alone[good], settled[good], int(good.size - good.sum())
    )


def _refuse(field: str, value: object, rule: str, remedy: str) -> None:
    raise ParamError([Problem(field, value, rule, remedy)], "watched")


__all__ = ["Points", "watched"]
