"""The ways of an interrupt to its handler as lists of stages: what each takes and what it costs, mode by mode.

Linux 6.x: arch/x86/kvm/lapic.c (__apic_accept_irq), x86.c (vcpu_enter_guest, inject_pending_event), vmx/vmx.c
(vmx_deliver_posted_interrupt, vmx_sync_pir_to_irr), vmx/posted_intr.c. Exits and cycles are counted by
renewal-reward: per delivery, the mean of what a cycle takes (S. M. Ross, Stochastic Processes, 2nd ed., section 3.6).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from nfvlab.apicv import waiting
from nfvlab.apicv.params import Params

EMULATED, VIRTUAL, POSTED, VTD = range(4)
_EXIT = ("exit", "loop")


@dataclass(frozen=True)
class Routes:
    """The stages between the events of a delivery in one mode; a vector's bit is cleared when KVM injects it
    (emulated), when the CPU evaluates after an entry, or when the notification is processed."""

    p: Params
    mode: int

    def cycles(self, *names: str) -> float:
        """Mean cost of some stages in cycles."""
        return sum(getattr(self.p, name + "_cycles") for name in names)

    def mean(self, *names: str) -> float:
        """Mean time of some stages in ns."""
        return self.cycles(*names) * self.p.cycle_ns

    def time(self, *names: str) -> np.ndarray:
        """Cumulants of some stages in ns, not to be written to."""
        if names not in self._times:
            each = self.p.cycle_ns
            costs = [getattr(self.p, name + "_cycles") * each for name in names]
            self._times[names] = waiting.stages(costs, self.p.spread_frac)
        return self._times[names]

    @cached_property
    def _times(self) -> dict[tuple[str, ...], np.ndarray]:
        return {}

    @property
    def told(self) -> bool:
        """Whether a notification reaches the guest without an exit."""
        return self.mode >= POSTED

    @property
    def take(self) -> tuple[str, ...]:
        """From the host's loop on: what an entry with a pending interrupt takes until its bit is cleared."""
        return ("loop", "inject") if self.mode == EMULATED else ("loop", "sync", "entry")

    @property
    def enter(self) -> tuple[str, ...]:
        """From the host's loop on: an entry that delivers nothing."""
        return ("loop", "entry") if self.mode == EMULATED else ("loop", "sync", "entry")

    @property
    def first(self) -> tuple[str, ...]:
        """From the bit's clearing to the handler's first instruction."""
        return ("entry", "deliver") if self.mode == EMULATED else ("deliver",)

    @property
    def after_meeting(self) -> tuple[str, ...]:
        """The same where the interrupt met the running guest."""
        return ("notify", "deliver") if self.told else self.first

    @property
    def window(self) -> tuple[str, ...]:
        """From IF = 1 to the clearing of the bit of a pending vector."""
        return ("exit", *self.take) if self.mode == EMULATED else ()

    @property
    def travel(self) -> tuple[str, ...]:
        """From the setting of a bit to the vCPU's CPU."""
        return () if self.mode == VTD else ("ipi",)

    @property
    def meeting(self) -> tuple[str, ...]:
        """A kick at the guest with IF = 1, from its arrival to the clearing of the bit."""
        return () if self.told else ("exit", "irq", *self.take)

    @property
    def blind_meeting(self) -> tuple[str, ...]:
        """A kick or notification at the guest with IF = 0."""
        return ("notify",) if self.told else ("exit", "irq", *self.enter)

    @property
    def sender(self) -> tuple[str, ...]:
        """What the housekeeping CPU does for an interrupt."""
        return () if self.mode == VTD else ("irq", "post")

    @property
    def woken(self) -> tuple[str, ...]:
        """From the setting of a bit of a sleeping vCPU to its clearing."""
        own = (
            ("idle_exit", "irq", "wake", "switch")
            if self.mode == VTD
            else ("wake", "ipi", "idle_exit", "switch")
        )
        return (*own, *self.take)

    @property
    def eoi_exit(self) -> tuple[str, ...]:
        """An EOI, or in the emulated mode also a write of the TPR, that exits."""
        return ("exit", "eoi", *self.enter)

    @property
    def eoi_exits(self) -> float:
        """Probability that an EOI exits."""
        return 1.0 if self.mode == EMULATED else self.p.eoi_exit_frac

    @property
    def tpr_exits(self) -> float:
        """Mean number of exits for the TPR in a handler."""
        return self.p.tpr_writes_ratio if self.mode == EMULATED else 0.0

    @cached_property
    def handler(self) -> np.ndarray:
        """Cumulants of the handler itself."""
        return waiting.stages([self.p.handler_ns], self.p.spread_frac)

    @cached_property
    def register_exits(self) -> np.ndarray:
        """Cumulants of the time that exits for TPR and EOI take in one handler."""
        one = self.time(*self.eoi_exit)
        whole, part = divmod(self.tpr_exits, 1.0)
        total = whole * one
        for chance in (part, self.eoi_exits):
            total = total + waiting.of_moments(*(chance * np.array(waiting.moments(one))))
        return total

    @cached_property
    def preemption(self) -> np.ndarray:
        """Cumulants of one preemption, from the guest to the guest."""
        return self.time("exit", "switch", "switch", *self.enter) + waiting.exponential(self.p.away_ns)

    @property
    def preemptions_per_ns(self) -> float:
        """Rate of preemptions while guest code runs."""
        return self.p.away_frac / (1 - self.p.away_frac) / self.p.away_ns

    @cached_property
    def service_body(self) -> np.ndarray:
        """Cumulants of the time from a bit's clearing to IRET, without preemptions and other vectors' messages."""
        return self.time(*self.first, "return") + self.handler + self.register_exits


__all__ = ["EMULATED", "POSTED", "VIRTUAL", "VTD", "Routes"]
