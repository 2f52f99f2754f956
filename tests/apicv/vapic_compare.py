"""Random controls, states and operations for two virtual APICs at once: the package's and the literal one."""

import copy

from apicv.vapic_manual import Manual

from nfvlab.apicv.vapic import Access, Controls, Injection, MemoryDescriptor, VapicState, VirtualApic

VECTORS = (0, 1, 0x0F, 0x10, 0x1F, 0x20, 0x2F, 0x30, 0x31, 0x3F, 0x80, 0xF0, 0xFF)  # few, so that they meet
OFFSETS = (0x20, 0x30, *(0x80, 0xB0, 0x300, 0x310) * 6, 0xA0, 0xD0, 0x110, 0x1F0, 0x200, 0x210, 0x270)
OFFSETS += (0x280, 0x2F0, 0x300, 0x300, 0x300, 0x310, 0x320, 0x370, 0x380, 0x390, 0x3E0, 0x3F0, 0x800)
MSRS = (0x802, *(0x808, 0x80B, 0x830, 0x83F) * 5, 0x80A, 0x80F, 0x810, 0x828, 0x82F, 0x830, 0x830, 0x831)
MSRS += (0x832, 0x835, 0x837, 0x838, 0x839, 0x83E, 0x83F, 0x83F, 0x840, 0x8FF)
ACTIVITIES = ("active",) * 6 + ("hlt", "hlt", "mwait", "shutdown", "wait_for_sipi")


def controls(rng):
    """Any controls, most of them such as VM entry takes."""
    some = lambda p=0.5: rng.random() < p  # noqa: E731
    shadow, vid, x2apic = some(0.85), some(0.7), some()
    strict = some(0.9)
    return Controls(
        external_interrupt_exiting=(strict and vid) or some(0.7),
        acknowledge_interrupt_on_exit=some(0.8),
        process_posted_interrupts=some(0.7) and (vid or not strict),
        interrupt_window_exiting=some(0.1),
        hlt_exiting=some(),
        cr8_load_exiting=some(0.1),
        cr8_store_exiting=some(0.1),
        use_tpr_shadow=shadow,
        use_msr_bitmaps=some(0.95),
        virtualize_apic_accesses=not x2apic if strict else some(0.8),
        virtualize_x2apic_mode=(x2apic and shadow) if strict else some(0.8),
        apic_register_virtualization=some() and (shadow or not strict),
        virtual_interrupt_delivery=vid and (shadow or not strict),
        ipi_virtualization=some(0.5) and (shadow or not strict),
        x2apic_mode=some(),
        interrupt_gates=some(0.7),
        tpr_threshold=rng.choice((0, 1, 2, 3, 15)) if some(0.99) else 0x10,
        eoi_exit_bitmap=bits(rng) | bits(rng) | bits(rng),
        msr_read_bitmap=1 << rng.choice(MSRS) - 0x800 if some(0.1) else 0,
        msr_write_bitmap=1 << rng.choice(MSRS) - 0x800 if some(0.1) else 0,
        notification_vector=0xF2 if some(0.99) else 0x1F2,
        descriptor_address=0x40 if some(0.99) else 0x20,
        virtual_apic_address=0x1000 if some(0.99) else 0x800,
        apic_access_address=0x2000 if some(0.99) else 0x801,
        pid_pointer_table_address=0x3008 if some(0.99) else 0x3001,
        last_pid_pointer_index=rng.choice((0, 1, 2, 7)),
    )


def bits(rng):
    """A set of few vectors."""
    return sum(1 << v for v in set(rng.sample(VECTORS, rng.choice((0, 0, 1, 1, 2, 3)))))


