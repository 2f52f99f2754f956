"""Recommended masks tried out before anybody pastes them: written into an in-memory resctrl in the recording's state.

The kernel refuses a mask that overlaps an exclusive group's, so the order of the writes may matter, and some exclusive
groups may have to be shareable meanwhile. What comes out is an order in which every write is accepted, or what was
refused and why.
"""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from nfvlab.cat.fs.status import ResctrlError
from nfvlab.cat.parts import Capability, Host, Part
from nfvlab.cat.phases import Phase
from nfvlab.cat.resctrl import MOUNT_POINT, Resctrl
from nfvlab.cat.schemata import paste

EXCLUSIVE, SHAREABLE, LOCKED = "exclusive", "shareable", "pseudo-locked"


@dataclass(frozen=True)
class Write:
    """One write into a file of a control group ("/" is the default one), and the command that does it."""

    group: str
    file: str
    text: str

    @property
    def path(self) -> str:
        """Path below the mount point."""
        return self.file if self.group == "/" else f"{self.group}/{self.file}"

    def command(self) -> str:
        """For a shell: printf 'L3:0=ff000\\n' > /sys/fs/resctrl/vm/schemata."""
        text = self.text.replace("\n", "\\n")
        return f"printf '{text}\\n' > {shlex.quote(f'{MOUNT_POINT}/{self.path}')}"


@dataclass(frozen=True)
class Tried:
    """Writes in an order in which the in-memory resctrl took them, and what it refused, in words."""

    writes: tuple[Write, ...]
    refused: tuple[str, ...]

    @property
    def accepted(self) -> bool:
        """Whether every recommended line was taken."""
        return not self.refused


def try_out(
    lines: Mapping[str, str], phase: Phase, capability: Capability, cache_bytes: float, *, cdp: bool = False
) -> Tried:
    """Write the lines, {group: text of its schemata}, where the groups have the masks and modes of `phase`."""
    try:
        fs = mounted(phase, capability, cache_bytes, cdp=cdp)
    except ResctrlError as error:
        writes = tuple(Write(group, "schemata", text) for group, text in lines.items())
        return Tried(writes, (f"the recording's own state could not be set up: {error}",))
    pending = {group: Write(group, "schemata", text) for group, text in lines.items()}
    done = _write(fs, pending)
    if pending:
        loose = [group for group in lines if phase.modes.get(group) == EXCLUSIVE]
        done += _write(fs, {group: Write(group, "mode", SHAREABLE) for group in loose})
        done += _write(fs, pending)
        back = {group: Write(group, "mode", EXCLUSIVE) for group in loose}
        done += _write(fs, back)
        pending |= {f"{group} mode": write for group, write in back.items()}
    refused = tuple(_why(fs, write) for write in pending.values())
    return Tried((*done, *pending.values()), refused)


def mounted(phase: Phase, capability: Capability, cache_bytes: float, *, cdp: bool = False) -> Resctrl:
    """An in-memory resctrl of this part with the groups, masks and modes of a phase; ResctrlError if it refuses them.

    A pseudo-locked group is an exclusive one here: both keep others off their ways. With CDP, code and data get the
    union of a group's masks.
    """
    domains = sorted({domain for _, domain in phase.masks})
    part = Part(name="recorded", l3_bytes=max(1, round(cache_bytes)), l3=capability)
    fs = Resctrl(Host(part=part, l3={d: (k,) for k, d in enumerate(domains)}), options="cdp" if cdp else "")
    by_group: dict[str, dict[int, int]] = {}
    for (group, domain), mask in phase.masks.items():
        by_group.setdefault(group, {})[domain] = mask
    for group, own in by_group.items():
        if group != "/":
            fs.mkdir(group)
        text = paste(dict.fromkeys(("L3CODE", "L3DATA") if cdp else ("L3",), own))
        fs.write(Write(group, "schemata", "").path, text)
    for group in by_group:
        if phase.modes.get(group) in (EXCLUSIVE, LOCKED):
            fs.write(Write(group, "mode", "").path, f"{EXCLUSIVE}\n")
    return fs


def _write(fs: Resctrl, pending: dict[str, Write]) -> list[Write]:
    """Write what is accepted, again and again while something is; takes it out of `pending`."""
    done: list[Write] = []
    progress = True
    while progress:
        progress = False
        for key, write in list(pending.items()):
            try:
                fs.write(write.path, write.text + "\n")
            except ResctrlError:
                continue
            done.append(pending.pop(key))
            progress = True
    return done


def _why(fs: Resctrl, write: Write) -> str:
    """What the resctrl says to a write that it refuses."""
    try:
        fs.write(write.path, write.text + "\n")
    except ResctrlError as error:
        shown = write.text.replace("\n", ", ")
        return f"{shown} into {write.path}: {error.strerror} ({error.status.strip()})"
    return ""


__all__ = ["Tried", "Write", "mounted", "try_out"]
