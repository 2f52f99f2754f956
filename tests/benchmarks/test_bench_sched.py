"""Benchmark of the scheduler that runs a device's interrupt beside SimPy: `make bench`. The promised ratio is asserted.

    python -m pytest -s tests/benchmarks/test_bench_sched.py

One CPU under SCHED_FIFO, the path "threaded": a guest that is always busy, a load above the vCPU thread, and the IRQ
thread above both. Each interrupt finds the host in its stationary state. SimPy's program is an idiomatic one: a process
a thread, the CPU a PreemptiveResource, a timeout a stage, an environment an interrupt. It counts the latency only; ours
also counts exits, switches and cycles.

PreemptiveResource has no sections that cannot be preempted. As in the kernel, such a section is made by holding the CPU
above everybody, and its end looks whether somebody waits.
"""

import math

import numpy as np
import pytest
from benchmarks.rates import Contender, rates, ratio, show

from nfvlab import stats
from nfvlab.vfio import scheduler
from nfvlab.vfio.params import PATHS
from nfvlab.vfio.scenarios import SCENARIOS

simpy = pytest.importorskip("simpy", reason="see tests/benchmarks/requirements.txt")

PATH = PATHS.index("threaded")
P = SCENARIOS["load above vCPU"]
FASTER = 40
HARD_IRQ = -100  # SimPy's priorities: the smaller goes first
UNPREEMPTED = (-math.inf,)
STAGES = (
    *("ipi", "exit", "irq", "primary", "wake", "switch", "msi", "irqfd", "post", "loop", "sync", "entry"),
    "deliver",
)


class Thread:
    """A thread of a host, which holds the CPU, waits for it, or sleeps."""

    def __init__(self, host: "Host", priority: int):
        self.host, self.priority, self.held = host, priority, None

    def request(self):
        """Ask for the CPU."""
        self.held = self.host.cpu.request(priority=-self.priority)
        return self.held

    def sleep(self):
        """Leave the CPU to others."""
        self.host.cpu.release(self.held)
        self.held = None

    def unpreempted(self, stage: str):
        """A stage that cannot be preempted; at its end the CPU goes to who is above, if somebody waits."""
        key, self.held.key = self.held.key, UNPREEMPTED
        yield self.host.env.timeout(self.host.draw(stage))
        self.held.key = key
        waiting = self.host.cpu.queue
        if waiting and waiting[0].key < key:
            self.sleep()

    def schedule(self):
        """Wait for the CPU, take it out of the guest, and switch to this thread."""
        host = self.host
        while self.held is None:
            try:
                yield self.request()
            except simpy.Interrupt:
                self.held = None
                continue
            if host.inside and host.current is not self:
                yield from self.unpreempted("exit")
                host.inside = False
            if self.held is not None and host.current is not self:
                yield from self.unpreempted("switch")
                host.current = self
                if host.freed is not None:
                    host.freed.succeed()
                    host.freed = None

    def spend(self, length: float):
        """Work for so long; preempted, go on later with what is left."""
        while True:
            if self.held is None:
                yield from self.schedule()
            begun = self.host.env.now
            try:
                yield self.host.env.timeout(length)
                return
            except simpy.Interrupt:
                self.held = None
                length -= self.host.env.now - begun


