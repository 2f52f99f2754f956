"""What misses cost: latency, cycles, the time of a packet, the memory channel, and tenants who slow each other down."""

import heapq

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfvlab.llc import channel, equilibrium, felt
from nfvlab.llc.channel import Source
from nfvlab.llc.params import Cache, Tenant
from nfvlab.units import GB

PACKET = felt.Unit(((1.0, 0.1), (2.0, 0.5), (3.0, 0.3)), 6.0, 0.5, 0.2, 30.0, 80.0)


def test_latency_and_cycles_are_linear_in_misses():
    assert felt.amat_ns(20.0, 0.1, 80.0) == 28.0
    assert felt.mpki(1e6, 2e9) == 0.5
    assert felt.cpi_ratio(0.7, 5.0, felt.penalty_cycles(2e9, 100.0, 4.0)) == pytest.approx(0.7 + 0.005 * 50)


# the time of a packet


def drawn(unit: felt.Unit, n: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    misses = sum(rng.binomial(round(k), p, n) for k, p in unit.kinds)
    fetches = (
        rng.negative_binomial(unit.fetched, 1 / (1 + unit.fetches), n) if unit.fetches else np.zeros(n, int)
    )
    misses = misses + rng.binomial(fetches, unit.fetch_miss)
    return (sum(k for k, _ in unit.kinds) + fetches) * unit.reference_ns + misses * unit.miss_ns


def test_a_packet_s_time_is_distributed_as_its_draws():
    n = 400_000
    seen = drawn(PACKET, n, 1)
    assert PACKET.mean_ns == pytest.approx(seen.mean(), abs=4 * seen.std() / np.sqrt(n))
    assert PACKET.sd_ns == pytest.approx(seen.std(), rel=0.01)
    times, mass = PACKET.distribution()
    assert mass.sum() == pytest.approx(1, abs=1e-6)
    assert times @ mass == pytest.approx(PACKET.mean_ns, rel=1e-5)
    for share in (0.1, 0.5, 0.9, 0.99):
        at = PACKET.quantile_ns(share)
        assert (seen <= at).mean() >= share - 4 * np.sqrt(share * (1 - share) / n)
        assert (seen < at).mean() <= share + 4 * np.sqrt(share * (1 - share) / n)


def test_long_units_are_normal():
    unit = felt.Unit(((4000.0, 0.2), (500.0, 0.9)), 4500.0, 0.0, 0.0, 30.0, 80.0)
    seen = drawn(unit, 50_000, 2)
    assert unit.sd_ns == pytest.approx(80 * np.sqrt(4000 * 0.16 + 500 * 0.09))
    assert unit.quantile_ns(0.99) == pytest.approx(np.quantile(seen, 0.99), rel=1e-3)


def test_a_unit_that_always_hits_or_always_misses_has_one_time():
    for p in (0.0, 1.0):
        unit = felt.Unit(((5.0, p),), 5.0, 0.0, 0.0, 10.0, 100.0)
        assert unit.quantiles_ns((0.001, 0.5, 0.99999)) == (50 + 500 * p,) * 3
        assert unit.sd_ns == 0


@given(st.integers(0, 60), st.floats(0, 1))
def test_binomial_probabilities_have_their_sum_and_mean(n, p):
    mass = felt.binomial(n, p)
    assert mass.sum() == pytest.approx(1)
    assert mass @ np.arange(n + 1) == pytest.approx(n * p)


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 2))
def test_more_misses_take_longer_at_every_share(less, more, fetches):
    less, more = sorted((less, more))
    short, long = (felt.Unit(((4.0, p),), 4.0, fetches, p, 20.0, 90.0) for p in (less, more))
    shares = (0.1, 0.5, 0.9, 0.99)
    assert all(
        a <= b + 1e-9 for a, b in zip(short.quantiles_ns(shares), long.quantiles_ns(shares), strict=True)
    )


# the memory channel


def queue(sources: list[Source], work_ns: list[float], service_ns: float, n: int, rng) -> tuple[float, float]:
    """Mean wait and busy share of cores that miss after geometric numbers of references, one after the other."""
    clock = [(rng.random() * 100, k) for k in range(len(sources))]
    heapq.heapify(clock)
    free = waited = busy = now = 0.0
    for _ in range(n):
        now, k = heapq.heappop(clock)
        s = sources[k]
        wait = max(free - now, 0.0)
        free = max(free, now) + service_ns
        if rng.random() < s.writes / s.reads:
            free += service_ns
            busy += service_ns
        waited, busy = waited + wait, busy + service_ns
        between = rng.geometric(s.miss_frac) * work_ns[k]
        heapq.heappush(
            clock, (now + between + (s.unit_ns - work_ns[k] / s.miss_frac + wait) / s.parallelism, k)
        )
    return waited / n, busy / now


