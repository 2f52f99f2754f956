"""Agents with clocks on one cache and one memory channel: whoever is due first makes the next access.

An agent takes its accesses from a stream; each is due a gap after the one before is done. A hit takes the agent's hit
time. A miss takes the memory's latency and the wait for the channel, over the agent's parallelism (how many of its
misses overlap). The channel moves lines in order, each in a fixed time: a miss that is read from memory, and behind it
the dirty line that it evicts, for which nobody waits. Accesses from I/O are posted: they take their agent no time, and
their writes are of whole lines, which are not read from memory first.

Work may come in units (packets, wake-ups), from FIRST to LAST: the gap of a FIRST is the period, a unit is due one
period after the one before it, and an agent that is done earlier waits until then. A unit that the agent begins itself
begins with its work, and its time counts from when it was due (so a wait for the agent counts); one that I/O begins,
from when the agent comes to it. Of agents due at the same time the first goes first.

The class of an access is one of its agent's, chosen by the top bits of its kind (see `agents`).
"""

from typing import NamedTuple

import numpy as np

from nfvlab.kernels.agents import BANK_SHIFT, FIRST, LAST, Agents, idle, refill
from nfvlab.kernels.jit import inlined, jit, prefetch
from nfvlab.kernels.masks import check_class, check_rules
from nfvlab.kernels.setassoc import CODE, IO, MISS_DIRTY, WRITE, Cache, set_of, touch

__all__ = ["FIRST", "LAST", "Agents", "Channel", "Run", "channel", "idle", "refill", "run"]

_LINE_SHIFT = np.uint64(6)
_AHEAD = 4  # accesses of an agent between asking for a set and needing it
_PER_LINE = 8  # entries of a row in a cache line of this machine


class Channel(NamedTuple):
    """The one way to memory."""

    memory_ns: float  # latency of a miss that waits for nobody
    transfer_ns: float  # how long a line occupies the channel
    free_ns: np.ndarray  # float64[1]: when it is free; changed in place


class Run(NamedTuple):
    """What happened in one call; hits and misses by class, second index: 0 data, 1 code."""

    exhausted: int  # the agent whose stream ran out; -1: everything due before until_ns is done
    hits: np.ndarray  # int64[classes, 2]
    misses: np.ndarray  # int64[classes, 2]
    wait_ns: np.ndarray  # float64[agents]: of its misses for the channel, summed (before parallelism)
    elapsed_ns: np.ndarray  # float64[agents]: by which its clock went on
    units: np.ndarray  # int64[agents]: finished
    unit_agent: np.ndarray  # int64[units of all], in the order in which their last accesses were due
    unit_end_ns: np.ndarray  # float64[units of all]
    unit_ns: np.ndarray  # float64[units of all]: from due (if I/O begins it: from begun) to end
    fills: np.ndarray  # int64[rmids]: lines filled, by RMID of the filler
    reads: np.ndarray  # int64[rmids]: lines of them that were read from memory
    write_backs: np.ndarray  # int64[rmids]: dirty lines evicted, by RMID of the line
    snapshot_ns: np.ndarray  # float64[snapshots]
    occupancy: np.ndarray  # int64[snapshots, rmids]: lines held at these times


def channel(memory_ns: float, transfer_ns: float) -> Channel:
    """A free channel: latency of a miss that does not wait, time that a line occupies the channel."""
    for name, value in (("memory_ns", memory_ns), ("transfer_ns", transfer_ns)):
        if not (np.isfinite(value) and value >= 0):
            raise ValueError(f"{name} = {value}: must be finite, and 0 or more")
    return Channel(float(memory_ns), float(transfer_ns), np.zeros(1))


def run(
    cache: Cache, agents: Agents, channel: Channel, masks, rmid_of_class, until_ns, snapshot_ns=np.inf
) -> Run:
    """Make all accesses due before `until_ns`, or all until a stream is used up; state goes on from call to call.

    masks: uint32[classes, 2] and rmid_of_class: int32[classes] as in `setassoc.access`. snapshot_ns: the occupancy is
    kept at every multiple of it. A run in pieces is the same to the bit as one at once.
    """
    masks, rmids = check_rules(masks, rmid_of_class, ways=cache.rows.shape[1], rmids=cache.occupancy.size)
    check_class(agents.class_id.ravel(), len(masks))
    if not snapshot_ns > 0:
        raise ValueError(f"snapshot_ns = {snapshot_ns}: must be more than 0 (infinity: no snapshots)")
    if np.isnan(until_ns):
        raise ValueError(
            "until_ns is not a number: give a time, or infinity to go on until a stream is used up"
        )
    before = agents.clock_ns.copy()
    made = _run(cache, agents, channel, masks, rmids, float(until_ns), float(snapshot_ns))
    exhausted, hits, misses, wait_ns, units, fills, reads, write_backs, times, occupancy = made
    of = units[:, 0].astype(np.int64)
    return Run(
        exhausted,
        hits,
        misses,
        wait_ns,
        agents.clock_ns - before,
        np.bincount(of, minlength=before.size),
        of,
        units[:, 1],
        units[:, 2],
        fills,
        reads,
        write_backs,
        times,
        occupancy,
    )


