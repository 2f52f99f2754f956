"""The engine against the model in words, written once more with lists: who is due first, what hits, who waits."""

import numpy as np
import pytest

from nfvlab.llc import streams
from nfvlab.llc.engine import Engine, period_ns
from nfvlab.llc.params import LINE_BYTES, Cache, Tenant
from nfvlab.units import GB, us

CACHE = Cache(cache_sets=16, cache_ways=6, hashed=False, cdp=True, io_mask=0x30, memory_bytes_per_s=4 * GB)
SEED, END_NS = 11, 60e3


def tenant(workload, lines, data_mask, code_mask, **changed):
    options = {
        "data_bytes": lines * LINE_BYTES,
        "code_bytes": 10 * LINE_BYTES,
        "write_frac": 0.4,
        "work_ns": 7.0,
    }
    return Tenant(workload=workload, data_mask=data_mask, code_mask=code_mask, **{**options, **changed})


TENANTS = (
    tenant(
        "packets",
        60,
        0x07,
        0x0E,
        ring_count=24,
        buffer_bytes=256,
        frame_bytes=200,
        backlog_count=5,
        code_frac=0.3,
    ),
    tenant("wakeups", 20, 0x3F, 0x01, interval_ns=3.3 * us),
    tenant("zipf", 150, 0x1C, 0x3F, parallelism_ratio=3.0, code_frac=0.1),
    tenant("phases", 80, 0x38, 0x38, phases_count=3, phase_references_count=40),
)


class Lists:
    """The cache, the channel and the cores, as MODEL says, without arrays."""

    def __init__(self, p, tenants, phases):
        self.p, self.tenants = p, tenants
        made = streams.of_tenants(tenants, np.random.default_rng(SEED).spawn(3)[0])
        chunks = [stream.take(20_000) for stream in made]
        self.todo = [list(zip(*(column.tolist() for column in chunk), strict=True)) for chunk in chunks]
        count = len(tenants)
        self.at, self.clock, self.begun = [0] * count, [0.0] * count, [None] * count
        self.unit_due = list(phases)
        self.sets = [[] for _ in range(p.cache_sets)]  # of [line, way, owner, dirty], most recent first
        self.free = 0.0  # when the channel is
        self.hits, self.misses = np.zeros((count, 2), int), np.zeros((count, 2), int)
        self.fills, self.write_backs = np.zeros(count + 1, int), np.zeros(count + 1, int)
        self.wait, self.units = [0.0] * count, []

    def due(self, k):
        """When tenant k's next reference is due."""
        _, kind, gap = self.todo[k][self.at[k]]
        if not kind & streams.FIRST:
            return self.clock[k] + gap
        comes = max(self.clock[k], self.unit_due[k] + gap)
        return comes if kind & streams.IO else comes + self.tenants[k].work_ns

    def run(self, until):
        """All references due before `until`."""
        while True:
            when, k = min((self.due(k), k) for k in range(len(self.tenants)))
            if when >= until:
                return
            self.refer(k, when, *self.todo[k][self.at[k]])
            self.at[k] += 1

    def refer(self, k, now, address, kind, gap):
        """One reference."""
        code, write, device = (bool(kind & bit) for bit in (streams.CODE, streams.WRITE, streams.IO))
        t = self.tenants[k]
        mask = self.p.io_mask if device else t.code_mask if code else t.data_mask
        rmid = len(self.tenants) if device else k
        if kind & streams.FIRST:
            self.unit_due[k] += gap
            self.begun[k] = now if device else self.unit_due[k]
        hit, dirty_victim = self.look_up(address // LINE_BYTES, mask, rmid, write)
        latency = self.p.hit_ns
        if not hit:
            wait = max(0.0, self.free - now)
            lines = (0 if device else 1) + dirty_victim
            if lines:
                self.free = now + wait + lines * LINE_BYTES / self.p.memory_bytes_per_s * 1e9
            latency += self.p.memory_ns + wait
        if not device:
            (self.hits if hit else self.misses)[k, int(code)] += 1
            self.wait[k] += 0.0 if hit else wait
        self.clock[k] = now if device else now + latency / t.parallelism_ratio
        if kind & streams.LAST:
            self.units.append((k, self.clock[k] - self.begun[k]))

    def look_up(self, line, mask, rmid, write):
        """(whether it hits, whether a modified line had to go)."""
        lines = self.sets[line % self.p.cache_sets]
        for entry in lines:
            if entry[0] == line:
                lines.remove(entry)
                lines.insert(0, [line, entry[1], entry[2], entry[3] or write])
                return True, False
        allowed = [way for way in range(self.p.cache_ways) if mask >> way & 1]
        empty = [way for way in allowed if all(entry[1] != way for entry in lines)]
        way, gone = (empty[0], None) if empty else (None, None)
        if not empty:
            gone = [entry for entry in lines if entry[1] in allowed][-1]
            lines.remove(gone)
            way = gone[1]
            self.write_backs[gone[2]] += gone[3]
        lines.insert(0, [line, way, rmid, write])
        self.fills[rmid] += 1
        return False, bool(gone and gone[3])


@pytest.fixture(scope="module")
def both():
    engine = Engine(CACHE, TENANTS, np.random.default_rng(SEED))
    lists = Lists(CACHE, TENANTS, engine.agents.unit_due_ns.tolist())
    window = engine.run(END_NS)
    lists.run(END_NS)
    return engine, window, lists


def test_hits_misses_and_traffic_are_the_same(both):
    _, window, lists = both
    assert np.array_equal(window.hits, lists.hits) and np.array_equal(window.misses, lists.misses)
    assert np.array_equal(window.fills.sum(axis=1), lists.fills)
    assert np.array_equal(window.write_backs.sum(axis=1), lists.write_backs)
    assert (window.hits > 0).any(axis=1).all() and (window.misses > 0).any(axis=1).all()


def test_times_are_the_same(both):
    _, window, lists = both
    assert np.allclose(window.wait_ns, lists.wait) and window.wait_ns.min() > 0
    assert window.unit_tenant.tolist() == [k for k, _ in lists.units]
    assert np.allclose(window.unit_ns, [time for _, time in lists.units])
    assert {0, 1} == set(window.unit_tenant.tolist())


def test_the_cache_holds_the_same_lines_in_the_same_ways(both):
    engine, _, lists = both
    for s, held in enumerate(lists.sets):
        row = engine.cache.rows[s]
        lines = [
            (int(entry) >> 5, int(entry) & 31) for entry in row if engine.cache.owner[s, int(entry) & 31] >= 0
        ]
        assert lines == [(line, way) for line, way, _, _ in held]
        owners = [int(engine.cache.owner[s, way]) for _, way in lines]
        assert owners == [owner for _, _, owner, _ in held]


def test_periods_are_those_of_packets_and_wake_ups():
    assert [period_ns(t) for t in TENANTS] == [200.0, 3.3 * us, 0.0, 0.0]
