"""The countdown drawn: bit X of the TSC, the value that falls when it flips, and how early that makes the exit."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nfvlab import figures as house
from nfvlab import units
from nfvlab.figures import Figure
from nfvlab.timer.earliness import Counted, all_phases

if TYPE_CHECKING:
    from pandas import DataFrame


def countdowns(found: Sequence[Counted], shift: int, titles: Sequence[str]) -> Figure:
    """A column a countdown: bit X above, the timer's value below, deadline and VM exit marked."""
    with house.style():
        drawn = Figure(figsize=(9.2, 3.9), layout="constrained")
        panels = drawn.subplots(
            2, len(found), sharex="col", sharey="row", height_ratios=(1, 3), squeeze=False
        )
        for column, one, title in zip(panels.T, found, titles, strict=True):
            _bit(column[0], one, shift)
            _value(column[1], one)
            column[0].set_title(title, fontsize=10)
            column[1].set_xlabel("TSC since the VM entry, cycles")
        panels[0, 0].set_yticks([0, 1])
        panels[0, 0].set_ylabel(f"bit {shift}", rotation=0, ha="right", va="center")
        panels[1, 0].set_ylabel("timer", rotation=0, ha="right", va="center")
    told = "; ".join(
        f"{title}: {one.early_cycles} cycles early" for one, title in zip(found, titles, strict=True)
    )
    drawn.alt = f"The timer's value falls by 1 whenever bit {shift} of the TSC changes. {told}."
    return drawn


def _bit(axes, one: Counted, shift: int) -> None:
    axes.plot(one.tsc - one.entry_tsc, one.bit, drawstyle="steps-post", color=house.FAINT, lw=1.5)
    flips = np.flatnonzero(np.diff(one.tsc >> shift)) + 1
    for at in flips:
        axes.axvline(at, color="#e3e8ee", lw=0.8, zorder=0)
    axes.set_ylim(-0.25, 1.3)
    axes.grid(False)


def _value(axes, one: Counted) -> None:
    x = one.tsc - one.entry_tsc
    counting = one.tsc <= one.fires_tsc
    axes.plot(x[counting], one.value[counting], drawstyle="steps-post", **house.THEORY)
    fires, deadline = one.fires_tsc - one.entry_tsc, one.deadline_tsc - one.entry_tsc
    axes.axvline(deadline, color=house.PALETTE.vermillion, lw=1.8, ls="--")
    axes.plot([fires], [0], "o", color=house.THEORY["color"], ms=7, clip_on=False, zorder=5)
    top = one.value.max()
    if one.early_cycles:
        ends = (fires, 0.32 * top), (deadline, 0.32 * top)
        axes.annotate("", *ends, arrowprops={"arrowstyle": "<->", "color": house.INK})
        axes.text(
            (fires + deadline) / 2,
            0.36 * top,
            f"{one.early_cycles} cycles\nearly",
            ha="center",
            va="bottom",
            fontsize=9,
        )
    else:
        axes.text(
            deadline,
            0.62 * top,
            "on the deadline  ",
            ha="right",
            va="bottom",
            fontsize=9,
        )
    axes.text(
        deadline,
        1.06 * top,
        "deadline  ",
        ha="right",
        va="bottom",
        fontsize=9,
        color=house.PALETTE.vermillion,
    )
    axes.set_ylim(0, 1.25 * top)
    axes.set_xlim(0, None)


def earliness(shift: int, tsc_hz: float) -> Figure:
    """Over all phases and remainders: how early the exit is, as a map and as its distribution."""
    early = all_phases(shift)
    step = 1 << shift
    with house.style():
        drawn = Figure(figsize=(9.0, 3.4), layout="constrained")
        left, right = drawn.subplots(1, 2, width_ratios=(1, 1.35))
        mesh = left.imshow(early, origin="lower", cmap="Blues", vmin=0, aspect="auto")
        left.set(xlabel=f"deadline − entry, modulo {step}", title=f"TSC at the entry, modulo {step}")
        left.grid(False)
        bar = drawn.colorbar(mesh, ax=left, pad=0.02)
        bar.outline.set_visible(False)
        bar.ax.set_title("early", fontsize=9)
        count = np.bincount(early.ravel())
        right.bar(np.arange(count.size), count / count.sum(), 1.0, color=house.THEORY["color"], alpha=0.85)
        right.axvline(early.mean(), color=house.INK, lw=1.4)
        mean = units.human("early_ns", early.mean() / tsc_hz * 1e9)
        right.text(
            early.mean(),
            1.02 * count.max() / count.sum(),
            f" mean {early.mean():g} cycles, {mean}",
            fontsize=9,
        )
        right.set(xlabel="cycles before the deadline", title="share of all phases", xlim=(-1, 2 * step))
        right.set_ylim(0, 1.16 * count.max() / count.sum())
        house.quantity(right.yaxis, "share_frac", "Share of all phases", ticks=4)
    drawn.alt = (
        f"How early the exit comes by the phase of the TSC and by the deadline, X = {shift}: "
        f"from {early.min()} to {early.max()} cycles, {early.mean():g} in the mean; never late."
    )
    return drawn


def shift_table(frame: "DataFrame") -> "DataFrame":
    """A frame of `earliness.by_shift` in words."""
    shown = frame.copy()
    shown["mean_ns"] = [units.human("mean_ns", value) for value in frame["mean_ns"]]
    for name in ("step_cycles", "least_cycles", "most_cycles", "mean_cycles"):
        shown[name] = [f"{value:g}" for value in frame[name]]
    return shown.rename(
        columns={
            "step_cycles": "a step",
            "least_cycles": "early at least",
            "mean_cycles": "in the mean",
            "most_cycles": "at most",
            "mean_ns": "mean as time",
        }
    )


__all__ = ["countdowns", "earliness", "shift_table"]
