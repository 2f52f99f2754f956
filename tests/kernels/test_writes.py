"""Visits: how often each item is hit against exact probabilities, edges by hand, the uncompiled form."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from nfvlab.kernels import pagemap, writes

ITEMS = 300
START = 61  # so that regions straddle words
DRAWS = 5_000


def members(words):
    return {i for i in range(words.size * 64) if int(words[i // 64]) >> i % 64 & 1}


def visit(kernel, *args):
    """The items that a kernel visits, which enter both bitmaps."""
    log, content = pagemap.zeros(ITEMS), pagemap.zeros(ITEMS)
    kernel(log, content, *args)
    assert members(log) == members(content)
    return members(log)


def tally(kernel, size, *args, seed):
    """How often each item of a region is hit in many single visits; nothing else may be."""
    rng, log, content = np.random.default_rng(seed), pagemap.zeros(ITEMS), pagemap.zeros(ITEMS)
    hits = np.zeros(ITEMS, dtype=int)
    for _ in range(DRAWS):
        log[:] = 0
        kernel(log, content, START, size, *args, 1, rng)
        (w,) = log.nonzero()[0]
        hits[64 * w + int(log[w]).bit_length() - 1] += 1
    assert hits.sum() == hits[START : START + size].sum() == DRAWS
    return hits[START : START + size]


def assert_fits(hits, probabilities):
    """Pearson's chi-square on a fixed seed: a right sampler fails one seed in ten thousand."""
    expected = np.asarray(probabilities) * hits.sum()
    assert (hits[expected == 0] == 0).all()
    possible = expected > 0
    assert expected[possible].min() > 5
    if possible.sum() > 1:
        assert chisquare(hits[possible], expected[possible]).pvalue > 1e-4


def test_uniform_frequencies():
    assert_fits(tally(writes.visit_uniform, 70, seed=1), np.full(70, 1 / 70))


@pytest.mark.parametrize(
    ("size", "hot", "share"), [(70, 7, 0.9), (70, 35, 0.5), (66, 1, 0.3), (10, 3, 0.0), (10, 3, 1.0)]
)
def test_hot_frequencies(size, hot, share):
    expected = np.concatenate((np.full(hot, share / hot), np.full(size - hot, (1 - share) / (size - hot))))
    assert_fits(tally(writes.visit_hot, size, hot, share, seed=2), expected)


@pytest.mark.parametrize("hot", [0, 12, 40])
def test_all_hot_or_none_is_uniform(hot):
    assert_fits(tally(writes.visit_hot, 12, hot, 0.9, seed=3), np.full(12, 1 / 12))


def zipf_law(size, exponent):
    weights = np.arange(1, size + 1) ** -float(exponent)
    return weights / weights.sum()


@pytest.mark.parametrize(
    ("size", "exponent"), [(1, 0.99), (2, 1.0), (40, 0.01), (40, 0.99), (40, 1.0), (40, 1.5), (8, 3.0)]
)
def test_zipf_frequencies(size, exponent):
    assert_fits(tally(writes.visit_zipf, size, exponent, 1, seed=4), zipf_law(size, exponent))


class Grid:
    """In place of a generator: the midpoints of equal cells of (0, 1), then the end."""

    def __init__(self, cells):
        self.values = iter((np.arange(cells) + 0.5) / cells)

    def random(self):
        return next(self.values)


@pytest.mark.parametrize("exponent", [0.3, 0.99, 1.0, 2.5])
def test_zipf_accepts_exactly_its_share_of_the_unit_interval(exponent):
    """Each rank is accepted on an interval of length k**-exponent / span: no approximation is left in it."""
    size, cells = 9, 3000
    span = writes._h_integral(size + 0.5, exponent) - (writes._h_integral(1.5, exponent) - 1)
    rng, hits = Grid(cells), np.zeros(size)
    with pytest.raises(StopIteration):
        while True:
            log = pagemap.zeros(size)
            writes.visit_zipf.py_func(log, pagemap.zeros(size), 0, size, exponent, 1, 1, rng)
            hits[int(log[0]).bit_length() - 1] += 1
    wanted = np.arange(1, size + 1) ** -exponent / span
    np.testing.assert_allclose(hits / cells, wanted, rtol=0, atol=1.01 / cells)


