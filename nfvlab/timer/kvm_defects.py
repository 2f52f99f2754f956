"""What KVM's two known defects do: a periodic timer after a pause, and a deadline that was far away, under any rule.

`after_pause`: a busy guest with a periodic timer is stopped for a while, as by a debugger or a suspended VM, and goes
on. A sound rule makes good for the pause with one interrupt and stays on the hardware timer. With the negative delta
the hrtimer's callback runs once for each period missed, interrupts off, and the guest's next interrupts come late by
all of that. What follows shows the other defect: the guest halts once, is woken, and is busy again.

`after_far_deadline`: a deadline beyond the hardware timer's range is on the hrtimer, rightly; the guest halts, another
interrupt wakes it when the deadline has come within range.
"""

from typing import NamedTuple

from nfvlab.timer.kvm import Host
from nfvlab.timer.kvm_rules import rule_named
from nfvlab.timer.lapic import LapicTimer
from nfvlab.timer.lapic_step import HARDWARE
from nfvlab.timer.scaling import GuestClock

MAX_PERIODS = 1_000_000


class Recovery(NamedTuple):
    """What followed a pause.

    `callbacks_count`: runs of the hrtimer's callback, back to back, before the guest went on; `off_ns`: how long host
    interrupts were off for them; `delivered_count`: the interrupts that the guest got for the pause; `in_use`: the
    timer after that; `hardware_count` of `periods_count` later periods were served by the hardware timer.
    """

    callbacks_count: int
    off_ns: int
    delivered_count: int
    in_use: str
    hardware_count: int
    periods_count: int


def after_pause(
    rule: str,
    *,
    pause_ns: int,
    period_ns: int = 1_000_000,
    callback_ns: int = 100,
    periods_count: int = 10,
    clock: GuestClock | None = None,
    host: Host | None = None,
) -> Recovery:
    """Stop a guest with a periodic timer for `pause_ns`, under a rule by its name.

    `callback_ns` is what one run of the callback takes. A ValueError if it is not shorter than the period, for then
    the timer never catches up, or if the pause is longer than a million periods, each of which is simulated.
    """
    if not 0 < callback_ns < period_ns:
        raise ValueError(f"callback_ns = {callback_ns}: must be above 0 and below period_ns = {period_ns}")
    if not 0 < pause_ns <= MAX_PERIODS * period_ns:
        raise ValueError(f"pause_ns = {pause_ns}: must be above 0, and {MAX_PERIODS} periods at most")
    clock, host = clock or GuestClock(host_khz=2_300_000), host or Host(shift=5)
    timer = LapicTimer(clock, host, mode="periodic", rule=rule_named(rule))
    timer.write_tmict(0, period_ns)
    timer.enter(0)
    _serve(timer, 2)
    _stop(timer, clock.host_tsc(pause_ns))
    delivered = callbacks = off = 0
    while True:
        delivered += timer.enter(timer.tsc).delivers
        if timer.next_event() != ("expire", timer.tsc):
            break
        timer.expire(timer.tsc)
        ran, cycles = _catch_up(timer, clock.host_tsc(callback_ns))
        callbacks, off = callbacks + ran, off + cycles
    in_use = timer.in_use
    timer.block(timer.tsc)
    timer.unblock(timer.tsc + 1)
    timer.enter(timer.tsc)
    hardware = _serve(timer, periods_count)
    return Recovery(callbacks, clock.host_ns(off), delivered, in_use, hardware, periods_count)


def after_far_deadline(
    rule: str, *, clock: GuestClock | None = None, host: Host | None = None
) -> tuple[str, str]:
    """The timer that a deadline at 1.5 times the hardware's range is on when it is set, and after a halt."""
    clock, host = clock or GuestClock(host_khz=2_300_000), host or Host(shift=5)
    timer = LapicTimer(clock, host, rule=rule_named(rule))
    reach = host.max_value << host.shift
    timer.enter(0)
    deadline = clock.guest_tsc(reach + reach // 2)
    set_on = timer.write_tscdeadline(1, deadline).in_use
    timer.enter(2)
    timer.block(3)
    return set_on, timer.unblock(reach).in_use


def _stop(timer: LapicTimer, cycles: int) -> None:
    """Keep the guest out for so long; the hrtimer runs on meanwhile."""
    until = timer.tsc + cycles
    timer.exit(timer.tsc, "stopped")
    while (due := timer.hrtimer_tsc()) is not None and due <= until:
        timer.hrtimer(due)
    timer.preempt(until)


def _catch_up(timer: LapicTimer, callback_cycles: int) -> tuple[int, int]:
    """Run the hrtimer's callback as long as it is due: how often, and the host cycles that took."""
    callbacks, began = 0, timer.tsc
    while (due := timer.hrtimer_tsc()) is not None and due <= timer.tsc:
        timer.hrtimer(timer.tsc)
        timer.tsc += callback_cycles
        callbacks += 1
    return callbacks, timer.tsc - began


def _serve(timer: LapicTimer, periods_count: int) -> int:
    """A busy guest for so many timer events: how many of them the hardware timer brought."""
    hardware = 0
    for _ in range(periods_count):
        op, tsc = timer.next_event()
        hardware += timer.in_use == HARDWARE
        getattr(timer, op)(tsc)
        timer.enter(tsc)
    return hardware
