"""The live picture: a round on the host's hrtimer and on the VMX-preemption timer, what it costs and how late it is."""

from typing import Any

import numpy as np

from nfvlab import figures as house
from nfvlab import units
from nfvlab.figures import Figure
from nfvlab.realtime import figures as realtime
from nfvlab.timer.analytic import Theory, analyze
from nfvlab.timer.params import Params
from nfvlab.timer.scenarios import SCENARIOS

NAMES = ("host's hrtimer", "VMX-preemption timer")
COLOURS = (house.PALETTE.vermillion, house.PALETTE.blue)
_USED = {  # field: whether a scenario uses it
    "advance_ns": lambda p: p.advance == "fixed",
    "halt_poll_ns": lambda p: p.halting,
    "noise_ns": lambda p: p.noise_per_s > 0,
    "fastpath": lambda p: p.apicv,
}


class Live(realtime.Ways):
    """Latency and cost of a guest's timer interrupt on either timer, and the share of interrupts that are later."""

    names = ("host's\nhrtimer", "VMX-\npreemption\ntimer")
    bars = (("latency_ns", "Mean latency"), ("cost_cycles", "Cost of a round"))
    tail_label = "From the deadline to the handler"
    colours = COLOURS

    def build(self, p: Params) -> None:
        """The shared picture, and a line for what comes before its deadline."""
        super().build(p)
        self.early = self.animate(
            self.tail.text(
                0.98,
                0.97,
                "",
                transform=self.tail.transAxes,
                ha="right",
                va="top",
                fontsize=9,
                color=house.INK,
            )
        )
        self.early.set_in_layout(False)
        for axes in self.axes:
            axes.axvline(0, color=house.FAINT, lw=0.8)

    def show(self, p: Params, theory: Theory, samples: Any | None = None) -> None:
        """Theory as bars and lines, the simulation as dots and steps."""
        super().show(p, theory, samples)
        self.early.set_text("\n".join(early_lines(theory)))

    def headline(self, p: Params, theory: Theory, samples: Any | None = None) -> dict[str, str]:
        """One tile a timer: mean latency, then the tail, cost, exits and context switches."""
        return {name: self._tile(k, theory, samples) for k, name in enumerate(NAMES)}

    def _tile(self, k: int, theory: Theory, samples: Any | None) -> str:
        first, *simulated = self.way(k, theory, samples, ("latency_ns",)).split(" · ")
        said = {name: units.human(name, getattr(theory, name)[k]) for name in theory_names()}
        lines = [
            f"99.9 % within {said['latency_p999_ns']}",
            f"{said['cost_cycles']}, {said['exits_ratio']} exits, {said['switches_ratio']} switches",
        ]
        if k == 1:
            lines.append(f"served {said['hardware_frac']}")
        return " · ".join([first, *simulated, *lines])

    def relevant(self, p: Params, path: str) -> bool:
        """Leave out what a scenario does not use."""
        return _USED.get(path, lambda _: True)(p)


def theory_names() -> tuple[str, ...]:
    """Outputs that a tile tells."""
    return ("latency_p999_ns", "cost_cycles", "exits_ratio", "switches_ratio", "hardware_frac")


def early_frac(theory: Theory, k: int) -> float:
    """Share of a timer's interrupts whose handler runs before the deadline, by the theory's curve."""
    return 1 - float(np.interp(0.0, theory.curve_ns, theory.curve_high[k], left=1.0))


def early_lines(theory: Theory) -> list[str]:
    """A line for each timer that lets a percent of the interrupts, or more, come before the deadline."""
    shares = [early_frac(theory, k) for k in range(len(NAMES))]
    return [
        f"{name}:\n{units.human('early_frac', share)} before the deadline"
        for name, share in zip(NAMES, shares, strict=True)
        if share >= 0.01
    ]


def figure(p: Params, theory: Theory | None = None, samples: Any | None = None) -> Figure:
    """The live picture, still."""
    return Live(p).still(p, theory or analyze(p), samples)


__all__ = ["COLOURS", "NAMES", "SCENARIOS", "Live", "early_frac", "figure"]
