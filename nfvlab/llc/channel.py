"""One memory channel behind all cores: how long a miss waits there, and how much it slows each tenant.

First come, first served, a fixed time per line. The wait is that of Allen and Cunneen, service * h * busy / (1 - busy),
for sources that wait themselves: they offer less the longer they wait, and a core meets its own misses in the queue,
and so counts them as busy, only as far as several are out at once and chance brings them together (Bard 1979;
Schweitzer 1979). h is half the squared variation of the gaps between misses, in Albin's mixture of what it is for each
tenant and of 1 for all together, and more for a fill that brings a write-back. What a device pushes out with one packet
comes as a batch, but never on top of the one before. As the channel fills up, the wait grows to whatever brings what is
offered down to what it can serve.

References: Allen, Probability, Statistics, and Queueing Theory, 1978; Albin, Operations Research 32(5), 1984.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_CROWDED = 0.9  # busy share from which the queue is ruled by who can wait, not by chance
_SATURATION = 0.01  # of a service, times busy / (1 - busy): what all wait for besides
_ROUNDS = 3
_CLOSE = 1e-5  # of the channel's busy share


@dataclass(frozen=True)
class Source:
    """What one tenant asks of memory, per unit of its work (a reference, a packet, a wake-up).

    unit_ns: time of a unit if nothing waits; most_per_ns: units it makes at most; reads: misses that it waits for;
    writes: lines written back behind them; pushed: lines written back all at once, for its device; parallelism:
    misses that wait at the same time; miss_frac: misses per reference; behind_ns: mean wait of its misses for what its
    own device has just pushed out.
    """

    unit_ns: float
    most_per_ns: float
    reads: float
    writes: float
    pushed: float
    parallelism: float
    miss_frac: float
    behind_ns: float = 0.0

    @property
    def lines(self) -> float:
        """All lines of a unit."""
        return self.reads + self.writes + self.pushed


@dataclass(frozen=True)
class Load:
    """Units per ns and the wait of a miss, by tenant; the mean wait of all misses, and the channel's busy share."""

    per_ns: tuple[float, ...]
    wait_ns: tuple[float, ...]
    mean_wait_ns: float
    busy_frac: float


def share(sources: Sequence[Source], service_ns: float, speeds: Sequence[float] | None = None) -> Load:
    """The equilibrium of tenants at one channel that takes `service_ns` for a line. `speeds`: to begin with."""
    rounds = 1 if speeds is not None else _ROUNDS
    freely = _speeds(sources, [0.0] * len(sources))
    if not any(s.lines for s in sources):
        return Load(tuple(freely), (0.0,) * len(sources), 0.0, 0.0)
    speeds = freely if speeds is None else speeds
    for _ in range(rounds):
        queue = _Queue(sources, speeds, service_ns)
        busy = _fall(queue.offered)
        waits = queue.waits(busy)
        speeds = _speeds(sources, waits)
    reads = [v * s.reads for v, s in zip(speeds, sources, strict=True)]
    mean = sum(r * w for r, w in zip(reads, waits, strict=True)) / sum(reads) if sum(reads) else 0.0
    return Load(tuple(speeds), tuple(waits), mean, min(busy, 1.0))


def share_with_bursts(
    sources: Sequence[Source], service_ns: float, bursty: int, speeds: Sequence[float] | None = None
) -> Load:
    """`share` where one source works in bursts, at full speed until a unit is done, then not at all."""
    burst = sources[bursty]
    at_work = [
        dataclasses.replace(s, most_per_ns=math.inf) if k == bursty else s for k, s in enumerate(sources)
    ]
    at_rest = [s for k, s in enumerate(sources) if k != bursty]
    busy = share(at_work, service_ns)
    part = min(1.0, burst.most_per_ns / busy.per_ns[bursty])
    if part == 1.0:
        return share(sources, service_ns, speeds)
    idle = share(at_rest, service_ns)
    per_ns, wait_ns = list(idle.per_ns), list(idle.wait_ns)
    per_ns.insert(bursty, 0.0)
    wait_ns.insert(bursty, 0.0)
    mean = [part * a + (1 - part) * b for a, b in zip(busy.per_ns, per_ns, strict=True)]
    waits = [
        (part * a * x + (1 - part) * b * y) / v if v else 0.0
        for a, x, b, y, v in zip(busy.per_ns, busy.wait_ns, per_ns, wait_ns, mean, strict=True)
    ]
    reads = [v * s.reads for v, s in zip(mean, sources, strict=True)]
    waited = sum(r * w for r, w in zip(reads, waits, strict=True)) / sum(reads) if sum(reads) else 0.0
    return Load(tuple(mean), tuple(waits), waited, part * busy.busy_frac + (1 - part) * idle.busy_frac)