def state(rng):
    """Any state; RVI and SVI agree with VIRR and VISR in half of them."""
    visr, virr = bits(rng), bits(rng)
    agree = rng.random() < 0.5
    if_flag = rng.random() < 0.7
    page = {at: rng.getrandbits(32) for at in rng.sample((0x20, 0x84, 0x1F0, 0x304, 0x320, 0x8F4), 2)}
    return VapicState(
        vtpr=rng.choice((0, 0x0F, 0x10, 0x20, 0x2F, 0x30, 0x1230, 0xFF)),
        vppr=rng.choice((0, 0x10, 0x20, 0x30, 0xFF00_0020)),
        veoi=rng.choice((0, 5)),
        visr=visr,
        virr=virr,
        vicr_lo=rng.choice((0, 0x4_4031)),
        vicr_hi=rng.choice((0, 0x0100_0000)),
        rvi=virr.bit_length() - 1 if agree and virr else rng.choice(VECTORS),
        svi=visr.bit_length() - 1 if agree and visr else rng.choice(VECTORS),
        recognized=rng.random() < 0.3,
        if_flag=if_flag,
        sti_blocking=rng.random() < (0.2 if if_flag else 0.03),
        mov_ss_blocking=rng.random() < 0.1,
        activity=rng.choice(ACTIVITIES),
        non_root=rng.random() < 0.7,
        page=page,
    )


def icr(rng):
    """A value for the interrupt command register, often one that is virtualised."""
    vector = rng.choice(VECTORS)
    if rng.random() < 0.6:
        return vector | rng.choice((0x4_0000, 0x4_4000, 0x4_0800, 0, 0x4000))
    return vector | 1 << rng.randrange(8, 32) | rng.choice((0, 0x4_0000))


def access(rng):
    """One access to the page."""
    offset = rng.choice(OFFSETS) + (rng.choice((0, 0, 0, 0, 1, 2, 3, 4, 12)) if rng.random() < 0.15 else 0)
    size = rng.choice((4,) * 9 + (1, 2, 8))
    if rng.random() < 0.25:
        return Access(offset, size, fetch=rng.random() < 0.1)
    value = icr(rng) if offset == 0x300 else rng.choice((*VECTORS, rng.getrandbits(32)))
    return Access(offset, size, value & (1 << 8 * size) - 1)


def operation(rng, c):
    """One operation: its name and arguments, most of them by the interface that the controls virtualise."""
    name = rng.choice(
        ("boundary",) * 3
        + ("external_interrupt",) * 2
        + ("page_operation",) * 5
        + ("wrmsr",) * 4
        + ("rdmsr", "mov_to_cr8", "mov_to_cr8", "mov_from_cr8", "sti", "sti")
    )
    if name in ("page_operation", "wrmsr") and rng.random() < 0.85:
        name = "page_operation" if c.virtualize_apic_accesses else "wrmsr"
    if name == "external_interrupt":
        return name, (rng.choice((0xF2, 0xF2, 0xF2, 0x31)),), bits(rng)
    if name == "page_operation":
        accesses = tuple(access(rng) for _ in range(rng.choice((1, 1, 1, 2, 3))))
        if len(accesses) > 1 and rng.random() < 0.7:  # as XCHG and OR do: read, then write the same
            first = accesses[0]
            accesses = (
                first._replace(value=None),
                first._replace(value=rng.getrandbits(8 * first.size_bytes)),
            )
        return name, (accesses, rng.random() < 0.1, rng.random() < 0.05), None
    if name == "wrmsr":
        msr = rng.choice(MSRS)
        high = rng.choice((0, 0, 1, 2, 9)) << 32 if msr == 0x830 else 0
        value = (
            icr(rng) | high
            if msr == 0x830
            else rng.choice((0,) * 12 + (*VECTORS, 0x100, rng.getrandbits(64)))
        )
        return name, (msr, value), None
    if name == "rdmsr":
        return name, (rng.choice(MSRS),), None
    if name == "mov_to_cr8":
        return name, (rng.choice((0, 1, 2, 3, 15, 16, 1 << 63)), rng.randrange(16)), None
    return name, (rng.randrange(16),) if name == "mov_from_cr8" else (), None


def injection(rng):
    """Nothing most of the time, or an event to inject."""
    if rng.random() < 0.6:
        return None
    kind = rng.choice((0, 0, 1, 2, 3, 3, 4, 5, 6))
    return Injection(kind, rng.choice({2: (2, 2, 3), 3: (1, 14, 18, 32)}.get(kind, (0x30, 0x80))))


