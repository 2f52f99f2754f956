"""The LAPIC timer with an advance, and where two of its rules meet."""

from timer.lapic_for_tests import CLOCK, FAR, US, timer

from nfvlab.timer.lapic_step import HARDWARE, HRTIMER, OFF


def test_the_advance_is_deducted_and_waited_for():
    t = timer(advance_ns=1000)
    cycles = CLOCK.nsec_to_cycles(1000)
    assert t.write_tscdeadline(0, 100 * US).deadline_tsc == 100 * US - cycles
    fires = t.enter(10).fires_at
    t.expire(fires)
    step = t.enter(fires + 500)
    assert fires + 500 + step.wait_cycles == 100 * US
    assert step.delivers


def test_a_timer_that_came_too_late_is_not_waited_for_and_teaches_the_advance():
    t = timer(advance_ns=1000, adaptive=True)
    t.write_tscdeadline(0, 100 * US)
    fires = t.enter(10).fires_at
    t.expire(fires)
    assert t.enter(100 * US + 1600).wait_cycles == 0  # 800 ns late: + 100
    assert t.advance_ns == 1100


def test_the_hrtimer_has_the_advance_in_the_deadline_mode_only():
    t = timer(advance_ns=1000, preemption_timer=False)
    assert t.write_tscdeadline(0, 100 * US).deadline_tsc == 99 * US
    assert t.write_tscdeadline(0, US).in_use == OFF  # within the advance: expired
    t = timer("oneshot", advance_ns=1000, preemption_timer=False)
    assert t.write_tmict(0, 10**6).deadline_tsc == 2 * 10**6


def test_in_2016_the_hardware_had_no_advance():
    assert timer(rule="2016", advance_ns=1000).write_tscdeadline(0, 100 * US).deadline_tsc == 100 * US


def test_an_advanced_period_on_the_hardware_is_waited_for_and_the_next_one_counts_from_the_end_of_the_wait():
    t = timer("periodic", advance_ns=1000)
    t.write_tmict(0, 10**6)
    fires = t.enter(0).fires_at
    assert 1000 * 2 - 8 <= 2 * 10**6 - fires <= 1000 * 2 + 62
    t.expire(fires)
    step = t.enter(fires + 100)
    began = fires + 100 + step.wait_cycles
    assert began == 2 * 10**6 and step.wait_cycles > 0
    assert step.fires_at == ((began >> 5) + step.field) << 5


def test_a_posted_interrupt_waits_for_its_deadline_where_the_hrtimer_ran():
    t = timer(hlt_in_guest=True, pi_inject_timer=True, advance_ns=1000)
    assert t.write_tscdeadline(0, 100 * US).deadline_tsc == 99 * US
    t.enter(10)
    step = t.hrtimer(99 * US)
    assert step.injected == 1 and US - 8 <= step.wait_cycles <= US


def test_the_hrtimer_of_a_period_that_ends_right_now_is_still_armed():
    t = timer("periodic")
    t.write_tmict(0, 10**6)
    t.enter(0)
    step = t.block(2 * 10**6)
    assert (step.in_use, step.deadline_tsc, step.injected) == (HRTIMER, 2 * 10**6, 0)


def test_a_one_shot_that_is_past_at_the_block_is_not_armed_again():
    t = timer("oneshot")
    t.write_tmict(0, 10**6)
    t.enter(0)
    step = t.block(2 * 10**6 + 10)
    # By start_sw_period, and again on the way back from the block, for the target is 0 by then: one bit of IRR.
    assert (step.in_use, step.injected, t.blocked, t.target_ns) == (OFF, 2, False, 0)
    assert t.enter(t.tsc).delivers
    t.exit(t.tsc)
    assert not t.enter(t.tsc).delivers


def test_a_new_deadline_replaces_a_pending_interrupt():
    t = timer(apicv=False)
    t.write_tscdeadline(1000, 999)
    assert t.pending
    assert t.write_tscdeadline(1001, 100 * US).in_use == HARDWARE
    assert not t.enter(1002).delivers


def test_a_second_expiry_is_lost_in_one_that_is_pending():
    t = timer("periodic", apicv=False)
    t.write_lvtt(0, "periodic", masked=True)
    t.write_tmict(0, 10**6)
    t.expire(t.enter(0).fires_at)
    seen = t.expire(t.enter(t.tsc).fires_at)
    assert "lost" in seen.why[0] and t.in_use == HARDWARE
    t.enter(t.tsc)
    assert not t.runnable and t.block(t.tsc).in_use == HRTIMER and t.blocked


def test_a_change_of_cpu_leaves_the_hrtimer_alone():
    t = timer()
    t.write_tscdeadline(0, FAR)
    t.preempt(10)
    assert t.load(FAR - 1000, cpu=1).in_use == HRTIMER  # within the hardware's range by now


def test_a_change_of_mode_forgets_the_deadline_and_the_period():
    t = timer()
    t.write_tscdeadline(0, 100 * US)
    t.write_lvtt(1, "periodic")
    t.write_tmict(2, 10**6)
    t.write_lvtt(3, "tscdeadline")
    assert (t.tscdeadline, t.period_ns) == (0, 0)


def test_nor_is_it_without_apicv_where_the_interrupt_stays_pending():
    t = timer("oneshot", apicv=False)
    t.write_tmict(0, 10**6)
    t.enter(0)
    step = t.block(2 * 10**6 + 10)
    assert (step.in_use, step.injected, t.pending) == (OFF, 0, True)
    assert t.enter(t.tsc).injected == 1
