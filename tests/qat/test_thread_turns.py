"""Threads that go round in turns, page by page beside the laws: who waits for them, or passes them by."""

import numpy as np
import pytest

from nfvlab.qat.cpu_work import Threads
from nfvlab.qat.laws import law
from nfvlab.qat.params import Params
from nfvlab.qat.turns import chance_ns, passed_by, turn_ns


def handed_out(threads, caller_ns, wake_ns, work_ns, pages=4000):
    """Time per page: a caller that sleeps while no thread is done, page by page; threads begin at random."""
    done = [float(ns) for ns in np.random.default_rng(7).uniform(0, 2 * work_ns, threads)]
    now_ns = 0.0
    for _ in range(pages):
        first = int(np.argmin(done))
        if done[first] > now_ns:
            now_ns = done[first] + wake_ns
        now_ns += caller_ns
        done[first] = now_ns + wake_ns + work_ns
    return now_ns / pages


@pytest.mark.parametrize("threads", [1, 2, 5, 8])
@pytest.mark.parametrize("wake_ns", [0.0, 5.0, 30.0])
@pytest.mark.parametrize("caller_ns", [1.0, 6.0])
def test_a_sleeping_caller_is_woken_once_a_turn(threads, wake_ns, caller_ns):
    pool_ns = turn_ns(caller_ns + wake_ns + 21.0, caller_ns, wake_ns, threads)
    seen_ns = handed_out(threads, caller_ns, wake_ns, 21.0)
    assert max(pool_ns, caller_ns) == pytest.approx(seen_ns, rel=0.02)


def varied(threads, spread_ns, wake_ns, raw_ns, away_ns, caller_ns=10.0, pages=20_000):
    """Time per page handed out, and pages passed by for one: as `handed_out`, where the caller's times vary."""
    rng = np.random.default_rng(11)
    done, now_ns, raw = [0.0] * threads, 0.0, 0
    for k in range(pages):
        thread = k % threads
        while raw_ns and done[thread] > now_ns:
            now_ns, raw = now_ns + raw_ns, raw + 1
        if done[thread] > now_ns:
            now_ns = done[thread] + wake_ns
        now_ns += max(rng.normal(caller_ns, spread_ns), 0.0)
        done[thread] = now_ns + away_ns
    return now_ns / pages, raw / pages


@pytest.mark.parametrize("threads", [4, 6, 9])
@pytest.mark.parametrize("load", [0.7, 0.95, 1.05, 1.3])
def test_a_caller_whose_times_vary_is_early_at_times(threads, load):
    away_ns, turns = load * 10.0 * (threads - 1), 3.0 * np.sqrt(threads - 1)
    waiting_ns, _ = varied(threads, 3.0, 5.0, 0.0, away_ns)
    assert chance_ns(away_ns, 10.0, 5.0, threads, turns) == pytest.approx(waiting_ns, rel=0.03)
    _, raw = varied(threads, 3.0, 0.0, 18.0, away_ns)
    assert passed_by(away_ns, 10.0, 18.0, threads, turns) == pytest.approx(raw, abs=0.065)


@pytest.mark.parametrize("threads", [2, 4, 9])
def test_a_long_wake_up_keeps_threads_together_whatever_varies(threads):
    away_ns = 8.0 * threads + 60.0
    seen_ns, _ = varied(threads, 3.0, 60.0, 0.0, away_ns)
    spread_ns = 3.0 * np.sqrt(threads - 1)
    assert chance_ns(away_ns, 10.0, 60.0, threads, spread_ns) == pytest.approx(seen_ns, rel=0.03)


def test_a_caller_whose_times_hardly_vary_is_early_always_or_never():
    for away_ns in (20.0, 60.0):
        steady_ns = max(turn_ns(10.0 + away_ns, 10.0, 5.0, 4), 10.0)
        assert chance_ns(away_ns, 10.0, 5.0, 4, 1e-3) == pytest.approx(steady_ns, rel=1e-3)


def test_the_destinations_threads_are_held_while_their_pages_are_read():
    """Two threads at the destination, all pages through them: reading, wake-up, inflating and storing, a wake-up."""
    p = Params(compress_threads_count=64, decompress_threads_count=2)
    share = (law(p, "calgary", "1").mean_bytes + 6) / 4096
    read_ns = p.handoff_cycles * 1e9 / p.cpu_hz + p.again_ns * share
    turn_ns = read_ns + 2 * p.handoff_ns + 4096e9 / p.inflate_bytes_per_s + p.first_touch_ns
    flow = Threads(p).flow([(1.0, "calgary")], True)
    assert (flow.slowest, flow.load_ns) == ("destination", pytest.approx(turn_ns / 2))
    assert (
        Threads(p.replace(decompress_threads_count=64)).flow([(1.0, "calgary")], True).load_ns < turn_ns / 8
    )
