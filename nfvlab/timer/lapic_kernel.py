"""The LAPIC timer's state in KVM, and the kernel's own functions on it; `lapic` has the operations that call them.

Each method is the function of arch/x86/kvm/lapic.c that its docstring names, statement by statement where the order
matters. They run at one host TSC, `self.tsc`, and leave their reasons in `self._why`.
"""

from dataclasses import replace

from nfvlab.timer import advance, kvm
from nfvlab.timer.kvm_rules import SOUND, Rule
from nfvlab.timer.lapic_step import known_mode
from nfvlab.timer.scaling import U64, GuestClock

MIN_PERIOD_NS = 200_000  # module parameter min_timer_period_us, Linux x86.c
DIVIDE_COUNTS = (1, 2, 4, 8, 16, 32, 64, 128)


class KvmTimer:
    """struct kvm_timer, and what of the vCPU and its VMCS it needs."""

    def __init__(
        self,
        clock: GuestClock,
        host: kvm.Host,
        *,
        mode: str = "tscdeadline",
        rule: Rule = SOUND,
        advance_ns: int = 0,
        adaptive: bool = False,
        divide_count: int = 1,
        bus_cycle_ns: int = 1,
    ) -> None:
        """advance_ns: timer_advance_ns at the start, 0 for no advance; the other two scale the initial count."""
        if divide_count not in DIVIDE_COUNTS:
            raise ValueError(f"divide_count = {divide_count}: one of {', '.join(map(str, DIVIDE_COUNTS))}")
        if bus_cycle_ns < 1:
            raise ValueError(f"bus_cycle_ns = {bus_cycle_ns}: at least 1")
        self.clock, self.rule = clock, rule
        self.host = replace(host, soft_disables=rule.soft_disables)
        self.mode, self.masked = known_mode(mode), False
        self.advance_ns, self.adaptive = advance_ns, adaptive
        self.tick_ns = bus_cycle_ns * divide_count
        self.tsc, self.cpu = 0, 0
        self.tscdeadline = self.expired_tscdeadline = 0  # guest TSC, 0: none
        self.period_ns = self.target_ns = 0
        self.pending = self.in_irr = False
        self.hv_in_use = False
        self.hv_deadline: int | None = None  # host TSC; hv_deadline_tsc, None for -1
        self.hrtimer_ns: int | None = None  # host clock
        self.soft_disabled = self.immediate = False
        self.in_guest = self.blocked = self.was_hardware = False
        self.field: int | None = None
        self.fires_at: int | None = None
        self._why: list[str] = []
        self._injected = self._wait = 0

    def _guest_tsc(self) -> int:
        return self.clock.guest_tsc(self.tsc)

    def _now_ns(self) -> int:
        return self.clock.host_ns(self.tsc)

    def _cancel_hv(self) -> None:
        """cancel_hv_timer."""
        self.hv_in_use, self.hv_deadline = False, None

    def _cancel(self) -> None:
        """cancel_apic_timer."""
        self.hrtimer_ns = None
        if self.hv_in_use:
            self._cancel_hv()
        self.pending = False

    def _limit_period(self) -> None:
        """limit_periodic_timer_frequency."""
        if self.mode == "periodic" and 0 < self.period_ns < MIN_PERIOD_NS:
            self._why.append(f"period {self.period_ns} ns raised to {MIN_PERIOD_NS} ns")
            self.period_ns = MIN_PERIOD_NS

    def _restart(self) -> None:
        """restart_apic_timer: the hardware timer if it can be, else the hrtimer."""
        if self.mode != "periodic" and self.pending:
            self._why.append("the interrupt is pending: nothing to arm")
        elif not self._start_hv():
            self._start_sw()

    def _start_hv(self) -> bool:
        """start_hv_timer: whether the hardware timer took the deadline, or found it past.

        The kernel looks here for an hrtimer that fired meanwhile; in one instant there is no meanwhile.
        """
        if self.rule.deadline_only and self.mode != "tscdeadline":
            self._why.append("this kernel's hardware timer serves the TSC-deadline mode only")
            return False
        ahead_ns = self.advance_ns if self.rule.advances_hardware else 0
        armed = kvm.set_hv_timer(self.tscdeadline, self.tsc, self.clock, self.host, advance_ns=ahead_ns)
        if isinstance(armed, kvm.Refused):
            self._why.append(armed.why)
            return False
        self._why.append(f"fits: {armed.delta} host cycles")
        self.hv_in_use, self.hv_deadline, self.hrtimer_ns = True, armed.deadline, None
        if self.mode == "periodic":
            return True
        if armed.expired and self.rule.expires_at_arming:
            self._why.append("past already: no VM exit needed")
            self._expired(from_hrtimer=False)
            self._cancel_hv()
        return True

    def _start_sw(self) -> None:
        """start_sw_timer."""
        if self.hv_in_use:
            self._cancel_hv()
        if self.mode != "periodic" and self.pending:
            return
        if self.mode == "tscdeadline":
            self._start_sw_tscdeadline()
        else:
            self._start_sw_period()

    def _start_sw_tscdeadline(self) -> None:
        """start_sw_tscdeadline: the advance goes off; within it the deadline has expired."""
        if not self.tscdeadline:
            return
        guest_tsc = self._guest_tsc()
        ns = self.clock.cycles_to_nsec(self.tscdeadline - guest_tsc & U64)
        if self.tscdeadline > guest_tsc and ns > self.advance_ns:
            self.hrtimer_ns = self._now_ns() + ns - self.advance_ns
        else:
            self._expired(from_hrtimer=False)

    def _start_sw_period(self) -> None:
        """start_sw_period: one-shot and periodic mode, without the advance."""
        if not self.period_ns:
            return
        if self._now_ns() > self.target_ns:
            self._expired(from_hrtimer=False)
            if self.mode == "oneshot":
                return
            self._advance_period()
        self.hrtimer_ns = self.target_ns

    def _advance_period(self) -> None:
        """advance_periodic_target_expiration; without the clamp a negative distance becomes a huge deadline."""
        now_ns = self._now_ns()
        self.target_ns += self.period_ns
        if self.rule.clamps_periods and self.target_ns < now_ns:
            self._why.append("the next expiration is past: now, instead")
            self.target_ns = now_ns
        distance_ns = self.target_ns - now_ns
        if distance_ns < 0:
            self._why.append(f"{distance_ns} ns taken as {distance_ns & U64} ns")
        self.tscdeadline = self._guest_tsc() + self.clock.nsec_to_cycles(distance_ns) & U64

    def _expired(self, *, from_hrtimer: bool) -> None:
        """apic_timer_expired: inject, post, or leave it pending for the next entry."""
        if self.pending:
            self._why.append("an interrupt is pending already: this one is lost in it")
            return
        if self.mode == "tscdeadline" or self.hv_in_use:
            self.expired_tscdeadline = self.tscdeadline
        if not from_hrtimer and self.host.apicv:
            self._inject()
        elif self.host.can_post and self.in_guest:
            if self.expired_tscdeadline and self.advance_ns:
                self._wait_expire()
            self._why.append("posted to the running guest")
            self._inject()
        else:
            self.pending = True

    def _inject(self) -> None:
        """kvm_apic_inject_pending_timer_irqs; a masked LVT entry delivers nothing."""
        if not self.masked:
            self._injected += 1
            self.in_irr = True
        if self.mode != "periodic":
            self.tscdeadline = 0
        if self.mode == "oneshot":
            self.target_ns = 0

    def _inject_pending(self) -> None:
        """kvm_inject_pending_timer_irqs; kvm_cpu_has_pending_timer is false while the LVT entry is masked."""
        if self.pending and not self.masked:
            self._inject()
            self.pending = False

    def _wait_expire(self) -> None:
        """__kvm_wait_lapic_expire."""
        waited = advance.wait(
            self.expired_tscdeadline, self.tsc, self.advance_ns, self.clock, adaptive=self.adaptive
        )
        self.expired_tscdeadline, self.advance_ns, self._wait = 0, waited.advance_ns, waited.cycles
        self._why.append(f"{waited.error_cycles} guest cycles from the deadline, waited {waited.cycles}")

    def _unblock(self, reason: str) -> None:
        """The end of vcpu_block."""
        self._why.append(f"awake: {reason}")
        self.blocked = False
        armed = self.rule.returns_to_hardware and self.hrtimer_ns is not None
        if self.was_hardware or armed:
            self._restart()
        self.was_hardware = False
