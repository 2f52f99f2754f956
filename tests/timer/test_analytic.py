"""The theory of the timer: limits, sums by hand, monotonicity, scaling, and the curve as a law."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from nfvlab.results import field_of
from nfvlab.timer.analytic import analyze, interval_cycles
from nfvlab.timer.params import OUTPUTS, Params
from nfvlab.timer.rounds import HARDWARE, HRTIMER, cost_cycles, fits, looks, refused
from nfvlab.timer.scenarios import BUSY, SCENARIOS
from nfvlab.units import MHz, kHz, ms, s, us
from tests.strategies import edges, typical

EXACT = 1e-9
# A step of the timer of one cycle: nothing is early, so that a change of one cost moves nothing else.
FINE = Params(tsc_hz=400 * MHz, timer_shift=0, interval_ns=1 * ms)
COSTS = [name for name, spec in Params.specs().items() if name.endswith("_cycles")]


def latency_cycles(p, timer):
    return analyze(p).latency_ns[timer] / p.cycle_ns


def path_cycles(p, *stages):
    return cost_cycles(p, dict.fromkeys(stages, 1))


@settings(max_examples=60)
@given(typical(Params))
def test_every_scenario_has_every_output(p):
    theory = analyze(p)
    outputs = theory.outputs()
    assert {field_of(name) for name in outputs} == set(OUTPUTS)
    assert all(math.isfinite(value) for value, _ in outputs.values())
    for timer in (HRTIMER, HARDWARE):
        assert sum(theory.way_frac[timer].values()) == pytest.approx(1, abs=1e-9)
        assert 0 <= theory.hardware_frac[timer] <= 1
        assert theory.latency_p99_ns[timer] <= theory.latency_p999_ns[timer] + 1e-6
        assert theory.wait_ns[timer] >= 0
        assert theory.exits_ratio[timer] >= 1 - EXACT or p.noise_per_s
        assert theory.cost_cycles[timer] > 0
    assert theory.hardware_frac[HRTIMER] == 0


@settings(max_examples=60)
@given(edges(Params))
def test_the_ends_of_the_domain_are_numbers(p):
    assert all(math.isfinite(value) for value, _ in analyze(p).outputs().values())


@settings(max_examples=60)
@given(typical(Params))
def test_the_curve_is_a_survival_function(p):
    theory = analyze(p)
    assert np.all(np.diff(theory.curve_ns) > 0)
    assert np.array_equal(theory.curve_low, theory.curve_high)
    assert np.all((theory.curve_low >= 0) & (theory.curve_low <= 1))
    assert np.all(np.diff(theory.curve_low, axis=1) <= 1e-9)


@settings(max_examples=40)
@given(typical(Params, noise_per_s=0.0))
def test_the_mean_is_the_integral_of_the_curve(p):
    assume(p.spread_frac > 0.01)
    theory = analyze(p)
    for timer in (HRTIMER, HARDWARE):
        integral = theory.curve_ns[0] + np.trapezoid(theory.curve_low[timer], theory.curve_ns)
        width = theory.curve_ns[-1] - theory.curve_ns[0]
        # the curve has about 96 points and leaves 0.001 below
        assert integral == pytest.approx(theory.latency_ns[timer], abs=width / 50)


@pytest.mark.parametrize("level", [("latency_p99_ns", 1e-2), ("latency_p999_ns", 1e-3)], ids=["p99", "p999"])
@pytest.mark.parametrize("name", SCENARIOS)
def test_quantiles_lie_on_the_curve(name, level):
    theory = analyze(SCENARIOS[name])
    for timer in (HRTIMER, HARDWARE):
        at = np.interp(getattr(theory, level[0])[timer], theory.curve_ns, theory.curve_low[timer])
        assert at == pytest.approx(level[1], rel=0.25)


def test_a_busy_guest_waits_for_the_path_and_nothing_else():
    p = BUSY
    after = ("loop", "sync", "entry", "deliver")
    assert latency_cycles(p, HRTIMER) == pytest.approx(path_cycles(p, "exit", "hrtimer_irq", *after))
    assert latency_cycles(FINE, HARDWARE) == pytest.approx(path_cycles(FINE, "exit", "hv_expire", *after))
    theory = analyze(p)
    assert theory.exits_ratio == pytest.approx((2, 2))
    assert theory.switches_ratio == pytest.approx((0, 0))
    armed = path_cycles(p, "exit", "msr", "loop", "entry", "hv_arm")
    fired = path_cycles(p, "exit", "hv_expire", "loop", "sync", "entry")
    assert theory.cost_cycles[HARDWARE] == pytest.approx(armed + fired)


def test_the_steps_let_the_timer_come_early_by_a_step_less_a_tick():
    """Two remainders of 0 … 2^X - 1, uniform where rounds vary by more than a step: 2^X - 1 in the mean."""
    for shift in (3, 4, 5):
        p = BUSY.replace(timer_shift=shift)
        path = path_cycles(p, "exit", "hv_expire", "loop", "sync", "entry", "deliver")
        assert path - latency_cycles(p, HARDWARE) == pytest.approx(2**shift - 1, abs=0.5)


def test_a_halted_guest_has_the_hrtimer_in_any_case():
    for name in ("halting guest", "halting, host polls"):
        theory = analyze(SCENARIOS[name])
        assert theory.hardware_frac == (0, 0)
        assert theory.latency_ns[HARDWARE] == pytest.approx(theory.latency_ns[HRTIMER])
        assert theory.cost_cycles[HARDWARE] > theory.cost_cycles[HRTIMER]  # armed twice


def test_without_apicv_each_interrupt_has_an_exit_more():
    with_, without = analyze(BUSY), analyze(BUSY.replace(apicv=False))
    assert np.subtract(without.exits_ratio, with_.exits_ratio) == pytest.approx([1, 1])
    more = path_cycles(BUSY, "exit", "loop", "eoi", "entry", "inject") - BUSY.sync_cycles
    assert np.subtract(without.cost_cycles, with_.cost_cycles) == pytest.approx([more, more])


def test_the_fast_path_spares_two_loops_and_only_the_preemption_timer_has_it():
    slow, fast = analyze(FINE), analyze(FINE.replace(fastpath=True))
    assert slow.cost_cycles[HARDWARE] - fast.cost_cycles[HARDWARE] == pytest.approx(2 * FINE.loop_cycles)
    assert (slow.latency_ns[HARDWARE] - fast.latency_ns[HARDWARE]) / FINE.cycle_ns == pytest.approx(
        FINE.loop_cycles
    )
    assert slow.cost_cycles[HRTIMER] == fast.cost_cycles[HRTIMER]


def test_without_apicv_only_arming_is_on_the_fast_path():
    p = FINE.replace(apicv=False)
    slow, fast = analyze(p), analyze(p.replace(fastpath=True))
    assert slow.cost_cycles[HARDWARE] - fast.cost_cycles[HARDWARE] == pytest.approx(p.loop_cycles)
    assert slow.latency_ns == pytest.approx(fast.latency_ns)


def test_a_softirq_costs_two_switches():
    hard, soft = analyze(BUSY), analyze(BUSY.replace(softirq=True))
    late = (soft.latency_ns[HRTIMER] - hard.latency_ns[HRTIMER]) / BUSY.cycle_ns
    assert late == pytest.approx(2 * BUSY.switch_cycles)
    assert soft.switches_ratio == pytest.approx((2, 0))


@pytest.mark.parametrize("halting", [False, True], ids=["busy", "halting"])
@pytest.mark.parametrize("name", COSTS)
def test_nothing_gets_cheaper_or_faster_when_a_cost_rises(name, halting):
    p = FINE.replace(halting=halting, apicv=False, softirq=True)
    dearer = analyze(p.replace(**{name: 2 * getattr(p, name)}))
    theory = analyze(p)
    for timer in (HRTIMER, HARDWARE):
        assert dearer.latency_ns[timer] >= theory.latency_ns[timer] - 1e-6
        assert dearer.latency_p999_ns[timer] >= theory.latency_p999_ns[timer] * (1 - 2e-3)
        assert dearer.cost_cycles[timer] >= theory.cost_cycles[timer] - 1e-6


@settings(max_examples=40)
@given(typical(Params))
def test_half_the_frequency_and_twice_the_times_is_the_same_host(p):
    assume(p.advance != "adaptive")  # its nanoseconds are KVM's
    times = ("interval_ns", "think_ns", "advance_ns", "noise_ns", "halt_poll_ns")
    rates = ("tsc_hz", "guest_tsc_hz", "noise_per_s")
    slow = {name: 2 * getattr(p, name) for name in times} | {name: getattr(p, name) / 2 for name in rates}
    assume(not 0 < slow["guest_tsc_hz"] < 1e6)
    slower = p.replace(**slow)
    assume(refused(p) == refused(slower))
    fast, theory = analyze(p), analyze(slower)
    assert theory.latency_ns == pytest.approx([2 * x for x in fast.latency_ns], rel=1e-6, abs=1e-3)
    assert theory.wait_ns == pytest.approx([2 * x for x in fast.wait_ns], rel=1e-6, abs=1e-3)
    assert theory.cost_cycles == pytest.approx(fast.cost_cycles, rel=1e-6)


@pytest.mark.parametrize("shift", [0, 3, 5])
def test_kvm_refuses_a_timer_that_would_run_out_within_ten_seconds(shift):
    """Linux vmx.c, hardware_setup: tsc_hz >> X above 0xffffffff / 10."""
    most = 429_496_729
    taken = Params(tsc_hz=float(most << shift), timer_shift=shift) if most << shift <= 1e10 else None
    over = float((most + 1) << shift)
    assert taken is None or not refused(taken)
    if over <= 1e10:
        assert refused(Params(tsc_hz=over, timer_shift=shift))


@settings(max_examples=30)
@given(typical(Params), st.sampled_from(["too fine", "too far"]))
def test_a_preemption_timer_that_is_not_used_is_an_hrtimer(p, why):
    if why == "too fine":
        p = p.replace(tsc_hz=3e9, timer_shift=0)
        assert refused(p)
    else:
        # the fast path of the WRMSR asks whether KVM may use the preemption timer at all
        p = p.replace(tsc_hz=2.5e9, timer_shift=5, interval_ns=56 * s, advance="off", fastpath=False)
        assert not fits(p)
    theory = analyze(p)
    assert theory.hardware_frac == (0, 0)
    for name in OUTPUTS:
        hrtimer, hardware = getattr(theory, name)
        assert hardware == pytest.approx(hrtimer, rel=1e-9), name


@settings(max_examples=40)
@given(typical(Params))
def test_nobody_waits_without_an_advance(p):
    assume(not looks(p))
    assert analyze(p).wait_ns == (0, 0)
    none = p.replace(advance="fixed", advance_ns=0.0)
    assert analyze(none).outputs() == analyze(p.replace(advance="off")).outputs()


@settings(max_examples=40)
@given(typical(Params, advance="fixed", spread_frac=0.1))
def test_with_an_advance_no_handler_starts_before_the_deadline(p):
    assume(looks(p))
    theory = analyze(p)
    least = path_cycles(p, "entry", "deliver") * p.cycle_ns
    for timer in (HRTIMER, HARDWARE):
        assert theory.latency_ns[timer] >= least * (1 - 1e-6)
        assert np.interp(0.85 * least, theory.curve_ns, theory.curve_low[timer]) > 0.995


def test_a_long_advance_leaves_the_entry_and_is_waited_for():
    p = BUSY.replace(advance="fixed", advance_ns=5 * us)
    more = p.replace(advance_ns=6 * us)
    theory, longer = analyze(p), analyze(more)
    least = path_cycles(p, "entry", "deliver") * p.cycle_ns
    assert theory.latency_ns == pytest.approx((least, least))
    assert np.subtract(longer.wait_ns, theory.wait_ns) == pytest.approx([1000, 1000])


def test_the_adaptive_advance_settles_where_looks_are_in_the_dead_band():
    p = BUSY.replace(advance="adaptive")
    paths = (
        path_cycles(p, "exit", "hrtimer_irq", "loop", "sync", "wait"),
        path_cycles(p, "exit", "hv_expire", "loop", "sync", "wait") - 31,
    )
    for advance, path in zip(analyze(p).advance_ns, paths, strict=True):
        assert abs(advance / p.cycle_ns - path) < 100


def test_noise_that_vanishes_leaves_nothing():
    calm, still = analyze(BUSY.replace(noise_per_s=1e-3)), analyze(BUSY)
    for name in OUTPUTS:
        assert getattr(calm, name) == pytest.approx(getattr(still, name), rel=1e-4), name


@pytest.mark.parametrize("name", ["busy guest", "halting guest", "adaptive advance"])
def test_more_noise_is_more_latency(name):
    p = SCENARIOS[name].replace(noise_ns=5 * us)
    found = [analyze(p.replace(noise_per_s=rate)) for rate in (0.0, 1 * kHz, 4 * kHz)]
    for timer in (HRTIMER, HARDWARE):
        assert np.all(np.diff([t.latency_ns[timer] for t in found]) > 0)
        assert np.all(np.diff([t.latency_p999_ns[timer] for t in found]) > 0)


def test_a_deadline_is_whole_guest_ticks_away():
    assert interval_cycles(BUSY) == 250_000
    slow = BUSY.replace(guest_tsc_hz=1e6)  # a tick is 2500 cycles, read half a tick ago in the mean
    assert interval_cycles(slow) == 250_000 - 1250
