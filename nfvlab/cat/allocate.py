"""The optimiser: from one curve per class of service to way counts, and to masks that the part takes.

objective     minimises                                                         how
throughput    the sum of weighted costs                                         exact, dynamic programme, any curves
fairness      the largest weighted cost, then the second largest, …             exact, dynamic programme (leximin)
lookahead     the sum, by the largest saving per way, looking ahead             UCP's rule, for comparison
greedy        the sum, way by way                                               optimal for convex curves only

Of equal allocations the one that uses most ways is taken, then the most even one. Classes that share a mask hold parts
of it as `sharing` says; with CDP a class has two curves and two masks. In which order masks stand, says `place`.

Left out: that a mask on an I/O way is worth less than the curve says; conflict misses of few ways, unless the curves
hold them.

References: Qureshi and Patt, Utility-Based Cache Partitioning, MICRO 2006 (the lookahead algorithm); Suh, Rudolph and
Devadas, Dynamic Partitioning of Shared Cache Memory, J. Supercomputing 28, 2004 (greedy by marginal gain, optimal for
convex curves); Stone, Turek and Wolf, Optimal Partitioning of Cache Memory, IEEE Trans. Computers 41, 1992.
"""

import functools
from collections.abc import Sequence

import numpy as np

from nfvlab.cat.allocation import Allocation
from nfvlab.cat.division import Division, check_sharing, class_names, divide, refuse
from nfvlab.cat.parts import Capability
from nfvlab.cat.place import pack, place, way_runs
from nfvlab.cat.sharing import Groups, best_groups
from nfvlab.cat.solve import OBJECTIVES, pieces, solve, solve_by_runs


def allocate(
    costs,
    capability: Capability,
    *,
    objective: str = "throughput",
    names: Sequence[str] | None = None,
    weights=None,
    min_ways=None,
    max_ways=None,
    code_costs=None,
    maximise: bool = False,
    groups: Groups | str | None = None,
    misses=None,
    code_misses=None,
    use_io_ways: bool = False,
    taken_mask: int = 0,
    io_sensitivity: Sequence[float] | None = None,
    quantity: str = "",
) -> Allocation:
    """The best masks for classes with these curves.

    costs: float[classes, ways + 1], column w what a class costs (`maximise`: brings) with w ways; infinite forbids.
    weights, min_ways, max_ways: one number, or one a class; every mask has min_cbm_bits in any case.
    code_costs: CDP: `costs` are then those of data, a class costs the sum, and min_ways and max_ways bound the sum.
    groups: classes that share a mask, such as ((0, 2), (1,)); None: a mask for each; "best": whatever costs least with
    the CLOSIDs that the part has (one of them the default group's), which may be to share where nobody has to. Sharing
    needs `misses` (with CDP code_misses, too): float[classes, ways + 1] per second.
    use_io_ways: whether classes may have the part's shareable_bits; taken_mask: ways that are not to be given out.
    io_sensitivity: how much each group minds I/O ways, see `place`. quantity: name of the cost, with its unit.

    Errors: ParamError. Exact by objective, except: look-ahead and greedy; groups "best" above 9 classes, and for
    fairness beyond the worst group; CDP on ways in several runs (code and data of a class then stay in one run).
    """
    if objective not in OBJECTIVES:
        refuse("objective", objective, f"must be one of {', '.join(OBJECTIVES)}", "write one of them")
    division = divide(
        costs,
        capability,
        worst=objective == "fairness",
        weights=weights,
        min_ways=min_ways,
        max_ways=max_ways,
        code_costs=code_costs,
        maximise=maximise,
        misses=misses,
        code_misses=code_misses,
        use_io_ways=use_io_ways,
        taken_mask=taken_mask,
    )
    names = class_names(names, division.least.size)
    groups, exact = _grouped(division, groups)
    curves, code_ways = _group_curves(division, groups)
    least, most = _group_limits(division, groups)
    _check_room(division, least, most, names, groups)
    exact = exact and objective in ("throughput", "fairness")
    ways = solve(curves, least, most, division.total, objective)
    split = None if code_ways is None else [int(code_ways[g][w]) for g, w in enumerate(ways)]
    runs = [len(run) for run in way_runs(division.available)]
    if len(runs) > 1 and not capability.sparse_masks and pack(pieces(ways, split), runs) is None:
        ways = solve_by_runs(curves, least, most, runs, objective)
        split = None if code_ways is None else [int(code_ways[g][w]) for g, w in enumerate(ways)]
        exact = exact and split is None
    masks = _place(division, ways, split, io_sensitivity)
    return _answer(
        division,
        names,
        groups,
        curves,
        least,
        most,
        ways,
        split,
        masks,
        objective=objective,
        exact=exact,
        maximise=maximise,
        quantity=quantity,
    )


