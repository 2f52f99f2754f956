"""Where compression pays and where it does not: time saved over link rate and how small pages become."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.colors import Normalize

from nfvlab import figures as house
from nfvlab import units
from nfvlab.figures import Figure

if TYPE_CHECKING:
    from pandas import DataFrame

MOST = 1.0  # the share at which colours end: twice the time
X, Y = "link_bytes_per_s", "own_ratio"


def gains(
    frame: "DataFrame",
    *,
    marks: Mapping[str, tuple[float, float]] | None = None,
    titles: Mapping[str, str] | None = None,
) -> Figure:
    """A map a way of `studies.gains`; blue saves time, red costs some, the black line is even.

    marks: label: (link rate in bytes/s, compressed over original size), points to show. titles: other names of ways,
    as of the method that CPU threads have.
    """
    titles = titles or {}
    ways = list(dict.fromkeys(frame["way"]))
    with house.style():
        drawn = Figure(figsize=(9.2, 3.9), layout="constrained")
        drawn.get_layout_engine().set(w_pad=0.14)
        panels = drawn.subplots(1, len(ways), sharey=True, squeeze=False)[0]
        for axes, way in zip(panels, ways, strict=True):
            mesh = _panel(axes, _wide(frame, way))
            axes.set_title(titles.get(way, way), loc="right", fontsize=10)
            for label, place in (marks or {}).items():
                axes.plot(*place, **house.PUBLISHED)
                house.direct_label(axes, *place, label, size=9)
        house.quantity(panels[0].yaxis, Y, "Compressed / original size", ticks=5)
        bar = drawn.colorbar(mesh, ax=panels, pad=0.02, extend="min", format=lambda v, _: _percent(v))
        bar.outline.set_visible(False)
        bar.ax.set_title("Time saved", fontsize=9.5, loc="left")
    drawn.alt = "Share of the total time saved, over link rate and compressed size: " + "; ".join(
        f"{titles.get(way, way)}: {_words(_wide(frame, way))}" for way in ways
    )
    return drawn


def _wide(frame: "DataFrame", way: str) -> "DataFrame":
    return frame[frame["way"] == way].pivot(index=Y, columns=X, values="gain_frac")


def _panel(axes, wide: "DataFrame"):
    values = np.ma.masked_invalid(wide.to_numpy())
    axes.set_xscale("log")
    axes.set_facecolor("#d8dde3")
    look = {"cmap": "RdBu", "norm": Normalize(-MOST, MOST), "shading": "nearest", "rasterized": True}
    mesh = axes.pcolormesh(wide.columns, wide.index, values, **look)
    if values.count() and values.min() < 0 < values.max():
        axes.contour(wide.columns, wide.index, values, levels=[0.0], colors=house.INK, linewidths=1.5)
    axes.grid(False)
    house.quantity(axes.xaxis, X, "Link", ticks=4)
    if values.mask.any():
        text = "grey: without compression, or so, it does not complete"
        axes.text(0.02, 0.02, text, transform=axes.transAxes, fontsize=8)
    return mesh


def _percent(share: float) -> str:
    return "does not complete" if np.isnan(share) else f"{round(100 * share) + 0:+d} %"


def _words(wide: "DataFrame") -> str:
    """Best and worst place, and the slowest link that gains nothing for the smallest and the largest pages."""
    flat = wide.stack().dropna()
    if not len(flat):
        return "it does not complete anywhere"
    parts = [
        f"{_percent(flat[place])} at {units.human(X, place[1])} and a ratio of {place[0]:.2g}"
        for place in (flat.idxmax(), flat.idxmin())
    ]
    for ratio in (wide.index[0], wide.index[-1]):
        lost = wide.columns[(wide.loc[ratio] <= 0).to_numpy()]
        end = f"from {units.human(X, lost[0])}" if len(lost) else "nowhere"
        parts.append(f"with pages of {ratio:.2g} no gain {end}")
    return ", ".join(parts)


def table(frame: "DataFrame", way: str, *, rows: int = 5, columns: int = 6) -> "DataFrame":
    """One way's map at some of its points, in words."""
    wide = _wide(frame, way)
    some = [
        np.unique(np.linspace(0, n - 1, count).round().astype(int))
        for n, count in zip(wide.shape, (rows, columns), strict=True)
    ]
    part = wide.iloc[some[0], some[1]].map(_percent)
    part.index = part.index.map(lambda ratio: f"{ratio:.2f}").rename("compressed / original")
    part.columns = [units.human(X, link) for link in part.columns]
    return part
