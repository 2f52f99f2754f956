"""The theory of interrupt delivery against itself: limits, sums of stages by hand, order, scale."""

import numpy as np
import pytest

from nfvlab.apicv.analytic import analyze
from nfvlab.apicv.params import MODES, OUTPUTS, Params
from nfvlab.apicv.scenarios import SCENARIOS

QUIET = Params(interrupts_per_s=1.0, masked_frac=0.0)
BUSY = Params(interrupts_per_s=50e3)
COSTS = [name for name in Params.__dataclass_fields__ if name.endswith("_cycles")]


def cycles(p, *stages):
    """Sum of some stages in cycles."""
    return sum(getattr(p, stage + "_cycles") for stage in stages)


def by_hand(p):
    """Cycles of a lone interrupt that meets a busy guest, mode by mode; the posting is the housekeeping CPU's."""
    guest, post = ("deliver", "return"), ("irq", "post")
    kick = ("exit", "irq", "loop")
    eoi = ("exit", "eoi", "loop", "entry")
    return (
        cycles(p, *post, *kick, "inject", "entry", *eoi, *guest),
        cycles(p, *post, *kick, "sync", "entry", *guest),
        cycles(p, *post, "notify", *guest),
        cycles(p, "notify", *guest),
    )


def test_a_lone_interrupt_costs_its_stages():
    theory = analyze(QUIET)
    assert theory.cost_cycles == pytest.approx(by_hand(QUIET), rel=1e-4)
    assert theory.exits_ratio == pytest.approx((2, 1, 0, 0), abs=1e-4)
    assert theory.notifications_ratio == pytest.approx((1, 1, 1, 1), abs=1e-4)
    assert theory.coalesced_frac == pytest.approx((0, 0, 0, 0), abs=1e-4)


def test_a_lone_interrupt_takes_the_way_to_its_handler():
    p, theory = QUIET, analyze(QUIET)
    posted = cycles(p, "ipi", "irq", "post", "ipi")
    ways = (
        posted + cycles(p, "exit", "irq", "loop", "inject", "entry", "deliver"),
        posted + cycles(p, "exit", "irq", "loop", "sync", "entry", "deliver"),
        posted + cycles(p, "notify", "deliver"),
        cycles(p, "ipi", "notify", "deliver"),
    )
    assert theory.latency_ns == pytest.approx([way * p.cycle_ns for way in ways], rel=1e-4)


def test_a_lone_interrupt_wakes_a_guest_that_halts():
    theory = analyze(QUIET.replace(halting=True))
    assert theory.halts_ratio == pytest.approx((1, 1, 1, 1), abs=1e-4)
    assert theory.notifications_ratio == pytest.approx((1, 1, 1, 1), abs=1e-4)


def test_the_devices_message_interrupts_a_host_that_polls():
    """VT-d: the poller takes an interrupt; KVM's posting finds the vCPU out of the guest and sends none."""
    p = QUIET.replace(halting=True, halt_poll_ns=1e8, interrupts_per_s=1e3)
    theory, halted = analyze(p), cycles(p, "exit", "halt", "loop", "sync", "entry", "deliver", "return")
    assert theory.notifications_ratio[2] == pytest.approx(0, abs=0.02)
    assert theory.notifications_ratio[3] == pytest.approx(1, abs=0.02)
    assert theory.cost_cycles[3] == pytest.approx(halted + p.irq_cycles, rel=0.02)
    assert theory.latency_ns[3] == pytest.approx(
        cycles(p, "ipi", "irq", "loop", "sync", "entry", "deliver") * p.cycle_ns, rel=0.05
    )


