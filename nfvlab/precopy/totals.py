"""What a migration reports: its totals under QEMU's names, and a timeline with one row a window."""

import math
from dataclasses import dataclass

from nfvlab.precopy.params import PAGE_BYTES


@dataclass
class Totals:
    """What query-migrate reports at the end, in nfvlab's units."""

    total_time_ns: float = math.nan
    downtime_ns: float = math.nan
    pause_ns: float = math.nan
    setup_time_ns: float = 0.0
    transferred_bytes: float = 0.0
    precopy_bytes: float = 0.0
    downtime_bytes: float = 0.0
    remaining_bytes: float = 0.0
    ram_bytes: float = 0.0
    normal_pages: int = 0
    duplicate_pages: int = 0
    dirty_sync_count: int = 0
    dirty_pages_per_s: float = 0.0
    throughput_bytes_per_s: float = 0.0
    pages_per_s: float = 0.0
    throttle_frac: float = 0.0
    converged: bool = False
    stopped_at_ns: float = math.nan

    @property
    def normal_bytes(self) -> float:
        """Bytes of page content sent."""
        return self.normal_pages * PAGE_BYTES


@dataclass
class Row:
    """One line of the timeline: the state at the end of a window."""

    t_ns: float
    phase: str
    sent_bytes: float
    transferred_bytes: float
    remaining_pages: int
    dirty_pages_per_s: float
    throttle_frac: float
    dirty_sync_count: int
