"""Bandwidth counters against the traffic: whole units, turns, factors by part, and the two NUMA nodes."""

import numpy as np

from nfvlab import figures as house
from nfvlab import units
from nfvlab.cmt.quantised import interval_for_error
from nfvlab.figures import Figure
from nfvlab.llc.figures import COLOURS

DOT = {"marker": "o", "ms": 5, "ls": "none", "mec": "white", "mew": 0.6, "clip_on": False, "zorder": 4}
TITLE = "Error of one reading of mbm_total_bytes (lines: theory, dots: simulated, ▼: 41 units)"
MOST_DOTS = 24  # readings of a run that are drawn


def errors(frame, *, upscale_bytes: int) -> Figure:
    """Error of one reading against the sampling interval: theory's lines, simulated dots, and the rule for 1 %."""
    with house.style():
        drawn = Figure(figsize=(8.6, 3.9), layout="constrained")
        axes = drawn.subplots()
        axes.set(xscale="log", yscale="log")
        marks = []
        for k, (tenant, part) in enumerate(frame.groupby("tenant", sort=False)):
            line, dots = _sides(part)
            axes.plot(line["interval_ns"], line["error_frac"], color=COLOURS[k], lw=2, label=tenant)
            axes.plot(dots["interval_ns"], dots["error_frac"], color=COLOURS[k], **DOT)
            rate = upscale_bytes * (line["units"] / line["interval_ns"]).iloc[0] * 1e9
            at = interval_for_error(0.01, rate, 0.0, upscale_bytes)
            axes.plot([at], [0.01], marker="v", ms=9, color=COLOURS[k], mec=house.INK, zorder=5)
            marks.append((tenant, at, dots))
        axes.axhline(0.01, color=house.FAINT, lw=1, ls=":")
        axes.set_ylim(bottom=min(0.002, 0.8 * frame["error_frac"].min()))
        house.quantity(axes.xaxis, "interval_ns", "Sampling interval", ticks=7)
        house.quantity(axes.yaxis, "error_frac", TITLE, ticks=5)
        axes.legend(loc="upper right")
    drawn.alt = "Error of one bandwidth reading against the sampling interval, both falling. " + "; ".join(
        f"{tenant}: {dots['error_frac'].iloc[0]:.0%} at the shortest interval, "
        f"{dots['error_frac'].iloc[-1]:.2%} at the longest, 41 units pass in {units.human('interval_ns', at)}"
        for tenant, at, dots in marks
    )
    return drawn


def turns(frame, tenant: str, *, turn_ns: float, label: str) -> Figure:
    """What is read of one tenant's traffic against the sampling interval, for a counter that goes round."""
    part = frame[frame["tenant"] == tenant]
    line, dots = _sides(part)
    with house.style():
        drawn = Figure(figsize=(8.6, 3.4), layout="constrained")
        axes = drawn.subplots()
        axes.plot(line["interval_ns"], line["mean_frac"], **house.THEORY, label="theory")
        axes.plot(dots["interval_ns"], dots["mean_frac"], **house.SIMULATION, label="simulated")
        axes.axhline(1.0, color=house.FAINT, lw=1, ls=":")
        last = line["interval_ns"].max()
        for k in range(1, int(last / turn_ns) + 1):
            axes.axvline(k * turn_ns, color=house.FAINT, lw=0.8, ls="--")
        house.direct_label(axes, turn_ns, 1.07, "one turn", size=9, color=house.FAINT)
        axes.set(ylim=(0, 1.18), xlim=(0, 1.02 * last))
        house.quantity(axes.xaxis, "interval_ns", "Sampling interval", ticks=7)
        house.quantity(axes.yaxis, "mean_frac", f"Read of the true traffic, {label}", ticks=5)
        axes.legend(loc="upper right", bbox_to_anchor=(1, 0.85))
    longest = units.human("interval_ns", dots["interval_ns"].iloc[-1])
    drawn.alt = (
        f"What is read of the traffic of {tenant} against the sampling interval, {label}. Right up to one turn of the "
        f"counter, {units.human('interval_ns', turn_ns)}; beyond it the reading drops, and at {longest} "
        f"{dots['mean_frac'].iloc[-1]:.0%} of the traffic is read (theory {line['mean_frac'].iloc[-1]:.0%})."
    )
    return drawn


