"""Hosts worth looking at: what cache allocation gives, to whom, and where it takes."""

from nfvlab.cat.params import Params
from nfvlab.llc.params import Tenant
from nfvlab.units import GB, KiB, MiB, ms

# A slice of a socket, as one or two of its cores have: 2048 sets of 20 ways are 2.5 MiB.
_SLICE = {"cache_sets": 2048, "cache_ways": 20, "warmup_ns": 20 * ms, "measured_ns": 10 * ms}
_ALL = 0xFFFFF
_FORWARDER = Tenant(
    workload="packets",
    data_bytes=1 * MiB,
    skew_exponent=0.6,
    code_bytes=32 * KiB,
    code_frac=0.2,
    offered_packets_per_s=6e6,
    lookups_count=3,
    ring_count=512,
    work_ns=8.0,
)
_STREAM = Tenant(workload="scan", data_bytes=64 * MiB, parallelism_ratio=4.0, write_frac=0.3)
_BESIDE_STREAM = (_FORWARDER, _STREAM)
_CYCLIC = Tenant(
    workload="wakeups", data_bytes=128 * KiB, code_bytes=64 * KiB, interval_ns=1 * ms, work_ns=5.0
)
_NOISE = _STREAM.replace(parallelism_ratio=8.0, write_frac=0.5, work_ns=2.0)
_NARROW = {"memory_bytes_per_s": 8 * GB, "warmup_ns": 5 * ms, "measured_ns": 20 * ms}
_TALK = {"cache_ways": 16, "io_mask": 0xC000, "warmup_ns": 14 * ms, "measured_ns": 8 * ms}
_FOUR = (
    _FORWARDER.replace(data_bytes=512 * KiB),
    Tenant(workload="zipf", data_bytes=2 * MiB, code_bytes=128 * KiB, code_frac=0.3),
    Tenant(workload="chase", data_bytes=256 * KiB),
    _STREAM,
)
_CODE_HEAVY = Tenant(
    workload="zipf", data_bytes=8 * MiB, skew_exponent=0.3, code_bytes=512 * KiB, code_frac=0.4, work_ns=5.0
)
_RING = _FORWARDER.replace(
    frame_bytes=1024,
    ring_count=2048,
    backlog_count=512,
    header_lines=16,
    code_frac=0.0,
    offered_packets_per_s=1e6,
)


def _host(tenants: tuple[Tenant, ...], *masks: int | tuple[int, int], **fields) -> Params:
    """The tenants under these masks, one for each, or a pair of data and code."""
    pairs = [mask if isinstance(mask, tuple) else (mask, mask) for mask in masks]
    made = [t.replace(data_mask=data, code_mask=code) for t, (data, code) in zip(tenants, pairs, strict=True)]
    return Params(tenants=tuple(made), **{**_SLICE, **fields})


SCENARIOS: dict[str, Params] = {
    "packets beside a stream": _host(_BESIDE_STREAM, _ALL, _ALL),
    "packets beside a stream, CAT": _host(_BESIDE_STREAM, 0x3FFFC, 0x00003),
    "packets beside a stream, CDP": _host(_BESIDE_STREAM, (0x3FFF0, 0x0000C), (0x00003, 0x00003), cdp=True),
    "real-time task beside a noisy neighbour": _host((_CYCLIC, _NOISE), _ALL, _ALL, **_NARROW),
    "real-time task beside a noisy neighbour, CAT": _host((_CYCLIC, _NOISE), 0x00F00, 0x000FF, **_NARROW),
    # The talk's tables, 16 ways: one mask a class (CAT), and masks for data and code apart (CDP).
    "the talk's example, no masks": _host(_FOUR, 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF, **_TALK),
    "the talk's example, CAT": _host(_FOUR, 0xF000, 0x0F00, 0x00C0, 0x00FF, **_TALK),
    "the talk's example, CDP": _host(
        _FOUR, (0xF000, 0x0C00), (0x03E0, 0x0070), 0x000F, 0x000F, cdp=True, **_TALK
    ),
    "too few ways": _host(_BESIDE_STREAM, 0x00003, 0x3FFFC),
    "code evicted by data": _host((_CODE_HEAVY,), 0x000FF),
    "code evicted by data, CDP": _host((_CODE_HEAVY,), (0x00007, 0x000F8), cdp=True),
    "ring larger than the I/O ways": _host((_RING, _STREAM), 0x3FFF0, 0x0000F),
    "I/O ways shared with a stream": _host((_RING, _STREAM), 0x3FFF0, 0xC0000),
    "overlapping masks": _host(_FOUR[:3], 0x003FF, 0x0FFC0, 0x3F000),
}
