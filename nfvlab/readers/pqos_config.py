"""The configuration that `pqos -s` prints: classes of service and who is in them, since 2016.

The wordings are those of pqos/alloc.c in intel-cmt-cat: COS until 2022, CLOS since; definitions for a socket, an L2 or
L3 id, a core complex (AMD) or a domain id.
"""

import os
import re
from dataclasses import dataclass, field

import pandas as pd

from nfvlab.readers.cells import whole
from nfvlab.readers.errors import ReaderError, printable
from nfvlab.readers.files import AGAIN, MAX_BYTES, load_text

_DEFINITIONS = re.compile(r"([A-Z0-9/]*) ?CL?OS definitions for (.{1,40}?) ([0-9]{1,6}):")
_MASK = re.compile(r"(L[23])CA CL?OS([0-9]{1,4}) => MASK (0x[0-9a-fA-F]{1,16})")
_CDP = re.compile(r"(L[23])CA CL?OS([0-9]{1,4}) => DATA (0x[0-9a-fA-F]{1,16}), ?CODE (0x[0-9a-fA-F]{1,16})")
_BANDWIDTH = re.compile(r"(S?MB)A CL?OS([0-9]{1,4}) => ([0-9]{1,10})(%| MBps|)(?: available)?")
_CORE = re.compile(
    r"Core ([0-9]{1,6})(?:, L2ID ([0-9]{1,6}))?(?:, L3ID ([0-9]{1,6}))? =>"
    r"(?: (?=[CR])(?:CL?OS([0-9]{1,4}))?(?:, )?(?:RMID([0-9]{1,6}))?| (ERROR))"
)
_TASKS = re.compile(r"CL?OS([0-9]{1,4}) => (\(none\)|[0-9]{1,10}(?:, [0-9]{1,10})*)")
_SECTIONS = (
    (re.compile(r"Core information for socket ([0-9]{1,6}):"), "cores"),
    (re.compile(r"PID association information:"), "tasks"),
    (re.compile(r"(?:Device|Control channel) information:"), "devices"),
)
_KEPT = re.compile(
    r"(?:Domain ID|Device|Channel)\b.*=>.*|(?:L[23]CA|S?MBA)(?:: Couldn't obtain info\.| CL?OS[0-9]+ => ERROR)"
)
_SAID = re.compile(r"(?:NOTE|INFO|DEBUG|WARN|WARNING|ERROR):.*|CAT or CMT & MBM.*|Error .*")
_WHERE = {"Socket": "socket", "Domain ID": "domain", "L2ID": "l2", "L3ID": "l3", "Core Complex": "l3"}


@dataclass(frozen=True)
class PqosConfig:
    """What stands beside the classes.

    cores : columns core, socket, l2_id, l3_id, class_id, rmid (<NA> where not printed)
    tasks : {class: process ids}
    capabilities : what `-v` says of L3 CAT, L2 CAT and MBA, one text each
    other : lines without a word of ours (devices, channels, memory regions)
    """

    path: str
    cores: pd.DataFrame = field(repr=False, compare=False)
    tasks: dict[int, tuple[int, ...]]
    capabilities: dict[str, str]
    notes: tuple[str, ...] = ()
    other: tuple[str, ...] = ()


def looks_like_config(text: str) -> bool:
    """Whether a text is what `pqos -s` prints."""
    return bool(
        re.search(
            r"^(?:.{0,12}CL?OS definitions for .* [0-9]+:|Core information for socket [0-9]+:)\r?$",
            text,
            re.M,
        )
    )


def read_pqos_config(
    path: str | os.PathLike, *, max_bytes: int = MAX_BYTES
) -> tuple[pd.DataFrame, PqosConfig]:
    """A row per resource, domain and class of service, and who is in the classes; or `ReaderError`.

    Columns: resource (resctrl's words: L3, L3DATA, L3CODE, L2, L2DATA, L2CODE, MB, SMBA), domain_kind (socket, l2, l3,
    domain), domain, class_id, value, unit ("mask", "%", "MBps" or "" for AMD's own steps).
    """
    text = load_text(path, max_bytes=max_bytes)
    if not looks_like_config(text):
        raise ReaderError(path, 1, "no configuration as pqos -s prints it", "Give the output of pqos -s")
    if not text.endswith("\n"):
        what = "the last line has no end: it may be cut"
        raise ReaderError(path, text.count("\n") + 1, what, "End the file with a line feed if it is whole")
    made = _Config(path)
    for line, row in enumerate(text.split("\n"), start=1):
        if row.strip():
            made.take(line, row.strip(), indented=row.startswith(" "))
    return made.result()


