"""Samples of the six paths: what they estimate, against sums by hand, and what a timeline shows."""

import math

import numpy as np
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st
from vfio_cases import scenario, total

from nfvlab import results
from nfvlab.vfio.params import OUTPUTS, PATHS, Params
from nfvlab.vfio.simulation import Samples, index_of, simulate, trace_one

N = 20_000
MAINLINE, THREADED, NO_THREAD, RUNNING, BLOCKED, PREEMPTED = range(6)


def samples(p=None, seed=5, n=N) -> Samples:
    return simulate(p or Params(), rng=np.random.default_rng(seed), n=n)


def near(estimate, value):
    return abs(estimate.value - value) <= 4 * estimate.stderr + 1e-9 * abs(value)


# -- estimates ----------------------------------------------------------------------------------------------


def test_every_output_of_every_path_is_estimated():
    made = samples(n=50)
    names = [name for output in OUTPUTS for name in results.indexed(output, PATHS)]
    assert list(made.estimate()) == names
    assert made.latency_ns_each.shape == made.cost_cycles_each.shape == (50, 6)
    assert len(made.to_frame()) == len(names)


def test_estimates_are_of_the_interrupts_that_were_seen():
    made = samples()
    estimates = made.estimate()
    for path in range(6):
        latencies = made.latency_ns_each[:, path]
        assert estimates[f"latency_ns[{path}]"].value == latencies.mean()
        for name, share in (("p99", 0.99), ("p999", 0.999)):
            low, high = (estimates[f"latency_{name}_{side}_ns[{path}]"] for side in ("low", "high"))
            assert low == high and low.value == np.quantile(latencies, share) and low.stderr > 0
        worst = estimates[f"worst_ns[{path}]"]
        assert (worst.value, worst.stderr) == (latencies.max(), 0.0)
        assert worst.method == f"largest of {N}"


def test_a_path_that_never_ends_is_infinite_without_error_and_its_costs_are_not():
    estimates = samples(Params(irq_priority_level=1), n=100).estimate()
    for name in OUTPUTS:
        estimate = estimates[f"{name}[{THREADED}]"]
        if name.endswith("_ns"):
            assert (estimate.value, estimate.stderr) == (math.inf, 0.0)
            assert estimate.method == "never in 100 of 100"
        else:
            assert math.isfinite(estimate.value)
        assert math.isfinite(estimates[f"{name}[{NO_THREAD}]"].value)


def test_the_same_seed_gives_the_same_and_paths_do_not_share_their_chance():
    assert samples(n=100) == samples(n=100)
    assert samples(n=100) != samples(seed=6, n=100)
    made = samples(n=100).latency_ns_each
    assert not np.allclose(made[:, MAINLINE], made[:, NO_THREAD])
    assert samples(n=100).entropy == 5


def test_nothing_is_nothing_to_simulate():
    with pytest.raises(ValueError, match="n = 0: .* at least 1"):
        samples(n=0)


def test_too_many_jobs_on_one_interrupts_way_are_refused():
    p = Params(load_frac=0.9, load_ns=100, load_priority_level=10, loop_cycles=1e6, tsc_hz=1e8)
    with pytest.raises(ValueError, match="load_ns = 100, load_frac = 0.9: .*mainline.*raise load_ns"):
        samples(p, n=1)
    with pytest.raises(ValueError, match="VT-d blocked"):
        trace_one(p, "VT-d blocked", rng=np.random.default_rng(1))
    starved = Params(**{**vars(p), "load_priority_level": 1})  # it never gets the CPU but on one path
    with pytest.raises(ValueError, match="VT-d blocked"):
        samples(starved, n=1)
    assert trace_one(starved, "mainline", rng=np.random.default_rng(1))


@given(strategies.edges(Params), st.integers(0, 2**32))
def test_at_the_ends_of_the_domain_a_path_ends_or_never_does_or_is_refused(p, seed):
    try:
        made = samples(p, seed, n=2)
    except ValueError as error:
        assert p.load_frac and "raise load_ns" in str(error)
        return
    busy = p.same_cpu and not p.halting
    behind = p.irq_priority_level <= p.vcpu_priority_level
    for path in range(6):
        never = busy and path <= NO_THREAD and (not p.atomic or (path == THREADED and behind))
        assert (np.isinf(made.latency_ns_each[:, path]) == never).all()
    assert (made.latency_ns_each >= 0).all() and np.isfinite(made.cost_cycles_each).all()


