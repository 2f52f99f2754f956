"""The step-through: positions, changes, and what a page without a kernel shows."""

import pytest

from nfvlab.stepper import Step, Stepper

STEPS = [
    Step("begin", "", "", {"A": "0", "B": "0"}),
    Step("add <1>", "done", "because", {"A": "1", "B": "0"}),
    Step("carry", "done", "A was full", {"A": "0", "B": "1"}),
]


def test_it_begins_at_the_first_step_and_stays_within():
    made = Stepper("Adder", STEPS)
    made.back()
    assert made.position == 0 and made.buttons["◀ Back"].disabled
    made.forward()
    assert made.step is STEPS[1] and made.changed() == {"A": ("0", "1")}
    made.go(99)
    assert made.step is STEPS[2] and made.buttons["Next ▶"].disabled
    assert made.changed() == {"A": ("1", "0"), "B": ("0", "1")}


def test_buttons_and_slider_move_it():
    made = Stepper("Adder", STEPS)
    made.buttons["Next ▶"].click()
    assert made.position == 1 and made.slider.value == 1
    made.slider.value = 2
    assert made.position == 2
    made.buttons["◀ Back"].click()
    assert made.slider.value == 1


def test_what_is_shown_is_escaped_and_marks_what_changed():
    made = Stepper("Adder", STEPS)
    made.forward()
    assert "add &lt;1&gt;" in made.head.value and "step 2 of 3" in made.head.value
    assert made.table.value.count("nfvlab-changed") == 1
    assert 'aria-live="polite"' in made.head.value


def test_a_page_without_a_kernel_has_all_steps():
    made = Stepper("Adder", STEPS)
    made.go(1)
    data = made._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    assert "A 1 → 0; B 0 → 1" in data["text/html"] and "A 1 → 0; B 0 → 1" in data["text/plain"]
    assert made.position == 1


@pytest.mark.parametrize(
    ("steps", "word"),
    [([], "nothing to step"), ([STEPS[0], Step("x", "", "", {"A": "0"})], "other registers")],
)
def test_steps_that_do_not_fit_are_refused(steps, word):
    with pytest.raises(ValueError, match=word):
        Stepper("Adder", steps)
