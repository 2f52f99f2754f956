"""analyze(): what RMIDs tell of tenants on one cache, how wrong they are, and when they can be given out again."""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nfvlab import results
from nfvlab.cmt import claims
from nfvlab.cmt.churn import churn
from nfvlab.cmt.clean_wait import limbo
from nfvlab.cmt.decay import Decay, Source, decay
from nfvlab.cmt.params import OUTPUTS, Params, Tenant
from nfvlab.cmt.quantised import mean_reading
from nfvlab.cmt.traffic import Traffic, traffic
from nfvlab.cmt.wraps import Reading, binary_factor, longest_interval_ns, reading
from nfvlab.llc import equilibrium
from nfvlab.llc.components import flows
from nfvlab.llc.params import LINE_BYTES, lines_of
from nfvlab.llc.sharing import class_masks
from nfvlab.paths import data_file
from nfvlab.readers.mbm_correction import correction_rows
from nfvlab.results import Claim, approx, exact, output

_SHARE = approx(rel=0.05, where=claims.HERE)
_QUIET_LINES = 0.5  # to and from memory while it is measured, below which there is no traffic
_PAGE_BYTES = 4096
_CURVE = 24
_TURNED_OVER = 1.1
_ALL = 0.99


@dataclass(frozen=True, kw_only=True)
class Theory(results.Theory):
    """What the counters tell of each tenant in the steady state, and what becomes of the first one's RMID.

    `clean_ns`: from the first tenant's end until its reading is below the threshold. `decay_bytes`: what is left of its
    occupancy `decay_t_ns` after its end, `residue_bytes`: for ever. `references_per_s` by tenant, and whether it is
    `settled` after the warm-up: has touched more lines by then than it holds, or all that it has.
    """

    params: Params
    occupancy_bytes: tuple[float, ...] = output(OUTPUTS["occupancy_bytes"], _SHARE)
    reading_bytes: tuple[float, ...] = output(OUTPUTS["reading_bytes"], _SHARE)
    bandwidth_bytes_per_s: tuple[float, ...] = output(OUTPUTS["bandwidth_bytes_per_s"], _SHARE)
    total_bytes_per_s: tuple[float, ...] = output(OUTPUTS["total_bytes_per_s"], _SHARE)
    local_bytes_per_s: tuple[float, ...] = output(OUTPUTS["local_bytes_per_s"], _SHARE)
    rate_error_frac: tuple[float, ...] = output(OUTPUTS["rate_error_frac"], _SHARE)
    longest_interval_ns: float = output(OUTPUTS["longest_interval_ns"], exact())
    clean_wait_ns: float = output(OUTPUTS["clean_wait_ns"], _SHARE)
    stale_bytes: float = output(OUTPUTS["stale_bytes"], _SHARE)
    refused_frac: float = output(OUTPUTS["refused_frac"], _SHARE)
    limbo_count: float = output(OUTPUTS["limbo_count"], _SHARE)
    clean_ns: float
    decay_t_ns: np.ndarray
    decay_bytes: np.ndarray
    residue_bytes: float
    references_per_s: tuple[float, ...]
    settled: tuple[bool, ...]
    memory_busy_frac: float

    def claim(self, name: str) -> Claim:
        """What is claimed of output `name` for this very scenario."""
        return claims.claim(self, name)


def analyze(p: Params) -> Theory:
    """The steady state of the tenants, the errors of their counters, and the first one's limbo."""
    state = equilibrium.solve(p, p.tenants)
    flowing = [
        _audible(p, traffic(p, t, use, speed, wait))
        for t, use, speed, wait in zip(
            p.tenants, state.uses, state.load.per_ns, state.load.wait_ns, strict=True
        )
    ]
    occupancy = tuple(LINE_BYTES * use.lines for use in state.uses)
    told = [_readings(p, k, t, flow) for k, (t, flow) in enumerate(zip(p.tenants, flowing, strict=True))]
    course = _course(p, state)
    freed = limbo(course, p.threshold_bytes, p.upscale_bytes, p.check_ns)
    coming = churn(p.starts_per_s, p.lifetime_ns, freed.clean_ns, p.check_ns, p.rmid_count)
    t_ns = np.geomspace(course.shortest_ns, max(course.longest_ns, course.shortest_ns), _CURVE)
    per_s = 1e9 / p.sample_ns
    return Theory(
        params=p,
        occupancy_bytes=occupancy,
        reading_bytes=tuple(
            mean_reading(held, _spread_bytes(p, t, held), p.upscale_bytes, LINE_BYTES)
            for t, held in zip(p.tenants, occupancy, strict=True)
        ),
        bandwidth_bytes_per_s=tuple(flow.bytes_per_s for flow in flowing),
        total_bytes_per_s=tuple(total.mean * per_s for total, _ in told),
        local_bytes_per_s=tuple(local.mean * per_s for _, local in told),
        rate_error_frac=tuple(
            math.sqrt(total.squared_error) * per_s / flow.bytes_per_s if _counted(p, flow) else math.nan
            for (total, _), flow in zip(told, flowing, strict=True)
        ),
        longest_interval_ns=longest_interval_ns(p.counter_bits, p.upscale_bytes, p.memory_bytes_per_s),
        clean_wait_ns=freed.wait_ns,
        stale_bytes=LINE_BYTES * freed.stale_lines,
        refused_frac=coming.refused_frac,
        limbo_count=coming.limbo_count,
        clean_ns=freed.clean_ns,
        decay_t_ns=t_ns,
        decay_bytes=LINE_BYTES * course.lines(t_ns),
        residue_bytes=LINE_BYTES * course.residue_lines,
        references_per_s=tuple(
            (use.data_references + use.code_references) * speed * 1e9
            for use, speed in zip(state.uses, state.load.per_ns, strict=True)
        ),
        settled=tuple(
            _settled(t, use.lines, speed * p.warmup_ns)
            for t, use, speed in zip(p.tenants, state.uses, state.load.per_ns, strict=True)
        ),
        memory_busy_frac=state.load.busy_frac,
    )


