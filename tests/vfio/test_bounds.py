"""Bounds of the paths against exact laws, and wrong ways of rounding."""

import numpy as np
import pytest
from scipy.special import gammaincc
from tail_references import hypoexponential_tail, quantile

from nfvlab.realtime.laws import Constant, Exponential
from nfvlab.vfio import bounds
from nfvlab.vfio.analytic import tail
from nfvlab.vfio.atoms import Atoms, Grid, cycle, on_grid, poisson
from nfvlab.vfio.bounds import Bounds
from nfvlab.vfio.params import PATHS, Params
from nfvlab.vfio.scenarios import SCENARIOS
from nfvlab.vfio.stages import laws, modes

STAGES = ("ipi", "exit", "irq", "msi", "irqfd", "post", "loop", "sync", "entry", "deliver")
EACH = {f"{name}_cycles": 300.0 + 97.0 * k for k, name in enumerate(STAGES)}
DISTINCT = Params(spread_frac=0.3, tsc_hz=2e9, **EACH)
EQUAL = DISTINCT.replace(**dict.fromkeys(EACH, 400.0))
TAILS = (0.5, 1e-2, 1e-4, 1e-6, 1e-9)


def exact_tail(p: Params, x_ns: float) -> float:
    """P(latency > x) of the path without a thread on an isolated CPU: all its stages, one after the other."""
    costs = [getattr(p, f"{name}_cycles") * p.cycle_ns for name in STAGES]
    origin, means = (1 - p.spread_frac) * sum(costs), [p.spread_frac * cost for cost in costs]
    if x_ns <= origin:
        return 1.0
    if len(set(means)) == 1:
        return float(gammaincc(len(means), (x_ns - origin) / means[0]))
    return hypoexponential_tail(means, x_ns - origin)


def encloses(p: Params, made, tails=TAILS) -> bool:
    """Whether the exact tail lies within the bounds at and around their own quantiles."""
    x = np.unique([end * at for t in tails for end in made.quantile_ns(t) for at in (0.99, 1.0, 1.01)])
    low, high = made.sf(x)
    exact = np.array([exact_tail(p, at) for at in x])
    return bool(((low <= exact * (1 + 1e-9)) & (exact * (1 - 1e-9) <= high)).all())


def coarse(p: Params, tail_frac: float = 1e-9, cells: int = 256):
    """The path without a thread, on a lattice of so many cells."""
    return Bounds(p, "no thread", tail_frac, cells).tail(modes(p, "no thread"))


@pytest.mark.parametrize("p", [DISTINCT, EQUAL], ids=["hypoexponential", "Erlang"])
@pytest.mark.parametrize("cells", [256, 1024])
def test_a_path_that_is_a_sum_has_its_exact_law_within(p, cells):
    made = coarse(p, cells=cells)
    assert encloses(p, made)
    assert made.rel_width(1e-9) < 0.05


@pytest.mark.parametrize("path", PATHS)
def test_a_tail_of_1e_9_is_known_to_a_thousandth(path):
    p = SCENARIOS["isolated CPU"]
    made = tail(p, path, tail_frac=1e-9)
    assert made.rel_width(1e-9) <= 1e-3
    if path == "no thread":
        assert encloses(p.replace(**EACH), tail(p.replace(**EACH), path))


def test_the_tail_of_a_path_that_never_ends_is_refused():
    with pytest.raises(ValueError, match="never ends here"):
        tail(Params(atomic=False), "no thread")
    with pytest.raises(ValueError, match="must be one of mainline"):
        tail(Params(), "fast")
    with pytest.raises(ValueError, match="tail_frac = 2"):
        tail(Params(), "no thread", tail_frac=2.0)


# -- parts --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [0.02, 0.3, 0.8])
def test_a_delay_cycle_of_a_unit_work_and_unit_hits_is_borels_law(rate):
    """n hits in all with probability exp(-r (n + 1)) (r (n + 1))**n / (n + 1)!, by Borel, for work 1 and hits of 1."""
    unit = Grid(1.0, 1.0, np.ones(1))
    found = [part.masses.sum() for part in cycle(unit, unit, rate, 1e-12)]
    n = np.arange(min(12, len(found)))
    assert found[: n.size] == pytest.approx(poisson(n, rate * (n + 1)) / (n + 1), rel=1e-12)
    hit = Atoms(np.ones(1), np.ones(1), 1.0, True).hit(rate, 1.0, 1e-12)
    assert hit.masses[: n.size] == pytest.approx(found[: n.size])
    assert hit.mean_ns < 1 / (1 - rate) * (1 + 1e-12)
    assert rate > 0.5 or hit.mean_ns == pytest.approx(1 / (1 - rate), rel=1e-9)


def test_what_is_missing_is_at_infinity_above_and_at_zero_below():
    above, below = (Atoms(np.array([10.0]), np.array([0.9]), 1.0, upper) for upper in (True, False))
    assert above.lost_frac == pytest.approx(0.1)
    assert above.sf(1e9) == pytest.approx(0.1) and above.quantile_ns(0.05) == np.inf
    assert below.sf(0.0) == pytest.approx(0.9) and below.quantile_ns(0.95) == 0.0


def test_a_grid_moves_masses_up_above_and_down_below():
    at, masses = np.array([1.0, 1.5, 4.2]), np.array([0.2, 0.3, 0.5])
    up, down = on_grid(at, masses, 1.0, True), on_grid(at, masses, 1.0, False)
    assert up.masses == pytest.approx([0.2, 0.3, 0, 0, 0.5]) and up.at_ns[-1] == 5.0
    assert down.masses == pytest.approx([0.5, 0, 0, 0.5]) and down.at_ns[-1] == 4.0


# -- wrong bounds -------------------------------------------------------------------------------------------


def test_rounding_down_where_up_is_due_is_rejected(monkeypatch):
    honest = bounds.masses_of
    monkeypatch.setattr(bounds, "masses_of", lambda bounded, upper: honest(bounded, False))
    assert not encloses(DISTINCT, coarse(DISTINCT))


def test_rounding_up_where_down_is_due_is_rejected(monkeypatch):
    honest = bounds.masses_of
    monkeypatch.setattr(bounds, "masses_of", lambda bounded, upper: honest(bounded, True))
    assert not encloses(DISTINCT, coarse(DISTINCT))


def far_out(made) -> bool:
    """Whether the upper bound holds where the exact tail is 1e-8, beyond a grid for tails of 1e-2."""
    x = quantile(lambda x: exact_tail(DISTINCT, x), 1e-8, 1e5)
    return bool(made.sf(x)[1] >= exact_tail(DISTINCT, x))


def test_truncation_dropped_instead_of_charged_to_infinity_is_rejected(monkeypatch):
    assert far_out(coarse(DISTINCT, tail_frac=1e-2))
    monkeypatch.setattr(Atoms, "frac", property(lambda self: 0.0, lambda self, value: None), raising=False)
    assert not far_out(coarse(DISTINCT, tail_frac=1e-2))


def test_a_spread_that_is_forgotten_is_rejected(monkeypatch):
    def stiff(p, names):
        return tuple(Constant(value_ns=law.mean_ns) for law in laws(p, names))

    assert all(isinstance(law, Exponential) for law in laws(DISTINCT, STAGES))
    monkeypatch.setattr(bounds, "laws", stiff)
    assert not encloses(DISTINCT, coarse(DISTINCT))
