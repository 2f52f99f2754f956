"""The migration thread without compression, that keeps books, and can leave out the guest's free pages."""

from dataclasses import dataclass, field

import numpy as np

from nfvlab.kernels import pagemap
from nfvlab.precopy.migration_thread import MigrationThread
from nfvlab.precopy.page_costs import SIZES, page_costs
from nfvlab.qat import tls
from nfvlab.qat.books import Spent, Use, sync_work_ns, until


@dataclass
class PlainThread(MigrationThread):
    """QEMU's migration thread; `free`: bitmap of the pages that the guest reports free, or None."""

    free: np.ndarray | None = None
    uses: list[Use] = field(default_factory=list)

    def __post_init__(self):
        super().__post_init__()
        self._thread_ns = self._link_ns = self._destination_ns = 0.0

    def begin_bulk(self) -> None:
        """Ask for the free pages, wait for them, and do not send them."""
        super().begin_bulk()
        if self.free is not None:
            self.elapse(self.p.free_report_ns)
            self.left -= int(pagemap.subtract(self.bitmap, self.free))

    def record(self, sent: float) -> None:
        """A window ends: its row of the timeline, and what has been used until now."""
        super().record(sent)
        self.uses.append(self.used())

    def page_costs(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What a page costs, with its encryption."""
        return page_costs(tls.plain_costs(self.p), self.rng)

    def walk(self, budget: float, deadline_ns: float, costs) -> float:
        """Send pages until a limit is passed, and enter it; returns the bytes."""
        duplicate, normal, new = self.totals.duplicate_pages, self.totals.normal_pages, self.new_pages()
        put = super().walk(budget, deadline_ns, costs)
        new = self.new_pages() - new
        pages = self.totals.duplicate_pages - duplicate, new, self.totals.normal_pages - normal - new
        self.book(*pages, costs)
        self.encrypt_names(put - float(np.array(pages) @ SIZES))
        return put

    def encrypt_names(self, named_bytes: float) -> None:
        """Encrypt the names of RAM blocks, which no page's costs hold, and decrypt them."""
        spent_ns = named_bytes * tls.byte_ns(self.p)
        self._thread_ns += spent_ns
        self._destination_ns += spent_ns
        self.elapse(spent_ns)

    def book(self, zero: int, new: int, again: int, costs) -> None:
        """Enter what so many pages of each kind took of the migration thread, the link and the destination."""
        sums = self._thread_ns, self._link_ns, self._destination_ns
        pages = np.array([zero, new, again], dtype=float)
        self._thread_ns, self._link_ns, self._destination_ns = (
            so_far + float(pages @ cost) for so_far, cost in zip(sums, costs, strict=True)
        )

    def new_pages(self) -> int:
        """Pages that the destination has seen."""
        return int(pagemap.count(self.seen))

    def content_pages(self) -> int:
        """Pages sent that are not zero, whatever became of them."""
        return self.totals.normal_pages

    def used(self) -> Use:
        """Busy times until now; nothing compresses."""
        thread_ns = self._thread_ns + sync_work_ns(self.p, self.totals.dirty_sync_count)
        return Use(self.now_ns, thread_ns, 0.0, until(self._link_ns, float(self.clock[1]), self.now_ns))

    def spent(self) -> Spent:
        """What the migration took."""
        used = self.used()
        return Spent(
            thread_ns=used.thread_ns,
            engine_ns=used.engine_ns,
            link_ns=used.link_ns,
            source_cpu_ns=used.thread_ns,
            destination_cpu_ns=self._destination_ns,
            wire_bytes=self.totals.transferred_bytes * tls.on_wire(self.p),
            content_pages=self.content_pages(),
            raw_pages=self.totals.normal_pages,
        )
