"""Benchmarks of whole miss-ratio curves beside libCacheSim and pycachesim: `make bench`. Times are printed only."""

import os

import numpy as np
import pytest
from benchmarks.test_bench_setassoc import fully_associative, reader
from benchmarks.timing import Contender, race, show

from nfvlab.kernels import reuse, reusetime, shards, zipf
from nfvlab.kernels.stackdist import stack_distances
from nfvlab.llc import streams
from nfvlab.llc.params import WORKLOADS, Tenant
from nfvlab.units import GiB

cachesim = pytest.importorskip("cachesim", reason="see tests/benchmarks/requirements.txt")
libcachesim = pytest.importorskip("libcachesim", reason="see tests/benchmarks/requirements.txt")

LINES = 1_000_000
LINE_BYTES = np.uint64(64)


def rng():
    """The same draws for every contender."""
    return np.random.default_rng(1)


def traces(n: int, lines: int = LINES) -> dict[str, np.ndarray]:
    """Line addresses, every line at least once."""
    draw = rng()
    order = draw.permutation(lines).astype(np.uint64)
    tail = n - lines
    return {
        "Zipf 1.0": np.append(order, order[zipf.draws(tail, zipf.law(lines, 1.0), draw)]),
        "Zipf 0.8": np.append(order, order[zipf.draws(tail, zipf.law(lines, 0.8), draw)]),
        "uniform": np.append(order, order[draw.integers(0, lines, tail)]),
        "scan": np.tile(order, -(-n // lines))[:n],
    }


def lru(lines: int):
    """libCacheSim's LRU with a table of about its size, which is its fastest."""
    return libcachesim.LRU(cache_size=lines, hashpower=max(10, lines.bit_length()))


@pytest.mark.parametrize("name", list(traces(200, 100)))
def test_misses_are_those_of_libcachesim_to_the_last_access(name, tmp_path):
    lines = traces(300_000, 30_000)[name]
    sizes = [1, 2, 100, 3000, 15_000, 29_999, 30_000, 60_000]
    trace = reader(lines * LINE_BYTES, tmp_path)
    theirs = [fully_associative((lru(size), trace)) for size in sizes]
    assert stack_distances(lines).misses(sizes).tolist() == theirs


@pytest.mark.parametrize("name", list(traces(200, 100)))
def test_misses_are_those_of_pycachesim(name):
    lines = traces(40_000, 500)[name]
    for size in (1, 16, 100, 499):
        memory, cache = cachesim.MainMemory(), cachesim.Cache("L3", 1, size, 64, "LRU")
        memory.load_to(cache)
        memory.store_from(cache)
        simulator = cachesim.CacheSimulator(cache, memory)
        simulator.load((lines * LINE_BYTES).tolist())
        assert stack_distances(lines).misses(size).tolist() == [cache.stats()["MISS_count"]]


def test_speed(tmp_path, n: int = 6_000_000, rounds: int = 5):
    """The whole curve over 1 M lines (target: 5 M accesses/s); theirs gives one point of it a run."""
    for name, lines in traces(n).items():
        trace = reader(lines * LINE_BYTES, tmp_path)
        contenders = {
            "stack distances, all sizes": Contender(lambda _, t=lines: stack_distances(t)),
            "reuse times, StatStack": Contender(lambda _, t=lines: reuse.statstack(reusetime.reuse_times(t))),
            "SHARDS at 1 %": Contender(lambda _, t=lines: shards.sample_at_rate(t, 0.01, rng())),
            "SHARDS of 8192 lines": Contender(lambda _, t=lines: shards.sample_of_size(t, 8192, rng())),
        }
        for size in (10_000, 100_000, 500_000):
            contenders[f"libCacheSim, LRU of {size:,}"] = Contender(
                fully_associative, lambda trace=trace, size=size: (lru(size), trace)
            )
        seconds = race(contenders, rounds=rounds)
        show(f"{name}, {LINES:,} lines; load {os.getloadavg()[0]:.1f}", seconds, items=n)
        print("  M/s: " + ", ".join(f"{n / value / 1e6:.1f}" for value in seconds.values()))
        sizes = np.array([1000, 10_000, 100_000, 300_000, 500_000, 900_000])
        exact = stack_distances(lines).miss_ratio(sizes)
        for label, found in {
            "StatStack": reuse.statstack(reusetime.reuse_times(lines)).miss_ratio(sizes),
            "HOTL": reuse.hotl(reusetime.reuse_times(lines)).miss_ratio(sizes),
            "SHARDS at 1 %": shards.sample_at_rate(lines, 0.01, rng()).miss_ratio(sizes),
            "SHARDS of 8192": shards.sample_of_size(lines, 8192, rng()).miss_ratio(sizes),
        }.items():
            print(f"  largest error of {label} at six sizes: {np.abs(found - exact).max():.4f}")


def test_speed_of_streams(n: int = 200_000, rounds: int = 15):
    """Drawing the workloads' references (target: 20 M/s for the simple ones), beside numpy's own choice by weights."""
    tenants = {name: Tenant(workload=name, code_frac=0.2) for name in WORKLOADS}
    tenants["zipf, data only"] = Tenant(write_frac=0.0)
    tenants["scan, data only"] = Tenant(workload="scan", write_frac=0.0)
    tenants["zipf, 64 GiB"] = Tenant(data_bytes=64 * GiB)
    tenants["chase, 64 GiB"] = Tenant(workload="chase", data_bytes=64 * GiB)
    made = streams.of_tenants(list(tenants.values()), rng())
    contenders = {
        name: Contender(lambda _, s=stream: s.take(n)) for name, stream in zip(tenants, made, strict=True)
    }
    share = np.arange(1, (1 << 17) + 1) ** -0.8
    share, generator = share / share.sum(), rng()
    contenders["numpy choice, 131,072 lines"] = Contender(
        lambda _: generator.choice(share.size, size=n, p=share)
    )
    seconds = race(contenders, rounds=rounds)
    show(f"references of streams; load {os.getloadavg()[0]:.1f}", seconds, items=n)
    print("  M/s: " + ", ".join(f"{n / value / 1e6:.1f}" for value in seconds.values()))
