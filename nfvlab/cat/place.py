"""Way counts to capacity bit masks: disjoint, each of them one run of ways where the part wants that.

The rule, in this order:

1. Only ways of `available` are given out. Each of its runs is filled by itself, and which class goes to which run is
   searched exactly. Where that cannot be done, a part with sparse masks gets masks with holes; others refuse.
2. Within a run, classes and the ways left over stand in the order that puts the least sensitivity * ways on the I/O
   ways (`shareable_bits`); ways left over mind nothing, so that they come to lie there first.
3. Of equal orders the one by class, from the topmost way down. Above `EXACT_BLOCKS` classes rule 2 becomes: sorted by
   sensitivity, the least sensitive at the end of the run that has more I/O ways.

Source of the masks' rules: Intel SDM vol. 3B, Cache Allocation Technology; Linux Documentation/filesystems/resctrl.rst
(info/L3: cbm_mask, min_cbm_bits, shareable_bits, sparse_masks).
"""

import functools
from collections.abc import Sequence

import numpy as np

from nfvlab.cat.cbm import CbmError, validate
from nfvlab.cat.parts import Capability
from nfvlab.kernels import pools
from nfvlab.params import ParamError, Problem

EXACT_BLOCKS = 14  # orders are tried exactly up to here: 2**14 sets


@functools.cache
def way_runs(mask: int) -> tuple[tuple[int, ...], ...]:
    """The runs of ones in `mask`, topmost first, each as its bit positions from the top down."""
    runs: list[list[int]] = []
    for bit in range(mask.bit_length() - 1, -1, -1):
        if mask >> bit & 1:
            if runs and runs[-1][-1] == bit + 1:
                runs[-1].append(bit)
            else:
                runs.append([bit])
    return tuple(map(tuple, runs))


def place(
    ways: Sequence[int],
    capability: Capability,
    *,
    available: int | None = None,
    sensitivity: Sequence[float] | None = None,
) -> tuple[int, ...]:
    """One mask for each of `ways`, disjoint, inside `available` (all ways unless given), by the rule of this module.

    ways: how many ways each class gets, at least 1. sensitivity: how much each minds one I/O way, at least 0 (all
    alike unless given). Errors: ParamError when they do not fit.
    """
    available = capability.full_mask if available is None else available
    ways = [int(w) for w in ways]
    minds = None if sensitivity is None else [float(x) for x in sensitivity]
    _check(ways, minds, available)
    runs = way_runs(available)
    where = [0] * len(ways) if len(runs) == 1 else pack(ways, [len(run) for run in runs])
    if where is None:
        if not capability.sparse_masks:
            sizes = ", ".join(str(len(run)) for run in runs)
            rule = f"does not fit runs of {sizes} ways without holes in a mask"
            remedy = "change the counts, or free ways in between"
            raise ParamError([Problem("ways", tuple(ways), rule, remedy)], "place")
        runs, where = (tuple(bit for run in runs for bit in run),), [0] * len(ways)
    masks = [0] * len(ways)
    io = capability.shareable_bits & available
    for number, run in enumerate(runs):
        members = [k for k, place in enumerate(where) if place == number]
        _lay(run, members, ways, minds, io, masks)
    if len(runs) > 1 or capability.sparse_masks:
        _validate(masks, capability)
    return tuple(masks)


def _validate(masks: list[int], capability: Capability) -> None:
    """The kernel's own rules, which on a sparse part also bind the lowest run of a mask with holes."""
    for mask in masks:
        try:
            validate(f"{mask:x}", capability)
        except CbmError as error:
            remedy = "give it more ways, or free ways in between"
            raise ParamError([Problem("mask", hex(mask), str(error), remedy)], "place") from None


def pack(ways: Sequence[int], sizes: Sequence[int]) -> list[int] | None:
    """For each count the number of the run it goes to, or None where no way to pack them exists.

    Exact, by trying the largest counts first and the first runs first.
    """
    order = sorted(range(len(ways)), key=lambda k: -ways[k])
    free, where = list(sizes), [0] * len(ways)
    failed: set[tuple] = set()

    def fill(at: int) -> bool:
        if at == len(order):
            return True
        state = (at, tuple(sorted(free)))
        if state in failed:
            return False
        for run in range(len(free)):
            if ways[order[at]] <= free[run]:
                free[run] -= ways[order[at]]
                where[order[at]] = run
                if fill(at + 1):
                    return True
                free[run] += ways[order[at]]
        failed.add(state)
        return False

    return where if fill(0) else None


def _lay(run, members, ways, minds, shareable_bits, masks) -> None:
    """Give the ways of one run to its members, in the order of rule 2 and 3."""
    idle = len(run) - sum(ways[k] for k in members)
    order: Sequence[int] = range(len(members))
    if shareable_bits and any(shareable_bits >> bit & 1 for bit in run):
        lengths = [ways[k] for k in members] + [idle] * (idle > 0)
        weights = [1.0 if minds is None else minds[k] for k in members] + [0.0] * (idle > 0)
        order = _order(run, lengths, weights, shareable_bits)
    at, straight = 0, run[0] - run[-1] == len(run) - 1
    for block in order:
        if block == len(members):
            at += idle
            continue
        k = members[block]
        bits = run[at : at + ways[k]]
        masks[k] = ((1 << ways[k]) - 1) << bits[-1] if straight else sum(1 << bit for bit in bits)
        at += ways[k]


def _order(run, lengths, weights, shareable_bits) -> list[int]:
    marks = [shareable_bits >> bit & 1 for bit in run]
    if len(lengths) <= EXACT_BLOCKS:
        marked = np.array([0, *np.cumsum(marks)], dtype=np.int64)
        return pools.order_blocks(np.array(lengths), np.array(weights, dtype=float), marked).tolist()
    rising = sorted(range(len(lengths)), key=lambda k: weights[k])
    half = len(marks) // 2
    return rising if sum(marks[:half]) >= sum(marks[-half:]) else rising[::-1]


def _check(ways: list[int], minds: list[float] | None, available: int) -> None:
    problems = []
    if not ways or min(ways) < 1:
        problems.append(Problem("ways", tuple(ways), "every mask needs a way", "give each at least 1"))
    if sum(ways) > available.bit_count():
        rule = f"{sum(ways)} ways are more than the {available.bit_count()} of {available:#x}"
        problems.append(Problem("ways", tuple(ways), rule, "give fewer"))
    if minds is not None and (len(minds) != len(ways) or not all(0 <= x < np.inf for x in minds)):
        rule = f"needs {len(ways)} finite numbers that are not negative"
        problems.append(Problem("sensitivity", tuple(minds), rule, "give one for each class"))
    if problems:
        raise ParamError(problems, "place")


__all__ = ["pack", "place", "way_runs"]
