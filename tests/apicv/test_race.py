"""No posted interrupt is lost: the proof, its mutants, and that their runs are runs of the machines."""

import numpy as np
import pytest

from nfvlab.apicv import race
from nfvlab.apicv.race import MUTANTS, VARIANTS, check, machines, prove
from nfvlab.apicv.race_vcpu import Vcpu, irqs_off
from nfvlab.apicv.race_world import (
    ACTIVE,
    KINDS,
    WAKEUP,
    Descriptor,
    PhysicalCpu,
    Poster,
    Producer,
    World,
    beginnings,
    lost,
    woken,
)
from nfvlab.kernels.interleave import explore

LENGTHS = {  # breadth first: no shorter run loses an interrupt
    "does not set ON when loaded": 9,
    "ignores ON when it blocks": 10,
    "takes PIR before it clears ON": 11,
    "reads PIR, then zeroes it": 13,
    "keeps SN when loaded": 10,
    "reads PIR before it clears SN": 10,
    "keeps NDST when it moves": 12,
    "sleeps as if preempted": 7,
    "harvests with interrupts on": 8,
    "sets the mode last": 10,
    "host's handler clears ON": 8,
    "wake-up handler looks at PIR": 24,
    "KVM heeds SN read first": 11,
    "blocks as Linux 5.16": 14,
}


@pytest.fixture(scope="module")
def shown():
    seen = []
    result = race.demonstrate(progress=lambda names: (seen.append(name) or name for name in names))
    assert tuple(seen) == (None, *MUTANTS, *VARIANTS)
    return result


def test_kvm_loses_nothing(shown):
    verdict = shown["KVM"]
    assert verdict.holds and verdict.states > 150_000 and verdict.ends > 10


@pytest.mark.parametrize("name", VARIANTS)
def test_what_looks_wrong_and_is_not(name, shown):
    assert shown[name].holds


def replay(mutant, verdict):
    """Take the steps of a trace again, from each beginning; the worlds at its end."""
    parts = machines(mutant)
    for start in beginnings():
        worlds = [start]
        for step in verdict.trace:
            worlds = [w for world in worlds for told, w in parts[step.machine](world) if told == step.action]
        yield from worlds


@pytest.mark.parametrize("name", MUTANTS)
def test_every_mutant_loses_one_and_the_shortest_run_is_a_run(name, shown):
    verdict = shown[name]
    assert not verdict.holds and " lost: the vCPU " in verdict.reason
    assert len(verdict.trace) == verdict.depth == LENGTHS[name]
    end = verdict.trace[-1].state
    parts = machines(name)
    assert lost(end) == verdict.reason
    assert not any(list(machine(end)) for machine in parts.values())
    assert end in set(replay(name, verdict))


@pytest.mark.parametrize("name", MUTANTS)
def test_the_losing_run_is_no_run_of_kvm_or_not_its_end(name, shown):
    """As it is, KVM cannot take the same steps to that end."""
    last = shown[name].trace[-1].state
    assert all(
        end != last or any(list(m(end)) for m in machines().values()) for end in replay(None, shown[name])
    )


def actions(verdict):
    return [step.action for step in verdict.trace]


def in_order(run, *steps):
    places = [run.index(step) for step in steps]
    return places == sorted(places)


def test_the_three_runs_that_the_manuals_warn_of(shown):
    assert in_order(
        actions(shown["does not set ON when loaded"]),
        "is preempted: sets SN",
        "posts vector 0, no notification",
        "is scheduled in on pCPU 0",
        "sees ON = 0",
        "enters the guest",
    )
    assert in_order(
        actions(shown["ignores ON when it blocks"]),
        "sees ON = 0",
        "posts vector 0, sets ON",
        "takes the active vector in the host: nothing to do",
        "schedules away",
        "NV = wake-up, is off its CPU",
    )
    assert in_order(
        actions(shown["takes PIR before it clears ON"]),
        "takes PIR: 0",
        "posts vector 0, no notification",
        "clears ON",
        "enters the guest",
    )


def test_linux_5_16_needs_a_preemption_between_check_and_sleep(shown):
    assert in_order(
        actions(shown["blocks as Linux 5.16"]),
        "NV = wake-up, may block",
        "sees ON = 0",
        "is preempted: sets SN",
        "posts vector 0, no notification",
        "sets ON",
        "schedules away",
    )
    assert prove("blocks as Linux 5.16", preemptions=0).holds


def test_the_look_at_on_in_pre_block_is_caught_by_the_check_behind_it():
    """Where the wake-up vector is set before the check, the check sees what pre_block has overlooked."""
    parts = machines("blocks as Linux 5.16")
    parts["vCPU"] = Vcpu("ignores ON when it blocks", pre_block=True)
    assert explore(beginnings(1, 1, 0, race.KVM_KINDS), parts, final=check).holds


def test_urgent_posts_are_not_lost_either():
    assert prove(kinds=("VT-d", "VT-d urgent")).holds


