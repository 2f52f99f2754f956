"""A recording on the model's picture: what QEMU said it had sent, poll by poll, over theory and simulation."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from nfvlab import figures as house
from nfvlab import units
from nfvlab.figures import Figure
from nfvlab.freepages.analytic import analyze
from nfvlab.freepages.figures import Live, compared
from nfvlab.freepages.params import Params
from nfvlab.freepages.simulation import Samples
from nfvlab.units import ms

MARKERS = 30  # at most, of one recording


def recorded(p: Params, recordings: Sequence[tuple[str, Any]], samples: Samples | None = None) -> Figure:
    """The live picture of `p`, still, with polls drawn in.

    recordings: (label, polls), the polls a frame with t_ns and transferred_bytes, as `read_qemu` returns it.
    """
    live = Live(p)
    with house.style():
        drawn = live.still(p, analyze(p), samples)
        for label, polls in recordings:
            seen = polls.dropna(subset=["t_ns", "transferred_bytes"])
            t, sent = seen["t_ns"].to_numpy(), seen["transferred_bytes"].to_numpy()
            some = slice(None, None, -(-t.size // MARKERS))
            live.sent.plot(t[some], sent[some], **house.RECORDED | {"markersize": 4})
            middle = t.size // 2
            how = {"color": house.RECORDED["color"], "size": 9.5, "xytext": (8, -8)}
            house.direct_label(live.sent, t[middle], sent[middle], label, **how)
            end = units.human("transferred_bytes", sent[-1])
            drawn.alt += (
                f" {label}: {t.size} polls, the last after {units.human('t_ns', t[-1])} with {end} sent."
            )
    return drawn


def published(found: Sequence[Any]) -> Figure:
    """Published figures and the model's side by side (`published.Figure`), each row on its own scale."""
    rows = [(f"{f.row}, {f.side}", f.output, f.published, f.simulated) for f in found]
    missed = [f"{f.row}, {f.side}" for f in found if not f.ok]
    alt = f"Simulated over published, {len(rows)} numbers. Outside their tolerance: {', '.join(missed) or 'none'}."
    aims = [f.tolerance / (f.published if f.output == "downtime_ns" else 1.0) for f in found]
    return compared(rows, title="The authors' figures and the model's", alt=alt, aims=aims)


AXES = (
    ("total-time", "total_time_ns", "Total time", ms),
    ("transferred", "transferred_bytes", "Traffic", 1.0),
)


def predicted(predictions: Sequence[Any], *, worst: int = 3) -> Figure:
    """Predicted against measured of many recordings (`nfvlab.predict.Prediction`), the farthest off named."""
    done = [p for p in predictions if not p.left_out and p.measured["converged"] and p.predicted["converged"]]
    with house.style():
        drawn = Figure(figsize=(9.4, 4.0), layout="constrained")
        for axes, (field, name, title, scale) in zip(drawn.subplots(1, 2), AXES, strict=True):
            x, y = (np.array([side(p)[field] for p in done]) * scale for side in (_measured, _predicted))
            ends = np.array([0.8 * min(x.min(), y.min()), 1.25 * max(x.max(), y.max())])
            axes.set(xscale="log", yscale="log", xlim=ends, ylim=ends, aspect="equal")
            axes.fill_between(ends, 0.9 * ends, 1.1 * ends, color=house.PALETTE.green, alpha=0.12, lw=0)
            axes.plot(ends, ends, color=house.FAINT, lw=1)
            axes.plot(x, y, **house.RECORDED | {"markersize": 5, "alpha": 0.8})
            for k in np.argsort(-np.abs(np.log(y / x)))[:worst]:
                if not 0.9 <= y[k] / x[k] <= 1.1:
                    house.direct_label(axes, x[k], y[k], done[k].name, size=8, color=house.FAINT)
            house.quantity(axes.xaxis, name, f"{title}, measured", ticks=4)
            house.quantity(axes.yaxis, name, f"{title}, predicted", ticks=4)
    errors = {title: np.median([abs(p.error(field)) for p in done]) for field, _, title, _ in AXES}
    medians = ", ".join(f"{title} {error:.1%}" for title, error in errors.items())
    drawn.alt = f"Predicted against measured, {len(done)} recordings, 10 % shaded. Median errors: {medians}."
    return drawn


def _measured(prediction) -> dict:
    return prediction.measured


def _predicted(prediction) -> dict:
    return prediction.predicted
