"""VIRTIO_BALLOON_F_FREE_PAGE_HINT: the protocol and the device, transition by transition.

Around every merge of the dirty log the device invalidates the hints under way and asks for new ones under
a new command id. A hint counts only in status START, which only the id just asked for can enter: **a
device never uses a hint of another command id** (virtio 1.2, 5.5.6.6.2: it MUST ignore pages provided with
a command ID that does not match). The free_page_vq is first in, first out, so what was hinted under an old
id arrives before the new id does.

    STOP  --AFTER_BITMAP_SYNC-->  REQUESTED  --out: that id-->  START  --out: any id-->  STOP
    any status:  BEFORE_BITMAP_SYNC --> STOP,   AFTER_BITMAP_SYNC of a stopped guest, CLEANUP --> DONE

Sources: QEMU hw/virtio/virtio-balloon.c (`virtio_balloon_free_page_hint_notify`, `get_free_page_hints`,
`virtio_balloon_get_config`, `virtio_balloon_set_status`) and migration/ram.c (`qemu_guest_free_page_hint`,
`migration_bitmap_sync_precopy`), 5.2 and later; include/uapi/linux/virtio_balloon.h. The driver is in
`hint_driver`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from nfvlab.freepages.physmap import PAGE_BYTES, MemoryMap

CMD_ID_STOP = 0  # VIRTIO_BALLOON_CMD_ID_STOP: stop hinting, keep what was hinted
CMD_ID_DONE = 1  # VIRTIO_BALLOON_CMD_ID_DONE: stop hinting, give back what was hinted
CMD_ID_MIN = 0x8000_0000  # VIRTIO_BALLOON_FREE_PAGE_HINT_CMD_ID_MIN
CMD_ID_MAX = 0xFFFF_FFFF
HINT_BLOCK_ORDER = 10  # VIRTIO_BALLOON_HINT_BLOCK_ORDER: Linux hints its largest blocks only
HINT_BLOCK_PAGES = 1 << HINT_BLOCK_ORDER


class Status(IntEnum):
    """`free_page_hint_status` of include/hw/virtio/virtio-balloon.h."""

    STOP = 0
    REQUESTED = 1
    START = 2
    DONE = 3


class Notify(IntEnum):
    """`PrecopyNotifyReason` of include/migration/misc.h."""

    SETUP = 0
    BEFORE_BITMAP_SYNC = 1
    AFTER_BITMAP_SYNC = 2
    COMPLETE = 3
    CLEANUP = 4


def next_cmd_id(cmd_id: int) -> int:
    """The command id after this one: one more, back to the least after the greatest."""
    return CMD_ID_MIN if cmd_id == CMD_ID_MAX else cmd_id + 1


def after_notify(status: Status, cmd_id: int, event: Notify, running: bool) -> tuple[Status, int]:
    """Status and command id after an event of the migration; `running` says whether the guest runs."""
    if event is Notify.BEFORE_BITMAP_SYNC:
        return Status.STOP, cmd_id
    if event is Notify.AFTER_BITMAP_SYNC and running:
        return Status.REQUESTED, next_cmd_id(cmd_id)
    if event in (Notify.AFTER_BITMAP_SYNC, Notify.CLEANUP):
        return Status.DONE, cmd_id
    return status, cmd_id


def after_out(status: Status, cmd_id: int, received: int) -> Status:
    """Status after an output buffer with a command id.

    Only the id just asked for starts hinting; while hinting, any id ends it; else the id is an old one's
    stop sign and means nothing.
    """
    if status is Status.REQUESTED and received == cmd_id:
        return Status.START
    if status is Status.START:
        return Status.STOP
    return status


def config_cmd_id(status: Status, cmd_id: int) -> int:
    """What the driver reads in `free_page_hint_cmd_id`; in START that is 0, for QEMU fills in nothing."""
    return {Status.REQUESTED: cmd_id, Status.DONE: CMD_ID_DONE}.get(status, CMD_ID_STOP)


@dataclass(frozen=True)
class Out:
    """An output buffer: what the driver tells."""

    data: bytes

    @classmethod
    def of(cls, cmd_id: int) -> "Out":
        """The buffer that carries a command id (little-endian, as virtio 1.x has it)."""
        return cls(cmd_id.to_bytes(4, "little"))


@dataclass(frozen=True)
class In:
    """An input buffer: memory that the driver offers, by guest physical address."""

    address: int
    length: int

    @classmethod
    def of(cls, pfn: int, pages: int = HINT_BLOCK_PAGES) -> "In":
        """The buffer that hints a block of pages."""
        return cls(pfn * PAGE_BYTES, pages * PAGE_BYTES)


@dataclass(frozen=True)
class Receipt:
    """What the device did with a buffer: whether it took effect, why, whether it was given back (used)."""

    accepted: bool
    reason: str
    used: bool = True

    def __bool__(self) -> bool:
        return self.accepted


class Device:
    """The device end: QEMU's virtio-balloon with free-page-hint=on, in a migration.

    `hint(first_pfn, pages)` is called for every accepted hint, at the moment it takes effect. With
    `memory_map`, hints outside the guest's RAM are dropped. Hints are rounded inwards to whole pages
    (Linux only sends whole blocks of 4 MiB). `postcopy` is the capability postcopy-ram, with which QEMU
    leaves hinting alone.
    """

    def __init__(
        self,
        hint: Callable[[int, int], None] | None = None,
        *,
        memory_map: MemoryMap | None = None,
        postcopy: bool = False,
    ):
        self.hint = hint or (lambda first_pfn, pages: None)
        self.memory_map = memory_map
        self.postcopy = postcopy
        self.status = Status.STOP
        self.cmd_id = CMD_ID_MIN  # the first request asks under CMD_ID_MIN + 1
        self.running = True
        self.broken = False
        self.config_changes = 0

    @property
    def free_page_hint_cmd_id(self) -> int:
        """The field of the configuration space, as the driver reads it now."""
        return config_cmd_id(self.status, self.cmd_id)

    def notify(self, event: Notify) -> None:
        """The migration reports an event; the driver is told whenever the configuration changes."""
        if self.postcopy:
            return
        before = self.status
        self.status, self.cmd_id = after_notify(before, self.cmd_id, event, self.running)
        asked = event is Notify.AFTER_BITMAP_SYNC and self.status is Status.REQUESTED
        self.config_changes += asked or self.status is not before

    def sync(self, merge: Callable[[], None]) -> None:
        """`migration_bitmap_sync_precopy`: stop hinting, merge the log, ask for hints under a new id."""
        self.notify(Notify.BEFORE_BITMAP_SYNC)
        merge()
        self.notify(Notify.AFTER_BITMAP_SYNC)

    def set_running(self, running: bool) -> None:
        """The guest is stopped or runs on; while it is stopped no buffer is taken from the queue."""
        self.running = running

    def reset(self) -> None:
        """The driver resets the device: hinting stops, the command id goes on from where it was."""
        self.broken = False
        self.config_changes += self.status is not Status.STOP
        self.status = Status.STOP

    def receive(self, buffer: Out | In) -> Receipt:
        """Take one buffer from the free_page_vq."""
        if self.broken:
            return Receipt(False, "the device is broken and waits for a reset", used=False)
        if not self.running:
            return Receipt(False, "the guest is stopped, the buffer waits in the queue", used=False)
        if isinstance(buffer, Out):
            return self._out(buffer)
        return self._in(buffer)

    def receive_out(self, cmd_id: int | bytes) -> Receipt:
        """Take an output buffer with a command id, given as a number or as the bytes of the buffer."""
        return self.receive(Out(cmd_id) if isinstance(cmd_id, bytes) else Out.of(cmd_id))

    def receive_in(self, address: int, length: int) -> Receipt:
        """Take an input buffer, that is a hint."""
        return self.receive(In(address, length))

    def _out(self, buffer: Out) -> Receipt:
        if len(buffer.data) < 4:
            self.broken = True
            return Receipt(False, f"a command id has 4 bytes, not {len(buffer.data)}: the device breaks")
        received = int.from_bytes(buffer.data[:4], "little")
        before, self.status = self.status, after_out(self.status, self.cmd_id, received)
        if before is Status.START:
            return Receipt(True, f"id {received:#x} ends hinting under {self.cmd_id:#x}")
        if self.status is Status.START:
            return Receipt(True, f"hinting under {received:#x} starts")
        if before is Status.REQUESTED:
            return Receipt(False, f"id {received:#x} is not {self.cmd_id:#x}, which was asked for")
        return Receipt(False, f"id {received:#x} means nothing in status {before.name}")

    def _in(self, buffer: In) -> Receipt:
        if buffer.length <= 0:
            self.broken = True
            return Receipt(False, "an input buffer of no length: the device breaks")
        if self.status is Status.REQUESTED:
            return Receipt(False, f"hinted under another id than {self.cmd_id:#x}, which has not come yet")
        if self.status is not Status.START:
            return Receipt(False, f"no hints are wanted in status {self.status.name}")
        first = -(-buffer.address // PAGE_BYTES)
        pages = (buffer.address + buffer.length) // PAGE_BYTES - first
        if pages <= 0:
            return Receipt(False, "holds no whole page")
        if self.memory_map is not None and not self._is_ram(first, pages):
            return Receipt(False, "not in the guest's RAM")
        self.hint(first, pages)
        return Receipt(True, f"{pages} pages from frame {first:#x} on, under id {self.cmd_id:#x}")

    def _is_ram(self, first: int, pages: int) -> bool:
        return any(r.first_pfn <= first and first + pages <= r.end_pfn for r in self.memory_map.regions)
