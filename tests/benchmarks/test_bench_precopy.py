"""Benchmarks of the pre-copy engine beside plain numpy: `make bench`. Times are printed, never asserted."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from bare_migration import scenario
from benchmarks.numpy_precopy import NumpyMigration
from benchmarks.timing import Contender, race, show

from nfvlab.kernels import pagemap, pipe, writes
from nfvlab.precopy.params import Params, ram_pages
from nfvlab.precopy.simulation import migrate
from nfvlab.units import Gbps, GiB, MiB, TiB, ms

SIZES = np.array([9.0, 4104.0, 4104.0])


def ten_rounds(ram_bytes: float, bytes_per_s: float = 10 * Gbps, **fields) -> Params:
    """7/8 of the memory is filled; a quarter of it is written to at two thirds of the sender's rate."""
    visits_per_s = bytes_per_s / 4104 * 2 / 3
    workload = {
        "touched_bytes": ram_bytes * 5 / 8,
        "wss_bytes": ram_bytes / 4,
        "write_rate_per_s": visits_per_s,
    }
    downtime_ns = (
        10 * ms * (ram_bytes / (8 * GiB)) / (bytes_per_s / (10 * Gbps))
    )  # the same share of the memory
    limits = {"max_bandwidth_bytes_per_s": bytes_per_s, "downtime_limit_ns": max(downtime_ns, 1 * ms)}
    limits |= {"socket_bytes": 1 * GiB, "visit_ns": 0.0}  # the sender never waits, the writer never tires
    return scenario(**({"ram_bytes": ram_bytes} | workload | limits | fields))


def on_hosts(p: Params) -> Params:
    """The same on hosts that take time, and vary."""
    costs = {"send_ns": 200.0, "first_touch_ns": 200.0, "again_ns": 100.0, "zero_scan_ns": 100.0}
    return p.replace(**costs, speed_cv_frac=0.05, sync_ns=1 * ms, wakeup_ns=0.1 * ms)


def rng():
    """The same draws for every contender."""
    return np.random.default_rng(1)


def migration(ram_bytes: float = 8 * GiB, rounds: int = 7) -> None:
    """A migration of 8 GiB in ten rounds (target: 0.1 s)."""
    p = ten_rounds(ram_bytes)
    t, n = migrate(p, rng()).totals, NumpyMigration(p, rng()).run()
    assert (n.normal, n.duplicate, n.syncs) == (t.normal_pages, t.duplicate_pages, t.dirty_sync_count)
    assert n.transferred == t.transferred_bytes
    contenders = {
        "engine": Contender(lambda _: migrate(p, rng())),
        "engine, hosts that take time": Contender(lambda _: migrate(on_hosts(p), rng())),
        "numpy, bytes and nonzero": Contender(lambda _: NumpyMigration(p, rng()).run()),
    }
    pages = t.normal_pages + t.duplicate_pages
    title = (
        f"{ram_bytes / GiB:g} GiB, {ram_pages(p):,} pages, {t.dirty_sync_count} syncs, {pages:,} pages sent"
    )
    show(title, race(contenders, rounds=rounds), items=pages)


def linear(sizes=(2 * GiB, 4 * GiB, 8 * GiB, 16 * GiB, 32 * GiB), rounds: int = 5) -> None:
    """Time over the number of pages sent."""
    sent, contenders = [], {}
    for size in sizes:
        p = on_hosts(ten_rounds(size))
        t = migrate(p, rng()).totals
        sent.append(t.normal_pages + t.duplicate_pages)
        contenders[f"{size / GiB:g} GiB, {sent[-1]:,} pages"] = Contender(lambda _, p=p: migrate(p, rng()))
    seconds = race(contenders, rounds=rounds)
    show("time by pages sent", seconds)
    per_page = [value / pages * 1e9 for value, pages in zip(seconds.values(), sent, strict=True)]
    print("  ns per page sent: " + ", ".join(f"{value:.1f}" for value in per_page))


