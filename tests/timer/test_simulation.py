"""Rounds of a guest's deadline: against sums by hand, the exact timer, queues in closed form, and wrong versions."""

import inspect
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from timer.rounds_by_lapic import Rounds

from nfvlab import results
from nfvlab.kernels import deadlines, deadlines_time, deadlines_timers, tsc
from nfvlab.kernels import deadlines_tables as tables
from nfvlab.timer import simulation
from nfvlab.timer.params import OUTPUTS, TIMERS, Params
from nfvlab.timer.simulation import ACCOUNTS, MEASURED, index_of, machine, simulate, trace_one

HR, HV = 0, 1
EXACT = {"tsc_hz": 2e9, "spread_frac": 0.0, "interval_ns": 50e3, "think_ns": 2e3}
COSTS = {name for name in Params.specs() if name.endswith("_cycles")}


def scenario(**changes):
    """2 cycles a ns, and nothing varies."""
    return Params(**EXACT | changes)


def samples(p, n=4, seed=5):
    return simulate(p, rng=np.random.default_rng(seed), n=n)


def total(p, stages):
    return sum(getattr(p, f"{stage}_cycles") for stage in stages.split())


def played(p, timer, n, base=12_345, noise_at=()):
    """n latencies in cycles from a phase of the TSC, without chance, and the machine after them."""
    m = machine(p, timer, np.random.default_rng(1))
    m.origin = base
    rng, latency = np.random.default_rng(2), np.empty(n)
    if noise_at:
        (m.noise_at,) = noise_at
        m.settle = 1e18
    deadlines.rounds(m, rng, latency)
    return latency, m


# -- by hand ------------------------------------------------------------------------------------------------


def test_a_busy_guest_on_the_hrtimer_waits_for_each_stage_once():
    p = scenario()
    made = samples(p).estimate()
    # two clocks are read in whole ns of 2 cycles, so that it may come early by 1 ns, here and below
    ns = total(p, "exit hrtimer_irq loop sync entry deliver") / 2
    assert made["latency_ns[0]"].value == pytest.approx(ns, abs=1.0)
    assert made["exits_ratio[0]"].value == 2 and made["switches_ratio[0]"].value == 0
    cost = total(p, "exit msr hrtimer_arm loop entry exit hrtimer_irq loop sync entry")
    assert made["cost_cycles[0]"].value == pytest.approx(cost)
    assert made["hardware_frac[0]"].value == made["wait_ns[0]"].value == 0


@pytest.mark.parametrize(("shift", "early"), [(3, 14), (4, 30), (5, 62)])
def test_the_preemption_timer_saves_the_interrupt_and_is_early_by_up_to_two_units(shift, early):
    p = scenario(timer_shift=shift)
    late = total(p, "exit hv_expire loop sync entry deliver")
    phases = range(1 << shift)
    first = {
        played(p.replace(interval_ns=50e3 + ticks / 2), HV, 1, base=base)[0][0]
        for ticks in phases
        for base in phases
    }
    assert first == {late - k for k in range(early + 1)}
    # a path that never varies keeps its phase, for it begins where the timer expired
    latency = played(p, HV, 10)[0]
    assert len(set(latency[1:])) == 1
    made = samples(p)
    estimates = made.estimate()
    cost = total(p, "exit msr hv_arm loop entry exit hv_expire loop sync entry")
    assert estimates["cost_cycles[1]"].value == pytest.approx(cost)
    assert estimates["hardware_frac[1]"].value == 1 and estimates["exits_ratio[1]"].value == 2


def test_the_fastpath_saves_both_loops_with_apicv_and_one_without():
    for apicv, loops in ((True, 2), (False, 1)):
        slow, fast = (samples(scenario(apicv=apicv, fastpath=f)).estimate() for f in (False, True))
        saved = slow["cost_cycles[1]"].value - fast["cost_cycles[1]"].value
        assert saved == pytest.approx(loops * scenario().loop_cycles)
        assert slow["cost_cycles[0]"].value == fast["cost_cycles[0]"].value


