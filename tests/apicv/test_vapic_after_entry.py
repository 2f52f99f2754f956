"""What VM entry does once its checks pass: PPR and evaluation, injection, and what follows at once."""

import pytest

from nfvlab.apicv.vapic import TPR_SHADOW, X2APIC, Injection, Kind, VapicState, VirtualApic


def machine(controls=X2APIC, **state):
    return VirtualApic(controls, VapicState(**state))


def test_vm_entry_recomputes_vppr_and_recognition():
    apic = machine(vtpr=0x55, svi=0x41, vppr=0xF0, rvi=0x52, recognized=True, non_root=False)
    entered = apic.vm_entry()
    assert entered.kind == Kind.ENTERED and apic.state.vppr == 0x55 and not apic.state.recognized
    apic = machine(TPR_SHADOW, rvi=0x52, recognized=True, vppr=3, non_root=False)
    assert apic.vm_entry().steps == ("VM entry",) and not apic.state.recognized and apic.state.vppr == 3


@pytest.mark.parametrize(
    ("vtpr", "svi", "vppr"), [(0x2F, 0x21, 0x2F), (0x1F, 0x21, 0x20), (0xA0_30, 0x41, 0x40)]
)
def test_ppr_is_the_higher_class_and_the_tpr_in_a_tie(vtpr, svi, vppr):
    apic = machine(vtpr=vtpr, svi=svi, visr=[svi], non_root=False)
    apic.vm_entry()
    assert apic.state.vppr == vppr


def test_an_injected_event_comes_before_a_recognized_interrupt():
    apic = machine(virr=[0x91], rvi=0x91, non_root=False, activity="hlt")
    entered = apic.vm_entry(Injection(0, 0x30))
    assert entered.kind == Kind.ENTERED and entered.vector == 0x30 and apic.state.recognized
    assert apic.state.activity == "active" and apic.boundary().kind == Kind.NOTHING and apic.state.visr == 0
    apic.iret()
    assert apic.boundary().vector == 0x91
    through_trap_gate = machine(X2APIC.replace(interrupt_gates=False), rvi=0x91, non_root=False)
    assert through_trap_gate.vm_entry(0x8000_0030).vector == 0x91


def test_vm_entry_into_hlt_is_woken_by_what_was_requested():
    apic = machine(rvi=0x31, virr=[0x31], activity="hlt", non_root=False)
    assert apic.vm_entry().kind == Kind.DELIVERED and apic.state.activity == "active"
    apic = machine(activity="hlt", non_root=False)
    assert apic.vm_entry().kind == Kind.ENTERED and apic.state.activity == "hlt"


@pytest.mark.parametrize(
    ("if_flag", "activity", "exits"), [(0, "active", 1), (1, "hlt", 1), (1, "shutdown", 0)]
)
def test_the_threshold_exits_right_after_entry_whatever_if_says(if_flag, activity, exits):
    controls = TPR_SHADOW.replace(tpr_threshold=3)
    apic = machine(controls, vtpr=0x2F, if_flag=bool(if_flag), activity=activity, non_root=False)
    assert apic.vm_entry().exit_reason == (43 if exits else None)
    assert machine(controls, vtpr=0x30, non_root=False).vm_entry().kind == Kind.ENTERED


def test_the_threshold_exit_follows_injection_and_beats_the_interrupt_window():
    controls = TPR_SHADOW.replace(tpr_threshold=3, interrupt_window_exiting=True, interrupt_gates=False)
    exit_ = machine(controls, non_root=False).vm_entry(Injection(2, 2))
    assert exit_.exit_reason == 43 and exit_.steps == ("VM entry", "event injection", "VM exit")
