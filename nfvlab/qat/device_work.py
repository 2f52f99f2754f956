"""Compression by a device in multifd channels: QATzip, and QPL (IAA).

Sources: QEMU 10.0 migration/multifd-qatzip.c and multifd-qpl.c, docs/devel/migration/qatzip-compression.rst
and qpl-compression.rst; intel/QATzip.
"""

from math import ceil

from nfvlab.precopy.params import PAGE_BYTES
from nfvlab.qat.cpu_work import Channels, zlib_ns
from nfvlab.qat.laws import law
from nfvlab.qat.params import Params
from nfvlab.qat.slices import faults_ns, inflate_slice_ns, slice_ns
from nfvlab.qat.work import LENGTH_BYTES, Work

GZIP_EXT_BYTES = (
    10 + 14 + 8
)  # QATzip's gzip header with its extra field, and the trailer: one for each buffer


class Device(Channels):
    """Multifd channels that hand their packets to a device and wait: common to QATzip and QPL.

    Multifd looks for zero pages whatever compresses the others: `zero_check` is the talk's.
    """

    pool_name = "channels"
    streamed = False

    def __init__(self, p: Params):
        super().__init__(p)
        self.channels = p.channels_count
        self.engines = p.devices_count * p.slices_count
        if p.destination_engine:
            self.inflaters = self.engines

    def packed(self, content: str, fresh: bool) -> tuple[float, Work]:
        """Its compressed size over 4096 bytes, and its work."""
        p = self.p
        found = law(p, content, p.engine_deflate, streamed=self.streamed)
        thread_ns, workers_ns = self.checked()
        mean = found.mean_bytes if self.streamed else found.least_bytes
        raw = 0.0 if self.streamed else found.raw_frac
        work, size = self.compressed(mean, raw, fresh, zlib_ns(p, content))
        return size / PAGE_BYTES, work._replace(thread_ns=thread_ns, workers_ns=work.workers_ns + workers_ns)

    def compressed(self, size: float, raw: float, fresh: bool, software_ns: float) -> tuple[Work, float]:
        """Work in channels and device, and bytes sent, of a page that becomes `size`; a share `raw` does not shrink."""
        raise NotImplementedError

    def inflated(self, fresh: bool) -> tuple[float, float]:
        """CPU time and device time of the destination's channels per page."""
        p = self.p
        each = self.cycles_ns(p.submit_cycles + p.poll_cycles) / self.request_pages
        cpu_ns = self.store_ns(fresh) + (each if p.destination_engine else 0.0)
        if p.destination_engine:
            return cpu_ns, inflate_slice_ns(p, self.request_pages) / self.request_pages
        return cpu_ns + 1e9 * PAGE_BYTES / p.inflate_bytes_per_s, 0.0

    @property
    def request_pages(self) -> float:
        """Pages of one request."""
        return 1.0

    def packet_wait_ns(self, engine_ns: float) -> float:
        """Time per page that a channel waits for a packet of its own: its requests share the slices."""
        p = self.p
        requests = ceil(p.packet_pages / self.request_pages)
        turns = ceil(requests / self.engines)
        return (p.engine_latency_ns + turns * engine_ns * self.request_pages) / p.packet_pages

    def stations(self, work: Work) -> tuple[tuple[str, float], ...]:
        """As for others, and the channels."""
        page_ns = work.workers_ns + work.hold_ns
        lanes = page_ns / self.channels
        if lanes:
            kept, self.engines = self.engines, self.channels
            lanes, self.engines = lanes / self.kept(page_ns), kept
        return (*super().stations(work), ("channels", lanes))

    def pool_ns(self, work: Work) -> float:
        """The device's slices at work."""
        return work.engine_ns / self.engines

    def engine_busy_ns(self, work: Work) -> float:
        """Time of a slice's work per page."""
        return work.engine_ns / self.engines


