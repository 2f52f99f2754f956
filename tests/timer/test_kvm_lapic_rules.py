"""The LAPIC timer after any sequence of operations: what always holds, what is refused, wrong versions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from timer.lapic_for_tests import CLOCK, US, timer

from nfvlab.timer.kvm import Host
from nfvlab.timer.kvm_rules import RULES
from nfvlab.timer.lapic import LapicTimer
from nfvlab.timer.lapic_step import OFF
from nfvlab.timer.scaling import U64


@given(
    st.sampled_from(list(RULES)),
    st.sampled_from(["oneshot", "periodic", "tscdeadline"]),
    st.booleans(),
    st.lists(st.tuples(st.integers(0, 9), st.integers(1, 3 * 10**6)), max_size=40),
)
def test_after_any_sequence_one_timer_is_armed_at_most_and_none_without_a_deadline(rule, mode, apicv, moves):
    t = timer(mode, rule=rule, apicv=apicv, advance_ns=1000, adaptive=True)
    for move, by in moves:
        _move(t, move, t.tsc + by, by)
        assert not (t.hv_in_use and t.hrtimer_ns is not None)
        assert t.hv_in_use == (t.hv_deadline is not None)
        assert not (t.blocked and t.hv_in_use)
        assert not (t.in_guest and t.blocked)
        if t.in_use != OFF and mode == "tscdeadline":
            assert t.tscdeadline
        assert 0 <= t.advance_ns <= 5000


def _move(t, move, tsc, by):
    due = t.next_event()
    if due and due[1] <= tsc:
        getattr(t, due[0])(due[1])
    tsc = max(tsc, t.tsc)
    if move == 0 and not t.blocked:
        t.write_tscdeadline(tsc, tsc + by) if t.mode == "tscdeadline" else t.write_tmict(tsc, by)
    elif move == 1 and t.in_guest:
        t.exit(tsc)
    elif move == 2 and not t.blocked:
        t.block(tsc)
    elif move == 3 and t.blocked:
        t.unblock(tsc)
    elif move == 4 and not t.in_guest:
        t.load(tsc, by % 2)
    elif move == 5:
        t.preempt(tsc)
    elif not t.in_guest and not t.blocked:
        t.enter(tsc, immediate=move == 9)


@given(
    st.lists(st.tuples(st.sampled_from(["exit", "block", "preempt"]), st.integers(1, 400_000)), max_size=25)
)
def test_no_deadline_is_lost_whatever_comes_between(moves):
    t = timer()
    deadline = 10**6
    t.write_tscdeadline(0, deadline)
    t.enter(1)
    injected = 0
    for name, by in moves:
        until = t.tsc + by
        injected += _until(t, until)
        if t.in_guest:
            injected += getattr(t, name)(until).injected
        if t.blocked:
            injected += t.unblock(until).injected
        injected += _until(t, until)
        if not t.in_guest:
            injected += t.enter(until).injected
    injected += _until(t, 10**8)
    if not t.in_guest:
        injected += t.enter(10**8).injected
    assert injected == 1


def _until(t, tsc):
    injected = 0
    while (due := t.next_event()) and due[1] <= tsc and t.in_use != OFF:
        injected += getattr(t, due[0])(due[1]).injected
        if t.blocked and t.runnable:
            injected += t.unblock(t.tsc).injected
        if not t.in_guest and not t.blocked:
            injected += t.enter(t.tsc).injected
    return injected


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: timer().enter(1), "in the guest"),
        (lambda: timer().expire(5), "does not expire at 5"),
        (lambda: timer().hrtimer(5), "does not fire"),
        (lambda: timer().unblock(5), "not blocked"),
        (lambda: timer().exit(-1), "before the last"),
        (lambda: timer().load(1, 1), "in the guest"),
        (lambda: timer().write_tscdeadline(1, U64 + 1), "64 bits"),
        (lambda: timer("oneshot").write_tmict(1, 1 << 32), "32 bits"),
        (lambda: timer("pit"), "'pit'"),
        (lambda: timer(rule="2030"), "'2030'"),
        (lambda: LapicTimer(CLOCK, Host(shift=5), divide_count=3), "divide_count = 3"),
        (lambda: LapicTimer(CLOCK, Host(shift=5), bus_cycle_ns=0), "bus_cycle_ns = 0"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_an_exit_without_the_guest_is_refused():
    t = timer()
    t.exit(1)
    with pytest.raises(ValueError, match="not in the guest"):
        t.exit(2)


class StaysOnHardware(LapicTimer):
    """A wrong version: the block leaves the hardware timer armed."""

    def _start_sw(self):
        pass


class ForgetsToArm(LapicTimer):
    """A wrong version: the field is written when the deadline is set, not at each entry."""

    def _write_field(self, immediate):
        if self.field is None and not hasattr(self, "_first"):
            self._first = True
            super()._write_field(immediate)
        else:
            self.field = (1 << 32) - 1


class LosesPending(LapicTimer):
    """A wrong version: what is pending is cleared before it is injected."""

    def _inject_pending(self):
        self.pending = False


def _delivered(machine, halts):
    """A guest without APICv that arms one deadline, and then halts or is busy: how many interrupts it gets by 10**6."""
    t = machine(CLOCK, Host(shift=5, apicv=False))
    t.enter(0)
    t.write_tscdeadline(0, 100 * US)
    t.enter(1)
    if halts:
        t.block(2)
    delivered = 0
    while (due := t.next_event()) and due[1] <= 10**6:
        getattr(t, due[0])(due[1])
        if t.blocked:
            t.unblock(t.tsc)
        delivered += t.enter(t.tsc).delivers
    return delivered


@pytest.mark.parametrize("halts", [False, True])
def test_the_right_version_delivers_its_deadline_once(halts):
    assert _delivered(LapicTimer, halts) == 1


@pytest.mark.parametrize(
    ("wrong", "halts"),
    [(StaysOnHardware, True), (ForgetsToArm, False), (LosesPending, False), (LosesPending, True)],
)
def test_wrong_versions_lose_it(wrong, halts):
    assert _delivered(wrong, halts) == 0
