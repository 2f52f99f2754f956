"""The parts of a recording of schema nfvlab-qemu-migration/1 that are not polls, in our words and units.

The schema is described in data/SOURCES.md. What a later writer adds goes to `other`, under its own name.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from nfvlab.readers.checks import Checker, show
from nfvlab.readers.qemu_words import CONTENT, PATTERN, without_hosts
from nfvlab.units import KiB, MiB, ms, s

_SCENARIO = {
    "ram_mib": ("ram_bytes", MiB, 1),
    "vcpus": ("vcpus_count", 1, 1),
    "max_bandwidth_Bps": ("max_bandwidth_bytes_per_s", 1, 0),
    "downtime_limit_ms": ("downtime_limit_ns", ms, 0),
}
_HABITS = {"give_up_s": ("give_up_ns", s), "settle_s": ("settle_ns", s)}
_WORKLOAD = {
    "touch_mib": ("touched_bytes", MiB, 0),
    "wss_mib": ("wss_bytes", MiB, 0),
    "rate_pps": ("write_rate_per_s", 1.0, 0),
}
_MEASURED = {
    "wall_ms": ("wall_ns", ms),
    "stop_to_resume_ms": ("pause_ns", ms),
    "stop_at_ms": ("stop_at_ns", ms),
    "resume_at_ms": ("resume_at_ns", ms),
    "src_cpu_s": ("source_cpu_ns", s),
    "dst_cpu_s": ("destination_cpu_ns", s),
    "link_best_1s_Bps": ("link_best_1s_bytes_per_s", 1),
    "link_mean_Bps": ("link_mean_bytes_per_s", 1),
}
_THREADS = {
    "src_thread_cpu_s": "source_thread_cpu_ns",
    "dst_thread_cpu_s": "destination_thread_cpu_ns",
}
_GUEST = {
    "boot_to_ready_s": ("boot_ns", s),
    "visits_per_s_before": ("visits_before_per_s", 1),
    "visits_per_s_during": ("visits_during_per_s", 1),
}
_MEMORY = {
    "total_kib": ("memory_bytes", KiB),
    "free_kib": ("free_bytes", KiB),
    "free_4mib_blocks": ("free_4mib_blocks", 1),
}


def scenario(holder: Mapping[str, Any], check: Checker, at: tuple, other: dict) -> dict:
    """What was migrated under which limits. Every knob must be there, so that none gets a silent default."""
    made: dict[str, Any] = {}
    for key, (word, scale, low) in _SCENARIO.items():
        made[word] = check.number(holder, key, at, scale=scale, whole=isinstance(scale, int), low=low)
    made["link_bytes_per_s"] = check.number(
        holder, "link_Bps", at, null=True, low=1
    )  # None: no link was played
    made["free_page_hint"] = check.flag(holder, "free_page_hint", at)
    if "guest_init_on_alloc" in holder:
        made["guest_init_on_alloc"] = bool(
            check.number(holder, "guest_init_on_alloc", at, whole=True, high=1)
        )
    numbers(holder, _HABITS, check, at, made)
    work, inside = check.section(holder, "workload", at), (*at, "workload")
    if work or isinstance(holder.get("workload"), dict):
        for key, (word, scale, low) in _WORKLOAD.items():
            made[word] = check.number(work, key, inside, scale=scale, whole=isinstance(scale, int), low=low)
        made["touched_content"] = check.word(work, "touch_content", inside, CONTENT)
        made["touched_freed"] = check.flag(work, "freed", inside)
        made["pattern"] = check.word(work, "pattern", inside, PATTERN)
        made["dirty_content"] = check.word(work, "dirty_content", inside, CONTENT)
        known = {*_WORKLOAD, "touch_content", "freed", "pattern", "dirty_content"}
        rest(work, known, "scenario/workload", other)
    made["capabilities"] = tuple(texts(check, holder, "capabilities", at))
    made["parameters"] = parameters(check.section(holder, "parameters", at), check, (*at, "parameters"))
    known = {*_SCENARIO, *_HABITS, "link_Bps", "free_page_hint", "guest_init_on_alloc", "workload"}
    rest(holder, {*known, "capabilities", "parameters"}, "scenario", other)
    return made


def texts(check: Checker, holder: Mapping[str, Any], key: str, at: tuple) -> list[str]:
    """holder[key], a list of texts."""
    made = check.items(holder, key, at)
    for i, item in enumerate(made):
        if not isinstance(item, str):
            check.problem((*at, key, i), f"is {show(item)} where text belongs")
    return [item for item in made if isinstance(item, str)]


def parameters(holder: Mapping[str, Any], check: Checker, at: tuple) -> dict:
    """Migration parameters under QEMU's own names and units, host names dropped; no negative numbers."""
    for key, value in holder.items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            check.number(holder, key, at, high=2**64 - 1)
    return without_hosts(dict(holder))


