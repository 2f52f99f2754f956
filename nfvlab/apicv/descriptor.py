"""The posted-interrupt descriptor: 64 bytes in memory that devices, processors and KVM share, bit by bit.

    bits     field  meaning
    255:0    PIR    posted-interrupt requests, one bit a vector
    256      ON     outstanding notification: a notification is on its way, or was not processed yet
    257      SN     suppress notification: post non-urgent interrupts silently
    271:258         reserved
    279:272  NV     notification vector: the physical vector of the notification
    287:280         reserved
    319:288  NDST   notification destination: the physical APIC ID; in xAPIC mode its bits 15:8 only
    511:320         reserved

A descriptor is a value here: an operation gives a new one, and one operation is one atomic access of the
hardware or of the kernel. What KVM does in two accesses is two operations, and another agent may come in between
(`race`). Producers are in `descriptor_producers`, KVM's consumer in `descriptor_consumer`.

Sources: Intel VT-d specification, rev. 5.10, 5.2.2 and 9.11; Intel SDM vol. 3C, "Posted-Interrupt Processing"
(ON and PIR only; bits 511:257 are left to software and other agents); Linux arch/x86/include/asm/posted_intr.h.
"""

from typing import NamedTuple

VECTORS = 256
DESCRIPTOR_BYTES = 64
POSTED_INTR_VECTOR = 0xF2  # Linux arch/x86/include/asm/irq_vectors.h: NV while the vCPU runs
POSTED_INTR_WAKEUP_VECTOR = 0xF1  # the same file: NV while the vCPU is blocked

_ON, _SN, _NV, _NDST = 256, 257, 272, 288
_PIR_MASK = (1 << VECTORS) - 1
_RESERVED = (("271:258", 258, 14), ("287:280", 280, 8), ("511:320", 320, 192))
_XAPIC_NDST_MASK = 0xFF00


class Descriptor(NamedTuple):
    """A posted-interrupt descriptor; `pir` holds bit v for vector v, `ndst` is the field as it stands."""

    pir: int = 0
    on: bool = False
    sn: bool = False
    nv: int = POSTED_INTR_VECTOR
    ndst: int = 0

    @property
    def vectors(self) -> tuple[int, ...]:
        """The vectors posted in PIR, the highest first."""
        return tuple(v for v in range(VECTORS - 1, -1, -1) if self.pir >> v & 1)

    def to_bytes(self) -> bytes:
        """The 64 bytes as they stand in memory; a ValueError names a field that does not fit its bits."""
        check_field("PIR", self.pir, VECTORS)
        check_field("NV", self.nv, 8)
        check_field("NDST", self.ndst, 32)
        bits = self.pir | bool(self.on) << _ON | bool(self.sn) << _SN | self.nv << _NV | self.ndst << _NDST
        return bits.to_bytes(DESCRIPTOR_BYTES, "little")

    @classmethod
    def from_bytes(cls, data: bytes) -> "Descriptor":
        """Read 64 bytes; a ValueError on another length, or if a reserved bit is set.

        Interrupt-posting hardware blocks a request for such a descriptor (VT-d fault reason 28h).
        """
        if len(data) != DESCRIPTOR_BYTES:
            raise ValueError(f"{len(data)} bytes: a posted-interrupt descriptor has {DESCRIPTOR_BYTES}")
        bits = int.from_bytes(data, "little")
        for name, low, width in _RESERVED:
            if value := bits >> low & (1 << width) - 1:
                raise ValueError(
                    f"bits {name} hold {value:#x}: they are reserved, software must write them as 0"
                )
        return cls(
            pir=bits & _PIR_MASK,
            on=bool(bits >> _ON & 1),
            sn=bool(bits >> _SN & 1),
            nv=bits >> _NV & 0xFF,
            ndst=bits >> _NDST & 0xFFFF_FFFF,
        )

    def __repr__(self) -> str:
        posted = ", ".join(f"{v:#x}" for v in self.vectors)
        return f"<PIR {{{posted}}} ON={self.on:d} SN={self.sn:d} NV={self.nv:#x} NDST={self.ndst:#x}>"


def check_field(name: str, value: int, bits: int) -> int:
    """A value that fits its bits, or a ValueError."""
    if not 0 <= value < 1 << bits:
        raise ValueError(f"{name} = {value:#x}: must fit {bits} bits, 0 to {(1 << bits) - 1:#x}")
    return value


def check_vector(vector: int) -> int:
    """A vector, 0 to 255, or a ValueError."""
    if not 0 <= vector < VECTORS:
        raise ValueError(f"vector {vector}: must be 0 to {VECTORS - 1}")
    return vector


def encode_ndst(apic_id: int, *, x2apic: bool = True) -> int:
    """NDST for a physical APIC ID: the whole field in x2APIC mode, bits 15:8 in xAPIC mode."""
    return check_field("APIC ID", apic_id, 32) if x2apic else check_field("xAPIC ID", apic_id, 8) << 8


def decode_ndst(ndst: int, *, x2apic: bool = True) -> int:
    """The physical APIC ID in NDST; a ValueError if xAPIC mode reserves a bit that is set."""
    check_field("NDST", ndst, 32)
    if x2apic:
        return ndst
    if ndst & ~_XAPIC_NDST_MASK:
        raise ValueError(
            f"NDST = {ndst:#x}: in xAPIC mode the APIC ID stands in bits 15:8 and all others are reserved"
        )
    return ndst >> 8


def highest(bits: int) -> int:
    """The highest vector whose bit is set, or -1, as in KVM's `find_highest_vector`."""
    return bits.bit_length() - 1


def pi_test_and_set_pir(d: Descriptor, vector: int) -> tuple[Descriptor, bool]:
    """Set a bit of PIR: the descriptor after it, and whether the bit was set before."""
    bit = 1 << check_vector(vector)
    return d._replace(pir=d.pir | bit), bool(d.pir & bit)


def pi_test_and_set_on(d: Descriptor) -> tuple[Descriptor, bool]:
    """Set ON: the descriptor after it, and whether ON was set before."""
    return d._replace(on=True), d.on


def take_pir(d: Descriptor) -> tuple[Descriptor, int]:
    """Exchange PIR for zero: the descriptor after it, and what was posted."""
    return d._replace(pir=0), d.pir


def process_posted_interrupts(d: Descriptor, virr: int, rvi: int) -> tuple[Descriptor, int, int]:
    """What a processor in non-root mode does on its notification vector: descriptor, VIRR and RVI after it.

    ON is cleared, PIR goes into VIRR and is cleared, and RVI becomes the highest of its old value and of
    PIR's bits; the processor then evaluates pending virtual interrupts. Nobody can come in between (SDM,
    "Posted-Interrupt Processing", steps 3 to 6; the end-of-interrupt to the physical APIC is step 4).
    """
    cleared, pir = take_pir(d._replace(on=False))
    return cleared, virr | pir, max(rvi, highest(pir))
