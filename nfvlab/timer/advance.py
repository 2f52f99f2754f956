"""KVM's timer advance: how much before its deadline a timer is set, how that adapts, and the wait that makes up for it.

A timer interrupt reaches the guest later than its timer fires, by the path through the host. So KVM sets the timer
`timer_advance_ns` early and, before the VM entry, waits until the deadline if it came too early. The wait's start tells
how well the advance fits: error = guest TSC there - deadline, in guest cycles, negative if early. Then

    |error| < 100 or > 10 000 cycles     nothing: a fluctuation, or a spike
    otherwise                            advance += error / 8, in whole ns, in 32 bits
    advance > 5000 ns                    advance = 1000 ns: it starts anew

A step below zero is a huge number in 32 bits, and starts anew, too. The band of 100 cycles is dead: the advance rests
up to 99 cycles away from the path it should match.

Source: Linux arch/x86/kvm/lapic.c (`adjust_lapic_timer_advance`, `__wait_lapic_expire`, `__kvm_wait_lapic_expire`).
History: fixed advance 2015 (d0659d946be0); adaptive, step 1/8, 2018 (3b8a5df6c4dc); off beyond 5000 ns, 57bf67e73ce9
(2019); upper limit of the filter 5000 -> 10 000 cycles, a0f0037e908c (2019); the wait's clock is read again after the
adjustment, 9805cf03fdb6 (2021).
"""

from collections.abc import Iterable
from typing import NamedTuple

from nfvlab.timer.scaling import U32, GuestClock

ADJUST_MIN_CYCLES = 100
ADJUST_MAX_CYCLES = 10_000
ADVANCE_INIT_NS = 1000
ADVANCE_MAX_NS = 5000
ADJUST_STEP = 8


def adjust(advance_ns: int, error_cycles: int, guest_khz: int) -> int:
    """The advance in ns after an error in guest cycles: negative, the timer was early; positive, it was late."""
    if not 0 <= advance_ns <= U32:
        raise ValueError(f"advance_ns = {advance_ns}: an unsigned number of 32 bits")
    if guest_khz <= 0:
        raise ValueError(f"guest_khz = {guest_khz}: a frequency, above 0")
    if not ADJUST_MIN_CYCLES <= abs(error_cycles) <= ADJUST_MAX_CYCLES:
        return advance_ns
    step = abs(error_cycles) * 10**6 // guest_khz // ADJUST_STEP
    adjusted = advance_ns + (step if error_cycles > 0 else -step) & U32
    return ADVANCE_INIT_NS if adjusted > ADVANCE_MAX_NS else adjusted


def converge(
    errors_cycles: Iterable[int], guest_khz: int, advance_ns: int = ADVANCE_INIT_NS
) -> tuple[int, ...]:
    """The advance in ns after each of a sequence of measured errors; at 0 the measuring ends, so that it stays 0."""
    course = []
    for error in errors_cycles:
        advance_ns = adjust(advance_ns, error, guest_khz) if advance_ns else 0
        course.append(advance_ns)
    return tuple(course)


def follow(
    paths_cycles: Iterable[int], clock: GuestClock, advance_ns: int = ADVANCE_INIT_NS
) -> tuple[int, ...]:
    """The advance in ns after each interrupt whose path from timer to entry takes so many guest cycles.

    The error is the path less the advance in cycles: what `converge` is given, closed in a loop.
    """
    course = []
    for path in paths_cycles:
        error = path - clock.nsec_to_cycles(advance_ns)
        (advance_ns,) = converge((error,), clock.virtual_tsc_khz, advance_ns)
        course.append(advance_ns)
    return tuple(course)


class Wait(NamedTuple):
    """The wait before an entry: host cycles spent, the error in guest cycles at its start, and the advance after it."""

    cycles: int
    error_cycles: int
    advance_ns: int


def wait(deadline: int, host_tsc: int, advance_ns: int, clock: GuestClock, *, adaptive: bool = True) -> Wait:
    """__kvm_wait_lapic_expire at a host TSC, for the guest TSC of a deadline whose timer has fired.

    The adjustment comes first, and its result already bounds the wait. Without scaling the wait is the smaller of the
    cycles to the deadline and the advance; with scaling both are compared in ns, the first in 32 bits, and the result
    is waited for in ns of the host.
    """
    error = clock.guest_tsc(host_tsc) - deadline
    if adaptive:
        advance_ns = adjust(advance_ns, error, clock.virtual_tsc_khz)
    if error >= 0:
        return Wait(0, error, advance_ns)
    if clock.scaled:
        cycles = clock.host_tsc(min(clock.cycles_to_nsec(-error) & U32, advance_ns))
    else:
        cycles = min(-error, clock.nsec_to_cycles(advance_ns))
    return Wait(cycles, error, advance_ns)
