"""RDMSR and WRMSR of 800H-8FFH, and MOV from and to CR8 (SDM vol. 3C, 29.3 and 29.5; 30.5 of 2023 for 830H).

Executed at CPL 0. A VM exit of RDMSR, WRMSR or MOV CR8 has priority over a fault from the operand (25.1.1).
"""

from nfvlab.apicv import registers as reg
from nfvlab.apicv import vapic_outcome as out
from nfvlab.apicv.registers import MSRS, Msr
from nfvlab.apicv.vapic_core import Core, instruction
from nfvlab.apicv.vapic_numbers import number
from nfvlab.apicv.vapic_outcome import Kind, Outcome

TPR, EOI, ICR, SELF_IPI = 0x808, 0x80B, 0x830, 0x83F
_MOV_FROM_CR = 1 << 4  # exit qualification of control-register accesses, table 27-3: bits 5:4
_IPI_BITS = 0xC_9F00  # 19:18, 15, 12, 11, 10:8 of EAX: all 0 for IPI virtualization
_NOT_MSR = Msr(readable=False)
_RESERVED = {msr: ~MSRS[msr].write_mask for msr in (TPR, EOI, ICR, SELF_IPI)}


class RegisterAccesses(Core):
    """Accesses by MSR and by CR8."""

    @instruction
    def rdmsr(self, msr: int) -> Outcome:
        """RDMSR; the value is EDX:EAX."""
        _check(msr)
        c = self.controls
        if c.msr_exits(msr, write=False):
            return self._vm_exit(out.RDMSR, 0, f"the MSR bitmaps have RDMSR of {msr:X}H exit")
        if not c.virtualize_x2apic_mode or not (c.apic_register_virtualization or msr == TPR):
            known = MSRS.get(msr, _NOT_MSR)
            return self._physical(msr, "read", None if known.readable else "is not readable")
        offset = (msr & 0xFF) << 4
        value = self.state.word(offset) | self.state.word(offset + 4) << 32
        self._steps.append("virtualized read")
        self._retire()
        why = f"8 bytes at {offset:03X}H of the virtual-APIC page"
        return self._outcome(Kind.VIRTUALISED, why, value=value)

    @instruction
    def wrmsr(self, msr: int, value: int) -> Outcome:
        """WRMSR of EDX:EAX = value."""
        _check(msr)
        value = number("value", value, 64)
        c = self.controls
        if c.msr_exits(msr, write=True):
            return self._vm_exit(out.WRMSR, 0, f"the MSR bitmaps have WRMSR of {msr:X}H exit")
        if not (c.virtualize_x2apic_mode and self._special(msr)):
            mask = MSRS.get(msr, _NOT_MSR).write_mask
            fault = "is not writable" if mask is None else _reserved(value, ~mask)
            return self._physical(msr, "written", fault)
        fault = _reserved(value, _RESERVED[msr])
        if fault:
            return self._outcome(Kind.GP_FAULT, f"MSR {msr:X}H {fault}")
        offset = (msr & 0xFF) << 4
        self.state.set_word(offset, value & 0xFFFF_FFFF)
        self.state.set_word(offset + 4, value >> 32)
        self._steps.append("virtualized write")
        self._retire()
        return self._after_wrmsr(msr, value)

    @instruction
    def mov_from_cr8(self, gpr: int = 0) -> Outcome:
        """MOV from CR8 in 64-bit mode to general-purpose register `gpr`; the value is bits 3:0."""
        gpr = number("gpr", gpr, 4)
        c = self.controls
        if c.cr8_store_exiting:
            return self._vm_exit(out.CR_ACCESS, gpr << 8 | _MOV_FROM_CR | 8, "CR8-store exiting is 1")
        if not c.use_tpr_shadow:
            return self._to_physical_tpr()
        self._retire()
        self._steps.append("virtualized read")
        return self._outcome(Kind.VIRTUALISED, "CR8 is VTPR[7:4]", value=self.state.vtpr >> 4 & 0xF)

    @instruction
    def mov_to_cr8(self, value: int, gpr: int = 0) -> Outcome:
        """MOV to CR8 in 64-bit mode from register `gpr`, which holds `value`."""
        value, gpr = number("value", value, 64), number("gpr", gpr, 4)
        c = self.controls
        if c.cr8_load_exiting:
            return self._vm_exit(out.CR_ACCESS, gpr << 8 | 8, "CR8-load exiting is 1")
        if value >> 4:
            return self._outcome(Kind.GP_FAULT, "bits 63:4 of CR8 are reserved")
        if not c.use_tpr_shadow:
            return self._to_physical_tpr()
        self._retire()
        self.state.vtpr = value << 4
        self._steps.append("virtualized write")
        why = f"VTPR is {value << 4:02X}H now"
        return self._tpr_virtualization() or self._outcome(Kind.VIRTUALISED, why)

    def _special(self, msr: int) -> bool:
        """Whether WRMSR gets special processing (29.5)."""
        c = self.controls
        if msr == ICR:
            return c.ipi_virtualization
        return msr == TPR or (c.virtual_interrupt_delivery and msr in (EOI, SELF_IPI))

    def _after_wrmsr(self, msr: int, value: int) -> Outcome:
        vector = value & 0xFF
        if msr == TPR:
            why = f"VTPR is {vector:02X}H now"
            return self._tpr_virtualization() or self._outcome(Kind.VIRTUALISED, why)
        if msr == EOI:
            ended = self.state.svi
            why = f"vector {ended:02X}H is no longer in service"
            return self._eoi_virtualization() or self._outcome(Kind.VIRTUALISED, why, vector=ended)
        if msr == SELF_IPI:
            if vector < 16:
                return self._apic_write_exit(reg.SELF_IPI, f"vector {vector:02X}H is illegal: EAX[7:4] is 0")
            self._self_ipi_virtualization(vector)
            why = f"the guest requests vector {vector:02X}H for itself"
            return self._outcome(Kind.VIRTUALISED, why, vector=vector)
        sent = None if value & _IPI_BITS else self._ipi_virtualization(vector, value >> 32)
        if sent is None:
            return self._apic_write_exit(reg.VICR_LO, "the VMM sends this IPI")
        return self._outcome(Kind.VIRTUALISED, sent[0], vector=vector, notify=sent[1])

    def _physical(self, msr: int, done: str, fault: str | None) -> Outcome:
        """The instruction operates normally: on the physical local APIC, if that is in x2APIC mode."""
        if not self.controls.x2apic_mode:
            fault = "belongs to x2APIC mode, in which the local APIC is not"
        if fault:
            return self._outcome(Kind.GP_FAULT, f"MSR {msr:X}H {fault}")
        self._retire()
        return self._outcome(Kind.PASSED_THROUGH, f"the physical local APIC's MSR {msr:X}H is {done}")

    def _to_physical_tpr(self) -> Outcome:
        self._retire()
        return self._outcome(Kind.PASSED_THROUGH, "use TPR shadow is 0: CR8 is the physical local APIC's TPR")


def _reserved(value: int, reserved: int) -> str | None:
    return f"has reserved bits {value & reserved:#x}" if value & reserved else None


def _check(msr: int) -> None:
    if not reg.FIRST_MSR <= msr <= reg.LAST_MSR:
        raise ValueError(f"MSR {msr:#x}: not of the local APIC. Give 800H to 8FFH")
