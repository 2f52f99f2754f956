"""Compression by a device in multifd channels: what all have in common, and QATzip.

Sources: QEMU 10.0 migration/multifd-qatzip.c, docs/devel/migration/qatzip-compression.rst; intel/QATzip src/qatzip.c.
"""

from math import ceil

from nfvlab.precopy.params import PAGE_BYTES
from nfvlab.qat.cpu_work import Channels
from nfvlab.qat.laws import law
from nfvlab.qat.mva import balance, losses
from nfvlab.qat.params import Params
from nfvlab.qat.slices import inflate_slice_ns, slice_ns
from nfvlab.qat.work import Work, mix

GZIP_EXT_BYTES = 10 + 14 + 8  # QATzip's gzip header with its extra field, and trailer: one for each buffer


class Device(Channels):
    """Multifd channels that hand their packets to a device and wait: common to QATzip and QPL.

    Multifd looks for zero pages whatever compresses the others: `zero_check` is the talk's. What finds the device
    taken is compressed, or at the destination decompressed, by the channel itself.
    """

    streamed = False
    software = "1"  # the codes of what a channel compresses itself, at level 1

    def __init__(self, p: Params):
        super().__init__(p)
        self.channels = p.channels_count
        self.engines = p.devices_count * p.slices_count
        self.engine_ns = slice_ns(p, self.request_pages) / self.request_pages
        self.load_engine_ns = 0.0
        if p.destination_engine:
            self.inflaters = self.engines
            self.load_engine_ns = inflate_slice_ns(p, self.request_pages) / self.request_pages

    @property
    def request_pages(self) -> float:
        """Pages of one request."""
        return 1.0

    def packed(self, content: str, fresh: bool) -> tuple[float, Work]:
        """Its compressed size over 4096 bytes, and its work."""
        p = self.p
        found = law(p, content, p.engine_deflate, streamed=self.streamed)
        size, raw = (found.mean_bytes, 0.0) if self.streamed else (found.least_bytes, found.raw_frac)
        return self._checked(*self.compressed(content, size, raw, fresh))

    def soft(self, content: str, fresh: bool) -> Work:
        """A page that a channel compresses itself."""
        found = law(self.p, content, self.software, streamed=self.streamed)
        size, raw = (found.mean_bytes, 0.0) if self.streamed else (found.least_bytes, found.raw_frac)
        work, size = self.compressed(content, size, raw, fresh)
        work = work._replace(workers_ns=self.soft_ns(content, size), engine_ns=0.0, hold_ns=self.wake_ns)
        share, work = self._checked(work, size)
        return self.framed(work, share * PAGE_BYTES, fresh)

    def _checked(self, work: Work, size: float) -> tuple[float, Work]:
        thread_ns, workers_ns = self.checked()
        return size / PAGE_BYTES, work._replace(thread_ns=thread_ns, workers_ns=work.workers_ns + workers_ns)

    def compressed(self, content: str, size: float, raw: float, fresh: bool) -> tuple[Work, float]:
        """Work in channels and device, and bytes sent, of a page that becomes `size`; a share `raw` does not shrink."""
        raise NotImplementedError

    def soft_ns(self, content: str, size: float) -> float:
        """CPU time of a page that a channel compresses itself to `size` bytes, and sends."""
        p = self.p
        speed = p.zlib_random_bytes_per_s if content == "random" else p.zlib_bytes_per_s
        return 1e9 * PAGE_BYTES / speed + self.copy_ns * size / PAGE_BYTES

    @property
    def wake_ns(self) -> float:
        """A channel's wake-up for a packet, per page."""
        return self.p.handoff_ns / self.p.packet_pages

    def settled(self, work: Work) -> Work:
        """The work of an average page, once it is known how much of it the destination's device takes."""
        pool_ns = self.load_pool_ns(work)
        if not pool_ns:
            return work
        share = work.inflate_ns / self.load_engine_ns
        each_ns, hold_ns = self.load_device_ns
        soft = work._replace(
            loaders_ns=work.loaders_ns + share * (self.load_soft_ns - each_ns),
            load_hold_ns=work.load_hold_ns - share * hold_ns,
            inflate_ns=0.0,
        )
        full = self.load_crowded(work)
        taken = balance(self._but_slices(soft), self._but_slices(full), 1 / pool_ns)
        if taken == 1:
            full, taken = work, self.load_found(soft, work)
        return mix(((taken, full), (1 - taken, soft))) if taken < 1 else work

    def _but_slices(self, work: Work) -> list[float]:
        return [self.pool_ns(work), *(ns for _, ns in self.stations(work._replace(inflate_ns=0.0)))]

    def load_crowded(self, work: Work) -> Work:
        """As `crowded`, for the destination."""
        return work

    def load_found(self, soft: Work, work: Work) -> float:
        """As `turn_share`, for the destination."""
        return 1.0

    def load_pool_ns(self, work: Work) -> float:
        """Time per page of the destination's device; 0 if it is waited for."""
        return 0.0

    @property
    def load_device_ns(self) -> tuple[float, float]:
        """CPU time and wait of the destination's channels per page that a device inflates, but for storing it."""
        raise NotImplementedError

    @property
    def load_soft_ns(self) -> float:
        """The same for a page that the CPU inflates."""
        return 1e9 * PAGE_BYTES / self.p.inflate_bytes_per_s

    def loaded(self, content: str) -> tuple[float, float, float]:
        """CPU time, wait and device time of the destination's channels per page, but for storing it."""
        if self.p.destination_engine:
            return *self.load_device_ns, self.load_engine_ns
        return self.load_soft(content), 0.0, 0.0

    def load_soft(self, content: str) -> float:
        """CPU time of a page that the destination's CPU inflates; a stored block's is that of storing it."""
        return 0.0 if content == "random" else self.load_soft_ns

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
    """QATzip: a packet is copied, cut into buffers, each compressed as a whole; small packets in software.

    A call, of one packet, takes an instance; if all are taken the whole call is software. So it is where more channels
    work at once than there are instances: never, if there is one for each.
    """

    pool_name = "engine"
    streamed = True

    @property
    def request_pages(self) -> float:
        """Pages of a full buffer, or of the packet if it is smaller."""
        return min(self.p.buffer_bytes / PAGE_BYTES, float(self.p.packet_pages))

    @property
    def small(self) -> bool:
        """Whether packets are below the threshold: then all of one is software."""
        return self.p.packet_pages * PAGE_BYTES < self.p.software_below_bytes

    def page(self, content: str, fresh: bool) -> Work:
        """A page of a call that has an instance."""
        return self.soft(content, fresh) if self.small and content != "zero" else super().page(content, fresh)

    def soft(self, content: str, fresh: bool) -> Work:
        """A page of a call in software: one gzip member, which no device inflates if it is larger than a buffer."""
        work = super().soft(content, fresh)
        if not work.inflate_ns or self.p.packet_pages * PAGE_BYTES <= self.p.buffer_bytes:
            return work
        each_ns, hold_ns = self.load_device_ns
        return work._replace(
            loaders_ns=work.loaders_ns - each_ns + self.load_soft(content),
            load_hold_ns=work.load_hold_ns - hold_ns,
            inflate_ns=0.0,
        )

    def loaded(self, content: str) -> tuple[float, float, float]:
        """As for others; by the CPU if a packet's first buffer is below the threshold."""
        small = self.request_pages * PAGE_BYTES < self.p.software_below_bytes
        return (self.load_soft(content), 0.0, 0.0) if small else super().loaded(content)

    def other(self, content: str, fresh: bool) -> Work | None:
        """A page of a call that finds all instances taken."""
        if self.channels <= self.p.instances_count:
            return None
        return self.page(content, fresh) if content == "zero" else self.soft(content, fresh)

    def compressed(self, content: str, size: float, raw: float, fresh: bool) -> tuple[Work, float]:
        """A page of a buffer: copied in, compressed, sent."""
        size += GZIP_EXT_BYTES / self.request_pages
        cpu_ns, load_hold_ns, inflate_ns = self.loaded(content)
        work = Work(
            workers_ns=self.copied_ns + self.requests_ns + self.copy_ns * size / PAGE_BYTES,
            engine_ns=self.engine_ns,
            hold_ns=self.wake_ns + self.packet_wait_ns(self.engine_ns),
            loaders_ns=self.store_ns(fresh) + cpu_ns + self.copied_ns,
            load_hold_ns=load_hold_ns,
            inflate_ns=inflate_ns,
            normal=1.0,
            content=1.0,
        )
        return work, size

    def soft_ns(self, content: str, size: float) -> float:
        """As for others; the packet has been copied before the call."""
        return super().soft_ns(content, size) + self.copied_ns

    @property
    def copied_ns(self) -> float:
        """CPU time of a page's copy into or out of a buffer."""
        return self.cycles_ns(self.p.copy_cycles)

    @property
    def requests_ns(self) -> float:
        """CPU time per page of submitting requests and of their responses."""
        p = self.p
        return self.cycles_ns(p.submit_cycles + p.poll_cycles) / self.request_pages

    def packet_wait_ns(self, engine_ns: float) -> float:
        """Time per page that a channel waits for a packet of its own: its requests share the slices."""
        p = self.p
        turns = ceil(ceil(p.packet_pages / self.request_pages) / self.engines)
        return (p.engine_latency_ns + turns * engine_ns * self.request_pages) / p.packet_pages

    @property
    def load_device_ns(self) -> tuple[float, float]:
        """CPU time and wait of a call at the destination, per page."""
        each = self.cycles_ns(self.p.submit_cycles + self.p.poll_cycles) / self.request_pages
        return each, self.packet_wait_ns(self.load_engine_ns)

    @property
    def few(self) -> bool:
        """Whether there are fewer instances than channels."""
        return self.p.instances_count < self.channels

    def call_ns(self, work: Work) -> float:
        """Time per page of a call that has an instance."""
        alone_ns = self.requests_ns + self.packet_wait_ns(self.engine_ns)
        return work.engine_ns / self.engine_ns * alone_ns

    def load_call_ns(self, work: Work) -> float:
        """The same at the destination."""
        return work.inflate_ns / self.load_engine_ns * sum(self.load_device_ns) if work.inflate_ns else 0.0

    def pool_ns(self, work: Work) -> float:
        """The device's slices at work, or the calls that have an instance, one after the other."""
        slices_ns = work.engine_ns / self.engines
        return max(slices_ns, self.call_ns(work) / self.p.instances_count) if self.few else slices_ns

    def load_pool_ns(self, work: Work) -> float:
        """The same at the destination; 0 if there is an instance for every channel."""
        if not self.few:
            return 0.0
        return max(work.inflate_ns / self.inflaters, self.load_call_ns(work) / self.p.instances_count)

    def crowded(self, work: Work) -> Work:
        """All instances are taken all the time: a call lasts so many turns of the pool."""
        more_ns = self.p.instances_count * self.pool_ns(work) - self.call_ns(work)
        return work._replace(hold_ns=work.hold_ns + more_ns)

    def load_crowded(self, work: Work) -> Work:
        """The same at the destination."""
        more_ns = self.p.instances_count * self.load_pool_ns(work) - self.load_call_ns(work)
        return work._replace(load_hold_ns=work.load_hold_ns + more_ns)

    def turn_share(self, work: Work, other: Work) -> float:
        """Share of the calls that find an instance, where calls meet by chance."""
        pool_ns, call_ns = self.pool_ns(work), self.call_ns(work)
        met = [[ns for _, ns in self.stations(one)] for one in (other, work)]
        elsewhere_ns = other.workers_ns - work.workers_ns + call_ns
        return self._found([*met[0], 0.0], [*met[1], pool_ns], call_ns, pool_ns, elsewhere_ns)

    def load_found(self, soft: Work, work: Work) -> float:
        """The same at the destination."""
        pool_ns, call_ns = self.load_pool_ns(work), self.load_call_ns(work)
        met = [self._but_slices(one) for one in (soft, work)]
        elsewhere_ns = soft.loaders_ns - work.loaders_ns + call_ns
        return self._found([*met[0], 0.0], [*met[1], pool_ns], call_ns, pool_ns, elsewhere_ns)

    def _found(
        self, lost: list[float], through: list[float], call_ns: float, pool_ns: float, elsewhere_ns: float
    ) -> float:
        """As `losses`, a call being slowed by others' at the slices; at most as if all instances were taken."""
        most_ns = self.p.instances_count * pool_ns

        def call_at(pace_ns: float) -> float:
            busy = min(pool_ns / pace_ns, 1.0) if pace_ns else 1.0
            return min(call_ns + pool_ns * busy / (2 * (1 - busy)), most_ns) if busy < 1 else most_ns

        return losses(lost, through, call_at, elsewhere_ns, self.channels, self.p.instances_count)
