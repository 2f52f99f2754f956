"""What a processor can do: cache allocation, bandwidth control, monitoring; a few real parts, each with its source.

A part is what CPUID (and, for the oldest, the kernel) says of one socket: leaf 0x10 for allocation, leaf 0xF for
monitoring. A `Host` is a part with its CPUs and caches laid out.
"""

from dataclasses import dataclass, fields

from nfvlab.units import KiB, MiB

MAX_CBM_LEN = 32
EVENTS = ("llc_occupancy", "mbm_total_bytes", "mbm_local_bytes")
THROTTLE_MODES = ("undefined", "max", "per-thread")


def _refuse(name: str, value: object, rule: str, remedy: str) -> None:
    raise ValueError(f"{name} = {value!r}: {rule}. {remedy}")


@dataclass(frozen=True, kw_only=True)
class Capability:
    """Allocation by mask on one cache level (CPUID leaf 0x10, subleaf 1 for L3 and 2 for L2).

    cbm_len : bits of a mask (1 to 32); min_cbm_bits : fewest bits a mask must have
    shareable_bits : ways that other agents, such as I/O, fill as well
    num_closids : classes of service, before CDP halves them
    sparse_masks : whether a mask may have holes; cdp_capable : code and data masks apart
    """

    cbm_len: int
    min_cbm_bits: int = 1
    shareable_bits: int = 0
    num_closids: int = 16
    sparse_masks: bool = False
    cdp_capable: bool = False

    def __post_init__(self):
        if not 1 <= self.cbm_len <= MAX_CBM_LEN:
            _refuse(
                "cbm_len", self.cbm_len, f"a mask has 1 to {MAX_CBM_LEN} bits", "Give the part's mask length"
            )
        if not 0 <= self.min_cbm_bits <= self.cbm_len:
            _refuse(
                "min_cbm_bits",
                self.min_cbm_bits,
                f"it lies in [0, cbm_len = {self.cbm_len}]",
                "Intel has 1 or 2",
            )
        if not 0 <= self.shareable_bits <= self.full_mask:
            rule = f"it must fit the mask of all ways, {self.full_mask:#x}"
            _refuse("shareable_bits", hex(self.shareable_bits), rule, "Give a mask of this cache")
        if not 1 <= self.num_closids <= 2**16:
            _refuse(
                "num_closids",
                self.num_closids,
                "there is at least class 0, at most 65536",
                "Intel has 4 to 16",
            )

    @property
    def full_mask(self) -> int:
        """The mask of all ways."""
        return (1 << self.cbm_len) - 1

    def closids(self, cdp: bool = False) -> int:
        """Classes of service; CDP takes two masks for each and halves them."""
        return self.num_closids // 2 if cdp else self.num_closids


@dataclass(frozen=True, kw_only=True)
class Bandwidth:
    """Memory bandwidth control (CPUID 0x10 subleaf 3; AMD 0x80000020 subleaf 1): per cent on Intel, 1/8 GB/s on AMD."""

    min_bandwidth: int = 10
    max_bandwidth: int = 100
    bandwidth_gran: int = 10
    delay_linear: bool = True
    needs_linear: bool = True
    num_closids: int = 8
    throttle_mode: str = "max"

    def __post_init__(self):
        if not 0 <= self.min_bandwidth <= self.max_bandwidth:
            rule = f"it lies in [0, max_bandwidth = {self.max_bandwidth}]"
            _refuse("min_bandwidth", self.min_bandwidth, rule, "Intel has 10, AMD 0")
        if self.bandwidth_gran < 1:
            _refuse("bandwidth_gran", self.bandwidth_gran, "a step is at least 1", "Intel has 10, AMD 1")
        if self.num_closids < 1:
            _refuse("num_closids", self.num_closids, "there is at least class 0", "Intel has 8")
        if self.throttle_mode not in THROTTLE_MODES:
            _refuse(
                "throttle_mode",
                self.throttle_mode,
                f"known: {', '.join(THROTTLE_MODES)}",
                "Take one of these",
            )


