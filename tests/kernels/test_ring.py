"""The finite ring: every case small enough to follow by hand, and the compiled form against the plain one."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nfvlab.kernels import ring


def follow(*, packets, interval=10.0, service=4.0, size=4, gaps=(), bins=10, length=100.0, plain=False):
    starts, stops, closed = (
        (np.array(column, float) for column in zip(*gaps, strict=True)) if gaps else [np.empty(0)] * 3
    )
    function = ring.follow.py_func if plain else ring.follow
    return function(0.0, interval, packets, service, size, starts, stops, closed.astype(bool), bins, length)


def test_without_gaps_every_packet_is_served_after_one_service_time():
    counts, served, longest = follow(packets=50)
    assert counts.tolist() == [50, 0, 0]
    assert longest == 4.0
    assert served.sum() == 50


def test_a_gap_fills_the_ring_and_drops_the_rest():
    # Arrivals at 0, 10, ..., gap from 5 to 105: those at 10..40 fill the ring of 4, the six at 50..100 find it full.
    counts, _, longest = follow(packets=30, gaps=[(5.0, 105.0, 0.0)])
    assert counts.tolist() == [24, 6, 0]
    assert longest == 105 + 4 - 10


def test_a_closed_gap_loses_all_its_arrivals_and_fills_nothing():
    counts, _, longest = follow(packets=30, gaps=[(5.0, 105.0, 1.0)])
    assert counts.tolist() == [20, 0, 10]
    assert longest == 4.0


def test_a_packet_in_service_when_the_gap_begins_is_finished_after_it():
    counts, _, longest = follow(packets=1, gaps=[(1.0, 51.0, 0.0)])
    assert counts.tolist() == [1, 0, 0]
    assert longest == 54.0


def test_two_gaps_close_together_leave_no_time_to_drain():
    # 4 wait at 45, one unit of service before the next gap: nothing leaves, so the second gap drops from the start.
    counts, _, _ = follow(packets=12, gaps=[(5.0, 45.0, 0.0), (46.0, 96.0, 0.0)])
    assert counts.tolist() == [7, 5, 0]


def test_served_packets_are_counted_in_the_bin_in_which_they_leave():
    _, served, _ = follow(packets=4, bins=2, length=24.0)
    assert served.tolist() == [2, 2]  # they leave at 4 and 14, and at 24 and 34


@st.composite
def disjoint_gaps(draw):
    edges = sorted(draw(st.lists(st.integers(1, 400), min_size=0, max_size=12, unique=True)))
    pairs = list(zip(edges[::2], edges[1::2], strict=False))
    return [(float(a), float(b), float(draw(st.booleans()))) for a, b in pairs]


@given(disjoint_gaps(), st.integers(1, 6), st.sampled_from([1.0, 4.0, 9.0]))
def test_compiled_and_plain_agree_and_no_packet_goes_missing(gaps, size, service):
    made = [follow(packets=45, gaps=gaps, size=size, service=service, plain=plain) for plain in (False, True)]
    for compiled, plain in zip(*made, strict=True):
        assert np.array_equal(compiled, plain)
    counts, served, _ = made[0]
    assert counts.sum() == 45
    assert served.sum() == counts[ring.SERVED]


@given(disjoint_gaps(), st.integers(1, 6))
def test_the_ring_agrees_with_a_list_that_is_served_tick_by_tick(gaps, size):
    assert follow(packets=45, gaps=gaps, size=size)[0].tolist() == tick_by_tick(45, 10, 4, size, gaps)


def tick_by_tick(packets, interval, service, size, gaps):
    """The same ring in unit steps: at a tick first leaves who is done, then an arrival comes."""
    waiting, left, counts = [], 0, [0, 0, 0]
    for now in range(packets * interval + 4000):
        if waiting and left == 0:
            waiting.pop(0)
            counts[ring.SERVED] += 1
            left = service if waiting else 0
        inside = [gap for gap in gaps if gap[0] <= now < gap[1]]
        if now % interval == 0 and now < packets * interval:
            if any(gap[2] for gap in inside):
                counts[ring.UNHEARD] += 1
            elif len(waiting) == size:
                counts[ring.DROPPED] += 1
            else:
                waiting.append(now)
                left = service if len(waiting) == 1 else left
        if waiting and not inside:
            left -= 1
    return counts
