"""An advice in pictures: what is known of each group's curve, and what the recommended masks may bring."""

import math
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from nfvlab import figures as house
from nfvlab.cat.advise import Advice
from nfvlab.cat.regret import QUANTITY
from nfvlab.figures import Figure
from nfvlab.llc.figures import COLOURS, MOST
from nfvlab.units import human

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ACROSS = 4  # panels in a row
LONGEST = 16  # characters of a name
SPAN = 20.0  # of the groups' bandwidths: above it a linear scale hides the small ones


def short_name(name: str) -> str:
    """A group's name as a picture has room for it; the default group has no name of its own."""
    name = "default" if name == "/" else name
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"


def curves(advice: Advice) -> Figure:
    """A panel a group: estimated bandwidth over ways, where it may lie, what was seen, now and with the masks."""
    count = len(advice.curves)
    across = min(ACROSS, count)
    down = -(-count // across)
    with house.style():
        drawn = Figure(figsize=(max(4.6, 2.5 * across), 2.2 * down + 0.5), layout="constrained")
        panels = drawn.subplots(down, across, squeeze=False).ravel()
        for k, axes in enumerate(panels):
            if k < count:
                _curve(axes, advice, k, last_row=k + across >= count)
            else:
                axes.set_axis_off()
        handles, labels = panels[0].get_legend_handles_labels()
        drawn.legend(
            handles, labels, loc="outside lower center", ncols=min(len(labels), 3 if across < 3 else 6)
        )
    drawn.alt = f"Bandwidth by ways in L3 {advice.domain}, estimated. " + " ".join(
        _curve_words(advice, k) for k in range(count)
    )
    return drawn


def _curve(axes: "Axes", advice: Advice, k: int, *, last_row: bool) -> None:
    curve, ways, colour = advice.curves[k], advice.allocation.ways[k], COLOURS[k % MOST]
    at = np.arange(1, curve.estimate.size)
    estimate, lower, upper = (row[1:] for row in (curve.estimate, curve.lower, curve.upper))
    top = _top(advice, k)
    known = np.isfinite(upper)
    look = {"step": "mid", "color": colour, "lw": 0}
    axes.fill_between(at, lower, np.minimum(upper, 2 * top), alpha=0.22, label="where it may lie", **look)
    if not known.all():  # open above: say so where it is
        axes.text(0.5, top, " no upper bound", size=8, color=house.FAINT, va="top", ha="left")
    axes.plot(at, estimate, color=colour, lw=2, label="estimate")
    seen = curve.levels
    x, y = [level.mean_ways for level in seen], [level.rate for level in seen]
    reach = [
        [level.mean_ways - level.low_ways for level in seen],
        [level.high_ways - level.mean_ways for level in seen],
    ]
    errors = {"xerr": reach, "yerr": [level.error for level in seen], "elinewidth": 1, "ecolor": house.INK}
    style = {"marker": "s", "ms": 3.5, "ls": "none", "color": house.INK}
    axes.errorbar(x, y, **errors, **style, label="seen")
    now = house.PUBLISHED | {"markersize": 7, "markerfacecolor": "none", "zorder": 6}
    axes.plot(advice.now_ways[k], advice.now_rate[k], **now, label="now")
    axes.axvline(ways, color=house.INK, lw=1, ls=":", zorder=1)
    then = {"marker": "*", "ms": 13, "mfc": colour, "mec": "white", "ls": "none", "zorder": 5}
    axes.plot(ways, curve.estimate[ways], **then, label="recommended")
    axes.set(xlim=(0.5, at[-1] + 0.5), ylim=(0, top))
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    house.quantity(axes.yaxis, QUANTITY, short_name(curve.group), ticks=4)
    axes.set_xlabel("ways" if last_row else "")


def _top(advice: Advice, k: int) -> float:
    """Upper end of a panel: what was seen and is expected, with its errors, and some room."""
    curve, ways = advice.curves[k], advice.allocation.ways[k]
    most = [level.rate + level.error for level in curve.levels]
    most += [advice.now_rate[k], curve.estimate[ways], *curve.upper[1:][np.isfinite(curve.upper[1:])]]
    return 1.3 * max([x for x in most if math.isfinite(x)]) or 1.0


def _curve_words(advice: Advice, k: int) -> str:
    curve, ways = advice.curves[k], advice.allocation.ways[k]
    low, high = curve.seen_ways
    expected, least, most = (human(QUANTITY, row[ways]) for row in (curve.estimate, curve.lower, curve.upper))
    now = human(QUANTITY, advice.now_rate[k])
    return (
        f"{curve.group}: seen with {low:.1f} to {high:.1f} ways, now {now}; "
        f"with {ways} ways {expected}, between {least} and {most}."
    )


def effect(advice: Advice) -> Figure:
    """Bandwidth of each group now and with the masks, with the range in which it then lies.

    The scale is logarithmic where the groups differ by more than SPAN; a range that leaves it ends in an arrow.
    """
    names, found = advice.allocation.names, list(advice.effect().values())
    sizes = [x for row in found for x in row if math.isfinite(x)] + advice.now_rate.tolist()
    middles = [x for x in [*(row[0] for row in found), *advice.now_rate.tolist()] if x > 0] or [1.0]
    log = max(middles) > SPAN * min(middles)
    left, right = (0.5 * min(middles) if log else 0.0), (1.6 if log else 1.08) * max(sizes) or 1.0
    with house.style():
        drawn = Figure(figsize=(8.6, 0.42 * len(names) + 1.5), layout="constrained")
        axes = drawn.subplots()
        axes.set_xscale("log" if log else "linear")
        for k, (expected, least, most) in enumerate(found):
            colour, ends = COLOURS[k % MOST], (max(least, left), min(most, right))
            axes.plot(ends, [k, k], color=colour, lw=7, alpha=0.3, solid_capstyle="butt")
            for beyond, x, marker in ((most > right, right, ">"), (least < left, left, "<")):
                if beyond:
                    axes.plot(x, k, marker=marker, color=colour, ms=7, clip_on=False)
            axes.plot(expected, k, marker="*", ms=13, mfc=colour, mec="white", ls="none", zorder=4)
            axes.plot(advice.now_rate[k], k, **house.PUBLISHED | {"markerfacecolor": "none", "zorder": 6})
            where = {"transform": axes.get_yaxis_transform(), "va": "center", "size": 9}
            axes.text(1.03, k, _effect_words(advice, k), **where)
        ways = [
            f"{short_name(n)}, {w} way{'s'[: w > 1]}"
            for n, w in zip(names, advice.allocation.ways, strict=True)
        ]
        axes.set_yticks(range(len(names)), ways)
        axes.set(ylim=(len(names) - 0.5, -0.5), xlim=(left, right))
        axes.grid(True, axis="x")
        axes.grid(False, axis="y")
        axes.tick_params(axis="y", length=0)
        house.quantity(axes.xaxis, QUANTITY, "Bandwidth", ticks=4 if log else 6)
        _legend(drawn)
        now, then = advice.now_rate.sum(), sum(expected for expected, _, _ in found)
        total = f"{human(QUANTITY, now)} → {human(QUANTITY, then)}"
        axes.set_title(f"All groups: {total}", loc="right")
    rows = "; ".join(f"{name} {_effect_words(advice, k)}" for k, name in enumerate(names))
    drawn.alt = (
        f"Bandwidth now and with the recommended masks in L3 {advice.domain}: {rows}. All groups: {total}."
    )
    return drawn


def _effect_words(advice: Advice, k: int) -> str:
    curve, ways = advice.curves[k], advice.allocation.ways[k]
    expected, least, most = (human(QUANTITY, row[ways]) for row in (curve.estimate, curve.lower, curve.upper))
    if math.isinf(curve.upper[ways]):
        return f"{human(QUANTITY, advice.now_rate[k])} → {expected} ({least} or more)"
    return f"{human(QUANTITY, advice.now_rate[k])} → {expected} ({least} to {most})"


def _legend(drawn: Figure) -> None:
    now = Line2D([], [], **house.PUBLISHED, label="now")
    then = Line2D([], [], marker="*", ms=11, mfc=house.FAINT, mec="white", ls="none", label="expected")
    reach = Line2D([], [], color=house.FAINT, lw=7, alpha=0.3, label="its range")
    drawn.legend(handles=[now, then, reach], loc="outside lower left", ncols=3)


__all__ = ["curves", "effect", "short_name"]
