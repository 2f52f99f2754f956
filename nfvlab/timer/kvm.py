"""When KVM uses the VMX-preemption timer, and with what value: `vmx_set_hv_timer`, `vmx_update_hv_timer`.

A deadline in the guest's TSC is armed in two steps. Once, when it is set: its distance from the guest's TSC now, less
the advance, in host cycles, must fit the timer: (distance >> X) <= 2**32 - 1. The host TSC of the deadline is kept.
And at each VM entry, because the timer counts in non-root mode only: the field is written with

    (deadline - host TSC now) >> X,  or 0 if the deadline is past

rounded down, so that the timer never fires late by its own resolution. It fires early, by up to 2 * (2**X - 1) cycles:
the shift drops up to 2**X - 1, and the first decrement comes up to 2**X - 1 before a full period (`countdown`). If no
deadline is set, the field holds the largest value: to clear the control bit instead would cost several hundred cycles
at the next entry (804939ea200d, 2019).

Sources: Linux arch/x86/kvm/vmx/vmx.c (`vmx_hardware_setup`, `vmx_set_hv_timer`, `vmx_update_hv_timer`,
`vmx_preemption_cpu_tfms`), arch/x86/kvm/lapic.c (`kvm_can_use_hv_timer`, `kvm_can_post_timer_interrupt`); the erratum
of large values (for example EMR158): 0aaedada606a, July 2026.
"""

from dataclasses import dataclass
from typing import NamedTuple

from nfvlab.timer.countdown import MAX_SHIFT, MAX_VALUE
from nfvlab.timer.scaling import U64, GuestClock

BROKEN = {  # CPUID.1:EAX without reserved bits: the erratum, stepping and parts, as vmx.c lists them
    0x000206E6: "BA86, D0: Xeon 7500",
    0x00020652: "AAX65, AAT59, AAU65, C2: Xeon L3406, i7-600, i5-600, i5-500, i5-400, i3-500, i3-300, G6950",
    0x00020655: "AAU65, K0: i5-600, i3-500, G6950",
    0x000106E5: "AAO95, AAN92, AAP86, B1: Xeon 3400, i7-900 Mobile Extreme, i7-800, i7-700 Mobile, i5-700",
    0x000106A0: "AAM126, C0: Xeon 3500",
    0x000106A1: "AAM126, C1: Xeon 3500",
    0x000106A4: "AAJ124, C0: i7-900",
    0x000106A5: "AAM126, AAK139, AAJ124, D0: Xeon 3500, Xeon 5500, i7-900",
    0x000306A8: "Xeon E3-1220 v2",
}
_RESERVED_EAX = 0x3 << 14 | 0xF << 28


