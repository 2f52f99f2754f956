"""States, controls and vectors as plain values: both ways, and refused where they are none."""

import json

import pytest
from apicv import vapic_compare as compare
from hypothesis import given
from hypothesis import strategies as st

from nfvlab.apicv import registers as reg
from nfvlab.apicv.vapic import X2APIC, Controls, Kind, MemoryDescriptor, VapicState, VirtualApic
from nfvlab.apicv.vapic_vector import OPERATIONS, replay

VECTOR = {
    "controls": {
        "external_interrupt_exiting": 1,
        "acknowledge_interrupt_on_exit": 1,
        "process_posted_interrupts": 1,
        "use_tpr_shadow": 1,
        "virtualize_x2apic_mode": 1,
        "virtual_interrupt_delivery": 1,
        "notification_vector": "F2H",
        "eoi_exit_bitmap": ["41H"],
    },
    "state": {"VTPR".lower(): "20H", "visr": [], "guest_interrupt_status": "0x0000", "activity": 1},
    "descriptor": {"pir": ["41H", 0x30], "on": 1},
    "operations": [
        {"op": "external_interrupt", "vector": "F2H"},
        {"op": "wrmsr", "msr": "80BH", "value": 0},
        {"op": "vm_entry"},
        {"op": "iret", "if_flag": 1},
        {"op": "boundary"},
    ],
}


def test_a_vector_runs_through_json():
    ran = replay(json.loads(json.dumps(VECTOR)))
    told = [(str(o.kind), o.vector, o.exit_reason) for o in ran.outcomes]
    assert told == [
        ("delivered", 0x41, None),
        ("vm_exit", 0x41, 45),
        ("entered", None, None),
        ("nothing", None, None),
        ("delivered", 0x30, None),
    ]
    assert ran.descriptor == MemoryDescriptor() and ran.apic.state.svi == 0x30
    json.dumps([outcome.to_dict() for outcome in ran.outcomes])


def test_page_operations_and_tables_in_a_vector():
    ran = replay(
        {
            "controls": {
                "use_tpr_shadow": True,
                "virtualize_apic_accesses": True,
                "apic_register_virtualization": True,
                "ipi_virtualization": True,
                "last_pid_pointer_index": 1,
            },
            "state": {"page": {"20H": "0x1000000"}},
            "pid_pointers": [0, "0x41"],
            "memory": {"40H": {"nv": "F2H", "ndst": 5}},
            "operations": [
                {"op": "page_read", "offset": "20H"},
                {"op": "page_write", "offset": "313H", "value": 1, "size_bytes": 1},
                {"op": "page_write", "offset": "300H", "value": "51H"},
                {"op": "page_operation", "accesses": [{"offset": "80H"}, {"offset": "80H", "value": "30H"}]},
                {"op": "page_fetch", "offset": "80H", "guest_physical": False},
            ],
        }
    )
    values = [outcome.value for outcome in ran.outcomes]
    assert values == [0x100_0000, None, None, 0, None]
    assert ran.outcomes[2].notify == (5, 0xF2) and ran.apic.memory[0x40].pir == 1 << 0x51
    assert ran.outcomes[4].qualification == 0x2080


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_of_a_vector_is_one_of_the_machine(name):
    assert callable(getattr(VirtualApic, name))


@given(st.randoms(use_true_random=False))
def test_states_and_controls_survive_both_ways(rng):
    state, controls = compare.state(rng), compare.controls(rng)
    assert VapicState.from_dict(json.loads(json.dumps(state.to_dict()))) == state
    assert Controls.from_dict(json.loads(json.dumps(controls.to_dict()))) == controls
    apic = VirtualApic(controls, state)
    again = VirtualApic.from_dict(apic.to_dict())
    assert again.state == state and again.controls == controls
    assert repr(state).startswith("VapicState(")


@given(st.randoms(use_true_random=False), st.integers(0, 1023), st.integers(0, 2**32 - 1))
def test_a_word_stored_is_read_back_and_no_other_changes(rng, word, value):
    state = compare.state(rng)
    before = compare.page_bytes(state)
    state.set_word(4 * word, value)
    assert state.word(4 * word) == value
    after = compare.page_bytes(state)
    assert before[: 4 * word] == after[: 4 * word] and before[4 * word + 4 :] == after[4 * word + 4 :]


