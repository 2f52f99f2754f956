"""Tenants that slow each other down: speeds, misses and the wait at the memory channel, in one fixed point.

A tenant's speed (units per ns: references, packets or wake-ups) decides how often it refers; all speeds together how
long lines live; that, what misses; misses and the channel's wait how fast each tenant is. Solved in the logarithms of
the speeds by Anderson's acceleration of the plain iteration (Walker and Ni, SIAM J. Numer. Anal. 49(4), 2011).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nfvlab.llc import channel
from nfvlab.llc.channel import Load, Source
from nfvlab.llc.params import LINE_BYTES, Cache, Tenant, lines_of
from nfvlab.llc.sharing import Sharing, Use

_DEPTH = 4  # steps that the acceleration looks back
_CLOSE = 3e-4  # of a speed
_FAR = 0.03  # in the logarithm of a speed, from where the ages to look at were chosen
_STEPS = 60


@dataclass(frozen=True)
class Equilibrium:
    """What each tenant does per unit, and how fast.

    placed: where each ring's lines live, see `lives.placed`. residual: what the last step still changed of a speed.
    """

    uses: tuple[Use, ...]
    sources: tuple[Source, ...]
    load: Load
    placed: tuple[tuple[float, ...], ...]
    residual: float
    steps: int

    def busy_ns(self, k: int) -> float:
        """Time that tenant k's core works on a unit, its waits included, idle time before it not."""
        return _unit_ns(self.sources[k], self.load.wait_ns[k])


def solve(
    p: Cache, tenants: Sequence[Tenant], *, steady: bool = False, start: Sequence[float] | None = None
) -> Equilibrium:
    """The speeds at which misses and waits are those that make these speeds.

    steady: for ever after, else as simulated from an empty cache. start: units per ns to begin with; if not given
    those of an empty cache, for there may be two equilibria (a walk that is fast stays in the cache and so stays fast).
    """
    sharing = Sharing(p, tenants, steady=steady)
    service_ns = LINE_BYTES / p.memory_bytes_per_s * 1e9
    speeds = np.array([cold_per_ns(p, t) for t in tenants] if start is None else start, float)
    past: list[tuple[np.ndarray, np.ndarray]] = []
    unit_ns, shares = [1 / v for v in speeds], np.ravel(sharing.placed)
    chosen = None  # speeds for which the ages to look at were chosen
    for step in range(1, _STEPS + 1):
        if chosen is None or np.abs(np.log(speeds / chosen)).max() > _FAR:
            chosen = speeds
        uses = sharing.solve(speeds, unit_ns, anew=chosen is speeds)
        sources = [source(p, t, use) for t, use in zip(tenants, uses, strict=True)]
        load = _channel(tenants, sources, service_ns, speeds.tolist() if step > 1 else None)
        here = np.concatenate([np.log(speeds), shares])
        there = np.concatenate([np.log(load.per_ns), np.ravel(sharing.placed)])
        unit_ns = [_unit_ns(s, wait) for s, wait in zip(sources, load.wait_ns, strict=True)]
        residual = float(np.abs(there - here).max())
        if residual < _CLOSE and step > 1:
            break
        past = [*past, (here, there)][-_DEPTH:]
        ahead = _accelerated(past)
        speeds = np.exp(ahead[: len(speeds)])
        shares = np.clip(ahead[len(speeds) :], 0, 1)
        sharing.placed = [tuple(row) for row in shares.reshape(-1, 4).tolist()]
    return Equilibrium(tuple(uses), tuple(sources), load, tuple(sharing.placed), residual, step)


def vary(
    p: Cache, tenants: Sequence[Tenant], found: Equilibrium, ways_less: Mapping[int, float]
) -> Equilibrium:
    """The first step away from an equilibrium if each mask had so many ways less (or more, below zero)."""
    sharing, speeds = Sharing(p, tenants), found.load.per_ns
    sharing.placed = list(found.placed)
    unit_ns = [found.busy_ns(k) for k in range(len(tenants))]
    uses = sharing.solve(speeds, unit_ns, ways_less=np.array([ways_less[m] for m in sharing.masks]))
    sources = [source(p, t, use) for t, use in zip(tenants, uses, strict=True)]
    load = _channel(tenants, sources, LINE_BYTES / p.memory_bytes_per_s * 1e9, None)
    return Equilibrium(tuple(uses), tuple(sources), load, tuple(sharing.placed), found.residual, found.steps)


