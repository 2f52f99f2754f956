"""Theory against simulation of interrupt delivery: where the tolerances of `apicv.claims` were measured."""

from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest

from nfvlab import twin
from nfvlab.apicv import coalescing, meeting, messages
from nfvlab.apicv.accounting import EMULATED, Routes
from nfvlab.apicv.analytic import analyze
from nfvlab.apicv.params import Params
from nfvlab.apicv.scenarios import SCENARIOS
from nfvlab.apicv.simulation import simulate

FEATURE = SimpleNamespace(analyze=analyze, simulate=simulate)
SEED = 777001
RUNS, RANDOM_RUNS, PHASES = 5, 3, 24  # phases of several periodic vectors are drawn once a run
RANDOM = 20


def log_uniform(rng, low, high):
    """A number between two, its logarithm uniform."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def draw(index: int) -> Params:
    """A scenario of the typical domain whose rare events come often enough in a run to be seen."""
    rng = np.random.default_rng([SEED, index])
    rate, handler = log_uniform(rng, 300, 3e5), log_uniform(rng, 200, 20e3)
    masked, away = rng.choice([0, rng.uniform(0, 0.4)]), rng.choice([0, 0, rng.uniform(0, 0.4)])
    halting, apart_ns = bool(rng.random() < 0.4), 1e9 / rate
    given = {
        "interrupts_per_s": rate,
        "handler_ns": handler,
        "vector_count": int(rng.choice([1, 1, 2, 4, 8])),
        "arrivals": str(rng.choice(["poisson", "poisson", "periodic"])),
        "eoi_exit_frac": float(rng.choice([0, 1, rng.random()])),
        "tpr_writes_ratio": float(rng.choice([0, 0, rng.uniform(0, 4)])),
        "masked_frac": float(masked),
        "masked_ns": float(np.clip(masked * apart_ns * rng.uniform(0.2, 3), 100, 1e5)),
        "halting": halting,
        "away_frac": 0.0 if halting else float(away),
        "away_ns": float(np.clip(apart_ns * rng.uniform(0.5, 5), 1e4, 1e7)),
        "halt_poll_ns": float(rng.choice([0, rng.uniform(0, 4e5)])),
        "spread_frac": float(rng.uniform(0, 0.5)),
        "tsc_hz": float(rng.uniform(1e9, 4e9)),
    }
    default = Params()
    costs = {
        name: getattr(default, name) * log_uniform(rng, 0.4, 2.5)
        for name in Params.__dataclass_fields__
        if name.endswith("_cycles")
    }
    return Params(**given, **costs)


@cache
def sampled(name: str):
    """Samples of a scenario, played once for the theory and for its wrong versions."""
    return simulate(SCENARIOS[name], rng=np.random.default_rng([SEED, list(SCENARIOS).index(name)]), n=RUNS)


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_claims_hold_in_every_scenario(name):
    compared = twin.judge(analyze(SCENARIOS[name]), sampled(name))
    assert compared.ok, compared.failures


@pytest.mark.parametrize("index", range(RANDOM))
def test_the_claims_hold_in_random_scenarios(index):
    p = draw(index)
    n = PHASES if p.arrivals == "periodic" and p.vector_count > 1 else RANDOM_RUNS
    compared = twin.compare(FEATURE, p, rng=np.random.default_rng([SEED, index, 1]), n=n)
    assert compared.ok, compared.failures


def test_the_counts_of_exits_that_are_exact_are_exact():
    """An interrupt whose EOI lies beyond the measured time is the only one that may be missing."""
    theory, seen = analyze(SCENARIOS["level-triggered"]), sampled("level-triggered").estimate()
    for name in ("exits_ratio[2]", "exits_ratio[3]"):
        assert theory.claim(name).kind == "exact"
        assert theory.outputs()[name][0] == 1 == pytest.approx(seen[name].value, abs=1 / 399)


def forgets_the_eoi(monkeypatch):
    """The emulated EOI does not exit."""
    monkeypatch.setattr(Routes, "eoi_exits", property(lambda r: r.p.eoi_exit_frac))


def polls_undisturbed(monkeypatch):
    """A VT-d message does not interrupt a host that polls."""
    monkeypatch.setattr(meeting, "VTD", None)


def loses_on(monkeypatch):
    """ON is never cleared in time: only the first interrupt of a service notifies."""
    monkeypatch.setattr(messages, "notifying_per_ns", lambda r, flow: flow.rate_per_ns / 2)


def clears_the_bit_at_the_eoi(monkeypatch):
    """The vector stays pending while its handler runs: whatever comes in it is lost."""
    monkeypatch.setattr(coalescing, "set_within", lambda times, rate, periodic: 0.0 * times)


def opens_no_window(monkeypatch):
    """The emulated APIC injects while IF = 0."""
    own = Routes.window.fget
    monkeypatch.setattr(Routes, "window", property(lambda r: () if r.mode == EMULATED else own(r)))


def never_preempted(monkeypatch):
    """The thread's absence is not counted."""
    monkeypatch.setattr(Routes, "preemptions_per_ns", property(lambda r: 0.0))


@pytest.mark.parametrize(
    ("mutant", "name", "field"),
    [
        (forgets_the_eoi, "busy forwarder", "exits_ratio[0]"),
        (polls_undisturbed, "halting, host polls", "notifications_ratio[3]"),
        (loses_on, "busy forwarder", "notifications_ratio[2]"),
        (clears_the_bit_at_the_eoi, "storm", "coalesced_frac"),
        (opens_no_window, "interrupts often off", "saturation_per_s[0]"),
        (never_preempted, "shared CPU", ""),
    ],
)
def test_a_wrong_theory_is_rejected(monkeypatch, mutant, name, field):
    mutant(monkeypatch)
    compared = twin.judge(analyze(SCENARIOS[name]), sampled(name))
    assert any(row.field.startswith(field) for row in compared.failures)