@pytest.mark.parametrize(
    "worlds",
    [{"exits": 2, "preemptions": 0}, {"halts": 2, "exits": 0}, {"preemptions": 2, "halts": 0}],
)
def test_longer_lives_change_nothing(worlds):
    assert prove(kinds=("VT-d", "KVM"), **worlds).holds


def test_a_vcpu_that_only_runs_loses_nothing_whatever_is_wrong():
    for name in MUTANTS:
        assert prove(name, exits=0, halts=0, preemptions=0).holds, name


def test_mutants_about_preemption_need_one_and_those_about_sleep_need_hlt():
    for name in ("does not set ON when loaded", "reads PIR before it clears SN", "keeps SN when loaded"):
        assert prove(name, preemptions=0, kinds=("VT-d",)).holds
    for name in ("ignores ON when it blocks", "sleeps as if preempted", "blocks as Linux 5.16"):
        assert prove(name, halts=0, kinds=("VT-d",)).holds


def test_kvm_that_heeds_sn_is_told_from_vtd():
    """Without a software poster nothing is wrong with either version of it."""
    assert prove("KVM heeds SN read first", kinds=("VT-d", "IPI virtualization")).holds


def walk(parts, rng, start):
    world = start
    while True:
        moving = [steps for machine in parts.values() if (steps := list(machine(world)))]
        if not moving:
            return world
        steps = moving[rng.integers(len(moving))]
        world = steps[rng.integers(len(steps))][1]


def test_random_walks_of_larger_worlds_agree():
    """Five posters, a vCPU that exits, halts and is preempted often: what is proved for small worlds holds here."""
    rng = np.random.default_rng(5)
    parts = machines()
    for _ in range(400):
        posters = tuple(Poster(KINDS[rng.integers(4)], int(rng.integers(2))) for _ in range(5))
        assert not lost(walk(parts, rng, World(posters, exits=4, halts=4, preemptions=4)))


def test_random_walks_find_mutants():
    rng = np.random.default_rng(6)
    posters = tuple(Poster("VT-d", k % 2) for k in range(5))
    start = World(posters, exits=3, halts=3, preemptions=3)
    for name in ("does not set ON when loaded", "keeps SN when loaded", "sleeps as if preempted"):
        parts = machines(name)
        assert any(lost(walk(parts, rng, start)) for _ in range(400)), name


def test_names_that_do_not_exist():
    with pytest.raises(ValueError, match="'nothing': must be one of does not set ON"):
        prove("nothing")
    with pytest.raises(ValueError, match="'AVIC': must be one of VT-d"):
        prove(kinds=("AVIC",))


def test_a_notification_in_flight_goes_where_ndst_pointed_when_it_was_sent():
    machine = Producer("VT-d")
    w = World((Poster("VT-d", 0),))
    ((told, w),) = machine(w)
    assert told == "posts vector 0, sets ON"
    ((_, w),) = machine(w._replace(d=w.d._replace(ndst=1)))
    assert w.pending == ({ACTIVE}, frozenset())


def test_interrupts_off_hold_a_notification_back():
    w = World((), pending=(frozenset({ACTIVE}), frozenset()), pc="entry")
    assert irqs_off(w) and not list(PhysicalCpu(0, irqs_off)(w))
    assert [told for told, _ in PhysicalCpu(0, irqs_off)(w._replace(pc="root"))] == [
        "takes the active vector in the host: nothing to do"
    ]
    ((told, after),) = PhysicalCpu(0, irqs_off)(w._replace(pc="guest", d=Descriptor(pir=1, on=True)))
    assert told == "processes posted interrupts" and (after.irr, after.d.pir, after.d.on) == (1, 0, False)


def test_the_wakeup_vector_makes_a_guest_exit_and_is_taken_later():
    w = World((), pending=(frozenset({WAKEUP}), frozenset()))
    ((told, after),) = PhysicalCpu(0, irqs_off)(w)
    assert after.pc == "exited" and after.pending == w.pending and "leaves the guest" in told


def test_waking():
    w = World((), waiting=True, asleep=True)
    assert not woken(w).asleep and not woken(w).waiting
    assert woken(World(())) == World(())


def test_what_is_lost():
    assert lost(World(())) == ""
    assert "vector 1 is lost: the vCPU runs its guest" in lost(World((), owed=2))
    assert "vectors 0 and 1 are lost: the vCPU sleeps" in lost(World((), irr=1, d=Descriptor(2), asleep=True))


def test_the_result_reads_well(shown):
    assert shown.ok
    rows = shown.rows()
    assert len(rows) == 1 + len(MUTANTS) + len(VARIANTS)
    frame = shown.to_frame()
    assert list(frame.columns) == ["version", "verdict", "states", "steps to the loss", "because"]
    assert frame["steps to the loss"].isna().sum() == 1 + len(VARIANTS)
    text = str(shown)
    assert text.startswith("every interleaving") and "refuted" in text and "proved" in text
    assert shown._repr_html_().count("<tr>") == len(rows) + 1
