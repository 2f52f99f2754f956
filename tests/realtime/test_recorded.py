"""What a recording's samples can say."""

import math

import numpy as np
import pandas as pd
import pytest

from nfvlab.realtime.recorded import Recorded, recorded


def counted(samples, step=100.0, most=np.inf):
    """Samples in buckets of `step`; those of `most` or more in an open one."""
    index = np.minimum(np.floor(samples / step), most / step)
    low, count = np.unique(index * step, return_counts=True)
    high = np.where(low >= most, math.inf, low + step)
    return Recorded(low, high, count)


@pytest.mark.parametrize("q", [0.5, 0.99, 0.999])
def test_the_interval_of_a_quantile_holds_the_truth_as_often_as_it_says(q):
    rng, truth = np.random.default_rng(3), -1e3 * math.log(1 - q)
    held = sum(
        low <= truth <= high
        for low, high in (counted(rng.exponential(1e3, 4000)).quantile(q) for _ in range(400))
    )
    assert held >= 367  # 95 % of 400 less three standard deviations; buckets only widen it


def test_the_interval_of_an_exceedance_holds_the_truth_as_often_as_it_says():
    rng, truth = np.random.default_rng(4), math.exp(-3)
    held = sum(
        low <= truth <= high
        for low, high in (counted(rng.exponential(1e3, 500)).above(3000.0) for _ in range(400))
    )
    assert held >= 367


def test_too_few_samples_give_no_upper_bound():
    few = counted(np.random.default_rng(5).exponential(1e3, 100))
    assert few.quantile(0.9999).high == math.inf
    assert math.isfinite(few.quantile(0.5).high)
    # an event of probability p stays unseen in 100 tries with (1 - p)^100 = 5 %
    assert (1 - few.rarest()) ** 100 == pytest.approx(0.05)
    assert few.rarest() == pytest.approx(0.03, rel=0.02)
    assert not few.to_frame([0.9999]).loc[0.9999, "enough"]


def test_an_open_bucket_bounds_nothing_above():
    open_ended = counted(np.arange(1000.0) * 10, most=5000.0)
    assert open_ended.quantile(0.9).high == math.inf
    assert open_ended.quantile(0.9).low == 5000.0
    assert open_ended.above(1e9).low == 0.0
    assert open_ended.above(1e9).high > 0.5  # half of all samples may be there
    assert open_ended.largest_ns == math.inf


def test_buckets_bound_the_mean():
    samples = np.random.default_rng(6).exponential(1e3, 1000)
    low, high = counted(samples).mean_ns()
    assert low <= samples.mean() <= high
    assert high - low == pytest.approx(100.0)


def test_threads_are_merged_or_picked():
    frame = pd.DataFrame(
        {"thread": [0, 0, 1], "low_ns": [0.0, 10.0, 10.0], "high_ns": [10.0, 20.0, 20.0], "count": [1, 2, 3]}
    )
    assert recorded(frame).count.tolist() == [1, 5]
    assert recorded(frame, thread=1).count.tolist() == [3]
    with pytest.raises(ValueError, match="thread = 7: the recording has 0, 1"):
        recorded(frame, thread=7)
    with pytest.raises(ValueError, match="no sample"):
        recorded(frame[:0])


def test_a_shift_moves_every_latency():
    moved = counted(np.arange(1000.0)).shifted(-150.0)
    assert moved.smallest_ns == 0.0
    assert moved.quantile(0.5).low == counted(np.arange(1000.0)).quantile(0.5).low - 150


@pytest.mark.parametrize("call", [lambda r: r.quantile(1.0), lambda r: r.above(1.0, confidence=0.0)])
def test_shares_outside_are_refused(call):
    with pytest.raises(ValueError, match="lies between 0 and 1"):
        call(counted(np.arange(10.0)))


def test_open_buckets_of_several_threads_may_overlap():
    mixed = Recorded(np.array([0.0, 10.0, 10.0]), np.array([10.0, 50.0, 1000.0]), np.array([90, 9, 1]))
    # one sample of a hundred may lie anywhere up to 1000, so the median may not
    assert mixed.quantile(0.5) == (0.0, 10.0)
    assert mixed.quantile(0.93).high <= 50.0
