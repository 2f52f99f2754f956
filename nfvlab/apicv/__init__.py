"""Interrupts for a guest without VM exits: APIC virtualization (APICv) and posted interrupts.

Question
    How many VM exits, how many cycles and how much latency does a virtual interrupt controller in hardware save, and
    when does it save little?

Mechanism
    Without it, an interrupt for a running vCPU forces an exit, is injected at the next entry, waits for an interrupt
    window if the guest has interrupts off, and exits again at the end of interrupt and at writes of the TPR. With
    virtual-interrupt delivery the processor keeps VIRR, VISR, VPPR and RVI/SVI itself: an entry evaluates and delivers,
    and EOI and TPR exit only where a bitmap says so. With posted interrupts a poster sets a bit in the descriptor's PIR
    and ON and sends a notification, which the processor harvests without an exit; VT-d lets the device's own message do
    it. What is posted while the vCPU is preempted or blocked waits for KVM's hand-over of the descriptor (SN, NV).

Assumptions
    One vCPU and one housekeeping CPU that serves interrupts in order; every stage of the path has a mean cost and a
    share of it that varies exponentially; handlers run with interrupts off; preemptions and sections with interrupts
    off come at random.

Left out
    NMI, SMI and nested guests; costs that grow when caches are cold; several vCPUs with lowest-priority arbitration;
    IPIs between the guest's vCPUs as traffic (IPI virtualization is in the descriptor's machines, not in the load).

References
    Intel SDM vol. 3C, APIC virtualization and virtual interrupts; Intel VT-d specification, interrupt posting; Linux
    arch/x86/kvm/lapic.c, vmx/vmx.c, vmx/posted_intr.c; Wanpeng Li, KVM timer fastpath series, April 2020; F. Pollaczek
    and A. Khinchine (M/G/1); R. Cooper, Queues served in cyclic order, 1970 (vacations).
"""

from nfvlab.apicv.analytic import Theory, analyze
from nfvlab.apicv.params import MODES, OUTPUTS, Params
from nfvlab.apicv.scenarios import SCENARIOS
from nfvlab.apicv.simulation import Samples, simulate

__all__ = ["MODES", "OUTPUTS", "SCENARIOS", "Params", "Samples", "Theory", "analyze", "figure", "simulate"]


def __getattr__(name: str):
    """`figure` on first use, so that importing the feature imports no matplotlib."""
    if name == "figure":
        from nfvlab.apicv.figures import figure

        return figure
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