def _channel(
    tenants: Sequence[Tenant], sources: list[Source], service_ns: float, speeds: list[float] | None
) -> Load:
    """The tenants at the channel; of wake-ups that leave their core idle between, the largest in bursts."""
    bursts = {
        k: s.lines
        for k, (t, s) in enumerate(zip(tenants, sources, strict=True))
        if t.workload == "wakeups" and s.lines and s.most_per_ns * s.unit_ns < 1
    }
    if not bursts:
        return channel.share(sources, service_ns, speeds)
    return channel.share_with_bursts(sources, service_ns, max(bursts, key=bursts.get), speeds)


def _accelerated(past: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """The next point: the mixture of the past steps whose residuals cancel best."""
    here, there = past[-1]
    if len(past) == 1:
        return there
    residuals = np.array([b - a for a, b in past])
    differences = (residuals[1:] - residuals[:-1]).T
    normal = differences.T @ differences
    diagonal = normal.reshape(-1)[:: len(normal) + 1]
    diagonal *= 1 + 1e-9
    diagonal += 1e-18
    weights = np.linalg.solve(normal, differences.T @ residuals[-1])
    ends = np.array([b for _, b in past])
    moves = (ends[1:] - ends[:-1]).T
    return here + np.minimum(np.maximum(there - moves @ weights - here, -1.5), 1.5)


def _unit_ns(s: Source, wait_ns: float) -> float:
    """Time of a unit, without idle time before it."""
    return s.unit_ns + s.reads * wait_ns / s.parallelism


def references(t: Tenant) -> tuple[float, float]:
    """Data references and code fetches per unit of a tenant's work."""
    if t.workload == "packets":
        data = 1.0 + t.header_lines + t.lookups_count
        return data, data * t.code_frac / (1 - t.code_frac)
    if t.workload == "wakeups":
        return float(lines_of(t.data_bytes)), float(lines_of(t.code_bytes))
    return 1 - t.code_frac, t.code_frac


def most_per_ns(t: Tenant) -> float:
    """Units per ns that come, whatever the core could do."""
    if t.workload == "packets":
        return t.offered_packets_per_s / 1e9
    return 1 / t.interval_ns if t.workload == "wakeups" else float("inf")


def cold_per_ns(p: Cache, t: Tenant) -> float:
    """Units per ns of a tenant if every reference misses, as in an empty cache."""
    return min(
        most_per_ns(t),
        1 / (sum(references(t)) * (t.work_ns + (p.hit_ns + p.memory_ns) / t.parallelism_ratio)),
    )


def warm_per_ns(p: Cache, t: Tenant) -> float:
    """Units per ns of a tenant if every reference hits."""
    return min(most_per_ns(t), 1 / (sum(references(t)) * (t.work_ns + p.hit_ns / t.parallelism_ratio)))


def behind_ns(p: Cache, t: Tenant, use: Use) -> float:
    """Mean wait of a packet's misses behind the lines that its device has pushed out when the packet began.

    The references of a packet are followed in their order, each at its mean time, until the channel is free again.
    """
    free_ns = use.io_write_backs * LINE_BYTES / p.memory_bytes_per_s * 1e9
    misses = use.data_misses + use.code_misses
    if use.io_write_backs < 1 or misses <= 0:
        return 0.0
    data, code = references(t)
    step = (t.work_ns + p.hit_ns / t.parallelism_ratio) * (1 + code / data)
    header = use.ring_misses[1] / max(t.header_lines, 1)
    lookup = (use.data_misses - sum(use.ring_misses)) / max(t.lookups_count, 1)
    now, waited = 0.0, 0.0
    for k in range(int(data)):
        missed = use.ring_misses[0] if k == 0 else header if k <= t.header_lines else lookup
        missed += use.code_misses / data
        now += t.work_ns * (1 + code / data)
        if now >= free_ns:
            break
        waited += missed * (free_ns - now)
        now += (
            step
            - t.work_ns * (1 + code / data)
            + missed * (free_ns - now + p.memory_ns) / t.parallelism_ratio
        )
    return float(waited / misses)


def source(p: Cache, t: Tenant, use: Use) -> Source:
    """What a tenant that uses the cache so asks of memory."""
    misses = float(use.data_misses + use.code_misses)
    each = t.work_ns + p.hit_ns / t.parallelism_ratio
    return Source(
        unit_ns=sum(references(t)) * each + misses * p.memory_ns / t.parallelism_ratio,
        most_per_ns=most_per_ns(t),
        reads=misses,
        writes=use.write_backs,
        pushed=use.io_write_backs,
        parallelism=t.parallelism_ratio,
        miss_frac=misses / sum(references(t)),
        behind_ns=behind_ns(p, t, use) if use.io_write_backs else 0.0,
    )


__all__ = [
    "Equilibrium",
    "cold_per_ns",
    "most_per_ns",
    "references",
    "solve",
    "source",
    "vary",
    "warm_per_ns",
]
