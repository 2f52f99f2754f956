"""What an average page asks of thread, compressors, link and destination, and the pace that follows.

Sockets, rings and channels' queues let every station work at its own average, so the slowest sets the pace: the
bottleneck law. What compresses has its own limit, `pool_ns` (a ring's turns, a device's slices, threads at work);
pages that would have to wait for it either wait, or go another way, in a share that `mva.balance` finds.
An encrypted stream is the work of the CPUs that write and read it (`Way.sized`).
"""

from collections.abc import Iterable
from typing import NamedTuple

from nfvlab.precopy.params import HEADER_BYTES, PAGE_BYTES, ZERO_PAGE_BYTES
from nfvlab.precopy.rates import NORMAL_BYTES
from nfvlab.qat.mva import balance
from nfvlab.qat.params import Params
from nfvlab.units import KiB

LENGTH_BYTES = 4  # QEMU migration/qemu-file.c: a compressed page is preceded by its length
RECORD_BYTES, RECORD_MORE_BYTES = (
    16 * KiB,
    22,
)  # RFC 8446, 5.1 and 5.2: header 5, content type 1, AES-GCM's tag 16
SOURCE = ("thread", "channels", "shared cores")  # stations before the sockets
ZLIB_BYTES = 6  # RFC 1950: two bytes of header, an Adler-32


class Work(NamedTuple):
    """Means of one page; a mixture's are the mixture of theirs.

    thread, reader: CPU of the migration thread and of the destination's loading thread. workers, loaders: of the other
    threads at both ends. engine, inflate: time at a device's slice; cipher, decipher: at a device's cipher. hold,
    load_hold: time without work in which a worker or a place in the ring is kept, or a loader. load_read: the part of
    reader in which a loader is kept. wire, counted: bytes sent, and as QEMU counts them. normal: share that is not sent
    as a zero page; content: that is not zero; raw: not zero and sent as it is. squared: mean square of `counted`.
    """

    thread_ns: float = 0.0
    workers_ns: float = 0.0
    engine_ns: float = 0.0
    hold_ns: float = 0.0
    link_ns: float = 0.0
    reader_ns: float = 0.0
    loaders_ns: float = 0.0
    load_hold_ns: float = 0.0
    load_read_ns: float = 0.0
    inflate_ns: float = 0.0
    cipher_ns: float = 0.0
    decipher_ns: float = 0.0
    wire_bytes: float = 0.0
    counted_bytes: float = 0.0
    normal: float = 0.0
    content: float = 0.0
    raw: float = 0.0
    squared_bytes: float = 0.0

    @property
    def cpu_ns(self) -> float:
        """CPU time at both ends."""
        return self.thread_ns + self.workers_ns + self.reader_ns + self.loaders_ns


def mix(parts: Iterable[tuple[float, Work]]) -> Work:
    """The average page of (share, page) pairs."""
    (share, work), *others = [pair for pair in parts if pair[0]]
    if share == 1:
        return work
    total = [share * each for each in work]
    for share, work in others:
        total = [have + share * more for have, more in zip(total, work, strict=True)]
    return Work._make(total)


class ByCpu(NamedTuple):
    """Bytes of a page that CPUs encrypt, if the stream is encrypted, and decrypt: by whom, as in `Work`."""

    thread: float = 0.0
    workers: float = 0.0
    reader: float = 0.0
    loaders: float = 0.0


class Flow(NamedTuple):
    """A run of like pages at its pace: time per page of source and destination, and which station is slowest.

    through_frac: share that the pool takes. spin_ns: CPU time per page of a thread that polls while it waits.
    drains_ns: time per page for which a pool that is always full is emptied at iterations' ends, a part of source_ns.
    """

    work: Work
    source_ns: float
    load_ns: float
    slowest: str
    through_frac: float = 1.0
    spin_ns: float = 0.0
    drains_ns: float = 0.0


