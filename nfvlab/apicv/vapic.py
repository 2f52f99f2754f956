"""The virtual APIC of one virtual processor as a state machine, exact to the SDM's rules, one operation at a time.

An operation changes `state` and returns an `Outcome`. Instructions end where the instruction ends; an interrupt that
was recognized is delivered at the next `boundary`. `vm_entry` and `external_interrupt` take place at a boundary and
include it. Left out: NMI, SMI, MTF, debug traps, user interrupts, enclaves, transactions, SENDUIPI, faults of paging.

External interrupts that "external-interrupt exiting" governs are not blocked by RFLAGS.IF. That blocking by STI or MOV
SS does not hold them back, either, is this model's choice, as in KVM (vmx_interrupt_blocked for a nested guest).
"""

from collections.abc import Mapping
from typing import Any

from nfvlab.apicv import vapic_outcome as out
from nfvlab.apicv import vapic_state as st
from nfvlab.apicv.vapic_checks import TYPES, Injection, control_problems, guest_problems
from nfvlab.apicv.vapic_controls import APICV, EMULATED, POSTED, TPR_SHADOW, X2APIC, Controls
from nfvlab.apicv.vapic_core import guest_operation, instruction
from nfvlab.apicv.vapic_descriptor import Descriptor, MemoryDescriptor
from nfvlab.apicv.vapic_msr import RegisterAccesses
from nfvlab.apicv.vapic_numbers import known, number
from nfvlab.apicv.vapic_outcome import Kind, Outcome
from nfvlab.apicv.vapic_page import Access, PageAccesses
from nfvlab.apicv.vapic_state import VapicState

__all__ = [
    "APICV",
    "EMULATED",
    "POSTED",
    "TPR_SHADOW",
    "X2APIC",
    "Access",
    "Controls",
    "Descriptor",
    "Injection",
]
__all__ += ["Kind", "MemoryDescriptor", "Outcome", "VapicState", "VirtualApic"]

_VALID = 1 << 31


