"""Benchmarks of the shared cache beside libCacheSim and pycachesim: `make bench`. Times are printed, never asserted."""

import os

import numpy as np
import pytest
from benchmarks.timing import Contender, race, show

from nfvlab.kernels import contend, setassoc

cachesim = pytest.importorskip("cachesim", reason="see tests/benchmarks/requirements.txt")
libcachesim = pytest.importorskip("libcachesim", reason="see tests/benchmarks/requirements.txt")

SETS, WAYS = 4096, 20  # 5 MiB
LINES = SETS * WAYS
OVERLAPPING = ((0xFF000, 0xF0000), (0x0FF00, 0x0F000), (0x003FF, 0x000FF), (0xFFFFF, 0x0000F))
EVERYTHING = (((1 << WAYS) - 1,) * 2,)
RECORD = np.dtype([("time", "<u4"), ("object", "<u8"), ("size", "<u4"), ("next", "<i8")])


def rng():
    """The same draws for every contender."""
    return np.random.default_rng(1)


def zipf(exponent: float, lines: int, n: int) -> np.ndarray:
    """Addresses by Zipf's law, the ranks scattered over the lines."""
    weights = np.cumsum(np.arange(1.0, lines + 1) ** -exponent)
    ranks = np.searchsorted(weights / weights[-1], rng().random(n))
    return rng().permutation(lines).astype(np.uint64)[ranks] * np.uint64(64)


