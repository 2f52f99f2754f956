"""The perf driver's rotation of RMIDs (Linux 4.1 to 4.13), when more groups are watched than there are RMIDs.

arch/x86/kernel/cpu/perf_event_intel_cqm.c of v4.4, function by function: __get_rmid, __put_rmid,
intel_cqm_rmid_stabilize, intel_cqm_sched_in_event, __intel_cqm_pick_and_rotate, __intel_cqm_rmid_rotate. Every 250 ms
the worker takes the RMID from the group at the head of the list and gives the one it keeps in reserve (the rotation
RMID) to the first group without. A freed RMID waits 250 ms in limbo; then it may leave if no more than `threshold`
units of the cache carry it in any package. The threshold moves in single units between 0 and an equal share of the
cache: down on each rotation, up when, with a rotation RMID in hand and a quarter of all RMIDs or more waiting in limbo
for their lines to go, the worker tries again. Below that quarter it takes ("steals") one more RMID instead.

Kept as it is in the source: the loop of stabilize goes on while the rotation RMID is *valid*, so it steals and lowers
its standards when it has just succeeded, and does neither while it is stuck.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

QUEUE_NS = 250e6  # RMID_DEFAULT_QUEUE_TIME, the minimum time in limbo and the period of the worker
YOUNG, AVAILABLE, DIRTY = range(3)

Units = Callable[
    [int, float], int
]  # (RMID, now) -> units of the cache that carry it, the most of all packages


@dataclass
class Group:
    """Events that watch the same tasks: one RMID for them, or none at the moment."""

    name: int
    rmid: int | None = None


@dataclass
class Limbo:
    """An RMID that nobody uses: since when, and what the last look at it said."""

    rmid: int
    queued_ns: float
    state: int = YOUNG


@dataclass
class Rotation:
    """The driver's state. Groups do not conflict: each one watches a task or a cgroup of its own.

    max_rmid : the highest RMID of the part; 0 is for tasks that nobody watches, one more is kept in reserve
    limit_units : __intel_cqm_max_threshold / upscaling factor
    units : what the counter of an RMID shows
    """

    max_rmid: int
    limit_units: int
    units: Units
    now_ns: float = 0.0
    threshold_units: int = 0
    free: deque[int] = field(default_factory=deque)
    limbo: list[Limbo] = field(default_factory=list)
    groups: deque[Group] = field(default_factory=deque)
    rotation_rmid: int | None = None
    exchanged: Callable[[Group, int | None, int | None], None] = lambda group, old, new: None

    def __post_init__(self):
        if self.max_rmid < 1:
            raise ValueError(f"max_rmid = {self.max_rmid}: the driver needs an RMID beside 0, for rotation")
        self.free.extend(range(1, self.max_rmid + 1))
        self.rotation_rmid = self._get_rmid()

    def add(self, group: Group) -> bool:
        """A new group takes a free RMID; True if there was none, and the worker is to run at once."""
        self.groups.append(group)
        self._exchange(group, self._get_rmid())
        return group.rmid is None

    def remove(self, group: Group) -> None:
        """The group's events are closed: its RMID goes to limbo."""
        self.groups.remove(group)
        if group.rmid is not None:
            rmid = group.rmid
            self._exchange(group, None)
            self._put_rmid(rmid)

    def rotate(self) -> bool:
        """One run of the worker; True if it took an RMID away."""
        rotated = False
        while True:
            waiting = [group for group in self.groups if group.rmid is None]
            if waiting:
                self._pick_and_rotate(waiting[0])
                if self.rotation_rmid is not None:
                    self._exchange(waiting[0], self.rotation_rmid)
                    self.rotation_rmid = self._get_rmid()
                    self.threshold_units = max(0, self.threshold_units - 1)
                rotated = True
            elif not self.limbo:
                return rotated
            if not self._settle(bool(waiting)):
                return rotated

    def _settle(self, needed: bool) -> bool:
        """Clean up limbo; True if one more RMID is to be stolen."""
        while True:
            again, available = self._stabilize()
            if not again or self.threshold_units >= self.limit_units or not needed:
                return False
            if available < (self.max_rmid + 1) // 4:
                return True
            self.threshold_units += 1

    def _stabilize(self) -> tuple[bool, int]:
        """Let clean RMIDs out of limbo; (whether the rotation RMID is valid, how many had waited long enough)."""
        available = 0
        for entry in self.limbo:  # in the order in which they came
            if entry.queued_ns + QUEUE_NS > self.now_ns:
                break
            entry.state = AVAILABLE
            available += 1
        if not available:
            return False, 0
        for entry in self.limbo[:available]:
            if self.units(entry.rmid, self.now_ns) > self.threshold_units:
                entry.state = DIRTY
        for entry in [entry for entry in self.limbo[:available] if entry.state == AVAILABLE]:
            self.limbo.remove(entry)
            if self.rotation_rmid is None:
                self.rotation_rmid = entry.rmid
            elif not self._sched_in(entry.rmid):
                self.free.append(entry.rmid)
        return self.rotation_rmid is not None, available

    def _sched_in(self, rmid: int) -> bool:
        """Give an RMID to the first group without one, behind the head of the list."""
        for position, group in enumerate(self.groups):
            if position and group.rmid is None:
                self._exchange(group, rmid)
                return True
        return False

    def _pick_and_rotate(self, waiting: Group) -> None:
        """Take the RMID of the group at the head, and move that group to the tail."""
        head = self.groups[0]
        if head is waiting:  # then no group has an RMID
            return
        rmid = head.rmid
        self._exchange(head, None)
        self._put_rmid(rmid)
        self.groups.rotate(-1)

    def _exchange(self, group: Group, rmid: int | None) -> None:
        old, group.rmid = group.rmid, rmid
        self.exchanged(group, old, rmid)

    def _get_rmid(self) -> int | None:
        return self.free.popleft() if self.free else None

    def _put_rmid(self, rmid: int) -> None:
        self.limbo.append(Limbo(rmid, self.now_ns))
