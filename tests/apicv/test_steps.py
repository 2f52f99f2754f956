"""The virtual APIC's operations as steps."""

import pytest

from nfvlab.apicv.steps import walk
from nfvlab.apicv.vapic import POSTED, MemoryDescriptor, VapicState, VirtualApic

EOI = 0x80B


def test_a_posted_interrupt_step_by_step():
    vapic = VirtualApic(
        POSTED.replace(virtualize_apic_accesses=False, virtualize_x2apic_mode=True), VapicState()
    )
    made = walk(
        "A posted interrupt",
        vapic,
        [
            ("cli", ()),
            ("external_interrupt", (POSTED.notification_vector, MemoryDescriptor(pir=1 << 0x41, on=True))),
            ("sti", ()),
            ("other_instruction", ()),
            ("boundary", ()),
            ("wrmsr", (EOI, 0)),
        ],
    )
    outcomes = [step.outcome for step in made.steps]
    assert outcomes[2] == "virtualised"  # IF = 0: recognized, not delivered
    assert outcomes[5] == "vector 41H is delivered"
    assert made.steps[2].registers["VIRR"] == "41H" and made.steps[5].registers["VISR"] == "41H"
    assert made.steps[6].registers["VISR"] == "empty"
    made.go(6)
    assert "SVI" in made.changed()


def test_a_vm_exit_is_told_with_reason_and_qualification():
    vapic = VirtualApic(POSTED, VapicState())
    made = walk("An exit", vapic, [("external_interrupt", (0x20,))])
    assert made.steps[1].outcome.startswith("VM exit: external interrupt, reason 1")
    assert made.steps[1].registers["mode"] == "root"


@pytest.mark.parametrize("name", ["fly", "_evaluate", "state"])
def test_what_is_no_operation_is_refused(name):
    with pytest.raises(ValueError, match="no operation"):
        walk("x", VirtualApic(POSTED, VapicState()), [(name, ())])
