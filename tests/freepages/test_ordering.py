"""The order of logging, asking, filtering and merging: right ones proved, wrong ones caught with a run."""

import numpy as np
import pytest

from nfvlab.freepages import race_guest, race_world
from nfvlab.freepages.ordering import CASES, Case, demonstrate
from nfvlab.freepages.race_world import FREE, HELD, NONE, STALE, USED

BY_NAME = {case.name: case for case in CASES}


@pytest.fixture(scope="module")
def shown():
    seen = []
    result = demonstrate(guest_steps=2, progress=lambda cases: (seen.append(case) or case for case in cases))
    assert tuple(seen) == CASES
    return result


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_case_comes_out_as_it_should(case, shown):
    verdict = shown[case.name]
    assert verdict.holds == case.safe
    assert verdict.ends > 0 and verdict.states > 200
    if not case.safe:
        assert verdict.reason == "the last write to page 0 is lost"
        assert verdict.trace[-1].state.content == (STALE,)


def test_there_is_a_right_order_and_three_mutants_of_each_transport():
    for transport in ("bitmap", "hints"):
        cases = [case for case in CASES if case.transport == transport]
        assert any(case.safe for case in cases) and sum(not case.safe for case in cases) >= 3


def actions(verdict):
    return [(step.machine, step.action) for step in verdict.trace]


def test_the_reversed_order_loses_a_page_that_was_taken_in_between(shown):
    verdict = shown["ask, then log"]
    # what the guest does must lie between the report and the start of the log; the rest only ends the migration
    assert actions(verdict)[:7] == [
        ("migration", "asks for the free pages"),
        ("driver", "reports page 0 free"),
        ("guest", "takes page 0"),
        ("guest", "writes page 0, not logged"),
        ("migration", "receives the bitmap: free are page 0"),
        ("migration", "starts the dirty log"),
        ("migration", "filters out page 0"),
    ]
    assert not any("sends page" in action for _, action in actions(verdict))


def test_the_filter_after_the_merge_undoes_the_merge(shown):
    run = [action for _, action in actions(shown["filter after the merge"])]
    assert (
        run.index("writes page 0, logged")
        < run.index("merges the log: page 0")
        < run.index("filters out page 0")
    )


def test_an_old_hint_is_applied_after_the_merge_that_brought_the_page_back(shown):
    run = [action for _, action in actions(shown["hints of an old command id are used"])]
    order = [
        "reads and sends id 1",
        "allocates and hints page 0",
        "gives page 0 back early",
        "writes page 0, logged",
        "merges the log: page 0",
        "asks for hints, command 2",
        "applies the hint of page 0",
    ]
    assert [run.index(action) for action in order] == sorted(run.index(action) for action in order)
    assert "reads and sends id 2" not in run


@pytest.mark.parametrize("case", [case for case in CASES if case.transport == "bitmap"], ids=lambda c: c.name)
def test_two_pages_and_more_steps_change_no_verdict(case):
    for pages, guest_steps in ((1, 5), (2, 3)):
        assert case.check(pages, guest_steps).holds == case.safe


def test_a_guest_that_does_nothing_loses_nothing_under_any_order():
    for case in CASES:
        assert case.check(guest_steps=0).holds, case.name


def test_a_driver_that_never_gives_back_early_needs_no_command_ids():
    """The ids are what makes early release safe: without it, even the wrong devices lose nothing."""
    for name in ("hints of an old command id are used", "hints applied after the next merge"):
        patient = Case(**{**vars(BY_NAME[name]), "releases": 0})
        assert patient.check(guest_steps=2).holds
        assert not BY_NAME[name].check(guest_steps=2).holds


def test_deferred_clearing_needs_a_driver_that_waits():
    """Where a page's log is cleared only when the page is dealt with, a write behind the hint goes with it."""
    case = BY_NAME["deferred clearing, pages given back before"]
    assert not case.check(guest_steps=2).holds
    assert Case(**{**vars(case), "patient": True}).check(guest_steps=2).holds
    assert Case(**{**vars(case), "deferred": False}).check(guest_steps=2).holds


