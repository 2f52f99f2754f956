"""Recorded latencies as a tail with what its samples can say, and beside it the curves of a model."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nfvlab import figures as house
from nfvlab import units
from nfvlab.figures import PALETTE, Figure
from nfvlab.realtime.figures import COLOURS as WAY_COLOURS
from nfvlab.realtime.figures import one_in, share_axis
from nfvlab.realtime.recorded import CONFIDENCE, LEVELS, Recorded

if TYPE_CHECKING:
    from pandas import DataFrame

COLOURS = (PALETTE.green, house.INK, PALETTE.blue, PALETTE.brown, PALETTE.pink, PALETTE.grey)
_SHADE = 0.18
_MOST_STEPS = 600  # of a band; more than the picture's columns


def recorded_tail(
    records: Mapping[str, Recorded],
    theory: Any = None,
    names: Sequence[str] = (),
    *,
    title: str = "Latency",
    confidence: float = CONFIDENCE,
) -> Figure:
    """Share of samples that take longer, a step a bucket, in bands that hold the truth at each latency.

    records : at least one, by its label
    theory, names : a model's theory, and a label for each of its curves in their order; "" leaves a curve out
    The dotted line of a record ends what it can say (3/n). ValueError without a record, or for more names than curves.
    """
    _check(records, theory, names)
    with house.style():
        drawn = Figure(figsize=(8.6, 4.6), layout="constrained")
        axes = drawn.subplots()
        axes.set(xscale="log", yscale="log")
        reach = [
            _draw(axes, label, record, COLOURS[k % len(COLOURS)], confidence)
            for k, (label, record) in enumerate(records.items())
        ]
        ways = [(k, name) for k, name in enumerate(names) if name]
        lowest = 0.3 * min(record.rarest(confidence=confidence) for record in records.values())
        reach += [_draw_way(axes, theory, k, name, lowest) for k, name in ways]
        low, high = min(ends[0] for ends in reach), max(ends[1] for ends in reach)
        axes.set_xlim(0.9 * low, 1.5 * high)
        share_axis(axes, lowest, "Share that takes longer")
        house.quantity(axes.xaxis, "latency_ns", title, ticks=7)
        _say_where_it_ends(axes, records, confidence)
        drawn.legend(loc="outside upper right", ncols=2 if len(records) + len(ways) > 3 else 3)
        house.footnote(drawn, f"bands: the truth at each latency, at {units.human('x_frac', confidence)}")
    drawn.alt = _alt(records, theory, ways, title, confidence)
    return drawn


def table(records: Mapping[str, Recorded], levels: Iterable[float] = LEVELS[:-1]) -> "DataFrame":
    """Quantiles in words, a row a record and level: at least, at most; bounds at 95 % confidence."""
    import pandas as pd

    rows = {}
    for name, record in records.items():
        for level, row in record.to_frame(levels).iterrows():
            most = units.human("x_ns", row["high_ns"]) if row["enough"] else "too few samples"
            least = units.human("x_ns", row["low_ns"])
            rows[name, f"{100 * level:.7g} %"] = {"at least": least, "at most": most}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["recording", "share"])


def _check(records: Mapping[str, Recorded], theory: Any, names: Sequence[str]) -> None:
    if not records:
        raise ValueError('records = {}: give one at least, for example {"host": recorded(frame)}')
    count = 0 if theory is None else len(theory.curve_low)
    if len(names) > count:
        raise ValueError(f"names: {len(names)} of them, but the theory has {count} curves")


def _draw(axes: Any, label: str, record: Recorded, colour: str, confidence: float) -> tuple[float, float]:
    """One record's band and steps; the first and last latency that they need."""
    ends = np.unique(np.concatenate([record.low_ns, record.high_ns]))
    ends = ends[np.isfinite(ends) & (ends > 0)]
    above_zero = record.low_ns[record.low_ns > 0]  # a bucket from 0 on has no beginning on this axis
    start = record.smallest_ns or 0.5 * float(above_zero.min() if above_zero.size else ends[0])
    last = float(ends[-1])
    at = np.concatenate([[start], _thinned(ends[ends > start]), [100 * last]])
    low, high = record.band(at, confidence=confidence)
    # Steps hold from one end to the next: the upper bound as it is just after an end, the lower just before the next.
    axes.fill_between(
        at, np.append(low[1:], 0.0), high, step="post", color=colour, alpha=_SHADE, lw=0, zorder=2
    )
    x, reached = record.ccdf()
    axes.plot(
        np.append(np.maximum(x, start), last),
        np.append(reached, reached[-1]),
        drawstyle="steps-pre",
        color=colour,
        lw=1.6,
        label=f"{label}: {record.n:,} samples".replace(",", "\u2009"),
        zorder=3,
    )
    return start, last


