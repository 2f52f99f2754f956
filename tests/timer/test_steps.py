"""The countdown as steps: what each one shows, against counts by hand."""

import pytest

from nfvlab.timer.countdown import Countdown
from nfvlab.timer.steps import COURSES, course, walk


def column(made, name):
    return [step.registers[name] for step in made.steps]


def test_a_countdown_to_zero_by_hand():
    # X = 3: TSC >> 3 is 0 at 5, and grows at 8, 16 and 24; from 3 the third of these is zero
    made = course("to zero", shift=3, field=3, tsc=5)
    assert column(made, "TSC") == ["5", "5", "8", "16", "24", "44"]
    assert column(made, "timer") == ["does not count", "3", "2", "1", "does not count", "does not count"]
    assert made.steps[4].outcome == "VM exit: VMX-preemption timer expired"
    assert made.steps[1].registers["TSC in binary, [bit 3]"] == "000[0]101"
    assert made.steps[2].registers["TSC in binary, [bit 3]"] == "000[1]000"


@pytest.mark.parametrize(("save_value", "fields"), [(False, ["3"] * 7), (True, [*"33311", "1", "0"])])
def test_the_field_is_counted_down_only_if_it_is_saved(save_value, fields):
    # 5 + 12 = 17: two changes, so 1 is left at the other exit; the host's 30 ticks to 47 do not count
    made = course("another exit on the way", save_value=save_value)
    assert column(made, "VMCS field") == fields
    assert column(made, "TSC")[-1] == ("48" if save_value else "64")  # 1 or 3 changes after 47
    kept = "the field keeps 3, and the next entry starts from there"
    assert (kept in made.steps[3].why) == (not save_value)
    assert made.steps[3].outcome == "VM exit: another VM exit" + (", save 1" if save_value else "")


def test_zero_at_the_entry_exits_after_injection():
    made = course("zero at the entry", save_value=True)
    assert made.steps[3].why == "load 0; VM exit: VMX-preemption timer expired; save 0"
    assert made.steps[4].why.startswith("load 0; deliver the injected event; VM exit")
    assert column(made, "TSC")[2:] == ["24", "24", "24"]
    assert "21 of the ticks are left" in made.steps[2].why


def test_it_wakes_from_c1_and_stands_still_in_c6():
    awake = course("asleep")
    assert (awake.steps[3].registers["TSC"], awake.steps[3].registers["mode"]) == ("24", "root")
    deep = course("asleep too deeply")
    assert column(deep, "timer")[2:6] == ["2", "2", "2", "2"]  # C6 for 400 ticks: 10 to 410
    assert column(deep, "TSC")[-1] == "424"  # 416 and 424 are the two changes that are left


def test_in_smm_its_exit_waits_for_rsm():
    made = course("in SMM")
    assert made.steps[3].outcome.startswith("at zero, but the processor is in SMM")
    assert made.steps[4].outcome == "VM exit: VMX-preemption timer expired"


def test_without_the_control_nothing_counts():
    made = course("to zero", activate=False)
    assert set(column(made, "timer")) == {"does not count"} and column(made, "mode")[-1] == "non-root"


@pytest.mark.parametrize("name", COURSES)
def test_every_course_can_be_walked_whatever_the_timer_is_loaded_with(name):
    for field in (1, 3, 4):
        for shift in (0, 3):
            made = course(name, shift=shift, field=field, tsc=0)
            made.go(len(made.steps) - 1)
            assert len(made.steps) == len(COURSES[name]) + 1


def test_what_the_state_does_not_allow_is_told_as_refused():
    made = walk("x", Countdown(3, field=3), ["exit", "enter", "enter"])
    assert [step.outcome for step in made.steps[1:]] == ["refused", "load 3", "refused"]
    assert made.steps[3].why == "enter: already in VMX non-root operation; exit first"


def test_what_is_no_operation_and_no_course_is_refused():
    with pytest.raises(ValueError, match="operation 'fly': give one of enter"):
        walk("x", Countdown(3), ["fly"])
    with pytest.raises(ValueError, match="course 'up': give one of to zero"):
        course("up")