# -- against sums -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spread", [0.2, 1.0])
def test_what_varies_keeps_its_mean_and_has_the_variance_of_its_stages(spread):
    """Each stage of c has an exponential part of mean and standard deviation spread * c."""
    made = samples(scenario(spread_frac=spread))
    stages = "ipi exit irq msi irqfd post loop sync entry deliver"
    assert near(made.estimate()[f"latency_ns[{MAINLINE}]"], total(stages))
    variance = sum((spread * total(name)) ** 2 for name in stages.split())
    squares = (made.latency_ns_each[:, MAINLINE] - total(stages)) ** 2
    assert abs(squares.mean() - variance) < 4 * squares.std() / math.sqrt(N)
    least = (1 - spread) * total(stages)
    assert made.latency_ns_each[:, MAINLINE].min() >= least * (1 - 1e-12)


def test_a_preempted_vcpu_is_away_for_what_is_left_of_a_uniform_phase():
    p = scenario(away_ns=1e7)
    away = samples(p).latency_ns_each[:, PREEMPTED] - total("switch loop sync entry deliver")
    assert away.min() >= -1e-6 and away.max() <= p.away_ns
    grid = np.linspace(0.1, 0.9, 9)
    shares = (away[:, None] <= grid * p.away_ns).mean(axis=0)
    assert np.abs(shares - grid).max() < 4 * math.sqrt(0.25 / N)


def test_sections_with_interrupts_off_hold_the_vector_but_no_notification():
    """A share f of the vectors meets one, and waits for half of it in the mean."""
    off, on = scenario(irqoff_frac=0.3, irqoff_ns=1e4), scenario()
    estimates, without = samples(off).estimate(), samples(on, n=10).estimate()
    for path, mean_ns in enumerate((1500, 1500, 1500, 0, 1500, None)):
        if mean_ns is not None:
            assert near(estimates[f"latency_ns[{path}]"], without[f"latency_ns[{path}]"].value + mean_ns)
    waits = samples(off).latency_ns_each[:, NO_THREAD] - without[f"latency_ns[{NO_THREAD}]"].value
    assert abs((waits > 1e-6).mean() - 0.3) < 4 * math.sqrt(0.21 / N) and waits.max() <= 1e4 + 1e-6


def test_mainline_alone_may_wait_for_a_section_before_it_switches_to_the_vcpu():
    p = scenario(irqoff_frac=0.3, irqoff_ns=1e4, halting=True)
    estimates = samples(p).estimate()
    mainline, no_thread = (estimates[f"latency_ns[{path}]"] for path in (MAINLINE, NO_THREAD))
    error = math.hypot(mainline.stderr, no_thread.stderr)
    assert abs(mainline.value - no_thread.value - 1500) < 4 * error
    assert estimates[f"cost_cycles[{MAINLINE}]"] == estimates[f"cost_cycles[{NO_THREAD}]"]
    busy = samples(scenario(irqoff_frac=0.3, irqoff_ns=1e4)).estimate()  # there is no switch to it
    mainline, no_thread = (busy[f"latency_ns[{path}]"] for path in (MAINLINE, NO_THREAD))
    assert abs(mainline.value - no_thread.value) < 4 * math.hypot(mainline.stderr, no_thread.stderr)


def test_a_stop_holds_up_an_interrupt_that_meets_it():
    """rho = 0.2 of the time is stopped; a path of w ns without a stop in it or before: (1 - rho) exp(-w / every).

    The mean is that of a delay busy period of an M/D/1 queue, begun by its workload rho d / (2 (1 - rho)) and w.
    """
    rate, length = 2e3, 1e5
    made = samples(scenario(smi_per_s=rate, smi_ns=length))
    alone = samples(scenario(), n=1).latency_ns_each[0]
    for path in (MAINLINE, THREADED, RUNNING, BLOCKED):
        lost = made.latency_ns_each[:, path] - alone[path]
        free = 0.8 * math.exp(-alone[path] * rate / 1e9)
        assert abs((lost < 1e-3).mean() - free) < 4 * math.sqrt(free * (1 - free) / N)
        mean = (0.2 * length / (2 * 0.8) + alone[path]) / 0.8
        assert near(made.estimate()[f"latency_ns[{path}]"], mean)


