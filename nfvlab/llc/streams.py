"""Address streams of the workloads: what a core and its device refer to, drawn step by step.

A reference has a byte address, a kind and a gap. The kind's bits:
  CODE   1  instruction fetch
  WRITE  2  write
  IO     4  of the device, which costs the core nothing
  LAST   8  last reference of a unit (a packet, a wake-up)
  FIRST 16  first reference of a unit
`gap_ns` is the core's work before the reference: work_ns for those of the core, 0 for those of the device. Only for a
FIRST it is the period of the units: the unit is due one period after the one before it, the core goes on at
max(its clock, due), and then works for work_ns if the reference is its own (no IO bit).

A packet is, in this order: the device writes the descriptor, then all lines of the frame, of the packet that is
`backlog_count` ahead; the core reads this packet's descriptor, then `header_lines` of its frame, then makes its
look-ups; before each of the core's references come code fetches, each reference being code with `code_frac`. So FIRST
stands on the device's descriptor write, which happens when the core comes to the packet, and LAST on a data reference
of the core. Only look-ups write. Buffers begin on lines (their distance is rounded up), descriptors lie four to a line.
A wake-up is all lines of the data, FIRST on the first, then all lines of the code, LAST on the last.

Every draw is made in the order of the references: `take(a)` and then `take(b)` is `take(a + b)`, to the bit, as long
as nobody else draws from the stream's generator.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from nfvlab.kernels import references as ref
from nfvlab.kernels import zipf as zipf_law
from nfvlab.kernels.references import FIRST, LAST
from nfvlab.kernels.setassoc import CODE, IO, WRITE
from nfvlab.llc.memory import Area, Memory
from nfvlab.llc.params import LINE_BYTES, Tenant, lines_of

DESCRIPTORS_PER_LINE = 4  # of 16 bytes: Intel 82599 data sheet, advanced receive descriptors
ENDLESS = 1 << 62


class Chunk(NamedTuple):
    """References in order."""

    address: np.ndarray  # uint64[n], bytes
    kind: np.ndarray  # uint8[n], bits as above
    gap_ns: np.ndarray  # float64[n]


@dataclass(frozen=True, kw_only=True)
class Core:
    """What the references of all workloads have in common; names and units as in `Tenant`."""

    work_ns: float = 0.0
    write_frac: float = 0.0
    code_frac: float = 0.0
    code_bytes: float = LINE_BYTES


class Stream:
    """One core's references, without end: a script over areas of memory (see `kernels.references`).

    areas : the data's areas; the last one is the code
    script : rows of the ten columns; units : one round of the script is a unit, begun every `period_ns`
    """

    def __init__(
        self, areas: Sequence[Area], script, *, memory, rng, core, law=None, units=False, period_ns=0.0
    ):
        self.areas = tuple(areas)
        self._script = np.array([row for row in script if row[ref.COUNT]], dtype=np.int64)
        self._places, self._plans, self._tables = _layout(self.areas, memory)
        self._law = law or zipf_law.law(1, 0.0)
        self.units = bool(units)
        self._pace = np.array([core.work_ns, period_ns, core.code_frac, core.write_frac])
        self._rng = rng
        self._state = np.zeros(ref.CURSORS + len(areas), dtype=np.int64)
        self._state[ref.FRESH], self._state[ref.REGION] = units, -1

    def take(self, n: int) -> Chunk:
        """The next `n` references, as new arrays."""
        chunk = Chunk(np.empty(n, dtype=np.uint64), np.empty(n, dtype=np.uint8), np.empty(n))
        where = (self._places, self._plans, self._tables)
        ref.refer(
            *chunk, self._state, self._script, int(self.units), *where, self._law, self._pace, self._rng
        )
        return chunk


def _layout(areas: Sequence[Area], memory: Memory):
    """(int64[areas, 4], uint64[plans, 7], uint64[…]) as the kernel takes them."""
    places, plans, tables, end = [], [memory.frames], [], 0
    for area in areas:
        row = ref.IDENTITY
        if area.scatter is not None:
            row = len(plans)
            plans.append(area.scatter)
        places.append((end if area.table.size else -1, area.first_page, area.lines, row))
        tables.append(area.table)
        end += area.table.size
    return np.array(places, dtype=np.int64), np.stack(plans), np.concatenate(tables)


def _step(rule, count, area=0, bits=0, *, coded=True, writes=False, numbers=(0, 0, 0, 0)):
    return (rule, count, area, bits, coded, writes, *numbers)


def _endless(area: Area, step, *, memory, rng, core: Core, law=None) -> Stream:
    areas = (area, memory.area(lines_of(core.code_bytes)))
    return Stream(areas, [step], memory=memory, rng=rng, core=core, law=law)


def zipf(data_bytes: float, exponent: float, *, memory: Memory, rng, core: Core = Core()) -> Stream:
    """Independent references, line popularity by Zipf's law over a random order of the lines (0: uniform)."""
    lines = lines_of(data_bytes)
    step = _step(ref.ZIPF, ENDLESS, writes=True)
    law = zipf_law.law(lines, exponent)
    return _endless(memory.area(lines, rng), step, memory=memory, rng=rng, core=core, law=law)


