"""Four ways to bring an interrupt into the guest: who is told of it, and what an entry does.

Each one has the controls of the virtual APIC, `post` (what the interrupt's bearer does), `pending` (whether the host
finds something to deliver), `prepare` (what KVM does before an entry) and what it does as the thread sleeps and comes
back. Requests that have been posted but not yet delivered are kept with their arrivals.
"""

from collections import defaultdict
from typing import TYPE_CHECKING

from nfvlab.apicv import descriptor_consumer as kvm
from nfvlab.apicv.descriptor import POSTED_INTR_VECTOR, Descriptor
from nfvlab.apicv.descriptor_producers import post_by_kvm, post_by_vtd
from nfvlab.apicv.registers import highest
from nfvlab.apicv.vapic import X2APIC, Controls, Injection, MemoryDescriptor

if TYPE_CHECKING:
    from nfvlab.apicv.world import World

KICK_VECTOR = 0xFD  # RESCHEDULE_VECTOR, Linux arch/x86/include/asm/irq_vectors.h
ALL_VECTORS = (1 << 256) - 1
ALL_MSRS = (1 << 256) - 1
EXTERNAL_INTERRUPT = 0  # VM-entry interruption information, bits 10:8
_BASE = Controls(
    external_interrupt_exiting=True,
    acknowledge_interrupt_on_exit=True,
    hlt_exiting=True,
    x2apic_mode=True,
)
GUEST_MODES = ("guest", "entering")


class Emulated:
    """KVM's own local APIC: IRR and ISR in software, a kick to interrupt the guest, event injection."""

    by_device = False
    controls = _BASE.replace(msr_write_bitmap=ALL_MSRS)

    def __init__(self) -> None:
        self.requested: dict[int, list[int]] = defaultdict(list)  # arrivals behind each bit of VIRR
        self.injected: list[int] = []  # arrivals behind the vector that is being injected
        self.kicked = False

    def taken(self, vector: int) -> list[int]:
        """The arrivals that a delivery takes."""
        return self.injected

    def post(self, world: "World", vector: int, arrival: int) -> None:
        """`apic_set_irr`, and `kvm_vcpu_kick` unless the bit was set or a kick is under way."""
        merged = bool(world.vapic.state.virr >> vector & 1)
        world.vapic.state.virr |= 1 << vector
        self.requested[vector].append(arrival)
        if merged:
            return
        if world.where in GUEST_MODES and not self.kicked:
            self.kicked = True
            world.send(KICK_VECTOR)
        elif world.where == "blocked":
            world.wake()

    def pending(self, world: "World") -> bool:
        """Whether a vector is requested."""
        return world.vapic.state.virr != 0

    def prepare(self, world: "World", counted: bool) -> Injection | None:
        """`inject_pending_event`: inject the highest vector if the guest can take it, else ask for the window."""
        self.kicked = False
        vapic, state = world.vapic, world.vapic.state
        injection = None
        if state.virr and state.window_open and self._above_service(state):
            vector = highest(state.virr)
            world.spend("inject")
            vector = max(vector, highest(state.virr))  # what came during the stage
            state.virr &= ~(1 << vector)
            state.visr |= 1 << vector
            self.injected = self.requested.pop(vector)
            injection = Injection(EXTERNAL_INTERRUPT, vector)
        window = state.virr != 0
        vapic.controls = self.windowed if window else self.controls
        return injection

    windowed = controls.replace(interrupt_window_exiting=True)

    @staticmethod
    def _above_service(state) -> bool:
        return highest(state.virr) >> 4 > highest(state.visr) >> 4 or not state.visr

    def end_of_interrupt(self, world: "World") -> None:
        """`apic_set_eoi`, in the exit of the guest's EOI."""
        state = world.vapic.state
        state.visr &= ~(1 << highest(state.visr))

    def harvested(self) -> None:
        """Nothing is outside VIRR."""

    def put(self, world: "World", *, blocking: bool) -> bool:
        """The thread sleeps or is preempted; whether it must wake at once."""
        return False

    def load(self, world: "World") -> None:
        """The thread is back."""


