"""What the talk does not say, and what would follow from it: the downtime limit, and the rhythm of the rewriting.

Its downtime shrinks by more than its traffic. The downtime limit is not named, nor the rate or the rhythm at which the
GiB is rewritten "periodically". `limits` varies the first two by theory; `bursts` has the GiB rewritten in bursts, with
pauses between them, which only the simulated guest can.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nfvlab import units
from nfvlab.precopy.guest import Guest
from nfvlab.precopy.params import PAGE_BYTES
from nfvlab.qat import talk
from nfvlab.qat.analytic import analyze
from nfvlab.qat.params import WAYS, Params
from nfvlab.qat.simulation import migrate, outputs_of
from nfvlab.units import ms, s

if TYPE_CHECKING:
    from pandas import DataFrame

LIMITS_NS = (10 * ms, 30 * ms, 100 * ms, 300 * ms, 1000 * ms)
PERIODS_NS = (0.5 * s, 1 * s, 2 * s, 4 * s)
ON_FRACS = (0.1, 0.3)
READING = "fixed Huffman codes"
CHANGES = {"total": "total_time_ns", "downtime": "downtime_ns", "traffic": "wire_bytes"}


@dataclass
class BurstGuest(Guest):
    """A guest whose application runs for the first `on_frac` of each period only; it starts anywhere in one."""

    period_ns: float = 1 * s
    on_frac: float = 1.0

    def __post_init__(self):
        super().__post_init__()
        self.now_ns = self.rng.random() * self.period_ns

    def application_ns(self, dt_ns: float) -> float:
        """Time of bursts in the next dt_ns."""
        before, self.now_ns = self.now_ns, self.now_ns + dt_ns
        return self._on_ns(self.now_ns) - self._on_ns(before)

    def _on_ns(self, time_ns: float) -> float:
        whole, rest_ns = divmod(time_ns, self.period_ns)
        on_ns = self.on_frac * self.period_ns
        return whole * on_ns + min(rest_ns, on_ns)


def limits(
    limits_ns: Iterable[float] = LIMITS_NS, rates_per_s: Sequence[float] = talk.REWRITES_PER_S
) -> "DataFrame":
    """Changes by theory under each downtime limit, over rates of rewriting at which both ways complete.

    Rows the limits; columns: median change of total time and traffic, and least, median and most of the downtime's.
    """
    import pandas as pd

    rows = {}
    for limit in limits_ns:
        theories = [analyze(talk.scenario(READING, rate, downtime_limit_ns=limit)) for rate in rates_per_s]
        found = {
            name: np.array([talk.change(theory, output) for theory in theories])
            for name, output in CHANGES.items()
        }
        rows[units.human("downtime_limit_ns", limit)] = {
            **{name: _words(np.nanmedian(found[name])) for name in ("total", "traffic")},
            "downtime, from": _words(np.nanmin(found["downtime"])),
            "median": _words(np.nanmedian(found["downtime"])),
            "to": _words(np.nanmax(found["downtime"])),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("downtime limit")


def burst_scenario(on_frac: float, period_ns: float) -> Params:
    """The talk's guest, its GiB rewritten once, in address order, in each burst."""
    pages = talk.scenario().wss_bytes / PAGE_BYTES
    return talk.scenario(READING, pages / (on_frac * period_ns / s), pattern="sequential")


def bursts(
    periods_ns: Iterable[float] = PERIODS_NS, on_fracs: Iterable[float] = ON_FRACS, *, seed: int, n: int
) -> "DataFrame":
    """Simulated changes when the GiB is rewritten in bursts: means of n migrations each way, of the same guests.

    Rows (period, share of it that a burst takes); a dash where not all migrations completed.
    """
    import pandas as pd

    rows, on_fracs = {}, tuple(on_fracs)
    for period in periods_ns:
        for on_frac in on_fracs:
            changes = _burst_changes(on_frac, period, seed, n)
            rows[units.human("period_ns", period), units.human("on_frac", on_frac)] = changes
    frame = pd.DataFrame.from_dict(rows, orient="index")
    return frame.rename_axis(["a burst every", "lasting"])


def _burst_changes(on_frac: float, period_ns: float, seed: int, n: int) -> dict[str, str]:
    def make_guest(p: Params, rng: np.random.Generator) -> tuple[Guest, None]:
        return BurstGuest(p, rng, period_ns=period_ns, on_frac=on_frac), None

    p, means = burst_scenario(on_frac, period_ns), []
    for way in (talk.NONE, talk.QAT):
        runs = (migrate(p, WAYS[way], rng, make_guest) for rng in np.random.default_rng(seed).spawn(n))
        means.append(np.mean([[outputs_of(run)[name] for name in CHANGES.values()] for run in runs], 0))
    return {name: _words(value) for name, value in zip(CHANGES, means[1] / means[0] - 1, strict=True)}


def _words(change_frac: float) -> str:
    return units.human("change_frac", change_frac) if np.isfinite(change_frac) else "–"


__all__ = ["BurstGuest", "burst_scenario", "bursts", "limits"]
