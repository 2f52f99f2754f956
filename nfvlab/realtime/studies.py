"""What the notebooks show of tails that simulation hardly meets: numbers, and rounded tables beside the pictures."""

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from nfvlab import stats, units
from nfvlab.glossary import Table
from nfvlab.kernels import fifo
from nfvlab.realtime import laws
from nfvlab.realtime.extremes import largest_tail
from nfvlab.realtime.extremes_example import Case
from nfvlab.realtime.lattice import bound
from nfvlab.realtime.rare import of_draws
from nfvlab.realtime.rare_laws import exponential
from nfvlab.realtime.rare_machines import busy_period
from nfvlab.realtime.rare_splitting import reach
from nfvlab.realtime.rare_sums import tail_of_sum
from nfvlab.realtime.rare_trap import STAGES, Trap, shifted_mean
from nfvlab.realtime.rare_walk import wait_tail

TAIL_FRACS = tuple(10.0**-k for k in range(2, 10))
PATH, QUEUE, MACHINE = "path of seven stages", "wait for a server", "work of a busy period"
PLAIN, CONDITIONAL, SHIFTED = "plain Monte Carlo", "conditional Monte Carlo", "shifted mean (trap)"
SIEGMUND, SPLIT = "Siegmund's change of measure", "splitting"
LOAD = 0.5  # of M/M/1, services of mean 1
PLAIN_DRAWS, DRAWS, SHIFTED_DRAWS, EFFORT = 1_000_000, 20_000, 100_000, 1000
_LEVEL = 1.5  # about exp(-1.5) of the paths cross from one level to the next


class Point(NamedTuple):
    """An estimated probability and the bounds of the true one, which are equal where it is known in closed form."""

    setting: str
    method: str
    tail_frac: float
    low_frac: float
    high_frac: float
    found: stats.Estimate

    @property
    def ratio(self) -> float:
        """Estimate over truth (the middle of its bounds)."""
        return self.found.value / ((self.low_frac + self.high_frac) / 2)

    @property
    def relative_error(self) -> float:
        """Standard error over estimate; NaN if no draw met the event."""
        return self.found.stderr / self.found.value if self.found.value > 0 else math.nan

    @property
    def verdict(self) -> str:
        """What `RareEstimate` says, by its largest single weight."""
        return getattr(self.found, "verdict", "trusted")


def estimates(*, rng: np.random.Generator, tail_fracs: Iterable[float] = TAIL_FRACS) -> list[Point]:
    """Three rare events by the methods made for them and by plain Monte Carlo, at each probability.

    A path of seven lognormal stages (truth: bounds on the lattice), the wait of M/M/1, and the work of M/M/1 that
    passes a level before the server is idle again (both in closed form; the last for every second probability).
    """
    wanted = list(tail_fracs)
    return [*_path(wanted, rng), *_queue(wanted, rng), *_machine(wanted[1::2] or wanted, rng)]


def _path(tail_fracs: list[float], rng: np.random.Generator) -> Iterator[Point]:
    unit_ns = 1000.0  # of a stage's median
    spreads = np.array([stage.sigma for stage in STAGES])
    bounds = bound(
        [
            laws.Lognormal(excess_ns=unit_ns * math.exp(s * s / 2), cv=math.sqrt(math.expm1(s * s)))
            for s in spreads
        ],
        min(tail_fracs),
        rel=1e-3,
    )
    plain = sum(np.exp(s * rng.standard_normal(PLAIN_DRAWS)) for s in spreads)
    others = float(np.exp(spreads[1:] ** 2 / 2).sum())
    for tail_frac in tail_fracs:
        late_ns = float(np.mean(bounds.quantile_ns(tail_frac)))
        low, high = (float(side[0]) for side in bounds.sf(np.array([late_ns])))
        late = late_ns / unit_ns
        shifts = np.append(math.log(late - others) / spreads[0], np.zeros(spreads.size - 1))
        made = {
            PLAIN: of_draws((plain > late).astype(float), PLAIN),
            SHIFTED: shifted_mean(STAGES, late, shifts, rng=rng, n=SHIFTED_DRAWS),
            CONDITIONAL: tail_of_sum(STAGES, late, rng=rng, n=DRAWS),
        }
        yield from (Point(PATH, name, tail_frac, low, high, found) for name, found in made.items())


