"""When KVM uses the VMX-preemption timer and with what value: truth tables, the countdown it leads to, mutants."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfvlab.timer.countdown import MAX_VALUE, fires_at
from nfvlab.timer.kvm import (
    BROKEN,
    Armed,
    Host,
    Refused,
    safe_max_value,
    set_hv_timer,
    update_hv_timer,
)
from nfvlab.timer.scaling import U64, GuestClock

CLOCK = GuestClock(host_khz=2_300_000)
X5 = Host(shift=5)


def arm(deadline, tsc=0, clock=CLOCK, host=X5, **other):
    return set_hv_timer(deadline, tsc, clock, host, **other)


@given(st.integers(1, 1 << 36), st.integers(0, 1 << 40), st.integers(3, 31))
def test_armed_at_any_entry_it_fires_early_by_less_than_two_units_and_never_late(ahead, tsc, shift):
    host = Host(shift=shift)
    armed = arm(tsc + ahead, tsc, host=host)
    assert armed == Armed(tsc + ahead, ahead, False)
    for entry in (tsc, tsc + ahead // 3, tsc + ahead - 1):
        field = update_hv_timer(armed.deadline, entry, host)
        early = armed.deadline - fires_at(entry, field.value, shift)
        assert 0 <= early <= 2 * ((1 << shift) - 1)
        assert field.written and not field.soft_disabled


def test_both_bounds_of_that_are_met():
    # X = 3. Entry 8, deadline 16: one unit exactly, on time. Entry 15, deadline 30: 15 >> 3 = 1, fires at 16, 14 early.
    assert fires_at(8, update_hv_timer(16, 8, Host(shift=3)).value, 3) == 16
    assert fires_at(15, update_hv_timer(30, 15, Host(shift=3)).value, 3) == 16


MUTANTS = {
    "deadline >> X less now >> X": lambda d, t, x: (d >> x) - (t >> x),
    "rounded up": lambda d, t, x: -(-(d - t) >> x),
    "31 bits": lambda d, t, x: (d - t >> x) & MAX_VALUE >> 1,
    "the shift forgotten": lambda d, t, x: d - t,
    "one less, to be sure": lambda d, t, x: max((d - t >> x) - 1, 0),
    "only while there is a unit": lambda d, t, x: max(d - t >> x, 1),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_wrong_fields_are_told(name):
    cases = [(t + ahead, t, x) for t in (8, 13) for ahead in (5, 8, 17, MAX_VALUE << 3) for x in (3, 4)]
    assert any(
        MUTANTS[name](*case) != update_hv_timer(*case[:2], Host(shift=case[2])).value for case in cases
    )


def test_some_wrong_fields_fire_late():
    # Rounded up at X = 3: deadline 17 seen from 8 becomes 2 units, which end at 24.
    late = MUTANTS["rounded up"](17, 8, 3)
    assert fires_at(8, late, 3) == 24


@pytest.mark.parametrize("shift", [5, 7, 31])
def test_the_range_ends_where_the_field_does(shift):
    host = Host(shift=shift)
    reach = (1 << shift + 32) - 1
    assert isinstance(arm(reach, host=host), Armed)
    assert isinstance(arm(reach + 1, host=host), Refused)
    assert update_hv_timer(reach, 0, host).value == MAX_VALUE


@given(st.integers(1, U64), st.integers(0, 1 << 50), st.integers(3, 31))
def test_the_range_rule_is_the_kernels_shift(deadline, tsc, shift):
    delta = max(deadline, tsc) - tsc
    refused = isinstance(arm(deadline, tsc, host=Host(shift=shift)), Refused)
    assert refused == bool(delta >> shift + 32)


@pytest.mark.parametrize(
    ("deadline", "advance_ns", "delta"),
    # 1000 ns are 2299 cycles at 2.3 GHz in the kernel's 32-bit fraction.
    [
        (100_000, 0, 90_000),
        (100_000, 1000, 87_701),
        (12_299, 1000, 0),
        (12_300, 1000, 1),
        (10_000, 0, 0),
        (9, 0, 0),
    ],
)
def test_past_deadlines_and_those_within_the_advance_have_expired(deadline, advance_ns, delta):
    assert arm(deadline, 10_000, advance_ns=advance_ns) == Armed(10_000 + delta, delta, delta == 0)


def test_the_guests_deadline_is_converted_by_offset_and_ratio():
    clock = GuestClock(host_khz=2_000_000, guest_khz=1_000_000, offset_cycles=500)
    # Host TSC 4000 is guest TSC 2500; 3000 is 500 guest cycles, 1000 host cycles ahead.
    assert arm(3000, 4000, clock=clock) == Armed(5000, 1000, False)


@given(
    st.integers(1_000_000, 5_000_000),
    st.integers(1_000_000, 5_000_000),
    st.integers(0, 1 << 45),
    st.integers(1, 1 << 35),
    st.integers(0, 1 << 40),
)
def test_with_any_scale_the_host_deadline_is_not_late_and_early_by_its_rounding_only(
    host_khz, guest_khz, tsc, ahead, offset
):
    clock = GuestClock(host_khz=host_khz, guest_khz=guest_khz, offset_cycles=offset)
    deadline = clock.guest_tsc(tsc) + ahead
    early = deadline - clock.guest_tsc(arm(deadline, tsc, clock=clock).deadline)
    assert 0 <= early <= guest_khz / host_khz + 1


def test_a_conversion_that_overflows_is_refused():
    slow = GuestClock(host_khz=5_000_000, guest_khz=1000)  # ratio 2**48 / 5000, so * 5000 back
    refused = arm(U64, clock=slow, host=Host(shift=31))
    assert isinstance(refused, Refused) and "overflow" in refused.why
    fits = U64 // 5000 - 10**12
    assert "exceed" in arm(fits, clock=slow, host=Host(shift=5)).why


REFUSALS = [
    ({"preemption_timer": False}, "switched off"),
    ({"signature": 0x000306A8}, "counts wrong"),
    ({"signature": 0x000306A8 | 0xF << 28 | 0x3 << 14}, "counts wrong"),  # reserved bits do not matter
    ({"shift": 2}, "within 10 s"),  # 2.3 GHz >> 2 is 575 MHz > 429.5 MHz
    ({"mwait_in_guest": True}, "MWAIT"),
    ({"pi_inject_timer": True, "hlt_in_guest": True}, "housekeeping"),
]


@pytest.mark.parametrize(("change", "words"), REFUSALS)
def test_what_rules_the_hardware_timer_out(change, words):
    assert words in arm(10**6, host=replace(X5, **change)).why


@pytest.mark.parametrize(
    "change",
    [
        {"shift": 3},  # 287.5 MHz
        {"signature": 0x000306A9},
        {"hlt_in_guest": True},
        {"pi_inject_timer": True},  # nothing to post to: HLT and MWAIT exit
        {"pi_inject_timer": True, "hlt_in_guest": True, "apicv": False},
    ],
)
def test_what_does_not(change):
    assert isinstance(arm(10**6, host=replace(X5, **change)), Armed)


@pytest.mark.parametrize("apicv", [False, True])
@pytest.mark.parametrize("inject", [False, True])
@pytest.mark.parametrize("mwait", [False, True])
@pytest.mark.parametrize("hlt", [False, True])
def test_the_truth_table_of_posting(apicv, inject, mwait, hlt):
    host = replace(X5, apicv=apicv, pi_inject_timer=inject, mwait_in_guest=mwait, hlt_in_guest=hlt)
    assert host.can_post == (inject and apicv and (mwait or hlt))
    assert bool(host.refusal(2_300_000)) == (mwait or host.can_post)
    assert not host.disabled(2_300_000)


def test_zero_disarms():
    assert "disarms" in arm(0).why


def test_the_field_in_its_four_cases():
    assert update_hv_timer(1000, 10, X5, immediate=True)[:3] == (0, False, True)
    assert update_hv_timer(1000, 1000, X5)[:3] == (0, False, True)
    assert update_hv_timer(None, 10, X5)[:3] == (MAX_VALUE, True, True)
    assert update_hv_timer(None, 10, X5, soft_disabled=True)[:3] == (MAX_VALUE, True, False)


def test_before_2019_an_unused_timer_was_switched_off_and_might_count_every_cycle():
    host = Host(shift=0, soft_disables=False)
    assert update_hv_timer(None, 10, host)[:3] == (None, False, False)
    assert not host.disabled(2_300_000)


def test_the_erratum_of_large_values_lowers_the_largest_one():
    # A crystal of 25 MHz and a TSC of 2.4 GHz: 192 / 2 = 96, so below 96 * 2**25.
    cap = safe_max_value(192, 2)
    assert cap == 96 * 2**25 - 1
    assert safe_max_value(1, 3) == (2**25 - 1) // 3
    assert safe_max_value(0, 2) == safe_max_value(192, 0) == MAX_VALUE
    assert safe_max_value(1 << 31, 1) == MAX_VALUE
    host = Host(shift=5, max_value=cap)
    assert isinstance(arm((cap + 1 << 5) - 1, host=host), Armed)
    assert isinstance(arm(cap + 1 << 5, host=host), Refused)
    assert update_hv_timer(None, 0, host).value == cap


def test_the_known_bad_parts_are_all_there():
    assert len(BROKEN) == 9 and all(signature & (0x3 << 14 | 0xF << 28) == 0 for signature in BROKEN)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Host(shift=32), "shift = 32"),
        (lambda: Host(shift=5, max_value=0), "max_value = 0"),
        (lambda: arm(-1), "64 bits"),
        (lambda: arm(1 << 64), "64 bits"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()
