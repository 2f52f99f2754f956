"""Misses by ways: the theory of few ways, plain Che, and the simulation; rings by the ways that devices fill."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import MaxNLocator

from nfvlab import figures as house
from nfvlab import units
from nfvlab.figures import Figure

if TYPE_CHECKING:
    from pandas import DataFrame


def by_ways(frames: Mapping[str, "DataFrame"]) -> Figure:
    """A panel a workload: misses over ways (frames of `studies.by_ways`), and how far each theory is off below."""
    with house.style():
        drawn = Figure(figsize=(9.0, 4.6), layout="constrained")
        panels = drawn.subplots(
            2, len(frames), squeeze=False, sharex="col", height_ratios=(2, 1), sharey="row"
        )
        for column, (label, frame) in zip(panels.T, frames.items(), strict=True):
            _misses(column[0], frame)
            _off(column[1], frame)
            column[0].set_title(label, loc="right", fontsize=10)
            column[1].set_xlabel("ways")
            column[1].xaxis.set_major_locator(MaxNLocator(6, integer=True))
        house.quantity(panels[0, 0].yaxis, "miss_frac", "Misses", ticks=5)
        house.quantity(panels[1, 0].yaxis, "miss_frac", "Theory less simulation", ticks=4)
        handles, labels = panels[0, 0].get_legend_handles_labels()
        drawn.legend(handles, labels, loc="outside upper right", ncols=3)
    worst = {label: _worst(frame) for label, frame in frames.items()}
    rows = (f"{label}: set by set {a}, plain Che {b}" for label, (a, b) in worst.items())
    drawn.alt = "Misses by ways, theory beside simulation. Largest difference: " + "; ".join(rows) + "."
    return drawn


def _misses(axes, frame: "DataFrame") -> None:
    axes.plot(frame["ways"], frame["theory"], **house.THEORY, label="theory, set by set")
    axes.plot(frame["ways"], frame["che"], **house.BASELINE, label="plain Che")
    axes.plot(frame["ways"], frame["monte_carlo"], **house.SIMULATION, label="simulated")
    axes.set(ylim=(0, 1), xlim=(0, frame["ways"].max() + 0.5))


def _off(axes, frame: "DataFrame") -> None:
    axes.axhline(0, color=house.FAINT, lw=1)
    axes.plot(frame["ways"], frame["theory"] - frame["monte_carlo"], **house.THEORY)
    axes.plot(frame["ways"], frame["che"] - frame["monte_carlo"], **house.BASELINE)


def _worst(frame: "DataFrame") -> tuple[str, str]:
    apart = (np.abs(frame[name] - frame["monte_carlo"]).max() for name in ("theory", "che"))
    return tuple(units.human("miss_frac", x) for x in apart)


def rings(frame: "DataFrame") -> Figure:
    """Data misses of a forwarder over the size of its ring, a line for each number of ways that devices fill."""
    colours = (house.PALETTE.vermillion, house.PALETTE.blue, house.PALETTE.green)
    words = []
    with house.style():
        drawn = Figure(figsize=(8.6, 3.3), layout="constrained")
        axes = drawn.subplots()
        axes.set_xscale("log")
        for k, (count, part) in enumerate(frame.groupby("io_ways")):
            look = {"color": colours[k % 3], "ls": house.LINESTYLES[k], "lw": 2}
            axes.plot(part["ring_bytes"], part["data_miss_frac"], **look)
            last = part.iloc[-1]
            text = f"{count} ways"
            house.direct_label(axes, last["ring_bytes"], last["data_miss_frac"], text, color=colours[k % 3])
            words.append(f"{count} ways: {units.human('x_frac', last['data_miss_frac'])} at the largest ring")
        axes.set(ylim=(0, None), xlim=(frame["ring_bytes"].min(), 1.6 * frame["ring_bytes"].max()))
        house.quantity(axes.xaxis, "ring_bytes", "Lines of all buffers of the ring")
        house.quantity(axes.yaxis, "data_miss_frac", "Misses per data reference", ticks=5)
    drawn.alt = "Data misses by ring size and ways that devices fill. " + "; ".join(words) + "."
    return drawn
