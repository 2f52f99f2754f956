"""Recordings of a host whose groups have planted curves, written as `nfvlab record resctrl` writes them."""

from dataclasses import dataclass

import numpy as np
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
    path, rng, truths, stretches, *, domains=(0,), modes=None, cdp=False, noise=0.05, unread=(), **host
):
    """Write a recording; truths: {group: curve, bytes/s over ways}. unread: groups whose bandwidth is Unavailable.

    A group is on its curve at what it holds, or where `held` says nothing, at the ways of its mask, which it fills.
    """
    counts = {(name, d): float(rng.integers(10**12)) for name in truths for d in domains}
    events, out, t_ns, number = host.get("events", EVENTS), [], 0.0, 0
    for stretch in stretches:
        groups = [_group(name, mask, domains, modes or {}, cdp) for name, mask in stretch.masks.items()]
        if out:
            out.append(groups_line(t_ns, groups))
        else:
            out.append(
                header_line(info(cdp=cdp, **host), groups, interval_ns=s, source="a test", events=events)
            )
        for _ in range(stretch.samples):
            rows = []
            for name, mask in stretch.masks.items():
                for d in domains:
                    ways, full = float(mask.bit_count()), (stretch.held or {}).get(name)
                    holds = ways if full is None else max(0.05, full[0] + full[1] * rng.uniform(-1, 1))
                    rate = float(truths[name](holds)) * rng.lognormal(-(noise**2) / 2, noise)
                    counts[name, d] += rate
                    moved = "Unavailable" if name in unread else round(counts[name, d])
                    said = {"llc_occupancy": round(holds * WAY), "mbm_total_bytes": moved}
                    said["mbm_local_bytes"] = moved
                    rows.append((name, "", d, None, [said[event] for event in events]))
            out.append(sample_line(t_ns, rows, took_ns=1e6))
            t_ns, number = t_ns + s, number + 1
    out.append(end_line("complete", t_ns, number))
    path.write_text("".join(out))
    return path


def _group(name, mask, domains, modes, cdp):
    resources = ("L3CODE", "L3DATA") if cdp else ("L3",)
    schemata = "".join(f"{r}:" + ";".join(f"{d}={mask:x}" for d in domains) + "\n" for r in resources)
    size = mask.bit_count() * int(WAY)
    sizes = "".join(f"{r}:" + ";".join(f"{d}={size}" for d in domains) + "\n" for r in resources)
    return group_record(
        name, schemata=schemata, size=sizes, mode=modes.get(name, "shareable") + "\n", cpus_list="0-3\n"
    )


def best_ways(truths, least=1, total=WAYS):
    """The ways of each group that cost the planted curves least, by trying all: {group: ways}."""
    rows = [np.asarray(truth(np.arange(total + 1.0))) for truth in truths.values()]
    table, choice = rows[0].copy(), [None]
    table[:least] = np.inf
    for row in rows[1:]:
        both = np.full(total + 1, np.inf)
        took = np.zeros(total + 1, dtype=int)
        for w in range(total + 1):
            some = [(table[w - n] + row[n], n) for n in range(least, w + 1)]
            if some:
                both[w], took[w] = min(some)
        table, choice = both, [*choice, took]
    left, ways = int(np.argmin(table)), []
    for took in reversed(choice[1:]):
        ways.append(int(took[left]))
        left -= ways[-1]
    return dict(zip(truths, [left, *reversed(ways)], strict=True))
