"""Posted-interrupt processing exists twice, in the virtual APIC and on the descriptor: both do the same."""

import numpy as np
import pytest

from nfvlab.apicv import descriptor as pid
from nfvlab.apicv import registers as reg
from nfvlab.apicv.vapic import VirtualApic
from nfvlab.apicv.vapic_controls import POSTED
from nfvlab.apicv.vapic_descriptor import MemoryDescriptor
from nfvlab.apicv.vapic_outcome import Kind
from nfvlab.apicv.vapic_state import VapicState

SEED = 20261129
STATES = 400
DENSITIES = (0.0, 0.004, 0.05, 0.5)


def bits(rng: np.random.Generator) -> int:
    """A bank of 256 bits: none, about one, a dozen or half of them set."""
    chosen = np.flatnonzero(rng.random(pid.VECTORS) < rng.choice(DENSITIES))
    return sum(1 << int(vector) for vector in chosen)


def random_state(rng: np.random.Generator, *, if_flag: bool) -> tuple[pid.Descriptor, VapicState]:
    """A descriptor and a virtual APIC; RVI need not be mirrored in VIRR."""
    virr, visr = bits(rng), bits(rng)
    rvi = reg.highest(virr) if rng.random() < 0.5 else int(rng.integers(256))
    posted = pid.Descriptor(
        pir=bits(rng),
        on=bool(rng.integers(2)),
        sn=bool(rng.integers(2)),
        nv=POSTED.notification_vector,
        ndst=int(rng.integers(1 << 32)),
    )
    svi = reg.highest(visr)
    vtpr = int(rng.integers(256))
    state = VapicState(
        virr=virr,
        visr=visr,
        rvi=rvi,
        svi=svi,
        vtpr=vtpr,
        vppr=max(vtpr, svi & 0xF0),
        if_flag=if_flag,
    )
    return posted, state


def processed(posted: pid.Descriptor, state: VapicState):
    """(Outcome, descriptor in memory, state) after the notification has come to the virtual APIC."""
    memory = MemoryDescriptor(*posted)
    outcome = VirtualApic(POSTED, state).external_interrupt(POSTED.notification_vector, memory)
    return outcome, memory, state


def differences(posted, memory, state, virr_before, rvi_before, process=pid.process_posted_interrupts):
    """Names of what the two disagree on."""
    after, virr, rvi = process(posted, virr_before, rvi_before)
    pairs = {
        "virr": (state.virr, virr),
        "rvi": (state.rvi, max(rvi, 0)),
        **{name: (getattr(memory, name), getattr(after, name)) for name in ("pir", "on", "sn", "nv", "ndst")},
    }
    return {name for name, (ours, theirs) in pairs.items() if ours != theirs}


def found(process=pid.process_posted_interrupts):
    """What the two disagree on in random states whose guest takes no interrupt."""
    seen = set()
    for index in range(STATES):
        posted, state = random_state(np.random.default_rng([SEED, index]), if_flag=False)
        virr, rvi = state.virr, state.rvi
        outcome, memory, state = processed(posted, state)
        assert outcome.kind is Kind.VIRTUALISED
        seen |= differences(posted, memory, state, virr, rvi, process)
    return seen


def test_the_same_state_gives_the_same_virr_rvi_and_descriptor():
    assert found() == set()


def test_a_guest_that_takes_the_interrupt_takes_the_one_that_the_descriptor_says():
    taken = 0
    for index in range(STATES):
        posted, state = random_state(np.random.default_rng([SEED, index]), if_flag=True)
        virr, rvi, visr, ppr = state.virr, state.rvi, state.visr, state.vppr
        outcome, memory, state = processed(posted, state)
        _, virr, rvi = pid.process_posted_interrupts(posted, virr, rvi)
        due = rvi >> 4 > ppr >> 4
        assert (outcome.kind is Kind.DELIVERED) == due
        if due:
            taken += 1
            virr &= ~(1 << rvi)
            assert (state.svi, state.visr) == (rvi, visr | 1 << rvi)
            assert state.rvi == max(reg.highest(virr), 0)
        assert (state.virr, memory.pir, memory.on) == (virr, 0, False)
    assert STATES / 10 < taken < STATES


def test_posted_interrupts_wait_for_a_host():
    posted, state = random_state(np.random.default_rng(SEED), if_flag=True)
    state.non_root = False
    virr, rvi = state.virr, state.rvi
    outcome, memory, state = processed(posted, state)
    assert outcome.kind is Kind.NOTHING
    assert (state.virr, state.rvi, tuple(memory.__dict__.values())) == (virr, rvi, tuple(posted))


def keeps_on(d, virr, rvi):
    after, virr, rvi = pid.process_posted_interrupts(d, virr, rvi)
    return after._replace(on=d.on), virr, rvi


def takes_the_highest_of_pir(d, virr, rvi):
    after, virr, _ = pid.process_posted_interrupts(d, virr, rvi)
    return after, virr, pid.highest(d.pir)


def looks_for_it_in_virr(d, virr, rvi):
    after, virr, _ = pid.process_posted_interrupts(d, virr, rvi)
    return after, virr, pid.highest(virr)


def keeps_pir(d, virr, rvi):
    after, virr, rvi = pid.process_posted_interrupts(d, virr, rvi)
    return after._replace(pir=d.pir), virr, rvi


@pytest.mark.parametrize(
    ("process", "caught"),
    [
        (keeps_on, {"on"}),
        (takes_the_highest_of_pir, {"rvi"}),
        (looks_for_it_in_virr, {"rvi"}),
        (keeps_pir, {"pir"}),
    ],
)
def test_wrong_versions_differ(process, caught):
    assert found(process) == caught
