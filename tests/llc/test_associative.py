"""The set-associative form, Smith's conversion and curves from reuse times, against counting and the exact cache."""

import itertools
from math import comb, exp, factorial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfvlab.kernels import setassoc
from nfvlab.llc import associative, che, curves
from nfvlab.llc.components import Cycle
from nfvlab.llc.popularity import zipf

SETS = 1024
TABLE = list(itertools.product((0.0, 0.5, 0.9), (2, 4, 8, 16, 32), (0.15, 0.3, 0.7)))
FEW_OFF = 0.008  # the largest error of the set-by-set form over this table, measured


def exact(lines: np.ndarray, ways: int, warm: float = 0.5):
    """Counts of the second part of references to line numbers by one class in SETS hashed sets."""
    cache = setassoc.empty(SETS, ways, 1, hashed=True)
    address, zero = lines.astype(np.uint64) * np.uint64(64), np.zeros(lines.size, np.uint8)
    mask, rmid = np.array([[2**ways - 1] * 2], np.uint32), np.zeros(1, np.int32)
    for part in (slice(int(warm * lines.size)), slice(int(warm * lines.size), None)):
        counts = setassoc.access(cache, address[part], zero[part], zero[part], mask, rmid)
    return counts, int(cache.occupancy[0])


def draw(lines: int, exponent: float, n: int, seed: int) -> np.ndarray:
    """n references by Zipf's law, its ranks on lines at random."""
    rng = np.random.default_rng(seed)
    total = np.cumsum(np.arange(1, lines + 1) ** -exponent)
    rank = np.minimum(np.searchsorted(total, rng.random(n) * total[-1]), lines - 1)
    return rng.permutation(lines)[rank]


def test_fewer_than_so_many_is_the_poisson_sum():
    mean = np.array([0.0, 0.3, 4.0, 60.0])
    for ways in (1, 2, 20):
        summed = [exp(-m) * sum(m**k / factorial(k) for k in range(ways)) for m in mean]
        assert associative.hit_below(ways, mean) == pytest.approx(summed, rel=1e-12)
    assert associative.hit_below(32, np.array([1e12])) == 0.0


def test_of_equally_likely_lines_the_number_in_a_set_is_binomial():
    n, p = 50, 0.2
    summed = sum(comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(8))
    assert associative.hit_below(8, np.array([n * p]), np.array([n * p * (1 - p)])) == pytest.approx(summed)
    assert associative.hit_below(8, np.array([5.0]), np.array([5.0])) == associative.hit_below(
        8, np.array([5.0])
    )


def test_smith_s_conversion_is_the_binomial_sum():
    histogram = np.array([5.0, 0, 3, 2, 0, 7, 4])  # the last are new lines
    for sets, ways in ((1, 3), (4, 2), (16, 1)):
        kept = [
            sum(comb(d, k) / sets**k * (1 - 1 / sets) ** (d - k) for k in range(min(ways, d + 1)))
            for d in range(6)
        ]
        assert associative.smith(histogram, sets=sets, ways=ways) == pytest.approx(histogram[:-1] @ kept / 21)


@pytest.mark.parametrize("bad", [[], [[1.0]], [-1.0, 2.0], [0.0, 0.0]])
def test_no_histogram_is_no_hit_ratio(bad):
    with pytest.raises(ValueError, match="distances"):
        associative.smith(np.array(bad), sets=4, ways=2)


def test_smith_s_conversion_gives_the_exact_cache_s_misses():
    """From the ranks in one set, which are stack distances, to 1024 sets of 4 and 16 ways."""
    lines = draw(3000, 0.7, 30_000, 8)
    last: dict[int, int] = {}
    order: list[int] = []  # a small Mattson stack by hand
    distances = np.zeros(3001)
    for line in lines.tolist():
        if line in last:
            place = order.index(line)
            distances[place] += 1
            order.pop(place)
        else:
            distances[-1] += 1
        last[line] = 1
        order.insert(0, line)
    for ways in (1, 4):
        counts, _ = exact(lines, ways, warm=0.0)
        seen = counts.hits[0, 0] / lines.size
        assert associative.smith(distances, sets=SETS, ways=ways) == pytest.approx(seen, abs=0.01)


@pytest.fixture(scope="module")
def table():
    """(exact, plain Che, set by set) miss ratios and lines held, for each exponent, ways and size of the cache."""
    rows = []
    for exponent, ways, share in TABLE:
        lines = int(SETS * ways / share)
        counts, held = exact(draw(lines, exponent, max(8 * lines, 300_000), ways), ways, warm=0.6)
        seen = counts.misses[0, 0] / (counts.misses[0, 0] + counts.hits[0, 0])
        law = zipf(lines, exponent)
        hits, kept = associative.shared([law], [1.0], sets=SETS, ways=ways)
        plain = 1 - che.hits([law], [1.0], float(SETS * ways))[0]
        rows.append((seen, plain, 1 - hits[0], held, kept[0]))
    return np.array(rows)


