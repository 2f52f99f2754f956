"""The migration thread without compression, that keeps books, and can leave out the guest's free pages."""

from dataclasses import dataclass, field

import numpy as np

from nfvlab.kernels import pagemap
from nfvlab.precopy.migration_thread import MigrationThread
from nfvlab.qat.books import Spent, Use, sync_work_ns, until
from nfvlab.units import s


@dataclass
class PlainThread(MigrationThread):
    """QEMU's migration thread; `free`: bitmap of the pages that the guest reports free, or None."""

    free: np.ndarray | None = None
    uses: list[Use] = field(default_factory=list)

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

    def new_pages(self) -> int:
        """Pages that the destination has seen."""
        return int(pagemap.count(self.seen))

    def used(self) -> Use:
        """Busy times until now."""
        p, t = self.p, self.totals
        work_ns = t.normal_pages * p.send_ns + t.duplicate_pages * p.zero_scan_ns
        sending_ns = t.transferred_bytes * s / (p.link_bytes_per_s * p.link_share_frac)
        link_ns = until(sending_ns + self.new_pages() * p.link_page_ns, float(self.clock[1]), self.now_ns)
        return Use(self.now_ns, work_ns + sync_work_ns(p, t.dirty_sync_count), 0.0, link_ns)

    def spent(self) -> Spent:
        """What the migration took, from its counts."""
        p, t, used = self.p, self.totals, self.used()
        new = self.new_pages()
        again = t.normal_pages - new
        return Spent(
            thread_ns=used.thread_ns,
            engine_ns=used.engine_ns,
            link_ns=used.link_ns,
            source_cpu_ns=used.thread_ns,
            destination_cpu_ns=new * p.first_touch_ns
            + again * p.again_ns
            + t.duplicate_pages * p.zero_load_ns,
            wire_bytes=t.transferred_bytes,
            raw_pages=t.normal_pages,
        )