def tables():
    """A PID-pointer table with valid, invalid and too wide entries, and the descriptors."""
    pids = {0x40: MemoryDescriptor(nv=0xF2, ndst=3), 0x80: MemoryDescriptor(sn=True, nv=0xF1)}
    return {"pid_pointers": (0x41, 0x81, 0x43, 1 << 50 | 1), "memory": pids}


def twins(rng, make=VirtualApic):
    """The package's machine (or a mutant, `make`) and the literal one in the same state."""
    c, s = controls(rng), state(rng)
    apic, manual = make(c, s, **tables()), Manual(c, **tables())
    for offset in range(0, 4096, 4):
        manual.set_dword(offset, s.word(offset))
    manual.rvi, manual.svi, manual.activity, manual.running = s.rvi, s.svi, s.activity, s.non_root
    manual.recognized, manual.if_flag = s.recognized, s.if_flag
    manual.sti, manual.movss = s.sti_blocking, s.mov_ss_blocking
    return apic, manual


def page_bytes(s):
    """The 4096 bytes of a state's page."""
    page = bytearray(4096)
    named = (0x80, 0xA0, 0xB0, 0x300, 0x310, *(base + 16 * i for base in (0x100, 0x200) for i in range(8)))
    for at in (*named, *s.page):
        page[at : at + 4] = s.word(at).to_bytes(4, "little")
    return page


def differences(apic, manual):
    """Names of what is not the same in both states."""
    s = apic.state
    page = page_bytes(s)
    found = [f"{at:03X}H" for at in range(4096) if page[at] != manual.page[at]] if page != manual.page else []
    ours = (s.rvi, s.svi, s.recognized, s.if_flag, s.sti_blocking, s.mov_ss_blocking, s.activity, s.non_root)
    theirs = (manual.rvi, manual.svi, manual.recognized, manual.if_flag, manual.sti, manual.movss)
    theirs += (manual.activity, manual.running)
    found += [f"{a!r} is not {b!r}" for a, b in zip(ours, theirs, strict=True) if a != b]
    return found + (["descriptors"] if apic.memory != manual.memory else [])


def step(rng, apic, manual):
    """One operation on both; what differs afterwards."""
    name, arguments, pir = operation(rng, apic.controls)
    if not apic.state.non_root and (name != "external_interrupt" or rng.random() < 0.7):
        name, arguments = "vm_entry", (injection(rng),)
    if name == "sti":  # the guest opens its interrupt window
        name, arguments, pir = "boundary", (), None
        apic.state.if_flag = manual.if_flag = True
        apic.state.sti_blocking = manual.sti = False
    asleep = apic.state.activity != "active"
    if asleep and name not in ("vm_entry", "boundary", "external_interrupt"):
        apic.state.activity = manual.activity = "active"
    pids = MemoryDescriptor(pir=pir or 0, on=True, nv=0xF2)
    pids = pids, copy.copy(pids)
    if name == "external_interrupt":
        mine, other = (
            apic.external_interrupt(*arguments, pids[0]),
            manual.external_interrupt(*arguments, pids[1]),
        )
    elif name == "page_operation":
        accesses, event, physical = arguments
        mine = apic.page_operation(*accesses, event_delivery=event, guest_physical=physical)
        other = manual.page_operation(accesses, event, physical)
    else:
        mine, other = getattr(apic, name)(*arguments), getattr(manual, name)(*arguments)
    if mine.kind == "entry_failed":  # the VMM mends nothing here; a guest that runs is of more use
        apic.state.non_root = manual.running = True
    got = (
        str(mine.kind),
        mine.exit_reason,
        mine.qualification,
        mine.value,
        mine.interruption_info,
        mine.notify,
    )
    found = differences(apic, manual) + ([] if pids[0] == pids[1] else ["descriptor"])
    if got != other:
        found.append(f"{got} is not {other}")
    return f"{name}{arguments}", found


def first_difference(rng, make=VirtualApic, length=12):
    """The first operation after which the two differ, and in what; None if they agree throughout."""
    apic, manual = twins(rng, make)
    for _ in range(length):
        what, found = step(rng, apic, manual)
        if found:
            return what, found
    return None
