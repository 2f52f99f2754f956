"""Shared pools: the flow against closed forms, pools and orders against all of them tried, compiled against plain."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfvlab.kernels import pools


def uniform(rate, size, units):
    """Flow of a taker that goes uniformly over `size` units of items: rate * (1 - held / size), down to none."""
    return rate * np.clip(1 - np.arange(units + 1) / size, 0, None)


def test_equal_takers_share_a_pool_equally():
    held = pools.share_flow(np.tile(uniform(5.0, 20.0, 12), (3, 1)), pools.PARTS)
    assert held == pytest.approx(np.tile(np.arange(13) / 3, (3, 1)), rel=1e-12)


@given(st.floats(0.1, 10), st.floats(0.1, 10), st.integers(13, 60), st.integers(13, 60))
def test_uniform_takers_hold_what_one_common_age_says(rate_a, rate_b, size_a, size_b):
    # In a time T each has touched size * (1 - exp(-rate T / size)); T is the one at which both fill the pool.
    flows = np.array([uniform(rate_a, size_a, 12), uniform(rate_b, size_b, 12)])
    held = pools.share_flow(flows, pools.PARTS)
    rates, sizes = np.array([rate_a, rate_b]), np.array([size_a, size_b])
    for pool in (1, 6, 12):
        low, high = 0.0, 1e4
        for _ in range(200):
            age = (low + high) / 2
            touched = sizes * -np.expm1(-rates * age / sizes)
            low, high = (age, high) if touched.sum() < pool else (low, age)
        assert held[:, pool] == pytest.approx(touched, rel=1e-3, abs=1e-4)


def test_a_pool_is_full_until_nobody_brings_in_more():
    flows = np.array([[4.0, 4, 0, 0, 0, 0, 0], [1.0, 0.5, 0, 0, 0, 0, 0]])
    held = pools.share_flow(flows, pools.PARTS)
    assert held.sum(axis=0)[:4] == pytest.approx([0, 1, 2, 3], abs=1e-9)
    assert held[:, 6] == pytest.approx([2, 2], abs=0.1)
    assert (np.diff(held, axis=1) >= 0).all()


def test_one_that_brings_in_nothing_holds_nothing():
    held = pools.share_flow(np.array([[0.0] * 5, [3.0] * 5]), pools.PARTS)
    assert held.tolist() == [[0.0] * 5, [0.0, 1.0, 2.0, 3.0, 4.0]]


def partitions(takers):
    """All ways to put takers into pools, as lists of sets of bits."""
    if not takers:
        yield []
        return
    first, rest = takers[0], takers[1:]
    for others in partitions(rest):
        yield [1 << first, *others]
        for k in range(len(others)):
            yield [*others[:k], others[k] | 1 << first, *others[k + 1 :]]


@given(st.integers(1, 4), st.integers(1, 3), st.booleans(), st.integers(0, 2**31))
def test_pools_are_the_best_of_all_ways_to_make_them(takers, count, worst, seed):
    rng = np.random.default_rng(seed)
    total, sets = 5, 1 << takers
    costs = rng.integers(0, 20, (sets, total + 1)).astype(float)
    least, most = rng.integers(0, 3, sets), rng.integers(2, 6, sets)
    combine = max if worst else sum

    def value(some):
        ranges = [range(least[s], min(most[s], total) + 1) for s in some]
        fits = [u for u in itertools.product(*ranges) if sum(u) <= total]
        return min((combine(costs[s, v] for s, v in zip(some, u, strict=True)) for u in fits), default=np.inf)

    args = (costs, least, most, total, count, worst)
    found = pools.best_pools(*args)
    assert np.array_equal(found, pools.best_pools.py_func(*args))
    best = min(value(some) for some in partitions(range(takers)) if len(some) <= count)
    if np.isinf(best):
        assert found.size == 0
        return
    assert sorted(b for s in found for b in range(takers) if s >> b & 1) == list(range(takers))
    assert found.size <= count and value(found.tolist()) == best


@given(st.integers(1, 5), st.integers(0, 2**31))
def test_blocks_stand_in_the_best_of_all_orders_the_first_by_index(blocks, seed):
    rng = np.random.default_rng(seed)
    lengths, weights = rng.integers(1, 4, blocks), rng.integers(0, 3, blocks).astype(float)
    marked = np.concatenate([[0], np.cumsum(rng.integers(0, 2, lengths.sum()))])

    def value(order):
        ends = np.cumsum(lengths[list(order)])
        starts = ends - lengths[list(order)]
        return sum(weights[list(order)] * (marked[ends] - marked[starts]))

    best = min(itertools.permutations(range(blocks)), key=lambda order: (value(order), order))
    found = pools.order_blocks(lengths, weights, marked)
    assert tuple(found) == best
    assert np.array_equal(found, pools.order_blocks.py_func(lengths, weights, marked))


@given(st.integers(1, 3), st.integers(0, 2**31))
def test_compiled_and_plain_flow_agree(takers, seed):
    flows = np.random.default_rng(seed).random((takers, 5))
    assert np.array_equal(pools.share_flow(flows, 4), pools.share_flow.py_func(flows, 4))
