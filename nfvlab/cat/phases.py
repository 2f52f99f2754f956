"""A recording in phases: stretches of time in which no group's L3 mask changed, and what each group did in them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas

    from nfvlab.readers.resctrl import Resctrl


@dataclass(frozen=True)
class Phase:
    """From begin_ns until end_ns (since the first sample) the groups had these masks.

    masks: {(control group, domain): mask}, with CDP code and data together; modes: {control group: mode}.
    """

    begin_ns: float
    end_ns: float
    masks: Mapping[tuple[str, int], int]
    modes: Mapping[str, str | None]


def phases(frame: "pandas.DataFrame", meta: "Resctrl") -> tuple[Phase, ...]:
    """The phases of a recording, in the order of time; one for a single snapshot.

    frame, meta: as `read_resctrl` returns them. A phase in which there is no sample is left out, but for the last.
    """
    times = frame["t_ns"].to_numpy(dtype=float)
    end = float(times.max()) if times.size else 0.0
    made: list[Phase] = []
    for begin, groups in [(0.0, meta.groups), *meta.changes]:
        masks = {(name, d): m for name, own in masks_of(groups).items() for d, m in own.items()}
        modes = {group.control: group.mode for (_, mon), group in groups.items() if not mon}
        if made:
            before = made.pop()
            if before.masks == masks:
                begin = before.begin_ns
            elif ((times >= before.begin_ns) & (times < begin)).any():
                made.append(Phase(before.begin_ns, float(begin), before.masks, before.modes))
        made.append(Phase(float(begin), end, masks, modes))
    return tuple(made)


def masks_of(groups: Mapping) -> dict[str, dict[int, int]]:
    """L3 mask by control group and domain, with CDP code and data together."""
    made: dict[str, dict[int, int]] = {}
    for (control, mon), group in groups.items():
        if not mon:
            own = made.setdefault(control, {})
            for resource in ("L3", "L3DATA", "L3CODE"):
                for domain, mask in group.schemata.get(resource, {}).items():
                    own[domain] = own.get(domain, 0) | mask
    return made


def control_rows(frame: "pandas.DataFrame") -> "pandas.DataFrame":
    """Rows of control groups in whole domains, which hold those of their monitoring groups and nodes."""
    return frame[(frame["mon_group"] == "") & frame["node"].isna()]


def seen(frame: "pandas.DataFrame", meta: "Resctrl", way_bytes: float) -> "pandas.DataFrame":
    """A row per domain, group and phase: what it had, held and moved.

    Columns: domain, group, phase (from 0), begin_ns, end_ns, mask (0 where it has none), held_ways and occupancy_bytes
    (means), rate_bytes_per_s (mean over the intervals inside the phase; NaN where there is none), samples_count.
    """
    import pandas as pd

    from nfvlab.readers.resctrl import rates

    rows, parts = control_rows(frame), phases(frame, meta)
    made = []
    for (domain, group), part in rows.groupby(["domain", "control_group"], sort=False):
        for number, phase in enumerate(parts):
            after, last = part["t_ns"] >= phase.begin_ns, number == len(parts) - 1
            inside = part[after if last else after & (part["t_ns"] < phase.end_ns)]
            if inside.empty:
                continue
            held = inside["llc_occupancy_bytes"].mean()
            row = {"domain": int(domain), "group": str(group), "phase": number}
            row |= {"begin_ns": phase.begin_ns, "end_ns": phase.end_ns}
            row |= {"mask": phase.masks.get((group, int(domain)), 0), "held_ways": held / way_bytes}
            row |= {
                "occupancy_bytes": held,
                "rate_bytes_per_s": rates(inside)["mbm_total_bytes_per_s"].mean(),
            }
            made.append(row | {"samples_count": len(inside)})
    return pd.DataFrame(made)


def drawn_mask(mask: int, length: int) -> str:
    """A mask as text, the highest way first: "xxxx....", as the kernel writes capacity bit masks."""
    return "".join("x" if mask >> bit & 1 else "." for bit in range(length - 1, -1, -1))


def own_now(phase: Phase, domain: int, group: str, others) -> int:
    """The group's mask in a domain if none of `others` has a way of it, else 0."""
    mask = phase.masks.get((group, domain), 0)
    shared = np.bitwise_or.reduce([phase.masks.get((name, domain), 0) for name in others] or [0])
    return 0 if mask & int(shared) else mask


__all__ = ["Phase", "control_rows", "drawn_mask", "masks_of", "own_now", "phases", "seen"]
