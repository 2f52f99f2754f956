"""What the real-time path costs: one table of stages for `apicv`, `timer` and `vfio`.

A stage is a piece of the path that always runs as a whole. Its cost is in cycles of the TSC; a `spread_frac` share of
it varies: a stage of mean c lasts (1 - spread) c and an exponential time of mean spread c. data/hosts/ holds tables of
hosts, solved from published figures by `timer.calibrate`; the defaults are those of skylake-sp.toml.
"""

from dataclasses import dataclass

from nfvlab.params import ASSUMED, Params, param
from nfvlab.units import GHz, MHz, ms, us

SOLVED = "data/hosts/skylake-sp.toml, solved from published.csv"
X86 = "Linux arch/x86/kvm/x86.c"
VMX = "Linux arch/x86/kvm/vmx/vmx.c"
LAPIC = "Linux arch/x86/kvm/lapic.c"
SCHED = "Linux kernel/sched/core.c"


def cycles(default: float, doc: str, source: str = SOLVED, most: float = 1e6):
    """Declare the cost of a stage in cycles."""
    return param(
        default,
        doc,
        domain=(0, most),
        typical=(min(20, default / 4), max(10.0, 4 * default)),
        log=True,
        source=source,
    )


@dataclass(frozen=True, kw_only=True)
class Exits(Params):
    """A CPU, and what leaving the guest and coming back costs on it."""

    tsc_hz: float = param(
        2.5 * GHz,
        "frequency of the invariant TSC, in which all costs are counted",
        domain=(1 * MHz, 10 * GHz),
        typical=(1 * GHz, 4 * GHz),
        source="CPUID 15H; the published hosts do not say theirs",
    )
    exit_cycles: float = cycles(305.0, "VM exit: from the guest's last instruction to the host's first")
    entry_cycles: float = cycles(
        615.0, "VM entry: from the host's last instruction to the guest's next or its delivery"
    )
    loop_cycles: float = cycles(
        455.0, "vcpu_run and vcpu_enter_guest around an ordinary exit; a fastpath exit skips it"
    )
    sync_cycles: float = cycles(
        140.0, "before an entry: PIR into VIRR and RVI (vmx_sync_pir_to_irr), with APICv"
    )
    inject_cycles: float = cycles(
        420.0, "before an entry: kick, kvm_cpu_get_interrupt and event injection, without APICv"
    )
    eoi_cycles: float = cycles(190.0, "emulate a write to an APIC register (EOI, TPR) in the host")
    deliver_cycles: float = cycles(
        510.0, "guest: from an entry or a notification to the handler's first instruction"
    )
    return_cycles: float = cycles(445.0, "guest: end of interrupt without an exit, and IRET")
    spread_frac: float = param(
        0.1,
        "share of every stage's cost that varies, exponentially",
        domain=(0, 1),
        typical=(0, 0.5),
        source=ASSUMED,
    )

    @property
    def cycle_ns(self) -> float:
        """Nanoseconds in a cycle of the TSC."""
        return 1e9 / self.tsc_hz


@dataclass(frozen=True, kw_only=True)
class Wakes(Params):
    """What sleeping and being woken costs a vCPU thread."""

    halt_cycles: float = cycles(700.0, "HLT exit handled, up to polling or the scheduler", ASSUMED)
    switch_cycles: float = cycles(
        2000.0, "one context switch: schedule() to the next thread's first instruction", ASSUMED
    )
    wake_cycles: float = cycles(
        1500.0, "try_to_wake_up of a thread, up to the request to reschedule its CPU", ASSUMED
    )
    idle_exit_cycles: float = cycles(
        2500.0, "an idle CPU leaves its C-state (C1)", "Linux drivers/idle/intel_idle.c: 2 us for C1"
    )
    halt_poll_ns: float = param(
        0.0,
        "after HLT the host polls so long before the thread sleeps",
        domain=(0, 100 * ms),
        typical=(0, 400 * us),
        source="kvm.halt_poll_ns; 200 us by default, 0 on the talk's hosts",
    )


@dataclass(frozen=True, kw_only=True)
class Posting(Params):
    """What it costs the others to tell a vCPU that there is an interrupt."""

    irq_cycles: float = cycles(
        1200.0,
        "a host CPU takes an interrupt: entry, EOI of the physical APIC, exit, without its handler",
        ASSUMED,
    )
    post_cycles: float = cycles(
        200.0, "set PIR and ON, or VIRR, of a vCPU (vmx_deliver_posted_interrupt)", ASSUMED
    )
    ipi_cycles: float = cycles(500.0, "an IPI or MSI travels from sender to receiving core", ASSUMED)
    notify_cycles: float = cycles(
        300.0, "posted-interrupt processing in non-root mode: PIR into VIRR, evaluation", ASSUMED
    )


__all__ = ["LAPIC", "SCHED", "SOLVED", "VMX", "X86", "Exits", "Posting", "Wakes", "cycles"]
