"""Reuse times against a dictionary, the footprint against all windows, and what is right and wrong about the curves."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfvlab.kernels import reuse, zipf
from nfvlab.kernels.reusetime import bin_of, reuse_times
from nfvlab.kernels.stackdist import stack_distances

SIZES = np.array([1, 10, 50, 100, 300, 600, 900, 1200])


def plain_times(lines):
    last, first, reused = {}, [], []
    for k, line in enumerate(lines, 1):
        (reused.append(k - last[line]) if line in last else first.append(k))
        last[line] = k
    return reused, first, [len(lines) + 1 - k for k in last.values()]


def all_windows(lines, length):
    """Distinct lines in every window of the length, on average."""
    return np.mean([len(set(lines[k : k + length])) for k in range(len(lines) - length + 1)])


@given(st.lists(st.integers(0, 12), min_size=1, max_size=80))
def test_times_are_those_of_a_dictionary(lines):
    made = reuse_times(np.array(lines))
    for found, expected in zip(made, plain_times(lines), strict=True):
        assert found.counts.tolist() == np.bincount(expected, minlength=found.counts.size).tolist()
        assert found.sums.tolist() == (found.counts * np.arange(found.counts.size)).tolist()
    assert made.accesses == len(lines) and made.lines == len(set(lines))


def test_long_times_go_to_their_bins():
    rng = np.random.default_rng(1)
    lines = rng.integers(0, 30_000, 200_000)  # more than the first table, times past 2**13
    made, (reused, first, last) = reuse_times(lines), plain_times(lines.tolist())
    low = reuse.edges(made.reuse.counts.size)
    for found, expected in zip(made, (reused, first, last), strict=True):
        expected = np.sort(expected)
        place = np.searchsorted(low, expected, side="right") - 1
        assert found.counts.tolist() == np.bincount(place, minlength=low.size - 1).tolist()
        assert found.sums.sum() == expected.sum()


def test_bins_cover_all_times_and_are_fine():
    low = reuse.edges(60_000)
    times = np.concatenate((np.arange(1, 40_000), low[1:], low[1:] - 1, low[1:] + 1))
    for time in times[(times > 0) & (times < low[-1])].tolist()[::7]:
        b = bin_of.py_func(time)
        assert low[b] <= time < low[b + 1]
    assert (np.diff(low) <= np.maximum(1, low[:-1] / 4096)).all()


@given(st.lists(st.integers(0, 12), min_size=1, max_size=60))
def test_the_footprint_is_the_mean_over_all_windows(lines):
    lengths, found = reuse.footprint(reuse_times(np.array(lines)))
    assert lengths.tolist() == list(range(len(lines) + 1))
    expected = [0.0, *(all_windows(lines, length) for length in lengths[1:])]
    assert np.allclose(found, expected, rtol=1e-12)


@given(st.lists(st.integers(0, 12), min_size=2, max_size=60))
def test_hotl_is_the_footprint_s_slope(lines):
    times = reuse_times(np.array(lines))
    _, fp = reuse.footprint(times)
    curve = reuse.hotl(times)
    at = {round(size, 9): slope for size, slope in zip(fp[:-1], np.diff(fp), strict=True)}
    for size, miss in zip(curve.lines, curve.miss_frac, strict=True):
        assert any(abs(size - s) < 1e-8 and abs(miss - slope) < 1e-8 for s, slope in at.items())


def test_statstack_by_hand():
    # a b a c b a: reuse times a 2, b 3, a 3; P(time > 1) = 1, P(> 2) = 5/6, P(> 3) = 3/6 (three last uses)
    curve = reuse.statstack(reuse_times(np.array([0, 1, 0, 2, 1, 0])))
    # expected distance of time 1: 0, of 2: 1, of 3: 1 + 5/6, of 4: 1 + 5/6 + 1/2
    assert np.allclose(curve.lines[:4], [0, 1, 1 + 5 / 6, 1 + 5 / 6 + 1 / 2])
    assert np.allclose(curve.miss_frac[:4], [1, 1, 5 / 6, 1 / 2])


def independent(n=400_000, m=2000, exponent=0.8):
    return zipf.draws(n, zipf.law(m, exponent), np.random.default_rng(3))


@pytest.mark.parametrize("made_by", [reuse.statstack, reuse.hotl])
def test_independent_references_are_met(made_by):
    lines = independent()
    found, exact = made_by(reuse_times(lines)).miss_ratio(SIZES), stack_distances(lines).miss_ratio(SIZES)
    # measured: statstack within 0.0011, hotl within 0.0070 (it averages over windows that end with the trace)
    assert np.abs(found - exact).max() < (0.002 if made_by is reuse.statstack else 0.01)


def test_a_scan_is_a_step_for_statstack():
    curve = reuse.statstack(reuse_times(np.arange(100_000) % 1000))
    assert np.allclose(curve.miss_ratio([1, 500, 990, 999]), 1.0)
    assert np.allclose(curve.miss_ratio([1000, 2000]), 1000 / 100_000)


def test_phases_are_known_to_be_missed():
    # in turns 5000 accesses to 100 lines at random, and a scan of 5000 others: in 100 lines of cache only the scan
    # misses. The scan's long times make statstack believe that every second access passed by was to a new line: an
    # access to the 100 after t others is put at about t / 2 + 50: those with t > 100, a share of exp(-1), seem to miss
    rng = np.random.default_rng(4)
    lines = np.concatenate([np.append(rng.integers(0, 100, 5000), 100 + np.arange(5000)) for _ in range(40)])
    exact, found = (
        stack_distances(lines).miss_ratio(100)[0],
        reuse.statstack(reuse_times(lines)).miss_ratio(100),
    )
    assert 0.5 < exact < 0.52  # and the first 2 % of each turn to the 100
    assert 0.08 < found - exact < 0.2  # about exp(-1) / 2, less what exact has


def test_a_line_twice_in_a_row_never_misses_again():
    curve = reuse.statstack(reuse_times(np.repeat(np.arange(1000), 2)))
    assert np.allclose(curve.miss_ratio([1, 2, 100]), 0.5)


def test_an_empty_trace_has_no_curve():
    times = reuse_times(np.empty(0))
    for made_by in (reuse.statstack, reuse.footprint, reuse.hotl):
        with pytest.raises(ValueError, match="no access"):
            made_by(times)


def test_wrong_footprints_are_rejected():
    lines = np.random.default_rng(5).integers(0, 12, 60)
    times = reuse_times(lines)
    exact = [all_windows(lines.tolist(), length) for length in range(1, 61)]
    none = reuse.Times(*(np.zeros_like(column) for column in times.first))
    for mutant in (
        times._replace(last=none),
        times._replace(reuse=times.first),
        times._replace(first=times.last),
    ):
        try:
            found = reuse.footprint(mutant)[1][1:61]
        except ValueError:
            continue
        assert found.size != 60 or not np.allclose(found, exact)