def kernels(pages: int = 2 * MiB, rounds: int = 15) -> None:
    """The loops one by one, half of the pages dirty, half of them zero."""
    half, heavy = (rng().random((2, pages)) < 0.5).astype(bool)
    packed = [
        np.packbits(np.pad(a, (0, -pages % 64)), bitorder="little").view(np.uint64) for a in (half, heavy)
    ]
    left, none, free = int(half.sum()), pagemap.zeros(pages), np.zeros(3)

    def walk(made):
        todo, seen = made
        budgets = (np.inf, np.inf, np.zeros(3), *pipe.new_ring(), 4e6, SIZES, free, free, free)
        return pipe.walk(todo, packed[1], seen, 0, left, *budgets)

    def numpy_walk(made):
        dirty, seen = made
        order = np.nonzero(dirty)[0]
        kinds = np.where(heavy[order], np.where(seen[order], 2, 1), 0)
        dirty[order] = False
        seen[order[kinds > 0]] = True
        return np.bincount(kinds, minlength=3), SIZES[kinds].sum()

    made = {
        "walk": Contender(walk, lambda: (packed[0].copy(), none.copy())),
        "numpy, nonzero and fancy indexing": Contender(
            numpy_walk, lambda: (half.copy(), np.zeros(pages, dtype=bool))
        ),
    }
    assert (walk(made["walk"].prepare())[0] == numpy_walk(made[list(made)[1]].prepare())[0]).all()
    show(f"walk over {pages:,} pages, {left:,} dirty", race(made, rounds=rounds), items=left)
    merge = {
        "absorb": Contender(lambda a: pagemap.absorb(*a), lambda: (packed[0].copy(), packed[1].copy())),
        "numpy, bool arrays": Contender(
            lambda a: (np.count_nonzero(a[1] & ~a[0]), np.logical_or(*a, out=a[0]), a[1].fill(False)),
            lambda: (half.copy(), heavy.copy()),
        ),
    }
    show("merge of the dirty log", race(merge, rounds=rounds), items=pages)
    visits = pages // 4
    visit = {
        "visit_uniform": Contender(
            lambda a: writes.visit_uniform(*a, 0, pages, visits, rng()), lambda: (none.copy(), none.copy())
        ),
        "numpy, fancy indexing": Contender(
            lambda a: [b.__setitem__((rng().random(visits) * pages).astype(np.int64), True) for b in a],
            lambda: (np.zeros(pages, dtype=bool), np.zeros(pages, dtype=bool)),
        ),
    }
    show(f"{visits:,} uniform visits", race(visit, rounds=rounds), items=visits)


LARGE = """
import json, re, sys, time
sys.path[:0] = sys.argv[2:]
from benchmarks import test_bench_precopy as bench
peak = lambda: 1024 * int(re.search(r"VmHWM:\\s*(\\d+)", open("/proc/self/status").read())[1])
large, small = (bench.on_hosts(bench.ten_rounds(ram, 1.25e10)) for ram in (float(sys.argv[1]), 2**28))
bench.migrate(small, bench.rng())
before, start, used = peak(), time.perf_counter(), time.process_time()
t = bench.migrate(large, bench.rng()).totals
print(json.dumps({"seconds": time.perf_counter() - start, "cpu_seconds": time.process_time() - used,
                  "growth_bytes": peak() - before,
                  "syncs": t.dirty_sync_count, "converged": t.converged, "pages": t.normal_pages + t.duplicate_pages}))
"""


def large(ram_bytes: float = 1 * TiB) -> dict[str, float]:
    """One large guest in a process of its own: seconds, and growth of the process's peak memory."""
    here = str(Path(__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", LARGE, str(ram_bytes), here], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_migration_of_8_gib():
    migration()


def test_time_is_linear_in_pages():
    linear()


def test_kernels():
    kernels()


def test_1_tib_in_1_gib_of_memory():
    found = large()
    print(f"\n1 TiB, 268 M pages, {found['syncs']} syncs, {found['pages']:,} pages sent")
    print(f"  {found['seconds']:.1f} s, {found['cpu_seconds']:.1f} s of CPU (target 10 s)")
    print(f"  peak memory + {found['growth_bytes'] / MiB:.0f} MiB (target 1024)")
    assert found["converged"]
    assert found["growth_bytes"] <= 1 * GiB
