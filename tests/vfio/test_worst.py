"""Worst cases of the paths, by hand, and never below what the mechanism shows."""

import math

import numpy as np
import pytest

from nfvlab.realtime.response import Thread, response_times
from nfvlab.vfio.params import PATHS, Params
from nfvlab.vfio.scenarios import SCENARIOS
from nfvlab.vfio.simulation import simulate
from nfvlab.vfio.stages import cost
from nfvlab.vfio.worst import worst_ns

STIFF = Params(spread_frac=0.0, halt_poll_ns=0.0)
BUSY = "ipi exit irq msi irqfd post loop sync entry deliver"
WOKEN = "ipi idle_exit irq msi irqfd post wake switch loop sync entry deliver"


def total_ns(p: Params, names: str) -> float:
    """The stages, one after the other."""
    return sum(cost(p, name) for name in names.split()) * p.cycle_ns


def test_without_spread_the_worst_case_is_the_sum():
    assert worst_ns(STIFF, "no thread") == pytest.approx(total_ns(STIFF, BUSY))
    assert worst_ns(STIFF, "VT-d preempted") == pytest.approx(
        STIFF.away_ns + total_ns(STIFF, "switch loop sync entry deliver")
    )


def test_a_section_with_interrupts_off_comes_whole_and_on_mainline_twice():
    p = STIFF.replace(halting=True, irqoff_frac=0.01, irqoff_ns=7000.0)
    assert worst_ns(p, "no thread") == pytest.approx(total_ns(p, WOKEN) + 7000)
    assert worst_ns(p, "mainline") == pytest.approx(
        total_ns(p, WOKEN) + 14000
    )  # and one that holds the switch


def test_a_load_below_costs_the_switch_to_it_that_has_begun_at_most():
    p = STIFF.replace(halting=True, load_frac=0.3, vcpu_priority_level=20, load_priority_level=10)
    assert worst_ns(p, "no thread") == pytest.approx(total_ns(p, WOKEN + " switch"))


def test_a_load_of_equal_priority_goes_first_once_as_response_time_analysis_has_it():
    """The vCPU thread's own work, a job that runs as a blocking term, and one queued before it, of a long period."""
    p = STIFF.replace(halting=True, load_frac=0.3, vcpu_priority_level=10, load_priority_level=10)
    own = total_ns(p, WOKEN)
    threads = (
        Thread(name="vCPU", priority=10, period_ns=1e9, cost_ns=own, blocking_ns=p.load_ns),
        Thread(name="load", priority=10, period_ns=1e9, cost_ns=p.load_ns),
    )
    classic = response_times(threads)[0].response_ns
    switched = total_ns(p, "switch switch exit loop sync entry")  # what the job in between may cost on top
    assert classic == pytest.approx(own + 2 * p.load_ns)
    assert classic <= worst_ns(p, "no thread") <= classic + switched + 1e-6


@pytest.mark.parametrize(
    ("path", "changes"),
    [
        ("threaded", {"vcpu_priority_level": 50}),  # starves
        ("no thread", {"atomic": False}),  # starves
        ("no thread", {"spread_frac": 0.1}),  # an exponential stage has no end
        ("no thread", {"smi_per_s": 1.0}),  # nor have SMIs at random
        ("no thread", {"load_frac": 0.1, "load_priority_level": 10}),  # nor jobs above that follow each other
        ("no thread", {"atomic": False, "same_cpu": False, "work_ns": 1000.0}),
    ],
)
def test_it_is_infinite_exactly_where_something_has_no_end(path, changes):
    assert math.isfinite(worst_ns(STIFF, path))
    assert math.isinf(worst_ns(STIFF.replace(**changes), path))


def test_what_takes_no_time_or_no_share_changes_nothing():
    for changes in ({"smi_per_s": 10.0, "smi_ns": 0.0}, {"load_frac": 0.0, "load_priority_level": 99}):
        assert worst_ns(STIFF.replace(**changes), "threaded") == worst_ns(STIFF, "threaded")


@pytest.mark.parametrize("name", SCENARIOS)
def test_no_simulated_interrupt_passes_it(name):
    p = SCENARIOS[name].replace(spread_frac=0.0, smi_per_s=0.0)
    each = simulate(p, rng=np.random.default_rng(3), n=5000).latency_ns_each.max(axis=0)
    worst = np.array([worst_ns(p, path) for path in PATHS])
    assert (each <= worst * (1 + 1e-9)).all()
    if name == "isolated CPU":
        assert each[:5] == pytest.approx(worst[:5])