def test_without_apicv_the_eoi_exits_and_the_interrupt_is_injected():
    p = scenario(apicv=False)
    posted, emulated = samples(scenario()).estimate(), samples(p).estimate()
    more = total(p, "inject exit eoi loop entry") - p.sync_cycles
    for timer in (HR, HV):
        name = f"cost_cycles[{timer}]"
        assert emulated[name].value - posted[name].value == pytest.approx(more)
        assert emulated[f"exits_ratio[{timer}]"].value == 3


def test_a_halting_guest_sleeps_on_the_hrtimer_either_way():
    p = scenario(halting=True)
    made = samples(p).estimate()
    stages = "idle_exit hrtimer_irq wake switch loop sync entry deliver"
    for timer, more in ((HR, 0), (HV, p.hv_arm_cycles)):  # armed twice: hv_arm, then hrtimer_arm at HLT
        assert made[f"latency_ns[{timer}]"].value == pytest.approx(total(p, stages) / 2, abs=1.0)
        assert made[f"switches_ratio[{timer}]"].value == 2
        cost = total(p, "exit msr hrtimer_arm loop entry exit halt switch") + more
        cost += total(p, "idle_exit hrtimer_irq wake switch loop sync entry")
        assert made[f"cost_cycles[{timer}]"].value == pytest.approx(cost)
        assert made[f"hardware_frac[{timer}]"].value == 0


def test_softirqs_cost_two_switches_running_and_one_more_asleep():
    for halting, switches, extra in ((False, 2, 2), (True, 3, 1)):
        plain, soft = (samples(scenario(halting=halting, softirq=s)).estimate() for s in (False, True))
        assert soft["switches_ratio[0]"].value == switches
        more = soft["latency_ns[0]"].value - plain["latency_ns[0]"].value
        assert more == pytest.approx(extra * scenario().switch_cycles / 2, abs=1.0)
    assert samples(scenario(softirq=True)).estimate()["switches_ratio[1]"].value == 0


def test_polling_saves_switches_wake_up_and_c_state_if_it_lasts_until_the_deadline():
    p = scenario(halting=True, halt_poll_ns=60e3)
    made = samples(p).estimate()
    assert made["switches_ratio[1]"].value == 0
    stages = "hrtimer_irq loop sync entry deliver"
    assert made["latency_ns[1]"].value == pytest.approx(total(p, stages) / 2, abs=1.0)
    short = samples(scenario(halting=True, halt_poll_ns=20e3)).estimate()
    assert short["switches_ratio[1]"].value == 2
    assert short["cost_cycles[1]"].value == samples(scenario(halting=True)).estimate()["cost_cycles[1]"].value


def test_a_fixed_advance_shortens_the_path_by_itself_and_a_longer_one_is_waited_for():
    p = scenario(advance="fixed", advance_ns=500.0)
    path = total(p, "exit hrtimer_irq loop sync wait")
    assert path > 1000
    made = samples(p).estimate()
    late = (path - 1000 + total(p, "entry deliver")) / 2
    assert made["latency_ns[0]"].value == pytest.approx(late, abs=1.0) and made["wait_ns[0]"].value == 0
    made = samples(p.replace(advance_ns=4000.0)).estimate()
    assert made["latency_ns[0]"].value == pytest.approx(total(p, "entry deliver") / 2, abs=1.0)
    assert made["wait_ns[0]"].value == pytest.approx(4000 - path / 2, abs=1.0)


def test_the_adaptive_advance_meets_the_path_to_within_its_dead_band():
    p = scenario(advance="adaptive", interval_ns=50_003.5)
    made = samples(p)
    path = np.array([total(p, "exit hrtimer_irq loop sync wait"), total(p, "exit hv_expire loop sync wait")])
    assert (abs(made.advance_ns * 2 - path) < 100 + np.array([2, 64])).all()
    late = made.latency_ns_each - total(p, "entry deliver") / 2
    assert late.min() >= -0.5 and late.max() < 50 + 1
    # an advance that is not adapted stays, whatever the path
    assert (samples(scenario(advance="fixed", advance_ns=800.0)).advance_ns == 800).all()


