"""Memory-mapped accesses: the tables of 29.4 over every offset of the page, and APIC-write emulation case by case."""

import pytest

from nfvlab.apicv.vapic import APICV, TPR_SHADOW, Access, Kind, MemoryDescriptor, VapicState, VirtualApic

ACCESS_ONLY = TPR_SHADOW.replace(use_tpr_shadow=False)
REGISTERS = TPR_SHADOW.replace(apic_register_virtualization=True)
DELIVERY = TPR_SHADOW.replace(virtual_interrupt_delivery=True)
IPIV = APICV.replace(ipi_virtualization=True, last_pid_pointer_index=3)
BANKS = [*range(0x100, 0x180, 16), *range(0x180, 0x200, 16), *range(0x200, 0x280, 16)]
LVT = [0x320, 0x330, 0x340, 0x350, 0x360, 0x370]
READS = {
    "ACCESS_ONLY": (ACCESS_ONLY, []),
    "TPR_SHADOW": (TPR_SHADOW, [0x80]),
    "DELIVERY": (DELIVERY, [0x80, 0xB0, 0x300]),
    "REGISTERS": (
        REGISTERS,
        [0x20, 0x30, 0x80, 0xB0, 0xD0, 0xE0, 0xF0, *BANKS, 0x280, 0x300, 0x310, *LVT, 0x380, 0x3E0],
    ),
}
WRITES = {
    "ACCESS_ONLY": (ACCESS_ONLY, []),
    "TPR_SHADOW": (TPR_SHADOW, [0x80]),
    "DELIVERY": (DELIVERY, [0x80, 0xB0, 0x300]),
    "REGISTERS": (REGISTERS, [0x20, 0x80, 0xB0, 0xD0, 0xE0, 0xF0, 0x280, 0x300, 0x310, *LVT, 0x380, 0x3E0]),
    "APICV": (APICV, [0x20, 0x80, 0xB0, 0xD0, 0xE0, 0xF0, 0x280, 0x300, 0x310, *LVT, 0x380, 0x3E0]),
}


def machine(controls=APICV, **state):
    return VirtualApic(controls, VapicState(**state))


@pytest.mark.parametrize("name", READS)
def test_which_reads_are_virtualised(name):
    controls, virtualised = READS[name]
    for offset in range(0, 4096, 4):
        apic = machine(controls)
        apic.state.set_word(offset, 0x1234_5678)
        outcome = apic.page_read(offset)
        if offset in virtualised:
            assert (outcome.kind, outcome.value) == (Kind.VIRTUALISED, 0x1234_5678), hex(offset)
        else:
            assert (outcome.exit_reason, outcome.qualification) == (44, offset), hex(offset)


@pytest.mark.parametrize("name", WRITES)
def test_which_writes_are_virtualised(name):
    controls, virtualised = WRITES[name]
    silent = {0x80, 0x310} | ({0xB0} if controls.virtual_interrupt_delivery else set())
    for offset in range(0, 4096, 4):
        apic = machine(controls)
        outcome = apic.page_write(offset, 0xF0)
        if offset not in virtualised:
            assert (outcome.exit_reason, outcome.qualification) == (44, 0x1000 | offset), hex(offset)
            assert apic.state.word(offset) == 0
        elif offset in silent:
            assert outcome.kind == Kind.VIRTUALISED, hex(offset)
        else:
            assert (outcome.exit_reason, outcome.qualification) == (56, offset), hex(offset)
            assert apic.state.word(offset) == 0xF0


def test_an_offset_within_a_register_counts_only_with_register_virtualization():
    for offset, size in ((0x80, 1), (0x80, 2), (0x80, 4)):
        assert machine(TPR_SHADOW).page_read(offset, size).kind == Kind.VIRTUALISED
    for offset, size in ((0x81, 1), (0x82, 2)):
        assert machine(TPR_SHADOW).page_read(offset, size).qualification == offset
        assert machine(REGISTERS, vtpr=0x4433_2211).page_read(offset, size).value == (
            0x22 if offset == 0x81 else 0x4433
        )


@pytest.mark.parametrize(
    ("offset", "size"), [(0x80, 8), (0x84, 4), (0x82, 4), (0x8C, 4), (0x8E, 4), (0x83, 2)]
)
def test_wide_misaligned_and_upper_accesses_exit(offset, size):
    assert machine().page_read(offset, size).qualification == offset
    assert machine().page_write(offset, 0, size).qualification == 0x1000 | offset


@pytest.mark.parametrize(
    ("how", "qualification"),
    [
        ({}, 0x0084),
        ({"event_delivery": True}, 0x3084),
        ({"guest_physical": True}, 0xF084),
        ({"guest_physical": True, "event_delivery": True}, 0xA084),
    ],
)
def test_the_qualification_names_the_kind_of_access(how, qualification):
    assert machine().page_read(0x84, **how).qualification == qualification
    assert machine().page_fetch(0x80).qualification == 0x2080
    assert machine().page_fetch(0x80, guest_physical=True).qualification == 0xF080
    assert machine().page_read(0x80, guest_physical=True).exit_reason == 44  # never virtualised


def test_event_delivery_may_be_virtualised_too():
    apic = machine(sti_blocking=True)
    assert (
        apic.page_write(0x80, 0x30, event_delivery=True).kind == Kind.VIRTUALISED and apic.state.vtpr == 0x30
    )


def test_without_the_control_the_page_is_ordinary_memory():
    apic = machine(APICV.replace(virtualize_apic_accesses=False))
    assert apic.page_write(0xB0, 0).kind == Kind.PASSED_THROUGH and apic.state.veoi == 0