@pytest.mark.parametrize("exponent", [0.01, 0.99, 1.0, 1.0 + 1e-13, 5.0, 10.0])
def test_zipf_at_the_ends_of_its_domain(exponent):
    size = 200
    hit = visit(writes.visit_zipf, 0, size, exponent, 7, 2000, np.random.default_rng(5))
    assert 0 in hit and max(hit) < size
    extremes = iter([0.0, math.nextafter(1.0, 0.0)])  # the last rank and the first
    rng = type("Extremes", (), {"random": lambda self: next(extremes)})()
    assert visit(writes.visit_zipf.py_func, 0, size, exponent, 1, 2, rng) == {0, size - 1}


def test_a_coprime_stride_scatters_the_ranks_over_all_items():
    size, stride = 40, 27
    plain = tally(writes.visit_zipf, size, 0.8, 1, seed=6)
    scattered = tally(writes.visit_zipf, size, 0.8, stride, seed=6)
    assert (scattered[np.arange(size) * stride % size] == plain).all()


@pytest.mark.parametrize(
    ("cursor", "visits", "hit", "after"),
    [
        (0, 0, set(), 0),
        (0, 3, {0, 1, 2}, 3),
        (8, 4, {8, 9, 0, 1}, 2),
        (9, 1, {9}, 0),
        (4, 10, set(range(10)), 4),
        (4, 1_000_003, set(range(10)), 7),
    ],
)
def test_sequential_by_hand(cursor, visits, hit, after):
    log, content = pagemap.zeros(ITEMS), pagemap.zeros(ITEMS)
    assert writes.visit_sequential(log, content, START, 10, visits, cursor) == after
    assert members(log) == members(content) == {START + item for item in hit}


@given(st.integers(1, 80), st.lists(st.integers(0, 200), max_size=6))
def test_sequential_in_pieces_is_the_same_as_at_once(size, pieces):
    log, content = pagemap.zeros(ITEMS), pagemap.zeros(ITEMS)
    cursor = 0
    for visits in pieces:
        cursor = writes.visit_sequential(log, content, START, size, visits, cursor)
    assert cursor == sum(pieces) % size
    assert members(log) == {START + k % size for k in range(sum(pieces))}


def test_uniform_visits_leave_the_expected_number_of_pages_clean():
    """W (1 - (1 - 1/W)**n) of W pages are hit; the variance of occupancy is textbook (Johnson and Kotz)."""
    size, visits, runs = 200, 150, 400
    rng = np.random.default_rng(7)
    hit = [len(visit(writes.visit_uniform, 0, size, visits, rng)) for _ in range(runs)]
    q, q2 = (1 - 1 / size) ** visits, (1 - 2 / size) ** visits
    mean, variance = size * (1 - q), size * q + size * (size - 1) * q2 - (size * q) ** 2
    assert abs(np.mean(hit) - mean) < 4 * math.sqrt(variance / runs)


CASES = {
    "uniform": (writes.visit_uniform, ()),
    "hot": (writes.visit_hot, (9, 0.9)),
    "zipf": (writes.visit_zipf, (0.99, 55)),
    "zipf at one": (writes.visit_zipf, (1.0, 55)),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("size", [1, 63, 89, 200])
def test_compiled_and_plain_agree_to_the_bit_and_draw_as_often(case, size):
    kernel, args = CASES[case]
    args = tuple(min(a, size) if isinstance(a, int) else a for a in args)
    results = []
    for form in (kernel, kernel.py_func):
        rng = np.random.default_rng(8)
        log, content = pagemap.zeros(ITEMS), pagemap.full(5 + 64 * 4)[:5]
        form(log, content, START, size, *args, 500, rng)
        results.append((log.tobytes(), content.tobytes(), rng.random()))
    assert results[0] == results[1]


def test_sequential_compiled_and_plain_agree():
    results = []
    for form in (writes.visit_sequential, writes.visit_sequential.py_func):
        log, content = pagemap.zeros(ITEMS), pagemap.zeros(ITEMS)
        cursor = form(log, content, START, 77, 60, 50)
        results.append((cursor, log.tobytes(), content.tobytes()))
    assert results[0] == results[1]


@pytest.mark.parametrize("kind", ["uniform", "hot", "zipf", "sequential"])
def test_an_empty_content_bitmap_is_left_alone_and_changes_nothing_else(kind):
    def logged(content):
        log, rng = np.zeros(20, dtype=np.uint64), np.random.default_rng(5)
        arguments = {
            "uniform": (700, rng),
            "hot": (100, 0.9, 700, rng),
            "zipf": (0.99, 7, 700, rng),
            "sequential": (700, 11),
        }[kind]
        getattr(writes, f"visit_{kind}")(log, content, 64, 1000, *arguments)
        return log

    assert np.array_equal(logged(np.zeros(0, dtype=np.uint64)), logged(np.zeros(20, dtype=np.uint64)))