def test_a_deadline_beyond_the_field_and_a_short_timer_fall_back_on_the_hrtimer():
    far = scenario(interval_ns=2.0**38 / 2 + 1e6)  # 2**32 units of 2**5 cycles are 2**37
    fast = scenario(timer_shift=2)  # 2e9 >> 2 is 5e8, above 0xffffffff / 10 = 4.29e8
    for p in (far, fast):
        latency, m = played(p, HV, 5)
        other, hrtimer = played(p, HR, 5)
        assert (latency == other).all() and m.expiries == 0 and m.usable == (p is far)
    assert played(scenario(timer_shift=3), HV, 5)[1].expiries == 5
    # the fastpath asks whether the timer may be used, not whether this deadline fits
    for p, loops in ((far, 1), (fast, 2)):
        m = played(p.replace(fastpath=True), HV, 1)[1]
        assert m.sums[tables.LOOP] == loops * p.loop_cycles


def test_a_deadline_that_is_past_at_once_needs_no_timer():
    p = scenario(interval_ns=100.0)
    made = samples(p).estimate()
    for timer, arm in ((HR, 0), (HV, p.hv_arm_cycles)):
        late = total(p, "exit msr loop sync entry deliver") + arm
        assert made[f"latency_ns[{timer}]"].value == pytest.approx(late / 2 - 100)
        assert made[f"exits_ratio[{timer}]"].value == 1 and made[f"hardware_frac[{timer}]"].value == 0


# -- against the exact timer --------------------------------------------------------------------------------

SCENES = {
    "busy": {},
    "no apicv": {"apicv": False},
    "fastpath": {"fastpath": True},
    "fastpath, no apicv": {"fastpath": True, "apicv": False},
    "coarse": {"timer_shift": 9},
    "halting": {"halting": True},
    "halting, soft": {"halting": True, "softirq": True, "apicv": False},
    "polling": {"halting": True, "halt_poll_ns": 70e3},
    "polling in vain": {"halting": True, "halt_poll_ns": 10e3, "advance": "adaptive"},
    "fixed": {"advance": "fixed", "advance_ns": 700.0},
    "too early": {"advance": "fixed", "advance_ns": 3000.0, "timer_shift": 8},
    "adaptive": {"advance": "adaptive"},
    "scaled": {"guest_tsc_hz": 1.4e9, "advance": "adaptive"},
    "scaled up": {"guest_tsc_hz": 3.1e9, "timer_shift": 7},
    "past": {"interval_ns": 100.0},
    "past, within the advance": {"interval_ns": 1500.0, "advance": "fixed", "advance_ns": 1200.0},
    "soft": {"softirq": True},
    "past at HLT": {"interval_ns": 1100.0, "halting": True},
    "past at the entry": {"interval_ns": 700.0},
}


@pytest.mark.parametrize("timer", [HR, HV], ids=TIMERS)
@pytest.mark.parametrize("scene", SCENES)
def test_rounds_are_those_of_the_exact_timer(scene, timer):
    assert agrees(scenario(think_ns=2001.5, **SCENES[scene]), timer)


@settings(max_examples=60)
@given(
    st.sampled_from([HR, HV]),
    st.integers(0, 2**40),
    st.floats(100, 60e3),
    st.integers(3, 12),
    st.sampled_from([0.0, 0.9e9, 2.7e9]),
    st.sampled_from(["off", "fixed", "adaptive"]),
    st.tuples(*[st.booleans()] * 4),
)
def test_any_rounds_are_those_of_the_exact_timer(timer, base, interval, shift, guest_hz, advance, switches):
    names = ("halting", "apicv", "fastpath", "softirq")
    p = scenario(
        interval_ns=interval, timer_shift=shift, guest_tsc_hz=guest_hz, advance=advance, advance_ns=900.0
    )
    assert agrees(p.replace(**dict(zip(names, switches, strict=True))), timer, base=base, n=12)


