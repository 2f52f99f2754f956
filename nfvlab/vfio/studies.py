"""What the notebook computes: tables of paths, tails, priorities, locks, and maps; in words where a reader looks."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nfvlab import units
from nfvlab.glossary import Table
from nfvlab.paths import data_file
from nfvlab.readers.published import read_published
from nfvlab.realtime.figures import one_in
from nfvlab.vfio import figures_timeline as timeline
from nfvlab.vfio import scheduler
from nfvlab.vfio.analytic import analyze, tail
from nfvlab.vfio.locks import demonstrate
from nfvlab.vfio.params import PATHS, Params
from nfvlab.vfio.simulation import simulate

if TYPE_CHECKING:
    from pandas import DataFrame

SHARES = (1e-2, 1e-3, 1e-6, 1e-9)
THREADED, NO_THREAD, POSTED = (PATHS.index(name) for name in ("threaded", "no thread", "VT-d running"))
NEVER = "never ends"


def buys(scenarios: Mapping[str, Params]) -> "DataFrame":
    """A row a scenario: means with and without the IRQ thread and by VT-d, what is saved, and 99.9 % bounds."""
    import pandas as pd

    rows = {}
    for label, p in scenarios.items():
        theory = analyze(p)
        means = theory.latency_ns
        gained = means[THREADED] - means[NO_THREAD] if np.isfinite(means[NO_THREAD]) else np.nan
        rows[label] = {
            "threaded": _ns(means[THREADED]),
            "no thread": _ns(means[NO_THREAD]),
            "saved": "all" if np.isinf(gained) else _ns(gained),
            "threaded, 99.9 %": _bounds(
                theory.latency_p999_low_ns[THREADED], theory.latency_p999_high_ns[THREADED]
            ),
            "no thread, 99.9 %": _bounds(
                theory.latency_p999_low_ns[NO_THREAD], theory.latency_p999_high_ns[NO_THREAD]
            ),
            "VT-d, running": _ns(means[POSTED]),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("scenario")


def made_of(p: Params, names: Sequence[str] = PATHS) -> "DataFrame":
    """What one interrupt's latency consists of, each stage at its mean: a row a path, in words."""
    import pandas as pd

    rows = {}
    for way in timeline.ways(p, names):
        parts = timeline.by_role(way)
        said = {timeline.ROLES[role][1]: _ns(value) if value else "" for role, value in parts.items()}
        rows[way.name] = {**said, "in all": _ns(way.latency_ns)}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("path")


def tails(
    scenarios: Mapping[str, Params], names: Sequence[str], shares: Iterable[float] = SHARES
) -> "DataFrame":
    """Bounds of quantiles, a row a scenario and path, a column a share of interrupts that take longer, in words."""
    import pandas as pd

    shares = list(shares)
    rows = {}
    for label, p in scenarios.items():
        for name in names:
            try:
                made = tail(p, name, tail_frac=min(shares))
                said = [_bounds(*made.quantile_ns(share)) for share in shares]
            except ValueError:
                said = [NEVER] * len(shares)
            rows[label, name] = dict(zip(map(one_in, shares), said, strict=True))
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["scenario", "path"])


def worst(cases: Mapping[str, Params], *, seed: int, n: int) -> "DataFrame":
    """Bounds by response-time analysis and the longest of n simulated, with and without the IRQ thread.

    Columns case, path, worst_ns, largest_ns: infinite where there is no bound, and where a path never ends.
    """
    import pandas as pd

    rows = []
    for (case, p), child in zip(cases.items(), np.random.SeedSequence(seed).spawn(len(cases)), strict=True):
        bounds = analyze(p).worst_ns
        seen = simulate(p, rng=np.random.default_rng(child), n=n)
        for path in (THREADED, NO_THREAD):
            largest = float(seen.latency_ns_each[:, path].max())
            rows.append({"case": case, "path": PATHS[path], "worst_ns": bounds[path], "largest_ns": largest})
    return pd.DataFrame(rows)