def corrections(frame) -> Figure:
    """What is read of the traffic by a part's last RMID, with the kernel's factor and without, by core count."""
    with house.style():
        drawn = Figure(figsize=(8.6, 3.4), layout="constrained")
        axes = drawn.subplots()
        cores = frame.index.to_numpy()
        axes.vlines(cores, 1, frame["uncorrected_frac"], color=house.PALETTE.vermillion, lw=2)
        axes.plot(
            cores,
            frame["uncorrected_frac"],
            label="as counted",
            **DOT | {"color": house.PALETTE.vermillion, "ms": 7},
        )
        look = {"color": house.PALETTE.green, "marker": "s", "ms": 4}
        axes.plot(cores, frame["corrected_frac"], label="times the kernel's factor", **DOT | look)
        for core, row in frame[frame["factor"] != 1].iterrows():
            low = row["uncorrected_frac"] < 1
            axes.annotate(
                f"{row['factor']:.3f}",
                (core, row["uncorrected_frac"]),
                xytext=(0, -9 if low else 9),
                textcoords="offset points",
                ha="center",
                va="top" if low else "bottom",
                fontsize=8,
            )
        axes.set(xlim=(0.3, len(cores) + 0.7), ylim=(0.6, 1.12), xticks=cores)
        axes.set_xlabel("Cores of the part (number at a dot: the factor)")
        house.quantity(axes.yaxis, "uncorrected_frac", "Read of the true traffic, highest RMID", ticks=5)
        axes.legend(loc="lower left", bbox_to_anchor=(0.01, 0.02))
    wrong = frame[frame["factor"] != 1]
    worst = frame["factor"].idxmax()
    drawn.alt = (
        f"Share of the true traffic that the highest RMID reads, by the cores of the part. {len(wrong)} of "
        f"{len(frame)} parts miscount; the part with {worst} cores reads {frame.loc[worst, 'uncorrected_frac']:.1%} "
        f"(factor {frame.loc[worst, 'factor']:.6f}). With the kernel's factor all read between "
        f"{frame['corrected_frac'].min():.3%} and {frame['corrected_frac'].max():.3%}."
    )
    return drawn


def nodes(frame) -> Figure:
    """Local over total bytes against the share of pages on the other node: theory's line, runs and their span."""
    with house.style():
        drawn = Figure(figsize=(8.6, 3.2), layout="constrained")
        panels = drawn.subplots(1, frame["tenant"].nunique(), sharey=True, squeeze=False)[0]
        words = []
        for k, (axes, (tenant, part)) in enumerate(
            zip(panels, frame.groupby("tenant", sort=False), strict=True)
        ):
            axes.plot(part["remote_frac"], part["theory"], color=COLOURS[k], lw=2)
            axes.vlines(part["remote_frac"], part["low"], part["high"], color=COLOURS[k], lw=5, alpha=0.35)
            axes.plot(part["remote_frac"], part["simulated"], **DOT | {"color": COLOURS[k]})
            axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.05))
            axes.text(0.97, 0.93, tenant, transform=axes.transAxes, ha="right", color=COLOURS[k])
            house.quantity(axes.xaxis, "remote_frac", "Pages on the other node", ticks=4)
            widest = (part["high"] - part["low"]).max()
            words.append(f"{tenant}: runs differ by up to {100 * widest:.1f} points")
        house.quantity(panels[0].yaxis, "local_frac", "Local bytes of total bytes", ticks=5)
    drawn.alt = (
        "Local over total bytes against the share of pages on the other node: a straight line from all to nothing in "
        "theory, simulated runs around it. " + "; ".join(words) + "."
    )
    return drawn


def misleading(made) -> Figure:
    """Readings over the truth, a row a trap (`studies_misleading.misled`): theory's mean and spread, a run's dots."""
    with house.style():
        drawn = Figure(figsize=(8.6, 0.44 * len(made) + 1.1), layout="constrained")
        axes = drawn.subplots()
        for y, one in enumerate(made):
            if not np.isnan(one.error_frac):
                low, high = one.mean_frac - one.scatter_frac, one.mean_frac + one.scatter_frac
                axes.plot([max(low, 0.0), high], [y, y], color=house.THEORY["color"], lw=2)
            axes.plot([one.mean_frac], [y], marker="|", ms=19, mew=2.4, color=house.THEORY["color"])
            seen = one.readings_frac[:: -(-one.readings_frac.size // MOST_DOTS)]
            look = house.SIMULATION | {"markersize": 4, "markeredgewidth": 0.3, "clip_on": False, "zorder": 4}
            axes.plot(seen, y + np.linspace(-0.24, 0.24, seen.size), **look)
        axes.axvline(1.0, color=house.FAINT, lw=1, ls=":")
        labels = [f"{one.case.label}\n{one.who}" for one in made]
        axes.set(yticks=range(len(made)), yticklabels=labels, ylim=(len(made) - 0.4, -0.6), xlim=(0, 2))
        axes.tick_params(axis="y", labelsize=8.5)
        axes.grid(False)
        house.quantity(
            axes.xaxis,
            "read_frac",
            "A reading, of the truth (upright, bar: theory's mean and spread; dots: a run)",
        )
    drawn.alt = "Readings as a share of the truth, a row a trap. " + "; ".join(
        f"{one.case.label}: {one.mean_frac:.0%} in theory, {one.readings_frac.mean():.0%} simulated"
        for one in made
    )
    return drawn


def _sides(part) -> tuple:
    """Theory's rows and the simulation's."""
    line, dots = (part[part["side"] == side].sort_values("interval_ns") for side in ("theory", "simulated"))
    return line, dots


__all__ = ["corrections", "errors", "misleading", "nodes", "turns"]
