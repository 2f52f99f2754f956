"""Pictures of a migration that skips free pages: one claim each."""

from collections.abc import Sequence

import numpy as np
from matplotlib.patches import Polygon, Rectangle

from nfvlab import figures as house
from nfvlab import units
from nfvlab.figures import Figure
from nfvlab.freepages.analytic import Theory, analyze
from nfvlab.freepages.params import Params, packets_per_s
from nfvlab.freepages.scenarios import SCENARIOS
from nfvlab.freepages.simulation import Run, Samples

BARS = (
    ("total_time_ns", "Total time"),
    ("pause_ns", "Pause of the guest"),
    ("transferred_bytes", "Traffic"),
)
GRID_POINTS = 160


class Live(house.Picture):
    """A migration with and without skipping free pages: what has been sent by time, and the totals."""

    size = (8.6, 4.6)

    def build(self, p: Params) -> None:
        """One wide axis for the courses, three narrow ones for the totals."""
        grid = self.figure.add_gridspec(len(BARS), 2, width_ratios=(2.1, 1), wspace=0.06)
        self.sent = self.figure.add_subplot(grid[:, 0])
        self.axis(
            self.sent, x=("total_time_ns", "Time since the migrate command"), y=("transferred_bytes", "Sent")
        )
        self.band = self.animate(self.sent.add_patch(Polygon(np.zeros((3, 2)), closed=True, **house.BAND)))
        self.without = self.animate(*self.sent.plot([], [], **house.BASELINE, label="all pages"))
        self.skipping = self.animate(*self.sent.plot([], [], **house.THEORY, label="free pages skipped"))
        self.stops = [
            self.animate(*self.sent.plot([], [], marker="o", ms=6, color=line.get_color(), ls="none"))
            for line in (self.without, self.skipping)
        ]
        self.label_ends(self.sent, self.without, self.skipping)
        self.bars = [self._bars(self.figure.add_subplot(grid[k, 1]), *bar) for k, bar in enumerate(BARS)]

    def _bars(self, axes, name: str, title: str):
        axes.set_title(title, fontsize=9.5, y=0.98)
        axes.set(xlim=(0, 1.55), ylim=(-0.6, 1.6), xticks=[])  # 1: the longer bar
        axes.set_yticks((1, 0), ("all", "skipped"))
        axes.tick_params(length=0)
        axes.grid(False)
        axes.spines[:].set_visible(False)
        made = []
        for y, style in ((1, house.BASELINE), (0, house.THEORY)):
            bar = self.animate(
                axes.add_patch(Rectangle((0, y - 0.32), 0, 0.64, color=style["color"], alpha=0.85))
            )
            text = self.animate(house.direct_label(axes, 0, y, "", size=9.5))
            dot = self.animate(*axes.plot([], [], **house.SIMULATION))
            made.append((bar, text, dot, y))
        return axes, name, made

    def show(self, p: Params, theory: Theory, samples: Samples | None = None) -> None:
        """Both courses and totals; the simulated band belongs to the chosen setting."""
        off, on = self._both(p, theory)
        for line, stop, t in zip((self.without, self.skipping), self.stops, (off, on), strict=True):
            line.set_data(*_curve(t))
            stop.set_data([t.total_time_ns], [t.transferred_bytes])
        self.band.set_visible(samples is not None)
        if samples is not None:
            self.band.set_xy(_band(samples))
        self.fit(self.sent, x=(0, 1.25 * max(off.total_time_ns, on.total_time_ns)), y=_peak(off, on, samples))
        estimates = samples.estimate() if samples is not None else {}
        for _, name, made in self.bars:
            values = [getattr(off, name), getattr(on, name)]
            top = max([v for v in values if np.isfinite(v)], default=1.0)
            shown = estimates[name].value / top if samples is not None and top > 0 else np.nan
            for (bar, text, dot, y), value, chosen in zip(
                made, values, (not p.skipping, p.skipping), strict=True
            ):
                width = value / top if np.isfinite(value) and top > 0 else 0.0
                seen = shown if chosen and np.isfinite(shown) else None
                bar.set_width(width)
                text.set_text(units.human(name, value) if np.isfinite(value) else "does not converge")
                text.xy = (max(width, seen or 0.0) if np.isfinite(value) else 0.0, y)
                dot.set_data(*(([seen], [y]) if seen is not None else ([], [])))

    def _both(self, p: Params, theory: Theory) -> tuple[Theory, Theory]:
        other = analyze(p.replace(skipping=not p.skipping))
        self._pair = (other, theory) if p.skipping else (theory, other)
        self._pair_of = p
        return self._pair

    def headline(self, p: Params, theory: Theory, samples: Samples | None = None) -> dict[str, str]:
        """With skipping first, then without; packets only where some are offered."""
        off, on = self._pair if getattr(self, "_pair_of", None) == p else self._both(p, theory)
        names = [*BARS, ("lost_count", "Packets lost")] if packets_per_s(p) else BARS
        lines = {}
        for name, title in names:
            value, base = (units.human(name, getattr(t, name)) for t in (on, off))
            lines[title] = f"{value} · without skipping {base}"
            if samples is not None:
                lines[title] += f" · simulated {house.with_error(name, samples.estimate()[name])}"
        return lines


