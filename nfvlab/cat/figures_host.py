"""Your host in pictures: what the groups did while they were watched, and of an advice its curves and their effect.

`over_time` takes what `read_resctrl` returns; `curves` and `effect` an `Advice`, from `recommend` or `advise`.
"""

from typing import TYPE_CHECKING

import numpy as np

from nfvlab import figures as house
from nfvlab.cat.figures_advice import curves, effect, short_name
from nfvlab.cat.phases import Phase, control_rows, phases
from nfvlab.cat.regret import QUANTITY
from nfvlab.figures import Figure
from nfvlab.llc.figures import COLOURS, MOST
from nfvlab.readers.resctrl import rates
from nfvlab.units import human

if TYPE_CHECKING:
    import pandas
    from matplotlib.axes import Axes

    from nfvlab.readers.resctrl import Resctrl

MOST_POINTS = 400  # of a line; longer ones are means of neighbours
MOST_DOMAINS = 2
LANES = (
    ("llc_occupancy_bytes", "occupancy_bytes", "Occupancy"),
    ("mbm_total_bytes_per_s", QUANTITY, "Bandwidth"),
)


def over_time(
    frame: "pandas.DataFrame", meta: "Resctrl", *, domains: tuple[int, ...] | None = None
) -> Figure:
    """Occupancy and bandwidth of each group over time, and below them the ways that it could fill.

    A column a domain: the two with most traffic unless `domains` says which. Of more than eight groups those that hold
    most are drawn. A dashed line marks each change of masks.
    """
    rows = rates(control_rows(frame))
    shown = _busiest(rows, MOST_DOMAINS) if domains is None else list(domains)
    names, rest = _largest(rows[rows["domain"].isin(shown)])
    parts, size = phases(frame, meta), _length(meta)
    with house.style():
        lanes = 0.3 * len(names) + 0.1
        drawn = Figure(figsize=(9.4, 4.3 + lanes), layout="constrained")
        grid = drawn.subplots(
            3, len(shown), squeeze=False, sharex="col", sharey="row", height_ratios=(2, 2, lanes)
        )
        for column, domain in zip(grid.T, shown, strict=True):
            some = rows[rows["domain"] == domain]
            for axes, (word, _, _) in zip(column, LANES, strict=False):
                _lines(axes, some, names, word)
            _lanes(column[2], parts, names, domain, size)
            column[0].set_xlim(0, max(parts[-1].end_ns, 1.0))
            for axes in column:
                for phase in parts[1:]:
                    axes.axvline(phase.begin_ns, color=house.INK, lw=1, ls=(0, (4, 3)), zorder=1)
            if len(parts) > 1:
                where = {"xycoords": ("data", "axes fraction"), "size": 8, "xytext": (3, -6)}
                house.direct_label(column[0], parts[1].begin_ns, 1.0, "masks changed", **where)
            title = f"L3 {domain}" if len(shown) > 1 else ""
            column[0].set_title(title, loc="right")
            house.quantity(column[2].xaxis, "t_ns", "Time")
        for axes, (_, name, title) in zip(grid[:, 0], LANES, strict=False):
            axes.set_ylim(0, None)
            house.quantity(axes.yaxis, name, title, ticks=5)
        for axes in grid[:2, -1]:
            _name_lines(axes, names)
        grid[2, 0].set_title(f"Ways that a group may fill, way {size - 1} at the top of its lane", loc="left")
    drawn.alt = _told(rows, parts, names, rest, shown)
    return drawn


def _busiest(rows: "pandas.DataFrame", count: int) -> list[int]:
    moved = rows.groupby("domain")["mbm_total_bytes_per_s"].mean().fillna(0.0)
    return sorted(moved.sort_values(ascending=False, kind="stable").index[:count].tolist())


def _largest(rows: "pandas.DataFrame") -> tuple[list[str], int]:
    """Names of the groups to draw, in the order in which they appear, and how many are left out."""
    held = rows.groupby("control_group", sort=False)["llc_occupancy_bytes"].mean().fillna(0.0)
    kept = set(held.sort_values(ascending=False, kind="stable").index[:MOST])
    return [name for name in held.index if name in kept], len(held) - len(kept)


def _length(meta: "Resctrl") -> int:
    info = meta.resources.get("L3") or meta.resources.get("L3DATA") or {}
    return max(1, info.get("cbm_mask", 1).bit_length())


