"""Two diagrams without a number in them: where a line's RMID comes from and goes, and the life of an RMID."""

from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle

from nfvlab import figures as house
from nfvlab.figures import Figure

RED, BLUE, GREEN, FREE = house.PALETTE.vermillion, house.PALETTE.blue, house.PALETTE.green, "#eef1f4"
SET = (BLUE, GREEN, BLUE, RED, GREEN, BLUE, GREEN, FREE)  # whose RMID the ways of one set carry
TAG_ALT = (
    "From a core to a reading. A core carries the RMID of what runs on it, which the kernel writes into IA32_PQR_ASSOC "
    "at a context switch. A miss fills a line, which is tagged with that RMID; a hit changes no tag; an eviction "
    "ends it. Occupancy counts the lines that carry an RMID. Bandwidth counts the bytes of lines filled under it, and "
    "of its modified lines written back. Both are kept in units of the upscaling factor; the kernel selects RMID and "
    "event in IA32_QM_EVTSEL, reads IA32_QM_CTR, and shows bytes in mon_data."
)
LIFE_ALT = (
    "The life of an RMID: free, in use, in limbo. A new group takes the RMID at the head of the free list; without a "
    "free one it is refused with EBUSY if some are in limbo, with ENOSPC if none is. A group's end sends its RMID to "
    "limbo. Every second a check reads its occupancy in each domain: below the threshold everywhere, it goes to the "
    "end of the free list; else it stays for the next check. The lines themselves are not touched."
)


def tags() -> Figure:
    """From the core's RMID to the line's tag, the counters, and what the kernel shows."""
    with house.style():
        drawn = Figure(figsize=(9.4, 3.4), layout="constrained", alt=TAG_ALT)
        axes = _canvas(drawn, (-0.1, 13.2), (-0.75, 3.1))
        _box(axes, 0.0, 1.55, 2.0, 0.9, "core\nIA32_PQR_ASSOC\nRMID 2", BLUE)
        for way, colour in enumerate(SET):
            look = {"fc": colour, "alpha": 0.75 if colour != FREE else 1.0, "ec": "white", "lw": 1.5}
            axes.add_patch(Rectangle((3.6 + 0.42 * way, 1.6), 0.42, 0.8, **look))
        axes.text(
            5.28,
            2.5,
            "one set: each line carries the RMID of its filler",
            ha="center",
            va="bottom",
            fontsize=8.5,
        )
        _arrow(axes, (2.05, 2.25), (3.55, 2.25))
        axes.text(2.8, 2.32, "miss: fill, tag", ha="center", va="bottom", fontsize=8.5)
        _arrow(axes, (2.05, 1.8), (3.55, 1.8), style="->")
        axes.text(2.8, 1.72, "hit: tag stays", ha="center", va="top", fontsize=8.5)
        _box(axes, 8.0, 2.0, 2.3, 0.8, "occupancy\nlines by RMID", house.FAINT)
        _box(axes, 8.0, 0.45, 2.3, 0.8, "bandwidth, by RMID:\nfilled + written back", house.FAINT)
        _arrow(axes, (7.0, 2.1), (7.95, 2.35))
        _arrow(axes, (5.3, 1.55), (5.3, 0.62))
        axes.add_patch(Rectangle((3.6, 0.1), 3.36, 0.5, fc=FREE, ec=house.FAINT, lw=1))
        axes.text(5.28, 0.35, "memory: own node, other node", ha="center", va="center", fontsize=8.5)
        axes.text(
            5.42, 1.08, "eviction: a modified line\nis written back", ha="left", va="center", fontsize=8
        )
        _arrow(axes, (7.0, 0.4), (7.95, 0.75))
        _box(axes, 10.9, 1.15, 2.2, 1.0, "IA32_QM_CTR\nwhole units,\nmodulo the width", house.FAINT)
        _arrow(axes, (10.35, 2.35), (11.3, 2.12))
        _arrow(axes, (10.35, 0.85), (11.3, 1.13))
        _arrow(axes, (12.0, 1.12), (12.0, 0.3))
        axes.text(
            12.0,
            0.22,
            "kernel: mon_data/…\nbytes since the\ngroup began",
            ha="center",
            va="top",
            fontsize=8.5,
        )
    return drawn


def life() -> Figure:
    """Free, in use, limbo: the state machine of an RMID, and what is told to a group that finds none."""
    with house.style():
        drawn = Figure(figsize=(9.4, 2.7), layout="constrained", alt=LIFE_ALT)
        axes = _canvas(drawn, (-0.1, 12.9), (-0.55, 2.55))
        for x, text, colour in ((0.6, "free list", GREEN), (5.0, "in use", BLUE), (9.4, "limbo", RED)):
            _box(axes, x, 1.1, 2.0, 0.8, text, colour, size=10)
        _arrow(axes, (2.65, 1.5), (4.95, 1.5))
        axes.text(3.8, 1.58, "mkdir: the one\nfree longest", ha="center", va="bottom", fontsize=8.5)
        _arrow(axes, (7.05, 1.5), (9.35, 1.5))
        axes.text(8.2, 1.58, "rmdir: its lines stay\nin the cache", ha="center", va="bottom", fontsize=8.5)
        _arrow(axes, (10.2, 1.05), (1.6, 1.05), bend=-0.22)
        text = "check, every second: llc_occupancy below max_threshold_occupancy in every domain"
        axes.text(5.95, 0.08, text, ha="center", va="top", fontsize=8.5)
        _arrow(axes, (10.7, 1.93), (11.45, 1.5), bend=-1.3)
        axes.text(11.7, 2.0, "not below:\nit stays", ha="left", va="center", fontsize=8.5)
        axes.text(
            1.6,
            2.0,
            "empty: EBUSY, or ENOSPC\nif limbo is empty, too",
            ha="center",
            va="bottom",
            fontsize=8.5,
        )
    return drawn


def _canvas(drawn: Figure, x: tuple[float, float], y: tuple[float, float]) -> Axes:
    axes = drawn.subplots()
    axes.set(xlim=x, ylim=y)
    axes.axis("off")
    return axes


def _box(
    axes: Axes, x: float, y: float, wide: float, high: float, text: str, colour: str, size: float = 8.5
) -> None:
    look = {"boxstyle": "round,pad=0.02,rounding_size=0.08", "fc": "white", "ec": colour, "lw": 1.6}
    axes.add_patch(FancyBboxPatch((x, y), wide, high, **look))
    axes.text(x + wide / 2, y + high / 2, text, ha="center", va="center", fontsize=size, linespacing=1.2)


def _arrow(axes: Axes, tail, head, *, bend: float = 0.0, style: str = "-|>") -> None:
    look = {"arrowstyle": style, "mutation_scale": 11, "color": house.FAINT, "lw": 1.3}
    axes.add_patch(FancyArrowPatch(tail, head, connectionstyle=f"arc3,rad={bend}", **look))


__all__ = ["life", "tags"]
