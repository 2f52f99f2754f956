"""Tenants at fixed speeds on the exact cache: what the theory of sharing is measured against.

Each tenant makes its units at an even pace, whatever misses: so the cache is tested apart from clocks and memory.
"""

from dataclasses import dataclass

import numpy as np

from nfvlab.kernels import setassoc
from nfvlab.llc.params import LINE_BYTES, Cache, Tenant, lines_of
from nfvlab.llc.sharing import class_masks

APART = 1 << 40  # bytes between the areas of different tenants


@dataclass(frozen=True)
class Seen:
    """Of one tenant, after the warm-up: misses per data reference and per code fetch, occupancy, write-backs per s."""

    data_miss_frac: float
    code_miss_frac: float
    lines: float
    write_backs_per_ns: float
    data_misses: int


def zipf_lines(t: Tenant, n: int, rng) -> np.ndarray:
    """n independent references by Zipf's law, as line numbers."""
    lines = lines_of(t.data_bytes)
    weight = np.arange(1, lines + 1) ** -float(t.skew_exponent)
    total = weight.cumsum()
    ranks = np.minimum(np.searchsorted(total, rng.random(n) * total[-1]), lines - 1)
    return rng.permutation(lines)[ranks]


def data_lines(t: Tenant, n: int, rng) -> np.ndarray:
    """The first n data references of an endless workload."""
    lines = lines_of(t.data_bytes)
    if t.workload == "zipf":
        return zipf_lines(t, n, rng)
    if t.workload == "scan":
        return (np.arange(n) + rng.integers(lines)) % lines
    if t.workload == "chase":
        return rng.permutation(lines)[np.arange(n) % lines]
    region = (np.arange(n) // t.phase_references_count) % t.phases_count
    size = lines // t.phases_count
    return region * size + rng.integers(0, size, n)


def stream(t: Tenant, per_ns: float, until_ns: float, rng):
    """(time, line, kind, owner: 0 core 1 device) of one tenant, kinds as setassoc has them."""
    units = int(until_ns * per_ns)
    start = np.arange(units) / per_ns
    lines, code = lines_of(t.data_bytes), lines_of(t.code_bytes)
    far = lines + (1 << 30)
    if t.workload == "wakeups":
        order = np.concatenate([rng.permutation(lines), far + np.arange(code)])
        # the whole burst takes a tenth of the interval
        within = np.linspace(0, 0.1 / per_ns, order.size, endpoint=False)
        kind = np.concatenate([np.zeros(lines), np.full(code, setassoc.CODE)])
        time, line = (start[:, None] + within).ravel(), np.tile(order, units)
        return with_writes(t, time, line, np.tile(kind, units), rng)
    if t.workload == "packets":
        return packets(t, start, per_ns, rng)
    is_code = rng.random(units) < t.code_frac
    line = np.empty(units, np.int64)
    line[~is_code] = data_lines(t, int((~is_code).sum()), rng)
    line[is_code] = far + np.arange(is_code.sum()) % code
    return with_writes(t, start, line, np.where(is_code, setassoc.CODE, 0), rng)


def with_writes(t, time, line, kind, rng):
    wrote = (kind == 0) & (rng.random(time.size) < t.write_frac)
    return time, line, np.where(wrote, setassoc.WRITE, kind), np.zeros(time.size, np.uint8)


def packets(t: Tenant, start, per_ns, rng):
    n, ring = start.size, t.ring_count
    step = 1e-3 / per_ns
    buffers, descriptors = 1 << 28, 1 << 29  # lines, past the table's
    i = np.arange(n)
    parts = []

    def add(offset, line, kind, owner):
        parts.append((start + offset * step, line, kind + np.zeros(n, np.int64), np.full(n, owner, np.uint8)))

    late = (i + t.backlog_count) % ring
    add(0, descriptors + late // 4, setassoc.WRITE | setassoc.IO, 1)
    for k in range(lines_of(t.frame_bytes)):
        add(
            1 + 0.001 * k,
            buffers + late * (t.buffer_bytes // LINE_BYTES) + k,
            setassoc.WRITE | setassoc.IO,
            1,
        )
    add(2, descriptors + i % ring // 4, 0, 0)
    for k in range(t.header_lines):
        add(3 + 0.01 * k, buffers + i % ring * (t.buffer_bytes // LINE_BYTES) + k, 0, 0)
    tables = zipf_lines(t, n * t.lookups_count, rng).reshape(t.lookups_count, n)
    for k, table in enumerate(tables):
        wrote = rng.random(n) < t.write_frac
        add(10 + k, table, np.where(wrote, setassoc.WRITE, 0), 0)
    time, line, kind, owner = (np.concatenate(x) for x in zip(*parts, strict=True))
    data = 1 + t.header_lines + t.lookups_count
    fetches = rng.negative_binomial(data, 1 - t.code_frac, n) if t.code_frac else np.zeros(n, np.int64)
    total = int(fetches.sum())
    when = np.repeat(start, fetches) + step * rng.uniform(3, 10, total)
    code = lines_of(t.data_bytes) + (1 << 30) + np.arange(total) % lines_of(t.code_bytes)
    return (
        np.concatenate([time, when]),
        np.concatenate([line, code]),
        np.concatenate([kind, np.full(total, setassoc.CODE)]),
        np.concatenate([owner, np.zeros(total, np.uint8)]),
    )


def run(p: Cache, tenants, per_ns, until_ns: float, rng, warm: float = 0.5) -> tuple[list[Seen], float]:
    """All tenants on the exact cache; and the I/O's lines at the end."""
    count = len(tenants)
    streams = [stream(t, v, until_ns, rng) for t, v in zip(tenants, per_ns, strict=True)]
    time = np.concatenate([s[0] for s in streams])
    address = np.concatenate(
        [(s[1].astype(np.int64) * LINE_BYTES + k * APART) for k, s in enumerate(streams)]
    )
    kind = np.concatenate([s[2] for s in streams]).astype(np.uint8)
    owner = np.concatenate([np.where(s[3] == 1, count, k) for k, s in enumerate(streams)]).astype(np.uint8)
    order = np.argsort(time, kind="stable")
    masks = np.array(class_masks(p, tenants))
    table = np.array([*masks[:-1].reshape(-1, 2), [masks[-1]] * 2])
    cache = setassoc.empty(p.cache_sets, p.cache_ways, count + 1, hashed=p.hashed)
    half = int(order.size * warm)
    out = []
    for part in (order[:half], order[half:]):
        out = setassoc.access(
            cache, address[part].astype(np.uint64), owner[part], kind[part], table, np.arange(count + 1)
        )
    miss, hit, span = out.misses, out.hits, until_ns * (1 - warm)
    seen = [
        Seen(
            miss[k, 0] / max(1, miss[k, 0] + hit[k, 0]),
            miss[k, 1] / max(1, miss[k, 1] + hit[k, 1]),
            float(cache.occupancy[k]),
            out.write_backs[k] / span,
            int(miss[k, 0]),
        )
        for k in range(count)
    ]
    return seen, float(cache.occupancy[count])
