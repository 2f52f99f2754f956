"""What the theory of a shared cache claims of each output, and where it is known to be poor.

The one thing that the theory does not know is which way of its set a line stands in. So a tolerance is what a few ways
more or less would change, besides a floor: how many was measured, by kind of scenario, and so were the floors.
"""

from typing import TYPE_CHECKING

from nfvlab.cat.params import OUTPUTS, Params
from nfvlab.llc.equilibrium import references, solve, warm_per_ns
from nfvlab.llc.overlap import islands
from nfvlab.llc.params import LINE_BYTES, Tenant
from nfvlab.llc.sharing import fed_masks
from nfvlab.results import Claim, approx, field_of
from nfvlab.units import human

if TYPE_CHECKING:
    from nfvlab.cat.analytic import Theory

HERE = "tests/cat/test_claims.py, random scenarios"
APART_WAYS, TURNS_WAYS, PLAIN_WAYS = 0.2, 0.5, 1.0  # one mask; with phases or wake-ups; with a plain index
OVERLAP_WAYS, WALKS_WAYS = 1.5, 3.0  # masks that overlap; if something walks there
FRAC = 0.006  # of misses
REL = 0.015  # of speeds and times
DIRTY_REL = 0.1  # of the traffic of phases: how many lines are written before they are evicted
HELD_REL, BURST_REL, HELD_WAYS = 0.04, 0.08, 2.0  # of lines held; by wake-ups; ways, by masks that overlap
CROWDED_FRAC, CROWDED_REL = 0.5, 0.15  # busy share of the channel from which on speeds are less certain
FULL_FRAC = 0.999  # from which on who waits how long is not known
WAIT_REL = 0.5
# Of a forwarder whose ring lives partly in the device's ways and partly in the core's, measured in
# tests/cat/test_rings.py: misses, speeds and times, traffic; and of misses while hardly a line is lost.
RING_FRAC, RING_REL, RING_TRAFFIC_REL, RING_LEAST_FRAC = 0.17, 0.21, 0.3, 0.02

KINDS = {name: approx(rel=REL, abs=0.0, where=HERE) for name in OUTPUTS}
KINDS |= {name: approx(rel=0, abs=FRAC, where=HERE) for name in OUTPUTS if name.endswith("_frac")}


def overlapping(p: Params) -> tuple[int, ...]:
    """Tenants who fill ways by a mask that others overlap with a different one."""
    islands = [island for island in _islands(p) if len({mask for _, mask, _ in island}) > 1]
    return tuple(sorted({k for island in islands for k, _, _ in island}))


def reach_ways(p: Params) -> dict[int, float]:
    """How many ways the theory may be wrong by, for each mask that something fills by."""
    found = {}
    for island in _islands(p):
        turns = any(p.tenants[k].workload in ("phases", "wakeups") for k, _, _ in island)
        ways = APART_WAYS if p.hashed and not turns else TURNS_WAYS if p.hashed else PLAIN_WAYS
        if len({mask for _, mask, _ in island}) > 1:
            ways = WALKS_WAYS if any(walks for *_, walks in island) else OVERLAP_WAYS
        found |= {mask: ways for _, mask, _ in island}
    return found


def _islands(p: Params) -> list[list[tuple[int, int, bool]]]:
    """(tenant, mask, whether it walks) of what fills the cache, apart by what overlaps."""
    fed = fed_masks(p, p.tenants)
    distinct = tuple(dict.fromkeys(mask for _, mask, _ in fed))
    return [[row for row in fed if distinct.index(row[1]) in island] for island in islands(distinct)]


def claim(theory: "Theory", name: str) -> Claim:
    """The claim of one output in this scenario; "miss_frac[1]" is tenant 1's."""
    field, here, busy = field_of(name), theory.value(name), theory.memory_busy_frac
    moved = max(abs(near.value(name) - here) for near in theory.near)
    moved = moved if moved == moved else 0.0  # NaN: there is no such value
    crowded = 0.0 if busy < CROWDED_FRAC else CROWDED_REL if busy < FULL_FRAC else 1.0
    if field == "memory_wait_ns":
        service_ns = LINE_BYTES / theory.params.memory_bytes_per_s * 1e9
        return approx(rel=WAIT_REL, abs=moved + service_ns * (0.6 * busy + 1e-3), where=HERE)
    if field == "memory_busy_frac":
        rel = max(ring_slack(theory, k)[2] for k in range(len(theory.params.tenants)))
        return approx(rel=crowded + rel, abs=moved + FRAC, where=HERE)
    k = int(name.split("[")[1][:-1])
    misses, speed, traffic = ring_slack(theory, k)
    if field.endswith("_frac"):
        return approx(rel=0, abs=moved + FRAC + misses, where=HERE)
    rel, grain = _least(theory, field, k)
    slack = {"bandwidth_bytes_per_s": traffic, "occupancy_bytes": 0.0}.get(field, speed)
    return approx(rel=rel + crowded + slack, abs=moved + grain, where=HERE)


def ring_slack(theory: "Theory", k: int) -> tuple[float, float, float]:
    """(misses, share of speeds and times, share of traffic) more to allow where a forwarder's ring lives in two places.

    Which lines stay in the device's ways and which move to the core's settles set by set; the theory has it to chance.
    """
    t, use = theory.params.tenants[k], theory.equilibrium.uses[k]
    if t.workload != "packets" or not t.header_lines or not rings_move(theory):
        return 0.0, 0.0, 0.0
    missed = use.ring_misses[1] / t.header_lines
    if 0.02 < missed < 0.98:
        return RING_FRAC, RING_REL, RING_TRAFFIC_REL
    return RING_LEAST_FRAC, RING_LEAST_FRAC, RING_TRAFFIC_REL


