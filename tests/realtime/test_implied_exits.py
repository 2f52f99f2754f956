"""What perf kvm stat implies: rates and costs whose truth is known lie in their bounds; what it cannot tell is said."""

import numpy as np
import perf_kvm_samples as samples
import pytest

from nfvlab.readers.perf_kvm import read_perf_kvm_stat
from nfvlab.realtime.implied_exits import exits_of, rates_of, stages

HOST = {"tsc_hz": 2e9}


def record(path, exits, **how):
    path.write_text(samples.report({name: [int(t) for t in times] for name, times in exits.items()}, **how))
    return read_perf_kvm_stat(path)


def test_the_rates_truth_is_in_the_bounds_as_often_as_they_say(tmp_path):
    rng, held = np.random.default_rng(31), 0
    for _ in range(200):
        exits = {"EXTERNAL_INTERRUPT": [900] * rng.poisson(30), "HLT": [10**6] * 5}
        rates = rates_of(*record(tmp_path / "out", exits), duration_ns=2e9, vcpus_count=3)
        bound = rates.bounds["noise_per_s"]
        held += bound.low <= 30 / 6 <= bound.high
        assert bound.low <= rates.overrides["noise_per_s"] <= bound.high
    assert held >= 181  # 95 % of 200 less three standard deviations


def test_a_mean_cost_lies_between_the_shortest_exit_and_the_mean_one(tmp_path):
    """Stages of 1000 to 1400 ns, and in one of five exits something else on top."""
    rng, held = np.random.default_rng(32), 0
    for _ in range(200):
        times = rng.uniform(1000, 1400, 200) + rng.exponential(3000, 200) * (rng.random(200) < 0.2)
        costs = exits_of(*record(tmp_path / "out", {"PREEMPTION_TIMER": times}), **HOST)
        bound = costs.bounds["PREEMPTION_TIMER_ns"]
        held += bound.low <= 1200 <= bound.high
        (row,) = costs.rows
        assert abs(row.cycles - 2 * 1200) <= row.error_cycles
    assert held == 200  # what comes on top is much more than the mean's error


def test_rows_name_the_stages_that_are_in_an_exit(tmp_path):
    costs = exits_of(*record(tmp_path / "out", samples.EXITS), **HOST, apicv=False)
    rows = {row.name: row.counts for row in costs.rows}
    assert set(rows) == {"PREEMPTION_TIMER", "MSR_WRITE", "EXTERNAL_INTERRUPT"}
    assert rows["PREEMPTION_TIMER"] == {"hv_expire_cycles": 1, "loop_cycles": 1, "inject_cycles": 1}
    assert costs.overrides == {"tsc_hz": 2e9}
    assert "no stages are known of EPT_MISCONFIG" in costs.untold  # and HLT is no cost
    assert any(sentence.startswith("MSR_WRITE:") for sentence in costs.assumed)


@pytest.mark.parametrize(
    ("how", "counts"),
    [
        ({}, {"hv_expire_cycles": 1, "loop_cycles": 1, "sync_cycles": 1}),
        ({"fastpath": True}, {"hv_expire_cycles": 1, "sync_cycles": 1}),
        ({"fastpath": True, "apicv": False}, {"hv_expire_cycles": 1, "loop_cycles": 1, "inject_cycles": 1}),
    ],
)
def test_the_fast_path_skips_the_loop_where_kvm_takes_it(how, counts):
    assert stages(**how)["PREEMPTION_TIMER"] == counts


def test_arming_the_deadline_needs_no_apicv_for_the_fast_path():
    armed = {"msr_cycles": 1, "hv_arm_cycles": 1}
    assert stages(fastpath=True, apicv=False)["MSR_WRITE"] == stages(fastpath=True)["MSR_WRITE"] == armed
    assert stages(fastpath=False)["MSR_WRITE"] == armed | {"loop_cycles": 1}
    assert "loop_cycles" in stages(fastpath=True, timer="hrtimer")["MSR_WRITE"]


