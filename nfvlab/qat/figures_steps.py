"""What a page costs the migration thread: its cycles by step, one bar a case."""

from typing import TYPE_CHECKING

from nfvlab import figures as house
from nfvlab.figures import Figure

if TYPE_CHECKING:
    from pandas import DataFrame

COLOURS = {
    "read pagemap before": house.PALETTE.sky,
    "check for zero": house.PALETTE.yellow,
    "translate": house.PALETTE.vermillion,
    "build": house.PALETTE.blue,
    "submit": house.PALETTE.green,
    "poll": house.PALETTE.brown,
    "interrupt": house.PALETTE.orange,
    "put": house.PALETTE.pink,
    "copy and send": house.PALETTE.grey,
    "encrypt": house.PALETTE.light,
}
WIDE_FRAC = 0.05  # of the longest bar: from there on a part has its number in it


def steps(frame: "DataFrame") -> Figure:
    """Stacked bars of `studies.steps`: a column a bar, a row a part."""
    total = frame.sum()
    with house.style():
        drawn = Figure(figsize=(9.2, 0.5 * frame.shape[1] + 1.3), layout="constrained")
        axes = drawn.subplots()
        left = total * 0
        for step, cycles in frame.iterrows():
            if cycles.max() < 0.5:
                continue
            axes.barh(
                range(len(total)),
                cycles,
                left=left,
                height=0.62,
                color=COLOURS[step],
                alpha=0.7,
                label=step,
                lw=0,
            )
            for y, (value, start) in enumerate(zip(cycles, left, strict=True)):
                if value >= WIDE_FRAC * total.max():
                    axes.text(start + value / 2, y, f"{value:,.0f}", ha="center", va="center", fontsize=8.5)
            left = left + cycles
        for y, value in enumerate(total):
            house.direct_label(axes, value, y, f"{value:,.0f}", size=9.5)
        axes.set_yticks(range(len(total)), total.index)
        axes.set(ylim=(len(total) - 0.4, -0.6), xlim=(0, 1.1 * total.max()))
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel("Cycles per page that is not zero")
        axes.grid(False)
        drawn.legend(loc="outside upper center", ncols=5, handlelength=1.0, columnspacing=1.6)
    drawn.alt = "The migration thread's cycles per page that is not zero. " + "; ".join(
        f"{case}: {total[case]:,.0f}, most of them to {frame[case].idxmax()}" for case in frame
    )
    return drawn
