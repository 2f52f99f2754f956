"""The theory of a device's interrupt meets the mechanism, every claim and point by point; wrong theories do not."""

import functools
import math
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import binom

from nfvlab import twin
from nfvlab.params import ParamError
from nfvlab.realtime.laws import Uniform
from nfvlab.units import us
from nfvlab.vfio import bounds, stages
from nfvlab.vfio.analytic import analyze
from nfvlab.vfio.params import PATHS, Params
from nfvlab.vfio.scenarios import SCENARIOS
from nfvlab.vfio.simulation import simulate

FEATURE = SimpleNamespace(Params=Params, analyze=analyze, simulate=simulate, SCENARIOS=SCENARIOS)
N = 20_000
HITS = 600  # SMIs met in N interrupts, at least: no normal error with few, and 1 % is where a quantile would jump
CHANCE = 1e-9  # of one point of a curve to be refused although the bounds hold; 20,000 points are looked at


@functools.cache
def samples(p: Params, seed: int):
    """One simulation for all that is asked of a scenario."""
    return simulate(p, rng=np.random.default_rng(seed), n=N)


def beyond(p: Params, seed: int) -> list[str]:
    """Paths whose simulated tail leaves the bounds by more than binomial chance, anywhere."""
    theory, each = analyze(p), samples(p, seed).latency_ns_each
    found = []
    for way, path in enumerate(PATHS):
        k = (each[:, way, None] > theory.curve_ns).sum(axis=0)
        too_high = binom.sf(k - 1, N, theory.curve_high[way]) < CHANCE
        too_low = binom.cdf(k, N, theory.curve_low[way]) < CHANCE
        found += [path] * bool((too_high | too_low).any())
    return found


def holds(p: Params, seed: int) -> bool:
    """Whether no claim and no curve is refused."""
    return twin.judge(analyze(p), samples(p, seed)).ok and not beyond(p, seed)


def seen(p: Params) -> Params:
    """The same with SMIs often enough to be met by N interrupts, if there are any."""
    met = N * p.smi_per_s * p.smi_ns * 1e-9
    return p.replace(smi_per_s=p.smi_per_s * max(1.0, HITS / met)) if met else p


def drawn(seed: int) -> Params:
    """A scenario with six of ten fields anywhere in their `typical` interval."""
    rng = np.random.default_rng(seed)
    while True:
        chosen = {name: _value(rng, spec) for name, spec in Params.specs().items() if rng.random() < 0.6}
        try:
            return seen(Params(**chosen))
        except ParamError:
            continue


def _value(rng, spec):
    if spec.kind is bool:
        return bool(rng.integers(2))
    low, high = spec.typical
    if spec.log:
        return float(np.exp(rng.uniform(math.log(low), math.log(high))))
    return int(rng.integers(low, high + 1)) if spec.kind is int else float(rng.uniform(low, high))


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_claim_holds_in_every_scenario(name):
    p = seen(SCENARIOS[name])
    comparison = twin.judge(analyze(p), samples(p, 11))
    assert comparison.ok, comparison
    assert len(comparison.rows) == 54


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_simulated_tail_lies_within_the_bounds_everywhere(name):
    assert not beyond(seen(SCENARIOS[name]), 11)


@pytest.mark.parametrize("seed", [*range(100, 120), 241, 288])
def test_every_claim_holds_anywhere(seed):
    """In 241 and 288 a load below the vCPU holds it up: what has begun, a switch to it, is not preempted."""
    p = drawn(seed)
    comparison = twin.judge(analyze(p), samples(p, seed))
    assert comparison.ok, comparison
    assert not beyond(p, seed)


def test_the_bounds_are_close_enough_to_be_wrong():
    """Where no load comes, both curves are within a percent of the range of each other; nothing trivial is claimed."""
    for name in ("isolated CPU", "housekeeping CPU for IRQs", "halting guest", "SMIs"):
        theory = analyze(SCENARIOS[name])
        low, high = np.array(theory.latency_p999_low_ns), np.array(theory.latency_p999_high_ns)
        assert (high <= 1.05 * low).all(), name


def test_the_talk_is_right_a_thread_costs_two_switches_and_no_thread_none():
    isolated = next(iter(SCENARIOS.values()))
    theory, exits = analyze(isolated), 1.0
    assert theory.switches_ratio[:3] == (0.0, 2.0, 0.0) and theory.exits_ratio[:3] == (exits,) * 3
    assert theory.latency_ns[0] == theory.latency_ns[2] < theory.latency_ns[1]


# -- wrong theories: each must be refused by a scenario that the right one passes -----------------------------

LOADED = Params(load_frac=0.3, load_ns=20 * us, load_priority_level=10, vcpu_priority_level=1)
BELOW = LOADED.replace(vcpu_priority_level=20)
STOPPED = Params(smi_per_s=300.0, smi_ns=150 * us)


@pytest.mark.parametrize("p", [LOADED, BELOW, STOPPED, Params()], ids=["loaded", "below", "stopped", "alone"])
def test_the_right_theory_passes_what_wrong_ones_do_not(p):
    assert holds(p, 5)


def test_smis_not_counted_are_rejected(monkeypatch):
    monkeypatch.setattr(bounds.Bounds, "_stopped", lambda self, atoms: atoms)
    assert set(beyond(STOPPED, 5)) == set(PATHS)


def test_smis_in_the_mean_forgotten_are_rejected(monkeypatch):
    monkeypatch.setattr("nfvlab.vfio.analytic._stopped", lambda p, mean_ns: mean_ns)
    assert not holds(STOPPED, 5)


def test_a_forgotten_switch_to_the_irq_thread_is_rejected(monkeypatch):
    honest = stages.handler

    def forgotten(p, path):
        names = list(honest(p, path))
        if path == "threaded":
            names.remove("switch")
        return tuple(names)

    monkeypatch.setattr(stages, "handler", forgotten)
    assert beyond(Params(), 5) == ["threaded"]
    failed = {row.field for row in twin.judge(analyze(Params()), samples(Params(), 5)).failures}
    assert {"latency_ns[1]", "switches_ratio[1]", "cost_cycles[1]"} <= failed


@pytest.mark.parametrize("p", [LOADED, BELOW], ids=["load above", "load below"])
def test_swapped_priorities_are_rejected(p, monkeypatch):
    def swapped(p):
        return p.load_frac > 0 and p.load_priority_level < p.vcpu_priority_level

    monkeypatch.setattr(stages, "over_vcpu", swapped)
    monkeypatch.setattr(stages, "beside_vcpu", swapped)
    assert not holds(p, 5)


def test_a_load_forgotten_behind_whoever_preempted_the_vcpu_is_rejected(monkeypatch):
    def alone(p, path):
        away = (Uniform(width_ns=p.away_ns),)
        yield stages.Mode(
            frac=1.0, flight=(), held=away, serial=stages.RUN, foreign=stages.RUN[:-1], queues=True
        )

    p = LOADED.replace(away_ns=30 * us, load_frac=0.4)
    assert holds(p, 6)
    monkeypatch.setattr(stages, "_preempted", alone)
    assert "VT-d preempted" in beyond(p, 6)


def test_a_job_that_always_finds_the_cpu_free_is_rejected(monkeypatch):
    """The load's share forgotten: what is there at t = 0 counts, not only what comes."""
    monkeypatch.setattr(stages, "_states", lambda p, loaded: (1.0, 0.0))
    assert not holds(LOADED, 5)
