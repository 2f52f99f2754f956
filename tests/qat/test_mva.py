"""Closed networks: hand values, closed forms, a Markov chain, constant times step by step, and wrong versions."""

import heapq
from itertools import product
from math import inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from qat.oracles import machine_repair

from nfvlab.qat import mva as module
from nfvlab.qat.mva import Station, balance, bounds, engset, losses, mva

TIMES = st.floats(0.1, 100.0)


def product_form(stations, delay_ns, customers):
    """Throughput from the normalising constants: every state enumerated (Gordon and Newell, 1967)."""

    def weight(station, j):
        value = 1.0
        for k in range(1, j + 1):
            value *= station.service_ns / min(k, station.servers)
        return value

    def constant(n):
        total = 0.0
        for state in product(range(n + 1), repeat=len(stations)):
            rest = n - sum(state)
            if rest < 0 or (rest and not delay_ns):
                continue
            term = delay_ns**rest / np.prod(np.arange(1, rest + 1), initial=1.0)
            for station, j in zip(stations, state, strict=True):
                term *= weight(station, j)
            total += term
        return total

    return constant(customers - 1) / constant(customers)


def constant_ring(services, servers, delay_ns, customers, rounds=400):
    """Throughput of a ring of constant times, first come, first served, followed visit by visit."""
    free = [[0.0] * count for count in servers]
    events = [(0.0, customer, 0) for customer in range(customers)]
    heapq.heapify(events)
    done, half_ns, end_ns, total = 0, 0.0, 0.0, customers * rounds
    while done < total:
        now_ns, customer, at = heapq.heappop(events)
        start_ns = max(now_ns, heapq.heappop(free[at]))
        finish_ns = start_ns + services[at]
        heapq.heappush(free[at], finish_ns)
        if at + 1 < len(services):
            heapq.heappush(events, (finish_ns, customer, at + 1))
            continue
        done += 1
        half_ns, end_ns = (finish_ns if done == total // 2 else half_ns), max(end_ns, finish_ns)
        heapq.heappush(events, (finish_ns + delay_ns, customer, 0))
    return (total - total // 2) / (end_ns - half_ns)


def hand_values(mva):
    """One station is always busy; two alike serve N / (N + 1) of one; 1 and 2 ns: (1 - 2^-N) / (1 - 2^-(N+1)) / 2."""
    for n in (1, 2, 7):
        assert mva([Station(4.0)], 0.0, n).per_ns == pytest.approx(1 / 4)
        assert mva([Station(4.0), Station(4.0)], 0.0, n).per_ns == pytest.approx(n / (n + 1) / 4)
        expected = (1 - 0.5**n) / (1 - 0.5 ** (n + 1)) / 2
        assert mva([Station(1.0), Station(2.0)], 0.0, n).per_ns == pytest.approx(expected)


def repaired(mva):
    """A delay and a station are machines and their repairman."""
    for n in (1, 3, 20):
        assert mva([Station(2.0)], 30.0, n).per_ns == pytest.approx(machine_repair(30.0, 2.0, n))


def several_servers(mva):
    """Any number of servers: as the sum over all states says."""
    for servers, n in product((1, 2, 3), (1, 2, 4, 6)):
        stations = [Station(2.0), Station(5.0, servers)]
        assert mva(stations, 3.0, n).per_ns == pytest.approx(product_form(stations, 3.0, n))


ORACLES = (hand_values, repaired, several_servers)


@pytest.mark.parametrize("oracle", ORACLES, ids=lambda oracle: oracle.__name__)
def test_mean_value_analysis(oracle):
    oracle(mva)


def sees_itself(stations, delay_ns, customers):
    """Wrong: an arriving customer finds the queue that it is itself part of (Schweitzer without its correction)."""
    number = [customers / len(stations)] * len(stations)
    for _ in range(2000):
        stay = [one.demand_ns * (1 + have) for one, have in zip(stations, number, strict=True)]
        rate = customers / (delay_ns + sum(stay))
        number = [rate * one for one in stay]
    return module.Closed(rate, tuple(number), ())


def one_fast_server(stations, delay_ns, customers):
    """Wrong: m servers as one that is m times as fast."""
    return mva([Station(one.demand_ns) for one in stations], delay_ns, customers)


def delay_in_queue(stations, delay_ns, customers):
    """Wrong: the delay as a station with a queue."""
    return mva([*stations, Station(delay_ns)] if delay_ns else stations, 0.0, customers)


@pytest.mark.parametrize(
    "mutant, oracle",
    [(sees_itself, hand_values), (one_fast_server, several_servers), (delay_in_queue, repaired)],
    ids=lambda one: one.__name__,
)
def test_wrong_versions_are_found(mutant, oracle):
    with pytest.raises(AssertionError):
        oracle(mutant)


@given(
    st.lists(st.tuples(TIMES, st.integers(1, 4)), min_size=1, max_size=3),
    st.floats(0, 100),
    st.integers(1, 40),
)
def test_bounds_hold_and_all_customers_are_somewhere(pairs, delay_ns, customers):
    stations = [Station(*pair) for pair in pairs]
    found, limits = mva(stations, delay_ns, customers), bounds(stations, delay_ns, customers)
    assert limits.low * (1 - 1e-9) <= found.per_ns <= limits.high * (1 + 1e-9)
    assert sum(found.number) + found.per_ns * delay_ns == pytest.approx(customers, rel=1e-6)
    more = mva(stations, delay_ns, customers + 1).per_ns
    assert more >= found.per_ns * (1 - 1e-9)


@pytest.mark.parametrize("customers", [1, 2, 3, 5, 9, 30])
@pytest.mark.parametrize(
    "services, servers, delay_ns", [((3.0, 5.0), (1, 1), 11.0), ((1.0, 8.0), (1, 4), 20.0)]
)
def test_a_ring_of_constant_times_reaches_the_upper_bound(services, servers, delay_ns, customers):
    stations = [Station(*pair) for pair in zip(services, servers, strict=True)]
    seen = constant_ring(services, servers, delay_ns, customers)
    assert seen == pytest.approx(bounds(stations, delay_ns, customers).high, rel=0.02)


def test_a_ring_without_end_is_its_slowest_station():
    stations = [Station(0.5), Station(4.0, 4), Station(0.9)]
    assert mva(stations, 1000.0, 4096).per_ns == pytest.approx(1.0, rel=1e-3)
    assert mva(stations, 1e-9, 4096).busy_frac == pytest.approx((0.5, 1.0, 0.9), rel=1e-3)


def test_a_ring_needs_a_customer_and_some_time():
    with pytest.raises(ValueError, match="needs a customer"):
        mva([Station(1.0)], 0.0, 0)
    with pytest.raises(ValueError, match="some time"):
        mva([Station(0.0)], 0.0, 3)


@given(st.lists(st.tuples(TIMES, TIMES), min_size=1, max_size=4), TIMES)
def test_the_balance_is_the_first_share_that_the_pool_takes(pairs, pool_ns):
    raw, through = zip(*pairs, strict=True)
    share = balance(raw, through, 1 / pool_ns)

    def taken(share):
        pace_ns = max((1 - share) * a + share * b for a, b in pairs)
        return pace_ns / pool_ns

    assert 0 <= share <= 1
    if share < 1:
        assert taken(share) == pytest.approx(share)
    for less in np.linspace(0, share, 20, endpoint=False):
        assert taken(less) > less


def test_a_pool_without_limit_takes_all():
    assert balance([1.0], [2.0], inf) == 1.0


def test_engset_by_hand():
    """Two sources, one server: the other source is in a call for call / (call + between) of its free time's end."""
    assert engset(1.0, 3.0, 2, 1) == pytest.approx(0.25)
    assert engset(1.0, 3.0, 2, 2) == 0
    assert engset(5.0, 0.0, 8, 2) == pytest.approx(0.75)


def test_engset_is_erlangs_loss_of_very_many_sources():
    """Erlang B by its recursion, 1/B(n) = 1 + n / load / B(n - 1)."""
    load, servers, inverse = 3.0, 5, 1.0
    for n in range(1, servers + 1):
        inverse = 1 + n / load * inverse
    many = 1_000_000
    assert engset(1.0, many / load, many, servers) == pytest.approx(1 / inverse, rel=1e-4)


@given(st.floats(0.1, 50), st.floats(0.1, 50), st.integers(2, 12), st.integers(1, 12))
def test_losses_are_a_fixed_point(call_ns, through_ns, sources, servers):
    lost_ns, elsewhere_ns = [through_ns * 4], call_ns * 20

    def at(pace_ns):
        return call_ns

    found = losses(lost_ns, [through_ns], at, elsewhere_ns, sources, servers)
    assert 0 <= found <= 1
    if servers >= sources:
        assert found == 1
    assert found >= losses(lost_ns, [through_ns], at, elsewhere_ns, sources, max(servers - 1, 0)) - 1e-4
