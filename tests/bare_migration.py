"""Scenarios in which nothing costs time but what a test says, and guests that write what it says."""

import numpy as np

from nfvlab.kernels import pagemap
from nfvlab.precopy.guest import Guest
from nfvlab.precopy.migration_thread import MigrationThread
from nfvlab.precopy.params import Params, ram_pages
from nfvlab.units import MB, MiB, us

PAGES = 16_384  # of a guest of 64 MiB, without firmware
WINDOW = 244  # the first number of pages whose 4104 bytes exceed a window's 1 MB

FREE = (
    "send_ns zero_scan_ns first_touch_ns again_ns zero_load_ns link_page_ns link_cv_frac speed_cv_frac sync_ns "
    "sync_per_gib_ns wakeup_ns setup_ns stop_ns resume_ns dirty_log_stop_ns background_wss_bytes "
    "background_rate_per_s"
)


def scenario(**fields) -> Params:
    """64 MiB, all free of charge, over a link too fast to notice, at 10 MB/s: 1 MB in each 100 ms."""
    bare = dict.fromkeys(FREE.split(), 0.0)
    bare |= dict.fromkeys([name for name in Params.specs() if name.startswith("boot_")], 0)
    bare |= {"ram_bytes": 64 * MiB, "rom_pages": 0, "link_bytes_per_s": 1e13, "link_share_frac": 1.0}
    bare |= {"max_bandwidth_bytes_per_s": 10 * MB, "visit_ns": 1 * us}
    return Params(**(bare | fields))


class Script(Guest):
    """A guest of non-zero pages that writes given pages at given times: [(ns, page or pages), ...]."""

    def __init__(self, p: Params, *events):
        nonzero = pagemap.full(ram_pages(p))
        super().__init__(p, np.random.default_rng(0), nonzero)
        self.events, self.ran_ns = sorted(events, key=lambda event: event[0]), 0.0

    def run(self, dt_ns: float) -> None:
        self.ran_ns += dt_ns
        while self.events and self.events[0][0] <= self.ran_ns:
            pages = np.atleast_1d(np.asarray(self.events.pop(0)[1], dtype=np.int64))
            pagemap.set_bits(self.dirty_log, pages)
            pagemap.set_bits(self.nonzero, pages)
        super().run(dt_ns)


class Watched(MigrationThread):
    """A thread that counts what its totals must add up to."""

    def __post_init__(self):
        super().__post_init__()
        self.iterations = 0
        self.fresh = []

    def save_iterate(self) -> None:
        self.iterations += 1
        super().save_iterate()

    def bitmap_sync(self) -> None:
        before = self.left
        super().bitmap_sync()
        self.fresh.append(self.left - before)


def migrated(p: Params, *events, guest=None, seed=1) -> Watched:
    """The thread after its migration."""
    thread = Watched(p, np.random.default_rng(seed), guest or Script(p, *events))
    thread.run()
    return thread
