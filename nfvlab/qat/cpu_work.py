"""Compression by CPU threads: QEMU's compress threads, multifd channels with zlib or zstd, and xbzrle.

Sources: QEMU 7.2 migration/ram.c (compress threads, xbzrle), migration/multifd.c, multifd-zlib.c, multifd-zstd.c,
migration/page_cache.c; docs/multi-thread-compression.txt, docs/xbzrle.txt.
"""

from math import ceil, sqrt

from nfvlab.precopy.params import HEADER_BYTES, PAGE_BYTES, ZERO_PAGE_BYTES
from nfvlab.precopy.rates import iteration_ns
from nfvlab.qat.laws import law
from nfvlab.qat.mva import Station
from nfvlab.qat.params import Params
from nfvlab.qat.turns import chance_ns, passed_by, turn_ns
from nfvlab.qat.work import LENGTH_BYTES, ZLIB_BYTES, ByCpu, Way, Work

PACKET_HEADER_BYTES = 320  # QEMU migration/multifd.h MultiFDPacket_t, without its offsets
OFFSET_BYTES = 8  # one for each page that a packet may hold
XBZRLE_BYTES = HEADER_BYTES + 3  # QEMU migration/ram.c save_xbzrle_page: a flag and the length


class CpuWay(Way):
    """What compression by a CPU costs, whoever does it."""

    @property
    def zstd(self) -> bool:
        """Whether the method is zstd."""
        return self.p.cpu_method == "multifd zstd"

    @property
    def method(self) -> str:
        """The method's column of the per-page table."""
        return "zstd" if self.zstd else self.p.zlib_level

    def compress_ns(self, content: str) -> float:
        """CPU time of a page's compression."""
        p = self.p
        if self.zstd:
            return (
                1e9 * PAGE_BYTES / (p.zstd_random_bytes_per_s if content == "random" else p.zstd_bytes_per_s)
            )
        return zlib_ns(p, content)

    def inflate_ns(self, content: str) -> float:
        """CPU time of a page's decompression; a stored block is copied, which storing the page pays for."""
        if content == "random":
            return 0.0
        return 1e9 * PAGE_BYTES / (self.p.unzstd_bytes_per_s if self.zstd else self.p.inflate_bytes_per_s)

    def cycles_ns(self, cycles: float) -> float:
        """A CPU's cycles as time."""
        return cycles * 1e9 / self.p.cpu_hz


def zlib_ns(p: Params, content: str) -> float:
    """CPU time of one page's deflate at the scenario's level."""
    if content == "random":
        return 1e9 * PAGE_BYTES / p.zlib_random_bytes_per_s
    speeds = {"1": p.zlib_bytes_per_s, "6": p.zlib6_bytes_per_s, "9": p.zlib9_bytes_per_s}
    return 1e9 * PAGE_BYTES / speeds[p.zlib_level]


