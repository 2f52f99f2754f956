"""The scenario of interrupts that arrive at a vCPU, and the names of the outputs."""

from dataclasses import dataclass

from nfvlab.params import ASSUMED, param
from nfvlab.realtime import params as realtime
from nfvlab.units import ms, s, us

SDM = "Intel SDM vol. 3C, APIC virtualization and virtual interrupts"
MODES = ("emulated", "virtual delivery", "posted", "VT-d posted")

OUTPUTS = {
    "exits_ratio": "VM exits per interrupt delivered, of the kinds that delivering causes (not HLT)",
    "halts_ratio": "HLT exits per interrupt delivered",
    "cost_cycles": "cycles per interrupt delivered that neither guest application nor handler gets, on all CPUs",
    "latency_ns": "mean time from the interrupt's arrival at the host to its handler's first instruction",
    "latency_p99_ns": "99 % of the interrupts are in their handler by then",
    "coalesced_frac": "share of the interrupts that found their vector still waiting, and merge with it",
    "notifications_ratio": "IPIs, notification events and wake-ups sent to the vCPU per interrupt",
    "cpu_frac": "share of the vCPU's physical CPU that delivering takes, while the vCPU thread runs or is woken",
    "saturation_per_s": "interrupts delivered per second if one is always waiting",
}


@dataclass(frozen=True, kw_only=True)
class Params(realtime.Posting, realtime.Wakes, realtime.Exits):
    """Interrupts for one vCPU, delivered in four ways."""

    interrupts_per_s: float = param(
        20e3,
        "interrupts that arrive for the vCPU, all vectors together",
        domain=(1, 1e8),
        typical=(100, 1e6),
        log=True,
        source=ASSUMED,
    )
    vector_count: int = param(
        1,
        "vectors that they come on, equally often",
        domain=(1, 64),
        typical=(1, 8),
        source=ASSUMED,
    )
    arrivals: str = param(
        "poisson",
        "each vector's arrivals: at random, or in equal distances with a phase by chance",
        choices=("poisson", "periodic"),
        source=ASSUMED,
    )
    handler_ns: float = param(
        2 * us,
        "the guest's handler, interrupts off, from its first instruction to its EOI: mean",
        domain=(0, 1 * s),
        typical=(0.2 * us, 50 * us),
        log=True,
        source=ASSUMED,
    )
    eoi_exit_frac: float = param(
        0.0,
        "share of the interrupts whose vector is set in the EOI-exit bitmap (level-triggered)",
        domain=(0, 1),
        typical=(0, 1),
        source=SDM,
    )
    tpr_writes_ratio: float = param(
        0.0,
        "writes of the TPR that the handler makes on its way, per interrupt",
        domain=(0, 100),
        typical=(0, 4),
        source=ASSUMED + ": none in Linux, several in 32-bit Windows",
    )
    masked_frac: float = param(
        0.02,
        "share of a busy application's time with interrupts off (RFLAGS.IF = 0)",
        domain=(0, 0.99),
        typical=(0, 0.5),
        source=ASSUMED,
    )
    masked_ns: float = param(
        1 * us,
        "mean length of such a section, exponential",
        domain=(1, 1 * s),
        typical=(0.1 * us, 100 * us),
        log=True,
        source=ASSUMED,
    )
    halting: bool = param(
        False,
        "the guest halts when there is nothing to handle; else its application is always busy",
        source=ASSUMED,
    )
    away_frac: float = param(
        0.0,
        "share of the time that the vCPU thread is preempted by others, while it wants to run",
        domain=(0, 0.99),
        typical=(0, 0.5),
        source=ASSUMED + ": 0 on an isolated CPU",
    )
    away_ns: float = param(
        1 * ms,
        "mean length of such a preemption, exponential",
        domain=(1, 10 * s),
        typical=(10 * us, 10 * ms),
        log=True,
        source=ASSUMED,
    )


__all__ = ["MODES", "OUTPUTS", "Params"]
