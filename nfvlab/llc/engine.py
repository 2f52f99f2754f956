"""Tenants with clocks on one exact cache and one memory channel: the mechanism of `cat` and `cmt`, step by step.

Tenant k is a core with a stream of references (`streams`), class of service k, RMID k. The devices' writes are one more
class and RMID, the last one. The cache (`kernels.setassoc`) serves hits from any way and fills by masks; who is due
first goes first, hits and misses take their time (`kernels.contend`), so that rates are a result.

The state goes on from one `run` to the next: masks may be changed in between (CAT reprogrammed on a running host), and
tenants may stop; neither moves, evicts or re-tags a line. With `remote_fracs` each 4 KiB page lies on the other NUMA
node with its tenant's probability, and traffic is told apart by node; a page's lines then carry a second tag inside
the simulation, which is summed up where RMIDs are meant.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nfvlab.kernels import contend, setassoc
from nfvlab.kernels.masks import widen
from nfvlab.llc import streams
from nfvlab.llc.params import LINE_BYTES, Cache, Tenant

CHUNK = 1 << 14  # references drawn at a time for one core
DEVICE, REMOTE = 64, 128  # bits of a kind by which an agent's access has another class, see `contend.Agents`
_PAGE_SHIFT = np.uint64(12)


@dataclass(frozen=True)
class Window:
    """What happened between two times. K tenants; RMID K is the devices', spare ones follow: R in all.

    hits, misses : int64[K, 2], of its core; 0 data, 1 code
    wait_ns : float64[K], its misses' waits for the channel, summed
    busy_ns : float64[K], its core's work, hits and stalls, without sleep
    fills, reads, write_backs : int64[R, 2] lines by RMID; 0 own node, 1 the other node; reads: fills from memory
    channel_ns : what the channel spent on the lines that it was given
    unit_tenant, unit_end_ns, unit_ns : one value a finished packet or wake-up
    snapshot_ns, occupancy : float64[s], int64[s, R] lines by RMID
    """

    start_ns: float
    end_ns: float
    hits: np.ndarray
    misses: np.ndarray
    wait_ns: np.ndarray
    busy_ns: np.ndarray
    fills: np.ndarray
    reads: np.ndarray
    write_backs: np.ndarray
    channel_ns: float
    unit_tenant: np.ndarray
    unit_end_ns: np.ndarray
    unit_ns: np.ndarray
    snapshot_ns: np.ndarray
    occupancy: np.ndarray

    def units_of(self, tenant: int) -> np.ndarray:
        """Times of a tenant's packets or wake-ups, float64[units]."""
        return self.unit_ns[self.unit_tenant == tenant]


def period_ns(t: Tenant) -> float:
    """From one packet or wake-up of a tenant to the next; 0 for work without units."""
    return {"packets": 1e9 / t.offered_packets_per_s, "wakeups": t.interval_ns}.get(t.workload, 0.0)


