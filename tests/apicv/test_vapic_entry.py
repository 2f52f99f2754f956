"""VM entry's checks: every rule by name, broken alone and together, and just kept."""

import pytest

from nfvlab.apicv.vapic import (
    APICV,
    EMULATED,
    POSTED,
    TPR_SHADOW,
    X2APIC,
    Injection,
    Kind,
    VapicState,
    VirtualApic,
)
from nfvlab.apicv.vapic_checks import control_problems, guest_problems

NO_SHADOW = POSTED.replace(use_tpr_shadow=False)
IPIV = X2APIC.replace(ipi_virtualization=True)
TOO_WIDE = 1 << 46


def rules(controls, vtpr=0, injection=None):
    return [broken.rule for broken in control_problems(controls, vtpr, injection)]


@pytest.mark.parametrize("controls", [EMULATED, TPR_SHADOW, APICV, POSTED, X2APIC, IPIV])
def test_the_usual_controls_break_nothing(controls):
    assert rules(controls) == []
    assert VirtualApic(controls, VapicState(non_root=False)).vm_entry().kind == Kind.ENTERED


@pytest.mark.parametrize(
    ("controls", "rule"),
    [
        (EMULATED.replace(virtualize_x2apic_mode=True), "virtualize_x2apic_mode needs use_tpr_shadow"),
        (
            EMULATED.replace(apic_register_virtualization=True),
            "apic_register_virtualization needs use_tpr_shadow",
        ),
        (
            EMULATED.replace(virtual_interrupt_delivery=True),
            "virtual_interrupt_delivery needs use_tpr_shadow",
        ),
        (EMULATED.replace(ipi_virtualization=True), "ipi_virtualization needs use_tpr_shadow"),
        (TPR_SHADOW.replace(tpr_threshold=0x10), "tpr_threshold bits 31:4"),
        (TPR_SHADOW.replace(tpr_threshold=1 << 31), "tpr_threshold bits 31:4"),
        (TPR_SHADOW.replace(virtual_apic_address=0x800), "virtual_apic_address bits 11:0"),
        (TPR_SHADOW.replace(virtual_apic_address=TOO_WIDE), "virtual_apic_address width"),
        (
            EMULATED.replace(virtualize_apic_accesses=True, apic_access_address=1),
            "apic_access_address bits 11:0",
        ),
        (TPR_SHADOW.replace(apic_access_address=TOO_WIDE), "apic_access_address width"),
        (
            TPR_SHADOW.replace(virtualize_x2apic_mode=True),
            "virtualize_x2apic_mode excludes virtualize_apic_accesses",
        ),
        (
            APICV.replace(external_interrupt_exiting=False),
            "virtual_interrupt_delivery needs external_interrupt_exiting",
        ),
        (
            TPR_SHADOW.replace(process_posted_interrupts=True),
            "process_posted_interrupts needs virtual_interrupt_delivery",
        ),
        (
            POSTED.replace(acknowledge_interrupt_on_exit=False),
            "process_posted_interrupts needs acknowledge_interrupt_on_exit",
        ),
        (POSTED.replace(notification_vector=0x100), "notification_vector bits 15:8"),
        (POSTED.replace(descriptor_address=0x20), "descriptor_address bits 5:0"),
        (POSTED.replace(descriptor_address=TOO_WIDE), "descriptor_address width"),
        (IPIV.replace(pid_pointer_table_address=4), "pid_pointer_table_address bits 2:0"),
        (
            IPIV.replace(pid_pointer_table_address=TOO_WIDE - 8, last_pid_pointer_index=1),
            "last PID-pointer's address width",
        ),
    ],
)
def test_each_rule_by_name(controls, rule):
    assert rules(controls) == [rule]
    apic = VirtualApic(controls, VapicState(non_root=False))
    outcome = apic.vm_entry()
    assert outcome.kind == Kind.ENTRY_FAILED and outcome.exit_reason is None
    assert not outcome.changed and outcome.to_dict()["problems"][0].startswith(rule)


@pytest.mark.parametrize(
    ("controls", "vtpr", "broken"),
    [
        (TPR_SHADOW.replace(virtualize_apic_accesses=False, tpr_threshold=3), 0x2F, True),
        (TPR_SHADOW.replace(virtualize_apic_accesses=False, tpr_threshold=3), 0x30, False),
        (TPR_SHADOW.replace(virtualize_apic_accesses=False, tpr_threshold=3), 0xFF_0000, True),
        (TPR_SHADOW.replace(tpr_threshold=3), 0x20, False),  # an exit right after entry instead
        (X2APIC.replace(tpr_threshold=0xFFFF), 0, False),  # not used with virtual-interrupt delivery
        (EMULATED.replace(tpr_threshold=0xFFFF), 0, False),
    ],
)
def test_the_threshold_is_checked_where_nothing_else_watches_it(controls, vtpr, broken):
    assert bool(rules(controls, vtpr)) == broken


