"""The guest's TSC and its cycles in the kernel's integers, against fractions, and against a real host's crash dump."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfvlab.timer.scaling import (
    FRAC_BITS,
    NS_PER_S,
    U64,
    UNSCALED,
    GuestClock,
    scale_delta,
    scale_tsc,
    shl_div,
    time_scale,
    tsc_scaling_ratio,
)

# A vCPU of a host that hung (fuqiang wang, kvm@vger, 22 October 2025: RAX and RSI in the NMI watchdog's report; the
# other values from his notes on the dump): the negative distance and the guest TSC of the run that was under way of
# advance_periodic_target_expiration, and the tscdeadline that the run before it had left.
MULTIPLIER, SHIFT = 2356694726, 2
PERIOD_NS = 1739904
DISTANCE, GUEST_TSC, DEADLINE = 0xFFF0103F91BE678E, 0x0052CA4003697505, 10135384616420291996

khz = st.integers(1000, 6_000_000)


def test_the_dump_of_a_real_host_gives_its_frequency_and_its_deadline():
    assert time_scale(2194843 * 1000, NS_PER_S) == (SHIFT, MULTIPLIER)
    now = GUEST_TSC + scale_delta(DISTANCE, MULTIPLIER, SHIFT) & U64
    # One period later than the run before, within the rounding of two readings of each clock.
    assert abs(now - DEADLINE - scale_delta(PERIOD_NS, MULTIPLIER, SHIFT)) <= 8
    assert now >> 63  # a negative distance has become a deadline in the upper half of 64 bits


@given(khz, st.integers(0, 10**12))
def test_cycles_of_ns_are_low_by_the_error_of_a_32_bit_fraction_only(frequency, ns):
    clock = GuestClock(host_khz=frequency)
    exact = Fraction(ns * frequency, 10**6)
    # Two truncations: of the product, and below 1 GHz of the shifted ns, worth less than a cycle.
    assert exact - exact / 2**31 - 2 < clock.nsec_to_cycles(ns) <= exact


def test_a_negative_distance_is_the_unsigned_number_of_its_bits_below_1_ghz_too():
    # 500 MHz: shift 0 and half of 2**32, or below; 250 MHz: a shift to the right, by 1.
    for frequency in (500_000, 250_000):
        assert GuestClock(host_khz=frequency).nsec_to_cycles(-8) == (2**64 - 8) * frequency // 10**6


@given(khz)
def test_the_multiplier_uses_its_top_bit(frequency):
    shift, multiplier = time_scale(frequency * 1000, NS_PER_S)
    assert 1 << 31 <= multiplier < 1 << 32
    assert Fraction(multiplier, 2**32) * Fraction(2) ** shift <= Fraction(frequency, 10**6)


@given(st.integers(0, U64), st.integers(1, U64))
def test_scaling_is_the_truncated_product_in_64_bits(tsc, ratio):
    assert scale_tsc(tsc, ratio) == int(Fraction(tsc * ratio, 1 << FRAC_BITS)) % 2**64


@given(st.integers(0, U64), st.integers(1, U64))
def test_the_inverse_overflows_exactly_where_the_quotient_needs_more_than_64_bits(value, ratio):
    quotient = (value << FRAC_BITS) // ratio
    assert shl_div(value, FRAC_BITS, ratio) == (quotient if quotient <= U64 else None)


@given(khz, khz, st.integers(0, 1 << 50))
def test_the_way_there_and_back_loses_a_cycle_and_what_the_ratio_has_lost(host, guest, delta):
    clock = GuestClock(host_khz=host, guest_khz=guest)
    back = clock.host_delta(scale_tsc(delta, clock.ratio))
    assert delta - Fraction(host, guest) - 2 <= back <= delta


@pytest.mark.parametrize(
    ("guest", "scaled"),
    # 250 ppm of 2 000 000 kHz are 500 kHz; the bounds themselves are within.
    [(2_000_000, False), (2_000_500, False), (2_000_501, True), (1_999_500, False), (1_999_499, True)],
)
def test_a_guest_within_250_ppm_is_not_scaled(guest, scaled):
    assert GuestClock(host_khz=2_000_000, guest_khz=guest).scaled is scaled


def test_half_the_frequency_is_half_the_ratio_and_the_offset_wraps():
    clock = GuestClock(host_khz=2_000_000, guest_khz=1_000_000, offset_cycles=U64)
    assert clock.ratio == UNSCALED // 2
    assert clock.guest_tsc(10) == 4  # 10 / 2 - 1
    assert clock.guest_tsc(0) == U64


@given(khz, st.integers(0, 1 << 55))
def test_the_host_clock_reaches_a_time_at_the_first_tsc_that_shows_it(frequency, ns):
    clock = GuestClock(host_khz=frequency)
    tsc = clock.host_tsc(ns)
    assert clock.host_ns(tsc) >= ns
    assert tsc == 0 or clock.host_ns(tsc - 1) < ns


def test_the_kernels_product_wraps_after_2_2_hours():
    clock = GuestClock(host_khz=2_300_000)
    longest = U64 // 10**6
    assert clock.cycles_to_nsec(longest) == longest * 10**6 // 2_300_000
    assert clock.cycles_to_nsec(longest + 1) < 1000
    assert longest / 2.3e9 / 3600 == pytest.approx(2.228, abs=0.001)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: GuestClock(host_khz=0), "host_khz = 0"),
        (lambda: GuestClock(host_khz=1000, guest_khz=-5), "virtual_tsc_khz = -5"),
        (lambda: tsc_scaling_ratio(1 << 32, 1000), "no ratio"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()


MUTANTS = {
    "rounded up": lambda value, shift, divisor: -(-(value << shift) // divisor),
    "32 fractional bits": lambda value, shift, divisor: (value << 32) // divisor,
    "multiplied": lambda value, shift, divisor: value * divisor >> shift,
}


@pytest.mark.parametrize("name", MUTANTS)
def test_wrong_inverses_are_told(name):
    ratio = UNSCALED * 3 // 7
    assert any(MUTANTS[name](value, 48, ratio) != shl_div(value, 48, ratio) for value in range(1, 50))
