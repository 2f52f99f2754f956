"""Sums of stages on a lattice: moments, exact laws, the spin, and shares of the ways."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfvlab.timer import late
from nfvlab.timer.params import Params
from nfvlab.timer.rounds import HARDWARE, HRTIMER, Stages, cost_cycles, ways
from nfvlab.timer.scenarios import BUSY
from tests.strategies import typical

NOW = (np.zeros(1), np.ones(1))
PATH = Stages(exit=1, hv_expire=1, loop=1, sync=1)


def moments(law):
    mean = float(law.mass @ law.at)
    return mean, float(law.mass @ (law.at - mean) ** 2)


@given(typical(Params))
def test_a_sum_has_the_mean_and_the_variance_of_its_stages(p):
    stages = Stages(exit=2, loop=1, entry=3)
    total = late.total(p, stages)
    assert total.mean == pytest.approx(cost_cycles(p, stages))
    varying = [(n, p.spread_frac * getattr(p, f"{name}_cycles")) for name, n in stages.items()]
    assert total.variance == pytest.approx(sum(n * x**2 for n, x in varying))


@given(st.floats(0.01, 1), st.integers(1, 5))
def test_the_lattice_keeps_the_mean_and_adds_no_more_than_a_step_to_the_spread(spread, entries):
    total = late.total(BUSY.replace(spread_frac=spread), PATH + Stages(entry=entries))
    law = late.look(total, NOW, 0.0)
    mean, variance = moments(law)
    assert mean == pytest.approx(total.mean, abs=1e-3 * law.step)
    assert variance == pytest.approx(total.variance, abs=law.step**2)


def test_one_stage_that_varies_is_an_exponential_time():
    p = BUSY.replace(spread_frac=1.0)
    law = late.look(late.total(p, Stages(loop=1)), NOW, 0.0)
    x = p.loop_cycles * np.array([0.5, 1.0, 3.0, 8.0])
    assert law.sf(x) == pytest.approx(np.exp(-x / p.loop_cycles), rel=0.02)


def test_equal_stages_are_an_erlang_time():
    """Three exponential times of mean m: P(> x) = exp(-x / m) (1 + x / m + (x / m)^2 / 2)."""
    p = BUSY.replace(spread_frac=1.0)
    law = late.look(late.total(p, Stages(loop=3)), NOW, 0.0)
    t = np.array([1.0, 3.0, 6.0, 10.0])
    assert law.sf(t * p.loop_cycles) == pytest.approx(np.exp(-t) * (1 + t + t**2 / 2), rel=0.02)


def test_what_varies_not_at_all_is_a_step():
    p = BUSY.replace(spread_frac=0.0)
    law = late.look(late.total(p, PATH), NOW, 0.0)
    path = cost_cycles(p, PATH)
    assert law.sf(np.array([path - 1, path + 1])) == pytest.approx([1, 0])


def test_a_timer_that_is_early_moves_the_look():
    total = late.total(BUSY, PATH)
    values, fracs = np.array([0.0, 10.0, 62.0]), np.array([0.25, 0.5, 0.25])
    mean, variance = moments(late.look(total, (values, fracs), 0.0))
    assert mean == pytest.approx(total.mean - values @ fracs, abs=0.1)
    spread = fracs @ (values - values @ fracs) ** 2
    assert variance == pytest.approx(total.variance + spread, rel=0.02)


@given(st.floats(0, 3000))
def test_the_spin_ends_at_the_deadline_or_at_a_later_look(advance):
    seen = late.look(late.total(BUSY, PATH), NOW, 500.0)
    law = late.spun(seen, advance)
    kept = law.mass > 1e-12
    assert law.at[kept].min() >= -1e-9
    mean = float(seen.mass @ np.maximum(seen.at - advance, 0.0))
    assert moments(law)[0] == pytest.approx(mean, abs=1e-6 * max(mean, 1))
    wait = float(seen.mass @ np.maximum(advance - seen.at, 0.0))
    assert moments(law)[0] - wait == pytest.approx(moments(seen)[0] - advance, abs=1e-6 * 3000)


def test_what_comes_after_is_added():
    after = late.total(BUSY, Stages(entry=1, deliver=1))
    first = late.look(late.total(BUSY, PATH), NOW, after.reach)
    law = late.then(first, after)
    for found, one, other in zip(moments(law), moments(first), (after.mean, after.variance), strict=True):
        assert found == pytest.approx(one + other, rel=0.01)


@given(st.integers(1, 40))
def test_a_few_nodes_keep_the_mean(most):
    law = late.look(late.total(BUSY, PATH), NOW, 0.0)
    values, fracs = law.nodes(most)
    assert values.size <= most
    assert fracs.sum() == pytest.approx(1, abs=1e-6)
    assert values @ fracs == pytest.approx(moments(law)[0], rel=1e-6)


@given(typical(Params), st.sampled_from([HRTIMER, HARDWARE]), st.floats(0, 1e6))
def test_every_round_goes_one_way(p, timer, point):
    shares = late.fractions(p, ways(p, timer), point)
    assert shares.sum() == pytest.approx(1)
    assert np.all(shares >= 0)


def test_where_the_point_falls_decides_the_way():
    p = BUSY.replace(spread_frac=0.0)
    found = ways(p, HARDWARE)
    ends = [cost_cycles(p, way.until) for way in found[:-1]]
    for k, point in enumerate([ends[0] - 1, ends[0] + 1, ends[1] + 1]):
        assert late.fractions(p, found, point).tolist() == [float(k == at) for at in range(3)]
