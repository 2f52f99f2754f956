"""Pictures of tails that simulation hardly meets: who finds them, who is sure and wrong, what samples cannot say."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator, PercentFormatter

from nfvlab import figures as house
from nfvlab import units
from nfvlab.figures import Figure
from nfvlab.realtime.extremes import largest_tail
from nfvlab.realtime.extremes_example import Case
from nfvlab.realtime.rare_trap import DRAWS, Trap
from nfvlab.realtime.studies import CONDITIONAL, PLAIN, SHIFTED, SIEGMUND, SPLIT, Point

LOOKS = {  # colour, marker, place beside the probability on a log axis
    PLAIN: (house.FAINT, "s", 1.45),
    SHIFTED: (house.PALETTE.vermillion, "D", 0.72),
    CONDITIONAL: (house.PALETTE.blue, "o", 1.0),
    SIEGMUND: (house.PALETTE.green, "o", 1.0),
    SPLIT: (house.PALETTE.pink, "o", 1.0),
}
LOW, HIGH = 0.75, 1.25  # ratios shown; what lies beyond is an arrow
UNKNOWN = {"fontsize": 8.5, "color": house.FAINT, "ha": "right", "va": "bottom"}
METHOD_POINTS = 11  # height of a method's name above a panel


def estimates(points: Iterable[Point]) -> Figure:
    """Estimate over truth by how rare the event is, with two standard errors: one panel an event."""
    points = list(points)
    settings = list(dict.fromkeys(point.setting for point in points))
    with house.style():
        drawn = Figure(figsize=(9.4, 3.9), layout="constrained")
        panels = drawn.subplots(1, len(settings), sharey=True, squeeze=False)[0]
        for axes, setting in zip(panels, settings, strict=True):
            some = [point for point in points if point.setting == setting]
            _ratios(axes, some)
            lines = max(len({p.method for p in points if p.setting == other}) for other in settings)
            axes.set_title(setting.capitalize(), pad=6 + METHOD_POINTS * lines)
        panels[0].yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        panels[0].set_ylabel("Estimate, % of the truth")
        panels[len(panels) // 2].set_xlabel("True probability")
        house.footnote(
            drawn,
            "bars: two standard errors as claimed · hollow: one draw decides · arrows: further off · x: no draw met it"
            " · band: bounds of the truth",
        )
    drawn.alt = (
        "Estimates of rare events over the truth, from 1 in a hundred to 1 in a billion. "
        + "; ".join(
            _rarest_in_words(points, setting, method)
            for setting, method in dict.fromkeys((point.setting, point.method) for point in points)
        )
    )
    return drawn


def _ratios(axes: Any, points: Sequence[Point]) -> None:
    """One event: its methods side by side at each probability."""
    axes.set(xscale="log", xlim=(3e-2, 3e-10), ylim=(LOW, HIGH))
    axes.xaxis.set_major_locator(FixedLocator(sorted({point.tail_frac for point in points})[::2]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.axhline(1.0, color=house.INK, lw=1, zorder=1)
    truth = {p.tail_frac: (p.low_frac, p.high_frac) for p in points}
    x = sorted(truth)
    low, high = (np.array([truth[at][k] for at in x]) for k in (0, 1))
    middle = (low + high) / 2
    if (high > low).any():
        axes.fill_between(x, low / middle, high / middle, color=house.FAINT, alpha=0.25, lw=0, zorder=0)
    for row, method in enumerate(dict.fromkeys(point.method for point in points)):
        colour, marker, beside = LOOKS[method]
        for point in points:
            if point.method == method:
                _one(axes, point, colour, marker, point.tail_frac * beside)
        line = {
            "xycoords": "axes fraction",
            "xytext": (0, 3 + METHOD_POINTS * row),
            "textcoords": "offset points",
        }
        axes.annotate(method, (0.0, 1.0), color=colour, fontsize=8.5, va="bottom", **line)


def _one(axes: Any, point: Point, colour: str, marker: str, x: float) -> None:
    """A point with its claimed error, an arrow if it is out of sight, a cross at the bottom if nothing was met."""
    look = {"color": colour, "ls": "none", "zorder": 3, "clip_on": False}
    if not point.found.value > 0:
        axes.plot(x, LOW, "x", ms=5, **look)
        return
    face = colour if point.verdict == "trusted" else "white"
    y, error = point.ratio, 2 * point.ratio * point.relative_error
    if LOW <= y <= HIGH:
        axes.vlines(x, max(LOW, y - error), min(HIGH, y + error), color=colour, lw=1.3, zorder=2)
        axes.plot(x, y, marker, ms=4.5, mfc=face, **look)
    else:
        axes.plot(x, HIGH if y > HIGH else LOW, "^" if y > HIGH else "v", ms=6, mfc=face, **look)


def _rarest_in_words(points: Sequence[Point], setting: str, method: str) -> str:
    met = [p for p in points if (p.setting, p.method) == (setting, method) and p.found.value > 0]
    if not met:
        return f"{setting}, {method}: never met"
    last = min(met, key=lambda point: point.tail_frac)
    return (
        f"{setting}, {method}: at {last.tail_frac:.0e} {last.ratio:.0%} of the truth, "
        f"claimed to {last.relative_error:.0%}"
    )


def trap(made: Trap) -> Figure:
    """Repeated runs of the shifted mean, each with two of its own claimed errors, beside the truth."""
    runs, truth = made.runs, made.reference
    with house.style():
        drawn = Figure(figsize=(8.6, 4.2), layout="constrained")
        axes = drawn.subplots()
        axes.grid(False)
        axes.grid(True, axis="x")
        sure = 2 * truth.relative_error
        axes.axvspan(-sure, sure, color=house.PALETTE.blue, alpha=0.35, lw=0)
        axes.axvline(0.0, color=house.PALETTE.blue, lw=1.2)
        for k, run in enumerate(runs):
            off, claimed = run.value / truth.value - 1, 2 * run.stderr / truth.value
            wrong = abs(off) > claimed + sure
            colour = house.PALETTE.vermillion if wrong else house.FAINT
            face = colour if run.trusted else "white"
            axes.hlines(k, off - claimed, off + claimed, color=colour, lw=1.4)
            axes.plot(off, k, "o", ms=5, color=colour, mfc=face)
        middle = len(runs) // 2
        at = made.off_frac + 2 * made.typical.stderr / truth.value
        claim = f"median run: {made.off_frac:+.1%}; median of the claims: ± {made.claimed_frac:.1%}"
        house.direct_label(axes, max(at, sure), middle, claim, color=house.INK)
        house.direct_label(axes, 0.0, len(runs) - 0.2, "truth", color=house.PALETTE.blue, fontsize=9)
        axes.xaxis.set_major_formatter(
            FuncFormatter(lambda value, _: f"{100 * value:+.0f}" if value else "0")
        )
        axes.spines["left"].set_visible(False)
        axes.set(ylim=(-1, len(runs) + 0.2), yticks=[], xlabel="Off the truth, %")
        axes.set_title(f"Runs of {DRAWS:,} draws in rising order".replace(",", "\u2009"))
        house.footnote(
            drawn,
            "bars: two standard errors as claimed · red bars: truth outside · hollow: the largest weight gives it away",
        )
    wrong = sum(abs(run.value - truth.value) > 2 * (run.stderr + truth.stderr) for run in runs)
    drawn.alt = (
        f"{len(runs)} runs of importance sampling by a shifted mean. The median run is off by {made.off_frac:+.1%}, "
        f"the median claim is {made.claimed_frac:.1%}; {wrong} runs are off by more than twice what they claim; "
        f"the largest weight gives {sum(not run.trusted for run in runs)} of them away."
    )
    return drawn


def extrapolated(cases: Sequence[Case]) -> Figure:
    """Samples, the tail fitted to them, and the exact tail; shaded is what n samples cannot know."""
    with house.style():
        drawn = Figure(figsize=(9.4, 3.9), layout="constrained")
        panels = drawn.subplots(1, len(cases), sharey=True, squeeze=False)[0]
        for axes, case in zip(panels, cases, strict=True):
            _tails(axes, case)
        panels[0].yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"$10^{{{np.log10(value):.0f}}}$"))
        panels[0].set_ylabel("Share that takes longer")
        house.footnote(
            drawn,
            "line: exact · dashes: generalised Pareto tail, fitted · dots: samples, the last one seen once",
        )
    drawn.alt = "Tails fitted to samples and the exact tails beyond them. " + "; ".join(
        f"{case.name}: at {case.extrapolated.tail_frac:.0e} the fit says "
        f"{units.human('latency_ns', case.extrapolated.value)}, true is {units.human('latency_ns', case.exact)}"
        for case in cases
    )
    return drawn


def _tails(axes: Any, case: Case) -> None:
    fit, known = case.extrapolated, largest_tail(0, case.extrapolated.n)
    low = float(np.median(case.values_ns))
    high = 4 * case.exact if case.ratio < 1 else 40 * fit.value  # room for a label
    corners = case.exact * (1 - 1e-9), case.exact * (1 + 1e-9), fit.value
    x = np.unique(np.append(np.geomspace(low, high, 600), corners))
    axes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(0.5 * fit.tail_frac, 1.0))
    axes.grid(True, axis="x")
    axes.axhspan(0.5 * fit.tail_frac, known, color=house.FAINT, alpha=0.13, lw=0)
    truth = np.maximum(case.tail(x), 0.1 * fit.tail_frac)
    axes.plot(x, truth, **house.THEORY)
    beyond, share = _fitted(fit, x)
    axes.plot(beyond, share, **house.BASELINE)
    values = np.sort(case.values_ns)[::-1]
    rank = np.unique(np.geomspace(1, values.size, 60).astype(int))
    axes.plot(values[rank - 1], rank / values.size, **{**house.SIMULATION, "markersize": 4})
    marks = (
        ("exact", case.exact, house.THEORY, {"xytext": (-8, 28), "ha": "right"}),
        ("fit", fit.value, house.BASELINE, {"xytext": (8, 9), "ha": "left"}),
    )
    for name, value, look, how in marks:
        colour = look["color"]
        axes.plot(value, fit.tail_frac, "o", ms=6, color=colour, mec="white", zorder=5, clip_on=False)
        text = f"{name} {units.human('latency_ns', value)}"
        house.direct_label(axes, value, fit.tail_frac, text, color=colour, fontsize=8.5, **how)
    axes.text(0.985, known, "below: rarer than 3/n", transform=axes.get_yaxis_transform(), **UNKNOWN)
    house.quantity(axes.xaxis, "latency_ns", "Latency", ticks=4)
    times, way = (case.ratio, "high") if case.ratio > 1 else (1 / case.ratio, "low")
    verdict = f"{times:.0f} times too {way}" if times >= 10 else f"{times:.1f} times too {way}"
    where = f"1e{np.log10(fit.tail_frac):.0f}"
    axes.set_title(f"{case.name.capitalize()}\nfit at {where}: {verdict}", fontsize=9)


def _fitted(fit: Any, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The fitted tail above its threshold: the share of peaks that was fitted, times a generalised Pareto tail."""
    x = x[x > fit.threshold]
    inside = np.maximum(1 + fit.shape * (x - fit.threshold) / fit.scale, 0.0)
    with np.errstate(divide="ignore"):
        tail = np.where(inside > 0, inside ** (-1 / fit.shape), 0.0)
    return x, np.maximum(tail * _peaks_frac(fit), 0.1 * fit.tail_frac)


def _peaks_frac(fit: Any) -> float:
    """Share of the samples above the threshold, from the fitted value at `tail_frac`."""
    inside = 1 + fit.shape * (fit.value - fit.threshold) / fit.scale
    return fit.tail_frac / inside ** (-1 / fit.shape)


__all__ = ["estimates", "extrapolated", "trap"]