def rings_move(theory: "Theory") -> bool:
    """Whether lines of a ring are lost from the device's ways before they are read."""
    return any(core + fetched + lost > 0.05 for core, fetched, _, lost in theory.equilibrium.placed)


def _least(theory: "Theory", field: str, k: int) -> tuple[float, float]:
    """(relative, absolute) tolerance of an output of tenant k besides what ways change: its floor and its grain."""
    p, t = theory.params, theory.params.tenants[k]
    if field == "occupancy_bytes":
        overlap = HELD_WAYS * p.cache_sets * LINE_BYTES if k in overlapping(p) else 0.0
        return BURST_REL if t.workload == "wakeups" else HELD_REL, overlap
    if field == "bandwidth_bytes_per_s":
        rel = DIRTY_REL if t.workload == "phases" else REL
        return rel, 2 * FRAC * LINE_BYTES * theory.references_per_s[k]
    if field == "references_per_s" and t.workload in ("packets", "wakeups"):
        return REL, sum(references(t)) / p.measured_ns * 1e9  # one unit more or less in the time
    if field in ("unit_ns", "unit_p99_ns") and t.workload == "wakeups":
        return REL, _late_ns(theory, k)
    if field == "unit_p99_ns" and t.workload == "packets":
        work = theory.unit(k)
        return REL, work.miss_ns + work.reference_ns  # the next step of the distribution
    return REL, 0.0


def _late_ns(theory: "Theory", k: int) -> float:
    """How uncertain it is how late the wake-ups of tenant k start: each one's error adds up."""
    p, t, busy_ns = theory.params, theory.params.tenants[k], theory.equilibrium.busy_ns(k)
    if busy_ns < (1 - 2 * REL) * t.interval_ns:
        return 0.0
    return max(busy_ns - t.interval_ns, 0) + 2 * REL * (p.warmup_ns + p.measured_ns)


def doubts(theory: "Theory") -> tuple[str, ...]:
    """Where this theory is known to be poor for this scenario, in sentences."""
    p, found = theory.params, []
    over = overlapping(p)
    if over:
        found.append(
            f"The masks of {_of(over)} overlap in part: which lines stay in the common ways depends on the "
            "order in which they came, and the miss ratios here are right to a few ways."
        )
        walks = [k for k in over if p.tenants[k].workload != "zipf"]
        if walks:
            found.append(
                f"Ways overlap where {_of(walks)} walk round or wake up: a part of a walk may settle where nobody else "
                "fills, which this theory does not see."
            )
    for k, t in enumerate(p.tenants):
        found += _of_tenant(theory, k, t)
    parted = [k for k in range(len(p.tenants)) if ring_slack(theory, k)[0] == RING_FRAC]
    if parted:
        found.append(
            f"The ring of {_of(parted)} lives partly in the device's ways and partly in the core's: which "
            "lines do is settled set by set, and misses may be short of the truth by a sixth of the references."
        )
    if not p.hashed:
        colours = max(1, p.cache_sets * LINE_BYTES // 4096)
        found.append(
            f"With a plain index pages fall on {colours} colours by chance: one placing of the pages differs from the "
            "next, and this is the mean of all."
        )
    if theory.memory_busy_frac > CROWDED_FRAC:
        found.append(
            f"The memory channel is busy {100 * theory.memory_busy_frac:.0f} % of the time: waits depend on how evenly "
            "misses come, speeds are right to about 15 %."
        )
    warm = solve(p, p.tenants, start=[warm_per_ns(p, t) for t in p.tenants])
    here = theory.equilibrium.load.per_ns
    if any(abs(a / b - 1) > 0.05 for a, b in zip(warm.load.per_ns, here, strict=True)):
        found.append(
            "There are two equilibria: data that is in the cache stays there because its tenant is fast, but does not "
            "get there while it is slow. This is the one that an empty cache leads to."
        )
    if theory.equilibrium.residual > 1e-3:
        found.append(
            f"The fixed point was left while speeds still moved by {theory.equilibrium.residual:.1g} a step."
        )
    return tuple(found)


def _of_tenant(theory: "Theory", k: int, t: Tenant) -> list[str]:
    """Doubts about one tenant."""
    p, found = theory.params, []
    span_ns = p.warmup_ns + p.measured_ns
    misses = theory.data_miss_frac[k]
    if t.workload in ("scan", "chase") and 0.02 < misses < 0.98:
        found.append(
            f"Tenant {k + 1} walks round data that just fits or just does not: some sets keep all of it and others "
            "none, and a little more or less room turns many misses into hits."
        )
    if t.workload == "phases":
        cycle_ns = (
            t.phases_count * t.phase_references_count / (theory.references_per_s[k] / 1e9 * (1 - t.code_frac))
        )
        if cycle_ns > span_ns / 2:
            found.append(
                f"Tenant {k + 1} takes {human('cycle_ns', cycle_ns)} to go through its phases, so what is simulated "
                "holds only some of them."
            )
    if t.workload == "wakeups" and theory.equilibrium.busy_ns(k) > t.interval_ns:
        found.append(
            f"Tenant {k + 1} cannot finish before its next wake-up is due, and falls behind without end."
        )
    return found


def _of(numbers: tuple[int, ...] | list[int]) -> str:
    """Tenants in words, the first one being tenant 1."""
    words = [str(n + 1) for n in numbers]
    return f"tenant {words[0]}" if len(words) == 1 else f"tenants {', '.join(words[:-1])} and {words[-1]}"
