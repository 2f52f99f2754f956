"""The shared cache: small cases by hand, a cache of lists on random ones, identities, wrong caches, bad input."""

import os
import subprocess
import sys

import numpy as np
import pytest
from cache_oracle import MUTANTS, ListCache, state
from scipy.stats import chisquare

from nfvlab.kernels import setassoc
from nfvlab.kernels.setassoc import CODE, IO, WRITE

D = 0  # a read of data


def run(cache, lines, masks, rmids=(0, 1, 2, 3), class_id=0, kind=D, **options):
    """Accesses to lines by number; classes and kinds are one for all or one each."""
    lines = np.asarray(lines, dtype=np.uint64)
    columns = [np.full(lines.size, column, dtype=np.uint8) for column in (class_id, kind)]
    masks = [(mask, mask) if isinstance(mask, int) else mask for mask in masks]
    return setassoc.access(
        cache, lines * np.uint64(64), *columns, masks, list(rmids)[: len(masks)], **options
    )


def flags(cache, lines, masks, **options):
    return run(cache, lines, masks, hits=True, **options).hit.tolist()


def ways_of(cache, s=0):
    """Way by line."""
    return {line: way for line, way, _, _ in state(cache)[s]}


def test_two_ways_by_hand():
    # 1 and 2 fill the ways; 1 hits at rank 1; 3 evicts 2, the least recent; 2 evicts 1; 3 hits at rank 1; 1 misses.
    counts = run(setassoc.empty(1, 2, 1), [1, 2, 1, 3, 2, 3, 1], [0b11], hits=True)
    assert counts.hit.tolist() == [0, 0, 1, 0, 0, 1, 0]
    assert counts.ranks[0].tolist() == [[0, 2], [0, 0]]
    assert counts.hits.tolist() == [[2, 0]] and counts.misses.tolist() == [[5, 0]]
    assert counts.fills.tolist() == [5] and counts.write_backs.tolist() == [0]


def test_an_empty_allowed_way_goes_first_even_when_older_lines_are_allowed():
    cache = setassoc.empty(1, 4, 2)
    run(cache, [1, 2], [0b0011])
    run(cache, [3], [0b0110])  # way 1 holds a line, way 2 is empty
    assert ways_of(cache) == {1: 0, 2: 1, 3: 2}


def test_a_hit_is_served_from_any_way_and_renews_the_line_where_it_is():
    cache = setassoc.empty(1, 4, 4)
    run(cache, [1, 2], [0b0011])
    # class 1 may fill ways 1 and 2; it hits line 1 in way 0, finds way 2 empty, then line 2 the oldest it may take
    assert flags(cache, [1, 3, 4], [0b0011, 0b0110], class_id=1) == [1, 0, 0]
    assert ways_of(cache) == {1: 0, 3: 2, 4: 1}
    assert state(cache)[0][-1] == (1, 0, 0, False)  # still of RMID 0, now the least recent


def test_the_oldest_allowed_line_goes_not_the_oldest_of_all():
    cache = setassoc.empty(1, 3, 1)
    run(cache, [1, 2, 3], [0b111])
    run(cache, [4], [0b110])
    assert ways_of(cache) == {1: 0, 4: 1, 3: 2}


def test_code_and_data_fill_by_their_own_masks():
    cache = setassoc.empty(1, 2, 1)
    masks = [(0b01, 0b10)]
    counts = run(cache, [1, 2, 3, 4, 3], masks, kind=[D, CODE, D, CODE, CODE | IO])
    assert ways_of(cache) == {3: 0, 4: 1}
    assert counts.misses.tolist() == [[2, 2]]
    assert counts.hits.tolist() == [[0, 1]]  # fetched as code, served from where data put it


