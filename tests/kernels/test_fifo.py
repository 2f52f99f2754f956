"""Lindley's waits against an event list and exact fractions, the two ways against each other, and closed forms."""

from collections import deque
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfvlab import stats
from nfvlab.kernels import fifo

EPS = np.finfo(float).eps
WAYS = [fifo.waiting_times, fifo.waiting_times_by_sums]
times = st.floats(0, 1e9) | st.integers(0, 20).map(float)
jobs = st.lists(st.tuples(times, times), min_size=1, max_size=60)


def event_list(gaps, services):
    """Waits of the jobs by playing arrivals and departures in order of time; a departure goes before an arrival."""
    now, arrivals = Fraction(0), []
    for gap in gaps:
        now += Fraction(gap)
        arrivals.append(now)
    waits, queue, free_at, coming = [None] * len(gaps), deque(), None, 0
    while coming < len(gaps) or queue or free_at is not None:
        if free_at is not None and (coming == len(gaps) or free_at <= arrivals[coming]):
            now, free_at = free_at, None
        else:
            now = arrivals[coming]
            queue.append(coming)
            coming += 1
        if free_at is None and queue:
            job = queue.popleft()
            waits[job] = now - arrivals[job]
            free_at = now + Fraction(services[job])
    return waits


def largest_sum(gaps, services):
    """No partial sum of the steps is larger in size."""
    return max(sum(gaps), sum(services))


@pytest.mark.parametrize("way", WAYS)
def test_waits_by_hand(way):
    # arrivals 1, 2, 3, 10, 11; services end at 4, 6, 7, 11, 15
    made = way([1, 1, 1, 7, 1], [3, 2, 1, 1, 4])
    assert made.waits.tolist() == [0, 2, 3, 0, 0] and made.backlog == 4
    # with 6 to do at the start: services end at 9, 11, 12, 13, 17
    made = way([1, 1, 1, 7, 1], [3, 2, 1, 1, 4], 6)
    assert made.waits.tolist() == [5, 7, 8, 2, 2] and made.backlog == 6


@pytest.mark.parametrize("way", WAYS)
@given(jobs)
def test_waits_are_those_of_an_event_list(way, drawn):
    gaps, services = map(list, zip(*drawn, strict=True))
    exact = event_list(gaps, services)
    bound = Fraction(4 * len(gaps) * EPS * largest_sum(gaps, services))
    found = way(gaps, services).waits
    assert all(abs(Fraction(w) - e) <= bound for w, e in zip(found.tolist(), exact, strict=True))


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=80))
def test_whole_numbers_are_exact_both_ways(drawn):
    gaps, services = map(list, zip(*drawn, strict=True))
    exact = [int(w) for w in event_list(gaps, services)]
    assert all(way(gaps, services).waits.tolist() == exact for way in WAYS)


@pytest.mark.parametrize("way", WAYS)
@given(jobs, st.integers(0, 60), st.floats(0, 1e3))
def test_a_run_goes_on_from_its_backlog(way, drawn, cut, backlog):
    gaps, services = np.array(drawn).T
    whole = way(gaps, services, backlog)
    first = way(gaps[:cut], services[:cut], backlog)
    second = way(gaps[cut:], services[cut:], first.backlog)
    atol = 8 * gaps.size * EPS * (backlog + largest_sum(gaps, services))
    assert np.allclose(np.append(first.waits, second.waits), whole.waits, rtol=0, atol=atol)
    if gaps[cut:].size:
        assert second.backlog == pytest.approx(whole.backlog, rel=0, abs=atol)


def many(queues, n, rho, seed=1):
    rng = np.random.default_rng(seed)
    return rng.standard_exponential((queues, n)), rho * rng.standard_exponential((queues, n))


@pytest.mark.parametrize(
    ("queues", "n"), [(1, 3 * fifo.BLOCK + 7), (3, fifo.BLOCK), (200, 2000), (200_000, 3)]
)
def test_both_ways_agree_across_blocks_and_queues(queues, n):
    gaps, services = many(queues, n, 0.9)
    backlog = np.linspace(0, 5, queues)
    loop, sums = (way(gaps, services, backlog) for way in WAYS)
    # a block spans about BLOCK mean gaps; measured: at most 2e-12, far inside 4 BLOCK**2 eps = 2.4e-7
    assert np.allclose(loop.waits, sums.waits, rtol=0, atol=1e-10)
    assert np.allclose(loop.backlog, sums.backlog, rtol=0, atol=1e-10)
    alone = fifo.waiting_times(gaps[-1], services[-1], backlog[-1])
    assert (alone.waits == loop.waits[-1]).all() and alone.backlog == loop.backlog[-1]


def test_a_long_idle_time_costs_the_sums_digits_and_the_recursion_none():
    gaps, services = np.ones(100), np.full(100, 1.1)
    gaps[50] = 1e15
    exact = np.append(np.arange(50), np.arange(50)) * 0.1
    assert np.abs(fifo.waiting_times(gaps, services).waits - exact).max() < 1e-12
    error = np.abs(fifo.waiting_times_by_sums(gaps, services).waits - exact).max()
    assert 0.01 < error < 4 * 100 * EPS * 1e15  # the bound is given in the docstring


