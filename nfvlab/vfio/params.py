"""The scenario of a device's message-signalled interrupt on its way to a guest, and the names of the outputs."""

from collections.abc import Iterable
from dataclasses import dataclass

from nfvlab.params import ASSUMED, Problem, param
from nfvlab.realtime import params as realtime
from nfvlab.realtime.params import cycles
from nfvlab.units import ms, s, us

VFIO = "Linux drivers/vfio/pci/vfio_pci_intrs.c"
IRQFD = "Linux virt/kvm/eventfd.c"
PATHS = ("mainline", "threaded", "no thread", "VT-d running", "VT-d blocked", "VT-d preempted")

OUTPUTS = {
    "latency_ns": "mean time from the device's write to the guest handler's first instruction",
    "latency_p99_low_ns": "no more than this is surely reached by the 99 % quantile",
    "latency_p99_high_ns": "surely not passed by the 99 % quantile",
    "latency_p999_low_ns": "no more than this is surely reached by the 99.9 % quantile",
    "latency_p999_high_ns": "surely not passed by the 99.9 % quantile",
    "worst_ns": "response time that no interrupt exceeds, by response-time analysis; infinite if it does not end",
    "exits_ratio": "VM exits per interrupt",
    "switches_ratio": "context switches on the two CPUs per interrupt",
    "cost_cycles": "cycles per interrupt that host CPUs spend on it",
}


@dataclass(frozen=True, kw_only=True)
class Params(realtime.Posting, realtime.Wakes, realtime.Exits):
    """A device's interrupts, far enough apart to be alone, on six paths to the guest."""

    same_cpu: bool = param(
        True,
        "the interrupt is routed to the vCPU's own CPU; else to a housekeeping CPU",
        source="/proc/irq/N/smp_affinity",
    )
    halting: bool = param(
        False,
        "the vCPU is blocked when the interrupt comes, on the first three paths; the VT-d paths name their state",
        source=ASSUMED,
    )
    vcpu_priority_level: int = param(
        1,
        "SCHED_FIFO priority of the vCPU thread; 0: SCHED_OTHER",
        domain=(0, 99),
        typical=(0, 99),
        source="chrt -f",
    )
    irq_priority_level: int = param(
        50,
        "SCHED_FIFO priority of the IRQ thread",
        domain=(1, 99),
        typical=(1, 99),
        source="Linux kernel/irq/manage.c: MAX_USER_RT_PRIO / 2",
    )
    load_priority_level: int = param(
        10,
        "SCHED_FIFO priority of the competing load on the vCPU's CPU; 0: SCHED_OTHER",
        domain=(0, 99),
        typical=(0, 99),
        source=ASSUMED,
    )
    load_frac: float = param(
        0.0,
        "share of the vCPU's CPU that the competing load takes",
        domain=(0, 0.9),
        typical=(0, 0.5),
        source=ASSUMED,
    )
    load_ns: float = param(
        50 * us,
        "length of one burst of it; bursts come at random, and one waits for the other",
        domain=(100, 1 * s),
        typical=(1 * us, 1 * ms),
        log=True,
        source=ASSUMED,
    )
    atomic: bool = param(
        True,
        "irqfd injects in interrupt context (a cached MSI route); else by a work queue",
        source=IRQFD + ": irqfd_wakeup, kvm_arch_set_irq_inatomic",
    )
    work_ns: float = param(
        20 * us,
        "mean wait of a work item for other work on its CPU, exponential, on top of the switch to its thread",
        domain=(0, 100 * ms),
        typical=(0, 1 * ms),
        source=ASSUMED,
    )
    irqoff_frac: float = param(
        0.0,
        "share of the time in which the host on the receiving CPU runs with interrupts off",
        domain=(0, 0.5),
        typical=(0, 0.05),
        source=ASSUMED,
    )
    irqoff_ns: float = param(
        5 * us,
        "length of such a section",
        domain=(0, 10 * ms),
        typical=(0.5 * us, 100 * us),
        log=True,
        source=ASSUMED,
    )
    smi_per_s: float = param(
        0.0,
        "system management interrupts, at random",
        domain=(0, 1e4),
        typical=(0, 10),
        source=ASSUMED + ": BIOS dependent, see hwlatdetect",
    )
    smi_ns: float = param(
        150 * us,
        "what each of them takes from all CPUs",
        domain=(0, 100 * ms),
        typical=(10 * us, 1 * ms),
        log=True,
        source=ASSUMED,
    )
    away_ns: float = param(
        1 * ms,
        "how long a preempted vCPU thread is away in all, uniform phase: the time slice of the one that preempted it",
        domain=(1, 1 * s),
        typical=(10 * us, 10 * ms),
        log=True,
        source="the path VT-d preempted",
    )
    msi_cycles: float = cycles(300.0, "vfio_msihandler and eventfd_signal", ASSUMED)
    irqfd_cycles: float = cycles(400.0, "irqfd_wakeup, the MSI route, kvm_irq_delivery_to_apic_fast", ASSUMED)
    primary_cycles: float = cycles(200.0, "primary handler of a threaded interrupt: IRQ_WAKE_THREAD", ASSUMED)
    remap_cycles: float = cycles(200.0, "the IOMMU finds the IRTE and posts into the descriptor", ASSUMED)

    def rules(self) -> Iterable[Problem]:
        """The rules that bind several fields."""
        yield from super().rules()
        if self.smi_per_s * self.smi_ns >= 0.5e9:
            yield self.problem("smi_ns", "may take half of the CPU at most", "lower it or smi_per_s")
        if self.irqoff_frac and not self.irqoff_ns:
            yield self.problem("irqoff_ns", "must not be 0 where interrupts are off at times", "raise it")


__all__ = ["OUTPUTS", "PATHS", "Params"]
