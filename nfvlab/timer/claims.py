"""What the timer's theory claims of each output: exact where it is, and else by what it leaves out.

Exact are counts and costs without noise, if every round goes the same way. Otherwise the tolerance is a sum of

    steps       the phase of coarse steps repeats itself less evenly than two independent remainders do
    ticks       KVM reckons in whole ns, for an hrtimer and for an advance, and in whole cycles of the guest's TSC
    ways        the law of a way is taken without the condition that the round goes this way, and a way's share as if
                the preemption timer had no steps
    noise       its busy periods are told by two moments and as if they had lasted for ever; it saves others' wake-ups;
                a quantile is as uncertain as shares of late interrupts that are right within a factor of
                SHARES_FACTOR, or SPIN_FACTOR
    adaptive    the advance is told by its mean and a wander that is taken as normal, not by its own law

each in its own unit. Measured in tests/timer/test_twins.py.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nfvlab.results import Claim, approx, exact
from nfvlab.timer.params import Params
from nfvlab.timer.rounds import HARDWARE, HRTIMER, cost_cycles, looks
from nfvlab.timer.settled import MAX_NS, MIN_CYCLES

if TYPE_CHECKING:
    from nfvlab.timer.analytic import Theory

COUNTS = ("exits_ratio", "switches_ratio", "hardware_frac")
QUANTILES = {"latency_p99_ns": 1e-2, "latency_p999_ns": 1e-3}
SHARES_FACTOR = 3.0  # to which shares of late interrupts are right under noise
SPIN_FACTOR = 6.0  # the same where the host spins, during which the theory has no noise
WHERE = "tests/timer/test_twins.py, random scenarios"
ONE_WAY = 1 - 1e-6
PATH_NS = 5000.0  # of the host's work in a round that noise may meet, about
NEAR_THE_END_FRAC = 0.75  # of the largest advance, above which a climb may begin anew


@dataclass(frozen=True)
class _Scenario:
    """One timer of a scenario: which of the approximations there are, and their units."""

    p: Params
    timer: int
    ways: dict[str, float]
    advance_ns: float
    cost_cycles: float

    @property
    def mixed(self) -> bool:
        """Whether rounds go several ways."""
        return max(self.ways.values()) < ONE_WAY

    @property
    def adaptive(self) -> bool:
        """Whether the advance adapts."""
        return self.p.advance == "adaptive"

    @property
    def load(self) -> float:
        """Share of the CPU that noise takes."""
        return self.p.noise_per_s * self.p.noise_ns / 1e9

    @property
    def hits(self) -> float:
        """Share of the rounds that noise meets, about."""
        return self.load + self.p.noise_per_s * PATH_NS / 1e9 if self.load else 0.0

    @property
    def noise_ns(self) -> float:
        """What noise adds to the mean latency, about."""
        busy = self.load / (1 - self.load) ** 2 + self.p.noise_per_s * PATH_NS / 1e9
        return busy * self.p.noise_ns if self.load else 0.0

    @property
    def step_ns(self) -> float:
        """A step of the preemption timer."""
        return 2.0**self.p.timer_shift * self.p.cycle_ns if self.timer == HARDWARE else 0.0

    @property
    def tick_ns(self) -> float:
        """A tick of a scaled guest TSC, and a ns where KVM reckons in them."""
        whole = looks(self.p) or self.timer == HRTIMER or self.p.halting
        return (1e9 / self.p.guest_hz if self.p.guest_tsc_hz else 0.0) + (1.0 if whole else 0.0)

    @property
    def spread_ns(self) -> float:
        """How much a round's path varies, about, where that decides its way."""
        return self.p.spread_frac * self.cost_cycles * self.p.cycle_ns if self.mixed else 0.0

    @property
    def band_ns(self) -> float:
        """The adaptive advance's dead band, to one side."""
        return MIN_CYCLES * 1e9 / self.p.guest_hz if self.adaptive else 0.0

    @property
    def near_the_end(self) -> bool:
        """Whether the adaptive advance may have to begin anew."""
        return self.adaptive and self.advance_ns > NEAR_THE_END_FRAC * MAX_NS


def claim(theory: "Theory", name: str) -> Claim:
    """The claim of output `name` for a scenario."""
    output, _, timer = name.partition("[")
    k = int(timer.rstrip("]"))
    s = _Scenario(theory.params, k, theory.way_frac[k], theory.advance_ns[k], theory.cost_cycles[k])
    rel, absolute = _tolerance(s, output)
    if output in QUANTILES and s.load:
        absolute += _uncertain_ns(theory, k, QUANTILES[output])
    return approx(rel=rel, abs=absolute, where=WHERE) if rel or absolute else exact()


def _tolerance(s: _Scenario, output: str) -> tuple[float, float]:
    """Relative and absolute tolerance."""
    moving = s.adaptive and s.mixed
    if output in COUNTS:
        return 0.0, 3 * s.hits + (0.4 if moving else 0.1 if s.mixed and s.timer == HARDWARE else 0.0)
    if output == "cost_cycles":
        rel = 0.4 if moving else 0.05 if s.mixed and s.timer == HARDWARE else 0.0
        return rel, s.hits * _met_cycles(s.p)
    if output == "wait_ns":
        return _waits(s)
    if output in QUANTILES:
        return _quantiles(s)
    rel = (0.4 if s.adaptive else 0.15) if s.mixed else 0.0
    absolute = 0.1 * s.step_ns + 1.5 * s.tick_ns + 0.35 * s.band_ns + 0.6 * s.noise_ns
    return rel, absolute + (1000.0 if s.near_the_end else 0.0)


def _met_cycles(p: Params) -> float:
    """What noise that meets a round may save or add to its cost."""
    met = cost_cycles(p, {"exit": 1, "loop": 1, "entry": 1})
    return met + (cost_cycles(p, {"idle_exit": 1, "switch": 3}) if p.halting else 0.0)


def _waits(s: _Scenario) -> tuple[float, float]:
    if not looks(s.p):
        return 0.0, 0.0
    rel = 1.0 if s.adaptive and s.mixed else 0.15 if s.hits else 0.0
    ways = (0.5 if s.adaptive else 0.1) * s.spread_ns
    near = 1000.0 if s.near_the_end else 0.0
    return rel, 0.1 * s.step_ns + 1.5 * s.tick_ns + 0.6 * s.band_ns + ways + near


def _quantiles(s: _Scenario) -> tuple[float, float]:
    busy = 10 * s.load**2 * s.p.noise_ns / (1 - s.load) ** 2
    absolute = s.step_ns + 2.0 * s.tick_ns + 0.5 * s.band_ns + busy
    rel = (0.4 if s.adaptive else 0.15) if s.mixed else 0.0
    return rel, absolute + (MAX_NS if s.near_the_end else 0.0)


def _uncertain_ns(theory: "Theory", k: int, share: float) -> float:
    """How far a quantile moves if the shares of late interrupts are wrong by a factor."""
    logs = -np.log(np.maximum(theory.curve_high[k], 1e-300))
    factor = SPIN_FACTOR if looks(theory.params) else SHARES_FACTOR
    low, at, high = np.interp(-np.log([share * factor, share, share / factor]), logs, theory.curve_ns)
    return float(max(high - at, at - low))


__all__ = ["claim"]
