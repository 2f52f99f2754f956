"""What a guest's own measurements imply: latencies, stage costs, and what is beyond a model."""

import math

import kvm_unit_tests_samples as samples
import numpy as np
import pytest

from nfvlab.readers.kvm_unit_tests import read_kvm_unit_tests
from nfvlab.realtime.implied_guest import beyond, cases, cases_of, deadline_latencies, survival
from nfvlab.realtime.recorded import Recorded
from nfvlab.timer.calibrate import SKYLAKE, unit_test_rows


def frame_of(path, text):
    path.write_text(text)
    return read_kvm_unit_tests(path)[0]


def test_latencies_in_nanoseconds_and_those_before_the_deadline(tmp_path):
    frame = frame_of(tmp_path / "out", samples.latency())
    found, early_frac = deadline_latencies(frame, tsc_hz=2e9)
    assert found.n == len(samples.LATENCIES) and early_frac == pytest.approx(1 / 6)
    assert found.smallest_ns == 0  # -14 cycles: before the deadline
    assert found.largest_ns == pytest.approx(4022 / 2)
    assert found.low_ns.tolist() == pytest.approx([0, 1145, 1155, 1175, 2010.5])


def test_a_frame_of_vmexit_holds_no_latency_and_the_other_no_case(tmp_path):
    with pytest.raises(ValueError, match="not vmexit.flat"):
        deadline_latencies(frame_of(tmp_path / "out", samples.vmexit()), tsc_hz=2e9)
    with pytest.raises(ValueError, match="no case whose stages are known"):
        cases_of(frame_of(tmp_path / "out", samples.latency()))
    with pytest.raises(ValueError, match="tsc_hz"):
        deadline_latencies(frame_of(tmp_path / "out", samples.latency()), tsc_hz=math.nan)


@pytest.mark.parametrize(
    ("name", "way", "host"),
    [
        ("tscdeadline_immed", "past", {}),
        ("tscdeadline_immed", "past", {"apicv": False}),
        ("tscdeadline_immed", "past", {"fastpath": True}),
        ("tscdeadline", "running", {"fastpath": True}),
    ],
)
def test_a_cases_stages_are_those_of_the_models_round(name, way, host):
    """`timer.rounds` counts the same stages from KVM's rule, step by step."""
    settings = {"apicv": True} | host
    at = next(k for k, test in enumerate(SKYLAKE) if test.way == way and dict(test.settings) == settings)
    row = unit_test_rows(SKYLAKE)[at]
    counts, beside = cases(**host)[name]
    assert counts == {f"{stage}_cycles": n for stage, n in row.counts.items() if n}
    assert beside == pytest.approx(row.constant_cycles, abs=32)  # a tick of the preemption timer


def test_the_hrtimer_has_no_row_of_a_deadline_that_is_past():
    assert set(cases(timer="hrtimer")) == {"vmcall", "tscdeadline"}
    assert cases(timer="hrtimer")["tscdeadline"][0]["hrtimer_irq_cycles"] == 1
    with pytest.raises(ValueError, match="timer = 'apic'"):
        cases(timer="apic")


def test_runs_are_averaged_and_their_range_is_an_error(tmp_path):
    slow = (("vmcall", 1410, None, None), ("cpuid", 1500, None, None))
    found = cases_of(frame_of(tmp_path / "out", samples.vmexit() + samples.vmexit(slow, boot="", accel=None)))
    rows = {row.name: row for row in found.rows}
    assert set(rows) == {"vmexit vmcall", "vmexit tscdeadline_immed"}
    assert rows["vmexit vmcall"].cycles == (1210 + 1410) / 2
    assert rows["vmexit vmcall"].error_cycles == rows["vmexit tscdeadline_immed"].error_cycles + 100
    assert found.bounds["vmcall_cycles"] == (1210, 1410)
    assert "cpuid" in found.untold[0]


WAKE_NS, RATE_NS = 5e3, 2e3


@pytest.mark.parametrize("kind", ["curve", "samples"])
def test_what_is_beyond_a_model_lies_in_the_bounds_as_often_as_they_say(kind):
    """A guest wakes up for 5 µs on top of exponential latencies of 2 µs."""
    rng, held = np.random.default_rng(41), {"median_ns": 0, "mean_ns": 0}
    for _ in range(60 if kind == "curve" else 150):
        step = 100.0
        low, count = np.unique(np.floor((rng.exponential(RATE_NS, 400) + WAKE_NS) / step), return_counts=True)
        measured = Recorded(low * step, (low + 1) * step, count)
        modelled = _survival if kind == "curve" else rng.exponential(RATE_NS, 400)
        found = beyond(measured, modelled)
        for name in held:
            held[name] += found.bounds[name].low <= WAKE_NS <= found.bounds[name].high
            assert found.bounds[name].high - found.bounds[name].low < WAKE_NS / 2
    most = 60 if kind == "curve" else 150
    assert min(held.values()) >= 0.95 * most - 3 * math.sqrt(most * 0.95 * 0.05)


def _survival(x_ns: float) -> float:
    return math.exp(-x_ns / RATE_NS)


def test_a_theorys_curve_is_a_model():
    x = np.geomspace(1.0, 1e5, 2000)
    sf = survival(x, np.exp(-x / RATE_NS))
    assert sf(0.5) == 1 and sf(2e5) == 0 and sf(RATE_NS) == pytest.approx(math.exp(-1), rel=1e-4)
    measured = Recorded(np.array([WAKE_NS + RATE_NS]), np.array([WAKE_NS + RATE_NS + 1]), np.array([1000]))
    mean = beyond(measured, sf).bounds["mean_ns"]
    assert mean.low <= WAKE_NS <= mean.high and mean.high - mean.low < 100
    with pytest.raises(ValueError, match="must rise"):
        survival(x[::-1], x)


def test_a_mean_that_is_not_finite_leaves_the_medians():
    measured = Recorded(np.array([1e3]), np.array([2e3]), np.array([100]))
    found = beyond(measured, lambda x: max(math.exp(-x), 0.01))
    assert found.bounds["mean_ns"].low == -math.inf and math.isfinite(found.bounds["median_ns"].high)
    assert any("compare the medians" in sentence for sentence in found.untold)


@pytest.mark.parametrize(
    ("modelled", "what"),
    [
        (lambda x: 1 - math.exp(-x), "rises"),
        (lambda x: 1.5, "no probability"),
        (lambda x: math.nan, "no probability"),
        (np.array([math.nan]), "holds no sample"),
    ],
)
def test_what_is_no_model_is_refused(modelled, what):
    with pytest.raises(ValueError, match=what):
        beyond(Recorded(np.array([1e3]), np.array([2e3]), np.array([100])), modelled)