@dataclass(frozen=True, kw_only=True)
class Monitoring:
    """Monitoring of the L3 (CPUID leaf 0xF): RMIDs, events, and the bytes that one count of occupancy stands for.

    config_mask : the sources that mbm_*_config can select (AMD BMEC), 0 where events are not configurable
    """

    num_rmids: int
    events: tuple[str, ...] = EVENTS
    upscaling_bytes: int = 64 * KiB
    config_mask: int = 0

    def __post_init__(self):
        if self.num_rmids < 1:
            _refuse("num_rmids", self.num_rmids, "there is at least RMID 0", "Give the number of RMIDs")
        unknown = [event for event in self.events if event not in EVENTS]
        if unknown or not self.events:
            _refuse(
                "events", self.events, f"known: {', '.join(EVENTS)}, at least one", "Name the part's events"
            )
        if self.upscaling_bytes < 1:
            _refuse(
                "upscaling_bytes", self.upscaling_bytes, "a count is at least 1 byte", "Give CPUID 0xF.1 EBX"
            )


@dataclass(frozen=True, kw_only=True)
class Part:
    """A processor as resctrl sees it; None for what it lacks.

    pseudo_lock : whether the kernel knows how to stop its prefetchers (get_prefetch_disable_bits)
    """

    name: str
    l3_bytes: int
    l3: Capability | None = None
    l2_bytes: int = 0
    l2: Capability | None = None
    mb: Bandwidth | None = None
    smba: Bandwidth | None = None
    monitoring: Monitoring | None = None
    pseudo_lock: bool = False
    source: str = ""

    def __post_init__(self):
        if not any(
            getattr(self, f.name) for f in fields(self) if f.name in ("l3", "l2", "mb", "smba", "monitoring")
        ):
            _refuse(
                "Part", self.name, "it neither allocates nor monitors: no resctrl", "Give it one capability"
            )
        for name, bytes_ in (("l3_bytes", self.l3_bytes), ("l2_bytes", self.l2_bytes)):
            if bytes_ < 0 or (bytes_ == 0 and (name == "l3_bytes" or self.l2)):
                _refuse(name, bytes_, "a cache has a size", "Give it in bytes")


def _cat(
    ways: int, shareable: int, closids: int, least: int = 1, cdp: bool = True, sparse: bool = False
) -> Capability:
    return Capability(
        cbm_len=ways,
        shareable_bits=shareable,
        num_closids=closids,
        min_cbm_bits=least,
        cdp_capable=cdp,
        sparse_masks=sparse,
    )