def safe_max_value(tsc_numerator: int, tsc_denominator: int) -> int:
    """The largest value that parts with the erratum of large values time right: below 2**25 * EBX / EAX of CPUID.15H.

    With larger ones the timer may expire early. `tsc_numerator` is CPUID.15H:EBX, `tsc_denominator` EAX. The largest
    value of the field where CPUID gives no ratio, as KVM does.
    """
    if tsc_numerator <= 0 or tsc_denominator <= 0:
        return MAX_VALUE
    return min(((tsc_numerator << 25) - 1) // tsc_denominator, MAX_VALUE)


@dataclass(frozen=True, kw_only=True)
class Host:
    """What decides, on the host, whether a vCPU may use the VMX-preemption timer.

    `max_value`: the largest value written (`safe_max_value` on parts with that erratum). `mwait_in_guest` and
    `hlt_in_guest`: KVM_X86_DISABLE_EXITS; `pi_inject_timer`: the module parameter, on by default if any CPU is
    isolated from the kernel's housekeeping. `soft_disables`: an unused timer stays active with the largest value;
    before 2019 (804939ea200d) the control was cleared instead.
    """

    shift: int
    signature: int = 0  # CPUID.1:EAX
    max_value: int = MAX_VALUE
    preemption_timer: bool = True  # kvm_intel.preemption_timer, and the control exists
    apicv: bool = True
    mwait_in_guest: bool = False
    hlt_in_guest: bool = False
    pi_inject_timer: bool = False
    soft_disables: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.shift <= MAX_SHIFT:
            raise ValueError(f"shift = {self.shift}: X of IA32_VMX_MISC[4:0] is 0 to {MAX_SHIFT}")
        if not 0 < self.max_value <= MAX_VALUE:
            raise ValueError(f"max_value = {self.max_value}: must be 1 to {MAX_VALUE}")

    @property
    def can_post(self) -> bool:
        """kvm_can_post_timer_interrupt: the hrtimer of another CPU may post the interrupt to the running guest."""
        return self.pi_inject_timer and self.apicv and (self.mwait_in_guest or self.hlt_in_guest)

    def disabled(self, host_khz: int) -> str:
        """Why KVM uses the timer for no guest at all, `enable_preemption_timer` = 0; empty if it may be used."""
        if not self.preemption_timer:
            return "the VMX-preemption timer is switched off, or the processor has none"
        if erratum := BROKEN.get(self.signature & ~_RESERVED_EAX):
            return f"the timer counts wrong on this processor ({erratum})"
        if self.soft_disables and host_khz * 1000 >> self.shift > self.max_value // 10:
            return f"at X = {self.shift} the largest value runs out within 10 s: the unused timer would cause VM exits"
        return ""

    def refusal(self, host_khz: int) -> str:
        """Why the timer is not used for this guest, whatever the deadline; empty if it is used."""
        if why := self.disabled(host_khz):
            return why
        if self.mwait_in_guest:
            return "MWAIT does not exit: the guest may take the processor to a C-state in which the timer stands still"
        if self.can_post:
            return "the hrtimer of a housekeeping CPU posts the interrupt: no VM exit at all"
        return ""


class Armed(NamedTuple):
    """A deadline that fits: its host TSC, the host cycles to it, and whether it is past, or within the advance."""

    deadline: int
    delta: int
    expired: bool


class Refused(NamedTuple):
    """A deadline that the hardware timer does not serve, and why; the hrtimer does."""

    why: str


def set_hv_timer(
    guest_deadline: int, host_tsc: int, clock: GuestClock, host: Host, *, advance_ns: int = 0
) -> Armed | Refused:
    """vmx_set_hv_timer, after kvm_can_use_hv_timer: arm a deadline of the guest's TSC at a host TSC, or say why not."""
    if not 0 <= guest_deadline <= U64:
        raise ValueError(f"guest_deadline = {guest_deadline}: IA32_TSC_DEADLINE has 64 bits")
    if why := host.refusal(clock.host_khz):
        return Refused(why)
    if not guest_deadline:
        return Refused("no deadline: 0 disarms the timer")
    guest_tsc = clock.guest_tsc(host_tsc)
    early = max(max(guest_deadline, guest_tsc) - guest_tsc - clock.nsec_to_cycles(advance_ns), 0)
    delta = clock.host_delta(early)
    if delta is None:
        return Refused(f"{early} guest cycles overflow 64 bits as host cycles")
    if delta >> host.shift > host.max_value:
        return Refused(f"{delta} host cycles exceed {host.max_value} units of 2**{host.shift}")
    return Armed(host_tsc + delta, delta, delta == 0)


class Field(NamedTuple):
    """What vmx_update_hv_timer leaves in the VMCS field before an entry, None if inactive; `written` if it wrote it."""

    value: int | None
    soft_disabled: bool
    written: bool
    why: str


def update_hv_timer(
    deadline: int | None, host_tsc: int, host: Host, *, immediate: bool = False, soft_disabled: bool = False
) -> Field:
    """vmx_update_hv_timer: the field's value for an entry at a host TSC; `soft_disabled` is the state before it."""
    if immediate:
        return Field(0, False, True, "KVM wants a VM exit at once")
    if deadline is None and not host.soft_disables:
        return Field(None, False, False, "no deadline: the control is cleared")
    if deadline is None:
        return Field(host.max_value, True, not soft_disabled, "no deadline: the largest value stands for off")
    if deadline <= host_tsc:
        return Field(0, False, True, "the deadline is past: a VM exit at once")
    value = deadline - host_tsc >> host.shift
    return Field(value, False, True, f"{deadline - host_tsc} cycles >> {host.shift}")