def scan(data_bytes: float, *, memory: Memory, rng, core: Core = Core()) -> Stream:
    """Line after line in the order of addresses within pages and of the pages, and round again."""
    step = _step(ref.WALK, ENDLESS, writes=True)
    return _endless(memory.area(lines_of(data_bytes)), step, memory=memory, rng=rng, core=core)


def chase(data_bytes: float, *, memory: Memory, rng, core: Core = Core()) -> Stream:
    """One random cycle through all lines: P(0), P(1), …, P(lines - 1) and round again, P a random permutation.

    The cycle is uniform among the (lines - 1)! that there are, since each comes from `lines` permutations.
    """
    step = _step(ref.WALK, ENDLESS, writes=True)
    return _endless(memory.area(lines_of(data_bytes), rng), step, memory=memory, rng=rng, core=core)


def phases(
    data_bytes: float, regions: int, references: int, *, memory: Memory, rng, core: Core = Core()
) -> Stream:
    """Uniform over one of the data's `regions`, the next after that many data references, and round again."""
    lines = lines_of(data_bytes)
    if not 1 <= regions <= lines:
        raise ValueError(f"regions is {regions}: not from 1 to the {lines} lines of data. Give one of those")
    step = _step(ref.REGIONS, ENDLESS, writes=True, numbers=(regions, references, 0, 0))
    return _endless(memory.area(lines), step, memory=memory, rng=rng, core=core)


def code_loop(code_bytes: float, *, memory: Memory, rng, core: Core = Core()) -> Stream:
    """Instruction fetches alone, line by line through the code, and round again."""
    step = _step(ref.WALK, ENDLESS, bits=CODE, coded=False)
    return _endless(memory.area(lines_of(code_bytes)), step, memory=memory, rng=rng, core=core)


def packets(t: Tenant, *, memory: Memory, rng) -> Stream:
    """Packets as in the module's docstring, one due every 1 / offered_packets_per_s."""
    table, frame, slot = lines_of(t.data_bytes), lines_of(t.frame_bytes), lines_of(t.buffer_bytes)
    descriptors = -(-t.ring_count // DESCRIPTORS_PER_LINE)
    sizes = descriptors, t.ring_count * slot, lines_of(t.code_bytes)
    areas = (memory.area(table, rng), *(memory.area(lines) for lines in sizes))

    def ring(area, count, lines, per_line, *, device):
        numbers = (t.ring_count, lines, t.backlog_count if device else 0, per_line)
        return _step(ref.RING, count, area, IO | WRITE if device else 0, coded=not device, numbers=numbers)

    script = [
        ring(1, 1, 1, DESCRIPTORS_PER_LINE, device=True),
        ring(2, frame, slot, 1, device=True),
        ring(1, 1, 1, DESCRIPTORS_PER_LINE, device=False),
        ring(2, t.header_lines, slot, 1, device=False),
        _step(ref.ZIPF, t.lookups_count, writes=True),
    ]
    law = zipf_law.law(table, t.skew_exponent)
    options = {"law": law, "units": True, "period_ns": 1e9 / t.offered_packets_per_s}
    return Stream(areas, script, memory=memory, rng=rng, core=core_of(t), **options)


def wakeups(t: Tenant, *, memory: Memory, rng) -> Stream:
    """Every interval all lines of the data, then all lines of the code."""
    data, code = memory.area(lines_of(t.data_bytes)), memory.area(lines_of(t.code_bytes))
    script = [
        _step(ref.WALK, data.lines, 0, coded=False, writes=True),
        _step(ref.WALK, code.lines, 1, CODE, coded=False),
    ]
    options = {"units": True, "period_ns": t.interval_ns}
    return Stream((data, code), script, memory=memory, rng=rng, core=core_of(t), **options)


def core_of(t: Tenant) -> Core:
    """What a tenant says of its core."""
    return Core(work_ns=t.work_ns, write_frac=t.write_frac, code_frac=t.code_frac, code_bytes=t.code_bytes)


def of_tenant(t: Tenant, *, memory: Memory, rng: np.random.Generator) -> Stream:
    """The stream of one tenant; `rng` is its own from here on."""
    place = {"memory": memory, "rng": rng}
    if t.workload in ("packets", "wakeups"):
        return {"packets": packets, "wakeups": wakeups}[t.workload](t, **place)
    place["core"] = core_of(t)
    if t.workload == "zipf":
        return zipf(t.data_bytes, t.skew_exponent, **place)
    if t.workload == "phases":
        return phases(t.data_bytes, t.phases_count, t.phase_references_count, **place)
    return {"scan": scan, "chase": chase}[t.workload](t.data_bytes, **place)


def of_tenants(tenants: Sequence[Tenant], rng: np.random.Generator) -> list[Stream]:
    """One stream a tenant on one memory, each with a generator of its own, spawned from `rng`."""
    pages, *own = rng.spawn(1 + len(tenants))
    memory = Memory(pages)
    return [of_tenant(t, memory=memory, rng=child) for t, child in zip(tenants, own, strict=True)]


__all__ = ["CODE", "FIRST", "IO", "LAST", "WRITE", "Chunk", "Core", "Stream", "of_tenant", "of_tenants"]
__all__ += ["chase", "code_loop", "packets", "phases", "scan", "wakeups", "zipf"]
