"""How long packets or wake-ups take, by setting: the share that takes longer, theory beside simulation."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from nfvlab import figures as house
from nfvlab import units
from nfvlab.cat.analytic import analyze
from nfvlab.cat.simulation import LATENCY_NS, Samples
from nfvlab.figures import Figure

if TYPE_CHECKING:
    from pandas import DataFrame

COLOURS = (house.PALETTE.vermillion, house.PALETTE.blue, house.PALETTE.green, house.PALETTE.pink)
SHARES = np.logspace(0, -5, 61)[1:]  # that take longer
SEEN = (0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 5e-3, 2e-3, 1e-3, 1e-4)
LEAST = 10  # units beyond a quantile for it to be shown


def tails(runs: Mapping[str, Samples], tenant: int, title: str) -> Figure:
    """Share of a tenant's packets or wake-ups that take longer: lines are theory, dots simulated."""
    with house.style():
        drawn = Figure(figsize=(8.8, 3.7), layout="constrained")
        axes = drawn.subplots()
        axes.set(xscale="log", yscale="log")
        for k, (label, samples) in enumerate(runs.items()):
            times = analyze(samples.params).unit(tenant).quantiles_ns(tuple(1 - SHARES))
            look = {"color": COLOURS[k], "ls": house.LINESTYLES[k], "lw": 2}
            axes.plot(times, SHARES, **look, label=label)
            seen = quantiles(samples, tenant)
            axes.plot(list(seen.values()), list(seen), **house.SIMULATION | {"color": COLOURS[k]})
        axes.legend(loc="lower left")
        axes.set_ylim(1e-5, 1.2)
        axes.set_yticks(
            [1, 0.1, 0.01, 1e-3, 1e-4, 1e-5], ["all", "10 %", "1 %", "0.1 %", "0.01 %", "0.001 %"]
        )
        axes.minorticks_off()
        house.quantity(axes.xaxis, "unit_ns", title)
        axes.set_title("Share that takes longer: lines theory, dots simulated", fontsize=10)
    rows = (f"{label}: 99 % within {_p99(samples, tenant)}" for label, samples in runs.items())
    drawn.alt = f"{title}: the share that takes longer. " + "; ".join(rows) + "."
    return drawn


def quantiles(samples: Samples, tenant: int) -> dict[float, float]:
    """{share that takes longer: time in ns} of all replications together, from their histograms."""
    counts = samples.latency_counts[:, tenant].sum(axis=0)
    total, below = counts.sum(), np.cumsum(counts)
    shown = [share for share in SEEN if share * total >= LEAST]
    places = np.searchsorted(below, [(1 - share) * total for share in shown])
    middles = np.sqrt(LATENCY_NS[:-1] * LATENCY_NS[1:])
    return {share: float(middles[place]) for share, place in zip(shown, places, strict=True)}


def _p99(samples: Samples, tenant: int) -> str:
    return units.human("unit_p99_ns", samples.estimate()[f"unit_p99_ns[{tenant}]"].value)


def table(runs: Mapping[str, Samples], tenant: int) -> "DataFrame":
    """Times that all but a share of packets or wake-ups stay within, theory and simulation, in words."""
    import pandas as pd

    rows = {}
    for label, samples in runs.items():
        seen, unit = quantiles(samples, tenant), analyze(samples.params).unit(tenant)
        for share in (s for s in (0.5, 0.1, 0.01, 1e-3, 1e-4) if s in seen):
            theory, simulated = unit.quantile_ns(1 - share), seen[share]
            row = {"theory": units.human("unit_ns", theory), "simulated": units.human("unit_ns", simulated)}
            rows[label, f"{100 * share:g} %"] = row
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["setting", "share that takes longer"])
