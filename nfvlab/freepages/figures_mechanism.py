"""Two diagrams without a number in them: the order of events, and how frames fold across the PCI hole."""

from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Polygon, Rectangle

from nfvlab import figures as house
from nfvlab.figures import Figure

HOST, GUEST = 1.0, 2.15  # heights of the two lanes
STEPS = (  # lane, from, to, words
    (HOST, 0.0, 1.0, "start the\ndirty log"),
    (GUEST, 1.35, 2.75, "walk the\nfree lists"),
    (HOST, 3.1, 4.25, "fold across\nthe hole"),
    (HOST, 4.3, 5.3, "filter the\nbitmap"),
    (HOST, 5.35, 7.45, "bulk stage: send what\nthe bitmap still holds"),
    (HOST, 7.5, 9.95, "rounds: merge the log,\nsend what it brings back"),
    (HOST, 10.0, 11.45, "stop: merge,\nsend the rest"),
)
MESSAGES = (  # from (x, lane), to (x, lane), words, where the words stand
    ((1.0, HOST), (1.35, GUEST), "request", (1.1, 1.58), "right"),
    ((2.75, GUEST), (3.1, HOST), "one bit a frame", (3.06, 1.58), "left"),
)
ALT = (
    "Order of events, left to right. The host starts the dirty log, then asks the guest for its free pages. The guest "
    "walks its free lists and reports one bit a frame. The host folds the frames across the PCI hole, filters the free "
    "pages out of the migration bitmap, and sends what is left in the bulk stage. Then come rounds, each of which "
    "merges the dirty log into the bitmap, and last the stop, in which the guest does not run. Dirty logging is on "
    "from before the request until the stop, so that a page taken into use meanwhile comes back in a round."
)


def order_of_events() -> Figure:
    """The talk's sequence: dirty log, request, walk, fold, filter, bulk, rounds, stop."""
    with house.style():
        drawn = Figure(figsize=(9.4, 3.3), layout="constrained", alt=ALT)
        axes = drawn.subplots()
        axes.set(xlim=(-1.45, 11.7), ylim=(-0.75, 2.75))
        axes.axis("off")
        for height, name in ((GUEST, "guest"), (HOST, "host")):
            axes.text(-0.25, height, name, ha="right", va="center", weight="bold")
        for k, (lane, start, stop, text) in enumerate(STEPS):
            _box(axes, start, stop, lane, text, stopped=k == len(STEPS) - 1)
        for tail, head, text, place, side in MESSAGES:
            _arrow(axes, tail, head)
            axes.text(*place, text, fontsize=8.5, color=house.FAINT, ha=side, va="center")
        _bar(axes, 1.0, 11.45, 0.18, "dirty log on", house.PALETTE.orange)
        _bar(
            axes,
            -0.1,
            10.0,
            -0.32,
            "guest runs and writes; every write after the first step is logged",
            house.PALETTE.green,
        )
        _bar(axes, 10.0, 11.45, -0.32, "paused", house.PALETTE.vermillion)
    return drawn


def _box(axes: Axes, start: float, stop: float, lane: float, text: str, *, stopped: bool) -> None:
    colour = house.PALETTE.vermillion if stopped else house.PALETTE.blue
    look = {"boxstyle": "round,pad=0.02,rounding_size=0.08", "fc": "white", "ec": colour, "lw": 1.6}
    axes.add_patch(FancyBboxPatch((start + 0.03, lane - 0.33), stop - start - 0.06, 0.66, **look))
    axes.text((start + stop) / 2, lane, text, ha="center", va="center", fontsize=8.5, linespacing=1.25)


def _arrow(axes: Axes, tail: tuple[float, float], head: tuple[float, float]) -> None:
    down = 1 if head[1] > tail[1] else -1
    ends = (tail[0] - 0.04, tail[1] + 0.36 * down), (head[0] + 0.12, head[1] - 0.36 * down)
    axes.add_patch(FancyArrowPatch(*ends, arrowstyle="-|>", mutation_scale=11, color=house.FAINT, lw=1.3))


def _bar(axes: Axes, start: float, stop: float, height: float, text: str, colour: str) -> None:
    axes.add_patch(Rectangle((start, height - 0.17), stop - start, 0.34, fc=colour, alpha=0.22, lw=0))
    axes.text((start + stop) / 2, height, text, ha="center", va="center", fontsize=8.5)


FOLD_ALT = (
    "Two rows of memory. Above, the guest's frames: RAM below 4 GiB, the PCI hole, RAM above 4 GiB. Below, the host's "
    "RAM block: the same RAM without the hole. The upper part moves down by the size of the hole; a bitmap by frame "
    "that is not folded marks other pages than the guest meant."
)


def fold() -> Figure:
    """Guest frames above, the RAM block below; what lies above 4 GiB moves down by the hole."""
    with house.style():
        drawn = Figure(figsize=(9.4, 1.9), layout="constrained", alt=FOLD_ALT)
        axes = drawn.subplots()
        axes.set(xlim=(-1.9, 11.2), ylim=(-0.35, 2.0))
        axes.axis("off")
        low, hole, high = 3.2, 1.9, 5.6
        for x, y, wide, text, colour in (
            (0, 1.3, low, "RAM below the hole", house.PALETTE.blue),
            (low + hole, 1.3, high, "RAM from 4 GiB on", house.PALETTE.green),
            (0, 0.1, low, "RAM below the hole", house.PALETTE.blue),
            (low, 0.1, high, "RAM from 4 GiB on", house.PALETTE.green),
        ):
            axes.add_patch(Rectangle((x, y), wide, 0.5, fc=colour, alpha=0.3, lw=0))
            axes.text(x + wide / 2, y + 0.25, text, ha="center", va="center", fontsize=9)
        axes.add_patch(
            Rectangle((low, 1.3), hole, 0.5, fc="none", ec=house.FAINT, lw=1, hatch="///", alpha=0.6)
        )
        axes.text(low + hole / 2, 1.86, "PCI hole", ha="center", va="bottom", fontsize=8.5, color=house.FAINT)
        for shift, start in ((hole, low), (hole, low + high)):
            axes.plot([start + shift, start], [1.27, 0.63], color=house.FAINT, lw=1, ls=":")
        strip = [(low + hole, 1.3), (low + hole + high, 1.3), (low + high, 0.6), (low, 0.6)]
        axes.add_patch(Polygon(strip, fc=house.PALETTE.green, alpha=0.08, lw=0))
        axes.text(-0.2, 1.55, "guest's frames", ha="right", va="center", weight="bold", fontsize=9)
        axes.text(-0.2, 0.35, "RAM block", ha="right", va="center", weight="bold", fontsize=9)
    return drawn
