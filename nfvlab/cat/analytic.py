"""analyze(): what each tenant of a shared cache misses, holds and feels, from characteristic times set by set."""

import functools
import math
from dataclasses import dataclass

from nfvlab import results
from nfvlab.cat import claims
from nfvlab.cat.params import OUTPUTS, Params
from nfvlab.llc import curves
from nfvlab.llc.equilibrium import Equilibrium, references, solve, vary
from nfvlab.llc.felt import Unit
from nfvlab.llc.params import LINE_BYTES, Tenant
from nfvlab.llc.sharing import Use
from nfvlab.results import Claim, output

NAN = float("nan")
_KINDS = claims.KINDS


@dataclass(frozen=True, kw_only=True)
class Theory(results.Theory):
    """The outputs of a scenario, per tenant where they are a tenant's; `equilibrium` is what they were read from.

    The tolerances of the claims are those of `claims.claim`, measured.
    """

    params: Params
    miss_frac: tuple[float, ...] = output(OUTPUTS["miss_frac"], _KINDS["miss_frac"])
    data_miss_frac: tuple[float, ...] = output(OUTPUTS["data_miss_frac"], _KINDS["data_miss_frac"])
    code_miss_frac: tuple[float, ...] = output(OUTPUTS["code_miss_frac"], _KINDS["code_miss_frac"])
    occupancy_bytes: tuple[float, ...] = output(OUTPUTS["occupancy_bytes"], _KINDS["occupancy_bytes"])
    references_per_s: tuple[float, ...] = output(OUTPUTS["references_per_s"], _KINDS["references_per_s"])
    bandwidth_bytes_per_s: tuple[float, ...] = output(
        OUTPUTS["bandwidth_bytes_per_s"], _KINDS["bandwidth_bytes_per_s"]
    )
    cpi_ratio: tuple[float, ...] = output(OUTPUTS["cpi_ratio"], _KINDS["cpi_ratio"])
    packets_per_s: tuple[float, ...] = output(OUTPUTS["packets_per_s"], _KINDS["packets_per_s"])
    unit_ns: tuple[float, ...] = output(OUTPUTS["unit_ns"], _KINDS["unit_ns"])
    unit_p99_ns: tuple[float, ...] = output(OUTPUTS["unit_p99_ns"], _KINDS["unit_p99_ns"])
    memory_wait_ns: float = output(OUTPUTS["memory_wait_ns"], _KINDS["memory_wait_ns"])
    memory_busy_frac: float = output(OUTPUTS["memory_busy_frac"], _KINDS["memory_busy_frac"])
    equilibrium: Equilibrium

    def claim(self, name: str) -> Claim:
        """What is claimed of output `name`, "miss_frac[1]" for that of tenant 1, in this very scenario."""
        return claims.claim(self, name)

    def value(self, name: str) -> float:
        """Output `name`, "miss_frac[1]" that of tenant 1."""
        field, _, place = name.partition("[")
        found = getattr(self, field)
        return float(found[int(place[:-1])] if place else found)

    def doubts(self) -> tuple[str, ...]:
        """Where this theory is known to be poor for this scenario, in sentences."""
        return claims.doubts(self)

    @functools.cached_property
    def near(self) -> tuple["Theory", "Theory"]:
        """What the outputs were with a few ways less and more, as many as this theory may be wrong by."""
        p, reach = self.params, claims.reach_ways(self.params)
        less, more = ({mask: sign * ways for mask, ways in reach.items()} for sign in (1, -1))
        return tuple(theory(p, vary(p, p.tenants, self.equilibrium, ways)) for ways in (less, more))

    def unit(self, k: int) -> Unit:
        """The time of a packet or wake-up of tenant k as a distribution; ValueError for other workloads."""
        return unit(self.params, k, self.equilibrium)

    def solo_curve(self, k: int) -> curves.Curve:
        """Tenant k alone in the cache, by ways."""
        return curves.solo(self.params, self.params.tenants[k])


def analyze(p: Params, *, steady: bool = False) -> Theory:
    """Find the speeds at which each tenant's misses and waits are those that make these speeds.

    As a simulation finds them that starts with an empty cache: between `warmup_ns` and `measured_ns` after that. So
    large data may still be coming in; `steady` leaves the start out, as if it were long ago.
    """
    return theory(p, solve(p, p.tenants, steady=steady))


def theory(p: Params, found: Equilibrium) -> Theory:
    """The outputs of an equilibrium."""
    rows = [_tenant(p, k, found) for k in range(len(p.tenants))]
    columns = {name: tuple(row[name] for row in rows) for name in rows[0]}
    return Theory(
        params=p,
        **columns,
        memory_wait_ns=found.load.mean_wait_ns if _reads(found) > 0 else 0.0,
        memory_busy_frac=found.load.busy_frac,
        equilibrium=found,
    )


