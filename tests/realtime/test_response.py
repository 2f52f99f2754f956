"""Response times against textbook numbers and against a scheduler played out tick by tick."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nfvlab.realtime.composed import Discrete, Histogram
from nfvlab.realtime.laws import Constant, Exponential, Uniform
from nfvlab.realtime.response import Thread, path_worst_case_ns, response_times


def threads(*rows, **more) -> list[Thread]:
    """Threads by (period, cost), the first of the highest priority."""
    return [
        Thread(name=str(k), priority=99 - k, period_ns=period, cost_ns=cost, **more)
        for k, (period, cost) in enumerate(rows)
    ]


def times(*given) -> list[float]:
    return [found.response_ns for found in response_times(*given)]


def test_three_threads_by_hand():
    """(7, 3), (12, 3), (20, 5): 3; 3 + 3 = 6; 5 -> 11 -> 14 -> 17 -> 20 -> 20 (three of each before: 5 + 9 + 6)."""
    assert times(threads((7, 3), (12, 3), (20, 5))) == [3, 6, 20]


def test_a_job_can_outlast_the_next_release():
    """(70, 26), (100, 62): jobs of the second end at 114, 202, 316, 404, 518, 606, 694; the fifth is the worst, 118."""
    found = response_times(threads((70, 26), (100, 62)))
    assert [(f.response_ns, f.jobs) for f in found] == [(26, 1), (118, 7)]


def test_blocking_and_jitter_by_hand():
    low = Thread(name="low", priority=1, period_ns=100, cost_ns=10, blocking_ns=5, jitter_ns=2)
    high = Thread(name="high", priority=2, period_ns=20, cost_ns=4, jitter_ns=3)
    assert times([low, high]) == [2 + 5 + 10 + 2 * 4, 3 + 4]  # w = 15 + 4 ceil((w + 3) / 20): 19 -> 23, twice


def test_equal_priorities_wait_for_each_other():
    assert times([Thread(name=n, priority=5, period_ns=100, cost_ns=c) for n, c in (("a", 3), ("b", 4))]) == [
        7,
        7,
    ]


def test_overload_is_said():
    first, second = response_times(threads((10, 6), (10, 5)))
    assert first.response_ns == 6 and not first.why
    assert second.response_ns == math.inf and "ask for 1.1 CPUs" in second.why


def test_a_full_cpu_that_is_also_blocked_has_no_bound():
    (found,) = response_times(threads((10, 10), blocking_ns=1))
    assert found.response_ns == math.inf and "goes on after 10000 jobs" in found.why
    assert times(threads((10, 10))) == [10]
    assert times(threads((2, 1), (4, 2))) == [1, 4]


def test_ceilings_are_exact():
    """w = 0.3 with a period of 0.1: in floating point 0.3 / 0.1 is 2.999…, in exact numbers 0.3 > 3 * 0.1 is false."""
    high = Thread(name="high", priority=2, period_ns=0.1, cost_ns=0.05)
    low = Thread(name="low", priority=1, period_ns=10.0, cost_ns=0.15)
    assert times([high, low])[1] == pytest.approx(0.3)


def played(rows: list[tuple[int, int]], until: int) -> list[int]:
    """Longest response of each thread, all released together at first, tick by tick."""
    left: list[list[list[int]]] = [[] for _ in rows]
    worst = [0] * len(rows)
    for now in range(until):
        for queue, (period, cost) in zip(left, rows, strict=True):
            if now % period == 0:
                queue.append([now, cost])
        for k, queue in enumerate(left):
            if queue:
                queue[0][1] -= 1
                if queue[0][1] == 0:
                    worst[k] = max(worst[k], now + 1 - queue.pop(0)[0])
                break
    return worst


rows = st.lists(
    st.integers(2, 12).flatmap(lambda t: st.tuples(st.just(t), st.integers(1, t))), min_size=1, max_size=4
)


@given(rows.filter(lambda rows: sum(c / t for t, c in rows) <= 1 - 1e-9))
def test_the_worst_case_is_the_one_that_happens(rows):
    """All released together is the worst case: the busy period from there has the longest responses, exactly."""
    until = math.lcm(*(t for t, _ in rows))
    assert times(threads(*rows)) == played(rows, until)


@settings(max_examples=15)
@given(rows, st.integers(1, 20))
def test_more_of_anything_is_never_faster(rows, more):
    before = times(threads(*rows))
    for changed in (
        threads(*rows, blocking_ns=more),
        threads(*rows, jitter_ns=more),
        threads(*[(t, c + more / 20) for t, c in rows]),
    ):
        assert all(new >= old for new, old in zip(times(changed), before, strict=True))


def test_names_and_times_must_make_sense():
    with pytest.raises(ValueError, match="a name of its own"):
        response_times([*threads((7, 3)), *threads((8, 3))])
    with pytest.raises(ValueError, match="0: period_ns = 0"):
        threads((0, 1))
    with pytest.raises(ValueError, match="0: cost_ns = inf"):
        threads((5, math.inf))


def test_the_worst_case_of_a_path_is_the_sum_of_the_largest():
    bounded = [
        Constant(value_ns=5.0),
        Uniform(width_ns=3.0, min_ns=1.0),
        Discrete(values_ns=(2.0, 9.0), fracs=(1.0, 0.0)),
        Histogram(low_ns=(0.0,), high_ns=(7.0,), counts=(3,)),
    ]
    assert path_worst_case_ns(bounded) == 5 + 4 + 2 + 7
    assert path_worst_case_ns([*bounded, Exponential(excess_ns=1.0)]) == math.inf
    assert path_worst_case_ns([Constant(value_ns=0.1), Constant(value_ns=0.2)]) >= 0.3
