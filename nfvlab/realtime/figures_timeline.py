"""Timelines: what CPUs do, one row a way of delivering, lanes within a row, pieces named where they are wide enough."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from nfvlab import figures as house
from nfvlab import units
from nfvlab.figures import Figure

KINDS = {
    "host": (house.PALETTE.vermillion, "the host works for it"),
    "guest": (house.PALETTE.green, "the guest, or the processor in the guest"),
    "application": ("#d9dee3", "the guest's own work"),
    "handler": (house.PALETTE.blue, "the guest's handler"),
    "other": (house.PALETTE.brown, "another CPU works for it"),
    "waits": ("#f0d9a8", "waits"),
    "travel": (house.FAINT, "a message travels"),
}
LANE = 0.30  # of a row's height
_CHARACTER = 0.066  # inches of a small letter, about


class Piece(NamedTuple):
    """What a lane holds for a while; kind is a key of KINDS."""

    start_ns: float
    end_ns: float
    lane: str
    label: str
    kind: str


def timeline(
    rows: Mapping[str, Sequence[Piece]],
    lanes: Sequence[str],
    marks: Mapping[str, float],
    *,
    wide: float = 9.4,
    end_ns: float | None = None,
    what: str = "One interrupt",
    mark: str = "in the handler after",
) -> Figure:
    """A row a way, lanes below each other, and a mark where its handler begins; the axis is time since the arrival."""
    last = end_ns or max(piece.end_ns for pieces in rows.values() for piece in pieces)
    with house.style():
        drawn = Figure(
            figsize=(wide, 1.1 + 0.34 * len(lanes) * len(rows) + 0.22 * len(rows)), layout="constrained"
        )
        axes = drawn.subplots()
        scale = last / (0.82 * wide)  # ns an inch
        for row, pieces in enumerate(rows.values()):
            for piece in pieces:
                _piece(axes, piece, _height(row, lanes.index(piece.lane), lanes), scale, last)
        for row, at in enumerate(marks[name] for name in rows):
            _mark(axes, row, at, lanes, f"{mark} {units.human('latency_ns', at)}")
        axes.set(ylim=(len(rows) - 0.35, -0.55), xlim=(0, last))
        _names(axes, rows, lanes)
        house.quantity(axes.xaxis, "latency_ns", "Time since the arrival")
        axes.grid(False, axis="y")
        _key(drawn, {piece.kind for pieces in rows.values() for piece in pieces})
    drawn.alt = f"{what}, as timelines. " + "; ".join(_told(*each, marks) for each in rows.items()) + "."
    return drawn


def _height(row: int, lane: int, lanes: Sequence[str]) -> float:
    return row - 0.36 * (len(lanes) - 1) / 2 + 0.36 * lane


def _piece(axes: Axes, piece: Piece, y: float, scale: float, last: float) -> None:
    colour, _ = KINDS[piece.kind]
    start, end = max(piece.start_ns, 0.0), min(piece.end_ns, last)
    axes.add_patch(
        Rectangle((start, y - LANE / 2), max(end - start, 0.0), LANE, fc=colour, ec="white", lw=1.0, zorder=2)
    )
    if (end - start) / scale > _CHARACTER * len(piece.label):
        ink = house.INK if piece.kind in ("application", "waits") else "white"
        axes.text(
            (start + end) / 2, y, piece.label, ha="center", va="center", fontsize=7.5, color=ink, zorder=3
        )


def _mark(axes: Axes, row: int, at: float, lanes: Sequence[str], text: str) -> None:
    top = _height(row, 0, lanes) - 0.24
    axes.plot([at, at], [top, _height(row, len(lanes) - 1, lanes) + 0.2], color=house.INK, lw=1.4, zorder=4)
    axes.text(at, top, f" {text}", ha="left", va="center", fontsize=8, color=house.INK, zorder=4)


def _names(axes: Axes, rows: Mapping[str, Any], lanes: Sequence[str]) -> None:
    places = [_height(row, lane, lanes) for row in range(len(rows)) for lane in range(len(lanes))]
    labels = [lane for _ in rows for lane in lanes]
    axes.set_yticks(places, labels, fontsize=8)
    axes.tick_params(axis="y", length=0)
    for row, name in enumerate(rows):
        axes.annotate(
            name,
            (0, row),
            xycoords=("axes fraction", "data"),
            xytext=(-8 - 5.2 * max(map(len, lanes)), 0),
            textcoords="offset points",
            ha="right",
            va="center",
            fontsize=9.5,
        )


def _key(drawn: Figure, kinds: set[str]) -> None:
    shown = [KINDS[kind] for kind in KINDS if kind in kinds]
    patches = [Rectangle((0, 0), 1, 1, fc=colour, ec="white") for colour, _ in shown]
    drawn.legend(
        patches, [words for _, words in shown], loc="outside lower center", ncols=3, fontsize=8, frameon=False
    )


def _told(name: str, pieces: Sequence[Piece], marks: Mapping[str, float]) -> str:
    stages = ", ".join(piece.label for piece in pieces if piece.kind in ("host", "other"))
    after = units.human("latency_ns", marks[name])
    return f"{' '.join(name.split())}: handler after {after}, {stages or 'no host work'}"


__all__ = ["KINDS", "Piece", "timeline"]
