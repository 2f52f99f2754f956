"""The Monte Carlo of cache allocation: its rows, its errors, and the scenarios' reasons to be there."""

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strategies import typical

from nfvlab import montecarlo, stats
from nfvlab.cat import simulation
from nfvlab.cat.params import OUTPUTS, PER_TENANT, Params
from nfvlab.cat.scenarios import SCENARIOS
from nfvlab.llc.params import Tenant
from nfvlab.llc.replications import SLICES
from nfvlab.units import GB, KiB, ms, us

SMALL = Params(
    cache_sets=64,
    cache_ways=8,
    io_mask=0xC0,
    warmup_ns=200 * us,
    measured_ns=400 * us,
    tenants=(
        Tenant(workload="packets", data_bytes=16 * KiB, ring_count=64, data_mask=0x3F, code_frac=0.1),
        Tenant(workload="zipf", data_bytes=64 * KiB, data_mask=0x0F),
        Tenant(
            workload="wakeups", data_bytes=4 * KiB, code_bytes=1 * KiB, interval_ns=40 * us, data_mask=0xFF
        ),
    ),
)


def rng(seed=3):
    return np.random.default_rng(seed)


@pytest.fixture(scope="module")
def samples():
    return simulation.simulate(SMALL, rng=rng(), n=6)


def test_one_row_a_replication_and_one_column_an_output(samples):
    assert len(samples.columns) == len(PER_TENANT) * 3 + 2
    assert {name.partition("[")[0] for name in samples.estimate()} == set(OUTPUTS)
    assert samples.totals.shape == (6, len(samples.columns))
    assert samples.slices.shape == (6, SLICES, samples.totals.shape[1])
    assert samples.times_ns.shape == samples.occupancy_bytes.shape[:2] == (6, 320)
    assert samples.occupancy_bytes.shape[2] == 4  # three tenants and their devices
    assert samples.occupancy_bytes.sum(axis=2).max() <= 64 * 8 * 64
    assert samples.latency_counts.shape == (6, 3, simulation.LATENCY_NS.size - 1)


def test_what_has_no_value_is_not_a_number(samples):
    estimates = samples.estimate()
    without = {name for name, e in estimates.items() if math.isnan(e.value)}
    assert without == {
        "packets_per_s[1]",
        "packets_per_s[2]",
        "unit_ns[1]",
        "unit_p99_ns[1]",
        "code_miss_frac[1]",
    }
    assert all(e.stderr >= 0 for name, e in estimates.items() if name not in without)


def test_totals_are_the_slices_put_together(samples):
    for name in ("references_per_s[0]", "bandwidth_bytes_per_s[1]", "packets_per_s[0]", "memory_busy_frac"):
        assert np.allclose(samples.series(name).mean(axis=1), samples.values(name))
    data, code, both = (
        samples.values(f"{name}[0]") for name in ("data_miss_frac", "code_miss_frac", "miss_frac")
    )
    low, high = np.minimum(data, code), np.maximum(data, code)
    assert ((low <= both) & (both <= high)).all()
    assert samples.latency_counts[:, 0].sum() == round((samples.values("packets_per_s[0]") * 400e-6).sum())
    assert samples.latency_counts[:, 1].sum() == 0


def test_bandwidth_is_fills_and_write_backs():
    # A scan that never hits and always writes: each reference fills a line and sends one back.
    wide = Params(
        cache_sets=64,
        cache_ways=8,
        io_mask=0x80,
        warmup_ns=200 * us,
        measured_ns=400 * us,
        tenants=(Tenant(workload="scan", data_bytes=512 * KiB, write_frac=1.0, data_mask=0xFF),),
    )
    seen = simulation.simulate(wide, rng=rng(), n=2).estimate()
    assert seen["miss_frac[0]"].value == 1
    rate = seen["references_per_s[0]"].value
    assert seen["bandwidth_bytes_per_s[0]"].value == pytest.approx(2 * 64 * rate, rel=1e-3)
    assert seen["memory_busy_frac"].value == pytest.approx(2 * 64 * rate / (40 * GB), rel=1e-3)
    # 10 ns of work and 100 of a miss on 40 instructions at 2.3 GHz
    assert seen["cpi_ratio[0]"].value == pytest.approx(110 * 2.3 / 40, rel=1e-3)


