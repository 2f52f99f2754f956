"""multifd channels that compress: by CPU with zlib or zstd, by QATzip, by QPL on IAA devices.

Source: QEMU migration/multifd.c, multifd-zlib.c, multifd-zstd.c, multifd-qatzip.c, multifd-qpl.c. A packet of pages
goes to an idle channel. zlib and zstd keep their stream, and its history, from packet to packet. QATzip copies the
packet and cuts it into buffers; QPL submits each page, and sends a page that does not shrink as it is. Both do in
software what the devices' queue does not take.
"""

import math
from dataclasses import dataclass

import numpy as np

from nfvlab.kernels import bundles
from nfvlab.precopy.params import PAGE_BYTES, ZERO_PAGE_BYTES
from nfvlab.qat import sizes
from nfvlab.qat.compress_threads import deflate_page_ns, inflate_page_ns
from nfvlab.qat.rings import engine_page_ns
from nfvlab.qat.rings import inflate_page_ns as device_inflate_page_ns
from nfvlab.qat.thread import CompressingThread, Pace, per_cycle_ns
from nfvlab.units import s

PACKET_BYTES = 320  # MultiFDPacket_t; 8 bytes more for each page that a packet can hold
GZIP_BYTES = 36  # QATzip's gzip header with its extra field, and footer
LENGTH_BYTES = 4  # QPL: the length of each page
RETRIES = 3  # QPL: before it falls back


@dataclass
class ChannelsThread(CompressingThread):
    """multifd's migration thread; `method`: multifd zlib, multifd zstd, QATzip or IAA."""

    method: str = "multifd zlib"

    def __post_init__(self):
        self.takers_count = self.p.channels_count
        super().__post_init__()

    def prepare(self) -> None:
        """Channels and devices, and what they make of a page."""
        p = self.p
        self.served = self.method in ("QATzip", "IAA")
        self.helper = np.zeros(p.channels_count)
        self.server = np.zeros(p.devices_count * p.slices_count if self.served else 1)
        self.pages_each = self._pages_each()
        level = p.engine_deflate if self.served else p.zlib_level
        column = sizes.ZSTD if self.method == "multifd zstd" else sizes.COLUMN_OF_DEFLATE[level]
        self.sizes = sizes.tables(p, column, stream=self.method != "IAA")
        self.help_ns, self.more_ns = self._by_content()
        least = math.ceil(p.software_below_bytes / PAGE_BYTES) if self.method == "QATzip" else 0
        option = (
            p.packet_pages,
            not p.workers_check_zero,
            bundles.ALWAYS if p.sync_each_iteration else bundles.WHEN_EMPTY,
            self.served,
            self.pages_each,
            least,
            self.method == "IAA",
        )
        self.option = np.array(option, dtype=np.int64)

    def _pages_each(self) -> int:
        if self.method == "QATzip":
            return min(int(self.p.buffer_bytes // PAGE_BYTES), self.p.packet_pages)
        return 1

    def _by_content(self):
        """A channel's CPU time to compress a page and its peer's to decompress one, by content."""
        p = self.p
        if self.method == "multifd zstd":
            shrink = sizes.by_content(
                p, PAGE_BYTES / p.zstd_bytes_per_s * s, PAGE_BYTES / p.zstd_random_bytes_per_s * s
            )
            return shrink, sizes.by_content(p, PAGE_BYTES / p.unzstd_bytes_per_s * s, 0.0)
        if not (self.served and p.destination_engine):
            return deflate_page_ns(p), inflate_page_ns(p)
        per_page = (p.submit_cycles + p.poll_cycles) / self.pages_each
        copy = p.copy_cycles if self.method == "QATzip" else 0.0
        return deflate_page_ns(p), np.full(3, (per_page + copy) * per_cycle_ns(p))

    def engines(self) -> float:
        """Slices of all devices; without devices, channels."""
        return float(self.server.size if self.served else self.helper.size)

    def socket_bytes(self) -> float:
        """Each channel has a connection."""
        return self.p.socket_bytes * self.p.channels_count

    def costs(self, pace: Pace) -> np.ndarray:
        """The kernel's costs (see kernels.bundles)."""
        p, cycle_ns = self.p, per_cycle_ns(self.p)
        look = p.nonzero_check_cycles * cycle_ns
        cost = np.zeros(bundles.COSTS)
        cost[bundles.CHECK] = p.zero_scan_ns
        cost[bundles.QUEUE] = 0.0 if p.workers_check_zero else look
        cost[bundles.HAND] = p.handoff_cycles * cycle_ns
        cost[bundles.WAKE] = p.handoff_ns
        cost[bundles.HELPER_CHECK] = p.zero_scan_ns
        cost[bundles.HELPER_LOOK] = look if p.workers_check_zero else 0.0
        cost[bundles.COPY] = p.copy_cycles * cycle_ns if self.method == "QATzip" else 0.0
        cost[bundles.PER_BYTE] = self.per_byte_ns(checked=False)
        cost[bundles.SUBMIT] = p.submit_cycles * cycle_ns
        cost[bundles.POLL] = p.poll_cycles * cycle_ns
        cost[: bundles.POLL + 1] *= pace.host
        cost[bundles.REQUEST] = p.engine_request_ns
        cost[bundles.ITEM] = engine_page_ns(p)
        cost[bundles.LATENCY] = p.engine_latency_ns
        request_ns = p.engine_request_ns + self.pages_each * engine_page_ns(p)
        cost[bundles.FULL] = p.ring_requests / self.server.size * request_ns
        cost[bundles.TAKE : bundles.TAKE + 3] = self.take_ns(pace)
        cost[bundles.TAKE_DEVICE] = device_inflate_page_ns(p) if self.served else 0.0
        cost[bundles.LINK_NEW] = p.link_page_ns * pace.link
        cost[bundles.LIGHT_SIZE] = ZERO_PAGE_BYTES
        cost[bundles.WHOLE] = PAGE_BYTES
        cost[bundles.SMALLEST_RAW] = PAGE_BYTES if self.method == "IAA" else math.inf
        cost[bundles.HEAD] = PACKET_BYTES + 8 * p.packet_pages
        cost[bundles.REQUEST_HEAD] = GZIP_BYTES if self.method == "QATzip" else 0.0
        cost[bundles.ITEM_HEAD] = LENGTH_BYTES if self.method == "IAA" else 0.0
        cost[bundles.COUNTED] = 0.0 if p.multifd_counts_wire else PAGE_BYTES
        return cost

    def kernel(self, budget: float, deadline_ns: float, pace: Pace, rates: np.ndarray):
        """Walk with the channels."""
        retries_ns = RETRIES * self.p.submit_cycles * per_cycle_ns(self.p) if self.method == "IAA" else 0.0
        return bundles.walk(
            *self.state(),
            budget,
            deadline_ns,
            *self.common(rates),
            self.helper,
            self.server,
            self.sizes,
            (self.help_ns + retries_ns) * pace.host,
            self.more_ns * pace.host,
            self.bounds,
            self.costs(pace),
            self.option,
            self.rng,
        )