def test_other_work_comes_before_the_item():
    made = samples(scenario(atomic=False, same_cpu=False, work_ns=3e4))
    alone = samples(scenario(atomic=False, same_cpu=False), n=1).latency_ns_each[0, MAINLINE]
    assert near(made.estimate()[f"latency_ns[{MAINLINE}]"], alone + 3e4)
    assert np.all(made.cost_cycles_each[:, MAINLINE] == made.cost_cycles_each[0, MAINLINE])


def test_requests_after_the_job_come_at_the_rate_of_thinking():
    """V is in a job in half of the cases; while the vCPU comes back, x ns, Poisson many of mean x / think follow.

    Each costs a job and two switches, and inside, an exit and the way back; the guest's part is made short here, and
    the threads' way long, so that nearly all come there.
    """
    costs = {
        f"{name}_cycles": 0.0 for name in ("ipi", "irq", "exit", "msi", "irqfd", "post", "sync", "entry")
    }
    p = scenario(
        load_frac=0.5,
        load_ns=1e4,
        load_priority_level=9,
        same_cpu=False,
        **costs | {"deliver_cycles": 0.0, "notify_cycles": 0.0, "loop_cycles": 2e4, "switch_cycles": 1e3},
    )
    made = samples(p).latency_ns_each[:, NO_THREAD]
    assert abs((made < 1e-6).mean() - 0.5) < 4 * math.sqrt(0.25 / N)
    preempted = made[made > 1e-6]
    mean = 0.5e4 + 1e3 + 2e4 + 2e4 / 1e4 * (1e4 + 2e3)
    assert abs(preempted.mean() - mean) < 4 * preempted.std() / math.sqrt(preempted.size)


# -- timelines ----------------------------------------------------------------------------------------------


def test_a_timeline_shows_who_does_what_where():
    segments = trace_one(scenario(), "threaded", rng=np.random.default_rng(1))
    shown = [(s.cpu, s.who, s.stage) for s in segments]
    assert shown == [
        ("", "device", "travel"),
        ("V", "vCPU", "guest"),
        ("V", "vCPU", "VM exit"),
        ("V", "interrupt", "interrupt"),
        ("V", "interrupt", "primary handler"),
        ("V", "interrupt", "wake-up"),
        ("V", "IRQ thread", "context switch"),
        ("V", "IRQ thread", "vfio_msihandler"),
        ("V", "IRQ thread", "irqfd"),
        ("V", "IRQ thread", "post"),
        ("V", "vCPU", "context switch"),
        ("V", "vCPU", "vcpu_run"),
        ("V", "vCPU", "PIR sync"),
        ("V", "vCPU", "VM entry"),
        ("V", "vCPU", "delivery"),
    ]
    own = [s for s in segments if s.cpu == "V"]
    assert all(a.end_ns == b.start_ns for a, b in zip(own, own[1:], strict=False))
    assert own[-1].end_ns == total(
        "ipi exit irq primary wake switch msi irqfd post switch loop sync entry deliver"
    )


def test_a_timeline_on_two_cpus_goes_on_until_both_have_done_what_they_had_to():
    segments = trace_one(scenario(same_cpu=False), THREADED, rng=np.random.default_rng(1))
    assert [s.stage for s in segments if s.cpu == "V"] == ["guest", "notification", "delivery"]
    last = [s for s in segments if s.cpu == "H"][-1]
    assert (last.who, last.stage) == ("threads of H", "context switch")


def test_a_timeline_of_a_path_that_never_ends_shows_how_it_stops():
    segments = trace_one(scenario(irq_priority_level=1), "threaded", rng=np.random.default_rng(1))
    assert "IRQ thread" not in {s.who for s in segments}
    assert segments[-1].stage == "VM entry"


@given(st.booleans(), st.booleans(), st.integers(0, 5), st.integers(0, 2**32))
def test_a_timeline_ends_with_the_delivery_on_v(same_cpu, halting, path, seed):
    p = Params(same_cpu=same_cpu, halting=halting, load_frac=0.3, irqoff_frac=0.2, smi_per_s=100)
    segments = trace_one(p, path, rng=np.random.default_rng(seed))
    delivery = max(s.end_ns for s in segments if s.stage == "delivery")
    assert all(s.end_ns <= delivery for s in segments if s.cpu == "V")


def test_a_path_is_named_or_numbered():
    assert [index_of(name) for name in PATHS] == [index_of(k) for k in range(6)] == list(range(6))
    for wrong in ("fast", 6, -1):
        with pytest.raises(ValueError, match="give one of mainline, threaded"):
            trace_one(Params(), wrong, rng=np.random.default_rng(1))