def _queue(tail_fracs: list[float], rng: np.random.Generator) -> Iterator[Point]:
    gaps, services = rng.standard_exponential((2, PLAIN_DRAWS))
    waits = fifo.waiting_times(gaps / LOAD, services).waits
    for tail_frac in tail_fracs:
        late = math.log(LOAD / tail_frac) / (1 - LOAD)
        made = {
            PLAIN: stats.batch_means(waits > late),
            SIEGMUND: wait_tail(exponential(1.0), exponential(1 / LOAD), late, rng=rng, n=DRAWS),
        }
        yield from (
            Point(QUEUE, name, tail_frac, tail_frac, tail_frac, found) for name, found in made.items()
        )


def _machine(tail_fracs: list[float], rng: np.random.Generator) -> Iterator[Point]:
    machine = busy_period(exponential(1.0), exponential(1 / LOAD))
    for tail_frac in tail_fracs:
        # (1 - load) e / (1 - load e) = tail_frac, e = exp(-(1 - load) late)
        late = -math.log(tail_frac / (1 - LOAD + LOAD * tail_frac)) / (1 - LOAD)
        count = max(1, round(-math.log(tail_frac) / _LEVEL))
        made = {
            PLAIN: reach(machine, [late], rng=rng, effort=EFFORT * count),
            SPLIT: reach(machine, late * np.arange(1, count + 1) / count, rng=rng, effort=EFFORT),
        }
        yield from (
            Point(MACHINE, name, tail_frac, tail_frac, tail_frac, found) for name, found in made.items()
        )


def estimates_table(points: Iterable[Point]) -> Table:
    """One row an event and method: ratio to the truth at each probability, with what each says of itself."""
    points = list(points)
    columns = dict.fromkeys((_at(point) for point in sorted(points, key=lambda p: -p.tail_frac)), "")
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for point in points:
        head = {"event": point.setting, "method": point.method}
        rows.setdefault((point.setting, point.method), {**head, **columns})[_at(point)] = _ratio(point)
    return Table(
        "Estimate over truth, with its own standard error; ! where one draw decides", list(rows.values())
    )


def _at(point: Point) -> str:
    return f"at {point.tail_frac:.0e}"


def _ratio(point: Point) -> str:
    if not point.found.value > 0:
        return "none met"
    return f"{point.ratio:.2f} ± {point.ratio * point.relative_error:.2f}" + (
        "" if point.verdict == "trusted" else " !"
    )


def trap_table(made: Trap) -> Table:
    """The typical run of the shifted mean beside the truth, and how many runs are low, sure and unmasked."""
    runs, truth = made.runs, made.reference
    sure = [abs(run.value - truth.value) > 2 * run.stderr for run in runs]
    facts = {
        "truth, by conditional Monte Carlo": f"{truth.value:.3e} ± {truth.relative_error:.2%}",
        "typical run of the shifted mean": f"{made.typical.value:.3e}, {made.off_frac:+.1%}",
        "error that it claims": f"{made.claimed_frac:.1%}",
        "runs below the truth": f"{sum(run.value < truth.value for run in runs)} of {len(runs)}",
        "runs off by more than two claimed errors": f"{sum(sure)} of {len(runs)}",
        "runs whose largest weight unmasks them": f"{sum(not run.trusted for run in runs)} of {len(runs)}",
    }
    return Table("A shifted mean", [{"": name, "value": value} for name, value in facts.items()])


def extrapolated_table(cases: Iterable[Case]) -> Table:
    """One row a host: what its samples know, what a fitted tail says at 1e-9, and what is true."""
    return Table(
        "Extrapolated to what n samples cannot know",
        [
            {
                "host": case.name,
                "samples say nothing below": f"{largest_tail(0, case.extrapolated.n):.2g}",
                "asked for": f"{case.extrapolated.tail_frac:.0e}",
                "fitted tail says": units.human("latency_ns", case.extrapolated.value),
                "true": units.human("latency_ns", case.exact),
                "fitted / true": f"{case.ratio:.2g}",
            }
            for case in cases
        ],
    )
