"""What one operation did: a small record, with the reason in a sentence."""

from enum import StrEnum
from typing import Any, NamedTuple

EXTERNAL_INTERRUPT, INTERRUPT_WINDOW, HLT, CR_ACCESS = 1, 7, 12, 28
RDMSR, WRMSR, INVALID_GUEST_STATE = 31, 32, 33
TPR_BELOW_THRESHOLD, APIC_ACCESS, VIRTUALIZED_EOI, APIC_WRITE = 43, 44, 45, 56
ENTRY_FAILURE = 1 << 31  # bit 31 of the exit reason

EXIT_NAMES = {  # SDM vol. 3D, appendix C
    EXTERNAL_INTERRUPT: "external interrupt",
    INTERRUPT_WINDOW: "interrupt window",
    HLT: "HLT",
    CR_ACCESS: "control-register accesses",
    RDMSR: "RDMSR",
    WRMSR: "WRMSR",
    INVALID_GUEST_STATE: "VM-entry failure due to invalid guest state",
    TPR_BELOW_THRESHOLD: "TPR below threshold",
    APIC_ACCESS: "APIC access",
    VIRTUALIZED_EOI: "virtualized EOI",
    APIC_WRITE: "APIC write",
}
TRAP_LIKE = frozenset({TPR_BELOW_THRESHOLD, VIRTUALIZED_EOI, APIC_WRITE})  # the instruction has completed


class Kind(StrEnum):
    """What became of the operation."""

    NOTHING = "nothing"  # it had no effect beyond its own instruction
    VIRTUALISED = "virtualised"  # the processor did it on the virtual APIC
    PASSED_THROUGH = "passed_through"  # it goes to the physical local APIC, or to ordinary memory
    DELIVERED = "delivered"  # an interrupt was delivered through the guest's IDT
    HELD = "held"  # the event stays pending: present it again later
    ENTERED = "entered"  # VM entry completed, and no event followed it
    VM_EXIT = "vm_exit"
    GP_FAULT = "gp_fault"
    ENTRY_FAILED = "entry_failed"  # VMLAUNCH or VMRESUME failed; `problems` says why


class Outcome(NamedTuple):
    """What one operation did.

    `qualification`, `exit_reason` and `interruption_info` are VMCS fields of a VM exit; `vector` the vector concerned;
    `value` what a read returned; `notify` the (NDST, NV) of an IPI that was sent; `steps` the sub-steps in order;
    `problems` every broken rule of a failed entry; `before` and `after` the state's fields (`vapic_state.FIELDS`).
    """

    kind: Kind
    why: str
    exit_reason: int | None = None
    qualification: int | None = None
    vector: int | None = None
    value: int | None = None
    interruption_info: int | None = None
    notify: tuple[int, int] | None = None
    steps: tuple[str, ...] = ()
    problems: tuple[Any, ...] = ()
    before: Any = None
    after: Any = None

    @property
    def exit_name(self) -> str | None:
        """The basic exit reason in words; None without an exit."""
        return None if self.exit_reason is None else EXIT_NAMES[self.exit_reason & 0xFFFF]

    @property
    def trap_like(self) -> bool:
        """Whether it is a VM exit that follows the instruction: the saved RIP references the next one."""
        return self.exit_reason in TRAP_LIKE

    @property
    def changed(self) -> dict[str, tuple[Any, Any]]:
        """Fields that the operation changed: name -> (before, after); words of the page by register name."""
        if self.before is None:
            return {}
        pairs = zip(self.before._fields, self.before, self.after, strict=True)
        found = {name: (old, new) for name, old, new in pairs if old != new}
        old_page, new_page = found.pop("page", ({}, {}))
        for offset in sorted(old_page.keys() | new_page.keys()):
            old, new = old_page.get(offset, 0), new_page.get(offset, 0)
            if old != new:
                found[f"page[{offset:03X}H]"] = (old, new)
        return found

    def to_dict(self) -> dict[str, Any]:
        """Plain values without the two states, for a table or JSON."""
        names = (
            "exit_reason",
            "exit_name",
            "qualification",
            "vector",
            "value",
            "interruption_info",
            "notify",
        )
        given = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        problems = {"problems": [str(p) for p in self.problems]} if self.problems else {}
        return {"kind": str(self.kind), **given, "steps": list(self.steps), **problems, "why": self.why}
