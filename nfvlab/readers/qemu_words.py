"""QEMU's words for a migration and ours, both ways.

One table of the fields of `query-migrate` (qapi/migration.json of QEMU 2.0 to 11.1: MigrationInfo,
MigrationStats, XBZRLECacheStats, CompressionStats, VfioStats). QEMU counts time in milliseconds (dirty-limit
in microseconds, post-copy latency in nanoseconds), throughput in megabits per second, sizes in bytes.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nfvlab.readers.checks import Checker
from nfvlab.units import Mbps, ms, ns, us


@dataclass(frozen=True)
class Field:
    """One field: QEMU's section and name, our word, our units per QEMU's (None: ours is the reciprocal)."""

    section: str
    name: str
    word: str
    scale: float | None = 1
    whole: bool = True
    high: float | None = None


def _times(**words: str) -> list[Field]:
    return [Field("", name.replace("_", "-"), word, ms, whole=False) for name, word in words.items()]


FIELDS = (
    *_times(
        total_time="total_time_ns",
        setup_time="setup_time_ns",
        downtime="downtime_ns",
        expected_downtime="expected_downtime_ns",
        postcopy_blocktime="postcopy_blocktime_ns",
    ),
    Field("", "cpu-throttle-percentage", "throttle_frac", 0.01, high=100),
    Field("", "dirty-limit-throttle-time-per-round", "dirty_limit_throttle_ns", us, whole=False),
    Field("", "dirty-limit-ring-full-time", "dirty_limit_ring_full_ns", us, whole=False),
    Field("", "postcopy-latency", "postcopy_latency_ns", ns, whole=False),
    Field("", "postcopy-non-vcpu-latency", "postcopy_non_vcpu_latency_ns", ns, whole=False),
    Field("", "remaining", "all_remaining_bytes"),  # RAM and devices, since 11.1
    Field("ram", "transferred", "transferred_bytes"),
    Field("ram", "remaining", "remaining_bytes"),
    Field("ram", "total", "ram_bytes"),
    Field("ram", "normal", "normal_pages"),
    Field("ram", "duplicate", "duplicate_pages"),
    Field("ram", "skipped", "skipped_pages"),
    Field("ram", "normal-bytes", "normal_bytes"),
    Field("ram", "dirty-sync-count", "dirty_sync_count"),
    Field("ram", "dirty-sync-missed-zero-copy", "dirty_sync_missed_zero_copy_count"),
    Field("ram", "dirty-pages-rate", "dirty_pages_per_s"),
    Field("ram", "mbps", "throughput_bytes_per_s", Mbps, whole=False),
    Field("ram", "pages-per-second", "pages_per_s"),
    Field("ram", "precopy-bytes", "precopy_bytes"),
    Field("ram", "downtime-bytes", "downtime_bytes"),
    Field("ram", "postcopy-bytes", "postcopy_bytes"),
    Field("ram", "postcopy-requests", "postcopy_requests"),
    Field("ram", "multifd-bytes", "multifd_bytes"),
    Field("ram", "page-size", "page_bytes"),
    Field("xbzrle-cache", "cache-size", "xbzrle_cache_bytes"),
    Field("xbzrle-cache", "bytes", "xbzrle_bytes"),
    Field("xbzrle-cache", "pages", "xbzrle_pages"),
    Field("xbzrle-cache", "cache-miss", "xbzrle_cache_miss_pages"),
    Field("xbzrle-cache", "cache-miss-rate", "xbzrle_cache_miss_frac", whole=False),
    Field("xbzrle-cache", "encoding-rate", "xbzrle_ratio", None, whole=False),
    Field("xbzrle-cache", "overflow", "xbzrle_overflow_pages"),
    Field("compression", "pages", "compressed_pages"),
    Field("compression", "busy", "compression_busy_count"),
    Field("compression", "busy-rate", "compression_busy_frac", whole=False),
    Field("compression", "compressed-size", "compressed_bytes"),
    Field("compression", "compression-rate", "compression_ratio", None, whole=False),
    Field("vfio", "transferred", "vfio_bytes"),
    Field("disk", "transferred", "disk_transferred_bytes"),
    Field("disk", "remaining", "disk_remaining_bytes"),
    Field("disk", "total", "disk_bytes"),
)
SECTIONS = ("ram", "xbzrle-cache", "compression", "vfio", "disk")
CONTENT = {"rnd": "random", "txt": "text", "inc": "increment", "zero": "zero"}
PATTERN = {"uni": "uniform", "seq": "sequential", "hot": "hot", "zipf": "zipf"}
OUTCOME = {
    "none": "none",
    "completed": "completed",
    "failed": "failed",
    "failing": "failed",
    "cancelled": "cancelled",
    "cancelling": "cancelled",
}
UNDER_WAY = (
    "setup",
    "active",
    "device",
    "pre-switchover",
    "wait-unplug",
    "colo",
    "postcopy-active",
    "postcopy-device",
    "postcopy-paused",
    "postcopy-recover",
    "postcopy-recover-setup",
)

_OF = {section: {f.name: f for f in FIELDS if f.section == section} for section in ("", *SECTIONS)}
_WORDS = {f.word: f for f in FIELDS}
_UNMEASURED = {"mbps": (-1,), "pages-per-second": (-1, 2**64 - 1)}  # MigrationState before the first window
_HOST_KEYS = {"host", "hostname", "host-name", "nodename", "fqdn", "ipv4-address", "tls-hostname"}


def from_reply(reply: Mapping[str, Any], check: Checker, at: tuple) -> tuple[dict, dict]:
    """(our words, what has no word of ours, by "section/name") of one query-migrate reply.

    `ram` may be flattened into the reply, as recordings have it. What QEMU has not measured is left out.
    """
    words, other = {}, {}
    flat = "ram" not in reply and any(name in reply for name in _OF["ram"] if name != "remaining")
    for key, value in reply.items():
        if key in SECTIONS:
            for name in check.section(reply, key, at):
                _take(value, key, name, check, (*at, key), words, other)
        else:
            section = "ram" if flat and key in _OF["ram"] else ""
            _take(reply, section, key, check, at, words, other)
    return words, other


def _take(holder, section, name, check, at, words, other):
    field = _OF[section].get(name)
    if field is None:
        unknown = without_hosts({name: holder[name]})
        other.update({f"{section}/{key}" if section else key: value for key, value in unknown.items()})
    elif holder[name] not in _UNMEASURED.get(name, ()):
        limit = {} if field.high is None else {"high": field.high}
        value = check.number(holder, name, at, scale=field.scale or 1, whole=field.whole, **limit)
        if field.scale is None and value is not None:
            value = 1 / value if value else None  # 0: nothing compressed yet
        if value is not None:
            words[field.word] = value


def to_query_migrate(totals: Mapping[str, Any]) -> dict[str, Any]:
    """Totals in our words as query-migrate spells them: its names and units, `ram` flattened, times in ms.

    What is None or not finite is left out, as QEMU leaves out what it does not know. `pause_ns` becomes
    `pause_ms` (QEMU has no word for it), `status` and `converged` stay. ValueError for any other word.
    """
    reply: dict[str, Any] = {}
    for word, value in totals.items():
        if word in ("status", "converged"):
            reply[word] = value
        elif value is None or not math.isfinite(value):
            continue
        elif word == "pause_ns":
            reply["pause_ms"] = _tidy(value / ms)
        elif word not in _WORDS or word == "all_remaining_bytes":  # its name is RAM's when flattened
            raise ValueError(f"{word!r} has no name in query-migrate; known: {', '.join(_WORDS)}, pause_ns")
        else:
            field = _WORDS[word]
            number = value / field.scale if field.scale else 1 / value
            inside = reply if field.section in ("", "ram") else reply.setdefault(field.section, {})
            inside[field.name] = round(number) if field.whole else _tidy(number)
    return reply


def _tidy(number: float) -> float | int:
    """Rid of the last digits that unit conversion leaves; an integer if it is one."""
    rounded = float(f"{number:.14g}")
    return int(rounded) if rounded.is_integer() else rounded


_ADDRESS = re.compile(
    r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.])"  # IPv4
    r"|\[[0-9A-Fa-f:]*:[0-9A-Fa-f:.]+\]|(?<![\w:])(?:[0-9A-Fa-f]{0,4}:){3,7}[0-9A-Fa-f]{0,4}(?![\w:])"  # IPv6
    r"|(?<=')[\w.-]+(?=:\d+')|(?<=for )[\w.-]+(?=:\d+)"  # 'name:port', as QEMU's socket errors quote it
)


def without_hosts(value: Any) -> Any:
    """A loaded JSON value without host names and addresses: host keys dropped, addresses in text replaced."""
    if isinstance(value, dict):
        return {key: without_hosts(item) for key, item in value.items() if key.lower() not in _HOST_KEYS}
    if isinstance(value, list):
        return tuple(without_hosts(item) for item in value)
    return _ADDRESS.sub("<host>", value) if isinstance(value, str) else value
