"""Theory beside simulated runs while one knob turns: where the slowest station changes, and what a full ring does."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nfvlab import figures as house
from nfvlab import units
from nfvlab.figures import Figure
from nfvlab.qat.stations import COLOURS

if TYPE_CHECKING:
    from pandas import DataFrame

WAY_LOOKS = {
    "none": {"color": house.INK, "linestyle": ":"},
    "CPU threads": {"color": COLOURS["CPU threads"], "linestyle": "--"},
    "QAT": {"color": COLOURS["engine, ring"], "linestyle": "-"},
}
CASE_LOOKS = (
    {"color": house.PALETTE.green, "linestyle": "-"},
    {"color": house.PALETTE.vermillion, "linestyle": "--"},
)
NAMES = {"link_bytes_per_s": "Link", "ring_requests": "Requests in flight"}
_TOTAL = "total_time_ns"
_PARTED = 0.1  # of a panel's height: labels at the ends of lines stand so far apart


def twins(ways: "DataFrame", field: str, cases: Mapping[str, "DataFrame"], other: str) -> Figure:
    """Total time over one knob, a line a way; over another, the accelerator in some cases, and what it sends raw.

    ways: a frame of `studies_swept.swept` over `field`; cases: {label: one over `other`, of the accelerator alone}.
    Lines are theory, dots simulated.
    """
    with house.style():
        drawn = Figure(figsize=(9.4, 3.7), layout="constrained")
        left, middle, right = drawn.subplots(1, 3, width_ratios=(1.25, 1, 1))
        lines = [(way, part, WAY_LOOKS[way]) for way, part in ways.groupby("way", sort=False)]
        _curves(left, lines, field, _TOTAL, "Total time")
        lines = [(label, part, look) for (label, part), look in zip(cases.items(), CASE_LOOKS, strict=False)]
        _curves(middle, lines, other, _TOTAL, "Total time, QAT")
        _curves(right, lines, other, "raw_frac", "Sent raw, QAT")
    drawn.alt = (
        f"Total time over {NAMES[field].lower()}, theory and simulated. {_words(ways, field)}. "
        + "; ".join(
            f"QAT, {label}, over {NAMES[other].lower()}: {_words(part, other)}"
            for label, part in cases.items()
        )
    )
    return drawn


def _curves(
    axes, lines: Sequence[tuple[str, "DataFrame", dict]], field: str, output: str, title: str
) -> None:
    axes.set_xscale("log")
    if output == _TOTAL:
        axes.set_yscale("log")
    ends = []
    for label, part, look in lines:
        axes.plot(part[field], part[f"{output}_theory"], lw=2.2, **look)
        dots = house.SIMULATION | {"color": look["color"]}
        axes.plot(part[field], part[f"{output}_monte_carlo"], **dots)
        ends.append((part[field].iloc[-1], part[f"{output}_theory"].iloc[-1], label, look["color"]))
    house.quantity(axes.xaxis, field, NAMES[field], ticks=4)
    if field.endswith("_requests"):
        axes.set_xticks(part[field].iloc[::2], [f"{value:g}" for value in part[field].iloc[::2]])
    house.quantity(axes.yaxis, output, title, ticks=5)
    if output == _TOTAL:
        _labels(axes, ends)


def _labels(axes, ends: Sequence[tuple[float, float, str, str]]) -> None:
    """Names at the ends of lines, moved apart where they would touch."""
    axes.autoscale_view()
    place = axes.transData + axes.transAxes.inverted()
    heights = [place.transform((x, y))[1] for x, y, *_ in ends]
    for (x, _, label, colour), height in zip(ends, house.spread(heights, _PARTED), strict=True):
        y = place.inverted().transform((0.5, height))[1]
        house.direct_label(axes, x, y, label, color=colour, size=9)


def _words(frame: "DataFrame", field: str) -> str:
    parts = []
    for way, part in frame.groupby("way", sort=False):
        ends = [
            f"{units.human(_TOTAL, row[f'{_TOTAL}_theory'])} at {units.human(field, row[field])}"
            for _, row in part.iloc[[0, -1]].iterrows()
            if np.isfinite(row[f"{_TOTAL}_theory"])
        ]
        gap = (part[f"{_TOTAL}_theory"] / part[f"{_TOTAL}_monte_carlo"] - 1).abs().max()
        parts.append(f"{way}: {', '.join(ends)}, at most {100 * gap:.0f} % from the simulated")
    return "; ".join(parts)


__all__ = ["twins"]