class Engine:
    """Tenants on a cache, from an empty cache at time 0 on."""

    def __init__(
        self,
        p: Cache,
        tenants: Sequence[Tenant],
        rng: np.random.Generator,
        *,
        remote_fracs: Sequence[float] | None = None,
        spare_rmids: int = 0,
    ):
        self.p, self.tenants = p, tuple(tenants)
        self.count = len(self.tenants)
        self._remote = np.array(remote_fracs if remote_fracs is not None else [0.0] * self.count)
        of_streams, of_pages, of_phases = rng.spawn(3)
        self.streams = streams.of_tenants(self.tenants, of_streams)
        self._salt = of_pages.integers(0, 2**63, dtype=np.uint64)
        self.rmid_count = self.count + 1 + spare_rmids
        self.rmid_of = list(range(self.count + 1))  # by class; on the other node's pages rmid_count more
        self.cache = setassoc.empty(p.cache_sets, p.cache_ways, 2 * self.rmid_count, hashed=p.hashed)
        self.agents = self._agents()
        periods = np.array([period_ns(t) for t in self.tenants])
        self.agents.unit_due_ns[:] = -periods * of_phases.random(
            self.count
        )  # so that no clock is in step with another
        transfer_ns = LINE_BYTES / p.memory_bytes_per_s * 1e9
        self.channel = contend.channel(p.hit_ns + p.memory_ns, transfer_ns)
        self.running = [True] * self.count
        self.set_masks(self.tenants)

    def _agents(self) -> contend.Agents:
        cores, all_classes = np.arange(self.count), self.count + 1
        device = np.full(self.count, self.count)
        banks = np.stack([cores, device, cores + all_classes, device + all_classes], axis=1)
        overlap = np.array([t.parallelism_ratio for t in self.tenants])
        work = np.array([t.work_ns for t in self.tenants])
        return contend.idle(banks, self.p.hit_ns / overlap, overlap, capacity=CHUNK, work_ns=work)

    @property
    def now_ns(self) -> float:
        """Up to when everything is done."""
        return float(self.agents.now_ns[0])

    def set_masks(self, tenants: Sequence[Tenant]) -> None:
        """Take the masks of these tenants from now on (one for each that there is); lines stay where they are."""
        if len(tenants) != self.count:
            raise ValueError(f"{len(tenants)} tenants: the engine runs {self.count}; give the masks of each")
        rows = [(t.data_mask, t.code_mask if self.p.cdp else t.data_mask) for t in tenants]
        if self.p.io_sticky:
            rows = [tuple(widen(mask, self.p.io_mask) for mask in row) for row in rows]
        rows.append((self.p.io_mask, self.p.io_mask))
        self.masks = np.array(rows + rows, dtype=np.uint32)

    def set_rmid(self, tenant: int, rmid: int) -> None:
        """Lines that the tenant fills from now on carry this RMID; those that it hits keep the one they have."""
        if not 0 <= rmid < self.rmid_count:
            raise ValueError(f"rmid = {rmid}: the engine was made for 0 to {self.rmid_count - 1}")
        self.rmid_of[tenant] = rmid

    def stop(self, tenant: int) -> None:
        """A tenant ends: its core and its devices make no access any more; its lines stay until others evict them."""
        self.running[tenant] = False
        self.agents.length[tenant] = self.agents.position[tenant]
        self._silence(tenant)

    def _silence(self, tenant: int) -> None:
        nothing = np.zeros(1, dtype=np.uint64)
        contend.refill(self.agents, tenant, nothing, nothing.astype(np.uint8), np.array([np.inf]))

    def _refill(self, tenant: int) -> None:
        chunk = self.streams[tenant].take(CHUNK)
        kind = chunk.kind | (chunk.kind & streams.IO) * np.uint8(DEVICE // streams.IO)
        if self._remote[tenant] > 0:
            kind |= self._is_remote(chunk.address, self._remote[tenant]) * np.uint8(REMOTE)
        contend.refill(self.agents, tenant, chunk.address, kind, chunk.gap_ns)

    def _is_remote(self, address: np.ndarray, share: float) -> np.ndarray:
        """Whether each address's page lies on the other node: the same answer for a page whenever it is asked."""
        mixed = (address >> _PAGE_SHIFT) + self._salt
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):  # splitmix64
            mixed = (mixed ^ mixed >> np.uint64(shift)) * np.uint64(factor)
        return (mixed ^ mixed >> np.uint64(31)) >> np.uint64(11) < np.uint64(share * 2**53)

    def lines(self) -> np.ndarray:
        """Lines held now, by RMID: int64[R]."""
        return self._by_rmid(self.cache.occupancy).sum(axis=-1)

    def held_by_way(self, rmid: int) -> np.ndarray:
        """Lines with this RMID by the way that they lie in: int64[ways]."""
        owner = self.cache.owner
        return ((owner == rmid) | (owner == rmid + self.rmid_count)).sum(axis=0)

    def _by_rmid(self, tags: np.ndarray) -> np.ndarray:
        """int64[…, 2 R] by tag as int64[…, R, 2] by RMID and node."""
        return np.moveaxis(tags.reshape(*tags.shape[:-1], 2, tags.shape[-1] // 2), -2, -1)

    def run(self, until_ns: float, *, snapshot_ns: float = np.inf) -> Window:
        """Make all references due before `until_ns`; snapshots of the occupancy at the multiples of `snapshot_ns`."""
        start, parts = self.now_ns, []
        rmids = np.array([*self.rmid_of, *(rmid + self.rmid_count for rmid in self.rmid_of)], dtype=np.int32)
        while True:
            parts.append(
                contend.run(self.cache, self.agents, self.channel, self.masks, rmids, until_ns, snapshot_ns)
            )
            if parts[-1].exhausted < 0:
                return self._window(start, until_ns, parts)
            self._refill(parts[-1].exhausted)

    def _window(self, start: float, end: float, parts: list[contend.Run]) -> Window:
        def total(name: str) -> np.ndarray:
            return sum(getattr(part, name) for part in parts)

        def joined(name: str) -> np.ndarray:
            return np.concatenate([getattr(part, name) for part in parts])

        hits, misses = (
            self._by_rmid(total(name).T)[:, : self.count].sum(axis=-1).T for name in ("hits", "misses")
        )
        fills, reads, write_backs = (self._by_rmid(total(name)) for name in ("fills", "reads", "write_backs"))
        wait_ns = total("wait_ns")
        return Window(
            start,
            end,
            hits,
            misses,
            wait_ns,
            self._busy_ns(hits, misses, wait_ns),
            fills,
            reads,
            write_backs,
            float(reads.sum() + write_backs.sum()) * self.channel.transfer_ns,
            joined("unit_agent"),
            joined("unit_end_ns"),
            joined("unit_ns"),
            joined("snapshot_ns"),
            self._by_rmid(joined("occupancy")).sum(axis=-1),
        )

    def _busy_ns(self, hits: np.ndarray, misses: np.ndarray, wait_ns: np.ndarray) -> np.ndarray:
        """What the cores' references took: work before each, then the hit, or the miss and its wait."""
        hit, miss = hits.sum(axis=1), misses.sum(axis=1)
        stall = miss * self.channel.memory_ns + wait_ns
        overlap, work = self.agents.parallelism, self.agents.work_ns
        return (hit + miss) * work + hit * self.agents.hit_ns + stall / overlap
