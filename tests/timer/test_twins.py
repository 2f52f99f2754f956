"""Theory against mechanism: every scenario, scenarios at random, and mechanisms that are wrong on purpose."""

import numpy as np
import pytest

from nfvlab import timer, twin
from nfvlab.params import ParamError
from nfvlab.specs import Spec
from nfvlab.timer import simulation
from nfvlab.timer.params import Params

SEED = 20160613
DRAWS = 30


def compared(p: Params, n: int = 20, seed: int = SEED) -> twin.Comparison:
    return twin.compare(timer, p, rng=np.random.default_rng(seed), n=n)


def told(found: twin.Comparison) -> str:
    return "\n".join(str(row.words()) for row in found.failures)


@pytest.mark.parametrize("name", timer.SCENARIOS)
def test_theory_meets_mechanism(name):
    found = compared(timer.SCENARIOS[name])
    assert found.ok, told(found)


def drawn(spec: Spec, rng: np.random.Generator):
    """A value of a field where its slider looks."""
    if spec.kind is bool:
        return bool(rng.random() < 0.5)
    if spec.kind is str:
        return str(rng.choice(spec.choices))
    low, high = spec.typical
    value = 10 ** rng.uniform(np.log10(low), np.log10(high)) if spec.log else rng.uniform(low, high)
    return round(value) if spec.kind is int else float(value)


def scenario(seed: int) -> Params:
    """Half of the fields at random; in a third of the scenarios a deadline that falls into its own arming."""
    rng = np.random.default_rng([SEED, seed])
    while True:
        fields = {name: drawn(spec, rng) for name, spec in Params.specs().items() if rng.random() < 0.5}
        if rng.random() < 0.3:
            fields["interval_ns"] = float(rng.uniform(100, 6000))
        try:
            return Params(**fields)
        except ParamError:
            continue


@pytest.mark.parametrize("seed", range(DRAWS))
def test_theory_meets_mechanism_anywhere(seed):
    p = scenario(seed)
    found = compared(p)
    assert found.ok, p.to_json() + "\n" + told(found)


def test_what_is_claimed_exact_is_most_of_it():
    """A busy guest without noise: all that is counted and spent; its latency to one and a half nanoseconds."""
    claims = {row.field: row.claim for row in compared(timer.SCENARIOS["busy guest"], n=2).rows}
    exact = {name for name, claim in claims.items() if claim.kind == "exact"}
    assert exact == {
        f"{name}[{k}]"
        for name in ("exits_ratio", "switches_ratio", "cost_cycles", "wait_ns", "hardware_frac")
        for k in range(2)
    }
    assert claims["latency_ns[0]"].abs == 1.5 and claims["latency_ns[0]"].rel == 0


# -- mutants: the twins must find every one of them ----------------------------------------------------------------

BUSY = timer.SCENARIOS["busy guest"]


def played(change, monkeypatch):
    """The simulation with a machine that `change` has made wrong."""
    right = simulation.machine

    def wrong(p, timer_, rng):
        m = right(p, timer_, rng)
        change(m)
        return m

    monkeypatch.setattr(simulation, "machine", wrong)


def cost(stage: str, value: float):
    """A machine whose stage costs something else."""

    def change(m):
        m.cost[simulation.tables.STAGES.index(stage)] = value

    return change


def field(name: str, value):
    """A machine with another rule."""
    return lambda m: m.__setattr__(name, value)


MUTANTS = {
    "the EOI's exit is free": (BUSY.replace(apicv=False), cost("end", 0.0)),
    "the loop is left out": (BUSY, cost("loop", 0.0)),
    "the wrong bit of the TSC is counted": (BUSY.replace(timer_shift=9), field("x", 8)),
    "the preemption timer is never used": (BUSY, field("usable", False)),
    "the hrtimer expires in a thread": (BUSY, field("threaded", True)),
    "the advance is forgotten": (BUSY.replace(advance="fixed", advance_ns=2000.0), field("advance", 0)),
    "the advance does not adapt": (timer.SCENARIOS["adaptive advance"], field("adaptive", False)),
    "a halted guest stays awake": (timer.SCENARIOS["halting guest"], field("sleeps", False)),
    "the host does not poll": (timer.SCENARIOS["halting, host polls"], field("poll_for", 0.0)),
    "noise is twice as long": (
        timer.SCENARIOS["noisy host"],
        lambda m: m.__setattr__("noise_length", 2 * m.noise_length),
    ),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_wrong_mechanism_is_found(name, monkeypatch):
    p, change = MUTANTS[name]
    played(change, monkeypatch)
    assert not compared(p).ok
