"""What the notebook computes: tables against the models that they come from."""

import math

import numpy as np
import pandas as pd
import pytest

from nfvlab import cmt, units
from nfvlab.cmt import recorded, studies, studies_limbo, studies_misleading
from nfvlab.cmt.churn import erlang_b
from nfvlab.cmt.params import Params, Tenant
from nfvlab.cmt.scenarios import SCENARIOS
from nfvlab.paths import data_file
from nfvlab.readers.perf import read_perf_stat
from nfvlab.readers.pqos import read_pqos
from nfvlab.readers.resctrl import read_resctrl
from nfvlab.units import KiB, MiB, ms, s

SEED = 2016
PAIR = Params(
    cache_sets=256,
    upscale_bytes=4 * KiB,
    threshold_bytes=8 * KiB,
    sample_ns=0.2 * ms,
    warmup_ns=2 * ms,
    measured_ns=4 * ms,
    tenants=(
        Tenant(workload="zipf", data_bytes=512 * KiB),
        Tenant(workload="scan", data_bytes=4 * MiB, parallelism_ratio=4.0),
    ),
)


def test_the_answer_is_what_analyze_says():
    theory = cmt.analyze(PAIR)
    row = studies.told({"pair": PAIR}).loc[("pair", "Tenant 2, scan")]
    assert row["holds"] == units.human("x_bytes", theory.occupancy_bytes[1])
    assert row["one reading ±"] == units.human("x_frac", theory.rate_error_frac[1])
    fates = studies.fates({"pair": PAIR, "idle": SCENARIOS["idle host: limbo lasts"]})
    assert fates.loc["pair", "given out again after"] == units.human("x_ns", theory.clean_wait_ns)
    assert fates.loc["idle", "given out again after"] == "never"
    assert fates.loc["idle", "new groups refused"] == "100 %"


@pytest.fixture(scope="module")
def frame():
    return studies.readings(
        PAIR.replace(measured_ns=20 * ms),
        [1, 2, 10],
        finest_ns=0.1 * ms,
        seed=SEED,
        n=2,
        theory_at=[0.15 * ms],
    )


def test_readings_have_both_sides_at_the_multiples_and_theory_between(frame):
    counts = frame.groupby("side")["interval_ns"].nunique()
    assert counts["simulated"] == 3 and counts["theory"] == 4
    wide = frame.pivot_table(
        index=["tenant", "interval_ns"], columns="side", values=["mean_frac", "error_frac"]
    ).dropna()
    assert np.allclose(wide["mean_frac"], 1, atol=0.02)
    error = wide["error_frac"]
    assert np.allclose(error["theory"], error["simulated"], rtol=0.4)  # 40 readings at the longest
    scan = error.loc["Tenant 2, scan"]["simulated"]
    assert (np.diff(scan) < 0).all()  # the longer the interval, the smaller the error


def test_units_in_an_interval_are_traffic_over_unit(frame):
    rate = cmt.analyze(PAIR).bandwidth_bytes_per_s[1]
    row = frame[(frame["side"] == "theory") & (frame["tenant"] == "Tenant 2, scan")].iloc[0]
    assert row["units"] == pytest.approx(rate * row["interval_ns"] / s / PAIR.upscale_bytes)


def test_readings_in_words_have_a_column_a_tenant_and_side(frame):
    shown = studies.in_words(frame, "error_frac")
    assert list(shown.index) == ["100 µs", "200 µs", "1 ms"]
    assert list(shown.columns)[:2] == [("Tenant 1, zipf", "theory"), ("Tenant 1, zipf", "simulated")]


def test_forty_one_units_for_one_percent():
    table = studies.rule_of_thumb(PAIR)
    assert set(table["units that pass in it"]) == {"40.8"}  # 100 / sqrt(6)
    assert set(studies.rule_of_thumb(PAIR, 0.1)["units that pass in it"]) == {"4.1"}


