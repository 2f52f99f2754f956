"""The masks that groups have now beside an advice: what they bring now, and whether others would be better."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from nfvlab.cat.advise import Advice, advise
from nfvlab.cat.division import ways_to_give
from nfvlab.cat.parts import Capability
from nfvlab.cat.phases import Phase, own_now
from nfvlab.cat.regret import best_measurement, worst_regret

if TYPE_CHECKING:
    import pandas

ELSEWHERE_WAYS = 0.1  # held beyond its own; a reading's step is 0.03 ways or less on the parts of parts.py


def at_home(frame: "pandas.DataFrame", way_bytes: float) -> "pandas.DataFrame":
    """The frame, its `ways` not a number where a group holds more than its own ways.

    A change of masks evicts nothing: lines stay, and are hit, in ways that are the group's no longer, for as long as
    nobody fills these. Until then it is on its curve at what it holds.
    """
    elsewhere = frame["llc_occupancy_bytes"] > (frame["ways"] + ELSEWHERE_WAYS) * way_bytes
    return frame.assign(ways=frame["ways"].mask(elsewhere))


def as_now(advice: Advice, there: "pandas.DataFrame", phase: Phase, capability: Capability) -> Advice:
    """The advice with now_ways and now_rate of the last phase, where that has a rate.

    now_ways are its own ways where a group has some, as in its curve; else what it held.
    """
    ways, rate = advice.now_ways.copy(), advice.now_rate.copy()
    own = own_masks(phase, advice.domain, capability)
    rows = there[(there["domain"] == advice.domain) & there["rate_bytes_per_s"].notna()]
    for k, name in enumerate(advice.allocation.names):
        last = rows[(rows["group"] == name) & (rows["phase"] == there["phase"].max())]
        if len(last):
            held = last["held_ways"].iloc[-1]
            ways[k], rate[k] = own.get(name, 0).bit_count() or held, last["rate_bytes_per_s"].iloc[-1]
    return replace(advice, now_ways=ways, now_rate=rate)


def own_masks(phase: Phase, domain: int, capability: Capability) -> dict[str, int]:
    """Masks that no other group's mask and no device overlaps."""
    names = [group for group, where in phase.masks if where == domain]
    found = {name: own_now(phase, domain, name, [n for n in names if n != name]) for name in names}
    return {name: mask for name, mask in found.items() if mask and not mask & capability.shareable_bits}


def unmoved(advice: Advice, question: dict[str, Any], phase: Phase) -> tuple[Advice, list[str]]:
    """The present masks, where they are the groups' own and no worse by the estimates; else the advice as it is.

    A cautious advice may be worse: it asks for ways that a group was seen to hold, which may be more than it has.
    """
    capability, names = question["capability"], advice.allocation.names
    own = own_masks(phase, advice.domain, capability)
    masks = {name: own.get(name, 0) for name in names}
    ways = {name: mask.bit_count() for name, mask in masks.items()}
    least = {name: max(1, capability.min_cbm_bits, question["min_ways"].get(name, 0)) for name in names}
    if advice.cdp or any(ways[name] < least[name] for name in names):
        return advice, []
    weights = np.array(advice.allocation.weights)
    now = sum(w * c.estimate[ways[c.group]] for w, c in zip(weights, advice.curves, strict=True))
    if now > advice.allocation.total * (1 + 1e-9):
        return advice, []
    (kept,) = advise(**question | {"min_ways": ways, "max_ways": ways, "cautious": False})
    _, total = ways_to_give(capability, question["use_io_ways"], question["taken_mask"])
    limits = (np.array([least[name] for name in names]), np.full(len(names), total))
    asked = (advice.curves, weights, [ways[name] for name in names], *limits, total)
    allocation = replace(kept.allocation, masks=tuple(masks.values()), io_ways=(0,) * len(masks))
    found = {"regret": worst_regret(*asked), "measure": best_measurement(*asked)}
    note = (
        f"in domain {advice.domain} the masks stay: by the estimates no others within these limits are better"
    )
    return replace(kept, allocation=allocation, **found), [note]


def worse(advice: Advice) -> list[str]:
    """A note where the masks are expected to cost bandwidth, which they may where ways were shared before."""
    allocation = advice.allocation
    now = sum(w * rate for w, rate in zip(allocation.weights, advice.now_rate, strict=True))
    if allocation.total <= now * 1.01:
        return []
    what = f"in domain {advice.domain} the masks are expected to cost more bandwidth than the groups move now"
    return [f"{what}: paste them for the sake of keeping groups apart, or not at all"]


def elsewhere(there: "pandas.DataFrame", phase: Phase, capability: Capability) -> list[str]:
    """Notes on groups that hold more than their own ways in the last phase of `phases.seen`."""
    notes = []
    for row in there[there["phase"] == there["phase"].max()].itertuples():
        own = own_masks(phase, row.domain, capability).get(row.group, 0).bit_count()
        if own and row.held_ways > own + ELSEWHERE_WAYS:
            what = f"{row.group} holds {row.held_ways:.1f} ways in domain {row.domain}, its own are {own}"
            notes.append(
                f"{what}: its lines stay in ways that nobody else fills, and it is judged by what it holds"
            )
    return notes


__all__ = ["as_now", "at_home", "elsewhere", "own_masks", "unmoved", "worse"]
