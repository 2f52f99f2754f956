"""The last-level cache, its memory, and the tenants that share it: the ground that theory and simulation share."""

from collections.abc import Iterable
from dataclasses import dataclass

from nfvlab.params import ASSUMED, Params, Problem, param
from nfvlab.units import GB, GHz, GiB, KiB, MiB, ms, s, us

LINE_BYTES = 64
MAX_WAYS = 32
FULL_MASK = 0xFFFFF  # of the 20 ways that a cache has unless told otherwise
SDM = "Intel SDM vol. 3B, 18.19 (Cache Allocation Technology)"
WORKLOADS = ("zipf", "scan", "chase", "phases", "packets", "wakeups")


@dataclass(frozen=True, kw_only=True)
class Tenant(Params):
    """One class of service: what its core does, and the masks it may fill.

    A reference is an access that reaches the last-level cache. The workloads differ in where data references go:

    zipf      independent of each other, line popularity by Zipf's law over the data (exponent 0: uniform)
    scan      line after line through the data, and round again
    chase     one fixed random cycle through all lines of the data, each reference waiting for the one before
    phases    uniform over one of `phases_count` regions of the data, the next one after `phase_references_count`
    packets   per packet: the device writes a descriptor and the frame into a ring of buffers; the core reads the
              descriptor and `header_lines` of the frame, and makes `lookups_count` look-ups in a table (the data,
              popularity by Zipf's law)
    wakeups   every `interval_ns` all lines of the data, then all lines of the code, once, in a fixed order

    Except for wake-ups, each reference is a code fetch with probability `code_frac`; code is walked line by line, and
    round again.
    """

    workload: str = param("zipf", "where its references go", choices=WORKLOADS, source=ASSUMED)
    data_bytes: float = param(
        8 * MiB,
        "data it goes round in (packets: its table)",
        domain=(LINE_BYTES, 64 * GiB),
        typical=(256 * KiB, 256 * MiB),
        log=True,
        source=ASSUMED,
    )
    skew_exponent: float = param(
        0.8,
        "of Zipf's law over its lines; 0: uniform",
        domain=(0, 3),
        typical=(0, 1.2),
        source=ASSUMED,
    )
    code_bytes: float = param(
        256 * KiB,
        "code it goes round in",
        domain=(LINE_BYTES, 1 * GiB),
        typical=(64 * KiB, 8 * MiB),
        log=True,
        source=ASSUMED,
    )
    code_frac: float = param(
        0.0, "share of its references that fetch code", domain=(0, 0.99), typical=(0, 0.5), source=ASSUMED
    )
    write_frac: float = param(
        0.2, "share of its data references that write", domain=(0, 1), typical=(0, 1), source=ASSUMED
    )
    work_ns: float = param(
        10.0,
        "its core's work between two references",
        domain=(0.1, 1 * s),
        typical=(1, 1000),
        log=True,
        source=ASSUMED,
    )
    instructions_ratio: float = param(
        40.0,
        "instructions per reference",
        domain=(0.1, 1e6),
        typical=(1, 1000),
        log=True,
        source=ASSUMED,
    )
    parallelism_ratio: float = param(
        1.0,
        "references that wait at the same time (memory-level parallelism): a stall costs latency / this",
        domain=(1, 64),
        typical=(1, 10),
        log=True,
        source=ASSUMED,
    )
    phases_count: int = param(
        4, "phases: regions of the data", domain=(1, 1024), typical=(1, 16), source=ASSUMED
    )
    phase_references_count: int = param(
        200_000,
        "phases: references before the next region",
        domain=(1, 10**9),
        typical=(10**4, 10**7),
        log=True,
        source=ASSUMED,
    )
    offered_packets_per_s: float = param(
        5e6,
        "packets: rate at which they arrive, evenly; what the core cannot do is lost",
        domain=(1, 1e9),
        typical=(1e5, 3e7),
        log=True,
        source=ASSUMED,
    )
    frame_bytes: int = param(
        64, "packets: size of a frame", domain=(64, 9216), typical=(64, 1518), source="IEEE 802.3"
    )
    ring_count: int = param(
        1024,
        "packets: buffers that the ring goes round in",
        domain=(1, 65536),
        typical=(128, 4096),
        log=True,
        source="DPDK l2fwd: 1024 receive descriptors",
    )
    buffer_bytes: int = param(
        2176,
        "packets: distance from one buffer to the next",
        domain=(64, 16 * KiB),
        typical=(2048, 4096),
        source="DPDK RTE_MBUF_DEFAULT_BUF_SIZE: 2048 and 128 of headroom",
    )
    backlog_count: int = param(
        32,
        "packets: how many wait in the ring when the core comes to one",
        domain=(0, 65535),
        typical=(0, 1024),
        source="DPDK l2fwd: bursts of 32",
    )
    header_lines: int = param(
        1, "packets: lines of a frame that the core reads", domain=(0, 144), typical=(0, 8), source=ASSUMED
    )
    lookups_count: int = param(
        2, "packets: table look-ups for each", domain=(0, 1000), typical=(0, 20), source=ASSUMED
    )
    interval_ns: float = param(
        1 * ms,
        "wake-ups: from one to the next",
        domain=(1 * us, 1000 * s),
        typical=(50 * us, 10 * ms),
        log=True,
        source="cyclictest -i 1000",
    )
    data_mask: int = param(
        FULL_MASK,
        "capacity bit mask of its data (without CDP: of its code, too)",
        domain=(1, 2**MAX_WAYS - 1),
        typical=(1, FULL_MASK),
        source=SDM,
    )
    code_mask: int = param(
        FULL_MASK,
        "capacity bit mask of its code, with CDP",
        domain=(1, 2**MAX_WAYS - 1),
        typical=(1, FULL_MASK),
        source=SDM,
    )

    def rules(self) -> Iterable[Problem]:
        """The rules that bind several fields."""
        if self.workload == "packets":
            if self.backlog_count >= self.ring_count:
                yield self.problem(
                    "backlog_count",
                    f"a ring of {self.ring_count} holds fewer",
                    "lower it or raise ring_count",
                )
            if self.header_lines * LINE_BYTES > self.frame_bytes + LINE_BYTES - 1:
                yield self.problem(
                    "header_lines",
                    f"a frame of {self.frame_bytes} bytes has fewer lines",
                    "lower header_lines or raise frame_bytes",
                )
            if self.frame_bytes > self.buffer_bytes:
                yield self.problem("frame_bytes", "does not fit its buffer", "raise buffer_bytes")
        if self.workload == "phases" and self.data_bytes < LINE_BYTES * self.phases_count:
            yield self.problem("phases_count", "each phase needs a line of data", "lower phases_count")


