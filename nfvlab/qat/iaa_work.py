"""Compression by a device in multifd channels: QPL, on IAA.

Source: QEMU 10.0 migration/multifd-qpl.c, docs/devel/migration/qpl-compression.rst.
"""

from math import ceil

from nfvlab.precopy.params import PAGE_BYTES
from nfvlab.qat.device_work import Device
from nfvlab.qat.params import Params
from nfvlab.qat.slices import faults_ns
from nfvlab.qat.work import LENGTH_BYTES, Work


class Iaa(Device):
    """QPL on IAA: a job for each page, all of a packet submitted together; software when the queue is full.

    A packet's first jobs are done while its last are submitted; then they are polled for in order.
    """

    pool_name = "engine"
    polls = True

    def __init__(self, p: Params):
        super().__init__(p)
        self.engine_ns += faults_ns(p)

    def spin_ns(self, work: Work, pace_ns: float, waits: bool) -> float:
        """What a packet waits at the slices for those of other channels, polling.

        Constant times: one that finds the slices busy, with a share b of the time, waits b / (1 - b) times half its own
        time there (Pollaczek and Khinchine); never longer than a channel has to wait anyway.
        """
        if not work.engine_ns:
            return 0.0
        alone_ns = work.engine_ns / self.engines
        busy = (1 - 1 / self.channels) * min(alone_ns / pace_ns, 1.0)
        return min(alone_ns * busy / (1 - busy) / 2, max(self.channels * pace_ns - work.workers_ns, 0.0))

    def packet_wait_ns(self, engine_ns: float, submit_ns: float, take_ns: float, slices: int) -> float:
        """Time per page that a channel polls for a packet of its own.

        It is through when its last job, submitted after all others, has come and been taken; or when the slices, busy
        since its first job, are; all jobs are submitted and taken one by one.
        """
        p, pages = self.p, self.p.packet_pages
        last_ns = p.engine_latency_ns + engine_ns + take_ns
        work_ns = pages * (submit_ns + take_ns)
        slices_ns = submit_ns + last_ns + (ceil(pages / slices) - 1) * engine_ns
        return max(pages * submit_ns + last_ns - work_ns, slices_ns - work_ns, 0.0) / pages

    def compressed(self, size: float, raw: float, fresh: bool) -> tuple[Work, float]:
        """A page of its own job; it is sent as it is if it did not shrink."""
        p = self.p
        submit_ns = self.cycles_ns(p.build_cycles + p.submit_cycles)
        take_ns = self.cycles_ns(p.poll_cycles)
        wait_ns = self.packet_wait_ns(self.engine_ns, submit_ns, take_ns, self.engines)
        cpu_ns, load_hold_ns, inflate_ns = self.loaded()
        work = Work(
            workers_ns=submit_ns + take_ns + self.copy_ns * size / PAGE_BYTES + wait_ns,
            engine_ns=self.engine_ns,
            hold_ns=self.wake_ns,
            loaders_ns=self.store_ns(fresh) + cpu_ns,
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
        p = self.p
        submit_ns, take_ns = self.cycles_ns(p.submit_cycles), self.cycles_ns(p.poll_cycles)
        wait_ns = self.packet_wait_ns(self.load_engine_ns, submit_ns, take_ns, self.inflaters)
        return submit_ns + take_ns + wait_ns, 0.0

    def other(self, content: str, fresh: bool) -> Work | None:
        """The queue is full: the channel compresses the page itself."""
        return self.page(content, fresh) if content == "zero" else self.soft(content, fresh)

    def pool_ns(self, work: Work) -> float:
        """The slices at work, or the places of the work queue over the time that a job keeps one."""
        return self._queue_ns(work.engine_ns, self.engines)

    def load_pool_ns(self, work: Work) -> float:
        """The same at the destination."""
        return self._queue_ns(work.inflate_ns, self.inflaters)

    def _queue_ns(self, engine_ns: float, slices: int) -> float:
        if not engine_ns:
            return 0.0
        return max(engine_ns / slices, (engine_ns + self.p.engine_latency_ns) / self.p.ring_requests)
