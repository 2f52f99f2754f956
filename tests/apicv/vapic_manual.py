"""A second virtual APIC, slow and literal: the manual's sentences over 4096 bytes of page, for comparison.

Written from the text (SDM vol. 3C, chapters 24 to 29 of 2016; 30 of 2023 for IPI virtualization), not from the package;
it shares no code with it. Every operation returns (kind, exit reason, qualification, value, info, notify).
"""

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


class Exit(Exception):
    def __init__(self, reason, qualification, info=None):
        self.reason, self.qualification, self.info = reason, qualification, info


class Manual:
    """The state of one virtual processor as the manual names it; `c` is any object with the controls as attributes."""

    def __init__(self, c, pid_pointers=(), memory=None):
        self.c, self.page = c, bytearray(4096)
        self.rvi = self.svi = 0
        self.recognized, self.if_flag, self.sti, self.movss = False, True, False, False
        self.activity, self.running = "active", True
        self.pid_pointers, self.memory = pid_pointers, memory or {}

    # -- the page, bit by bit ---------------------------------------------------------------------------------------
    def dword(self, offset):
        return sum(self.page[offset + i] << 8 * i for i in range(4))

    def set_dword(self, offset, value):
        for i in range(4):
            self.page[offset + i] = value >> 8 * i & 0xFF

    def bit_at(self, base, x):
        offset = base | (x & 0xE0) >> 1
        return offset + (x & 0x1F) // 8, x & 7

    def bit(self, base, x):
        byte, position = self.bit_at(base, x)
        return self.page[byte] >> position & 1

    def set_bit(self, base, x, value):
        byte, position = self.bit_at(base, x)
        self.page[byte] = self.page[byte] & ~(1 << position) | value << position

    def highest(self, base):
        for x in range(255, -1, -1):
            if self.bit(base, x):
                return x
        return 0

    # -- 29.1 and 29.2 ----------------------------------------------------------------------------------------------
    def ppr(self):
        vtpr = self.page[0x80]
        value = vtpr if vtpr // 16 >= self.svi // 16 else self.svi // 16 * 16
        self.set_dword(0xA0, value)

    def evaluate(self):
        if self.c.interrupt_window_exiting == 0 and self.rvi // 16 > self.page[0xA0] // 16:
            self.recognized = True
        else:
            self.recognized = False

    def tpr(self):
        if not self.c.virtual_interrupt_delivery:
            if self.page[0x80] // 16 < self.c.tpr_threshold % 16:
                raise Exit(43, 0)
        else:
            self.ppr()
            self.evaluate()

    def eoi(self):
        vector = self.svi
        self.set_bit(0x100, vector, 0)
        self.svi = self.highest(0x100)
        self.ppr()
        if self.c.eoi_exit_bitmap >> vector & 1:
            raise Exit(45, vector)
        self.evaluate()

    def self_ipi(self, vector):
        self.set_bit(0x200, vector, 1)
        if vector > self.rvi:
            self.rvi = vector
        self.evaluate()

    def ipi(self, vector, apic_id):
        if vector < 16 or apic_id > self.c.last_pid_pointer_index:
            raise Exit(56, 0x300)
        pointer = self.pid_pointers[apic_id] if apic_id < len(self.pid_pointers) else 0
        if pointer >= 2**self.c.physical_address_width or pointer % 64 != 1:
            raise Exit(56, 0x300)
        pid = self.memory[pointer - 1]
        pid.pir |= 2**vector
        if not pid.on and not pid.sn:
            pid.on = True
            return pid.ndst, pid.nv
        return None

    def deliver(self):
        vector = self.rvi
        self.set_bit(0x100, vector, 1)
        self.svi = vector
        self.set_dword(0xA0, vector // 16 * 16)
        self.set_bit(0x200, vector, 0)
        self.rvi = self.highest(0x200)
        self.recognized = False
        self.through_idt()
        return vector

    def through_idt(self):
        self.activity, self.sti, self.movss = "active", False, False
        if self.c.interrupt_gates:
            self.if_flag = False

    # -- events -----------------------------------------------------------------------------------------------------
    def exits(self, run):
        """Run one operation; an Exit inside it is its result, and leaves non-root operation."""
        try:
            return run()
        except Exit as e:
            self.running = False
            if self.activity == "mwait":
                self.activity = "active"
            return "vm_exit", e.reason, e.qualification, None, e.info, None

    def window(self):
        """What happens at a boundary of priority above external interrupts; None if nothing does."""
        dead = self.activity in ("shutdown", "wait_for_sipi")
        if not self.if_flag or self.sti or self.movss or dead:
            return None
        if self.c.interrupt_window_exiting:
            raise Exit(7, 0)
        if self.recognized:
            self.deliver()
            return "delivered", None, None, None, None, None
        return None

    def boundary(self):
        return self.exits(lambda: self.window() or ("nothing", None, None, None, None, None))

    def would_happen(self):
        open_ = self.if_flag and not self.sti and not self.movss
        return (
            open_
            and self.activity in ("active", "hlt", "mwait")
            and (self.c.interrupt_window_exiting or self.recognized)
        )

    def external_interrupt(self, vector, pid):
        if not self.running:
            return "nothing", None, None, None, None, None
        if self.activity in ("shutdown", "wait_for_sipi") or self.would_happen():
            return "held", None, None, None, None, None

        def run():
            if not self.c.external_interrupt_exiting:
                if self.if_flag and not self.sti and not self.movss:
                    self.through_idt()
                    return "delivered", None, None, None, None, None
                return "held", None, None, None, None, None
            if not self.c.acknowledge_interrupt_on_exit:
                raise Exit(1, 0, 0)
            if not self.c.process_posted_interrupts or vector != self.c.notification_vector % 256:
                raise Exit(1, 0, 2**31 + vector)
            pid.on = False
            requests = [x for x in range(256) if pid.pir >> x & 1]
            for x in requests:
                self.set_bit(0x200, x, 1)
            pid.pir = 0
            if requests:
                self.rvi = max(self.rvi, requests[-1])
            self.evaluate()
            if self.activity == "mwait":
                self.activity = "active"
            return self.window() or ("virtualised", None, None, None, None, None)

        return self.exits(run)

    def entry_is_refused(self, injection):
        """ "control", "guest" or None."""
        c, vtpr_class = self.c, self.page[0x80] // 16
        control = [
            c.use_tpr_shadow
            and not c.virtual_interrupt_delivery
            and (
                c.tpr_threshold > 15 or not c.virtualize_apic_accesses and c.tpr_threshold % 16 > vtpr_class
            ),
            not c.use_tpr_shadow
            and (
                c.virtualize_x2apic_mode
                or c.apic_register_virtualization
                or c.virtual_interrupt_delivery
                or c.ipi_virtualization
            ),
            c.virtualize_x2apic_mode and c.virtualize_apic_accesses,
            c.virtual_interrupt_delivery and not c.external_interrupt_exiting,
            c.process_posted_interrupts
            and not (
                c.virtual_interrupt_delivery
                and c.acknowledge_interrupt_on_exit
                and c.notification_vector < 256
                and c.descriptor_address % 64 == 0
            ),
            c.use_tpr_shadow and c.virtual_apic_address % 4096,
            c.virtualize_apic_accesses and c.apic_access_address % 4096,
            c.ipi_virtualization and c.pid_pointer_table_address % 8,
        ]
        guest = [
            self.sti and self.movss,
            self.sti and not self.if_flag,
            (self.sti or self.movss) and self.activity != "active",
            self.activity == "mwait",
        ]
        if injection:
            kind, vector = injection
            control += [kind in (1, 7), kind == 2 and vector != 2, kind == 3 and vector > 31]
            guest += [
                kind == 0 and (not self.if_flag or self.sti or self.movss),
                kind == 2 and self.movss,
                self.activity == "wait_for_sipi",
                self.activity == "hlt" and not (kind in (0, 2) or (kind, vector) in ((3, 1), (3, 18))),
                self.activity == "shutdown" and not (kind == 2 or (kind, vector) == (3, 18)),
            ]
        return "control" if any(control) else "guest" if any(guest) else None

    def vm_entry(self, injection=None):
        refused = self.entry_is_refused(injection)
        if refused == "control":
            return "entry_failed", None, None, None, None, None
        if refused == "guest":
            return "entry_failed", 2**31 + 33, 0, None, None, None

        def run():
            c = self.c
            self.running, self.recognized = True, False
            if c.virtual_interrupt_delivery:
                self.ppr()
                self.evaluate()
            if injection:
                self.through_idt()
            below = c.tpr_threshold % 16 > self.page[0x80] // 16
            watched = c.use_tpr_shadow and c.virtualize_apic_accesses and not c.virtual_interrupt_delivery
            if watched and below and self.activity in ("active", "hlt"):
                raise Exit(43, 0)
            return self.window() or ("entered", None, None, None, None, None)

        return self.exits(run)

    # -- instructions -----------------------------------------------------------------------------------------------
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
