"""The live picture: one interrupt on each path as a timeline, and bounds of how often it takes longer."""

from typing import Any

import numpy as np
from matplotlib.collections import PolyCollection
from matplotlib.patches import Rectangle

from nfvlab import figures as house
from nfvlab import units
from nfvlab.figures import Figure
from nfvlab.realtime.figures import Ways
from nfvlab.stats import Estimate
from nfvlab.vfio import figures_timeline as timeline
from nfvlab.vfio.analytic import Theory, analyze
from nfvlab.vfio.params import PATHS, Params
from nfvlab.vfio.scenarios import SCENARIOS
from nfvlab.vfio.simulation import Samples

CUTS = 3  # of a row that are labelled
TILES = 5  # the time of VT-d preempted is that of the slice it is given
_USED = {  # field: whether a scenario uses it
    "load_ns": lambda p: p.load_frac > 0,
    "load_priority_level": lambda p: p.load_frac > 0,
    "work_ns": lambda p: not p.atomic,
    "irqoff_ns": lambda p: p.irqoff_frac > 0,
    "smi_ns": lambda p: p.smi_per_s > 0,
}


class Live(Ways):
    """A device's interrupt on six paths to the guest, stage by stage, and the share of interrupts that take longer."""

    size = (9.4, 4.8)
    names = ("mainline", "threaded", "no thread", "VT-d,\nrunning", "VT-d,\nblocked", "VT-d,\npreempted")
    bars = (("latency_ns", "One interrupt, each stage at its mean; from the device's write"),)
    key = "long waits are cut, their length inside · pairs of lines: bounds that hold the truth · thin steps: simulated"
    tail_label = "From the write to the handler"

    def build(self, p: Params) -> None:
        """Timelines to the left, the tail to the right, the key of the stages below."""
        super().build(p)
        self.tail.get_gridspec().set_width_ratios((1.45, 1.0))
        patches = [Rectangle((0, 0), 1, 1, fc=colour, lw=0) for colour, _ in timeline.ROLES.values()]
        words = [words for _, words in timeline.ROLES.values()]
        look = {"ncols": 4, "fontsize": 8, "handlelength": 1.0, "columnspacing": 1.2, "handletextpad": 0.5}
        self.figure.legend(patches, words, loc="lower left", bbox_to_anchor=(0.0, 0.035), **look)
        self.figure.get_layout_engine().set(rect=(0, 0.125, 1, 0.875))

    def _row_axes(self, axes: Any, output: str, title: str) -> tuple:
        """Blocks, ends with their latencies, what was cut out, and the names of two lanes."""
        blocks = self.animate(axes.add_collection(PolyCollection([], linewidths=0.5, edgecolors="white")))
        ends = self.animate(*axes.plot([], [], "|", ms=19, mew=1.6, color=house.INK, zorder=4))
        rows = range(len(self.names))
        said = [self.animate(axes.text(0, k, "", fontsize=8.5, va="center", zorder=5)) for k in rows]
        cuts = [
            self.animate(axes.text(0, 0, "", fontsize=7.5, ha="center", va="center", zorder=5))
            for _ in range(CUTS * len(rows))
        ]
        lanes = [
            self.animate(axes.text(0, 0, "", fontsize=7, ha="right", va="center", color=house.FAINT))
            for _ in range(2 * len(rows))
        ]
        axes.set_ylim(len(self.names) - 0.45, -0.6)
        axes.set_yticks([])
        axes.tick_params(axis="y", pad=12, length=0)
        axes.grid(axis="x")
        axes.grid(False, axis="y")
        house.quantity(axes.xaxis, output, title, ticks=5)
        return blocks, ends, said, cuts, lanes

    def show(self, p: Params, theory: Theory, samples: Samples | None = None) -> None:
        """The timelines by the simulation's own steps, the tail by theory and, at rest, by samples."""
        self._show_ways(p)
        self._show_tail(theory, samples)

    def _show_ways(self, p: Params) -> None:
        axes, (blocks, ends, said, cuts, lanes) = self.axes[0], self.boxes[0]
        made = timeline.ways(p)
        longest = timeline.cut_to_ns(made)
        shown = [timeline.blocks(way, longest, k) for k, way in enumerate(made)]
        at = [timeline.seen_at_ns(way, longest) for way in made]
        flat = [block for row in shown for block in row]
        blocks.set_verts([_corners(block) for block in flat])
        blocks.set_facecolor([timeline.ROLES[block.role][0] for block in flat])
        ends.set_data(at, range(len(made)))
        last = max(block.right_ns for block in flat)
        self.fit(axes, x=(0.0, 1.14 * last))
        gap = 0.012 * axes.get_xlim()[1]
        for k, (way, row) in enumerate(zip(made, shown, strict=True)):
            never = not np.isfinite(way.latency_ns)
            end = max(block.right_ns for block in row) if never else at[k]
            said[k].set(text="never" if never else units.human("latency_ns", way.latency_ns), x=end + gap)
            _show_cuts(cuts[CUTS * k : CUTS * (k + 1)], row)
            _show_lanes(lanes[2 * k : 2 * k + 2], row, k, -gap)

    def headline(self, p: Params, theory: Theory, samples: Samples | None = None) -> dict[str, str]:
        """One tile a path: the mean, the bounds of the 99.9 % quantile, and the switches; a row of them has five."""
        return {name: self._tile(k, theory, samples) for k, name in enumerate(PATHS[:TILES])}

    def alt(self, p: Params, theory: Theory, samples: Samples | None = None) -> str:
        """The tiles, and the means of the paths that have none."""
        rest = (f"{name} {_mean(theory, k)}" for k, name in enumerate(PATHS) if k >= TILES)
        return f"{super().alt(p, theory, samples).rstrip('.')}; {'; '.join(rest)}."

    def _tile(self, k: int, theory: Theory, samples: Samples | None) -> str:
        mean = _mean(theory, k)
        if mean == "never":
            return mean
        bounds = _between(theory.latency_p999_low_ns[k], theory.latency_p999_high_ns[k])
        switches = units.human("switches_ratio", theory.switches_ratio[k])
        seen = [f"simulated {_seen(samples.estimate_of('latency_ns', k))}"] if samples is not None else []
        return " · ".join([mean, *seen, f"99.9 %: {bounds}", f"{switches} switches"])

    def relevant(self, p: Params, path: str) -> bool:
        """Leave out what a scenario does not use."""
        return _USED.get(path, lambda _: True)(p)


