"""Where the preemption timer pays and where it hurts: over the interval, and over the coarseness of its steps."""

from typing import TYPE_CHECKING

import numpy as np

from nfvlab import figures as house
from nfvlab import units
from nfvlab.figures import Figure

if TYPE_CHECKING:
    from pandas import DataFrame

COLOURS = tuple(
    getattr(house.PALETTE, name) for name in ("blue", "green", "vermillion", "pink", "brown", "sky")
)


def by_interval(frame: "DataFrame") -> Figure:
    """Latency saved in the mean over the interval, a line a scenario (frame of `studies.by_interval`)."""
    words = []
    with house.style():
        drawn = Figure(figsize=(9.0, 3.7), layout="constrained")
        axes = drawn.subplots()
        axes.set_xscale("log")
        axes.axhline(0, color=house.FAINT, lw=1)
        ends = []
        for k, (label, part) in enumerate(frame.groupby("scenario", sort=False)):
            look = {
                "color": COLOURS[k % len(COLOURS)],
                "ls": house.LINESTYLES[k % len(house.LINESTYLES)],
                "lw": 2,
            }
            axes.plot(part["interval_ns"], part["saved_ns"], label=label, **look)
            best = part.loc[part["saved_ns"].idxmax()]
            ends.append(best["saved_ns"])
            words.append(f"{label}: {units.human('x_ns', best['saved_ns'])} at most")
        axes.set_xlim(frame["interval_ns"].min(), frame["interval_ns"].max())
        house.quantity(axes.xaxis, "interval_ns", "Interval", ticks=9)
        house.quantity(axes.yaxis, "saved_ns", "Mean latency saved", ticks=5)
        drawn.legend(loc="outside right upper")
    drawn.alt = "Mean latency that the preemption timer saves, over the interval. " + "; ".join(words) + "."
    return drawn


def by_shift(frame: "DataFrame") -> Figure:
    """Mean latency over X: theory, simulation, the hrtimer for comparison; before the deadline is shaded."""
    used = frame[~frame["refused"]]
    with house.style():
        drawn = Figure(figsize=(8.6, 3.4), layout="constrained")
        axes = drawn.subplots()
        axes.plot(used["shift"], used["theory_ns"], **house.THEORY, label="preemption timer, theory")
        axes.plot(used["shift"], used["monte_carlo_ns"], **house.SIMULATION, label="simulated", zorder=4)
        axes.plot(frame["shift"], frame["hrtimer_ns"], **house.BASELINE, label="hrtimer, theory")
        low, high = axes.get_ylim()
        low = min(low, -0.25 * high)
        axes.axhspan(low, 0, color="#f3e2d8", lw=0, zorder=0)
        axes.text(
            frame["shift"].min(),
            0.5 * low,
            " before the deadline",
            fontsize=9,
            color=house.FAINT,
            va="center",
        )
        axes.set(ylim=(low, high), xlabel="X: the timer counts changes of TSC bit X")
        axes.set_xticks(frame["shift"])
        for shift in frame["shift"][frame["refused"]]:
            axes.text(
                shift,
                0.02 * high,
                "refused",
                rotation=90,
                fontsize=8.5,
                ha="center",
                va="bottom",
                color=house.FAINT,
            )
        house.quantity(axes.yaxis, "latency_ns", "Mean latency", ticks=5)
        drawn.legend(loc="outside upper right", ncols=3)
    early = used["shift"][used["theory_ns"] < 0]
    told = (
        f"before the deadline in the mean from X = {early.min()} on"
        if early.size
        else "never early in the mean"
    )
    worst = float(np.abs(used["theory_ns"] - used["monte_carlo_ns"]).max())
    drawn.alt = (
        f"Mean latency by X: {told}; theory and simulation apart by {units.human('x_ns', worst)} at most."
    )
    return drawn


__all__ = ["by_interval", "by_shift"]