HASWELL_EP = Part(
    name="Xeon E5-2658 v3",
    l3_bytes=30 * MiB,
    l3=_cat(20, 0xC0000, 4, least=2, cdp=False),
    monitoring=Monitoring(num_rmids=48, events=("llc_occupancy",), upscaling_bytes=48 * KiB),
    source="masks: kernel arch/x86/kernel/cpu/resctrl/core.c, cache_alloc_hsw_probe; size, RMIDs and unit assumed",
)
BROADWELL_EP = Part(
    name="Xeon E5-2683 v4",
    l3_bytes=40 * MiB,
    l3=_cat(20, 0xC0000, 16),
    monitoring=Monitoring(num_rmids=64),
    pseudo_lock=True,
    source="intel-cmt-cat issues 41 and 55 (20 ways, 0xc0000, 16 classes, CDP); size, RMIDs and unit assumed",
)
SKYLAKE_SP = Part(
    name="Xeon Scalable, 24.75 MiB",
    l3_bytes=25_952_256,
    l3=_cat(11, 0x600, 16),
    mb=Bandwidth(num_closids=8),
    monitoring=Monitoring(num_rmids=144, upscaling_bytes=72 * KiB),
    source="intel-cmt-cat issue 150 (size, 11 ways, 0x600, 16 classes, CDP; MBA 8 classes, step 10); RMIDs assumed",
)
SAPPHIRE_RAPIDS = Part(
    name="Xeon, 4th generation",
    l3_bytes=102_236_160,
    l3=_cat(15, 0x6000, 8),
    l2_bytes=2 * MiB,
    l2=_cat(16, 0, 8),
    mb=Bandwidth(num_closids=8, throttle_mode="per-thread"),
    monitoring=Monitoring(num_rmids=240, upscaling_bytes=120 * KiB),
    source="sizes, ways, masks, 8 classes each as `pqos -v` printed them on one such host; RMIDs assumed",
)
AMD_ROME = Part(
    name="EPYC 7002",
    l3_bytes=16 * MiB,
    l3=_cat(16, 0, 16, least=0, sparse=True),
    mb=Bandwidth(
        min_bandwidth=0,
        max_bandwidth=2048,
        bandwidth_gran=1,
        delay_linear=False,
        needs_linear=False,
        num_closids=16,
        throttle_mode="undefined",
    ),
    monitoring=Monitoring(num_rmids=256, upscaling_bytes=64),
    source="kernel core.c: sparse masks, no least bit, MB up to 2048; size, ways, classes and RMIDs assumed",
)
PARTS = {part.name: part for part in (HASWELL_EP, BROADWELL_EP, SKYLAKE_SP, SAPPHIRE_RAPIDS, AMD_ROME)}


@dataclass(frozen=True, kw_only=True)
class Host:
    """A part laid out: which CPUs share which cache.

    l3 : {L3 cache id: its CPUs}; l2 : the same for the L2, only where the part allocates it
    cpus_count : CPUs that the kernel could have (nr_cpu_ids); 0 for one more than the highest
    """

    part: Part
    l3: dict[int, tuple[int, ...]]
    l2: dict[int, tuple[int, ...]] | None = None
    cpus_count: int = 0

    def __post_init__(self):
        for level in ("l3", "l2"):
            domains = {
                int(i): tuple(sorted(cpus)) for i, cpus in sorted((getattr(self, level) or {}).items())
            }
            _check_domains(level, domains)
            object.__setattr__(self, level, domains)
        if not self.l3:
            _refuse("l3", self.l3, "a host has at least one L3", "Give {0: range(8)} or the like")
        if self.part.l2 and not self.l2:
            _refuse("l2", self.l2, f"{self.part.name} allocates its L2", "Say which CPUs share which L2")
        least = max(cpu for cpus in self.l3.values() for cpu in cpus) + 1
        if self.cpus_count and self.cpus_count < least:
            _refuse(
                "cpus_count", self.cpus_count, f"the highest CPU is {least - 1}", f"Give at least {least}"
            )
        object.__setattr__(self, "cpus_count", self.cpus_count or least)

    @classmethod
    def of(cls, part: Part, *, sockets: int = 2, cores: int = 4) -> "Host":
        """`sockets` times the part with one L3 each, `cores` CPUs a socket with an L2 each."""
        if sockets < 1 or cores < 1:
            _refuse("sockets, cores", (sockets, cores), "both are at least 1", "Give a host with CPUs")
        l3 = {s: tuple(range(s * cores, (s + 1) * cores)) for s in range(sockets)}
        return cls(part=part, l3=l3, l2={cpu: (cpu,) for cpu in range(sockets * cores)} if part.l2 else None)


def _check_domains(level: str, domains: dict[int, tuple[int, ...]]) -> None:
    cpus = [cpu for shared in domains.values() for cpu in shared]
    if (
        any(not shared for shared in domains.values())
        or len(set(cpus)) < len(cpus)
        or min(cpus, default=0) < 0
    ):
        _refuse(
            level,
            domains,
            "every cache has CPUs, no CPU has two caches of a level",
            "Give disjoint sets of CPUs",
        )
    if min(domains, default=0) < 0:
        _refuse(level, list(domains), "a cache id is not negative", "Number the caches from 0")