def test_set_by_set_is_closer_than_plain_che_by_a_factor_of_fifteen(table):
    seen, plain, few, *_ = table.T
    assert np.abs(few - seen).max() < FEW_OFF
    assert 0.1 < np.abs(plain - seen).max() < 0.16  # of two ways
    assert np.abs(plain - seen).max() > 15 * np.abs(few - seen).max()


def test_from_eight_ways_on_the_errors_are_those_known_of_it(table):
    """Plain Che off by up to 0.05, set by set by less than 0.005."""
    many = np.array([ways >= 8 for _, ways, _ in TABLE])
    seen, plain, few, *_ = table[many].T
    assert 0.02 < np.abs(plain - seen).max() < 0.05
    assert np.abs(few - seen).max() < 0.005


def test_lines_held_are_those_of_the_exact_cache(table):
    *_, held, kept = table.T
    assert np.allclose(kept, held, rtol=0.025)


@pytest.mark.parametrize("fill", [0.7, 0.9, 1.0, 1.1, 1.5])
@pytest.mark.parametrize("ways", [2, 8, 20])
def test_a_walk_misses_in_the_sets_that_it_overflows(ways, fill):
    """Exact under a random mapping: a line hits if less than `ways` others share its set; plain Che says 0 or 1."""
    lines = int(fill * SETS * ways)
    counts, _ = exact(np.tile(np.arange(lines), 4), ways)
    seen = counts.misses[0, 0] / (2 * lines)
    hits, _ = associative.shared([Cycle(lines, (float(lines),))], [1.0], sets=SETS, ways=ways)
    assert 1 - hits[0] == pytest.approx(seen, abs=4 * np.sqrt(ways / SETS / 4))


def test_mutants_of_the_form_are_told_from_the_exact_cache(table):
    """One way more or less, or its own line counted among the others, is further off than the form itself."""
    seen, _, few, *_ = table.T
    for wrong in (-1, 1):
        hits = []
        for exponent, ways, share in TABLE:
            law = zipf(int(SETS * ways / share), exponent)
            hits.append(associative.shared([law], [1.0], sets=SETS, ways=ways + wrong)[0][0])
        assert np.abs(1 - np.array(hits) - seen).max() > 5 * np.abs(few - seen).max()


@given(
    st.floats(0.0, 1.3),
    st.integers(1, 31),
    st.integers(5, 200_000),
    st.floats(0.01, 100),
    st.floats(1e-3, 1e3),
)
def test_more_ways_never_miss_more_and_time_has_no_unit(exponent, ways, lines, other, factor):
    laws, rates = [zipf(lines, exponent), Cycle(3000, (3000.0,))], [1.0, other]
    less, more = (associative.shared(laws, rates, sets=64, ways=w)[0] for w in (ways, ways + 1))
    assert (more >= less - 1e-6).all()
    again = associative.shared(laws, [rate * factor for rate in rates], sets=64, ways=ways)
    assert again[0] == pytest.approx(less, abs=1e-6)
    total = again[1].sum()
    assert total <= 64 * ways * 1.002
    if lines + 3000 > 64 * (ways + 6 * np.sqrt(ways) + 6) and exponent == 0:
        assert total == pytest.approx(64 * ways, rel=0.01)


def test_a_curve_from_reuse_times_is_that_of_the_exact_cache():
    """Popular lines, and now and then the next one of a loop."""
    lines = draw(20_000, 0.8, 400_000, 2)
    loop = np.random.default_rng(1).random(lines.size) < 0.4
    lines[loop] = 30_000 + np.arange(loop.sum()) % 4000
    last, gaps, cold = {}, [], 0
    for now, line in enumerate(lines.tolist()):
        if line in last:
            gaps.append(now - last[line])
        else:
            cold += 1
        last[line] = now
    reuse, counts = np.unique(gaps, return_counts=True)
    curve = curves.reuse_curve(reuse, counts, cold, sets=SETS, ways=16)
    assert (np.diff(curve) <= 1e-12).all()
    for ways in (1, 4, 16):
        seen = exact(lines, ways, warm=0.0)[0]
        assert curve[ways - 1] == pytest.approx(seen.misses[0, 0] / lines.size, abs=0.01)


def test_the_footprint_of_a_loop_is_its_window_up_to_its_length():
    reuse, counts = np.array([100.0]), np.array([10_000.0])
    at = np.array([0.0, 1.0, 50.0, 100.0, 500.0])
    assert curves.reuse_footprint(reuse, counts, 0.0, at).tolist() == [0.0, 1.0, 50.0, 100.0, 100.0]


@pytest.mark.parametrize(
    ("reuse", "counts", "cold"),
    [([1, 1], [1, 1], 0), ([0], [1], 0), ([1], [-1], 2), ([1], [1, 2], 0), ([1], [0], 0)],
)
def test_histograms_that_are_none_are_refused(reuse, counts, cold):
    with pytest.raises(ValueError, match="reuse|counts"):
        curves.reuse_curve(np.array(reuse), np.array(counts), cold, sets=4, ways=2)
