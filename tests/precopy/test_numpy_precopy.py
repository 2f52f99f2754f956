"""The engine against the same rules written in plain numpy, and a small run of the benchmarks."""

import numpy as np
import pytest
from bare_migration import scenario
from benchmarks import test_bench_precopy as bench
from benchmarks.numpy_precopy import NumpyMigration

from nfvlab.precopy.simulation import migrate
from nfvlab.units import MB, GiB, MiB

BOOT = {"boot_low_pages": 700, "boot_stale_pages": 300, "boot_middle_pages": 1000, "boot_top_pages": 100}


@pytest.mark.parametrize("pattern", ["uniform", "sequential"])
@pytest.mark.parametrize("limit", [20 * MB, 21.7 * MB, 60 * MB])
@pytest.mark.parametrize(
    "touched", [{}, {"touched_bytes": 20 * MiB}, {"touched_bytes": 9 * MiB, "touched_content": "zero"}]
)
def test_totals_are_the_same_for_the_same_generator(pattern, limit, touched):
    p = scenario(
        wss_bytes=12 * MiB,
        write_rate_per_s=2000,
        pattern=pattern,
        max_bandwidth_bytes_per_s=limit,
        socket_bytes=1 * GiB,
        **BOOT,
        **touched,
    )
    t = migrate(p, np.random.default_rng(1)).totals
    n = NumpyMigration(p, np.random.default_rng(1)).run()
    assert t.converged
    assert (n.normal, n.duplicate, n.syncs) == (t.normal_pages, t.duplicate_pages, t.dirty_sync_count)
    assert (n.transferred, n.downtime_bytes) == (t.transferred_bytes, t.downtime_bytes)
    assert n.now_ns == t.stopped_at_ns


def test_the_benchmarks_run(capsys):
    bench.migration(ram_bytes=64 * MiB, rounds=1)
    bench.linear(sizes=(64 * MiB, 128 * MiB), rounds=1)
    bench.kernels(pages=10_000, rounds=1)
    assert bench.large(ram_bytes=256 * MiB)["growth_bytes"] >= 0
    assert capsys.readouterr().out.count("x ") >= 6
