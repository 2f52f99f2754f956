"""Compression by a device in multifd channels: QPL, on IAA.

Source: QEMU 10.0 migration/multifd-qpl.c, docs/devel/migration/qpl-compression.rst.
"""

from math import ceil

from nfvlab.precopy.params import PAGE_BYTES
from nfvlab.qat.device_work import Device
from nfvlab.qat.params import Params
from nfvlab.qat.slices import faults_ns
from nfvlab.qat.work import LENGTH_BYTES, Work

RETRIES = 3  # at once, when the queue is full


class Iaa(Device):
    """QPL on IAA: a job for each page, all of a packet submitted together; software when the queue is full.

    A packet's first jobs are done while its last are submitted; then they are polled for in order.
    """

    pool_name = "engine"
    polls = True

    def __init__(self, p: Params):
        super().__init__(p)
        self.engine_ns += faults_ns(p)
        self.software = p.engine_deflate  # the library's own, of the same job
        self.submit_ns = self.cycles_ns(p.build_cycles + p.submit_cycles)
        self.load_submit_ns, self.take_ns = self.cycles_ns(p.submit_cycles), self.cycles_ns(p.poll_cycles)
        self.wait_ns = self.packet_wait_ns(self.engine_ns, self.submit_ns, self.engines)
        self.load_wait_ns = self.packet_wait_ns(self.load_engine_ns, self.load_submit_ns, self.inflaters)

    def spin_ns(self, work: Work, pace_ns: float, waits: bool, last: bool = False) -> float:
        """What a packet waits at the slices for those of other channels, polling.

        Constant times: one that finds the slices busy, with a share b of the time, waits b / (1 - b) times half its own
        time there (Pollaczek and Khinchine); never longer than a full queue takes, or a channel has to wait anyway.
        """
        if not work.engine_ns:
            return 0.0
        queue_ns = self.p.ring_requests * self.pool_ns(work) / self.p.packet_pages
        most_ns = min(max(self.channels * pace_ns - work.workers_ns, 0.0), queue_ns)
        alone_ns = work.engine_ns / self.engines
        busy = (1 - 1 / self.channels) * min(alone_ns / pace_ns, 1.0)
        return most_ns if waits else min(alone_ns * busy / (1 - busy) / 2, most_ns)

    def packet_wait_ns(self, engine_ns: float, submit_ns: float, slices: int) -> float:
        """Time per page that a channel polls for a packet of its own.

        It is through when its last job, submitted after all others, has come and been taken; or when the slices, busy
        since its first job, are; all jobs are submitted and taken one by one.
        """
        p, pages, take_ns = self.p, self.p.packet_pages, self.take_ns
        last_ns = p.engine_latency_ns + engine_ns + take_ns
        work_ns = pages * (submit_ns + take_ns)
        slices_ns = submit_ns + last_ns + (ceil(pages / slices) - 1) * engine_ns
        return max(pages * submit_ns + last_ns - work_ns, slices_ns - work_ns, 0.0) / pages

    def compressed(self, content: str, size: float, raw: float, fresh: bool) -> tuple[Work, float]:
        """A page of its own job; it is sent as it is if it did not shrink."""
        cpu_ns, load_hold_ns, inflate_ns = self.loaded(content)
        work = Work(
            workers_ns=self.submit_ns + self.take_ns + self.wait_ns + self.copy_ns * size / PAGE_BYTES,
            engine_ns=self.engine_ns,
            hold_ns=self.wake_ns,
            loaders_ns=self.store_ns(fresh) + cpu_ns * (1 - raw),
            load_hold_ns=load_hold_ns,
            inflate_ns=inflate_ns * (1 - raw),
            normal=1.0,
            content=1.0,
            raw=raw,
        )
        return work, size + LENGTH_BYTES

    @property
    def load_device_ns(self) -> tuple[float, float]:
        """CPU time of a job at the destination, and polling for it; nothing is kept without work."""
        return self.load_submit_ns + self.take_ns + self.load_wait_ns, 0.0

    @property
    def overflows(self) -> bool:
        """Whether the channels' packets together are more jobs than the queue has places."""
        return self.channels * self.p.packet_pages > self.p.ring_requests

    def other(self, content: str, fresh: bool) -> Work | None:
        """The queue is full: the channel compresses the page itself."""
        if not self.overflows:
            return None
        return self.page(content, fresh) if content == "zero" else self.soft(content, fresh)

    def pool_ns(self, work: Work) -> float:
        """The slices at work, or fewer of them if the queue has fewer places; a response does not keep one."""
        return work.engine_ns / min(self.engines, self.p.ring_requests)

    def load_pool_ns(self, work: Work) -> float:
        """The same at the destination; 0 if its queue cannot be full."""
        return work.inflate_ns / min(self.inflaters, self.p.ring_requests) if self.overflows else 0.0

    def crowded(self, work: Work) -> Work:
        """The queue is always full: a packet's last job waits for all of it."""
        wait_ns = work.engine_ns / self.engine_ns * self.wait_ns
        more_ns = self.p.ring_requests * self.pool_ns(work) / self.p.packet_pages - wait_ns
        return work._replace(workers_ns=work.workers_ns + max(more_ns, 0.0))

    def load_crowded(self, work: Work) -> Work:
        """The same at the destination."""
        wait_ns = work.inflate_ns / self.load_engine_ns * self.load_wait_ns
        more_ns = self.p.ring_requests * self.load_pool_ns(work) / self.p.packet_pages - wait_ns
        return work._replace(loaders_ns=work.loaders_ns + max(more_ns, 0.0))

    def turn_share(self, work: Work, other: Work) -> float:
        """A packet of more jobs than the queue has places overflows it on its own."""
        jobs = work.engine_ns / self.engine_ns  # a page
        if not jobs:
            return 1.0
        own_ns = self.submit_ns + self.take_ns + self.wait_ns
        soft_ns = (other.workers_ns - work.workers_ns) / jobs + own_ns
        overflow, late = self._burst(self.engine_ns, self.engines, self.submit_ns, soft_ns)
        return 1 - overflow * late

    def load_found(self, soft: Work, work: Work) -> float:
        """The same at the destination, where packets come in bursts: others' jobs fill the queue at once."""
        jobs = work.inflate_ns / self.load_engine_ns
        if not jobs:
            return 1.0
        pool_ns = self.load_pool_ns(work)
        busy = min(pool_ns / max(ns for _, ns in self.stations(work)), 1.0) * (1 - 1 / self.channels)
        soft_ns = (soft.loaders_ns - work.loaders_ns) / jobs + self.load_device_ns[0]
        overflow, late = self._burst(self.load_engine_ns, self.inflaters, self.load_submit_ns, soft_ns)
        return 1 - overflow * (busy + (1 - busy) * late)

    def _burst(self, job_ns: float, slices: int, submit_ns: float, soft_ns: float) -> tuple[float, float]:
        """Of a packet's jobs, the share left to software once the queue is full; and the share that comes so late.

        So many are at work as there are slices, or places. From one that is done to the next to be done, those that
        were done together with it have been submitted again: if the tries after that are over too early, the channel
        does the page itself, and makes room for as many as are done meanwhile. An empty queue is full at once if it is
        before the first job is done; else so many places are gone a job as are not free again.
        """
        p, at_work = self.p, min(slices, self.p.ring_requests)
        pool_ns = job_ns / at_work
        if at_work * submit_ns + RETRIES * self.cycles_ns(p.submit_cycles) >= job_ns:
            return 0.0, 0.0
        at_once = p.ring_requests * submit_ns < job_ns
        filling = 1.0 if at_once else 1 - submit_ns / pool_ns
        late = max(1 - p.ring_requests / (p.packet_pages * filling), 0.0)
        return 1 / (1 + min(soft_ns / pool_ns, p.ring_requests)), late
