"""The RAM blocks of a guest as the migration stream names them: guest memory first, then the firmware's."""

from dataclasses import dataclass

import numpy as np

from nfvlab.kernels import pagemap

#: Blocks of a q35 guest without graphics, in QEMU's order (largest first). With these names, the bytes that
#: query-migrate reports are met exactly on every plain recording under data/recordings/qemu.
GUEST_BLOCK = "pc.ram"
ROM_BLOCKS = ("pc.bios", "pc.rom", "/rom@etc/acpi/tables", "/rom@etc/table-loader", "/rom@etc/acpi/rsdp")
GUEST, ROMS = "guest memory", "firmware"
NAME_BYTES = {GUEST: 1 + len(GUEST_BLOCK), ROMS: sum(1 + len(name) for name in ROM_BLOCKS)}


@dataclass
class BlockNames:
    """save_page_header's rule: the first page after a change of block carries the block's name."""

    guest_pages: int
    pages: int
    last_sent: str = ""

    def rom_left(self, bitmap: np.ndarray) -> int:
        """Firmware pages still to be sent."""
        return int(pagemap.count_range(bitmap, self.guest_pages, self.pages))

    def sent(self, guest: int, rom: int, cursor: int) -> int:
        """Bytes of the names in a walk that sent so many pages of each kind and ended at `cursor`.

        The walk is circular: it meets firmware after guest memory, and then guest memory again.
        """
        order = [GUEST] if guest and not (rom and self.last_sent == ROMS) else []
        if rom:
            order += [ROMS, GUEST] if guest and 0 < cursor < self.guest_pages else [ROMS]
        named = 0
        for block in order:
            if block != self.last_sent:
                named += NAME_BYTES[block]
                self.last_sent = block
        return named
