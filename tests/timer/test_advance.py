"""The adaptive advance and the wait: a table of cases worked by hand, rules, and wrong versions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfvlab.timer import advance
from nfvlab.timer.advance import adjust, converge, follow, wait
from nfvlab.timer.scaling import GuestClock

GHZ2 = 2_000_000  # kHz: a cycle is half a ns

CASES = [  # advance, error in cycles, advance after it at 2 GHz
    (1000, 0, 1000),
    (1000, 99, 1000),  # inside the dead band
    (1000, -99, 1000),
    (1000, 100, 1006),  # 50 ns / 8 = 6
    (1000, -100, 994),
    (1000, 10_000, 1625),  # 5000 ns / 8 = 625
    (1000, 10_001, 1000),  # a spike
    (1000, -10_001, 1000),
    (1000, -10_000, 375),
    (4990, 1600, 1000),  # 5090 > 5000: starts anew
    (4900, 1600, 5000),  # 5000 is allowed
    (600, -10_000, 1000),  # 600 - 625 < 0 is 4 294 967 271 in 32 bits: starts anew
    (625, -10_000, 0),  # exactly 0
]


@pytest.mark.parametrize(("before", "error", "after"), CASES)
def test_one_step(before, error, after):
    assert adjust(before, error, GHZ2) == after


@given(st.integers(0, 5000), st.integers(-20_000, 20_000), st.integers(1_000_000, 5_000_000))
def test_it_stays_within_its_bounds_and_moves_against_the_error(before, error, khz):
    after = adjust(before, error, khz)
    assert 0 <= after <= 5000
    assert after == 1000 or (after - before) * error >= 0


def test_a_course_is_the_steps_one_after_another_and_ends_at_zero():
    assert converge((100, -100, 50), GHZ2) == (1006, 1000, 1000)
    assert converge((-10_000, 10_000), GHZ2, 625) == (0, 0)  # without an advance nothing is measured


@given(st.integers(300, 9000), st.integers(1_500_000, 4_000_000))
def test_a_constant_path_is_met_to_within_the_dead_band_or_starts_anew_again_and_again(path, khz):
    clock = GuestClock(host_khz=khz)
    course = follow([path] * 400, clock)
    errors = [abs(path - clock.nsec_to_cycles(ns)) for ns in course[-2:]]
    if clock.cycles_to_nsec(path - 100) <= 5000 - 10:
        assert max(errors) < 100
        assert course[-1] == course[-2]


def test_a_path_longer_than_the_largest_advance_never_settles():
    course = follow([11_000] * 400, GuestClock(host_khz=GHZ2))  # 5500 ns
    assert 1000 in course[200:] and max(course[200:]) > 4500


def test_a_path_that_looks_like_a_spike_is_never_learnt():
    # 1000 ns are 2000 cycles: at 12 001 cycles each error is one too large.
    assert set(follow([12_001] * 100, GuestClock(host_khz=GHZ2))) == {1000}
    assert len(set(follow([12_000] * 100, GuestClock(host_khz=GHZ2)))) > 1


def test_it_rests_at_the_edge_of_the_dead_band_it_came_from():
    clock = GuestClock(host_khz=GHZ2)
    from_below, from_above = follow([6000] * 200, clock)[-1], follow([6000] * 200, clock, 4500)[-1]
    assert 3000 - 50 < from_below < 3000 < from_above < 3000 + 50


def test_the_wait_is_the_shorter_of_distance_and_advance():
    clock = GuestClock(host_khz=GHZ2)
    assert wait(5000, 4000, 1000, clock, adaptive=False) == (1000, -1000, 1000)
    assert wait(9000, 4000, 1000, clock, adaptive=False) == (2000, -5000, 1000)  # 1000 ns are 2000 cycles
    assert wait(5000, 5000, 1000, clock, adaptive=False) == (0, 0, 1000)
    assert wait(5000, 5100, 1000, clock, adaptive=False) == (0, 100, 1000)


def test_the_adjusted_advance_bounds_the_wait():
    # 5000 cycles early at 2 GHz: 2500 ns / 8 = 312 off 1000 ns; 688 ns are 1376 cycles.
    assert wait(9000, 4000, 1000, GuestClock(host_khz=GHZ2)) == (1376, -5000, 688)


def test_with_scaling_it_waits_in_ns_of_the_host():
    clock = GuestClock(host_khz=GHZ2, guest_khz=1_000_000)
    # Guest TSC 2000 at host TSC 4000; 500 guest cycles are 500 ns are 1000 host cycles.
    assert wait(2500, 4000, 1000, clock, adaptive=False) == (1000, -500, 1000)
    assert wait(9000, 4000, 1000, clock, adaptive=False) == (2000, -7000, 1000)
    # min_t(u32, ...): the ns to the deadline lose what exceeds 32 bits; 2**32 + 100 ns become 100 ns.
    assert wait(2000 + 2**32 + 100, 4000, 1000, clock, adaptive=False).cycles == 200


@given(st.integers(0, 1 << 40), st.integers(0, 20_000), st.integers(0, 5000))
def test_it_never_waits_beyond_the_deadline(tsc, ahead, advance_ns):
    clock = GuestClock(host_khz=2_300_000)
    assert clock.guest_tsc(tsc + wait(tsc + ahead, tsc, advance_ns, clock).cycles) <= tsc + ahead


@pytest.mark.parametrize(("before", "khz", "words"), [(-1, GHZ2, "advance_ns = -1"), (0, 0, "guest_khz = 0")])
def test_bad_input_is_named(before, khz, words):
    with pytest.raises(ValueError, match=words):
        adjust(before, 500, khz)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ADJUST_MIN_CYCLES", 101),
        ("ADJUST_MIN_CYCLES", 0),
        ("ADJUST_MAX_CYCLES", 9_999),
        ("ADJUST_MAX_CYCLES", 5_000),  # the limit before 2019
        ("ADVANCE_INIT_NS", 0),
        ("ADVANCE_MAX_NS", 4_999),
        ("ADVANCE_MAX_NS", 5_100),
        ("ADJUST_STEP", 4),
    ],
)
def test_other_constants_fail_the_table(monkeypatch, name, value):
    monkeypatch.setattr(advance, name, value)
    assert any(adjust(before, error, GHZ2) != after for before, error, after in CASES)