@dataclass(frozen=True, kw_only=True)
class Cache(Params):
    """A last-level cache with its masks' rules, and the memory behind it."""

    cache_sets: int = param(
        16_384, "sets", domain=(1, 2**20), typical=(1024, 65_536), log=True, source="20 MiB of 20 ways"
    )
    cache_ways: int = param(
        20,
        "ways, and bits of a mask",
        domain=(1, MAX_WAYS),
        typical=(8, 20),
        source="Xeon E5 v3 and v4: 20 ways; CPUID 0x10.1 EAX[4:0] + 1",
    )
    hashed: bool = param(
        True, "spread lines over sets by a hash, as sliced caches do", source="plain index: False"
    )
    cdp: bool = param(False, "code and data have masks of their own (CDP)", source=SDM)
    io_mask: int = param(
        0xC0000,
        "ways that devices fill (DDIO); CPUID 0x10.1 EBX, shareable_bits",
        domain=(1, 2**MAX_WAYS - 1),
        typical=(1, FULL_MASK),
        source="Xeon E5 v3 and v4: the two topmost of 20 ways",
    )
    io_sticky: bool = param(
        False, "a mask that touches an I/O way takes them all (sticky contention bits)", source=ASSUMED
    )
    hit_ns: float = param(
        20.0,
        "latency of a hit in this cache",
        domain=(0, 1 * ms),
        typical=(5, 100),
        source=ASSUMED,
    )
    memory_ns: float = param(
        80.0,
        "latency of a miss on idle memory",
        domain=(0, 1 * ms),
        typical=(50, 300),
        source=ASSUMED,
    )
    memory_bytes_per_s: float = param(
        40 * GB,
        "bandwidth of memory, reads and write-backs together",
        domain=(1e6, 1e13),
        typical=(5 * GB, 200 * GB),
        log=True,
        source=ASSUMED,
    )
    core_hz: float = param(
        2.3 * GHz, "clock of the cores", domain=(1e8, 1e10), typical=(1 * GHz, 4 * GHz), source=ASSUMED
    )
    warmup_ns: float = param(
        20 * ms,
        "simulated before anything is counted",
        domain=(0, 100 * s),
        typical=(1 * ms, 1 * s),
        log=True,
        source=ASSUMED,
    )
    measured_ns: float = param(
        20 * ms,
        "simulated and counted, in each replication",
        domain=(1 * us, 100 * s),
        typical=(1 * ms, 1 * s),
        log=True,
        source=ASSUMED,
    )

    def rules(self) -> Iterable[Problem]:
        """The rules that bind several fields."""
        if not self.hashed and self.cache_sets & (self.cache_sets - 1):
            yield self.problem(
                "cache_sets", "a plain index needs a power of two", "round it, or set hashed=True"
            )
        if self.io_mask >> self.cache_ways:
            yield self.problem(
                "io_mask", f"{self.io_mask:#x} has bits above way {self.cache_ways - 1}", "clear them"
            )

    def mask_problems(self, tenants: Iterable[Tenant]) -> Iterable[Problem]:
        """Masks of tenants that name ways which this cache does not have."""
        names = ("data_mask", "code_mask") if self.cdp else ("data_mask",)
        for position, tenant in enumerate(tenants):
            for name in names:
                mask = getattr(tenant, name)
                if mask >> self.cache_ways:
                    rule = f"{mask:#x} has bits above way {self.cache_ways - 1} of {self.cache_ways}"
                    yield Problem(name, mask, rule, "clear them or raise cache_ways", f"tenants[{position}]")


def cache_bytes(p: Cache) -> int:
    """Capacity of the cache."""
    return p.cache_sets * p.cache_ways * LINE_BYTES


def lines_of(size_bytes: float) -> int:
    """Whole lines that hold `size_bytes`."""
    return max(1, -(-int(size_bytes) // LINE_BYTES))


__all__ = ["FULL_MASK", "LINE_BYTES", "MAX_WAYS", "WORKLOADS", "Cache", "Tenant", "cache_bytes", "lines_of"]
