"""Curves from monitoring: known curves are planted, samples drawn, and the bounds must hold where they claim to."""

import numpy as np
import pytest
from cat.watched_for_tests import WAY, WAYS, cliff, flat, held, planted, power, samples
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import isotonic_regression

from nfvlab.cat import curves
from nfvlab.cat.curves import estimate_curve, falling, find_levels
from nfvlab.cat.watched import watched
from nfvlab.params import ParamError

COUNT = np.arange(1, WAYS + 1)


def curve_of(frame, **fields):
    (found,) = watched(frame, WAY).values()
    return estimate_curve(
        found.group, found.held_ways, found.rates, WAYS, own=found.own, settled=found.settled, **fields
    )


def outside(curve, truth, slack=1e-9):
    """Way counts at which the planted curve lies outside the bounds."""
    true = truth(COUNT.astype(float))
    above, below = true > curve.upper[1:] * (1 + slack), true < curve.lower[1:] * (1 - slack)
    return COUNT[above | below]


def test_the_bounds_cover_planted_curves():
    """300 curves of four families; a level's error is 3 sigma (0.27 %), and the points of most curves make up to 6."""
    rng, missed = np.random.default_rng(11), 0
    for _ in range(300):
        truth, n = planted(rng), int(rng.choice([8, 30, 120]))
        x = held(rng, n, rng.uniform(1, 15), rng.choice([0.05, 0.5, 1.0]), rng.choice([0.0, 0.8]))
        frame = samples(rng, "g", truth, x, noise=rng.choice([0.02, 0.2]))
        missed += bool(outside(curve_of(frame), truth).size)
    assert missed <= 12  # 300 * 6 * 0.0027 = 4.9 expected at most; 12 is 3 sigma more of a Poisson count


@given(st.integers(0, 2**31), st.integers(4, 40))
def test_without_noise_the_bounds_always_hold_and_the_estimate_lies_inside_and_falls(seed, n):
    rng = np.random.default_rng(seed)
    truth, x = planted(rng), np.sort(rng.uniform(0.3, 18, n))
    curve = estimate_curve("g", x, truth(x), WAYS)
    assert not outside(curve, truth).size
    assert (curve.lower[1:] <= curve.estimate[1:]).all() and (curve.estimate[1:] <= curve.upper[1:]).all()
    assert (np.diff(curve.estimate[1:]) <= curve.estimate[1] * 1e-9).all()
    assert (np.diff(curve.lower[1:]) <= 0).all()


def test_a_group_never_seen_above_four_ways_tells_nothing_about_ten():
    rng = np.random.default_rng(1)
    curve = curve_of(samples(rng, "g", power(4e9, 0.5), held(rng, 60, 3.5, 0.4)))
    level = curve.levels[-1]
    assert curve.lower[10] == 0.0
    assert curve.upper[10] == min(one.rate + one.error for one in curve.levels)
    assert np.isinf(curve.upper[2]) and curve.lower[2] == max(one.rate - one.error for one in curve.levels)
    assert level.high_ways < 4 and curve.bounded_ways == 4
    assert curve.seen_ways == (curve.levels[0].low_ways, level.high_ways)


def test_a_limit_bounds_what_was_not_seen():
    rng = np.random.default_rng(1)
    curve = curve_of(samples(rng, "g", power(4e9, 0.5), held(rng, 60, 3.5, 0.4)), limit_bytes_per_s=5e9)
    assert curve.upper[1] == 5e9 and curve.bounded_ways == 1


def test_the_error_falls_with_the_length_of_the_recording():
    # Levels have a fixed share of the points, so 16 times the points make a quarter of the error, and less of Student.
    rng = np.random.default_rng(4)
    levels = [find_levels(held(rng, n, 5, 1.5), rng.normal(10, 1, n)) for n in (100, 1600)]
    error = [np.mean([one.error for one in some]) for some in levels]
    assert 1 / 8 < error[1] / error[0] < 1 / 3


