"""Recordings of a host whose groups have planted curves, written as `nfvlab record resctrl` writes them."""

import itertools
from dataclasses import dataclass

from cat.watched_for_tests import WAY, WAYS

from nfvlab.readers.resctrl_recording import end_line, group_record, groups_line, header_line, sample_line
from nfvlab.units import s

EVENTS = ("llc_occupancy", "mbm_total_bytes", "mbm_local_bytes")


@dataclass(frozen=True)
class Stretch:
    """So many samples with these masks, {group: mask}; held: {group: (middle, spread)} ways, else its whole mask."""

    samples: int
    masks: dict
    held: dict | None = None


def info(*, ways=WAYS, closids=16, shareable=0, least=1, cdp=False, events=EVENTS, sparse=0):
    """Texts below info/, as header_line takes them."""
    files = {"cbm_mask": f"{(1 << ways) - 1:x}", "min_cbm_bits": least, "num_closids": closids}
    files |= {"shareable_bits": f"{shareable:x}", "sparse_masks": sparse}
    names = ("L3CODE", "L3DATA") if cdp else ("L3",)
    made = {f"{name}/{file}": f"{text}\n" for name in names for file, text in files.items()}
    return made | {"L3_MON/mon_features": "\n".join(events) + "\n", "L3_MON/num_rmids": "144\n"}


def record(
    path,
    rng,
    truths,
    stretches,
    *,
    domains=(0,),
    modes=None,
    cdp=False,
    noise=0.05,
    unread=(),
    mb=None,
    **host,
):
    """Write a recording; truths: {group: curve, bytes/s over ways}. unread: groups whose bandwidth is Unavailable.

    Over an interval a group is on its curve at the mean of what it holds at both ends; where `held` says nothing, at
    the ways of its mask, which it fills at once.
    """
    counts = {(name, d): float(rng.integers(10**12)) for name in truths for d in domains}
    events, out, t_ns, number = host.get("events", EVENTS), [], 0.0, 0
    before = {}
    for stretch in stretches:
        groups = [_group(name, mask, domains, modes or {}, cdp, mb) for name, mask in stretch.masks.items()]
        first = header_line(info(cdp=cdp, **host), groups, interval_ns=s, source="a test", events=events)
        out.append(groups_line(t_ns, groups) if out else first)
        for _ in range(stretch.samples):
            rows = []
            for key in [(name, d) for name in stretch.masks for d in domains]:
                name, full = key[0], (stretch.held or {}).get(key[0])
                ways = float(stretch.masks[name].bit_count())
                holds = ways if full is None else max(0.05, full[0] + full[1] * rng.uniform(-1, 1))
                at = ways if full is None else (holds + before.get(key, holds)) / 2
                before[key] = holds
                counts[key] += float(truths[name](at)) * rng.lognormal(-(noise**2) / 2, noise)
                moved = "Unavailable" if name in unread else round(counts[key])
                said = {
                    "llc_occupancy": round(holds * WAY),
                    "mbm_total_bytes": moved,
                    "mbm_local_bytes": moved,
                }
                rows.append((name, "", key[1], None, [said[event] for event in events]))
            out.append(sample_line(t_ns, rows, took_ns=1e6))
            t_ns, number = t_ns + s, number + 1
    out.append(end_line("complete", t_ns, number))
    path.write_text("".join(out))
    return path


def _group(name, mask, domains, modes, cdp, mb):
    resources = ("L3CODE", "L3DATA") if cdp else ("L3",)
    schemata = "".join(f"{r}:" + ";".join(f"{d}={mask:x}" for d in domains) + "\n" for r in resources)
    size = mask.bit_count() * int(WAY)
    sizes = "".join(f"{r}:" + ";".join(f"{d}={size}" for d in domains) + "\n" for r in resources)
    if mb:
        schemata += "MB:" + ";".join(f"{d}={mb.get(name, 100)}" for d in domains) + "\n"
    return group_record(
        name, schemata=schemata, size=sizes, mode=modes.get(name, "shareable") + "\n", cpus_list="0-3\n"
    )


def bandwidth(truths, ways):
    """What the planted curves cost with these ways, {group: ways}."""
    return sum(float(truths[name](float(count))) for name, count in ways.items())


def best_ways(truths, total=WAYS):
    """The ways that cost the planted curves least, by trying all: {group: ways}."""
    splits = (w for w in itertools.product(range(1, total + 1), repeat=len(truths) - 1) if sum(w) < total)
    every = [dict(zip(truths, (*w, total - sum(w)), strict=True)) for w in splits]
    return min(every, key=lambda ways: bandwidth(truths, ways))
