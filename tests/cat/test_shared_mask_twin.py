"""Classes that share ways: the flow model, and the advice from monitoring, against the exact cache."""

import numpy as np
import pandas as pd
import pytest

from nfvlab.cat.advise import advise
from nfvlab.cat.parts import Capability
from nfvlab.cat.sharing import cost_held, held_ways
from nfvlab.kernels import setassoc

SETS, WAYS = 256, 16
WAY_BYTES = SETS * setassoc.LINE_BYTES
FULL = (1 << WAYS) - 1
# Misses of a class over all accesses; largest error over 40 random mixes of 2 or 3 classes with 512 sets:
SMOOTH, CLIFF = 0.03, 0.12  # 0.028 for uniform and Zipf; 0.111 with scans, whose curves fall between two ways


def lines(rng, kind, n, size):
    """Line numbers of one class: uniform, by Zipf's law (0.8), or round and round."""
    if kind == "scan":
        return np.arange(n) % size
    if kind == "uniform":
        return rng.integers(0, size, n)
    odds = np.cumsum(np.arange(1, size + 1) ** -0.8)
    return rng.permutation(size)[np.searchsorted(odds, rng.random(n) * odds[-1])]


def mixed(rng, kinds, sizes, share, n):
    """(addresses, class of each): uint64[n], uint8[n]; every access is of a class drawn by its share."""
    classes = rng.choice(len(kinds), n, p=share).astype(np.uint8)
    address = np.empty(n, dtype=np.uint64)
    for k, (kind, size) in enumerate(zip(kinds, sizes, strict=True)):
        mine = classes == k
        line = lines(rng, kind, mine.sum(), int(size * SETS)) + (k + 1 << 32)
        address[mine] = line.astype(np.uint64) << np.uint64(6)
    return address, classes


def run(cache, address, classes, mask, every=0):
    kind, rmids = np.zeros(address.size, dtype=np.uint8), np.arange(cache.occupancy.size, dtype=np.int32)
    masks = np.full((rmids.size, 2), mask, dtype=np.uint32)
    return setassoc.access(cache, address, classes, kind, masks, rmids, every)


def alone(address, classes, k):
    """Misses of class k at 0 to WAYS ways, over all accesses of all classes: exact, from the ranks of its hits."""
    mine = address[classes == k]
    cache, half, none = (
        setassoc.empty(SETS, WAYS, 1, hashed=True),
        mine.size // 2,
        np.zeros(mine.size, np.uint8),
    )
    run(cache, mine[:half], none[:half], FULL)
    counts = run(cache, mine[half:], none[half:], FULL)
    hits = np.concatenate([[0], np.cumsum(counts.ranks[0, 0])])
    return (mine.size - half - hits) / (classes.size / 2)


MIXES = [
    (("uniform", "uniform"), (10.0, 30.0), (0.5, 0.5), 12, SMOOTH),
    (("zipf", "uniform"), (40.0, 8.0), (0.3, 0.7), 6, SMOOTH),
    (("zipf", "zipf", "uniform"), (5.0, 30.0, 15.0), (0.2, 0.5, 0.3), 16, SMOOTH),
    (("scan", "zipf"), (40.0, 20.0), (0.3, 0.7), 10, SMOOTH),  # it never fits: its curve is flat
    (("scan", "zipf", "zipf"), (3.9, 18.7, 15.9), (0.36, 0.52, 0.12), 11, CLIFF),
]


@pytest.mark.parametrize("kinds, sizes, share, ways, error", MIXES)
def test_what_classes_hold_of_a_shared_mask_and_miss_is_as_the_flow_says(kinds, sizes, share, ways, error):
    rng = np.random.default_rng(21)
    address, classes = mixed(rng, kinds, sizes, share, 240_000)
    curves = np.array([alone(address, classes, k) for k in range(len(kinds))])
    held = held_ways(curves)[:, ways]
    predicted = cost_held(curves, held[:, None])[:, 0]
    cache, half = setassoc.empty(SETS, WAYS, len(kinds), hashed=True), address.size // 2
    run(cache, address[:half], classes[:half], (1 << ways) - 1)
    counts = run(cache, address[half:], classes[half:], (1 << ways) - 1)
    measured = counts.misses[:, 0] / (address.size - half)
    assert np.abs(predicted - measured).max() <= error
    for wrong in (np.full(len(kinds), ways / len(kinds)), ways * np.array(share)):  # evenly; by accesses
        naive = cost_held(curves, wrong[:, None])[:, 0]
        assert np.abs(predicted - measured).max() < np.abs(naive - measured).max()


def test_an_advice_from_a_shared_cache_bounds_the_exact_curves():
    """Three classes share all ways for 40 intervals of a second, which monitoring sees as occupancy and fills."""
    rng, n, names = np.random.default_rng(22), 400_000, ("uniform", "zipf", "stream")
    address, classes = mixed(rng, ("uniform", "zipf", "scan"), (9.0, 30.0, 50.0), (0.4, 0.4, 0.2), n)
    cache, step = setassoc.empty(SETS, WAYS, 3, hashed=True), n // 50
    rows, filled = [], np.zeros(3)
    for second in range(50):
        part = slice(second * step, (second + 1) * step)
        filled += run(cache, address[part], classes[part], FULL).fills * setassoc.LINE_BYTES
        if second >= 10:  # the cache is full by then
            rows += [
                (second * 1e9, name, 0, held * setassoc.LINE_BYTES, count)
                for name, held, count in zip(names, cache.occupancy, filled, strict=True)
            ]
    frame = pd.DataFrame(rows, columns=["t_ns", "group", "domain", "llc_occupancy_bytes", "mbm_total_bytes"])
    (advice,) = advise(frame, Capability(cbm_len=WAYS), cache_bytes=WAY_BYTES * WAYS)
    exact = [alone(address, classes, k) * step * setassoc.LINE_BYTES for k in range(3)]
    for curve, true in zip(advice.curves, exact, strict=True):
        slack = (
            SMOOTH * step * setassoc.LINE_BYTES
        )  # what a class misses in a shared cache, the flow tells to that
        assert (curve.lower[1:] <= true[1:] + slack).all(), curve.group
        assert (true[1:] <= curve.upper[1:] + slack).all(), curve.group
    rows, ways = np.arange(3), list(advice.allocation.ways)
    now = advice.now_rate.sum()
    assert np.array(exact)[rows, ways].sum() <= now + 3 * SMOOTH * step * setassoc.LINE_BYTES
