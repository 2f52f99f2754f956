"""What a resctrl recording says of the host: its masks' rules, its cache, and which ways were a group's own.

    frame, meta = read_resctrl(path)
    for advice in advise(**from_resctrl(frame, meta)): ...

Under CDP code and data are not watched apart: groups are advised one mask, for both.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from nfvlab.cat.parts import Capability
from nfvlab.params import ParamError, Problem

if TYPE_CHECKING:
    import pandas

LOCKED = "pseudo-locked"


def from_resctrl(frame: "pandas.DataFrame", meta) -> dict[str, Any]:
    """Keywords for `advise` from what `read_resctrl` returned: frame, capability, cache_bytes, taken_mask, cdp.

    The frame gets a column `ways`: the ways of a control group's mask while no other group's mask and no I/O way
    overlapped it; else not a number. taken_mask: ways of pseudo-locked groups. Errors: ParamError when the recording
    says nothing of L3 allocation, or of the sizes of its groups.
    """
    cdp = "L3" not in meta.resources and "L3DATA" in meta.resources
    info = meta.resources.get("L3") or meta.resources.get("L3DATA")
    if not info or "cbm_mask" not in info:
        _refuse(
            "resources",
            sorted(meta.resources),
            "say nothing of L3 allocation",
            "advise needs a host with CAT on its L3",
        )
    capability = Capability(
        cbm_len=info["cbm_mask"].bit_length(),
        min_cbm_bits=info.get("min_cbm_bits", 1),
        shareable_bits=info.get("shareable_bits", 0),
        num_closids=info.get("num_closids", 1) * (2 if cdp else 1),
        sparse_masks=info.get("sparse_masks", False),
        cdp_capable=cdp,
    )
    taken = 0
    for group in meta.groups.values():
        if group.mode == LOCKED:
            taken |= int(np.bitwise_or.reduce(list(_masks(group).values()) or [0]))
    made = frame.assign(ways=own_ways(frame, meta, capability.shareable_bits))
    cache_bytes = _cache_bytes(meta, capability.cbm_len)
    return {
        "frame": made,
        "capability": capability,
        "cache_bytes": cache_bytes,
        "taken_mask": taken,
        "cdp": cdp,
    }


def own_ways(frame: "pandas.DataFrame", meta, shareable_bits: int) -> np.ndarray:
    """Ways that were a control group's alone at each row: float64[rows], not a number where it shared any."""
    starts = [(-np.inf, meta.groups), *meta.changes]
    times, tables = [t for t, _ in starts], [_alone(groups, shareable_bits) for _, groups in starts]
    at = np.searchsorted(times, frame["t_ns"].to_numpy(dtype=float), side="right") - 1
    rows = zip(at.tolist(), frame["control_group"], frame["domain"], strict=True)
    return np.array([tables[k].get((group, int(domain)), np.nan) for k, group, domain in rows], dtype=float)


def _alone(groups: Mapping, shareable_bits: int) -> dict[tuple[str, int], float]:
    """Ways of (control group, domain) whose mask overlaps nobody's."""
    masks = {group.control: _masks(group) for (_, mon), group in groups.items() if not mon}
    found = {}
    for name, own in masks.items():
        for domain, mask in own.items():
            others = [other.get(domain, 0) for who, other in masks.items() if who != name]
            if not mask & shareable_bits and not any(mask & other for other in others):
                found[name, domain] = float(mask.bit_count())
    return found


def _masks(group) -> dict[int, int]:
    """Mask of a group by domain, with CDP of code and data together."""
    found: dict[int, int] = {}
    for resource in ("L3", "L3DATA", "L3CODE"):
        for domain, mask in group.schemata.get(resource, {}).items():
            found[domain] = found.get(domain, 0) | mask
    return found


def _cache_bytes(meta, cbm_len: int) -> float:
    """Bytes of one L3: what the kernel says of a group's mask, over the ways of that mask, times all ways."""
    for group in meta.groups.values():
        for resource in ("L3", "L3DATA"):
            for domain, size in group.size.get(resource, {}).items():
                mask = group.schemata.get(resource, {}).get(domain, 0)
                if mask and size:
                    return size / mask.bit_count() * cbm_len
    _refuse("size", None, "no group says how many bytes its mask covers", "pass cache_bytes yourself")
    raise AssertionError


def _refuse(field: str, value: object, rule: str, remedy: str) -> None:
    raise ParamError([Problem(field, value, rule, remedy)], "from_resctrl")


__all__ = ["from_resctrl", "own_ways"]
