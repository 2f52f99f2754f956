"""KVM's side of the posted-interrupt descriptor: harvest, load, put, block and wake, each case."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfvlab.apicv import descriptor_consumer as kvm
from nfvlab.apicv.descriptor import POSTED_INTR_VECTOR, POSTED_INTR_WAKEUP_VECTOR, Descriptor, highest
from nfvlab.apicv.descriptor_producers import post_by_vtd

ACTIVE, WAKEUP = POSTED_INTR_VECTOR, POSTED_INTR_WAKEUP_VECTOR
vectors, bitmaps = st.integers(0, 255), st.integers(0, (1 << 256) - 1)
descriptors = st.builds(Descriptor, pir=bitmaps, on=st.booleans(), sn=st.booleans(), nv=vectors, ndst=vectors)
BITS = list(itertools.product((False, True), repeat=3))


@given(descriptors, bitmaps)
def test_kvm_harvests_only_what_is_outstanding(d, irr):
    after, new_irr, sync = kvm.vmx_sync_pir_to_irr(d, irr)
    if d.on:
        assert after == d._replace(pir=0, on=False) and new_irr == irr | d.pir
        assert sync.got == tuple(v for v in d.vectors if not irr >> v & 1)
    else:
        assert (after, new_irr, sync.got) == (d, irr, ())
    assert sync.max_irr == highest(new_irr) and sync.rvi == max(sync.max_irr, 0)


def test_highest_is_minus_one_for_none():
    assert [highest(0), highest(1), highest(1 << 255)] == [-1, 0, 255]
    assert kvm.vmx_sync_pir_to_irr(Descriptor(), 0)[2].rvi == 0


@pytest.mark.parametrize("pir, moved, sn, waits", list(itertools.product((0, 4), *[(False, True)] * 3)))
def test_load(pir, moved, sn, waits):
    d = Descriptor(pir=pir, sn=sn, nv=WAKEUP if waits else ACTIVE, ndst=1)
    after, step = kvm.vmx_vcpu_pi_load(d, ndst=2 if moved else 1, moved=moved)
    assert after.nv == ACTIVE and after.ndst == (2 if moved else 1) and not after.sn
    assert after.on == (pir != 0 and (moved or sn or waits))
    assert step.leaves == waits
    assert ("nothing to do" in step.reason) == (not (moved or sn or waits))


def test_load_never_clears_on():
    after, _ = kvm.vmx_vcpu_pi_load(Descriptor(on=True, sn=True), ndst=0, moved=False)
    assert after.on


@pytest.mark.parametrize("on", [False, True])
@pytest.mark.parametrize("preempted, blocking, interruptible", BITS)
def test_put(preempted, blocking, interruptible, on):
    d = Descriptor(pir=int(on), on=on)
    after, step = kvm.vmx_vcpu_pi_put(d, preempted=preempted, blocking=blocking, interruptible=interruptible)
    if blocking and interruptible and not preempted:
        assert after == d._replace(nv=WAKEUP) and step.joins and step.blocks
        assert step.self_ipi == (WAKEUP if on else None)
    else:
        assert after == d._replace(sn=True) and not step.joins and step.self_ipi is None


def test_the_wakeup_handler_wakes_those_with_on():
    waiting = [("a", Descriptor(on=True)), ("b", Descriptor(pir=1)), ("c", Descriptor(on=True, pir=1))]
    assert kvm.pi_wakeup_handler(waiting) == ("a", "c")


@pytest.mark.parametrize("on", [False, True])
def test_pre_block_refuses_if_on(on):
    d = Descriptor(on=on, ndst=1)
    after, step = kvm.pi_pre_block(d, ndst=2)
    assert step.blocks == step.joins == (not on)
    assert after == d._replace(ndst=2, nv=ACTIVE if on else WAKEUP)
    back, step = kvm.pi_post_block(after, ndst=5)
    assert (back.nv, back.ndst, step.leaves) == (ACTIVE, 5, True)


@pytest.mark.parametrize("on, sn, pir", BITS)
def test_pending_while_it_does_not_run(on, sn, pir):
    assert kvm.pi_has_pending_interrupt(Descriptor(int(pir), on, sn)) == (on or (sn and pir))


@pytest.mark.parametrize(
    "vector, non_root, says",
    [
        (ACTIVE, True, "without an exit"),
        (WAKEUP, True, "VM exit"),
        (0x20, True, "VM exit"),
        (ACTIVE, False, "does nothing"),
        (WAKEUP, False, "pi_wakeup_handler"),
        (0x20, False, "another device"),
    ],
)
def test_what_a_physical_interrupt_does(vector, non_root, says):
    assert says in kvm.physical_arrival(vector, non_root=non_root)


def test_a_notification_is_what_the_vmcs_says_it_is():
    assert "VM exit" in kvm.physical_arrival(ACTIVE, non_root=True, notification_vector=0x21)
    assert "without an exit" in kvm.physical_arrival(0x21, non_root=True, notification_vector=0x21)


@given(st.lists(st.sampled_from(["post", "put", "load", "sync"]), max_size=12), st.data())
def test_preempted_and_back_nothing_stays_behind(steps, data):
    """Whatever VT-d posts around preemptions: after load and harvest, all of it is in IRR and PIR is empty."""
    d, irr, posted = Descriptor(), 0, 0
    for step in steps:
        if step == "post":
            vector = data.draw(vectors)
            d, _ = post_by_vtd(d, vector)
            posted |= 1 << vector
        elif step == "put":
            d, _ = kvm.vmx_vcpu_pi_put(d, preempted=True, blocking=False)
        elif step == "load":
            d, _ = kvm.vmx_vcpu_pi_load(d, ndst=0, moved=False)
        else:
            d, irr, _ = kvm.vmx_sync_pir_to_irr(d, irr)
    d, _ = kvm.vmx_vcpu_pi_load(d, ndst=0, moved=False)
    d, irr, _ = kvm.vmx_sync_pir_to_irr(d, irr)
    assert irr == posted and d.pir == 0
