"""Scenarios worth a look, by name, each with skipping on; on the default hosts, with 10 Gbit/s."""

from nfvlab.freepages.params import Params, low_watermark_pages
from nfvlab.units import Gbps, GiB, MBps, MiB, ms

MBUF_BYTES = 2176  # DPDK lib/mbuf: RTE_MBUF_DEFAULT_BUF_SIZE, 2048 and 128 of headroom
HOT_MBUFS = 1250  # a mempool's cache gives the last returned first: rings and cache go round

_BOOTED = Params()
_HINTS = _BOOTED.replace(transport="hints")
_L2FWD = {
    "line_rate_bits_per_s": 2013e6,
    "downtime_limit_ns": 10 * ms,
    "touched_bytes": 2 * GiB,  # hugepages: reserved, so in use, and zero
    "touched_content": "zero",
    "wss_bytes": float(HOT_MBUFS * MBUF_BYTES),
    "write_rate_per_s": 3.9e6,
    "visit_ns": 200.0,
}

SCENARIOS: dict[str, Params] = {
    "8 GiB, just booted": _BOOTED,
    "8 GiB, application ended": _BOOTED.replace(touched_bytes=7 * GiB, touched_freed=True),
    "8 GiB, application kept": _BOOTED.replace(touched_bytes=4 * GiB),
    "DPDK L2 forwarding": _BOOTED.replace(**_L2FWD),
    "hints (virtio-balloon)": _HINTS,
    "hints, init_on_alloc": _HINTS.replace(init_on_alloc=True),
    "hints, application ended": _HINTS.replace(touched_bytes=7 * GiB, touched_freed=True),
    "fragmented guest": _BOOTED.replace(fragmentation_frac=0.5, touched_bytes=2 * GiB, touched_freed=True),
    "busy guest": _BOOTED.replace(wss_bytes=1 * GiB, write_rate_per_s=2e5),
    "busy guest, hot set": _BOOTED.replace(
        wss_bytes=2 * GiB, write_rate_per_s=2e5, pattern="hot", touched_bytes=4 * GiB, touched_freed=True
    ),
    "2 GiB, limited to 100 MB/s": _HINTS.replace(
        ram_bytes=2 * GiB,
        max_bandwidth_bytes_per_s=100 * MBps,
        hint_reserve_pages=low_watermark_pages(2 * GiB),
        touched_bytes=1 * GiB,
        touched_freed=True,
    ),
    "4 GiB i440fx, 1 Gbit/s": _BOOTED.replace(
        ram_bytes=4 * GiB,
        machine="i440fx",
        link_bytes_per_s=1 * Gbps,
        touched_bytes=2 * GiB,
        touched_freed=True,
    ),
    "throttled forwarding": _BOOTED.replace(
        **_L2FWD
        | {
            "touched_bytes": 0.0,
            "wss_bytes": 512 * MiB,
            "write_rate_per_s": 1e6,
            "auto_converge": True,
            "throttle_initial_frac": 0.5,
            "throttle_increment_frac": 0.3,
        }
    ),
}