class Way:
    """One way of sending pages; this one sends them as they are."""

    engines = 1  # servers of what compresses
    loaders = 1  # destination threads that share the work of `loaders_ns`
    inflaters = 1  # the destination's devices, or their slices
    pool_name = "engine"
    reads_apart = False  # whether what the loading thread reads, zero pages, has a connection of its own
    streams = 1  # connections, each with a socket's buffers
    turn_pages = 1  # pages that go round a ring together
    sprints = False  # whether the source is taken to meet the pool at its own pace, whatever blocks it
    polls = False  # whether what waits for the pool spins
    polls_itself = False  # whether that is the migration thread
    preread_ns = 0.0  # the migration thread's work at setup, beside pre-copy's own

    def __init__(self, p: Params):
        self.p = p
        self.byte_ns = 1e9 / (p.link_bytes_per_s * p.link_share_frac)
        self.tls_byte_ns = 1e9 / p.tls_bytes_per_s if p.encrypted else 0.0
        self.records = 1 + RECORD_MORE_BYTES / RECORD_BYTES if p.encrypted else 1.0
        self.check_ns = min(p.nonzero_check_cycles * 1e9 / p.cpu_hz, p.send_ns)
        self.copy_ns = p.send_ns - self.check_ns

    def page(self, content: str, fresh: bool) -> Work:
        """A page that the pool takes; content: of CONTENTS, "system" or "zero"; fresh: never sent before."""
        return self.plain(content, fresh)

    def other(self, content: str, fresh: bool) -> Work | None:
        """The same page when the pool is full; None if it waits."""
        return None

    def plain(self, content: str, fresh: bool) -> Work:
        """A page as pre-copy without compression sends it."""
        p = self.p
        if content == "zero":
            return self.sized(
                Work(thread_ns=p.zero_scan_ns, reader_ns=p.zero_load_ns), ZERO_PAGE_BYTES, fresh, "zero"
            )
        work = Work(
            thread_ns=p.send_ns,
            reader_ns=self.store_ns(fresh),
            normal=1.0,
            content=1.0,
            raw=1.0,
        )
        return self.sized(work, NORMAL_BYTES, fresh)

    def store_ns(self, fresh: bool) -> float:
        """Destination: fault and copy of a page; all of it is written, however few bytes came."""
        return self.p.first_touch_ns if fresh else self.p.again_ns

    def sized(
        self,
        work: Work,
        written: float,
        fresh: bool,
        kind: str = "",
        counted: float | None = None,
        by_cpu: ByCpu | None = None,
    ) -> Work:
        """The page with its bytes, their encryption, and its time on the link.

        The link adds none to the first touch of a zero page. by_cpu: who encrypts and decrypts what; by default all,
        the migration thread and the loading thread. QEMU counts above TLS, whose records come on top.
        """
        more = self.p.link_page_ns if fresh and kind != "zero" else 0.0
        wire, byte_ns = written * self.records, self.tls_byte_ns
        work = work._replace(
            wire_bytes=wire,
            counted_bytes=written if counted is None else counted,
            link_ns=wire * self.byte_ns + more,
        )
        if not byte_ns:
            return work
        by_cpu = by_cpu or ByCpu(thread=written, reader=written)
        return work._replace(
            thread_ns=work.thread_ns + by_cpu.thread * byte_ns,
            workers_ns=work.workers_ns + by_cpu.workers * byte_ns,
            reader_ns=work.reader_ns + by_cpu.reader * byte_ns,
            loaders_ns=work.loaders_ns + by_cpu.loaders * byte_ns,
        )

    def stations(self, work: Work) -> tuple[tuple[str, float], ...]:
        """Name and time per page of every station but the pool; the cipher is the destination's."""
        load = max(
            0.0 if self.reads_apart else work.reader_ns,
            self.load_ns(work),
            work.inflate_ns / self.inflaters,
        )
        found = (("thread", work.thread_ns), ("link", work.link_ns), ("destination", load))
        if work.decipher_ns:
            found += (("cipher", work.decipher_ns / self.p.devices_count),)
        if self.p.shared_cores:
            found += (("shared cores", work.cpu_ns / self.p.shared_cores),)
        return found

    def load_ns(self, work: Work) -> float:
        """Time per page of the destination's threads beside the loading thread."""
        return (work.loaders_ns + work.load_hold_ns) / self.loaders

    def pool_ns(self, work: Work) -> float:
        """Time per page of what compresses, when it is always busy; 0 if there is no limit."""
        return 0.0

    def slowest_of_pool(self, work: Work) -> str:
        """What the pool is called where it is the slowest."""
        return self.pool_name

    def spin_ns(self, work: Work, pace_ns: float, waits: bool, last: bool = False) -> float:
        """CPU time per page of polling in vain; waits: the thread waits for the pool all the time; last: see `flow`."""
        return max(pace_ns - work.thread_ns, 0.0) if waits else 0.0

    def engine_busy_ns(self, work: Work) -> float:
        """Time per page for which what compresses is busy, mean over all of it."""
        return 0.0

    def flow(
        self, parts: list[tuple[float, str]], fresh: bool, sprints: bool = False, last: bool = False
    ) -> Flow:
        """The pace of a run of pages, (share, content) pairs.

        sprints: sockets take what the source sends without a wait, so that it meets the pool at its own pace. The
        destination's cipher never makes it wait longer than its twin at the source, a part of the pool. last: in the
        stop-and-copy, which has no iterations.
        """
        work = mix((share, self.page(content, fresh)) for share, content in parts)
        pool_ns, share, sprints = self.pool_ns(work), 1.0, sprints or self.sprints
        others = [(part, self.other(content, fresh)) for part, content in parts] if pool_ns else []
        if others and all(one is not None for _, one in others):
            work, other = self.settled(work), self.settled(mix(others))
            met = SOURCE if sprints else (*SOURCE, "link", "destination")
            full = self.settled(self.crowded(work))
            raw, through = ([ns for name, ns in self.stations(one) if name in met] for one in (other, full))
            share = balance(raw, through, 1 / pool_ns)
            if share < 1:
                work = full
            turns = 1.0 if sprints and self.streams == 1 else self.turn_share(work, other)
            if share < 1 and share <= turns and not last:
                flow = self.emptied(work, other, met)
                if flow is not None:
                    return flow
            share = min(share, turns)
            if share < 1:
                work = mix([(share, work), (1 - share, other)])
        else:
            work = self.settled(work)
        return self.paced(work, share * pool_ns, share, last)

    def crowded(self, work: Work) -> Work:
        """The work of a page where the pool is always full: what waits in it waits longer."""
        return work

    def turn_share(self, work: Work, other: Work) -> float:
        """Share of the pages that the pool takes as its turns or chance have it, though it has room on the average."""
        return 1.0

    def emptied(self, work: Work, other: Work, met: tuple[str, ...]) -> Flow | None:
        """The flow where a pool that is always full is emptied after every iteration; None if it never is.

        met: the stations that the source waits for.
        """
        return None

    def settled(self, work: Work) -> Work:
        """The work of an average page, once that of source and link is known."""
        return work

    def paced(self, work: Work, pool_ns: float, share: float, last: bool = False) -> Flow:
        """The flow of an average page that the pool takes `pool_ns` for; share: of the pages that it takes."""
        stations = dict(self.stations(work))
        slowest = max(stations, key=stations.__getitem__)
        if pool_ns > stations[slowest]:
            slowest = self.slowest_of_pool(work)
        source_ns = max(
            stations["thread"], pool_ns, stations.get("shared cores", 0.0), stations.get("channels", 0.0)
        )
        load_ns = max(stations["destination"], stations.get("cipher", 0.0))
        pace_ns = max(source_ns, stations["link"], load_ns)
        waits = pool_ns >= pace_ns and share == 1
        spin_ns = self.spin_ns(work, pace_ns, waits, last) if self.polls else 0.0
        if self.polls_itself:
            source_ns = max(source_ns, stations["thread"] + spin_ns)  # it does nothing else meanwhile
        return Flow(work, source_ns, load_ns, slowest, share, spin_ns)


__all__ = ["HEADER_BYTES", "LENGTH_BYTES", "PAGE_BYTES", "ZLIB_BYTES", "ByCpu", "Flow", "Way", "Work", "mix"]
