"""Benchmarks of the queue of one server beside SimPy and Ciw: `make bench`. The promised ratios are asserted.

    python -m pytest -s tests/benchmarks/test_bench_fifo.py

All play M/M/1 at a load of 0.8 and draw their own times, in rounds one after the other; what counts is jobs per second
of CPU time, the median over the rounds. The competitors are written as their users would for speed. The hand-tuned
SimPy has a process of arrivals and one of the server, a deque between them, times drawn at once in numpy, and neither
Resource nor a process a job. The idiomatic one has both. Ciw is its own M/M/1 example. Last comes a SimPy that does not
simulate arrivals: its only process knows their times beforehand and sleeps until the next.
"""

from collections import deque

import numpy as np
import pytest
from benchmarks.rates import Contender, rates, ratio, show

from nfvlab import stats
from nfvlab.kernels import fifo

simpy = pytest.importorskip("simpy", reason="see tests/benchmarks/requirements.txt")
ciw = pytest.importorskip("ciw", reason="see tests/benchmarks/requirements.txt")

LOAD = 0.8  # services of mean 0.8, gaps of mean 1
ROUNDS = 5
WARM_UP_FRAC = 0.1
AT_ONCE = 1 << 16
MEAN_WAIT = LOAD**2 / (1 - LOAD)  # Pollaczek and Khinchine


