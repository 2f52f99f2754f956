"""Where vfio_msihandler may run: good variants proved, bad ones caught with the shortest run."""

import pytest

from nfvlab.vfio.locks import VARIANTS, World, demonstrate

BY_NAME = {variant.name: variant for variant in VARIANTS}
TALK = BY_NAME["PREEMPT_RT: IRQF_NO_THREAD, sleeping lock"]
MASKLESS = BY_NAME["IRQF_NO_THREAD, raw lock, interrupts left on"]


@pytest.mark.parametrize("variant, verdict", demonstrate(), ids=lambda x: getattr(x, "name", ""))
def test_every_variant_comes_out_as_it_should(variant, verdict):
    assert verdict.holds == variant.safe
    if variant.safe:
        assert verdict.ends == 1 and verdict.states > 30


def actions(verdict):
    return [(step.machine, step.action) for step in verdict.trace]


def test_without_a_thread_the_handler_would_have_to_sleep():
    verdict = TALK.check()
    assert verdict.reason == "it must sleep in hard-interrupt context"
    assert actions(verdict) == [
        ("local writer", "takes the lock"),
        ("handler", "interrupts the local writer's CPU"),
        ("handler", "finds the lock held"),
    ]


def test_a_writer_on_another_cpu_is_enough():
    verdict = TALK.check(World(local="done", counter=1))
    assert not verdict.holds and ("remote writer", "takes the lock") in actions(verdict)


def test_it_goes_well_while_nobody_else_holds_the_lock():
    assert TALK.check(World(local="done", remote="done", counter=2)).holds


def test_a_raw_lock_without_interrupts_off_hangs_on_the_thread_that_was_interrupted():
    verdict = MASKLESS.check()
    assert verdict.reason == "nothing can move"
    assert verdict.trace[-1].state.holder == "local writer"
    assert MASKLESS.check(World(local="done", counter=1)).holds  # the other CPU's writer lets go


def test_a_thread_lets_the_holder_run():
    variant = BY_NAME["PREEMPT_RT: in a thread, sleeping lock"]
    held = World(holder="local writer", local="holds", handler="begins")
    assert variant.check(held).holds
    assert not TALK.check(held).holds


def test_a_lost_signal_would_be_seen():
    assert TALK.check(World(local="done", remote="done", counter=1)).reason == "a signal is lost"
