"""The adaptive advance over rounds: where it settles, and the dead band in which nothing moves it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from nfvlab import figures as house
from nfvlab import units
from nfvlab.figures import Figure
from nfvlab.timer.advance import ADJUST_MAX_CYCLES, ADJUST_MIN_CYCLES
from nfvlab.timer.settling import Course

if TYPE_CHECKING:
    from pandas import DataFrame

COLOURS = (house.PALETTE.vermillion, house.PALETTE.blue, house.PALETTE.green, house.PALETTE.pink)


def settling(courses: Mapping[str, Course]) -> Figure:
    """Above, the advance after each round; below, how late or early each look was, the dead band shaded."""
    with house.style():
        drawn = Figure(figsize=(9.0, 4.9), layout="constrained")
        upper, lower = drawn.subplots(2, 1, sharex=True, height_ratios=(1.2, 1))
        rounds = max(one.advance_ns.size for one in courses.values())
        ends = [float(one.advance_ns[-1]) for one in courses.values()]
        ends = house.spread(ends, 0.09 * max(one.advance_ns.max() for one in courses.values()))
        for k, (name, one) in enumerate(courses.items()):
            x = np.arange(1, one.advance_ns.size + 1)
            look = {"color": COLOURS[k % len(COLOURS)], "lw": 1.8, "ls": house.LINESTYLES[k % 4]}
            upper.plot(x, one.advance_ns, drawstyle="steps-post", **look)
            house.direct_label(upper, x[-1], ends[k], name, color=look["color"], size=9)
            lower.plot(x, one.error_cycles, ".", ms=4, color=look["color"], alpha=0.8)
        lower.axhspan(-ADJUST_MIN_CYCLES, ADJUST_MIN_CYCLES, color="#dde3ea", lw=0, zorder=0)
        lower.text(
            rounds,
            0,
            f" dead band,\n ± {ADJUST_MIN_CYCLES} cycles",
            fontsize=8.5,
            color=house.FAINT,
            va="center",
        )
        lower.set_yscale("symlog", linthresh=ADJUST_MIN_CYCLES, linscale=0.7)
        ticks = [-1000, -ADJUST_MIN_CYCLES, 0, ADJUST_MIN_CYCLES, 1000, ADJUST_MAX_CYCLES]
        lower.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
        lower.minorticks_off()
        lower.set(xlabel="round", title="Look less deadline, cycles (above 0: late)", xlim=(0, 1.22 * rounds))
        upper.set_ylim(0, None)
        house.quantity(upper.yaxis, "advance_ns", "Advance", ticks=5)
    told = "; ".join(f"{name} {units.human('advance_ns', _rest(one))}" for name, one in courses.items())
    drawn.alt = f"The adaptive advance by round. At the end: {told}."
    return drawn


def table(courses: Mapping[str, Course]) -> "DataFrame":
    """Where each advance rests, after how many rounds it was within a tenth of that, and how often it moved since."""
    import pandas as pd

    rows = {}
    for name, one in courses.items():
        rest = _rest(one)
        off = np.flatnonzero(np.abs(one.advance_ns - rest) > 0.1 * rest)
        settled = int(off[-1]) + 2 if off.size else 1
        there = settled <= one.advance_ns.size // 2
        late = np.abs(one.error_cycles[one.error_cycles.size // 2 :])
        rows[name] = {
            "median advance": units.human("advance_ns", rest),
            "within a tenth from round": settled if there else "never",
            "looks in the dead band": units.human("band_frac", float((late < ADJUST_MIN_CYCLES).mean())),
            "looks left out as spikes": units.human("spike_frac", float((late > ADJUST_MAX_CYCLES).mean())),
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def _rest(one: Course) -> float:
    """Median of the second half."""
    return float(np.median(one.advance_ns[one.advance_ns.size // 2 :]))


__all__ = ["settling", "table"]