class VirtualApic(PageAccesses, RegisterAccesses):
    """One virtual processor's APIC, with the events and instructions that decide when an interrupt is delivered."""

    @classmethod
    def from_dict(cls, given: Mapping[str, Any], **tables: Any) -> "VirtualApic":
        """From {"controls": {...}, "state": {...}}; `tables` are the keywords of the constructor."""
        known("virtual APIC", given, ("controls", "state"))
        controls = Controls.from_dict(given.get("controls", {}))
        return cls(controls, VapicState.from_dict(given.get("state", {})), **tables)

    def to_dict(self) -> dict[str, Any]:
        """Controls and state as plain values: what `from_dict` reads."""
        return {"controls": self.controls.to_dict(), "state": self.state.to_dict()}

    def vm_entry(self, injection: Injection | int | None = None) -> Outcome:
        """VMLAUNCH or VMRESUME: checks, PPR virtualization and evaluation, injection, and what follows at once.

        injection: an event, or the VM-entry interruption-information field. ValueError if the guest runs already.
        """
        if self.state.non_root:
            raise ValueError("vm_entry: the guest is running. Enter after a VM exit, or from non_root=False")
        if isinstance(injection, int):
            injection = Injection.from_field(injection)
        self._begin()
        failed = self._failed_entry(injection)
        if failed is not None:
            return failed
        state = self.state
        state.non_root, state.recognized = True, False
        self._steps.append("VM entry")
        if self.controls.virtual_interrupt_delivery:
            self._ppr_virtualization()
            self._evaluate()
        if injection is not None:
            self._steps.append("event injection")
            self._enter_handler()
        followed = self._threshold_exit() or self._at_boundary()
        if followed is not None:
            return followed
        if injection is None:
            return self._outcome(Kind.ENTERED, "the guest runs; nothing follows at once")
        why = f"the guest runs in the handler of {TYPES[injection.type]} {injection.vector:02X}H, injected"
        return self._outcome(Kind.ENTERED, why, vector=injection.vector)

    def _failed_entry(self, injection: Injection | None) -> Outcome | None:
        """26.2.1 and 26.3.1: control fields first, then guest state; the guest does not run if a rule is broken."""
        problems = control_problems(self.controls, self.state.vtpr, injection)
        if problems:
            why = "VM-instruction error 7: VM entry with invalid control fields"
            return self._outcome(Kind.ENTRY_FAILED, why, problems=problems)
        problems = guest_problems(self.state, injection)
        if not problems:
            return None
        return self._outcome(
            Kind.ENTRY_FAILED,
            "VM-entry failure: invalid guest state",
            problems=problems,
            exit_reason=out.ENTRY_FAILURE | out.INVALID_GUEST_STATE,
            qualification=0,
        )

    def _threshold_exit(self) -> Outcome | None:
        """26.6.7: the TPR threshold right after VM entry, whatever RFLAGS.IF and blocking say."""
        c, state = self.controls, self.state
        applies = c.use_tpr_shadow and c.virtualize_apic_accesses and not c.virtual_interrupt_delivery
        if not applies or not state.interruptible or c.tpr_threshold & 0xF <= state.vtpr >> 4 & 0xF:
            return None
        why = f"VTPR[7:4] = {state.vtpr >> 4 & 0xF:X}H is below the TPR threshold right after VM entry"
        return self._vm_exit(out.TPR_BELOW_THRESHOLD, 0, why)

    @guest_operation
    def boundary(self) -> Outcome:
        """An instruction boundary: an interrupt-window exit, virtual-interrupt delivery, or nothing."""
        state = self.state
        happened = self._at_boundary()
        if happened is not None:
            return happened
        if not state.recognized:
            return self._outcome(Kind.NOTHING, "no pending virtual interrupt is recognized")
        blocked = "the activity state" if not state.interruptible else "STI or MOV SS"
        blocked = blocked if state.if_flag or not state.interruptible else "RFLAGS.IF = 0"
        return self._outcome(
            Kind.NOTHING, f"{blocked} holds back vector {state.rvi:02X}H, which is recognized"
        )

    def _ready(self) -> bool:
        """Whether an interrupt-window exit or a virtual-interrupt delivery takes place at this boundary."""
        state = self.state
        wanted = state.recognized or self.controls.interrupt_window_exiting
        return wanted and state.window_open and state.interruptible

    def _at_boundary(self) -> Outcome | None:
        """25.2 and 29.2.2: both have the same priority, below NMIs and above external interrupts."""
        if not self._ready():
            return None
        if self.controls.interrupt_window_exiting:
            why = "RFLAGS.IF = 1 and nothing blocks: the interrupt window is open"
            return self._vm_exit(out.INTERRUPT_WINDOW, 0, why)
        vector = self._deliver()
        why = f"vector {vector:02X}H was recognized, and its class {vector >> 4:X} is above VPPR's"
        return self._outcome(Kind.DELIVERED, why, vector=vector)

    def external_interrupt(self, vector: int, descriptor: Descriptor | None = None) -> Outcome:
        """The physical local APIC presents an interrupt: posted-interrupt processing, a VM exit, or delivery.

        descriptor: the one at the posted-interrupt descriptor address. HELD: it stays pending, for a blocking or an
        event of higher priority at this boundary.
        """
        vector = number("vector", vector, 8)
        self._begin()
        c, state = self.controls, self.state
        if not state.non_root:
            why = "the processor is in VMX root operation: the host's IDT handles it, and PIR stays as it is"
            return self._outcome(Kind.NOTHING, why, vector=vector)
        if not state.interruptible:
            return self._outcome(Kind.HELD, f"{state.activity} blocks external interrupts", vector=vector)
        if self._ready():
            why = "an interrupt-window exit or a virtual interrupt has priority: take the boundary first"
            return self._outcome(Kind.HELD, why, vector=vector)
        if not c.external_interrupt_exiting:
            return self._to_guest(vector)
        if not c.acknowledge_interrupt_on_exit:
            why = "external-interrupt exiting is 1; the interrupt stays pending in the physical local APIC"
            return self._vm_exit(out.EXTERNAL_INTERRUPT, 0, why, interruption_info=0)
        self._steps.append("acknowledge")
        if c.process_posted_interrupts and vector == c.notification_vector & 0xFF:
            return self._posted(vector, descriptor)
        why = f"external-interrupt exiting is 1, and {vector:02X}H is no notification vector here"
        return self._vm_exit(out.EXTERNAL_INTERRUPT, 0, why, vector=vector, interruption_info=_VALID | vector)

    def _to_guest(self, vector: int) -> Outcome:
        if not self.state.window_open:
            why = "RFLAGS.IF = 0, or blocking by STI or MOV SS"
            return self._outcome(Kind.HELD, why, vector=vector)
        self._steps.append("interrupt delivery")
        self._enter_handler()
        why = "external-interrupt exiting is 0: the physical interrupt goes through the guest's IDT"
        return self._outcome(Kind.DELIVERED, why, vector=vector)

    def _posted(self, vector: int, descriptor: Descriptor | None) -> Outcome:
        """29.6, steps 3 to 7, and delivery at once if step 7 recognizes an interrupt."""
        if descriptor is None:
            raise ValueError(
                f"vector {vector:02X}H is the notification vector: posted-interrupt processing needs the descriptor. "
                "Give descriptor="
            )
        self._posted_interrupt_processing(descriptor)
        if self.state.activity == st.MWAIT:
            self.state.activity = st.ACTIVE
        why = "posted interrupts are requested now; none is delivered at once"
        return self._at_boundary() or self._outcome(Kind.VIRTUALISED, why, vector=vector)

    def _posted_interrupt_processing(self, descriptor: Descriptor) -> None:
        state = self.state
        self._steps.append("clear ON")
        descriptor.on = False
        self._steps.append("EOI of the physical APIC")
        pir = descriptor.pir
        descriptor.pir = 0
        state.virr |= pir
        state.rvi = max(state.rvi, pir.bit_length() - 1)
        self._steps.append("PIR to VIRR")
        self._evaluate()

    @instruction
    def sti(self) -> Outcome:
        """STI: interrupts are enabled after the next instruction, if they were not before."""
        state = self.state
        self._retire()
        state.if_flag, state.sti_blocking = True, not state.if_flag
        return self._outcome(Kind.NOTHING, "RFLAGS.IF is 1")

    @instruction
    def cli(self) -> Outcome:
        """CLI."""
        self._retire()
        self.state.if_flag = False
        return self._outcome(Kind.NOTHING, "RFLAGS.IF is 0")

    @instruction
    def mov_ss(self) -> Outcome:
        """MOV SS or POP SS: the next boundary takes no interrupt."""
        self._retire()
        self.state.mov_ss_blocking = True
        return self._outcome(Kind.NOTHING, "blocking by MOV SS until the next instruction has completed")

    @instruction
    def iret(self, if_flag: bool = True) -> Outcome:
        """IRET to code that had this RFLAGS.IF."""
        self._retire()
        self.state.if_flag = bool(if_flag)
        return self._outcome(Kind.NOTHING, f"RFLAGS.IF is {int(if_flag)}")

    @instruction
    def other_instruction(self) -> Outcome:
        """Any instruction that touches neither APIC nor RFLAGS.IF: blocking by STI or MOV SS ends."""
        self._retire()
        return self._outcome(Kind.NOTHING, "the instruction has completed")

    @instruction
    def hlt(self) -> Outcome:
        """HLT: a VM exit, or the HLT state, from which a delivered interrupt wakes."""
        if self.controls.hlt_exiting:
            return self._vm_exit(out.HLT, 0, "HLT exiting is 1")
        self._retire()
        self.state.activity = st.HLT
        return self._outcome(Kind.NOTHING, "the processor is in the HLT state")