def replay(case, verdict):
    """Take the steps of a trace again from each beginning; for each that can: done or not, and what is lost."""
    thread = race_world.Thread(case.program, clear_log=case.clear_log, deferred=case.deferred)
    machines = {
        "guest": race_world.guest,
        "migration": thread,
        "driver": race_guest.reporter if case.transport == "bitmap" else race_guest.Hinter(case.patient),
        "device": race_guest.Listener(thread, stale=case.stale, late=case.late),
    }
    ends = []
    for start in race_world.beginnings(1, 2, case.releases):
        world = start
        for step in verdict.trace:
            world = dict(machines[step.machine](world)).get(step.action)
            if world is None:
                break
        if world is not None:
            ends.append((thread.done(world), race_world.lost(world)))
    return ends


@pytest.mark.parametrize("case", [case for case in CASES if not case.safe], ids=lambda case: case.name)
def test_every_counterexample_is_a_run_of_the_machines(case, shown):
    assert (True, "the last write to page 0 is lost") in replay(case, shown[case.name])


@pytest.mark.parametrize("name", ["log, then ask, filter, merge", "hints between merges"])
def test_random_runs_agree_with_the_proof(name):
    """Walks through larger worlds, five pages and a busy guest: what is proved for small ones holds here."""
    case = BY_NAME[name]
    rng = np.random.default_rng(7)
    skipped = lost = 0
    for _ in range(300):
        world, thread = walk(case, rng, pages=5, guest_steps=25, releases=5)
        assert thread.done(world)
        lost += bool(race_world.lost(world))
        skipped += any(owner in (FREE, HELD) for owner in world.owner)
    assert lost == 0 and skipped > 50


def test_random_runs_find_the_mutants_too():
    rng = np.random.default_rng(8)
    for case in CASES:
        if not case.safe and case.transport == "bitmap":
            runs = (walk(case, rng, pages=5, guest_steps=25, releases=5)[0] for _ in range(300))
            assert any(race_world.lost(world) for world in runs), case.name


def walk(case, rng, *, pages, guest_steps, releases):
    """One random run to its end."""
    thread = race_world.Thread(case.program, clear_log=case.clear_log, deferred=case.deferred)
    machines = [race_world.guest, thread]
    if case.transport == "bitmap":
        machines.append(race_guest.reporter)
    else:
        machines += [race_guest.Hinter(case.patient), race_guest.Listener(thread, case.stale, case.late)]
    starts = race_world.beginnings(pages, guest_steps, releases)
    world = starts[rng.integers(len(starts))]
    while True:
        moving = [steps for machine in machines if (steps := list(machine(world)))]
        if not moving:
            return world, thread
        steps = moving[rng.integers(len(moving))]
        world = steps[rng.integers(len(steps))][1]


def test_the_steps_of_the_guest():
    (free,), (used,) = ([w] for w in race_world.beginnings(1, 1))
    assert free.owner == (FREE,) and free.content == (NONE,)
    assert used.owner == (USED,) and used.content == (STALE,)
    assert [action for action, _ in race_world.guest(free)] == ["takes page 0"]
    assert [action for action, _ in race_world.guest(used)] == ["writes page 0, not logged", "frees page 0"]
    logging = used._replace(logging=True)
    assert dict(race_world.guest(logging))["writes page 0, logged"].log == (1,)
    assert list(race_world.guest(used._replace(running=False))) == []
    assert list(race_world.guest(used._replace(left=0))) == []


def test_the_result_reads_well(shown):
    rows = shown.rows()
    assert len(rows) == len(CASES) and shown.ok
    frame = shown.to_frame()
    assert list(frame.columns) == ["transport", "order", "verdict", "states", "steps to the loss"]
    assert frame["steps to the loss"].isna().sum() == sum(case.safe for case in CASES)
    text = str(shown)
    assert text.startswith("every interleaving of 1 page and up to 2 steps of the guest")
    assert "guest      writes page 0, not logged" in text
    html = shown._repr_html_()
    assert html.count("<tr>") == len(CASES) + 1 and "no write is lost" in html
