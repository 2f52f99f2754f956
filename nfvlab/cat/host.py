"""Your host: masks for the groups of resctrl recordings, tried before they are shown, and what was left out.

    found = recommend([read_resctrl("cache.json")])
    found.tried.writes                     # what to paste, in an order that the kernel takes

A group is advised where it was there to the end and gave enough samples in a domain; the others keep their masks, and
ways that are theirs alone are not given out. Several recordings are of one host, in the order of time: what the first
left open, a second with other masks may close.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from nfvlab.cat.advise import Advice, advise, schemata
from nfvlab.cat.curves import FEWEST
from nfvlab.cat.parts import Capability
from nfvlab.cat.pasted import LOCKED, Tried, try_out
from nfvlab.cat.phases import Phase, control_rows, own_now, phases, seen
from nfvlab.cat.present import as_now, at_home, elsewhere, unmoved, worse
from nfvlab.cat.recorded import from_resctrl
from nfvlab.cat.watched import watched
from nfvlab.params import ParamError, Problem
from nfvlab.readers.errors import ReaderError

if TYPE_CHECKING:
    import pandas

ELSEWHERE_WAYS = (
    0.1  # held beyond its own ways: more than a reading's step, which is 48 to 120 KiB of a way of 1.5 MiB
)
RECORD = "nfvlab record resctrl --seconds 60 -o cache.json"


@dataclass(frozen=True, eq=False)
class Recommendation:
    """What to do on a host: an advice for each domain, and the writes that bring it about.

    advices: their now_ways and now_rate are those of the last phase, in which the masks were as they are now.
    tried: the writes, for groups whose masks change only, in an order that the in-memory resctrl takes.
    seen: what each group did, of all recordings (`phases.seen`, with a column recording, from 0).
    """

    advices: tuple[Advice, ...]
    tried: Tried
    capability: Capability
    way_bytes: float
    phase: Phase
    seen: "pandas.DataFrame"
    notes: tuple[str, ...]

    def commands(self) -> str:
        """What to paste as root, a line a write; empty where the masks stay."""
        return "\n".join(write.command() for write in self.tried.writes)

    def _repr_html_(self) -> str:
        tables = "".join(advice._repr_html_() for advice in self.advices)
        notes = "".join(f"<li>{escape(note)}</li>" for note in (*self.tried.refused, *self.notes))
        paste = escape(self.commands()) or "nothing to paste: the masks are as recommended"
        return f"{tables}<pre>{paste}</pre>" + (f"<ul>{notes}</ul>" if notes else "")


def recommend(
    recordings: Sequence[tuple["pandas.DataFrame", Any]],
    *,
    weights: Mapping[str, float] | None = None,
    min_ways: Mapping[str, int] | None = None,
    use_io_ways: bool = False,
    cautious: bool = True,
) -> Recommendation:
    """Masks for the groups of recordings, each (frame, meta) as `read_resctrl` returns it.

    weights, min_ways, use_io_ways, cautious: as for `advise`. Errors: `ReaderError` for a recording from which nothing
    can be advised, `ParamError` for options that do not fit.
    """
    import pandas as pd

    for frame, meta in recordings:
        _check(frame, meta)
    asked = [from_resctrl(frame, meta) for frame, meta in recordings]
    joined = _join(asked, [meta.path for _, meta in recordings])
    way_bytes = joined["cache_bytes"] / joined["capability"].cbm_len
    phase = phases(*recordings[-1])[-1]
    usable, notes = _usable(joined["frame"], phase, way_bytes)
    if not usable:
        path, why = recordings[-1][1].path, "; ".join(notes)
        raise ReaderError(path, None, f"no group can be advised: {why}", f"Record it longer: {RECORD}")
    by_group = {"weights": weights or {}, "min_ways": min_ways or {}}
    _known(by_group, {group for _, group in usable})
    there = [seen(frame, meta, way_bytes).assign(recording=k) for k, (frame, meta) in enumerate(recordings)]
    advices = []
    for domain in sorted({domain for domain, _ in usable}):
        names = [group for where, group in usable if where == domain]
        options = {option: {n: given[n] for n in names if n in given} for option, given in by_group.items()}
        options |= {"use_io_ways": use_io_ways, "cautious": cautious}
        advice, said = _advise_domain(joined, phase, domain, names, options)
        advices.append(as_now(advice, there[-1], phase, joined["capability"]))
        notes += [*said, *worse(advices[-1])]
    notes += elsewhere(there[-1], phase, joined["capability"])
    notes += [*_alone(usable), *_throttled(recordings[-1][1])]
    lines = _changed(advices, phase)
    tried = try_out(lines, phase, joined["capability"], joined["cache_bytes"], cdp=joined["cdp"])
    return Recommendation(
        tuple(advices),
        tried,
        joined["capability"],
        way_bytes,
        phase,
        pd.concat(there, ignore_index=True),
        tuple(dict.fromkeys(notes)),
    )


def _advise_domain(
    joined: dict, phase: Phase, domain: int, names: list[str], options
) -> tuple[Advice, list[str]]:
    """The advice for the groups of one domain, and notes on the others there."""
    rows = joined["frame"]
    taken, reserved = _reserved(phase, domain, names)
    some = rows[(rows["domain"] == domain) & rows["control_group"].isin(names)]
    question = joined | {"frame": some, "taken_mask": taken} | options
    (advice,) = advise(**question)
    advice, kept = unmoved(advice, question, phase)
    return advice, [*reserved, *kept, *_overlaps(phase, advice)]


def _changed(advices: Sequence[Advice], phase: Phase) -> dict[str, str]:
    """The schemata of the groups whose masks change. With CDP of all: their code and data masks may differ now."""
    changed = {
        name
        for advice in advices
        for name, mask in zip(advice.allocation.names, advice.allocation.masks, strict=True)
        if advice.cdp or mask != phase.masks[name, advice.domain]
    }
    return {group: text for group, text in schemata(advices).items() if group in changed}


def _check(frame: "pandas.DataFrame", meta) -> None:
    """Refuse what no curve can come from, with the reason."""
    if not {"L3", "L3DATA"} & set(meta.resources):
        what = "its info directory has no L3: the part has no cache allocation (CAT), or it is switched off"
        raise ReaderError(
            meta.path, None, what, "See /proc/cpuinfo for cat_l3 and the kernel's rdt= parameter"
        )
    if frame["sample"].nunique() < 2:
        what = "one snapshot cannot give a curve: a rate takes two samples, a curve a minute of them"
        raise ReaderError(meta.path, None, what, f"Record the host: {RECORD}")
    for word, what in (("llc_occupancy_bytes", "cache occupancy"), ("mbm_total_bytes", "memory bandwidth")):
        if frame[word].notna().sum() == 0:
            event = word.removesuffix("_bytes") if word.startswith("llc") else word
            rule = f"no group has a value of {event}: without {what} there is no curve"
            raise ReaderError(
                meta.path, None, rule, "See info/L3_MON/mon_features for what the part can count"
            )


def _join(asked: list[dict], paths: list[str]) -> dict[str, Any]:
    """One question from those of several recordings of one host, set one after the other in time."""
    import pandas as pd

    frames, end = [], 0.0
    for number, (question, path) in enumerate(zip(asked, paths, strict=True)):
        for word in ("capability", "cache_bytes", "cdp"):
            if question[word] != asked[0][word]:
                what = f"its {word} is not that of {paths[0]}"
                raise ReaderError(path, None, what, "Advise recordings of different hosts one by one")
        frame = at_home(
            control_rows(question["frame"]), question["cache_bytes"] / question["capability"].cbm_len
        )
        frame = frame.assign(t_ns=frame["t_ns"] - frame["t_ns"].min() + end)
        end = frame["t_ns"].max()  # no time passes in between: no interval reaches from one into the next
        frames.append(frame.assign(recording=number))
    return asked[-1] | {"frame": pd.concat(frames, ignore_index=True)}


def _usable(
    frame: "pandas.DataFrame", phase: Phase, way_bytes: float
) -> tuple[list[tuple[int, str]], list[str]]:
    """(domain, group) of those that can be advised, and notes on the others."""
    found, notes = [], []
    for (domain, group), points in watched(frame, way_bytes).items():
        who = f"{group} in domain {domain} is left out"
        if (group, domain) not in phase.masks:
            notes.append(f"{who}: it had no mask at the end of the recording")
        elif phase.modes.get(group) == LOCKED:
            notes.append(f"{who}: it is pseudo-locked, its ways stay as they are")
        elif points.rates.size < FEWEST:
            notes.append(
                f"{who}: {points.rates.size} intervals with occupancy and bandwidth, {FEWEST} are needed"
            )
        else:
            found.append((domain, group))
    return found, notes


def _known(by_group: Mapping[str, Mapping], groups: set[str]) -> None:
    for option, given in by_group.items():
        for name in sorted(set(given) - groups):
            rule = f"names no group that can be advised; there are {', '.join(sorted(groups))}"
            raise ParamError([Problem(option, name, rule, "name one of them")], "recommend")


def _reserved(phase: Phase, domain: int, advised: Sequence[str]) -> tuple[int, list[str]]:
    """Ways that only groups without advice have in a domain, and notes on them."""
    taken, notes = 0, []
    for group, where in phase.masks:
        if where == domain and group not in advised:
            own = own_now(phase, domain, group, advised)
            taken |= own
            if own:
                notes.append(f"{group} keeps {own:x} in domain {domain}: not given to others")
    return taken, notes


def _overlaps(phase: Phase, advice: Advice) -> list[str]:
    """Notes on groups without advice whose masks overlap what others would get."""
    notes = []
    for (group, where), mask in phase.masks.items():
        if where == advice.domain and group not in advice.allocation.names:
            pairs = zip(advice.allocation.names, advice.allocation.masks, strict=True)
            hit = [name for name, new in pairs if new & mask]
            if hit:
                what = f"keeps {mask:x} in domain {where}, over ways of {', '.join(hit)}"
                notes.append(f"{group} {what}: narrow it too, or what is expected does not hold")
    return notes


def _alone(usable: Sequence[tuple[int, str]]) -> list[str]:
    if len({group for _, group in usable}) > 1:
        return []
    what = "there is only one group to advise, and nothing to divide"
    return [f"{what}: make a group for each tenant (mkdir below /sys/fs/resctrl), then record again"]


def _throttled(meta) -> list[str]:
    """Notes on groups whose memory bandwidth is allowed to be less than that of others (MBA)."""
    groups = (meta.changes[-1][1] if meta.changes else meta.groups).values()
    allowed = {group.control: group.schemata.get("MB", {}) for group in groups if not group.mon}
    notes = []
    for domain in sorted({domain for some in allowed.values() for domain in some}):
        most = max(some.get(domain, 0) for some in allowed.values())
        for name, some in allowed.items():
            if some.get(domain, most) < most:
                what = f"has MB {some[domain]} in domain {domain}, others up to {most}"
                notes.append(f"{name} {what}: its bandwidth may show that limit, not what it wants")
    return notes


__all__ = ["Recommendation", "recommend"]