def _lines(axes: "Axes", rows: "pandas.DataFrame", names: list[str], word: str) -> None:
    for k, name in enumerate(names):
        own = rows[rows["control_group"] == name]
        t, y = _thinned(own["t_ns"].to_numpy(float), own[word].to_numpy(float))
        axes.plot(t, y, color=COLOURS[k], ls=house.LINESTYLES[k % 6], lw=1.6)


def _name_lines(axes: "Axes", names: list[str]) -> None:
    """The groups' names at the right, each at the mean of the last tenth of its line, kept apart."""
    low, high = axes.get_ylim()
    ends = []
    for line in axes.get_lines()[: len(names)]:
        y = np.asarray(line.get_ydata(), dtype=float)[-max(1, len(line.get_ydata()) // 10) :]
        ends.append(float(np.mean(y[np.isfinite(y)])) if np.isfinite(y).any() else low)
    gap = 0.085 * (high - low)
    places = house.spread(ends, gap)
    lift = max(0.0, low + gap / 2 - min(places))
    for name, y, colour in zip(names, np.add(places, lift), COLOURS, strict=False):
        house.direct_label(axes, axes.get_xlim()[1], y, short_name(name), color=colour, size=9)


def _thinned(t: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means of neighbours where there are more than MOST_POINTS; a gap in any of them stays one."""
    some = -(-t.size // MOST_POINTS)
    if some <= 1:
        return t, y
    cut = t.size - t.size % some
    return t[:cut].reshape(-1, some).mean(axis=1), y[:cut].reshape(-1, some).mean(axis=1)


def _lanes(axes: "Axes", parts: tuple[Phase, ...], names: list[str], domain: int, size: int) -> None:
    """A lane a group: the ways of its mask as bars over time, and the mask written in."""
    whole = parts[-1].end_ns - parts[0].begin_ns or 1.0
    for k, name in enumerate(names):
        axes.axhspan(k - 0.42, k + 0.42, color="#f0f2f5", lw=0, zorder=0)
        for phase in parts:
            mask, span = phase.masks.get((name, domain), 0), phase.end_ns - phase.begin_ns
            for low, high in _runs(mask):
                bottom = k + 0.42 - 0.84 * low / size  # the axis is upside down: way 0 stands lowest
                height = -0.84 * (high - low) / size
                where = {"left": phase.begin_ns, "align": "edge", "color": COLOURS[k], "lw": 0, "zorder": 0.5}
                axes.barh(bottom, span, height, alpha=0.55, **where)
            if mask and span > 0.12 * whole:
                text = f"{mask:x}, {mask.bit_count()} way{'s'[: mask.bit_count() > 1]}"
                house.direct_label(axes, phase.begin_ns, k, text, size=8, xytext=(4, 0))
    axes.set(ylim=(len(names) - 0.5, -0.5), yticks=range(len(names)))
    axes.set_yticklabels([short_name(name) for name in names])
    for label, colour in zip(axes.get_yticklabels(), COLOURS, strict=False):
        label.set(color=colour, fontweight="bold")
    axes.grid(False)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def _runs(mask: int) -> list[tuple[int, int]]:
    """[low, high) of each run of ways, lowest first."""
    edges = np.flatnonzero(np.diff([0, *(mask >> bit & 1 for bit in range(mask.bit_length())), 0]))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _told(rows, parts, names: list[str], rest: int, shown: list[int]) -> str:
    last = parts[-1]
    words = []
    for domain in shown:
        for name in names:
            own = rows[(rows["domain"] == domain) & (rows["control_group"] == name)]
            held = human("x_bytes", own["llc_occupancy_bytes"].mean())
            moved = human(QUANTITY, own["mbm_total_bytes_per_s"].mean())
            words.append(f"{name} in L3 {domain} held {held} and moved {moved}, mask at the end "
                         f"{last.masks.get((name, domain), 0):x}")  # fmt: skip
    changes = ", ".join(human("t_ns", phase.begin_ns) for phase in parts[1:])
    when = f"Masks changed at {changes}. " if changes else "Masks did not change. "
    left = f" Not drawn: {rest} groups that hold less." if rest else ""
    return f"Occupancy and bandwidth by group over time, means: {'; '.join(words)}. {when.strip()}{left}"


__all__ = ["curves", "effect", "over_time"]
