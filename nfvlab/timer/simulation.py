"""Monte Carlo of a guest that arms its TSC deadline, on the host's hrtimer and on the VMX-preemption timer, by rounds.

A round goes from one WRMSR of IA32_TSC_DEADLINE to the next; `kernels.deadlines` plays it on an integer TSC. Each
replication plays `WARM_UP` and then `MEASURED` rounds on either timer, from a phase of the TSC by chance. The adaptive
advance comes to rest in the warm-up: an error of 10 000 cycles, the largest that it learns from, shrinks by 1/8 a
round and is within the dead band of 100 after 35; the rest lets it drift on where errors leave the band only rarely.

Decisions, where the mechanism leaves a choice:

- The guest reads its TSC, adds the interval in whole cycles of its own, and writes: the round begins with that exit.
  Latency counts from when the guest's TSC shows the deadline, so it is negative if X makes the timer early and no
  advance makes up for it. Nothing comes between arming and HLT.
- KVM reads the clock once per operation: at the end of the WRMSR's emulation to arm, at the end of HLT's to switch to
  the hrtimer, at the begin of an entry to write the field, which is loaded with that reading.
- KVM never uses the preemption timer if tsc_hz >> X is above 0xffffffff / 10 (vmx_hardware_setup: the value that stands
  for "off" would run out within 10 s), nor for a deadline beyond 32 bits of 2**X cycles: the hrtimer serves then.
- hv_arm is due when the preemption timer takes the deadline, also if it is past by then (vmx_set_hv_timer has run); a
  refusal costs nothing. hrtimer_arm is due when the hrtimer is started, not if the deadline is past. No timer that is
  still queued is ever cancelled here.
- fastpath: the WRMSR skips the loop if the host uses the preemption timer at all, be this deadline too long for it or
  not (handle_fastpath_set_tscdeadline). Where the interrupt comes about, the loop is skipped with APICv only: without
  it apic_timer_expired makes a request, which ends the fastpath (kvm_vcpu_exit_request).
- sync or inject, and the look at the clock, are due before the entry that brings the interrupt, before no other one.
- A halting guest switches to the hrtimer before it polls (vcpu_block, since Linux 5.17). Polling looks at the hrtimer's
  interrupt only. A thread that sleeps costs two switches, one more with softirq; a C-state is left at no cost if
  another interrupt keeps the CPU awake at that time.
- softirq: in a running thread the hrtimer's interrupt switches to ktimersoftd and back.
- Where nothing varies, a round keeps its phase to the TSC, since the path begins where the preemption timer expired:
  how early that timer is then differs between replications only.
- Noise meets the host anywhere, an entry too, and goes first, all of it that comes until there is none. In the guest it
  costs exit, loop and entry, which are the noise's, and the field is written anew. An hrtimer that expires meanwhile is
  served with it, without an exit of its own; a preemption timer that ran out meanwhile exits as soon as the guest is
  entered.
- Cost is what the host takes, with entries and exits: deliver and return are the guest's own cycles, polling, idling
  and spinning are waits, and noise is others'.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from nfvlab import replications, stats
from nfvlab.kernels import deadlines
from nfvlab.kernels import deadlines_tables as tables
from nfvlab.timer.advance import ADVANCE_INIT_NS
from nfvlab.timer.kvm import Host
from nfvlab.timer.params import OUTPUTS, TIMERS, Params
from nfvlab.timer.scaling import NS_PER_S, GuestClock, time_scale

WARM_UP, MEASURED = 500, 2000
SETTLED = 20  # relaxation times after which nothing of a noise is left: exp(-20)
MOST_NOISES = 1e5  # in a round: some 3 ms to simulate
_PHASES = 1 << 40
_QUANTILES = {"latency_p99_ns": 0.99, "latency_p999_ns": 0.999}
_COUNTED = ("exits_ratio", "switches_ratio", "hardware_frac")

COSTS = {  # what the parameters call the stages of the kernel
    "exit": "exit_cycles",
    "write": "msr_cycles",
    "arm countdown": "hv_arm_cycles",
    "arm alarm": "hrtimer_arm_cycles",
    "loop": "loop_cycles",
    "entry": "entry_cycles",
    "sync": "sync_cycles",
    "inject": "inject_cycles",
    "look": "wait_cycles",
    "end": "eoi_cycles",
    "deliver": "deliver_cycles",
    "return": "return_cycles",
    "halt": "halt_cycles",
    "switch": "switch_cycles",
    "wake": "wake_cycles",
    "idle exit": "idle_exit_cycles",
    "alarm": "hrtimer_irq_cycles",
    "countdown": "hv_expire_cycles",
}
WORDS = {  # the stages in the field's words, for a timeline
    "exit": "VM exit",
    "write": "WRMSR",
    "arm countdown": "preemption timer armed",
    "arm alarm": "hrtimer armed",
    "loop": "vcpu_run",
    "entry": "VM entry",
    "sync": "PIR sync",
    "inject": "injection",
    "look": "look at the clock",
    "end": "EOI",
    "deliver": "delivery",
    "return": "return",
    "halt": "HLT",
    "switch": "context switch",
    "wake": "wake-up",
    "idle exit": "C-state left",
    "alarm": "hrtimer's interrupt",
    "countdown": "preemption timer's exit",
    "inside": "guest",
    "think": "guest's work",
}
GUESTS = ("deliver", "return", "inside", "think")
WAITS = ("spin", "poll", "idle")


@dataclass(frozen=True, kw_only=True)
class Samples(replications.Samples):
    """n replications.

    latency_ns_each : float64[n, 2, MEASURED], on either of TIMERS; from the guest's deadline to its handler
    advance_ns : float64[n, 2], the advance after the last round
    accounts_cycles : float64[n, 2, stages], cycles per round on each account, in the order of ACCOUNTS
    """

    latency_ns_each: np.ndarray
    advance_ns: np.ndarray
    accounts_cycles: np.ndarray
    outputs = OUTPUTS

    @property
    def columns(self) -> tuple[str, ...]:
        """The outputs, once for each timer."""
        return replications.names(OUTPUTS, tuple(OUTPUTS), TIMERS)

    def estimate_of(self, name: str) -> stats.Estimate:
        """Means of replications; quantiles of all rounds together."""
        field, _, timer = name.partition("[")
        if field in _QUANTILES:
            return stats.pooled_quantile(self.latency_ns_each[:, int(timer[:-1])], _QUANTILES[field])
        return super().estimate_of(name)

    def least_deviation(self, name: str) -> float:
        """Where chance is at work, a count that was the same in every round may still differ in rare ones."""
        chance = self.params.spread_frac > 0 or self.params.noise_per_s > 0
        return 0.5 / MEASURED if chance and name.partition("[")[0] in _COUNTED else 0.0


class Segment(NamedTuple):
    """A piece of a round's timeline, in ns from the guest's deadline on; `account` is who is to blame for it."""

    start_ns: float
    end_ns: float
    stage: str
    account: str


ACCOUNTS = tuple(WORDS.get(stage, stage) for stage in tables.STAGES)


def simulate(p: Params, *, rng: np.random.Generator, n: int) -> Samples:
    """n independent replications, each with its own generator spawned from `rng`.

    ValueError for n < 1, and where a round would meet too much noise to be followed.
    """
    check(p)
    if n < 1:
        raise ValueError(f"n = {n}: there is nothing to simulate; give at least 1 replication")
    return Samples(**replications.replicated(replicate, p, rng, n))


def check(p: Params) -> None:
    """ValueError for rounds in which more noise comes than can be followed one by one."""
    if not p.noise_per_s:
        return
    path = 2 * sum(getattr(p, name) for name in COSTS.values()) / (1 - p.noise_per_s * p.noise_ns / NS_PER_S)
    expected = (path + 2 * settled_cycles(p)) * p.noise_per_s / p.tsc_hz
    if expected > MOST_NOISES:
        raise ValueError(
            f"noise_per_s = {p.noise_per_s:g}: some {expected:.2g} noises may come in a round, each of which is "
            f"simulated, {MOST_NOISES:g} at most; lower it, noise_ns or the costs of the stages"
        )


def replicate(p: Params, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """One replication: both timers, each with its own generator."""
    runs = [play(p, timer, generator) for timer, generator in enumerate(rng.spawn(len(TIMERS)))]
    return {
        "totals": np.array([totals[name] for name in OUTPUTS for _, _, totals in runs]),
        "latency_ns_each": np.array([latency for _, latency, _ in runs]),
        "advance_ns": np.array([float(m.advance) for m, _, _ in runs]),
        "accounts_cycles": np.array([m.sums / MEASURED for m, _, _ in runs]),
    }


def play(p: Params, timer: int, rng: np.random.Generator) -> tuple[np.record, np.ndarray, dict[str, float]]:
    """Warm up and measure one timer: the machine after it, the latencies in ns, the outputs."""
    m = machine(p, timer, rng)
    deadlines.rounds(m, rng, np.empty(WARM_UP))
    m.sums[:] = m.exits = m.switches = m.expiries = 0
    latency = np.empty(MEASURED)
    deadlines.rounds(m, rng, latency)
    latency *= p.cycle_ns
    return m, latency, _outputs(p, m, latency)


def _outputs(p: Params, m: np.record, latency_ns: np.ndarray) -> dict[str, float]:
    spent = dict(zip(tables.STAGES, (m.sums / MEASURED).tolist(), strict=True))
    others = (*GUESTS, *WAITS, "noise")
    p99, p999 = np.quantile(latency_ns, list(_QUANTILES.values()))
    return {
        "latency_ns": latency_ns.mean(),
        "latency_p99_ns": p99,
        "latency_p999_ns": p999,
        "exits_ratio": m.exits / MEASURED,
        "switches_ratio": m.switches / MEASURED,
        "cost_cycles": sum(cycles for stage, cycles in spent.items() if stage not in others),
        "wait_ns": spent["spin"] * p.cycle_ns,
        "hardware_frac": m.expiries / MEASURED,
    }


def machine(p: Params, timer: int, rng: np.random.Generator) -> np.record:
    """The machine before its first round; `timer` is an index of TIMERS."""
    m, per_ns = tables.blank(), p.tsc_hz / NS_PER_S
    for stage, name in COSTS.items():
        m.cost[tables.STAGES.index(stage)] = getattr(p, name)
    m.cost[tables.THINK] = p.think_ns * per_ns
    m.spread, m.poll_for = p.spread_frac, p.halt_poll_ns * per_ns
    if p.noise_per_s > 0:
        m.noise_gap, m.noise_length = p.tsc_hz / p.noise_per_s, p.noise_ns * per_ns
        m.noise_at, m.settle = m.noise_gap * rng.standard_exponential(), settled_cycles(p)
    m.origin = rng.integers(_PHASES)
    m.advance = {"off": 0, "fixed": round(p.advance_ns), "adaptive": ADVANCE_INIT_NS}[p.advance]
    _set_rules(m, p, timer)
    return m


def settled_cycles(p: Params) -> float:
    """How long before a time a noise must be for nothing of it to be left: relaxation of M/M/1, and ways out and back.

    The relaxation time of M/M/1 is the service time / (1 - sqrt(rho))**2 (Cohen, The Single Server Queue, II.2.1).
    """
    rho = p.noise_per_s * p.noise_ns / NS_PER_S
    relaxation = p.noise_ns / p.cycle_ns / (1 - rho**0.5) ** 2
    return SETTLED * (relaxation + (p.exit_cycles + p.loop_cycles + p.entry_cycles) / (1 - rho))


def _set_rules(m: np.record, p: Params, timer: int) -> None:
    host_khz = round(p.tsc_hz / 1e3)
    clock = GuestClock(host_khz=host_khz, guest_khz=round(p.guest_tsc_hz / 1e3))
    host = Host(shift=p.timer_shift, apicv=p.apicv)
    m.outer_khz, m.inner_khz, m.ratio = host_khz, clock.virtual_tsc_khz, clock.ratio
    m.shift, m.multiplier = time_scale(clock.virtual_tsc_khz * 1000, NS_PER_S)
    m.x, m.max_value = p.timer_shift, host.max_value
    m.usable = TIMERS[timer] == "preemption timer" and not host.refusal(host_khz)
    m.interval = round(p.interval_ns * p.guest_hz / NS_PER_S)
    m.sleeps, m.adaptive = p.halting, p.advance == "adaptive"
    m.posted, m.short, m.threaded = p.apicv, p.fastpath, p.softirq


def trace_one(p: Params, timer: int | str, *, rng: np.random.Generator) -> list[Segment]:
    """The timeline of one round after the warm-up: segments that follow each other without a gap, deadline at 0 ns.

    timer : a name of TIMERS or its index, else ValueError. A round of more pieces than `kernels.deadlines_tables` can
    log breaks off.
    """
    check(p)
    m = machine(p, index_of(timer), rng)
    deadlines.rounds(m, rng, np.empty(WARM_UP))
    m.log_rows = tables.LOG_ROWS
    deadlines.play(m, rng)
    rows = m.log[: m.logged]
    times = ((rows[:, :2] - m.due) * p.cycle_ns).tolist()
    names = rows[:, 2:].astype(int).tolist()
    return [
        Segment(*time, ACCOUNTS[stage], ACCOUNTS[account])
        for time, (stage, account) in zip(times, names, strict=True)
    ]


def index_of(timer: int | str) -> int:
    """The index of a timer in TIMERS. ValueError if there is no such timer."""
    if isinstance(timer, str):
        if timer in TIMERS:
            return TIMERS.index(timer)
    elif 0 <= timer < len(TIMERS):
        return int(timer)
    raise ValueError(f"timer = {timer!r}: give one of {', '.join(TIMERS)}, or its index from 0 on")


__all__ = ["ACCOUNTS", "MEASURED", "Samples", "Segment", "index_of", "simulate", "trace_one"]
