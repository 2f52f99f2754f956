"""The optimiser's proposal for a scenario: masks from what each tenant would cost alone with 1, 2 … ways.

The cost of a tenant is how many times slower it is than alone in the whole cache: packets and other references by
their rate, wake-ups by the time their work takes. Each tenant gets a block of its own; the ways that devices fill are
left to them where a tenant has a device. A tenant's curve does not depend on the others or on any mask, so it is kept.

Masks for all need not be better than none: tenants who all come back to their lines soon may share better than any
division does (the scenario "overlapping masks" is one).

With CDP a tenant's block is divided into ways of code and ways of data where that is better than sharing all of it.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from nfvlab.cat.allocate import allocate
from nfvlab.cat.allocation import Allocation
from nfvlab.cat.analytic import Theory, analyze
from nfvlab.cat.params import Params
from nfvlab.cat.parts import Capability
from nfvlab.cat.schemata import paste
from nfvlab.llc import curves
from nfvlab.llc.params import Cache, Tenant
from nfvlab.results import indexed

WORTH = 1e-3  # of the time of a tenant that a division of its ways must gain
_KEPT = 256


@dataclass(frozen=True)
class Proposal:
    """Masks by the optimiser, the scenario with them, and what the theory expects of it."""

    allocation: Allocation
    params: Params
    theory: Theory

    def schemata(self, domains: Sequence[int] = (0,)) -> dict[str, str]:
        """What to write into each tenant's `schemata` file."""
        return schemata(self.params, domains)


_found: dict[tuple[Params, str], Proposal] = {}  # the latest, by scenario without its masks


def proposal(p: Params, *, objective: str = "throughput") -> Proposal:
    """The best masks for the tenants of `p`, whatever masks they have now; ParamError if the ways do not suffice."""
    key = without_masks(p), objective
    if key not in _found:
        made = _propose(*key)
        while len(_found) >= _KEPT:
            _found.pop(next(iter(_found)))
        _found[key] = made
    return _found[key]


def at_hand(p: Params, *, objective: str = "throughput") -> Proposal | None:
    """The proposal, if it has been made before and need not be waited for."""
    return _found.get((without_masks(p), objective))


def _propose(p: Params, objective: str) -> Proposal:
    found = allocate(
        [slowdown(p, k) for k in range(len(p.tenants))],
        capability(p),
        objective=objective,
        names=names(p),
        use_io_ways=not any(t.workload == "packets" for t in p.tenants),
        io_sensitivity=[float(t.workload != "scan") for t in p.tenants],
        quantity="times as slow as alone",
    )
    masks = [divided(mask, code_ways(p, k, mask.bit_count())) for k, mask in enumerate(found.masks)]
    tenants = [t.replace(data_mask=d, code_mask=c) for t, (d, c) in zip(p.tenants, masks, strict=True)]
    if p.cdp:
        data, code = zip(*masks, strict=True)
        found = dataclasses.replace(found, masks=data, code_masks=code)
    better = p.replace(tenants=tuple(tenants))
    return Proposal(found, better, analyze(better))


def divided(mask: int, code_ways: int) -> tuple[int, int]:
    """Masks of data and of code: the topmost ways of a mask for code; with 0 both have all of it."""
    ways = [1 << way for way in range(mask.bit_length()) if mask >> way & 1]
    code = sum(ways[len(ways) - code_ways :]) if code_ways else mask
    return (mask ^ code if code_ways else mask), code


def names(p: Params) -> list[str]:
    """What the tenants are called in tables and as groups."""
    return [f"tenant {k + 1} ({t.workload})" for k, t in enumerate(p.tenants)]


def schemata(p: Params, domains: Sequence[int] = (0,)) -> dict[str, str]:
    """The scenario's masks as lines to paste, by tenant: "L3:0=ff000;1=ff000"; with CDP two lines."""
    made = {}
    for name, t in zip(names(p), p.tenants, strict=True):
        masks = {"L3CODE": t.code_mask, "L3DATA": t.data_mask} if p.cdp else {"L3": t.data_mask}
        made[name] = paste({key: dict.fromkeys(domains, mask) for key, mask in masks.items()}).rstrip("\n")
    return made


def _has_code(t: Tenant) -> bool:
    return t.workload == "wakeups" or t.code_frac > 0


def capability(p: Params) -> Capability:
    """What the scenario's part takes as a mask."""
    return Capability(
        cbm_len=p.cache_ways,
        min_cbm_bits=p.min_cbm_ways,
        shareable_bits=p.io_mask,
        num_closids=16,
        sparse_masks=p.sparse_masks,
        cdp_capable=True,
    )