def worst_table(frame: "DataFrame") -> "DataFrame":
    """The same in words."""
    bounds = [units.human("x_ns", v) if np.isfinite(v) else "no bound" for v in frame["worst_ns"]]
    shown = frame.assign(bound=bounds, seen=[_ns(v) for v in frame["largest_ns"]])
    return shown.set_index(["case", "path"])[["bound", "seen"]].rename(columns={"seen": "longest seen"})


def saved(
    p: Params, x: str, xs: Iterable[float], y: str, ys: Iterable[float], *, seed: int, n: int
) -> "DataFrame":
    """Share of the mean latency of a threaded handler that is saved without the thread: rows x, y, saved_frac.

    Simulated, n interrupts a point, both paths from the same seed: under load the theory's bounds lie too far apart.
    """
    import pandas as pd

    points = [(across, up) for up in ys for across in xs]
    rows = []
    for (across, up), child in zip(points, np.random.SeedSequence(seed).spawn(len(points)), strict=True):
        q = p.replace(**{x: across, y: up})
        threaded, direct = (
            scheduler.run(q, k, rng=np.random.default_rng(child), n=n)[:, 0].mean()
            for k in (THREADED, NO_THREAD)
        )
        rows.append({x: across, y: up, "saved_frac": 1.0 if np.isinf(threaded) else 1 - direct / threaded})
    return pd.DataFrame(rows)


def saved_table(frame: "DataFrame", x: str, y: str, *, rows: int = 4, columns: int = 5) -> "DataFrame":
    """The same at some of its points, in words."""
    wide = frame.pivot(index=y, columns=x, values="saved_frac")
    some = [
        np.unique(np.linspace(0, size - 1, count).round().astype(int))
        for size, count in zip(wide.shape, (rows, columns), strict=True)
    ]
    part = wide.iloc[some[0], some[1]].map(lambda share: f"{100 * share:.0f} %")
    part.index = [units.human(y, value) for value in part.index]
    part.columns = [units.human(x, value) for value in part.columns]
    return part


def hard_interrupt(p: Params, irqfd_cycles: Iterable[float]) -> "DataFrame":
    """Time in the hard interrupt on the vCPU's CPU, with and without the thread, by what the irqfd costs.

    Columns way, irqfd_cycles, theory_ns (the sum of its stages), simulated_ns (what one interrupt's timeline shows).
    """
    import pandas as pd

    first = p.irq_cycles + p.msi_cycles + p.post_cycles
    kinds = {
        "threaded": ("threaded", False, lambda cost: p.irq_cycles + p.primary_cycles + p.wake_cycles),
        "no thread": ("no thread", False, lambda cost: first + cost),
        "no thread, vCPU asleep": ("no thread", True, lambda cost: first + cost + p.wake_cycles),
    }
    rows = []
    for way, (path, halting, cycles) in kinds.items():
        for cost in irqfd_cycles:
            q = p.replace(irqfd_cycles=cost, halting=halting, spread_frac=0.0)
            (made,) = timeline.ways(q, [path])
            inside = sum(s.end_ns - s.start_ns for s in made.segments if _hard(s))
            row = {"way": way, "irqfd_cycles": cost, "theory_ns": cycles(cost) * p.cycle_ns}
            rows.append({**row, "simulated_ns": inside})
    return pd.DataFrame(rows)


def hard_table(frame: "DataFrame", rates_per_s: Iterable[float]) -> "DataFrame":
    """Share of a CPU that no thread gets at some rates of interrupts, at the smallest and largest cost, in words."""
    import pandas as pd

    costs = (frame["irqfd_cycles"].min(), frame["irqfd_cycles"].max())
    rows = {}
    for way, part in frame.groupby("way", sort=False):
        for cost in costs:
            (lasts,) = part.loc[part["irqfd_cycles"] == cost, "theory_ns"]
            shown = {
                units.human("x_per_s", rate): units.human("x_frac", rate * lasts * 1e-9)
                for rate in rates_per_s
            }
            rows[way, units.human("x_cycles", cost)] = {"an interrupt": _ns(lasts), **shown}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["way", "irqfd"])


