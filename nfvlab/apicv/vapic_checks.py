"""What VM entry checks before it runs the guest, as far as the virtual APIC and interrupts are concerned.

SDM vol. 3C, 26.2.1.1 and 26.2.1.3 (control fields; a broken rule fails the instruction) and 26.3.1.4, 26.3.1.5 (guest
state; a broken rule is VM exit reason 33 with bit 31). Every rule has a name; all broken ones are reported at once.
"""

from collections.abc import Iterator
from typing import NamedTuple

from nfvlab.apicv import vapic_state as st
from nfvlab.apicv.vapic_controls import Controls
from nfvlab.apicv.vapic_numbers import number

EXTERNAL, NMI, HARDWARE_EXCEPTION = 0, 2, 3
SOFTWARE_INTERRUPT, PRIVILEGED_EXCEPTION, SOFTWARE_EXCEPTION = 4, 5, 6
TYPES = {
    EXTERNAL: "external interrupt",
    NMI: "NMI",
    HARDWARE_EXCEPTION: "hardware exception",
    SOFTWARE_INTERRUPT: "software interrupt",
    PRIVILEGED_EXCEPTION: "privileged software exception",
    SOFTWARE_EXCEPTION: "software exception",
}
_DB, _MC = 1, 18
_NEED_TPR_SHADOW = (
    "virtualize_x2apic_mode",
    "apic_register_virtualization",
    "virtual_interrupt_delivery",
    "ipi_virtualization",
)


class Broken(NamedTuple):
    """One broken rule: its name, what it says of these values, and how to keep it."""

    rule: str
    text: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.text}"


class Injection(NamedTuple):
    """An event that VM entry injects: the VM-entry interruption-information field with its valid bit set."""

    type: int
    vector: int

    @classmethod
    def from_field(cls, field: int) -> "Injection | None":
        """From the 32-bit field (vector in bits 7:0, type in 10:8, valid in 31); None if it is not valid.

        ValueError for type 7 (a pending MTF VM exit, which is not modelled) and for reserved bits.
        """
        field = number("interruption information", field, 32)
        if not field >> 31:
            return None
        if field >> 8 & 7 == 7:
            raise ValueError(
                f"interruption information {field:#x}: type 7 is a pending MTF VM exit, which is not modelled. "
                "Inject an interrupt or an exception"
            )
        if field & 0x7FFF_F000:
            raise ValueError(
                f"interruption information {field:#x}: bits 30:12 are reserved. Clear {field & 0x7FFFF000:#x}"
            )
        return cls(field >> 8 & 7, field & 0xFF)


def control_problems(c: Controls, vtpr: int, injection: Injection | None = None) -> tuple[Broken, ...]:
    """Every rule on VM-execution, VM-exit and VM-entry control fields that is broken; vtpr: that of the page."""
    return (*_tpr_rules(c, vtpr), *_address_rules(c), *_pairing_rules(c), *_injection_rules(injection))


def _tpr_rules(c: Controls, vtpr: int) -> Iterator[Broken]:
    if not c.use_tpr_shadow:
        for name in filter(lambda name: getattr(c, name), _NEED_TPR_SHADOW):
            yield Broken(f"{name} needs use_tpr_shadow", "use TPR shadow is 0: set it, or clear the other")
        return
    if not c.virtual_interrupt_delivery:
        if c.tpr_threshold >> 4:
            yield Broken("tpr_threshold bits 31:4", f"{c.tpr_threshold:#x} has some: the field has 4 bits")
        if not c.virtualize_apic_accesses and c.tpr_threshold & 0xF > vtpr >> 4 & 0xF:
            yield Broken(
                "tpr_threshold above VTPR[7:4]",
                f"{c.tpr_threshold & 0xF:#x} > {vtpr >> 4 & 0xF:#x}: lower the threshold, or virtualize APIC accesses",
            )


def _address_rules(c: Controls) -> Iterator[Broken]:
    last_pid_pointer = c.pid_pointer_table_address + 8 * c.last_pid_pointer_index
    used = (
        ("virtual_apic_address", c.virtual_apic_address, 12, c.use_tpr_shadow),
        ("apic_access_address", c.apic_access_address, 12, c.virtualize_apic_accesses),
        ("descriptor_address", c.descriptor_address, 6, c.process_posted_interrupts),
        ("pid_pointer_table_address", c.pid_pointer_table_address, 3, c.ipi_virtualization),
        ("last PID-pointer's address", last_pid_pointer, 0, c.ipi_virtualization),
    )
    for name, address, low_bits, applies in used:
        if applies and address & (1 << low_bits) - 1:
            yield Broken(f"{name} bits {low_bits - 1}:0", f"{address:#x}: align it to {1 << low_bits} bytes")
        if applies and address >> c.physical_address_width:
            yield Broken(f"{name} width", f"{address:#x} is above {c.physical_address_width} address bits")


