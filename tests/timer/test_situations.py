"""KVM's choice in words, and its two defects: the tables say what the state machines do."""

from nfvlab.timer import situations


def rows(table):
    return {row["deadline"]: row for row in table.rows}


def test_the_hardware_timer_serves_what_fits_and_nothing_that_is_refused():
    found = rows(situations.choices())
    hardware = [what for what, row in found.items() if row["timer"] == "VMX-preemption timer"]
    assert hardware == [
        "in 100 µs",
        "in 100 µs, X = 7",
        "in 60 s, X = 7",
        "in 100 µs, guest's TSC scaled to 1 GHz",
        "the same guest, woken before",
    ]
    assert found["in 100 µs"]["field"] == str(250_000 >> 5)
    assert found["past when it is written"]["timer"] == "none"
    assert all(row["why"] for row in found.values())


def test_only_the_negative_delta_keeps_interrupts_off_and_only_the_other_stays_on_the_hrtimer():
    table = {row["rule"]: row for row in situations.defects((1e9, 1e10)).rows}
    off = {rule: row["interrupts off after 10 s"] != "not at all" for rule, row in table.items()}
    stuck = {rule: row["far deadline, then a halt"] == "hrtimer" for rule, row in table.items()}
    assert [rule for rule in off if off[rule]] == ["negative delta", "both (Linux 5.17)"]
    assert [rule for rule in stuck if stuck[rule]] == ["stuck on hrtimer", "both (Linux 5.17)"]


def test_the_traces_part_at_the_first_expiry_after_the_pause():
    sound, wrong = (situations.pause_trace(rule) for rule in ("sound", "negative delta"))
    first = next(k for k, (a, b) in enumerate(zip(sound, wrong, strict=False)) if a != b)
    assert sound[first].op == wrong[first].op == "expire"
    assert sound[first].in_use == "VMX-preemption timer" and wrong[first].in_use == "hrtimer"
    assert sum(step.op == "hrtimer" for step in wrong) == 3  # of 5.5 periods: two are made good at the expiry
    assert sum(step.op == "hrtimer" for step in sound) == 0
    assert "4.5 ms ago" in repr(situations.trace_table("sound"))
