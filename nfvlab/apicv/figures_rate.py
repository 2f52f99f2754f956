"""What the modes cost over the interrupts' rate, and where posting pays: maps over rate and another knob."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nfvlab import figures as house
from nfvlab import units
from nfvlab.apicv.params import MODES
from nfvlab.figures import Figure
from nfvlab.realtime.figures import COLOURS

if TYPE_CHECKING:
    from pandas import DataFrame

TITLES = {
    "cost_cycles": "Cycles per interrupt",
    "latency_ns": "Mean latency",
    "cpu_frac": "Share of the vCPU's CPU",
    "coalesced_frac": "Interrupts that merge",
}


def by_rate(frame: "DataFrame") -> Figure:
    """A panel an output of `studies.by_rate`: lines are theory, dots are simulated."""
    with house.style():
        drawn = Figure(figsize=(9.4, 4.9), layout="constrained")
        panels = drawn.subplots(2, 2, sharex=True)
        for axes, (output, title) in zip(panels.flat, TITLES.items(), strict=True):
            _lines(axes, frame[frame["output"] == output], output, title)
        drawn.align_ylabels(panels)
        for axes in panels[1]:
            house.quantity(axes.xaxis, "interrupts_per_s", "Interrupts", ticks=5)
        handles = panels[0, 0].get_lines()[::2]
        drawn.legend(handles, MODES, loc="outside lower center", ncols=4, frameon=False)
    drawn.alt = _told(frame)
    return drawn


def _lines(axes, part: "DataFrame", output: str, title: str) -> None:
    axes.set_xscale("log")
    for k, mode in enumerate(MODES):
        rows = part[part["mode"] == mode]
        look = {"color": COLOURS[k], "ls": house.LINESTYLES[k], "lw": 2}
        axes.plot(rows["interrupts_per_s"], rows["theory"], **look)
        axes.plot(
            rows["interrupts_per_s"], rows["monte_carlo"], "o", ms=4, mec="white", mew=0.7, color=COLOURS[k]
        )
    axes.set_ylim(0, None)
    house.quantity(axes.yaxis, output, title, ticks=4)


def _told(frame: "DataFrame") -> str:
    last = frame["interrupts_per_s"].max()
    parts = []
    for output, title in TITLES.items():
        rows = frame[(frame["output"] == output) & (frame["interrupts_per_s"] == last)].set_index("mode")[
            "theory"
        ]
        said = ", ".join(f"{mode} {units.human(output, rows[mode])}" for mode in MODES)
        parts.append(f"{title}: {said}")
    return (
        f"Four outputs over the rate, a line a mode. At {units.human('x_per_s', last)}: "
        + "; ".join(parts)
        + "."
    )


def maps(frames: Sequence[tuple[str, str, "DataFrame"]]) -> Figure:
    """Maps side by side, (title, knob, frame of `studies.gain`): how many times emulation's is that of posting."""
    with house.style():
        drawn = Figure(figsize=(9.4, 3.7), layout="constrained")
        for axes, (title, knob, frame) in zip(drawn.subplots(1, len(frames)), frames, strict=True):
            _map(drawn, axes, title, knob, frame)
    said = (
        f"{title}: {frame.to_numpy().min():.2g} to {frame.to_numpy().max():.2g} times"
        for title, _, frame in frames
    )
    drawn.alt = "Emulated over VT-d posted, as maps over rate and a knob. " + "; ".join(said) + "."
    return drawn


def _map(drawn: Figure, axes, title: str, knob: str, frame: "DataFrame") -> None:
    values = frame.to_numpy()
    x, y = np.arange(frame.shape[1]), np.arange(frame.shape[0])
    mesh = axes.pcolormesh(
        x, y, values, shading="nearest", cmap="viridis", vmin=1.0, vmax=max(2.0, values.max())
    )
    inner = [level for level in (1.25, 1.5, 2, 3, 4, 5, 6) if values.min() < level < values.max()]
    if inner:
        lines = axes.contour(x, y, values, levels=inner, colors="white", linewidths=1.0)
        axes.clabel(lines, fmt=lambda level: f"{level:g} times", fontsize=8)
    axes.grid(False)
    columns = np.linspace(0, len(x) - 1, 4).round().astype(int)
    rows = np.linspace(0, len(y) - 1, 5).round().astype(int)
    axes.set_xticks(
        columns, [units.human("interrupts_per_s", frame.columns[k]) for k in columns], fontsize=8.5
    )
    axes.set_yticks(rows, [units.human(knob, frame.index[k]) for k in rows], fontsize=8.5)
    axes.set_title(title, fontsize=10, loc="left")
    axes.set_xlabel("Interrupts")
    bar = drawn.colorbar(mesh, ax=axes, pad=0.02)
    bar.outline.set_visible(False)


__all__ = ["by_rate", "maps"]
