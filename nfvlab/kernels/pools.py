"""Takers who share one pool of units, which takers to pool, and blocks laid out in a row.

`share_flow` follows how a shared pool fills, `best_pools` tries every way to pool takers, `order_blocks` every order of
blocks: all of them exact for their models, the last two by dynamic programming over subsets (bit k: taker k).
"""

import numpy as np

from nfvlab.kernels.jit import jit

PARTS = 32  # steps per unit in which a pool is filled


@jit
def _at(curve, x):
    """Linear interpolation of a curve given at 0, 1, 2, …; its last value beyond."""
    u = int(x)
    if u >= curve.size - 1:
        return curve[-1]
    return curve[u] + (curve[u + 1] - curve[u]) * (x - u)


@jit
def _shares(flows, held, ahead, rate):
    """Into `rate`: each taker's share of the flow when it holds held + ahead * rate; zero when nothing flows."""
    total = 0.0
    for k in range(held.size):
        rate[k] = _at(flows[k], held[k] + ahead * rate[k])
        total += rate[k]
    for k in range(held.size):
        rate[k] = rate[k] / total if total > 0 else 0.0


@jit
def share_flow(flows, parts):
    """Units that each taker holds of a shared pool of 0, 1, … units: float64[takers, units + 1].

    flows: float64[takers, units + 1], at which rate a taker brings in new items when it holds u units. Every taker's
    share grows in proportion to its flow at that size: d held_k / d pool = flow_k(held_k) / sum of flows, in `parts`
    steps a unit (midpoint rule). When nobody brings in anything more, the rest of the pool stays empty.
    """
    takers, columns = flows.shape
    history = np.zeros((takers, columns))
    held = np.zeros(takers)
    rate = np.zeros(takers)
    for u in range(1, columns):
        for _ in range(parts):
            _shares(flows, held, 0.0, rate)
            _shares(flows, held, 0.5 / parts, rate)
            held += rate / parts
        history[:, u] = held
    return history


@jit
def best_pools(costs, least, most, total, pools, worst):
    """Which takers to pool when only `pools` pools can be made: the set of each pool as bits, int64[<= pools].

    costs: float64[2**takers, total + 1], the cost of every set of takers that shares a pool of u units; least, most:
    int64[2**takers]. Minimises the sum of the pools' costs (`worst`: the largest), using at most `total` units; of
    equal ones the one of most pools, then of most units. Empty where nothing is allowed. Time pools * 3**takers.
    """
    sets = costs.shape[0]
    best = np.full((pools + 1, sets, total + 1), np.inf)
    chosen = np.zeros((pools + 1, sets, total + 1), dtype=np.int64)
    units = np.zeros((pools + 1, sets, total + 1), dtype=np.int64)
    best[0, 0, 0] = -np.inf if worst else 0.0
    for c in range(1, pools + 1):
        for whole in range(1, sets):
            lowest = whole & -whole
            rest = whole ^ lowest
            others = rest  # of the set that leaves `others` behind, `lowest` is a member
            while True:
                pool = whole ^ others
                for w in range(total + 1):
                    before = best[c - 1, others, w]
                    if before == np.inf:
                        continue
                    for u in range(least[pool], min(most[pool], total - w) + 1):
                        cost = costs[pool, u]
                        value = max(before, cost) if worst else before + cost
                        if value < best[c, whole, w + u]:
                            best[c, whole, w + u] = value
                            chosen[c, whole, w + u] = pool
                            units[c, whole, w + u] = u
                if others == 0:
                    break
                others = (others - 1) & rest
    at, used = 0, 0
    lowest_cost = np.inf
    for c in range(1, pools + 1):
        for w in range(total + 1):
            if best[c, sets - 1, w] <= lowest_cost and best[c, sets - 1, w] < np.inf:
                lowest_cost = best[c, sets - 1, w]
                at, used = c, w
    found = np.zeros(at, dtype=np.int64)
    whole = sets - 1
    for c in range(at, 0, -1):
        found[at - c] = chosen[c, whole, used]
        step = units[c, whole, used]
        whole ^= found[at - c]
        used -= step
    return found


@jit
def order_blocks(lengths, weights, marked):
    """The order in which blocks are laid in a row so that the least weight falls on marked places: int64[blocks].

    lengths: int64[blocks]; weights: float64[blocks], cost of a block for each marked place that it covers; marked:
    int64[places + 1], how many of the first p places are marked. Of equal orders the one that is first by index.
    """
    blocks = lengths.size
    sets = 1 << blocks
    ends = np.zeros(sets, dtype=np.int64)
    cost = np.zeros(sets)  # of laying the blocks that are not in the set behind those that are
    for laid in range(sets):
        for k in range(blocks):
            if laid >> k & 1:
                ends[laid] += lengths[k]
    for laid in range(sets - 2, -1, -1):
        cost[laid] = np.inf
        for k in range(blocks):
            if not laid >> k & 1:
                here = weights[k] * (marked[ends[laid] + lengths[k]] - marked[ends[laid]])
                cost[laid] = min(cost[laid], here + cost[laid | 1 << k])
    order = np.zeros(blocks, dtype=np.int64)
    laid = 0
    for place in range(blocks):
        for k in range(blocks):
            if not laid >> k & 1:
                here = weights[k] * (marked[ends[laid] + lengths[k]] - marked[ends[laid]])
                if here + cost[laid | 1 << k] == cost[laid]:
                    order[place] = k
                    laid |= 1 << k
                    break
    return order
