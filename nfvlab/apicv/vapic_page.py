"""Memory-mapped accesses to the APIC-access page: virtualised, or a VM exit (SDM vol. 3C, 29.4 of 2016, 30.4 of 2023).

The rules are those of the later editions: with virtual-interrupt delivery and without APIC-register virtualization,
reads of 0B0H and 300H are virtualised, too (the edition of 2016 had only 080H).
"""

from typing import NamedTuple

from nfvlab.apicv import registers as reg
from nfvlab.apicv import vapic_outcome as out
from nfvlab.apicv.vapic_core import Core, instruction
from nfvlab.apicv.vapic_outcome import Kind, Outcome

READ, WRITE, FETCH, EVENT_DELIVERY = 0, 1, 2, 3  # exit qualification bits 15:12, table 27-6
PHYSICAL_EVENT_DELIVERY, PHYSICAL_INSTRUCTION = 10, 15
_SELF_IPI_MASK, _SELF_IPI = (
    0xFFFF_B700,
    0x4_0000,
)  # 31:12 but 14, and 10:8: self, edge, fixed, the rest 0 (29.4.3.2)
_IPI_MASK = 0xFFFF_BF00  # and bit 11: no shorthand, edge, physical, fixed (30.4.3.2)


class Access(NamedTuple):
    """One access of an operation: page offset, size, and the value of a write."""

    offset: int
    size_bytes: int = 4
    value: int | None = None
    fetch: bool = False


