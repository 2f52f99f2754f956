"""analyze(): the latency of a device's interrupt on six paths, with bounds of its tail, and what it costs the host."""

import math
from dataclasses import dataclass

import numpy as np

from nfvlab import results
from nfvlab.realtime.laws import check_tail
from nfvlab.results import Claim, approx, exact, lower, output, upper
from nfvlab.vfio import claims
from nfvlab.vfio.atoms import Tail
from nfvlab.vfio.bounds import Bounds
from nfvlab.vfio.params import OUTPUTS, PATHS, Params
from nfvlab.vfio.spent import spent
from nfvlab.vfio.stages import Mode, laws, modes
from nfvlab.vfio.worst import worst_ns

PANEL_CELLS, PANEL_TAIL = 256, 1e-6
MOST_CELLS = 1 << 13
_SHARES = np.concatenate([1 - np.geomspace(1e-3, 0.5, 8), np.geomspace(0.3, PANEL_TAIL, 9)])  # drawn, a path
_LOST = (
    1e-8  # what the law above may charge to infinity and still have a mean; far below the tolerance's share
)
_MEAN = approx(rel=1e-6, where=claims.BOUNDS)


@dataclass(frozen=True, kw_only=True)
class Theory(results.Theory):
    """One value a path, in the order of PATHS.

    `curve_low` and `curve_high` (float64[paths, k]) bound P(latency > `curve_ns`). `reach_ns`: how far the mean may be
    off, zero where it is exact, infinite where it is a lower bound. `changed_frac` bounds how often the load's state
    changes between t = 0 and where it decides on exits, switches and costs.
    """

    params: Params
    latency_ns: tuple[float, ...] = output(OUTPUTS["latency_ns"], _MEAN)
    latency_p99_low_ns: tuple[float, ...] = output(OUTPUTS["latency_p99_low_ns"], lower())
    latency_p99_high_ns: tuple[float, ...] = output(OUTPUTS["latency_p99_high_ns"], upper())
    latency_p999_low_ns: tuple[float, ...] = output(OUTPUTS["latency_p999_low_ns"], lower())
    latency_p999_high_ns: tuple[float, ...] = output(OUTPUTS["latency_p999_high_ns"], upper())
    worst_ns: tuple[float, ...] = output(OUTPUTS["worst_ns"], upper())
    exits_ratio: tuple[float, ...] = output(OUTPUTS["exits_ratio"], exact())
    switches_ratio: tuple[float, ...] = output(OUTPUTS["switches_ratio"], exact())
    cost_cycles: tuple[float, ...] = output(OUTPUTS["cost_cycles"], exact())
    reach_ns: tuple[float, ...]
    changed_frac: tuple[float, ...]
    curve_ns: np.ndarray
    curve_low: np.ndarray
    curve_high: np.ndarray

    def claim(self, name: str) -> Claim:
        """What is claimed of output `name` for this very scenario."""
        return claims.claim(self, name)


def analyze(p: Params) -> Theory:
    """All six paths, on a coarse lattice."""
    tails = _tails(p)
    means = [_mean(p, path, made) for path, made in zip(PATHS, tails, strict=True)]
    p99, p999 = ([made.quantile_ns(t) if made else (math.inf,) * 2 for made in tails] for t in (1e-2, 1e-3))
    costs = [spent(p, path) for path in PATHS]
    curve_ns = _curve(tails)
    curves = [made.sf(curve_ns) if made else (np.ones_like(curve_ns),) * 2 for made in tails]
    return Theory(
        params=p,
        latency_ns=tuple(mean for mean, _ in means),
        latency_p99_low_ns=tuple(low for low, _ in p99),
        latency_p99_high_ns=tuple(high for _, high in p99),
        latency_p999_low_ns=tuple(low for low, _ in p999),
        latency_p999_high_ns=tuple(high for _, high in p999),
        worst_ns=tuple(worst_ns(p, path) for path in PATHS),
        exits_ratio=tuple(cost.exits_ratio for cost in costs),
        switches_ratio=tuple(cost.switches_ratio for cost in costs),
        cost_cycles=tuple(cost.cycles for cost in costs),
        reach_ns=tuple(reach for _, reach in means),
        changed_frac=tuple(cost.changed_frac for cost in costs),
        curve_ns=curve_ns,
        curve_low=np.array([low for low, _ in curves]),
        curve_high=np.array([high for _, high in curves]),
    )


def tail(p: Params, path: str, *, tail_frac: float = 1e-9, rel: float = 1e-3) -> Tail:
    """Bounds of a path's tail, their quantile at `tail_frac` known to `rel` of itself or as well as MOST_CELLS allow.

    ValueError for a path that never ends, or that is not one of PATHS.
    """
    check_tail(tail_frac)
    found = modes(p, path)
    if not found:
        raise ValueError(
            f"path = {path!r}: never ends here, a thread starves; raise its priority, route the interrupt to "
            "another CPU, or let the vCPU halt"
        )
    cells = PANEL_CELLS
    while True:
        made = Bounds(p, path, tail_frac, cells).tail(found)
        width = made.rel_width(tail_frac)
        if width <= rel or cells >= MOST_CELLS:
            return made
        cells = int(min(MOST_CELLS, cells * max(2.0, 1.1 * width / rel)))


def _tails(p: Params) -> list[Tail | None]:
    """The tails of all paths; paths of the same modes share one."""
    made: dict[tuple, Tail | None] = {(): None}
    found = []
    for path in PATHS:
        ways = modes(p, path)
        key = (*ways, path == "mainline") if p.irqoff_frac and ways else ways
        if key not in made:
            made[key] = Bounds(p, path, PANEL_TAIL, PANEL_CELLS).tail(ways)
        found.append(made[key])
    return found


def _mean(p: Params, path: str, made: Tail | None) -> tuple[float, float]:
    """The mean, and how far it may be off: at least so much, if it may be off by any amount."""
    if made is None:
        return math.inf, 0.0
    found = modes(p, path)
    if not any(mode.queues or mode.left_ns or (mode.early and p.load_frac) for mode in found):
        return _stopped(p, sum(mode.frac * _plain(p, mode) for mode in found)), 0.0
    low, high = made.low.mean_ns, made.high.mean_ns
    if made.high.lost_frac > _LOST:
        return low * (1 - made.rel_error), math.inf
    return (low + high) / 2, abs(high - low) / 2


def _plain(p: Params, mode: Mode) -> float:
    """The mean of a mode that is a sum."""
    return sum(
        law.mean_ns for law in (*laws(p, (*mode.flight, *mode.serial)), *mode.held, *mode.work, *mode.extra)
    )


def _stopped(p: Params, mean_ns: float) -> float:
    """With SMIs: the mean of a delay cycle after the mean work of M/D/1."""
    load = p.smi_per_s * 1e-9 * p.smi_ns
    return (mean_ns + load * p.smi_ns / (2 * (1 - load))) / (1 - load)


def _curve(tails: list[Tail | None]) -> np.ndarray:
    """Where the curves are evaluated: quantiles of all paths, from probability 1 to PANEL_TAIL."""
    found = [x for made in tails if made for share in _SHARES for x in made.quantile_ns(share)]
    return np.unique([x for x in found if math.isfinite(x)])