@pytest.mark.parametrize("timer", [HR, HV], ids=TIMERS)
@pytest.mark.parametrize("at", [1, 2500, 30_000, 99_000, 99_950, 99_999])
def test_an_interrupt_on_the_way_makes_the_guest_leave_and_the_field_is_written_anew(timer, at):
    for shift in (5, 9):
        p = scenario(timer_shift=shift)
        latency, m = played(p, timer, 1, noise_at=[at])
        if at < 2500:  # the host is at work: nothing of it is left
            assert (latency == played(p, timer, 1)[0]).all()
        else:
            exact = Rounds(p, timer, 12_345, noise_at=[at])
            assert latency[0] == exact.play() and m.exits == exact.exits


def agrees(p, timer, n=30, base=12_345, noise_at=()):
    """Whether latencies, exits, switches and expiries of the kernel are the exact timer's."""
    latency, m = played(p, timer, n, base, noise_at)
    exact = Rounds(p, timer, base, noise_at)
    expected = [exact.play() for _ in range(n)]
    counts = (m.exits, m.switches, m.expiries) == (exact.exits, exact.switches, exact.expiries)
    return counts and np.allclose(latency, expected, rtol=0, atol=1e-3)


# -- wrong versions -----------------------------------------------------------------------------------------

MODULES = (tsc, deadlines_time, deadlines_timers, deadlines)
MUTANTS = {
    "the fastpath still pays the loop": (
        deadlines.run,
        "short = m.short and m.posted",
        "short = False",
        "fastpath",
    ),
    "the fastpath needs no APICv": (deadlines.run, "m.short and m.posted", "m.short", "fastpath, no apicv"),
    "the advance twice": (deadlines_timers.arm_countdown, "- ahead", "- 2 * ahead", "fixed"),
    "no advance": (deadlines_timers.arm_countdown, "- ahead", "", "fixed"),
    "the field rounded up": (
        deadlines_timers.load,
        "value = max(m.counts_to - now, 0) >> x",
        "value = -(-max(m.counts_to - now, 0) >> x)",
        "busy",
    ),
    "whole units from the entry on": (
        deadlines_timers.load,
        "((now >> x) + value) << x",
        "now + (value << x)",
        "busy",
    ),
    "EOI forgotten": (deadlines.play, "if not m.posted:", "if False:", "no apicv"),
    "the halted guest keeps the countdown": (
        deadlines.halt,
        "past = arm_alarm(m) == PAST\n        if not past:\n            spend(m, rng, ARM_ALARM)",
        "m.rings_at, m.counts_to = m.counts_to, NONE",
        "halting",
    ),
    "scaling forgotten": (
        deadlines_timers.arm_countdown,
        "tsc.unscale(max(early, 0), ratio)",
        "max(early, 0)",
        "scaled",
    ),
    "what is past is armed": (
        deadlines_timers.arm_countdown,
        "if delta == 0:\n        return PAST\n",
        "",
        "past",
    ),
    "no dead band": (tsc.adjust, "size < ADJUST_MIN or size > ADJUST_MAX", "size > ADJUST_MAX", "adaptive"),
    "an expiry at the deadline itself": (
        deadlines_timers.arm_alarm,
        "+ ns - advance",
        "+ ns",
        "adaptive",
    ),
}


@pytest.fixture
def plain(monkeypatch):
    """All kernels as plain Python; called with a kernel and a change of its source, that kernel changed."""
    own = {module: {k: f for k, f in vars(module).items() if hasattr(f, "py_func")} for module in MODULES}

    def change(kernel=None, old="", new=""):
        changed = {}
        if kernel is not None:
            source = inspect.getsource(kernel.py_func).removeprefix("@jit\n")
            assert source.count(old) == 1, old
            space = inspect.getmodule(kernel.py_func).__dict__
            names = {}
            exec(compile(source.replace(old, new), "mutant", "exec"), space, names)
            changed = names
        for module, kernels in own.items():
            for name, kernel in kernels.items():
                monkeypatch.setattr(module, name, changed.get(name, kernel.py_func))

    return change


