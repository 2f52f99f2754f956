"""A second virtual APIC, slow and literal: the manual's sentences over 4096 bytes of page. Its events.

Written from the text (SDM vol. 3C, chapters 24 to 29 of 2016; 30 of 2023 for IPI virtualization), not from the package;
it shares no code with it. Every operation returns (kind, exit reason, qualification, value, info, notify).
"""


class Exit(Exception):
    def __init__(self, reason, qualification, info=None):
        self.reason, self.qualification, self.info = reason, qualification, info


class Events:
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
