"""A feature in small for testing what is common to all: a transfer over a link that stalls now and then.

Stalls start as a Poisson process of the time the link works and last a fixed or an exponential time. It has
the shape of a feature package (Params Theory Samples analyze simulate SCENARIOS figure, figures.Live).
"""

import sys
import types
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from nfvlab import params, results, stats
from nfvlab.params import ASSUMED, Problem, param
from nfvlab.results import approx, exact, lower, output, upper
from nfvlab.units import Gbps, GiB, MiB, ms, s


@dataclass(frozen=True, kw_only=True)
class Params(params.Params):
    """A transfer over a link that stalls."""

    size_bytes: int = param(
        2 * GiB, "what is sent", domain=(1, 1 << 50), typical=(64 * MiB, 64 * GiB), log=True, source=ASSUMED
    )
    link_bytes_per_s: float = param(
        10 * Gbps,
        "rate of the link at work",
        domain=(1, 1e12),
        typical=(1 * Gbps, 100 * Gbps),
        log=True,
        source=ASSUMED,
    )
    stall_rate_per_s: float = param(
        8.0, "stalls per second of work", domain=(0, 1e6), typical=(0, 50), source=ASSUMED
    )
    stall_ns: float = param(
        20 * ms,
        "mean length of a stall",
        domain=(0, 1e12),
        typical=(1 * ms, 200 * ms),
        log=True,
        source=ASSUMED,
    )
    deadline_ns: float = param(
        2.5 * s,
        "when it should be over",
        domain=(1, 1e15),
        typical=(0.1 * s, 100 * s),
        log=True,
        source=ASSUMED,
    )
    streams_count: int = param(
        1, "streams that share the work", domain=(1, 64), typical=(1, 16), source=ASSUMED
    )
    stalls_on: bool = param(True, "whether the link stalls at all", source=ASSUMED)
    pattern: str = param("fixed", "how long a stall lasts", choices=("fixed", "exponential"), source=ASSUMED)

    def rules(self) -> Iterator[Problem]:
        if self.deadline_ns < 1e9 * self.size_bytes / self.link_bytes_per_s:
            yield self.problem(
                "deadline_ns", "at least size_bytes / link_bytes_per_s", "allow more time or send less"
            )


OUTPUTS = {
    "total_time_ns": "start to end",
    "stalls_count": "stalls met on the way",
    "stalled_frac": "share of the time spent in stalls",
    "best_ns": "a transfer without stalls, which the average cannot beat",
    "late_frac": "share of transfers that miss the deadline",
}


@dataclass(frozen=True, kw_only=True)
class Theory(results.Theory):
    """Moments of a compound Poisson sum, and Cantelli's bound for the late ones."""

    total_time_ns: float = output(OUTPUTS["total_time_ns"], exact())
    stalls_count: float = output(OUTPUTS["stalls_count"], exact())
    stalled_frac: float = output(OUTPUTS["stalled_frac"], approx(rel=0.05, abs=0.002, where="tests/toy.py"))
    best_ns: float = output(OUTPUTS["best_ns"], lower())
    late_frac: float = output(OUTPUTS["late_frac"], upper())


@dataclass(frozen=True, kw_only=True)
class Samples(results.Samples):
    """One row a transfer."""

    total_time_ns: np.ndarray
    stalls_count: np.ndarray

    def estimate(self) -> dict[str, stats.Estimate]:
        work = 1e9 * self.params.size_bytes / self.params.link_bytes_per_s
        late = int(np.count_nonzero(self.total_time_ns > self.params.deadline_ns))
        return {
            "total_time_ns": stats.mean(self.total_time_ns),
            "stalls_count": stats.mean(self.stalls_count.astype(float)),
            "stalled_frac": stats.mean(1 - work / self.total_time_ns),
            "best_ns": stats.mean(self.total_time_ns),
            "late_frac": stats.proportion(late, self.n),
        }


def _work_s(p: Params) -> float:
    return p.size_bytes / p.link_bytes_per_s