class Qatzip(Device):
    """QATzip: a packet is copied, cut into buffers, each compressed as a whole; small ones in software."""

    pool_name = "engine"
    streamed = True

    @property
    def request_pages(self) -> float:
        """Pages of a full buffer, or of the packet if it is smaller."""
        return min(self.p.buffer_bytes / PAGE_BYTES, float(self.p.packet_pages))

    def software_frac(self) -> float:
        """Share of a packet's pages in buffers below the threshold: all, the last one, or none."""
        p = self.p
        if self.request_pages * PAGE_BYTES < p.software_below_bytes:
            return 1.0
        last = p.packet_pages % self.request_pages
        return last / p.packet_pages if 0 < last * PAGE_BYTES < p.software_below_bytes else 0.0

    def compressed(self, size: float, raw: float, fresh: bool, software_ns: float) -> tuple[Work, float]:
        """A page of a buffer: copied in, compressed by device or CPU, sent."""
        p, software = self.p, self.software_frac()
        size += GZIP_EXT_BYTES / self.request_pages
        engine_ns = slice_ns(p, self.request_pages) / self.request_pages
        requests = p.submit_cycles + p.poll_cycles + (p.interrupt_cycles if p.interrupts else 0.0)
        copied = self.cycles_ns(p.copy_cycles)
        cpu_ns, inflate_ns = self.inflated(fresh)
        work = Work(
            workers_ns=copied
            + self.cycles_ns(requests) / self.request_pages * (1 - software)
            + software * software_ns
            + self.copy_ns * size / PAGE_BYTES,
            engine_ns=engine_ns * (1 - software),
            hold_ns=p.handoff_ns / p.packet_pages + self.packet_wait_ns(engine_ns) * (1 - software),
            loaders_ns=cpu_ns + copied,
            inflate_ns=inflate_ns,
            normal=1.0,
            content=1.0,
        )
        return work, size


class Iaa(Device):
    """QPL on IAA: a job for each page, all of a packet submitted together; software when the queue is full."""

    pool_name = "engine"

    def __init__(self, p: Params):
        super().__init__(p)
        self.polls = not p.interrupts

    def spin_ns(self, work: Work, pace_ns: float, waits: bool) -> float:
        """A packet waits for others' at the device: each that arrives finds the mean number of the other channels'.

        R = S (1 + (C - 1)/C X R), with S a packet's own time and X packets in a unit of time (Schweitzer's form of
        mean-value analysis, the throughput given).
        """
        if not work.engine_ns:
            return 0.0
        alone_ns = self.packet_wait_ns(work.engine_ns)
        others = (1 - 1 / self.channels) * min(work.engine_ns / self.engines / pace_ns, 1.0)
        return min(alone_ns * others / (1 - others), max(self.channels * pace_ns - work.workers_ns, 0.0))

    def compressed(self, size: float, raw: float, fresh: bool, software_ns: float) -> tuple[Work, float]:
        """A page of its own job; it is sent as it is if it did not shrink."""
        p = self.p
        engine_ns = slice_ns(p, 1) + faults_ns(p)
        cpu_ns, inflate_ns = self.inflated(fresh)
        wait_ns = self.packet_wait_ns(engine_ns)
        jobs_ns = (
            self.cycles_ns(p.build_cycles + p.submit_cycles + p.poll_cycles)
            + self.copy_ns * size / PAGE_BYTES
        )
        work = Work(
            workers_ns=jobs_ns + (wait_ns if not p.interrupts else self.cycles_ns(p.interrupt_cycles)),
            engine_ns=engine_ns,
            hold_ns=p.handoff_ns / p.packet_pages + (wait_ns if p.interrupts else 0.0),
            loaders_ns=cpu_ns,
            inflate_ns=inflate_ns * (1 - raw),
            normal=1.0,
            content=1.0,
            raw=raw,
        )
        return work, size + LENGTH_BYTES

    def other(self, content: str, fresh: bool) -> Work | None:
        """The queue is full: the channel compresses the page itself."""
        p = self.p
        if content == "zero":
            return self.page(content, fresh)
        work = self.page(content, fresh)
        wait_ns = 0.0 if p.interrupts else self.packet_wait_ns(work.engine_ns)
        software_ns = zlib_ns(p, content)
        return work._replace(
            workers_ns=work.workers_ns - wait_ns + software_ns,
            engine_ns=0.0,
            hold_ns=p.handoff_ns / p.packet_pages,
        )

    def pool_ns(self, work: Work) -> float:
        """The slices at work, or the places of the work queue over the time that a job keeps one."""
        if not work.engine_ns:
            return 0.0
        kept_ns = work.engine_ns + self.p.engine_latency_ns
        return max(work.engine_ns / self.engines, kept_ns / self.p.ring_requests)
