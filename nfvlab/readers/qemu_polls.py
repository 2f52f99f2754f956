"""Polled query-migrate replies in every form people keep them, one `Row` each.

A bare reply, a list, JSON lines, a QMP transcript with its greeting and events, or the lines of
`nfvlab record migration` (schema nfvlab-qemu-polls/1, see `nfvlab.recorder`).
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from nfvlab.readers import qemu_recording as parts
from nfvlab.readers.checks import Checker, show
from nfvlab.readers.errors import printable
from nfvlab.readers.qemu_words import FIELDS, OUTCOME, SECTIONS, UNDER_WAY, from_reply, without_hosts
from nfvlab.units import ms

POLLS = "nfvlab-qemu-polls/1"
_KNOWN = {"status", "transferred", *SECTIONS, "error-desc", "blocked-reasons", "socket-address"} | {
    f.name for f in FIELDS if f.section == ""
}
_LIMITS = {"max-bandwidth": ("max_bandwidth_bytes_per_s", 1), "downtime-limit": ("downtime_limit_ns", ms)}
_WRAP = {"return", "id", "timestamp", "t_ms"}


@dataclass(frozen=True)
class Row:
    """One reply: where it stood, when it came, its status, our words, what has no word, error-desc."""

    poll: str
    t_ns: float
    status: str
    words: dict[str, Any]
    other: dict[str, Any]
    error: str | None


def poll_rows(values: tuple, recorded: bool, check: Checker, beside: dict) -> Iterator[Row]:
    """Rows of the replies in a file's values; what stands beside them goes to `beside`."""
    events: list[tuple] = []
    if recorded:
        _settings(values[0], check, (0,), beside)
    ended = False
    for i, value in enumerate(values[recorded:], start=int(recorded)):
        for j, item in enumerate(value if isinstance(value, list) else [value]):
            at = (i, j) if isinstance(value, list) else (i,)
            if isinstance(item, dict) and "event" in item:
                events.append(_event(item, check, at))
            elif isinstance(item, dict) and "QMP" in item:
                greeting = check.section(item, "QMP", at)
                beside["qemu_version"] = _query_version(greeting, "version", check, (*at, "QMP"), beside)
            elif recorded and isinstance(item, dict) and "settings" in item:
                _settings(check.section(item, "settings", at), check, (*at, "settings"), beside)
            elif recorded and isinstance(item, dict) and "end" in item:
                ended = True
                beside["other"]["end"] = without_hosts(item["end"])
            else:
                yield from reply_rows(item, check, at, "timeline")
    if recorded and not ended:
        check.notes.append("the recording has no end line: the recorder was killed")
    beside["events"] = parts.event_frame(events)


def _settings(holder: Mapping[str, Any], check: Checker, at: tuple, beside: dict) -> None:
    """What QEMU was set to: the recorder's header, and its second look once the migration runs."""
    other, knobs = beside["other"], beside["scenario"]
    if "query-version" in holder:
        beside["qemu_version"] = _query_version(holder, "query-version", check, at, beside)
    if holder.get("query-migrate-capabilities") is not None:
        states = check.items(holder, "query-migrate-capabilities", at)
        on = [c.get("capability") for c in states if isinstance(c, dict) and c.get("state") is True]
        knobs["capabilities"] = tuple(parts.texts(check, {"on": on}, "on", at))
    if holder.get("query-migrate-parameters") is not None:
        given = check.section(holder, "query-migrate-parameters", at)
        knobs["parameters"] = parts.parameters(given, check, (*at, "query-migrate-parameters"))
        for key, (word, scale) in _LIMITS.items():
            if isinstance(knobs["parameters"].get(key), int):
                knobs[word] = knobs["parameters"][key] * scale
    memory = check.section(holder, "query-memory-size-summary", at, required=False, null=True)
    sizes = {"base-memory": ("base", 1), "plugged-memory": ("plugged", 1)}
    parts.numbers(memory, sizes, check, (*at, "query-memory-size-summary"), found := {})
    knobs |= {"ram_bytes": sum(found.values())} if "base" in found else {}
    vcpus = check.items(holder, "query-cpus-fast", at, required=False, null=True)
    knobs |= {"vcpus_count": len(vcpus)} if vcpus else {}
    known = {"query-version", "query-migrate-parameters", "query-migrate-capabilities", "query-cpus-fast"}
    parts.rest(holder, {*known, "schema", "query-memory-size-summary"}, "header", other)


def _event(item: dict, check: Checker, at: tuple) -> tuple:
    """An event line of the recorder (with t_ms), or of a transcript (on another clock: no time)."""
    name = check.text(item, "event", at)
    t = check.number(item, "t_ms", at, scale=ms, null=True, required=False, low=-(2**62))
    data = check.section(item, "data", at, required=False)
    return math.nan if t is None else t, "src", name, without_hosts(data)


def reply_rows(item: Any, check: Checker, at: tuple, poll: str) -> Iterator[Row]:
    """The row of one reply, wrapped in {"return": …} or not; nothing, and a problem noted, if it is none."""
    if not isinstance(item, dict):
        return check.problem(at, f"is {show(item)} where a query-migrate reply belongs")
    if "error" in item and "return" not in item:
        error = item["error"].get("desc") if isinstance(item["error"], dict) else None
        return check.problem(at, f"is an error of QMP, not a reply: {printable(str(error))}")
    t_ns = check.number(item, "t_ms", at, scale=ms, null=True, required=False)
    outside = {}
    if "return" in item:
        parts.rest(item, _WRAP, "wrap", outside)
        item, at = check.section(item, "return", at), (*at, "return")
    if item and not _KNOWN & set(item):
        return check.problem(at, "is no query-migrate reply: it has neither status nor ram nor total-time")
    status = check.text(item, "status", at, required=bool(item))
    error = check.text(item, "error-desc", at, required=False)
    words, other = from_reply(
        {k: v for k, v in item.items() if k not in ("status", "t_ms", "error-desc")}, check, at
    )
    if "downtime_ns" in words and status != "completed":
        other["downtime_ns"] = words.pop("downtime_ns")  # it means nothing before
        check.notes.append(f"a reply of status {status} has a downtime: kept apart, in other")
    if status is not None and status not in OUTCOME and status not in UNDER_WAY:
        check.notes.append(f"status {printable(status)!r} is not known: taken as a migration under way")
    t_ns = math.nan if t_ns is None else t_ns
    error = None if error is None else printable(without_hosts(error))
    yield Row(poll, t_ns, status or "none", words, other | outside, error)


def parse_version(text: str | None, check: Checker) -> tuple[int, ...] | None:
    """(7, 2, 22) of "7.2.22", "10.0.0-rc1", …"""
    found = re.match(r"(\d{1,4})\.(\d{1,4})(?:\.(\d{1,4}))?", text or "")
    if text and not found:
        check.notes.append(f"QEMU's version {printable(text)!r} is not understood")
    return tuple(int(part) for part in found.groups() if part) if found else None


def _query_version(holder: Mapping[str, Any], key: str, check: Checker, at: tuple, beside: dict):
    """(major, minor, micro) of a query-version reply or a greeting."""
    reply = check.section(holder, key, at, required=False, null=True)
    if not reply:
        return None
    numbers = check.section(reply, "qemu", (*at, key))
    found = [check.number(numbers, k, (*at, key, "qemu"), whole=True) for k in ("major", "minor", "micro")]
    parts.rest(reply, {"qemu"}, "qemu", beside["other"])
    return None if None in found else tuple(found)
