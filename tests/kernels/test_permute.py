"""Keyed permutations: every image once, spread evenly, different for each draw; the uncompiled form."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from nfvlab.kernels import permute


def images(size, seed, items=None):
    items = np.arange(size, dtype=np.uint64) if items is None else np.asarray(items, dtype=np.uint64)
    return permute.permute_all(items, permute.plan(size, np.random.default_rng(seed)))


@given(st.integers(1, 5000), st.integers(0, 10))
def test_every_image_comes_once(size, seed):
    assert np.array_equal(np.sort(images(size, seed)), np.arange(size))


@pytest.mark.parametrize("size", [1, 2, 3, 4, 65535, 65536, 65537, 99_991])
def test_every_image_comes_once_at_awkward_sizes(size):
    assert np.array_equal(np.sort(images(size, 1)), np.arange(size))


@pytest.mark.parametrize("size", [1 << 34, 10**9, (1 << 40) + 7, 1 << 62])
def test_large_sizes_stay_inside_and_collide_nowhere(size):
    found = images(size, 2, np.arange(200_000) + min(size - 200_000, 12345))
    assert (found < size).all() and np.unique(found).size == found.size
    bins = (found.astype(float) / size * 100).astype(int)
    assert chisquare(np.bincount(bins, minlength=100)).pvalue > 1e-4


def assert_scattered(found):
    """Stretches of the images, and the gaps between neighbours' images, are uniform."""
    found, size = found.astype(np.int64), found.size
    for stretch in (found[:10_000], found[-10_000:], found[::100], found[::1024]):
        assert chisquare(np.bincount(stretch * 64 // size, minlength=64)).pvalue > 1e-4
        assert chisquare(np.bincount(stretch % 64, minlength=64)).pvalue > 1e-4
    gaps = np.diff(found[:20_000]) % size
    assert chisquare(np.bincount(gaps * 50 // size, minlength=50)).pvalue > 1e-4


@pytest.mark.parametrize("size", [1 << 20, 10**6])
def test_neighbours_part(size):
    assert_scattered(images(size, 3))


@pytest.mark.parametrize("stride", [1, 618_033_989, 3])
def test_a_stride_would_be_noticed(stride):
    with pytest.raises(AssertionError):
        assert_scattered(np.arange(1 << 20) * stride % (1 << 20))


def test_the_image_of_one_item_is_uniform_over_the_keys():
    for item in (0, 1, 4999):
        found = np.array([images(5000, seed, [item])[0] for seed in range(5000)], dtype=np.int64)
        assert chisquare(np.bincount(found // 100, minlength=50)).pvalue > 1e-4


@given(st.integers(1, 1 << 62), st.integers(0, 1 << 62), st.integers(0, 5))
def test_compiled_and_plain_agree(size, item, seed):
    drawn, item = permute.plan(size, np.random.default_rng(seed)), np.uint64(item % size)
    plain = permute.permute.py_func(item, drawn)
    assert plain == permute.permute(item, drawn)
    assert permute.permute_all(np.array([item]), drawn).tolist() == [plain]


@pytest.mark.parametrize("size", [0, -1, (1 << 62) + 1])
def test_sizes_that_are_none(size):
    with pytest.raises(ValueError, match="items"):
        permute.plan(size, np.random.default_rng(1))
