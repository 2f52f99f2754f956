"""The procedures of the virtual APIC, each as the SDM's pseudo-code has it (vol. 3C, 29.1.2-29.1.6 and 29.2).

They return the `Outcome` of a VM exit, or None; what they changed is in the state, what they did in `steps`.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any

from nfvlab.apicv import registers as reg
from nfvlab.apicv import vapic_outcome as out
from nfvlab.apicv import vapic_state as st
from nfvlab.apicv.vapic_controls import Controls
from nfvlab.apicv.vapic_descriptor import Descriptor
from nfvlab.apicv.vapic_outcome import Kind, Outcome


def guest_operation(method: Callable[..., Outcome]) -> Callable[..., Outcome]:
    """An operation in VMX non-root operation: ValueError if the guest does not run; the state before it is kept."""

    @wraps(method)
    def run(self, *args, **kwargs):
        if not self.state.non_root:
            raise ValueError(
                f"{method.__name__}: the guest is not running since the last VM exit. Call vm_entry first"
            )
        self._before, self._steps = self.state.fields(), []
        return method(self, *args, **kwargs)

    return run


def instruction(method: Callable[..., Outcome]) -> Callable[..., Outcome]:
    """A guest operation that an instruction performs: ValueError also if the processor is not active."""

    @wraps(method)
    def run(self, *args, **kwargs):
        if self.state.activity != st.ACTIVE:
            raise ValueError(
                f"{method.__name__}: the processor executes nothing in state {self.state.activity}. "
                "Call boundary, or let an interrupt wake it"
            )
        return method(self, *args, **kwargs)

    return guest_operation(run)


class Core:
    """Controls, state, and the procedures that the operations are made of.

    pid_pointers: the PID-pointer table, 64-bit entries by virtual APIC ID; memory: the posted-interrupt descriptors
    that they point to, by physical address.
    """

    def __init__(
        self,
        controls: Controls,
        state: st.VapicState | None = None,
        *,
        pid_pointers: Sequence[int] = (),
        memory: Mapping[int, Descriptor] | None = None,
    ):
        self.controls = controls
        self.state = st.VapicState() if state is None else state
        self.pid_pointers, self.memory = pid_pointers, memory or {}
        self._begin()

    def _begin(self) -> None:
        self._before, self._steps = self.state.fields(), []

    def _outcome(self, kind: Kind, why: str, **more: Any) -> Outcome:
        """The record of the operation that began last; called after its last change."""
        return Outcome(
            kind, why, steps=tuple(self._steps), before=self._before, after=self.state.fields(), **more
        )

    def _vm_exit(self, reason: int, qualification: int, why: str, **more: Any) -> Outcome:
        """Leave VMX non-root operation; the VMCS has no activity state for MWAIT."""
        state = self.state
        state.non_root = False
        if state.activity == st.MWAIT:
            state.activity = st.ACTIVE
        self._steps.append("VM exit")
        return self._outcome(Kind.VM_EXIT, why, exit_reason=reason, qualification=qualification, **more)

    def _retire(self) -> None:
        """The instruction completes, and with it blocking by an earlier STI or MOV SS."""
        state = self.state
        state.sti_blocking = state.mov_ss_blocking = False

    def _apic_write_exit(self, offset: int, why: str) -> Outcome:
        return self._vm_exit(out.APIC_WRITE, offset, why)

    def _ppr_virtualization(self) -> None:
        """29.1.3: VPPR from VTPR and SVI."""
        state = self.state
        self._steps.append("PPR virtualization")
        vtpr, svi = state.vtpr & 0xFF, state.svi
        state.vppr = vtpr if vtpr >> 4 >= svi >> 4 else svi & 0xF0

    def _evaluate(self) -> None:
        """29.2.1: recognize a pending virtual interrupt, or do not."""
        state = self.state
        self._steps.append("evaluation")
        state.recognized = (
            not self.controls.interrupt_window_exiting and state.rvi >> 4 > state.vppr >> 4 & 0xF
        )

    def _tpr_virtualization(self) -> Outcome | None:
        """29.1.2: the threshold without virtual-interrupt delivery, PPR and evaluation with it."""
        state, controls = self.state, self.controls
        self._steps.append("TPR virtualization")
        if controls.virtual_interrupt_delivery:
            self._ppr_virtualization()
            self._evaluate()
            return None
        if state.vtpr >> 4 & 0xF < controls.tpr_threshold & 0xF:
            return self._vm_exit(
                out.TPR_BELOW_THRESHOLD,
                0,
                f"VTPR[7:4] = {state.vtpr >> 4 & 0xF:X}H is below the TPR threshold "
                f"{controls.tpr_threshold & 0xF:X}H, and the VMM delivers",
            )
        return None

    def _eoi_virtualization(self) -> Outcome | None:
        """29.1.4: the interrupt in service ends; its EOI-exit bit decides between a VM exit and an evaluation."""
        state = self.state
        self._steps.append("EOI virtualization")
        vector = state.svi
        state.visr &= ~(1 << vector)
        state.svi = reg.highest(state.visr)
        self._ppr_virtualization()
        if self.controls.eoi_exit_bitmap >> vector & 1:
            return self._vm_exit(
                out.VIRTUALIZED_EOI,
                vector,
                f"bit {vector:02X}H of the EOI-exit bitmap is 1; no evaluation takes place",
                vector=vector,
            )
        self._evaluate()
        return None

    def _self_ipi_virtualization(self, vector: int) -> None:
        """29.1.5: the vector becomes requested, and RVI rises to it at least."""
        state = self.state
        self._steps.append("self-IPI virtualization")
        state.virr |= 1 << vector
        state.rvi = max(state.rvi, vector)
        self._evaluate()

    def _ipi_virtualization(self, vector: int, apic_id: int) -> tuple[str, tuple[int, int] | None] | None:
        """30.1.6: post the vector in the descriptor of virtual APIC ID `apic_id`; None: APIC-write VM exit.

        Returns a sentence and the (NDST, NV) of the notification, None where ON or SN suppress it.
        """
        controls = self.controls
        self._steps.append("IPI virtualization")
        if vector < 16 or apic_id > controls.last_pid_pointer_index:
            return None
        pointer = self.pid_pointers[apic_id] if apic_id < len(self.pid_pointers) else 0
        if pointer >> controls.physical_address_width or pointer & 0x3F != 1:
            return None
        descriptor = self._descriptor(pointer & ~0x3F)
        descriptor.pir |= 1 << vector
        posted = f"vector {vector:02X}H is posted for virtual APIC ID {apic_id:X}H"
        if descriptor.on or descriptor.sn:
            return f"{posted}; ON or SN is set, so no notification is sent", None
        descriptor.on = True
        self._steps.append("notification")
        return f"{posted}, and its NV is sent to NDST", (descriptor.ndst, descriptor.nv)

    def _descriptor(self, address: int) -> Descriptor:
        if address not in self.memory:
            raise ValueError(
                f"no posted-interrupt descriptor at {address:#x}, to which the PID-pointer table points. "
                "Give it in memory={address: descriptor}"
            )
        return self.memory[address]

    def _deliver(self) -> int:
        """29.2.2: virtual-interrupt delivery; the vector."""
        state = self.state
        self._steps.append("virtual-interrupt delivery")
        vector = state.rvi
        state.visr |= 1 << vector
        state.svi = vector
        state.vppr = vector & 0xF0
        state.virr &= ~(1 << vector)
        state.rvi = reg.highest(state.virr)
        state.recognized = False
        self._enter_handler()
        return vector

    def _enter_handler(self) -> None:
        """Delivery through the IDT: the processor is active, and an interrupt gate clears RFLAGS.IF."""
        state = self.state
        state.activity = st.ACTIVE
        state.sti_blocking = state.mov_ss_blocking = False
        state.if_flag = state.if_flag and not self.controls.interrupt_gates
