"""The scenario of a migration without compression, with CPU threads, with an accelerator; the names of its outputs."""

from collections.abc import Iterable
from dataclasses import dataclass

from nfvlab.params import ASSUMED, Problem, param
from nfvlab.precopy.params import PAGE_BYTES
from nfvlab.qat.cpus import Cpus
from nfvlab.units import KiB, us

WAYS = ("none", "CPU threads", "QAT")
ACCELERATORS = ("talk", "QATzip", "IAA")
LEAST_CORES = 0.01  # less is no machine
QPL_DOC = "QEMU docs/devel/migration/qpl-compression.rst"
QATZIP = "QEMU migration/multifd-qatzip.c; intel/QATzip defaults"

OUTPUTS = {
    "total_time_ns": "from the migrate command to completion (total-time)",
    "downtime_ns": "the source's stop-and-copy (downtime)",
    "transferred_bytes": "what QEMU counts as transferred, by the rule of its version (ram.transferred)",
    "wire_bytes": "bytes that cross the link",
    "source_cpu_frac": "CPU time of all of the source's migration threads over total time, of one CPU",
    "destination_cpu_frac": "CPU time of the destination's loading threads over total time, of one CPU",
    "dirty_sync_count": "synchronisations of the dirty bitmap (ram.dirty-sync-count)",
    "converged_frac": "share of migrations that complete before they are given up",
    "raw_frac": "share of the non-zero pages sent as they are: the ring was full, or they did not shrink",
    "thread_busy_frac": "share of total time that the migration thread works; waiting and empty polls are not work",
    "engine_busy_frac": "share of total time that what compresses is busy: engines, compress threads or channels, mean",
    "link_busy_frac": "share of total time that the link is sending",
}