def test_an_older_kernels_tracepoint_leaves_the_interrupt_out():
    assert stages(since_5_8=False)["EXTERNAL_INTERRUPT"] == {"loop_cycles": 1}
    assert "hrtimer_arm_cycles" in stages(timer="hrtimer")["MSR_WRITE"]
    with pytest.raises(ValueError, match="timer = 'apic'"):
        stages(timer="apic")


def test_tracing_is_taken_off_and_never_below_zero(tmp_path):
    recording = record(tmp_path / "out", {"PREEMPTION_TIMER": [900, 1100]})
    free, dear = exits_of(*recording, **HOST), exits_of(*recording, **HOST, tracing_ns=950.0)
    assert free.bounds["PREEMPTION_TIMER_ns"].low == 900
    assert dear.bounds["PREEMPTION_TIMER_ns"].low == 0
    assert dear.bounds["PREEMPTION_TIMER_ns"].high == pytest.approx(
        free.bounds["PREEMPTION_TIMER_ns"].high - 950
    )


def test_a_single_exit_bounds_nothing_below(tmp_path):
    recording = record(tmp_path / "out", {"PREEMPTION_TIMER": [1000]})
    assert exits_of(*recording, **HOST).bounds["PREEMPTION_TIMER_ns"].low == 0


def test_interrupts_are_counted_where_their_eois_are(tmp_path):
    text = samples.report() + samples.report({"0x80b:W": [300] * 40}, event="msr")
    (tmp_path / "out").write_text(text)
    rates = rates_of(*read_perf_kvm_stat(tmp_path / "out"), duration_ns=1e9)
    assert rates.overrides == {"noise_per_s": 4.0, "interrupts_per_s": 40.0}
    (tmp_path / "out").write_text(samples.report())
    rates = rates_of(*read_perf_kvm_stat(tmp_path / "out"), duration_ns=1e9)
    assert set(rates.overrides) == {"noise_per_s"} and "interrupts_per_s" in rates.untold[0]
    assert rates.bounds["halts_per_s"].low < 3 < rates.bounds["halts_per_s"].high


def test_lost_records_and_the_choice_of_a_report(tmp_path):
    (tmp_path / "out").write_text(samples.report(lost=7) + samples.report({"MSR_WRITE": [1000, 1200]}))
    recording = read_perf_kvm_stat(tmp_path / "out")
    with pytest.raises(ValueError, match="reports 0, 1 have VM exits"):
        exits_of(*recording, **HOST)
    costs = exits_of(*recording, **HOST, number=1)
    assert [row.name for row in costs.rows] == ["MSR_WRITE"]
    assert any("lost 7 records" in sentence for sentence in costs.untold)
    with pytest.raises(ValueError, match="number = 5"):
        exits_of(*recording, **HOST, number=5)


def test_a_report_without_exits_is_refused_for_costs_and_counts_as_none(tmp_path):
    recording = record(tmp_path / "out", {})
    with pytest.raises(ValueError, match="no VM exit was counted"):
        exits_of(*recording, **HOST)
    assert rates_of(*recording, duration_ns=1e9).overrides == {"noise_per_s": 0.0}


@pytest.mark.parametrize(
    ("call", "what"),
    [
        (lambda r: exits_of(*r, tsc_hz=-1.0), "tsc_hz"),
        (lambda r: exits_of(*r, tsc_hz=2e9, tracing_ns=float("inf")), "tracing_ns"),
        (lambda r: rates_of(*r, duration_ns=0.0), "duration_ns"),
        (lambda r: rates_of(*r, duration_ns=1e9, vcpus_count=0), "vcpus_count"),
    ],
)
def test_arguments_outside_are_refused(tmp_path, call, what):
    with pytest.raises(ValueError, match=what):
        call(record(tmp_path / "out", samples.EXITS))