def test_corrected_readings_are_right_to_a_unit_and_uncorrected_ones_off_by_the_factor():
    frame = studies.corrections()
    assert len(frame) == 28 and (abs(frame["corrected_frac"] - 1) < 2e-4).all()
    off = frame[frame["factor"] != 1]
    assert np.allclose(off["uncorrected_frac"] * off["factor"], 1, atol=2e-4)
    assert frame.loc[22, "affected_frac"] == pytest.approx(16 / 176)  # RMIDs 160 to 175 of 176
    words = studies.corrections_in_words(frame)
    assert len(words.rows) == len(off) + 1 and words.rows[-1]["RMIDs that miscount"] == "none"


def test_local_bytes_fall_with_the_share_of_remote_pages():
    frame = studies.nodes(PAIR, [0.0, 0.5, 1.0], seed=SEED, n=2)
    for _, part in frame.groupby("tenant"):
        assert np.allclose(part["theory"], [1.0, 0.5, 0.0], atol=0.02)
        assert part["simulated"].iloc[0] == pytest.approx(1, abs=0.02) and part["simulated"].iloc[2] == 0
        assert 0.35 < part["simulated"].iloc[1] < 0.65
    assert list(studies.nodes_in_words(frame).columns) == [
        f"{x} of pages remote" for x in ("0%", "50%", "100%")
    ]


def test_perf_multiplies_occupancy_by_the_unit_and_bandwidth_by_a_millionth():
    rows = {row["perf stat -e"]: row for row in studies.perf_events(64 * KiB).rows}
    assert rows["intel_cqm/llc_occupancy/"]["a count of 1000 prints"] == "6.5536e+07 Bytes"
    assert rows["intel_cqm/total_bytes/"]["a count of 1000 prints"] == "0.001 MB"


def test_a_departure_is_followed_as_theory_says():
    one = studies_limbo.departures({"pair": PAIR}, seed=SEED, n=2)["pair"]
    clean = np.mean([run.below_ns(one.limit_bytes) for run in one.runs])
    assert one.limit_bytes == 8 * KiB and clean == pytest.approx(one.theory.clean_ns, rel=0.25)
    row = studies_limbo.decay_table({"pair": one}).loc["pair"]
    assert row["below the threshold after"] == units.human("x_ns", one.theory.clean_ns)


def test_the_quieter_the_neighbour_the_longer_the_wait_and_the_more_is_charged():
    frame = studies_limbo.waits(PAIR, [10.0, 1e5, 1e6], [8 * KiB, 256 * KiB], seed=SEED, n=1)
    for _, part in frame.groupby("threshold_bytes"):
        assert (np.diff(part["wait_ns"]) > 0).all() and (np.diff(part["traffic_bytes_per_s"]) < 0).all()
        assert np.allclose(part["wait_ns"][1:], part["simulated_wait_ns"][1:], rtol=0.15)
    quiet = frame[frame["work_ns"] == 1e6].set_index("threshold_bytes")
    assert quiet.loc[256 * KiB, "wait_ns"] < quiet.loc[8 * KiB, "wait_ns"]
    assert quiet.loc[256 * KiB, "stale_bytes"] > quiet.loc[8 * KiB, "stale_bytes"]
    assert len(studies_limbo.waits_in_words(frame)) == 6


def test_limbo_refuses_more_than_erlang_and_nearly_always_with_ebusy():
    frame = studies_limbo.refusals(
        [4.0, 8.0], {"busy": 1 * ms, "quiet": 3 * s}, rmid_count=12, lifetime_ns=1 * s, seed=SEED
    )
    assert (frame["theory"] > frame["without_limbo"]).all()
    assert np.allclose(frame["theory"], frame["simulated"], atol=0.04)
    assert np.allclose(frame["busy_frac"] + frame["no_space_frac"], frame["simulated"])
    assert (frame["busy_frac"] > 10 * frame["no_space_frac"]).all()
    assert frame["without_limbo"].iloc[0] == pytest.approx(erlang_b(12, 4.0))


