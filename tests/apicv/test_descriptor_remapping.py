"""Entries of the interrupt remapping table in both formats, and KVM's switch between them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfvlab.apicv.remapping import DELIVERY_MODES, Posted, Remapped, parse_irte, pi_update_irte, to_posted

bit, byte = st.integers(0, 1), st.integers(0, 255)
shared = {
    "present": bit,
    "fault_disable": bit,
    "available": st.integers(0, 15),
    "vector": byte,
    "source_id": st.integers(0, 0xFFFF),
    "source_qualifier": st.integers(0, 3),
    "source_validation": st.integers(0, 2),
}
remapped = st.builds(
    Remapped,
    logical=bit,
    redirection_hint=bit,
    level=bit,
    delivery_mode=st.sampled_from(list(DELIVERY_MODES)),
    destination=st.integers(0, 2**32 - 1),
    **shared,
)
addresses = st.integers(0, 2**58 - 1).map(lambda k: k << 6)
posted = st.builds(Posted, urgent=bit, descriptor_address=addresses, **shared)


@given(st.one_of(remapped, posted))
def test_entries_go_both_ways(entry):
    assert parse_irte(entry.to_bytes()) == entry


def test_single_fields_stand_where_the_manual_puts_them():
    def number(entry):
        return int.from_bytes(entry.to_bytes(), "little")

    assert number(Remapped(present=0, vector=0, destination=1)) == 1 << 32
    assert number(Remapped(present=0, vector=0, destination=0, delivery_mode=7)) == 7 << 5
    assert number(Posted(present=0, vector=0, descriptor_address=0)) == 1 << 15
    assert number(Posted(present=0, vector=0, descriptor_address=1 << 6)) == 1 << 15 | 1 << 38
    assert number(Posted(present=0, vector=0, descriptor_address=1 << 31)) == 1 << 15 | 1 << 63
    assert number(Posted(present=0, vector=0, descriptor_address=1 << 32)) == 1 << 15 | 1 << 96
    assert number(Posted(vector=0xAB, descriptor_address=0, urgent=1)) == 0xAB << 16 | 3 << 14 | 1


RESERVED = {
    "remapped": [*range(12, 15), *range(24, 32), *range(84, 128)],
    "posted": [*range(2, 8), 12, 13, *range(24, 38), *range(84, 96)],
}


@pytest.mark.parametrize("kind", RESERVED)
def test_every_bit_is_a_field_or_reserved(kind):
    mode = 1 << 15 if kind == "posted" else 0
    for k in set(range(128)) - {15}:
        data = (mode | 1 << k).to_bytes(16, "little")
        if k in RESERVED[kind]:
            with pytest.raises(ValueError, match=f"reserved bit {k} of a {kind} entry"):
                parse_irte(data)
        else:
            assert parse_irte(data).to_bytes() == data


@pytest.mark.parametrize(
    "make, match",
    [
        (lambda: parse_irte(bytes(15)), "15 bytes"),
        (lambda: Posted(vector=1, descriptor_address=32).to_bytes(), "multiple of 64"),
        (lambda: Posted(vector=1, descriptor_address=1 << 64).to_bytes(), "64 bits"),
        (lambda: Posted(vector=256, descriptor_address=0).to_bytes(), "vector"),
        (lambda: Remapped(vector=1, destination=0, delivery_mode=3).to_bytes(), "delivery mode 3: reserved"),
        (lambda: parse_irte((6 << 5).to_bytes(16, "little")), "delivery mode 6: reserved"),
        (lambda: parse_irte((3 << 82).to_bytes(16, "little")), "SVT = 3"),
        (
            lambda: pi_update_irte(
                Remapped(vector=1, destination=0), vector=1, delivery_mode="fixed", descriptors=[0]
            ),
            "Lowest Priority",
        ),
    ],
)
def test_bad_input_is_named(make, match):
    with pytest.raises(ValueError, match=match):
        make()


@given(remapped, byte, addresses)
def test_posting_keeps_what_the_formats_share(entry, vector, address):
    made = to_posted(entry, vector=vector, descriptor_address=address)
    assert (made.vector, made.descriptor_address, made.urgent) == (vector, address, 0)
    for name in set(shared) - {"vector"}:
        assert getattr(made, name) == getattr(entry, name)


@given(
    remapped, st.sampled_from(list(DELIVERY_MODES.values())), st.lists(addresses, max_size=3), st.booleans()
)
def test_only_one_vcpu_and_only_fixed_or_lowest_priority(entry, mode, descriptors, on):
    update = pi_update_irte(entry, vector=0x51, delivery_mode=mode, descriptors=descriptors, set=on)
    assert update.posted == (on and len(descriptors) == 1 and mode in ("Fixed", "Lowest Priority"))
    if not update.posted:
        assert update.entry == entry
    assert update.reason
