"""The literal virtual APIC's instructions: CR8, the MSRs, the APIC-access page (SDM vol. 3C, 29.3 to 29.5)."""

from apicv.vapic_manual_events import Events, Exit

RANGES_R = [0x20, 0x30, 0x80, 0xB0, 0xD0, 0xE0, 0xF0]
RANGES_R += [base + 16 * i for base in (0x100, 0x180, 0x200) for i in range(8)]
RANGES_R += [0x280, 0x300, 0x310, 0x320, 0x330, 0x340, 0x350, 0x360, 0x370, 0x380, 0x3E0]
RANGES_W = [0x20, 0x80, 0xB0, 0xD0, 0xE0, 0xF0, 0x280, 0x300, 0x310]
RANGES_W += [0x320, 0x330, 0x340, 0x350, 0x360, 0x370, 0x380, 0x3E0]
READABLE = [0x802, 0x803, 0x808, 0x80A, 0x80D, 0x80F, *range(0x810, 0x829), 0x82F, 0x830]
READABLE += [*range(0x832, 0x83A), 0x83E]
RESERVED = {  # bits that a write must leave 0, by writable MSR: ranges (low, high)
    0x808: [(8, 63)],
    0x80B: [(0, 63)],
    0x80F: [(10, 11), (13, 63)],
    0x828: [(0, 63)],
    0x82F: [(11, 11), (13, 15), (17, 63)],
    0x830: [(13, 13), (16, 17), (20, 31)],
    0x832: [(8, 11), (13, 15), (19, 63)],
    0x833: [(11, 11), (13, 15), (17, 63)],
    0x834: [(11, 11), (13, 15), (17, 63)],
    0x835: [(11, 11), (17, 63)],
    0x836: [(11, 11), (17, 63)],
    0x837: [(8, 11), (13, 15), (17, 63)],
    0x838: [(32, 63)],
    0x83E: [(2, 2), (4, 63)],
    0x83F: [(8, 63)],
}


