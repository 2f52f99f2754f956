"""RDMSR and WRMSR of every MSR in 800H-8FFH under every combination of controls, and CR8."""

import itertools

import pytest

from nfvlab.apicv.vapic import EMULATED, X2APIC, Kind, MemoryDescriptor, VapicState, VirtualApic

RANGE = range(0x800, 0x900)
READ_ONLY = [0x802, 0x803, 0x80A, 0x80D, *range(0x810, 0x828), 0x839]
WRITE_ONLY = [0x80B, 0x83F]
READ_WRITE = [0x808, 0x80F, 0x828, 0x82F, 0x830, *range(0x832, 0x839), 0x83E]
IPIV = X2APIC.replace(ipi_virtualization=True, last_pid_pointer_index=1)


def machine(controls=X2APIC, **state):
    return VirtualApic(controls, VapicState(**state))


def physical(x2apic_mode):
    return machine(EMULATED.replace(x2apic_mode=x2apic_mode))


def test_reads_come_from_the_page_with_register_virtualization():
    for msr in RANGE:
        apic, offset = machine(), (msr & 0xFF) << 4
        apic.state.set_word(offset, 0x1111)
        apic.state.set_word(offset + 4, 0x22)
        outcome = apic.rdmsr(msr)
        assert (outcome.kind, outcome.value) == (Kind.VIRTUALISED, 0x22_0000_1111), hex(msr)


def test_without_register_virtualization_only_the_tpr_does():
    controls = X2APIC.replace(apic_register_virtualization=False)
    for msr, x2apic in itertools.product(RANGE, (False, True)):
        kind = machine(controls.replace(x2apic_mode=x2apic)).rdmsr(msr).kind
        readable = msr in READ_ONLY or msr in READ_WRITE
        normal = Kind.PASSED_THROUGH if x2apic and readable else Kind.GP_FAULT
        assert kind == (Kind.VIRTUALISED if msr == 0x808 else normal), hex(msr)


def test_accesses_that_operate_normally():
    for msr in RANGE:
        assert physical(False).rdmsr(msr).kind == physical(False).wrmsr(msr, 0).kind == Kind.GP_FAULT
        readable, writable = msr in READ_ONLY + READ_WRITE, msr in WRITE_ONLY + READ_WRITE
        assert (physical(True).rdmsr(msr).kind == Kind.PASSED_THROUGH) == readable, hex(msr)
        assert (physical(True).wrmsr(msr, 0).kind == Kind.PASSED_THROUGH) == writable, hex(msr)


@pytest.mark.parametrize(
    ("msr", "allowed"),
    [
        (0x808, 0xFF),
        (0x80B, 0),
        (0x80F, 0x13FF),
        (0x828, 0),
        (0x830, 0xFFFF_FFFF_000C_DFFF),
        (0x832, 0x7_10FF),
        (0x835, 0x1_F7FF),
        (0x837, 0x1_10FF),
        (0x838, 0xFFFF_FFFF),
        (0x83E, 0xB),
        (0x83F, 0xFF),
    ],
)
def test_a_reserved_bit_faults(msr, allowed):
    for bit in range(64):
        kind = physical(True).wrmsr(msr, 1 << bit).kind
        assert kind == (Kind.PASSED_THROUGH if allowed >> bit & 1 else Kind.GP_FAULT), bit


