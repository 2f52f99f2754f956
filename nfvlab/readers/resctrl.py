"""resctrl: cache occupancy and memory bandwidth by group, and what the groups may use; read into our words.

`read_resctrl` takes a live mount of /sys/fs/resctrl, a copied directory, a tar of one, or what `nfvlab record
resctrl` wrote. It reads and never writes.
"""

import math
import os
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import pandas as pd

from nfvlab.readers.checks import Checker, show
from nfvlab.readers.errors import ReaderError, printable
from nfvlab.readers.files import AGAIN, MAX_BYTES, load_documents
from nfvlab.readers.resctrl_recording import SCHEMA, Key, order, parse_recording
from nfvlab.readers.resctrl_tar import is_tar, load_tar
from nfvlab.readers.resctrl_tree import COPY, Tree, load_folder
from nfvlab.readers.resctrl_words import (
    EVENTS,
    INFO,
    Group,
    capabilities,
    group_of,
    mon_files,
    parse_group,
    reading,
)
from nfvlab.units import human

COLUMNS = ("sample", "t_ns", "control_group", "mon_group", "domain", "node", *EVENTS.values(), "unread")
Reading = dict[str, float | str]
_WHOLE = {*INFO, *EVENTS, "schemata", "size", "mode", "cpus_list"}  # the kernel ends each with a line feed


@dataclass(frozen=True)
class Resctrl:
    """What stands beside the readings.

    kind : directory, tar or recording
    resources : {"L3": {"num_closids", "cbm_mask", "min_cbm_bits", …}, "MB": {"min_bandwidth", …}, "L3_MON": …}:
        what `info` says, under the kernel's names; masks as numbers, max_threshold_occupancy_bytes in bytes
    groups : {(control group, monitoring group): Group}; ("/", "") is the default group
    changes : (t_ns since the first sample, groups) whenever the groups or their masks changed during a recording
    occupancy_step_bytes : greatest common divisor of the occupancies seen: a multiple of the upscaling factor
        (CPUID 0xF.1 EBX), which resctrl does not show; None if there is no occupancy
    outcome : of a recording: complete, stopped, gone; None if it has no end line
    notes : what a reader of the numbers has to know
    other : what has no word of ours, by path
    """

    path: str
    kind: str
    resources: dict[str, dict[str, Any]] = field(default_factory=dict)
    groups: dict[tuple[str, str], Group] = field(default_factory=dict)
    changes: tuple[tuple[float, dict[tuple[str, str], Group]], ...] = ()
    last_cmd_status: str | None = None
    interval_ns: float | None = None
    source: str | None = None
    outcome: str | None = None
    occupancy_step_bytes: int | None = None
    notes: tuple[str, ...] = ()
    other: dict[str, str] = field(default_factory=dict, repr=False)


def read_resctrl(path: str | os.PathLike, *, max_bytes: int = MAX_BYTES) -> tuple[pd.DataFrame, Resctrl]:
    """A row per sample, group and domain, and everything beside; or `ReaderError`.

    A control group's own row (mon_group "") is the sum of the group's tasks and of its monitoring groups.
    Columns: sample (from 0), t_ns (since the first sample), control_group ("/" the default one), mon_group, domain
    (cache id), node (a part of a domain under sub-NUMA clustering; <NA> for the whole domain, the sum of its nodes),
    llc_occupancy_bytes, mbm_total_bytes, mbm_local_bytes (running counts; NaN where there is none), unread ("", or
    which of them the kernel called Unavailable, Error or Unassigned).
    """
    if os.path.isdir(path):
        return _from_tree(load_folder(path))
    head = b""
    if os.path.isfile(path) and os.access(path, os.R_OK):
        with open(path, "rb") as file:
            head = file.read(262)
    if is_tar(head):
        return _from_tree(load_tar(path))
    return _from_recording(path, max_bytes)


