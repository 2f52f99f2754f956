"""One interrupt alone, at mean costs: its segments against sums by hand."""

import pytest

from nfvlab.apicv.course import course
from nfvlab.apicv.params import MODES, Params

P = Params(handler_ns=1000.0)
HALTED = P.replace(halting=True)


def ns(p, *stages):
    return sum(getattr(p, f"{stage}_cycles") for stage in stages) * p.cycle_ns


RUNNING = {
    "emulated": ("ipi", "irq", "post", "ipi", "exit", "irq", "loop", "inject", "entry", "deliver"),
    "virtual delivery": ("ipi", "irq", "post", "ipi", "exit", "irq", "loop", "sync", "entry", "deliver"),
    "posted": ("ipi", "irq", "post", "ipi", "notify", "deliver"),
    "VT-d posted": ("ipi", "notify", "deliver"),
}
ASLEEP = ("ipi", "irq", "post", "wake", "ipi", "idle_exit", "switch", "loop")
SLEEPING = {
    "emulated": (*ASLEEP, "inject", "entry", "deliver"),
    "virtual delivery": (*ASLEEP, "sync", "entry", "deliver"),
    "posted": (*ASLEEP, "sync", "entry", "deliver"),
    "VT-d posted": ("ipi", "idle_exit", "irq", "wake", "switch", "loop", "sync", "entry", "deliver"),
}


@pytest.mark.parametrize("mode", range(len(MODES)))
@pytest.mark.parametrize("p, stages", [(P, RUNNING), (HALTED, SLEEPING)], ids=["running", "halted"])
def test_the_handler_begins_after_the_stages_of_its_mode(mode, p, stages):
    found = course(p, mode)
    assert found.mode == MODES[mode]
    assert found.handler_ns == pytest.approx(ns(p, *stages[found.mode]), rel=1e-9)


@pytest.mark.parametrize("mode", range(len(MODES)))
@pytest.mark.parametrize("p", [P, HALTED], ids=["running", "halted"])
def test_segments_of_a_cpu_follow_each_other_up_to_the_end(mode, p):
    found = course(p, mode)
    own = [s for s in found.segments if s.cpu == "V"]
    assert all(a.end_ns <= b.start_ns + 1e-6 for a, b in zip(own, own[1:], strict=False))
    assert own[-1].end_ns == pytest.approx(found.end_ns)
    handler = sum(s.end_ns - s.start_ns for s in own if s.stage == "handler")
    assert handler == pytest.approx(p.handler_ns)
    gaps = own[0].start_ns + sum(b.start_ns - a.end_ns for a, b in zip(own, own[1:], strict=False))
    assert gaps == pytest.approx(own[0].start_ns, abs=1e-6), "after the first stage nothing is left out"
    assert (own[0].start_ns > 0) == p.halting, "a running guest runs from the arrival on"


def test_exits_are_those_of_the_mode():
    assert [course(P, mode).exits for mode in range(4)] == [2, 1, 0, 0]
    assert [course(HALTED, mode).exits for mode in range(4)] == [1, 0, 0, 0]


def test_cycles_are_those_of_both_cpus():
    stages = ("irq", "post", "notify", "deliver", "return")
    assert course(P, 2).cycles(P.tsc_hz) == pytest.approx(ns(P, *stages) / P.cycle_ns)


def test_a_mode_that_is_none_is_refused():
    with pytest.raises(ValueError, match="mode = 4: give an index of emulated"):
        course(P, 4)
