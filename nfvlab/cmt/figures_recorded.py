"""A recording as it is: what each group held and moved over time, and what its readings are good for."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nfvlab import cmt, units
from nfvlab import figures as house
from nfvlab.cmt import recorded
from nfvlab.cmt.quantised import interval_for_error, share_error
from nfvlab.cmt.wraps import longest_interval_ns
from nfvlab.figures import Figure
from nfvlab.glossary import Table
from nfvlab.llc.figures import COLOURS
from nfvlab.units import s

if TYPE_CHECKING:
    from pandas import DataFrame

KERNEL_READS_NS = 1 * s  # MBM_OVERFLOW_INTERVAL: the kernel itself reads every counter once a second


def course(made: "DataFrame", *, changes: Mapping[float, str] | None = None, title: str = "") -> Figure:
    """Cache held above, traffic below, a line a group; `changes` marks times with words."""
    with house.style():
        drawn = Figure(figsize=(8.6, 4.8), layout="constrained")
        above, below = drawn.subplots(2, 1, sharex=True)
        for k, (group, part) in enumerate(made.groupby("group", sort=False)):
            look = {"color": COLOURS[k % len(COLOURS)], "lw": 1.4, "marker": "s", "ms": 3.2, "mew": 0}
            above.plot(part["t_ns"], part["occupancy_bytes"], label=str(group), **look)
            below.plot(part["t_ns"], part["total_bytes_per_s"], **look)
        for at, words in (changes or {}).items():
            for axes in (above, below):
                axes.axvline(at, color=house.FAINT, lw=1, ls="--")
            how = {
                "transform": above.get_xaxis_transform(),
                "fontsize": 8.5,
                "color": house.FAINT,
                "va": "top",
            }
            above.text(at + 0.006 * made["t_ns"].max(), 0.98, words, **how)
        for axes, column in ((above, "occupancy_bytes"), (below, "total_bytes_per_s")):
            axes.set_ylim(0, 1.18 * made[column].max() or 1.0)
        house.quantity(above.yaxis, "occupancy_bytes", "Cache held", ticks=5)
        house.quantity(below.yaxis, "total_bytes_per_s", "To and from memory", ticks=5)
        house.quantity(below.xaxis, "t_ns", "Time since the first sample")
        drawn.legend(loc="outside upper right", ncols=min(5, made["group"].nunique()), title=title or None)
    means = recorded.means(made, skip=0)
    drawn.alt = (
        f"{title or 'A recording'}: cache held and memory traffic of each group over time. "
        + "; ".join(
            f"{group} holds {units.human('x_bytes', row['occupancy_bytes'])} and moves "
            f"{units.human('x_bytes_per_s', row['total_bytes_per_s'])} on average"
            for (_, group), row in means.iterrows()
        )
    )
    return drawn


def good_for(
    made: "DataFrame",
    *,
    unit_bytes: int,
    interval_ns: float,
    counter_bits: int = 24,
    memory_bytes_per_s: float,
) -> Table:
    """What the readings are good for, in words, a row a group; the title has the interval that a counter survives.

    Mean occupancy and traffic, whole units in an interval, the error of one reading by these alone, and the shortest
    interval for 1 %.
    """
    rows = []
    for (_, group), row in recorded.means(made, skip=0).iterrows():
        rate = float(np.nan_to_num(row["total_bytes_per_s"]))
        error = share_error(rate, 0.0, interval_ns, unit_bytes)
        at = interval_for_error(0.01, rate, 0.0, unit_bytes)
        rows.append(
            {
                "group": str(group),
                "holds": f"{units.human('x_bytes', row['occupancy_bytes'])}",
                "traffic": units.human("x_bytes_per_s", rate),
                "units an interval": f"{rate * interval_ns / s / unit_bytes:.1f}",
                "one reading ±": "undefined" if np.isnan(error) else units.human("x_frac", error),
                "interval for 1 %": units.human("x_ns", at) if np.isfinite(at) else "none",
            }
        )
    longest = longest_interval_ns(counter_bits, unit_bytes, memory_bytes_per_s)
    safe = "long enough" if longest > KERNEL_READS_NS else "too short"
    return Table(
        f"Read every {units.human('x_ns', interval_ns)} in units of {units.human('x_bytes', unit_bytes)}; a turn takes "
        f"{units.human('x_ns', longest)} or more, {safe} for a kernel that reads every "
        f"{units.human('x_ns', KERNEL_READS_NS)}",
        rows,
    )


def means_in_words(made: "DataFrame", parts: Mapping[float, str]) -> "DataFrame":
    """Means of a course by part of the time, in words; parts: label by the time (ns) at which it begins."""
    import pandas as pd

    rows = {}
    for (part, group), row in recorded.means(made, tuple(parts), skip=0).iterrows():
        rows[list(parts.values())[part], group] = {
            title: "none" if np.isnan(row[name]) else units.human(name, row[name])
            for title, name in zip(("holds", "total", "local"), recorded.COLUMNS[2:], strict=True)
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["time", "group"])


def beside(
    made: "DataFrame",
    scenarios: Sequence[tuple[float, str, cmt.Params]],
    groups: Sequence[str],
    *,
    skip: int = 2,
) -> "DataFrame":
    """Means of a recording beside theory, in words: rows (part, group); scenarios: (begins at ns, label, scenario)."""
    import pandas as pd

    means = recorded.means(made, tuple(start for start, *_ in scenarios), skip=skip)
    rows = {}
    for part, (_, label, p) in enumerate(scenarios):
        theory = cmt.analyze(p)
        for k, group in enumerate(groups):
            seen = means.loc[(part, group)]
            rows[label, group] = {
                "holds": units.human("x_bytes", seen["occupancy_bytes"]),
                "theory": units.human("x_bytes", theory.reading_bytes[k]),
                "traffic": units.human("x_bytes_per_s", seen["total_bytes_per_s"]),
                "theory ": units.human("x_bytes_per_s", theory.total_bytes_per_s[k]),
                "local": units.human("x_bytes_per_s", seen["local_bytes_per_s"]),
                "theory  ": units.human("x_bytes_per_s", theory.local_bytes_per_s[k]),
            }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["masks", "group"])


__all__ = ["beside", "course", "good_for", "means_in_words"]
