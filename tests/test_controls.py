"""Controls from declarations: round steps, exact entries, names for every control."""

import house
import ipywidgets as ipw
import pytest
import toy

from nfvlab import units
from nfvlab.controls import Choice, Quantity, Switch, control, grid, nearest

SPECS = {**toy.Params.specs(), **house.Mansion.specs()}
NUMBERS = [name for name, spec in SPECS.items() if spec.dimension]


def make(name):
    told, refused = [], []
    made = control(SPECS[name], told.append, refused.append)
    return made, told, refused


@pytest.mark.parametrize("name", NUMBERS)
def test_a_grid_rises_from_end_to_end_of_the_typical_values(name):
    spec = SPECS[name]
    values = grid(spec)
    assert (values[0], values[-1]) == spec.typical
    assert all(a < b for a, b in zip(values, values[1:], strict=False))
    assert all(type(value) is spec.kind for value in values)
    assert 2 <= len(values) <= 130


def test_a_grid_is_round_in_the_unit_people_read():
    assert {1 * units.GiB, 1.5 * units.GiB, 2 * units.GiB, 32 * units.GiB} <= set(grid(SPECS["size_bytes"]))
    assert {10 * units.Gbps, 12 * units.Gbps, 25 * units.Gbps, 40 * units.Gbps, 100 * units.Gbps} <= {
        round(value) for value in grid(SPECS["link_bytes_per_s"])
    }
    assert {1e6, 1.2e6, 1e7, 2e8} <= set(grid(SPECS["stall_ns"]))
    assert 0.35 in grid(SPECS["free_frac"])
    assert grid(SPECS["timer_shift"]) == tuple(range(1, 32))


def test_a_slider_tells_a_round_value_and_shows_it_in_human_units():
    made, told, _ = make("size_bytes")
    assert isinstance(made, Quantity) and made.entry.value == "2 GiB"
    made.slider.value += 1
    assert told == [int(2.5 * units.GiB)]
    assert made.entry.value == "2.5 GiB"


def test_an_entry_takes_values_off_the_slider():
    made, told, _ = make("size_bytes")
    made.entry.value = "300 GiB"
    assert told == [300 * units.GiB]
    assert made.slider.value == made.slider.max
    assert made.entry.value == "300 GiB"
    made.slider.value = made.slider.min
    assert told[-1] == 64 * units.MiB


def test_an_entry_without_a_unit_means_the_one_shown():
    made, told, _ = make("stall_ns")
    made.entry.value = "35"
    assert told == [35e6]
    assert made.entry.value == "35 ms"


def test_an_entry_that_is_no_quantity_is_refused_and_changes_nothing():
    made, told, refused = make("size_bytes")
    made.entry.value = "plenty"
    assert told == []
    assert refused[0].startswith("'plenty' is not a quantity") and "for example '2 GiB'" in refused[0]
    assert made.value == 2 * units.GiB


def test_putting_a_value_tells_nobody():
    for name, value in (("size_bytes", 5 * units.GiB), ("stalls_on", False), ("pattern", "exponential")):
        spec = toy.Params.specs()[name]
        told = []
        made = control(spec, told.append, print)
        made.put(value)
        assert told == [] and made.value == value


def test_switches_and_choices():
    made, told, _ = make("pinned")
    assert isinstance(made, Switch) and made.box.value is True
    made.box.value = False
    assert told == [False]
    made, told, _ = make("pattern")
    assert isinstance(made, Choice) and [value for _, value in made.menu.options] == ["uniform", "hot"]
    made.menu.value = "hot"
    assert told == ["hot"]


@pytest.mark.parametrize("name", [name for name, spec in SPECS.items() if spec.kind is not tuple])
def test_every_control_has_a_label_and_a_tooltip_with_unit_and_meaning(name):
    made, *_ = make(name)
    assert made.row.children == tuple(made.widgets)
    for widget in made.widgets:
        assert widget.tooltip == made.hint()
    assert made.widgets[0].description == made.label
    assert SPECS[name].doc in made.hint()
    if SPECS[name].dimension and SPECS[name].dimension.steps[0][1]:
        label, unit = made.hint().split(":")[0].split(", ")
        assert label == made.label
        assert unit in [step for _, step in SPECS[name].dimension.steps]


def test_only_core_widgets():
    for name, spec in SPECS.items():
        if spec.kind is not tuple:
            assert all(type(widget).__module__.startswith("ipywidgets.") for widget in make(name)[0].widgets)
            assert not any(isinstance(widget, ipw.Output) for widget in make(name)[0].widgets)


def test_nearest():
    assert [nearest((1, 2, 4), value) for value in (-9, 1.4, 1.6, 3.1, 99)] == [0, 0, 1, 2, 2]
