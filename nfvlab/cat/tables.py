"""Tables of the notebook about masks: what parts take, what resctrl answers, what the optimiser proposes."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nfvlab import units
from nfvlab.cat import propose
from nfvlab.cat.analytic import analyze
from nfvlab.cat.coupled import allocate_coupled
from nfvlab.cat.params import Params
from nfvlab.cat.parts import PARTS
from nfvlab.cat.reprogram import Course
from nfvlab.cat.resctrl import Resctrl, ResctrlError
from nfvlab.cat.simulation import simulate
from nfvlab.glossary import Table
from nfvlab.llc.figures import tenant_name
from nfvlab.llc.params import LINE_BYTES
from nfvlab.paths import data_file
from nfvlab.readers.published import read_published

if TYPE_CHECKING:
    from pandas import DataFrame

    from nfvlab.cat.host import Recommendation


def classes() -> Table:
    """Classes of service of some parts, with and without CDP."""
    rows = []
    for name, part in PARTS.items():
        if part.l3 is None:
            continue
        row = {"part": name, "ways": str(part.l3.cbm_len), "classes": str(part.l3.closids(False))}
        row["with CDP"] = str(part.l3.closids(True)) if part.l3.cdp_capable else "no CDP"
        row["devices fill"] = f"{part.l3.shareable_bits:x}" if part.l3.shareable_bits else "not said"
        rows.append({**row, "gaps in masks": "allowed" if part.l3.sparse_masks else "refused"})
    return Table("What some parts take as a mask", rows)


def tried(fs: Resctrl, writes: Iterable[tuple[str, str]]) -> Table:
    """Write texts into files of a resctrl, one after another: what it answered, and info/last_cmd_status."""
    rows = []
    for path, text in writes:
        try:
            fs.write(path, text + "\n")
            answer = "taken"
        except ResctrlError as error:
            answer = error.strerror or str(error)
        status = fs.read("info/last_cmd_status").strip()
        rows.append({"file": path, "text": text, "answer": answer, "last_cmd_status": status})
    return Table("Tried on a resctrl in memory", rows)


def settled(found: Course, names: Sequence[str]) -> "DataFrame":
    """What each tenant holds at the end of each stage, and when the way there was half done, in words."""
    import pandas as pd

    begins = [0.0, *found.changed_ns]
    ends = [*found.changed_ns, float(found.t_ns[-1])]
    rows = {}
    for stage, (begin, end) in enumerate(zip(begins, ends, strict=True)):
        inside = (found.t_ns > begin) & (found.t_ns <= end)
        for k, name in enumerate(names):
            course = found.occupancy_bytes[inside, k]
            first = found.occupancy_bytes[found.t_ns <= begin, k]
            start = first[-1] if first.size else 0.0
            done = np.abs(course - start) >= 0.5 * abs(course[-1] - start)
            half = found.t_ns[inside][int(np.argmax(done))] - begin
            held = units.human("occupancy_bytes", course[-1])
            rows[f"stage {stage + 1}", name] = {
                "holds at the end": held,
                "half-way after": units.human("t_ns", half),
            }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["masks", "tenant"])


def proposals(p: Params) -> "DataFrame":
    """Masks of each objective, by curves, and by the whole model for every division: slowdowns, in words.

    The last row puts every division of the ways to the theory of all tenants together, as bandwidth couples them.
    """
    import pandas as pd

    found = {
        objective: propose.proposal(p, objective=objective)
        for objective in ("throughput", "fairness", "lookahead")
    }
    rows = {name: _proposed(each.params) for name, each in found.items()}
    rows["whole model"] = _proposed(whole_model(p))
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("objective")


def whole_model(p: Params) -> Params:
    """The best masks when every division of the ways is put to the theory: the smallest sum of slowdowns."""
    part = propose.capability(p)
    io = not any(t.workload == "packets" for t in p.tenants)

    def slowdowns(ways: np.ndarray) -> np.ndarray:
        return np.array([_slowdowns(blocks(p, row, io)) for row in ways.tolist()])

    found = allocate_coupled(slowdowns, len(p.tenants), part, use_io_ways=io, max_ways=_most(p))
    return _masked(p, found.masks)


def _most(p: Params) -> list[int]:
    """A scan never comes back to a line in time: two ways at most, which leaves fewer divisions to try."""
    return [2 if t.workload == "scan" else p.cache_ways for t in p.tenants]


def blocks(p: Params, ways: Sequence[int], io: bool) -> Params:
    """One block of so many ways a tenant, from the top down, below the devices' ways unless `io`."""
    top = p.cache_ways if io else (p.io_mask & -p.io_mask).bit_length() - 1
    masks = []
    for count in ways:
        top -= count
        masks.append(((1 << count) - 1) << max(0, top))
    return _masked(p, masks)