def test_one_service_time_stands_for_all():
    gaps = many(2, 50, 1.0)[0]
    for way in WAYS:
        assert (way(gaps, 0.7).waits == way(gaps, np.full((2, 50), 0.7)).waits).all()


def test_kernels_are_their_plain_python_bit_for_bit():
    gaps, services = many(3, 500, 0.95)
    backlogs, waits = np.zeros((2, 3)), np.empty((2, 3, 500))
    for run, backlog, into in zip((fifo.serve, fifo.serve.py_func), backlogs, waits, strict=True):
        run(gaps, services, backlog, into)
    assert (waits[0] == waits[1]).all() and (backlogs[0] == backlogs[1]).all()


@pytest.mark.parametrize(("fixed", "spread"), [(0.0, 0.8), (0.8, 0.0), (0.3, 0.45)])
def test_the_stream_is_its_plain_python_and_the_same_queue(fixed, spread):
    means = np.empty((2, 10))
    left = [
        run(np.random.default_rng(2), 1.5, 1.0, fixed, spread, into, 100)
        for run, into in zip((fifo.stream, fifo.stream.py_func), means, strict=True)
    ]
    assert (means[0] == means[1]).all() and left[0] == left[1]
    rng, drawn = np.random.default_rng(2), []
    for _ in range(1000):
        drawn.append((rng.standard_exponential(), fixed + (spread and spread * rng.standard_exponential())))
    made = fifo.waiting_times(*np.array(drawn).T, 1.5)
    assert np.allclose(made.waits.reshape(10, 100).mean(axis=1), means[0], rtol=1e-12)
    assert left[0] == pytest.approx(float(made.backlog), rel=1e-12)


def pollaczek_khinchine(rho, fixed, spread):
    """The mean wait of M/G/1 at a mean gap of 1: E[S^2] / (2 (1 - rho)); E[S^2] = mean^2 + spread^2."""
    return (rho**2 + spread**2) / (2 * (1 - rho))


@pytest.mark.parametrize(("fixed", "spread"), [(0.0, 0.5), (0.0, 0.8), (0.5, 0.0), (0.8, 0.0), (0.4, 0.3)])
def test_mean_waits_are_pollaczek_khinchine_s(fixed, spread):
    means = np.empty(20)
    backlog = fifo.stream(np.random.default_rng(3), 0.0, 1.0, fixed, spread, means, 10_000)  # a warm-up
    fifo.stream(np.random.default_rng(4), backlog, 1.0, fixed, spread, means, 400_000)
    found = stats.mean(means)  # batches much longer than the queue's memory
    exact = pollaczek_khinchine(fixed + spread, fixed, spread)
    assert found.stderr < 0.02 * exact
    assert abs(found.value - exact) < found.reach()


def shifted(gaps, services):
    """A wrong recursion: a job waits for its own service."""
    return fifo.waiting_times(gaps, np.roll(services, -1))


def forgetful(gaps, services):
    """A wrong recursion: every block starts idle."""
    parts = [
        fifo.waiting_times(gaps[k : k + 64], services[k : k + 64]).waits for k in range(0, gaps.size, 64)
    ]
    return fifo.Served(np.concatenate(parts), np.array(0.0))


def unbounded(gaps, services):
    """A wrong recursion: a server that is early saves the time."""
    steps = np.append(0.0, services[:-1]) - gaps
    return fifo.Served(np.maximum(np.cumsum(steps), 0.0), np.array(0.0))


@pytest.mark.parametrize("wrong", [shifted, forgetful, unbounded])
def test_wrong_recursions_are_rejected(wrong):
    gaps, services = (row[0] for row in many(1, 200, 0.9))
    exact = [float(w) for w in event_list(gaps.tolist(), services.tolist())]
    assert np.allclose(fifo.waiting_times(gaps, services).waits, exact, atol=1e-10)
    assert not np.allclose(wrong(gaps, services).waits, exact, atol=1e-10)


@pytest.mark.parametrize("way", WAYS)
def test_bad_times_are_refused_by_name(way):
    with pytest.raises(ValueError, match="gaps hold -1.0: a time is finite and not negative"):
        way([1, -1], [1, 1])
    with pytest.raises(ValueError, match="services hold nan"):
        way([1, 1], [1, np.nan])
    with pytest.raises(ValueError, match="backlog hold inf"):
        way([1], [1], np.inf)
    with pytest.raises(ValueError, match=r"services have shape \(3,\): with gaps \(2,\) give \(2,\)"):
        way([1, 1], [1, 1, 1])
    with pytest.raises(ValueError, match=r"gaps have shape \(1, 1, 1\)"):
        way([[[1]]], 1)


@pytest.mark.parametrize("way", WAYS)
def test_no_job_leaves_the_backlog_as_it_was(way):
    made = way([], [], 3)
    assert made.waits.size == 0 and made.backlog == 3
    given_backlog = np.array([1.0, 2.0])
    assert way(np.empty((2, 0)), np.empty((2, 0)), given_backlog).backlog.tolist() == [1, 2]
    way(np.ones((2, 1)), np.ones((2, 1)), given_backlog)
    assert given_backlog.tolist() == [1, 2]
