"""The VMX-preemption timer against a tick-by-tick count, the SDM's rules one by one, and wrong versions of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfvlab.timer.countdown import MAX_VALUE, PRIORITY, Countdown, changes, fires_at, first_event, value_at


def by_ticks(tsc: int, value: int, shift: int) -> int:
    """The manual's sentence: down by 1 each time bit X changes due to an increment of the TSC; at 0, expired."""
    while value:
        before = tsc >> shift & 1
        tsc += 1
        value -= before != (tsc >> shift & 1)
    return tsc


small = st.tuples(st.integers(0, 1 << 12), st.integers(0, 6), st.integers(0, 7))


@given(small, st.sampled_from((0, 1 << 31, (1 << 32) - 3, (1 << 63) - 5)))
def test_the_expiry_is_that_of_a_tick_by_tick_count(case, base):
    tsc, value, shift = case
    assert fires_at(base + tsc, value, shift) == by_ticks(base + tsc, value, shift)


@given(st.integers(0, 31), st.integers(-4, 4), st.integers(1, 3))
def test_the_first_expiries_agree_at_every_shift_around_a_change_of_the_bit(shift, offset, value):
    # The TSC one change before the last one: that is all that is walked through at a large shift.
    tsc = (5 << shift) + offset + (1 << shift + 2)
    fire = fires_at(tsc, value, shift)
    assert by_ticks(fire - 1, 1, shift) == fire
    assert changes(tsc, fire - 1, shift) == value - 1


@given(st.integers(0, 1 << 63), st.integers(1, MAX_VALUE), st.integers(0, 31))
def test_it_expires_within_the_last_unit_of_its_value(tsc, value, shift):
    assert (value - 1 << shift) < fires_at(tsc, value, shift) - tsc <= value << shift


@given(st.integers(0, 1 << 40), st.integers(0, MAX_VALUE), st.integers(0, 31), st.integers(0, 1 << 40))
def test_the_value_falls_to_zero_at_the_expiry_and_not_before(tsc, value, shift, later):
    fire = fires_at(tsc, value, shift)
    assert value_at(tsc, value, shift, fire) == 0
    assert value_at(tsc, value, shift, fire + later) == 0
    if value:
        assert value_at(tsc, value, shift, fire - 1) == 1


def test_the_full_value_at_the_largest_shift_lasts_until_bit_31_has_changed_that_often():
    # 2**32 - 1 changes of bit 31, the first one at 2**31: the last one at (2**32 - 1) * 2**31.
    assert fires_at(0, MAX_VALUE, 31) == MAX_VALUE << 31


@given(small, st.lists(st.integers(0, 500), max_size=12))
def test_stepping_through_takes_any_strides_to_the_same_expiry(case, strides):
    tsc, value, shift = case
    timer = Countdown(shift, field=value, tsc=tsc)
    seen = timer.enter()
    for stride in strides:
        if seen.exited:
            break
        seen = timer.tick(stride)
        assert seen.exited or seen.value == value_at(tsc, value, shift, seen.tsc)
    if not seen.exited:
        seen = timer.tick(10**6)
    assert seen.tsc == fires_at(tsc, value, shift)


def test_what_was_left_of_a_stride_is_reported():
    timer = Countdown(2, field=1, tsc=5)  # bit 2 changes at 8
    timer.enter()
    seen = timer.tick(10)
    assert (seen.tsc, seen.value, seen.exited, seen.left_ticks) == (8, None, True, 7)
    assert seen.steps == ("3 ticks, bit 2 changed 1 times", "VM exit: VMX-preemption timer expired")


@pytest.mark.parametrize(
    ("injecting", "debug_trap", "steps"),
    [
        (False, False, ()),
        (True, False, ("deliver the injected event",)),
        (False, True, ("deliver the pending debug exception",)),
        (True, True, ("deliver the injected event", "deliver the pending debug exception")),
    ],
)
def test_zero_exits_before_any_instruction_but_after_the_events(injecting, debug_trap, steps):
    timer = Countdown(5, field=0, tsc=77)
    seen = timer.enter(injecting=injecting, debug_trap=debug_trap)
    assert seen.steps == ("load 0", *steps, "VM exit: VMX-preemption timer expired")
    assert seen.exited and seen.tsc == 77


def test_without_the_saving_control_the_field_stays_and_the_next_entry_starts_from_it():
    timer = Countdown(0, field=10)
    timer.enter()
    timer.tick(4)
    assert timer.exit().field == 10
    timer.enter()
    assert timer.tick(100).tsc == 14


def test_with_it_the_countdown_goes_on_at_the_next_entry_and_expiry_saves_zero():
    timer = Countdown(0, field=10, save_value=True)
    timer.enter()
    timer.tick(4)
    assert timer.exit().field == 6
    timer.tick(1000)  # root operation: nothing counts
    timer.enter()
    assert timer.tick(100)[:3] == (1010, None, 0)
    assert timer.enter().exited  # the field is 0 now


def test_without_activation_nothing_counts_and_zero_does_not_exit():
    timer = Countdown(0, field=0, activate=False)
    assert not timer.enter().exited
    assert not timer.tick(50).exited


@pytest.mark.parametrize(("c_state", "expires"), [(0, True), (1, True), (2, True), (3, False), (6, False)])
def test_it_counts_down_to_c2_and_stands_still_below(c_state, expires):
    timer = Countdown(0, field=5)
    timer.enter()
    timer.sleep("mwait", c_state)
    seen = timer.tick(5)
    assert seen.exited == expires
    if not expires:
        assert seen.value == 5 and seen.tsc == 5
        timer.wake()
        assert timer.tick(9).tsc == 10


