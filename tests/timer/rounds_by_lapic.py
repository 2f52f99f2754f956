"""Rounds of a guest's deadline by the exact timer, `LapicTimer`: what `kernels.deadlines` must give without chance.

Costs are whole cycles and nothing varies, so that time is a whole TSC. `noise_at` are times, in cycles from the first
round's begin, at which another interrupt that takes no time itself makes a busy guest leave and come back.
"""

from nfvlab.timer.kvm import Host
from nfvlab.timer.lapic import LapicTimer
from nfvlab.timer.lapic_step import HARDWARE
from nfvlab.timer.scaling import GuestClock


class Rounds:
    """One vCPU that arms, waits and is interrupted; every operation moves `t`, the host's TSC."""

    def __init__(self, p, timer, base, noise_at=()):
        self.p, self.t, self.exits, self.switches, self.expiries = p, base, 0, 0, 0
        self.noise = [base + at for at in noise_at]
        self.clock = GuestClock(host_khz=round(p.tsc_hz / 1e3), guest_khz=round(p.guest_tsc_hz / 1e3))
        host = Host(shift=p.timer_shift, apicv=p.apicv, preemption_timer=timer == 1)
        advance = {"off": 0, "fixed": round(p.advance_ns), "adaptive": 1000}[p.advance]
        self.timer = LapicTimer(self.clock, host, advance_ns=advance, adaptive=p.advance == "adaptive")
        self.usable = not host.refusal(self.clock.host_khz)
        self.timer.enter(base)

    def spend(self, *stages):
        self.t += sum(int(getattr(self.p, f"{stage}_cycles")) for stage in stages)

    def enter(self):
        step = self.timer.enter(self.t)
        self.t += step.wait_cycles
        self.spend("entry")
        return step.delivers

    def deliver(self):
        self.spend("sync" if self.p.apicv else "inject")
        if self.timer.advance_ns:
            self.spend("wait")
        assert self.enter()

    def play(self):
        """The latency of one round in host cycles."""
        p, timer = self.p, self.timer
        begin, deadline = self.t, self.clock.guest_tsc(self.t) + round(p.interval_ns * p.guest_hz / 1e9)
        self.exits += 1
        self.spend("exit", "msr")
        step = timer.write_tscdeadline(self.t, deadline)
        past = timer.runnable
        if self.usable and step.in_use == HARDWARE or (past and self.usable):
            self.spend("hv_arm")
        elif not past:
            self.spend("hrtimer_arm")
        if not (p.fastpath and self.usable and (p.apicv or not past)):
            self.spend("loop")
        if past:
            self.deliver()
        elif self.rings():
            self.take()
            self.deliver()
        else:
            self.enter()
            self.wait_for_it()
        self.spend("deliver")
        latency = self.t - begin - self.distance(begin, deadline)
        self.spend("return")
        if not p.apicv:
            self.exits += 1
            timer.exit(self.t)
            self.spend("exit", "eoi", "loop")
            self.enter()
        self.t += round(p.think_ns * p.tsc_hz / 1e9)
        return latency

    def distance(self, begin, deadline):
        """From a host TSC to when the guest's clock is at the deadline, in host cycles and not only in whole ones."""
        ratio = self.clock.ratio
        return ((deadline << 48) - begin * ratio) / ratio

    def rings(self):
        due = self.timer.hrtimer_tsc()
        return due is not None and due <= self.t

    def take(self):
        self.timer.hrtimer(self.t)
        self.spend("hrtimer_irq")
        if self.p.softirq:
            self.switches += 2
            self.spend("switch", "switch")

    def wait_for_it(self):
        op, at = self.timer.next_event()
        if self.p.halting and at > self.t:
            self.halt()
            return
        while self.noise and self.noise[0] < at:
            self.t = max(self.t, self.noise.pop(0))
            self.timer.exit(self.t)
            self.spend("exit", "loop")
            if self.rings():
                self.take()
                self.deliver()
                return
            self.enter()
            op, at = self.timer.next_event()
        self.t = max(self.t, at)
        self.exits += 1
        if op == "expire":
            self.expiries += 1
            self.timer.expire(self.t)
            self.spend("exit", "hv_expire")
            if not (self.p.fastpath and self.p.apicv):
                self.spend("loop")
        else:
            self.spend("exit")
            self.take()
            self.spend("loop")
        self.deliver()

    def halt(self):
        p, timer = self.p, self.timer
        hardware = timer.in_use == HARDWARE
        self.exits += 1
        at_hlt = self.t
        self.spend("exit", "halt")
        if timer.next_event()[1] <= self.t and hardware:
            self.timer.exit(at_hlt)
        timer.block(self.t)
        if timer.blocked:
            if hardware:
                self.spend("hrtimer_arm")
            poll_until = self.t + round(p.halt_poll_ns * p.tsc_hz / 1e9)
            due = timer.hrtimer_tsc()
            if due <= poll_until:
                self.t = max(self.t, due)
                self.take()
            else:
                self.t = poll_until
                self.sleep(due)
            timer.unblock(self.t)
        self.spend("loop")
        self.deliver()

    def sleep(self, due):
        self.switches += 2
        self.spend("switch")
        if self.t < due:
            self.t = due
            self.spend("idle_exit")
        self.timer.hrtimer(self.t)
        self.spend("hrtimer_irq")
        if self.p.softirq:
            self.switches += 1
            self.spend("switch")
        self.spend("wake", "switch")