@pytest.mark.parametrize(("vid", "ipiv"), [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_which_writes_are_special(vid, ipiv):
    special = {0x808} | ({0x80B, 0x83F} if vid else set()) | ({0x830} if ipiv else set())
    controls = X2APIC.replace(virtual_interrupt_delivery=vid, ipi_virtualization=ipiv)
    for msr in RANGE:
        apic = VirtualApic(controls)
        outcome = apic.wrmsr(msr, 0)
        got = outcome.kind == Kind.VIRTUALISED or outcome.exit_reason == 56
        assert got == (msr in special), hex(msr)


@pytest.mark.parametrize(("msr", "first"), [(0x808, 8), (0x80B, 0), (0x83F, 8)])
def test_special_writes_check_reserved_bits_and_store_nothing_then(msr, first):
    for bit in range(64):
        apic = machine(visr=[0x41], svi=0x41, vtpr=0x22)
        outcome = apic.wrmsr(msr, 1 << bit)
        assert (outcome.kind == Kind.GP_FAULT) == (bit >= first), bit
        if bit >= first:
            assert not outcome.changed


def test_a_special_write_stores_eight_bytes():
    apic = machine(page={0x84: 7, 0xB4: 7, 0x3F4: 7}, veoi=3)
    apic.wrmsr(0x808, 0x35)
    apic.wrmsr(0x80B, 0)
    apic.wrmsr(0x83F, 0x51)
    assert apic.state.vtpr == 0x35 and apic.state.veoi == 0 and apic.state.page == {0x3F0: 0x51}


@pytest.mark.parametrize("vector", [0, 1, 0x0F])
def test_a_self_ipi_of_an_illegal_vector_exits_after_storing_it(vector):
    apic = machine(page={0x3F0: 0x99})
    outcome = apic.wrmsr(0x83F, vector)
    assert (outcome.exit_reason, outcome.qualification, outcome.trap_like) == (56, 0x3F0, True)
    assert apic.state.word(0x3F0) == vector and apic.state.virr == 0 and apic.state.rvi == 0


@pytest.mark.parametrize("vector", [0x10, 0x80, 0xFF])
def test_a_self_ipi_raises_rvi(vector):
    apic = machine(rvi=0x80)
    outcome = apic.wrmsr(0x83F, vector)
    assert outcome.vector == vector and apic.state.virr == 1 << vector
    assert apic.state.rvi == max(0x80, vector) and apic.state.recognized


def test_the_bitmaps_decide_before_anything_else():
    controls = X2APIC.replace(msr_read_bitmap=[0x08], msr_write_bitmap=[0x0B])
    assert machine(controls).rdmsr(0x808).exit_reason == 31
    assert machine(controls).wrmsr(0x80B, 1 << 63).exit_reason == 32  # before the reserved bits
    assert machine(controls).wrmsr(0x808, 0).kind == machine(controls).rdmsr(0x80B).kind == Kind.VIRTUALISED
    unused = controls.replace(use_msr_bitmaps=False)
    assert (
        machine(unused).rdmsr(0x802).exit_reason == 31 and machine(unused).wrmsr(0x802, 0).exit_reason == 32
    )
    exit_ = machine(controls, sti_blocking=True)
    exit_.rdmsr(0x808)
    assert exit_.state.sti_blocking  # fault-like: the instruction has not completed


@pytest.mark.parametrize("bit", [13, 16, 17, *range(20, 32)])
def test_icr_with_reserved_bits_faults(bit):
    assert machine(IPIV).wrmsr(0x830, 0x51 | 1 << bit).kind == Kind.GP_FAULT


@pytest.mark.parametrize("bit", [8, 9, 10, 11, 12, 15, 18, 19])
def test_icr_that_the_vmm_sends(bit):
    apic = machine(IPIV)
    outcome = apic.wrmsr(0x830, 1 << 32 | 0x51 | 1 << bit)
    assert (outcome.exit_reason, outcome.qualification) == (56, 0x300)
    assert apic.state.vicr_lo == 0x51 | 1 << bit and apic.state.page == {0x304: 1}


def test_icr_with_a_32_bit_destination_is_posted():
    pid = MemoryDescriptor(nv=0xF2, ndst=0x0300)
    apic = VirtualApic(IPIV, pid_pointers=(0, 0x1001), memory={0x1000: pid})
    outcome = apic.wrmsr(0x830, 1 << 32 | 0x4051)
    assert outcome.notify == (0x300, 0xF2) and pid.pir == 1 << 0x51 and pid.on
    assert apic.wrmsr(0x830, 0x51).exit_reason == 56  # APIC ID 0 has no valid entry


def test_other_msrs_are_refused():
    for msr in (0x7FF, 0x900, 0xC000_0080):
        with pytest.raises(ValueError, match="800H to 8FFH"):
            machine().rdmsr(msr)
    with pytest.raises(ValueError, match="64 bits"):
        machine().wrmsr(0x808, 1 << 64)


def test_cr8_is_the_upper_half_of_vtpr():
    apic = machine(vtpr=0x1257)
    assert apic.mov_from_cr8().value == 5
    assert apic.mov_to_cr8(9).kind == Kind.VIRTUALISED and apic.state.vtpr == 0x90 and apic.state.vppr == 0x90


@pytest.mark.parametrize("value", [16, 1 << 63])
def test_cr8_has_four_bits(value):
    assert machine().mov_to_cr8(value).kind == Kind.GP_FAULT
    assert machine(X2APIC.replace(cr8_load_exiting=True)).mov_to_cr8(value).exit_reason == 28


def test_cr8_exits_name_the_register_and_the_direction():
    controls = X2APIC.replace(cr8_load_exiting=True, cr8_store_exiting=True)
    assert machine(controls).mov_to_cr8(3, gpr=2).qualification == 0x208
    assert machine(controls).mov_from_cr8(gpr=9).qualification == 0x918


def test_without_the_shadow_cr8_is_the_physical_tpr():
    apic = machine(EMULATED, vtpr=0x30)
    assert (
        apic.mov_to_cr8(1).kind == apic.mov_from_cr8().kind == Kind.PASSED_THROUGH and apic.state.vtpr == 0x30
    )


@pytest.mark.parametrize(("value", "exits"), [(2, True), (3, False), (4, False)])
def test_the_threshold_without_virtual_interrupt_delivery(value, exits):
    controls = X2APIC.replace(virtual_interrupt_delivery=False, tpr_threshold=3)
    for write in (lambda a: a.mov_to_cr8(value), lambda a: a.wrmsr(0x808, value << 4 | 0xF)):
        apic = machine(controls)
        assert write(apic).exit_reason == (43 if exits else None) and apic.state.vtpr >> 4 == value
