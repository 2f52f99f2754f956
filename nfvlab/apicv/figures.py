"""The live picture of interrupt delivery: exits and cycles by mode, and the tail of the latencies."""

from nfvlab import units
from nfvlab.apicv.analytic import Theory, analyze
from nfvlab.apicv.params import MODES, Params
from nfvlab.apicv.scenarios import SCENARIOS
from nfvlab.apicv.simulation import Samples
from nfvlab.figures import Figure
from nfvlab.realtime.figures import Ways

SHOWN = ("latency_p99_ns", "cost_cycles", "exits_ratio")


class Live(Ways):
    """Four ways to deliver a guest's interrupts: exits, cycles, and the share that takes longer."""

    names = ("emulated", "virtual\ndelivery", "posted", "VT-d\nposted")
    bars = (("exits_ratio", "Exits per interrupt"), ("cost_cycles", "Cost per interrupt"))
    tail_label = "From arrival to handler"

    def headline(self, p: Params, theory: Theory, samples: Samples | None = None) -> dict[str, str]:
        """One tile a mode: mean latency, then its 99 %, cost and exits."""
        return {mode: self._tile(k, theory, samples) for k, mode in enumerate(MODES)}

    def _tile(self, k: int, theory: Theory, samples: Samples | None) -> str:
        said = {name: units.human(name, getattr(theory, name)[k]) for name in SHOWN}
        lines = (
            f"99 % within {said['latency_p99_ns']}",
            f"{said['cost_cycles']}, {said['exits_ratio']} exits",
        )
        return " · ".join((self.way(k, theory, samples, ("latency_ns",)), *lines))

    def relevant(self, p: Params, path: str) -> bool:
        """What sleeping costs is for a guest that halts; sections without interrupts are for one that does not."""
        if path in ("masked_frac", "masked_ns"):
            return not p.halting
        if path in ("halt_cycles", "wake_cycles", "idle_exit_cycles", "halt_poll_ns"):
            return p.halting
        return path != "away_ns" or p.away_frac > 0


def figure(p: Params, theory: Theory | None = None, samples: Samples | None = None) -> Figure:
    """The live picture, still."""
    return Live(p).still(p, theory or analyze(p), samples)


__all__ = ["SCENARIOS", "Live", "figure"]
