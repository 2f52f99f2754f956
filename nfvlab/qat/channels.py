"""multifd channels that compress: by CPU with zlib or zstd, by QATzip, by QPL on IAA devices.

Source: QEMU migration/multifd.c, multifd-zlib.c, multifd-zstd.c, multifd-qatzip.c, multifd-qpl.c; intel/QATzip
src/qatzip.c (qzCompressCrc, qzDecompress, qzGrabInstance, qzReleaseInstance), src/qatzip_sw.c. A packet of pages goes
to an idle channel. zlib and zstd keep their stream, and its history, from packet to packet. QATzip copies the packet
and cuts it into buffers, for a call that takes an instance and is made in software if none is to be had, at either end,
or if the packet (at the destination, what its first gzip member holds) is too small: by zlib, with its dynamic codes,
as one gzip member with a full flush between the buffers. The destination has to inflate a member larger than a buffer
in software, with its instance in hand (checkHeader, doDecompressIn). QPL submits each page, does what the work queue
does not take after some tries in software, of the same level and with the same codes, and sends a page that does not
shrink as it is; a page that its device finds unmapped costs an IO page fault.
"""

import math
from dataclasses import dataclass

import numpy as np

from nfvlab.kernels import bundles, device
from nfvlab.precopy.params import PAGE_BYTES, ZERO_PAGE_BYTES
from nfvlab.qat import sizes, tls
from nfvlab.qat.compress_threads import deflate_page_ns, inflate_page_ns
from nfvlab.qat.rings import engine_page_ns
from nfvlab.qat.thread import CompressingThread, Pace, per_cycle_ns
from nfvlab.units import s

