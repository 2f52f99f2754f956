"""What `nfvlab advise` prints and writes of a recommendation; all of it safe to print."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nfvlab.cat.phases import drawn_mask
from nfvlab.cat.regret import QUANTITY
from nfvlab.commands._lines import about, grid, quantity
from nfvlab.readers.errors import printable
from nfvlab.units import axis_unit, human

if TYPE_CHECKING:
    from nfvlab.cat.advise import Advice
    from nfvlab.cat.host import Recommendation

MOST_PHASES = 3  # of each recording: the last ones
COLUMNS = (0.1, 0.25, 0.5, 0.75, 1.0)  # of all ways: where the table of curves looks
AGAIN = "then record once more and give both: nfvlab advise cache.json second.json"


def table(found: "Recommendation", metas: Sequence) -> list[str]:
    """All lines."""
    lines = []
    for meta in metas:
        first = {"file": meta.path, "resctrl": meta.kind, "source": meta.source, "outcome": meta.outcome}
        lines += about(first)
    lines += about({"L3": _cache(found)})
    for advice in found.advices:
        lines += _seen(found, advice) + _curves(advice) + _masks(found, advice) + _open(advice)
    lines += _paste(found)
    notes = [*found.notes, *(note for meta in metas for note in meta.notes)]
    return lines + (["", "notes", *(f"  {printable(note, 1000)}" for note in notes)] if notes else [])


def _cache(found: "Recommendation") -> str:
    part = found.capability
    ways = f"{part.cbm_len} ways of {human('way_bytes', found.way_bytes)}"
    shared = f"; devices fill {part.shareable_bits:x}" if part.shareable_bits else ""
    return f"{ways}, {len(found.advices)} domain{'s'[: len(found.advices) > 1]} advised{shared}"


def _seen(found: "Recommendation", advice: "Advice") -> list[str]:
    """What the groups had and did, a row for each of the last phases."""
    rows = [["", "", "mask", "", "holds", "", "bandwidth"]]
    there = found.seen[found.seen["domain"] == advice.domain]
    several = there["recording"].max() > 0
    for group, part in there.groupby("group", sort=False):
        for row in part.itertuples():
            of_this = there[there["recording"] == row.recording]
            if row.phase <= of_this["phase"].max() - MOST_PHASES:
                continue
            when = f"from {human('t_ns', row.begin_ns)}" if row.phase else "from the start"
            when += f", recording {row.recording + 1}" if several else ""
            ways = f"{row.mask.bit_count()} ways"
            held = [f"{row.held_ways:.1f} ways", quantity("x_bytes", row.occupancy_bytes)]
            rows.append([group, when, f"{row.mask:x}", ways, *held, quantity(QUANTITY, row.rate_bytes_per_s)])
    return grid(f"domain {advice.domain}: seen", rows)


def _curves(advice: "Advice") -> list[str]:
    """The estimated curves at a few way counts, and at the one recommended, with their bounds."""
    total = advice.curves[0].estimate.size - 1
    some = sorted({max(1, round(share * total)) for share in COLUMNS})
    finite = [c.estimate[n] for c in advice.curves for n in some if math.isfinite(c.estimate[n])]
    scale, unit = axis_unit(QUANTITY, finite)
    rows = [["", "seen with", *(f"{n} way{'s'[: n > 1]}" for n in some)]]
    for curve in advice.curves:
        low, high = curve.seen_ways
        seen = f"{low:.1f} ways" if high - low < 0.05 else f"{low:.1f} to {high:.1f} ways"
        rows.append([curve.group, seen, *(_ranged(curve, n, scale) for n in some)])
    return grid(f"domain {advice.domain}: estimated bandwidth, {unit} (at least to at most)", rows)


def _ranged(curve, ways: int, scale: float) -> str:
    estimate, low, high = (_short(row[ways] / scale) for row in (curve.estimate, curve.lower, curve.upper))
    return f"{estimate} ({low} to {high})"


def _short(number: float) -> str:
    return "∞" if math.isinf(number) else f"{number:.3g}" if abs(number) < 1000 else f"{number:.0f}"


def _masks(found: "Recommendation", advice: "Advice") -> list[str]:
    """The masks, and what they are expected to bring."""
    rows = [["", "ways", "mask", "highest way first", "bandwidth now", "expected", "at least", "at most"]]
    for k, (name, effect) in enumerate(advice.effect().items()):
        mask = advice.allocation.masks[k]
        drawn = drawn_mask(mask, found.capability.cbm_len)
        cells = [str(mask.bit_count()), f"{mask:x}", drawn, quantity(QUANTITY, advice.now_rate[k])]
        rows.append([name, *cells, *(quantity(QUANTITY, value) for value in effect)])
    totals = [quantity(QUANTITY, sum(values)) for values in zip(*advice.effect().values(), strict=True)]
    rows.append(["all groups", "", "", "", quantity(QUANTITY, advice.now_rate.sum()), *totals])
    title = "recommended, for the least bandwidth by the estimates"
    if len(set(advice.allocation.weights)) > 1:
        pairs = zip(advice.allocation.names, advice.allocation.weights, strict=True)
        title += f" (a byte of {', of '.join(f'{name} counts {weight:g}' for name, weight in pairs)})"
    return grid(f"domain {advice.domain}: {printable(title, 1000)}", rows)


def _open(advice: "Advice") -> list[str]:
    """How much better other masks could be, what to measure, and what speaks against the assumptions."""
    if math.isinf(advice.regret):
        miss = "how much better other masks could be, nothing bounds"
    else:
        miss = f"other masks could be better by {human(QUANTITY, advice.regret)} (weighted) at most"
    rows = [miss]
    if advice.measure:
        rows += [f"what narrows it most: {advice.measure.words()}", AGAIN]
    lines = [f"  {printable(line, 1000)}" for line in (*rows, *advice.notes)]
    return ["", f"domain {advice.domain}: left open", *lines]


def _paste(found: "Recommendation") -> list[str]:
    """Commands in the order in which the in-memory resctrl took them, and whether it took them all."""
    if not found.tried.writes:
        return ["", "nothing to paste: the masks are as recommended"]
    lines = ["", "to paste, as root, in this order (nothing was written)"]
    lines += [f"  {printable(write.command(), 1000)}" for write in found.tried.writes]
    if found.tried.accepted:
        return [*lines, "  (an in-memory resctrl in the recording's state accepts every one)"]
    return [*lines, "refused by an in-memory resctrl in the recording's state:"] + [
        f"  {printable(why, 1000)}" for why in found.tried.refused
    ]


def as_object(found: "Recommendation", metas: Sequence) -> dict[str, Any]:
    """The recommendation for a JSON file; what is infinite or unknown is null."""
    domains = []
    for advice in found.advices:
        groups = advice.to_frame().reset_index().to_dict("records")
        for row, curve in zip(groups, advice.curves, strict=True):
            row["mask"] = f"{row['mask']:x}"
            bounds = {"estimate": curve.estimate, "lower": curve.lower, "upper": curve.upper}
            row["curve_bytes_per_s"] = {name: values[1:].tolist() for name, values in bounds.items()}
        about_it = {"domain": advice.domain, "groups": groups, "regret_bytes_per_s": advice.regret}
        if advice.measure:
            about_it["measure"] = {"group": advice.measure.group, "ways": advice.measure.ways}
        domains.append(about_it | {"notes": list(advice.notes)})
    seen = found.seen.assign(mask=[f"{mask:x}" for mask in found.seen["mask"]]).to_dict("records")
    made = {"files": [meta.path for meta in metas], "ways": found.capability.cbm_len}
    made |= {"way_bytes": found.way_bytes, "seen": seen, "domains": domains}
    writes = [{"path": write.path, "text": write.text} for write in found.tried.writes]
    made |= {"writes": writes, "accepted": found.tried.accepted, "refused": list(found.tried.refused)}
    return _plain(made | {"notes": list(found.notes)})


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


__all__ = ["as_object", "table"]
