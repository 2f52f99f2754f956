"""The host's scheduler on cases by hand, in both forms of the kernel, and against wrong versions of itself."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vfio_cases import ALONE, JOB_NS, LOADED, expected, outcome, scenario, total

from nfvlab.kernels import sched, sched_cpus
from nfvlab.kernels import sched_tables as tables
from nfvlab.vfio import paths, scheduler
from nfvlab.vfio.params import PATHS, Params

CASES = ALONE + LOADED


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{PATHS[case.path]} {case.stages}")
def test_a_path_by_hand(case):
    assert outcome(case) == pytest.approx(expected(case), abs=1e-3)


# -- never ending -------------------------------------------------------------------------------------------

STARVED = (  # the IRQ thread behind the vCPU thread, or a worker behind it; and what it costs before that is clear
    (1, {"irq_priority_level": 1}, "exit irq primary wake loop sync entry", 0),
    (1, {"irq_priority_level": 1, "vcpu_priority_level": 2}, "exit irq primary wake loop sync entry", 0),
    (0, {"atomic": False}, "exit irq msi wake loop sync entry", 0),
    (2, {"atomic": False, "vcpu_priority_level": 0}, "exit irq msi wake loop sync entry", 0),
    (1, {"atomic": False}, "exit irq primary wake switch msi wake switch loop sync entry", 2),
)


@pytest.mark.parametrize("path, overrides, cost, switches", STARVED)
def test_a_thread_behind_one_that_never_sleeps_waits_for_ever(path, overrides, cost, switches):
    made = scheduler.run(scenario(**overrides), path, rng=np.random.default_rng(1), n=3)
    assert made.tolist() == [[math.inf, 1, switches, total(cost)]] * 3
    for elsewhere in ({"same_cpu": False}, {"halting": True}):
        p = scenario(**overrides, **elsewhere)
        assert np.isfinite(scheduler.run(p, path, rng=np.random.default_rng(1), n=3)).all()


def test_a_thread_starves_also_while_the_load_has_the_cpu():
    p = scenario(irq_priority_level=1, load_priority_level=60, load_frac=0.5)
    made = scheduler.run(p, 1, rng=np.random.default_rng(1), n=200)
    assert np.isinf(made[:, 0]).all()
    assert 0.4 < made[:, 1].mean() < 0.6  # an exit only where the guest was running
    assert set(made[made[:, 1] == 0, 3]) == {total("irq primary wake")}


# -- both forms ---------------------------------------------------------------------------------------------

KERNELS = {
    module: [name for name, value in vars(module).items() if hasattr(value, "py_func")]
    for module in (sched, sched_cpus)
}


@pytest.fixture
def plain(monkeypatch):
    """The scheduler uncompiled, to the last function; the fixture replaces one of them by a wrong one."""
    for module, names in KERNELS.items():
        for name in names:
            monkeypatch.setattr(module, name, getattr(module, name).py_func)

    def mutate(name, wrong):
        for module in KERNELS:
            if hasattr(module, name):
                monkeypatch.setattr(module, name, wrong)

    return mutate


BUSY = Params(load_frac=0.4, load_priority_level=10, irqoff_frac=0.3, smi_per_s=2e3, load_ns=3e3)
MIXTURES = (
    BUSY,
    Params(**{**vars(BUSY), "halting": True, "atomic": False}),
    Params(**{**vars(BUSY), "same_cpu": False, "load_priority_level": 70}),
)


def test_compiled_and_plain_are_the_same_bit_for_bit(plain, monkeypatch):
    plainly = [
        scheduler.run(p, path, rng=np.random.default_rng(path), n=40) for p in MIXTURES for path in range(6)
    ]
    logs = [scheduler.trace(p, path, rng=np.random.default_rng(path)) for p in MIXTURES for path in range(6)]
    monkeypatch.undo()
    assert hasattr(sched.run, "py_func")
    again = [
        scheduler.run(p, path, rng=np.random.default_rng(path), n=40) for p in MIXTURES for path in range(6)
    ]
    assert all(np.array_equal(a, b) for a, b in zip(plainly, again, strict=True))
    assert logs == [
        scheduler.trace(p, path, rng=np.random.default_rng(path)) for p in MIXTURES for path in range(6)
    ]


# -- wrong versions -----------------------------------------------------------------------------------------


def wrong_cases():
    return [case for case in CASES if outcome(case) != pytest.approx(expected(case), abs=1e-3)]


def test_the_plain_scheduler_passes_all_cases(plain):
    assert wrong_cases() == []


def test_a_scheduler_in_which_an_equal_preempts_is_rejected(plain):
    def choose(m, s, c):
        ready = [t for t in range(tables.THREADS) if m.cpu[t] == c and not s.asleep[t]]
        return max(ready, key=lambda t: (m.priority[t], s.stamp[t]), default=-1)

    plain("choose", choose)
    assert any(case.overrides.get("load_priority_level") == 50 for case in wrong_cases())


def test_a_load_that_never_preempts_back_is_rejected(plain):
    attend = sched_cpus.attend

    def blind(m, s, c, rng):
        if s.raised[c] >= 0 or sched_cpus.choose(m, s, c) != tables.LOAD:
            attend(m, s, c, rng)

    plain("attend", blind)
    assert len([case for case in wrong_cases() if case.alarm_ns < math.inf]) >= 4


def test_a_guest_that_is_preempted_without_an_exit_is_rejected(plain):
    leave = sched_cpus.leave

    def free(m, s, c, rng):
        leave(m, s, c, rng)
        if s.raised[c] < 0:
            s.end[c] = s.now

    plain("leave", free)
    assert {case.path for case in wrong_cases()} == {0, 3}


def test_an_irq_thread_that_is_not_affine_is_rejected(monkeypatch):
    place = paths._place

    def elsewhere(p, machine):
        place(p, machine)
        machine.cpu[tables.SERVER] = tables.OTHER_CPU

    monkeypatch.setattr(paths, "_place", elsewhere)
    assert {case.path for case in wrong_cases()} == {1}


def away_mean(stops):
    """Mean latency of the path VT-d preempted, whose only wait is long, with stops for SMIs and without, in ns."""
    p = Params(away_ns=1e6, smi_per_s=4e3 if stops else 0.0, smi_ns=1e5)
    made = scheduler.run(p, 5, rng=np.random.default_rng(3), n=400)[:, 0]
    return made.mean(), made.std() / math.sqrt(made.size)


def stopped(mean_ns, per_s=4e3, smi_ns=1e5):
    """The mean of work done at the rate at which an M/D/1 queue of stops leaves time for it.

    The write finds the stops' mean workload w = rho d / (2 (1 - rho)) (Pollaczek and Khinchine); work and workload
    together begin a busy period, whose mean is theirs over 1 - rho.
    """
    rho = per_s * smi_ns / 1e9
    return (mean_ns + rho * smi_ns / (2 * (1 - rho))) / (1 - rho)


def test_stops_hold_up_everything():
    (without, _), (within, stderr) = away_mean(False), away_mean(True)
    assert abs(within - stopped(without)) < 5 * stderr


def test_a_stop_that_waits_do_not_feel_is_rejected(plain):
    stop = sched._stop

    def forgetful(s, length):
        waits = s.current[tables.RECEIVING_CPU] in (tables.LOAD, tables.BURST)
        end = s.end[tables.RECEIVING_CPU]
        stop(s, length)
        if waits:
            s.end[tables.RECEIVING_CPU] = max(end, s.now)

    plain("_stop", forgetful)
    (without, _), (within, stderr) = away_mean(False), away_mean(True)
    assert abs(within - stopped(without)) > 10 * stderr


# -- conservation -------------------------------------------------------------------------------------------

SCENARIOS = st.builds(
    Params,
    same_cpu=st.booleans(),
    halting=st.booleans(),
    atomic=st.booleans(),
    vcpu_priority_level=st.integers(0, 99),
    irq_priority_level=st.integers(1, 99),
    load_priority_level=st.integers(0, 99),
    load_frac=st.floats(0, 0.7),
    load_ns=st.floats(1e3, 1e5),
    irqoff_frac=st.floats(0, 0.5),
    smi_per_s=st.sampled_from([0.0, 3e3]),
    spread_frac=st.floats(0, 1),
    work_ns=st.floats(0, 1e5),
)


@given(SCENARIOS, st.integers(0, 5), st.integers(0, 2**32))
@settings(max_examples=150)
def test_a_cpu_does_one_thing_at_a_time_and_is_never_idle_with_work(p, path, seed):
    latency_ns, segments = scheduler.trace(p, path, rng=np.random.default_rng(seed))
    stops = [s for s in segments if s.stage == "SMI"]
    for cpu in paths.CPU_NAMES:
        own = sorted([s for s in segments if s.cpu == cpu] + stops)
        for before, after in zip(own, own[1:], strict=False):
            assert before.end_ns <= after.start_ns + 1e-6
            gap = after.start_ns > before.end_ns + 1e-6
            # V is idle only until something wakes it, or it has the message and no one has looked at it since
            idle = after.stage == "idle exit" or cpu == "H" or before.end_ns >= latency_ns - 1e-6
            assert idle or not gap or after in stops or before in stops
    assert all(s.end_ns > s.start_ns for s in segments)
    assert math.isinf(latency_ns) or max(s.end_ns for s in segments) >= latency_ns - 1e-6


def jobs_of(p, path, seed, until_ns, hold_ns):
    """The pieces of the load's jobs in a long run, the interrupt coming late in it: begin and end, float64[m, 2]."""
    rng = np.random.default_rng(seed)
    machine, start = paths.program(p, path).machine, scheduler.starts(p, path, rng, 1)[0]
    start.asleep[tables.LOAD], start.left_ns[tables.LOAD], start.alarm_ns[tables.LOAD] = 1, -1.0, 0.0
    start.hold_ns = hold_ns
    log = sched.follow(machine, start, tables.blank(tables.STATE), until_ns, rng)
    return log[(log[:, 3] == tables.LOAD) & (log[:, 4] >= tables.OWN_ROWS), :2]


