"""The theory of a device's interrupt against itself: sums, limits, order."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from strategies import typical

from nfvlab.vfio.analytic import PANEL_CELLS, PANEL_TAIL, analyze
from nfvlab.vfio.params import PATHS, Params
from nfvlab.vfio.scenarios import SCENARIOS
from nfvlab.vfio.stages import cost, modes, never_ends

ALONE = Params(halt_poll_ns=0.0)
STIFF = ALONE.replace(spread_frac=0.0)
RUN = "loop sync entry deliver"
SUMS = {
    "mainline": f"ipi exit irq msi irqfd post {RUN}",
    "threaded": f"ipi exit irq primary wake switch msi irqfd post switch {RUN}",
    "no thread": f"ipi exit irq msi irqfd post {RUN}",
    "VT-d running": "ipi remap notify deliver",
    "VT-d blocked": f"ipi remap idle_exit irq wake switch {RUN}",
}


def total_ns(p: Params, names: str) -> float:
    """The stages, one after the other."""
    return sum(cost(p, name) for name in names.split()) * p.cycle_ns


@pytest.mark.parametrize("path", SUMS)
@pytest.mark.parametrize("spread", [0.0, 0.1, 1.0])
def test_the_mean_is_the_sum_of_the_stages_however_they_vary(path, spread):
    p = ALONE.replace(spread_frac=spread)
    theory, way = analyze(p), PATHS.index(path)
    assert theory.latency_ns[way] == pytest.approx(total_ns(p, SUMS[path]), rel=1e-12)
    assert theory.claim(f"latency_ns[{way}]").kind == "exact"


def test_a_preempted_vcpu_is_away_for_half_of_it_in_the_mean():
    theory = analyze(ALONE)
    assert theory.latency_ns[5] == pytest.approx(ALONE.away_ns / 2 + total_ns(ALONE, f"switch {RUN}"))
    assert (theory.exits_ratio[5], theory.switches_ratio[5]) == (0.0, 0.0)


@pytest.mark.parametrize("path", SUMS)
def test_without_spread_a_path_takes_the_same_time_always(path):
    theory, way = analyze(STIFF), PATHS.index(path)
    for found in (theory.latency_p99_low_ns, theory.latency_p999_high_ns, theory.worst_ns, theory.latency_ns):
        assert found[way] == pytest.approx(total_ns(STIFF, SUMS[path]), rel=1e-10)


@given(typical(Params))
@settings(max_examples=12, deadline=None)
def test_bounds_are_in_order_and_curves_fall(p):
    theory = analyze(p)
    low99, high99 = np.array(theory.latency_p99_low_ns), np.array(theory.latency_p99_high_ns)
    low999, high999 = np.array(theory.latency_p999_low_ns), np.array(theory.latency_p999_high_ns)
    assert (low99 <= high99).all() and (low999 <= high999).all()
    assert (low99 <= low999).all() and (high99 <= high999).all()
    assert (np.array(theory.worst_ns) >= low999 * (1 - 1e-9)).all()
    assert (theory.curve_low <= theory.curve_high).all()
    assert (np.diff(theory.curve_ns) > 0).all()
    for curve in (theory.curve_low, theory.curve_high):
        assert ((curve >= 0) & (curve <= 1)).all() and (np.diff(curve, axis=1) <= 0).all()
    for way, path in enumerate(PATHS):
        starved = never_ends(p, path)
        assert math.isinf(theory.latency_ns[way]) == math.isinf(theory.latency_p99_low_ns[way]) == starved


@given(typical(Params, spread_frac=0.0, smi_per_s=0.0, load_frac=0.0))
@settings(max_examples=40, deadline=None)
def test_a_worst_case_is_passed_by_no_quantile(p):
    """Upper bounds of quantiles are rounded up on the lattice, by a cell a law."""
    theory = analyze(p)
    for worst, high in zip(theory.worst_ns, theory.latency_p999_high_ns, strict=True):
        assert high <= worst * (1 + 16 / PANEL_CELLS)


COSTS = sorted({name for names in (*SUMS.values(), "switch") for name in names.split()})


@pytest.mark.parametrize("name", COSTS)
def test_a_dearer_stage_makes_no_path_faster(name):
    dear = ALONE.replace(**{f"{name}_cycles": 1.3 * cost(ALONE, name) + 100})
    before, after = analyze(ALONE), analyze(dear)
    for way, path in enumerate(PATHS):
        used = sum(mode.frac * (*mode.flight, *mode.serial).count(name) for mode in modes(dear, path))
        more = used * (cost(dear, name) - cost(ALONE, name)) * ALONE.cycle_ns
        mean = after.latency_ns[way] - before.latency_ns[way]
        assert mean == pytest.approx(more, abs=1e-9 * after.latency_ns[way])
        assert after.latency_p999_high_ns[way] >= before.latency_p999_low_ns[way]


@pytest.mark.parametrize("changes", [{}, {"halting": True}, {"same_cpu": False}])
def test_a_vcpu_of_higher_priority_waits_less(changes):
    loaded = Params(load_frac=0.3, load_priority_level=10, irq_priority_level=50, **changes)
    low, equal, high = (analyze(loaded.replace(vcpu_priority_level=level)) for level in (1, 10, 20))
    for below, above in ((low, high), (equal, high), (low, equal)):
        for way in range(len(PATHS)):
            reach = below.reach_ns[way] + above.reach_ns[way]
            assert above.latency_ns[way] <= below.latency_ns[way] + reach
            assert above.latency_p99_low_ns[way] <= below.latency_p99_high_ns[way]
    assert high.latency_ns[2] + high.reach_ns[2] < low.latency_ns[2] - low.reach_ns[2]


@pytest.mark.parametrize("name", ["load above vCPU", "desktop, SCHED_OTHER"])
def test_a_load_that_vanishes_leaves_nothing(name):
    p = SCENARIOS[name]
    none, few = analyze(p.replace(load_frac=0.0)), analyze(p.replace(load_frac=1e-7))
    for way in range(len(PATHS)):
        assert (
            abs(few.latency_ns[way] - none.latency_ns[way]) <= few.reach_ns[way] + none.reach_ns[way] + 1e-3
        )
        cell_ns = (
            p.load_ns + 2 * none.latency_ns[way]
        ) / PANEL_CELLS  # a lattice that still holds the load's jobs
        assert few.reach_ns[way] <= 3 * cell_ns
        assert few.latency_p99_low_ns[way] <= none.latency_p99_high_ns[way]
        assert none.latency_p99_low_ns[way] <= few.latency_p99_high_ns[way]


@pytest.mark.parametrize("gone", [{"smi_per_s": 1e-7}, {"irqoff_frac": 1e-9}])
def test_disturbances_that_vanish_leave_nothing(gone):
    none, few = analyze(ALONE), analyze(ALONE.replace(**gone))
    assert few.latency_ns == pytest.approx(none.latency_ns, rel=1e-6)
    assert np.array(few.latency_p999_low_ns) == pytest.approx(none.latency_p999_low_ns, rel=0.03)
    assert np.array(few.latency_p999_high_ns) == pytest.approx(none.latency_p999_high_ns, rel=0.03)


def test_smis_lengthen_the_mean_as_a_delay_cycle():
    """Work w beside SMIs of share l and length s: (w + l s / (2 (1 - l))) / (1 - l), w preceded by what M/D/1 holds."""
    p = ALONE.replace(smi_per_s=1000.0, smi_ns=100e3)
    share = 0.1
    left = share * p.smi_ns / 2 / (1 - share)
    for way, path in enumerate(SUMS):
        wanted = (total_ns(p, SUMS[path]) + left) / (1 - share)
        assert analyze(p).latency_ns[way] == pytest.approx(wanted, rel=1e-12)


def test_a_faster_clock_scales_every_path_that_costs_only_cycles():
    slow, fast = analyze(STIFF), analyze(STIFF.replace(tsc_hz=2 * STIFF.tsc_hz))
    for way in range(5):
        assert fast.latency_ns[way] == pytest.approx(slow.latency_ns[way] / 2)
    assert fast.cost_cycles == slow.cost_cycles


def test_the_curve_reaches_the_tail_that_the_panel_asks_for():
    theory = analyze(SCENARIOS["isolated CPU"])
    assert (theory.curve_high[:, -1] <= PANEL_TAIL).all() and (theory.curve_low[:, 0] >= 0.9).all()


def test_a_mean_without_an_end_is_claimed_as_a_lower_bound():
    """Jobs that cost more, with switches, than the load thinks between them: the vCPU may be held off for ever."""
    p = Params(load_frac=0.5, load_ns=1000.0, load_priority_level=70, switch_cycles=5000.0)
    theory = analyze(p)
    assert math.isinf(theory.reach_ns[0]) and math.isfinite(theory.latency_ns[0])
    assert theory.claim("latency_ns[0]").kind == "lower"
    assert (
        theory.claim("latency_p99_low_ns[0]").kind == "lower" and theory.claim("worst_ns[0]").kind == "upper"
    )
