"""The virtual APIC's subtle rules, one state at a time; numbers are those of the manual's registers."""

import pytest

from nfvlab.apicv.vapic import (
    APICV,
    EMULATED,
    POSTED,
    TPR_SHADOW,
    X2APIC,
    Kind,
    MemoryDescriptor,
    VapicState,
    VirtualApic,
)
from nfvlab.apicv.vapic_outcome import Outcome

EOI, SELF_IPI, TPR = 0x80B, 0x83F, 0x808


def machine(controls=X2APIC, **state):
    return VirtualApic(controls, VapicState(**state))


def test_an_interrupt_from_posting_to_its_end():
    apic, pid = machine(), MemoryDescriptor(pir=1 << 0x41, on=True, sn=True, nv=0xF2, ndst=7)
    came = apic.external_interrupt(0xF2, pid)
    assert came.kind == Kind.DELIVERED and came.vector == 0x41
    assert came.steps == (
        "acknowledge",
        "clear ON",
        "EOI of the physical APIC",
        "PIR to VIRR",
        "evaluation",
        "virtual-interrupt delivery",
    )
    assert pid == MemoryDescriptor(pir=0, on=False, sn=True, nv=0xF2, ndst=7)
    assert came.changed == {
        "visr": (0, 1 << 0x41),
        "svi": (0, 0x41),
        "vppr": (0, 0x40),
        "if_flag": (True, False),
    }
    ended = apic.wrmsr(EOI, 0)
    assert ended.kind == Kind.VIRTUALISED and ended.vector == 0x41
    assert ended.steps[1:] == ("EOI virtualization", "PPR virtualization", "evaluation")
    assert apic.iret().changed == {"if_flag": (False, True)}
    assert apic.state == VapicState()


def test_eoi_with_its_exit_bit_exits_without_evaluating():
    apic = machine(
        X2APIC.replace(eoi_exit_bitmap=[0x41]), visr=[0x41], svi=0x41, virr=[0x31], rvi=0x31, vppr=0x40
    )
    exit_ = apic.wrmsr(EOI, 0)
    assert (exit_.exit_reason, exit_.qualification, exit_.exit_name) == (45, 0x41, "virtualized EOI")
    assert exit_.trap_like and "evaluation" not in exit_.steps
    assert not apic.state.recognized and apic.state.vppr == 0 and apic.state.svi == 0
    entered = apic.vm_entry()
    assert entered.kind == Kind.DELIVERED and entered.vector == 0x31


def test_eoi_with_svi_0_ends_vector_0_and_recomputes_svi():
    apic = machine(visr=[0, 0x52], svi=0, rvi=0x61)
    done = apic.wrmsr(EOI, 0)
    assert done.changed["visr"] == (1 << 0x52 | 1, 1 << 0x52) and apic.state.svi == 0x52
    assert apic.state.vppr == 0x50 and apic.state.recognized
    apic = machine(X2APIC.replace(eoi_exit_bitmap=1))
    assert apic.wrmsr(EOI, 0).qualification == 0 and not apic.state.non_root


def test_eoi_takes_svi_even_if_visr_holds_a_higher_vector():
    apic = machine(visr=[0x31, 0x71], svi=0x31)
    apic.wrmsr(EOI, 0)
    assert apic.state.visr == 1 << 0x71 and apic.state.svi == 0x71 and apic.state.vppr == 0x70


def test_rvi_need_not_be_mirrored_in_virr():
    apic = machine(rvi=0x55, non_root=False)
    done = apic.vm_entry()
    assert done.vector == 0x55 and apic.state.visr == 1 << 0x55 and apic.state.rvi == 0
    apic = machine(rvi=0x55, virr=[0x61], if_flag=False, non_root=False)
    apic.vm_entry()
    apic.iret()
    assert apic.boundary().vector == 0x55 and apic.state.rvi == 0x61


def test_posting_takes_the_highest_of_pir_not_of_virr():
    apic = machine(virr=[0x71], rvi=0x31, if_flag=False)
    apic.external_interrupt(0xF2, MemoryDescriptor(pir=1 << 0x41))
    assert apic.state.rvi == 0x41 and apic.state.virr == 1 << 0x71 | 1 << 0x41
    apic.external_interrupt(0xF2, MemoryDescriptor(pir=1 << 0x35, on=True))
    assert apic.state.rvi == 0x41
    apic.external_interrupt(0xF2, MemoryDescriptor(pir=0, on=True))
    assert apic.state.rvi == 0x41