def test_tpr_keeps_its_low_byte_and_eoi_is_cleared():
    apic = machine(vtpr=0x1234_5600, visr=[0x41], svi=0x41)
    assert apic.page_write(0x80, 0xABCD_EF25).kind == Kind.VIRTUALISED and apic.state.vtpr == 0x25
    assert apic.page_write(0xB0, 0xFFFF).vector == 0x41 and apic.state.veoi == 0 and apic.state.svi == 0


def test_a_write_beside_the_offset_of_tpr_eoi_or_icr_is_the_vmms():
    for offset in (0x81, 0xB1, 0x301):
        outcome = machine(visr=[0x41], svi=0x41).page_write(offset, 0x44, 1)
        assert (outcome.exit_reason, outcome.qualification) == (56, offset)
    apic = machine(vicr_hi=0x0012_3456)
    assert apic.page_write(0x313, 5, 1).kind == Kind.VIRTUALISED and apic.state.vicr_hi == 0x0500_0000


def test_read_modify_write_reads_then_writes_and_is_emulated_once():
    apic = machine(vtpr=0x30)
    outcome = apic.page_operation(Access(0x80), Access(0x80, value=0x50))
    assert (
        outcome.value == 0x30 and apic.state.vtpr == 0x50 and outcome.steps.count("TPR virtualization") == 1
    )


@pytest.mark.parametrize("second", [Access(0x20), Access(0x80), Access(0x310, value=0), Access(0x80, 1, 0)])
def test_after_a_virtualised_write_another_access_exits_and_the_write_stays(second):
    apic = machine(rvi=0x31, sti_blocking=True)
    outcome = apic.page_operation(Access(0x80, value=0xFF10), second)
    assert outcome.exit_reason == 44 and "APIC-write emulation" not in outcome.steps
    assert apic.state.vtpr == 0xFF10 and apic.state.sti_blocking
    again = machine().page_operation(Access(0x80, value=0x10), Access(0x80, value=0x20))
    assert again.kind == Kind.VIRTUALISED


SELF = 0x4_0000


@pytest.mark.parametrize("ignored", [0, 1 << 11, 1 << 14, 1 << 11 | 1 << 14])
def test_a_self_ipi_by_icr(ignored):
    apic = machine()
    outcome = apic.page_write(0x300, SELF | ignored | 0x51)
    assert outcome.kind == Kind.VIRTUALISED and outcome.vector == 0x51
    assert apic.state.virr == 1 << 0x51 and apic.state.rvi == 0x51 and apic.state.recognized


@pytest.mark.parametrize("bit", [8, 9, 10, 12, 13, 15, 16, 17, 18, 19, *range(20, 32)])
def test_any_other_command_is_the_vmms(bit):
    apic = machine()
    outcome = apic.page_write(0x300, (SELF | 0x51) ^ 1 << bit)
    assert (outcome.exit_reason, outcome.qualification) == (56, 0x300) and apic.state.virr == 0


@pytest.mark.parametrize(("vector", "sent"), [(0x0F, False), (0x10, True), (0xFF, True), (0, False)])
def test_a_self_ipi_needs_a_legal_vector_and_delivery(vector, sent):
    assert (machine().page_write(0x300, SELF | vector).kind == Kind.VIRTUALISED) == sent
    assert machine(REGISTERS).page_write(0x300, SELF | vector).exit_reason == 56


def ipi(icr, apic_id, descriptor, pointers=(0, 0x41)):
    apic = VirtualApic(IPIV, pid_pointers=pointers, memory={0x40: descriptor})
    apic.page_write(0x310, apic_id << 24)
    return apic.page_write(0x300, icr)


@pytest.mark.parametrize(
    ("on", "sn", "notify"), [(0, 0, (9, 0xF2)), (1, 0, None), (0, 1, None), (1, 1, None)]
)
def test_an_ipi_is_posted_and_notified_unless_on_or_sn(on, sn, notify):
    pid = MemoryDescriptor(on=bool(on), sn=bool(sn), nv=0xF2, ndst=9)
    outcome = ipi(0x4051, 1, pid)
    assert outcome.kind == Kind.VIRTUALISED and outcome.notify == notify
    assert pid.pir == 1 << 0x51 and pid.on == bool(on or notify)


@pytest.mark.parametrize(
    ("icr", "apic_id", "pointers"),
    [
        (0x0F, 1, (0, 0x41)),  # illegal vector
        (0x51, 0, (0, 0x41)),  # not valid
        (0x51, 4, (0x41,) * 9),  # above the last index
        (0x51, 1, (0, 0x43)),  # a reserved bit
        (0x51, 1, (0, 1 << 46 | 1)),  # wider than 46 bits
        (0x51, 3, (0, 0x41)),  # beyond what the table has
        *((0x51 | 1 << bit, 1, (0, 0x41)) for bit in (8, 10, 11, 12, 13, 15, 16, 19, 20, 31)),
    ],
)
def test_ipis_that_the_vmm_sends(icr, apic_id, pointers):
    pid = MemoryDescriptor()
    outcome = ipi(icr, apic_id, pid, pointers)
    assert (outcome.exit_reason, outcome.qualification) == (56, 0x300) and pid == MemoryDescriptor()


def test_a_pointer_to_nothing_is_an_error_of_the_caller():
    with pytest.raises(ValueError, match="no posted-interrupt descriptor at 0x80"):
        ipi(0x51, 1, MemoryDescriptor(), (0, 0x81))


@pytest.mark.parametrize(
    ("offset", "size", "value"), [(-4, 4, 0), (0xFFD, 4, 0), (0x80, 0, 0), (0x80, 1, 256)]
)
def test_accesses_that_are_none_are_refused(offset, size, value):
    with pytest.raises(ValueError, match="offset|does not fit"):
        machine().page_write(offset, value, size)
    with pytest.raises(ValueError, match="at least one access"):
        machine().page_operation()
