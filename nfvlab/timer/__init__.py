"""A guest's deadline on the VMX-preemption timer, instead of the host's hrtimer.

Question
    How late does a guest's deadline fire, what does the VMX-preemption timer save over the host's hrtimer, and when
    does it save nothing?

Mechanism
    The guest writes IA32_TSC_DEADLINE; the write exits. On the hrtimer KVM programs the host's clock event, whose
    interrupt forces a VM exit. On the VMX-preemption timer KVM writes a field of the VMCS, (deadline - TSC) >> X; the
    processor counts it down in non-root mode, by one at each change of TSC bit X, and exits at zero. It stands still
    while the guest does not run, so that a halted guest gets an hrtimer in any case. With an advance the timer is set
    early, and the host spins until the deadline before it enters.

Assumptions
    One vCPU on a CPU of its own that arms one deadline after the other; a stage of the path has a mean cost and a share
    of it that varies exponentially; the host's noise comes at random, each piece of exponential length.

Left out
    Several timers a guest, timers posted from another CPU (in KVM's rule, not in the load), nested guests, SMIs in the
    load (they are in the countdown), frequency changes, caches that grow cold while the guest sleeps.

References
    Intel SDM vol. 3C, VMX-preemption timer; Linux arch/x86/kvm/lapic.c, vmx/vmx.c, x86.c; Yunhong Jiang, VMX preemption
    timer series, 2016 (torvalds/linux ce7a058a2117); Wanpeng Li, KVM timer fastpath series, 2020; kvm-unit-tests
    x86/vmexit.c, x86/tscdeadline_latency.c.
"""

from nfvlab.timer.analytic import Theory, analyze
from nfvlab.timer.params import OUTPUTS, TIMERS, Params
from nfvlab.timer.scenarios import SCENARIOS
from nfvlab.timer.simulation import Samples, simulate

__all__ = ["OUTPUTS", "SCENARIOS", "TIMERS", "Params", "Samples", "Theory", "analyze", "figure", "simulate"]


def __getattr__(name: str):
    """`figure` on first use, so that importing the feature imports no matplotlib."""
    if name == "figure":
        from nfvlab.timer.figures import figure

        return figure
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