@pytest.mark.parametrize(
    ("in_service", "requested", "taken"), [(0x41, 0x4F, 0), (0x4F, 0x50, 1), (0x41, 0x3F, 0)]
)
def test_an_interrupt_of_the_same_class_waits(in_service, requested, taken):
    apic = machine(visr=[in_service], svi=in_service, vppr=in_service & 0xF0)
    apic.wrmsr(SELF_IPI, requested)
    assert apic.state.recognized == bool(taken)
    assert apic.boundary().kind == (Kind.DELIVERED if taken else Kind.NOTHING)
    if not taken:
        apic.wrmsr(EOI, 0)
        assert apic.boundary().vector == requested


def test_only_five_events_evaluate():
    evaluating = {
        "entry": machine(non_root=False).vm_entry(),
        "TPR": machine().wrmsr(TPR, 0),
        "EOI": machine().wrmsr(EOI, 0),
        "self-IPI": machine().wrmsr(SELF_IPI, 0x20),
        "posting": machine().external_interrupt(0xF2, MemoryDescriptor()),
    }
    assert all("evaluation" in outcome.steps for outcome in evaluating.values())
    apic = machine(virr=[0x51], rvi=0x51)
    for outcome in (
        apic.sti(),
        apic.cli(),
        apic.iret(),
        apic.mov_ss(),
        apic.other_instruction(),
        apic.rdmsr(0x80A),
        apic.mov_from_cr8(),
        apic.boundary(),
    ):
        assert "evaluation" not in outcome.steps and not apic.state.recognized


def test_delivery_does_not_evaluate_the_next_interrupt():
    apic = machine(virr=[0x51, 0x91], rvi=0x91, non_root=False)
    assert apic.vm_entry().vector == 0x91 and apic.state.rvi == 0x51 and not apic.state.recognized
    assert apic.iret().kind == Kind.NOTHING and apic.boundary().kind == Kind.NOTHING
    apic.wrmsr(EOI, 0)
    assert apic.state.recognized and apic.boundary().vector == 0x51


@pytest.mark.parametrize("blocked", [{"if_flag": False}, {"sti_blocking": True}, {"mov_ss_blocking": True}])
def test_what_is_recognized_and_blocked_stays_recognized(blocked):
    apic = machine(recognized=True, rvi=0x31, virr=[0x31], **blocked)
    outcome = apic.boundary()
    assert outcome.kind == Kind.NOTHING and not outcome.changed and "31H" in outcome.why
    apic.iret() if blocked == {"if_flag": False} else apic.other_instruction()
    assert apic.boundary().vector == 0x31


def test_sti_holds_an_interrupt_back_for_one_instruction():
    apic = machine(recognized=True, rvi=0x31, virr=[0x31], if_flag=False)
    apic.sti()
    assert apic.boundary().kind == Kind.NOTHING and apic.state.sti_blocking
    apic.hlt()
    assert apic.boundary().vector == 0x31 and apic.state.activity == "active"
    apic.iret()
    apic.sti()
    assert not apic.state.sti_blocking  # it blocks only if RFLAGS.IF was 0


def test_an_exit_before_an_instruction_completes_keeps_the_blocking():
    apic = machine(APICV, sti_blocking=True)
    assert apic.page_read(0x20 + 4).exit_reason == 44 and apic.state.sti_blocking
    apic = machine(TPR_SHADOW.replace(tpr_threshold=5), sti_blocking=True)
    assert apic.page_write(0x80, 0).exit_reason == 43 and not apic.state.sti_blocking


@pytest.mark.parametrize(("activity", "after"), [("hlt", "hlt"), ("mwait", "active"), ("active", "active")])
def test_posting_without_a_delivery_returns_to_hlt_but_not_to_mwait(activity, after):
    apic = machine(activity=activity, vppr=0x80)
    assert apic.external_interrupt(0xF2, MemoryDescriptor(pir=1 << 0x41)).kind == Kind.VIRTUALISED
    assert apic.state.activity == after and not apic.state.recognized
    apic = machine(activity=activity)
    assert apic.external_interrupt(0xF2, MemoryDescriptor(pir=1 << 0x41)).kind == Kind.DELIVERED
    assert apic.state.activity == "active"


