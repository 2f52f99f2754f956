"""What the pictures of the real-time path share: a row a way of delivering, bars of what it costs, and the tail."""

from typing import Any

import numpy as np
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedLocator, FuncFormatter

from nfvlab import figures as house
from nfvlab import units

COLOURS = tuple(
    getattr(house.PALETTE, name) for name in ("vermillion", "brown", "pink", "blue", "green", "sky")
)  # without the orange of what is simulated
RAREST = 1e-6  # probability at the bottom of the tail
SEEN_POINTS = 80
KEY = "bars, lines: theory · dots, thin steps: simulated"


class Ways(house.Picture):
    """One row a way; a subclass names the ways and the outputs of the bars."""

    size = (9.0, 4.7)
    names: tuple[str, ...] = ()
    bars: tuple[tuple[str, str], ...] = ()  # output, title
    key = KEY
    tail_label = "Latency"
    colours: tuple[str, ...] = COLOURS

    def build(self, p: Any) -> None:
        """Bars to the left, the tail of the latencies to the right."""
        grid = self.figure.add_gridspec(1, len(self.bars) + 1, width_ratios=(1.0,) * len(self.bars) + (1.9,))
        self.axes = [self.figure.add_subplot(grid[0, k]) for k in range(len(self.bars))]
        self.tail = self.figure.add_subplot(grid[0, len(self.bars)])
        self.boxes = [self._row_axes(axes, *what) for axes, what in zip(self.axes, self.bars, strict=True)]
        self.axes[0].set_yticks(range(len(self.names)), self.names)
        for label, colour in zip(self.axes[0].get_yticklabels(), self.colours, strict=False):
            label.set_color(colour)
        self.tail.set(xscale="log", yscale="log")
        house.quantity(self.tail.xaxis, "latency_ns", self.tail_label, ticks=5)
        share_axis(self.tail, RAREST, "Share of interrupts that take longer")
        self.high = [self._line(k, lw=2.0) for k in range(len(self.names))]
        self.low = [self._line(k, lw=1.0) for k in range(len(self.names))]
        self.seen = [
            self._line(k, lw=1.0, alpha=0.7, drawstyle="steps-post", ls="-") for k in range(len(self.names))
        ]
        self.figure.text(0.992, 0.012, self.key, fontsize=8, color=house.FAINT, ha="right", va="bottom")
        for artist in self.artists:
            artist.set_in_layout(False)

    def _row_axes(self, axes: Any, output: str, title: str) -> tuple:
        made = [
            self.animate(
                axes.add_patch(Rectangle((0, k - 0.24), 0, 0.48, color=self.colours[k], alpha=0.85, lw=0))
            )
            for k in range(len(self.names))
        ]
        dots = self.animate(*axes.plot([], [], clip_on=False, zorder=4, **house.SIMULATION))
        never = [
            self.animate(axes.text(0, k, "", fontsize=8.5, color=self.colours[k], va="center"))
            for k in range(len(self.names))
        ]
        axes.set_ylim(len(self.names) - 0.5, -0.5)
        axes.set_yticks([])
        axes.grid(axis="x")
        axes.grid(False, axis="y")
        house.quantity(axes.xaxis, output, title, ticks=3)
        return made, dots, never

    def _line(self, k: int, **look: Any) -> Any:
        look.setdefault("ls", house.LINESTYLES[k % len(house.LINESTYLES)])
        return self.animate(*self.tail.plot([], [], color=self.colours[k], **look))

    def show(self, p: Any, theory: Any, samples: Any | None = None) -> None:
        """Theory as bars and lines, the simulation as dots and steps."""
        seen = samples.estimate() if samples is not None else {}
        for axes, boxes, (output, _) in zip(self.axes, self.boxes, self.bars, strict=True):
            dots = [seen[f"{output}[{k}]"].value for k in range(len(self.names))] if seen else []
            self._show_bars(axes, boxes, getattr(theory, output), dots)
        self._show_tail(theory, samples)

    def _show_bars(self, axes: Any, boxes: tuple, values: tuple, seen: list) -> None:
        made, dots, never = boxes
        finite = [value for value in (*values, *seen) if np.isfinite(value)]
        for bar, text, value in zip(made, never, values, strict=True):
            bar.set_width(value if np.isfinite(value) else 0.0)
            text.set_text("" if np.isfinite(value) else " never" if np.isinf(value) else " none")
        rows = [k for k, value in enumerate(seen) if np.isfinite(value)]
        dots.set_data([seen[k] for k in rows], rows)
        self.fit(axes, x=(0, *(finite or [1.0])))

    def _show_tail(self, theory: Any, samples: Any | None) -> None:
        reach = []
        for k in range(len(self.names)):
            low, high = theory.curve_low[k], theory.curve_high[k]
            self.high[k].set_data(theory.curve_ns, _drawn(high))
            bounds = not np.array_equal(low, high)
            self.low[k].set_data(*((theory.curve_ns, _drawn(low)) if bounds else ([], [])))
            shown = theory.curve_ns[(high >= RAREST) & (high <= 0.999) & (theory.curve_ns > 0)]
            reach += [shown[[0, -1]]] if shown.size else []
            self.seen[k].set_data(
                *(_steps(samples.latency_ns_each[:, k]) if samples is not None else ([], []))
            )
        if reach:
            ends = np.concatenate(reach)
            self.fit_tail(float(ends.min()), float(ends.max()))

    def fit_tail(self, low: float, high: float) -> None:
        """Limits of the tail's latencies: on the series 1, 2, 5; they stay while they serve."""
        wanted = _below(low), 1 / _below(1 / high)
        now = self.tail.get_xlim()
        if not (now[0] <= low and high <= now[1] and wanted[1] / wanted[0] > (now[1] / now[0]) ** 0.5):
            self.tail.set_xlim(wanted)

    def way(self, k: int, theory: Any, samples: Any | None, outputs: tuple[str, ...]) -> str:
        """One way's results in words, the first one large, each with its simulated value."""
        lines = []
        seen = samples.estimate() if samples is not None else {}
        for output in outputs:
            value = getattr(theory, output)[k]
            lines.append("never" if np.isinf(value) else units.human(output, value))
        if seen:
            estimate = seen[f"{outputs[0]}[{k}]"]
            lines.append(
                "simulated "
                + ("never" if np.isinf(estimate.value) else house.with_error(outputs[0], estimate))
            )
        return " · ".join(lines)