class PageAccesses(Core):
    """Accesses to the APIC-access page."""

    @instruction
    def page_read(
        self, offset: int, size_bytes: int = 4, *, event_delivery: bool = False, guest_physical: bool = False
    ) -> Outcome:
        """One read; see `page_operation`."""
        return self._page_operation((Access(offset, size_bytes),), event_delivery, guest_physical)

    @instruction
    def page_write(
        self,
        offset: int,
        value: int,
        size_bytes: int = 4,
        *,
        event_delivery: bool = False,
        guest_physical: bool = False,
    ) -> Outcome:
        """One write; see `page_operation`."""
        return self._page_operation((Access(offset, size_bytes, value),), event_delivery, guest_physical)

    @instruction
    def page_fetch(self, offset: int, size_bytes: int = 1, *, guest_physical: bool = False) -> Outcome:
        """An instruction fetch from the page: never virtualised."""
        return self._page_operation((Access(offset, size_bytes, fetch=True),), False, guest_physical)

    @instruction
    def page_operation(
        self, *accesses: Access, event_delivery: bool = False, guest_physical: bool = False
    ) -> Outcome:
        """All accesses of one operation (an instruction, an iteration of REP, or event delivery), then its emulation.

        event_delivery: the accesses are part of delivering an event; guest_physical: they do not translate a linear
        address, which always exits. The first access that exits ends the operation; its APIC-write emulation does not
        take place then, though what was written stays. The outcome's value is that of the last read.
        """
        return self._page_operation(accesses, event_delivery, guest_physical)

    def _page_operation(
        self, accesses: tuple[Access, ...], event_delivery: bool, guest_physical: bool
    ) -> Outcome:
        if not accesses:
            raise ValueError("page_operation: no accesses. Give at least one access")
        for access in accesses:
            _check(access)
        if not self.controls.virtualize_apic_accesses:
            if not event_delivery:
                self._retire()
            return self._outcome(
                Kind.PASSED_THROUGH,
                "virtualize APIC accesses is 0: ordinary memory, as paging and EPT have it",
            )
        written: Access | None = None
        value = None
        for access in accesses:
            refusal = (
                "guest-physical accesses always exit" if guest_physical else self._refuses(access, written)
            )
            if refusal:
                kind = _access_type(access, event_delivery, guest_physical)
                return self._vm_exit(out.APIC_ACCESS, kind << 12 | access.offset, refusal)
            if access.value is None:
                value = self.state.load(access.offset, access.size_bytes)
                self._steps.append("virtualized read")
            else:
                self.state.store(access.offset, access.size_bytes, access.value)
                self._steps.append("virtualized write")
                written = access
        if not event_delivery:
            self._retire()
        return (
            self._emulate_write(written.offset, value) if written else self._read(accesses[-1].offset, value)
        )

    def _read(self, offset: int, value: int) -> Outcome:
        why = f"{reg.register_name(offset)} comes from the virtual-APIC page"
        return self._outcome(Kind.VIRTUALISED, why, value=value)

    def _refuses(self, access: Access, written: Access | None) -> str | None:
        """Why this access causes an APIC-access VM exit; None if it is virtualised (29.4.2, 29.4.3.1)."""
        c, offset = self.controls, access.offset
        if not c.use_tpr_shadow:
            return "use TPR shadow is 0"
        if access.fetch:
            return "instruction fetches are not virtualised"
        if access.size_bytes > 4:
            return f"the access has {8 * access.size_bytes} bits, more than 32"
        if written is not None and (
            access.value is None or (written.offset, written.size_bytes) != (offset, access.size_bytes)
        ):
            return "the operation has already had a write virtualised"
        if not reg.low_dword(offset, access.size_bytes):
            return "the access is not within the low 4 bytes of a 16-byte region"
        if c.apic_register_virtualization:
            ranges = reg.READ_OFFSETS if access.value is None else reg.WRITE_OFFSETS
            return (
                None
                if offset & ~0xF in ranges
                else f"{offset:03X}H is not in the ranges that are virtualised"
            )
        if offset == reg.VTPR or (c.virtual_interrupt_delivery and offset in (reg.VEOI, reg.VICR_LO)):
            return None
        if c.ipi_virtualization and access.value is not None and offset == reg.VICR_LO:
            return None
        return f"APIC-register virtualization is 0, and {offset:03X}H is not virtualised without it"

    def _emulate_write(self, offset: int, value: int | None) -> Outcome:
        """29.4.3.2: what follows the operation whose write at `offset` was virtualised; `value`: what it read."""
        state, vid = self.state, self.controls.virtual_interrupt_delivery
        self._steps.append("APIC-write emulation")
        if offset == reg.VTPR:
            state.vtpr &= 0xFF
            why = f"VTPR is {state.vtpr:02X}H now"
            return self._tpr_virtualization() or self._outcome(Kind.VIRTUALISED, why, value=value)
        if offset == reg.VEOI and vid:
            state.veoi, vector = 0, state.svi
            ended = self._eoi_virtualization()
            why = f"vector {vector:02X}H is no longer in service"
            return ended or self._outcome(Kind.VIRTUALISED, why, vector=vector, value=value)
        if offset == reg.VICR_LO:
            return self._emulate_icr_write(value)
        if offset & ~3 == reg.VICR_HI:
            state.vicr_hi &= 0xFF00_0000
            return self._outcome(Kind.VIRTUALISED, "VICR_HI keeps its byte 3 only", value=value)
        return self._apic_write_exit(offset, f"the VMM completes writes of {reg.register_name(offset)}")

    def _emulate_icr_write(self, value: int | None) -> Outcome:
        """The write of 300H: self-IPI or IPI virtualization, or an APIC-write VM exit."""
        icr, c = self.state.vicr_lo, self.controls
        vector = icr & 0xFF
        if c.virtual_interrupt_delivery and icr & _SELF_IPI_MASK == _SELF_IPI and vector > 15:
            self._self_ipi_virtualization(vector)
            why = f"the guest requests vector {vector:02X}H for itself"
            return self._outcome(Kind.VIRTUALISED, why, vector=vector, value=value)
        if c.ipi_virtualization and not icr & _IPI_MASK:
            sent = self._ipi_virtualization(vector, self.state.vicr_hi >> 24)
            if sent is not None:
                return self._outcome(Kind.VIRTUALISED, sent[0], vector=vector, value=value, notify=sent[1])
            return self._apic_write_exit(reg.VICR_LO, "no valid PID-pointer, or an illegal vector")
        return self._apic_write_exit(reg.VICR_LO, f"the VMM sends the IPI that ICR {icr:08X}H asks for")


def _check(access: Access) -> None:
    offset, size_bytes, value = access.offset, access.size_bytes, access.value
    if size_bytes < 1 or not 0 <= offset < reg.PAGE_BYTES or offset + size_bytes > reg.PAGE_BYTES:
        raise ValueError(
            f"{size_bytes} bytes at offset {offset:#x}: not within one page of {reg.PAGE_BYTES} bytes. "
            "Give an offset from 0 and a size from 1; split an access that spans two pages"
        )
    if value is not None and not 0 <= value < 1 << 8 * size_bytes:
        raise ValueError(f"value = {value:#x}: does not fit {size_bytes} bytes. Give a larger size")


def _access_type(access: Access, event_delivery: bool, guest_physical: bool) -> int:
    if guest_physical:
        return PHYSICAL_EVENT_DELIVERY if event_delivery else PHYSICAL_INSTRUCTION
    if event_delivery:
        return EVENT_DELIVERY
    if access.fetch:
        return FETCH
    return READ if access.value is None else WRITE
