"""The migration thread's rules once more in plain numpy: a byte a page, np.nonzero, fancy indexing.

It knows what a limiter-bound migration needs: windows, threshold, synchronisations, the order of sending,
bytes on the wire, uniform and sequential writers. Times per page, the pipe and auto-converge it leaves out,
so it does less than the engine beside which it is timed. With the same generator its totals are the same.
"""

from dataclasses import dataclass, field

import numpy as np

from nfvlab.precopy.memory import guest_memory, layout
from nfvlab.precopy.params import PAGE_BYTES, Params, ram_pages

NORMAL, ZERO, END, NAME = 4104, 9, 8, 7


def unpack(words: np.ndarray, count: int) -> np.ndarray:
    """A packed bitmap as one bool a page."""
    return np.unpackbits(words.view(np.uint8), count=count, bitorder="little").astype(bool)


@dataclass
class NumpyMigration:
    """A migration of a guest without firmware on hosts that take no time."""

    p: Params
    rng: np.random.Generator
    normal: int = 0
    duplicate: int = 0
    syncs: int = 0
    transferred: int = NAME
    downtime_bytes: int = 0
    now_ns: float = 0.0
    carry: float = 0.0
    at: int = 0
    cursor: int = 0
    dirty: np.ndarray = field(init=False)

    def __post_init__(self):
        pages = ram_pages(self.p)
        self.nonzero = unpack(guest_memory(self.p, self.rng).nonzero, pages)
        self.dirty, self.log = np.ones(pages, dtype=bool), np.zeros(pages, dtype=bool)
        self.start, self.size = layout(self.p).working_set
        self.left = pages

    def write(self, dt_ns: float) -> None:
        """The guest's visits of the next dt_ns."""
        self.carry += self.p.write_rate_per_s * dt_ns / 1e9
        visits = int(self.carry)
        self.carry -= visits
        if self.p.pattern == "uniform":
            hit = self.start + (self.rng.random(visits) * self.size).astype(np.int64)
        else:
            hit = self.start + (self.at + np.arange(min(visits, self.size))) % self.size
            self.at = (self.at + visits) % max(self.size, 1)
        self.log[hit] = True
        self.nonzero[hit] = True

    def sync(self) -> None:
        """Merge the log."""
        self.syncs += 1
        self.left += np.count_nonzero(self.log & ~self.dirty)
        self.dirty |= self.log
        self.log[:] = False

    def burst(self, budget: float) -> int:
        """Send in circular order until the budget is passed; returns the bytes."""
        ahead, behind = np.nonzero(self.dirty[self.cursor :])[0], np.nonzero(self.dirty[: self.cursor])[0]
        order = np.concatenate((ahead + self.cursor, behind))
        ends = np.cumsum(np.where(self.nonzero[order], NORMAL, ZERO))
        count = min(order.size, int(np.searchsorted(ends, budget, side="right")) + 1)
        chosen = order[:count]
        self.dirty[chosen] = False
        normal = int(np.count_nonzero(self.nonzero[chosen]))
        self.normal += normal
        self.duplicate += count - normal
        self.left -= count
        if count:
            self.cursor = int(chosen[-1]) + 1
        return int(ends[count - 1]) if count else 0

    def run(self) -> "NumpyMigration":
        """Windows until what is left fits into the downtime."""
        budget, threshold = self.p.max_bandwidth_bytes_per_s * self.p.window_ns / 1e9, 0.0
        opened, used, sent = 0.0, 0, NAME  # the name of the block is no part of the first walk's budget
        self.sync()
        while True:
            if self.left * PAGE_BYTES < threshold:
                self.sync()
            if not self.left or self.left * PAGE_BYTES < threshold:
                break
            put = self.burst(budget - used) + END
            self.transferred += put
            used, sent = used + put, sent + put
            if used <= budget:
                continue  # all is sent before the window is over: look again at once
            rest = opened + self.p.window_ns - self.now_ns
            self.write(rest)
            self.now_ns += rest
            threshold = sent / (self.now_ns - opened) * self.p.downtime_limit_ns
            opened, used, sent = self.now_ns, 0, 0
        self.sync()
        self.downtime_bytes = self.burst(np.inf)
        self.transferred += self.downtime_bytes
        return self