def _grouped(division: Division, groups: Groups | str | None) -> tuple[Groups, bool]:
    """The groups asked for, or the best ones; and whether no others are better."""
    classes, closids = division.least.size, division.capability.closids(division.code_costs is not None)
    if groups is None:
        found = _singles(classes)
    elif groups == "best":
        check_sharing(division, (tuple(range(classes)),))
        limits = (division.least, division.most, division.total)
        return best_groups(division.curve, *limits, groups=min(closids, classes), worst=division.worst)
    elif isinstance(groups, str):
        refuse("groups", groups, 'must be tuples of class numbers, "best", or None', "such as ((0, 2), (1,))")
    else:
        found = tuple(tuple(int(k) for k in group) for group in groups)
        check_sharing(division, found)
    if len(found) > closids:
        rule = f"the part has {closids} classes of service{' with CDP' if division.code_costs is not None else ''}"
        refuse("groups", len(found), rule, 'let some share a mask: groups="best", or name them')
    return found, True


def _alone(groups: Groups, classes: int) -> bool:
    """Whether every class has a mask of its own, in the order of the classes."""
    return groups == _singles(classes)


@functools.cache
def _singles(classes: int) -> Groups:
    return tuple((k,) for k in range(classes))


def _group_curves(division: Division, groups: Groups) -> tuple[np.ndarray, list[np.ndarray] | None]:
    """Curve of each group, float64[groups, total + 1]; with CDP the ways of it that are for code, of each total."""
    if division.code_costs is None and _alone(groups, division.least.size):
        return division.costs, None
    found = [division.best_split(group) for group in groups]
    curves = np.full((len(found), division.total + 1), np.inf)
    for row, (curve, _) in zip(curves, found, strict=True):
        row[: curve.size] = curve
    return curves, None if division.code_costs is None else [code for _, code in found]


def _group_limits(division: Division, groups: Groups) -> tuple[np.ndarray, np.ndarray]:
    if _alone(groups, division.least.size):
        return division.least, division.most
    least = np.array([division.least[list(group)].max() for group in groups], dtype=np.int64)
    return least, np.array([division.most[list(group)].min() for group in groups], dtype=np.int64)


def _check_room(division: Division, least: np.ndarray, most: np.ndarray, names, groups: Groups) -> None:
    if not groups:
        refuse("groups", "best", "no grouping keeps to the limits and forbidden columns", "relax them")
    for g in np.nonzero(least > most)[0] if len(groups) < len(names) else ():
        who = "+".join(names[k] for k in groups[g])
        refuse(
            "groups", who, f"one needs {least[g]} ways, another may have {most[g]}", "do not let them share"
        )
    if least.sum() > division.total:
        rule = f"{len(groups)} masks need {least.sum()} ways, {division.available:#x} has {division.total}"
        remedy = "lower min_ways, let classes share a mask (groups), or set use_io_ways=True"
        refuse("min_ways", least.tolist(), rule, remedy)


def _place(division: Division, ways: list[int], split: list[int] | None, sensitivity) -> tuple[int, ...]:
    if sensitivity is not None:
        if len(sensitivity) != len(ways):
            rule = f"there are {len(ways)} groups"
            refuse("io_sensitivity", tuple(sensitivity), rule, "give one number for each")
        sensitivity = [float(x) for x in sensitivity for _ in range(1 if split is None else 2)]
    return place(
        pieces(ways, split), division.capability, available=division.available, sensitivity=sensitivity
    )


def _answer(division, names, groups, curves, least, most, ways, split, masks, **about) -> Allocation:
    rows = curves.tolist()
    if _alone(groups, len(names)):
        held, costs = [float(w) for w in ways], [row[w] for row, w in zip(rows, ways, strict=True)]
    else:
        held, costs = (found.tolist() for found in _members(division, groups, ways, split))
    weights = division.weights.tolist()
    sign = -1.0 if about["maximise"] else 1.0
    limits = list(zip(rows, ways, least.tolist(), most.tolist(), strict=True))
    nan = float("nan")
    io = division.capability.shareable_bits
    touched = [(m & io).bit_count() for m in masks]
    return Allocation(
        names=names,
        groups=groups,
        cbm_len=division.capability.cbm_len,
        ways=tuple(ways),
        masks=masks if split is None else masks[1::2],
        code_masks=None if split is None else masks[::2],
        io_ways=tuple(
            touched if split is None else [a + b for a, b in zip(touched[::2], touched[1::2], strict=True)]
        ),
        idle_ways=division.total - sum(ways),
        costs=tuple([sign * cost / weight for cost, weight in zip(costs, weights, strict=True)]),
        weights=tuple(weights),
        held_ways=tuple(held),
        next_way=tuple([row[w] - row[w + 1] if w < high else nan for row, w, _, high in limits]),
        last_way=tuple([row[w - 1] - row[w] if w > low else nan for row, w, low, _ in limits]),
        **about,
    )


def _members(division: Division, groups: Groups, ways: list[int], split) -> tuple[np.ndarray, np.ndarray]:
    """(ways held, weighted cost) of each class."""
    held, costs = np.zeros(division.least.size), np.zeros(division.least.size)
    for g, group in enumerate(groups):
        members = list(group)
        for code in (False, True) if split is not None else (False,):
            shared = split[g] if code else ways[g] - (split[g] if split is not None else 0)
            part = division.held(group, shared, code=code)
            held[members] += part
            costs[members] += division.cost_of(group, part, code=code)
    return held, costs


__all__ = ["OBJECTIVES", "allocate"]
