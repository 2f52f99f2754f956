"""Ready-made walks through the virtual APIC, for a notebook or a class."""

from nfvlab.apicv.steps import walk
from nfvlab.apicv.vapic import X2APIC, MemoryDescriptor, VapicState, VirtualApic
from nfvlab.stepper import Stepper

TPR, EOI, SELF_IPI = 0x808, 0x80B, 0x83F
_FIRST, _SAME_CLASS, _ABOVE = 0x41, 0x45, 0x61


def posted() -> Stepper:
    """Posted while the guest has interrupts off: recognized at once, delivered after STI and one instruction more."""
    posted_by_device = MemoryDescriptor(pir=1 << _FIRST, on=True)
    return walk(
        "A posted interrupt comes while RFLAGS.IF = 0",
        VirtualApic(X2APIC, VapicState()),
        [
            ("cli", ()),
            ("external_interrupt", (X2APIC.notification_vector, posted_by_device)),
            ("sti", ()),
            ("other_instruction", ()),
            ("boundary", ()),
            ("wrmsr", (EOI, 0)),
        ],
    )


def priorities() -> Stepper:
    """In service 41H: 45H of the same class waits for the EOI, 61H of a higher class does not."""
    return walk(
        "Two more interrupts while 41H is in service",
        VirtualApic(X2APIC, VapicState()),
        [
            ("wrmsr", (SELF_IPI, _FIRST)),
            ("boundary", ()),
            ("sti", ()),
            ("other_instruction", ()),
            ("wrmsr", (SELF_IPI, _SAME_CLASS)),
            ("boundary", ()),
            ("wrmsr", (SELF_IPI, _ABOVE)),
            ("boundary", ()),
            ("wrmsr", (EOI, 0)),
            ("iret", (True,)),
            ("boundary", ()),
            ("wrmsr", (EOI, 0)),
            ("boundary", ()),
        ],
    )


def eoi_exit() -> Stepper:
    """An EOI whose bit in the EOI-exit bitmap is set: it exits, and nothing is evaluated until the next entry."""
    controls = X2APIC.replace(eoi_exit_bitmap=1 << _FIRST)
    return walk(
        "An EOI that exits while another interrupt waits",
        VirtualApic(controls, VapicState()),
        [
            ("wrmsr", (SELF_IPI, _FIRST)),
            ("boundary", ()),
            ("wrmsr", (SELF_IPI, _SAME_CLASS)),
            ("sti", ()),
            ("other_instruction", ()),
            ("wrmsr", (EOI, 0)),
            ("vm_entry", ()),
        ],
    )


def task_priority() -> Stepper:
    """The guest raises its TPR, an interrupt waits, and lowering the TPR lets it in: no exit anywhere."""
    return walk(
        "An interrupt below the guest's TPR",
        VirtualApic(X2APIC, VapicState()),
        [
            ("wrmsr", (TPR, 0x50)),
            ("wrmsr", (SELF_IPI, _FIRST)),
            ("boundary", ()),
            ("wrmsr", (TPR, 0x10)),
            ("boundary", ()),
        ],
    )


__all__ = ["eoi_exit", "posted", "priorities", "task_priority"]