def test_fields_that_nothing_uses_are_not_checked():
    odd = dict.fromkeys(("virtual_apic_address", "apic_access_address", "pid_pointer_table_address"), 47)
    assert rules(EMULATED.replace(descriptor_address=1, notification_vector=0x1FF, **odd)) == []


def test_all_broken_rules_are_reported_at_once():
    assert rules(NO_SHADOW.replace(external_interrupt_exiting=False, notification_vector=0x300)) == [
        "apic_register_virtualization needs use_tpr_shadow",
        "virtual_interrupt_delivery needs use_tpr_shadow",
        "virtual_interrupt_delivery needs external_interrupt_exiting",
        "notification_vector bits 15:8",
    ]


@pytest.mark.parametrize(
    ("injection", "rule"),
    [
        (Injection(1, 0x30), "injected type"),
        (Injection(7, 0), "injected type"),
        (Injection(0, 256), "injected vector"),
        (Injection(2, 3), "injected NMI's vector"),
        (Injection(3, 32), "injected hardware exception's vector"),
        (Injection(3, 31), None),
        (Injection(0, 0x30), None),
        (None, None),
    ],
)
def test_injected_events_are_well_formed(injection, rule):
    assert rules(X2APIC, injection=injection) == ([rule] if rule else [])


@pytest.mark.parametrize(
    ("state", "injection", "rule"),
    [
        ({"sti_blocking": True, "mov_ss_blocking": True}, None, "blocking by STI and by MOV SS"),
        ({"sti_blocking": True, "if_flag": False}, None, "blocking by STI needs RFLAGS.IF"),
        ({"activity": "mwait"}, None, "activity state"),
        (
            {"activity": "hlt", "sti_blocking": True},
            None,
            "blocking by STI or MOV SS needs the active state",
        ),
        (
            {"activity": "shutdown", "mov_ss_blocking": True},
            None,
            "blocking by STI or MOV SS needs the active state",
        ),
        ({"if_flag": False}, Injection(0, 0x30), "injected external interrupt needs RFLAGS.IF"),
        ({"sti_blocking": True}, Injection(0, 0x30), "injected external interrupt and blocking"),
        ({"mov_ss_blocking": True}, Injection(0, 0x30), "injected external interrupt and blocking"),
        ({"mov_ss_blocking": True}, Injection(2, 2), "injected NMI and blocking"),
        ({"sti_blocking": True}, Injection(2, 2), None),  # some processors refuse it (26.3.1.5)
        ({"mov_ss_blocking": True}, Injection(3, 14), None),
        ({"if_flag": False}, Injection(3, 14), None),
        ({}, None, None),
    ],
)
def test_guest_state_by_name(state, injection, rule):
    found = [broken.rule for broken in guest_problems(VapicState(**state), injection)]
    assert found == ([rule] if rule else [])
    outcome = VirtualApic(X2APIC, VapicState(non_root=False, **state)).vm_entry(injection)
    if rule:
        assert (outcome.exit_reason, outcome.qualification) == (0x8000_0021, 0)
        assert outcome.exit_name == "VM-entry failure due to invalid guest state" and not outcome.changed


EVENTS = [
    Injection(0, 0x30),
    Injection(2, 2),
    Injection(3, 1),
    Injection(3, 18),
    Injection(3, 14),
    Injection(4, 0x80),
]


@pytest.mark.parametrize(
    ("activity", "taken"),
    [("active", EVENTS), ("hlt", EVENTS[:4]), ("shutdown", [EVENTS[1], EVENTS[3]]), ("wait_for_sipi", [])],
)
def test_an_inactive_processor_takes_only_events_that_wake_it(activity, taken):
    for event in EVENTS:
        apic = VirtualApic(X2APIC, VapicState(activity=activity, non_root=False))
        outcome = apic.vm_entry(event)
        assert outcome.kind == (Kind.ENTERED if event in taken else Kind.ENTRY_FAILED), event
        assert apic.state.activity == ("active" if event in taken else activity)


def test_the_interruption_information_field():
    assert Injection.from_field(0x8000_0030) == (0, 0x30) and Injection.from_field(0x8000_0202) == (2, 2)
    assert Injection.from_field(0x8000_0B0E) == (3, 14)  # with an error code
    assert Injection.from_field(0x30) is None
    with pytest.raises(ValueError, match="MTF"):
        Injection.from_field(0x8000_0700)
    with pytest.raises(ValueError, match="reserved"):
        Injection.from_field(0x8001_0030)
