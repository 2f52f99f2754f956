"""Allocation when the classes' costs hang together: every split of the ways is put to the caller's model.

When memory bandwidth binds, what a class loses with w ways depends on the misses of all others, and there is no curve
per class. All ways to split the ways are then tried, in portions, so the answer is exact for the model that is asked.
"""

from collections.abc import Callable, Sequence

import numpy as np

from nfvlab.cat.allocation import Allocation
from nfvlab.cat.division import class_limits, class_names, class_weights, refuse, ways_to_give
from nfvlab.cat.parts import Capability
from nfvlab.cat.place import pack, place, way_runs
from nfvlab.kernels import partition

PORTION = 16_384  # splits put to the model at once
MOST_SPLITS = 2_000_000
OBJECTIVES = ("throughput", "fairness")

Model = Callable[[np.ndarray], np.ndarray]


def allocate_coupled(
    cost_of: Model,
    classes: int,
    capability: Capability,
    *,
    objective: str = "throughput",
    names: Sequence[str] | None = None,
    weights=None,
    min_ways=None,
    max_ways=None,
    maximise: bool = False,
    use_io_ways: bool = False,
    taken_mask: int = 0,
    io_sensitivity: Sequence[float] | None = None,
    quantity: str = "",
    all_ways: bool = True,
    most_splits: int = MOST_SPLITS,
) -> Allocation:
    """The best masks by a model of all classes together.

    cost_of: int64[n, classes] ways -> float[n, classes] costs (`maximise`: benefits), infinite where forbidden. It is
    asked for every split; for `next_way` and `last_way` also for one way more or less of each class alone.
    all_ways: whether only splits are tried that leave no way over (where masks can use all), as is right where a way
    never hurts. Everything else
    as for `allocate`, without CDP and shared masks. Errors: ParamError, also when there are more than `most_splits`.
    """
    if objective not in OBJECTIVES:
        refuse("objective", objective, f"must be one of {', '.join(OBJECTIVES)}", "write one of them")
    available, total = ways_to_give(capability, use_io_ways, taken_mask)
    least, most = class_limits(min_ways, max_ways, classes, max(1, capability.min_cbm_bits), total)
    names, weight = class_names(names, classes), class_weights(weights, classes)
    if classes > capability.closids():
        rule = f"the part has {capability.closids()} classes of service"
        refuse("classes", classes, rule, "let some share a mask, and count them as one")
    runs = [len(run) for run in way_runs(available)]
    fits = None if len(runs) == 1 or capability.sparse_masks else lambda ways: pack(ways, runs) is not None
    at_least = min(total, int(most.sum())) if all_ways and fits is None else 0
    count = count_splits(least, most, total, at_least)
    if count > most_splits:
        rule = f"{count:,} splits of {total} ways among {classes} classes are more than {most_splits:,}"
        refuse("classes", classes, rule, "raise min_ways, lower max_ways, or raise most_splits and wait")
    scale = -weight if maximise else weight

    def weighted(ways: np.ndarray) -> np.ndarray:
        return _ask(cost_of, ways) * scale

    best = _search(weighted, least, most, total, at_least, objective, fits) if count else None
    if best is None:
        rule = f"no split of {total} ways in runs of {runs} is allowed"
        refuse("min_ways", least.tolist(), rule, "relax the limits, or free ways")
    near = np.array(
        [best, *(best + np.eye(classes, dtype=np.int64)), *(best - np.eye(classes, dtype=np.int64))]
    )
    costs = np.full(near.shape, np.nan)
    asked = ((near >= least) & (near <= most)).all(axis=1)
    costs[asked] = weighted(near[asked])
    sums = costs.sum(axis=1)
    masks = place(best.tolist(), capability, available=available, sensitivity=io_sensitivity)
    return Allocation(
        names=names,
        groups=tuple((k,) for k in range(classes)),
        objective=objective,
        exact=True,
        maximise=maximise,
        quantity=quantity,
        cbm_len=capability.cbm_len,
        ways=tuple(best.tolist()),
        masks=masks,
        code_masks=None,
        io_ways=tuple([(m & capability.shareable_bits).bit_count() for m in masks]),
        idle_ways=total - int(best.sum()),
        costs=tuple((costs[0] / scale).tolist()),
        weights=tuple(weight.tolist()),
        held_ways=tuple(best.astype(float).tolist()),
        next_way=tuple((sums[0] - sums[1 : classes + 1]).tolist()),
        last_way=tuple((sums[classes + 1 :] - sums[0]).tolist()),
    )


def count_splits(least: np.ndarray, most: np.ndarray, total: int, at_least: int = 0) -> int:
    """How many splits give each class least to most ways, and all together from `at_least` to `total`."""
    ways = [1] + [0] * total
    for low, high in zip(least.tolist(), most.tolist(), strict=True):
        ways = [sum(ways[max(0, w - high) : w - low + 1]) if w >= low else 0 for w in range(total + 1)]
    return sum(ways[at_least:])


def _search(weighted, least, most, total: int, at_least: int, objective: str, fits) -> np.ndarray | None:
    """The split with the smallest key (value, then most ways used, then most even) among those that fit."""
    state, best, best_key = least.copy(), None, None
    while state[0] >= 0:
        portion = np.empty((PORTION, least.size), dtype=np.int64)
        ways = portion[: partition.next_splits(state, least, most, total, portion)]
        ways = ways[ways.sum(axis=1) >= at_least]
        if not len(ways):
            continue
        costs = weighted(ways)
        values = costs.sum(axis=1)[:, None] if objective == "throughput" else -np.sort(-costs, axis=1)
        keys = np.column_stack([values, -ways.sum(axis=1), (ways**2).sum(axis=1)])
        allowed = np.isfinite(values[:, 0])
        ways, keys = ways[allowed], keys[allowed]
        for row in np.lexsort(keys.T[::-1]):
            if best_key is not None and tuple(keys[row]) >= best_key:
                break
            if fits is None or fits(ways[row].tolist()):
                best, best_key = ways[row], tuple(keys[row])
                break
    return best


def _ask(cost_of: Model, ways: np.ndarray) -> np.ndarray:
    costs = np.asarray(cost_of(ways), dtype=float)
    if costs.shape != ways.shape:
        refuse(
            "cost_of",
            f"returned shape {costs.shape}",
            f"must return {ways.shape}, a cost for each way count",
            "mend it",
        )
    if np.isnan(costs).any():
        where = ways[np.isnan(costs).any(axis=1)][0].tolist()
        refuse("cost_of", where, "is not a number at these ways", "mend it; infinite forbids a split")
    return costs


__all__ = ["allocate_coupled", "count_splits"]