@inlined
def _due(agents, a):
    """When the next access of an agent is due."""
    p = agents.position[a]
    kind, gap = agents.kind[a, p], agents.gap_ns[a, p]
    if not kind & FIRST:
        return agents.clock_ns[a] + gap
    begun = max(agents.clock_ns[a], agents.unit_due_ns[a] + gap)
    return begun if kind & IO else begun + agents.work_ns[a]


@inlined
def _ask(cache, agents, a, sets):
    """Ask for the set of an access that the agent will make soon."""
    p = min(agents.position[a] + _AHEAD, agents.length[a] - 1)
    s = set_of(agents.address[a, p] >> _LINE_SHIFT, sets, cache.hashed)
    for column in range(0, cache.rows.shape[1], _PER_LINE):
        prefetch(cache.rows, s, column)


@jit
def _room(table, used):
    """The table, or a copy of twice its length if all its rows are used."""
    if used < table.shape[0]:
        return table
    longer = np.empty((2 * used, table.shape[1]), table.dtype)
    longer[:used] = table
    return longer


@jit
def _after(now, step):
    """The first multiple of a step after now, as a count of steps."""
    k = int(now / step) + 1
    while k * step <= now:
        k += 1
    while k > 1 and (k - 1) * step > now:
        k -= 1
    return k


@inlined
def _first(due_ns):
    """The agent that is due first."""
    first = 0
    for a in range(1, due_ns.size):
        first = a if due_ns[a] < due_ns[first] else first
    return first


@inlined
def _move(channel, due, lines):
    """Let lines over the channel, those before first: the wait until it takes them."""
    wait = max(0.0, channel.free_ns[0] - due)
    if lines:
        channel.free_ns[0] = due + wait + lines * channel.transfer_ns
    return wait


@jit
def _run(cache, agents, channel, masks, rmids, until_ns, snapshot_ns):
    """See `run`. Units are rows of agent, end and time; snapshots go with their times."""
    count, sets = agents.length.size, np.uint64(cache.rows.shape[0])
    hits, misses = np.zeros((len(masks), 2), dtype=np.int64), np.zeros((len(masks), 2), dtype=np.int64)
    fills = np.zeros(cache.occupancy.size, dtype=np.int64)
    reads, write_backs = np.zeros_like(fills), np.zeros_like(fills)
    wait_ns, due_ns = np.zeros(count), np.zeros(count)
    units, finished = np.empty((64, 3)), 0
    times, occupancy, taken = np.empty((16, 1)), np.empty((16, fills.size), dtype=np.int64), 0
    steps = _after(agents.now_ns[0], snapshot_ns)
    exhausted = -1
    for a in range(count - 1, -1, -1):
        if agents.position[a] == agents.length[a]:
            exhausted = a
        else:
            due_ns[a] = _due(agents, a)
    while exhausted < 0:
        a = _first(due_ns)
        due = due_ns[a]
        horizon = min(due, until_ns)
        if horizon == np.inf:
            break
        while steps * snapshot_ns <= horizon:
            times, occupancy = _room(times, taken), _room(occupancy, taken)
            times[taken, 0], occupancy[taken] = steps * snapshot_ns, cache.occupancy
            taken, steps = taken + 1, steps + 1
        agents.now_ns[0] = max(agents.now_ns[0], horizon)
        if due >= until_ns:
            break
        p = agents.position[a]
        kind = agents.kind[a, p]
        c = agents.class_id[a, kind >> BANK_SHIFT]
        line, code, write = agents.address[a, p] >> _LINE_SHIFT, kind & CODE, kind & WRITE != 0
        s = set_of(line, sets, cache.hashed)
        rank = touch(cache, s, line, masks[c, code], rmids[c], write, fills, write_backs)
        took = agents.hit_ns[a]
        if rank >= 0:
            hits[c, code] += 1
        else:
            misses[c, code] += 1
            read = not (kind & IO and write)
            reads[rmids[c]] += read
            wait = _move(channel, due, int(read) + int(rank == MISS_DIRTY))
            took = (channel.memory_ns + wait) / agents.parallelism[a]
            wait_ns[a] += 0.0 if kind & IO else wait
        agents.clock_ns[a] = due if kind & IO else due + took
        if kind & FIRST:
            agents.unit_due_ns[a] += agents.gap_ns[a, p]
            agents.begun_ns[a] = due if kind & IO else agents.unit_due_ns[a]
        if kind & LAST and not np.isnan(agents.begun_ns[a]):
            units = _room(units, finished)
            end = agents.clock_ns[a]
            units[finished, 0], units[finished, 1], units[finished, 2] = a, end, end - agents.begun_ns[a]
            agents.begun_ns[a] = np.nan
            finished += 1
        agents.position[a] = p + 1
        if p + 1 == agents.length[a]:
            exhausted = a
        else:
            due_ns[a] = _due(agents, a)
            _ask(cache, agents, a, sets)
    traffic = (fills, reads, write_backs)
    return exhausted, hits, misses, wait_ns, units[:finished], *traffic, times[:taken, 0], occupancy[:taken]
