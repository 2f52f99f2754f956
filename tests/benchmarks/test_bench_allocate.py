"""Benchmarks of the optimiser beside what a user would write: `make bench`. Times are printed, never asserted."""

import itertools
import timeit

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

from nfvlab.cat.allocate import allocate
from nfvlab.cat.coupled import allocate_coupled
from nfvlab.cat.parts import BROADWELL_EP, HASWELL_EP, Capability
from nfvlab.kernels import partition

CLASSES, WAYS = 8, 20


def curves(classes=CLASSES, ways=WAYS):
    """Misses per second of random classes, falling, with cliffs (nowhere convex)."""
    rng = np.random.default_rng(1)
    return 1e7 * -np.sort(-(rng.random((classes, ways + 1)) ** 3), axis=1)


def by_milp(costs):
    """One binary variable for each class and way count; scipy's HiGHS."""
    n, columns = costs.shape
    one = np.kron(np.eye(n), np.ones(columns))
    ways = np.tile(np.arange(columns), n)[None, :]
    rows = [LinearConstraint(one, 1, 1), LinearConstraint(ways, 0, columns - 1)]
    least = np.tile(np.arange(columns) == 0, n)
    done = milp(costs.ravel(), constraints=rows, integrality=1, bounds=Bounds(0, np.where(least, 0, 1)))
    return done.x.reshape(costs.shape).argmax(axis=1)


def by_numpy(costs):
    """The same dynamic programme, one min-plus convolution in numpy a class."""
    columns = costs.shape[1]
    index = np.arange(columns)
    gap = index[:, None] - index[None, :]  # total - ways of this class
    best, choices = np.where(index == 0, 0.0, np.inf), []
    for cost in costs:
        table = np.where((gap >= 0) & (index[None, :] >= 1), best[gap] + cost[None, :], np.inf)
        choices.append(table.argmin(axis=1))
        best = table.min(axis=1)
    w, ways = int(best.argmin()), []
    for choice in reversed(choices):
        ways.append(int(choice[w]))
        w -= ways[-1]
    return np.array(ways[::-1])


def by_itertools(costs):
    """All compositions as borders between ways, in numpy."""
    n, total = costs.shape[0], costs.shape[1] - 1
    borders = np.array(list(itertools.combinations(range(1, total), n - 1)))
    ends = np.full((len(borders), 1), total)
    ways = np.diff(np.hstack([np.zeros_like(ends), borders, ends]), axis=1)
    return ways[costs[np.arange(n), ways].sum(axis=1).argmin()]


def race(contenders, number):
    """Print the best of some rounds of each contender in microseconds, and its ratio to the first."""
    seconds = {}
    for name, (run, times) in contenders.items():
        run()
        rounds = max(5, min(number // times, 20))
        seconds[name] = min(timeit.repeat(run, number=times, repeat=rounds)) / times
    first = next(iter(seconds.values()))
    for name, value in seconds.items():
        print(f"  {name:44} {value * 1e6:12.1f} us  x {value / first:9.1f}")


def test_throughput_of_8_classes_on_20_ways():
    costs = curves()
    least, most = np.ones(CLASSES, dtype=np.int64), np.full(CLASSES, WAYS)
    part = Capability(cbm_len=WAYS)
    best = costs[np.arange(CLASSES), partition.split_sum(costs, least, most, WAYS)].sum()
    for other in (by_milp, by_numpy, by_itertools):
        assert np.isclose(costs[np.arange(CLASSES), other(costs)].sum(), best)
    assert np.isclose(allocate(costs, part).total, best)
    print(f"\nexact split of {WAYS} ways among {CLASSES} classes")
    race(
        {
            "dynamic programme (target: 50 us)": (lambda: partition.split_sum(costs, least, most, WAYS), 20),
            "the same, checked, with masks and marginals": (lambda: allocate(costs, part), 20),
            "leximin": (lambda: partition.split_leximin(costs, least, most, WAYS), 20),
            "look-ahead (not exact)": (lambda: partition.split_lookahead(costs, least, most, WAYS, WAYS), 20),
            "numpy, min-plus": (lambda: by_numpy(costs), 5),
            "scipy.optimize.milp": (lambda: by_milp(costs), 1),
            "all 50 388 splits, itertools and numpy": (lambda: by_itertools(costs), 1),
        },
        number=400,
    )


def test_other_questions():
    costs = curves()
    part = BROADWELL_EP.l3
    print("\nother questions, 8 classes")
    race(
        {
            "18 ways, I/O ways left alone": (lambda: allocate(costs, part), 20),
            "20 ways, order by I/O": (lambda: allocate(costs, part, use_io_ways=True), 20),
            "CDP": (lambda: allocate(costs, part, code_costs=costs[::-1] / 9, use_io_ways=True), 5),
            "four masks, best of all 4 140 groupings": (
                lambda: allocate(costs, HASWELL_EP.l3, groups="best", misses=costs),
                1,
            ),
            "coupled, 50 388 splits": (
                lambda: allocate_coupled(
                    lambda w: costs[np.arange(CLASSES), w], CLASSES, part, use_io_ways=True
                ),
                1,
            ),
        },
        number=40,
    )


def test_lookahead_beside_the_optimum():
    """How much look-ahead and greedy lose, over random classes with cliffs."""
    rng = np.random.default_rng(2)
    loss = {"lookahead": [], "greedy": []}
    for _ in range(300):
        costs = -np.sort(-(rng.random((4, WAYS + 1)) ** 3), axis=1) * rng.random((4, 1))
        best = allocate(costs, Capability(cbm_len=WAYS)).total
        for rule, found in loss.items():
            found.append(allocate(costs, Capability(cbm_len=WAYS), objective=rule).total / best - 1)
    print("\nmore misses than the optimum, 4 random classes with cliffs on 20 ways")
    for rule, found in loss.items():
        assert min(found) > -1e-12
        print(f"  {rule:12} mean {np.mean(found):.1%}, worst {max(found):.1%}")
