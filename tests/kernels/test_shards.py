"""SHARDS: the sample by hand, no bias within the error of its samples, and what its correction is for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfvlab.kernels import shards, zipf
from nfvlab.kernels.stackdist import stack_distances

SIZES = np.array([100, 300, 1000, 3000, 6000, 9000])


def trace(n=200_000, m=10_000, exponent=0.8):
    return zipf.draws(n, zipf.law(m, exponent), np.random.default_rng(1)).astype(np.uint64) + np.uint64(
        1 << 40
    )


def test_a_sample_is_all_accesses_to_some_lines():
    lines = trace(20_000)
    for seed in range(5):
        salt = shards._salt(np.random.default_rng(seed))
        kept = shards._sample(lines, salt, np.uint64(shards.FULL // 10))
        assert np.array_equal(kept, lines[np.isin(lines, np.unique(kept))])


def test_rate_1_is_exact():
    lines = trace(20_000)
    made = shards.sample_at_rate(lines, 1.0, np.random.default_rng(1))
    assert made.adjustment == 0
    assert np.array_equal(made.miss_ratio(SIZES), stack_distances(lines).miss_ratio(SIZES))


@pytest.mark.parametrize("stride", [1, 64, 3 << 17, 1 << 40])
def test_a_line_is_taken_with_the_probability_of_the_rate(stride):
    lines = np.arange(20_000, dtype=np.uint64) * np.uint64(stride)
    rng = np.random.default_rng(2)
    sizes = [shards._sample(lines, shards._salt(rng), np.uint64(shards.FULL // 20)).size for _ in range(300)]
    sd = np.sqrt(20_000 * 0.05 * 0.95)  # of a binomial count
    assert abs(np.mean(sizes) - 1000) < 4 * sd / np.sqrt(300)
    assert 0.8 * sd < np.std(sizes) < 1.2 * sd  # 300 samples: the standard error of it is 4 %


def test_no_bias_and_the_correction_narrows_the_error():
    lines = trace()
    exact = stack_distances(lines).miss_ratio(SIZES)
    rng = np.random.default_rng(3)
    made = [shards.sample_at_rate(lines, 0.05, rng) for _ in range(100)]
    adjusted, plain = (np.array([m.miss_ratio(SIZES, adjusted=on) for m in made]) for on in (True, False))
    error = adjusted.std(axis=0, ddof=1) / np.sqrt(len(made))
    assert (np.abs(adjusted.mean(axis=0) - exact) < 4 * error).all()
    # measured: 0.049 adjusted, 0.092 plain
    assert np.sqrt(((adjusted - exact) ** 2).mean()) < np.sqrt(((plain - exact) ** 2).mean()) * 0.7


def test_a_sample_of_a_size_has_it():
    lines = trace()
    exact = stack_distances(lines).miss_ratio(SIZES)
    found = []
    for seed in range(60):
        made = shards.sample_of_size(lines, 500, np.random.default_rng(seed))
        assert (
            made.distances.cold == 500
        )  # 32 bits of hash: two of 10,000 lines meet at the threshold once in 10**6
        found.append(made.miss_ratio(SIZES))
    error = np.std(found, axis=0, ddof=1) / np.sqrt(60)
    assert (
        np.abs(np.mean(found, axis=0) - exact) < 4 * error + 1 / 500
    ).all()  # the rate itself is off by 1 / count


def test_a_sample_larger_than_the_trace_is_the_trace():
    lines = trace(5000)
    made = shards.sample_of_size(lines, 10**6, np.random.default_rng(1))
    assert made.rate == 1.0
    assert np.array_equal(made.miss_ratio(SIZES), stack_distances(lines).miss_ratio(SIZES))


def test_the_adjustment_by_hand():
    # 4 of 10 accesses sampled at rate 0.5, one of them again at distance 0: 5 were expected, so 1 is added as a hit
    made = shards.Sampled(stack_distances([1, 1, 2, 3]), 0.5, 10)
    assert made.adjustment == 1.0
    assert made.miss_ratio([0, 1, 2]).tolist() == [1.0, 3 / 5, 3 / 5]
    assert made.miss_ratio([1], adjusted=False).tolist() == [3 / 4]


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_compiled_and_plain_agree(line, salt):
    line, salt = np.uint64(line), np.uint64(salt)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards, "_round", shards._round.py_func)
        plain = shards._hash.py_func(line, salt)
    assert shards._hashes(np.array([line]), salt, np.uint64(shards.FULL)).tolist() == [plain]
    for step in (0, 1):
        kept = shards._sample(np.array([line]), salt, np.uint64(int(plain) + step))
        assert kept.size == step


@pytest.mark.parametrize("rate", [0, -0.1, 1.1, np.nan])
def test_rates_that_are_none(rate):
    with pytest.raises(ValueError, match="rate"):
        shards.sample_at_rate([1, 2], rate, np.random.default_rng(1))


def test_counts_that_are_none():
    with pytest.raises(ValueError, match="count"):
        shards.sample_of_size([1, 2], 0, np.random.default_rng(1))
