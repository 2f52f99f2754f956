"""How long wake-ups or packets take: the share that takes longer, by setting, theory beside simulation."""

from collections.abc import Mapping

import numpy as np

from nfvlab import figures as house
from nfvlab import units
from nfvlab.cat.simulation import LATENCY_NS, Samples
from nfvlab.figures import Figure

COLOURS = (house.PALETTE.vermillion, house.PALETTE.blue, house.PALETTE.green, house.PALETTE.pink)


def tails(runs: Mapping[str, Samples], tenant: int, title: str) -> Figure:
    """Share of a tenant's units that take longer, simulated, with the theory's 99th percentile as a mark."""
    from nfvlab.cat.analytic import analyze

    words = []
    with house.style():
        drawn = Figure(figsize=(8.6, 3.6), layout="constrained")
        axes = drawn.subplots()
        axes.set(xscale="log", yscale="log")
        for k, (label, samples) in enumerate(runs.items()):
            counts = samples.latency_counts[:, tenant].sum(axis=0)
            longer = 1 - np.cumsum(counts) / max(1, counts.sum())
            shown = np.flatnonzero(longer > 0.3 / max(1, counts.sum()))
            begin = max(0, int(np.argmax(counts > 0)) - 1)
            x, y = LATENCY_NS[1:][begin : shown[-1] + 1], longer[begin : shown[-1] + 1]
            axes.step(
                x,
                np.clip(y, 1e-9, 1),
                where="pre",
                color=COLOURS[k],
                ls=house.LINESTYLES[k],
                lw=2,
                label=label,
            )
            p99 = analyze(samples.params).unit_p99_ns[tenant]
            axes.plot([p99], [0.01], marker="|", ms=16, mew=2.5, color=COLOURS[k])
            words.append(
                f"{label}: 99 % within {units.human('unit_p99_ns', samples.estimate()[f'unit_p99_ns[{tenant}]'].value)}"
            )
        axes.axhline(0.01, color=house.FAINT, lw=0.8, ls=":")
        axes.legend(loc="lower left")
        axes.set_ylim(1e-5, 1.3)
        axes.set_yticks(
            [1, 0.1, 0.01, 1e-3, 1e-4, 1e-5], ["all", "10 %", "1 %", "0.1 %", "0.01 %", "0.001 %"]
        )
        axes.minorticks_off()
        house.quantity(axes.xaxis, "unit_ns", title)
        axes.set_title("Share that takes longer (upright marks: theory's 99th percentile)", fontsize=10)
    drawn.alt = f"Share of {title.lower()} that takes longer. " + "; ".join(words) + "."
    return drawn
