"""Picture: the base of a feature's live picture, drawn by a panel while its sliders move."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.text import Text

from . import style, units
from .blit import Canvas
from .results import with_error
from .still import Figure


class Picture:
    """A figure with static parts and moving artists; a feature's `figures.Live` derives from it.

    A subclass overrides `build` (axes, static parts, artists passed through `animate`) and `show` (data into
    the artists); it may override `headline` (the key results in words) and `alt`. Data are in base units:
    `axis` makes an axis show them in human ones.
    """

    size = (7.6, 4.4)  # inches; a hundred CSS pixels each on the page
    dpi = 120  # of the picture on the page, drawn a little larger than shown so that it stays crisp
    keys: tuple[str, ...] = ()  # the outputs in the headline; all of them if empty
    actions: Mapping[str, Callable[[Any], Any]] = {}  # buttons: from the present scenario to another
    title = ""  # what the picture is, for its alternative text; the class docstring's first line if empty

    def __init__(self, p: Any) -> None:
        self.p = p
        self.artists: list[Artist] = []
        self._fitted: set[tuple[int, str]] = set()
        self._ends: list[tuple[Axes, list[tuple[Artist, Text]]]] = []
        with style.style():
            self.figure = Figure(figsize=self.size, dpi=self.dpi, layout="constrained")
            self.figure.get_layout_engine().set(rect=(0, 0.035, 1, 0.965), w_pad=0.09, h_pad=0.07)
            self._source = self.animate(
                self.figure.text(0.008, 0.01, "", size=7.5, color=style.FAINT, va="bottom")
            )
            self.build(p)
        self.canvas = Canvas(self.figure, self.artists)

    # What a feature writes

    def build(self, p: Any) -> None:
        """Make the axes and artists (called once, inside the house style)."""

    def show(self, p: Any, theory: Any, samples: Any | None = None) -> None:
        """Put data into the artists; without samples, hide those of the Monte Carlo."""
        raise NotImplementedError(f"{type(self).__name__}.show puts theory and samples into the artists")

    def headline(self, p: Any, theory: Any, samples: Any | None = None) -> dict[str, str]:
        """Key results in human units; what follows a " · " in a value stands smaller on a line below."""
        outputs = theory.outputs()
        estimates = samples.estimate() if samples is not None else {}
        lines = {}
        for name in self.keys or tuple(outputs):
            value, _ = outputs[name]
            text = units.human(name, value)
            if name in estimates:
                text += f" · simulated {with_error(name, estimates[name])}"
            lines[style.words(name)] = text
        return lines

    def alt(self, p: Any, theory: Any, samples: Any | None = None) -> str:
        """Alternative text: what the picture is, then its key results."""
        what = self.title or (type(self).__doc__ or type(self).__name__).strip().splitlines()[0].rstrip(".")
        results = "; ".join(f"{key} {value}" for key, value in self.headline(p, theory, samples).items())
        return f"{what}. {results}." if results else f"{what}."

    def relevant(self, p: Any, path: str) -> bool:
        """Whether a scenario uses a field (by its path); a panel shows no control of one that it does not."""
        return True

    def ways(self, p: Any) -> tuple[int, int, str]:
        """Bits of a mask, the bits set apart in the head of a panel's table, and what these are."""
        return 32, 0, ""

    # What it may use

    def animate(self, *artists: Artist) -> Any:
        """Register artists that move with the sliders; returns the one given, or all of them."""
        for artist in artists:
            artist.set_animated(True)
            self.artists.append(artist)
        return artists[0] if len(artists) == 1 else artists

    def axis(self, axes: Axes, *, x: tuple[str, str] | None = None, y: tuple[str, str] | None = None) -> None:
        """Show axes in human units: `axis(axes, x=("total_time_ns", "Time"), y=("ram_bytes", "Left"))`."""
        if x:
            style.quantity(axes.xaxis, *x)
        if y:
            style.quantity(axes.yaxis, *y, ticks=5)

    def fit(self, axes: Axes, *, x: Any = None, y: Any = None) -> None:
        """Move the limits, to round numbers, only when the data leave them or use less than a third."""
        for letter, data in (("x", x), ("y", y)):
            if data is None:
                continue
            axis = axes.xaxis if letter == "x" else axes.yaxis
            first = (id(axes), letter) not in self._fitted
            present = None if first else axis.get_view_interval()
            wanted = limits(data, present, log=axis.get_scale() == "log", name=style.quantity_of(axis))
            if wanted is not None:
                (axes.set_xlim if letter == "x" else axes.set_ylim)(*wanted)
                self._fitted.add((id(axes), letter))

    def label_ends(self, axes: Axes, *lines: Artist) -> None:
        """Name lines at their right-hand ends, in their colours, moved apart where they meet."""
        made = []
        for line in lines:
            text = style.direct_label(axes, 0, 0, line.get_label(), color=line.get_color(), size=9.5)
            made.append((line, self.animate(text)))
        self._ends.append((axes, made))

    # What a panel calls

    def draw(self, p: Any, theory: Any, samples: Any | None = None) -> bytes:
        """PNG of the picture for this state, at screen resolution."""
        with style.style():
            self._update(p, theory, samples)
            return self.canvas.png()

    def still(self, p: Any, theory: Any, samples: Any | None = None) -> Figure:
        """The figure itself for this state, with its alternative text, to display or save once."""
        self._update(p, theory, samples)
        for artist in self.artists:
            artist.set_animated(False)
        self.figure.alt = self.alt(p, theory, samples)
        return self.figure

    def _update(self, p: Any, theory: Any, samples: Any | None) -> None:
        self.p = p
        with style.style():
            self.show(p, theory, samples)
        self._source.set_visible(samples is not None)  # a line of text costs 5 ms: not while a slider moves
        if samples is not None:
            self._source.set_text(samples.source_line())
        self.canvas.refresh()  # which settles where the axes are
        for axes, pairs in self._ends:
            _place_ends(axes, pairs)


