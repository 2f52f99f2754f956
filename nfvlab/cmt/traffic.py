"""How a tenant's memory traffic fluctuates: what chance adds over time, and what beats with a sampling interval.

References follow each other by one core: each takes its work, a miss its wait as well, and brings a line in and
perhaps writes one back. The lines in an interval are a renewal-reward process: with reward Y and duration X of a
reference the variance grows by Var(Y - r X) / E X per unit of time, r = E Y / E X (D. R. Cox, Renewal Theory, 1962,
section 8.3). A stream that always misses is so regular that only its write-backs fluctuate. Where work is due at
certain times (packets below what the core can do, wake-ups) durations do not matter, and r X falls away.

Bursts at certain times (wake-ups, new phases) make readings beat: see `quantised.beat_variance`.
"""

import math
from typing import NamedTuple

from nfvlab.cmt.quantised import beat_variance
from nfvlab.llc.equilibrium import most_per_ns
from nfvlab.llc.params import LINE_BYTES, Cache, Tenant, lines_of
from nfvlab.llc.sharing import Use

_KEEPS_UP = 1 - 1e-6  # of the work that is due, from which durations do not matter


class Traffic(NamedTuple):
    """Lines to and from memory per ns, by chance their variance per ns, and bursts: lines, period and width in ns."""

    lines_per_ns: float
    variance_per_ns: float
    burst_lines: float = 0.0
    period_ns: float = 1.0
    width_ns: float = 1.0

    @property
    def bytes_per_s(self) -> float:
        """Bytes to and from memory per second."""
        return self.lines_per_ns * LINE_BYTES * 1e9

    @property
    def variance_per_s(self) -> float:
        """Growth of the variance of the bytes in an interval, bytes^2 per second, bursts left out."""
        return self.variance_per_ns * LINE_BYTES**2 * 1e9

    def passed(self, interval_ns: float) -> tuple[float, float]:
        """Mean (bytes) and variance (bytes^2) of what passes in an interval of random phase."""
        beats = self.burst_lines and self.burst_lines**2 * beat_variance(
            self.period_ns, self.width_ns, interval_ns
        )
        lines = self.lines_per_ns * interval_ns
        return lines * LINE_BYTES, (self.variance_per_ns * interval_ns + beats) * LINE_BYTES**2


def traffic(p: Cache, t: Tenant, use: Use, per_ns: float, wait_ns: float) -> Traffic:
    """The traffic of a tenant that makes `per_ns` units (references, packets, wake-ups), each using the cache so."""
    misses = use.data_misses + use.code_misses
    lines = misses + use.write_backs
    if not misses * per_ns > 0:
        return Traffic(0.0, 0.0)
    dirty = min(use.write_backs / misses, 1.0)
    stall_ns = (p.memory_ns + wait_ns) / t.parallelism_ratio
    paced = per_ns >= _KEEPS_UP * most_per_ns(t)
    slows = 0.0 if paced else lines * per_ns * stall_ns
    ring = sum(use.ring_misses)
    groups = (
        (max(use.data_references - _ring_references(t), 0.0), max(use.data_misses - ring, 0.0)),
        (use.code_references, use.code_misses),
    )
    variance = sum(_per_unit(references, missed, dirty, slows) for references, missed in groups)
    flow = Traffic(lines * per_ns, variance * per_ns)
    if t.workload == "wakeups":
        width = _unit_ns(p, t, use, stall_ns)
        return flow._replace(burst_lines=lines, period_ns=1 / per_ns, width_ns=width)
    if t.workload == "phases" and t.phases_count > 1:
        step_ns = t.work_ns + p.hit_ns / t.parallelism_ratio
        return flow._replace(**_phases(t, use, per_ns, step_ns, stall_ns))
    return flow


def _per_unit(references: float, misses: float, dirty: float, slows: float) -> float:
    """Variance of lines less what they take in time, of so many references with so many misses among them."""
    if references <= 0:
        return 0.0
    m = min(misses / references, 1.0)
    clean, both = 1 - slows, 2 - slows
    square = m * ((1 - dirty) * clean**2 + dirty * both**2)
    return references * max(square - (m * (1 + dirty - slows)) ** 2, 0.0)


def _ring_references(t: Tenant) -> float:
    """References per packet to what the device wrote: they miss or hit together, not by chance."""
    return 1.0 + t.header_lines if t.workload == "packets" else 0.0


def _unit_ns(p: Cache, t: Tenant, use: Use, stall_ns: float) -> float:
    """Time of one unit of a tenant's work."""
    references = use.data_references + use.code_references
    return references * (t.work_ns + p.hit_ns / t.parallelism_ratio) + stall_ns * (
        use.data_misses + use.code_misses
    )


def _phases(t: Tenant, use: Use, per_ns: float, step_ns: float, stall_ns: float) -> dict[str, float]:
    """The burst at the start of a phase: x data references into it, exp(-x / region) of them miss, until lines age.

    From then on, `aged` references into the phase, exp(-aged / region) do for its rest. `aged` is where that makes the
    phase's misses; if it cannot be few enough, some lines have survived since the phase before the last.
    """
    region, stay = lines_of(t.data_bytes) / t.phases_count, float(t.phase_references_count)
    missed = stay * use.data_misses / max(use.data_references, 1e-12)

    def first(aged: float) -> float:
        return -region * math.expm1(-aged / region)

    low, high = 0.0, stay
    for _ in range(40):
        aged = (low + high) / 2
        low, high = (
            (aged, high) if first(aged) + (stay - aged) * math.exp(-aged / region) > missed else (low, aged)
        )
    rest = math.exp(-high / region)
    excess = first(high) - high * rest  # misses above the level of the phase's rest
    square = first(high) * (1 + rest) / 2 - 2 * rest * first(high) + rest**2 * high
    width = excess**2 / square if square > 0 else stay
    slow_ns = step_ns + (1 + rest) / 2 * stall_ns  # per reference in the burst
    scale = min(missed / max(first(high) + (stay - high) * rest, 1e-300), 1.0)
    period_ns = stay / max(use.data_references, 1e-12) / per_ns
    return {
        "burst_lines": scale * excess,
        "period_ns": period_ns,
        "width_ns": min(width * slow_ns / max(1 - t.code_frac, 1e-3), period_ns),
    }


__all__ = ["Traffic", "traffic"]