class _Queue:
    """What each tenant meets at the channel, for given shares of the traffic."""

    def __init__(self, sources: Sequence[Source], speeds: Sequence[float], service_ns: float):
        self.sources, self.service_ns = sources, service_ns
        lines = [v * s.lines for v, s in zip(speeds, sources, strict=True)]
        total = sum(lines)
        self.own = sum(x / total * (1 - s.miss_frac) for x, s in zip(lines, sources, strict=True))
        self.streams = 1 / sum((x / total) ** 2 for x in lines)
        self.pairs = sum(v * min(s.reads, s.writes) for v, s in zip(speeds, sources, strict=True)) / total
        pushed = [
            0.5 * v * s.pushed * max(s.pushed - 1, 0) / total for v, s in zip(speeds, sources, strict=True)
        ]
        self.pushed = [sum(pushed) - own for own in pushed]
        self.asked = [s.lines for s in sources]
        self.met = [
            1 - v * (s.reads + s.writes) / total * (1 - (1 - 1 / s.parallelism) * (1 - s.miss_frac))
            for v, s in zip(speeds, sources, strict=True)
        ]

    def waits(self, busy: float) -> list[float]:
        """Wait of each tenant's misses when the channel is busy for that share of the time."""
        alone = 1 / (1 + 4 * (1 - busy) ** 2 * (self.streams - 1))
        spread = 0.5 * (alone * self.own + 1 - alone) + self.pairs
        common = self.service_ns * _SATURATION * busy**8 / max(1 - busy, 1e-12)
        waits = []
        for part, others, s in zip(self.met, self.pushed, self.sources, strict=True):
            crowd = min(part * busy, _CROWDED)
            waits.append(
                self.service_ns * (spread * crowd / (1 - crowd) + busy * others) + common + s.behind_ns
            )
        return waits

    def offered(self, busy: float) -> float:
        """Share of the channel's time that is asked for if it is busy for that share."""
        speeds = _speeds(self.sources, self.waits(busy))
        return self.service_ns * sum(v * x for v, x in zip(speeds, self.asked, strict=True))


def _speeds(sources: Sequence[Source], waits: Sequence[float]) -> list[float]:
    """Units per ns of each tenant, if its misses wait so long."""
    return [
        min(s.most_per_ns, 1 / (s.unit_ns + s.reads * w / s.parallelism))
        for s, w in zip(sources, waits, strict=True)
    ]


def _fall(function: Callable[[float], float]) -> float:
    """Where a falling function of a share equals it; close to 1 if it is above even there."""
    high = min(function(0.0), 1 - 1e-9)
    low = min(function(high), high)
    at_low, at_high = function(low) - low, function(high) - high
    if at_high >= 0:
        return high
    for _ in range(80):  # regula falsi, in the Illinois form
        if high - low < _CLOSE * (1 - high):
            break
        middle = (low * at_high - high * at_low) / (at_high - at_low)
        found = function(middle) - middle
        if abs(found) < _CLOSE * (1 - middle):
            return middle
        if found > 0:
            low, at_low, at_high = middle, found, at_high / 2
        else:
            high, at_high, at_low = middle, found, at_low / 2
    return 0.5 * (low + high)


__all__ = ["Load", "Source", "share", "share_with_bursts"]
