"""The virtual-APIC page: offsets and names of its registers, and which accesses to it a processor virtualises.

Intel SDM vol. 3C, "APIC Virtualization and Virtual Interrupts" (chapter 29 of 2016, 30 of 2023): 29.1.1 for the fields,
29.4.2 and 29.4.3.1 for the ranges; vol. 3A, table 10-6 and figures 10-8, 10-10, 10-12, 10-23 for the MSR interface.
"""

from typing import NamedTuple

PAGE_BYTES = 4096
VECTORS = 256
VTPR, VPPR, VEOI, VICR_LO, VICR_HI, SELF_IPI = 0x080, 0x0A0, 0x0B0, 0x300, 0x310, 0x3F0
VISR, TMR, VIRR = 0x100, 0x180, 0x200  # the first of eight fields, 16 bytes apart, 32 vectors each
FIRST_MSR, LAST_MSR = 0x800, 0x8FF  # the x2APIC MSRs: MSR 800H + n is offset n * 16

_NAMES = {
    0x020: "ID",
    0x030: "version",
    VTPR: "VTPR",
    VPPR: "VPPR",
    VEOI: "VEOI",
    0x0D0: "LDR",
    0x0E0: "DFR",
    0x0F0: "SVR",
    0x280: "ESR",
    0x2F0: "LVT CMCI",
    VICR_LO: "VICR_LO",
    VICR_HI: "VICR_HI",
    0x320: "LVT timer",
    0x330: "LVT thermal",
    0x340: "LVT performance",
    0x350: "LVT LINT0",
    0x360: "LVT LINT1",
    0x370: "LVT error",
    0x380: "initial count",
    0x390: "current count",
    0x3E0: "divide configuration",
    SELF_IPI: "self-IPI",
}
_BANKS = {VISR: "VISR", TMR: "TMR", VIRR: "VIRR"}
WRITE_OFFSETS = (
    frozenset(  # APIC-register virtualization: a write within the 4 bytes is virtualised (29.4.3.1)
        (0x020, VTPR, VEOI, 0x0D0, 0x0E0, 0x0F0, 0x280, VICR_LO, VICR_HI, *range(0x320, 0x390, 16), 0x3E0)
    )
)
READ_OFFSETS = WRITE_OFFSETS | {0x030, *range(VISR, 0x280, 16)}  # and a read (29.4.2)


class Msr(NamedTuple):
    """How a local APIC in x2APIC mode answers at one MSR: writable bits (the others are reserved, 1 faults)."""

    readable: bool = True
    write_mask: int | None = None  # None: not writable


_DELIVERED = Msr(write_mask=0x1_17FF)  # vector, delivery mode, delivery status, mask
_LINT = Msr(write_mask=0x1_F7FF)  # and polarity, remote IRR, trigger mode
MSRS = {
    0x802: Msr(),
    0x803: Msr(),
    0x808: Msr(write_mask=0xFF),
    0x80A: Msr(),
    0x80B: Msr(readable=False, write_mask=0),
    0x80D: Msr(),
    0x80F: Msr(write_mask=0x13FF),
    **{msr: Msr() for msr in range(0x810, 0x828)},
    0x828: Msr(write_mask=0),
    0x82F: _DELIVERED,
    0x830: Msr(write_mask=0xFFFF_FFFF_000C_DFFF),  # EAX bits 31:20, 17:16 and 13 are reserved
    0x832: Msr(write_mask=0x7_10FF),
    0x833: _DELIVERED,
    0x834: _DELIVERED,
    0x835: _LINT,
    0x836: _LINT,
    0x837: Msr(write_mask=0x1_10FF),
    0x838: Msr(write_mask=0xFFFF_FFFF),
    0x839: Msr(),
    0x83E: Msr(write_mask=0xB),
    0x83F: Msr(readable=False, write_mask=0xFF),
}


def register_name(offset: int) -> str:
    """The name of the register at a page offset, such as "VIRR[63:32]"; the offset itself where there is none."""
    slot = offset & ~0xF
    if offset & 0xC == 0 and slot in _NAMES:
        return _NAMES[slot]
    bank = slot & ~0x7F
    if offset & 0xC == 0 and bank in _BANKS:
        first = (slot - bank) * 2
        return f"{_BANKS[bank]}[{first + 31}:{first}]"
    return f"{offset:03X}H"


def highest(bits: int) -> int:
    """The highest vector whose bit is set; 0 if none is."""
    return bits.bit_length() - 1 if bits else 0


def vectors(bits: int) -> tuple[int, ...]:
    """The vectors whose bits are set, lowest first."""
    return tuple(vector for vector in range(bits.bit_length()) if bits >> vector & 1)


def low_dword(offset: int, size_bytes: int) -> bool:
    """Whether an access lies within the low 4 bytes of a naturally aligned 16-byte region (29.4.2, last item)."""
    return not (offset & 0xC or (offset + size_bytes - 1) & 0xC or size_bytes > 4)
