"""Benchmark of an accelerator's ring beside SimPy: `make bench`. Both must end together; the ratio is asserted.

    python -m pytest -s tests/benchmarks/test_bench_offload.py

The same worker, ring and servers, written as a user of SimPy would: a process for the worker, one for each request,
a Resource for the servers. SimPy has neither link nor takers, so that the kernel's cost nothing here.
"""

import time
from collections import deque

import numpy as np
import pytest

from nfvlab.kernels import conveyor, offload, pagemap, sealers

simpy = pytest.importorskip("simpy", reason="see tests/benchmarks/requirements.txt")

BUILD, SUBMIT, POLL, PUT, REQUEST, ITEM, LATENCY = 110.0, 300.0, 150.0, 55.0, 500.0, 5460.0, 10_000.0
ITEMS, DEPTH, SERVERS = 4, 64, 4
PAGES, FEW = 2_000_000, 20_000


def by_kernel(pages: int) -> float:
    """When the compiled walk ends."""
    cost = np.zeros(offload.COSTS)
    for name in ("BUILD", "SUBMIT", "POLL", "PUT", "REQUEST", "ITEM", "LATENCY"):
        cost[getattr(offload, name)] = globals()[name]
    cost[offload.SMALLEST_RAW] = cost[offload.WHOLE] = 4096.0
    clock = np.zeros(12)
    offload.walk(
        pagemap.full(pages),
        pagemap.full(pages),
        pagemap.zeros(pages),
        0,
        pages,
        1e18,
        1e18,
        clock,
        np.zeros(1),
        *conveyor.new_pipe(),
        np.array([0.0, 1e18, 0.0, 0.0]),
        np.zeros(SERVERS),
        *offload.new_ring(DEPTH),
        sealers.new_sealers(1),
        np.full((3, 1), 2000.0),
        20.0,
        np.zeros(4, dtype=np.int64),
        cost,
        np.array([ITEMS, DEPTH, 1, 1, 0], dtype=np.int64),
        np.random.default_rng(1),
    )
    return float(clock[conveyor.NOW])


def by_simpy(pages: int) -> float:
    """When SimPy's worker ends."""
    env = simpy.Environment()
    servers, in_flight = simpy.Resource(env, capacity=SERVERS), deque()

    def request(items):
        with servers.request() as free:
            yield free
            yield env.timeout(REQUEST + items * ITEM)
        yield env.timeout(LATENCY)

    def worker():
        for first in range(0, pages, ITEMS):
            while in_flight and (in_flight[0][0].processed or len(in_flight) == DEPTH):
                answer, items = in_flight.popleft()
                if not answer.processed:
                    yield answer
                yield env.timeout(POLL + items * PUT)
            items = min(ITEMS, pages - first)
            yield env.timeout(items * BUILD)
            yield env.timeout(SUBMIT)
            in_flight.append((env.process(request(items)), items))
        while in_flight:
            answer, items = in_flight.popleft()
            if not answer.processed:
                yield answer
            yield env.timeout(POLL + items * PUT)

    env.run(env.process(worker()))
    return env.now


def test_they_end_at_the_same_time():
    assert by_kernel(FEW) == pytest.approx(by_simpy(FEW), rel=1e-9)


def test_the_kernel_is_as_much_faster_as_promised():
    by_kernel(FEW), by_simpy(FEW)  # once, to compile
    rates = []
    for way, pages in ((by_kernel, PAGES), (by_simpy, FEW)):
        begun = time.process_time()
        way(pages)
        rates.append(pages / (time.process_time() - begun))
    print(f"\npages a second: {rates[0]:.3g} compiled, {rates[1]:.3g} SimPy, ratio {rates[0] / rates[1]:.0f}")
    assert rates[0] > 20 * rates[1]