def share_axis(axes: Any, lowest: float, title: str) -> None:
    """A logarithmic y axis of shares from `lowest` to all, named "1 in 1000"."""
    powers = int(np.ceil(-np.log10(lowest)))
    axes.set_ylim(lowest, 1.5)
    axes.yaxis.set_major_locator(FixedLocator([10.0**-k for k in range(powers + 1)]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: one_in(share)))
    axes.yaxis.set_minor_locator(FixedLocator([]))
    axes.set_title(title, fontsize=10)
    axes.grid(True)


def one_in(share: float) -> str:
    """A share in words: "1 in 1000"; from a half on "all"."""
    return f"1 in {round(1 / share):,}".replace(",", "\u2009") if share < 0.5 else "all"


def _drawn(share: np.ndarray) -> np.ndarray:
    return np.where(share > 0.3 * RAREST, share, np.nan)


def _below(value: float) -> float:
    power = 10.0 ** np.floor(np.log10(value))
    return max(step * power for step in (1.0, 2.0, 5.0) if step * power <= value * (1 + 1e-9))


def _steps(latency_ns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Latencies as shares that take longer, thinned to equal steps of the logarithm."""
    values = np.sort(latency_ns[~np.isnan(latency_ns)].ravel())
    n = values.size
    if not n:
        return np.empty(0), np.empty(0)
    left = np.unique(np.round(np.geomspace(1, n, SEEN_POINTS)).astype(int))[::-1]  # samples at or beyond
    at = values[n - left]
    keep = np.isfinite(at)
    return at[keep], ((left - 1) / n).clip(0.5 / n)[keep]


__all__ = ["COLOURS", "KEY", "Ways", "one_in", "share_axis"]
