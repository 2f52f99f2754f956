"""Two clocks and nanoseconds in integers of 64 bits: a scaled counter, its inverse, and a feedback on what was early.

Every function gives what the kernel's 128-bit and wrapping 64-bit arithmetic gives, without ever leaving the signed 64
bits of a compiled loop: numbers are taken apart into limbs of 24 or 32 bits. Counters stay below 2**57, ratios (48
fractional bits) below 2**62, frequencies below 2**24 kHz.
"""

from nfvlab.kernels.jit import jit

FRAC_BITS = 48
UNSCALED = 1 << FRAC_BITS
U32 = (1 << 32) - 1
LIMB, LIMB_MASK = 24, (1 << 24) - 1
ADJUST_MIN, ADJUST_MAX, ADJUST_STEP = 100, 10_000, 8
ADVANCE_INIT, ADVANCE_MAX = 1000, 5000


@jit
def scale(ticks, ratio):
    """(ticks * ratio >> 48, the fraction of a tick that the shift drops, to 24 bits)."""
    fraction = ratio & (UNSCALED - 1)
    f1, f0 = fraction >> LIMB, fraction & LIMB_MASK
    t2, t1, t0 = ticks >> FRAC_BITS, ticks >> LIMB & LIMB_MASK, ticks & LIMB_MASK
    middle = t1 * f0 + t0 * f1 + (t0 * f0 >> LIMB)
    whole = ticks * (ratio >> FRAC_BITS) + t2 * fraction + t1 * f1 + (middle >> LIMB)
    return whole, (middle & LIMB_MASK) / (1 << LIMB)


@jit
def unscale(ticks, ratio):
    """(ticks << 48) / ratio, rounded down; -1 where the quotient does not fit 64 bits."""
    if ratio == UNSCALED:
        return ticks
    if ticks >> 64 - FRAC_BITS >= ratio:
        return -1
    quotient, rest = ticks // ratio, ticks % ratio
    for _ in range(FRAC_BITS):
        rest <<= 1
        quotient <<= 1
        if rest >= ratio:
            rest -= ratio
            quotient += 1
    return quotient


@jit
def ticks_to_ns(ticks, khz):
    """(ticks * 10**6 mod 2**64) / kHz: long ones wrap."""
    low = (ticks & U32) * 1_000_000
    high = (ticks >> 32) * 1_000_000 + (low >> 32) & U32
    return (high // khz << 32) + ((high % khz << 32) + (low & U32)) // khz


@jit
def ns_to_ticks(ns, multiplier, shift):
    """Ticks in some ns by a fraction of 2**32: (ns << shift) * multiplier >> 32."""
    shifted = ns << shift if shift >= 0 else ns >> -shift
    return shifted * multiplier >> 32


@jit
def clock_ns(ticks, khz):
    """What a clock shows in whole ns at a count."""
    return ticks // khz * 1_000_000 + ticks % khz * 1_000_000 // khz


@jit
def count_at(ns, khz):
    """The first count at which the clock shows some ns."""
    return ns // 1_000_000 * khz + (ns % 1_000_000 * khz + 999_999) // 1_000_000


@jit
def adjust(advance_ns, error, khz):
    """The advance after an error in ticks, negative if early: an eighth of it, none if small or huge, 32 bits."""
    size = abs(error)
    if size < ADJUST_MIN or size > ADJUST_MAX:
        return advance_ns
    step = size * 1_000_000 // khz // ADJUST_STEP
    adjusted = advance_ns + (step if error > 0 else -step) & U32
    return ADVANCE_INIT if adjusted > ADVANCE_MAX else adjusted


@jit
def spin(error, advance_ns, host_khz, guest_khz, ratio, multiplier, shift):
    """Host cycles to spin after an error in guest ticks: up to the deadline, by the advance at most."""
    if error >= 0:
        return 0
    if ratio == UNSCALED:
        return min(-error, ns_to_ticks(advance_ns, multiplier, shift))
    return count_at(min(ticks_to_ns(-error, guest_khz) & U32, advance_ns), host_khz)


__all__ = [
    "adjust",
    "clock_ns",
    "count_at",
    "ns_to_ticks",
    "scale",
    "spin",
    "ticks_to_ns",
    "unscale",
]
