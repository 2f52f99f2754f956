"""The preemption timer's steps and the guest's ticks, against every phase counted out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfvlab.timer.quantised import early_cycles, late_cycles, remainder

WIDE = 1e9


def used_up(entry: int, value: int, shift: int) -> int:
    """The TSC at which `value` flips of bit `shift` have passed since the entry, flip by flip."""
    tsc = entry
    while value > 0:
        tsc += 1
        value -= (tsc >> shift) != (tsc - 1 >> shift)
    return tsc


@pytest.mark.parametrize("shift", [0, 1, 2, 3, 4, 5])
def test_all_phases_counted_out_have_the_mean_of_two_remainders(shift):
    step = 1 << shift
    early = []
    for entry in range(step, 2 * step):
        for left in range(3 * step, 4 * step):
            early.append(entry + left - used_up(entry, left >> shift, shift))
    assert np.mean(early) == step - 1
    values, fracs = early_cycles(shift, (WIDE, WIDE), (WIDE, WIDE))
    assert values @ fracs == pytest.approx(np.mean(early))
    assert (values @ fracs, fracs.sum()) == pytest.approx((step - 1, 1))
    assert 0 <= values.min() <= values.max() <= max(early) + 1e-9
    assert fracs @ (values - values @ fracs) ** 2 == pytest.approx(np.var(early), rel=0.15, abs=1e-9)


@given(st.integers(0, 8), st.integers(0, 10**5), st.integers(0, 3000))
def test_rounds_of_constant_length_repeat_one_remainder(shift, entry, left):
    """`entry` is the work since a multiple of the step, as the last exit fell on one."""
    values, fracs = early_cycles(shift, (entry, 0.0), (left, 0.0))
    assert fracs.tolist() == [1.0]
    assert values.tolist() == [entry + left - used_up(entry, left >> shift, shift)] or left < 1 << shift


@given(st.integers(1, 12), st.floats(-100, 1))
def test_a_value_of_zero_is_used_up_at_the_entry(shift, share):
    left = share * (2**shift - 1)
    values, fracs = early_cycles(shift, (5.0, 1.0), (left, 1.0))
    assert values.tolist() == [max(left, 0.0)]
    assert fracs.tolist() == [1.0]


@given(st.floats(0, 1e4), st.floats(0, 1e4), st.integers(0, 10))
def test_a_remainder_is_less_than_a_step(mean, sd, shift):
    step = 2.0**shift
    values = remainder(mean, sd, step)
    assert np.all((values >= 0) & (values < step))


def test_a_remainder_that_varies_little_stays_where_its_mean_has_it():
    assert remainder(1000 * 64 + 20, 2.0, 64.0) == pytest.approx(20, abs=6)


def test_a_fine_tick_is_half_a_tick_late_and_a_coarse_one_anything_up_to_a_tick():
    values, fracs = late_cycles(2.0)
    assert (values.tolist(), fracs.tolist()) == ([1.0], [1.0])
    values, fracs = late_cycles(2500.0)
    assert values @ fracs == pytest.approx(1250)
    assert 0 < values.min() < values.max() < 2500
    assert fracs @ (values - 1250) ** 2 == pytest.approx(2500**2 / 12, rel=0.01)
