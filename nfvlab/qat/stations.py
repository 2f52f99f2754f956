"""How the stations of a migration look in pictures: a colour each, and strips of which is the slowest when."""

from collections.abc import Sequence

import numpy as np

from nfvlab import figures as house
from nfvlab.qat.analytic import Course

COLOURS = {
    "link": house.PALETTE.blue,
    "thread": house.PALETTE.vermillion,
    "engine, ring": house.PALETTE.green,
    "CPU threads": house.PALETTE.pink,
    "destination": house.PALETTE.brown,
    "max-bandwidth": house.PALETTE.grey,
}
KINDS = {  # a station's name in the theory: how it is called in a picture
    "link": "link",
    "thread": "thread",
    "engine": "engine, ring",
    "ring": "engine, ring",
    "cipher": "engine, ring",
    "threads": "CPU threads",
    "channels": "CPU threads",
    "shared cores": "CPU threads",
    "destination": "destination",
    "max-bandwidth": "max-bandwidth",
}
SPELLED = {"threads": "compress threads"}


def spans(course: Course) -> list[tuple[float, float, str]]:
    """(from, to, what is slowest): ns since the migrate command until the end, by the names of COLOURS."""
    end = course.fluid.total_time_ns
    changes = [(at, KINDS[name]) for at, name in course.slowest if at < end]
    kept = [change for k, change in enumerate(changes) if not k or change[1] != changes[k - 1][1]]
    ends = [at for at, _ in kept[1:]] + [end]
    return [(at, until, name) for (at, name), until in zip(kept, ends, strict=True)]


def shares(course: Course) -> list[tuple[str, float]]:
    """Share of the time that pages take for which each is the slowest, largest first, by the theory's names."""
    return [(name, share) for name, share in course.slowest_frac if share >= 0.005]


def in_words(course: Course, most: int = 2) -> str:
    """The slowest stations: "link 96 %, ring 4 %"."""
    return ", ".join(
        f"{SPELLED.get(name, name)} {100 * share:.0f} %" for name, share in shares(course)[:most]
    )


def boxes(course: Course, y: float, height: float) -> tuple[list[np.ndarray], Sequence[str]]:
    """Corners and colours of the strip of a course, around y."""
    low, high = y - height / 2, y + height / 2
    found = spans(course)
    corners = [np.array([(start, low), (end, low), (end, high), (start, high)]) for start, end, _ in found]
    return corners, [COLOURS[name] for *_, name in found]