def test_rotation_shares_the_time_among_groups():
    frame = studies_limbo.rotations(
        PAIR, [4, 12], rmid_count=6, footprint_bytes=64 * KiB, seed=SEED, duration_ns=60 * s
    )
    assert frame["theory"].iloc[0] == frame["simulated"].iloc[0] == 1
    assert (
        frame["simulated"].iloc[1] == pytest.approx(frame["theory"].iloc[1], rel=0.1)
        and frame["theory"].iloc[1] < 0.5
    )
    assert len(studies_limbo.rotations_in_words(frame)) == 2


def test_a_biased_trap_reads_the_same_on_both_sides_and_scatter_is_what_is_left_of_the_error():
    clean, round_ = studies_misleading.misled(studies_misleading.CASES[:2], seed=SEED)
    assert clean.mean_frac == pytest.approx(1, abs=0.01) and clean.scatter_frac == pytest.approx(
        clean.error_frac
    )
    assert round_.mean_frac < 0.5 and round_.scatter_frac < 0.1 * round_.error_frac
    assert round_.readings_frac.mean() == pytest.approx(round_.mean_frac, abs=0.05)
    rows = studies_misleading.table([clean, round_]).rows
    assert rows[0]["what helps"] == "" and "longest_interval_ns" in rows[1]["what helps"]


@pytest.mark.parametrize("case", studies_misleading.CASES, ids=lambda case: case.label)
def test_every_trap_names_a_scenario_a_tenant_and_an_output(case):
    p = SCENARIOS[case.scenario]
    assert case.tenant < len(p.tenants) and case.output in studies_misleading.READ
    assert set(studies_misleading.READ) <= set(cmt.OUTPUTS)


def test_an_interval_shorter_than_a_unit_is_one():
    p = SCENARIOS["short intervals, coarse units"]
    assert cmt.analyze(p).bandwidth_bytes_per_s[0] * p.sample_ns / s < p.upscale_bytes


# -- recordings of three tools as courses -----------------------------------------------------------------------------


def test_a_resctrl_course_has_rates_of_its_running_counts():
    frame, _ = read_resctrl(data_file("recordings", "resctrl", "simulated_600ms.jsonl"))
    course = recorded.of_resctrl(frame)
    one = frame[frame["control_group"] == "neighbour"]
    part = course[course["group"] == "neighbour"]
    expected = np.diff(one["mbm_total_bytes"]) / (np.diff(one["t_ns"]) / s)
    assert math.isnan(part["total_bytes_per_s"].iloc[0])
    assert np.allclose(part["total_bytes_per_s"].iloc[1:], expected)
    assert np.allclose(part["occupancy_bytes"], one["llc_occupancy_bytes"])


def test_a_pqos_course_adds_local_and_remote():
    frame, _ = read_pqos(data_file("recordings", "pqos", "cores.csv"))
    course = recorded.of_pqos(frame)
    row = course[(course["group"] == "6-9") & (course["t_ns"] == 3 * s)].iloc[0]
    assert row["occupancy_bytes"] == 15360 * KiB and row["local_bytes_per_s"] == pytest.approx(8553.5 * MiB)
    assert row["total_bytes_per_s"] == pytest.approx((8553.5 + 174.6) * MiB)


def test_a_perf_course_divides_counts_by_their_interval():
    frame, _ = read_perf_stat(data_file("recordings", "perf_stat", "cqm_interval.csv"))
    course = recorded.of_perf(frame)
    assert list(course["group"].unique()) == ["S0"] and len(course) == 6
    first, fourth = course.iloc[0], course.iloc[3]
    assert first["total_bytes_per_s"] == pytest.approx(26e6 / 1.0001002)
    assert fourth["total_bytes_per_s"] == pytest.approx(9336.10e6 / (4.0001032 - 3.0001022))
    assert fourth["occupancy_bytes"] == 20054016


def test_means_by_part_leave_out_what_is_still_settling():
    t = np.arange(6.0)
    course = pd.DataFrame({"t_ns": t, "group": "a", "occupancy_bytes": [9, 1, 1, 9, 2, 2]}).reindex(
        columns=list(recorded.COLUMNS)
    )
    means = recorded.means(course, (0.0, 3.0), skip=1)["occupancy_bytes"]
    assert means.loc[(0, "a")] == 1 and means.loc[(1, "a")] == 2