class Threads(CpuWay):
    """Compress threads: one page at a time each, handed over and collected by the migration thread.

    A thread and its page go round as in the machine-repair problem: at the migration thread, to wake up, to compress.
    Pages are sent compressed even if they did not shrink. The destination's threads go round alike: the loading thread
    reads into a thread's buffer, which takes its share of copying a page, and wakes it; it decompresses into guest
    memory. What a saturated pool costs beside: see `turn_ns`. Encryption takes the caller longer the larger a page is;
    so it may be early at times, though not on the average: see `chance_ns`.
    """

    pool_name = "threads"

    def __init__(self, p: Params):
        super().__init__(p)
        self.engines, self.loaders = p.compress_threads_count, p.decompress_threads_count
        self.handoff_ns = self.cycles_ns(p.handoff_cycles)

    def page(self, content: str, fresh: bool) -> Work:
        """A page handed over to a thread, which looks whether it is zero if it is the threads that do."""
        p = self.p
        if content == "zero":
            if not p.workers_check_zero:
                return self.plain(content, fresh)
            work = Work(
                thread_ns=self.handoff_ns,
                workers_ns=p.zero_scan_ns,
                hold_ns=p.handoff_ns,
                reader_ns=p.zero_load_ns,
            )
            return self.sized(work, ZERO_PAGE_BYTES, fresh, "zero")
        found = law(p, content, self.method)
        size = found.mean_bytes + ZLIB_BYTES
        share = size / PAGE_BYTES
        check_ns, read_ns = self.check_ns, self.handoff_ns + p.again_ns * share
        work = Work(
            thread_ns=self.handoff_ns
            + self.cycles_ns(p.put_cycles)
            + self.copy_ns * share
            + (0.0 if p.workers_check_zero else check_ns),
            workers_ns=self.compress_ns(content) + (check_ns if p.workers_check_zero else 0.0),
            hold_ns=p.handoff_ns,
            reader_ns=read_ns,
            loaders_ns=self.inflate_ns(content) + self.store_ns(fresh),
            load_hold_ns=p.handoff_ns,
            load_read_ns=read_ns + size * self.tls_byte_ns,
            normal=1.0,
            content=1.0,
        )
        written = HEADER_BYTES + LENGTH_BYTES + size
        return self.sized(work, written, fresh)._replace(squared_bytes=written**2 + found.variance_bytes2)

    def other(self, content: str, fresh: bool) -> Work | None:
        """Without waiting: the migration thread sends the page itself, after a look whether it is zero."""
        return None if self.p.compress_wait else self.plain(content, fresh)

    def pool_ns(self, work: Work) -> float:
        """Turns of the threads; the migration thread sleeps for one that is done, or passes them all by."""
        held_ns = work.workers_ns + work.hold_ns
        if held_ns and self.p.compress_wait:
            spread_ns = self.spread_ns(work, self.engines)
            if spread_ns:
                return chance_ns(held_ns, work.thread_ns, work.hold_ns, self.engines, spread_ns)
            return turn_ns(held_ns + work.thread_ns, work.thread_ns, work.hold_ns, self.engines)
        return held_ns / self.engines

    def load_ns(self, work: Work) -> float:
        """Turns of the destination's threads; a page that was not compressed is the loading thread's own work."""
        held_ns = work.load_read_ns + work.load_hold_ns + work.loaders_ns
        spread_ns = self.spread_ns(work, self.loaders) if work.load_read_ns else 0.0
        if spread_ns:
            away_ns = held_ns - work.load_read_ns
            return chance_ns(away_ns, work.reader_ns, work.load_hold_ns, self.loaders, spread_ns)
        return turn_ns(held_ns, work.reader_ns, work.load_hold_ns, self.loaders)

    def spread_ns(self, work: Work, threads: int) -> float:
        """Standard deviation of what encryption takes while the other threads get a page each; 0 without."""
        variance = max(work.squared_bytes - work.counted_bytes**2, 0.0)
        return self.tls_byte_ns * sqrt(max(threads - 1, 0) * variance)

    def turn_share(self, work: Work, other: Work) -> float:
        """Share of the pages that find a thread, where encryption varies by chance: see `passed_by`."""
        spread_ns = self.spread_ns(work, self.engines)
        if not spread_ns:
            return 1.0
        sent_ns, raw_ns = (max(ns for _, ns in self.stations(one)) for one in (work, other))
        return 1 / (1 + passed_by(work.workers_ns + work.hold_ns, sent_ns, raw_ns, self.engines, spread_ns))

    def ring(self, work: Work) -> tuple[list[Station], float, int]:
        """The repairman, what his machines take before he is with them again (ns), and their number."""
        return [Station(work.thread_ns)], work.workers_ns + 2 * work.hold_ns, self.engines

    def engine_busy_ns(self, work: Work) -> float:
        """Time of a thread's work per page."""
        return work.workers_ns / self.engines


