"""LAPIC timers for tests: a guest at the host's 2 GHz, X = 5, that has entered once at TSC 0."""

from nfvlab.timer.kvm import Host
from nfvlab.timer.kvm_rules import rule_named
from nfvlab.timer.lapic import LapicTimer
from nfvlab.timer.scaling import GuestClock

CLOCK = GuestClock(host_khz=2_000_000)  # 2 cycles a ns
US = 2000  # cycles
FAR = 1 << 40  # beyond 2**37 cycles, the range at X = 5


def timer(mode="tscdeadline", *, rule="sound", clock=CLOCK, advance_ns=0, adaptive=False, **host):
    made = LapicTimer(
        clock,
        Host(shift=5, **host),
        mode=mode,
        rule=rule_named(rule),
        advance_ns=advance_ns,
        adaptive=adaptive,
    )
    made.enter(0)
    return made