@pytest.mark.parametrize("name", MUTANTS)
def test_a_wrong_version_is_rejected(name, plain):
    *change, scene = MUTANTS[name]
    p = scenario(think_ns=2001.5, **SCENES[scene])
    plain()
    assert all(agrees(p, timer) for timer in (HR, HV))
    plain(*change)
    assert not all(agrees(p, timer) for timer in (HR, HV))


def test_a_countdown_that_goes_on_from_where_it_was_after_an_interrupt_is_rejected(plain):
    p = scenario()
    assert agrees(p, HV, n=1, noise_at=[30_000])
    plain(
        deadlines.run_to_expiry,
        "        enter(m, rng, NOISE)\n",
        "        left = m.fires - m.t\n        enter(m, rng, NOISE)\n        m.fires = m.t + left + 1400\n",
    )
    assert not agrees(p, HV, n=1, noise_at=[30_000])


# -- chance -------------------------------------------------------------------------------------------------

FREE = dict.fromkeys(COSTS, 0.0)


def near(estimate, value):
    return abs(estimate.value - value) <= estimate.reach()


@pytest.mark.parametrize("rho", [0.2, 0.6])
def test_a_sleeping_guest_of_no_cost_waits_for_a_delay_busy_period_of_m_m_1(rho):
    """A deadline finds others with probability rho, a workload of rho / (1 - rho) services in the mean, and has to let
    all pass that come until it is served: 1 / (1 - rho) times as much (Cohen, The Single Server Queue, III.3)."""
    length = 5e3
    p = scenario(halting=True, interval_ns=1e6, noise_ns=length, noise_per_s=rho / length * 1e9, **FREE)
    made = samples(p, n=12)
    for timer in (HR, HV):
        assert near(made.estimate()[f"latency_ns[{timer}]"], rho / (1 - rho) ** 2 * length)
        shares = (made.latency_ns_each[:, timer] > 1).mean(axis=1)
        assert abs(shares.mean() - rho) < 4 * shares.std(ddof=1) / math.sqrt(12)


@pytest.mark.parametrize("halting", [False, True])
def test_others_that_take_no_time_and_a_way_out_that_costs_none_still_pass(halting):
    p = scenario(halting=halting, noise_per_s=1e5, noise_ns=0.0, interval_ns=1e6, **FREE)
    assert abs(samples(p, n=1).latency_ns_each).max() <= 31


def test_a_busy_cpu_leaves_no_c_state():
    rho, length = 0.3, 5e3
    p = scenario(halting=True, interval_ns=1e6, noise_ns=length, noise_per_s=rho / length * 1e9, **FREE)
    made = samples(p.replace(idle_exit_cycles=1000.0), n=12)
    shares = made.accounts_cycles[:, HR, tables.IDLE_EXIT] / 1000
    assert abs(shares.mean() - (1 - rho)) < 4 * shares.std(ddof=1) / math.sqrt(6)


def test_noise_that_was_over_long_ago_may_be_forgotten(monkeypatch):
    p = scenario(noise_per_s=3e4, noise_ns=8e3, interval_ns=2e6)
    made = samples(p, n=6).estimate()
    monkeypatch.setattr(simulation, "settled_cycles", lambda p: 1e9)  # longer than a round
    remembered = samples(p, n=6, seed=6).estimate()
    for name in ("latency_ns", "latency_p99_ns", "cost_cycles", "exits_ratio"):
        for timer in (HR, HV):
            one, other = made[f"{name}[{timer}]"], remembered[f"{name}[{timer}]"]
            assert abs(one.value - other.value) <= math.hypot(one.reach(5), other.reach(5)), name


