"""The scenario of a guest that arms its TSC deadline again and again, and the names of the outputs."""

from collections.abc import Iterable
from dataclasses import dataclass

from nfvlab.params import ASSUMED, Problem, param
from nfvlab.realtime import params as realtime
from nfvlab.realtime.params import LAPIC, VMX, cycles
from nfvlab.units import GHz, ms, s, us

SDM = "Intel SDM vol. 3C, VMX-preemption timer; appendix A.6, IA32_VMX_MISC[4:0]"
TIMERS = ("hrtimer", "preemption timer")

OUTPUTS = {
    "latency_ns": "mean time from the guest's deadline to its handler's first instruction",
    "latency_p99_ns": "99 % of the interrupts are in their handler by then",
    "latency_p999_ns": "99.9 % of the interrupts are in their handler by then",
    "exits_ratio": "VM exits per timer interrupt, without those of the host's noise",
    "switches_ratio": "context switches on the vCPU's CPU per timer interrupt",
    "cost_cycles": "cycles per timer interrupt that the guest does not get, without waiting for the deadline",
    "wait_ns": "time per timer interrupt that the host spins until the deadline, having been called early",
    "hardware_frac": "share of the interrupts that the VMX-preemption timer brought about",
}


@dataclass(frozen=True, kw_only=True)
class Params(realtime.Wakes, realtime.Exits):
    """A guest's TSC-deadline timer, once on the host's hrtimer and once on the VMX-preemption timer."""

    interval_ns: float = param(
        100 * us,
        "from arming to the deadline",
        domain=(10, 1e13),
        typical=(1 * us, 10 * ms),
        log=True,
        source=ASSUMED,
    )
    think_ns: float = param(
        2 * us,
        "the guest's work from the end of the interrupt until it arms again",
        domain=(0, 10 * s),
        typical=(0, 100 * us),
        source=ASSUMED,
    )
    halting: bool = param(
        False,
        "the guest halts until the interrupt; else it is busy",
        source="cyclictest on an idle, a busy guest",
    )
    timer_shift: int = param(
        5,
        "X: the VMX-preemption timer counts changes of TSC bit X",
        domain=(0, 31),
        typical=(0, 7),
        source=SDM,
    )
    guest_tsc_hz: float = param(
        0.0,
        "TSC frequency that the guest sees by TSC scaling; 0: the host's own",
        domain=(0, 10 * GHz),
        typical=(0, 4 * GHz),
        source="KVM_SET_TSC_KHZ",
    )
    advance: str = param(
        "off",
        "how much earlier the host lets its timer fire: not at all, by advance_ns, or as KVM adapts it",
        choices=("off", "fixed", "adaptive"),
        source=LAPIC + ": lapic_timer_advance_ns",
    )
    advance_ns: float = param(
        1000.0,
        "the fixed advance; the adaptive one starts with 1000 ns whatever this says",
        domain=(0, 1 * ms),
        typical=(0, 5 * us),
        source=LAPIC,
    )
    apicv: bool = param(True, "interrupts posted, EOI without an exit", source="kvm_intel.enable_apicv")
    fastpath: bool = param(
        False,
        "the deadline's WRMSR and the preemption timer's exit are handled without the loop around them",
        source=VMX + ": vmx_exit_handlers_fastpath, Linux 5.8",
    )
    softirq: bool = param(
        False,
        "the host's hrtimer expires in a thread (PREEMPT_RT without hard hrtimers): two context switches",
        source="4.4-rt, ktimersoftd; HRTIMER_MODE_ABS_HARD since Linux 5.4",
    )
    noise_per_s: float = param(
        0.0,
        "other interrupts of the host on the vCPU's CPU, at random",
        domain=(0, 1e6),
        typical=(0, 10e3),
        source=ASSUMED,
    )
    noise_ns: float = param(
        3 * us,
        "what each of them keeps the CPU, host interrupts off: mean, exponential",
        domain=(0, 100 * ms),
        typical=(0.5 * us, 100 * us),
        log=True,
        source=ASSUMED,
    )
    msr_cycles: float = cycles(300.0, "WRMSR of IA32_TSC_DEADLINE emulated, without arming")
    hv_arm_cycles: float = cycles(
        150.0, "the preemption timer's value worked out and written (vmx_set_hv_timer)"
    )
    hv_expire_cycles: float = cycles(
        200.0, "the preemption timer's exit handled (kvm_lapic_expired_hv_timer)"
    )
    hrtimer_arm_cycles: float = cycles(
        600.0, "hrtimer_start, and the clock event device programmed", "data/hosts/haswell-ep.toml: assumed"
    )
    hrtimer_irq_cycles: float = cycles(
        1470.0,
        "the host's timer interrupt, up to KVM's callback and back (hrtimer_interrupt)",
        "data/hosts/haswell-ep.toml, solved from published.csv",
    )
    wait_cycles: float = cycles(85.0, "with an advance, the look at the clock before an entry")

    @property
    def guest_hz(self) -> float:
        """Frequency of the guest's TSC."""
        return self.guest_tsc_hz or self.tsc_hz

    def rules(self) -> Iterable[Problem]:
        """The rules that bind several fields."""
        yield from super().rules()
        if 0 < self.guest_tsc_hz < 1e6:
            yield self.problem(
                "guest_tsc_hz", "is 0 or 1 MHz at least", "give 0 for the host's own frequency"
            )
        if self.noise_per_s * self.noise_ns >= 0.9e9:
            yield self.problem(
                "noise_ns", "noise may take 90 % of the CPU at most", "lower it or noise_per_s"
            )


__all__ = ["OUTPUTS", "TIMERS", "Params"]