class Host:
    """A CPU with a vCPU thread, a load and an IRQ thread, as one interrupt finds it."""

    def __init__(self, p, costs_ns, start, rng):
        self.p, self.costs_ns, self.rng = p, costs_ns, rng
        self.env = simpy.Environment()
        self.cpu = simpy.PreemptiveResource(self.env)
        self.posted, self.freed, self.delivered = False, None, self.env.event()
        vcpu, load = Thread(self, p.vcpu_priority_level), Thread(self, p.load_priority_level)
        asleep, left_ns, alarm_ns = start
        self.inside = bool(asleep)
        self.current = vcpu if self.inside else load
        self.env.process(self.run_load(load, left_ns, alarm_ns))
        self.env.process(self.run_vcpu(vcpu))
        self.env.process(self.interrupt())

    def draw(self, stage: str) -> float:
        """The length of a stage in ns."""
        mean_ns, spread = self.costs_ns[stage], self.p.spread_frac
        return mean_ns * (1 - spread + spread * self.rng.standard_exponential()) if spread else mean_ns

    def interrupt(self):
        """The message travels to the CPU, whose handler wakes the IRQ thread."""
        yield self.env.timeout(self.draw("ipi"))
        with self.cpu.request(priority=HARD_IRQ) as held:
            yield held
            if self.inside:
                yield self.env.timeout(self.draw("exit"))
                self.inside = False
            for stage in ("irq", "primary", "wake"):
                yield self.env.timeout(self.draw(stage))
            self.env.process(self.run_irq_thread(Thread(self, self.p.irq_priority_level)))

    def run_irq_thread(self, me: Thread):
        """It signals the eventfd, and the interrupt is posted."""
        for stage in ("msi", "irqfd", "post"):
            yield from me.spend(self.draw(stage))
        self.posted = True
        me.sleep()

    def run_load(self, me: Thread, left_ns: float, alarm_ns: float):
        """One job after another; it thinks from when the CPU is free of it."""
        if self.current is not me:
            yield self.env.timeout(alarm_ns)
            left_ns = self.p.load_ns
        think_ns = self.p.load_ns * (1 - self.p.load_frac) / self.p.load_frac
        while True:
            yield from me.spend(left_ns)
            me.sleep()
            left_ns, self.freed = self.p.load_ns, self.env.event()
            yield self.freed
            yield self.env.timeout(think_ns * self.rng.standard_exponential())

    def run_vcpu(self, me: Thread):
        """Into the guest again and again, until the interrupt is delivered there."""
        left_ns = None
        yield from me.schedule()
        while True:
            if not self.inside:
                for stage in ("loop", "sync", "entry"):
                    yield from me.spend(self.draw(stage))
                self.inside = True
            if self.posted and left_ns is None:
                left_ns = self.draw("deliver")
            begun = self.env.now
            try:
                if left_ns is None:
                    yield self.env.event()  # the guest's own work never ends
                yield self.env.timeout(left_ns)
                self.delivered.succeed(self.env.now)
                return
            except simpy.Interrupt:
                # whoever took the CPU takes it out of the guest, and is at it until this thread has it again
                me.held = None
                if left_ns is not None:
                    left_ns -= self.env.now - begun
                yield from me.schedule()


def by_simpy(n: int, seed: int, p=P) -> np.ndarray:
    """Latencies of n interrupts in ns."""
    rng = np.random.default_rng(seed)
    costs_ns = {stage: getattr(p, f"{stage}_cycles") * p.cycle_ns for stage in STAGES}
    made = scheduler.starts(p, PATH, rng, n)
    load = scheduler.tables.LOAD
    starts = zip(*(made[name][:, load].tolist() for name in ("asleep", "left_ns", "alarm_ns")), strict=True)
    latencies = np.empty(n)
    for i, start in enumerate(starts):
        host = Host(p, costs_ns, start, rng)
        latencies[i] = host.env.run(until=host.delivered)
    return latencies


def by_kernel(n: int, seed: int, p=P) -> np.ndarray:
    """The same by the compiled scheduler."""
    return scheduler.run(p, PATH, rng=np.random.default_rng(seed), n=n)[:, 0]


CONTENDERS = {"compiled": Contender(by_kernel, 200_000), "SimPy, idiomatic": Contender(by_simpy, 4_000)}
BUSY = {"load_frac": 0.6, "load_ns": 3e3}  # jobs come, and come again, at every point of the path


@pytest.mark.parametrize("overrides", [{}, BUSY], ids=["as timed", "busy"])
def test_latencies_are_simpy_s_to_the_last_interrupt(overrides, n: int = 3_000):
    """Where stages are fixed both draw the same: the states to begin with, then the load's think times."""
    p = P.replace(spread_frac=0.0, **overrides)
    theirs, ours = by_simpy(n, 3, p), by_kernel(n, 3, p)
    assert len(np.unique(ours.round(3))) > n / 10
    assert np.abs(theirs - ours).max() < 1e-6  # of some 1e4 ns, in some hundred steps


def test_means_are_the_same_within_their_errors():
    found = {name: stats.mean(play(n, 1)) for name, (play, n) in CONTENDERS.items()}
    for name, latency in found.items():
        print(f"\n{name}: mean latency {latency} ns")
        assert latency.stderr < 0.02 * latency.value
    ours, theirs = found.values()
    assert abs(ours.value - theirs.value) < 4 * math.hypot(ours.stderr, theirs.stderr)


def test_speed():
    """Interrupts per CPU second."""
    found = rates(CONTENDERS)
    times = ratio(found, *CONTENDERS)
    show('interrupts, path "threaded", load above vCPU', found)
    print(f"  times SimPy, idiomatic: {times:.0f}")
    assert times >= FASTER
