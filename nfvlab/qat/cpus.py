"""Parameters of compression by CPUs: QEMU's threads and channels, and how fast a CPU compresses."""

from dataclasses import dataclass

from nfvlab.params import ASSUMED, param
from nfvlab.qat.contents import Contents
from nfvlab.units import GHz, MBps, us

CPU_METHODS = ("threads zlib", "multifd zlib", "multifd zstd", "xbzrle")
ON_TWO_CORES = "data/recordings/qemu c-*: CPU seconds of the compressing threads over pages, on that host"


@dataclass(frozen=True, kw_only=True)
class Cpus(Contents):
    """Compression by CPU threads, in QEMU's ways."""

    cpu_method: str = param(
        "threads zlib",
        "the second way: compress threads of 2015, multifd channels, or differences of pages sent again",
        choices=CPU_METHODS,
        source="QEMU qapi/migration.json: compress, multifd-compression, xbzrle",
    )
    zlib_level: str = param(
        "1",
        "compress-level, multifd-zlib-level",
        choices=("1", "6", "9"),
        source="QEMU qapi/migration.json: 1 by default",
    )
    compress_threads_count: int = param(
        8,
        "compress-threads",
        domain=(1, 255),
        typical=(1, 16),
        source="QEMU qapi/migration.json: 8 by default",
    )
    decompress_threads_count: int = param(
        2,
        "decompress-threads",
        domain=(1, 255),
        typical=(1, 16),
        source="QEMU qapi/migration.json: 2 by default",
    )
    compress_wait: bool = param(
        True,
        "compress-wait-thread: wait for a thread when all are busy; else send the page as it is",
        source="QEMU qapi/migration.json, since 3.1; before that it waited",
    )
    channels_count: int = param(
        8,
        "multifd-channels, of the second way and of today's accelerators",
        domain=(1, 255),
        typical=(1, 16),
        source="QEMU docs/devel/migration/qatzip-compression.rst: 8",
    )
    packet_pages: int = param(
        128,
        "pages of a multifd packet",
        domain=(1, 4096),
        typical=(16, 512),
        source="QEMU migration/multifd.h MULTIFD_PACKET_SIZE 512 KiB",
    )
    multifd_counts_wire: bool = param(
        False,
        "ram.transferred, limiter and bandwidth count multifd's bytes as sent; else 4096 bytes for each page",
        source="QEMU migration/multifd.c: 7.2 counts pages, 10.0 what was sent",
    )
    sync_each_iteration: bool = param(
        True,
        "multifd: the migration thread waits for all channels after every iteration, and has them synchronise",
        source="QEMU migration/ram.c: multifd-flush-after-each-section, until 8.0; later after every round",
    )
    workers_check_zero: bool = param(
        False,
        "compress threads or channels look for zero pages; else the migration thread does",
        source="QEMU: compress threads since 3.0, multifd channels since 9.0 (zero-page-detection)",
    )
    handoff_ns: float = param(
        5 * us,
        "from handing work to a sleeping thread until it runs",
        domain=(0, 1e7),
        typical=(1 * us, 100 * us),
        source=ASSUMED,
    )
    handoff_cycles: float = param(
        4000.0,
        "CPU that handing work over takes from the thread that hands it over: lock, futex, system call",
        domain=(0, 1e6),
        typical=(500, 5e4),
        source=ASSUMED + "; data/recordings/qemu c-*-legacy: 13 us a page",
    )
    shared_cores: float = param(
        0.0,
        "source and destination share one machine, with so many cores' worth of CPU for both; 0: a machine each",
        domain=(0, 1024),
        typical=(0, 64),
        source="data/recordings/qemu: both QEMU processes on a 2-core host, beside the proxy that plays the link",
    )
    encrypted: bool = param(
        False,
        "the stream is encrypted: by the CPU that writes to a socket, and by the one that reads from it",
        source="QEMU qapi/migration.json: tls-creds",
    )
    tls_bytes_per_s: float = param(
        350 * MBps,
        "a CPU's TLS, either direction",
        domain=(1e6, 1e12),
        typical=(1e8, 5e9),
        log=True,
        source="qemu-devel 2020, 'Add Multifd support for TLS migration': 300 MB/s in one thread, sending with it",
    )
    cpu_hz: float = param(
        2.7 * GHz,
        "clock that turns cycles into time",
        domain=(1e8, 1e10),
        typical=(1e9, 5e9),
        source="QEMU docs/multi-thread-compression.txt: E5-2680, 2.7 GHz",
    )
    zlib_bytes_per_s: float = param(
        75 * MBps,
        "a CPU's deflate at level 1",
        domain=(1e5, 1e11),
        typical=(2e7, 1e9),
        log=True,
        source=ON_TWO_CORES + ": 79 MB/s of text",
    )
    zlib6_bytes_per_s: float = param(
        30 * MBps,
        "a CPU's deflate at level 6",
        domain=(1e5, 1e11),
        typical=(1e7, 1e9),
        log=True,
        source=ASSUMED,
    )
    zlib9_bytes_per_s: float = param(
        15 * MBps,
        "a CPU's deflate at level 9",
        domain=(1e5, 1e11),
        typical=(5e6, 1e9),
        log=True,
        source=ASSUMED,
    )
    zlib_random_bytes_per_s: float = param(
        38 * MBps,
        "a CPU's deflate of random bytes, at any level",
        domain=(1e5, 1e11),
        typical=(1e7, 1e9),
        log=True,
        source=ON_TWO_CORES + ": 38 MB/s",
    )
    zstd_bytes_per_s: float = param(
        240 * MBps,
        "a CPU's zstd at level 1",
        domain=(1e5, 1e11),
        typical=(5e7, 2e9),
        log=True,
        source=ON_TWO_CORES + ": 243 MB/s of text",
    )
    zstd_random_bytes_per_s: float = param(
        1000 * MBps,
        "a CPU's zstd of random bytes",
        domain=(1e5, 1e12),
        typical=(1e8, 5e9),
        log=True,
        source=ON_TWO_CORES + ": 1000 MB/s",
    )
    inflate_bytes_per_s: float = param(
        300 * MBps,
        "a CPU's inflate, bytes put out",
        domain=(1e5, 1e11),
        typical=(1e8, 2e9),
        log=True,
        source=ASSUMED,
    )
    unzstd_bytes_per_s: float = param(
        900 * MBps,
        "a CPU's zstd decompression, bytes put out",
        domain=(1e5, 1e11),
        typical=(2e8, 4e9),
        log=True,
        source=ASSUMED,
    )
    xbzrle_bytes_per_s: float = param(
        800 * MBps,
        "a CPU's comparison of a page with its cached version, and copy into the cache",
        domain=(1e5, 1e12),
        typical=(2e8, 1e10),
        log=True,
        source=ASSUMED,
    )