def _masked(p: Params, masks: Sequence[int]) -> Params:
    pairs = zip(p.tenants, masks, strict=True)
    return p.replace(tenants=tuple(t.replace(data_mask=m, code_mask=m) for t, m in pairs))


def _slowdowns(p: Params) -> list[float]:
    return [1 / speed for speed in propose.speeds(p)]


def _proposed(p: Params) -> dict[str, str]:
    slow = _slowdowns(p)
    row = {
        tenant_name(p, k): f"{t.data_mask:x}, {each:.3g} times"
        for k, (t, each) in enumerate(zip(p.tenants, slow, strict=True))
    }
    return {**row, "sum": f"{sum(slow):.3g}", "worst": f"{max(slow):.3g}"}


def published_wakeups(p: Params, *, seed: int, n: int) -> Table:
    """The published real-time guest: how many lines its slowest wake-up lost, if all lost time is misses in a row.

    p: a scenario whose first tenant wakes up beside a noisy neighbour; simulated with so many lines.
    """
    rows, _ = read_published(data_file("published.csv"))
    idle, worst = (rows.loc[f"guest-cyclictest-{name}", "with"] for name in ("idle", "memstress"))
    lost_ns = worst - idle
    lines = max(1, round(lost_ns / (p.memory_ns + p.hit_ns)))
    task = p.tenants[0].replace(data_bytes=float(lines * LINE_BYTES), code_bytes=float(LINE_BYTES))
    again = simulate(
        p.replace(tenants=(task, *p.tenants[1:])), rng=np.random.default_rng(seed), n=n
    ).estimate()
    return Table(
        "Published: cyclictest in a real-time guest (OPNFV)",
        [
            {"what": "idle host, on average", "value": units.human("unit_ns", idle)},
            {"what": "memory stress on the host, at worst", "value": units.human("unit_ns", worst)},
            {"what": "lost, if all of it is misses in a row", "value": units.human("unit_ns", lost_ns)},
            {
                "what": "lines that this is at the scenario's latency",
                "value": units.human("miss_lines", lines),
            },
            {
                "what": "simulated: so many lines beside the neighbour, work included, at 99 %",
                "value": units.human("unit_ns", again["unit_p99_ns[0]"].value),
            },
        ],
    )


def doubts(scenarios: Mapping[str, Params]) -> Table:
    """What the theory itself says it is poor at, by scenario."""
    rows = [
        {"scenario": name, "doubt": doubt} for name, p in scenarios.items() for doubt in analyze(p).doubts()
    ]
    return Table("Doubts of the theory", rows or [{"scenario": "none", "doubt": ""}])


def to_paste(found: "Recommendation") -> Table:
    """The writes that bring a recommendation about, in an order that the kernel takes, as tried in memory."""
    rows = [{"file": write.path, "text": write.text.strip()} for write in found.tried.writes]
    return Table(
        "To paste, in this order", rows or [{"file": "none", "text": "the masks are as they should be"}]
    )
