"""Replies as QEMU's qapi/migration.json describes them, and the recordings of data/."""

import copy
from pathlib import Path

RECORDINGS = sorted((Path(__file__).resolve().parents[1] / "data" / "recordings" / "qemu").glob("*.json"))
_RAM = {
    "transferred": 123456,
    "remaining": 654321,
    "total": 1048576,
    "duplicate": 20,
    "skipped": 0,
    "normal": 30,
    "normal-bytes": 122880,
    "dirty-pages-rate": 15,
    "mbps": 800.0,
    "dirty-sync-count": 2,
    "postcopy-requests": 0,
    "page-size": 4096,
    "multifd-bytes": 0,
    "pages-per-second": 1000,
    "precopy-bytes": 120000,
    "downtime-bytes": 0,
    "postcopy-bytes": 0,
    "dirty-sync-missed-zero-copy": 0,
}
FAILED = {"status": "failed", "error-desc": "Unable to write to socket: Broken pipe"}


def reply(status: str, ram: dict | None = None, **fields) -> dict:
    """A query-migrate reply of QEMU 7.2 with this status, some fields changed."""
    times = {"total-time": 1234, "setup-time": 2}
    if status == "completed":
        times = {"total-time": 12345, "setup-time": 2, "downtime": 67}
    elif status == "active":
        times |= {"expected-downtime": 300, "cpu-throttle-percentage": 20}
    return copy.deepcopy({"status": status, **times, "ram": _RAM | (ram or {}), **fields})


RUNNING = reply("active")
COMPLETED = reply("completed")