def rates(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with mbm_total_bytes_per_s and mbm_local_bytes_per_s over the interval that ends in each row.

    NaN in a group's first row, after a missing count, and where a count goes down (the group was made again).
    """
    made = frame.copy()
    keys = ["control_group", "mon_group", "domain", "node"]
    groups = made.groupby(keys, sort=False, dropna=False)
    seconds = groups["t_ns"].diff() / 1e9
    for word in ("mbm_total_bytes", "mbm_local_bytes"):
        step = groups[word].diff()
        made[f"{word}_per_s"] = (step / seconds).where((step >= 0) & (seconds > 0))
    return made


def _from_tree(tree: Tree) -> tuple[pd.DataFrame, Resctrl]:
    notes = list(tree.notes)
    if tree.texts and not any(text.strip() for text in tree.texts.values()):
        what = "every file in it is empty: tar and rsync take the kernel's files for empty ones"
        raise ReaderError(tree.path, None, what, COPY)
    for name, text in tree.texts.items():
        if name.rpartition("/")[2] in _WHOLE and not text.endswith("\n"):
            what = "ends within its line (cut)" if text else "is empty"
            raise ReaderError(tree.place(name), 1, what, AGAIN)
    resources, other = capabilities(tree.texts, tree.place)
    groups = _groups(tree, notes)
    readings: dict[Key, Reading] = {}
    for key, resource, event, name in mon_files(tree.texts):
        if resource != "L3" or event not in EVENTS:
            other[name] = printable(tree.texts[name].strip(), 60)
            continue
        readings.setdefault(key, {})[event] = reading(tree.place(name), 1, event, tree.texts[name])
    for key, _, event, name in mon_files(tree.unread):
        if event in EVENTS:
            readings.setdefault(key, {})[event] = tree.unread[name]
    readings = dict(sorted(readings.items(), key=lambda item: order(item[0])))
    notes += [f"not read: {printable(name)} ({why})" for name, why in tree.unread.items()]
    status = tree.texts.get("info/last_cmd_status")
    beside = {"groups": groups, "resources": resources, "other": other}
    beside["last_cmd_status"] = None if status is None else status.strip()
    return _assemble(tree.path, tree.kind, [(0.0, readings)], notes, beside)


def _groups(tree: Tree, notes: list[str]) -> dict[tuple[str, str], Group]:
    files: dict[tuple[str, str], dict[str, str]] = {("/", ""): {}}
    names: dict[tuple[str, str], str] = {}
    for name, text in tree.texts.items():
        found = group_of(name)
        if found:
            files.setdefault(found[:2], {})[found[2]] = text
            names[found[:2]] = name.removesuffix(found[2])
    return {
        key: parse_group(texts, lambda file, key=key: tree.place(names.get(key, "") + file), *key, notes)
        for key, texts in files.items()
    }


def _from_recording(path: str | os.PathLike, max_bytes: int) -> tuple[pd.DataFrame, Resctrl]:
    documents = load_documents(path, max_bytes=max_bytes)
    check, header = Checker(documents), documents.values[0]
    schema = header.get("schema") if isinstance(header, dict) else None
    if schema != SCHEMA:
        what = f"schema is {show(schema)}, not {SCHEMA}"
        raise ReaderError(path, 1, what, "Give a recording, a resctrl directory, or a tar of one")
    made = parse_recording(documents.values, check)
    check.done()
    notes = check.notes
    if documents.cut_line is not None:
        notes.append(f"line {documents.cut_line}, the last, is cut off and was left out")
    elif made.outcome is None:
        notes.append("the recording has no end line: the recorder was killed")

    def place(name: str) -> str:
        return f"{documents.path}: {name}"

    resources, other = capabilities(made.info, place)
    zero = made.samples[0][0] if made.samples else 0.0
    changes = tuple(
        (t - zero, {_key(g): _group(g, place, notes) for g in groups}) for t, groups in made.groups
    )
    beside = {"resources": resources, "other": other, "groups": changes[0][1], "changes": changes[1:]}
    beside |= {"source": made.source and printable(made.source), "outcome": made.outcome}
    beside |= {"interval_ns": made.interval_ns, "last_cmd_status": made.last_cmd_status}
    slowest = max((took for _, took, _ in made.samples if took is not None), default=0.0)
    if made.interval_ns and slowest > 0.1 * made.interval_ns:
        what = f"a sample took up to {human('t_ns', slowest)} to read: its counts are of different moments"
        notes.append(f"{what} of an interval of {human('t_ns', made.interval_ns)}")
    samples = [(t - zero, rows) for t, _, rows in made.samples]
    return _assemble(documents.path, "recording", samples, notes, beside)


def _key(group: dict[str, str]) -> tuple[str, str]:
    return printable(group["control"]), printable(group["mon"])


def _group(group: dict[str, str], place, notes: list[str]) -> Group:
    control, mon = _key(group)
    return parse_group(
        group, lambda file: place(f"group {control} {mon}".rstrip() + f", {file}"), control, mon, notes
    )


def _assemble(
    path: str, kind: str, samples: list, notes: list[str], beside: dict
) -> tuple[pd.DataFrame, Resctrl]:
    rows, seen = [], 0
    for sample, (t_ns, readings) in enumerate(samples):
        for (control, mon, domain, node), said in readings.items():
            values = [
                v if isinstance(v := said.get(event, math.nan), float) else math.nan for event in EVENTS
            ]
            unread = "; ".join(
                f"{event} {said[event]}" for event in EVENTS if isinstance(said.get(event), str)
            )
            rows.append(
                (sample, t_ns, control, mon, domain, pd.NA if node is None else node, *values, unread)
            )
            seen = reduce(math.gcd, [int(values[0])] if not math.isnan(values[0]) else [], seen)
    types = {"sample": "int64", "t_ns": float, "domain": "int64", "node": "Int64"}
    frame = pd.DataFrame(rows, columns=list(COLUMNS)).astype(types | dict.fromkeys(EVENTS.values(), float))
    if not rows:
        notes.append("no reading in it: the part or the mount has no monitoring (no mon_data)")
    missing = int((frame["unread"] != "").sum())
    if missing:
        notes.append(
            f"{missing} of {len(frame)} rows lack a count that the kernel did not give (column unread)"
        )
    notes += _gaps(samples, beside["resources"]) + _restarts(frame)
    meta = Resctrl(path, kind, occupancy_step_bytes=seen or None, notes=tuple(dict.fromkeys(notes)), **beside)
    return frame, meta


def _gaps(samples: list, resources: dict) -> list[str]:
    """Notes where files are not there that the kernel shows for every group and domain alike."""
    notes = []
    listed = set(resources.get("L3_MON", {}).get("mon_features", ())) & set(EVENTS)
    lost = sorted(
        {event for _, readings in samples for said in readings.values() for event in listed - set(said)}
    )
    if lost:
        notes.append(f"{', '.join(lost)}: listed in mon_features, but not there for every group and domain")
    for sample, (_, readings) in enumerate(samples):
        domains: dict[tuple[str, str], set] = {}
        for control, mon, *domain in readings:
            domains.setdefault((control, mon), set()).add(tuple(domain))
        if any(found != next(iter(domains.values())) for found in domains.values()):
            notes.append(f"the groups of sample {sample} differ in their domains: the copy is not whole")
            break
    return notes


def _restarts(frame: pd.DataFrame) -> list[str]:
    """A note for every running count that goes down."""
    notes = []
    keys = ["control_group", "mon_group", "domain", "node"]
    for word in ("mbm_total_bytes", "mbm_local_bytes"):
        down = frame.groupby(keys, sort=False, dropna=False)[word].diff() < 0
        for _, row in frame[down].iterrows():
            who = f"{row['control_group']} {row['mon_group']}".rstrip()
            what = "the group was made again, or its counter assigned anew"
            notes.append(
                f"{word} of {who}, domain {row['domain']} goes down at sample {row['sample']}: {what}"
            )
    return notes
