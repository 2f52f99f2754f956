"""Coalescing against sums by hand: counters, single buffers, a periodic vector in step with its handler."""

import math

import numpy as np
import pytest

from nfvlab.apicv import coalescing as co
from nfvlab.apicv import waiting
from nfvlab.apicv.phase import in_step

ALWAYS = np.array([1.0])


def fixed(time_ns):
    """The law of a time that does not vary."""
    return waiting.mixture((1.0, np.array([time_ns, 0.0, 0.0])))


def varying(time_ns, deviation_ns):
    """The law of a time that varies a little."""
    return waiting.mixture((1.0, np.array([time_ns, deviation_ns**2, 0.3 * deviation_ns**3])))


@pytest.mark.parametrize("load", [0.01, 0.5, 3.0])
def test_a_counter_of_type_one_registers_one_in_dead_time_and_gap(load):
    dead = 250.0
    rate = load / dead
    assert co.counted_per_ns(rate, dead) == pytest.approx(1 / (dead + 1 / rate))
    assert co.counted_per_ns(rate, 0.0) == rate


@pytest.mark.parametrize("load", [0.1, 1.0, 4.0])
def test_one_vector_is_the_queue_with_one_waiting_place(load):
    """M/D/1/2: nobody comes in a service with probability exp(-load)."""
    chance = co.set_within(np.array([1.0]), load, periodic=False)
    served = co.arrivals(1, chance, ALWAYS)
    law = co.pending_law(served, served, np.array([1.0]))
    assert law == pytest.approx([math.exp(-load), 1 - math.exp(-load)])


def test_a_periodic_bit_is_set_in_proportion_to_the_time():
    times = np.array([0.0, 2.0, 5.0, 20.0])
    assert co.set_within(times, 0.1, periodic=True) == pytest.approx([0.0, 0.2, 0.5, 1.0])


def test_arrivals_of_two_vectors_enumerated():
    c = 0.3
    rows = co.arrivals(2, np.array([c]), ALWAYS)
    one_more = [0.0, 1 - c, c]
    none_pending = [(1 - c) ** 2, 2 * c * (1 - c), c**2]
    assert rows == pytest.approx(np.array([none_pending, one_more]))


def test_a_chance_with_a_law_is_averaged():
    chances, weights = np.array([0.0, 1.0]), np.array([0.25, 0.75])
    assert co.binomial(3, chances, weights) == pytest.approx([0.25, 0, 0, 0.75])


def test_the_second_of_two_vectors_waits_a_geometric_number_of_services():
    c = 0.4
    behind = co.whole_services(2, np.array([c]), ALWAYS)
    assert behind.means == pytest.approx([0.0, c / (1 - c)], rel=1e-4)
    by_hand = [(1 + 1 - c) / 2] + [c**k * (1 - c) / 2 for k in range(1, 6)]
    assert behind.law[:6] == pytest.approx(by_hand)


def test_a_vector_that_always_finds_a_higher_one_waits_for_the_end():
    behind = co.whole_services(2, np.array([1.0]), ALWAYS, most=50)
    assert 45 < behind.means[1] <= 50 + 12


def test_a_chain_between_two_states():
    law = co.stationary(np.array([[0.9, 0.1], [0.3, 0.7]]))
    assert law == pytest.approx([0.75, 0.25])


def lateness_by_hand(period, service, gap, lead):
    """(From idle, arrivals) per delivery, by following one delivery after another; times in whole ns."""
    late, idle, deliveries, arrivals = lead, 0, 0, 0
    for _ in range(1000):
        deliveries += 1
        done = late + service
        if done <= period:
            idle, arrivals, late = idle + 1, arrivals + 1, lead
        else:
            come, late = divmod(done + gap, period)
            arrivals += come
    return idle / deliveries, arrivals / deliveries


@pytest.mark.parametrize(
    ("service", "gap", "lead"),
    [(700, 0, 0), (700, 0, 150), (810, 0, 520), (1213, 0, 0), (1213, 150, 0), (4321, 0, 0)],
    ids=["rests", "rests-after-a-lead", "late-and-later-less", "overloaded", "with-a-gap", "far-overloaded"],
)
def test_one_periodic_vector_follows_its_deliveries(service, gap, lead):
    period = 1000
    share, per_delivery = in_step(
        period, varying(service, 5.0), gap, varying(lead, 3.0) if lead else fixed(0.0)
    )
    by_hand = lateness_by_hand(period, service, gap, lead)
    assert share == pytest.approx(by_hand[0], abs=0.04)
    assert per_delivery == pytest.approx(by_hand[1], rel=0.03)


def test_long_leads_merge_whole_periods():
    share, per_delivery = in_step(100.0, fixed(10.0), 0.0, fixed(250.0))
    assert share == pytest.approx(1.0)
    assert per_delivery == pytest.approx(3.0)
