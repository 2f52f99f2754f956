"""Units of one resource split among takers: exact dynamic programmes, two greedy rules, and all splits one by one.

Costs are float64[takers, units + 1], column u the cost of a taker that holds u units; an infinite cost forbids a
column. Taker k holds least[k] to most[k] units (int64[takers]), all together at most `total`. Of splits of equal
value the one that uses most units is taken, and of those the most even one (smallest sum of squares). A kernel that
finds no allowed split returns -1 for every taker.
"""

import numpy as np

from nfvlab.kernels.jit import jit


@jit
def _trace(choice, used):
    """The units of every taker, back from the last one; all -1 where nothing is allowed."""
    takers = choice.shape[0]
    units = np.full(takers, -1, dtype=np.int64)
    if used < 0:
        return units
    for k in range(takers - 1, -1, -1):
        units[k] = choice[k, used]
        used -= choice[k, used]
    return units


@jit
def split_sum(costs, least, most, total):
    """The split with the smallest sum of costs, by dynamic programming over takers: int64[takers].

    Costs of any shape; time takers * total**2. After k takers `best[w]` is the smallest sum that uses exactly w units.
    """
    takers = costs.shape[0]
    best = np.full(total + 1, np.inf)
    best[0] = 0.0
    even = np.zeros(total + 1, dtype=np.int64)
    choice = np.zeros((takers, total + 1), dtype=np.int64)
    for k in range(takers):
        fresh = np.full(total + 1, np.inf)
        fresh_even = np.zeros(total + 1, dtype=np.int64)
        for w in range(total + 1):
            if best[w] == np.inf:
                continue
            for u in range(least[k], min(most[k], total - w) + 1):
                value = best[w] + costs[k, u]
                squares = even[w] + u * u
                if value < fresh[w + u] or (value == fresh[w + u] < np.inf and squares < fresh_even[w + u]):
                    fresh[w + u] = value
                    fresh_even[w + u] = squares
                    choice[k, w + u] = u
        best, even = fresh, fresh_even
    used = -1
    lowest = np.inf
    for w in range(total + 1):
        if best[w] <= lowest and best[w] < np.inf:
            lowest = best[w]
            used = w
    return _trace(choice, used)


@jit
def _compare(a, b, n):
    """-1, 0 or 1: the order of two vectors by their first difference."""
    for j in range(n):
        if a[j] < b[j]:
            return -1
        if a[j] > b[j]:
            return 1
    return 0


@jit
def split_leximin(costs, least, most, total):
    """The split whose largest cost is smallest, then its second largest, and so on: int64[takers].

    A dynamic programme over vectors of costs in falling order. It is exact because that order is kept when the same
    cost is added to two vectors, so that the best split of some takers stays part of a best split of all.
    """
    takers = costs.shape[0]
    best = np.zeros((total + 1, takers))
    known = np.zeros(total + 1, dtype=np.bool_)
    known[0] = True
    even = np.zeros(total + 1, dtype=np.int64)
    choice = np.zeros((takers, total + 1), dtype=np.int64)
    trial = np.empty(takers)
    for k in range(takers):
        fresh = np.zeros((total + 1, takers))
        fresh_known = np.zeros(total + 1, dtype=np.bool_)
        fresh_even = np.zeros(total + 1, dtype=np.int64)
        for w in range(total + 1):
            if not known[w]:
                continue
            for u in range(least[k], min(most[k], total - w) + 1):
                cost, to = costs[k, u], w + u
                if cost == np.inf or (
                    fresh_known[to] and (cost > fresh[to, 0] or best[w, 0] > fresh[to, 0] and k)
                ):
                    continue
                at = k
                while at > 0 and best[w, at - 1] < cost:
                    trial[at] = best[w, at - 1]
                    at -= 1
                trial[at] = cost
                for j in range(at):
                    trial[j] = best[w, j]
                order = _compare(trial, fresh[to], k + 1) if fresh_known[to] else -1
                squares = even[w] + u * u
                if order < 0 or (order == 0 and squares < fresh_even[to]):
                    fresh[to, : k + 1] = trial[: k + 1]
                    fresh_known[to] = True
                    fresh_even[to] = squares
                    choice[k, to] = u
        best, known, even = fresh, fresh_known, fresh_even
    used = -1
    for w in range(total + 1):
        if known[w] and (used < 0 or _compare(best[w], best[used], takers) <= 0):
            used = w
    return _trace(choice, used)


@jit
def split_lookahead(costs, least, most, total, reach):
    """Units handed out by the largest saving per unit, looking up to `reach` units ahead: int64[takers].

    From `least` on, the taker with the largest (cost now - cost with i more) / i gets those i units, again and again.
    Ties go to fewer units, then to the taker that holds fewest; units that would only raise costs stay unused.
    `reach` = 1 is the plain greedy rule. Costs must be finite.
    """
    takers = costs.shape[0]
    units = least.copy()
    left = total - units.sum()
    if left < 0:
        return np.full(takers, -1, dtype=np.int64)
    while left > 0:
        winner, step, top = -1, 0, 0.0
        for k in range(takers):
            now = costs[k, units[k]]
            for i in range(1, min(reach, left, most[k] - units[k]) + 1):
                gain = (now - costs[k, units[k] + i]) / i
                better = gain > top or (winner < 0 and gain == top)
                if better or (gain == top and i <= step and units[k] < units[winner]):
                    winner, step, top = k, i, gain
        if winner < 0:
            break
        units[winner] += step
        left -= step
    return units


@jit
def next_splits(units, least, most, total, out):
    """Fill the rows of `out` (int64[n, takers]) with the next splits, and leave the one after them in `units`.

    Start with a copy of `least`. The first taker's units change fastest. Returns how many rows were filled; when that
    is less than n there are no more, and units[0] is -1.
    """
    takers = units.size
    rows = 0
    used = units.sum()
    if used > total:
        units[0] = -1
    while rows < out.shape[0] and units[0] >= 0:
        out[rows] = units
        rows += 1
        k = 0
        while k < takers and (units[k] >= most[k] or used >= total):
            used -= units[k] - least[k]
            units[k] = least[k]
            k += 1
        if k == takers:
            units[0] = -1
        else:
            units[k] += 1
            used += 1
    return rows


@jit
def convolve_min(a, b, least_a, least_b, total):
    """One curve of two takers who share w units at best: (float64[total + 1], int64[total + 1] units of the first).

    Column w is the smallest a[u] + b[w - u]; infinite where the least holdings do not fit.
    """
    cost = np.full(total + 1, np.inf)
    first = np.zeros(total + 1, dtype=np.int64)
    for w in range(least_a + least_b, total + 1):
        for u in range(least_a, w - least_b + 1):
            value = a[u] + b[w - u]
            if value < cost[w]:
                cost[w] = value
                first[w] = u
    return cost, first