@given(SCENARIOS, st.integers(0, 2), st.integers(0, 2**32))
@settings(max_examples=80)
def test_a_job_takes_its_time_however_often_it_is_interrupted(p, path, seed):
    """Above all threads the load is interrupted by handlers and stops alone."""
    top = {"load_frac": 0.3, "load_priority_level": 99, "vcpu_priority_level": 1, "irqoff_frac": 0.0}
    p = Params(**{**vars(p), **top})
    pieces = jobs_of(p, path, seed, 5e6, 2e6)  # longer than the stops that are first waited for
    done_ns = np.cumsum(pieces[:, 1] - pieces[:, 0])
    for job in range(1, int(done_ns[-1] / p.load_ns + 1e-6) + 1):
        assert np.abs(done_ns - job * p.load_ns).min() < 1e-6 * p.load_ns


# -- the state at first -------------------------------------------------------------------------------------

CHEAP = {f"{name}_cycles": 1.0 for name in ("exit", "switch", "entry", "loop", "sync", "idle_exit")}


@pytest.mark.parametrize("halting", [False, True])
def test_the_first_state_is_that_of_a_host_that_has_long_been_running(halting):
    """Overheads next to nothing, for the shares neglect them; the long way begins with a load that is thinking."""
    p = Params(load_frac=0.4, load_ns=2e4, load_priority_level=10, halting=halting, **CHEAP)
    n, wait_ns = 4000, 50 * p.load_ns
    for path in (0, 1, 2):
        rng = np.random.default_rng(path)
        machine, start = paths.program(p, path).machine, scheduler.starts(p, path, rng, n)
        at_once = sched.run(machine, start, tables.blank(tables.STATE), rng)
        start.asleep[:, tables.LOAD], start.left_ns[:, tables.LOAD] = 1, -1.0
        start.alarm_ns[:, tables.LOAD] = paths.think_ns(p) * rng.standard_exponential(n)
        start.hold_ns += wait_ns
        later = sched.run(machine, start, tables.blank(tables.STATE), rng)
        later[:, 0] -= wait_ns
        for a, b in zip(at_once.T, later.T, strict=True):
            assert abs(a.mean() - b.mean()) <= 4 * math.sqrt((a.var() + b.var()) / n)
        grid = np.quantile(at_once[:, 0], np.linspace(0.05, 0.95, 10))
        ours, theirs = ((x[:, 0, None] <= grid).mean(axis=0) for x in (at_once, later))
        assert np.abs(ours - theirs).max() < 4 * math.sqrt(0.5 / n)


def test_one_request_waits_for_the_other():
    """A job is a millisecond; the first begins at once."""
    p = scenario(load_frac=0.5, load_priority_level=10, halting=True)
    jobs = jobs_of(p, 0, 2, 400 * JOB_NS, 1e12)
    thinks = jobs[1:, 0] - jobs[:-1, 1]
    assert np.allclose(jobs[:, 1] - jobs[:, 0], JOB_NS)
    assert (thinks > 0).all() and abs(thinks.mean() / JOB_NS - 1) < 4 / math.sqrt(thinks.size)
