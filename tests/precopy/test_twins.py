"""Theory against simulation: the scenarios, a random spread that the tolerances were measured on, and mutants."""

import math

import numpy as np
import pytest

from nfvlab import precopy, twin
from nfvlab.kernels import pagemap
from nfvlab.params import ParamError
from nfvlab.precopy import SCENARIOS, Params, migration_thread, page_costs
from nfvlab.precopy.migration_thread import MigrationThread
from nfvlab.units import MB, GiB, ms, s

SEED = 20260729
RUNS = 5


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario(name):
    p = SCENARIOS[name]
    comparison = twin.compare(precopy, p, rng=np.random.default_rng(SEED), n=RUNS)
    assert comparison.ok, comparison


def test_the_scenarios_are_what_they_are_called():
    converged = {name: bool(precopy.analyze(p).converged_frac) for name, p in SCENARIOS.items()}
    assert [name for name, done in converged.items() if not done] == ["not converging"]
    assert precopy.analyze(SCENARIOS["auto-converge"]).course.throttle_frac > 0.2


# -- where the tolerances were measured ---------------------------------------------------------------------------


def spread(rng: np.random.Generator, n: int) -> list[Params]:
    """Scenarios of all patterns, bound by the limiter, the link or the destination, that converge or do not."""
    found = []
    while len(found) < n:
        try:
            found.append(Params(**_draw(rng)))
        except ParamError:
            continue  # the parts do not fit into the guest's memory
    return found


def _draw(rng):
    ram = float(rng.choice([0.25, 0.5, 1, 2])) * GiB
    fields = {
        "ram_bytes": ram,
        "give_up_ns": 30 * s,
        "downtime_limit_ns": 10 ** rng.uniform(1, 3) * ms,
        "speed_cv_frac": float(rng.choice([0, 0.05, 0.15, 0.3])),
        "touched_bytes": rng.uniform(0, 0.4) * ram,
        "touched_content": str(rng.choice(["random", "zero"])),
        "touched_freed": bool(rng.random() < 0.4),
    }
    if rng.random() < 0.85:
        fields |= {
            "wss_bytes": 10 ** rng.uniform(-1.5, -0.3) * ram,
            "write_rate_per_s": 10 ** rng.uniform(2.5, 5.3),
            "pattern": str(rng.choice(["uniform", "sequential", "hot", "zipf"])),
            "hot_pages_frac": rng.uniform(0.02, 0.5),
            "hot_visits_frac": rng.uniform(0.5, 0.99),
            "zipf_exponent": rng.uniform(0.5, 1.4),
        }
    if rng.random() < 0.4:
        fields["max_bandwidth_bytes_per_s"] = 10 ** rng.uniform(7.7, 9.3)
    if rng.random() < 0.4:
        fields |= {
            "link_bytes_per_s": 10 ** rng.uniform(7.7, 9.3),
            "link_cv_frac": float(rng.choice([0, 0.15])),
        }
    elif rng.random() < 0.5:
        fields |= {"link_bytes_per_s": 1e13, "first_touch_ns": 10 ** rng.uniform(3, 4.3), "again_ns": 3000.0}
    if rng.random() < 0.25:
        fields |= {"auto_converge": True, "throttle_sync_ns": float(rng.choice([0, 1, 5])) * s}
    if rng.random() < 0.15:
        fields["avail_switchover_bytes_per_s"] = 10 ** rng.uniform(7.5, 9.5)
    return fields


def test_random_scenarios():
    """99 of 100 scenarios hold all their claims; where chance decides on convergence, one in some hundred does not."""
    rng = np.random.default_rng(SEED)
    broken, rows = [], []
    for p in spread(rng, 120):
        comparison = twin.compare(precopy, p, rng=rng, n=4)
        rows += comparison.rows
        broken += [] if comparison.ok else [comparison]
    assert len(broken) <= 1, broken
    errors = {}
    for row in rows:
        if not math.isnan(row.monte_carlo):
            errors.setdefault(row.field, []).append(
                abs(row.theory - row.monte_carlo) / max(row.monte_carlo, 1)
            )
    assert np.median(errors["transferred_bytes"]) < 1e-3
    assert np.median(errors["total_time_ns"]) < 0.01
    assert np.quantile(errors["transferred_bytes"], 0.9) < 0.01
    assert np.quantile(errors["total_time_ns"], 0.9) < 0.05
    assert np.mean(errors["converged_frac"]) < 0.01
    assert np.quantile(errors["dirty_sync_count"], 0.9) < 0.2
    assert np.median(errors["downtime_ns"]) < 0.12