def _thinned(ends: np.ndarray) -> np.ndarray:
    """No more ends than can be seen, the last ones all."""
    if len(ends) <= _MOST_STEPS:
        return ends
    return ends[np.unique(np.round(np.geomspace(1, len(ends), _MOST_STEPS)).astype(int) - 1)]


def _draw_way(axes: Any, theory: Any, k: int, name: str, lowest: float) -> tuple[float, float]:
    """One curve of the model, or a pair of bounds; the latencies between which it falls."""
    look = {
        "color": WAY_COLOURS[k % len(WAY_COLOURS)],
        "ls": house.LINESTYLES[1 + k % (len(house.LINESTYLES) - 1)],
    }
    x, low, high = theory.curve_ns, theory.curve_low[k], theory.curve_high[k]
    axes.plot(x, np.where(high > 0, high, np.nan), lw=2.0, label=f"theory: {name}", zorder=4, **look)
    if not np.array_equal(low, high):
        axes.plot(x, np.where(low > 0, low, np.nan), lw=1.0, zorder=4, **look)
    falls = x[(high >= lowest) & (high <= 0.999) & (x > 0)]
    return (float(falls[0]), float(falls[-1])) if falls.size else (np.inf, 0.0)


def _say_where_it_ends(axes: Any, records: Mapping[str, Recorded], confidence: float) -> None:
    """A dotted line for each number of samples, below which nothing is known."""
    lines = {record.rarest(confidence=confidence): k for k, record in enumerate(records.values())}
    for rarest, k in lines.items():
        axes.axhline(rarest, color=COLOURS[k % len(COLOURS)], lw=1.0, ls=":", zorder=1)
    words = f"nothing is known beyond: {one_in(min(lines))} (3/n)"
    how = {"xycoords": axes.get_yaxis_transform(), "xytext": (-4, -4), "va": "top", "ha": "right"}
    house.direct_label(axes, 1.0, min(lines), words, fontsize=8.5, zorder=6, **how)


def _alt(
    records: Mapping[str, Recorded],
    theory: Any,
    ways: list[tuple[int, str]],
    title: str,
    confidence: float,
) -> str:
    sentences = []
    for name, record in records.items():
        median, tail = (
            record.quantile(0.5, confidence=confidence),
            record.quantile(0.99, confidence=confidence),
        )
        often = one_in(record.rarest(confidence=confidence))
        sentences.append(
            f"{name}: median {_between(median)}, 99 % {_between(tail)}; nothing is known beyond {often}"
        )
    for k, name in ways:
        below = np.flatnonzero(theory.curve_high[k] <= 0.01)
        said = units.human("x_ns", theory.curve_ns[below[0]]) if below.size else "beyond the curve"
        sentences.append(f"theory of {name}: 99 % by {said}")
    return f"{title}: the share that takes longer, on logarithmic axes. " + "; ".join(sentences)


def _between(bounds: tuple[float, float]) -> str:
    low, high = bounds
    if not np.isfinite(high):
        return f"{units.human('x_ns', low)} or more"
    return f"{units.human('x_ns', low)} to {units.human('x_ns', high)}"


__all__ = ["COLOURS", "recorded_tail", "table"]
