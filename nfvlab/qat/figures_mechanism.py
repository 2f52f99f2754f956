"""A diagram without a number in it: a page's way through migration thread, ring, engine and socket; who does what."""

from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle

from nfvlab import figures as house
from nfvlab.figures import Figure
from nfvlab.qat.stations import COLOURS

CPU, DEVICE = 1.05, 2.75  # heights of the two lanes
THREAD = (  # from, to, words: what the migration thread does
    (0.0, 1.3, "next dirty\npage"),
    (1.5, 2.8, "look up its\naddress"),
    (3.0, 4.3, "build and\nsubmit"),
    (5.1, 6.3, "poll for\nresponses"),
    (6.5, 7.9, "put header,\nsend"),
)
SLOTS, BUSY_SLOTS = 8, (2, 3, 4, 5, 6)
RING = (3.4, 6.0)
ENGINE = (6.9, 8.4)
ALT = (
    "A page's way. On the source, the migration thread takes the next dirty page, looks up its physical address, "
    "builds a request of several pages and submits it to the ring. The engine, with slices that work side by side, "
    "takes requests off the ring, reads the pages from guest memory by direct memory access, and leaves responses in "
    "the ring. The thread polls for responses, puts a header before each compressed page and sends it by the socket, "
    "over the link, to the destination, whose loading thread has its own device decompress it. If the ring is full the "
    "page goes to the socket as it is, or the thread waits."
)


def way_of_a_page() -> Figure:
    """Guest memory, migration thread, ring, engine, socket, link, destination: the talk's design."""
    with house.style():
        drawn = Figure(figsize=(9.4, 3.7), layout="constrained", alt=ALT)
        axes = drawn.subplots()
        axes.set(xlim=(-1.55, 11.75), ylim=(-0.3, 3.95))
        axes.axis("off")
        for height, name in ((DEVICE, "device"), (CPU, "migration\nthread")):
            axes.text(-0.25, height, name, ha="right", va="center", weight="bold", linespacing=1.2)
        for start, stop, text in THREAD:
            _box(axes, (start, stop), CPU, text, COLOURS["thread"])
        for (_, stop, _), (start, _, _) in zip(THREAD, THREAD[1:], strict=False):
            if stop < 4.3 or start > 6.3:
                _arrow(axes, (stop, CPU), (start, CPU))
        _device(axes)
        _out(axes)
        _bypass(axes)
    return drawn


def _device(axes: Axes) -> None:
    """Memory, ring and engine, and what goes between them."""
    _box(axes, (0.0, 1.3), DEVICE, "guest\nmemory", house.FAINT)
    _ring(axes)
    _engine(axes)
    _arrow(axes, (3.65, CPU + 0.36), (3.65, DEVICE - 0.28))
    _arrow(axes, (5.7, DEVICE - 0.28), (5.7, CPU + 0.36))
    axes.text(3.52, 1.93, "requests", fontsize=8.5, color=house.FAINT, ha="right", va="center")
    axes.text(5.83, 1.93, "responses", fontsize=8.5, color=house.FAINT, va="center")
    _arrow(axes, (RING[1], DEVICE + 0.13), (ENGINE[0], DEVICE + 0.13))
    _arrow(axes, (ENGINE[0], DEVICE - 0.13), (RING[1], DEVICE - 0.13))
    curve = {"connectionstyle": "arc3,rad=-0.16", "linestyle": ":"}
    _arrow(axes, (0.7, DEVICE + 0.38), (7.6, DEVICE + 0.5), **curve)
    text = "reads pages by physical address; mlock() keeps them there"
    axes.text(4.15, 3.83, text, fontsize=8.5, color=house.FAINT, ha="center", va="center")
    _arrow(axes, (0.65, DEVICE - 0.36), (0.65, CPU + 0.36), linestyle=":")


def _out(axes: Axes) -> None:
    """Socket, link and destination."""
    _arrow(axes, (7.9, CPU), (8.25, CPU))
    _box(axes, (8.25, 9.25), CPU, "socket", COLOURS["link"])
    _arrow(axes, (9.25, CPU), (10.05, CPU))
    axes.text(9.62, CPU + 0.16, "link", fontsize=8.5, color=house.FAINT, ha="center", va="bottom")
    _box(axes, (10.05, 11.6), CPU, "loading thread\nat destination", COLOURS["destination"])
    _box(axes, (10.05, 11.6), DEVICE, "its device\ndecompresses", COLOURS["destination"])
    _arrow(axes, (10.6, CPU + 0.36), (10.6, DEVICE - 0.36))
    _arrow(axes, (11.05, DEVICE - 0.36), (11.05, CPU + 0.36))


def _bypass(axes: Axes) -> None:
    """What becomes of a page that finds the ring full."""
    look = {"color": house.FAINT, "lw": 1.3, "ls": "--", "solid_capstyle": "butt"}
    axes.plot([3.65, 3.65, 7.2], [CPU - 0.34, 0.3, 0.3], **look)
    _arrow(axes, (7.2, 0.3), (7.2, CPU - 0.34), linestyle="--")
    text = "ring full: the page goes as it is; or the thread waits"
    axes.text(5.4, 0.2, text, fontsize=8.5, color=house.FAINT, ha="center", va="top")


def _ring(axes: Axes) -> None:
    width = (RING[1] - RING[0]) / SLOTS
    for k in range(SLOTS):
        fill = COLOURS["engine, ring"] if k in BUSY_SLOTS else "white"
        place = (RING[0] + k * width, DEVICE - 0.26)
        axes.add_patch(Rectangle(place, width, 0.52, fc=fill, ec=house.FAINT, lw=1, alpha=0.75))
    text = "ring: requests in flight"
    axes.text(sum(RING) / 2, DEVICE + 0.32, text, fontsize=8.5, ha="center", va="bottom")


def _engine(axes: Axes) -> None:
    _box(axes, ENGINE, DEVICE, "", COLOURS["engine, ring"], half=0.5)
    for k in range(4):
        at = DEVICE + 0.3 - 0.2 * k
        place = (ENGINE[0] + 0.1, at - 0.08)
        size = ENGINE[1] - ENGINE[0] - 0.2
        axes.add_patch(Rectangle(place, size, 0.16, fc=COLOURS["engine, ring"], alpha=0.3, lw=0))
    axes.text(sum(ENGINE) / 2, DEVICE + 0.01, "engine:\nslices", fontsize=8.5, ha="center", va="center")


def _box(
    axes: Axes, ends: tuple[float, float], height: float, text: str, colour: str, half: float = 0.33
) -> None:
    look = {"boxstyle": "round,pad=0.02,rounding_size=0.08", "fc": "white", "ec": colour, "lw": 1.6}
    start, stop = ends
    axes.add_patch(FancyBboxPatch((start + 0.03, height - half), stop - start - 0.06, 2 * half, **look))
    axes.text((start + stop) / 2, height, text, ha="center", va="center", fontsize=8.5, linespacing=1.25)


def _arrow(axes: Axes, tail: tuple[float, float], head: tuple[float, float], **look) -> None:
    style = {"arrowstyle": "-|>", "mutation_scale": 11, "color": house.FAINT, "lw": 1.3}
    axes.add_patch(FancyArrowPatch(tail, head, **style, **look))


__all__ = ["way_of_a_page"]