def test_the_seed_decides_and_pieces_pool(samples):
    again = simulation.simulate(SMALL, rng=rng(), n=6)
    assert again == samples and again != simulation.simulate(SMALL, rng=rng(4), n=6)
    parts = [simulation.simulate(SMALL, rng=rng(seed), n=size) for seed, size in ((1, 1), (2, 3), (5, 2))]
    pooled = montecarlo.pool(parts, seed=9)
    assert pooled.n == 6 and pooled.totals.shape == samples.totals.shape
    assert np.array_equal(pooled.totals[1:4], parts[1].totals, equal_nan=True)
    assert pooled.estimate()["miss_frac[1]"].n == 6


def test_a_single_replication_does_not_tell_its_error():
    # Its pages and popular lines are one draw. Over its slices it looks surer than it is: lines miss where they happen
    # to share sets, always the same ones, and replications differ by far more than slices do.
    one = simulation.simulate(SMALL, rng=rng(), n=1)
    assert all(math.isnan(e.stderr) for e in one.estimate().values())
    apart = [simulation.simulate(SMALL.replace(measured_ns=2 * ms), rng=rng(seed), n=1) for seed in range(8)]
    within = [stats.batch_means(seen.series("miss_frac[2]")[0]).stderr for seen in apart]
    assert np.std([seen.values("miss_frac[2]")[0] for seen in apart], ddof=1) > 4 * np.median(within)


def test_counts_that_agree_by_chance_are_not_exact():
    # 8 packets in 400 us are whole, 8.25 are 8 or 9: by chance of the phase sqrt(0.25 * 0.75) packets
    def rate(offered):
        tenants = (SMALL.tenants[0].replace(offered_packets_per_s=offered, code_frac=0.0),)
        return simulation.simulate(SMALL.replace(tenants=tenants), rng=rng(), n=3).estimate()

    assert rate(8 / 400e-6)["packets_per_s[0]"].stderr == 0
    least = math.sqrt(0.25 * 0.75 / 3) / 400e-6
    uneven = rate(8.25 / 400e-6)
    assert uneven["packets_per_s[0]"].stderr >= 0.999 * least
    assert uneven["references_per_s[0]"].stderr >= 4 * 0.999 * least  # descriptor, header, two look-ups


def test_a_short_warm_up_shows_as_drift():
    cold = SMALL.replace(
        warmup_ns=0.0, tenants=(Tenant(workload="chase", data_bytes=28 * KiB, data_mask=0xFF),)
    )
    cold = cold.replace(measured_ns=100 * us)
    drift = simulation.simulate(cold, rng=rng(), n=6).drift("occupancy_bytes[0]")
    assert drift > 10
    steady = simulation.simulate(SMALL, rng=rng(), n=6)
    assert abs(steady.drift("occupancy_bytes[1]")) < 4
    assert math.isnan(steady.drift("packets_per_s[1]"))


def value(name, output):
    p = SCENARIOS[name].replace(warmup_ns=6 * ms, measured_ns=2 * ms)
    return simulation.simulate(p, rng=rng(), n=1).estimate()[output].value


def test_ways_of_its_own_give_the_forwarder_back_what_a_stream_takes():
    shared, alone = (value(f"packets beside a stream{end}", "packets_per_s[0]") for end in ("", ", CAT"))
    few = value("too few ways", "packets_per_s[0]")
    assert few < shared < 0.8 * alone  # and with too few ways masks hurt


def test_ways_of_its_own_for_code_help_where_data_evict_it():
    shared, apart = (value(f"code evicted by data{end}", "code_miss_frac[0]") for end in ("", ", CDP"))
    assert apart < 0.6 * shared


def test_scenarios_are_those_of_the_talk():
    masks = [t.data_mask for t in SCENARIOS["the talk's example, CAT"].tenants]
    assert masks == [0xF000, 0x0F00, 0x00C0, 0x00FF]
    with_cdp = SCENARIOS["the talk's example, CDP"]
    assert with_cdp.cdp and with_cdp.cache_ways == 16
    assert [(t.data_mask, t.code_mask) for t in with_cdp.tenants] == [
        (0xF000, 0x0C00),
        (0x03E0, 0x0070),
        (0x000F, 0x000F),
        (0x000F, 0x000F),
    ]


@settings(max_examples=12, suppress_health_check=list(HealthCheck))
@given(typical(Params), st.integers(1, 2))
def test_any_scenario_has_values_with_errors_or_none(p, n):
    size = {"cache_sets": 64, "warmup_ns": 50 * us, "measured_ns": 100 * us}
    seen = simulation.simulate(p.replace(**size), rng=rng(), n=n)
    for name, estimate in seen.estimate().items():
        assert math.isnan(estimate.value) or estimate.value >= 0, name
        assert not name.startswith("miss_frac") or not estimate.value > 1
    assert seen.to_frame().shape == (len(seen.columns), 5)
