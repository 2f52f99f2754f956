"""KVM's side of the descriptor: harvesting, loading and putting a vCPU, blocking and waking, in KVM's own steps.

    state of the vCPU        NV       SN   a notification
    runs                     active   0    is processed by the CPU, or harvested before the next entry
    preempted                active   1    is suppressed; `vmx_vcpu_pi_load` makes up for it by setting ON
    blocked (HLT)            wake-up  0    runs `pi_wakeup_handler`, which wakes the vCPU

SN is cleared *before* PIR is read, and ON is cleared *before* PIR is taken; the other way round, a request that
comes in between has its bit in PIR and nobody who will look (`race` shows the runs).

Sources: Linux arch/x86/kvm/vmx/posted_intr.c and vmx.c, 6.x (`vmx_vcpu_pi_load`, `vmx_vcpu_pi_put`,
`pi_enable_wakeup_handler`, `pi_wakeup_handler`, `vmx_sync_pir_to_irr`), and 5.16 for `pi_pre_block` and
`pi_post_block`, which 5.17 removed; arch/x86/kernel/irq.c (`sysvec_kvm_posted_intr_ipi`,
`sysvec_kvm_posted_intr_wakeup_ipi`).
"""

from collections.abc import Iterable
from dataclasses import dataclass

from nfvlab.apicv.descriptor import (
    POSTED_INTR_VECTOR,
    POSTED_INTR_WAKEUP_VECTOR,
    Descriptor,
    check_vector,
    highest,
    take_pir,
)


@dataclass(frozen=True)
class Step:
    """What KVM did with a descriptor, and why.

    `joins` and `leaves`: the list of vCPUs to wake on a CPU, which `pi_wakeup_handler` walks; `self_ipi`: the
    vector that the CPU sends to itself; `blocks`: whether the vCPU may sleep.
    """

    name: str
    reason: str
    joins: bool = False
    leaves: bool = False
    self_ipi: int | None = None
    blocks: bool = False


@dataclass(frozen=True)
class Sync:
    """What `vmx_sync_pir_to_irr` found: what is new, and the highest vector in IRR (-1: none), for RVI."""

    got: tuple[int, ...]
    max_irr: int
    reason: str

    @property
    def rvi(self) -> int:
        """What KVM writes to RVI: the highest vector in IRR, or 0."""
        return max(self.max_irr, 0)


def vmx_sync_pir_to_irr(d: Descriptor, irr: int) -> tuple[Descriptor, int, Sync]:
    """Harvest PIR into IRR if ON is set; the descriptor and IRR after it, and what was found.

    PIR with ON = 0 stays where it is: ON is what says that there is something. Unlike the processor's own
    posted-interrupt processing, KVM writes RVI from the whole of IRR.
    """
    if not d.on:
        return d, irr, Sync((), highest(irr), "ON = 0: nothing outstanding, PIR is not read")
    d, pir = take_pir(pi_clear_on(d))
    new = Descriptor(pir=pir & ~irr).vectors
    return d, irr | pir, Sync(new, highest(irr | pir), "ON was set: cleared first, then PIR taken")


def pi_clear_on(d: Descriptor) -> Descriptor:
    """Clear ON."""
    return d._replace(on=False)


def pi_set_sn(d: Descriptor) -> Descriptor:
    """Set SN."""
    return d._replace(sn=True)


def pi_has_pending_interrupt(d: Descriptor) -> bool:
    """Whether a vCPU that does not run has something posted: ON, or PIR where SN kept ON from being set."""
    return d.on or (d.sn and d.pir != 0)


def vmx_vcpu_pi_load(d: Descriptor, *, ndst: int, moved: bool) -> tuple[Descriptor, Step]:
    """The vCPU thread is scheduled in; `ndst` names the CPU, `moved` says that it is not the one before."""
    after, leaves = pi_load_control(d, ndst=ndst, moved=moved)
    if not (leaves or moved or d.sn):
        return d, Step("vmx_vcpu_pi_load", "NV, NDST and SN are as they must be: nothing to do")
    done = "off the wake-up list, " if leaves else ""
    found = "PIR holds requests: ON set" if after.pir else "PIR is empty: ON left alone"
    after = pi_load_on(after)
    return after, Step("vmx_vcpu_pi_load", f"{done}SN cleared, NV and NDST set; {found}", leaves=leaves)


