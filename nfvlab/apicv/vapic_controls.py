"""The controls and VMCS fields that decide how the APIC is virtualised (SDM vol. 3C, 24.6.1, 24.6.2 and 24.6.8)."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from nfvlab.apicv.vapic_numbers import flag, known, number, vector_set

WIDTHS = {  # bits of each field that is a number
    "tpr_threshold": 32,
    "notification_vector": 16,
    "last_pid_pointer_index": 16,
    "descriptor_address": 64,
    "virtual_apic_address": 64,
    "apic_access_address": 64,
    "pid_pointer_table_address": 64,
    "physical_address_width": 6,
}
BITMAPS = ("eoi_exit_bitmap", "msr_read_bitmap", "msr_write_bitmap")


@dataclass(frozen=True, kw_only=True)
class Controls:
    """The controls, as the processor sees them with "activate secondary controls" and "tertiary controls" at 1.

    `eoi_exit_bitmap` has bit v for vector v. `msr_read_bitmap` and `msr_write_bitmap` have bit n for MSR 800H + n
    (1: the access exits) and count while `use_msr_bitmaps` is 1; else every RDMSR and WRMSR exits.
    `x2apic_mode` is the mode of the physical local APIC. `interrupt_gates`: the guest's IDT has interrupt gates, which
    clear RFLAGS.IF on delivery; False for trap gates.
    """

    external_interrupt_exiting: bool = False
    acknowledge_interrupt_on_exit: bool = False
    process_posted_interrupts: bool = False
    interrupt_window_exiting: bool = False
    hlt_exiting: bool = False
    cr8_load_exiting: bool = False
    cr8_store_exiting: bool = False
    use_tpr_shadow: bool = False
    use_msr_bitmaps: bool = True
    virtualize_apic_accesses: bool = False
    virtualize_x2apic_mode: bool = False
    apic_register_virtualization: bool = False
    virtual_interrupt_delivery: bool = False
    ipi_virtualization: bool = False
    x2apic_mode: bool = False
    interrupt_gates: bool = True
    tpr_threshold: int = 0
    eoi_exit_bitmap: int = 0
    msr_read_bitmap: int = 0
    msr_write_bitmap: int = 0
    notification_vector: int = 0
    descriptor_address: int = 0
    virtual_apic_address: int = 0
    apic_access_address: int = 0
    pid_pointer_table_address: int = 0
    last_pid_pointer_index: int = 0
    physical_address_width: int = 46

    def __post_init__(self):
        for name, bits in WIDTHS.items():
            object.__setattr__(self, name, number(name, getattr(self, name), bits))
        for name in BITMAPS:
            object.__setattr__(self, name, vector_set(name, getattr(self, name)))
        for name in FLAGS:
            object.__setattr__(self, name, flag(name, getattr(self, name)))
        if not 32 <= self.physical_address_width <= 52:
            raise ValueError(
                f"physical_address_width = {self.physical_address_width}: processors have 32 to 52 bits. "
                "Give CPUID 80000008H EAX[7:0]"
            )

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> "Controls":
        """Controls from names and values (flags as 0 or 1, numbers as in `vapic_numbers`); ValueError otherwise."""
        known("controls", given, (field.name for field in fields(cls)))
        return cls(**given)

    def to_dict(self) -> dict[str, Any]:
        """Flags as they are, numbers in hex: what `from_dict` reads."""
        return {
            name: value if isinstance(value, bool) else hex(value) for name, value in asdict(self).items()
        }

    def replace(self, **changes: Any) -> "Controls":
        """The same with other values of some fields."""
        return replace(self, **changes)

    def msr_exits(self, msr: int, *, write: bool) -> bool:
        """Whether RDMSR or WRMSR of an MSR in 800H-8FFH causes a VM exit (25.1.3)."""
        bitmap = self.msr_write_bitmap if write else self.msr_read_bitmap
        return not self.use_msr_bitmaps or bool(bitmap >> (msr & 0xFF) & 1)


FLAGS = tuple(f.name for f in fields(Controls) if f.type in (bool, "bool"))
EMULATED = Controls(external_interrupt_exiting=True, acknowledge_interrupt_on_exit=True)
TPR_SHADOW = EMULATED.replace(use_tpr_shadow=True, virtualize_apic_accesses=True)
APICV = TPR_SHADOW.replace(apic_register_virtualization=True, virtual_interrupt_delivery=True)
POSTED = APICV.replace(process_posted_interrupts=True, notification_vector=0xF2)
X2APIC = POSTED.replace(virtualize_apic_accesses=False, virtualize_x2apic_mode=True)
