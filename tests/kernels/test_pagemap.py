"""Packed bitmaps against sets of numbers, word edges by hand, and the uncompiled form bit for bit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfvlab.kernels import pagemap

ITEMS = 200
EDGES = (0, 1, 63, 64, 65, 127, 128, 191, 192, 199, 200)

items = st.sets(st.integers(0, ITEMS - 1))
edge = st.sampled_from(EDGES) | st.integers(0, ITEMS)


def packed(members):
    words = pagemap.zeros(ITEMS)
    for item in members:
        words[item // 64] |= np.uint64(1 << item % 64)
    return words


def members(words):
    return {i for i in range(words.size * 64) if int(words[i // 64]) >> i % 64 & 1}


def both(kernel, *args):
    """The compiled kernel's result and its arrays, after checking that the plain form gives the same bits."""
    plain = [a.copy() if isinstance(a, np.ndarray) else a for a in args]
    compiled = [a.copy() if isinstance(a, np.ndarray) else a for a in args]
    expected, got = kernel.py_func(*plain), kernel(*compiled)
    np.testing.assert_equal(got, expected)
    for a, b in zip(compiled, plain, strict=True):
        np.testing.assert_array_equal(a, b)
    return got, compiled


@pytest.mark.parametrize(("count", "words"), [(0, 0), (1, 1), (63, 1), (64, 1), (65, 2), (128, 2), (129, 3)])
def test_full_sets_only_its_items(count, words):
    bitmap = pagemap.full(count)
    assert bitmap.size == words == pagemap.words_for(count)
    assert members(bitmap) == set(range(count))


@pytest.mark.parametrize("word", [0, 1, 0x8000_0000_0000_0000, 2**64 - 1, 0x5555_5555_5555_5555, 0xDEAD_BEEF])
def test_popcount(word):
    got, _ = both(pagemap.popcount, np.uint64(word))
    assert got == word.bit_count()


@given(st.integers(0, 2**64 - 1))
def test_popcount_of_any_word(word):
    assert pagemap.popcount(np.uint64(word)) == pagemap.popcount.py_func(np.uint64(word)) == word.bit_count()


@pytest.mark.parametrize("start", EDGES)
@pytest.mark.parametrize("stop", EDGES)
def test_ranges_at_every_pair_of_word_edges(start, stop):
    wanted = set(range(start, stop))
    _, (words, *_) = both(pagemap.set_range, pagemap.zeros(ITEMS), start, stop)
    assert members(words) == wanted
    full = pagemap.full(ITEMS)
    cleared, (words, *_) = both(pagemap.clear_range, full, start, stop)
    assert cleared == len(wanted)
    assert members(words) == set(range(ITEMS)) - wanted


@given(items, edge, edge)
def test_ranges_of_any_bitmap(before, start, stop):
    span, words = set(range(start, stop)), packed(before)
    assert both(pagemap.count_range, words, start, stop)[0] == len(before & span)
    cleared, (after, *_) = both(pagemap.clear_range, words, start, stop)
    assert (cleared, members(after)) == (len(before & span), before - span)
    assert members(both(pagemap.set_range, words, start, stop)[1][0]) == before | span
    assert both(pagemap.count, words)[0] == len(before)


@given(items, items)
def test_absorb_merges_and_empties_the_log(bitmap, log):
    (fresh, logged), (words, emptied) = both(pagemap.absorb, packed(bitmap), packed(log))
    assert (fresh, logged) == (len(log - bitmap), len(log))
    assert members(words) == bitmap | log
    assert not emptied.any()


@given(items, items)
def test_subtract(bitmap, mask):
    cleared, (words, kept) = both(pagemap.subtract, packed(bitmap), packed(mask))
    assert (cleared, members(words), members(kept)) == (len(bitmap & mask), bitmap - mask, mask)


@given(items, st.lists(st.integers(0, ITEMS - 1)))
def test_set_bits(before, more):
    _, (words, _) = both(pagemap.set_bits, packed(before), np.array(more, dtype=np.int64))
    assert members(words) == before | set(more)


@given(items, st.integers(0, ITEMS))
def test_runs_are_the_maximal_ones(bitmap, n_items):
    (starts, lengths), _ = both(pagemap.runs, packed(bitmap), n_items)
    spans = [set(range(a, a + n)) for a, n in zip(starts.tolist(), lengths.tolist(), strict=True)]
    inside = {item for item in bitmap if item < n_items}
    assert set().union(*spans) == inside
    assert sum(map(len, spans)) == len(inside)
    gaps = [b - (a + n) for a, n, b in zip(starts, lengths, starts[1:], strict=False)]
    assert all(gap > 0 for gap in gaps)


def test_runs_by_hand_across_words():
    words = packed({0, 62, 63, 64, 65, 128} | set(range(130, 200)))
    starts, lengths = pagemap.runs(words, ITEMS)
    assert list(zip(starts.tolist(), lengths.tolist(), strict=True)) == [(0, 1), (62, 4), (128, 1), (130, 70)]


def test_more_runs_than_the_first_buffer_holds():
    words = np.full(64, 0x5555_5555_5555_5555, dtype=np.uint64)  # every second of 4096 items: 2048 runs
    starts, lengths = both(pagemap.runs, words, 4096)[0]
    assert starts.tolist() == list(range(0, 4096, 2))
    assert set(lengths.tolist()) == {1}