def streams(n: int) -> dict[str, np.ndarray]:
    """Addresses that hit often, less often, by half, and nearly always."""
    return {
        "Zipf 1.0 over 1 M lines": zipf(1.0, 1 << 20, n),
        "Zipf 0.8 over 1 M lines": zipf(0.8, 1 << 20, n),
        "uniform over twice the cache": zipf(0.0, 2 * LINES, n),
        "uniform over 0.8 of the cache": zipf(0.0, LINES * 4 // 5, n),
    }


def mixture(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Classes, four of them, and kinds: a fifth code, 3 in 10 writes."""
    draw = rng()
    return draw.integers(0, 4, n).astype(np.uint8), (draw.random(n) < 0.2) + 2 * (draw.random(n) < 0.3)


def shared(address, class_id, kind, masks, *, sets=SETS, ways=WAYS, threads=1):
    """Accesses to our cache, empty before."""
    cache = setassoc.empty(sets, ways, len(masks))
    return setassoc.access(cache, address, class_id, kind, masks, range(len(masks)), threads=threads)


def alone(address, *, sets=SETS, ways=WAYS):
    """Reads by one class that may use all of our cache."""
    zeros = np.zeros(address.size, dtype=np.uint8)
    return shared(address, zeros, zeros, [((1 << ways) - 1,) * 2], sets=sets, ways=ways)


def python_cache(sets: int, ways: int):
    """pycachesim's cache of true LRU before a memory, and what accesses it."""
    memory, cache = cachesim.MainMemory(), cachesim.Cache("L3", sets, ways, 64, "LRU")
    memory.load_to(cache)
    memory.store_from(cache)
    return cache, cachesim.CacheSimulator(cache, memory)


def reader(address, folder):
    """The lines as a trace that libCacheSim reads in C, objects of size 1."""
    records = np.zeros(address.size, dtype=RECORD)
    records["object"], records["size"], records["next"] = address // np.uint64(64) + np.uint64(1), 1, -2
    path = folder / "trace.bin"
    records.tofile(path)
    return libcachesim.TraceReader(str(path), libcachesim.TraceType.ORACLE_GENERAL_TRACE)


def fully_associative(made) -> int:
    """Misses of libCacheSim's LRU on a trace."""
    lru, trace = made
    trace.reset()
    return round(lru.process_trace(trace)[0] * trace.get_num_of_req())


@pytest.mark.parametrize(("sets", "ways"), [(4096, 20), (1024, 16), (64, 11), (1, 32), (512, 1)])
def test_hits_are_those_of_pycachesim_to_the_last_access(sets, ways):
    for name, address in streams(200_000).items():
        cache, simulator = python_cache(sets, ways)
        simulator.load(address.tolist())
        counts, theirs = alone(address, sets=sets, ways=ways), cache.stats()
        assert (counts.hits.sum(), counts.misses.sum()) == (theirs["HIT_count"], theirs["MISS_count"]), name


def test_write_backs_are_those_of_pycachesim():
    """Its stores do not make a line recent, so here every line is read before it is written to."""
    address, written = zipf(0.8, 1 << 14, 60_000), rng().random(60_000) < 0.3
    cache, simulator = python_cache(64, 20)
    simulator.loadstore(
        [((a,), (a,) if w else ()) for a, w in zip(address.tolist(), written, strict=True)], length=1
    )
    twice = np.repeat(address, 1 + written)
    kind = np.zeros(twice.size, dtype=np.uint8)
    kind[(np.cumsum(1 + written) - 1)[written]] = setassoc.WRITE
    counts = shared(twice, 0 * kind, kind, EVERYTHING, sets=64)
    assert counts.write_backs.sum() == cache.stats()["EVICT_count"] > 0
    assert counts.misses.sum() == cache.stats()["MISS_count"]


@pytest.mark.parametrize("ways", [1, 7, 20, 32])
def test_misses_are_those_of_libcachesim_set_by_set(ways, tmp_path):
    """A set is a fully associative cache of its own."""
    sets = 8
    address = zipf(0.9, 4096, 100_000)
    misses = []
    for s in range(sets):
        own = address[address // np.uint64(64) % np.uint64(sets) == s]
        misses.append(fully_associative((libcachesim.LRU(cache_size=ways), reader(own, tmp_path))))
        assert misses[-1] == alone(own, sets=1, ways=ways).misses.sum()
    assert sum(misses) == alone(address, sets=sets, ways=ways).misses.sum()


def test_speed(tmp_path, n: int = 2_000_000, rounds: int = 5):
    """Four overlapping classes, code and data apart (target: 25 M/s, a sixth of libCacheSim's time)."""
    class_id, kind = mixture(n)
    cores = os.cpu_count() or 1
    for name, address in streams(n).items():
        trace, as_list = reader(address, tmp_path), address.tolist()
        contenders = {
            "4 overlapping classes": Contender(lambda _, a=address: shared(a, class_id, kind, OVERLAPPING)),
            f"the same, {cores} threads": Contender(
                lambda _, a=address: shared(a, class_id, kind, OVERLAPPING, threads=cores)
            ),
            "1 class, all ways, reads": Contender(lambda _, a=address: alone(a)),
            "libCacheSim's LRU, no sets": Contender(
                fully_associative, lambda trace=trace: (libcachesim.LRU(cache_size=LINES), trace)
            ),
            "the same, its hash table smaller": Contender(  # 2**24 by default; about the cache's size is fastest
                fully_associative,
                lambda trace=trace: (libcachesim.LRU(cache_size=LINES, hashpower=18), trace),
            ),
            "pycachesim, reads from a list": Contender(
                lambda made, a=as_list: made[1].load(a), lambda: python_cache(SETS, WAYS)
            ),
        }
        hits = shared(address, class_id, kind, OVERLAPPING).hits.sum() / n
        assert alone(address).hits.sum() > 0
        seconds = race(contenders, rounds=rounds)
        show(f"{name}, hit ratio {hits:.2f}; load {os.getloadavg()[0]:.1f}", seconds, items=n)
        print("  M/s: " + ", ".join(f"{n / value / 1e6:.1f}" for value in seconds.values()))


def test_speed_of_agents_with_clocks(n: int = 500_000, rounds: int = 7):
    """The same four streams, an agent and a class each, on one cache and one channel (target: 8 M/s)."""
    kind = mixture(n)[1]

    def prepare():
        agents = contend.idle(range(4), 10.0, 4.0, capacity=n)
        for a, address in enumerate(streams(n).values()):
            contend.refill(agents, a, address, kind, np.full(n, 5.0))
        return setassoc.empty(SETS, WAYS, 4), agents, contend.channel(90.0, 3.0)

    made = prepare()
    contend.run(*made, OVERLAPPING, range(4), np.inf)
    done = int(made[1].position.sum())
    run = Contender(lambda made: contend.run(*made, OVERLAPPING, range(4), np.inf, 1e5), prepare)
    seconds = race({"4 agents": run}, rounds=rounds)
    show(f"agents with clocks; load {os.getloadavg()[0]:.1f}", seconds, items=done)
    print(f"  M/s: {done / seconds['4 agents'] / 1e6:.1f}")
