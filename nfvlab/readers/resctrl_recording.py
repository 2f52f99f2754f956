"""Recordings of schema nfvlab-resctrl/1: a resctrl tree over time, as JSON lines; how they are written and read.

{"schema", "interval_ms", "source", "info", "last_cmd_status", "events", "groups"}: `info` {path: text} and the files
    of the groups are as the kernel wrote them, but of `tasks` only the number is kept
{"t_ms", "took_ms", "rows": [[control, mon, domain, node, value, …]]}: a sample, its values in the order of `events`:
    a count, "Unavailable", "Error", "Unassigned", or null where the file is not there
{"t_ms", "groups"}: the groups again, where they or their masks have changed
{"end": {"outcome", "t_ms", "samples"}}
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nfvlab.readers.checks import Checker, show
from nfvlab.readers.errors import printable
from nfvlab.readers.resctrl_words import EVENTS, UNREAD
from nfvlab.units import ms

SCHEMA = "nfvlab-resctrl/1"
FILES = ("schemata", "size", "mode", "cpus_list", "tasks_count")
Key = tuple[str, str, int, int | None]  # control group, monitoring group, domain, SNC node


@dataclass
class Recording:
    """What the lines hold: samples as (t_ns, {key: {event: count or word}}), groups as texts."""

    info: dict[str, str] = field(default_factory=dict)
    groups: list[tuple[float, list[dict[str, str]]]] = field(default_factory=list)
    samples: list[tuple[float, float | None, dict[Key, dict[str, float | str]]]] = field(default_factory=list)
    interval_ns: float | None = None
    source: str | None = None
    last_cmd_status: str | None = None
    outcome: str | None = None
    last_ns: float = 0.0


def order(key: Key) -> tuple:
    """A sort key: the default group first, a control group before its monitoring groups, a domain before its nodes."""
    control, mon, domain, node = key
    return control != "/", control, mon, domain, -1 if node is None else node


def group_record(control: str = "/", mon: str = "", **files: str | int | None) -> dict[str, Any]:
    """A group as a line holds it; files: schemata, size, mode, cpus_list (texts), tasks_count."""
    unknown = set(files) - set(FILES)
    if unknown:
        raise ValueError(f"no file of a group: {', '.join(sorted(unknown))}; known: {', '.join(FILES)}")
    return {"control": control, "mon": mon} | {k: v for k, v in files.items() if v is not None}


def header_line(
    info: Mapping[str, str],
    groups: Sequence[Mapping[str, Any]],
    *,
    interval_ns: float,
    source: str,
    events: Sequence[str] = tuple(EVENTS),
    last_cmd_status: str | None = None,
) -> str:
    """The first line: info by path below `info/`, groups by `group_record`, and who wrote it (`source`)."""
    line = {"schema": SCHEMA, "interval_ms": interval_ns / ms, "source": source, "info": dict(info)}
    line["last_cmd_status"] = last_cmd_status
    return _line(line | {"events": list(events), "groups": list(groups)})


def sample_line(
    t_ns: float,
    rows: Iterable[tuple[str, str, int, int | None, Sequence[int | str | None]]],
    took_ns: float | None = None,
) -> str:
    """A sample: (control, mon, domain, node or None, values in the order of the header's events) a row."""
    line: dict[str, Any] = {"t_ms": round(t_ns / ms, 3)}
    if took_ns is not None:
        line["took_ms"] = round(took_ns / ms, 3)
    return _line(line | {"rows": [[*row[:4], *row[4]] for row in rows]})


def groups_line(t_ns: float, groups: Sequence[Mapping[str, Any]]) -> str:
    """The groups as they are from this time on."""
    return _line({"t_ms": round(t_ns / ms, 3), "groups": list(groups)})


def end_line(outcome: str, t_ns: float, samples: int) -> str:
    """The last line: outcome complete, stopped (by a signal) or gone (the mount went away)."""
    return _line({"end": {"outcome": outcome, "t_ms": round(t_ns / ms, 3), "samples": samples}})


def _line(value: dict[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":")) + "\n"


def parse_recording(values: Sequence[Any], check: Checker) -> Recording:
    """The recording in the values of a file; problems are noted in `check`."""
    made, header, at = Recording(), values[0], (0,)
    made.interval_ns = check.number(header, "interval_ms", at, scale=ms)
    made.source = check.text(header, "source", at)
    made.last_cmd_status = check.text(header, "last_cmd_status", at, required=False, null=True)
    info = check.section(header, "info", at)
    made.info = {f"info/{name}": check.text(info, name, (0, "info")) or "" for name in info}
    listed = check.items(header, "events", at)
    events = [name for name in listed if isinstance(name, str)]
    if len(events) != len(listed) or len(set(events)) != len(events) or set(events) - set(EVENTS):
        check.problem((0, "events"), f"are not some of {', '.join(EVENTS)}, each once")
        events = []
    made.groups.append((0.0, _groups(header, check, at)))
    for i, value in enumerate(values[1:], start=1):
        _body(value, check, (i,), events, made)
    return made


def _body(value: Any, check: Checker, at: tuple, events: list[str], made: Recording) -> None:
    if not isinstance(value, dict):
        return check.problem(at, f"is {show(value)} where a sample belongs")
    if made.outcome is not None:
        return check.problem(at, "follows the end line")
    if "end" in value:
        end = check.section(value, "end", at)
        made.outcome = check.text(end, "outcome", (*at, "end")) or "unknown"
        count = check.number(end, "samples", (*at, "end"), whole=True)
        if count is not None and count != len(made.samples):
            check.problem((*at, "end", "samples"), f"is {count}, but {len(made.samples)} samples stand above")
        return None
    t_ns = check.number(value, "t_ms", at, scale=ms)
    if t_ns is not None and t_ns < made.last_ns:
        check.problem((*at, "t_ms"), f"is {show(value['t_ms'])}, before the line above")
    made.last_ns = made.last_ns if t_ns is None else t_ns
    if "groups" in value:
        made.groups.append((t_ns or 0.0, _groups(value, check, at)))
    elif "rows" in value:
        took = check.number(value, "took_ms", at, scale=ms, required=False)
        if value["rows"] == []:
            check.problem((*at, "rows"), "is empty: a sample has a reading of each group")
        made.samples.append((t_ns or 0.0, took, _rows(value, check, at, events)))
    else:
        check.problem(at, "has neither rows nor groups")
    return None


def _rows(value: dict, check: Checker, at: tuple, events: list[str]) -> dict[Key, dict[str, float | str]]:
    made: dict[Key, dict[str, float | str]] = {}
    for i, row in enumerate(check.items(value, "rows", at)):
        here = (*at, "rows", i)
        if not isinstance(row, list) or len(row) != 4 + len(events):
            check.problem(
                here, f"is no list of {4 + len(events)}: control, mon, domain, node, {', '.join(events)}"
            )
            continue
        control, mon, domain, node, *said = row
        if not (
            isinstance(control, str) and isinstance(mon, str) and _id(domain) and (node is None or _id(node))
        ):
            check.problem(
                here, "does not begin with the texts control, mon, the numbers domain, node (or null)"
            )
            continue
        key = (printable(control), printable(mon), domain, node)
        if key in made:
            check.problem(here, "stands twice in the sample")
        found = made[key] = {}
        for j, (event, word) in enumerate(zip(events, said, strict=True), start=4):
            if isinstance(word, str) and word in UNREAD:
                found[event] = word
            elif word is not None:
                count = check.number({j: word}, j, here, whole=True)
                found[event] = float("nan") if count is None else float(count)
    return made


def _id(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**16


def _groups(value: dict, check: Checker, at: tuple) -> list[dict[str, str]]:
    made = []
    for i, group in enumerate(check.items(value, "groups", at)):
        here = (*at, "groups", i)
        if not isinstance(group, dict):
            check.problem(here, f"is {show(group)} where a group belongs")
            continue
        found = {name: check.text(group, name, here) or "" for name in ("control", "mon")}
        found |= {name: check.text(group, name, here) or "" for name in FILES[:4] if name in group}
        if "tasks_count" in group:
            found["tasks_count"] = str(check.number(group, "tasks_count", here, whole=True) or 0)
        made.append(found)
    keys = [(group["control"], group["mon"]) for group in made]
    if len(set(keys)) != len(keys):
        check.problem((*at, "groups"), "name a group twice")
    return made
