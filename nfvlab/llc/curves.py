"""Miss-ratio curves: what a tenant alone would miss with 1, 2 … ways; from its laws, or from a trace's reuse times."""

from dataclasses import dataclass

import numpy as np

from nfvlab.llc import channel
from nfvlab.llc.associative import poisson_below
from nfvlab.llc.equilibrium import references, source
from nfvlab.llc.params import LINE_BYTES, Cache, Tenant
from nfvlab.llc.sharing import Sharing, Use

_ROUNDS = 30  # at most, until the ring's lines have settled in the device's ways or the core's
_SETTLED = 3e-4  # misses per reference


@dataclass(frozen=True, eq=False)
class Curve:
    """A tenant alone by its ways 1 … W, float64[W] each: see the fields' names for units.

    miss_frac: misses per reference; misses_per_s; references_per_s; units_per_s: references, packets or wake-ups;
    cpi_ratio.
    """

    miss_frac: np.ndarray
    misses_per_s: np.ndarray
    references_per_s: np.ndarray
    units_per_s: np.ndarray
    cpi_ratio: np.ndarray


@dataclass(frozen=True, eq=False)
class Split:
    """A tenant alone, its code and its data in ways apart, by ways 1 … W of each: misses per unit of its work.

    unit_ns: time of a unit without any miss.
    """

    data_misses: np.ndarray
    code_misses: np.ndarray
    unit_ns: float


def solo(p: Cache, t: Tenant) -> Curve:
    """The tenant alone in 1 … W ways, data and code together.

    Its device fills ways of its own, as many as `io_mask` has. Alone, what misses does not depend on how fast the
    tenant is.
    """
    service_ns = LINE_BYTES / p.memory_bytes_per_s * 1e9
    rows = []
    for ways in range(1, p.cache_ways + 1):
        low = (1 << ways) - 1
        asked = source(p, t, _alone(p, t, low, low))
        load = channel.share((asked,), service_ns)
        rows.append((asked.reads, load.per_ns[0], load.wait_ns[0], asked.unit_ns))
    misses, per_ns, wait, unit = np.array(rows).T
    each = sum(references(t))
    busy_ns = unit + misses * wait / t.parallelism_ratio
    return Curve(
        misses / each,
        misses * per_ns * 1e9,
        each * per_ns * 1e9,
        per_ns * 1e9,
        p.core_hz / 1e9 * busy_ns / (each * t.instructions_ratio),
    )


def split(p: Cache, t: Tenant) -> Split:
    """The tenant alone with masks apart for data and code (CDP): neither's misses depend on the other's ways."""
    uses = []
    for ways in range(1, p.cache_ways + 1):
        low = (1 << ways) - 1
        uses.append(_alone(p, t, low, low << p.cache_ways))
    return Split(
        np.array([float(use.data_misses) for use in uses]),
        np.array([float(use.code_misses) for use in uses]),
        sum(references(t)) * (t.work_ns + p.hit_ns / t.parallelism_ratio),
    )


def _alone(p: Cache, t: Tenant, data: int, code: int) -> Use:
    """What it does per unit with these masks, its device apart from both."""
    device = ((1 << p.io_mask.bit_count()) - 1) << (2 * p.cache_ways)
    sharing = Sharing(p, (t,), (data, code, device), steady=True)
    speed = 1 / (sum(references(t)) * (t.work_ns + p.hit_ns / t.parallelism_ratio))
    use = sharing.solve((speed,), (1 / speed,))[0]
    for _ in range(_ROUNDS if sharing.rings else 0):
        before, placed = use.data_misses, np.array(sharing.placed)
        use = sharing.solve((speed,), (1 / speed,))[0]
        if abs(use.data_misses - before) < _SETTLED * use.data_references:
            break
        sharing.placed = [
            tuple(row) for row in (placed + sharing.placed) / 2
        ]  # else large rings swing to and fro
    return use


def reuse_footprint(reuse: np.ndarray, counts: np.ndarray, cold: float, at: np.ndarray) -> np.ndarray:
    """Mean number of distinct lines in windows of `at` references, from a histogram of reuse times.

    reuse: references from one to the next of a line, 1 if they follow each other, rising; counts: how many of each;
    cold: references without one before. The sum over k < x of the share of references reused later than after k
    (Denning and Schwartz 1972; Eklöv and Hagersten 2010, StatStack).
    """
    reuse, counts, at = (np.asarray(x, float) for x in (reuse, counts, at))
    total = _checked(reuse, counts, cold)
    later = 1 - np.concatenate([[0.0], np.cumsum(counts)]) / total  # share reused after reuse[i - 1] or more
    edges = np.concatenate([[0.0], reuse])
    sums = np.concatenate([[0.0], np.cumsum(later[:-1] * np.diff(edges))])
    place = np.searchsorted(reuse, at, side="left")
    return sums[place] + later[place] * (at - edges[place])


def reuse_curve(reuse: np.ndarray, counts: np.ndarray, cold: float, *, sets: int, ways: int) -> np.ndarray:
    """Miss ratio for 1 … `ways` ways of `sets` sets, float64[ways], from a histogram of reuse times (see above).

    A reference after x others hits if fewer lines than ways came into its set, Poisson with the mean footprint of
    those x - 1 references over the sets.
    """
    reuse, counts = np.asarray(reuse, float), np.asarray(counts, float)
    total = _checked(reuse, counts, cold)
    mean = reuse_footprint(reuse, counts, cold, reuse - 1) / sets
    lived = np.stack([poisson_below(k, mean) for k in range(1, ways + 1)])
    return 1 - lived @ counts / total


def _checked(reuse: np.ndarray, counts: np.ndarray, cold: float) -> float:
    """The number of references of a histogram, or ValueError."""
    if reuse.ndim != 1 or reuse.shape != counts.shape:
        raise ValueError(f"reuse has shape {reuse.shape}, counts {counts.shape}: give one count a reuse time")
    if (np.diff(reuse) <= 0).any() or (reuse < 1).any():
        raise ValueError("reuse times must rise, from 1 up")
    if (counts < 0).any() or cold < 0 or counts.sum() + cold <= 0:
        raise ValueError("counts and cold must not be negative, and there must be a reference")
    return float(counts.sum() + cold)


__all__ = ["Curve", "Split", "reuse_curve", "reuse_footprint", "solo", "split"]
