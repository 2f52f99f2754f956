"""Benchmark of the rounds of a guest's timer beside SimPy: `make bench`. The promised ratio is asserted.

    python -m pytest -s tests/benchmarks/test_bench_deadlines.py

A busy guest sets its TSC deadline again and again, on the host's hrtimer and on the VMX-preemption timer; no noise, no
advance. SimPy's program is an idiomatic one: a process of the guest, a timeout a stage, the timer an event. It has only
the rules that this scenario meets, and counts the latency only; ours has all of them, also counts exits and switches,
and keeps an account of every cycle.
"""

import math

import numpy as np
import pytest
from benchmarks.rates import Contender, rates, ratio, show

from nfvlab import stats
from nfvlab.kernels import deadlines
from nfvlab.timer import simulation
from nfvlab.timer.params import TIMERS, Params

simpy = pytest.importorskip("simpy", reason="see tests/benchmarks/requirements.txt")

P = Params()  # spread_frac is 0.1
FASTER = 40
STAGES = (
    *("exit", "msr", "hv_arm", "hrtimer_arm", "loop", "entry"),
    *("hrtimer_irq", "hv_expire", "sync", "deliver", "return"),
)


class Guest:
    """A guest on a host, in cycles of the host's TSC since its phase."""

    def __init__(self, p, timer: int, rng):
        self.p, self.rng = p, rng
        self.phase = int(rng.integers(1 << 40))
        self.hardware = TIMERS[timer] == "preemption timer"
        self.khz = round(p.tsc_hz / 1e3)
        self.costs = {stage: getattr(p, f"{stage}_cycles") for stage in STAGES}
        self.interval, self.think = round(p.interval_ns * p.tsc_hz / 1e9), p.think_ns * p.tsc_hz / 1e9
        self.env, self.latencies = simpy.Environment(), []

    def tsc(self) -> int:
        """What RDTSC reads."""
        return self.phase + math.floor(self.env.now)

    def stage(self, name: str):
        """A stage takes its time."""
        cycles, spread = self.costs[name], self.p.spread_frac
        return self.env.timeout(cycles * (1 - spread + spread * self.rng.standard_exponential()))

    def at(self, tsc: int):
        """An event when the TSC shows a count, now if it is past."""
        return self.env.timeout(max(tsc - self.phase - self.env.now, 0.0))

    def hrtimer(self, deadline: int):
        """The hrtimer's event: the host's clock counts whole ns."""
        now = self.tsc()
        ns = now * 10**6 // self.khz + (deadline - now) * 10**6 // self.khz
        return self.at(-(-ns * self.khz // 10**6))

    def preemption_timer(self, deadline: int):
        """The preemption timer's event: it counts changes of bit X of the TSC from the entry on."""
        now, x = self.tsc(), self.p.timer_shift
        value = max(deadline - now, 0) >> x
        return self.at(((now >> x) + value << x) if value else now)

    def run(self, rounds: int):
        """So many rounds, from one WRMSR to the next."""
        for _ in range(rounds):
            deadline = self.tsc() + self.interval
            yield self.stage("exit")
            yield self.stage("msr")
            if self.hardware:
                yield self.stage("hv_arm")
            else:
                expiry = self.hrtimer(deadline)
                yield self.stage("hrtimer_arm")
            yield self.stage("loop")
            if self.hardware:
                expiry = self.preemption_timer(deadline)
            yield self.stage("entry")
            yield expiry
            yield self.stage("exit")
            yield self.stage("hv_expire" if self.hardware else "hrtimer_irq")
            yield self.stage("loop")
            yield self.stage("sync")
            yield self.stage("entry")
            yield self.stage("deliver")
            self.latencies.append(self.env.now - (deadline - self.phase))
            yield self.stage("return")
            yield self.env.timeout(self.think)


def by_simpy(n: int, seed: int, timer: int) -> np.ndarray:
    """Latencies of n rounds in cycles."""
    guest = Guest(P, timer, np.random.default_rng(seed))
    guest.env.process(guest.run(n))
    guest.env.run()
    return np.array(guest.latencies)


def by_kernel(n: int, seed: int, timer: int) -> np.ndarray:
    """The same by the compiled rounds."""
    rng = np.random.default_rng(seed)
    latencies = np.empty(n)
    deadlines.rounds(simulation.machine(P, timer, rng), rng, latencies)
    return latencies


def contenders(timer: int) -> dict[str, Contender]:
    """Both on one timer."""
    return {
        "compiled": Contender(lambda n, seed: by_kernel(n, seed, timer), 500_000),
        "SimPy, idiomatic": Contender(lambda n, seed: by_simpy(n, seed, timer), 10_000),
    }


on_either_timer = pytest.mark.parametrize("timer", range(len(TIMERS)), ids=TIMERS)


@on_either_timer
def test_latencies_are_simpy_s_to_the_last_round(timer, n: int = 5_000):
    """Both draw the same: the TSC's phase, then stage by stage."""
    theirs, ours = by_simpy(n, 3, timer), by_kernel(n, 3, timer)
    # its clock is rounded at each of 16 events a round, to at most 2**-23 at a time of 2e9
    assert theirs.size == ours.size and np.abs(theirs - ours).max() < 16 * n * 2.0**-23


@on_either_timer
def test_means_are_the_same_within_their_errors(timer):
    found = {name: stats.batch_means(play(n, 1)) for name, (play, n) in contenders(timer).items()}
    for name, latency in found.items():
        print(f"\n{TIMERS[timer]}, {name}: mean latency {latency} cycles")
        assert latency.stderr < 0.02 * latency.value
    ours, theirs = found.values()
    assert abs(ours.value - theirs.value) < math.hypot(ours.reach(), theirs.reach())


@on_either_timer
def test_speed(timer):
    """Rounds per CPU second."""
    found = rates(contenders(timer))
    times = ratio(found, *found)
    show(f"rounds on the {TIMERS[timer]}", found)
    print(f"  times SimPy, idiomatic: {times:.0f}")
    assert times >= FASTER
