"""Paths as stages: by hand, in fractions that sum to one, and never ending exactly where a thread starves."""

import itertools
from collections import Counter

import pytest
from hypothesis import given
from strategies import typical

from nfvlab.vfio.params import PATHS, Params
from nfvlab.vfio.spent import spent
from nfvlab.vfio.stages import beside_vcpu, cost, laws, modes, never_ends, over_irq, over_vcpu, think_ns

LOADED = Params(load_frac=0.25, load_ns=3000.0, load_priority_level=10)


@given(typical(Params))
def test_fractions_sum_to_one_and_laws_have_the_means_of_their_stages(p):
    for path in PATHS:
        found = modes(p, path)
        assert bool(found) != never_ends(p, path)
        assert not found or sum(mode.frac for mode in found) == pytest.approx(1.0)
        for mode in found:
            names = (*mode.flight, *mode.serial)
            means = [law.mean_ns for law in laws(p, names)]
            assert means == pytest.approx([cost(p, name) * p.cycle_ns for name in names])
            assert not Counter(mode.early) - Counter(mode.serial)
            assert not Counter(mode.foreign) - Counter(names)


@pytest.mark.parametrize(
    ("same_cpu", "halting", "atomic", "above"), list(itertools.product([True, False], repeat=4))
)
def test_a_path_never_ends_exactly_when_it_needs_a_thread_that_a_busy_vcpu_keeps_off_its_cpu(
    same_cpu, halting, atomic, above
):
    p = Params(
        same_cpu=same_cpu,
        halting=halting,
        atomic=atomic,
        irq_priority_level=50,
        vcpu_priority_level=49 if above else 50,
    )
    shared = same_cpu and not halting
    needs = {"mainline": not atomic, "no thread": not atomic, "threaded": not (atomic and above)}
    assert [never_ends(p, path) for path in PATHS] == [shared and needs.get(path, False) for path in PATHS]


def test_an_equal_is_waited_for_but_does_not_preempt():
    below, equal, above = (LOADED.replace(vcpu_priority_level=level) for level in (20, 10, 5))
    assert [over_vcpu(p) for p in (below, equal, above)] == [False, False, True]
    assert [beside_vcpu(p) for p in (below, equal, above)] == [False, True, True]
    assert [over_irq(LOADED.replace(irq_priority_level=level)) for level in (11, 10, 9)] == [
        False,
        True,
        True,
    ]
    assert not over_vcpu(above.replace(load_frac=0.0))


def test_the_load_thinks_so_long_that_it_takes_its_share():
    assert think_ns(LOADED) == 9000.0  # 3000 of 12000 ns are a quarter


# By hand, (exits, context switches): from schedule() to schedule(), as `simulation` decides what counts.
COUNTED = (
    ("no thread", {}, (1, 0)),
    ("threaded", {}, (1, 2)),  # to the IRQ thread, and back to the vCPU thread
    ("threaded", {"same_cpu": False}, (0, 2)),  # the same on the housekeeping CPU
    ("no thread", {"same_cpu": False, "atomic": False}, (0, 1)),  # to the worker
    ("mainline", {"halting": True}, (0, 1)),  # the idle CPU switches to the vCPU thread
    ("threaded", {"halting": True}, (0, 2)),  # to the IRQ thread, and from it to the vCPU thread
    ("threaded", {"halting": True, "atomic": False}, (0, 3)),  # and to the worker between them
    ("VT-d running", {}, (0, 0)),
    ("VT-d blocked", {}, (0, 1)),
    ("VT-d preempted", {}, (0, 0)),
    ("threaded", {"vcpu_priority_level": 60}, (1, 0)),  # the IRQ thread never runs
    ("threaded", {"atomic": False}, (1, 2)),  # it does, and the worker never runs
)


@pytest.mark.parametrize("case", COUNTED, ids=lambda case: f"{case[0]} {case[1]}")
def test_exits_and_switches_by_hand(case):
    path, changes, counted = case
    found = spent(Params(**changes), path)
    assert (found.exits_ratio, found.switches_ratio) == counted
    assert found.changed_frac == 0


def test_an_irq_thread_gives_the_cpu_back_to_the_load_it_preempted():
    """Halting, with a work item: 3 switches; with a job of the load there, one more back to it."""
    p = LOADED.replace(halting=True, atomic=False, irq_priority_level=50)
    assert spent(p, "threaded").switches_ratio == pytest.approx(3 + p.load_frac)
    behind = p.replace(irq_priority_level=10)
    assert spent(behind, "threaded").switches_ratio == pytest.approx(3)
    assert spent(p, "no thread").switches_ratio == pytest.approx(2)


def test_cycles_are_those_of_the_host():
    p = Params()
    names = "exit irq msi irqfd post loop sync entry"
    assert spent(p, "no thread").cycles == pytest.approx(sum(cost(p, name) for name in names.split()))
    assert spent(p, "VT-d running").cycles == 0.0
    more = sum(cost(p, name) for name in ("primary", "wake", "switch", "switch"))
    assert spent(p, "threaded").cycles == pytest.approx(spent(p, "no thread").cycles + more)


def test_a_path_that_is_none_is_refused():
    for call in (modes, spent):
        with pytest.raises(ValueError, match="must be one of mainline, threaded"):
            call(Params(), "fast")