def measured(holder: Mapping[str, Any], check: Checker, at: tuple, other: dict) -> dict:
    """What was measured beside query-migrate: the pause from STOP to RESUME, CPU time, the link's rate."""
    made: dict[str, Any] = {}
    numbers(holder, _MEASURED, check, at, made)
    for key, word in _THREADS.items():
        threads = check.section(holder, key, at, required=False, null=True)
        made_threads = {name: check.number(threads, name, (*at, key), scale=s) for name in threads}
        made.update({word: made_threads} if threads else {})
    disturbed = check.text(holder, "disturbed", at, required=False, null=True)
    if disturbed:
        check.notes.append(f"the recording was disturbed: {without_hosts(disturbed)}")
    rest(holder, {*_MEASURED, *_THREADS, "disturbed"}, "measured", other)
    return made


def guest(holder: Mapping[str, Any], check: Checker, at: tuple, other: dict) -> dict:
    """What the guest said of itself: free memory when ready, visits per second, its serial console."""
    made: dict[str, Any] = {}
    numbers(holder, _GUEST, check, at, made)
    memory = check.section(holder, "mem_at_ready", at, required=False, null=True)
    numbers(memory, _MEMORY, check, (*at, "mem_at_ready"), made)
    crashed = check.flag(holder, "crashed_after_migration", at, required=False)
    if crashed is not None:
        made["crashed_after_migration"] = crashed
    lines = []
    for i, _ in enumerate(check.items(holder, "serial", at, required=False, null=True)):
        line = _tuple(holder["serial"], i, (float, str, str), check, (*at, "serial"))
        lines += [(line[0] * s, line[1], without_hosts(line[2]))] if line else []
    made["serial"] = tuple(lines)
    rest(memory, set(_MEMORY), "guest/mem_at_ready", other)
    rest(holder, {*_GUEST, "mem_at_ready", "crashed_after_migration", "serial"}, "guest", other)
    return made


def events(holder: Mapping[str, Any], check: Checker, at: tuple) -> pd.DataFrame:
    """QMP events of both sides. Columns: t_ns, side ("src", "dst"), event, data (a dict)."""
    rows = []
    for i, _ in enumerate(check.items(holder, "events", at, required=False, null=True)):
        row = _tuple(holder["events"], i, (float, str, str, dict), check, (*at, "events"))
        rows += [(row[0] * ms, row[1], row[2], without_hosts(row[3]))] if row else []
    return event_frame(rows)


def event_frame(rows: Iterable[tuple] = ()) -> pd.DataFrame:
    """Events as a frame in order of time (those without a time last)."""
    frame = pd.DataFrame(list(rows), columns=["t_ns", "side", "event", "data"])
    return frame.astype({"t_ns": float}).sort_values("t_ns", kind="stable", ignore_index=True)


def wire(holder: Mapping[str, Any], check: Checker, at: tuple) -> pd.DataFrame:
    """Bytes that had crossed the played link by each time; empty without a link."""
    rows = []
    for i, _ in enumerate(check.items(holder, "wire_timeline", at, required=False, null=True)):
        row = _tuple(holder["wire_timeline"], i, (float, float), check, (*at, "wire_timeline"))
        if row and row[1] < 0:
            check.problem((*at, "wire_timeline", i, 1), f"is {show(row[1])}, below 0")
        rows += [(row[0] * ms, row[1])] if row else []
    return wire_frame(rows)


def wire_frame(rows: Iterable[tuple] = ()) -> pd.DataFrame:
    """Columns: t_ns, wire_bytes."""
    return pd.DataFrame(list(rows), columns=["t_ns", "wire_bytes"], dtype=float)


def numbers(holder, table, check: Checker, at: tuple, made: dict) -> None:
    """Take the numbers of a table {key: (our word, scale)} that are there and not null."""
    for key, (word, scale) in table.items():
        value = check.number(holder, key, at, scale=scale, null=True, required=False)
        if value is not None:
            made[word] = value


def rest(holder: Mapping[str, Any], known: set[str], prefix: str, other: dict) -> None:
    """Keep what is not known under its own name."""
    unknown = without_hosts({key: value for key, value in holder.items() if key not in known})
    other.update({f"{prefix}/{key}": value for key, value in unknown.items()})


def _tuple(rows: list, i: int, kinds: tuple, check: Checker, at: tuple) -> list | None:
    """rows[i] checked against a tuple of kinds; None where it does not fit."""
    row = rows[i]
    if not isinstance(row, list) or len(row) != len(kinds):
        check.problem((*at, i), f"is {show(row)} where a list of {len(kinds)} belongs")
        return None
    for j, kind in enumerate(kinds):
        fits = isinstance(row[j], int | float if kind is float else kind) and not isinstance(row[j], bool)
        if not fits or (kind is float and abs(row[j]) > 2**62):
            name = {float: "a number", str: "text", dict: "an object"}[kind]
            check.problem((*at, i, j), f"is {show(row[j])} where {name} belongs")
            return None
    return row
