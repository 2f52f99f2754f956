"""The Monte Carlo of monitoring: readings against true traffic, limbo on the exact cache, errors and infinities."""

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from strategies import typical

from nfvlab import montecarlo
from nfvlab.cmt import departure, simulation
from nfvlab.cmt.departure import depart
from nfvlab.cmt.params import OUTPUTS, PER_TENANT, Params, Tenant
from nfvlab.cmt.scenarios import SCENARIOS
from nfvlab.llc.engine import Engine
from nfvlab.units import KiB, ms, s, us

SMALL = Params(
    cache_sets=64,
    cache_ways=8,
    io_mask=0xC0,
    warmup_ns=200 * us,
    measured_ns=400 * us,
    sample_ns=50 * us,
    upscale_bytes=64,
    threshold_bytes=1 * KiB,
    tenants=(
        Tenant(workload="packets", data_bytes=16 * KiB, ring_count=64, data_mask=0x3F),
        Tenant(workload="scan", data_bytes=512 * KiB, data_mask=0xFF, remote_frac=0.3, parallelism_ratio=2.0),
        Tenant(workload="zipf", data_bytes=64 * KiB, data_mask=0xFF),
    ),
)
ALONE = Tenant(workload="chase", data_bytes=16 * KiB, data_mask=0xFF)


def rng(seed=3):
    return np.random.default_rng(seed)


def simulate(p=SMALL, n=4, seed=3):
    return simulation.simulate(p, rng=rng(seed), n=n)


@pytest.fixture(scope="module")
def samples():
    return simulate(n=6)


def test_one_row_a_replication_and_one_column_an_output(samples):
    assert {name.partition("[")[0] for name in samples.estimate()} == set(OUTPUTS)
    assert samples.totals.shape == (6, len(PER_TENANT) * 3 + 5)
    assert samples.read_ns.shape == (6, 8) and samples.total_per_s.shape == (6, 8, 3)
    assert samples.occupancy_bytes.shape == (6, 160, 4)
    assert samples.decay_bytes.shape == samples.decay_ns.shape


def test_a_counter_of_single_lines_tells_the_traffic(samples):
    for k in range(3):
        line = 64 / (8 * 50e-6)  # one unit more or less in the whole time
        true, total = samples.values(f"bandwidth_bytes_per_s[{k}]"), samples.values(f"total_bytes_per_s[{k}]")
        assert (np.abs(true - total) <= line * 1.001).all() and true.min() > 0
        assert np.allclose(samples.true_per_s[:, :, k].mean(axis=1), true)
        local = samples.values(f"local_bytes_per_s[{k}]")
        if k != 1:
            assert (np.abs(local - total) <= 2 * line).all()
    share = (
        samples.estimate()["local_bytes_per_s[1]"].value / samples.estimate()["total_bytes_per_s[1]"].value
    )
    assert share == pytest.approx(0.7, abs=4 * math.sqrt(0.21 / (128 * 6)))  # 128 pages a replication