def _settled(t: Tenant, held: float, units: float) -> bool:
    """Whether so many units of a tenant's work touch more lines than it holds, or nearly all that it has."""
    laws = [(flow.law, flow.speed * units) for flow in flows(t)[0]]
    touched = sum(float(law.footprint(np.float64(min(max(time, 1e-9), law.horizon)))) for law, time in laws)
    return touched > _TURNED_OVER * held or touched > _ALL * sum(law.lines for law, _ in laws)


def _counted(p: Params, flow: Traffic) -> bool:
    """Whether a whole unit of the counter is to be expected while it is measured: an error of less means nothing."""
    return flow.bytes_per_s * p.measured_ns / 1e9 >= p.upscale_bytes


def _audible(p: Params, flow: Traffic) -> Traffic:
    """The traffic, or none at all where not a line is to be expected while it is measured."""
    return flow if flow.lines_per_ns * p.measured_ns > _QUIET_LINES else Traffic(0.0, 0.0)


def _spread_bytes(p: Params, t: Tenant, held: float) -> float:
    """Standard deviation of an occupancy: ways taken by chance in each set, or lines that are sometimes there."""
    ways = t.data_mask | t.code_mask if p.cdp else t.data_mask
    room = p.cache_sets * ways.bit_count()
    footprint = lines_of(t.data_bytes) + (
        lines_of(t.code_bytes) if t.code_frac or t.workload == "wakeups" else 0
    )
    lines, most = held / LINE_BYTES, min(room, footprint)
    return LINE_BYTES * math.sqrt(max(lines * (1 - min(lines / most, 1.0)), 0.0))


@functools.lru_cache(maxsize=1)
def _corrections() -> dict[int, tuple[int, float]]:
    """Cores -> (last RMID that counts right, factor), from data/mbm_correction.csv."""
    rows = correction_rows(data_file("mbm_correction.csv"))
    return {row.core_count: (row.rmid_threshold, row.correction_factor) for row in rows}


def miscount(p: Params, tenant: int) -> tuple[float, float]:
    """(how many times too few bytes the counter of a tenant's RMID counts, what the kernel multiplies them by)."""
    threshold, factor = _corrections().get(p.part_cores, (0, 1.0))
    if factor == 1.0 or p.first_rmid_count + tenant <= threshold:
        return 1.0, 1.0
    return factor, binary_factor(factor) if p.corrected else 1.0


def _readings(p: Params, k: int, t: Tenant, flow: Traffic) -> tuple[Reading, Reading]:
    """The total counter's and the local counter's bytes over one sampling interval."""
    passed, variance = flow.passed(p.sample_ns)
    counting = (p.upscale_bytes, p.counter_bits, *miscount(p, k))
    near = 1 - t.remote_frac
    pages = lines_of(t.data_bytes) * LINE_BYTES / _PAGE_BYTES
    if t.workload in ("scan", "chase"):  # the pages of one interval
        pages = min(pages, passed / _PAGE_BYTES)
    patchy = passed**2 * near * t.remote_frac / max(pages, 1.0)
    return reading(passed, variance, *counting), reading(
        near * passed, near**2 * variance + patchy, *counting
    )


def _course(p: Params, state: equilibrium.Equilibrium) -> Decay:
    """The decay of the first tenant's lines, the others going on at the speeds that they have without it."""
    speeds = state.load.per_ns
    later = equilibrium.solve(p, p.tenants[1:], start=speeds[1:]).load.per_ns if p.tenants[1:] else ()
    return decay(_sources(p, speeds, (0.0, *later)), p.cache_sets, state.uses[0].lines)


def _sources(p: Params, before: Sequence[float], after: Sequence[float]) -> list[Source]:
    """What fills the cache, tenant by tenant; the first one's own lines are watched."""
    masks, found = class_masks(p, p.tenants), []
    for k, t in enumerate(p.tenants):
        kept, rings = flows(t)
        for flow in kept:
            mask = masks[2 * k + flow.feeds]
            found.append(Source(flow.law, mask, flow.speed * before[k], flow.speed * after[k], k == 0))
        for ring in rings:
            own = k == 0 and not kept and ring.reads > 0  # nothing else that could carry its RMID
            found.append(Source(ring.law, masks[0] if own else masks[-1], before[k], after[k], own))
    return found


__all__ = ["Theory", "analyze", "miscount"]
