"""What other interrupts of the host add to a latency: an M/M/1 server that the timer meets, and is hit by on its way.

Noise comes at rate r and keeps the CPU for an exponential time of mean m. Times during which it keeps the CPU are busy
periods of the M/M/1 queue, of load u = r m: moments m / (1 - u), 2 m^2 / (1 - u)^3, 6 m^3 (1 + u) / (1 - u)^5 (D. R.
Cox and W. L. Smith, Queues, 1961, section 5.6). Who comes at a given time and finds the CPU kept waits for what is left
of the period: moments E[B^2] / 2 E[B] and E[B^3] / 3 E[B]. Under a guest a period also costs an exit before, and the
loop and an entry after it; a timer that comes in these waits for their rest.
"""

import math
from dataclasses import dataclass

import numpy as np

from nfvlab.timer.params import Params
from nfvlab.timer.rounds import Stages, Way, armed, cost_cycles

_NEVER = 1e-30  # a rate per cycle, below which squares of chances are no numbers
_SURE = 1 - 1e-12  # a weight that leaves the other exponential a mean


@dataclass(frozen=True)
class Hit:
    """One way to be hit: its probability, and the delay: `shift` and a mixture of two exponentials, in cycles.

    `before`: the delay comes before the host's look at the clock, so that an advance takes some of it back. `met`: the
    noise was on when the timer came, whatever the preemption timer's steps.
    """

    frac: float
    shift: float
    parts: tuple[tuple[float, float], ...]
    before: bool
    met: bool = False

    @property
    def mean(self) -> float:
        """Mean delay, cycles."""
        return self.shift + sum(weight * mean for weight, mean in self.parts)

    def sf(self, x: np.ndarray) -> np.ndarray:
        """P(delay > x)."""
        over = np.maximum(x - self.shift, 0.0)
        tails = sum(weight * np.exp(-over / max(mean, 1e-9)) for weight, mean in self.parts)
        return np.where(x < self.shift, 1.0, tails)

    def mean_short(self, x: np.ndarray) -> np.ndarray:
        """E[max(x - delay, 0)]."""
        over = np.maximum(x - self.shift, 0.0)
        taken = sum(weight * mean * -np.expm1(-over / max(mean, 1e-9)) for weight, mean in self.parts)
        return over - taken


def fitted(mean: float, square: float) -> tuple[float, tuple[tuple[float, float], ...]]:
    """(shift, parts) of a delay with these two moments: two exponentials, or one that is shifted if it varies less."""
    ratio = square / mean**2 - 1 if mean > 0 else 1.0
    if ratio >= 1 + 1e-9:
        share = min(0.5 * (1 + math.sqrt((ratio - 1) / (ratio + 1))), _SURE)
        return 0.0, ((share, mean / (2 * share)), (1 - share, mean / (2 * (1 - share))))
    spread = mean * math.sqrt(max(ratio, 0.0))
    return mean - spread, ((1.0, spread),)


@dataclass(frozen=True)
class Noise:
    """Rate per cycle, mean length in cycles, and the busy periods' moments."""

    rate: float
    length: float

    @property
    def load(self) -> float:
        """Share of the CPU."""
        return self.rate * self.length

    @property
    def period(self) -> tuple[float, float]:
        """First two moments of a busy period."""
        idle = 1 - self.load
        return self.length / idle, 2 * self.length**2 / idle**3

    @property
    def rest(self) -> tuple[float, float]:
        """First two moments of what is left of one."""
        idle = 1 - self.load
        return self.length / idle**2, 2 * self.length**2 * (1 + self.load) / idle**4

    def kept_frac(self, cycle: float, since: float) -> float:
        """Chance that the CPU is kept `since` cycles after it was not; each time it is for `cycle` in the mean."""
        if cycle <= 0:
            return 0.0
        share = self.rate * cycle / (1 + self.rate * cycle)
        return share * -math.expm1(-(self.rate + 1 / cycle) * max(since, 0.0))

    def added(self, cycles: float, each: float) -> tuple[float, float, float]:
        """Chance of a hit in so many cycles, and mean and variance of all delays; a hit costs `each` on top."""
        first, second = self.period
        hits = self.rate * cycles
        whole = first + each
        return -math.expm1(-hits), hits * whole, hits * (second + 2 * each * first + each**2)


def noise(p: Params) -> Noise:
    """The host's noise in cycles."""
    return Noise(p.noise_per_s / p.tsc_hz, p.noise_ns / p.cycle_ns)


def hits(p: Params, timer: int, way: Way, since: float) -> list[Hit]:
    """The ways in which noise can delay this way of a round, with their probabilities; none: the rest.

    `since`: cycles from the guest's arming to T.
    """
    made = noise(p)
    if made.rate < _NEVER:
        return []
    back = cost_cycles(p, Stages(loop=1, entry=1)) / (1 - made.load)
    again = p.exit_cycles + back  # of a hit under the guest
    host, guest = cost_cycles(p, way.to_look), cost_cycles(p, way.to_handler)
    on_host, on_guest = made.added(host, 0.0), made.added(guest, again)
    met = _met(p, timer, way, made, since)
    not_met = 1 - sum(frac for frac, *_ in met)
    found = [
        Hit(frac, shift + more, parts, before=True, met=True)
        for frac, more, mean, variance in met
        for shift, parts in [_sum((mean, variance), on_host[1:], on_guest[1:])]
    ]
    for frac, before, own, other in (
        (on_host[0], True, on_host, on_guest),
        ((1 - on_host[0]) * on_guest[0], False, on_guest, (0.0, 0.0, 0.0)),
    ):
        if frac > 0:
            moments = _given(*own)
            shift, parts = _sum(moments, other[1:])
            found.append(Hit(not_met * frac, shift, parts, before=before))
    return found


def _given(chance: float, mean: float, variance: float) -> tuple[float, float]:
    """Mean and variance given that there is a hit at all."""
    first, square = mean / chance, (variance + mean**2) / chance
    return first, max(square - first**2, 0.0)


def _sum(*moments: tuple[float, float]) -> tuple[float, tuple[tuple[float, float], ...]]:
    """The fitted sum of independent delays, each given by its mean and variance."""
    mean, variance = (sum(part[k] for part in moments) for k in (0, 1))
    return fitted(mean, variance + mean**2)


def _met(
    p: Params, timer: int, way: Way, made: Noise, since: float
) -> list[tuple[float, float, float, float]]:
    """(probability, what it saves or costs, mean and variance of the wait) where noise is on when the timer comes."""
    rest, square = made.rest
    wait = (rest, square - rest**2)
    if way.met == "host":
        return [(made.kept_frac(made.period[0], since), 0.0, *wait)]
    if way.met != "guest":
        return []
    loop, entry, idle = p.loop_cycles, p.entry_cycles, 1 - made.load
    kept = p.exit_cycles / idle + made.period[0]
    cycle = kept + (loop + entry) / idle
    on = made.kept_frac(cycle, since)
    parts = (kept / cycle, loop / idle / cycle, entry / idle / cycle)
    if armed(p, timer):  # the deadline has passed at the next entry: value 0
        costs = (loop + entry, loop / 2 + entry, entry / 2)
    else:  # taken in the host: no exit, and the loop is on its way
        costs = (-p.exit_cycles, -p.exit_cycles - loop / 2, entry / 2)
    waits = (wait, (0.0, 0.0), (0.0, 0.0))
    return [(on * part, cost, *mean) for part, cost, mean in zip(parts, costs, waits, strict=True)]


__all__ = ["Hit", "Noise", "fitted", "hits", "noise"]
