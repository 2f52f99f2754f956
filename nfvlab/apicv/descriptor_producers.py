"""The three that post interrupts into a descriptor, and their three rules of when to notify.

    producer             looks at                        notifies if                      whom, with what
    VT-d hardware        ON, SN and the entry's URG      ON = 0 and (URG = 1 or SN = 0)   NDST, NV
    IPI virtualization   ON, SN                          ON = 0 and SN = 0                NDST, NV
    KVM                  the PIR bit, then ON; never SN  both were 0                      vcpu->cpu, POSTED_INTR_VECTOR

Hardware sets the PIR bit whatever it was before, and notifies by ON and SN alone: a vector that is posted already
can cause a notification. KVM stops at a bit that was set, for whoever set it also answers for the notification. VT-d
updates the whole descriptor in one access; IPI virtualization and KVM do it in two.

Sources: Intel VT-d specification, rev. 5.10, 5.2.3; Intel SDM vol. 3C, "IPI Virtualization" (pseudocode); Linux
arch/x86/kvm/vmx: `vmx_deliver_posted_interrupt`, `kvm_vcpu_trigger_posted_interrupt`.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from nfvlab.apicv.descriptor import (
    POSTED_INTR_VECTOR,
    Descriptor,
    check_vector,
    decode_ndst,
    pi_test_and_set_on,
    pi_test_and_set_pir,
)

LOWEST_VECTOR = 16  # vectors below are illegal for an IPI
VCPU_MODES = ("OUTSIDE_GUEST_MODE", "IN_GUEST_MODE", "EXITING_GUEST_MODE", "READING_SHADOW_PAGE_TABLES")


@dataclass(frozen=True)
class Notification:
    """A physical interrupt that tells of posted ones: its vector, and the APIC ID that it goes to."""

    vector: int
    apic_id: int


@dataclass(frozen=True)
class Posting:
    """What a producer did, and why.

    `posted`: the request is in PIR; `merged`: its bit was set before, and the two are one interrupt now;
    `notification`: what was sent, if anything; `wakes`: whether the vCPU is woken instead, if it sleeps;
    `vm_exit`: whether the sender leaves for its hypervisor (APIC-write VM exit), with nothing posted.
    """

    producer: str
    vector: int
    posted: bool
    merged: bool
    reason: str
    notification: Notification | None = None
    wakes: bool = False
    vm_exit: bool = False


def post_by_vtd(
    d: Descriptor, vector: int, *, urgent: bool = False, x2apic: bool = True
) -> tuple[Descriptor, Posting]:
    """Interrupt-posting hardware, in one atomic read-modify-write of the descriptor.

    `urgent` is URG of the entry in the interrupt remapping table. A descriptor that is not valid (NDST with
    bits that xAPIC mode reserves) blocks the request: fault reason 28h.
    """
    check_vector(vector)
    try:
        destination = decode_ndst(d.ndst, x2apic=x2apic)
    except ValueError as problem:
        return d, Posting("VT-d", vector, False, False, f"blocked with fault reason 28h: {problem}")
    after, merged = pi_test_and_set_pir(d, vector)
    if d.on:
        return after, Posting("VT-d", vector, True, merged, "ON = 1: a notification is outstanding already")
    if d.sn and not urgent:
        return after, Posting("VT-d", vector, True, merged, "SN = 1 and URG = 0: not to be notified now")
    why = "ON = 0 and SN = 0" if not d.sn else "ON = 0, and URG = 1 overrides SN = 1"
    sent = Notification(d.nv, destination)
    return after._replace(on=True), Posting("VT-d", vector, True, merged, f"{why}: notify", sent)


def post_by_ipi_virtualization(
    d: Descriptor, vector: int, *, x2apic: bool = True
) -> tuple[Descriptor, Posting]:
    """A processor in non-root mode whose guest sends an IPI, in two locked accesses: PIR, then ON."""
    producer = "IPI virtualization"
    if check_vector(vector) < LOWEST_VECTOR:
        reason = f"vector {vector} is below {LOWEST_VECTOR}: APIC-write VM exit"
        return d, Posting(producer, vector, False, False, reason, vm_exit=True)
    after, merged = pi_test_and_set_pir(d, vector)
    after, notify = notify_by_ipi_virtualization(after)
    if notify:
        sent = Notification(d.nv, decode_ndst(d.ndst, x2apic=x2apic))
        return after, Posting(producer, vector, True, merged, "ON = 0 and SN = 0: notify", sent)
    reason = "ON = 1: a notification is outstanding already" if d.on else "SN = 1: not to be notified now"
    return after, Posting(producer, vector, True, merged, reason)


def notify_by_ipi_virtualization(d: Descriptor) -> tuple[Descriptor, bool]:
    """The second access of IPI virtualization: the descriptor after it, and whether to notify."""
    notify = not d.on and not d.sn
    return (d._replace(on=True) if notify else d), notify


def post_by_kvm(
    d: Descriptor,
    vector: int,
    *,
    mode: str = "OUTSIDE_GUEST_MODE",
    apic_id: int = 0,
    from_its_own_thread: bool = False,
) -> tuple[Descriptor, Posting]:
    """KVM in software: for emulated devices, and for what an assigned device reports through an eventfd.

    `mode` is the vCPU's (`vcpu->mode`) and `apic_id` that of its CPU (`vcpu->cpu`). `from_its_own_thread`:
    KVM posts while it handles an exit of this very vCPU, and will look at the descriptor before the entry.
    """
    if mode not in VCPU_MODES:
        raise ValueError(f"mode {mode!r}: must be one of {', '.join(VCPU_MODES)}")
    after, merged = pi_test_and_set_pir(d, vector)
    if merged:
        return after, Posting("KVM", vector, True, True, "the PIR bit was set: whoever set it notifies")
    after, outstanding = pi_test_and_set_on(after)
    if outstanding:
        return after, Posting("KVM", vector, True, False, "ON was set: a notification is outstanding already")
    if mode != "IN_GUEST_MODE":
        reason = f"the vCPU is {mode}: wake it if it sleeps, it looks at ON before it enters"
        return after, Posting("KVM", vector, True, False, reason, wakes=True)
    if from_its_own_thread:
        return after, Posting(
            "KVM", vector, True, False, "its own thread posts: it looks at ON on its way in"
        )
    sent = Notification(POSTED_INTR_VECTOR, apic_id)
    reason = "the vCPU is IN_GUEST_MODE: notify its CPU, whatever SN, NV and NDST say"
    return after, Posting("KVM", vector, True, False, reason, sent)


def truth_table() -> Iterator[dict[str, object]]:
    """What each producer does in each case: rows of the PIR bit, ON, SN, URG, the ON after, and the outcome."""
    for bit, on, sn in ((b, o, s) for b in (0, 1) for o in (0, 1) for s in (0, 1)):
        d = Descriptor(pir=bit << 0x40, on=bool(on), sn=bool(sn))
        for producer, urg, (after, posting) in (
            ("VT-d", 0, post_by_vtd(d, 0x40)),
            ("VT-d", 1, post_by_vtd(d, 0x40, urgent=True)),
            ("IPI virtualization", None, post_by_ipi_virtualization(d, 0x40)),
            ("KVM", None, post_by_kvm(d, 0x40, mode="IN_GUEST_MODE")),
        ):
            case = {"producer": producer, "PIR bit": bit, "ON": on, "SN": sn, "URG": urg}
            yield case | {
                "notifies": posting.notification is not None,
                "ON after": int(after.on),
                "reason": posting.reason,
            }
