"""The lines of a dead tenant, counted on the exact cache while its neighbours go on."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfvlab.cmt.clean_wait import clean_level, limbo
from nfvlab.cmt.decay import Source, decay
from nfvlab.kernels import setassoc
from nfvlab.llc.components import Cycle
from nfvlab.llc.popularity import zipf

SEED = 20261127
SETS, WAYS = 1024, 16
ROOM = SETS * WAYS
ALL = (1 << WAYS) - 1
TIMES = np.array([0, 1, 2, 4, 8, 16, 32, 64, 128, 256]) * 1000.0


class Walk:
    """Line after line, and round again."""

    def __init__(self, lines):
        self.lines, self.at, self.law = lines, 0, Cycle(lines, (float(lines),))

    def take(self, n, rng):
        self.at += n
        return np.arange(self.at - n, self.at) % self.lines


class Zipf:
    """Independent references by Zipf's law."""

    def __init__(self, lines, exponent):
        weights = np.arange(1, lines + 1.0) ** -exponent
        self.upto, self.law = np.cumsum(weights / weights.sum()), zipf(lines, exponent)

    def take(self, n, rng):
        return np.searchsorted(self.upto, rng.random(n) * self.upto[-1], side="right")


def survivors(tenants, masks, rates, warm=400_000):
    """Lines of tenant 0 on the exact cache at TIMES after its end; references of all come in random order."""
    rng = np.random.default_rng(SEED)
    cache = setassoc.empty(SETS, WAYS, len(tenants), hashed=True)
    rules = np.array([[mask, mask] for mask in masks], np.uint32), np.arange(len(tenants), dtype=np.int32)

    def go(n, who):
        share = np.array([rate * (k in who) for k, rate in enumerate(rates)])
        turns = rng.choice(len(tenants), n, p=share / share.sum()).astype(np.uint8)
        address = np.empty(n, np.uint64)
        for k in who:
            mine = turns == k
            address[mine] = (
                tenants[k].take(int(mine.sum()), rng).astype(np.uint64) + np.uint64(k << 40)
            ) << np.uint64(6)
        setassoc.access(cache, address, turns, np.zeros(n, np.uint8), *rules)

    go(warm, range(len(tenants)))
    found = [int(cache.occupancy[0])]
    for passed in np.diff(TIMES):
        go(round(passed * sum(rates[1:])), range(1, len(tenants)))
        found.append(int(cache.occupancy[0]))
    return np.array(found)


def told(tenants, masks, rates):
    """The theory's decay of the same tenants."""
    sources = [
        Source(tenant.law, mask, rate, rate if k else 0.0, k == 0)
        for k, (tenant, mask, rate) in enumerate(zip(tenants, masks, rates, strict=True))
    ]
    return decay(sources, SETS)


