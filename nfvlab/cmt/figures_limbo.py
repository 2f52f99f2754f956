"""RMIDs that come back: how an ended tenant's lines go, how long that takes, and who is refused meanwhile."""

from collections.abc import Mapping

import numpy as np

from nfvlab import figures as house
from nfvlab import units
from nfvlab.cmt.figures import between
from nfvlab.cmt.studies import never
from nfvlab.cmt.studies_limbo import Departure
from nfvlab.figures import Figure

COLOURS = (house.PALETTE.blue, house.PALETTE.green, house.PALETTE.pink, house.PALETTE.vermillion)
DOT = {"ls": "none", "mec": "white", "mew": 0.6, "clip_on": False, "zorder": 4}
MARKERS = "osD^"
FLOOR_BYTES = 64.0  # a line: less is drawn as this


def decays(made: Mapping[str, Departure], *, last_ns: float = 1e8) -> Figure:
    """Lines left of the first tenant by the time since its end: theory's lines over dots of the simulated runs."""
    with house.style():
        drawn = Figure(figsize=(8.6, 4.0), layout="constrained")
        axes = drawn.subplots()
        axes.set(xscale="log", yscale="log", xlim=(1e4, last_ns))
        for k, (label, one) in enumerate(made.items()):
            t = np.geomspace(1e4, last_ns, 200)
            left = between(t, one.theory.decay_t_ns, one.theory.decay_bytes)
            shown = np.where(left >= FLOOR_BYTES, left, np.nan)
            axes.plot(t, shown, color=COLOURS[k], ls=house.LINESTYLES[k], lw=2.2, label=label)
            for j, run in enumerate(one.runs):
                some = np.geomspace(1.2e4, 0.9 * last_ns, 22) * 1.12**j
                some = some[some <= last_ns]
                seen = np.array([run.level(at) for at in some])
                there = seen >= FLOOR_BYTES
                axes.plot(some[there], seen[there], MARKERS[k], ms=4, color=COLOURS[k], **DOT)
        limits = sorted({one.limit_bytes for one in made.values()})
        for limit in limits:
            axes.axhline(limit, color=house.FAINT, lw=1, ls=":")
        words = {"fontsize": 8.5, "color": house.FAINT, "va": "bottom"}
        axes.text(1.1e4, limits[0], "threshold: below it the RMID is clean", **words)
        house.quantity(axes.xaxis, "clean_ns", "Time since the end of tenant 1", ticks=6)
        house.quantity(axes.yaxis, "left_bytes", "Lines left (lines: theory, marks: simulated)", ticks=6)
        axes.legend(
            loc="lower left", bbox_to_anchor=(0.0, 0.02), title="the others", alignment="left", handlelength=3
        )
    words = []
    for label, one in made.items():
        seen = never(np.mean([run.below_ns(one.limit_bytes) for run in one.runs]))
        held = units.human("x_bytes", one.theory.occupancy_bytes[0])
        words.append(
            f"{label}: {held} at the end, clean after {never(one.theory.clean_ns)} (simulated {seen})"
        )
    drawn.alt = (
        "Lines left of an ended tenant by the time since its end, theory and simulation. " + "; ".join(words)
    )
    return drawn


def waits(frame) -> Figure:
    """Wait for a clean RMID, and the bytes charged to its next owner, against what the others move."""
    with house.style():
        drawn = Figure(figsize=(9.0, 3.6), layout="constrained")
        left, right = drawn.subplots(1, 2)
        for k, (threshold, part) in enumerate(frame.groupby("threshold_bytes")):
            label = f"threshold {units.human('threshold_bytes', threshold)}"
            x = part["traffic_bytes_per_s"]
            for axes, name in ((left, "wait_ns"), (right, "stale_bytes")):
                axes.plot(x, part[name], color=COLOURS[k], ls=house.LINESTYLES[k], lw=2.2, label=label)
                axes.plot(x, part[f"simulated_{name}"], MARKERS[k], ms=5, color=COLOURS[k], **DOT)
        for axes in (left, right):
            axes.set_xscale("log")
            house.quantity(axes.xaxis, "traffic_bytes_per_s", "Traffic of the others", ticks=5)
        left.set_yscale("log")
        house.quantity(left.yaxis, "wait_ns", "From its end until the RMID is given out", ticks=6)
        house.quantity(right.yaxis, "stale_bytes", "Charged to its next owner", ticks=5)
        right.set_ylim(bottom=0)
        right.legend(loc="upper right", handlelength=3)
    words = []
    for threshold, part in frame.groupby("threshold_bytes"):
        quiet = part.loc[part["traffic_bytes_per_s"].idxmin()]
        busy = part.loc[part["traffic_bytes_per_s"].idxmax()]
        words.append(
            f"threshold {units.human('threshold_bytes', threshold)}: from {never(busy['wait_ns'])} beside busy others "
            f"to {never(quiet['wait_ns'])} beside quiet ones, where {units.human('x_bytes', quiet['stale_bytes'])} are "
            "charged to the next owner"
        )
    drawn.alt = "Wait for a clean RMID and stale bytes against the others' traffic. " + "; ".join(words)
    return drawn


def refusals(frame, *, rmid_count: int) -> Figure:
    """Share of new groups refused against starts: theory, simulated groups, and what it were without limbo."""
    with house.style():
        drawn = Figure(figsize=(8.6, 3.5), layout="constrained")
        axes = drawn.subplots()
        base = frame[frame["host"] == frame["host"].iloc[0]]
        axes.plot(base["starts_per_s"], base["without_limbo"], **house.BASELINE, label="no limbo (Erlang)")
        for k, (host, part) in enumerate(frame.groupby("host", sort=False)):
            axes.plot(part["starts_per_s"], part["theory"], color=COLOURS[k], lw=2.2, label=host)
            axes.plot(part["starts_per_s"], part["simulated"], MARKERS[k], ms=5, color=COLOURS[k], **DOT)
        axes.set(ylim=(0, 1), xlim=(0, 1.03 * frame["starts_per_s"].max()))
        house.quantity(axes.xaxis, "starts_per_s", "Groups that start")
        house.quantity(axes.yaxis, "refused_frac", f"Refused, of new groups on {rmid_count} RMIDs", ticks=5)
        axes.legend(loc="upper left")
    middle = frame[
        frame["starts_per_s"] == sorted(set(frame["starts_per_s"]))[frame["starts_per_s"].nunique() // 2]
    ]
    drawn.alt = f"Share of new groups refused against the rate of starts on {rmid_count} RMIDs. " + "; ".join(
        f"{row.host} at {row.starts_per_s:g} a second: {row.theory:.1%} (simulated {row.simulated:.1%}), without limbo "
        f"{row.without_limbo:.1%}"
        for row in middle.itertuples()
    )
    return drawn


__all__ = ["decays", "refusals", "waits"]
