"""Monitoring counters: units, width, turns, the kernel's arithmetic; wrong variants that the cases refuse."""

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfvlab.cmt import counters, events
from nfvlab.cmt.counters import Correction, KernelCounter, correction_of, hardware_count, overflow_count
from nfvlab.units import GB, KiB

UNIT = 64 * KiB


def follow(steps, *, width=24, unit=UNIT, rmid=1, factor=1.0, correction=None, start=0):
    """Traffic in steps of bytes through a counter, read after each: what the kernel says it was, step by step."""
    kernel = KernelCounter(rmid, unit, width, correction)
    total, before, seen = start, 0, []
    kernel.reset(hardware_count(total, unit_bytes=unit, width=width, factor=factor))
    for step in steps:
        total += step
        now = kernel.read(hardware_count(total, unit_bytes=unit, width=width, factor=factor))
        seen.append(now - before)
        before = now
    return seen


def test_the_registers():
    assert counters.evtsel(counters.MBM_LOCAL, 5) == 0x5_0000_0003
    assert counters.qm_ctr(123) == 123
    for bit, number in ((1 << 63, errno.EIO), (1 << 62, errno.EINVAL), (3 << 62, errno.EIO)):
        with pytest.raises(counters.CounterError) as refused:
            counters.qm_ctr(bit | 5)
        assert refused.value.errno == number
    with pytest.raises(ValueError, match="rmid = 1024"):
        counters.evtsel(counters.MBM_TOTAL, 1024)
    with pytest.raises(ValueError, match="event = 4"):
        counters.evtsel(4, 1)


def test_the_width_is_24_and_an_offset_that_is_possible():
    # MBM_CNTR_WIDTH_OFFSET_MAX is 62 - 24 = 38: a larger one is ignored with a warning
    assert [counters.counter_width(offset) for offset in (0, 8, 20, 38, 39, 255)] == [24, 32, 44, 62, 24, 24]


def test_a_reading_is_whole_units_and_the_rest_is_not_lost():
    assert follow([UNIT // 2] * 4) == [0, UNIT, 0, UNIT]
    assert follow([UNIT // 2] * 4, start=UNIT // 2) == [UNIT, 0, UNIT, 0]
    assert counters.occupancy_reading(3 * UNIT - 64, UNIT) == 2 * UNIT
    assert counters.occupancy_reading(3 * UNIT, UNIT) == 3 * UNIT


@given(st.integers(4, 62), st.data())
def test_less_than_one_turn_is_read_right_wherever_the_counter_stands(width, data):
    previous = data.draw(st.integers(0, 2**width - 1))
    passed = data.draw(st.integers(0, 2**width - 1))
    assert overflow_count(previous, (previous + passed) % 2**width, width) == passed


def test_a_narrow_counter_is_short_by_whole_turns():
    # 16 units go round: 15 units pass unseen by nobody, 16 look like none, 35 like 3
    assert follow([15 * UNIT, 16 * UNIT, 35 * UNIT], width=4) == [15 * UNIT, 0, 3 * UNIT]


@given(st.lists(st.integers(0, 50 * UNIT), min_size=1, max_size=12), st.integers(4, 62))
def test_readings_differ_from_the_traffic_by_turns_and_less_than_a_unit(steps, width):
    turn = 2**width * UNIT
    for seen, true in zip(follow(steps, width=width), steps, strict=True):
        wrong = (true - seen) / turn
        assert abs(true - seen - round(wrong) * turn) < UNIT


def test_miscounting_is_put_right_above_the_threshold_only():
    part = Correction(159, 1.454334)
    steps = [1000 * UNIT] * 3
    assert follow(steps, rmid=159, factor=1.0, correction=part) == steps  # at the threshold: counts right
    short = follow(steps, rmid=160, factor=part.factor)
    assert all(0.686 < seen / 1000 / UNIT < 0.6881 for seen in short)  # 1 / 1.454334 = 0.6876
    right = follow(steps, rmid=160, factor=part.factor, correction=part)
    assert all(abs(seen - 1000 * UNIT) <= 2 * UNIT for seen in right)
    assert sum(right) >= 2998 * UNIT  # the correction of the sum: rounding does not add up


def test_the_correction_is_in_fixed_point():
    # CF(0.969650) = int(1048576 * 0.969650 + 0.5) = 1016752; 10**6 units become 10**6 * 1016752 >> 20 = 969650
    assert Correction(15, 0.969650).corrected(16, 10**6) == 10**6 * 1016752 >> 20 == 969650
    assert Correction(15, 1.0).corrected(16, 12345) == 12345


def test_parts_of_the_table():
    assert correction_of(0) is None
    assert correction_of(22) == Correction(159, 1.454334)
    assert correction_of(5) == Correction(31, 1.066667)  # monitor.c alone has it
    assert not correction_of(8).applies(
        63
    )  # printed threshold 0: nothing to correct, and the part has RMIDs to 63
    with pytest.raises(ValueError, match="part_cores = 29"):
        correction_of(29)


def test_the_longest_safe_interval():
    # 2**24 units of 64 bytes are 1 GiB: at 2**30 bytes a second that is one second
    assert counters.longest_interval_ns(width=24, unit_bytes=64, bytes_per_s=2**30) == 1e9
    interval = counters.longest_interval_ns(width=24, unit_bytes=UNIT, bytes_per_s=40 * GB)
    passed = [(40 * GB) * (interval * share / 1e9) for share in (0.999, 1.001)]
    safe, wrong = follow(passed)
    assert abs(safe - passed[0]) < UNIT and wrong < 0.01 * passed[1]


def wrong_width(previous, current, width):
    return overflow_count(previous, current, {24: 32}.get(width, width))


def no_wrap(previous, current, width):
    return current - previous


def one_bit_short(previous, current, width):
    return overflow_count(previous, current, width - 1)


@pytest.mark.parametrize("mutant", [wrong_width, no_wrap, one_bit_short])
def test_a_wrong_difference_is_refused(monkeypatch, mutant):
    monkeypatch.setattr(counters, "overflow_count", mutant)
    with pytest.raises(AssertionError):
        # from 5 units before the turn to 5 after it, then 3/4 of a turn
        assert follow([10 * UNIT, 3 * 2**22 * UNIT], start=(2**24 - 5) * UNIT) == [
            10 * UNIT,
            3 * 2**22 * UNIT,
        ]


def test_a_correction_at_the_threshold_is_refused(monkeypatch):
    monkeypatch.setattr(Correction, "applies", lambda self, rmid: rmid >= self.rmid_threshold)
    with pytest.raises(AssertionError):
        test_miscounting_is_put_right_above_the_threshold_only()


def test_the_events_of_perf():
    made = events.events(UNIT)
    assert list(made) == ["intel_cqm/llc_occupancy/", "intel_cqm/total_bytes/", "intel_cqm/local_bytes/"]
    occupancy, total, local = made.values()
    assert occupancy.printed(3) == 3 * UNIT and occupancy.snapshot and occupancy.unit == "Bytes"
    assert total.printed(2_500_000) == 2.5 and total.unit == local.unit == "MB"
    assert occupancy.sysfs()["llc_occupancy.scale"] == "65536"
    assert local.sysfs() == {
        "local_bytes": "event=0x03",
        "local_bytes.per-pkg": "1",
        "local_bytes.unit": "MB",
        "local_bytes.scale": "1e-6",
    }
    with pytest.raises(ValueError, match="unit_bytes = 0"):
        events.events(0)