def _pairing_rules(c: Controls) -> Iterator[Broken]:
    if c.virtualize_x2apic_mode and c.virtualize_apic_accesses:
        yield Broken("virtualize_x2apic_mode excludes virtualize_apic_accesses", "both are 1: clear one")
    if c.virtual_interrupt_delivery and not c.external_interrupt_exiting:
        yield Broken("virtual_interrupt_delivery needs external_interrupt_exiting", "it is 0: set it")
    if not c.process_posted_interrupts:
        return
    for name in ("virtual_interrupt_delivery", "acknowledge_interrupt_on_exit"):
        if not getattr(c, name):
            yield Broken(f"process_posted_interrupts needs {name}", "it is 0: set it")
    if c.notification_vector >> 8:
        yield Broken("notification_vector bits 15:8", f"{c.notification_vector:#x}: a vector is 0 to 255")


def _injection_rules(injection: Injection | None) -> Iterator[Broken]:
    if injection is None:
        return
    kind, vector = injection
    if kind not in TYPES:
        yield Broken("injected type", f"{kind} is reserved or not modelled: give one of {sorted(TYPES)}")
    if not 0 <= vector < 256:
        yield Broken("injected vector", f"{vector}: the field holds 0 to 255")
    if kind == NMI and vector != 2:
        yield Broken("injected NMI's vector", f"{vector}: an NMI has vector 2")
    if kind == HARDWARE_EXCEPTION and vector > 31:
        yield Broken("injected hardware exception's vector", f"{vector}: at most 31")


def guest_problems(s: st.VapicState, injection: Injection | None = None) -> tuple[Broken, ...]:
    """Every rule on the guest-state area that is broken."""
    return (*_interruptibility_rules(s), *_activity_rules(s, injection), *_injected_rules(s, injection))


def _interruptibility_rules(s: st.VapicState) -> Iterator[Broken]:
    if s.sti_blocking and s.mov_ss_blocking:
        yield Broken("blocking by STI and by MOV SS", "both are 1: clear one")
    if s.sti_blocking and not s.if_flag:
        yield Broken("blocking by STI needs RFLAGS.IF", "IF is 0: clear the blocking")


def _activity_rules(s: st.VapicState, injection: Injection | None) -> Iterator[Broken]:
    if s.activity == st.MWAIT:
        yield Broken("activity state", "the VMCS field holds active, HLT, shutdown or wait-for-SIPI")
    if (s.sti_blocking or s.mov_ss_blocking) and s.activity != st.ACTIVE:
        yield Broken("blocking by STI or MOV SS needs the active state", f"it is {s.activity}")
    if injection is None or s.activity in (st.ACTIVE, st.MWAIT):
        return
    kind, vector = injection
    allowed = {
        st.HLT: kind in (EXTERNAL, NMI) or (kind == HARDWARE_EXCEPTION and vector in (_DB, _MC)),
        st.SHUTDOWN: kind == NMI or (kind == HARDWARE_EXCEPTION and vector == _MC),
        st.WAIT_FOR_SIPI: False,
    }
    if not allowed[s.activity]:
        name = TYPES.get(kind, str(kind))
        yield Broken("injected event and activity state", f"{s.activity} cannot take {name} {vector}")


def _injected_rules(s: st.VapicState, injection: Injection | None) -> Iterator[Broken]:
    if injection is None:
        return
    if injection.type == EXTERNAL and not s.if_flag:
        yield Broken("injected external interrupt needs RFLAGS.IF", "IF is 0: wait for the interrupt window")
    if injection.type == EXTERNAL and (s.sti_blocking or s.mov_ss_blocking):
        yield Broken(
            "injected external interrupt and blocking", "STI or MOV SS blocks it: clear the blocking"
        )
    if injection.type == NMI and s.mov_ss_blocking:
        yield Broken("injected NMI and blocking", "MOV SS blocks it: clear the blocking")