def test_what_varies_keeps_its_mean():
    p = scenario(spread_frac=1.0)
    made = samples(p, n=6).estimate()
    assert near(made["latency_ns[0]"], total(p, "exit hrtimer_irq loop sync entry deliver") / 2)
    assert near(made["cost_cycles[1]"], total(p, "exit msr hv_arm loop entry exit hv_expire loop sync entry"))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"noise_per_s": 2e4, "noise_ns": 2e4},
        {"halting": True, "noise_per_s": 2e4, "softirq": True, "apicv": False},
        {"advance": "adaptive", "spread_frac": 0.3, "fastpath": True, "noise_per_s": 1e3},
        {"halting": True, "halt_poll_ns": 30e3, "interval_ns": 50e3},
    ],
    ids=["default", "noise", "halting", "adaptive", "polling"],
)
def test_all_time_is_on_one_account(changes):
    for timer in (HR, HV):
        m = machine(Params(**changes), timer, np.random.default_rng(3))
        begin = m.origin + m.t
        deadlines.rounds(m, np.random.default_rng(4), np.empty(300))
        assert m.sums.sum() == pytest.approx(m.origin - begin + m.t, rel=1e-9)
        assert m.sums[tables.THINK] == pytest.approx(300 * m.cost[tables.THINK])


# -- samples and timelines ----------------------------------------------------------------------------------


def test_every_output_of_either_timer_is_estimated():
    made = samples(Params(), n=3)
    assert list(made.estimate()) == [name for output in OUTPUTS for name in results.indexed(output, TIMERS)]
    assert made.latency_ns_each.shape == (3, 2, MEASURED)
    assert made.accounts_cycles.shape == (3, 2, len(ACCOUNTS))
    pooled = np.quantile(made.latency_ns_each[:, HV], 0.999)
    assert made.estimate()["latency_p999_ns[1]"].value == pooled
    assert samples(Params(), n=3) == made != samples(Params(), n=3, seed=6)


def test_nothing_is_nothing_to_simulate():
    with pytest.raises(ValueError, match="n = 0"):
        samples(Params(), n=0)


def test_more_noise_than_can_be_followed_is_refused():
    with pytest.raises(ValueError, match=r"noise_per_s = 1e\+06: some .* lower it"):
        samples(Params(tsc_hz=1e6, switch_cycles=1e6, noise_per_s=1e6, noise_ns=500.0))
    simulation.check(Params(noise_per_s=0.89e6, noise_ns=1e3, interval_ns=1e9))


def test_a_timeline_shows_the_stages_in_order():
    p = scenario(advance="fixed", advance_ns=2000.0)
    segments = trace_one(p, "preemption timer", rng=np.random.default_rng(1))
    assert [s.stage for s in segments] == [
        *("VM exit", "WRMSR", "preemption timer armed", "vcpu_run", "VM entry", "guest", "VM exit"),
        *("preemption timer's exit", "vcpu_run", "PIR sync", "look at the clock", "spin", "VM entry"),
        *("delivery", "return", "guest's work"),
    ]
    assert segments[0].start_ns == -50_000
    assert next(s for s in segments if s.stage == "spin").end_ns == 0
    assert next(s for s in segments if s.stage == "delivery").end_ns == total(p, "entry deliver") / 2


@given(st.sampled_from(TIMERS), st.booleans(), st.integers(0, 2**32))
@settings(max_examples=25)
def test_a_timeline_has_no_gap_and_blames_noise_for_what_it_costs(timer, halting, seed):
    p = Params(halting=halting, noise_per_s=5e4, noise_ns=1e3)
    segments = trace_one(p, timer, rng=np.random.default_rng(seed))
    assert all(a.end_ns == b.start_ns for a, b in zip(segments, segments[1:], strict=False))
    assert all(s.account in (s.stage, "noise") for s in segments)


def test_a_timer_is_named_or_numbered():
    assert [index_of(name) for name in TIMERS] == [index_of(0), index_of(1)] == [0, 1]
    for wrong in ("hpet", 2, -1):
        with pytest.raises(ValueError, match="give one of hrtimer, preemption timer"):
            trace_one(Params(), wrong, rng=np.random.default_rng(1))