def pi_load_control(d: Descriptor, *, ndst: int, moved: bool) -> tuple[Descriptor, bool]:
    """The first half of `vmx_vcpu_pi_load`: NV, NDST, SN in one exchange; whether it leaves the wake-up list."""
    waits = d.nv == POSTED_INTR_WAKEUP_VECTOR
    if not waits and not moved:
        return d._replace(sn=False), False
    return d._replace(nv=POSTED_INTR_VECTOR, ndst=ndst, sn=False), waits


def pi_load_on(d: Descriptor) -> Descriptor:
    """The second half: what was posted silently becomes outstanding."""
    return d._replace(on=True) if d.pir else d


def vmx_vcpu_pi_put(
    d: Descriptor, *, preempted: bool, blocking: bool, interruptible: bool = True
) -> tuple[Descriptor, Step]:
    """The vCPU thread is scheduled out: to sleep until an interrupt comes, or to run on later.

    `preempted`: the thread stays runnable; `blocking`: it waits in `kvm_vcpu_block`; `interruptible`: the
    guest would take an interrupt (RFLAGS.IF, no blocking by STI or MOV SS).
    """
    if blocking and interruptible and not preempted:
        return pi_enable_wakeup_handler(d)
    why = "it is preempted" if preempted else "no interrupt can wake it"
    return pi_set_sn(d), Step("vmx_vcpu_pi_put", f"{why}: SN set, it is not to be notified")


def pi_enable_wakeup_handler(d: Descriptor) -> tuple[Descriptor, Step]:
    """The vCPU sleeps: onto the CPU's wake-up list, NV becomes the wake-up vector.

    If ON is set, the notification went out with the other vector and no handler will wake the vCPU: the CPU
    sends the wake-up vector to itself.
    """
    after = d._replace(nv=POSTED_INTR_WAKEUP_VECTOR)
    if after.on:
        reason = "ON = 1: something was posted under the other vector, so wake it by a self-IPI"
        ipi = POSTED_INTR_WAKEUP_VECTOR
    else:
        reason, ipi = "ON = 0: the next notification is the wake-up vector", None
    step = Step("pi_enable_wakeup_handler", reason, joins=True, self_ipi=ipi, blocks=True)
    return after, step


def pi_wakeup_handler(waiting: Iterable[tuple[str, Descriptor]]) -> tuple[str, ...]:
    """The handler of the wake-up vector: of the vCPUs on this CPU's list, those to wake (ON is set)."""
    return tuple(name for name, d in waiting if d.on)


def pi_pre_block(d: Descriptor, *, ndst: int) -> tuple[Descriptor, Step]:
    """Until Linux 5.16, before the vCPU blocks: onto the list of this CPU; refuses if ON is set."""
    after = d._replace(nv=POSTED_INTR_WAKEUP_VECTOR, ndst=ndst)
    if after.on:
        return pi_post_block(after, ndst=ndst)[0], Step("pi_pre_block", "ON = 1: it must not block")
    return after, Step("pi_pre_block", "ON = 0: it may block", joins=True, blocks=True)


def pi_post_block(d: Descriptor, *, ndst: int) -> tuple[Descriptor, Step]:
    """Until Linux 5.16, after the vCPU blocked: NV and NDST back, off the list."""
    after = d._replace(nv=POSTED_INTR_VECTOR, ndst=ndst)
    return after, Step("pi_post_block", "NV and NDST of a vCPU that runs", leaves=True)


def physical_arrival(vector: int, *, non_root: bool, notification_vector: int = POSTED_INTR_VECTOR) -> str:
    """What a physical interrupt does to a CPU that takes it: one sentence.

    In non-root mode `notification_vector` is the VMCS field of the vCPU that runs, which may be another than
    the interrupt was meant for.
    """
    check_vector(vector)
    if non_root and vector == notification_vector:
        return "posted-interrupt processing of the vCPU that runs, without an exit"
    if non_root:
        return "VM exit for an external interrupt; the host's handler runs next"
    if vector == POSTED_INTR_VECTOR:
        return "the host's handler does nothing but the end of interrupt"
    if vector == POSTED_INTR_WAKEUP_VECTOR:
        return "pi_wakeup_handler wakes the listed vCPUs whose ON is set"
    return "the host's handler of another device"