def _reads(found: Equilibrium) -> float:
    """Misses per ns of all tenants."""
    return sum(v * s.reads for v, s in zip(found.load.per_ns, found.sources, strict=True))


def _tenant(p: Params, k: int, found: Equilibrium) -> dict[str, float]:
    """The outputs of one tenant."""
    t, use, per_ns = p.tenants[k], found.uses[k], found.load.per_ns[k]
    data, code = references(t)
    misses, each = use.data_misses + use.code_misses, data + code
    busy_ns = found.busy_ns(k)
    seen = _walks_seen(p, t, data, code, busy_ns)
    timed = t.workload in ("packets", "wakeups")
    work = unit(p, k, found) if timed else None
    late, latest = lateness_ns(p, t, busy_ns) if timed else (NAN, NAN)
    return {
        "miss_frac": float(misses / each),
        "data_miss_frac": float(use.data_misses / data) if data and seen[0] else NAN,
        "code_miss_frac": float(use.code_misses / code) if code and seen[1] else NAN,
        "occupancy_bytes": float(use.lines) * LINE_BYTES,
        "references_per_s": each * per_ns * 1e9,
        "bandwidth_bytes_per_s": float(LINE_BYTES * per_ns * 1e9 * (misses + use.write_backs)),
        "cpi_ratio": float(p.core_hz / 1e9 * busy_ns / (each * t.instructions_ratio)),
        "packets_per_s": per_ns * 1e9 if t.workload == "packets" else NAN,
        "unit_ns": work.mean_ns + late if timed else NAN,
        "unit_p99_ns": work.quantile_ns(0.99) + latest if timed else NAN,
    }


def _walks_seen(p: Params, t: Tenant, data: float, code: float, busy_ns: float) -> tuple[bool, bool]:
    """Whether any data reference, any code fetch falls into the measured time: a long wake-up may show but one."""
    if t.workload != "wakeups":
        return True, code * p.measured_ns > busy_ns  # a fetch in that time, on average
    step, start, stop = max(busy_ns, t.interval_ns), p.warmup_ns, p.warmup_ns + p.measured_ns
    turn = busy_ns * data / (data + code)  # from its data to its code
    return _meets(0.0, turn, step, start, stop), _meets(turn, busy_ns, step, start, stop)


def _meets(first: float, last: float, step: float, start: float, stop: float) -> bool:
    """Whether an interval [first, last) that comes again every `step` meets [start, stop)."""
    turns = math.floor((start - last) / step) + 1  # the first one that ends after the start
    return max(turns, 0) * step + first < stop


def unit(p: Params, k: int, found: Equilibrium) -> Unit:
    """The time of one packet or wake-up of tenant k as a distribution."""
    t, use = p.tenants[k], found.uses[k]
    if t.workload not in ("packets", "wakeups"):
        raise ValueError(f"tenant {k} runs {t.workload!r}: only packets and wakeups have units of work")
    data, code = references(t)
    fetched = 0.0 if t.workload == "wakeups" else code / data
    kinds = _packet(t, use) if t.workload == "packets" else _wakeup(use, data, code)
    each, memory = t.work_ns + p.hit_ns / t.parallelism_ratio, p.memory_ns + found.load.wait_ns[k]
    fetch_miss = float(use.code_misses / code) if fetched else 0.0
    return Unit(kinds, data, fetched, fetch_miss, each, memory / t.parallelism_ratio)


def _packet(t: Tenant, use: Use) -> tuple[tuple[float, float], ...]:
    """Descriptor, header lines and look-ups: how many, and how likely each is to miss."""
    descriptor, header = (float(x) for x in use.ring_misses)
    rest = float(use.data_misses) - descriptor - header
    kinds = [(1.0, descriptor)]
    if t.header_lines:
        kinds.append((float(t.header_lines), header / t.header_lines))
    if t.lookups_count:
        kinds.append((float(t.lookups_count), rest / t.lookups_count))
    return tuple(kinds)


def _wakeup(use: Use, data: float, code: float) -> tuple[tuple[float, float], ...]:
    """The lines of the data and of the code."""
    return (data, float(use.data_misses / data)), (code, float(use.code_misses / code))


def lateness_ns(p: Params, t: Tenant, busy_ns: float) -> tuple[float, float]:
    """How late wake-ups start that end while it is measured, on average and the 99th percentile, if each takes that.

    Those that take longer than the interval fall behind more and more, so it depends on how long one looks; NaN if
    none ends in that time.
    """
    if t.workload != "wakeups":
        return 0.0, 0.0
    step = max(busy_ns, t.interval_ns)
    first = max(math.ceil((p.warmup_ns - busy_ns) / step), 0)
    last = math.ceil((p.warmup_ns + p.measured_ns - busy_ns) / step) - 1
    if last < first:
        return NAN, NAN
    late = step - t.interval_ns
    return late * (first + last) / 2, late * (first + 0.99 * (last - first))


__all__ = ["Theory", "analyze", "lateness_ns", "theory", "unit"]
