"""The LAPIC timer operation by operation: what is armed after each, and which exits it took."""

import pytest
from timer.lapic_for_tests import CLOCK, FAR, US, timer

from nfvlab.timer.kvm import Host
from nfvlab.timer.lapic import LapicTimer
from nfvlab.timer.lapic_kernel import MIN_PERIOD_NS
from nfvlab.timer.lapic_step import HARDWARE, HRTIMER, OFF


def test_a_deadline_on_the_hardware_timer():
    t = timer()
    step = t.write_tscdeadline(10, 100 * US)
    assert (step.in_use, step.deadline_tsc, step.exits, step.field) == (HARDWARE, 100 * US, ("WRMSR",), None)
    step = t.enter(1000)
    assert step.field == (100 * US - 1000) >> 5 and not step.soft_disabled
    assert t.next_event() == ("expire", step.fires_at)
    step = t.expire(step.fires_at)
    assert (step.in_use, step.injected, step.exits) == (OFF, 1, (HARDWARE,))
    step = t.enter(t.tsc)
    assert step.delivers and step.soft_disabled and step.field == (1 << 32) - 1
    assert t.tscdeadline == 0


def test_another_exit_does_not_move_the_deadline():
    t = timer()
    t.write_tscdeadline(0, 100 * US)
    for tsc in (10, 5000, 7777, 150_000):
        t.enter(tsc)
        t.exit(tsc + 1, "CPUID")
    fires = t.enter(199_000).fires_at
    assert 0 <= 100 * US - fires <= 62


def test_a_deadline_beyond_the_range_is_on_the_hrtimer_and_stays_there():
    t = timer()
    step = t.write_tscdeadline(0, FAR)
    assert (step.in_use, step.deadline_tsc) == (HRTIMER, FAR)
    assert "exceed" in step.why[0]
    t.enter(FAR - 100)  # within the range by now, but KVM does not look again
    assert t.in_use == HRTIMER
    step = t.hrtimer(FAR)
    assert (step.exits, step.injected, step.in_use) == (("external interrupt",), 0, OFF)
    assert t.enter(FAR + 500).injected == 1


def test_a_past_deadline_is_injected_without_an_exit_of_its_own():
    t = timer()
    step = t.write_tscdeadline(1000, 999)
    assert (step.injected, step.in_use, step.exits) == (1, OFF, ("WRMSR",))
    assert t.enter(1001).delivers


def test_in_2016_it_cost_an_exit():
    t = timer(rule="2016")
    step = t.write_tscdeadline(1000, 999)
    assert (step.injected, step.in_use) == (0, HARDWARE)
    assert t.enter(1001).fires_at == 1001
    assert t.expire(1001).injected == 1


@pytest.mark.parametrize(("mode", "uses"), [("oneshot", HRTIMER), ("periodic", HRTIMER)])
def test_in_2016_the_other_modes_were_on_the_hrtimer(mode, uses):
    assert timer(mode, rule="2016").write_tmict(0, 10**6).in_use == uses
    assert timer(mode).write_tmict(0, 10**6).in_use == HARDWARE


def test_in_2016_an_unused_timer_did_not_count():
    t = timer(rule="2016")
    assert t.field is None and t.next_event() is None
    t.write_tscdeadline(10, 100 * US)
    assert t.enter(20).field


def test_zero_disarms_in_every_mode():
    t = timer()
    t.write_tscdeadline(0, 100 * US)
    assert t.write_tscdeadline(1, 0).in_use == OFF
    for mode in ("oneshot", "periodic"):
        t = timer(mode)
        t.write_tmict(0, 10**6)
        assert t.write_tmict(1, 0).in_use == OFF
        assert t.enter(2).soft_disabled


def test_registers_of_the_other_mode_are_ignored():
    assert timer().write_tmict(0, 10**6).in_use == OFF
    assert timer("periodic").write_tscdeadline(0, 10**6).in_use == OFF


def test_a_change_of_mode_disarms():
    t = timer()
    t.write_tscdeadline(0, 100 * US)
    assert t.write_lvtt(1, "periodic").in_use == OFF
    t.write_tmict(2, 10**6)
    assert t.write_lvtt(3, "oneshot").in_use == HARDWARE  # not to or from the TSC deadline
    assert t.write_lvtt(4, "tscdeadline").in_use == OFF


def test_a_one_shot_timer_fires_once():
    t = timer("oneshot")
    t.write_tmict(0, 10**6)
    fires = t.enter(0).fires_at
    assert 2 * 10**6 - 62 <= fires <= 2 * 10**6
    assert t.expire(fires).injected == 1
    t.enter(fires)
    assert t.in_use == OFF
    assert t.soft_disabled


