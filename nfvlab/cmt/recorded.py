"""Recordings of monitoring as courses: what each group held and moved over time, whichever tool has written it.

A course is a frame with columns t_ns, group, occupancy_bytes, total_bytes_per_s, local_bytes_per_s; NaN where the tool
does not say. Of running counts (resctrl) the kernel has made 64-bit totals of what the counters show, modulo their
width; a difference of two is right however often a counter went round, so long as the kernel read it in time.
"""

from typing import TYPE_CHECKING

import numpy as np

from nfvlab.units import s

if TYPE_CHECKING:
    from pandas import DataFrame

COLUMNS = ("t_ns", "group", "occupancy_bytes", "total_bytes_per_s", "local_bytes_per_s")
_CQM = {
    "intel_cqm/llc_occupancy/": "occupancy_bytes",
    "intel_cqm/total_bytes/": "total_bytes_per_s",
    "intel_cqm/local_bytes/": "local_bytes_per_s",
}


def of_resctrl(frame: "DataFrame") -> "DataFrame":
    """The course of what `read_resctrl` returned: control groups, whole domains added up."""
    from nfvlab.readers.resctrl import rates

    made = rates(frame)
    made = made[(made["mon_group"] == "") & made["node"].isna()]
    names = {
        "control_group": "group",
        "llc_occupancy_bytes": "occupancy_bytes",
        "mbm_total_bytes_per_s": "total_bytes_per_s",
        "mbm_local_bytes_per_s": "local_bytes_per_s",
    }
    made = made.rename(columns=names).groupby(["t_ns", "group"], sort=False)[list(COLUMNS[2:])]
    return made.sum(min_count=1).reset_index()[list(COLUMNS)]


def of_pqos(frame: "DataFrame") -> "DataFrame":
    """The course of what `read_pqos` returned: groups of cores, total as local and remote together."""
    made = frame.rename(
        columns={
            "cores": "group",
            "llc_occupancy_bytes": "occupancy_bytes",
            "mbm_local_bytes_per_s": "local_bytes_per_s",
        }
    )
    if "mbm_total_bytes_per_s" in made:
        made = made.rename(columns={"mbm_total_bytes_per_s": "total_bytes_per_s"})
    else:
        made["total_bytes_per_s"] = made["local_bytes_per_s"] + made["mbm_remote_bytes_per_s"]
    return made.reindex(columns=list(COLUMNS))


def of_perf(frame: "DataFrame") -> "DataFrame":
    """The course of what `read_perf_stat` returned of intel_cqm events with -I: a group a package, or cgroup in it.

    A count is what its interval added, so a rate is the count over the time since the one before.
    """
    rows = frame[frame["event"].isin(_CQM)]
    who = (rows["where"].fillna("") + " " + rows["cgroup"].fillna("")).str.strip().replace("", "all")
    rows = rows.assign(column=rows["event"].map(_CQM), group=who)
    wide = rows.pivot_table(index=["t_ns", "group"], columns="column", values="value", sort=False)
    made = wide.reset_index()
    begin = made.groupby("group")["t_ns"].shift(fill_value=0.0)
    for column in COLUMNS[3:]:
        if column in made:
            made[column] = made[column] / ((made["t_ns"] - begin) / s)
    return made.reindex(columns=list(COLUMNS)).rename_axis(columns=None)


def means(course: "DataFrame", starts_ns: tuple[float, ...] = (0.0,), skip: int = 1) -> "DataFrame":
    """Mean of each column by part of the time and group; `skip` samples after each start are left out.

    starts_ns : where parts begin, the first at 0. Index (part, group), part from 0.
    """
    part = np.searchsorted(np.array(starts_ns), course["t_ns"].to_numpy(), side="right") - 1
    rows = course.assign(part=part)
    later = rows.groupby(["part", "group"], sort=False).cumcount() >= skip
    return rows[later].groupby(["part", "group"], sort=False)[list(COLUMNS[2:])].mean()


__all__ = ["COLUMNS", "means", "of_perf", "of_pqos", "of_resctrl"]
