"""Stack distances against a list that is searched, caches that are simulated, cases by hand, and the plain form."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfvlab.kernels import lastseen, setassoc, stackdist, timeaxis, zipf
from nfvlab.kernels.stackdist import Stack, stack_distances


def searched(lines):
    """The distances by Mattson's list: the lines in the order of their last use, searched from the front."""
    stack, found = [], []
    for line in np.asarray(lines).tolist():
        found.append(stack.index(line) if line in stack else -1)
        if line in stack:
            stack.remove(line)
        stack.insert(0, line)
    return found


def lru_misses(lines, size):
    """Misses of a fully associative LRU cache, run as one."""
    cache, misses = {}, 0
    for line in np.asarray(lines).tolist():
        if cache.pop(line, None) is None:
            misses += 1
            if len(cache) == size:
                del cache[next(iter(cache))]
        cache[line] = True
    return misses


def traces():
    rng = np.random.default_rng(1)
    yield "few lines", rng.integers(0, 7, 3000)
    yield "more lines than the first table holds", rng.integers(0, 1500, 9000)
    yield "64-bit addresses", rng.integers(0, 2**64, 900, dtype=np.uint64)[rng.integers(0, 900, 4000)]
    yield "hot and cold", zipf.draws(6000, zipf.law(3000, 0.9), rng)
    yield "scan", np.arange(5000) % 900
    yield "up and down", np.abs(np.arange(4000) % 1000 - 500)
    yield "never again", np.arange(3000)
    yield "always again", np.zeros(100, dtype=int)


TRACES = dict(traces())


@pytest.mark.parametrize("name", TRACES)
def test_distances_are_those_of_the_searched_list(name):
    lines, expected = TRACES[name], searched(TRACES[name])
    assert Stack().distances(lines).tolist() == expected
    made = stack_distances(lines)
    again = [d for d in expected if d >= 0]
    assert made.counts.tolist() == np.bincount(again, minlength=0).tolist()
    assert made.cold == len(expected) - len(again) == np.unique(lines).size
    assert made.accesses == len(lines)


@pytest.mark.parametrize(
    "name", ["more lines than the first table holds", "hot and cold", "scan", "up and down"]
)
def test_every_size_misses_as_the_cache_itself(name):
    lines, sizes = TRACES[name], [1, 2, 3, 10, 100, 499, 500, 501, 899, 900, 901, 5000]
    made = stack_distances(lines)
    assert made.misses(sizes).tolist() == [lru_misses(lines, size) for size in sizes]
    assert made.misses(0).tolist() == [lines.size]
    assert np.array_equal(made.miss_ratio(sizes), made.misses(sizes) / lines.size)


def test_a_cache_of_one_set_misses_as_its_ways_say():
    lines = zipf.draws(50_000, zipf.law(200, 0.7), np.random.default_rng(6)).astype(np.uint64)
    zeros, made = np.zeros(lines.size, dtype=np.uint8), stack_distances(lines)
    for ways in (1, 5, 20, 32):
        cache, masks = setassoc.empty(1, ways, 1), [((1 << ways) - 1,) * 2]
        counts = setassoc.access(cache, lines * np.uint64(64), zeros, zeros, masks, [0])
        assert counts.misses.sum() == made.misses(ways)[0]
        assert counts.ranks[0, 0].tolist() == made.counts[:ways].tolist()


def test_a_trace_by_hand():
    # a b c b a a: b after c is at 1; a after c, b is at 2; a at once at 0
    made = stack_distances([97, 98, 99, 98, 97, 97])
    assert (made.counts.tolist(), made.cold) == ([1, 1, 1], 3)
    assert made.misses([0, 1, 2, 3, 4]).tolist() == [6, 5, 4, 3, 3]


def test_a_scan_misses_until_it_fits():
    made = stack_distances(np.arange(10_000) % 1000)
    assert made.misses([999, 1000]).tolist() == [10_000, 1000]
    assert made.counts[999] == 9000 == made.counts.sum()


def test_nothing():
    made = stack_distances(np.empty(0))
    assert (made.counts.tolist(), made.cold, made.accesses) == ([], 0, 0)
    assert np.isnan(made.miss_ratio([1, 2])).all()


@given(st.lists(st.lists(st.integers(0, 40), max_size=30), max_size=5))
def test_a_trace_in_pieces_is_the_trace(pieces):
    stack = Stack()
    parts = [stack.distances(np.array(piece, dtype=np.uint64)).tolist() for piece in pieces]
    whole = [line for piece in pieces for line in piece]
    assert [d for part in parts for d in part] == searched(whole)
    assert np.array_equal(stack.result().counts, stack_distances(np.array(whole, dtype=np.uint64)).counts)


def test_a_long_trace_moves_its_marks_together_many_times(monkeypatch):
    moved = []
    monkeypatch.setattr(stackdist, "_compact", lambda *args, do=stackdist._compact: moved.append(do(*args)))
    lines = np.random.default_rng(2).integers(0, 300, 900_000)
    made = Stack().distances(lines)
    assert len(moved) == 3  # the axis has 2**18 positions
    assert made[-20_000:].tolist() == searched(lines[-25_000:])[-20_000:]


@given(st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 9), max_size=60))
def test_compiled_and_plain_agree(lines):
    lines = np.array(lines, dtype=np.uint64)
    found = []
    for measure in (stackdist._measure, stackdist._measure.py_func):
        slots, axis, each = lastseen.empty(256), timeaxis.empty(1), np.empty(lines.size, dtype=np.int64)
        state, counts = np.zeros(3, dtype=np.int64), np.zeros(200, dtype=np.int64)
        assert measure(lines, 0, slots, axis, state, counts, each) == lines.size
        found.append((slots, *axis, state, counts, each))
    for one, other in zip(*found, strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize(
    ("lines", "says"),
    [([1.5], "float64"), ([[1, 2]], "row"), ([3, -1], "-1"), (["a"], "whole numbers")],
)
def test_what_is_no_trace(lines, says):
    with pytest.raises(ValueError, match=says):
        stack_distances(np.array(lines))


@pytest.mark.parametrize("sizes", [[-1], [1.5], [np.nan]])
def test_what_is_no_size(sizes):
    with pytest.raises(ValueError, match="whole numbers"):
        stack_distances([1, 1]).misses(sizes)


MUTANTS = {
    "the line itself is counted": lambda found: [d + (d >= 0) for d in found],
    "references instead of lines between": None,
    "a cold miss is at distance 0": lambda found: [max(d, 0) for d in found],
}


@pytest.mark.parametrize("name", MUTANTS)
def test_wrong_distances_are_rejected(name):
    lines = TRACES["few lines"]
    if MUTANTS[name]:
        wrong = MUTANTS[name](Stack().distances(lines).tolist())
    else:
        last, wrong = {}, []
        for k, line in enumerate(lines.tolist()):
            wrong.append(k - last[line] - 1 if line in last else -1)
            last[line] = k
    assert wrong != searched(lines)
