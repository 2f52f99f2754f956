"""RMIDs and what they count: allocation, limbo, events (Linux fs/resctrl/monitor.c).

The world outside sets the counters: bytes that an RMID holds in a cache, bytes it has moved since boot. A freed RMID
waits in limbo until its occupancy is below `max_threshold_occupancy` in every domain; each domain looks once a second.
"""

import errno
from collections import deque

from nfvlab.cat.fs.kstrto import U32_MAX, BadNumber, strim, strsep, unsigned
from nfvlab.cat.fs.status import Refused
from nfvlab.cat.parts import Host, Monitoring

OCCUPANCY = "llc_occupancy"
CONFIGURED = {"mbm_total_bytes": 0x7F, "mbm_local_bytes": 0x15}  # at reset, AMD BMEC
FAILURES = {"Error": errno.EIO, "Unavailable": errno.EINVAL}


class Monitors:
    """The RMIDs of a host; without monitoring there is only RMID 0."""

    def __init__(self, host: Host):
        self.domains = list(host.l3)
        self.part: Monitoring | None = host.part.monitoring
        self.events = self.part.events if self.part else ()
        self._free = deque(range(1, self.part.num_rmids)) if self.part else deque()
        self._busy: dict[int, set[int]] = {}  # RMID in limbo -> domains in which it was seen busy
        self._counters: dict[tuple[int, int, str], int | str] = {}
        self._base: dict[tuple[int, int, str], int] = {}
        self.config = {(d, event): value for d in self.domains for event, value in CONFIGURED.items()}
        self.limit_bytes = host.part.l3_bytes // 1024 * 1024  # CPUID gives the cache in KiB
        self.threshold_bytes = self._rounded(self.limit_bytes // self.part.num_rmids) if self.part else 0

    @property
    def capable(self) -> bool:
        """Whether the part monitors at all."""
        return self.part is not None

    @property
    def limbo(self) -> dict[int, tuple[int, ...]]:
        """{RMID that waits: the domains that still hold lines of it}, oldest first."""
        return {rmid: tuple(sorted(domains)) for rmid, domains in self._busy.items()}

    @property
    def free_rmids(self) -> tuple[int, ...]:
        """RMIDs that can be given out, the next one first: the one free for longest."""
        return tuple(self._free)

    def alloc(self) -> int:
        """alloc_rmid: EBUSY while some wait in limbo, ENOSPC when all are in use."""
        if not self.capable:
            return 0
        if not self._free:
            raise Refused(errno.EBUSY if self._busy else errno.ENOSPC, "Out of RMIDs\n")
        return self._free.popleft()

    def free(self, rmid: int) -> None:
        """free_rmid: into limbo where occupancy can be read, else straight back. RMID 0 is never freed."""
        if not self.capable or rmid == 0:
            return
        if OCCUPANCY in self.events:
            self._busy[rmid] = set(self.domains)
        else:
            self._free.append(rmid)

    def check_limbo(self) -> None:
        """__check_limbo in every domain: let go what has fallen below the threshold."""
        for domain in self.domains:
            for rmid in sorted(rmid for rmid, domains in self._busy.items() if domain in domains):
                held = self._count(domain, rmid, OCCUPANCY)
                if isinstance(held, str) or held >= self.threshold_bytes:
                    continue
                self._busy[rmid].discard(domain)
                if not self._busy[rmid]:
                    del self._busy[rmid]
                    self._free.append(rmid)

    def set_counter(self, domain: int, rmid: int, event: str, value: int | str) -> None:
        """The world: bytes held (llc_occupancy) or moved since boot, or "Error" or "Unavailable"."""
        valid = value in FAILURES if isinstance(value, str) else value >= 0
        if not valid:
            raise ValueError(
                f"{event} = {value!r}: bytes from 0 up, or {' or '.join(FAILURES)}. Give one of these"
            )
        known = {"domain": (domain, self.domains), "event": (event, self.events)}
        known["rmid"] = (rmid, range(self.part.num_rmids if self.part else 0))
        for name, (given, have) in known.items():
            if given not in have:
                raise ValueError(f"{name} = {given!r}: this host has {list(have)[:8]}. Give one of these")
        before = self._counters.get((domain, rmid, event), 0)
        if (
            event != OCCUPANCY
            and not isinstance(value, str)
            and not isinstance(before, str)
            and value < before
        ):
            raise ValueError(
                f"{event} = {value}: it was {before}, and bytes moved only grow. Give all since boot"
            )
        self._counters[domain, rmid, event] = value

    def counter(self, domain: int, rmid: int, event: str) -> int | str:
        """What the world last set; 0 if nothing."""
        return self._counters.get((domain, rmid, event), 0)

    def begin(self, rmid: int) -> None:
        """mon_add_all_files: a new group counts its bytes from here."""
        for domain in self.domains:
            for event in self.events:
                if event != OCCUPANCY:
                    value = self.counter(domain, rmid, event)
                    self._base[domain, rmid, event] = 0 if isinstance(value, str) else value

    def read(self, domain: int, rmids: list[int], event: str) -> str:
        """rdtgroup_mondata_show: the sum over a group's RMIDs that could be read, else why none could."""
        counts = [self._count(domain, rmid, event) for rmid in rmids]
        bytes_ = [count for count in counts if not isinstance(count, str)]
        return f"{sum(bytes_)}\n" if bytes_ else f"{counts[-1]}\n"

    def _count(self, domain: int, rmid: int, event: str) -> int | str:
        value = self.counter(domain, rmid, event)
        if isinstance(value, str):
            return value
        value -= self._base.get((domain, rmid, event), 0)
        return self._rounded(value)

    def _rounded(self, value: int) -> int:
        """resctrl_arch_round_mon_val: whole counts of the upscaling factor."""
        return value // self.part.upscaling_bytes * self.part.upscaling_bytes

    def write_threshold(self, text: str) -> None:
        """max_threshold_occ_write: no word in the status, whatever happens."""
        try:
            value = unsigned(text, 0, top=U32_MAX)
        except BadNumber as bad:
            raise Refused(bad.errno) from None
        if value > self.limit_bytes:
            raise Refused(errno.EINVAL)
        self.threshold_bytes = self._rounded(value)

    def config_text(self, event: str) -> str:
        """mbm_config_show."""
        return ";".join(f"{d}=0x{self.config[d, event]:02x}" for d in self.domains) + "\n"

    def write_config(self, text: str, event: str) -> None:
        """mon_config_write: domain by domain, each at once; a change starts the domain's byte counters anew."""
        rest: str | None = text
        while rest:
            cell, rest = strsep(rest, ";")
            key, value = strsep(strim(cell), "=")
            domain = _number(key, 10, "Missing '=' or non-numeric domain id\n")
            mask = _number(value, 16, "Non-numeric event configuration value\n")
            if mask & ~self.part.config_mask:
                top = f"0x{self.part.config_mask:02x}"
                raise Refused(errno.EINVAL, f"Invalid event configuration: max valid mask is {top}\n")
            if domain not in self.domains:
                raise Refused(errno.EINVAL)
            if self.config[domain, event] != mask:
                self.config[domain, event] = mask
                self._restart(domain)

    def _restart(self, domain: int) -> None:
        for rmid in range(self.part.num_rmids):
            for event in self.events:
                value = self.counter(domain, rmid, event)
                if event != OCCUPANCY and not isinstance(value, str):
                    self._base[domain, rmid, event] = value


def _number(text: str | None, base: int, message: str) -> int:
    try:
        return unsigned(text or "", base)
    except BadNumber:
        raise Refused(errno.EINVAL, message) from None
