"""Ways of each group of classes by objective: on ways in one run, or in several that no mask may bridge."""

import itertools

import numpy as np

from nfvlab.cat.division import refuse
from nfvlab.kernels import partition

OBJECTIVES = ("throughput", "fairness", "lookahead", "greedy")
MOST_ASSIGNMENTS = 100_000  # of groups to runs of ways


def solve(curves, least, most, total: int, objective: str) -> list[int]:
    """Ways of each group."""
    if objective == "throughput":
        ways = partition.split_sum(curves, least, most, total)
    elif objective == "fairness":
        ways = partition.split_leximin(curves, least, most, total)
    else:
        if not all(np.isfinite(row[a : b + 1]).all() for row, a, b in zip(curves, least, most, strict=True)):
            refuse(
                "objective", objective, "cannot see past forbidden columns", "choose throughput or fairness"
            )
        ways = partition.split_lookahead(curves, least, most, total, total if objective == "lookahead" else 1)
    if ways[0] < 0:
        refuse("costs", "infinite", "every allocation is forbidden by some class", "relax a limit")
    return ways.tolist()


def pieces(ways: list[int], split: list[int] | None) -> list[int]:
    """Lengths of all masks: of each group, with CDP first code and then data of each."""
    return (
        ways if split is None else [n for w, code in zip(ways, split, strict=True) for n in (code, w - code)]
    )


def solve_by_runs(curves, least, most, runs: list[int], objective: str) -> list[int]:
    """Ways of each group when each must fit one of several runs: every way to assign groups to runs is compared."""
    groups = len(least)
    if len(runs) ** groups > MOST_ASSIGNMENTS:
        rule = f"{groups} masks over {len(runs)} runs of ways: more than {MOST_ASSIGNMENTS} assignments to compare"
        refuse("taken_mask", len(runs), rule, "free the ways in between, or let classes share")
    known: dict[tuple, list[int] | None] = {}
    best, best_ways = None, None
    for where in itertools.product(range(len(runs)), repeat=groups):
        ways = [0] * groups
        for run, size in enumerate(runs):
            members = tuple(g for g in range(groups) if where[g] == run)
            if (size, members) not in known:
                known[size, members] = _solve_members(curves, least, most, size, objective, members)
            if known[size, members] is None:
                break
            for g, w in zip(members, known[size, members], strict=True):
                ways[g] = w
        else:
            each = curves[np.arange(groups), ways]
            value = sorted(each.tolist(), reverse=True) if objective == "fairness" else [float(each.sum())]
            if best is None or (value, -sum(ways)) < best:
                best, best_ways = (value, -sum(ways)), ways
    if best_ways is None:
        refuse(
            "min_ways",
            least.tolist(),
            f"the masks do not fit runs of {runs} ways",
            "lower it, or free ways in between",
        )
    return best_ways


def _solve_members(
    curves, least, most, size: int, objective: str, members: tuple[int, ...]
) -> list[int] | None:
    rows = list(members)
    if not rows:
        return []
    if least[rows].sum() > size:
        return None
    rule = "fairness" if objective == "fairness" else "throughput"
    kernel = partition.split_leximin if rule == "fairness" else partition.split_sum
    ways = kernel(np.ascontiguousarray(curves[rows]), least[rows], np.minimum(most[rows], size), size)
    return None if ways[0] < 0 else ways.tolist()


__all__ = ["OBJECTIVES", "pieces", "solve", "solve_by_runs"]
