"""The guest that writes while it is migrated: rates, places, throttling."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfvlab.kernels import pagemap
from nfvlab.precopy.guest import Guest, Writer, _coprime, application_rate_per_s
from nfvlab.precopy.memory import layout
from nfvlab.precopy.params import Params, ram_pages
from nfvlab.units import GiB, MiB, ms, s, us


def scenario(**fields):
    quiet = {
        "ram_bytes": 1 * GiB,
        "wss_bytes": 16 * MiB,
        "write_rate_per_s": 1e4,
        "background_rate_per_s": 0.0,
    }
    return Params(**(quiet | fields))


def guest(p, seed=1):
    return Guest(p, np.random.default_rng(seed))


def dirty(g, region):
    return pagemap.count_range(g.dirty_log, region[0], region[0] + region[1])


@given(
    st.floats(0, 1e6),
    st.lists(st.floats(0, 0.2 * s), max_size=30),
    st.sampled_from([1.0, 0.3]),
)
def test_a_rate_is_kept_exactly_over_any_steps(rate, steps, share):
    writer = Writer(0, 100, rate)
    visits = sum(writer.due(dt, share) for dt in steps)
    assert 0 <= writer.carry < 1
    assert visits + writer.carry == pytest.approx(rate * share * sum(steps) / s, abs=1e-6, rel=1e-9)


def test_an_idle_guest_writes_only_to_its_kernels_pages():
    p = scenario(
        write_rate_per_s=0.0, wss_bytes=0.0, background_rate_per_s=100.0, background_wss_bytes=4 * MiB
    )
    g = guest(p)
    g.run(1 * s)
    assert 90 < dirty(g, (0, 1024)) <= 100  # 100 visits to 1024 pages: 5 of them hit a page twice
    assert pagemap.count(g.dirty_log) == dirty(g, (0, 1024))


def test_writes_enter_the_log_and_make_pages_non_zero():
    p = scenario(touched_bytes=1 * MiB)
    g, where = Guest(p, np.random.default_rng(1), pagemap.zeros(ram_pages(p))), layout(p).working_set
    g.run(100 * ms)
    assert 800 < dirty(g, where) <= 1000  # 1000 visits to 4096 pages
    assert pagemap.count(g.dirty_log) == dirty(g, where)
    assert (g.nonzero == g.dirty_log).all()


@pytest.mark.parametrize("pattern", ["uniform", "sequential", "hot", "zipf"])
def test_a_filled_working_set_is_dirtied_the_same_and_stays_filled(pattern):
    p = scenario(pattern=pattern)
    filled, where = guest(p), layout(p).working_set
    before = filled.nonzero.copy()
    empty = guest(p)
    pagemap.clear_range(empty.nonzero, where[0], where[0] + 1)
    empty.filled = False
    for g in (filled, empty):
        g.run(300 * ms)
    assert (filled.dirty_log == empty.dirty_log).all()
    assert (filled.nonzero == before).all()


def test_a_given_memory_is_taken_over():
    p = scenario()
    nonzero = pagemap.zeros(ram_pages(p))
    assert Guest(p, np.random.default_rng(1), nonzero).nonzero is nonzero


@pytest.mark.parametrize(("throttle", "share"), [(0.0, 1), (0.5, 1), (0.75, 1), (0.875, 0.5), (0.99, 0.04)])
def test_a_throttle_bites_only_when_the_idle_share_is_gone(throttle, share):
    p = scenario(write_rate_per_s=1e4, visit_ns=25 * us)  # busy for a quarter of the time
    g = guest(p)
    g.throttle = throttle
    assert g.speed() == pytest.approx(share)
    region = layout(p).working_set
    p = p.replace(pattern="sequential")
    g = guest(p)
    g.throttle = throttle
    g.run(0.2 * s)
    assert dirty(g, region) == math.floor(2000 * g.speed())  # one page after the other, each once


def test_one_vcpu_cannot_visit_faster_than_a_visit_takes():
    assert application_rate_per_s(scenario(write_rate_per_s=1e6, visit_ns=2 * us)) == 5e5
    assert application_rate_per_s(scenario(write_rate_per_s=1e5, visit_ns=2 * us)) == 1e5
    assert application_rate_per_s(scenario(write_rate_per_s=1e9, visit_ns=0.0)) == 1e9
    assert guest(scenario(visit_ns=0.0)).speed() == 1.0  # visits that cost nothing are never throttled


def test_throttling_a_saturated_vcpu_takes_its_full_share():
    g = guest(scenario(write_rate_per_s=1e6, visit_ns=2 * us))
    g.throttle = 0.2
    assert g.speed() == pytest.approx(0.8)


@pytest.mark.parametrize("pattern", ["uniform", "sequential", "hot", "zipf"])
def test_every_pattern_stays_in_the_working_set_and_repeats(pattern):
    p = scenario(pattern=pattern, write_rate_per_s=1e5)
    logs = []
    for _ in range(2):
        g = guest(p)
        for _ in range(10):
            g.run(10 * ms)
        logs.append(g.dirty_log)
    assert (logs[0] == logs[1]).all()
    assert pagemap.count(logs[0]) == dirty(g, layout(p).working_set) > 0


def test_sequential_visits_come_back_to_where_they_left_off():
    p = scenario(pattern="sequential", write_rate_per_s=1e4)
    g, (start, size) = guest(p), layout(p).working_set
    for visits_so_far in (1000, 2000, 3000, 4000):
        g.run(100 * ms)
        assert dirty(g, (start, size)) == dirty(g, (start, visits_so_far)) == visits_so_far
    g.dirty_log[:] = 0
    g.run(100 * ms)  # 96 at the end, 904 from the beginning
    assert dirty(g, (start, 904)) == 904 and dirty(g, (start + 4000, 96)) == 96


def test_hot_visits_go_to_the_first_pages():
    p = scenario(pattern="hot", hot_pages_frac=0.25, hot_visits_frac=1.0, write_rate_per_s=1e5)
    g, (start, size) = guest(p), layout(p).working_set
    g.run(1 * s)
    assert dirty(g, (start, size)) == dirty(g, (start, 1024)) == 1024
    p = p.replace(hot_pages_frac=1e-6)  # of 4096 pages: at least one
    g = guest(p)
    g.run(1 * s)
    assert dirty(g, (start, size)) == dirty(g, (start, 1)) == 1


def test_uniform_visits_leave_exp_minus_r_t_over_w_of_the_pages_clean():
    p = scenario()
    size, runs = layout(p).working_set[1], 60
    hit = []
    for seed in range(runs):
        g = guest(p, seed)
        g.run(0.4 * s)  # 4000 visits to 4096 pages
        hit.append(dirty(g, layout(p).working_set))
    q, q2 = (1 - 1 / size) ** 4000, (1 - 2 / size) ** 4000
    variance = size * q + size * (size - 1) * q2 - (size * q) ** 2
    assert abs(np.mean(hit) - size * (1 - q)) < 4 * math.sqrt(variance / runs)
    assert size * (1 - q) == pytest.approx(size * (1 - math.exp(-4000 / size)), rel=2e-4)


@given(st.integers(0, 10**6))
def test_strides_are_coprime(size):
    assert math.gcd(_coprime(size), max(size, 1)) == 1


def test_what_a_workload_takes_besides_its_visits_is_busy_time_too():
    g = guest(
        scenario(write_rate_per_s=1e4, visit_ns=25 * us, workload_busy_frac=0.25)
    )  # busy for half the time
    g.throttle = 0.5
    assert g.speed() == 1.0
    g.throttle = 0.75
    assert g.speed() == 0.5
    most = scenario(write_rate_per_s=1e6, visit_ns=2 * us, workload_busy_frac=0.25)
    assert application_rate_per_s(most) == 0.75 * 5e5
