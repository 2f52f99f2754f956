"""Agents with clocks written from their rules with a heap, streams as lists and a cache of lists; and wrong worlds."""

import heapq

import numpy as np
from cache_oracle import ListCache

from nfvlab.kernels.agents import BANK_SHIFT, FIRST, LAST
from nfvlab.kernels.setassoc import CODE, IO, WRITE

INF = np.inf
D = 0  # a read of data


class Lists:
    """The same world with a heap of who is due, a list of streams and a cache of lists."""

    def __init__(self, scene):
        self.scene = scene
        classes = len(scene["masks"])
        self.cache = ListCache(scene["sets"], scene["ways"], classes)
        self.cache.fills, self.cache.write_backs = [0] * classes, [0] * classes
        self.free = 0.0
        self.heap, self.begun = [], {}
        self.clock = [0.0] * len(scene["streams"])
        self.unit_due = [0.0] * len(scene["streams"])
        self.waits = [0.0] * len(scene["streams"])
        self.outcomes, self.units, self.snapshots = [], [], []

    def due(self, a, kind, gap):
        if not kind & FIRST:
            return self.clock[a] + gap
        return max(self.clock[a], self.unit_due[a] + gap) + self.work(a, kind)

    def work(self, a, kind):
        return 0.0 if kind & IO else self.scene["work_ns"][a]

    def key(self, a, kind, gap):
        return self.due(a, kind, gap)

    def run(self, until_ns):
        scene = self.scene
        todo = [list(reversed(stream)) for stream in scene["streams"]]
        self.heap = [(self.key(a, *stream[-1][1:]), a) for a, stream in enumerate(todo)]
        heapq.heapify(self.heap)
        step = 1
        while True:
            key, a = heapq.heappop(self.heap)
            due = self.due(a, *todo[a][-1][1:])
            while step * scene["snapshot_ns"] <= min(self.late(due), until_ns):
                self.snapshots.append((step * scene["snapshot_ns"], self.cache.occupancy()))
                step += 1
            if due >= until_ns:
                return self
            self.access(a, due, *todo[a].pop())
            if not todo[a]:
                return self
            heapq.heappush(self.heap, (self.key(a, *todo[a][-1][1:]), a))

    def late(self, due):
        return due

    def access(self, a, due, line, kind, gap):
        before = sum(self.cache.write_backs)
        c = self.class_of(a, kind)
        rank = self.cache.access(line, int(self.scene["masks"][c][kind & CODE]), c, bool(kind & WRITE))
        self.outcomes.append((c, kind & CODE, rank))
        latency = self.scene["hit_ns"][a]
        if rank is None:
            wait = max(0.0, self.free - due)
            for moves in self.transfers(kind, sum(self.cache.write_backs) > before):
                self.free = max(self.free, due) + self.scene["transfer_ns"] * moves
            latency = self.latency(a, wait)
            self.waits[a] += 0.0 if kind & IO else wait
        if kind & FIRST:
            self.unit_due[a] = self.next_unit(a, gap)
            self.begun[a] = self.begin(a, due, kind)
        self.clock[a] = due + (self.posted(latency) if kind & IO else latency)
        if kind & LAST and a in self.begun:
            self.units.append((a, self.clock[a], self.clock[a] - self.begun.pop(a)))

    def transfers(self, kind, written_back):
        return [1] * (not (kind & IO and kind & WRITE)) + [1] * written_back

    def latency(self, a, wait):
        return (self.scene["memory_ns"] + wait) / self.scene["parallelism"][a]

    def posted(self, latency):
        return 0.0

    def begin(self, a, due, kind):
        return due if kind & IO else self.unit_due[a]

    def next_unit(self, a, gap):
        return self.unit_due[a] + gap

    def class_of(self, a, kind):
        return self.scene["classes"][a][kind >> BANK_SHIFT]


class FirstByClock(Lists):
    def key(self, a, kind, gap):
        return self.clock[a]


class FreeWriteBacks(Lists):
    def transfers(self, kind, written_back):
        return super().transfers(kind, False)


class PostedWritesRead(Lists):
    def transfers(self, kind, written_back):
        return [1] + [1] * written_back


class PostedWait(Lists):
    def posted(self, latency):
        return latency


class WaitNotShared(Lists):
    def latency(self, a, wait):
        return self.scene["memory_ns"] / self.scene["parallelism"][a] + wait


class ChannelForAll(Lists):
    def latency(self, a, wait):
        return super().latency(a, 0.0)


class UnitsFromTheirWork(Lists):
    def begin(self, a, due, kind):
        return due


class UnitsDueAfterTheLastIsDone(Lists):
    def next_unit(self, a, gap):
        return self.clock[a]


class DevicesWork(Lists):
    def work(self, a, kind):
        return self.scene["work_ns"][a]


class OneClassAnAgent(Lists):
    def class_of(self, a, kind):
        return self.scene["classes"][a][0]


class SnapshotsLate(Lists):
    def late(self, due):
        return np.nextafter(due, -INF)


WRONG = (
    FirstByClock,
    FreeWriteBacks,
    PostedWritesRead,
    PostedWait,
    WaitNotShared,
    ChannelForAll,
    UnitsFromTheirWork,
    UnitsDueAfterTheLastIsDone,
    DevicesWork,
    OneClassAnAgent,
    SnapshotsLate,
)


def random_scene(seed):
    """All times are multiples of 1/8, all parallelism powers of two: sums are exact in any order."""
    rng = np.random.default_rng(seed)
    agents, ways, sets = int(rng.integers(1, 5)), int(rng.integers(1, 7)), 1 << int(rng.integers(0, 3))
    streams = []
    for _ in range(agents):
        n = int(rng.integers(40, 90))
        lines = rng.integers(0, sets * ways, n)
        kinds = rng.choice([D, CODE, WRITE, IO, IO | WRITE], n) | rng.integers(0, 4, n) << BANK_SHIFT
        kinds |= FIRST * (rng.random(n) < 0.3) | LAST * (rng.random(n) < 0.3)
        gaps = rng.choice([0.0, 0.0, 3.5, 40.0, 300.0], n)
        streams.append(list(zip(lines.tolist(), kinds.tolist(), gaps.tolist(), strict=True)))
    return {
        "streams": streams,
        "sets": sets,
        "ways": ways,
        "classes": rng.integers(0, 3, (agents, 4)).tolist(),
        "masks": rng.integers(1, 1 << ways, (3, 2)),
        "work_ns": rng.choice([0.0, 7.5], agents),
        "hit_ns": rng.choice([0.0, 1.5, 12.0], agents),
        "parallelism": rng.choice([1.0, 2.0, 8.0], agents),
        "memory_ns": 84.0,
        "transfer_ns": float(rng.choice([0.0, 2.5, 24.0])),
        "snapshot_ns": 50.0,
    }