def test_a_periodic_timer_keeps_its_period_however_late_it_is_served():
    t = timer("periodic")
    t.write_tmict(0, 10**6)
    for period in range(1, 8):
        fires = t.enter(t.tsc).fires_at
        assert 0 <= 2 * 10**6 * period - fires <= 64
        assert t.expire(fires + 3000).injected == 1


def test_short_periods_are_raised_but_short_one_shots_are_not():
    t = timer("periodic")
    assert t.write_tmict(0, 1000).deadline_tsc == 2 * MIN_PERIOD_NS
    assert timer("oneshot").write_tmict(0, 1000).deadline_tsc == 2000


def test_the_divide_count_and_the_bus_scale_the_count():
    t = LapicTimer(CLOCK, Host(shift=5), mode="oneshot", divide_count=16, bus_cycle_ns=10)
    assert t.write_tmict(0, 1000).deadline_tsc == 2 * 160_000


def test_a_block_switches_to_the_hrtimer_and_waking_returns_to_the_hardware():
    t = timer()
    t.write_tscdeadline(0, 100 * US)
    t.enter(10)
    step = t.block(20)
    assert (step.in_use, step.deadline_tsc, step.exits) == (HRTIMER, 100 * US, ("HLT",))
    step = t.unblock(5000)
    assert (step.in_use, step.deadline_tsc) == (HARDWARE, 100 * US)


def test_the_hrtimer_wakes_a_blocked_vcpu_without_an_exit():
    t = timer()
    t.write_tscdeadline(0, 100 * US)
    t.enter(10)
    t.block(20)
    assert t.next_event() == ("hrtimer", 100 * US)
    step = t.hrtimer(100 * US)
    assert step.exits == () and t.runnable
    assert t.unblock(100 * US + 900).in_use == OFF  # pending: nothing to arm
    assert t.enter(100 * US + 2000).delivers


def test_a_deadline_that_passes_on_the_way_to_the_block_keeps_the_vcpu_awake():
    t = timer()
    t.write_tscdeadline(0, 1000)
    t.enter(10)
    step = t.block(1500)
    assert step.injected == 1 and not t.blocked and step.in_use == OFF


def test_a_pending_interrupt_does_not_block():
    t = timer()
    t.write_tscdeadline(10, 5)
    assert not t.blocked and t.block(11).why == ("an interrupt is there: not blocked",)


def test_preemption_leaves_the_deadline_unwatched_until_the_next_entry():
    t = timer()
    t.write_tscdeadline(0, 100 * US)
    t.enter(10)
    assert t.preempt(50 * US).in_use == HARDWARE
    assert t.next_event() is None
    t.load(300 * US, cpu=0)
    step = t.enter(300 * US)
    assert (step.field, step.fires_at) == (0, 300 * US)


def test_another_cpu_arms_anew_and_finds_the_deadline_past():
    t = timer()
    t.write_tscdeadline(0, 100 * US)
    t.preempt(50 * US)
    step = t.load(300 * US, cpu=3)
    assert (step.injected, step.in_use) == (1, OFF)
    t = timer()
    t.write_tscdeadline(0, 100 * US)
    t.preempt(50 * US)
    assert t.load(60 * US, cpu=3).deadline_tsc == 100 * US


def test_an_immediate_exit_is_kvms_own():
    t = timer()
    t.write_tscdeadline(0, 100 * US)
    assert t.enter(10, immediate=True).fires_at == 10
    step = t.expire(10)
    assert step.injected == 0 and step.in_use == HARDWARE
    assert t.enter(20).field


def test_an_exit_of_the_soft_disabled_timer_is_eaten():
    t = timer()
    assert t.expire(t.fires_at).why == ("no deadline: the exit is spurious",)


def test_a_host_without_the_timer_writes_no_field():
    t = timer(preemption_timer=False)
    t.write_tscdeadline(0, 100 * US)
    assert t.enter(10).field is None
    assert t.next_event() == ("hrtimer", 100 * US)


def test_mwait_and_posting_use_the_hrtimer():
    assert timer(mwait_in_guest=True).write_tscdeadline(0, 100 * US).in_use == HRTIMER
    t = timer(hlt_in_guest=True, pi_inject_timer=True)
    assert t.write_tscdeadline(0, 100 * US).in_use == HRTIMER
    t.enter(10)
    step = t.hrtimer(100 * US)  # on a housekeeping CPU: the guest runs on
    assert (step.injected, step.exits, t.in_guest) == (1, (), True)


def test_a_masked_entry_delivers_nothing():
    t = timer("periodic")
    t.write_lvtt(0, "periodic", masked=True)
    t.write_tmict(0, 10**6)
    fires = t.enter(0).fires_at
    assert t.expire(fires).injected == 0
    assert not t.enter(fires).delivers
