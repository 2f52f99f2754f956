"""Entries of the interrupt remapping table: remapped to a physical CPU, or posted to a vCPU's descriptor.

    bits     remapped                    posted
    0        P     present               P
    1        FPD   report no faults      FPD
    2        DM    logical destination   reserved
    3        RH    redirection hint      reserved
    4        TM    level-triggered       reserved
    7:5      DLM   delivery mode         reserved
    11:8     AVAIL for software          AVAIL
    14       reserved                    URG   urgent: notify although SN = 1
    15       IM = 0                      IM = 1
    23:16    V     physical vector       VV    virtual vector: the bit of PIR
    63:32    DST   destination           63:38 bits 31:6 of the descriptor's address
    79:64    SID   source                SID
    81:80    SQ    source qualifier      SQ
    83:82    SVT   source validation     SVT
    127:96   reserved                    bits 63:32 of the descriptor's address

All other bits are reserved. A request through a posted entry is edge-triggered whatever its source was.

Sources: Intel VT-d specification, rev. 5.10, 5.2, 9.9 and 9.10; Linux drivers/iommu/intel/irq_remapping.c
(`intel_ir_set_vcpu_affinity`), arch/x86/kvm/vmx/posted_intr.c (`vmx_pi_update_irte`), `kvm_intr_is_single_vcpu`,
`kvm_irq_is_postable`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from nfvlab.apicv.descriptor import DESCRIPTOR_BYTES, check_field, check_vector

IRTE_BYTES = 16
DELIVERY_MODES = {0: "Fixed", 1: "Lowest Priority", 2: "SMI", 4: "NMI", 5: "INIT", 7: "ExtINT"}
POSTABLE = ("Fixed", "Lowest Priority")

_IM = 1 << 15
_SHARED = {
    "present": (0, 1),
    "fault_disable": (1, 1),
    "available": (8, 4),
    "vector": (16, 8),
    "source_id": (64, 16),
    "source_qualifier": (80, 2),
    "source_validation": (82, 2),
}
_REMAPPED = _SHARED | {
    "logical": (2, 1),
    "redirection_hint": (3, 1),
    "level": (4, 1),
    "delivery_mode": (5, 3),
    "destination": (32, 32),
}
_POSTED = _SHARED | {"urgent": (14, 1), "address_low": (38, 26), "address_high": (96, 32)}


@dataclass(frozen=True, kw_only=True)
class Remapped:
    """A remapped-format entry; `destination` is DST as it stands (in xAPIC mode the APIC ID in bits 15:8)."""

    present: int = 1
    fault_disable: int = 0
    logical: int = 0
    redirection_hint: int = 0
    level: int = 0
    delivery_mode: int = 0
    available: int = 0
    vector: int
    destination: int
    source_id: int = 0
    source_qualifier: int = 0
    source_validation: int = 0

    def to_bytes(self) -> bytes:
        """The 16 bytes of the entry; a ValueError names a field that does not fit, or has no meaning."""
        _check_modes(self)
        return _pack(vars(self), _REMAPPED, 0)


@dataclass(frozen=True, kw_only=True)
class Posted:
    """A posted-format entry; `descriptor_address` is physical, and aligned to 64 bytes."""

    present: int = 1
    fault_disable: int = 0
    available: int = 0
    urgent: int = 0
    vector: int
    descriptor_address: int
    source_id: int = 0
    source_qualifier: int = 0
    source_validation: int = 0

    def to_bytes(self) -> bytes:
        """The 16 bytes of the entry; a ValueError names a field that does not fit, or has no meaning."""
        address = check_field("descriptor address", self.descriptor_address, 64)
        if address % DESCRIPTOR_BYTES:
            raise ValueError(f"descriptor address {address:#x}: must be a multiple of {DESCRIPTOR_BYTES}")
        _check_modes(self)
        halves = {"address_low": (address & 0xFFFF_FFFF) >> 6, "address_high": address >> 32}
        return _pack(vars(self) | halves, _POSTED, _IM)


def parse_irte(data: bytes) -> Remapped | Posted:
    """Read an entry of 16 bytes in the format that its IM bit says; a ValueError names a reserved bit or value.

    Hardware looks at the fields of an entry that is present only; here any entry is held to its format.
    """
    if len(data) != IRTE_BYTES:
        raise ValueError(f"{len(data)} bytes: an interrupt remapping table entry has {IRTE_BYTES}")
    bits = int.from_bytes(data, "little")
    posted = bool(bits & _IM)
    layout = _POSTED if posted else _REMAPPED
    reserved = bits & ~(_IM | sum((1 << width) - 1 << low for low, width in layout.values()))
    if reserved:
        named = ", ".join(str(k) for k in range(8 * IRTE_BYTES) if reserved >> k & 1)
        kind = "posted" if posted else "remapped"
        raise ValueError(
            f"reserved bit {named} of a {kind} entry is set: software must write reserved bits as 0"
        )
    fields = {name: bits >> low & (1 << width) - 1 for name, (low, width) in layout.items()}
    if posted:
        low, high = fields.pop("address_low"), fields.pop("address_high")
        entry = Posted(descriptor_address=high << 32 | low << 6, **fields)
    else:
        entry = Remapped(**fields)
    _check_modes(entry)
    return entry


def to_posted(entry: Remapped, *, vector: int, descriptor_address: int) -> Posted:
    """`intel_ir_set_vcpu_affinity`: the shared fields of the remapped entry, posted to a descriptor, not urgent."""
    shared = {name: getattr(entry, name) for name in _SHARED if name != "vector"}
    return Posted(vector=check_vector(vector), descriptor_address=descriptor_address, **shared)


@dataclass(frozen=True)
class Update:
    """What KVM made of a route: the entry to write, and why."""

    entry: Remapped | Posted
    reason: str

    @property
    def posted(self) -> bool:
        """Whether requests are posted from now on."""
        return isinstance(self.entry, Posted)


def pi_update_irte(
    entry: Remapped, *, vector: int, delivery_mode: str, descriptors: Sequence[int], set: bool = True
) -> Update:
    """Switch an assigned device's interrupt to posting, or back (`set` False): `vmx_pi_update_irte`.

    `entry` is the remapped entry that KVM keeps to return to, `vector` and `delivery_mode` (a name of
    `DELIVERY_MODES`) are the guest's, `descriptors` the addresses of the descriptors of all vCPUs that the
    guest's MSI addresses. Only an interrupt for exactly one vCPU, Fixed or Lowest Priority, can be posted.
    """
    if delivery_mode not in DELIVERY_MODES.values():
        raise ValueError(
            f"delivery mode {delivery_mode!r}: must be one of {', '.join(DELIVERY_MODES.values())}"
        )
    if not set:
        return Update(entry, "posting is off: back to the remapped entry")
    if len(descriptors) != 1:
        reason = f"the MSI addresses {len(descriptors)} vCPUs: a posted entry has one descriptor"
        return Update(entry, f"{reason}; remapped")
    if delivery_mode not in POSTABLE:
        return Update(entry, f"delivery mode {delivery_mode} cannot be posted; remapped")
    posted = to_posted(entry, vector=vector, descriptor_address=descriptors[0])
    return Update(posted, f"one vCPU, {delivery_mode}: posted as vector {vector:#x}")


def _check_modes(entry: Remapped | Posted) -> None:
    """Values of fields that are reserved."""
    if entry.source_validation == 3:
        raise ValueError("SVT = 3: reserved; 0 verifies nothing, 1 the requester, 2 its bus")
    if isinstance(entry, Remapped) and entry.delivery_mode in (3, 6):
        raise ValueError(
            f"delivery mode {entry.delivery_mode}: reserved; "
            + ", ".join(f"{value} is {name}" for value, name in DELIVERY_MODES.items())
        )


def _pack(fields: dict[str, int], layout: dict[str, tuple[int, int]], bits: int) -> bytes:
    """Fields at their places, as 16 bytes."""
    for name, (low, width) in layout.items():
        bits |= check_field(name, fields[name], width) << low
    return bits.to_bytes(IRTE_BYTES, "little")