def limits(
    data: Any, present: Sequence[float] | None, *, log: bool = False, name: str | None = None
) -> tuple[float, float] | None:
    """New axis limits for the data (any nest of numbers), or None if the present ones still serve.

    A linear axis of non-negative data starts at zero; a log axis ends on whole powers of ten.
    """
    parts = data if isinstance(data, list | tuple) else [data]
    values = np.concatenate([np.ravel(np.asarray(part, float)) for part in parts] or [np.empty(0)])
    values = values[np.isfinite(values) & ((values > 0) | (not log))]
    if not len(values):
        return None
    low, high = float(values.min()), float(values.max())
    if log:
        wanted = (10 ** math.floor(math.log10(low)), 10 ** math.ceil(math.log10(high) + 1e-9))
        if wanted[0] == wanted[1]:
            wanted = (wanted[0], wanted[0] * 10)
        return None if _serves(np.log10(wanted), present is not None and np.log10(present)) else wanted
    base = 0.0 if low >= 0 else low
    if present is not None and _serves((base, high), present):
        return None
    if high == base:
        return (base, base + 1.0) if base == 0 else (base - abs(base), base + abs(base))
    scale = units.axis_unit(name, (high,))[0] if name else 1.0
    top = _round_up((high - base) * 1.12 / scale) * scale
    if name and units.dimension(name).unit == "of 1" and base == 0 and 0.8 < high <= 1:
        top = 1.0  # no share exceeds the whole
    return (base if base == 0 else base - 0.06 * top, base + top)


def _serves(span: Sequence[float], present: Any) -> bool:
    if present is False:
        return False
    low, high = present
    slack = 1e-9 * (high - low)
    return low - slack <= span[0] and span[1] <= high + slack and span[1] - span[0] >= (high - low) / 3


def _round_up(value: float) -> float:
    power = 10.0 ** math.floor(math.log10(value))
    steps = (1, 1.25, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)
    return next(step for step in steps if step * power >= value * (1 - 1e-9)) * power


def _place_ends(axes: Axes, pairs: Sequence[tuple[Artist, Text]]) -> None:
    """Put each label at the last visible point of its line, right of it where there is room, else left."""
    shown, heights = [], []
    points_per_pixel = 72 / axes.figure.dpi
    right = axes.bbox.x1
    for line, text in pairs:
        x, y = (np.asarray(values, float) for values in line.get_data())
        inside = np.flatnonzero(np.isfinite(x) & np.isfinite(y) & (x <= axes.get_xlim()[1]))
        text.set_visible(bool(len(inside)) and line.get_visible())
        if text.get_visible():
            text.xy = (x[inside[-1]], y[inside[-1]])
            across, up = axes.transData.transform(text.xy)
            width = 0.62 * text.get_size() * len(text.get_text()) / points_per_pixel  # DejaVu Sans, about
            shown.append((text, across + width > right))
            heights.append(up * points_per_pixel)
    for (text, left), height, placed in zip(shown, heights, style.spread(heights, 12.0), strict=True):
        text.set_horizontalalignment("right" if left else "left")
        text.set_position((-6 if left else 6, placed - height + (8 if left else 0)))