def test_points_that_depend_on_each_other_count_for_less():
    rng, n = np.random.default_rng(5), 400
    white = rng.normal(size=n)
    slow = np.repeat(rng.normal(size=n // 40), 40)  # ten phases
    x = np.full(n, 5.0)
    errors = [find_levels(x, 10 + noise)[0].error for noise in (white, slow)]
    assert errors[1] > 2 * errors[0]


def test_the_exponent_is_fitted_where_the_ways_seen_differ():
    x = np.linspace(2, 8, 60)
    assert estimate_curve("g", x, power(1e9, 0.8)(x), WAYS).exponent == pytest.approx(0.8, abs=0.02)
    x = np.linspace(4.9, 5.1, 60)
    assert estimate_curve("g", x, power(1e9, 0.8)(x), WAYS).exponent == curves.EXPONENT
    x = np.linspace(2, 8, 60)
    wide = estimate_curve("g", x, power(1e9, 0.8)(x), WAYS)
    assert wide.estimate[[1, 5, 20]] == pytest.approx(power(1e9, 0.8)(np.array([1.0, 5, 20])), rel=0.06)


def test_a_group_that_leaves_its_own_ways_empty_wants_no_more():
    rng = np.random.default_rng(6)
    frame = samples(rng, "g", flat(2e8), held(rng, 60, 3, 0.05), own=8)
    curve = curve_of(frame)
    assert curve.lower[20] > 1.5e8 and curve.upper[3] == np.inf  # it was only seen with 8 ways of its own
    assert np.ptp(curve.estimate[8:]) < 1e-6 * curve.estimate[8]
    assert any("own empty" in note for note in curve.notes)
    tight = curve_of(samples(rng, "g", flat(2e8), held(rng, 60, 7.9, 0.05), own=8))
    assert tight.lower[20] == 0.0 and not tight.notes


def test_a_group_that_still_fills_its_ways_is_not_settled():
    x = np.linspace(0.5, 6, 30)  # it grows by as much as it brings in
    grown = np.diff(x, prepend=x[0]) * WAY
    frame = samples(np.random.default_rng(1), "g", flat(1e9), x, own=12)
    frame["mbm_total_bytes"] = np.cumsum(grown * 1.01)
    assert not watched(frame, WAY)[0, "g"].settled.any()


def test_work_that_changes_is_said():
    rng = np.random.default_rng(7)
    parts = [samples(rng, "g", flat(rate), held(rng, 60, 5, 0.05)) for rate in (1e9, 3e9)]
    points = [watched(part, WAY)[0, "g"] for part in parts]
    x, rates = (np.concatenate([getattr(p, name) for p in points]) for name in ("held_ways", "rates"))
    notes = estimate_curve("g", x, rates, WAYS).notes
    assert any("its work changed" in note for note in notes)
    steady = estimate_curve("g", points[0].held_ways, points[0].rates, WAYS)
    assert steady.notes == ()


def test_a_rate_that_rises_with_the_occupancy_is_said_and_the_bounds_widen():
    x = np.repeat([2.0, 9.0], 40)
    rates = np.repeat([1e9, 4e9], 40) * np.random.default_rng(8).lognormal(0, 0.02, 80)
    curve = estimate_curve("g", x, rates, WAYS)
    assert any("rises with its occupancy" in note for note in curve.notes)
    assert (curve.lower[2:10] < 1.1e9).all() and (curve.upper[2:9] > 3.9e9).all()


@given(st.lists(st.tuples(st.integers(-9, 9), st.integers(1, 5)), min_size=1, max_size=12))
def test_falling_is_isotonic_regression(pairs):
    values, weights = (np.array(column, dtype=float) for column in zip(*pairs, strict=True))
    expected = isotonic_regression(values, weights=weights, increasing=False).x
    assert falling(values, weights) == pytest.approx(expected)


@given(st.integers(4, 300), st.integers(0, 2**31))
def test_levels_hold_every_point_once_and_do_not_overlap(n, seed):
    rng = np.random.default_rng(seed)
    x = np.round(rng.uniform(0, rng.choice([1, 20]), n), 1)
    levels = find_levels(x, rng.random(n))
    assert sum(level.n for level in levels) == n
    assert len(levels) <= curves.MOST_LEVELS or (np.diff(np.sort(x)) >= curves.GAP_WAYS).any()
    assert all(a.high_ways < b.low_ways for a, b in zip(levels, levels[1:], strict=False))
    assert all(level.n >= curves.FEWEST for level in levels)


def test_wrong_bounds_are_rejected():
    """Mutants: the bounds the wrong way round, and a bound that reaches past what was seen."""
    rng = np.random.default_rng(9)
    truth = cliff(5e9, 6.0, 1e8)
    x = held(rng, 60, 3, 1)
    curve = estimate_curve("g", x, truth(x), WAYS)
    assert not outside(curve, truth).size
    swapped = curves.Curve("g", curve.estimate, curve.upper, curve.lower, curve.levels, 0.5)
    believed = curves.Curve(
        "g", curve.estimate, curve.estimate * 0.9, curve.estimate * 1.1, curve.levels, 0.5
    )
    assert outside(swapped, truth).size and outside(believed, truth).size


def test_refusals():
    for x, rates, words in (
        ([1.0, 2, 3], [1.0, 2, 3], "group g has fewer than 4 samples"),
        ([1.0] * 5, [1.0] * 4, "must be of one length"),
        ([1.0] * 5, [1.0, 2, np.nan, 4, 5], "finite and not negative"),
        ([-1.0] * 5, [1.0] * 5, "finite and not negative"),
    ):
        with pytest.raises(ParamError, match=words):
            estimate_curve("g", x, rates, WAYS)
