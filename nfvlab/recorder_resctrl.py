"""Recording a resctrl mount: what every group occupies and moves, read at a steady interval and kept line by line.

The recorder only reads, and no file whose reading changes anything. Each sample goes to the file at once, so that what
is there survives the mount's end and our own. The lines are those of `readers.resctrl_recording`; of tasks only the
number is kept.
"""

import math
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any

from nfvlab.readers import resctrl_recording as lines
from nfvlab.readers.errors import ReaderError
from nfvlab.readers.resctrl_tree import Tree, load_folder
from nfvlab.readers.resctrl_words import EVENTS, UNREAD, group_of, mon_files, reading
from nfvlab.recorder_file import open_output, stop_on_signals
from nfvlab.units import s

ROOT = "/sys/fs/resctrl"
SOURCE = "nfvlab record resctrl"
MOUNT = "Mount it: mount -t resctrl resctrl /sys/fs/resctrl"
_STATIC = ("schemata", "size", "mode", "cpus_list")


@dataclass(frozen=True)
class Recorded:
    """How a recording ended.

    outcome : complete, stopped (by a signal), gone (the mount went away)
    samples : samples in the file
    """

    path: str
    outcome: str
    samples: int


def record_resctrl(
    output: str | os.PathLike,
    *,
    seconds: float,
    interval_ns: float = 1 * s,
    root: str | os.PathLike = ROOT,
    force: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> Recorded:
    """Sample a resctrl tree every interval_ns for so many seconds, or until SIGINT or SIGTERM.

    root : the mount (or a directory of the same shape)
    force : replace `output` if it exists
    `ReaderError` if the tree or the output cannot be used; what is recorded by then stays.
    """
    first = _look(root)
    stop = threading.Event()
    with open_output(output, force) as file, stop_on_signals(stop):
        tape = _Tape(file, output)
        tape.begin(first, interval_ns)
        say("recording (Ctrl-C ends it)")
        outcome = _sample(tape, root, stop, seconds, interval_ns, say)
        tape.write(lines.end_line(outcome, tape.now_ns(), tape.samples))
    return Recorded(os.fsdecode(output), outcome, tape.samples)


def _look(root: str | os.PathLike) -> Tree:
    """The whole tree once; a `ReaderError` that says what to do where it cannot be recorded."""
    if not os.path.isdir(root):
        remedy = "Enable resctrl (CONFIG_X86_CPU_RESCTRL), or give --root"
        raise ReaderError(root, None, "no such directory", remedy)
    if not os.access(root, os.R_OK | os.X_OK):
        raise ReaderError(root, None, "no permission to read it", "Run as a user who may read it")
    if not any(Path(root).iterdir()):
        raise ReaderError(root, None, "is empty: resctrl is not mounted", MOUNT)
    if not os.path.isdir(os.path.join(root, "info")):
        raise ReaderError(root, None, "no resctrl mount: it has no directory info", MOUNT)
    tree = load_folder(root)
    if not any(resource == "L3" for _, resource, *_ in mon_files(tree.texts | tree.unread)):
        why = "it monitors nothing: there is no mon_data (the part has no cache monitoring, or it is off)"
        raise ReaderError(root, None, why, "See /proc/cpuinfo for cqm_llc and the kernel's rdt= parameter")
    if not any(resource == "L3" for _, resource, *_ in mon_files(tree.texts)):
        raise ReaderError(root, None, "none of its mon_data can be read", "Run as a user who may read it")
    return tree


def _sample(tape: "_Tape", root, stop: threading.Event, seconds: float, interval_ns: float, say) -> str:
    """Take samples at every tick; how it ended."""
    tick, interval_s = 0, interval_ns / s
    count = int(seconds / interval_s * (1 + 1e-9)) + 1
    while tick < count:
        if stop.wait(max(0.0, tick * interval_s - tape.now_ns() / s)):
            return "stopped"
        begin = tape.now_ns()
        try:
            tree = load_folder(root, _moving)
            rows = list(_rows(tree))
        except ReaderError as error:
            say(str(error))
            return "gone"
        if not rows:
            say("there is no mon_data any more: resctrl was unmounted")
            return "gone"
        tape.sample(begin, _groups(tree), rows)
        tick = max(tick + 1, math.ceil(tape.now_ns() / interval_ns))  # missed ones are not caught up
    return "complete"


def _moving(name: str) -> bool:
    """What a sample reads: readings, and the few files that say what a group may use."""
    return name.rpartition("/")[2] in (*EVENTS, *_STATIC) and not name.startswith("info/")


def _rows(tree: Tree) -> Iterator[tuple]:
    """The readings as `sample_line` takes them."""
    found: dict[lines.Key, dict[str, int | str]] = {}
    for key, resource, event, name in mon_files(tree.texts | dict.fromkeys(tree.unread, "Error")):
        if resource == "L3" and event in EVENTS:
            said = reading(tree.place(name), 1, event, tree.texts.get(name, UNREAD[1]))
            found.setdefault(key, {})[event] = said if isinstance(said, str) else int(said)
    for key, said in sorted(found.items(), key=lambda item: lines.order(item[0])):
        yield *key, [said.get(event) for event in EVENTS]


def _groups(tree: Tree, *, tasks: bool = False) -> list[dict[str, Any]]:
    """The groups as `group_record` makes them."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for name, text in tree.texts.items():
        where = group_of(name)
        if where and where[2] in _STATIC:
            found.setdefault(where[:2], {})[where[2]] = text
        elif where and where[2] == "tasks" and tasks:
            found.setdefault(where[:2], {})["tasks_count"] = len(text.split())
    keys = sorted(found, key=lambda key: (key[0] != "/", key))
    return [lines.group_record(*key, **found[key]) for key in keys]


class _Tape:
    """The file, and the clock that begins with the first sample."""

    def __init__(self, file: FileIO, path: str | os.PathLike):
        self.file, self.path, self.samples, self.zero = file, path, 0, time.monotonic_ns()
        self.groups: list[dict[str, Any]] = []

    def now_ns(self) -> float:
        return time.monotonic_ns() - self.zero

    def begin(self, tree: Tree, interval_ns: float) -> None:
        """The header: capabilities and groups, with the number of their tasks."""
        info = {
            name.removeprefix("info/"): text for name, text in tree.texts.items() if name.startswith("info/")
        }
        status = info.pop("last_cmd_status", None)
        self.groups = _groups(tree)
        groups = _groups(tree, tasks=True)
        beside = {"interval_ns": interval_ns, "source": SOURCE}
        beside["last_cmd_status"] = None if status is None else status.strip()
        self.write(lines.header_line(info, groups, **beside))
        self.zero = time.monotonic_ns()

    def sample(self, begin_ns: float, groups: list[dict[str, Any]], rows: list[tuple]) -> None:
        """A sample, after the groups if they have changed."""
        if groups != self.groups:
            self.groups = groups
            self.write(lines.groups_line(begin_ns, groups))
        self.write(lines.sample_line(begin_ns, rows, took_ns=self.now_ns() - begin_ns))
        self.samples += 1

    def write(self, line: str) -> None:
        data = line.encode()
        try:
            why = None if self.file.write(data) == len(data) else "it took part of a line"
        except OSError as error:
            why = error.strerror
        if why:
            what = f"writing failed after {self.samples} samples: {why}"
            raise ReaderError(self.path, None, what, "Make room; what was written can be read")