# -- mutants of the simulation ------------------------------------------------------------------------------------

IDLE = Params(ram_bytes=1 * GiB)
SERVER = Params(
    ram_bytes=2 * GiB,
    touched_bytes=0.5 * GiB,
    wss_bytes=0.5 * GiB,
    write_rate_per_s=3e4,
    max_bandwidth_bytes_per_s=200 * MB,
)


def fails(p):
    """The outputs whose claims the (mutated) simulation breaks."""
    comparison = twin.compare(precopy, p, rng=np.random.default_rng(SEED), n=RUNS)
    return {row.field for row in comparison.failures}


def test_the_simulation_itself_is_not_rejected():
    assert not fails(IDLE)
    assert not fails(SERVER)


def test_mutant_dirty_log_started_late(monkeypatch):
    """Logging that starts with the first synchronisation after the first pass loses what was written before."""
    sync = MigrationThread.bitmap_sync

    def late(thread):
        if thread.totals.dirty_sync_count == 1:
            thread.guest.dirty_log[:] = 0
        sync(thread)

    monkeypatch.setattr(MigrationThread, "bitmap_sync", late)
    assert {"transferred_bytes", "normal_pages"} <= fails(SERVER)


def test_mutant_threshold_in_bits(monkeypatch):
    """A threshold eight times too large stops the guest eight times too early."""
    update = MigrationThread.update_counters

    def in_bits(thread):
        windows = len(thread.timeline)
        update(thread)
        if len(thread.timeline) > windows:
            thread.threshold_bytes *= 8

    monkeypatch.setattr(MigrationThread, "update_counters", in_bits)
    assert {"downtime_ns", "pause_ns"} <= fails(SERVER)


def test_mutant_remainder_dropped_at_a_sync(monkeypatch):
    """A bitmap that is overwritten by the dirty log, not merged with it, forgets what was still to be sent."""
    sync = MigrationThread.bitmap_sync

    def forgetful(thread):
        if thread.totals.dirty_sync_count:
            thread.bitmap[:] = pagemap.zeros(thread.pages)
            thread.left = 0
        sync(thread)

    monkeypatch.setattr(MigrationThread, "bitmap_sync", forgetful)
    assert {"normal_pages", "duplicate_pages"} & fails(IDLE)
    assert "normal_pages" in fails(SERVER)


def test_mutant_pages_without_header(monkeypatch):
    """4096 bytes for a page on the wire instead of 8 + 4096: two in a thousand."""
    sizes = page_costs.SIZES - [0, 8, 8]
    monkeypatch.setattr(page_costs, "SIZES", sizes)
    monkeypatch.setattr(migration_thread, "SIZES", sizes)
    assert fails(IDLE) == {"transferred_bytes"}


def test_mutant_unused_budget_is_carried_over(monkeypatch):
    """A token bucket instead of windows: after the zero pages, the budget they left lets the rest through at once."""
    start = MigrationThread.start_window

    def bucket(thread):
        saved = max(thread.rate_limit_bytes - thread.rate_limit_used, 0.0) if thread.now_ns else 0.0
        debt = getattr(thread, "saved", 0.0)
        start(thread)
        thread.saved = min(saved + debt, 100 * thread.rate_limit_bytes)
        thread.rate_limit_used = -thread.saved

    monkeypatch.setattr(MigrationThread, "start_window", bucket)
    slow = Params(ram_bytes=8 * GiB, max_bandwidth_bytes_per_s=20 * MB)
    assert "total_time_ns" in fails(slow)


def test_mutant_sync_without_need(monkeypatch):
    """Merging the log before each iteration, not only below the threshold, counts many more syncs."""
    run = MigrationThread.iteration_run

    def eager(thread):
        thread.bitmap_sync()
        return run(thread)

    monkeypatch.setattr(MigrationThread, "iteration_run", eager)
    assert "dirty_sync_count" in fails(SERVER)
