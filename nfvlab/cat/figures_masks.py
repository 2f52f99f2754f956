"""Masks drawn as the talk draws them: a row a class, a column a way, and beside it who shares ways with whom."""

from collections.abc import Mapping

import numpy as np
from matplotlib.patches import Rectangle

from nfvlab import figures as house
from nfvlab.cat.cbm import Cbm
from nfvlab.cat.talk import Table, overlaps
from nfvlab.figures import Figure
from nfvlab.llc.figures import COLOURS


def tables(*drawn: Table) -> Figure:
    """The tables one below the other, each with its matrix of shared ways."""
    heights = [len(table.masks) + 1.2 for table in drawn]
    with house.style():
        made = Figure(figsize=(9.0, 0.36 * sum(heights) + 0.5), layout="constrained")
        grid = made.add_gridspec(len(drawn), 2, width_ratios=(3.2, 1), height_ratios=heights)
        for row, table in enumerate(drawn):
            _draw_masks(made.add_subplot(grid[row, 0]), table.by_name, table.name)
            _draw_shared(made.add_subplot(grid[row, 1]), table.by_name)
    made.alt = "Capacity bit masks, one row a class. " + " ".join(_words(table) for table in drawn)
    return made


def _draw_masks(axes, masks: Mapping[str, Cbm], title: str) -> None:
    ways = next(iter(masks.values())).length
    owners = _colour_of(masks)
    for y, (name, mask) in enumerate(masks.items()):
        for way in range(ways):
            x, taken = ways - 1 - way, way in mask
            face = owners[name] if taken else "white"
            axes.add_patch(Rectangle((x, y - 0.38), 1, 0.76, facecolor=face, edgecolor="#8a949e", lw=0.6))
            if taken:
                axes.text(x + 0.5, y, "1", ha="center", va="center", fontsize=8, color="white")
        axes.text(ways + 0.3, y, f"{mask.hex().upper()}", va="center", fontsize=9, family="monospace")
    axes.set(xlim=(0, ways + 2.6), ylim=(len(masks) - 0.4, -0.6), yticks=range(len(masks)))
    axes.set_yticklabels(masks)
    axes.set_xticks(np.arange(ways) + 0.5, [str(ways - 1 - x) for x in range(ways)], fontsize=8)
    axes.xaxis.tick_top()
    _bare(axes)
    axes.set_title(title, fontsize=10, loc="left", pad=6)


def _draw_shared(axes, masks: Mapping[str, Cbm]) -> None:
    names = list(masks)
    shared = np.array([[len(masks[a] & masks[b]) for b in names] for a in names], float)
    shade = np.where(np.eye(len(names), dtype=bool), 0.0, shared)
    axes.imshow(shade, cmap="Oranges", vmin=0, vmax=max(1.0, 1.6 * shade.max()), aspect="auto")
    for i, row in enumerate(shared):
        for j, count in enumerate(row):
            colour = house.FAINT if i == j or not count else house.INK
            axes.text(j, i, f"{count:.0f}", ha="center", va="center", fontsize=8.5, color=colour)
    axes.set_yticks([])
    axes.set_xticks(range(len(names)), [name.replace(".", "\n") for name in names], fontsize=7)
    axes.xaxis.tick_top()
    _bare(axes)
    axes.set_title("ways shared", fontsize=9, loc="left", pad=6)


def _bare(axes) -> None:
    axes.tick_params(length=0)
    axes.grid(False)
    axes.spines[:].set_visible(False)


def _colour_of(masks: Mapping[str, Cbm]) -> dict[str, str]:
    """A colour a class: data and code of one class have the same."""
    classes = list(dict.fromkeys(name.partition(".")[0] for name in masks))
    return {name: COLOURS[classes.index(name.partition(".")[0]) % len(COLOURS)] for name in masks}


def _words(table: Table) -> str:
    rows = ", ".join(f"{name} {mask.hex().upper()}" for name, mask in table.masks)
    pairs = "; ".join(f"{o.first} and {o.second} share {len(o.shared)}" for o in overlaps(table.by_name))
    return f"{table.name}: {rows}. {pairs or 'Nobody shares ways'}."
