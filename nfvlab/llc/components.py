"""What tenants' references are made of: laws of reuse, and where the lines that they bring in may go.

A law tells, in a time unit of its own (references, packets), how many distinct lines a window of length x holds on
average, `footprint(x)`, and how likely a reference comes within x of the one before to its line, `hit(x)`. The two
are one function twice: hit = 1 - footprint' / references per unit of time (Denning and Schwartz 1972). Reuse times
that are certain, as in a cyclic walk, are listed in `gaps`: (reuse time, share of the references).
"""

import functools
from dataclasses import dataclass

import numpy as np

from nfvlab.llc.params import LINE_BYTES, Tenant, lines_of
from nfvlab.llc.popularity import Popularity, between, dirty_frac, zipf

_STEPS = 600  # of the table of a law of phases
_LEAST = 1e-12  # share of code fetches from which on they are followed
DATA, CODE, DEVICE = 0, 1, 2  # whose mask a flow fills by


@dataclass(frozen=True, eq=False)
class Cycle:
    """Lines that are each touched at certain times of a cycle: scan, chase, code loop, ring, wake-up.

    intervals: times between the touches of one line, adding up to the cycle. Different lines are touched at
    different, evenly spread times.
    """

    lines: float
    intervals: tuple[float, ...]

    @functools.cached_property
    def horizon(self) -> float:
        """The time in which every line is touched."""
        return sum(self.intervals)

    def once(self, x: np.ndarray) -> np.ndarray:
        """Mean number of distinct lines in a window of length x if only one touch of each cycle counts."""
        return np.minimum(x * (self.lines / self.horizon), self.lines)

    @functools.cached_property
    def gaps(self) -> tuple[tuple[float, float], ...]:
        """Reuse times and their shares of the touches."""
        return tuple((gap, times / len(self.intervals)) for gap, times in self._counted)

    @functools.cached_property
    def _counted(self) -> tuple[tuple[float, int], ...]:
        """Different intervals and how often each comes."""
        return tuple((gap, self.intervals.count(gap)) for gap in sorted(set(self.intervals)))

    def footprint(self, x: np.ndarray) -> np.ndarray:
        """Mean number of distinct lines touched in a window of length x."""
        if len(self.intervals) == 1:
            return self.once(x)
        inside = sum(np.minimum(x, gap) * times for gap, times in self._counted)
        return inside * (self.lines / self.horizon)

    def hit(self, x: np.ndarray) -> np.ndarray:
        """Share of touches that come within x after the one before to the same line."""
        return sum((np.asarray(x) >= gap) * (times / len(self.intervals)) for gap, times in self._counted)

    def dirty_miss(self, x: np.ndarray, write_frac: float) -> np.ndarray:
        """Write-backs per touch if lines untouched for x are evicted: those that miss have missed before."""
        return (1 - self.hit(x)) * write_frac

    def profile(self, x: np.ndarray, write_frac: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """`footprint`, `hit` and `dirty_miss` at once."""
        return self.footprint(x), self.hit(x), self.dirty_miss(x, write_frac)


@dataclass(frozen=True, eq=False)
class Phases:
    """Uniform references to one of `regions` equal parts of the data, the next part after `stay` references."""

    lines: float
    regions: int
    stay: float
    gaps = ()

    @property
    def horizon(self) -> float:
        """References by which nearly every line has been referenced."""
        region = self.lines / self.regions
        return (self.regions * self.stay) * (1 + np.ceil(20 * region / self.stay))

    def footprint(self, x: np.ndarray) -> np.ndarray:
        """Mean number of distinct lines in x references in a row, wherever they begin."""
        cycle, rate = self.regions * self.stay, self.regions / self.lines
        whole, rest = np.divmod(np.asarray(x, float), cycle)
        most = np.minimum(rest, self.stay)
        least = np.maximum(rest + self.stay - cycle, 0)
        sloped = 2 * (most - least) / cycle  # windows that overlap a region's stay in part
        flat = np.abs(rest - self.stay) / cycle  # that hold it, or lie inside it
        apart = 1 - sloped - flat
        span = np.maximum(rate * (most - least), 1e-12)
        ramp = -np.expm1(-span) / span
        quiet = sloped * ramp * np.exp(-rate * least) + flat * np.exp(-rate * most)
        return self.lines * (1 - np.exp(-rate * whole * self.stay) * (quiet + apart * np.exp(-rate * least)))

    def hit(self, x: np.ndarray) -> np.ndarray:
        """Probability that a reference comes within x references after the one before to the same line."""
        x = np.asarray(x, float)
        step = 1e-4 * x
        slope = (self.footprint(x + step) - self.footprint(x - step)) / (2 * step)
        return np.clip(1 - slope, 0, 1)

    def dirty_miss(self, x: np.ndarray, write_frac: float) -> np.ndarray:
        """Write-backs per reference if lines unreferenced for x references are evicted."""
        hit = self.hit(x)
        return (1 - hit) * dirty_frac(hit, write_frac)

    def profile(self, x: np.ndarray, write_frac: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """`footprint`, `hit` and `dirty_miss` at once, from a table."""
        return between(*_phases_table(self.lines, self.regions, self.stay, write_frac), x)


@functools.lru_cache(maxsize=128)
def _phases_table(
    lines: float, regions: int, stay: float, write_frac: float
) -> tuple[np.ndarray, np.ndarray]:
    """(logarithms of times, logarithm of the footprint, hit ratio and write-backs at them)."""
    law = Phases(lines, regions, stay)
    log_x = np.linspace(np.log(1e-2), np.log(max(law.horizon, 1.0)), _STEPS)
    x = np.exp(log_x)
    return log_x, np.stack([np.log(law.footprint(x)), law.hit(x), law.dirty_miss(x, write_frac)], axis=1)


Law = Popularity | Cycle | Phases


@dataclass(frozen=True, eq=False)
class Flow:
    """One law of a tenant: `speed` is the law's time per unit of the tenant, `per_unit` its references per unit.

    The unit of a tenant is a reference, a packet or a wake-up. `feeds` is DATA, CODE or DEVICE; `write_frac` the
    share of its references that write. A flow of `ring` lines is written by the device, too: see `rings`.
    """

    law: Law
    speed: float
    per_unit: float
    feeds: int = DATA
    write_frac: float = 0.0


@dataclass(frozen=True, eq=False)
class RingFlow:
    """Ring lines that the device writes and the core, if `reads`, reads `wait` packets later.

    law: of all touches, in packets; `turn` packets from the core's reading to the device's next writing.
    per_unit: lines per packet that the device writes anew; `reads` of them the core reads for the first time,
    `again` is how often per packet both sides come back to a line that they touched a packet before.
    part: 0 descriptors, 1 lines of frames.
    """

    law: Cycle
    wait: float
    turn: float
    per_unit: float
    reads: float
    again: float = 0.0
    part: int = 1


def flows(t: Tenant) -> tuple[tuple[Flow, ...], tuple[RingFlow, ...]]:
    """The flows of a tenant, and of the rings that its device writes."""
    data, code = lines_of(t.data_bytes), lines_of(t.code_bytes)
    fetches = t.code_frac / (1 - t.code_frac) if t.code_frac > _LEAST else 0.0  # per data reference
    if t.workload == "wakeups":
        return (
            Flow(Cycle(data, (1.0,)), 1.0, data, DATA, t.write_frac),
            Flow(Cycle(code, (1.0,)), 1.0, code, CODE),
        ), ()
    if t.workload == "packets":
        lookups = float(t.lookups_count)
        kept = [Flow(zipf(data, t.skew_exponent), lookups, lookups, DATA, t.write_frac)] if lookups else []
        per_packet = 1 + t.header_lines + lookups
        fetched = Flow(Cycle(code, (float(code),)), fetches * per_packet, fetches * per_packet, CODE)
        return (*kept, *([fetched] if fetches else [])), rings(t)
    share = 1 - t.code_frac
    law = {
        "zipf": lambda: zipf(data, t.skew_exponent),
        "scan": lambda: Cycle(data, (float(data),)),
        "chase": lambda: Cycle(data, (float(data),)),
        "phases": lambda: Phases(data, t.phases_count, float(t.phase_references_count)),
    }[t.workload]()
    made = Flow(law, share, share, DATA, t.write_frac)
    fetched = Flow(Cycle(code, (float(code),)), t.code_frac, t.code_frac, CODE)
    return (made, fetched) if fetches else (made,), ()


def rings(t: Tenant) -> tuple[RingFlow, ...]:
    """Descriptors (four to a line), the lines of a frame that the core reads, and those that it does not."""
    ring, wait = float(t.ring_count), max(float(t.backlog_count), 1e-3)
    together = min(4.0, ring)
    near, far = max(wait - together + 1, 1e-3), max(ring - wait - together + 1, 1e-3)
    steps = (1.0,) * (2 * int(together) - 2)
    lines = ring / together
    first = 1 / together
    made = [RingFlow(Cycle(lines, (*steps, near, far)), near, far, first, first, 1 - first, part=0)]
    frame = lines_of(t.frame_bytes)
    if t.header_lines:
        read = min(t.header_lines, frame)
        made.append(RingFlow(Cycle(ring * read, (wait, ring - wait)), wait, ring - wait, read, read))
    if frame > t.header_lines:
        unread = frame - t.header_lines
        made.append(RingFlow(Cycle(ring * unread, (ring,)), 0.0, ring, unread, 0.0))
    return tuple(made)


__all__ = [
    "CODE",
    "DATA",
    "DEVICE",
    "LINE_BYTES",
    "Cycle",
    "Flow",
    "Law",
    "Phases",
    "RingFlow",
    "flows",
    "rings",
]
