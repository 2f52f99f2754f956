"""The driver's end of free page hinting, and the queue between: Linux drivers/virtio/virtio_balloon.c.

The work item reads the command id from the configuration, sends it as an output buffer, then allocates the
largest blocks of the free lists one by one and sends each as an input buffer, until there are no more or
the id has changed, and ends with the id STOP. It holds the blocks until it reads DONE, or until the
shrinker takes some back: early, even if the device has not yet looked at them (virtio 1.2, 5.5.6.6.1
allows that).

Functions followed: `virtio_balloon_queue_free_page_work`, `report_free_page_func`, `send_cmd_id_start`,
`send_free_pages`, `get_free_page_and_send`, `send_cmd_id_stop`, `return_free_pages_to_mm`,
`shrink_free_pages`.
"""

from collections import deque
from collections.abc import Callable

from nfvlab.freepages.hints import CMD_ID_DONE, CMD_ID_STOP, HINT_BLOCK_PAGES, Device, In, Out, Receipt

QUEUE_SIZE = 1024  # VIRTQUEUE_MAX_SIZE, which QEMU gives the free_page_vq
PAGE_POISON = 0xAAAA_AAAA  # include/linux/poison.h, the byte 0xaa four times


class FreePageQueue:
    """The free_page_vq: a ring of `size` descriptors, first in, first out, one descriptor a buffer."""

    def __init__(self, size: int = QUEUE_SIZE):
        self.size = size
        self.available: deque[Out | In] = deque()
        self.used = 0

    @property
    def num_free(self) -> int:
        """Descriptors that the driver can use now; used buffers count only after `collect`."""
        return self.size - len(self.available) - self.used

    def add(self, buffer: Out | In) -> bool:
        """The driver adds a buffer; False if the ring is full."""
        if not self.num_free:
            return False
        self.available.append(buffer)
        return True

    def collect(self) -> None:
        """The driver detaches all used buffers."""
        self.used = 0

    def serve(self, device: Device) -> Receipt | None:
        """The device takes the oldest buffer; None if there is none. A buffer that it cannot take stays."""
        if not self.available:
            return None
        receipt = device.receive(self.available[0])
        if receipt.used:
            self.available.popleft()
            self.used += 1
        return receipt


class Driver:
    """The driver's work item, one atomic action a `step`.

    `allocate()` gives the first frame of a free block of order 10, or None; `release(first_pfn)` gives one
    back. `initialize(first_pfn)` is called for each allocated block if the guest runs with
    init_on_alloc=1, which then writes every page that it hints.
    """

    def __init__(
        self,
        queue: FreePageQueue,
        allocate: Callable[[], int | None],
        release: Callable[[int], None],
        initialize: Callable[[int], None] | None = None,
    ):
        self.queue = queue
        self.allocate = allocate
        self.release = release
        self.initialize = initialize or (lambda first_pfn: None)
        self.phase = "idle"
        self.work_queued = False
        self.config_read = False  # VIRTIO_BALLOON_CONFIG_READ_CMD_ID: the configuration is to be read again
        self.cmd_id_received = CMD_ID_STOP
        self.cmd_id_active = CMD_ID_STOP
        self.free_page_list: list[int] = []  # blocks held, the last one first to be given back
        self.errors: list[str] = []

    def config_changed(self) -> None:
        """The device says that its configuration changed: read it again, and let the work item run."""
        if not self.config_read:
            self.config_read = True
            self.work_queued = True

    def step(self, device: Device) -> bool:
        """Do the next action; False if there is none."""
        if self.phase == "idle":
            return self._begin(device)
        self.queue.collect()
        if self.phase == "start":
            self.cmd_id_active = self._received(device)
            self._send(self.cmd_id_active, "start")
            self.phase = "pages"
        elif self.phase == "stop":
            self._send(CMD_ID_STOP, "stop")
            self.phase = "idle"
        elif self.cmd_id_active != self._received(device) or not self._hint_one():
            self.phase = "stop"
        return True

    def shrink(self, pages: int) -> int:
        """The guest runs short: give back blocks of at least so many pages; returns the pages given back."""
        return HINT_BLOCK_PAGES * self._give_back(-(-pages // HINT_BLOCK_PAGES))

    def _begin(self, device: Device) -> bool:
        if not self.work_queued:
            return False
        self.work_queued = False
        received = self._received(device)
        if received == CMD_ID_DONE:
            self._give_back(len(self.free_page_list))
        elif received not in (CMD_ID_STOP, self.cmd_id_active):
            self.phase = "start"
        return True

    def _received(self, device: Device) -> int:
        """The command id as last told; the configuration is read only after it was said to have changed."""
        if self.config_read:
            self.config_read = False
            self.cmd_id_received = device.free_page_hint_cmd_id
        return self.cmd_id_received

    def _send(self, cmd_id: int, what: str) -> None:
        if not self.queue.add(Out.of(cmd_id)):
            self.errors.append(f"failed to send a {what} id: the queue is full")

    def _hint_one(self) -> bool:
        """Allocate a block and hint it; where only the descriptor for a command id is left, give it back."""
        block = self.allocate()
        if block is None:
            return False
        self.initialize(block)
        if self.queue.num_free > 1:
            self.queue.add(In.of(block))
            self.free_page_list.append(block)
        else:
            self.release(block)
        return True

    def _give_back(self, blocks: int) -> int:
        given = min(blocks, len(self.free_page_list))
        for _ in range(given):
            self.release(self.free_page_list.pop())
        return given


def poison_val(*, init_on_free: bool, page_poisoning: bool) -> int | None:
    """What the driver writes to `poison_val`; None if it declines VIRTIO_BALLOON_F_PAGE_POISON.

    `virtballoon_validate` keeps the feature only for a guest that initialises the pages it frees.
    """
    if init_on_free:
        return 0
    return PAGE_POISON if page_poisoning else None