def figure(p: Params, theory: Theory | None = None, samples: Samples | None = None) -> Figure:
    """The live picture, still."""
    return Live(p).still(p, theory or analyze(p), samples)


def _curve(theory: Theory) -> tuple[np.ndarray, np.ndarray]:
    """Bytes sent by time: nothing until the sender may begin, then window by window to the last page."""
    course, begin = theory.migration.course, theory.first_page_ns
    later = course.curve_t_ns > begin
    t = [0.0, begin, *course.curve_t_ns[later], theory.total_time_ns]
    return np.array(t), np.array([0.0, 0.0, *course.curve_transferred_bytes[later], theory.transferred_bytes])


def sent_by_time(run: Run, t_ns: np.ndarray) -> np.ndarray:
    """Bytes a simulated migration had sent by each time (ns), linear between windows."""
    t = [0.0, *(row.t_ns for row in run.timeline)]
    return np.interp(t_ns, t, [0.0, *(row.transferred_bytes for row in run.timeline)])


def _band(samples: Samples) -> np.ndarray:
    """Outline of the 5 % to 95 % band of the simulated courses, as corner points."""
    end = max(run.timeline[-1].t_ns for run in samples.runs)
    t = np.linspace(0, end, GRID_POINTS)
    low, high = np.quantile([sent_by_time(run, t) for run in samples.runs], [0.05, 0.95], axis=0)
    return np.concatenate([np.column_stack([t, low]), np.column_stack([t, high])[::-1]])


def _peak(off: Theory, on: Theory, samples: Samples | None) -> list[float]:
    peaks = [off.transferred_bytes, on.transferred_bytes]
    return peaks + ([run.totals.transferred_bytes for run in samples.runs] if samples is not None else [])


def forwarding(runs: Sequence[tuple[str, Run]], p: Params, *, around_ns: float = 30e6) -> Figure:
    """The forwarded rate around the switch-over, one row a run: (label, run)."""
    with house.style():
        drawn = Figure(figsize=(8.6, 1.9 * len(runs) + 0.6), layout="constrained")
        rows = drawn.subplots(len(runs), 1, sharex=True, squeeze=False)[:, 0]
        reach = around_ns + max(run.totals.pause_ns for _, run in runs)
        for axes, (label, run) in zip(rows, runs, strict=True):
            made = run.forwarded
            stop = run.totals.stopped_at_ns
            near = np.abs(made.t_ns - stop) <= reach
            axes.step(made.t_ns[near] - stop, made.rate_per_s[near], where="mid", **house.THEORY)
            axes.axhline(packets_per_s(p), color=house.FAINT, lw=1, ls=":")
            axes.axvspan(0, run.totals.pause_ns, color=house.PALETTE.vermillion, alpha=0.15, lw=0)
            house.quantity(axes.yaxis, "packets_per_s", "Forwarded", ticks=3)
            pause = units.human("pause_ns", run.totals.pause_ns)
            lost = f"{label}: {made.lost_count:,} packets lost, guest stopped {pause}"
            axes.text(0.995, 1.04, lost, transform=axes.transAxes, ha="right", fontsize=9.5)
            axes.set(ylim=(0, None), xlim=(-around_ns, reach))
        house.quantity(rows[-1].xaxis, "total_time_ns", "Time after the guest was stopped")
    drawn.alt = "Packets forwarded per second around the stop of the guest. " + "; ".join(
        f"{label}: {run.forwarded.lost_count:,} lost" for label, run in runs
    )
    return drawn


def compared(
    rows: Sequence[tuple[str, str, float, float]],
    *,
    title: str,
    alt: str,
    aims: Sequence[float] | None = None,
) -> Figure:
    """Model beside measurement: rows of (label, output name, measured, model); each row on its own scale.

    aims: the share to which each row is to be reproduced, shaded; a tenth unless given.
    """
    with house.style():
        drawn = Figure(figsize=(8.6, 0.34 * len(rows) + 1.0), layout="constrained")
        axes = drawn.subplots()
        for y, (_, name, measured, model) in enumerate(rows):
            aim, ratio = aims[y] if aims else 0.1, model / measured
            axes.barh(y, 2 * aim, left=1 - aim, height=0.86, color=house.PALETTE.green, alpha=0.13, lw=0)
            axes.plot([1, ratio], [y, y], color=house.FAINT, lw=1)
            axes.plot([1], [y], **house.PUBLISHED)
            axes.plot([ratio], [y], **house.SIMULATION)
            text = f"{units.human(name, model)} for {units.human(name, measured)}"
            axes.text(1.02, y, text, transform=axes.get_yaxis_transform(), va="center", fontsize=9)
        axes.set(
            yticks=range(len(rows)), yticklabels=[label for label, *_ in rows], ylim=(len(rows) - 0.4, -0.6)
        )
        axes.set_xlabel("model / measured (shaded: the aim)")
        axes.grid(False)
        axes.set_title(title, loc="left")
    drawn.alt = alt
    return drawn


__all__ = ["SCENARIOS", "Live", "compared", "figure", "forwarding", "sent_by_time"]