def drawn(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Gaps and services of n jobs."""
    rng = np.random.default_rng(seed)
    return rng.standard_exponential(n), LOAD * rng.standard_exponential(n)


def in_runs(way, n: int, seed: int) -> np.ndarray:
    """Mean waits of runs of AT_ONCE jobs, which fit the processor's cache, each from the backlog of the last."""
    rng, means, backlog = np.random.default_rng(seed), np.empty(-(-n // AT_ONCE)), 0.0
    gaps, services = np.empty((2, AT_ONCE))
    for k in range(means.size):
        rng.standard_exponential(out=gaps)
        np.multiply(rng.standard_exponential(out=services), LOAD, out=services)
        waits, backlog = way(gaps, services, backlog)
        means[k] = waits.mean()
    return means


def by_loop(n: int, seed: int) -> np.ndarray:
    """Lindley's recursion, compiled."""
    return in_runs(fifo.waiting_times, n, seed)


def by_sums(n: int, seed: int) -> np.ndarray:
    """Lindley's recursion in numpy."""
    return in_runs(fifo.waiting_times_by_sums, n, seed)


def by_stream(n: int, seed: int) -> np.ndarray:
    """Means over runs of 1000 jobs, nothing kept of a job."""
    means = np.empty(n // 1000)
    fifo.stream(np.random.default_rng(seed), 0.0, 1.0, 0.0, LOAD, means, 1000)
    return means


def tuned_simpy(n: int, seed: int) -> np.ndarray:
    """SimPy by hand: arrivals wake an idle server, or leave their time for it."""
    gaps, services = (times.tolist() for times in drawn(n, seed))
    env, waits, came, idle = simpy.Environment(), [], deque(), []

    def arrivals():
        timeout, put = env.timeout, came.append
        for gap in gaps:
            yield timeout(gap)
            put(env.now)
            if idle:
                idle.pop().succeed()

    def server():
        timeout, event, take, keep = env.timeout, env.event, came.popleft, waits.append
        for service in services:
            if not came:
                idle.append(event())
                yield idle[0]
            keep(env.now - take())
            yield timeout(service)

    env.process(arrivals())
    env.process(server())
    env.run()
    return np.array(waits)


def foreseeing_simpy(n: int, seed: int) -> np.ndarray:
    """Lindley's recursion in SimPy's clothes: the server is the only process and knows when the next job comes."""
    gaps, services = drawn(n, seed)
    arrivals, services = np.cumsum(gaps).tolist(), services.tolist()
    env, waits = simpy.Environment(), []

    def server():
        timeout, keep = env.timeout, waits.append
        for arrival, service in zip(arrivals, services, strict=True):
            now = env.now
            if arrival > now:
                yield timeout(arrival - now)
                now = arrival
            keep(now - arrival)
            yield timeout(service)

    env.process(server())
    env.run()
    return np.array(waits)


def idiomatic_simpy(n: int, seed: int) -> np.ndarray:
    """SimPy as its documentation's bank: a process a job, which requests the server."""
    rng = np.random.default_rng(seed)
    env, waits = simpy.Environment(), []
    server = simpy.Resource(env, capacity=1)

    def job():
        came = env.now
        with server.request() as request:
            yield request
            waits.append(env.now - came)
            yield env.timeout(LOAD * rng.standard_exponential())

    def arrivals():
        for _ in range(n):
            yield env.timeout(rng.standard_exponential())
            env.process(job())

    env.process(arrivals())
    env.run()
    return np.array(waits)


def by_ciw(n: int, seed: int) -> np.ndarray:
    """Ciw's M/M/1, until n jobs are done."""
    ciw.seed(seed)
    network = ciw.create_network(
        arrival_distributions=[ciw.dists.Exponential(rate=1.0)],
        service_distributions=[ciw.dists.Exponential(rate=1 / LOAD)],
        number_of_servers=[1],
    )
    simulation = ciw.Simulation(network)
    simulation.simulate_until_max_customers(n)
    records = sorted(simulation.get_all_records(), key=lambda record: record.arrival_date)
    return np.array([record.waiting_time for record in records])


OURS = {"compiled loop": Contender(by_loop, 64 * AT_ONCE), "numpy sums": Contender(by_sums, 64 * AT_ONCE)}
STREAM = {"compiled, nothing kept": Contender(by_stream, 64 * AT_ONCE)}
THEIRS = {
    "SimPy, hand-tuned": Contender(tuned_simpy, 200_000),
    "SimPy, idiomatic": Contender(idiomatic_simpy, 100_000),
    "Ciw": Contender(by_ciw, 40_000),
    "SimPy, arrivals known": Contender(foreseeing_simpy, 200_000),
}


def mean_wait(play, n: int) -> stats.Estimate:
    """By batch means, past the jobs that met the queue while it filled."""
    waits = play(n, 1)
    return stats.batch_means(waits[int(WARM_UP_FRAC * waits.size) :])


@pytest.mark.parametrize("simulated", [tuned_simpy, foreseeing_simpy])
def test_waits_are_simpy_s_to_the_last_job(simulated, n: int = 20_000):
    theirs, ours = simulated(n, 3), fifo.waiting_times(*drawn(n, 3)).waits
    # its clock is rounded at each of 40,000 events, to at most 2**-38 at a time of 20,000
    assert theirs.size == ours.size and np.abs(theirs - ours).max() < 2 * n * 2.0**-38


@pytest.mark.parametrize("name", [*OURS, *STREAM, *THEIRS])
def test_means_are_the_same_within_their_errors(name):
    play, n = (OURS | STREAM | THEIRS)[name]
    found = mean_wait(play, n)
    print(f"\n{name}: mean wait {found}, exact {MEAN_WAIT:.4g}")
    assert found.stderr < 0.15 * MEAN_WAIT
    assert abs(found.value - MEAN_WAIT) < found.reach()


def test_speed(rounds: int = ROUNDS):
    """Jobs per CPU second; each of our ways 100 times the hand-tuned SimPy, 300 times the idiomatic one and Ciw."""
    found = rates(OURS | STREAM | THEIRS, rounds=rounds, warm_up=2000)
    show(f"jobs, median of {rounds}, M/M/1 at load {LOAD}", found)
    for theirs in THEIRS:
        ratios = ", ".join(f"{ours} {ratio(found, ours, theirs):.0f}" for ours in OURS | STREAM)
        print(f"  times {theirs}: {ratios}")
    for ours in OURS | STREAM:
        assert ratio(found, ours, "SimPy, hand-tuned") >= 100
        assert ratio(found, ours, "SimPy, idiomatic") >= 300
        assert ratio(found, ours, "Ciw") >= 300
    assert ratio(found, "compiled, nothing kept", "SimPy, arrivals known") >= 100
