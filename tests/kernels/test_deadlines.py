"""The steps of the rounds against the exact timer, and compiled against plain Python."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfvlab.kernels import deadlines, deadlines_time, deadlines_timers, tsc
from nfvlab.kernels import deadlines_tables as tables
from nfvlab.timer import advance, kvm
from nfvlab.timer.countdown import fires_at
from nfvlab.timer.lapic import LapicTimer
from nfvlab.timer.scaling import NS_PER_S, UNSCALED, GuestClock, scale_delta, scale_tsc, shl_div, time_scale

khz = st.integers(1000, 10_000_000)
counts = st.integers(0, 2**56)
shifts = st.integers(0, 31)
advances = st.integers(0, 5000) | st.integers(0, 1_000_000)
MODULES = (tsc, deadlines_time, deadlines_timers, deadlines)


def machine(host_khz, guest_khz, origin, *, advance_ns=0, deadline=0, x=5):
    """A machine at a count of the host's, and the clock that it has."""
    clock = GuestClock(host_khz=host_khz, guest_khz=guest_khz)
    m = tables.blank()
    m.outer_khz, m.inner_khz, m.ratio = host_khz, clock.virtual_tsc_khz, clock.ratio
    m.shift, m.multiplier = time_scale(clock.virtual_tsc_khz * 1000, NS_PER_S)
    m.origin, m.advance, m.deadline = origin, advance_ns, deadline
    m.usable, m.x, m.max_value = True, x, (1 << 32) - 1
    return m, clock


def ahead(clock, host_tsc, ns):
    """A guest's deadline some ns from a host TSC, or in the past."""
    return max(clock.guest_tsc(host_tsc) + int(ns * clock.virtual_tsc_khz / 1e6), 1)


distances = st.floats(-1e4, 1e6) | st.floats(-1e9, 1e13)


@given(khz, khz | st.just(0), counts, distances, advances, shifts)
def test_the_countdown_is_armed_as_kvm_does(host_khz, guest_khz, origin, ns, advance_ns, x):
    m, clock = machine(host_khz, guest_khz, origin, advance_ns=advance_ns, x=x)
    m.deadline = ahead(clock, origin, ns)
    host = kvm.Host(shift=x, soft_disables=False)  # else a coarse shift refuses every deadline
    exact = kvm.set_hv_timer(m.deadline.item(), origin, clock, host, advance_ns=advance_ns)
    armed = deadlines_timers.arm_countdown(m)
    if isinstance(exact, kvm.Refused):
        assert armed == tables.REFUSED and m.counts_to == tables.NONE
    else:
        assert armed == (tables.PAST if exact.expired else tables.ARMED)
        assert m.counts_to == (tables.NONE if exact.expired else exact.deadline)


@given(khz, khz | st.just(0), counts, distances, advances)
def test_the_alarm_is_armed_as_kvm_does(host_khz, guest_khz, origin, ns, advance_ns):
    m, clock = machine(host_khz, guest_khz, origin, advance_ns=advance_ns)
    m.deadline, m.counts_to = ahead(clock, origin, ns), 1
    exact = LapicTimer(clock, kvm.Host(shift=5, preemption_timer=False), advance_ns=advance_ns)
    exact.enter(origin)
    exact.write_tscdeadline(origin, m.deadline.item())
    armed = deadlines_timers.arm_alarm(m)
    assert (armed == tables.PAST) == exact.runnable and m.counts_to == tables.NONE
    if armed == tables.ARMED:
        assert m.rings_at == exact.hrtimer_tsc()


@given(counts, st.integers(-100, 2**45), shifts)
def test_the_field_is_worked_out_and_counted_down_as_by_the_processor(origin, left, x):
    m, _ = machine(2_000_000, 0, origin, x=x)
    m.counts_to = max(origin + min(left, (1 << 32) - 1 << x), 0)
    deadlines_timers.load(m)
    field = kvm.update_hv_timer(m.counts_to.item(), origin, kvm.Host(shift=x)).value
    assert m.fires == fires_at(origin, field, x) - origin


