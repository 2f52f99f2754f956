"""The guest's TSC from the host's, and nanoseconds in its cycles, in the kernel's own integers.

    guest TSC = offset + (host TSC * ratio >> 48)        mod 2**64
    ratio     = 2**48 * guest kHz / host kHz

The processor does the first line (TSC scaling, SDM vol. 3C 25.3; the multiplier has 48 fractional bits); KVM needs its
inverse to arm a host timer, as a division that can overflow. A guest within 250 ppm of the host is not scaled.

Sources: Linux arch/x86/kvm/x86.c (`kvm_scale_tsc`, `kvm_read_l1_tsc`, `kvm_set_tsc_khz`, `kvm_get_time_scale`),
arch/x86/kvm/vmx/vmx.c (`u64_shl_div_u64`), arch/x86/include/asm/pvclock.h (`pvclock_scale_delta`).
"""

from dataclasses import dataclass
from functools import cached_property

U32, U64 = (1 << 32) - 1, (1 << 64) - 1
FRAC_BITS = 48
UNSCALED = 1 << FRAC_BITS  # kvm_caps.default_tsc_scaling_ratio
TOLERANCE_PPM = 250  # module parameter tsc_tolerance_ppm
NS_PER_S = 1_000_000_000


def scale_tsc(tsc: int, ratio: int) -> int:
    """kvm_scale_tsc: the TSC times a ratio with 48 fractional bits, in 64 bits."""
    return tsc if ratio == UNSCALED else tsc * ratio >> FRAC_BITS & U64


def shl_div(value: int, shift: int, divisor: int) -> int | None:
    """u64_shl_div_u64: (value << shift) / divisor, or None where the quotient does not fit 64 bits."""
    return None if value >> 64 - shift >= divisor else (value << shift) // divisor


def tsc_scaling_ratio(guest_khz: int, host_khz: int) -> int:
    """kvm_set_tsc_khz: the ratio for a guest's frequency; 2**48, no scaling, within 250 ppm of the host's."""
    low, high = (host_khz * (10**6 + ppm) // 10**6 for ppm in (-TOLERANCE_PPM, TOLERANCE_PPM))
    if low <= guest_khz <= high:
        return UNSCALED
    ratio = (guest_khz << FRAC_BITS) // host_khz
    if not 0 < ratio < U64:
        raise ValueError(
            f"guest {guest_khz} kHz on host {host_khz} kHz: no ratio of 64 bits, 48 of them fractional"
        )
    return ratio


def time_scale(scaled_hz: int, base_hz: int) -> tuple[int, int]:
    """kvm_get_time_scale: (shift, multiplier) with which `scale_delta` turns ticks at `base_hz` into `scaled_hz`."""
    shift = 0
    while base_hz > 2 * scaled_hz or base_hz > U32:
        base_hz >>= 1
        shift -= 1
    while base_hz <= scaled_hz or scaled_hz > U32:
        if scaled_hz > U32 or base_hz & 1 << 31:
            scaled_hz >>= 1
        else:
            base_hz <<= 1
        shift += 1
    return shift, (scaled_hz << 32) // base_hz


def scale_delta(delta: int, multiplier: int, shift: int) -> int:
    """pvclock_scale_delta: an unsigned 64-bit delta, shifted in 64 bits, times a fraction of 2**32.

    A negative delta comes in as the unsigned number that its bits make: the result is huge. That is one of KVM's
    defects (`kvm_rules`), not of this function.
    """
    delta &= U64
    delta = delta << shift & U64 if shift >= 0 else delta >> -shift
    return delta * multiplier >> 32 & U64


@dataclass(frozen=True, kw_only=True)
class GuestClock:
    """The clocks of a vCPU: host and guest TSC in kHz, the guest's offset in its cycles (mod 2**64).

    The host's monotonic clock is taken as exact: it shows the TSC divided by its frequency, in whole ns.
    """

    host_khz: int
    guest_khz: int = 0  # 0: the host's
    offset_cycles: int = 0

    def __post_init__(self) -> None:
        for name in ("host_khz", "virtual_tsc_khz"):
            if not 0 < getattr(self, name) <= U32:
                raise ValueError(f"{name} = {getattr(self, name)}: a frequency in kHz, 1 to {U32}")
        tsc_scaling_ratio(self.virtual_tsc_khz, self.host_khz)

    @property
    def virtual_tsc_khz(self) -> int:
        """vcpu->arch.virtual_tsc_khz: the guest's frequency."""
        return self.guest_khz or self.host_khz

    @cached_property
    def ratio(self) -> int:
        """vcpu->arch.l1_tsc_scaling_ratio."""
        return tsc_scaling_ratio(self.virtual_tsc_khz, self.host_khz)

    @cached_property
    def _scale(self) -> tuple[int, int]:
        return time_scale(self.virtual_tsc_khz * 1000, NS_PER_S)

    @property
    def scaled(self) -> bool:
        """Whether TSC scaling is in use."""
        return self.ratio != UNSCALED

    def guest_tsc(self, host_tsc: int) -> int:
        """kvm_read_l1_tsc: what the guest reads."""
        return self.offset_cycles + scale_tsc(host_tsc, self.ratio) & U64

    def host_delta(self, guest_delta: int) -> int | None:
        """Host cycles for guest cycles, rounded down; None if the division overflows 64 bits."""
        return shl_div(guest_delta, FRAC_BITS, self.ratio) if self.scaled and guest_delta else guest_delta

    def nsec_to_cycles(self, ns: int) -> int:
        """nsec_to_cycles: guest cycles in `ns`, by the 32-bit fraction of `time_scale`."""
        shift, multiplier = self._scale
        return scale_delta(ns, multiplier, shift)

    def cycles_to_nsec(self, guest_cycles: int) -> int:
        """Guest cycles in ns, as KVM divides: (cycles * 10**6 mod 2**64) / kHz."""
        return (guest_cycles * 10**6 & U64) // self.virtual_tsc_khz

    def host_ns(self, host_tsc: int) -> int:
        """ktime_get: the host's clock at a TSC, in whole ns."""
        return host_tsc * 10**6 // self.host_khz

    def host_tsc(self, host_ns: int) -> int:
        """The first host TSC at which the host's clock shows `host_ns`."""
        return -(-host_ns * self.host_khz // 10**6)