PACKET_BYTES = 320  # MultiFDPacket_t; 8 bytes more for each page that a packet can hold
GZIP_BYTES = (
    10 + 2 + 12 + 8
)  # RFC 1952: header, length of the extra field, that of QATzip (QzExtraField_T), footer
FLUSH_BYTES = 5  # RFC 1951: the empty stored block, with what fills the byte, that ends a part of a stream
LENGTH_BYTES = 4  # QPL: the length of each page
RETRIES = 3  # QPL: before it falls back (MAX_SUBMIT_RETRY_NUM)
SOFTWARE_LEVEL = "1"  # QEMU's default for QATzip, all that it does with QPL
IN_FLIGHT = 32  # QATzip: buffers of an instance (NUM_BUFF)


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
        level = p.engine_deflate if self.served else p.zlib_level
        column = sizes.ZSTD if self.method == "multifd zstd" else sizes.COLUMN_OF_DEFLATE[level]
        self.sizes = sizes.tables(p, column, stream=self.method != "IAA")
        self.more = np.zeros_like(self.sizes)
        if self.method == "QATzip":
            by_software = sizes.COLUMN_OF_DEFLATE[SOFTWARE_LEVEL]
            self.more = sizes.tables(p, by_software, stream=True) - self.sizes
        self.help_ns, self.unpack_ns = self._by_content()
        sync = bundles.ALWAYS if p.sync_each_iteration else bundles.WHEN_EMPTY
        takers_served = self.served and p.destination_engine
        option = (p.packet_pages, not p.workers_check_zero, sync, self.served, takers_served)
        self.option = np.array(option, dtype=np.int64)
        self.source, self.destination = self._device(), self._device()

    def _device(self) -> device.Device:
        """The devices of one end as their driver's library shows them; costs are set for each walk."""
        p = self.p
        slices = p.devices_count * p.slices_count
        if self.method == "QATzip":
            buffer_pages = min(int(p.buffer_bytes // PAGE_BYTES), p.packet_pages)
            least = max(math.ceil(p.software_below_bytes / PAGE_BYTES), 1)
            option = (buffer_pages, least, 1, False)
            places, instances = IN_FLIGHT, p.instances_count
        else:
            option, places, instances = (1, 0, 1 + RETRIES, True), p.ring_requests, 0
        cost = np.zeros(device.COSTS)
        return device.new_device(slices, places, instances, cost, np.array(option, dtype=np.int64))

    def _by_content(self):
        """A channel's CPU time to compress a page and its peer's to decompress one, by content."""
        p = self.p
        if self.method == "multifd zstd":
            shrink = sizes.by_content(
                p, PAGE_BYTES / p.zstd_bytes_per_s * s, PAGE_BYTES / p.zstd_random_bytes_per_s * s
            )
            return shrink, sizes.by_content(p, PAGE_BYTES / p.unzstd_bytes_per_s * s, 0.0)
        return deflate_page_ns(p.replace(zlib_level=SOFTWARE_LEVEL) if self.served else p), inflate_page_ns(p)

    def engines(self) -> float:
        """Slices of all devices; without devices, channels."""
        return float(self.source.server.size if self.served else self.helper.size)

    def socket_bytes(self) -> float:
        """Each channel has a connection."""
        return self.p.socket_bytes * self.p.channels_count

    def costs(self, pace: Pace) -> np.ndarray:
        """The kernel's costs (see kernels.bundles)."""
        p, cycle_ns = self.p, per_cycle_ns(self.p)
        look = p.nonzero_check_cycles * cycle_ns
        copy = p.copy_cycles * cycle_ns if self.method == "QATzip" else 0.0
        cost = np.zeros(bundles.COSTS)
        cost[bundles.CHECK] = p.zero_scan_ns + ZERO_PAGE_BYTES * tls.byte_ns(p)
        cost[bundles.QUEUE] = 0.0 if p.workers_check_zero else look
        cost[bundles.HAND] = p.handoff_cycles * cycle_ns
        cost[bundles.WAKE] = p.handoff_ns
        cost[bundles.HELPER_CHECK] = p.zero_scan_ns
        cost[bundles.HELPER_LOOK] = look if p.workers_check_zero else 0.0
        cost[bundles.COPY] = copy
        cost[bundles.PER_BYTE] = self.per_byte_ns(checked=False) + tls.byte_ns(p)
        cost[bundles.TAKE : bundles.TAKE + 3] = p.zero_load_ns, p.first_touch_ns + copy, p.again_ns + copy
        cost[: bundles.TAKE + 3] *= pace.host
        cost[bundles.HEAD_BYTE] = tls.byte_ns(p) * pace.host
        cost[bundles.LINK_NEW] = p.link_page_ns * pace.link
        cost[bundles.LIGHT_SIZE] = ZERO_PAGE_BYTES
        cost[bundles.WHOLE] = PAGE_BYTES
        cost[bundles.SMALLEST_RAW] = PAGE_BYTES if self.method == "IAA" else math.inf
        cost[bundles.HEAD] = PACKET_BYTES + 8 * p.packet_pages
        cost[bundles.REQUEST_HEAD] = GZIP_BYTES if self.method == "QATzip" else 0.0
        cost[bundles.PART_HEAD] = FLUSH_BYTES
        cost[bundles.ITEM_HEAD] = LENGTH_BYTES if self.method == "IAA" else 0.0
        cost[bundles.COUNTED] = 0.0 if p.multifd_counts_wire else PAGE_BYTES
        return cost

    def device_costs(self, pace: Pace, page_ns: float, *, faults: bool) -> np.ndarray:
        """What a device that takes `page_ns` for a page costs and takes (see kernels.device)."""
        p, cycle_ns = self.p, per_cycle_ns(self.p)
        cost = np.zeros(device.COSTS)
        cost[device.SUBMIT] = p.submit_cycles * cycle_ns * pace.host
        cost[device.POLL] = p.poll_cycles * cycle_ns * pace.host
        cost[device.REQUEST] = p.engine_request_ns
        cost[device.ITEM] = page_ns
        cost[device.LATENCY] = p.engine_latency_ns
        cost[device.FAULT] = p.io_fault_ns
        cost[device.FAULT_SHARE] = p.unlocked_frac if faults and not p.mlock else 0.0
        return cost

    def kernel(self, budget: float, deadline_ns: float, pace: Pace, rates: np.ndarray):
        """Walk with the channels."""
        p = self.p
        inflate_ns = PAGE_BYTES * 8 / (p.inflate_engine_bits_per_s / p.slices_count) * s
        at_source = self.device_costs(pace, engine_page_ns(p), faults=self.method == "IAA")
        at_destination = self.device_costs(pace, inflate_ns, faults=False)
        return bundles.walk(
            *self.state(),
            budget,
            deadline_ns,
            *self.common(rates),
            self.helper,
            self.source._replace(cost=at_source),
            self.destination._replace(cost=at_destination),
            self.sizes,
            self.more,
            self.help_ns * pace.host,
            self.unpack_ns * pace.host,
            self.bounds,
            self.costs(pace),
            self.option,
            self.rng,
        )