@pytest.mark.parametrize("activity", ["hlt", "shutdown", "mwait"])
def test_it_wakes_what_an_nmi_would_wake(activity):
    timer = Countdown(3, field=1)
    timer.enter(activity=activity)
    assert timer.tick(8).exited
    assert timer.activity == "active"


def test_in_wait_for_sipi_it_counts_but_its_exit_is_blocked():
    timer = Countdown(0, field=3)
    timer.enter(activity="wait-for-SIPI")
    seen = timer.tick(10)
    assert (seen.exited, seen.value, seen.tsc) == (False, 0, 10)
    assert timer.wake().exited


def test_it_counts_in_smm_and_exits_after_rsm():
    timer = Countdown(0, field=3)
    timer.enter()
    timer.smi()
    assert not timer.tick(10).exited
    assert timer.rsm().exited and timer.tsc == 10


def test_a_written_tsc_changes_bits_but_counts_nothing():
    timer = Countdown(1, field=2, tsc=1)
    timer.enter()
    assert timer.write_tsc(2).value == 2  # bit 1 has changed, by no increment
    assert timer.tick(2).value == 1


def test_the_place_of_its_exit_among_simultaneous_events():
    assert first_event("external interrupt", "VMX-preemption timer", "NMI window") == "VMX-preemption timer"
    assert first_event("NMI", "VMX-preemption timer") == "VMX-preemption timer"
    assert first_event("VMX-preemption timer", "debug trap") == "debug trap"
    assert first_event("interrupt window", "NMI") == "NMI"
    assert first_event(*reversed(PRIORITY)) == "TPR below threshold"


def test_the_bits_show_which_one_counts():
    assert Countdown(2, tsc=0b101100).bits == "101[1]00"
    assert Countdown(5, tsc=1).bits == "000[0]00001"


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: fires_at(0, 1, 32), "shift = 32"),
        (lambda: fires_at(0, 1 << 32, 0), "32 bits"),
        (lambda: fires_at(-1, 1, 0), "TSC = -1"),
        (lambda: value_at(5, 1, 0, 4), "before the VM entry"),
        (lambda: Countdown(0, activate=False, save_value=True), "save_value"),
        (lambda: Countdown(0).exit(), "enter first"),
        (lambda: Countdown(0).tick(-1), "ticks = -1"),
        (lambda: Countdown(0).enter(activity="dozing"), "'dozing'"),
        (lambda: Countdown(0).enter(activity="wait-for-SIPI", injecting=True), "injecting"),
        (lambda: Countdown(0).sleep("hlt", -1), "c_state"),
        (lambda: first_event("tea"), "'tea'"),
        (first_event, "no event"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_entering_twice_is_refused():
    timer = Countdown(0, field=1)
    timer.enter()
    with pytest.raises(ValueError, match="exit first"):
        timer.enter()


MUTANTS = {
    "a count of cycles, as if the phase did not matter": lambda t, v, x: t + (v << x),
    "one unit too long": lambda t, v, x: ((t >> x) + v + 1) << x,
    "only rising edges of the bit": lambda t, v, x: ((t >> x + 1) + v) << x + 1,
    "the wrong bit": lambda t, v, x: ((t >> x + 1) + v) << x + 1 if v else t,
    "31 bits": lambda t, v, x: fires_at(t, v & MAX_VALUE >> 1, x),
    "zero waits for the next change": lambda t, v, x: ((t >> x) + max(v, 1)) << x,
    "a rounded phase": lambda t, v, x: ((t + (1 << x >> 1) >> x) + v) << x if v else t,
}


@pytest.mark.parametrize("name", MUTANTS)
def test_wrong_versions_are_told_from_the_count(name):
    cases = [(t, v, x) for t in (0, 3, 8, 13) for v in (0, 1, 4) for x in (0, 1, 3)]
    wrong = any(MUTANTS[name](*case) != by_ticks(*case) for case in cases)
    far = MUTANTS[name](7, MAX_VALUE, 5) != fires_at(7, MAX_VALUE, 5)
    assert wrong or far


class ExitsBeforeInjection(Countdown):
    """A wrong version: a timer at zero exits before the injected event is delivered."""

    def enter(self, *, injecting=False, **other):
        return super().enter(injecting=injecting and self.field != 0, **other)


class CountsInAnyState(Countdown):
    """A wrong version: the timer counts in deep C-states too."""

    def sleep(self, activity, c_state=1):
        return super().sleep(activity, min(c_state, 2))


class SavesAlways(Countdown):
    """A wrong version: the field is written back without the control."""

    def exit(self, reason=""):
        self.save_value = True
        return super().exit(reason)


def test_wrong_machines_are_told_from_the_right_one():
    with pytest.raises(AssertionError):
        assert "deliver the injected event" in ExitsBeforeInjection(5).enter(injecting=True).steps
    with pytest.raises(AssertionError):
        deep = CountsInAnyState(0, field=5)
        deep.enter()
        deep.sleep("mwait", 6)
        assert not deep.tick(5).exited
    with pytest.raises(AssertionError):
        saving = SavesAlways(0, field=5)
        saving.enter()
        saving.tick(2)
        assert saving.exit().field == 5
