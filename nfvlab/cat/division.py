"""The question that the optimiser answers, checked and brought into one form: curves to minimise, limits, ways.

Curves are float64[classes, ways + 1], column w the value of a class that holds w ways. Inside, they are costs times
weights; when maximising, minus that. An infinite cost forbids a column. Column 0 is only read where classes share.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nfvlab.cat.parts import Capability
from nfvlab.cat.sharing import Groups, cost_held, group_cost, held_ways
from nfvlab.kernels import partition
from nfvlab.params import ParamError, Problem

OWNER = "allocate"


def refuse(field: str, value: object, rule: str, remedy: str) -> None:
    """Raise the ParamError of one broken rule."""
    raise ParamError([Problem(field, value, rule, remedy)], OWNER)


@dataclass(frozen=True)
class Division:
    """Checked curves and limits of the classes, and the ways there are.

    costs, code_costs (CDP, else None), misses, code_misses (where classes share, else None): float64[classes,
    ways + 1];
    weights: float64[classes]; least, most: int64[classes], ways of a class, with CDP code and data together;
    mask_bits: fewest ways of one mask; available: the ways as bits, `total` of them.
    """

    capability: Capability
    costs: np.ndarray
    code_costs: np.ndarray | None
    misses: np.ndarray | None
    code_misses: np.ndarray | None
    weights: np.ndarray
    least: np.ndarray
    most: np.ndarray
    mask_bits: int
    available: int
    total: int
    worst: bool

    def curve(self, members: Sequence[int]) -> np.ndarray:
        """Cost of a group of classes that shares 0 to `total` ways, float64[total + 1]."""
        return self.best_split(members)[0]

    def best_split(self, members: Sequence[int]) -> tuple[np.ndarray, np.ndarray | None]:
        """Its cost, and with CDP how many of the ways should be for code: int64[total + 1]."""
        bits = self.mask_bits
        if self.code_costs is None:
            costs = group_cost(self.costs, self.misses, members)[:, : self.total + 1]
            return (costs.max(axis=0) if self.worst else costs.sum(axis=0)), None
        if len(members) == 1:
            k = members[0]
            return partition.convolve_min(self.code_costs[k], self.costs[k], bits, bits, self.total)
        code = group_cost(self.code_costs, self.code_misses, members)
        data = group_cost(self.costs, self.misses, members)
        both = code[:, :, None] + data[:, None, :]
        both = both.max(axis=0) if self.worst else both.sum(axis=0)
        return _antidiagonal_minimum(both, bits, self.total)

    def held(self, members: Sequence[int], ways: int, *, code: bool = False) -> np.ndarray:
        """Ways that each member holds of a shared mask of `ways`: float64[members]."""
        if len(members) == 1:
            return np.array([float(ways)])
        return held_ways((self.code_misses if code else self.misses)[list(members)])[:, ways]

    def cost_of(self, members: Sequence[int], held: np.ndarray, *, code: bool = False) -> np.ndarray:
        """Weighted cost of each member at the ways it holds: float64[members]."""
        costs = (self.code_costs if code else self.costs)[list(members)]
        return cost_held(costs, held[:, None])[:, 0]


def _antidiagonal_minimum(table: np.ndarray, bits: int, total: int) -> tuple[np.ndarray, np.ndarray]:
    """(smallest table[u, w - u] for w = 0 to total, its u), where u and w - u are at least `bits`."""
    cost, first = np.full(total + 1, np.inf), np.zeros(total + 1, dtype=np.int64)
    for w in range(2 * bits, total + 1):
        u = np.arange(bits, w - bits + 1)
        values = table[u, w - u]
        first[w] = u[np.argmin(values)]
        cost[w] = values.min()
    return cost, first


def divide(
    costs,
    capability: Capability,
    *,
    worst: bool,
    weights,
    min_ways,
    max_ways,
    code_costs,
    maximise: bool,
    misses,
    code_misses,
    use_io_ways: bool,
    taken_mask: int,
) -> Division:
    """Check everything that is asked; ParamError names what is wrong with it."""
    available, total = ways_to_give(capability, use_io_ways, taken_mask, code_costs is not None)
    data = _curves("costs", costs)
    classes = data.shape[0]
    bits = max(1, capability.min_cbm_bits)
    at_least = bits if code_costs is None else 2 * bits
    least, most = class_limits(min_ways, max_ways, classes, at_least, total)
    weight = class_weights(weights, classes)
    scale = None if weights is None and not maximise else (-weight if maximise else weight)[:, None]
    code = None if code_costs is None else _curves("code_costs", code_costs, classes)
    reach = total - bits if code is not None else total if max_ways is None else int(most.max())
    data = _weighted("costs", data, scale, reach)
    code = None if code is None else _weighted("code_costs", code, scale, reach)
    misses = None if misses is None else _flows("misses", misses, classes, total)
    code_misses = None if code_misses is None else _flows("code_misses", code_misses, classes, total)
    return Division(
        capability, data, code, misses, code_misses, weight, least, most, bits, available, total, worst
    )


def check_sharing(division: Division, groups: Groups) -> None:
    """Each class stands in one group; sharing needs misses, and costs at fewer ways than one."""
    classes = division.least.size
    flat = [k for group in groups for k in group]
    if sorted(flat) != list(range(classes)) or not all(groups):
        rule = f"must hold each of the classes 0 to {classes - 1} once"
        refuse("groups", groups, rule, "such as ((0, 2), (1,))")
    if len(groups) == classes:
        return
    pairs = [("misses", division.misses)]
    if division.code_costs is not None:
        pairs.append(("code_misses", division.code_misses))
    for name, flow in pairs:
        if flow is None:
            rule = "classes that share a mask hold parts of it by their misses per second"
            refuse(name, None, rule, f"give {name} (the costs themselves, if that is what they are)")
    for name, curves in (("costs", division.costs), ("code_costs", division.code_costs)):
        if curves is not None and np.isnan(curves[:, 0]).any():
            rule = "column 0 is needed where classes share: one may hold less than a way"
            refuse(name, "not a number", rule, "give the cost of a class without cache")


def ways_to_give(
    capability: Capability, use_io_ways: bool, taken_mask: int, cdp: bool = False
) -> tuple[int, int]:
    """The ways that classes may have, as bits, and how many they are."""
    if cdp and not capability.cdp_capable:
        refuse(
            "code_costs", "given", "the part has no CDP", "give one curve a class, of code and data together"
        )
    if not 0 <= taken_mask <= capability.full_mask:
        rule = f"must fit the mask of all ways, {capability.full_mask:#x}"
        refuse("taken_mask", taken_mask, rule, "clear the other bits")
    available = capability.full_mask & ~taken_mask
    if not use_io_ways:
        available &= ~capability.shareable_bits
    if not available:
        rule = f"shareable_bits = {capability.shareable_bits:#x} and taken_mask leave no way"
        refuse("taken_mask", taken_mask, rule, "free some, or set use_io_ways=True")
    return available, available.bit_count()


def _curves(name: str, given, classes: int | None = None) -> np.ndarray:
    curves = np.asarray(given, dtype=np.float64)
    wanted = "classes" if classes is None else classes
    if (
        curves.ndim != 2
        or curves.shape[0] < 1
        or curves.shape[1] < 2
        or wanted not in ("classes", curves.shape[0])
    ):
        rule = f"must be [{wanted}, ways + 1]"
        refuse(name, f"of shape {curves.shape}", rule, "give one row a class, from 0 ways on")
    return curves


def class_names(names: Sequence[str] | None, classes: int) -> tuple[str, ...]:
    """The names given, or c0, c1, …"""
    if names is None:
        return _default_names(classes)
    if len(names) != classes or len(set(names)) < classes or not all(isinstance(n, str) and n for n in names):
        refuse("names", tuple(names), f"must be {classes} different words", "give one for each class")
    return tuple(names)


def class_weights(weights, classes: int) -> np.ndarray:
    """Weight of each class: float64[classes], above 0."""
    weight = _per_class("weights", weights, classes, 1.0, np.float64)
    if weights is not None and not (weight.min() > 0 and weight.max() < np.inf):
        refuse(
            "weights", weight.tolist(), "must be finite and above 0", "leave out a class that does not count"
        )
    return weight


def class_limits(
    min_ways, max_ways, classes: int, at_least: int, total: int
) -> tuple[np.ndarray, np.ndarray]:
    """Fewest and most ways of each class: int64[classes] twice."""
    least = _per_class("min_ways", min_ways, classes, at_least, np.int64)
    most = _per_class("max_ways", max_ways, classes, total, np.int64)
    if min_ways is None and max_ways is None:
        return least, most
    least, most = np.maximum(least, at_least), np.minimum(most, total)
    if max_ways is not None and (least > most).any():
        k = int(np.argmax(least > most))
        rule = f"class {k} needs at least {least[k]} ways and may have at most {most[k]}"
        refuse("max_ways", max_ways, rule, f"give at least {least[k]}, or ask for less")
    return least, most


def _weighted(name: str, curves: np.ndarray, scale: np.ndarray | None, reach: int) -> np.ndarray:
    if curves.shape[1] <= reach:
        rule = f"a class may get {reach} ways, but the curves end at {curves.shape[1] - 1}"
        refuse(name, f"of shape {curves.shape}", rule, "give longer curves, or set max_ways")
    weighted = np.ascontiguousarray(curves) if scale is None else curves * scale
    if not weighted[:, 1:].min() > -np.inf:
        bad = curves[:, 1:][~(weighted[:, 1:] > -np.inf)][0]
        refuse(name, float(bad), "must be a number, infinite only to forbid", "mend the curve")
    return weighted


def _flows(name: str, given, classes: int, total: int) -> np.ndarray:
    flows = _curves(name, given, classes)
    if flows.shape[1] <= total:
        rule = f"a shared mask may have {total} ways, but the curves end at {flows.shape[1] - 1}"
        refuse(name, f"of shape {flows.shape}", rule, "give longer curves")
    if not (flows.min() >= 0 and flows.max() < np.inf):
        refuse(
            name,
            float(flows.min()),
            "must be finite and not negative",
            "give misses per second from 0 ways on",
        )
    return flows


@functools.cache
def _same(classes: int, value: float, dtype: type) -> np.ndarray:
    """One value for each class; kept, as nobody writes to it and making it takes a tenth of an answer's time."""
    return np.full(classes, value, dtype=dtype)


@functools.cache
def _default_names(classes: int) -> tuple[str, ...]:
    return tuple(f"c{k}" for k in range(classes))


def _per_class(name: str, given, classes: int, default, dtype) -> np.ndarray:
    if given is None:
        return _same(classes, default, dtype)
    array = np.asarray(given)
    if array.ndim == 0:
        array = np.full(classes, array)
    whole = dtype is not np.int64 or array.dtype.kind in "iu"
    if array.shape != (classes,) or array.dtype.kind not in "iuf" or not whole:
        kind = "a whole number" if dtype is np.int64 else "a number"
        refuse(
            name, given, f"must be {kind}, or one for each of the {classes} classes", "give one or that many"
        )
    return array.astype(dtype)


__all__ = [
    "Division",
    "check_sharing",
    "class_limits",
    "class_names",
    "class_weights",
    "divide",
    "refuse",
    "ways_to_give",
]
