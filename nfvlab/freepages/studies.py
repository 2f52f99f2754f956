"""What the notebook computes: tidy tables over scenarios and knobs; `in_words` shows one in human units."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nfvlab import freepages, sweep, units
from nfvlab.freepages.free_memory import guest_with_free_lists
from nfvlab.freepages.params import Params, packets_per_s
from nfvlab.freepages.physmap import filter_bitmap
from nfvlab.freepages.simulation import Run
from nfvlab.glossary import Table
from nfvlab.kernels import pagemap
from nfvlab.precopy.dirtying import unique_pages
from nfvlab.precopy.memory import guest_memory
from nfvlab.precopy.params import PAGE_BYTES
from nfvlab.precopy.rates import visits_per_s
from nfvlab.precopy.textbook import geometric
from nfvlab.predict import summary
from nfvlab.style import words

if TYPE_CHECKING:
    from pandas import DataFrame

    from nfvlab.freepages import published

QUANTITIES = ("total_time_ns", "transferred_bytes", "pause_ns", "lost_count")
WAYS = {
    "bitmap": {"transport": "bitmap"},
    "hints": {"transport": "hints"},
    "hints, init_on_alloc": {"transport": "hints", "init_on_alloc": True},
}


def with_and_without(scenarios: Mapping[str, Params]) -> "DataFrame":
    """What skipping changes, in words: rows (scenario, quantity), columns without, with, saved; by theory."""
    import pandas as pd

    rows = {}
    for label, p in scenarios.items():
        off, on = (freepages.analyze(p.replace(skipping=skipping)) for skipping in (False, True))
        for name in QUANTITIES[: None if packets_per_s(p) else -1]:
            before, after = getattr(off, name), getattr(on, name)
            rows[label, "Packets lost" if name == "lost_count" else words(name)] = {
                "without": _shown(name, before),
                "with": _shown(name, after),
                "saved": units.human("saved_frac", 1 - after / before),
            }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["scenario", "quantity"])


def _shown(name: str, value: float) -> str:
    return f"{value:,.0f}" if name == "lost_count" else units.human(name, value)


def folding(memories: Iterable[tuple[str, float]], *, seed: int) -> Table:
    """Pages in use that a free-page bitmap drops, folded and taken as it is; memories: (machine, ram_bytes)."""
    rows = []
    for machine, ram_bytes in memories:
        p = Params(machine=machine, ram_bytes=ram_bytes)
        used = guest_memory(p, np.random.default_rng(seed)).used
        _, free = guest_with_free_lists(p, np.random.default_rng(seed))  # the same guest: it is drawn first
        used = used[: pagemap.words_for(free.memory_map.ram_pages)]
        raw = free.raw_bitmap()
        _, folded = filter_bitmap(used, raw, free.memory_map)
        hole = sum(pages for _, pages in free.memory_map.holes) * PAGE_BYTES
        rows.append(
            {
                "guest": f"{machine}, {units.human('ram_bytes', ram_bytes)}",
                "PCI hole": units.human("hole_bytes", hole),
                "free": units.human("free_pages", free.free_pages),
                "in use, but dropped: folded": units.human("used_pages", folded),
                "as it is": units.human("used_pages", int(pagemap.count(used & raw[: used.size]))),
            }
        )
    return Table("What filtering by the free-page bitmap drops", rows)


def savings(
    base: Params, over: Mapping[str, Iterable[float]], ways: Sequence[str] = tuple(WAYS)
) -> "DataFrame":
    """Share of the total time that skipping saves, one knob at a time: rows knob, value, way, saved_frac.

    Negative where skipping costs time, NaN where a migration does not converge.
    """
    import pandas as pd

    rows = []
    for knob, values in over.items():
        for way in ways:
            grid = {knob: values, "skipping": (False, True)}
            frame = sweep.sweep(freepages.analyze, base.replace(**WAYS[way]), grid, outputs=["total_time_ns"])
            time = frame.pivot(index=knob, columns="skipping", values="total_time_ns")
            saved = 1 - time[True] / time[False]
            rows += [{"knob": knob, "value": v, "way": way, "saved_frac": x} for v, x in saved.items()]
    return pd.DataFrame(rows)


def edge(base: Params, rates: Mapping[str, Iterable[float]], *, seed: int, n: int) -> "DataFrame":
    """Theory, one dirty rate and simulation, towards the write rate at which migration ceases to converge.

    rates: page visits a second by pattern. Columns pattern, write_rate_per_s, theory_ns, geometric_ns, least_ns,
    median_ns, most_ns (total times, NaN where a migration does not converge), converged_frac.
    """
    import pandas as pd

    points = [(pattern, float(rate)) for pattern, some in rates.items() for rate in some]
    rows = []
    for (pattern, rate), child in zip(points, np.random.SeedSequence(seed).spawn(len(points)), strict=True):
        p = base.replace(pattern=pattern, write_rate_per_s=rate)
        theory = freepages.analyze(p)
        samples = freepages.simulate(p, rng=np.random.default_rng(child), n=n)
        total = samples.values("total_time_ns")
        seen = total[np.isfinite(total)] if np.isfinite(total).any() else np.array([np.nan])
        rows.append(
            {
                "pattern": pattern,
                "write_rate_per_s": rate,
                "theory_ns": theory.total_time_ns,
                "geometric_ns": one_dirty_rate_ns(p, theory),
                "least_ns": seen.min(),
                "median_ns": np.median(seen),
                "most_ns": seen.max(),
                "converged_frac": samples.estimate()["converged_frac"].value,
            }
        )
    return pd.DataFrame(rows)


def one_dirty_rate_ns(p: Params, theory: freepages.Theory) -> float:
    """Total time if the guest had one dirty rate, the one that query-migrate shows: unique pages in a second.

    The first pass is the theory's; then the rounds are a geometric series in dirty rate over bandwidth.
    """
    course = theory.migration.course
    bandwidth = p.link_bytes_per_s * p.link_share_frac
    dirty = float(unique_pages(p, visits_per_s(p))) * PAGE_BYTES
    first_ns = float(course.round_t_ns[0])
    rest = geometric(dirty * first_ns / 1e9, dirty, bandwidth, bandwidth * p.downtime_limit_ns / 1e9)
    return first_ns + rest.total_time_ns if rest.converged else float("nan")


STOPS = {
    "all pages, log stopped in the pause": {"skipping": False, "dirty_log_stop_deferred": False},
    "free pages skipped, log stopped in the pause": {"skipping": True, "dirty_log_stop_deferred": False},
    "free pages skipped, log stopped later": {"skipping": True, "dirty_log_stop_deferred": True},
}


def stops(p: Params, *, seed: int, cases: Mapping[str, dict] = STOPS) -> list[tuple[str, Run]]:
    """One simulated migration a case, for the picture of the forwarded rate: (label, run)."""
    return [
        (label, freepages.simulate(p.replace(**changes), rng=np.random.default_rng(seed), n=1).runs[0])
        for label, changes in cases.items()
    ]


def packets(p: Params, *, seed: int, n: int, cases: Mapping[str, dict] = STOPS) -> "DataFrame":
    """Packets lost, in words, under both readings of the line rate: with and without preamble and gap in it."""
    import pandas as pd

    rows = {}
    for on_the_wire in (False, True):
        for label, changes in cases.items():
            q = p.replace(line_rate_on_the_wire=on_the_wire, **changes)
            theory = freepages.analyze(q)
            seen = freepages.simulate(q, rng=np.random.default_rng(seed), n=n).estimate()
            reading = f"{units.human('offered_packets_per_s', packets_per_s(q))} offered"
            rows[reading, label] = {
                "pause": units.human("pause_ns", theory.pause_ns),
                "lost (theory)": f"{theory.lost_count:,.0f}",
                "lost (simulated)": f"{seen['lost_count'].value:,.0f} ± {seen['lost_count'].stderr:,.0f}",
                "of them at a full ring": f"{seen['ring_drop_count'].value:,.0f}",
            }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["line rate", "case"])


def beside(p: Params, meta, samples: freepages.Samples) -> "DataFrame":
    """One recording's totals beside the model's, in words: measured, theory, simulated and its error."""
    import pandas as pd

    theory, seen, rows = freepages.analyze(p), samples.estimate(), {}
    measured = dict(meta.final) | {"pause_ns": meta.measured.get("pause_ns")}
    for name in ("total_time_ns", "transferred_bytes", "normal_pages", "dirty_sync_count", "pause_ns"):
        if measured.get(name):
            rows[words(name)] = {
                "measured": units.human(name, measured[name]),
                "theory": units.human(name, getattr(theory, name)),
                "simulated": units.human(name, seen[name].value),
                "error": f"{seen[name].value / measured[name] - 1:+.0%}",
            }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("quantity")


def misses(figures: "Iterable[published.Figure]") -> Table:
    """The published numbers that are not reproduced, and the effect that the model lacks."""
    rows = [{"row": f"{f.row}, {f.side}", "what the model lacks": f.missing} for f in figures if not f.ok]
    return Table("Not reproduced", rows or [{"row": "none", "what the model lacks": ""}])


def repeats(predictions, part: str) -> "DataFrame":
    """Measured total times of the recordings whose name has `part`, every repeat, beside the predicted ones."""
    import pandas as pd

    rows = {}
    for p in predictions:
        if part in p.name and not p.left_out:
            row = rows.setdefault(p.name, {"measured": [], "predicted": []})
            for key, totals in (("measured", p.measured), ("predicted", p.predicted)):
                row[key].append(units.human("total_time_ns", totals["total-time"] * units.ms))
    shown = {name: {key: ", ".join(values) for key, values in row.items()} for name, row in rows.items()}
    return pd.DataFrame.from_dict(shown, orient="index").rename_axis("total time")


def errors(predictions) -> "DataFrame":
    """How far predictions of recordings are off, in words: what `nfvlab predict` prints under its table."""
    import pandas as pd

    found = {k: f"{v:.0f}" if k == "recordings" else f"{v:.1%}" for k, v in summary(predictions).items()}
    return pd.DataFrame({"value": found}).rename_axis("figure")
