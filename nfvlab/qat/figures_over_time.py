"""What is busy when: link, compressor and migration thread of a simulated migration, window by window."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.collections import PolyCollection
from matplotlib.patches import Patch

from nfvlab import figures as house
from nfvlab import units
from nfvlab.figures import Figure
from nfvlab.qat import stations
from nfvlab.qat.analytic import Theory
from nfvlab.qat.params import WAYS
from nfvlab.qat.simulation import Run

if TYPE_CHECKING:
    from pandas import DataFrame

STRIPS = (("link", "link_ns"), ("engine, ring", "engine_ns"), ("thread", "thread_ns"))
STEP = 1.22  # from strip to strip; 1: all of the time busy
THEORY_Y, THEORY_HEIGHT = STEP * len(STRIPS) + 0.12, 0.3


def busy(run: Run) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Ends of the windows (ns, one more than windows), and by field of `Use` the share of each that is busy."""
    t = np.array([0.0, *(use.t_ns for use in run.uses)])
    kept = np.flatnonzero(np.diff(t, prepend=-1.0) > 0)
    shares = {}
    for _, field in STRIPS:
        used = np.array([0.0, *(getattr(use, field) for use in run.uses)])
        shares[field] = np.clip(np.diff(used[kept]) / np.diff(t[kept]), 0.0, 1.0)
    return t[kept], shares


def names(way: str) -> tuple[str, ...]:
    """What the strips of a way are called, from below."""
    return "link", {"QAT": "engine", "CPU threads": "compressors"}.get(way, ""), "thread"


def over_time(runs: Mapping[str, Run], theory: Theory, *, title: str = "") -> Figure:
    """One panel a way: shares of each window that the simulation has a station busy, and the theory's slowest above."""
    with house.style():
        drawn = Figure(figsize=(9.2, 1.75 * len(runs) + 0.7), layout="constrained")
        rows = drawn.subplots(len(runs), 1, squeeze=False)[:, 0]
        for axes, (way, run) in zip(rows, runs.items(), strict=True):
            _panel(axes, way, run, theory)
        rows[0].set_title(title, loc="left")
        slowest = {name for way in runs for *_, name in stations.spans(theory.courses[WAYS.index(way)])}
        looks = [
            Patch(color=colour, alpha=0.85, label=name)
            for name, colour in stations.COLOURS.items()
            if name in slowest
        ]
        drawn.legend(handles=looks, loc="outside upper right", ncols=len(looks), handlelength=1.0)
    drawn.alt = "Share of the time for which each station is busy, by way. " + "; ".join(
        f"{way}: {', '.join(_mean_words(way, run))}" for way, run in runs.items()
    )
    return drawn


def _panel(axes, way: str, run: Run, theory: Theory) -> None:
    t, shares = busy(run)
    course = theory.courses[WAYS.index(way)]
    labels = [*names(way), "slowest (theory)"]
    for k, (station, field) in enumerate(STRIPS):
        share = np.append(shares[field], shares[field][-1])
        look = stations.COLOURS["CPU threads" if labels[k] == "compressors" else station]
        base = STEP * k
        axes.fill_between(t, base, base + share, step="post", color=look, alpha=0.8, lw=0)
        axes.plot(t[[0, -1]], [base, base], color=house.FAINT, lw=0.6)
    corners, colours = stations.boxes(course, THEORY_Y, THEORY_HEIGHT)
    axes.add_collection(PolyCollection(corners, facecolor=colours, lw=0, alpha=0.85))
    end = max(t[-1], course.fluid.total_time_ns)
    axes.set(xlim=(0, end), ylim=(-0.05, THEORY_Y + 0.3))
    axes.set_yticks([*(STEP * k + 0.5 for k in range(len(STRIPS))), THEORY_Y], labels)
    axes.tick_params(axis="y", length=0)
    axes.grid(False)
    house.quantity(axes.xaxis, "total_time_ns", "Time since the migrate command")
    total = units.human("total_time_ns", run.totals.total_time_ns)
    words = f"{way}, {total}" if run.totals.converged else f"{way}, does not complete"
    axes.set_title(words, loc="right", fontsize=10)


def _mean_words(way: str, run: Run) -> list[str]:
    last = run.uses[-1]
    found = zip(names(way), STRIPS, strict=True)
    return [f"{name} {100 * getattr(last, field) / last.t_ns:.0f} %" for name, (_, field) in found if name]


def table(runs: Mapping[str, Run]) -> "DataFrame":
    """Mean shares until the source completed, in words: a row a way."""
    import pandas as pd

    rows = {}
    for way, run in runs.items():
        last = run.uses[-1]
        row = {"until": units.human("total_time_ns", last.t_ns)}
        for title, (_, field) in zip(("link", "compressors", "thread"), STRIPS, strict=True):
            row[title] = units.human("busy_frac", getattr(last, field) / last.t_ns)
        rows[way] = row
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("way")
