"""QEMU's compress threads (2015): each takes one page at a time from the migration thread, which sends their results.

The destination's loading thread reads each compressed page and hands it to one of its decompress threads; all of them
are done before it reads on past the end of an iteration. Every thread sleeps when it has to wait.

Source: QEMU migration/ram.c, later ram-compress.c (compress_page_with_multi_thread, do_compress_ram_page,
flush_compressed_data, decompress_data_with_multi_threads, do_data_decompress, wait_for_decompress_done). A page that
does not shrink is sent compressed all the same. A page that finds no thread idle, where that is not waited for, goes on
to save_zero_page: the migration thread looks at it itself. Left out: since 3.1 the source waits for its threads where
the walk starts over or a block ends, and not after each iteration; that saves about 0.2 % of the recordings' time.
"""

import numpy as np

from nfvlab.kernels import lend
from nfvlab.precopy.page_costs import NORMAL_BYTES
from nfvlab.precopy.params import HEADER_BYTES, PAGE_BYTES, ZERO_PAGE_BYTES
from nfvlab.qat import sizes, tls
from nfvlab.qat.params import Params
from nfvlab.qat.thread import CompressingThread, Pace, per_cycle_ns
from nfvlab.units import s

LENGTH_BYTES = 4
ZLIB_BYTES = 6  # RFC 1950: header and checksum around DEFLATE


def deflate_page_ns(p: Params) -> np.ndarray:
    """A CPU's time to deflate a page, by content."""
    rate = {"1": p.zlib_bytes_per_s, "6": p.zlib6_bytes_per_s, "9": p.zlib9_bytes_per_s}[p.zlib_level]
    return sizes.by_content(p, PAGE_BYTES / rate * s, PAGE_BYTES / p.zlib_random_bytes_per_s * s)


def inflate_page_ns(p: Params) -> np.ndarray:
    """A CPU's time to inflate a page, by content; random pages are stored ones, and only copied."""
    return sizes.by_content(p, PAGE_BYTES / p.inflate_bytes_per_s * s, 0.0)


class ThreadsThread(CompressingThread):
    """The migration thread of `compress` with its threads, and the decompress threads at the destination."""

    def prepare(self) -> None:
        """The threads of both ends, and what they do to a page."""
        p = self.p
        self.done = np.zeros(p.compress_threads_count)
        self.inflated = np.zeros(p.decompress_threads_count)
        self.sizes = sizes.tables(p, sizes.COLUMN_OF_DEFLATE[p.zlib_level])
        self.deflate_ns, self.inflate_ns = deflate_page_ns(p), inflate_page_ns(p)
        self.option = np.array((p.compress_wait, not p.workers_check_zero), dtype=np.int64)

    def engines(self) -> float:
        """Compress threads."""
        return float(self.done.size)

    def costs(self, pace: Pace) -> np.ndarray:
        """The kernel's costs (see kernels.lend)."""
        p, cycle_ns = self.p, per_cycle_ns(self.p)
        look = 0.0 if p.workers_check_zero else p.nonzero_check_cycles
        cost = np.zeros(lend.COSTS)
        cost[lend.CHECK] = p.zero_scan_ns + ZERO_PAGE_BYTES * tls.byte_ns(p)
        cost[lend.HAND] = (p.handoff_cycles + look) * cycle_ns
        cost[lend.PUT] = p.put_cycles * cycle_ns
        cost[lend.PER_BYTE] = self.per_byte_ns(checked=False) + tls.byte_ns(p)
        cost[lend.WAKE] = p.handoff_ns
        cost[lend.HELPER_CHECK] = p.zero_scan_ns
        cost[lend.READ] = p.handoff_cycles * cycle_ns
        cost[lend.READ_BYTE] = p.again_ns / NORMAL_BYTES  # such a page is read to where it belongs
        cost[: lend.READ_BYTE + 1] *= pace.host
        cost[lend.LOOK] = p.nonzero_check_cycles * cycle_ns * pace.host
        cost[lend.TAKE : lend.TAKE + 3] = self.take_ns(pace)
        cost[lend.LINK_NEW] = p.link_page_ns * pace.link
        cost[lend.LIGHT_SIZE] = ZERO_PAGE_BYTES
        cost[lend.WHOLE] = NORMAL_BYTES
        cost[lend.HEAD] = HEADER_BYTES + LENGTH_BYTES + ZLIB_BYTES
        return cost

    def kernel(self, budget: float, deadline_ns: float, pace: Pace, rates: np.ndarray):
        """Walk with the threads."""
        p = self.p
        look_ns = p.nonzero_check_cycles * per_cycle_ns(p) if p.workers_check_zero else 0.0
        return lend.walk(
            *self.state(),
            budget,
            deadline_ns,
            *self.common(rates),
            self.done,
            self.inflated,
            self.sizes,
            (self.deflate_ns + look_ns) * pace.host,
            self.inflate_ns * pace.host,
            self.bounds,
            self.costs(pace),
            self.option,
            self.rng,
        )