class Channels(CpuWay):
    """Multifd: packets of pages for channels that compress and send them; zero pages go beside, or into the header.

    What was sent before is the compressor's history; nothing is sent as it is because it did not shrink.
    """

    pool_name = "channels"
    reads_apart = True

    def __init__(self, p: Params):
        super().__init__(p)
        self.engines = self.loaders = self.streams = p.channels_count
        self.handoff_ns = self.cycles_ns(p.handoff_cycles) / p.packet_pages
        self.head_bytes = PACKET_HEADER_BYTES / p.packet_pages + OFFSET_BYTES

    def page(self, content: str, fresh: bool) -> Work:
        """A page in a packet."""
        if content == "zero":
            return self.zero(fresh)
        share, work = self.packed(content, fresh)
        return self.framed(work, share * PAGE_BYTES, fresh)

    def zero(self, fresh: bool) -> Work:
        """A zero page: found by the migration thread and sent by it, or found by a channel."""
        p = self.p
        if not p.workers_check_zero:
            return self.plain("zero", fresh)
        work = Work(
            thread_ns=self.handoff_ns,
            workers_ns=p.zero_scan_ns,
            hold_ns=p.handoff_ns / p.packet_pages,
            loaders_ns=p.zero_load_ns,
        )
        return self.sized(work, self.head_bytes, fresh, "zero", by_cpu=self.by_channels(self.head_bytes))

    def by_channels(self, size: float) -> ByCpu:
        """What a channel writes and its fellow reads, they encrypt and decrypt."""
        return ByCpu(workers=size, loaders=size)

    def packed(self, content: str, fresh: bool) -> tuple[float, Work]:
        """Its compressed size over 4096 bytes, and its work."""
        p = self.p
        share = law(p, content, self.method, streamed=True).mean_bytes / PAGE_BYTES
        thread_ns, workers_ns = self.checked()
        work = Work(
            thread_ns=thread_ns,
            workers_ns=workers_ns + self.compress_ns(content) + self.copy_ns * share,
            engine_ns=self.compress_ns(content),
            hold_ns=p.handoff_ns / p.packet_pages,
            loaders_ns=self.inflate_ns(content) + self.store_ns(fresh),
            normal=1.0,
            content=1.0,
        )
        return share, work

    def checked(self) -> tuple[float, float]:
        """CPU time of the migration thread and of a channel before anything is compressed."""
        looked = (0.0, self.check_ns) if self.p.workers_check_zero else (self.check_ns, 0.0)
        return self.handoff_ns + looked[0], looked[1]

    def framed(self, work: Work, size: float, fresh: bool) -> Work:
        """The page with its share of the packet's header, counted by either rule."""
        counted = None if self.p.multifd_counts_wire else PAGE_BYTES + self.head_bytes
        size += self.head_bytes
        return self.sized(work, size, fresh, counted=counted, by_cpu=self.by_channels(size))

    def pool_ns(self, work: Work) -> float:
        """Channels at work, less what they lose when the migration thread waits for them all."""
        page_ns = work.workers_ns + work.hold_ns
        return page_ns / self.engines / self.kept(page_ns)

    def kept(self, page_ns: float) -> float:
        """Share of the channels' time that synchronising them after every iteration leaves.

        Channels of equal speed finish their packets together, k of them in an iteration. When its time is over, the
        packet that the thread has filled is still handed over, and half a check of the clock's pages after it: of
        (k + 1) packets' time on C channels, k C + 1.25 are used for 128 pages.
        """
        p = self.p
        if not p.sync_each_iteration or not page_ns:
            return 1.0
        packet_ns, channels = page_ns * p.packet_pages, self.engines
        packets = ceil(iteration_ns(p) / packet_ns)
        last = 1 + min(32 / p.packet_pages, 1.0)
        return min((packets * channels + min(last, channels)) / ((packets + 1) * channels), 1.0)

    def engine_busy_ns(self, work: Work) -> float:
        """Time that a channel compresses a page; looking whether it is zero, and writing it, are not a part of it."""
        return work.engine_ns / self.engines


class Xbzrle(CpuWay):
    """Differences of pages that are sent again and whose last version is in the cache; all by the migration thread."""

    def page(self, content: str, fresh: bool) -> Work:
        """A page without a version in the cache; until the walk of memory has come to its end, none is put there."""
        return self.plain(content, fresh) if fresh else self.missed(content, False)

    def missed(self, content: str, last: bool) -> Work:
        """A page sent again without a version in the cache; last: in the stop-and-copy, which puts none there."""
        work = self.plain(content, False)
        if last or content == "zero":
            return work
        return work._replace(thread_ns=work.thread_ns + self.compare_ns)

    @property
    def compare_ns(self) -> float:
        """CPU time of comparing a page with the cache's, or copying it there."""
        return 1e9 * PAGE_BYTES / self.p.xbzrle_bytes_per_s

    def hit(self, content: str) -> Work:
        """A page whose last version is in the cache."""
        p = self.p
        if p.delta_bytes >= PAGE_BYTES or content == "zero":
            return self.page(content, False)
        share = p.delta_bytes / PAGE_BYTES
        work = Work(
            thread_ns=self.check_ns + self.compare_ns + self.copy_ns * share + self.cycles_ns(p.put_cycles),
            reader_ns=p.again_ns * share,
            normal=1.0,
            content=1.0,
        )
        return self.sized(work, XBZRLE_BYTES + p.delta_bytes, False)

    @property
    def slots(self) -> float:
        """Pages that the cache holds: its size, rounded down to a power of two pages."""
        return float(1 << (int(self.p.xbzrle_cache_bytes // PAGE_BYTES).bit_length() - 1))