def test_a_reading_is_a_multiple_of_the_unit_below_the_occupancy():
    p = SMALL.replace(upscale_bytes=1 * KiB)
    seen = simulate(p, n=2)
    assert (seen.readings_bytes % (1 * KiB) == 0).all()
    lines = Engine(p, p.tenants, rng().spawn(2)[0].spawn(4)[0], remote_fracs=[0.0, 0.3, 0.0])
    for k, at in enumerate(seen.read_ns[0]):
        lines.run(at)
        assert (lines.lines()[:3] * 64 // 1024 * 1024 == seen.readings_bytes[0, k]).all()


def test_a_part_that_miscounts():
    # RMIDs 159, 160, 161 on 22 cores: those above 159 count 1 / 1.454334 of the traffic
    wrong, right = (
        simulate(SMALL.replace(part_cores=22, first_rmid_count=159, corrected=corrected)).estimate()
        for corrected in (False, True)
    )
    for k, factor in enumerate((1.0, 1.454334, 1.454334)):
        true = wrong[f"bandwidth_bytes_per_s[{k}]"].value
        assert wrong[f"total_bytes_per_s[{k}]"].value == pytest.approx(true / factor, rel=1e-3)
        assert right[f"total_bytes_per_s[{k}]"].value == pytest.approx(true, rel=1e-3)
    assert wrong["rate_error_frac[1]"].value == pytest.approx(1 - 1 / 1.454334, rel=0.01)


def test_a_narrow_counter_is_short_by_whole_turns():
    bits = 6
    seen = simulate(SMALL.replace(counter_bits=bits))
    turns = (seen.true_per_s - seen.total_per_s) * 50e-6 / (2**bits * 64)
    assert np.abs(turns - np.round(turns)).max() <= 1.001 / 2**bits  # and a unit of the lattice
    assert np.round(turns).min() >= 0 and np.round(turns[:, :, 1]).min() >= 1
    # 64 units of 64 bytes at 40 GB/s
    assert seen.estimate()["longest_interval_ns"].value == pytest.approx(4096 / 40)


def test_coarse_units_make_short_readings_noisy():
    coarse = SMALL.replace(upscale_bytes=64 * KiB)
    seen = simulate(coarse, n=20)
    estimates, unit = seen.estimate(), 64 * KiB / 50e-6
    for k in range(3):
        true = estimates[f"bandwidth_bytes_per_s[{k}]"].value
        total = estimates[f"total_bytes_per_s[{k}]"]
        assert abs(total.value - true) <= total.reach(4)
        # of a steady rate of f units in a reading, rest r: units or one more, mean square r (1 - r)
        rest = true / unit % 1
        assert estimates[f"rate_error_frac[{k}]"].value * true / unit == pytest.approx(
            math.sqrt(rest * (1 - rest)), rel=0.25
        )


def test_no_traffic_no_error_of_its_rate():
    quiet = SMALL.replace(tenants=(ALONE.replace(data_bytes=1 * KiB),))
    estimates = simulate(quiet, n=2).estimate()
    assert estimates["bandwidth_bytes_per_s[0]"].value == 0
    assert math.isnan(estimates["rate_error_frac[0]"].value)


def test_an_rmid_waits_for_its_lines_and_for_the_check(samples):
    estimates = samples.estimate()
    # The scan fills 512 lines in 40 us; a check each second: half a second on average, and nothing left then
    wait = estimates["clean_wait_ns"]
    assert abs(wait.value - 0.5 * s) <= wait.reach(4) and wait.value > 0.3 * s
    assert estimates["stale_bytes"].value < 64
    often = simulate(SMALL.replace(check_ns=1 * us)).estimate()
    levels, times = samples.decay_bytes[0], samples.decay_ns[0]
    below = times[np.flatnonzero(levels < 1 * KiB)[0]]
    assert 0.5 * below < often["clean_wait_ns"].value < 2 * below
    assert 0 < often["stale_bytes"].value < 1 * KiB
    assert (np.diff(levels[~np.isnan(levels)]) <= 0).all() and levels[0] > 1 * KiB


def test_a_higher_threshold_is_met_sooner_and_none_is_met_never():
    p = SMALL.replace(check_ns=1 * us)
    waits = [
        simulate(p.replace(threshold_bytes=float(size))).estimate()["clean_wait_ns"].value
        for size in (64, 1 * KiB, 2 * KiB, 1024 * KiB)
    ]
    assert waits == sorted(waits, reverse=True) and len(set(waits)) == 4
    assert waits[-1] == pytest.approx(0.5 * us, rel=0.2)  # clean at once: only the check is waited for
    none = simulate(SMALL.replace(threshold_bytes=63.0)).estimate()  # below a unit: the kernel makes 0 of it
    assert none["clean_wait_ns"].value == math.inf and math.isnan(none["stale_bytes"].value)


@pytest.mark.parametrize(
    "others",
    [
        (),  # nobody is left
        (ALONE.replace(data_bytes=4 * KiB),),  # it fits beside what was left
        (ALONE.replace(data_bytes=512 * KiB, data_mask=0x0F),),  # it may not fill those ways
    ],
)
def test_lines_that_nobody_needs_to_evict_stay_for_ever(others):
    p = SMALL.replace(tenants=(ALONE.replace(data_mask=0xF0), *others))
    estimates = simulate(p, n=2).estimate()
    assert estimates["clean_wait_ns"].value == math.inf and estimates["clean_wait_ns"].stderr == 0
    assert estimates["refused_frac"].value == 1 and estimates["limbo_count"].value == p.rmid_count


def test_the_decay_of_an_ended_tenant_in_numbers():
    times, levels = np.array([0.0, 10.0, 20.0]), np.array([100.0, 60.0, 20.0])
    gone = departure.Decay(times, levels, 3, 0.0, 0.1)
    assert gone.level(5.0) == 80 and gone.level(30.0) == pytest.approx(20 / math.e)
    assert gone.below_ns(80.0) == 5.0 and gone.below_ns(101.0) == 0.0
    assert gone.below_ns(20 / math.e) == pytest.approx(30.0) and gone.below_ns(0.0) == math.inf
    part = departure.Decay(times, levels, 3, 10.0, 0.1)  # 10 of the 20 stay
    assert part.level(30.0) == pytest.approx(10 + 10 / math.e) and part.below_ns(10.0) == math.inf
    assert part.below_ns(15.0) == pytest.approx(20 + 10 * math.log(2))
    stuck = departure.Decay(times, levels, 3, 20.0, 0.0)
    assert stuck.below_ns(20.0) == math.inf and stuck.level(1e9) == 20.0 and not stuck.extrapolated


def test_how_a_decay_goes_on():
    times = np.linspace(0, 30, 301)
    for stays, rate in ((40.0, 0.05), (0.5, 0.2)):
        final, fade = departure._going_on(times, stays + 100 * np.exp(-rate * times))
        assert final == pytest.approx(stays, rel=0.02) and fade == pytest.approx(rate, rel=0.02)
    assert departure._going_on(times, np.maximum(100 - 20 * times, 7.0)) == (7.0, 0.0)  # none went since
    final, fade = departure._going_on(times, 100 - 2 * times)  # as fast as ever: it will all go
    assert final == 0 and fade == pytest.approx(math.log(60 / 40) / 10)


def test_a_cut_short_run_is_carried_on_at_its_last_rate(monkeypatch):
    def decay():
        p = SMALL.replace(tenants=(ALONE.replace(data_bytes=32 * KiB), SMALL.tenants[2]))
        engine = Engine(p, p.tenants, rng(7))
        engine.run(1 * ms)
        return depart(engine, 0)

    whole = decay()
    monkeypatch.setattr(departure, "BUDGET_MORE", 2000)
    monkeypatch.setattr(departure, "BUDGET_TURNS", 0)
    cut = decay()
    assert not whole.extrapolated or whole.simulated > cut.simulated
    assert cut.extrapolated and cut.level_bytes[cut.simulated - 1] > 0
    assert cut.below_ns(1024) == pytest.approx(whole.below_ns(1024), rel=1.0)


def test_the_seed_decides_and_pieces_pool(samples):
    assert simulate(n=6) == samples
    parts = [simulate(n=size, seed=seed) for seed, size in ((1, 1), (2, 3))]
    pooled = montecarlo.pool(parts, seed=9)
    assert pooled.n == 4 and pooled.totals.shape[0] == 4
    assert math.isfinite(pooled.estimate()["clean_wait_ns"].value)
    assert not pooled.carried_on.any()
    alone = parts[0].estimate()
    assert math.isnan(alone["clean_wait_ns"].stderr) and alone["occupancy_bytes[1]"].value > 0


def test_no_watching_changes_what_is_watched(samples):
    finer = simulate(SMALL.replace(sample_ns=10 * us, counter_bits=8, upscale_bytes=4096), n=6)
    for name in ("occupancy_bytes[0]", "bandwidth_bytes_per_s[2]"):
        assert np.array_equal(finer.values(name), samples.values(name))


def test_scenarios_show_what_they_are_named_for():
    def estimates(name):
        p = SCENARIOS[name]
        p = p if "idle" in name else p.replace(cache_sets=256, warmup_ns=2 * ms, measured_ns=5 * ms)
        return simulation.simulate(p, rng=rng(), n=1).estimate()

    assert estimates("RMIDs run out")["refused_frac"].value > 0.02
    assert estimates("threshold below one unit")["clean_wait_ns"].value == math.inf
    narrow = estimates("narrow counter goes round")
    assert narrow["total_bytes_per_s[1]"].value < 0.5 * narrow["bandwidth_bytes_per_s[1]"].value
    assert estimates("idle host: limbo lasts")["clean_wait_ns"].value == math.inf
    assert estimates("two NUMA nodes")["local_bytes_per_s[1]"].value == 0


@settings(max_examples=10, suppress_health_check=list(HealthCheck))
@given(typical(Params))
def test_any_scenario_has_values_with_errors_or_none(p):
    size = {"cache_sets": 64, "warmup_ns": 50 * us, "measured_ns": 100 * us, "sample_ns": 25 * us}
    seen = simulate(p.replace(**size), n=2)
    for name, estimate in seen.estimate().items():
        assert math.isnan(estimate.value) or estimate.value >= 0, name
        assert name != "refused_frac" or estimate.value <= 1
        assert name != "limbo_count" or estimate.value <= p.rmid_count
    assert seen.to_frame().shape == (len(seen.columns), 5)
