"""What the files of a resctrl tree say, in our words: capabilities, groups, and the readings of mon_data.

The kernel's own names are kept where they are the field's (`num_closids`, `cbm_mask`, `min_cbm_bits`); the texts
are those of fs/resctrl/rdtgroup.c, monitor.c and ctrlmondata.c, in Linux 4.10 to 6.19.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from nfvlab.readers.cells import number, whole
from nfvlab.readers.errors import ReaderError, printable
from nfvlab.readers.files import AGAIN
from nfvlab.readers.schemata import MASKS, NUMBERS, parse_schemata, resource_lines

EVENTS = {
    "llc_occupancy": "llc_occupancy_bytes",
    "mbm_total_bytes": "mbm_total_bytes",
    "mbm_local_bytes": "mbm_local_bytes",
}
#: What mon_data says when it has no count: EIO, EINVAL, no counter assigned (rdtgroup_mondata_show).
UNREAD = ("Unavailable", "Error", "Unassigned")
MODES = ("shareable", "exclusive", "pseudo-locksetup", "pseudo-locked")
MAX_CPU = 65_535
_MON = re.compile(
    r"(?:([^/]+)/)?(?:mon_groups/([^/]+)/)?mon_data/mon_([A-Z0-9_]+?)_([0-9]{1,5})"
    r"(?:/mon_sub_[A-Z0-9_]+?_([0-9]{1,5}))?/([^/]+)"
)
Place = Callable[[str], str]


@dataclass(frozen=True)
class Group:
    """A control group ("/" is the default one) or a monitoring group of it.

    schemata : {resource: {domain: mask, or percent or MiB/s of MB}}; empty in a monitoring group
    size : {resource: {domain: bytes}} that the masks cover; MB as in schemata
    tasks_count : tasks in it, None where it was not recorded
    """

    control: str
    mon: str = ""
    mode: str | None = None
    schemata: dict[str, dict[int, int]] = field(default_factory=dict)
    size: dict[str, dict[int, int]] = field(default_factory=dict)
    cpus: tuple[int, ...] = ()
    tasks_count: int | None = None


def _int(path: str, text: str) -> int:
    return whole(path, 1, "the value", text, high=2**62)


def _hex(path: str, text: str) -> int:
    return whole(path, 1, "the mask", text, base=16)


def _flag(path: str, text: str) -> bool:
    return bool(whole(path, 1, "the flag", text, high=1))


def _words(path: str, text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _by_domain(path: str, text: str) -> dict[int, str]:
    pairs = [part.partition("=") for part in text.strip().split(";") if part]
    if any(not equals for _, equals, _ in pairs):
        raise ReaderError(path, 1, f"{printable(text.strip(), 60)!r} where domain=value;… belongs", AGAIN)
    made = {whole(path, 1, "the domain", left): right.strip() for left, _, right in pairs}
    if len(made) != len(pairs):
        raise ReaderError(path, 1, "a domain stands twice", AGAIN)
    return made


INFO: dict[str, tuple[str, Callable[[str, str], Any]]] = {
    "num_closids": ("num_closids", _int),
    "cbm_mask": ("cbm_mask", _hex),
    "min_cbm_bits": ("min_cbm_bits", _int),
    "shareable_bits": ("shareable_bits", _hex),
    "sparse_masks": ("sparse_masks", _flag),
    "bit_usage": ("bit_usage", _by_domain),
    "min_bandwidth": ("min_bandwidth", _int),
    "bandwidth_gran": ("bandwidth_gran", _int),
    "delay_linear": ("delay_linear", _flag),
    "thread_throttle_mode": ("thread_throttle_mode", lambda path, text: text.strip()),
    "num_rmids": ("num_rmids", _int),
    "mon_features": ("mon_features", _words),
    "max_threshold_occupancy": ("max_threshold_occupancy_bytes", _int),
}


def capabilities(texts: Mapping[str, str], place: Place) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """({resource: {word: value}} of info/, what has no word of ours by path); L3_MON is a resource too."""
    made: dict[str, dict[str, Any]] = {}
    other: dict[str, str] = {}
    for name, text in texts.items():
        parts = name.split("/")
        if parts[0] != "info" or name == "info/last_cmd_status":
            continue
        word = INFO.get(parts[2]) if len(parts) == 3 else None
        if word is None:
            other[name] = printable(text.strip().replace("\n", " "), 200)
        else:
            made.setdefault(parts[1], {})[word[0]] = word[1](place(name), text)
    return made, other


def parse_cpus(path: str, text: str) -> tuple[int, ...]:
    """CPU numbers of a list such as 0-3,8."""
    cpus: list[int] = []
    for part in filter(None, text.strip().split(",")):
        first, dash, last = part.partition("-")
        low = whole(path, 1, "a CPU", first, high=MAX_CPU)
        high = whole(path, 1, "a CPU", last, high=MAX_CPU) if dash else low
        if high < low:
            raise ReaderError(path, 1, f"the CPUs {printable(part, 20)!r} run backwards", AGAIN)
        cpus += range(low, high + 1)
    if len(set(cpus)) != len(cpus):
        raise ReaderError(path, 1, "a CPU stands twice", AGAIN)
    return tuple(sorted(cpus))


def parse_group(texts: Mapping[str, str], place: Place, control: str, mon: str, notes: list[str]) -> Group:
    """A group from the texts of its files (schemata, size, mode, cpus_list, tasks or tasks_count)."""
    made: dict[str, Any] = {}
    for name in ("schemata", "size"):
        if name in texts:
            known = _known(texts[name], place(name), notes)
            made[name] = parse_schemata(known, place(name), decimal=name == "size")
    if "cpus_list" in texts:
        made["cpus"] = parse_cpus(place("cpus_list"), texts["cpus_list"])
    if "mode" in texts:
        made["mode"] = texts["mode"].strip()
        if made["mode"] not in MODES:
            what = f"mode is {printable(made['mode'], 40)!r}; known: {', '.join(MODES)}"
            raise ReaderError(place("mode"), 1, what, AGAIN)
    if "tasks_count" in texts:
        made["tasks_count"] = _int(place("tasks_count"), texts["tasks_count"])
    elif "tasks" in texts:
        rows = texts["tasks"].split()
        for line, row in enumerate(rows, start=1):
            whole(place("tasks"), line, "a task", row)
        made["tasks_count"] = len(rows)
    return Group(control, mon, **made)


def _known(text: str, path: str, notes: list[str]) -> str:
    """The text without the resources that a later kernel added; blank lines stand for them."""
    rows = text.split("\n")
    for line, name, _ in resource_lines(text, path):
        if name not in MASKS + NUMBERS:
            notes.append(f"left out: the resource {name} of schemata has no word of ours")
            rows[line - 1] = ""
    return "\n".join(rows)


def group_of(name: str) -> tuple[str, str, str] | None:
    """(control group, monitoring group, file) of a path such as web/mon_groups/a/schemata; None if it is none."""
    found = re.fullmatch(r"(?:([^/]+)/)?(?:mon_groups/([^/]+)/)?([^/]+)", name)
    if not found or found[1] in ("info", "mon_data", "mon_groups"):
        return None
    return found[1] or "/", found[2] or "", found[3]


def mon_files(texts: Mapping[str, str]) -> Iterator[tuple[tuple[str, str, int, int | None], str, str, str]]:
    """((control group, monitoring group, domain, SNC node or None), resource, event, path) of every reading."""
    for name in texts:
        found = _MON.fullmatch(name)
        if found:
            node = None if found[5] is None else int(found[5])
            yield (found[1] or "/", found[2] or "", int(found[4]), node), found[3], found[6], name


def reading(path: str, line: int | None, event: str, said: str) -> float | str:
    """The count that mon_data gives, or the word of `UNREAD` that stands for it."""
    text = said.strip()
    if text in UNREAD:
        return text
    return number(path, line, event, text, whole=True)