@pytest.mark.parametrize("activity", ["shutdown", "wait_for_sipi"])
def test_shutdown_and_wait_for_sipi_take_neither_kind_of_interrupt(activity):
    apic, pid = (
        machine(activity=activity, recognized=True, rvi=0x91),
        MemoryDescriptor(pir=1 << 0x41, on=True),
    )
    assert apic.external_interrupt(0xF2, pid).kind == Kind.HELD and pid.on
    assert apic.boundary().kind == Kind.NOTHING and apic.state.recognized


def test_another_vector_exits_with_its_vector_and_posts_nothing():
    apic, pid = machine(if_flag=False), MemoryDescriptor(pir=1 << 0x41, on=True)
    exit_ = apic.external_interrupt(0xEF, pid)
    assert (exit_.exit_reason, exit_.interruption_info) == (1, 0x8000_00EF) and pid.on and pid.pir
    assert apic.external_interrupt(0xF2, pid).kind == Kind.NOTHING and pid.on  # the host has it now
    apic = machine(EMULATED.replace(acknowledge_interrupt_on_exit=False))
    assert apic.external_interrupt(0xF2).interruption_info == 0


def test_an_open_window_and_a_virtual_interrupt_go_before_an_external_one():
    for controls in (X2APIC, X2APIC.replace(interrupt_window_exiting=True)):
        apic, pid = machine(controls, recognized=True, rvi=0x31), MemoryDescriptor(on=True)
        assert apic.external_interrupt(0xF2, pid).kind == Kind.HELD and pid.on
        assert apic.boundary().kind != Kind.NOTHING


def test_without_exiting_the_guest_gets_external_interrupts():
    apic = VirtualApic(EMULATED.replace(external_interrupt_exiting=False), VapicState(activity="hlt"))
    came = apic.external_interrupt(0x33)
    assert came.kind == Kind.DELIVERED and apic.state.activity == "active" and apic.state.visr == 0
    assert apic.external_interrupt(0x33).kind == Kind.HELD


def test_interrupt_window_exiting_keeps_anything_from_being_recognized():
    apic = machine(X2APIC.replace(interrupt_window_exiting=True), if_flag=False, recognized=True)
    apic.wrmsr(SELF_IPI, 0x61)
    assert not apic.state.recognized and apic.boundary().kind == Kind.NOTHING
    apic.iret()
    assert apic.boundary().exit_reason == 7


def test_operations_of_a_guest_that_does_not_run_are_refused():
    with pytest.raises(ValueError, match="guest is not running"):
        machine(non_root=False).wrmsr(TPR, 0)
    with pytest.raises(ValueError, match="executes nothing in state hlt"):
        machine(activity="hlt").wrmsr(TPR, 0)
    with pytest.raises(ValueError, match="guest is running"):
        machine().vm_entry()
    with pytest.raises(ValueError, match="needs the descriptor"):
        machine().external_interrupt(0xF2)
    with pytest.raises(ValueError, match="vector = 256"):
        machine().external_interrupt(256)


def test_hlt_exits_or_halts():
    assert machine(POSTED.replace(hlt_exiting=True)).hlt().exit_reason == 12
    apic = machine(sti_blocking=True)
    assert apic.hlt().changed == {"sti_blocking": (True, False), "activity": ("active", "hlt")}


def test_a_vm_exit_from_mwait_saves_the_active_state():
    apic = machine(EMULATED, activity="mwait")
    assert apic.external_interrupt(0x20).kind == Kind.VM_EXIT and apic.state.activity == "active"


def test_outcomes_say_why_and_print_as_plain_values():
    apic = machine(APICV)
    outcome = apic.page_write(0x320, 0x10)
    assert outcome.to_dict() == {
        "kind": "vm_exit",
        "exit_reason": 56,
        "exit_name": "APIC write",
        "qualification": 0x320,
        "steps": ["virtualized write", "APIC-write emulation", "VM exit"],
        "why": "the VMM completes writes of LVT timer",
    }
    assert outcome.changed == {"non_root": (True, False), "page[320H]": (0, 0x10)}
    assert Outcome(Kind.NOTHING, "").changed == {}
