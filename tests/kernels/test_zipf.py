"""Zipf's law drawn without its whole table: counts against exact probabilities, far ranks, the uncompiled form."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from nfvlab.kernels import zipf


def probabilities(size, exponent, edges):
    """Exact weight of the ranks between neighbouring edges."""
    weights = np.arange(1, size + 1) ** -float(exponent)
    return np.add.reduceat(weights, edges) / weights.sum()


def assert_fits(ranks, size, exponent, edges):
    """Pearson's chi-square on a fixed seed: a right sampler fails one seed in ten thousand."""
    expected = probabilities(size, exponent, edges) * ranks.size
    kept = expected > 5
    counts = np.bincount(np.searchsorted(edges, ranks, side="right") - 1, minlength=len(edges))
    assert ranks.min() >= 0 and ranks.max() < size
    assert counts[~kept].sum() <= 5 * expected[~kept].sum() + 10
    share = expected[kept] / expected[kept].sum()
    assert chisquare(counts[kept], share * counts[kept].sum()).pvalue > 1e-4


@pytest.mark.parametrize(
    ("size", "exponent"),
    [(1, 0.8), (2, 1.0), (40, 0.0), (40, 0.01), (40, 1.0), (40, 1.5), (40, 3.0), (8, 50.0)],
)
def test_a_few_items(size, exponent):
    ranks = zipf.draws(200_000, zipf.law(size, exponent), np.random.default_rng(1))
    if size == 1 or exponent == 50.0:
        assert (ranks == 0).mean() > 0.999
    else:
        assert_fits(ranks, size, exponent, np.arange(size))


@pytest.mark.parametrize("exponent", [0.0, 0.3, 0.8, 1.0, 1.2])
@pytest.mark.parametrize("size", [zipf.HEAD, zipf.HEAD + 1, 10_000, 300_007])
def test_ranks_past_the_table_of_single_ones(size, exponent):
    # edges of 97 ranks cut the bins of 64, 128, … in the middle: a bin that is not drawn by its weights would show
    edges = np.unique(np.concatenate((np.arange(0, size, 97), np.arange(min(size, 50)))))
    ranks = zipf.draws(400_000, zipf.law(size, exponent), np.random.default_rng(2))
    assert_fits(ranks, size, exponent, edges)


def test_within_a_bin_the_nearer_ranks_are_likelier():
    # steep, so that it shows: in the bin from 4096 on, 64 ranks, the last has (4097 / 4160)**20 = 0.737 of the first
    law = zipf.law(1 << 13, 20.0)
    wide = law._replace(threshold=np.ones_like(law.threshold))
    wide.threshold[:] = 0.0  # only entry HEAD is ever proposed
    wide.alias[:] = zipf.HEAD
    ranks = zipf.draws(200_000, wide, np.random.default_rng(3)) - zipf.HEAD
    weights = (zipf.HEAD + 1.0 + np.arange(64)) ** -20
    assert chisquare(np.bincount(ranks, minlength=64), weights / weights.sum() * ranks.size).pvalue > 1e-4


def test_a_billion_items_by_decades():
    size, exponent = 10**9, 0.8
    ranks = zipf.draws(300_000, zipf.law(size, exponent), np.random.default_rng(4))
    # midpoint rule for the sums of k**-s over a decade, off by less than 1e-7 from 1000 on; below that by adding
    edges = np.array([0, 10**3, 10**4, 10**5, 10**6, 10**7, 10**8, 10**9], dtype=float)
    integral = (edges + 0.5) ** (1 - exponent) / (1 - exponent)
    weights = np.diff(integral)
    weights[0] = (np.arange(1, 1001) ** -exponent).sum()
    counts = np.histogram(ranks, edges)[0]
    assert chisquare(counts, weights / weights.sum() * ranks.size).pvalue > 1e-4
    assert zipf.law(size, exponent).threshold.size < 6000


def test_entries_cover_every_rank_once_and_aliases_give_the_weights_back():
    for size in (1, 5, zipf.HEAD, zipf.HEAD + 1, 3 * zipf.HEAD, 100_000):
        law = zipf.law(size, 0.7)
        assert law.start[0] == 0 and law.start[-1] == size and (np.diff(law.start) > 0).all()
        n = law.threshold.size
        back = law.threshold.copy()
        np.add.at(back, law.alias, 1 - law.threshold)
        proposed = (law.start[:-1] + 1.0) ** -0.7 * np.diff(law.start)
        assert np.allclose(back / n, proposed / proposed.sum(), rtol=1e-9)


@given(st.sampled_from([1, 2, 100, 5000, 10**6]), st.floats(0, 3))
def test_compiled_and_plain_agree(size, exponent):
    law = zipf.law(size, exponent)
    compiled = zipf.draws(30, law, np.random.default_rng(5))
    rng = np.random.default_rng(5)
    assert compiled.tolist() == [zipf.draw.py_func(law, rng) for _ in range(30)]
    weights = np.array([3.0, 1.0, 0.0, exponent])
    for one, other in zip(zipf._aliases(weights), zipf._aliases.py_func(weights), strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize(("size", "exponent"), [(0, 1.0), (1 << 54, 1.0), (5, -0.1), (5, 51.0), (5, np.nan)])
def test_laws_that_are_none(size, exponent):
    with pytest.raises(ValueError, match="is"):
        zipf.law(size, exponent)


def test_a_wrong_exponent_or_a_bin_kept_whole_is_noticed():
    edges = np.arange(0, 300_007, 97)
    for mutant in (
        zipf.law(300_007, 0.82),
        zipf.law(300_000, 0.8)._replace(exponent=np.array([0.0, 300_007])),
    ):
        with pytest.raises(AssertionError):
            assert_fits(zipf.draws(400_000, mutant, np.random.default_rng(2)), 300_007, 0.8, edges)