def without_masks(p: Params) -> Params:
    """The scenario with all ways for everybody: the same for all masks."""
    full = (1 << p.cache_ways) - 1
    return p.replace(tenants=tuple(t.replace(data_mask=full, code_mask=full) for t in p.tenants))


def alone(p: Params, k: int) -> Theory:
    """Tenant k with the whole cache and nobody beside it."""
    full = (1 << p.cache_ways) - 1
    return _alone(p.replace(tenants=(p.tenants[k].replace(data_mask=full, code_mask=full),)))


@lru_cache(maxsize=_KEPT)
def _alone(p: Params) -> Theory:
    return analyze(p)


def speed(p: Params, k: int, outputs: Mapping[str, float]) -> float:
    """Speed of tenant k as a share of that alone, from outputs by name ("cpi_ratio[0]"), of a theory or a simulation.

    Wake-ups come when they come: theirs is the speed of the work in them.
    """
    whole = alone(p, k)
    if p.tenants[k].workload == "wakeups":
        return whole.cpi_ratio[0] / outputs[f"cpi_ratio[{k}]"]
    return outputs[f"references_per_s[{k}]"] / whole.references_per_s[0]


def speeds(p: Params, theory: Theory | None = None) -> list[float]:
    """Speed of every tenant of `p` as a share of that alone, by theory."""
    theory = theory or analyze(p)
    fields = {name: getattr(theory, name) for name in ("references_per_s", "cpi_ratio")}
    outputs = {key: x for name, values in fields.items() for key, x in indexed(name, values).items()}
    return [speed(p, k, outputs) for k in range(len(p.tenants))]


def slowdown(p: Params, k: int) -> np.ndarray:
    """Cost of tenant k with 0 … W ways, float64[W + 1]: times as slow as alone; infinite with none.

    With CDP, code and data have ways apart where that is better, as many as `code_ways` says.
    """
    return _costs(_cache_of(p), without_masks(p).tenants[k], _least_apart(p, k))[0]


def code_ways(p: Params, k: int, ways: int) -> int:
    """How many of tenant k's ways are best left to its code alone; 0: code and data share all of them."""
    return int(_costs(_cache_of(p), without_masks(p).tenants[k], _least_apart(p, k))[1][ways])


def _least_apart(p: Params, k: int) -> int:
    """Fewest ways of a mask if code and data may have ways apart, else 0."""
    return p.min_cbm_ways if p.cdp and _has_code(p.tenants[k]) else 0


def _cache_of(p: Params) -> Cache:
    """Only what a curve depends on, so that it is found again."""
    return Cache(**{name: getattr(p, name) for name in Cache.specs()})


@lru_cache(maxsize=_KEPT)
def _solo(p: Cache, t: Tenant) -> curves.Curve:
    return curves.solo(p, t)


@lru_cache(maxsize=_KEPT)
def _costs(p: Cache, t: Tenant, least: int) -> tuple[np.ndarray, np.ndarray]:
    """Cost by ways and how many of them are the code's alone; least: the fewest of either, 0 if never apart.

    A division costs what the tenant's curve says of as many misses.
    """
    curve = _solo(p, t)
    cost = curve.cpi_ratio if t.workload == "wakeups" else 1 / curve.units_per_s
    cost = np.concatenate([[np.inf], cost / cost[-1]])
    code = np.zeros(cost.size, dtype=np.int64)
    if not least:
        return cost, code
    apart, order = _split(p, t), np.argsort(curve.misses_per_s / curve.units_per_s)
    known = (curve.misses_per_s / curve.units_per_s)[order], cost[1:][order]
    for ways in range(2 * least, cost.size):
        codes = np.arange(least, ways - least + 1)
        misses = apart.data_misses[ways - codes - 1] + apart.code_misses[codes - 1]
        found = np.interp(misses, *known)
        if found.min() < (1 - WORTH) * cost[ways]:
            cost[ways], code[ways] = found.min(), codes[np.argmin(found)]
    return cost, code


@lru_cache(maxsize=_KEPT)
def _split(p: Cache, t: Tenant) -> curves.Split:
    return curves.split(p, t)


__all__ = [
    "Proposal",
    "alone",
    "at_hand",
    "capability",
    "code_ways",
    "divided",
    "names",
    "proposal",
    "schemata",
    "slowdown",
    "speed",
    "speeds",
    "without_masks",
]
