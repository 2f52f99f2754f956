"""KVM's LAPIC timer of one vCPU, operation by operation on the host's TSC: what is armed, with what, and which exits.

The guest writes its timer (IA32_TSC_DEADLINE, or the initial count in one-shot and periodic mode); KVM arms the
VMX-preemption timer if it can (`kvm`), else the hrtimer, never both. The hardware timer counts in non-root mode only:
KVM writes its field at each entry, switches to the hrtimer while the vCPU is blocked, and computes the host's deadline
anew if the vCPU changes its CPU. If the thread is preempted nobody watches the hardware deadline: the next entry finds
it past, and exits at once.

    guest writes ---> start_hv_timer --fits--> hardware --enter--> counts --expires--> interrupt
                           | refused               | block             ^ unblock
                           v                       v                   |
                       hrtimer <-------------- hrtimer ----------------+

An operation reads the clocks once: what takes time in the host is for the caller to add. Sources: Linux
arch/x86/kvm/lapic.c (the functions named below), x86.c (`vcpu_block`, `kvm_arch_vcpu_load`), vmx/vmx.c
(`handle_fastpath_preemption_timer`). KVM's 64 bits wrap here as there: an hrtimer's deadline more than
2**64 / 10**6 cycles ahead, 2.2 hours at 2.3 GHz, comes early.
"""

from nfvlab.timer import kvm
from nfvlab.timer.countdown import fires_at
from nfvlab.timer.lapic_kernel import KvmTimer
from nfvlab.timer.lapic_step import HARDWARE, HRTIMER, OFF, Step, known_mode
from nfvlab.timer.scaling import U32, U64