class VirtualDelivery(Emulated):
    """Virtual-interrupt delivery without posted interrupts: a kick, and RVI written before the entry."""

    controls = X2APIC.replace(process_posted_interrupts=False, hlt_exiting=True, x2apic_mode=True)
    windowed = controls

    def taken(self, vector: int) -> list[int]:
        """The arrivals behind the bit of VIRR that was delivered."""
        return self.requested.pop(vector)

    def prepare(self, world: "World", counted: bool) -> None:
        """`vmx_hwapic_irr_update`: RVI is the highest request; the entry evaluates it."""
        self.kicked = False
        world.spend("sync", counted=counted)
        world.vapic.state.rvi = highest(world.vapic.state.virr)
        return None

    def end_of_interrupt(self, world: "World") -> None:
        """The processor has ended it; KVM tells the I/O APIC."""


class Posted(VirtualDelivery):
    """Posted interrupts: requests go into the descriptor, and a notification needs no exit."""

    controls = X2APIC.replace(hlt_exiting=True, x2apic_mode=True, notification_vector=POSTED_INTR_VECTOR)
    windowed = controls

    def __init__(self) -> None:
        super().__init__()
        self.descriptor = Descriptor()
        self.posted: dict[int, list[int]] = defaultdict(list)  # arrivals behind each bit of PIR

    def post(self, world: "World", vector: int, arrival: int) -> None:
        """`vmx_deliver_posted_interrupt`."""
        self.posted[vector].append(arrival)
        mode = "IN_GUEST_MODE" if world.where in GUEST_MODES else "OUTSIDE_GUEST_MODE"
        self.descriptor, posting = post_by_kvm(self.descriptor, vector, mode=mode)
        if posting.notification:
            world.send(posting.notification.vector)
        elif posting.wakes and world.where == "blocked":
            world.wake()

    def pending(self, world: "World") -> bool:
        """Whether a request is in VIRR or outstanding in the descriptor."""
        return world.vapic.state.virr != 0 or kvm.pi_has_pending_interrupt(self.descriptor)

    def prepare(self, world: "World", counted: bool) -> None:
        """`vmx_sync_pir_to_irr`; requests that come later bring a notification of their own."""
        world.spend("sync", counted=counted)
        state = world.vapic.state
        self.descriptor, state.virr, sync = kvm.vmx_sync_pir_to_irr(self.descriptor, state.virr)
        state.rvi = sync.rvi
        if not self.descriptor.pir:
            self.harvested()
        return None

    def harvested(self) -> None:
        """PIR went into VIRR: arrivals go with their bits."""
        for vector, arrivals in self.posted.items():
            self.requested[vector] += arrivals
        self.posted.clear()

    def notified(self, world: "World", vector: int):
        """A physical interrupt while the guest runs; the outcome."""
        memory = MemoryDescriptor(*self.descriptor)
        outcome = world.vapic.external_interrupt(vector, memory)
        if self.descriptor.on and not memory.on:
            self.harvested()
        self.descriptor = self.descriptor._replace(pir=memory.pir, on=memory.on)
        return outcome

    def put(self, world: "World", *, blocking: bool) -> bool:
        """`vmx_vcpu_pi_put`."""
        self.descriptor, step = kvm.vmx_vcpu_pi_put(
            self.descriptor, preempted=not blocking, blocking=blocking
        )
        return step.self_ipi is not None

    def load(self, world: "World") -> None:
        """`vmx_vcpu_pi_load`."""
        self.descriptor, _ = kvm.vmx_vcpu_pi_load(self.descriptor, ndst=self.descriptor.ndst, moved=False)


class VtdPosted(Posted):
    """The IOMMU posts: no host CPU between device and descriptor."""

    by_device = True

    def post(self, world: "World", vector: int, arrival: int) -> None:
        """Interrupt-posting hardware; the notification is the device's own message, under another vector."""
        self.posted[vector].append(arrival)
        self.descriptor, posting = post_by_vtd(self.descriptor, vector)
        if posting.notification is None:
            return
        if world.where == "blocked":
            world.wake()
        else:
            world.send(posting.notification.vector, travel=False)


DELIVERIES = (Emulated, VirtualDelivery, Posted, VtdPosted)  # in the order of params.MODES
EOI_EXITS = {
    kind: kind.controls.replace(eoi_exit_bitmap=ALL_VECTORS)
    for kind in DELIVERIES
    if kind.controls.virtual_interrupt_delivery
}
