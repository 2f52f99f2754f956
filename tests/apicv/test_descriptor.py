"""The posted-interrupt descriptor bit by bit, who notifies when, and what KVM does with it."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfvlab.apicv.descriptor import (
    POSTED_INTR_VECTOR,
    POSTED_INTR_WAKEUP_VECTOR,
    Descriptor,
    decode_ndst,
    encode_ndst,
    pi_test_and_set_on,
    pi_test_and_set_pir,
    process_posted_interrupts,
)
from nfvlab.apicv.descriptor_producers import (
    VCPU_MODES,
    Notification,
    post_by_ipi_virtualization,
    post_by_kvm,
    post_by_vtd,
    truth_table,
)

ACTIVE, WAKEUP = POSTED_INTR_VECTOR, POSTED_INTR_WAKEUP_VECTOR
vectors = st.integers(0, 255)
bitmaps = st.one_of(
    st.integers(0, (1 << 256) - 1), st.sets(vectors, max_size=3).map(lambda s: sum(1 << v for v in s))
)
descriptors = st.builds(
    Descriptor,
    pir=bitmaps,
    on=st.booleans(),
    sn=st.booleans(),
    nv=vectors,
    ndst=st.integers(0, 2**32 - 1),
)
BITS = list(itertools.product((False, True), repeat=3))


def bits_of(d):
    """The descriptor as a list of 512 bits, put together byte by byte as the VT-d figure shows it."""
    data = bytearray(64)
    for v in range(256):
        data[v // 8] |= (d.pir >> v & 1) << v % 8
    data[32] = d.on | d.sn << 1
    data[34] = d.nv
    data[36:40] = d.ndst.to_bytes(4, "little")
    return bytes(data)


@given(descriptors)
def test_the_format_goes_both_ways(d):
    assert d.to_bytes() == bits_of(d)
    assert Descriptor.from_bytes(d.to_bytes()) == d


def test_single_bits_stand_where_the_manual_puts_them():
    def number(**fields):
        return int.from_bytes(Descriptor(**({"nv": 0} | fields)).to_bytes(), "little")

    assert number(pir=1 << 255) == 1 << 255
    assert number(on=True) == 1 << 256
    assert number(sn=True) == 1 << 257
    assert number(nv=0x80) == 1 << 279
    assert number(ndst=1) == 1 << 288
    assert number(ndst=1 << 31) == 1 << 319


RESERVED = [*range(258, 272), *range(280, 288), *range(320, 512)]


@given(descriptors, st.sampled_from(RESERVED))
def test_reserved_bits_are_refused(d, bit):
    data = (int.from_bytes(d.to_bytes(), "little") | 1 << bit).to_bytes(64, "little")
    with pytest.raises(ValueError, match="reserved, software must write them as 0"):
        Descriptor.from_bytes(data)


def test_every_bit_is_a_field_or_reserved():
    for bit in range(512):
        data = (1 << bit).to_bytes(64, "little")
        if bit in RESERVED:
            with pytest.raises(ValueError, match="reserved"):
                Descriptor.from_bytes(data)
        else:
            assert Descriptor.from_bytes(data).to_bytes() == data


@pytest.mark.parametrize(
    "make, match",
    [
        (lambda: Descriptor.from_bytes(bytes(63)), "63 bytes"),
        (lambda: Descriptor(nv=256).to_bytes(), "NV = 0x100: must fit 8 bits"),
        (lambda: Descriptor(pir=-1).to_bytes(), "PIR"),
        (lambda: Descriptor(ndst=1 << 32).to_bytes(), "NDST"),
        (lambda: encode_ndst(256, x2apic=False), "xAPIC ID = 0x100"),
        (lambda: decode_ndst(1, x2apic=False), "bits 15:8"),
        (lambda: decode_ndst(1 << 16, x2apic=False), "bits 15:8"),
        (lambda: pi_test_and_set_pir(Descriptor(), 256), "vector 256"),
        (lambda: post_by_vtd(Descriptor(), -1), "vector -1"),
        (lambda: post_by_kvm(Descriptor(), 1, mode="GUEST"), "IN_GUEST_MODE"),
    ],
)
def test_bad_input_is_named(make, match):
    with pytest.raises(ValueError, match=match):
        make()


@given(st.integers(0, 255))
def test_ndst_of_both_modes(apic_id):
    assert encode_ndst(apic_id, x2apic=False) == apic_id << 8
    assert decode_ndst(encode_ndst(apic_id, x2apic=False), x2apic=False) == apic_id
    assert decode_ndst(encode_ndst(apic_id)) == apic_id


def test_a_descriptor_reads_well():
    d = Descriptor(pir=1 << 0x41 | 1 << 0x30, on=True, ndst=3)
    assert repr(d) == "<PIR {0x41, 0x30} ON=1 SN=0 NV=0xf2 NDST=0x3>"
    assert d.vectors == (0x41, 0x30)


@pytest.mark.parametrize("urgent", [False, True])
@pytest.mark.parametrize("bit, on, sn", BITS)
def test_vtd(bit, on, sn, urgent):
    d = Descriptor(pir=bit << 0x40, on=on, sn=sn, nv=WAKEUP, ndst=7)
    after, posting = post_by_vtd(d, 0x40, urgent=urgent)
    notifies = (not on) and (urgent or not sn)  # X of VT-d 5.2.3
    assert after == d._replace(pir=1 << 0x40, on=on or notifies)
    assert posting.notification == (Notification(WAKEUP, 7) if notifies else None)
    assert posting.posted and posting.merged == bit and not posting.vm_exit


@pytest.mark.parametrize("bit, on, sn", BITS)
def test_ipi_virtualization(bit, on, sn):
    d = Descriptor(pir=bit << 0x40, on=on, sn=sn, nv=WAKEUP, ndst=7)
    after, posting = post_by_ipi_virtualization(d, 0x40)
    notifies = not on and not sn
    assert after == d._replace(pir=1 << 0x40, on=on or notifies)
    assert posting.notification == (Notification(WAKEUP, 7) if notifies else None)


@pytest.mark.parametrize("vector", range(20))
def test_ipi_virtualization_leaves_illegal_vectors_to_the_hypervisor(vector):
    after, posting = post_by_ipi_virtualization(Descriptor(), vector)
    assert posting.vm_exit == (vector < 16)
    assert (after == Descriptor()) == (vector < 16)


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("mode", VCPU_MODES)
@pytest.mark.parametrize("bit, on, sn", BITS)
def test_kvm(bit, on, sn, mode, own):
    d = Descriptor(pir=bit << 0x40, on=on, sn=sn, nv=WAKEUP, ndst=7)
    after, posting = post_by_kvm(d, 0x40, mode=mode, apic_id=3, from_its_own_thread=own)
    stops = bit or on
    assert after == d._replace(pir=1 << 0x40, on=on or not bit)
    in_guest = mode == "IN_GUEST_MODE"
    # neither NV nor NDST nor SN: POSTED_INTR_VECTOR, to the vCPU's CPU
    assert posting.notification == (Notification(ACTIVE, 3) if not stops and in_guest and not own else None)
    assert posting.wakes == (not stops and not in_guest)


def test_the_three_rules_differ_where_the_manuals_say():
    """SN silences VT-d unless urgent, and IPI virtualization, not KVM; a set PIR bit silences KVM only."""
    rows = {(r["producer"], r["PIR bit"], r["ON"], r["SN"], r["URG"]): r["notifies"] for r in truth_table()}
    assert len(rows) == 32
    silent = {
        (p, u): {(b, o, s) for (q, b, o, s, v), yes in rows.items() if (q, v) == (p, u) and not yes}
        for p, u in (("VT-d", 0), ("VT-d", 1), ("IPI virtualization", None), ("KVM", None))
    }
    every = set(itertools.product((0, 1), repeat=3))
    assert silent["VT-d", 0] == silent["IPI virtualization", None] == {c for c in every if c[1] or c[2]}
    assert silent["VT-d", 1] == {c for c in every if c[1]}
    assert silent["KVM", None] == {c for c in every if c[0] or c[1]}


@given(descriptors, vectors, st.booleans())
def test_xapic_mode_blocks_a_descriptor_with_reserved_bits_in_ndst(d, vector, urgent):
    after, posting = post_by_vtd(d, vector, urgent=urgent, x2apic=False)
    blocked = bool(d.ndst & ~0xFF00)
    assert posting.posted == (not blocked)
    if blocked:
        assert after == d and "28h" in posting.reason and posting.notification is None
    elif posting.notification:
        assert posting.notification.apic_id == d.ndst >> 8


@given(descriptors, vectors)
def test_no_producer_clears_anything(d, vector):
    for after, posting in (
        post_by_vtd(d, vector),
        post_by_ipi_virtualization(d, vector),
        post_by_kvm(d, vector, mode="IN_GUEST_MODE"),
    ):
        assert after.pir & d.pir == d.pir and after.on >= d.on
        assert (after.sn, after.nv, after.ndst) == (d.sn, d.nv, d.ndst)
        assert posting.posted == bool(after.pir >> vector & 1) or posting.vm_exit
        assert posting.reason


@given(descriptors, bitmaps, vectors)
def test_the_processor_takes_everything(d, virr, rvi):
    after, new_virr, new_rvi = process_posted_interrupts(d, virr, rvi)
    assert after == d._replace(pir=0, on=False)
    assert new_virr == virr | d.pir
    assert new_rvi == max([rvi, *d.vectors])


def test_rvi_does_not_come_from_virr():
    """RVI is the highest of its old value and of PIR, whatever else is in VIRR."""
    _, virr, rvi = process_posted_interrupts(Descriptor(pir=1 << 0x31, on=True), 1 << 0x80, 0x20)
    assert (virr >> 0x80 & 1, rvi) == (1, 0x31)


def test_on_is_set_once():
    d, before = pi_test_and_set_on(Descriptor())
    assert d.on and not before
    assert pi_test_and_set_on(d) == (d, True)
