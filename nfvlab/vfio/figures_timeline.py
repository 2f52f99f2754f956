"""One interrupt on its way, as blocks: what each CPU did for it, and how long it waited; long waits are cut short."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from nfvlab import figures as house
from nfvlab.vfio.params import PATHS, Params
from nfvlab.vfio.simulation import Segment, trace_one

SEED = 184  # an interrupt that meets a job of the load, if there is one, about half-way
SLICE_SEED = 445  # one that meets another's time slice half-way
LONGEST_FRAC = 0.16  # of the longest path's work: what a wait is cut to
ROLES = {
    "travel": (house.FAINT, "on its way"),
    "interrupt": ("#7f93a8", "hard interrupt"),
    "schedule": (house.PALETTE.yellow, "wake-up, switch"),
    "signal": ("#7b5ea7", "eventfd, irqfd, post"),
    "leave": ("#3d4c5c", "exit, entry"),
    "guest": ("#1f9e89", "guest takes it"),
    "runs": ("#dbe7f0", "guest's own work"),
    "waits": ("#f3dfd3", "waits"),
}
ROLE_OF = {
    "travel": "travel",
    "remapping": "travel",
    "interrupt": "interrupt",
    "primary handler": "interrupt",
    "wake-up": "schedule",
    "context switch": "schedule",
    "vfio_msihandler": "signal",
    "irqfd": "signal",
    "post": "signal",
    "VM exit": "leave",
    "vcpu_run": "leave",
    "PIR sync": "leave",
    "VM entry": "leave",
    "notification": "guest",
    "delivery": "guest",
    "guest": "runs",
    "idle exit": "waits",
    "job": "waits",
    "burst": "waits",
    "other work": "waits",
    "interrupts off": "waits",
    "not preemptible": "waits",
    "SMI": "waits",
}
_IDLE = ("runs", "waits")
WHOLE = ("idle exit",)  # a wait that is never cut
_HIGH, _HALF, _THIN = 0.50, 0.27, 0.07  # heights in rows: a lone lane, one of two, a message


class Way(NamedTuple):
    """One interrupt's path: its segments, and its latency, infinite where it never comes."""

    name: str
    segments: list[Segment]
    latency_ns: float


class Block(NamedTuple):
    """A segment in the picture, waits cut: its times there, how high and where it lies, and what was cut out of it."""

    left_ns: float
    right_ns: float
    middle: float
    height: float
    role: str
    stage: str
    lasts_ns: float
    cut: bool


def ways(p: Params, names: Sequence[str] = PATHS) -> list[Way]:
    """An interrupt on each path, every stage at its mean cost, that meets what there is to wait for half-way."""
    even = p.replace(spread_frac=0.0)
    made = []
    for name in names:
        seed = SLICE_SEED if name == "VT-d preempted" else SEED
        segments = trace_one(even, name, rng=np.random.default_rng(seed))
        ends = [segment.end_ns for segment in segments if segment.stage == "delivery"]
        made.append(Way(name, segments, max(ends, default=np.inf)))
    return made


def cut_to_ns(made: Sequence[Way]) -> float:
    """How long a wait may be in the picture: a share of the longest path's work."""
    return LONGEST_FRAC * max(sum(end - start for start, end in _working(way)) for way in made)


def shown_ns(way: Way, longest_ns: float) -> tuple[np.ndarray, np.ndarray]:
    """Times and where they are shown (for numpy.interp): between them waits of more than `longest_ns` are cut."""
    real, shown = [0.0], [0.0]
    for start, end in [*_working(way), (_last(way), _last(way))]:
        gap = start - real[-1]
        for at, wide in ((start, min(gap, longest_ns)), (end, end - start)):
            real.append(at)
            shown.append(shown[-1] + wide)
    return np.array(real), np.array(shown)


def blocks(way: Way, longest_ns: float, row: int = 0) -> list[Block]:
    """The segments of a path up to its latency as blocks in a row: V above H if both are at work, messages on top."""
    real, shown = shown_ns(way, longest_ns)
    two = any(segment.cpu == "H" for segment in way.segments)
    made = []
    for segment in way.segments:
        role, end = ROLE_OF[segment.stage], min(segment.end_ns, _last(way))
        if end <= segment.start_ns:
            continue
        left, right = np.interp([segment.start_ns, end], real, shown)
        middle, height = _lane(segment.cpu, two)
        cut = role in _IDLE and right - left < 0.999 * (end - segment.start_ns)
        lasts = end - segment.start_ns
        made.append(Block(float(left), float(right), row + middle, height, role, segment.stage, lasts, cut))
    return made


def seen_at_ns(way: Way, longest_ns: float) -> float:
    """Where the latency is shown; NaN if it never ends."""
    if not np.isfinite(way.latency_ns):
        return np.nan
    return float(np.interp(way.latency_ns, *shown_ns(way, longest_ns)))


def by_role(way: Way) -> Mapping[str, float]:
    """What a latency consists of, ns by role: work first, and a wait or the guest's own work where there is none."""
    edges = np.unique([t for segment in way.segments for t in segment[:2] if t <= _last(way)])
    order = [role for role in ROLES if role not in _IDLE] + ["waits", "runs"]
    total = dict.fromkeys(ROLES, 0.0)
    for start, end in zip(edges[:-1], edges[1:], strict=True):
        now = {ROLE_OF[s.stage] for s in way.segments if s.start_ns <= start and s.end_ns >= end}
        total[next((role for role in order if role in now), "waits")] += float(end - start)
    return total


def _lane(cpu: str, two: bool) -> tuple[float, float]:
    """Middle and height of a CPU's lane, the row's middle being 0."""
    if not cpu:
        return -0.36, _THIN
    if not two:
        return 0.0, _HIGH
    return (-0.15, _HALF) if cpu == "V" else (0.17, _HALF)


def _last(way: Way) -> float:
    """The latency, or the end of what is known of a path that never ends."""
    if np.isfinite(way.latency_ns):
        return way.latency_ns
    return max(segment.end_ns for segment in way.segments)


def _working(way: Way) -> list[tuple[float, float]]:
    """When anybody works for the interrupt, up to its latency: disjoint, in order."""
    found: list[tuple[float, float]] = []
    for segment in sorted(way.segments):
        start, end = segment.start_ns, min(segment.end_ns, _last(way))
        if (ROLE_OF[segment.stage] in _IDLE and segment.stage not in WHOLE) or start >= end:
            continue
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((start, end))
    return found


__all__ = [
    "ROLES",
    "ROLE_OF",
    "SEED",
    "Block",
    "Way",
    "blocks",
    "by_role",
    "cut_to_ns",
    "seen_at_ns",
    "shown_ns",
    "ways",
]