class LapicTimer(KvmTimer):
    """The timer of one vCPU; every operation takes the host TSC at which it happens and gives a `Step`."""

    # ---- what the guest does

    def write_lvtt(self, tsc: int, mode: str, *, masked: bool = False) -> Step:
        """The guest writes the timer's LVT entry; a change to or from the TSC-deadline mode disarms the timer."""
        self._begin(tsc, "APIC write")
        if (known_mode(mode) == "tscdeadline") != (self.mode == "tscdeadline"):
            self._cancel()
            self.period_ns = self.tscdeadline = 0
        self.mode, self.masked = mode, masked
        self._limit_period()
        return self._step("write_lvtt")

    def write_tscdeadline(self, tsc: int, deadline: int) -> Step:
        """The guest writes IA32_TSC_DEADLINE, a TSC of its own; 0 disarms. Ignored in the other modes."""
        if not 0 <= deadline <= U64:
            raise ValueError(f"deadline = {deadline}: IA32_TSC_DEADLINE has 64 bits")
        self._begin(tsc, "WRMSR")
        if self.mode == "tscdeadline":
            self.hrtimer_ns, self.tscdeadline, self.pending = None, deadline, False
            self._restart()
        else:
            self._why.append(f"ignored in {self.mode} mode")
        return self._step("write_tscdeadline")

    def write_tmict(self, tsc: int, count: int) -> Step:
        """The guest writes the initial count; 0 disarms. Ignored in TSC-deadline mode."""
        if not 0 <= count <= U32:
            raise ValueError(f"count = {count}: the initial count has 32 bits")
        self._begin(tsc, "APIC write")
        if self.mode == "tscdeadline":
            self._why.append("ignored in tscdeadline mode")
            return self._step("write_tmict")
        self._cancel()
        self.period_ns = count * self.tick_ns
        self._limit_period()
        self.tscdeadline = 0
        if self.period_ns:
            self.tscdeadline = self._guest_tsc() + self.clock.nsec_to_cycles(self.period_ns) & U64
            self.target_ns = self._now_ns() + self.period_ns
            self._restart()
        return self._step("write_tmict")

    def block(self, tsc: int) -> Step:
        """The guest halts: `vcpu_block` switches to the hrtimer, and the thread sleeps unless an interrupt is there."""
        self._begin(tsc, "HLT")
        if self.runnable:
            self._why.append("an interrupt is there: not blocked")
            return self._step("block")
        self.was_hardware, self.blocked = self.hv_in_use, True
        if self.hv_in_use:
            self._why.append("the hardware timer would stand still")
            self._start_sw()
        if self.runnable:
            self._unblock("the deadline was past already")
        return self._step("block")

    # ---- what KVM and the host do

    def enter(self, tsc: int, *, immediate: bool = False) -> Step:
        """VM entry: inject what is pending, write the timer's field, and wait for a deadline that came too early."""
        if self.in_guest or self.blocked:
            raise ValueError("enter: the vCPU is " + ("in the guest" if self.in_guest else "blocked"))
        self._begin(tsc)
        self._inject_pending()
        self.immediate = immediate
        if why := self.host.disabled(self.clock.host_khz):
            self._why.append(why)
        else:
            self._write_field(immediate)
        if self.in_irr and self.expired_tscdeadline and self.advance_ns:
            self._wait_expire()
        self._delivers, self.in_guest, self.in_irr = self.in_irr, True, False
        if self.field is not None:
            self.fires_at = fires_at(tsc + self._wait, self.field, self.host.shift)
        return self._step("enter")

    def exit(self, tsc: int, reason: str = "another VM exit") -> Step:
        """A VM exit that is not the timer's: the field is not saved, the deadline stays."""
        if not self.in_guest:
            raise ValueError("exit: the vCPU is not in the guest")
        self._begin(tsc, reason)
        return self._step("exit")

    def expire(self, tsc: int) -> Step:
        """The VM exit by the VMX-preemption timer, and `kvm_lapic_expired_hv_timer`."""
        if not self.in_guest or self.fires_at is None or tsc < self.fires_at:
            raise ValueError(f"expire: the timer does not expire at {tsc}, but at {self.fires_at}")
        self._begin(tsc, HARDWARE)
        if self.soft_disabled:
            self._why.append("no deadline: the exit is spurious")
        elif self.immediate:
            self._why.append("KVM wanted this exit")
        elif self.hv_in_use:
            self._expired(from_hrtimer=False)
            self._cancel_hv()
            if self.mode == "periodic" and self.period_ns:
                self._advance_period()
                self._restart()
        return self._step("expire")

    def hrtimer(self, tsc: int) -> Step:
        """The hrtimer's callback, `apic_timer_fn`; it kicks the vCPU out of the guest, or wakes it."""
        if self.hrtimer_ns is None or self.clock.host_ns(tsc) < self.hrtimer_ns:
            raise ValueError(f"hrtimer: at {tsc} it does not fire, but at {self.hrtimer_tsc()}")
        self._begin(tsc, "" if self.host.can_post else "external interrupt")
        self.hrtimer_ns = None
        self._expired(from_hrtimer=True)
        if self.mode == "periodic" and self.period_ns:
            self._advance_period()
            self.hrtimer_ns = self.target_ns
        return self._step("hrtimer")

    def unblock(self, tsc: int, reason: str = "an interrupt") -> Step:
        """The vCPU is woken; `vcpu_block` may return to the hardware timer."""
        if not self.blocked:
            raise ValueError("unblock: the vCPU is not blocked")
        self._begin(tsc)
        self._unblock(reason)
        return self._step("unblock")

    def preempt(self, tsc: int) -> Step:
        """The host takes the CPU from the vCPU's thread; nothing is switched."""
        self._begin(tsc, "external interrupt")
        return self._step("preempt")

    def load(self, tsc: int, cpu: int) -> Step:
        """kvm_arch_vcpu_load: the thread runs on a CPU; on another one, a hardware timer in use is armed anew."""
        if self.in_guest:
            raise ValueError("load: the vCPU is in the guest")
        self._begin(tsc)
        if cpu != self.cpu and self.hv_in_use:
            self._why.append(f"CPU {self.cpu} -> {cpu}")
            self._restart()
        self.cpu = cpu
        return self._step("load")

    @property
    def runnable(self) -> bool:
        """Whether a timer interrupt keeps the vCPU from blocking, or wakes it."""
        return self.in_irr or self.pending and not self.masked

    @property
    def in_use(self) -> str:
        """Which timer is armed."""
        return HARDWARE if self.hv_in_use else OFF if self.hrtimer_ns is None else HRTIMER

    def hrtimer_tsc(self) -> int | None:
        """The host TSC at which the hrtimer fires."""
        return None if self.hrtimer_ns is None else self.clock.host_tsc(self.hrtimer_ns)

    def next_event(self) -> tuple[str, int] | None:
        """What comes next if nobody does anything: the name of the operation and its host TSC."""
        due = [] if self.hrtimer_tsc() is None else [("hrtimer", self.hrtimer_tsc())]
        if self.in_guest and self.fires_at is not None:
            due.append(("expire", self.fires_at))
        op, tsc = min(due, key=lambda event: event[1], default=("", 0))
        return (op, max(tsc, self.tsc)) if op else None

    def _write_field(self, immediate: bool) -> None:
        written = kvm.update_hv_timer(
            self.hv_deadline, self.tsc, self.host, immediate=immediate, soft_disabled=self.soft_disabled
        )
        self.field, self.soft_disabled = written.value, written.soft_disabled
        self._why.append(written.why)

    def _begin(self, tsc: int, reason: str = "") -> None:
        if tsc < self.tsc:
            raise ValueError(f"TSC {tsc} is before the last operation's, {self.tsc}")
        self.tsc, self._why, self._exits, self._injected, self._wait = tsc, [], (), 0, 0
        self._delivers = False
        if self.in_guest and reason:
            self._exits = (reason,)
            self.in_guest, self.field, self.fires_at = False, None, None

    def _step(self, op: str) -> Step:
        return Step(
            op=op,
            tsc=self.tsc,
            in_use=self.in_use,
            deadline_tsc=self.hv_deadline if self.hv_in_use else self.hrtimer_tsc(),
            field=self.field,
            fires_at=self.fires_at,
            soft_disabled=self.soft_disabled,
            injected=self._injected,
            delivers=self._delivers,
            wait_cycles=self._wait,
            exits=self._exits,
            why=tuple(self._why),
        )
