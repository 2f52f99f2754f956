"""Hints against the sender: each block's hint by time and place, and the sender's way through the RAM block."""

from collections.abc import Sequence

import numpy as np

from nfvlab import figures as house
from nfvlab import units
from nfvlab.figures import Figure
from nfvlab.freepages.watch import Race
from nfvlab.precopy.params import PAGE_BYTES

IN_TIME = {"color": house.PALETTE.green, "marker": "o", "ms": 3, "ls": "none", "mew": 0}
TOO_LATE = {"color": house.PALETTE.vermillion, "marker": "x", "ms": 4, "ls": "none"}


def race(races: Sequence[tuple[str, Race]]) -> Figure:
    """One panel a migration, (label, race): hints above the sender's line are in time, those below it too late."""
    with house.style():
        drawn = Figure(figsize=(9.4, 3.6), layout="constrained")
        panels = drawn.subplots(1, len(races), sharey=True, squeeze=False)[0]
        for axes, (label, seen) in zip(panels, races, strict=True):
            t, first, _ = seen.hints
            for chosen, look in ((seen.in_time, IN_TIME), (~seen.in_time, TOO_LATE)):
                axes.plot(t[chosen], first[chosen] * PAGE_BYTES, **look)
            axes.plot(*_way(seen), **house.THEORY | {"linewidth": 1.8})
            axes.set(xlim=(0, 1.02 * seen.end_ns), ylim=(0, seen.params.ram_bytes))
            house.quantity(axes.xaxis, "total_time_ns", "Time since the migrate command", ticks=4)
            axes.set_title(f"{label}: {_score(seen)}", loc="right", fontsize=9.5)
        house.quantity(panels[0].yaxis, "ram_bytes", "Place in the RAM block")
        _name(panels[0], races[0][1])
    drawn.alt = "Hints of free 4 MiB blocks by time and place, against the sender's way up. " + "; ".join(
        f"{label}: {_score(seen)}, bulk stage over after {units.human('total_time_ns', seen.end_ns)}"
        for label, seen in races
    )
    return drawn


def table(races: Sequence[tuple[str, Race]]):
    """The same as a pandas frame in words."""
    import pandas as pd

    rows = {}
    for label, seen in races:
        t, _, cleared = seen.hints
        rows[label] = {
            "first hint": units.human("t_ns", t[0]) if t.size else "none",
            "last hint": units.human("t_ns", t[-1]) if t.size else "none",
            "bulk stage over": units.human("t_ns", seen.end_ns),
            "blocks hinted": f"{t.size:,}",
            "in time": f"{seen.in_time.sum():,}",
            "pages skipped": units.human("skipped_pages", cleared.sum()),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("migration")


def _score(seen: Race) -> str:
    return f"{seen.in_time.sum():,} of {seen.in_time.size:,} hints in time"


def _way(seen: Race) -> tuple[np.ndarray, np.ndarray]:
    t, page = seen.sender
    return np.append(0.0, t), np.append(0.0, page * PAGE_BYTES)


def _name(axes, seen: Race) -> None:
    """Names beside the line and the two kinds of dots."""
    t, first, _ = seen.hints
    size, last = seen.params.ram_bytes, max(t, default=0.0)
    sent = np.interp(0.6 * size, _way(seen)[1], _way(seen)[0])
    house.direct_label(axes, sent, 0.6 * size, "sender", color=house.THEORY["color"], size=9.5)
    house.direct_label(axes, last, 0.05 * size, "too late", color=TOO_LATE["color"], size=9.5)
    middle = float(np.median(t[first * PAGE_BYTES > size / 2])) if t.size else 0.0
    how = {"color": IN_TIME["color"], "size": 9.5, "xytext": (0, 0), "ha": "center"}
    house.direct_label(axes, middle, 0.12 * size, "hints in time above the line", **how)
