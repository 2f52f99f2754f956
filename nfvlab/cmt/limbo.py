"""The kernel's allocator of RMIDs: a list of free ones, and limbo for those whose lines are still in the cache.

resctrl (Linux fs/resctrl/monitor.c: alloc_rmid, free_rmid, add_rmid_to_limbo, __check_limbo, cqm_handle_limbo). A freed
RMID is busy in every domain until a check of that domain reads an occupancy *below* the threshold (max_threshold_
occupancy, rounded down to whole units); when no domain is left it goes to the end of the free list, from whose head
RMIDs are given out. A domain's checks begin CQM_LIMBOCHECK_INTERVAL (1 s) after an RMID came into its empty limbo, and
go on at that interval while anything is in it.
"""

import errno
import math
from collections import deque
from collections.abc import Callable

CHECK_NS = 1e9  # CQM_LIMBOCHECK_INTERVAL
DEFAULT_GROUP = 0  # the RMID that is never free

Reading = Callable[[int, int], float | None]  # (RMID, domain) -> llc_occupancy in bytes; None: reading failed


class NoRmid(OSError):
    """No RMID to give out: EBUSY while some are in limbo, ENOSPC if all are in use."""


def round_threshold(threshold_bytes: float, unit_bytes: int) -> int:
    """The threshold as the kernel holds it: whole units of the counter (resctrl_arch_round_mon_val)."""
    return int(threshold_bytes // unit_bytes) * unit_bytes


def default_threshold(cache_bytes: float, num_rmids: int, unit_bytes: int) -> int:
    """max_threshold_occupancy at boot: each RMID's equal share of the cache, in whole units."""
    return round_threshold(int(cache_bytes) // num_rmids, unit_bytes)


def is_clean(reading_bytes: float | None, threshold_bytes: float) -> bool:
    """Whether a reading lets an RMID out of limbo: below the threshold, not at it; a failed reading does not."""
    return reading_bytes is not None and reading_bytes < threshold_bytes


class RmidAllocator:
    """`rmid_count` RMIDs, 1 to rmid_count, in one or more monitoring domains; RMID 0 is the default group's."""

    def __init__(
        self,
        rmid_count: int,
        *,
        threshold_bytes: float,
        unit_bytes: int,
        domains: int = 1,
        check_ns: float = CHECK_NS,
    ):
        if rmid_count < 1 or domains < 1:
            raise ValueError(f"rmid_count = {rmid_count}, domains = {domains}: at least 1 of each")
        self.threshold_bytes = round_threshold(threshold_bytes, unit_bytes)
        self.check_ns = check_ns
        self.free_lru = deque(range(1, rmid_count + 1))
        self.in_use: set[int] = set()
        self.busy_llc: list[set[int]] = [set() for _ in range(domains)]  # by domain
        self.busy: dict[int, int] = {}  # domains in which an RMID of limbo is busy
        self.next_check_ns = [math.inf] * domains

    @property
    def limbo_count(self) -> int:
        """RMIDs that nobody uses and nobody may have (rmid_limbo_count)."""
        return len(self.busy)

    def alloc(self) -> int:
        """An RMID for a new group: the one that has been free longest; `NoRmid` if there is none."""
        if not self.free_lru:
            if self.busy:
                raise NoRmid(errno.EBUSY, f"{self.limbo_count} RMIDs are in limbo; try again after a check")
            raise NoRmid(errno.ENOSPC, "every RMID is in use; remove a group")
        rmid = self.free_lru.popleft()
        self.in_use.add(rmid)
        return rmid

    def free(self, rmid: int, now_ns: float) -> None:
        """A group ends: its RMID goes to limbo in every domain. The default group's is never freed."""
        if rmid == DEFAULT_GROUP:
            return
        if rmid not in self.in_use:
            raise ValueError(f"rmid = {rmid}: not in use; free what alloc() gave out, once")
        self.in_use.remove(rmid)
        self.busy[rmid] = len(self.busy_llc)
        for domain, busy in enumerate(self.busy_llc):
            if not busy:
                self.next_check_ns[domain] = now_ns + self.check_ns
            busy.add(rmid)

    def due(self) -> tuple[float, int]:
        """When the next check of limbo is due, and in which domain; infinite if limbo is empty."""
        return min((at, domain) for domain, at in enumerate(self.next_check_ns))

    def check(self, domain: int, now_ns: float, reading: Reading) -> list[int]:
        """The limbo worker of one domain; returns the RMIDs that it let out of limbo."""
        released = []
        for rmid in sorted(self.busy_llc[domain]):
            if is_clean(reading(rmid, domain), self.threshold_bytes):
                self.busy_llc[domain].remove(rmid)
                self.busy[rmid] -= 1
                if not self.busy[rmid]:
                    del self.busy[rmid]
                    self.free_lru.append(rmid)
                    released.append(rmid)
        self.next_check_ns[domain] = now_ns + self.check_ns if self.busy_llc[domain] else math.inf
        return released

    def run(self, until_ns: float, reading_at: Callable[[float], Reading]) -> None:
        """All checks that fall due up to `until_ns`; `reading_at(now)` makes the readings of that moment."""
        while (when := self.due())[0] <= until_ns:
            at, domain = when
            self.check(domain, at, reading_at(at))
