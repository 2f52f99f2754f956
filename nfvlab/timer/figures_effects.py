"""The talk's four points as a ladder: latency and cost with one effect more in each row."""

from typing import TYPE_CHECKING

import numpy as np

from nfvlab import figures as house
from nfvlab import units
from nfvlab.figures import Figure

if TYPE_CHECKING:
    from pandas import DataFrame

_PANELS = (("latency_ns", "Mean latency"), ("cost_cycles", "Cost of a round"))


def ladder(frame: "DataFrame") -> Figure:
    """Rows of `studies.effects`: bars are theory, dots simulated; what a row saves over the one above it is written."""
    with house.style():
        drawn = Figure(figsize=(9.2, 0.55 + 0.5 * len(frame)), layout="constrained")
        panels = drawn.subplots(1, 2, sharey=True)
        rows = np.arange(len(frame))
        for axes, (name, title) in zip(panels, _PANELS, strict=True):
            values = frame[f"{name}_theory"].to_numpy()
            axes.barh(rows, values, 0.56, color=house.THEORY["color"], alpha=0.8)
            axes.plot(frame[f"{name}_monte_carlo"], rows, clip_on=False, zorder=4, **house.SIMULATION)
            for row in rows[1:]:
                saved = values[row - 1] - values[row]
                if abs(saved) > 1e-6 * values[0]:
                    text = f" {'−' if saved > 0 else '+'} {units.human(name, abs(saved))}"
                    axes.text(values[row] + 0.02 * values.max(), row, text, va="center", fontsize=8.5)
            axes.set(xlim=(0, 1.12 * values.max()), ylim=(len(frame) - 0.5, -0.5))
            axes.grid(axis="x")
            axes.grid(False, axis="y")
            house.quantity(axes.xaxis, name, title, ticks=4)
        panels[0].set_yticks(rows, frame.index)
        panels[0].tick_params(axis="y", length=0)
    first, last = (frame["latency_ns_theory"].iloc[k] for k in (0, -1))
    drawn.alt = (
        "Mean latency and cost with one effect more in each row: "
        f"from {units.human('x_ns', first)} to {units.human('x_ns', last)}; "
        + "; ".join(f"{label} {units.human('x_ns', v)}" for label, v in frame["latency_ns_theory"].items())
        + "."
    )
    return drawn


__all__ = ["ladder"]