@pytest.mark.parametrize("share", [0.0, 0.37, 1.0])
def test_registers_exit_as_often_as_they_are_written(share):
    theory = analyze(BUSY.replace(eoi_exit_frac=share, tpr_writes_ratio=2.0))
    assert theory.exits_ratio[2:] == pytest.approx((share, share))
    without = analyze(BUSY.replace(eoi_exit_frac=share))
    assert theory.exits_ratio[0] - without.exits_ratio[0] == pytest.approx(2, abs=0.05)
    assert theory.exits_ratio[1:] == without.exits_ratio[1:]


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_step_of_apicv_saves_exits_and_cycles(name):
    theory = analyze(SCENARIOS[name])
    for values, sign in ((theory.exits_ratio, -1), (theory.cpu_frac[:3], -1), (theory.saturation_per_s, 1)):
        assert (np.diff(values) * sign >= -0.01 * np.abs(values[:-1])).all()


@pytest.mark.parametrize("name", SCENARIOS)
def test_shares_are_shares_and_the_tail_falls(name):
    theory = analyze(SCENARIOS[name])
    for values in (theory.coalesced_frac, theory.cpu_frac, theory.busy_frac):
        assert all(0 <= value <= 1 for value in values)
    assert (np.diff(theory.curve_ns) > 0).all()
    assert (np.diff(theory.curve_low) <= 1e-12).all()
    assert (theory.curve_low <= theory.curve_high).all()


@pytest.mark.parametrize("name", COSTS)
def test_no_stage_is_free_of_charge(name):
    for p in (BUSY, BUSY.replace(halting=True, interrupts_per_s=2e3), BUSY.replace(tpr_writes_ratio=1.0)):
        less, more = analyze(p), analyze(p.replace(**{name: 1.2 * getattr(p, name)}))
        for field in ("latency_ns", "cpu_frac"):
            low, high = np.array(getattr(less, field)), np.array(getattr(more, field))
            assert (high >= low * (1 - 0.01)).all(), field


@pytest.mark.parametrize("field", ["coalesced_frac", "cpu_frac"])
def test_a_higher_rate_never_gives_less(field):
    values = [getattr(analyze(BUSY.replace(interrupts_per_s=rate)), field) for rate in (1e3, 1e4, 5e4, 1.5e5)]
    assert (np.diff(values, axis=0) > 0).all()


def test_on_one_cpu_there_is_one_cpu():
    """Handlers and what delivering takes fill the CPU at most, at any rate."""
    for rate in (1e4, 2e5, 2e6):
        p = Params(interrupts_per_s=rate, handler_ns=10e3)
        theory = analyze(p)
        passed_on = min(rate, 1e9 / (cycles(p, "irq", "post") * p.cycle_ns))
        delivered = [passed_on * (1 - share) for share in theory.coalesced_frac]
        for mode in range(2):
            assert theory.cpu_frac[mode] + delivered[mode] * p.handler_ns * 1e-9 <= 1.02


def test_all_times_in_another_unit_change_nothing_but_the_unit():
    p = SCENARIOS["interrupts often off"].replace(vector_count=3, away_frac=0.1)
    fast = p.replace(
        tsc_hz=2 * p.tsc_hz,
        interrupts_per_s=2 * p.interrupts_per_s,
        handler_ns=p.handler_ns / 2,
        masked_ns=p.masked_ns / 2,
        away_ns=p.away_ns / 2,
    )
    slow, quick = analyze(p), analyze(fast)
    for name in OUTPUTS:
        unit = {"latency_ns": 0.5, "latency_p99_ns": 0.5, "saturation_per_s": 2.0}.get(name, 1.0)
        assert getattr(quick, name) == pytest.approx([unit * v for v in getattr(slow, name)], rel=1e-4), name


def test_a_saturated_guest_spends_its_cycle_in_the_handler_if_that_is_long():
    theory = analyze(BUSY.replace(handler_ns=1e6))
    assert theory.saturation_per_s == pytest.approx([1e3] * len(MODES), rel=0.01)


def test_on_all_vectors_a_periodic_guest_that_keeps_up_loses_nothing():
    theory = analyze(Params(arrivals="periodic", interrupts_per_s=20e3, masked_frac=0.0))
    assert theory.coalesced_frac == pytest.approx((0,) * 4, abs=1e-6)
    assert theory.notifications_ratio == pytest.approx((1,) * 4, abs=1e-6)