@pytest.mark.parametrize("service_ns", [1.0, 4.0, 10.0, 25.0])
def test_waits_of_cores_that_miss_at_random_are_those_of_the_queue_followed_miss_by_miss(service_ns):
    """Four cores, each missing every fifth reference: within a quarter and a tenth of a service time."""
    sources = [Source(20 / 0.2 + 80, np.inf, 1.0, 0.3, 0.0, 1.0, 0.2) for _ in range(4)]
    wait, busy = queue(sources, [20.0] * 4, service_ns, 60_000, np.random.default_rng(4))
    load = channel.share(sources, service_ns)
    assert load.mean_wait_ns == pytest.approx(wait, rel=0.25, abs=0.1 * service_ns)
    assert load.busy_frac == pytest.approx(busy, rel=0.1)


def test_a_single_core_that_waits_for_each_miss_never_queues_behind_itself():
    load = channel.share([Source(110.0, np.inf, 1.0, 0.2, 0.0, 1.0, 1.0)], 5.0)
    assert load.mean_wait_ns < 1e-3
    assert load.busy_frac == pytest.approx(1.2 * 5 / 110, rel=1e-3)


@given(st.floats(0.1, 1e4), st.integers(1, 5), st.floats(1, 10), st.floats(0, 1), st.floats(0.05, 1))
def test_a_channel_serves_no_more_than_it_can_and_more_work_is_slower(
    service_ns, cores, parallelism, writes, missed
):
    sources = [Source(60.0, np.inf, missed, writes * missed, 0.0, parallelism, missed) for _ in range(cores)]
    load = channel.share(sources, service_ns)
    served = sum(v * s.lines for v, s in zip(load.per_ns, sources, strict=True)) * service_ns
    assert served <= 1.001 and served == pytest.approx(load.busy_frac, rel=1e-2)
    slower = channel.share(sources, 1.5 * service_ns)
    assert slower.per_ns[0] <= load.per_ns[0] * (1 + 1e-3)
    assert len(set(np.round(np.log(load.per_ns), 6))) == 1  # equals stay equal


@given(st.floats(0.01, 100))
def test_the_channel_has_no_unit_of_time(factor):
    sources = [Source(60.0, np.inf, 0.4, 0.1, 0.0, 4.0, 0.4), Source(900.0, 1e-4, 5.0, 2.0, 8.0, 1.0, 0.5)]
    other = [
        Source(
            s.unit_ns * factor,
            s.most_per_ns / factor,
            s.reads,
            s.writes,
            s.pushed,
            s.parallelism,
            s.miss_frac,
        )
        for s in sources
    ]
    here, there = channel.share(sources, 3.0), channel.share(other, 3.0 * factor)
    assert there.wait_ns == pytest.approx([w * factor for w in here.wait_ns], rel=1e-3)


def test_bursts_meet_each_other_only_while_they_last():
    """A tenth of the time busy: others wait a tenth as long for it as if it went on always; it waits as then."""
    steady = Source(100.0, np.inf, 1.0, 0.0, 0.0, 1.0, 0.5)
    burst = Source(5000.0, 0.1 / 5000, 100.0, 0.0, 0.0, 2.0, 0.8)
    always = channel.share([steady, Source(5000.0, np.inf, 100.0, 0.0, 0.0, 2.0, 0.8)], 10.0)
    load = channel.share_with_bursts([steady, burst], 10.0, 1)
    assert load.wait_ns[1] == pytest.approx(always.wait_ns[1])
    assert load.wait_ns[0] == pytest.approx(0.1 * always.wait_ns[0], rel=0.3)
    assert load.per_ns[1] == pytest.approx(burst.most_per_ns, rel=0.25)


# tenants that slow each other down


def test_a_tenant_alone_in_enough_room_runs_at_the_speed_of_hits():
    p = Cache(memory_bytes_per_s=10 * GB)
    found = equilibrium.solve(p, [Tenant(data_bytes=1e6, work_ns=10.0)], steady=True)
    assert found.load.per_ns[0] == pytest.approx(1 / 30, rel=1e-3)
    assert found.load.busy_frac < 1e-3


def test_a_tenant_with_no_room_runs_at_the_speed_of_memory():
    p = Cache(cache_sets=64, cache_ways=2, io_mask=1)
    found = equilibrium.solve(
        p, [Tenant(workload="scan", data_bytes=1e9, data_mask=3, parallelism_ratio=4.0)]
    )
    assert found.load.per_ns[0] == pytest.approx(1 / (10 + 100 / 4), rel=1e-2)


def test_the_equilibrium_is_where_it_says_it_is():
    """Begun from there or from far away, it is found again."""
    p = Cache(memory_bytes_per_s=5 * GB)
    tenants = [
        Tenant(data_bytes=4e7, skew_exponent=0.6),
        Tenant(workload="scan", data_bytes=1.6e7, parallelism_ratio=6.0),
        Tenant(workload="packets", data_bytes=3e7, skew_exponent=0.3),
    ]
    found = equilibrium.solve(p, tenants)
    assert found.residual < 5e-4
    for factor in (1.0, 0.2, 3.0):
        again = equilibrium.solve(p, tenants, start=np.array(found.load.per_ns) * factor)
        assert again.load.per_ns == pytest.approx(found.load.per_ns, rel=1e-3)
