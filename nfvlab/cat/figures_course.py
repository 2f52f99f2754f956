"""Occupancy over time while masks change, and which ways each tenant holds at the end of each stage."""

import numpy as np

from nfvlab import figures as house
from nfvlab import units
from nfvlab.cat.reprogram import Course
from nfvlab.figures import Figure
from nfvlab.llc.figures import COLOURS
from nfvlab.llc.params import LINE_BYTES


def course(found: Course, names: list[str], titles: list[str]) -> Figure:
    """Above, each tenant's occupancy by time; below, a bar a way for each stage."""
    stages = len(found.stages)
    with house.style():
        drawn = Figure(figsize=(9.0, 4.9), layout="constrained")
        grid = drawn.add_gridspec(2, stages, height_ratios=(1.5, 1))
        _over_time(drawn.add_subplot(grid[0, :]), found, names)
        for stage in range(stages):
            _by_way(drawn.add_subplot(grid[1, stage]), found, stage, titles[stage])
    last = found.occupancy_bytes[-1]
    held = "; ".join(f"{n} {units.human('x_bytes', x)}" for n, x in zip(names, last, strict=True))
    order = ", then ".join(titles)
    drawn.alt = f"Occupancy of the cache by tenant while its masks change ({order}). At the end: {held}."
    return drawn


def _over_time(axes, found: Course, names: list[str]) -> None:
    for k, name in enumerate(names):
        style = house.LINESTYLES[k % len(house.LINESTYLES)]
        axes.plot(found.t_ns, found.occupancy_bytes[:, k], color=COLOURS[k], ls=style, lw=2)
        y = found.occupancy_bytes[-1, k]
        house.direct_label(axes, found.t_ns[-1], y, name, color=COLOURS[k], size=9.5)
    for t in found.changed_ns:
        axes.axvline(t, color=house.INK, lw=1, ls=":")
    axes.set(xlim=(0, 1.16 * found.t_ns[-1]), ylim=(0, None))
    house.quantity(axes.xaxis, "t_ns", "Time")
    house.quantity(axes.yaxis, "occupancy_bytes", "Occupancy", ticks=5)


def _by_way(axes, found: Course, stage: int, title: str) -> None:
    p = found.stages[stage]
    ways = np.arange(p.cache_ways)
    below = np.zeros(p.cache_ways)
    for k, held in enumerate(found.by_way_bytes[stage]):
        axes.bar(ways, held, 0.86, bottom=below, color=COLOURS[k], lw=0)
        below += held
    axes.set(xlim=(p.cache_ways - 0.4, -0.6), ylim=(0, 1.02 * p.cache_sets * LINE_BYTES))
    axes.set_xticks([way for way in ways if way % 4 == 0 or way == p.cache_ways - 1])
    axes.set_xlabel("way")
    house.quantity(axes.yaxis, "way_bytes", "", ticks=3)
    axes.set_title(title, fontsize=9.5, loc="left")