def analyze(p: Params) -> Theory:
    """Wald's identities for a Poisson number of stalls."""
    count = p.stall_rate_per_s * _work_s(p) * p.stalls_on
    mean = 1e9 * _work_s(p) + count * p.stall_ns
    variance = count * p.stall_ns**2 * (2 if p.pattern == "exponential" else 1)
    slack = p.deadline_ns - mean
    late = variance / (variance + slack**2) if slack > 0 else 1.0
    return Theory(
        params=p,
        total_time_ns=mean,
        stalls_count=count,
        stalled_frac=1 - 1e9 * _work_s(p) / mean,
        best_ns=1e9 * _work_s(p),
        late_frac=late,
    )


def simulate(p: Params, *, rng: np.random.Generator, n: int) -> Samples:
    """Work from stall to stall, one transfer after another."""
    totals, counts = np.empty(n), np.zeros(n, np.int64)
    for i in range(n):
        left, total = _work_s(p) * 1e9, 0.0
        while p.stalls_on and p.stall_rate_per_s > 0:
            until = rng.exponential(1e9 / p.stall_rate_per_s)
            if until >= left:
                break
            left -= until
            total += until + (p.stall_ns if p.pattern == "fixed" else rng.exponential(p.stall_ns))
            counts[i] += 1
        totals[i] = total + left
    return Samples(params=p, entropy=results.provenance(rng), n=n, total_time_ns=totals, stalls_count=counts)


SCENARIOS = {
    "a good link": Params(),
    "a bad link": Params(stall_rate_per_s=40.0, stall_ns=50 * ms, deadline_ns=6 * s),
    "a small file": Params(size_bytes=128 * MiB, deadline_ns=0.2 * s),
}


def _live() -> types.ModuleType:
    from nfvlab import figures as house

    class Live(house.Picture):
        """What has been sent, as time passes."""

        keys = ("total_time_ns", "stalls_count", "late_frac")

        def build(self, p: Params) -> None:
            self.sent, self.spread = self.figure.subplots(1, 2, width_ratios=(3, 2))
            self.axis(self.sent, x=("total_time_ns", "Time"), y=("size_bytes", "Sent"))
            self.axis(self.spread, x=("total_time_ns", "Time to the end"), y=("late_frac", "Still going"))
            self.ideal = self.animate(*self.sent.plot([], [], **house.BASELINE, label="no stalls"))
            self.mean = self.animate(*self.sent.plot([], [], **house.THEORY, label="expected"))
            self.deadline = self.animate(self.sent.axvline(0, color=house.INK, lw=1, ls=":"))
            self.ends = self.animate(*self.spread.plot([], [], **house.SIMULATION, label="simulated"))
            self.label_ends(self.sent, self.ideal, self.mean)

        def show(self, p: Params, theory: Theory, samples: Samples | None = None) -> None:
            self.ideal.set_data([0, theory.best_ns], [0, p.size_bytes])
            self.mean.set_data([0, theory.total_time_ns], [0, p.size_bytes])
            self.deadline.set_xdata([p.deadline_ns] * 2)
            self.ends.set_visible(samples is not None)
            if samples is not None:
                ends = np.sort(samples.total_time_ns)
                self.ends.set_data(ends, 1 - (np.arange(samples.n) + 0.5) / samples.n)
            self.fit(self.sent, x=(0, theory.total_time_ns), y=p.size_bytes)
            self.fit(self.spread, x=(0, 1.3 * theory.total_time_ns), y=(0, 1))

    def figure(p: Params, theory: Theory | None = None, samples: Samples | None = None) -> house.Figure:
        return Live(p).still(p, theory or analyze(p), samples)

    module = types.ModuleType(f"{__name__}.figures")
    module.Live, module.figure = Live, figure
    return module


def __getattr__(name: str):
    """`figures` and `figure` on first use, as a feature package has them."""
    if name not in ("figures", "figure"):
        raise AttributeError(name)
    made = _live()
    sys.modules[made.__name__] = made
    globals().update(figures=made, figure=made.figure)
    return globals()[name]