def test_new_masks_and_ids_move_and_tag_nothing():
    cache = setassoc.empty(2, 4, 4)
    run(cache, range(8), [0b1111])
    before = state(cache)
    counts = run(cache, range(8), [0b0001], rmids=[3])
    assert counts.hits.tolist() == [[8, 0]]
    assert state(cache) == before
    assert cache.occupancy.tolist() == [8, 0, 0, 0]


def test_a_write_back_is_charged_to_the_line_that_leaves():
    cache = setassoc.empty(1, 2, 2)
    run(cache, [1, 2, 1], [0b11], kind=[D, WRITE, WRITE])  # both dirty, the first by a hit
    counts = run(cache, [3, 4, 3, 5], [0b11, 0b11], class_id=1)
    assert counts.write_backs.tolist() == [
        2,
        0,
    ]  # 3 and 4 were clean: filled by reads into ways that were dirty
    assert counts.fills.tolist() == [0, 3]
    assert cache.dirty.tolist() == [0]


def test_occupancy_after_every_three_accesses():
    cache = setassoc.empty(1, 4, 2)
    counts = run(cache, [1, 2, 3, 4, 5, 6, 7], [0b0011, 0b1110], class_id=[0, 0, 1, 1, 1, 1, 0], every=3)
    # 1, 2 and 3 fill ways 0, 1 and 2; 4 fills way 3, 5 takes way 1 from RMID 0, 6 takes way 2 from its own
    assert counts.occupancy.tolist() == [[2, 1], [1, 3]]
    assert run(cache, [1, 2], [1, 1], every=3).occupancy.shape == (0, 2)


def test_all_64_bits_of_an_address_count():
    top = [0, 1 << 63, (1 << 64) - 1, (1 << 63) + 64]
    for hashed in (False, True):
        cache = setassoc.empty(1, 32, 1, hashed=hashed)
        address = np.array(top + top + [63], dtype=np.uint64)
        zeros = np.zeros(9, dtype=np.uint8)
        counts = setassoc.access(cache, address, zeros, zeros, [[1 << 31 | 7, 1]], [0], hits=True)
        assert counts.hit.tolist() == [0] * 4 + [1] * 5
        assert {line for line, _, _, _ in state(cache)[0]} == {a >> 6 for a in top}


def index_of(lines, sets):
    return np.array(
        [setassoc.set_of.py_func(line, np.uint64(sets), True) for line in lines.astype(np.uint64)]
    )


