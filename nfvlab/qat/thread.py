"""The migration thread of a source that compresses: what QATzip, QPL, compress threads and the talk's rings share."""

import math
from dataclasses import dataclass, field

import numpy as np

from nfvlab.kernels import conveyor
from nfvlab.precopy.page_costs import NORMAL_BYTES, slowness
from nfvlab.qat import sizes, tls
from nfvlab.qat.books import Spent, Use, sync_work_ns, until
from nfvlab.qat.params import Params
from nfvlab.qat.plain import PlainThread
from nfvlab.units import s

LIGHT, NEW, AGAIN, RAW = 0, 1, 2, 3


@dataclass(frozen=True)
class Pace:
    """How slow the hosts and the link are in one iteration, over their average."""

    host: float
    link: float


def per_cycle_ns(p: Params) -> float:
    """Nanoseconds of a CPU cycle."""
    return s / p.cpu_hz


@dataclass
class CompressingThread(PlainThread):
    """A migration thread whose walk is a kernel that makes pages smaller; subclasses say which, and what it costs."""

    takers_count: int = 1
    raw_pages: int = 0
    named_bytes: float = 0.0
    extra_work_ns: float = 0.0
    clocks: np.ndarray = field(init=False)

    def __post_init__(self):
        super().__post_init__()
        p = self.p
        self.clocks = np.zeros(12)
        self.taker = np.zeros(self.takers_count)
        self.conveyor = conveyor.new_pipe()
        self.bounds = sizes.bounds(p)
        self.prepare()

    def prepare(self) -> None:
        """Tables and stations of the way."""

    def kernel(self, budget: float, deadline_ns: float, pace: Pace, rates: np.ndarray):
        """One walk: (counts by LIGHT, NEW, AGAIN, RAW; bytes as QEMU counts them; next page; pages left)."""
        raise NotImplementedError

    def engines(self) -> float:
        """How many stations compress, for their mean utilisation."""
        raise NotImplementedError

    def socket_bytes(self) -> float:
        """What the sockets of all connections hold."""
        return self.p.socket_bytes

    def send(self, budget: float, deadline_ns: float) -> None:
        """Walk the bitmap from the cursor within a budget of bytes and time."""
        p = self.p
        pace = Pace(slowness(p.speed_cv_frac, self.rng), slowness(p.link_cv_frac, self.rng))
        per_byte_ns = s / (p.link_bytes_per_s * p.link_share_frac) * pace.link * tls.on_wire(p)
        opening_ns = tls.byte_ns(p) * pace.host
        rates = np.array([per_byte_ns, self.socket_bytes(), p.shared_cores, opening_ns])
        sent = 0.0
        while self.left and sent <= budget and self.now_ns < deadline_ns:
            sent += self.compress(budget - sent, deadline_ns, pace, rates)

    def last_deadline_ns(self) -> float:
        """Never: ram_save_complete collects what is under way once, at its end."""
        return math.inf

    def compress(self, budget: float, deadline_ns: float, pace: Pace, rates: np.ndarray) -> float:
        """One walk, and the books; returns the bytes as QEMU counts them."""
        self.clocks[conveyor.NOW] = self.now_ns
        rom = self.names.rom_left(self.bitmap)
        counts, put, cursor, left = self.kernel(float(budget), float(deadline_ns), pace, rates)
        self.cursor, self.left = int(cursor), int(left)
        self.totals.duplicate_pages += int(counts[LIGHT])
        self.totals.normal_pages += int(counts[NEW] + counts[AGAIN])
        self.raw_pages += int(counts[RAW])
        rom -= self.names.rom_left(self.bitmap)
        sent = int(counts[LIGHT] + counts[NEW] + counts[AGAIN])
        named = self.names.sent(sent - rom, rom, self.cursor)
        self.named_bytes += named
        self.put(float(put) + named)
        self.clock[2] = self.clocks[conveyor.TAKEN]
        self.elapse(max(float(self.clocks[conveyor.NOW]) - self.now_ns, 0.0))
        self.elapse(named * tls.byte_ns(self.p))
        return float(put) + named

    def state(self) -> tuple:
        """What every kernel walks on: bitmaps, cursor and pages left, without budget and deadline."""
        return self.bitmap, self.guest.nonzero, self.seen, self.cursor, self.left

    def common(self, rates: np.ndarray) -> tuple:
        """The clock, the takers and the pipe, as every kernel takes them."""
        return self.clocks, self.taker, *self.conveyor, rates

    def take_ns(self, pace: Pace) -> list[float]:
        """The destination's work by kind of page: zero, new, again."""
        p = self.p
        return [p.zero_load_ns * pace.host, p.first_touch_ns * pace.host, p.again_ns * pace.host]

    def per_byte_ns(self, *, checked: bool) -> float:
        """The source's time per byte that it writes; a page that is not checked for zero costs that much less."""
        p = self.p
        check_ns = 0.0 if checked else p.nonzero_check_cycles * per_cycle_ns(p)
        return max(p.send_ns - check_ns, 0.0) / NORMAL_BYTES

    def names_ns(self) -> float:
        """What encrypting the names of RAM blocks has taken, and decrypting them."""
        return self.named_bytes * tls.byte_ns(self.p)

    def used(self) -> Use:
        """Busy times until now."""
        c = self.clocks
        extra_ns = sync_work_ns(self.p, self.totals.dirty_sync_count) + self.extra_work_ns + self.names_ns()
        link_ns = until(float(c[conveyor.LINK_BUSY]), float(c[conveyor.LINK]), self.now_ns)
        engine_ns = float(c[conveyor.HELPED]) / self.engines()
        return Use(self.now_ns, float(c[conveyor.WORK]) + extra_ns, engine_ns, link_ns)

    def spent(self) -> Spent:
        """What the migration took."""
        c, used = self.clocks, self.used()
        return Spent(
            thread_ns=used.thread_ns,
            engine_ns=used.engine_ns,
            link_ns=used.link_ns,
            source_cpu_ns=used.thread_ns + float(c[conveyor.SPIN] + c[conveyor.HELPER_CPU]),
            destination_cpu_ns=float(c[conveyor.TAKER_CPU]) + self.names_ns(),
            wire_bytes=(float(c[conveyor.BYTES]) + self.named_bytes) * tls.on_wire(self.p),
            content_pages=self.content_pages(),
            raw_pages=self.raw_pages,
        )
