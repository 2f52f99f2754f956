"""Where masks pay and where they hurt: speed gained over a plane of two knobs, and the line between gain and loss."""

from typing import TYPE_CHECKING

import numpy as np

from nfvlab import figures as house
from nfvlab import units
from nfvlab.figures import Figure

if TYPE_CHECKING:
    from pandas import DataFrame


def gains(frame: "DataFrame", x: str, y: str, titles: tuple[str, str], *, title: str) -> Figure:
    """A map of `gain_ratio` less 1 over two columns of a frame; blue gains, red loses, the black line is even."""
    wide = frame.pivot(index=y, columns=x, values="gain_ratio") - 1
    size = max(0.02, float(np.abs(wide.to_numpy()).max()))
    with house.style():
        drawn = Figure(figsize=(8.6, 3.9), layout="constrained")
        axes = drawn.subplots()
        look = {"cmap": "RdBu", "vmin": -size, "vmax": size, "aspect": "auto", "origin": "lower"}
        mesh = axes.imshow(wide.to_numpy(), **look)
        if wide.to_numpy().min() < 0 < wide.to_numpy().max():
            axes.contour(wide.to_numpy(), levels=[0.0], colors=house.INK, linewidths=1.5)
        _ticks(axes.xaxis, x, wide.columns)
        _ticks(axes.yaxis, y, wide.index)
        axes.set_xlabel(titles[0])
        axes.set_title(f"{titles[1]}", fontsize=10, loc="left")
        axes.set_title(title, fontsize=10, loc="right")
        axes.grid(False)
        bar = drawn.colorbar(mesh, ax=axes, pad=0.02, format=lambda v, _: f"{100 * v:+.0f} %")
        bar.outline.set_visible(False)
    best, worst = wide.stack().idxmax(), wide.stack().idxmin()
    drawn.alt = f"{title} over {titles[0].lower()} and {titles[1].lower()}: " + " and ".join(
        f"{100 * wide.loc[place]:+.0f} % at {units.human(y, place[0])}, {units.human(x, place[1])}"
        for place in (best, worst)
    )
    return drawn


def _ticks(axis, name: str, values) -> None:
    step = -(-len(values) // 8)
    places = list(range(0, len(values), step))
    axis.set_ticks(places, [_words(name, values[place]) for place in places])
    axis.axes.tick_params(length=0)


def _words(name: str, value: float) -> str:
    return str(int(value)) if name == "ways" else units.human(name, value)


def table(frame: "DataFrame", x: str, y: str, *, rows: int = 4, columns: int = 5) -> "DataFrame":
    """The same at some of its points, in words."""
    wide = frame.pivot(index=y, columns=x, values="gain_ratio") - 1
    some = [
        np.unique(np.linspace(0, n - 1, count).round().astype(int))
        for n, count in zip(wide.shape, (rows, columns), strict=True)
    ]
    part = wide.iloc[some[0], some[1]].map(lambda v: f"{round(100 * v) + 0:+d} %")
    part.index = [units.human(y, v) for v in part.index]
    part.columns = [units.human(x, v) for v in part.columns]
    return part
