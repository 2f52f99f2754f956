"""Where fluid theory fails: total time against the write rate, up to where migration ceases to converge."""

import numpy as np

from nfvlab import figures as house
from nfvlab import units
from nfvlab.figures import Figure

SURE = 0.99  # share of simulated migrations that complete, from which on a rate counts as converging
TITLES = {"uniform": "uniform writes", "hot": "hot set", "zipf": "Zipf", "sequential": "sequential"}


def edge(frame) -> Figure:
    """One panel a pattern: theory, a geometric series in one dirty rate, and each point's simulated span."""
    with house.style():
        patterns = list(dict.fromkeys(frame["pattern"]))
        drawn = Figure(figsize=(9.4, 3.7), layout="constrained")
        panels = drawn.subplots(1, len(patterns), sharey=True, squeeze=False)[0]
        done = frame[frame["converged_frac"] >= SURE]
        ends = done[["theory_ns", "most_ns"]].to_numpy()
        top = 1.3 * np.nanmax(ends if ends.size else frame[["geometric_ns"]].to_numpy())
        for axes, pattern in zip(panels, patterns, strict=True):
            _panel(axes, frame[frame["pattern"] == pattern], top)
            axes.set_title(TITLES[pattern], loc="right", fontsize=10)
        house.quantity(panels[0].yaxis, "total_time_ns", "Total time", ticks=5)
        panels[0].legend(loc="upper left", bbox_to_anchor=(0, 0.92))
    drawn.alt = "Total time against the guest's write rate. " + " ".join(
        _words(pattern, frame[frame["pattern"] == pattern]) for pattern in patterns
    )
    return drawn


def _panel(axes, part, top: float) -> None:
    rate = part["write_rate_per_s"].to_numpy()
    axes.plot(rate, part["geometric_ns"], **house.BASELINE, label="one dirty rate")
    axes.plot(rate, part["theory_ns"], **house.THEORY, label="theory")
    low, middle, high = (part[f"{name}_ns"].to_numpy() for name in ("least", "median", "most"))
    axes.vlines(rate, low, high, color=house.SIMULATION["color"], lw=2)
    axes.plot(rate, middle, **house.SIMULATION, label="simulated, and its span")
    share = part["converged_frac"].to_numpy()
    lost = rate[share < SURE]
    axes.plot(
        lost,
        np.full(lost.size, 0.95 * top),
        marker="^",
        ls="none",
        color=house.SIMULATION["color"],
        mfc="white",
    )
    if lost.size:
        some = ", ".join(f"{100 * x:.0f} %" for x in share[(share > 0) & (share < SURE)])
        text = f"{some or 'none'} of the runs end"
        house.direct_label(axes, lost[0], 0.95 * top, text, ha="right", xytext=(-9, 0), size=9)
    axes.set(ylim=(0, top), xlim=(0, 1.03 * rate.max()))
    house.quantity(axes.xaxis, "write_rate_per_s", "Page visits", ticks=5)


def _words(pattern: str, part) -> str:
    done = part[part["converged_frac"] >= SURE]
    if done.empty:
        return f"{TITLES[pattern].capitalize()}: no rate simulated converges."
    last = done.iloc[-1]
    told = (units.human("total_time_ns", last[name]) for name in ("theory_ns", "geometric_ns", "median_ns"))
    rate = units.human("write_rate_per_s", last["write_rate_per_s"])
    return "{}: at {}, the last rate simulated that converges, theory {}, one dirty rate {}, simulated {}.".format(
        TITLES[pattern].capitalize(), rate, *told
    )


COLUMNS = {
    "theory_ns": "theory",
    "geometric_ns": "one dirty rate",
    "least_ns": "simulated: least",
    "median_ns": "median",
    "most_ns": "most",
}


def table(frame):
    """The same in words: a pandas frame with a row a point."""
    shown = frame[["pattern"]].copy()
    shown["page visits"] = [units.human("write_rate_per_s", rate) for rate in frame["write_rate_per_s"]]
    for name, title in COLUMNS.items():
        shown[title] = [units.human(name, t) if np.isfinite(t) else "no end" for t in frame[name]]
    shown["runs that end"] = [units.human("converged_frac", share) for share in frame["converged_frac"]]
    return shown.set_index(["pattern", "page visits"])
