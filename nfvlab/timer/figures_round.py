"""One round on either timer as a timeline: the guest arms its deadline, its interrupt comes; and as a table."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from matplotlib.patches import Rectangle

from nfvlab import figures as house
from nfvlab import units
from nfvlab.figures import Figure
from nfvlab.timer.simulation import GUESTS, WAITS, WORDS, Segment

if TYPE_CHECKING:
    from pandas import DataFrame

KINDS = {
    "host": (house.PALETTE.vermillion, "the host works, the guest does not run"),
    "interrupt": (house.PALETTE.blue, "interrupt delivered in the guest, and its return"),
    "guest": ("#d9dee3", "the guest's own work"),
    "waits": ("#f0d9a8", "nobody works: idle, or the host waits for the deadline"),
}
_OWN = ("guest", WORDS["think"])
_INTERRUPT = tuple(WORDS[stage] for stage in GUESTS if WORDS[stage] not in _OWN)
SHORT = {
    "VM exit": "exit",
    "VM entry": "entry",
    "vcpu_run": "loop",
    "PIR sync": "sync",
    "hrtimer armed": "arm",
    "preemption timer armed": "arm",
    "preemption timer's exit": "expiry",
    "hrtimer's interrupt": "hrtimer\ninterrupt",
    "look at the clock": "look",
    "context switch": "context\nswitch",
    "C-state left": "C-state\nleft",
    "wake-up": "wake\nup",
    "delivery": "deliver",
    "guest's work": "guest",
}  # what stands in a bar
_MARGIN_NS = 250.0
_CHARACTER = 0.062  # inches of a small letter, about
_LINE = 0.085  # and of a line's height
_WIDTHS = (1.0, 2.3)


def kind(segment: Segment) -> str:
    """Whose a segment is: a key of KINDS."""
    if segment.stage in WAITS:
        return "waits"
    if segment.stage in _OWN:
        return "guest"
    return "interrupt" if segment.stage in _INTERRUPT else "host"


def handler_ns(segments: Sequence[Segment]) -> float:
    """When the handler begins, ns after the deadline: where the delivery ends."""
    return next(segment.end_ns for segment in segments if segment.stage == WORDS["deliver"])


def longest(segments: Sequence[Segment]) -> Segment:
    """The guest's run, or the sleep, between arming and firing."""
    before = [segment for segment in segments if segment.start_ns < 0]
    return max(before, key=lambda segment: segment.end_ns - segment.start_ns)


def rounds(found: Mapping[str, Sequence[Segment]]) -> Figure:
    """A row a round: arming to the left, from the WRMSR on; firing to the right, from the deadline on."""
    wide, tall = 9.6, 1.35 + 0.78 * len(found)
    with house.style():
        drawn = Figure(figsize=(wide, tall), layout="constrained")
        panels = drawn.subplots(1, 2, sharey=True, width_ratios=_WIDTHS)
        arming = max(longest(s).start_ns - s[0].start_ns for s in found.values()) + _MARGIN_NS
        first = min(0.0, *(longest(s).end_ns for s in found.values())) - _MARGIN_NS
        last = max(handler_ns(s) for s in found.values()) + 1.6 * _MARGIN_NS
        for row, segments in enumerate(found.values()):
            _row(panels[0], row, segments, segments[0].start_ns, (0.0, arming), wide)
            _row(panels[1], row, segments, 0.0, (first, last), wide)
            at = handler_ns(segments)
            panels[1].plot([at, at], [row - 0.42, row + 0.3], color=house.INK, lw=1.5)
            said = f"handler after {units.human('latency_ns', at)} "
            panels[1].text(at, row - 0.42, said, ha="right", va="center", fontsize=8.5)
        panels[1].axvline(0, color=house.INK, ls="--", lw=1.2)
        for axes, title in zip(panels, ("Since the guest's WRMSR", "Since the deadline"), strict=True):
            axes.set_ylim(len(found) - 0.5, -0.65)
            axes.grid(False)
            house.quantity(axes.xaxis, "latency_ns", title, ticks=5)
        panels[0].set_yticks(range(len(found)), found)
        panels[0].tick_params(axis="y", length=0)
        panels[1].tick_params(axis="y", length=0)
        _key(drawn, {kind(segment) for segments in found.values() for segment in segments})
    told = "; ".join(
        f"{' '.join(name.split())}: handler {units.human('latency_ns', handler_ns(s))} after the deadline"
        for name, s in found.items()
    )
    drawn.alt = f"One round as a timeline, arming and firing. {told}."
    return drawn


def _row(axes, row: int, segments: Sequence[Segment], zero: float, limits: tuple, wide: float) -> None:
    axes.set_xlim(*limits)
    panel = wide * 0.8 * _WIDTHS[zero == 0.0] / sum(_WIDTHS)
    scale = (limits[1] - limits[0]) / panel
    for segment in segments:
        start, end = (min(max(t - zero, limits[0]), limits[1]) for t in segment[:2])
        if end <= start:
            continue
        colour = KINDS[kind(segment)][0]
        axes.add_patch(
            Rectangle((start, row - 0.29), end - start, 0.58, fc=colour, ec="white", lw=1, zorder=2)
        )
        ink = "white" if kind(segment) in ("host", "interrupt") else house.INK
        _name(axes, (start + end) / 2, row, segment.stage, (end - start) / scale, ink)


def _name(axes, x: float, row: int, stage: str, inches: float, ink: str) -> None:
    """The stage's name across its bar, upright if that is narrow, left out if it is narrower than a line."""
    word = SHORT.get(stage, stage)
    lines = word.split("\n")
    across = inches > _CHARACTER * max(map(len, lines))
    if not across and inches < _LINE * len(lines):
        return
    turn = 0 if across else 90
    axes.text(
        x,
        row,
        word,
        ha="center",
        va="center",
        fontsize=7,
        color=ink,
        zorder=3,
        rotation=turn,
        linespacing=1.0,
    )


def _key(drawn: Figure, kinds: set[str]) -> None:
    shown = [look for name, look in KINDS.items() if name in kinds]
    patches = [Rectangle((0, 0), 1, 1, fc=colour, ec="white") for colour, _ in shown]
    drawn.legend(patches, [words for _, words in shown], loc="outside lower center", ncols=2, fontsize=8.5)


def table(found: Mapping[str, Sequence[Segment]]) -> "DataFrame":
    """Stages in the order of their first appearance, with the time each takes in the round; a column a round.

    The last rows are what the guest does not get, and how long after the deadline its handler begins.
    """
    import pandas as pd

    columns = {}
    for label, segments in found.items():
        sums: dict[str, float] = {}
        for segment in segments:
            sums[segment.stage] = sums.get(segment.stage, 0.0) + segment.end_ns - segment.start_ns
        shown = {stage: units.human("t_ns", t) for stage, t in sums.items() if stage not in _OWN}
        host = sum(s.end_ns - s.start_ns for s in segments if kind(s) == "host")
        shown["the guest does not get"] = units.human("t_ns", host)
        shown["handler after the deadline"] = units.human("t_ns", handler_ns(segments))
        columns[" ".join(label.split())] = shown
    order = list(dict.fromkeys(stage for segments in found.values() for stage in _stages(segments)))
    order += ["the guest does not get", "handler after the deadline"]
    return pd.DataFrame(columns).reindex(order).fillna("").rename_axis("stage")


def _stages(segments: Sequence[Segment]) -> list[str]:
    return [segment.stage for segment in segments if segment.stage not in _OWN]


__all__ = ["KINDS", "handler_ns", "kind", "rounds", "table"]