# Of all the cache. With equal masks the theory is as good as the Poisson form. With masks that overlap in part dead
# lines stay where they lie, while the theory keeps the youngest: up to 3.5 % of the cache below.
SHARED, APART = 0.01, 0.04
CASES = {
    "a scan over it": ([Zipf(ROOM, 0.8), Walk(10 * ROOM)], [ALL, ALL], [1, 1], SHARED),
    "a working set over it": ([Zipf(ROOM, 0.8), Zipf(4 * ROOM, 0.8)], [ALL, ALL], [1, 1], SHARED),
    "a loop that fitted": ([Walk(ROOM // 2), Zipf(4 * ROOM, 0.8)], [ALL, ALL], [1, 1], SHARED),
    "neighbours that fit": ([Walk(ROOM // 2), Zipf(ROOM // 4, 0.4)], [ALL, ALL], [1, 1], SHARED),
    "two neighbours": (
        [Zipf(2 * ROOM, 0.5), Zipf(ROOM, 0.4), Walk(3 * ROOM)],
        [ALL] * 3,
        [1, 1, 0.3],
        SHARED,
    ),
    "half of its ways shared": ([Zipf(2 * ROOM, 0.5), Walk(3 * ROOM)], [0xFF00, 0x0FFF], [1, 1], APART),
    "a slow neighbour": ([Zipf(2 * ROOM, 0.5), Zipf(3 * ROOM, 0.6)], [0x000F, ALL], [1, 0.3], APART),
    "neighbours apart": (
        [Zipf(2 * ROOM, 0.5), Zipf(3 * ROOM, 0.6), Walk(3 * ROOM)],
        [ALL, 0xFF, 0xFF00],
        [1, 1, 1],
        APART,
    ),
    "neighbours in the middle": (
        [Zipf(2 * ROOM, 0.5), Zipf(3 * ROOM, 0.6), Walk(3 * ROOM)],
        [ALL, 0xFF, 0x0FF0],
        [1, 1, 1],
        APART,
    ),
    "a scan held down": (
        [Zipf(ROOM // 2, 0.5), Zipf(3 * ROOM, 0.6), Walk(3 * ROOM)],
        [ALL, ALL, 0x00F0],
        [1, 0.2, 1],
        SHARED,
    ),
    "a scan held down beside a loop": (
        [Zipf(ROOM // 2, 0.5), Walk(ROOM // 4), Walk(3 * ROOM)],
        [ALL, ALL, 0x00F0],
        [1, 0.2, 1],
        SHARED,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_exact_cache(name):
    *case, tolerance = CASES[name]
    assert told(*case).lines(TIMES) == pytest.approx(survivors(*case), abs=tolerance * ROOM)


def test_mutant_dead_lines_do_not_age():
    """All dead lines referenced a moment before the end: the test can tell that from the ages that they have."""
    tenants, masks, rates, tolerance = CASES["a working set over it"]
    sources = [Source(tenants[0].law, ALL, 1e6, 0.0, True), Source(tenants[1].law, ALL, 1.0, 1.0)]
    young = decay(sources, SETS, told(tenants, masks, rates).lines(0.0)[0])
    assert abs(young.lines(TIMES) - survivors(tenants, masks, rates)).max() > 2 * tolerance * ROOM


def test_masks_that_do_not_overlap_keep_all():
    course = told([Zipf(2 * ROOM, 0.5), Walk(3 * ROOM)], [0x00FF, 0xFF00], [1, 1])
    assert course.residue_lines == pytest.approx(course.lines(0.0)[0])
    assert course.residue_lines == pytest.approx(ROOM / 2, rel=0.01)
    assert math.isinf(course.time_below(ROOM / 4))
    assert limbo(course, 64 * ROOM // 4, 64, 1e9).wait_ns == math.inf
    assert math.isnan(limbo(course, 64 * ROOM // 4, 64, 1e9).stale_lines)


def test_a_scan_over_a_full_cache_takes_one_turn():
    """With many ways the dead lines go in the order of their age, and all are gone when a cache full has come."""
    course = decay(
        [Source(Walk(ROOM).law, ALL, 1e-3, 0.0, True), Source(Walk(99 * ROOM).law, ALL, 1.0, 1.0)], 32
    )
    full = 32 * WAYS
    assert course.lines(0.0)[0] < 1  # the scan was a thousand times as fast
    both = decay(
        [
            Source(Walk(ROOM).law, (1 << 32) - 1, 1.0, 0.0, True),
            Source(Walk(99 * ROOM).law, (1 << 32) - 1, 1.0, 1.0),
        ],
        32,
    )
    assert both.lines(0.0)[0] == pytest.approx(full, rel=0.02)  # half of 32 ways
    # dead lines of age a go when a + (a + t) lines have come: full * 2 = 2 a + t, so (2 full - t) / 2 are left
    t = np.array([0.5, 1.0]) * full
    assert both.lines(t) == pytest.approx((2 * full - t) / 2, rel=0.05)


laws = st.one_of(
    st.integers(100, 10**6).map(lambda n: Walk(n).law),
    st.tuples(st.integers(100, 10**6), st.sampled_from([0.0, 0.5, 0.9])).map(lambda a: zipf(*a)),
)
masks = st.integers(1, ALL)
rates = st.floats(1e-3, 10)


@given(st.lists(st.tuples(laws, masks, rates), min_size=1, max_size=3), st.floats(0.2, 5))
def test_what_is_left_only_falls_and_ends_at_the_residue(tenants, k):
    sources = [
        Source(law, mask, rate, rate if n else 0.0, n == 0) for n, (law, mask, rate) in enumerate(tenants)
    ]
    course = decay(sources, SETS)
    t = np.concatenate([[0.0], np.geomspace(1, 1e12, 30), [math.inf]])
    left = course.lines(t)
    assert (np.diff(left) <= 1e-6 * ROOM).all()
    own = tenants[0][1].bit_count() * SETS
    assert -1e-6 <= left[-1] <= left[0] <= min(tenants[0][0].lines, own) * 1.02
    middle = (left[0] + left[-1]) / 2
    if left[0] - left[-1] > 10:
        when = course.time_below(middle)
        assert course.lines(when)[0] == pytest.approx(middle, abs=0.01 * left[0] + 1)
        faster = decay([Source(s.law, s.mask, k * s.before, k * s.after, s.watched) for s in sources], SETS)
        assert faster.time_below(middle) == pytest.approx(when / k, rel=0.03)
    assert decay(sources, SETS, 1234.0).lines(0.0)[0] == pytest.approx(1234.0) or left[0] == 0


@given(st.lists(st.tuples(laws, masks, rates), min_size=4, max_size=6))
def test_many_masks_are_sampled_and_nearly_as_good(tenants):
    """256 points of the other classes' counts: up to 8 % of what the dead tenant could hold in sets of few lines."""
    sources = [
        Source(law, mask, rate, rate if n else 0.0, n == 0) for n, (law, mask, rate) in enumerate(tenants)
    ]
    left = decay(sources, SETS).lines(np.concatenate([[0.0], np.geomspace(1, 1e9, 6), [math.inf]]))
    own = min(tenants[0][0].lines, tenants[0][1].bit_count() * SETS)
    assert (np.diff(left) <= 0.1 * own).all() and left[-1] >= -1e-6 and left[0] <= 1.1 * own


@given(st.integers(0, 10**7), st.integers(1, 10**6))
def test_the_level_is_the_kernels_comparison(threshold, unit):
    """The largest number of lines that __check_limbo takes for clean: dirty if reading >= threshold in whole units."""
    cut = threshold // unit * unit
    level = clean_level(threshold, unit)
    lines = math.floor(level)

    def dirty(n):
        return n * 64 // unit * unit >= cut

    if lines >= 0:
        assert not dirty(lines)
    assert dirty(lines + 1)
    assert (level < 0) == dirty(0)


def test_the_wait_is_uniform_over_one_check():
    course = told(*CASES["a working set over it"][:3])
    level = int(course.lines(0.0)[0] / 4)
    found = limbo(course, 64 * level, 64, 1e4)
    assert course.lines(found.clean_ns)[0] == pytest.approx(level, abs=3)
    assert found.wait_ns == found.clean_ns + 5e3
    waits = found.clean_ns + 1e4 * (np.arange(2000) + 0.5) / 2000
    assert found.stale_lines == pytest.approx(course.lines(waits).mean(), rel=0.01)
    at_once = limbo(course, 2**40, 64, 1e4)
    assert (at_once.clean_ns, at_once.wait_ns) == (0.0, 5e3)