@given(khz, khz | st.just(0), counts, st.integers(-30_000, 30_000), advances, st.booleans())
def test_the_wait_and_the_advance_after_it_are_kvms(host_khz, guest_khz, origin, error, advance_ns, adaptive):
    m, clock = machine(host_khz, guest_khz, origin, advance_ns=advance_ns)
    m.adaptive, m.deadline = adaptive, max(clock.guest_tsc(origin) - error, 0)
    exact = advance.wait(m.deadline.item(), origin, advance_ns, clock, adaptive=adaptive)
    assert (deadlines_timers.make_up(m), m.advance) == (exact.cycles, exact.advance_ns)


@given(st.integers(0, 2**60), khz, khz)
def test_scaling_is_the_128_bits_of_the_kernel(ticks, host_khz, guest_khz):
    ratio = (guest_khz << 48) // host_khz
    inner = ticks >> max(ratio.bit_length() - 48, 0)
    whole, part = tsc.scale(inner, ratio)
    assert whole == scale_tsc(inner, ratio)
    assert part == pytest.approx((inner * ratio & UNSCALED - 1) / UNSCALED, abs=2e-7)
    exact = shl_div(ticks, 48, ratio)
    if exact is None or exact < 2**62:
        assert tsc.unscale(ticks, ratio) == (-1 if exact is None else exact)


@given(st.integers(0, 2**60), khz, st.integers(0, 10**6))
def test_nanoseconds_are_those_of_the_kernel(ticks, frequency, ns):
    clock = GuestClock(host_khz=frequency)
    assert tsc.ticks_to_ns(ticks, frequency) == clock.cycles_to_nsec(ticks)
    shift, multiplier = time_scale(frequency * 1000, NS_PER_S)
    assert tsc.ns_to_ticks(ns, multiplier, shift) == scale_delta(ns, multiplier, shift)
    if ticks < 2**50:
        assert tsc.clock_ns(ticks, frequency) == clock.host_ns(ticks)
        assert tsc.count_at(ticks, frequency) == clock.host_tsc(ticks)


def busy(**changes):
    """Stages of about 400 cycles that vary, others now and then, a deadline in 10 000 counts."""
    m, _ = machine(2_000_000, 1_500_000, 123_456, advance_ns=300)
    m.cost[:] = np.linspace(200, 600, len(tables.STAGES))
    m.spread, m.interval, m.poll_for = 0.4, 10_000, 1000.0
    m.noise_at, m.noise_gap, m.noise_length, m.settle = 5000.0, 20_000.0, 900.0, 30_000.0
    m.log_rows = tables.LOG_ROWS
    for name, value in changes.items():
        setattr(m, name, value)
    return m


CASES = {
    "busy": {},
    "alarm": {"usable": False, "threaded": True},
    "asleep": {"sleeps": True},
    "asleep and posted": {"sleeps": True, "posted": True, "threaded": True},
    "short": {"posted": True, "short": True, "adaptive": True},
    "past": {"interval": 500},
}


@pytest.mark.parametrize("name", CASES)
def test_compiled_and_plain_are_the_same_bit_for_bit(name, monkeypatch):
    def run():
        m, latency = busy(**CASES[name]), np.empty(40)
        deadlines.rounds(m, np.random.default_rng(7), latency)
        return latency.tobytes() + m.tobytes()

    compiled = run()
    for module in MODULES:
        for key, kernel in list(vars(module).items()):
            if hasattr(kernel, "py_func"):
                monkeypatch.setattr(module, key, kernel.py_func)
    assert run() == compiled


@pytest.mark.parametrize("name", CASES)
def test_the_log_is_the_accounts_without_gaps(name):
    m = busy(**CASES[name])
    deadlines.play(m, np.random.default_rng(8))
    log = m.log[: m.logged]
    assert (log[1:, 0] == log[:-1, 1]).all() and log[-1, 1] == m.t
    seen = np.bincount(log[:, 3].astype(int), log[:, 1] - log[:, 0], len(tables.STAGES))
    assert np.allclose(seen, m.sums)