@dataclass(frozen=True, kw_only=True)
class Params(Cpus):
    """One migration, three ways side by side: no compression, CPU threads, an accelerator."""

    accelerator: str = param(
        "talk",
        "the third way: the talk's rings in the migration thread, or today's QATzip and QPL (IAA) in multifd channels",
        choices=ACCELERATORS,
        source="the talk; " + QATZIP + "; QEMU migration/multifd-qpl.c",
    )
    engine_deflate: str = param(
        "1 fixed",
        "what the engine does: deflate level 1 with fixed or dynamic Huffman codes, level 6, level 9",
        choices=("1 fixed", "1 dynamic", "6", "9"),
        source="published.csv qat-traffic: fixed codes give -45 % on Calgary pages, dynamic ones -56 %",
    )
    engine_bits_per_s: float = param(
        24e9,
        "one device's rate, of uncompressed bits, all its slices together",
        domain=(1e6, 1e13),
        typical=(1e9, 4e11),
        log=True,
        source="published.csv qat-engine: 24 Gbit/s; qat-engine-new: 100 Gbit/s",
    )
    devices_count: int = param(
        1, "devices", domain=(1, 64), typical=(1, 8), source="the talk; QATzip's table has 4"
    )
    slices_count: int = param(
        4,
        "slices of a device that compress side by side; each has its part of the rate",
        domain=(1, 64),
        typical=(1, 16),
        source=ASSUMED,
    )
    engine_request_ns: float = param(
        0.5 * us,
        "fixed time of a request at its slice",
        domain=(0, 1e6),
        typical=(0, 10 * us),
        source=ASSUMED,
    )
    engine_latency_ns: float = param(
        10 * us,
        "fixed time of a request that keeps no slice busy: descriptor fetch, DMA, response",
        domain=(0, 1e7),
        typical=(1 * us, 100 * us),
        source=ASSUMED,
    )
    request_pages: int = param(
        4,
        "pages of a request, each compressed on its own",
        domain=(1, 128),
        typical=(1, 32),
        source="the talk: several pages in one request",
    )
    ring_requests: int = param(
        64,
        "requests in flight, of all devices together (QATzip: bound by its channels' packets instead)",
        domain=(1, 4096),
        typical=(1, 256),
        log=True,
        source="the talk: several requests in flight; " + QPL_DOC + ": a work queue of 128",
    )
    wait_when_full: bool = param(
        False, "wait when the ring is full; else send the pages as they are", source="the talk"
    )
    zero_check: bool = param(
        False,
        "look for zero pages before they go to the engine; else they are compressed like others",
        source="the talk: not necessary",
    )
    interrupts: bool = param(
        False, "responses come by coalesced interrupt; else they are polled for", source="the talk: polling"
    )
    coalesce_requests: int = param(
        8,
        "responses that raise an interrupt",
        domain=(1, 4096),
        typical=(1, 64),
        source=ASSUMED,
    )
    coalesce_ns: float = param(
        50 * us,
        "the longest that a response waits for its interrupt",
        domain=(0, 1e8),
        typical=(0, 1000 * us),
        source=ASSUMED,
    )
    interrupt_cycles: float = param(
        6000.0,
        "an interrupt, and the wake-up of the thread that handles it",
        domain=(0, 1e7),
        typical=(1e3, 3e4),
        source=ASSUMED,
    )
    cached_translation: bool = param(
        True,
        "physical addresses are read when the migration is set up, and kept; else /proc/self/pagemap for each page",
        source="the talk",
    )
    pagemap_cycles: float = param(
        2500.0,
        "one read of /proc/self/pagemap: a system call and a walk of the page tables",
        domain=(0, 1e6),
        typical=(500, 1e4),
        source=ASSUMED,
    )
    preread_cycles: float = param(
        100.0,
        "reading the pagemap at setup, a part of total-time, per page: many entries with one read",
        domain=(0, 1e6),
        typical=(20, 500),
        source=ASSUMED,
    )
    cached_cycles: float = param(
        30.0, "looking up a kept address", domain=(0, 1e5), typical=(5, 300), source=ASSUMED
    )
    mlock: bool = param(
        True, "guest memory is locked: what the device reads is there", source="the talk: required"
    )
    unlocked_frac: float = param(
        0.02,
        "without mlock: share of the pages that are not mapped when the device reads them",
        domain=(0, 1),
        typical=(0, 0.2),
        source=ASSUMED,
    )
    io_fault_ns: float = param(
        9 * us,
        "an IO page fault: it keeps the request's slice",
        domain=(0, 1e7),
        typical=(1 * us, 600 * us),
        source=QPL_DOC + ": svm_prq 9 us on average, 556 us at most",
    )
    device_encrypts: bool = param(
        True,
        "of an encrypted stream, the talk's device encrypts what it compressed, in the same request; else the CPU",
        source="the talk: deflate and encryption in one engine",
    )
    cipher_bits_per_s: float = param(
        50e9,
        "one device's rate of encryption and decryption, of compressed bits",
        domain=(1e6, 1e13),
        typical=(1e9, 4e11),
        log=True,
        source="Intel QuickAssist Adapter 8950, product brief: bulk cryptography 50 Gbit/s",
    )
    build_cycles: float = param(
        300.0,
        "migration thread, per page: its part of a request",
        domain=(0, 1e6),
        typical=(50, 3e3),
        source=ASSUMED,
    )
    submit_cycles: float = param(
        800.0,
        "migration thread, per request: descriptor and doorbell",
        domain=(0, 1e6),
        typical=(100, 5e3),
        source=ASSUMED,
    )
    poll_cycles: float = param(
        400.0,
        "migration thread, per response: finding and reading it",
        domain=(0, 1e6),
        typical=(50, 5e3),
        source=ASSUMED,
    )
    put_cycles: float = param(
        150.0,
        "per compressed page: its header in the stream; the copy of its bytes is send_ns by their share",
        domain=(0, 1e6),
        typical=(50, 3e3),
        source=ASSUMED,
    )
    nonzero_check_cycles: float = param(
        100.0,
        "finding that a page is not zero, a part of send_ns; saved where no zero check is made",
        domain=(0, 1e5),
        typical=(10, 1e3),
        source=ASSUMED,
    )
    destination_engine: bool = param(
        True, "the destination decompresses with a device of the same kind; else by CPU", source="the talk"
    )
    inflate_engine_bits_per_s: float = param(
        40e9,
        "one device's rate of decompression, of uncompressed bits",
        domain=(1e6, 1e13),
        typical=(1e9, 4e11),
        log=True,
        source=ASSUMED,
    )
    buffer_bytes: float = param(
        64 * KiB,
        "QATzip: a packet is cut into requests of this size, each compressed as a whole",
        domain=(4 * KiB, 1024 * KiB),
        typical=(16 * KiB, 512 * KiB),
        source=QATZIP + ": hw_buff_sz 64 KiB",
    )
    software_below_bytes: float = param(
        1 * KiB,
        "QATzip: smaller packets, as a whole, are compressed in software; smaller first buffers of one, decompressed",
        domain=(0, 1024 * KiB),
        typical=(0, 64 * KiB),
        source=QATZIP + ": input_sz_thrshold 1 KiB; src/qatzip.c qzCompressCrc, qzDecompress",
    )
    instances_count: int = param(
        16,
        "QATzip: instances of all devices; a call takes one, and compresses in software if all are taken",
        domain=(1, 1024),
        typical=(1, 32),
        source=ASSUMED + "; intel/QATzip src/qatzip.c qzGrabInstance, sw_backup",
    )
    copy_cycles: float = param(
        800.0,
        "QATzip, per page: its copy into, or out of, a buffer that the device can reach",
        domain=(0, 1e5),
        typical=(200, 3e3),
        source=ASSUMED,
    )

    def rules(self) -> Iterable[Problem]:
        """The rules that bind several fields."""
        yield from super().rules()
        if 0 < self.shared_cores < LEAST_CORES:
            yield self.problem(
                "shared_cores",
                f"is 0 or at least {LEAST_CORES}",
                "set 0 for a machine each, or more of a core",
            )
        if self.buffer_bytes % PAGE_BYTES:
            yield self.problem("buffer_bytes", "is a whole number of 4 KiB pages", "round it")
        if self.written_content == "same" and self.touched_content == "zero" and self.content != "calgary":
            yield self.problem(
                "touched_content",
                "touched pages that are zero have no other content",
                "set content='calgary'",
            )


__all__ = ["ACCELERATORS", "OUTPUTS", "WAYS", "Params"]
