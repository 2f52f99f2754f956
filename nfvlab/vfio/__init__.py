"""A device's message-signalled interrupts on their way to a guest: VFIO, threaded or not, and posted by VT-d.

Question
    What does it buy to handle the interrupt of an assigned device without the IRQ thread that PREEMPT_RT gives it, and
    where does it hurt?

Mechanism
    The device writes its message. The host's handler (vfio_msihandler) signals an eventfd; the irqfd waiting there
    finds the route and posts the vector to the vCPU, which is kicked out of the guest, notified inside it, or woken.
    Under PREEMPT_RT the handler is a thread: the hard interrupt only wakes it, and two context switches are added.
    IRQF_NO_THREAD keeps the handler in the hard interrupt. With VT-d posted interrupts the IOMMU posts, and the host
    is not in the path while the vCPU runs. Threads are under SCHED_FIFO, on the vCPU's CPU or on another one.

Assumptions
    One interrupt at a time; a stage of the table always runs as a whole, part of it exponential; the competing load is
    one thread on the vCPU's CPU whose bursts have one length and come at random; SMIs and sections with interrupts off
    come at random.

Left out
    Queues of interrupts and their coalescing, caches that the paths warm or cool, the guest's own latency after its
    handler has begun, migration of threads, INTx, level-triggered interrupts, nested guests.

References
    Linux drivers/vfio/pci/vfio_pci_intrs.c, virt/kvm/eventfd.c, fs/eventfd.c, kernel/irq/manage.c, kernel/sched/rt.c,
    arch/x86/kvm/vmx/posted_intr.c; opnfv/kvmfornfv, commit a233b3fef (the handler without its thread); Intel VT-d
    specification, 5.2 (interrupt posting); Documentation/locking/locktypes.rst.
"""

from nfvlab.vfio.analytic import Theory, analyze
from nfvlab.vfio.params import OUTPUTS, PATHS, Params
from nfvlab.vfio.scenarios import SCENARIOS
from nfvlab.vfio.simulation import Samples, simulate

__all__ = ["OUTPUTS", "PATHS", "SCENARIOS", "Params", "Samples", "Theory", "analyze", "figure", "simulate"]


def __getattr__(name: str):
    """`figure` on first use, so that importing the feature imports no matplotlib."""
    if name == "figure":
        from nfvlab.vfio.figures import figure

        return figure
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
