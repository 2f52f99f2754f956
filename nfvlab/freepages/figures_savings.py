"""Where skipping pays and where it hurts: the share of the total time that it saves, one knob a panel."""

import numpy as np

from nfvlab import figures as house
from nfvlab import units
from nfvlab.figures import Figure
from nfvlab.style import words

LOOKS = {
    "bitmap": house.THEORY,
    "hints": {"color": house.PALETTE.green, "linestyle": "-.", "linewidth": 2.0},
    "hints, init_on_alloc": {
        "color": house.PALETTE.pink,
        "linestyle": (0, (4, 1, 1, 1, 1, 1)),
        "linewidth": 2.2,
    },
}
LEAST = -0.75  # share below which a line leaves the picture; the table has it all the same
LABELS = {
    "ram_bytes": "Guest memory",
    "zero_scan_ns": "Cost of a zero page",
    "request_ns": "Guest's answer after",
}


def savings(frame, *, log: tuple[str, ...], labels=None, columns: int = 3) -> Figure:
    """Panels of a frame with knob, value, way, saved_frac; `log` names the knobs on a logarithmic axis."""
    labels = LABELS | dict(labels or {})
    knobs = list(dict.fromkeys(frame["knob"]))
    rows = -(-len(knobs) // columns)
    least = max(min(-0.1, float(np.nanmin(frame["saved_frac"])) - 0.08), LEAST)
    with house.style():
        drawn = Figure(figsize=(9.4, 2.7 * rows), layout="constrained")
        drawn.get_layout_engine().set(w_pad=0.12)
        panels = drawn.subplots(rows, columns, sharey=True, squeeze=False).ravel()
        for axes, knob in zip(panels, knobs, strict=False):
            part = frame[frame["knob"] == knob]
            if knob in log:
                axes.set_xscale("log")
            axes.axhspan(least, 0, color=house.PALETTE.vermillion, alpha=0.09, lw=0)
            axes.axhline(0, color=house.FAINT, lw=1)
            for way, line in part.groupby("way", sort=False):
                axes.plot(line["value"], line["saved_frac"], **LOOKS[way], label=way)
            axes.set(ylim=(least, 1.02), xlim=(part["value"].min(), part["value"].max()))
            house.quantity(axes.xaxis, knob, labels.get(knob, words(knob)), ticks=4)
        for axes in panels[len(knobs) :]:
            axes.set_visible(False)
        for axes in panels[::columns]:
            house.quantity(axes.yaxis, "saved_frac", "Time saved", ticks=5)
        drawn.legend(
            *panels[0].get_legend_handles_labels(),
            loc="outside upper right",
            ncols=len(LOOKS),
            handlelength=3.2,
        )
    drawn.alt = _words(frame, labels)
    return drawn


def _words(frame, labels) -> str:
    """For each knob and way, from what to what the saving goes."""
    parts = []
    for knob, part in frame.groupby("knob", sort=False):
        ends = []
        for way, line in part.groupby("way", sort=False):
            first, last = line["saved_frac"].iloc[[0, -1]]
            ends.append(f"{way} from {_percent(first)} to {_percent(last)}")
        parts.append(f"{labels.get(knob, words(knob))}: {', '.join(ends)}")
    return (
        "Share of the total time that skipping saves, one knob a panel, lowest to highest value. "
        + "; ".join(parts)
    )


def table(frame):
    """The same at the lowest, middle and highest value of each knob, in words: a pandas frame, one column a way."""
    import pandas as pd

    rows = {}
    for knob, part in frame.groupby("knob", sort=False):
        wide = part.pivot(index="value", columns="way", values="saved_frac")[list(LOOKS)]
        for value in wide.index[[0, len(wide) // 2, -1]]:
            saved = {way: _percent(share) for way, share in wide.loc[value].items()}
            rows[knob, units.human(knob, value)] = saved
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["knob", "value"])


def _percent(share: float) -> str:
    return "does not converge" if np.isnan(share) else f"{round(100 * share) + 0:d} %"