class Manual(Events):
    """One virtual processor: what its instructions do to the APIC."""

    def completed(self):
        self.sti = self.movss = False

    def mov_to_cr8(self, value, gpr):
        def run():
            if self.c.cr8_load_exiting:
                raise Exit(28, 8 + 256 * gpr)
            if value > 15:
                return "gp_fault", None, None, None, None, None
            self.completed()
            if not self.c.use_tpr_shadow:
                return "passed_through", None, None, None, None, None
            self.set_dword(0x80, value * 16)
            self.tpr()
            return "virtualised", None, None, None, None, None

        return self.exits(run)

    def mov_from_cr8(self, gpr):
        def run():
            if self.c.cr8_store_exiting:
                raise Exit(28, 8 + 16 + 256 * gpr)
            self.completed()
            if not self.c.use_tpr_shadow:
                return "passed_through", None, None, None, None, None
            return "virtualised", None, None, self.page[0x80] // 16, None, None

        return self.exits(run)

    def rdmsr(self, msr):
        def run():
            if not self.c.use_msr_bitmaps or self.c.msr_read_bitmap >> msr - 0x800 & 1:
                raise Exit(31, 0)
            if self.c.virtualize_x2apic_mode and (self.c.apic_register_virtualization or msr == 0x808):
                at = (msr & 0xFF) << 4
                self.completed()
                return "virtualised", None, None, self.dword(at) + (self.dword(at + 4) << 32), None, None
            if not self.c.x2apic_mode or msr not in READABLE:
                return "gp_fault", None, None, None, None, None
            self.completed()
            return "passed_through", None, None, None, None, None

        return self.exits(run)

    def wrmsr(self, msr, value):
        def run():
            c = self.c
            if not c.use_msr_bitmaps or c.msr_write_bitmap >> msr - 0x800 & 1:
                raise Exit(32, 0)
            vid, ipiv = c.virtual_interrupt_delivery, c.ipi_virtualization
            special = {0x808: True, 0x80B: vid, 0x83F: vid, 0x830: ipiv}.get(msr, False)
            special = special and c.virtualize_x2apic_mode
            bad = any(value >> low & 2 ** (high - low + 1) - 1 for low, high in RESERVED.get(msr, ()))
            if not special:
                if not c.x2apic_mode or msr not in RESERVED or bad:
                    return "gp_fault", None, None, None, None, None
                self.completed()
                return "passed_through", None, None, None, None, None
            if bad:
                return "gp_fault", None, None, None, None, None
            at = (msr & 0xFF) << 4
            self.set_dword(at, value % 2**32)
            self.set_dword(at + 4, value >> 32)
            self.completed()
            notify = None
            if msr == 0x808:
                self.tpr()
            elif msr == 0x80B:
                self.eoi()
            elif msr == 0x83F:
                if value >> 4 & 15 == 0:
                    raise Exit(56, 0x3F0)
                self.self_ipi(value & 255)
            else:
                fixed_physical = value >> 8 & 7 == 0 and value >> 11 & 1 == 0 and value >> 12 & 1 == 0
                if not fixed_physical or value >> 15 & 1 or value >> 18 & 3:
                    raise Exit(56, 0x300)
                notify = self.ipi(value & 255, value >> 32)
            return "virtualised", None, None, None, None, notify

        return self.exits(run)

    def page_operation(self, accesses, event_delivery, guest_physical):
        """`accesses`: (offset, size, value or None, fetch)."""

        def run():
            c = self.c
            if not c.virtualize_apic_accesses:
                if not event_delivery:
                    self.completed()
                return "passed_through", None, None, None, None, None
            wrote, read = None, None
            for offset, size, value, fetch in accesses:
                first, last = offset, offset + size - 1
                if guest_physical:
                    raise Exit(44, (10 if event_delivery else 15) * 4096 + offset)
                kind = 3 if event_delivery else 2 if fetch else 0 if value is None else 1
                exits = not c.use_tpr_shadow or fetch or size > 4
                exits = exits or (wrote is not None and (value is None or wrote != (offset, size)))
                exits = exits or first // 4 % 4 != 0 or last // 4 % 4 != 0
                if not exits:
                    if c.apic_register_virtualization:
                        ranges = RANGES_R if value is None else RANGES_W
                        exits = not any(start <= first and last <= start + 3 for start in ranges)
                    elif c.virtual_interrupt_delivery:
                        exits = offset not in (0x80, 0xB0, 0x300)
                    else:
                        exits = offset != 0x80 and not (
                            c.ipi_virtualization and value is not None and offset == 0x300
                        )
                if exits:
                    raise Exit(44, kind * 4096 + offset)
                if value is None:
                    read = int.from_bytes(self.page[first : last + 1], "little")
                else:
                    self.page[first : last + 1] = value.to_bytes(size, "little")
                    wrote = offset, size
            if not event_delivery:
                self.completed()
            notify = self.emulate(wrote[0]) if wrote else None
            return "virtualised", None, None, read, None, notify

        return self.exits(run)

    def emulate(self, offset):
        vid = self.c.virtual_interrupt_delivery
        if offset == 0x80:
            self.page[0x81:0x84] = bytes(3)
            return self.tpr()
        if offset == 0xB0 and vid:
            self.set_dword(0xB0, 0)
            return self.eoi()
        if offset == 0x300:
            icr = self.dword(0x300)
            plain = not (icr >> 20 or icr >> 16 & 3 or icr >> 15 & 1 or icr >> 12 & 3 or icr >> 8 & 7)
            if vid and plain and icr >> 18 & 3 == 1 and icr >> 4 & 15:
                return self.self_ipi(icr & 255)
            if self.c.ipi_virtualization and plain and icr >> 18 & 3 == 0 and not icr >> 11 & 1:
                return self.ipi(icr & 255, self.page[0x313])
        if 0x310 <= offset <= 0x313:
            self.page[0x310:0x313] = bytes(3)
            return None
        raise Exit(56, offset)
