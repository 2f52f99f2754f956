"""Tables that set theory, simulated, published and recorded runs side by side: their words are the models' numbers."""

import numpy as np
import pytest
from qat.guests import SMALL

from nfvlab import predict, qat, twin, units
from nfvlab.paths import data_file
from nfvlab.qat import multi_thread, mva, studies_beside
from nfvlab.qat.params import OUTPUTS
from nfvlab.readers.hosts import read_host
from nfvlab.readers.qemu import read_qemu
from nfvlab.units import ms

SEED = 2016


@pytest.fixture(scope="module")
def samples():
    return qat.simulate(SMALL, rng=np.random.default_rng(SEED), n=2)


def test_a_twin_table_has_both_sides_of_each_way(samples):
    theory = qat.analyze(SMALL)
    table = studies_beside.twins_table(twin.judge(theory, samples))
    assert list(table.index) == list(OUTPUTS)
    assert table.loc["wire_bytes", "QAT, theory"] == units.human("wire_bytes", theory.wire_bytes[2])
    mean = samples.estimate()["wire_bytes[1]"].value
    assert table.loc["wire_bytes", "CPU threads, simulated"] == units.human("wire_bytes", mean)
    assert table.loc["converged_frac", "claim, QAT"] == "exact"


def test_a_twin_table_names_the_ways_that_fail(samples):
    slow = SMALL.replace(zstd_bytes_per_s=SMALL.zstd_bytes_per_s / 50)
    table = studies_beside.twins_table(twin.judge(qat.analyze(slow), samples))
    assert table.loc["total_time_ns", "fails"] == "CPU threads"
    assert table.loc["converged_frac", "fails"] == "none"


def test_rates_of_a_ring_are_those_of_the_bounds_and_mean_values():
    """Two stations of 2 us and a delay of 6 us: alone 100 k requests a second; from 5 on the station's 500 k."""
    stations = [mva.Station(2e3), mva.Station(2e3)]
    table = studies_beside.ring_rates(stations, 6e3, (1, 5, 8), 4)
    assert set(table.loc[1]) == {"400 k/s"}
    assert table.loc[5, "constant times"] == table.loc[8, "constant times"] == "2,000 k/s"
    per_ns = mva.mva(stations, 6e3, 5).per_ns
    assert table.loc[5, "exponential times"] == f"{4e6 * per_ns:,.0f} k/s"


def test_published_runs_in_words():
    figure = multi_thread.Figure("mt-idle-total", "with", "idle", 2e9, 2.5e9, 2.4e9, 2.6e9, False)
    table = studies_beside.simulated_table([figure])
    row = table.loc[("idle", "mt-idle-total, with")]
    assert list(row) == ["2 s", "2.5 s", "2.4 s to 2.6 s", "25 %", "no"]


def test_recorded_migrations_in_words():
    constants, told = read_host(data_file("hosts", "emulated-2core.toml"))
    recordings = [
        (path, read_qemu(path)[1])
        for path in sorted(data_file("recordings", "qemu").glob("c-txt-[zm]*.json"))
    ]
    found = predict.predict_all(recordings, constants, seed=SEED, n=1, compression=told.compression)
    table = studies_beside.recorded_table(found, [meta for _, meta in recordings])
    assert set(table["method"]) == {"none", "multifd zlib", "multifd zstd"}
    row, total = table.loc["c-txt-zlib-link100"], found[1].measured["total-time"]
    assert row["total time, recorded"] == units.human("total_time_ns", total * ms)
    assert row["on the wire, error"] == f"{100 * found[1].error('wire_bytes'):+.0f} %"
    assert table.loc["c-txt-mfd-link100", "on the wire, error"] == ""
