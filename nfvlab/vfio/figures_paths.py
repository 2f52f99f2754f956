"""The paths with their stages named; orders of priorities with worst cases; what a hard interrupt takes from others."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from nfvlab import figures as house
from nfvlab import units
from nfvlab.figures import Figure
from nfvlab.vfio import figures_timeline as timeline
from nfvlab.vfio.params import PATHS, Params

if TYPE_CHECKING:
    from pandas import DataFrame

SHORT = {
    "VM exit": "exit",
    "vcpu_run": "run",
    "PIR sync": "sync",
    "VM entry": "entry",
    "interrupt": "IRQ entry",
    "primary handler": "primary",
    "wake-up": "wake",
    "context switch": "switch",
    "vfio_msihandler": "MSI",
    "notification": "PIR",
    "delivery": "IDT",
    "idle exit": "C-state",
    "burst": "slice",
}
_DARK = ("interrupt", "signal", "leave", "guest", "travel")
_LETTER = 0.068  # inches, about, of a small one
_ACROSS = 5  # letters across a row


def paths(p: Params, names: Sequence[str] = PATHS) -> Figure:
    """One interrupt on each path, a row a path, every stage at its mean and with its name."""
    made = timeline.ways(p, names)
    with house.style():
        drawn = Figure(figsize=(9.6, 1.1 + 0.62 * len(made)), layout="constrained")
        axes = drawn.subplots()
        _rows(axes, made, list(names), inches=8.1)
        _key(drawn)
    said = "; ".join(f"{way.name} {_latency(way)}" for way in made)
    drawn.alt = f"One interrupt on each path, stage by stage. From the device's write to the handler: {said}."
    return drawn


def priorities(cases: Mapping[str, Params], frame: "DataFrame") -> Figure:
    """Orders of priorities: who runs when, with and without the IRQ thread, and the worst cases of `studies.worst`."""
    names = ("threaded", "no thread")
    made = [way for p in cases.values() for way in timeline.ways(p, names)]
    labels = [f"{case}\n{name}" for case in cases for name in names]
    with house.style():
        drawn = Figure(figsize=(9.6, 1.3 + 0.6 * len(made)), layout="constrained")
        left, right = drawn.subplots(1, 2, width_ratios=(1.9, 1))
        _rows(left, made, labels, inches=4.6)
        _worst(right, frame)
        _key(drawn)
    rows = frame.itertuples()
    said = "; ".join(
        f"{row.case}, {row.path}: bound {_no(row.worst_ns, 'no bound')}, seen {_no(row.largest_ns, 'never ends')}"
        for row in rows
    )
    drawn.alt = f"Orders of priorities as timelines, and the longest latencies beside. {said}."
    return drawn


def hard_interrupt(frame: "DataFrame") -> Figure:
    """Time in the hard interrupt over what the irqfd costs (frame of `studies.hard_interrupt`)."""
    with house.style():
        drawn = Figure(figsize=(8.6, 3.5), layout="constrained")
        axes = drawn.subplots()
        axes.set_xscale("log")
        looks = zip(
            frame.groupby("way", sort=False),
            (house.BASELINE, house.THEORY, {**house.THEORY, "color": house.PALETTE.sky, "linestyle": "-."}),
            strict=True,
        )
        for (way, part), look in looks:
            axes.plot(part["irqfd_cycles"], part["theory_ns"], **look)
            axes.plot(part["irqfd_cycles"], part["simulated_ns"], **house.SIMULATION)
            last = part.iloc[-1]
            house.direct_label(axes, last["irqfd_cycles"], last["theory_ns"], way, color=look["color"])
        axes.set_xlim(frame["irqfd_cycles"].min(), 3.2 * frame["irqfd_cycles"].max())
        axes.set_ylim(0, None)
        house.quantity(axes.xaxis, "irqfd_cycles", "What the handler's irqfd costs")
        house.quantity(axes.yaxis, "theory_ns", "Hard interrupt, no thread runs", ticks=5)
        house.footnote(drawn, "lines: sums of stages · dots: simulated")
    ends = frame.groupby("way", sort=False)["theory_ns"].agg(["first", "last"])
    said = "; ".join(f"{way}: {_ns(row['first'])} to {_ns(row['last'])}" for way, row in ends.iterrows())
    drawn.alt = f"Time in the hard interrupt by the cost of the irqfd. {said}."
    return drawn


def saved(frame: "DataFrame", x: str, y: str, titles: tuple[str, str], *, title: str) -> Figure:
    """A map of `saved_frac` over two columns of a frame; the darker, the more of the latency is saved."""
    wide = frame.pivot(index=y, columns=x, values="saved_frac")
    values = wide.to_numpy()
    with house.style():
        drawn = Figure(figsize=(8.6, 3.7), layout="constrained")
        axes = drawn.subplots()
        look = {"cmap": "Blues", "vmin": 0.0, "vmax": values.max(), "aspect": "auto", "origin": "lower"}
        mesh = axes.imshow(values, **look)
        levels = [level for level in (0.05, 0.1, 0.25, 0.5) if values.min() < level < values.max()]
        if levels:
            lines = axes.contour(values, levels=levels, colors=house.INK, linewidths=1.2)
            axes.clabel(lines, fmt=lambda level: f"{100 * level:.0f} %", fontsize=8.5)
        for axis, name, ends in ((axes.xaxis, x, wide.columns), (axes.yaxis, y, wide.index)):
            places = list(range(0, len(ends), -(-len(ends) // 7)))
            axis.set_ticks(places, [units.human(name, ends[place]) for place in places])
        axes.tick_params(length=0)
        axes.set_xlabel(titles[0])
        axes.set_title(titles[1], fontsize=10, loc="left")
        axes.set_title(title, fontsize=10, loc="right")
        axes.grid(False)
        bar = drawn.colorbar(mesh, ax=axes, pad=0.02, format=lambda v, _: f"{100 * v:.0f} %")
        bar.outline.set_visible(False)
    best, worst = wide.stack().idxmax(), wide.stack().idxmin()
    drawn.alt = f"{title} over {titles[0].lower()} and {titles[1].lower()}: " + " and ".join(
        f"{100 * wide.loc[at]:.0f} % at {units.human(y, at[0])}, {units.human(x, at[1])}"
        for at in (best, worst)
    )
    return drawn


def _rows(axes: Axes, made: Sequence[timeline.Way], labels: Sequence[str], *, inches: float) -> None:
    """Timelines below each other, their stages named where there is room."""
    longest = timeline.cut_to_ns(made)
    rows = [timeline.blocks(way, longest, k) for k, way in enumerate(made)]
    last = 1.12 * max(block.right_ns for row in rows for block in row)
    axes.set(xlim=(0, last), ylim=(len(made) - 0.4, -0.62))
    axes.set_yticks(range(len(made)), labels)
    axes.tick_params(axis="y", length=0, pad=12 if any(_two(row) for row in rows) else 4)
    axes.grid(axis="x")
    axes.grid(False, axis="y")
    house.quantity(axes.xaxis, "latency_ns", "From the device's write; long waits are cut", ticks=6)
    for k, (way, row) in enumerate(zip(made, rows, strict=True)):
        for block in row:
            _block(axes, block, last / inches)
        end = timeline.seen_at_ns(way, longest)
        if np.isfinite(end):
            axes.plot([end, end], [k - 0.3, k + 0.34], color=house.INK, lw=1.8, zorder=4)
        at = end if np.isfinite(end) else max(block.right_ns for block in row)
        axes.text(at + 0.008 * last, k, _latency(way), va="center", fontsize=9, zorder=5)
        for lane in sorted({block.middle for block in row if _two(row) and block.height > 0.1}):
            name = "V" if lane < k else "H"
            axes.text(-0.006 * last, lane, name, va="center", ha="right", fontsize=7, color=house.FAINT)


def _two(row: Sequence[timeline.Block]) -> bool:
    return any(0.1 < block.height < 0.4 for block in row)


def _block(axes: Axes, block: timeline.Block, scale: float) -> None:
    """One stage, its name along it, or across it where it is narrow; `scale`: ns an inch."""
    colour, _ = timeline.ROLES[block.role]
    corner = (block.left_ns, block.middle - block.height / 2)
    wide = block.right_ns - block.left_ns
    axes.add_patch(Rectangle(corner, wide, block.height, fc=colour, ec="white", lw=0.6, zorder=3))
    if block.height < 0.1 or block.role == "runs":
        return
    text = SHORT.get(block.stage, block.stage)
    if block.cut:
        lasts = units.human("latency_ns", block.lasts_ns)
        text = f"{text}\n{lasts}" if block.height > 0.4 else lasts
    along = wide / scale > _LETTER * max(map(len, text.split("\n"))) + 0.04
    if not along and (block.height < 0.4 or wide / scale < 0.1 or len(text) > _ACROSS):
        return
    ink = "white" if block.role in _DARK else house.INK
    look = {"rotation": 0 if along else 90, "fontsize": 7, "linespacing": 0.95, "color": ink, "zorder": 5}
    axes.text(block.left_ns + wide / 2, block.middle, text, ha="center", va="center", **look)


def _worst(axes: Axes, frame: "DataFrame") -> None:
    """Bounds as bars, what was seen as dots; an arrow where there is no bound."""
    axes.set_xscale("log")
    ends = [value for name in ("worst_ns", "largest_ns") for value in frame[name] if np.isfinite(value)]
    axes.set_xlim(0.5 * min(ends), 3 * max(ends))
    for k, row in enumerate(frame.itertuples()):
        if np.isfinite(row.worst_ns):
            axes.plot([row.worst_ns] * 2, [k - 0.3, k + 0.3], color=house.THEORY["color"], lw=2.5)
        if np.isfinite(row.largest_ns):
            axes.plot(row.largest_ns, k, **house.SIMULATION)
        else:
            axes.text(axes.get_xlim()[0] * 1.15, k, "never ends", va="center", fontsize=8.5)
        if not np.isfinite(row.worst_ns) and np.isfinite(row.largest_ns):
            axes.annotate(
                "no bound",
                (row.largest_ns, k),
                xytext=(8, 0),
                textcoords="offset points",
                va="center",
                fontsize=8.5,
            )
    axes.set(ylim=(len(frame) - 0.4, -0.62), yticks=[])
    axes.grid(axis="x")
    axes.grid(False, axis="y")
    house.quantity(axes.xaxis, "latency_ns", "Bound (line), longest seen (dot)", ticks=4)


def _key(drawn: Figure) -> None:
    patches = [Rectangle((0, 0), 1, 1, fc=colour, lw=0) for colour, _ in timeline.ROLES.values()]
    words = [words for _, words in timeline.ROLES.values()]
    drawn.legend(
        patches, words, loc="outside lower center", ncols=8, fontsize=8, handlelength=1, columnspacing=1.2
    )


def _latency(way: timeline.Way) -> str:
    return units.human("latency_ns", way.latency_ns) if np.isfinite(way.latency_ns) else "never"


def _no(value: float, words: str) -> str:
    return units.human("latency_ns", value) if np.isfinite(value) else words


def _ns(value: float) -> str:
    return units.human("latency_ns", value)


__all__ = ["hard_interrupt", "paths", "priorities", "saved"]
