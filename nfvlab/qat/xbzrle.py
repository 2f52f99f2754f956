"""XBZRLE: a page sent again is encoded as its difference from the version kept in the source's cache.

Source: QEMU migration/ram.c (find_dirty_block, save_xbzrle_page, xbzrle_cache_zero_page) and page_cache.c. Until the
walk of guest memory reaches its end for the first time, pages go as they are and none is cached: those that an earlier
synchronisation found behind the cursor wait for that. From then on a page that is not in the cache is put there and
sent whole, a zero page is put there too; the stop-and-copy puts nothing there. The cache is mapped directly, page
number modulo its size, and a page that is not older than two rounds keeps its place.
"""

from dataclasses import dataclass, field

import numpy as np

from nfvlab.kernels import pagemap, pipe
from nfvlab.precopy.migration_thread import STOPPED
from nfvlab.precopy.page_costs import NORMAL_BYTES, SIZES
from nfvlab.precopy.params import HEADER_BYTES, PAGE_BYTES, Params
from nfvlab.qat import tls
from nfvlab.qat.plain import PlainThread
from nfvlab.units import s

ENCODED_HEADER_BYTES = HEADER_BYTES + 3  # flag and length
LIFETIME = 2  # CACHED_PAGE_LIFETIME, in rounds
_ONE = np.uint64(1)


def cache_pages(p: Params) -> int:
    """Places in the cache: a power of two."""
    return 1 << (int(p.xbzrle_cache_bytes // PAGE_BYTES).bit_length() - 1)


@dataclass
class XbzrleThread(PlainThread):
    """The migration thread of `xbzrle`."""

    encoded_pages: int = 0
    wrapped: bool = False
    cached: np.ndarray = field(init=False)

    def __post_init__(self):
        super().__post_init__()
        self.cached = pagemap.zeros(self.pages)
        self.owner = np.full(cache_pages(self.p), -1, dtype=np.int64)
        self.age = np.zeros(self.owner.size, dtype=np.int64)

    def walk(self, budget: float, deadline_ns: float, costs) -> float:
        """Send pages until a limit is passed, or the end is reached for the first time; returns the bytes."""
        if self.wrapped:
            return self._walk_cached(budget, deadline_ns, costs)
        behind = self.bitmap.copy()
        pagemap.clear_range(behind, self.cursor, self.pages)
        waiting = int(pagemap.subtract(self.bitmap, behind))
        self.left -= waiting
        put = super().walk(budget, deadline_ns, costs)
        self.wrapped = self.left == 0
        self.left += waiting
        self.bitmap |= behind
        return put

    def _walk_cached(self, budget, deadline_ns, costs):
        p = self.p
        produce, transport, consume = costs
        compare_ns = PAGE_BYTES / p.xbzrle_bytes_per_s * s
        fits = p.delta_bytes < PAGE_BYTES
        delta = ENCODED_HEADER_BYTES + p.delta_bytes if fits else NORMAL_BYTES
        size = np.array([SIZES[0], NORMAL_BYTES, delta])
        inserts = self.phase != STOPPED
        looks = np.array([compare_ns if inserts else 0.0, compare_ns])
        sending = produce[1] * np.array([1.0, delta / NORMAL_BYTES])
        produce = np.concatenate((produce[:1], sending + looks))
        transport = size * (transport[2] / NORMAL_BYTES)
        consume = np.array([consume[0], consume[2], consume[2] * tls.loaded_frac(p, delta)])
        todo = self.bitmap.copy()
        rom = self.names.rom_left(self.bitmap)
        self.clock[0] = self.now_ns
        marked = self.cached.copy()
        limits = float(budget), float(deadline_ns), self.clock, *self.pipe, float(p.socket_bytes)
        sent, put, cursor, left = pipe.walk(
            self.bitmap,
            self.guest.nonzero,
            marked,
            self.cursor,
            self.left,
            *limits,
            size,
            produce,
            transport,
            consume,
        )
        self.cursor, self.left = int(cursor), int(left)
        if inserts:
            self._insert(todo & ~self.bitmap)
        self.totals.duplicate_pages += int(sent[pipe.LIGHT])
        self.totals.normal_pages += int(sent[pipe.NEW]) + (0 if fits else int(sent[pipe.AGAIN]))
        self.encoded_pages += int(sent[pipe.AGAIN]) if fits else 0
        rom -= self.names.rom_left(self.bitmap)
        named = self.names.sent(int(sent.sum()) - rom, rom, self.cursor)
        put = float(put) + named
        self.put(put)
        self.book(*(int(k) for k in sent), (produce, transport, consume))
        self.elapse(float(self.clock[0]) - self.now_ns)
        self.encrypt_names(named)
        return put

    def content_pages(self) -> int:
        """Pages sent whole and pages sent as a difference."""
        return self.totals.normal_pages + self.encoded_pages

    def _insert(self, sent):
        """cache_insert for the pages sent, zero or not: into their places, unless a fresh other page holds it."""
        words = np.flatnonzero(sent)
        bits = np.unpackbits(sent[words].view(np.uint8), bitorder="little").reshape(-1, 64)
        word, bit = np.nonzero(bits)
        pages = words[word] * 64 + bit
        now = self.totals.dirty_sync_count
        places = pages % self.owner.size
        holder = self.owner[places]
        free = (holder == pages) | (holder < 0) | (self.age[places] + LIFETIME <= now)
        places, first = np.unique(places[free], return_index=True)
        pages, old = pages[free][first], self.owner[places]
        old = old[(old >= 0) & (old != pages)]
        np.bitwise_and.at(self.cached, old >> 6, ~(_ONE << (old & 63).astype(np.uint64)))
        np.bitwise_or.at(self.cached, pages >> 6, _ONE << (pages & 63).astype(np.uint64))
        self.owner[places], self.age[places] = pages, now
