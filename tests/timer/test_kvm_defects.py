"""What KVM's two known defects do, each alone and both together, and that the sound rule does not."""

import pytest

from nfvlab.timer.kvm import Host
from nfvlab.timer.kvm_defects import after_far_deadline, after_pause
from nfvlab.timer.kvm_rules import RULES, SOUND
from nfvlab.timer.lapic_step import HARDWARE, HRTIMER
from nfvlab.timer.scaling import GuestClock

SECOND = 10**9


@pytest.mark.parametrize("rule", ["sound", "stuck on hrtimer", "2025"])
def test_with_the_clamp_a_pause_is_made_good_at_once(rule):
    seen = after_pause(rule, pause_ns=SECOND)
    # The expiry that was due, and the one that the clamp puts at now.
    assert (seen.callbacks_count, seen.delivered_count, seen.in_use) == (0, 2, HARDWARE)
    assert seen.hardware_count == seen.periods_count == 10


@pytest.mark.parametrize("rule", ["negative delta", "2022"])
@pytest.mark.parametrize("pause_ms", [10, 100, 1000])
def test_without_it_the_callback_runs_for_every_period_missed(rule, pause_ms):
    seen = after_pause(rule, pause_ns=pause_ms * 10**6, callback_ns=100)
    # Two periods are advanced on the way there, by the exit and by start_sw_period; the rest are the callback's.
    assert seen.callbacks_count == pause_ms - 2
    assert seen.off_ns == (pause_ms - 2) * 100
    assert (seen.delivered_count, seen.in_use) == (1, HRTIMER)


def test_only_both_defects_together_keep_a_periodic_guest_on_the_hrtimer():
    stays = {rule: after_pause(rule, pause_ns=SECOND).hardware_count for rule in RULES if rule != "2016"}
    assert stays == {"sound": 10, "negative delta": 10, "stuck on hrtimer": 10, "2022": 0, "2025": 10}


def test_a_pause_shorter_than_a_period_does_no_harm_anywhere():
    for rule in ("sound", "negative delta", "2022"):
        seen = after_pause(rule, pause_ns=900_000)
        assert (seen.callbacks_count, seen.in_use) == (0, HARDWARE)


def test_in_2016_a_periodic_guest_was_on_the_hrtimer_anyway():
    seen = after_pause("2016", pause_ns=SECOND)
    assert (seen.callbacks_count, seen.in_use, seen.hardware_count) == (0, HRTIMER, 0)


@pytest.mark.parametrize("rule", RULES)
def test_a_far_deadline_returns_to_the_hardware_only_by_the_sound_rule(rule):
    back = HARDWARE if RULES[rule].returns_to_hardware else HRTIMER
    assert after_far_deadline(rule) == (HRTIMER, back)


def test_the_callbacks_cost_time_which_makes_more_of_them():
    # 998 callbacks of half a period each: while they run, half as many periods pass again: 998 + 499 + ... = 1996.
    seen = after_pause("negative delta", pause_ns=SECOND, callback_ns=500_000)
    assert seen.callbacks_count == pytest.approx(2 * 998, abs=2)


def test_other_clocks_and_shifts_do_not_matter():
    clock = GuestClock(host_khz=3_000_000, guest_khz=2_000_000, offset_cycles=10**9)
    seen = after_pause("2022", pause_ns=SECOND, clock=clock, host=Host(shift=7, apicv=False))
    assert seen.callbacks_count == 998 and seen.hardware_count == 0


def test_each_defect_is_one_switch_away_from_the_sound_rule():
    assert RULES["sound"] == SOUND
    both = (RULES["2022"].clamps_periods, RULES["2022"].returns_to_hardware)
    assert both == (False, False)
    assert (RULES["negative delta"].clamps_periods, RULES["negative delta"].returns_to_hardware) == (
        False,
        True,
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"rule": "none"}, "'none'"),
        ({"callback_ns": 10**6}, "callback_ns"),
        ({"pause_ns": 0}, "pause_ns"),
        ({"pause_ns": 10**13}, "pause_ns"),
    ],
)
def test_bad_input_is_named(arguments, words):
    with pytest.raises(ValueError, match=words):
        after_pause(**{"rule": "sound", "pause_ns": SECOND} | arguments)