def _mean(theory: Theory, k: int) -> str:
    mean = theory.latency_ns[k]
    return units.human("latency_ns", mean) if np.isfinite(mean) else "never"


def _between(low: float, high: float) -> str:
    """Two times, with one unit where it is the same."""
    first, last = (units.human("latency_ns", value) for value in (low, high))
    number, unit = first.split(" ")
    return f"{number if last.endswith(f' {unit}') else first} to {last}"


def _seen(estimate: Estimate) -> str:
    """A time and its error in one unit."""
    text = units.human("latency_ns", estimate.value)
    if not (np.isfinite(estimate.value) and estimate.stderr > 0):
        return text
    number, unit = text.split(" ")
    return f"{number} ± {estimate.stderr * float(number) / estimate.value:.2g} {unit}"


def _corners(block: timeline.Block) -> list[tuple[float, float]]:
    low, high = block.middle - block.height / 2, block.middle + block.height / 2
    return [(block.left_ns, low), (block.right_ns, low), (block.right_ns, high), (block.left_ns, high)]


def _show_cuts(texts: list, row: list[timeline.Block]) -> None:
    """How long the waits really are that were cut; what the guest does meanwhile needs no words."""
    waits = [block for block in row if block.cut and block.role == "waits"]
    for text in texts:
        text.set_visible(False)
    for text, block in zip(texts, waits, strict=False):
        text.set(text=units.human("latency_ns", block.lasts_ns), y=block.middle, visible=True)
        text.set_x((block.left_ns + block.right_ns) / 2)


def _show_lanes(texts: list, row: list[timeline.Block], k: int, x: float) -> None:
    """V and H where both are at work."""
    two = any(block.middle not in (k, k - 0.36) for block in row)
    for text, name in zip(texts, ("V", "H"), strict=True):
        text.set(text=name if two else "", x=x, y=k + (-0.15 if name == "V" else 0.17), visible=two)


def figure(p: Params, theory: Theory | None = None, samples: Samples | None = None) -> Figure:
    """The live picture, still."""
    return Live(p).still(p, theory or analyze(p), samples)


__all__ = ["SCENARIOS", "Live", "figure"]