@pytest.mark.parametrize("sets", [7, 64, 45 * 1024])
@pytest.mark.parametrize("stride", [1, 64, 4096, 3 << 20, 1 << 32, (1 << 40) + 1])
def test_the_hashed_index_spreads_strides_like_chance(sets, stride):
    """Pearson's chi-square, both tails: more even than chance would be wrong too for what assumes chance."""
    lines = np.arange(16_384, dtype=np.uint64) * np.uint64(stride) & np.uint64((1 << 58) - 1)
    found = index_of(lines, sets)
    assert found.min() >= 0 and found.max() < sets
    bins = np.bincount(found * min(sets, 512) // sets, minlength=min(sets, 512))
    expected = np.bincount(np.arange(sets) * min(sets, 512) // sets) / sets * lines.size
    assert 1e-5 < chisquare(bins, expected).pvalue < 1 - 1e-5


def test_contention_ways_are_taken_all_or_none():
    assert [setassoc.widen(mask, 0b1100) for mask in (0b0011, 0b0111, 0b1000, 0b1111)] == [3, 15, 12, 15]
    masks = np.array([[0b0011, 0b0100], [0b1000, 0b0001]], dtype=np.uint32)
    wide = setassoc.widen(masks, 0b1100)
    assert wide.tolist() == [[0b0011, 0b1100], [0b1100, 0b0001]] and wide.dtype == np.uint32
    assert setassoc.widen(0b0101, 0) == 0b0101
    assert setassoc.widen(np.uint32(0b0110), 0b1100) == np.uint32(0b1110)


def random_calls(seed):
    """Geometry and some calls with overlapping, sparse masks, all of them new in every call."""
    rng = np.random.default_rng(seed)
    ways, sets, classes, rmids = (int(rng.integers(*ends)) for ends in ((1, 10), (0, 4), (1, 5), (1, 5)))
    sets, high = 1 << sets, rng.integers(0, 1 << 58, dtype=np.uint64) >> np.uint64(10) << np.uint64(10)
    calls = []
    for _ in range(4):
        n = int(rng.integers(0, 150))
        lines = rng.integers(0, 2 * sets * ways, n).astype(np.uint64) | high
        calls.append(
            (
                lines << np.uint64(6) | rng.integers(0, 64, n).astype(np.uint64),
                rng.integers(0, classes, n).astype(np.uint8),
                rng.integers(0, 8, n).astype(np.uint8),
                rng.integers(1, 1 << ways, (classes, 2)).astype(np.uint32),
                rng.integers(0, rmids, classes).astype(np.int32),
                int(rng.integers(0, 40)),
            )
        )
    return (sets, ways, rmids), calls


SEEDS = range(40)


def compiled(geometry, calls, hashed=False, threads=1):
    """Counts of every call and the state in the end."""
    cache = setassoc.empty(*geometry, hashed=hashed)
    made = [setassoc.access(cache, *call, hits=True, threads=threads) for call in calls]
    return [[column.tolist() for column in counts] for counts in made], state(cache), cache.occupancy.tolist()


def listed(kind, geometry, calls, index=None):
    cache = kind(*geometry, index=index)
    return [cache.call(*call) for call in calls], cache.state(), cache.occupancy()


@pytest.mark.parametrize("seed", SEEDS)
def test_the_kernel_agrees_with_a_cache_of_lists(seed):
    geometry, calls = random_calls(seed)
    assert compiled(geometry, calls) == listed(ListCache, geometry, calls)


@pytest.mark.parametrize("seed", range(5))
def test_hashed_sets_of_any_number_agree_with_a_cache_of_lists(seed):
    (_, ways, rmids), calls = random_calls(seed)
    geometry = (5, ways, rmids)
    expected = listed(ListCache, geometry, calls, index=lambda line: index_of(np.array([line]), 5)[0])
    assert compiled(geometry, calls, hashed=True) == expected


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_wrong_cache_is_found(mutant):
    assert any(compiled(*random_calls(seed)) != listed(mutant, *random_calls(seed)) for seed in SEEDS)


@pytest.mark.parametrize("threads", [2, 3, 11])
def test_threads_change_nothing(threads):
    for seed in range(12):
        geometry, calls = random_calls(seed)
        assert compiled(geometry, calls, threads=threads) == compiled(geometry, calls)


@pytest.mark.parametrize("seed", range(8))
def test_a_call_in_pieces_is_the_same(seed):
    geometry, calls = random_calls(seed)
    whole, pieces = setassoc.empty(*geometry), setassoc.empty(*geometry)
    rng = np.random.default_rng(seed)
    for *stream, masks, rmids, _ in calls:
        at_once = setassoc.access(whole, *stream, masks, rmids, hits=True)
        cuts = [0, *sorted(rng.integers(0, stream[0].size + 1, 3)), stream[0].size]
        parts = [
            setassoc.access(pieces, *(c[a:b] for c in stream), masks, rmids, hits=True)
            for a, b in zip(cuts[:-1], cuts[1:], strict=True)
        ]
        for name in ("hits", "misses", "ranks", "fills", "write_backs"):
            assert (sum(getattr(part, name) for part in parts) == getattr(at_once, name)).all()
        assert (np.concatenate([part.hit for part in parts]) == at_once.hit).all()
        for mine, other in zip(whole, pieces, strict=True):
            assert np.array_equal(mine, other)


def test_a_call_longer_than_a_block_of_the_kernel_agrees_with_lists():
    rng = np.random.default_rng(1)
    n = 5000
    call = (
        rng.zipf(1.2, n).astype(np.uint64) % np.uint64(400) * np.uint64(64),
        rng.integers(0, 4, n).astype(np.uint8),
        rng.integers(0, 4, n).astype(np.uint8),
        np.array([[0xFF0, 0xF00], [0x0FF, 0x00F], [0x03C, 0x3C0], [0xFFF, 0x001]]),
        np.arange(4),
        700,
    )
    expected = listed(ListCache, (16, 12, 4), [call])
    for threads in (1, 2):
        assert compiled((16, 12, 4), [call], threads=threads) == expected


def test_ranks_give_the_misses_of_every_smaller_cache_at_once():
    """Utility monitoring (Qureshi and Patt, MICRO 2006): a stack in every set, so w ways hold its first w lines."""
    rng = np.random.default_rng(2)
    lines = (rng.pareto(0.7, 6000) * 20).astype(np.uint64) % np.uint64(500)
    ranks = run(setassoc.empty(8, 12, 1), lines, [0xFFF]).ranks[0, 0]
    for ways in range(1, 13):
        alone = run(setassoc.empty(8, ways, 1), lines, [(1 << ways) - 1])
        assert alone.misses[0, 0] == lines.size - ranks[:ways].sum()
        masked = run(
            setassoc.empty(8, 12, 1), lines, [(1 << ways) - 1]
        )  # ways outside the mask are as good as gone
        assert masked.misses[0, 0] == alone.misses[0, 0]
    assert len(set(np.cumsum(ranks))) > 6  # the counts above are not all one


@pytest.mark.parametrize("seed", range(10))
def test_lines_are_conserved(seed):
    geometry, calls = random_calls(seed)
    cache = setassoc.empty(*geometry)
    for call in calls:
        before = cache.occupancy.sum()
        counts = setassoc.access(cache, *call)
        assert counts.hits.sum() + counts.misses.sum() == call[0].size
        assert counts.fills.sum() == counts.misses.sum()
        evicted = counts.fills.sum() - (cache.occupancy.sum() - before)
        assert 0 <= counts.write_backs.sum() <= evicted
        held = cache.owner[cache.owner >= 0]
        assert cache.occupancy.tolist() == np.bincount(held, minlength=geometry[2]).tolist()
        assert (np.sort(cache.rows & np.uint64(31), axis=1) == np.arange(geometry[1])).all()  # every way once
        assert not (cache.dirty[:, None] >> np.arange(geometry[1]) & 1)[cache.owner < 0].any()


def test_exclusive_masks_are_caches_of_their_own():
    rng = np.random.default_rng(3)
    lines = rng.integers(0, 120, 4000)
    classes = rng.integers(0, 2, 4000)
    shared = run(setassoc.empty(4, 10, 2), lines + 1000 * classes * 4, [0x01F, 0x3E0], class_id=classes)
    for c in (0, 1):
        alone = run(setassoc.empty(4, 5, 1), lines[classes == c], [0x1F])
        assert (shared.ranks[c, 0].sum(), shared.misses[c, 0]) == (alone.ranks.sum(), alone.misses[0, 0])


def digest():
    """Everything that some random calls give."""
    return str([compiled(*random_calls(seed), threads=1 + seed % 2) for seed in range(4)])


def test_compiled_and_plain_agree():
    for seed in range(10):
        geometry, calls = random_calls(seed)
        results = []
        for form in (setassoc._run, setassoc._run.py_func):
            cache = setassoc.empty(*geometry)
            for address, class_id, kind, masks, rmids, every in calls:
                flags = np.zeros(address.size, dtype=np.uint8)
                args = (masks.astype(np.uint64), rmids, every or address.size + 1, 0, geometry[0], flags)
                made = form(cache, address, class_id, kind, *args)
                results.append([column.tolist() for column in (*made, flags, *cache[:4])])
        half = len(results) // 2
        assert results[:half] == results[half:]


def test_without_compiling_the_whole_module_gives_the_same():
    code = "import sys; sys.path[:0] = sys.argv[1:]; import test_setassoc; print(test_setassoc.digest())"
    here = os.path.dirname(__file__)
    done = subprocess.run(
        [sys.executable, "-c", code, here, os.path.dirname(here)],
        env=os.environ | {"NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout.strip() == digest(), done.stderr


@pytest.mark.parametrize(
    ("sets", "ways", "rmids", "message"),
    [
        (3, 4, 1, "sets = 3: a plain index needs a power of two; pass hashed=True"),
        (0, 4, 1, "sets = 0"),
        (4, 0, 1, "ways = 0: must be 1 to 32"),
        (4, 33, 1, "ways = 33: must be 1 to 32"),
        (4, 4, 0, "rmids = 0"),
    ],
)
def test_a_cache_that_cannot_be(sets, ways, rmids, message):
    with pytest.raises(ValueError, match=message):
        setassoc.empty(sets, ways, rmids)


GOOD = {
    "address": [0, 64],
    "class_id": [0, 1],
    "kind": [0, 3],
    "masks": [[0xF, 0xF], [0x3, 0xC]],
    "rmid_of_class": [0, 1],
}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"masks": [[0xF, 0xF], [0x3, 0]]},
            "code mask 0x0 of class 1: must have one or more of the ways 0xf",
        ),
        ({"masks": [[0x1F, 0xF], [0x3, 1]]}, r"data mask 0x1f of class 0: .* no other \(4 ways\)"),
        ({"masks": [[-1, 1], [1, 1]]}, "data mask -0x1 of class 0"),
        (
            {"masks": np.array([[1 << 63, 1], [1, 1]], dtype=np.uint64)},
            "data mask 0x8000000000000000 of class 0",
        ),
        ({"masks": [0xF, 0xF]}, r"masks of int64\[2\]: must be integers of shape \[classes, 2\]"),
        ({"masks": [[1.0, 1.0], [1.0, 1.0]]}, "masks of float64"),
        ({"masks": np.ones((257, 2), dtype=int)}, "masks of 257 classes: must be 1 to 256"),
        ({"rmid_of_class": [0, 2]}, "RMID 2 of class 1: this cache has RMIDs 0 to 1"),
        ({"rmid_of_class": [-1, 0]}, "RMID -1 of class 0"),
        ({"rmid_of_class": [0]}, r"rmid_of_class of int64\[1\]: must be 2 integers"),
        ({"class_id": [0, 2]}, "class_id 2: there are masks for classes 0 to 1"),
        ({"class_id": [0, 256]}, "class_id from 0 to 256: must be 0 to 255"),
        ({"class_id": [0]}, "address 2, class_id 1, kind 2 items: must be as many of each"),
        ({"address": [-64, 0]}, "address from -64 to 0: must be 0 to 18446744073709551615"),
        ({"address": [0.5, 0.0]}, r"address of float64\[2\]: must be integers"),
        ({"address": [[0, 64]]}, r"address of int64\[1, 2\]"),
        ({"kind": [0, -1]}, "kind from -1 to 0"),
        ({"every": -1}, "every = -1"),
        ({"threads": 0}, "threads = 0: must be 1 or more"),
    ],
)
def test_bad_input_is_refused_and_changes_nothing(fields, message):
    cache = setassoc.empty(2, 4, 2)
    with pytest.raises(ValueError, match=message):
        setassoc.access(cache, **(GOOD | fields))
    assert state(cache) == [[], []]
    assert setassoc.access(cache, **GOOD).misses.sum() == 2


def test_no_accesses_are_none():
    counts = setassoc.access(
        setassoc.empty(2, 4, 2), [], [], [], **{k: GOOD[k] for k in ("masks", "rmid_of_class")}
    )
    assert counts.misses.sum() == counts.hits.sum() == counts.fills.sum() == 0