class _Config:
    """Takes the lines of a configuration one by one."""

    def __init__(self, path: str | os.PathLike):
        self.path, self.where, self.section, self.socket = path, None, "", None
        self.classes: dict[tuple, tuple] = {}
        self.cores: dict[int, tuple] = {}
        self.tasks: dict[int, tuple[int, ...]] = {}
        self.capabilities: dict[str, str] = {}
        self.notes: list[str] = []
        self.other: list[str] = []

    def take(self, line: int, row: str, *, indented: bool) -> None:
        """Take one line; what belongs to a section is indented."""
        if found := _DEFINITIONS.fullmatch(row):
            kind = re.sub(r"^L3 Cluster.*", "Core Complex", found[2])
            self.where, self.section = (_WHERE.get(kind, printable(kind)), int(found[3])), "classes"
        elif section := next(((s, f) for s, f in ((n, p.fullmatch(row)) for p, n in _SECTIONS) if f), None):
            self.section = section[0]
            self.socket = int(section[1][1]) if section[0] == "cores" else None
        elif self.section == "classes" and self.definition(line, row):
            return
        elif self.section == "cores" and (found := _CORE.fullmatch(row)):
            self.core(line, found)
        elif self.section == "tasks" and (found := _TASKS.fullmatch(row)):
            self.once(line, self.tasks, int(found[1]), tuple(int(n) for n in re.findall("[0-9]+", found[2])))
        elif details := re.match(r"INFO: (L[23] CAT|MBA|SMBA) details: (.+)", row):
            self.capabilities[details[1]] = printable(details[2])
        elif (
            _KEPT.fullmatch(row) and (self.section or not indented) or (not indented and _MASK.fullmatch(row))
        ):
            self.other.append(printable(row))
        elif _SAID.fullmatch(row):
            self.notes.append(f"pqos said: {printable(row, 100)}")
        elif self.section or (indented and "=>" in row):
            raise ReaderError(self.path, line, f"{printable(row, 80)!r} is no line of pqos -s", AGAIN)
        else:
            self.notes.append(f"left out, before the first section: {printable(row, 80)}")

    def definition(self, line: int, row: str) -> bool:
        """Take a class of service's line; False if the row is none."""
        if found := _MASK.fullmatch(row):
            parts = [(found[1], found[2], found[3], "mask")]
        elif found := _CDP.fullmatch(row):
            parts = [(found[1] + kind, found[2], found[n], "mask") for kind, n in (("DATA", 3), ("CODE", 4))]
        elif found := _BANDWIDTH.fullmatch(row):
            parts = [(found[1], found[2], found[3], found[4].strip())]
        else:
            return False
        for resource, clos, said, unit in parts:
            key = (resource, *self.where, int(clos))
            amount = whole(self.path, line, resource, said, base=16 if unit == "mask" else 10, high=2**63)
            self.once(line, self.classes, key, (amount, unit))
        return True

    def core(self, line: int, found: re.Match) -> None:
        core, l2, l3, clos, rmid, error = found.groups()
        if error:
            self.notes.append(f"pqos could not tell the class of core {core}")
        numbers = tuple(pd.NA if text is None else int(text) for text in (l2, l3, clos, rmid))
        self.once(line, self.cores, int(core), (self.socket, *numbers))

    def once(self, line: int, table: dict, key, value) -> None:
        if key in table:
            raise ReaderError(self.path, line, f"{key} stands twice", AGAIN)
        table[key] = value

    def result(self) -> tuple[pd.DataFrame, PqosConfig]:
        columns = ["resource", "domain_kind", "domain", "class_id", "value", "unit"]
        frame = pd.DataFrame([(*key, *value) for key, value in self.classes.items()], columns=columns)
        names = ["core", "socket", "l2_id", "l3_id", "class_id", "rmid"]
        cores = pd.DataFrame([(core, *row) for core, row in self.cores.items()], columns=names).astype(
            "Int64"
        )
        path = printable(os.fsdecode(self.path), 4096)
        notes = tuple(dict.fromkeys(self.notes))
        return frame, PqosConfig(path, cores, self.tasks, self.capabilities, notes, tuple(self.other))
