"""House style: a colour-blind palette, line styles, axes in human units, labels beside their lines."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter, Locator, MaxNLocator, NullFormatter, NullLocator

from . import units


class Palette(NamedTuple):
    """seaborn's "colorblind" palette by name; also a sequence, in seaborn's order."""

    blue: str = "#0173b2"
    orange: str = "#de8f05"
    green: str = "#029e73"
    vermillion: str = "#d55e00"
    pink: str = "#cc78bc"
    brown: str = "#ca9161"
    light: str = "#fbafe4"
    grey: str = "#949494"
    yellow: str = "#ece133"
    sky: str = "#56b4e9"


PALETTE = Palette()
INK, FAINT = "#1f2933", "#66727f"

# One look per role, in every figure: colour and line style (or marker) together, so that either is enough.
THEORY = {"color": PALETTE.blue, "linestyle": "-", "linewidth": 2.2}
BASELINE = {"color": PALETTE.vermillion, "linestyle": "--", "linewidth": 2.0}
SIMULATION = {
    "color": PALETTE.orange,
    "linestyle": "none",
    "marker": "o",
    "markersize": 5,
    "markeredgecolor": "white",
}
BAND = {"color": PALETTE.orange, "alpha": 0.28, "linewidth": 0}
PUBLISHED = {"color": INK, "linestyle": "none", "marker": "D", "markersize": 6, "markerfacecolor": "white"}
RECORDED = {"color": PALETTE.green, "linestyle": "none", "marker": "s", "markersize": 6}
LINESTYLES = ("-", "--", "-.", ":", (0, (6, 1, 1, 1, 1, 1)), (0, (1, 3)))

_RC = {
    "axes.edgecolor": FAINT,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.labelcolor": INK,
    "axes.labelsize": 10,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "axes.titleweight": "normal",
    "figure.titlesize": 12,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10,
    "grid.color": "#e3e8ee",
    "legend.fontsize": 9.5,
    "legend.frameon": False,
    "text.color": INK,
    "text.hinting": "none",  # half the time of the default, and no worse at this resolution
    "xtick.color": FAINT,
    "xtick.labelcolor": INK,
    "xtick.labelsize": 9.5,
    "ytick.color": FAINT,
    "ytick.labelcolor": INK,
    "ytick.labelsize": 9.5,
}


_inside = False  # whether the house style holds now


@cache
def _rc() -> dict[str, Any]:
    import seaborn as sns

    ticks = sns.axes_style("ticks")
    return {**ticks, **_RC, "axes.prop_cycle": mpl.cycler(color=list(PALETTE))}


def theme() -> None:
    """Set the house style for the rest of the session (a notebook's first cell)."""
    mpl.rcParams.update(_rc())


@contextmanager
def style() -> Iterator[None]:
    """The house style inside a `with` block; the reader's own settings are untouched."""
    global _inside
    if _inside:
        yield  # entering costs half a millisecond, and a picture enters several times
        return
    with mpl.rc_context(_rc()):
        _inside = True
        try:
            yield
        finally:
            _inside = False


def words(name: str) -> str:
    """A field's name as a person writes it: `words("write_rate_per_s")` is "Write rate".

    One of several is numbered from 1: `words("miss_frac[0]")` is "Miss 1".
    """
    stem, _, position = name.partition("[")
    if position:
        return f"{words(stem)} {int(position.rstrip(']')) + 1}"
    for suffix in sorted(units.SUFFIXES, key=len, reverse=True):
        if stem.endswith(suffix) and len(stem) > len(suffix):
            if suffix.lstrip("_") not in _NOUNS_KEPT:
                stem = stem.removesuffix(suffix)
            break
    first, *rest = stem.split("_")
    return " ".join([_SPELLING.get(first, first.capitalize()), *(_SPELLING.get(word, word) for word in rest)])


# A counted noun stays in the label ("Normal pages"); a measure's unit goes to the axis ("Downtime, ms").
_NOUNS_KEPT = {
    "pages",
    "packets",
    "blocks",
    "bits",
    "ways",
    "sets",
    "lines",
    "slots",
    "vcpus",
    "cores",
    "vms",
}
_NOUNS_KEPT |= {"requests", "count", "order", "exponent", "shift", "level", "mask", "ratio", "cycles"}
_SPELLING = {
    word.lower(): word
    for line in (
        "RAM ROM WSS CPU vCPU vCPUs VM VMs TSC LLC CBM RMID CLOSID",
        "EOI IRQ NUMA QAT DMA PFN QEMU KVM NIC DPDK MTU TCP CV GiB",
    )
    for word in line.split()
}


class _UnitLocator(Locator):
    """Round ticks in the unit shown (8 GiB, not 8 589 934 592 made round)."""

    def __init__(self, name: str, ticks: int) -> None:
        self.name, self.inner = name, MaxNLocator(ticks, steps=[1, 2, 2.5, 4, 5, 10], min_n_ticks=3)

    def __call__(self) -> np.ndarray:
        return self.tick_values(*self.axis.get_view_interval())

    def tick_values(self, vmin: float, vmax: float) -> np.ndarray:
        scale, _ = units.axis_unit(self.name, (vmin, vmax))
        return np.asarray(self.inner.tick_values(vmin / scale, vmax / scale)) * scale


class _LogUnitLocator(Locator):
    """Ticks on a log axis that are round in the unit shown: 8 GiB, 16 GiB; 1 Gbit/s, 10 Gbit/s; 1, 2, 5, 10 ms."""

    def __init__(self, name: str, ticks: int) -> None:
        first, second, *_ = (*units.dimension(name).steps, (1.0, ""))
        self.unit, self.binary, self.ticks = first[0], second[0] == 1024 * first[0], ticks

    def __call__(self) -> np.ndarray:
        return self.tick_values(*self.axis.get_view_interval())

    def tick_values(self, vmin: float, vmax: float) -> np.ndarray:
        base, choices = (2.0, ((1,),)) if self.binary else (10.0, ((1, 2, 5), (1, 3), (1,)))
        low, high = (math.log(value / self.unit, base) for value in sorted((vmin, vmax)))
        powers = np.arange(math.floor(low), math.floor(high + 1e-9) + 1)
        for digits in choices:
            found = np.sort(np.ravel([digit * self.unit * base**powers for digit in digits]))
            found = found[(found >= min(vmin, vmax) * (1 - 1e-9)) & (found <= max(vmin, vmax) * (1 + 1e-9))]
            if len(found) <= self.ticks:
                return found
        return found[:: -(-len(found) // self.ticks)]


def quantity(axis: Axis, name: str, title: str, *, ticks: int = 6) -> None:
    """Show an axis whose data are in the base unit of `name` in human units: title, unit, round ticks.

    The x title stands below the axis; the y title lies flat above it, read without turning the head.
    """
    axes, axis.quantity = axis.axes, name
    log = axis.get_scale() == "log"
    if log:
        axis.set_major_locator(_LogUnitLocator(name, ticks))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(FuncFormatter(lambda value, _: units.human(name, value)))
        axis.set_minor_formatter(NullFormatter())
    else:
        axis.set_major_locator(_UnitLocator(name, ticks))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / _scale(axis, name)[0]:g}"))

    # A title at a given height spares each redraw the search for a free one.
    shown = axes.set_title(" ", loc="left", y=1.0) if axis.axis_name == "y" else axis.label

    def retitle(_: Axes | None = None) -> None:
        label = "" if log else _scale(axis, name)[1]
        shown.set_text(f"{title}, {label}" if label else title)

    axes.callbacks.connect(f"{axis.axis_name}lim_changed", retitle)
    retitle()


def quantity_of(axis: Axis) -> str | None:
    """The name whose unit an axis shows, if `quantity` has set one."""
    return getattr(axis, "quantity", None)


def _scale(axis: Axis, name: str) -> tuple[float, str]:
    return units.axis_unit(name, axis.get_view_interval())


def direct_label(axes: Axes, x: float, y: float, text: str, *, color: str = INK, **how: Any) -> Text:
    """A label at a data point, with a white halo so that it reads over lines; returns the text artist."""
    text = axes.annotate(
        text, (x, y), **{"xytext": (6, 0), "textcoords": "offset points", "va": "center", **how},
        color=color, annotation_clip=False,
    )  # fmt: skip
    text.halo = True
    return text


def spread(positions: Sequence[float], gap: float) -> list[float]:
    """Positions moved as little as need be (least squares) to stand `gap` apart, in the same order."""
    order = np.argsort(positions, kind="stable")
    steps = gap * np.arange(len(order))
    blocks: list[list[float]] = []  # [mean, size]: pooled until the means rise (isotonic regression)
    for value in np.asarray(positions, float)[order] - steps:
        blocks.append([value, 1])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            mean, size = blocks.pop()
            below = blocks[-1]
            below[0] = (below[0] * below[1] + mean * size) / (below[1] + size)
            below[1] += size
    placed = np.repeat([mean for mean, _ in blocks], [int(size) for _, size in blocks]) + steps
    out = np.empty_like(placed)
    out[order] = placed
    return out.tolist()