def three_ways(p: Params, name: str, shares: Sequence[float], *, seed: int, n: int) -> "DataFrame":
    """How often a path without load takes longer than its own quantiles: bounds, weighted draws, and plain counting.

    The latencies are upper bounds of the quantiles at `shares`. Weighted draws are conditional Monte Carlo on the
    stages' laws; plain counting is the simulated mechanism. In words.
    """
    import pandas as pd
    from scipy.stats import expon

    from nfvlab.realtime.extremes import largest_tail
    from nfvlab.realtime.rare_sums import tail_of_sum
    from nfvlab.vfio.stages import laws, modes

    (mode,) = modes(p, name)
    found = laws(p, (*mode.flight, *mode.serial))
    least_ns = sum(law.min_ns for law in found)
    stages = [expon(scale=law.excess_ns) for law in found]
    latencies = simulate(p, rng=np.random.default_rng(seed), n=n).latency_ns_each[:, PATHS.index(name)]
    rows = {}
    for share, child in zip(shares, np.random.SeedSequence(seed).spawn(len(shares)), strict=True):
        made = tail(p, name, tail_frac=share)
        late = made.quantile_ns(share)[1]
        low, high = made.sf(late)
        drawn = tail_of_sum(stages, late - least_ns, rng=np.random.default_rng(child), n=20_000)
        met = int((latencies > late).sum())
        counted = f"{met / n:.3g}" if met else f"none in {n}: below {largest_tail(0, n):.2g}"
        rows[one_in(share), _ns(late)] = {
            "bounds": f"{low:.4g} to {high:.4g}",
            "weighted draws": f"{drawn.value:.4g} ± {drawn.stderr:.1g}, {drawn.verdict}",
            f"counted in {n}": counted,
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["share", "longer than"])


def locks() -> Table:
    """Where the handler may run, lock by lock: every interleaving tried."""
    rows = []
    for variant, verdict in demonstrate():
        steps = "; ".join(f"{step.machine} {step.action}" for step in verdict.trace)
        ends = "every run ends well" if verdict.holds else verdict.reason
        row = {"handler and lock": variant.name, "verdict": ends, "runs tried": f"{verdict.states} states"}
        rows.append({**row, "shortest run to it": steps or "none"})
    return Table("Who may take the lock of the eventfd", rows)


def published(p: Params) -> Table:
    """What a thread hop was worth where it was measured, beside what the stages here add up to."""
    frame, _ = read_published(data_file("published.csv"))
    row = frame.loc["thread-hop"]
    saved_ns = row["without"] - row["with"]
    means = analyze(p).latency_ns
    hop = (p.wake_cycles + p.switch_cycles) * p.cycle_ns
    rows = [
        {
            "what": f"published: {row['case']}",
            "saved": _ns(saved_ns),
            "where": f"{row['setup']}; {row['source']}",
        },
        {
            "what": "here: a wake-up and a switch",
            "saved": _ns(hop),
            "where": "stage costs, most of them assumed",
        },
        {
            "what": "here: threaded less no thread",
            "saved": _ns(means[THREADED] - means[NO_THREAD]),
            "where": "a wake-up and two switches",
        },
    ]
    return Table("A thread hop", rows)


def _hard(segment) -> bool:
    return segment.who == "interrupt" and segment.stage not in timeline.WHOLE


def _ns(value: float) -> str:
    return units.human("latency_ns", value) if np.isfinite(value) else NEVER


def _bounds(low: float, high: float) -> str:
    """Both bounds, or one where they read the same."""
    ends = [_ns(low), _ns(high)]
    return ends[0] if ends[0] == ends[1] else " … ".join(ends)


__all__ = [
    "buys",
    "hard_interrupt",
    "hard_table",
    "locks",
    "made_of",
    "one_in",
    "published",
    "saved",
    "saved_table",
    "tails",
    "three_ways",
    "worst",
    "worst_table",
]