def test_copies_do_not_share():
    state = VapicState(virr=[0x41], page={0x320: 5})
    other = state.copy()
    other.set_word(0x320, 6)
    other.virr = 0
    assert state.word(0x320) == 5 and state.virr == 1 << 0x41 and state != other


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        ({"vtpr": "zz"}, "vtpr = 'zz': not a number"),
        ({"vtpr": 1 << 32}, "32 bits"),
        ({"vtpr": -1}, "32 bits"),
        ({"vtpr": 1.5}, "needs an integer"),
        ({"vtpr": True}, "needs an integer"),
        ({"rvi": 256}, "8 bits"),
        ({"virr": [256]}, "virr: vector = 256"),
        ({"virr": {"41H": 1}}, "needs an integer"),
        ({"visr": 1 << 256}, "256 bits"),
        ({"if_flag": "yes"}, "0 or 1"),
        ({"activity": "asleep"}, "no such state"),
        ({"activity": 4}, "no such state"),
        ({"tpr": 0}, "no 'tpr'"),
        ({"guest_interrupt_status": 0, "rvi": 1}, "twice"),
        ({"page": [1]}, "needs a mapping"),
        ({"page": {0x21: 0}}, "offset that 4 divides"),
        ({"page": {0x80: 0}}, "this word is VTPR"),
        ({"page": {0x210: 0}}, r"this word is VIRR\[63:32\]"),
        ({"page": {0x1000: 0}}, "12 bits"),
        ([], "needs a mapping"),
    ],
)
def test_states_that_are_none(given_, message):
    with pytest.raises(ValueError, match=message):
        VapicState.from_dict(given_)


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        ({"posted": 1}, "no 'posted'"),
        ({"use_tpr_shadow": 2}, "0 or 1"),
        ({"eoi_exit_bitmap": [300]}, "vector = 300"),
        ({"notification_vector": 1 << 16}, "16 bits"),
        ({"physical_address_width": 20}, "32 to 52"),
    ],
)
def test_controls_that_are_none(given_, message):
    with pytest.raises(ValueError, match=message):
        Controls.from_dict(given_)


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        ({"operation": []}, "no 'operation'"),
        ({"operations": [{"op": "_deliver"}]}, "no such operation"),
        ({"operations": [{"op": "wrmsr", "msr": "808H"}]}, "missing a required argument: .value."),
        ({"operations": [{"op": "wrmsr", "msr": "808H", "value": 0, "cpl": 0}]}, "no 'cpl'"),
        ({"operations": [{"op": "hlt", "value": 0}]}, "unexpected keyword"),
        ({"operations": [{"op": "page_operation", "accesses": [{"value": 0}]}]}, "has no offset"),
        ({"operations": [{"op": "page_read", "offset": "1000H"}]}, "12 bits"),
        ({"operations": [{"op": "page_operation", "accesses": [{"at": 0}]}]}, "no 'at'"),
        ({"descriptor": {"urg": 1}}, "no 'urg'"),
        ({"memory": []}, "needs a mapping"),
        ({"operations": 3}, "needs a list"),
    ],
)
def test_vectors_that_are_none(given_, message):
    with pytest.raises(ValueError, match=message):
        replay(given_)


def test_numbers_in_all_notations():
    for text in (48, "48", "0x30", "30H", "30h", " 30H "):
        assert VapicState.from_dict({"vtpr": text}).vtpr == 48
    assert VapicState.from_dict({"guest_interrupt_status": 0x4130}).svi == 0x41


def test_registers_have_names():
    assert [reg.register_name(at) for at in (0x80, 0x81, 0x100, 0x1F0, 0x270, 0x84, 0x40)] == [
        "VTPR",
        "VTPR",
        "VISR[31:0]",
        "TMR[255:224]",
        "VIRR[255:224]",
        "084H",
        "040H",
    ]


def test_a_value_of_a_descriptor_goes_into_memory():
    pid = MemoryDescriptor(1 << 0x41, True, False, 0xF2, 3)
    apic = VirtualApic(X2APIC)
    assert apic.external_interrupt(0xF2, pid).kind == Kind.DELIVERED and not pid.on
