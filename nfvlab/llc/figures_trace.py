"""Misses of a trace over the size of the cache: counted, and by what is cheaper than counting."""

from typing import TYPE_CHECKING

import numpy as np

from nfvlab import figures as house
from nfvlab import units
from nfvlab.figures import Figure
from nfvlab.llc.params import LINE_BYTES
from nfvlab.llc.tracecurves import MEASURES

if TYPE_CHECKING:
    from pandas import DataFrame

LOOKS = {
    "exact": {"color": house.INK, "ls": "-", "lw": 2.4},
    "statstack": {"color": house.PALETTE.blue, "ls": "--", "lw": 2},
    "shards": {"color": house.PALETTE.green, "ls": "-.", "lw": 2},
    "associative": {"color": house.PALETTE.vermillion, "ls": ":", "lw": 2.4},
}


def trace_curves(frame: "DataFrame", title: str) -> Figure:
    """One line a measure, over the size of the cache (a frame of `tracecurves.curves`)."""
    with house.style():
        drawn = Figure(figsize=(8.6, 3.6), layout="constrained")
        axes = drawn.subplots()
        axes.set(xscale="log", yscale="log")
        for name, look in LOOKS.items():
            axes.plot(frame["cache_lines"] * LINE_BYTES, frame[name], **look, label=MEASURES[name])
        axes.legend(loc="lower left")
        house.quantity(axes.xaxis, "cache_bytes", "Size of the cache")
        house.quantity(axes.yaxis, "miss_frac", "Misses per access", ticks=5)
        axes.set_title(title, fontsize=10, loc="right")
    worst = {
        name: float(np.nanmax(np.abs(frame[name] - frame["exact"]))) for name in LOOKS if name != "exact"
    }
    rows = (f"{MEASURES[name]} {units.human('x_frac', off)}" for name, off in worst.items())
    drawn.alt = (
        f"{title}: misses per access by size of the cache. Furthest from the count: {'; '.join(rows)}."
    )
    return drawn


def table(frame: "DataFrame", rows: int = 6) -> "DataFrame":
    """The same at some sizes, in words."""
    some = frame.iloc[np.unique(np.linspace(0, len(frame) - 1, rows).round().astype(int))]
    shown = some[list(LOOKS)].map(lambda share: units.human("x_frac", share))
    shown.index = [units.human("x_bytes", lines * LINE_BYTES) for lines in some["cache_lines"]]
    return shown.rename_axis("cache")
