"""Panels of scenarios with parts: controls by path, rows of masks, buttons, what a scenario does not use."""

import re

import pytest
import toy_tenants as toy
from test_widgets import all_widgets, text_of

from nfvlab import nested, widgets
from nfvlab.params import ParamError
from nfvlab.units import MiB

FIELDS = {
    "Cache": ["cache_ways", "way_bytes"],
    "Tenant": ["tenants[*].kind", "tenants[*].data_bytes", "tenants[*].burst_count", "tenants[*].data_mask"],
}


def explore(**options):
    return widgets.explore(toy, **{"fields": FIELDS, "n": 5, "seed": 7, **options})


def headings(made):
    return [w.value for w in all_widgets(made.board.controls) if "nfvlab-heading" in w._dom_classes]


def shown(made):
    rows = {id(control.row): path for path, control in made.controls.items()}
    return [rows[id(w)] for w in all_widgets(made.board.root) if id(w) in rows]


def test_a_pattern_makes_a_group_of_each_part_and_masks_a_table():
    made = explore()
    assert headings(made) == ["Cache", "Tenant 1", "Tenant 2"]
    assert [path for path in shown(made) if path.endswith("data_mask")] == [
        "tenants[0].data_mask",
        "tenants[1].data_mask",
    ]
    rows = [w for w in all_widgets(made.board.table) if "nfvlab-row" in w._dom_classes]
    assert len(rows) == 2 and "nfvlab-part1" in rows[1]._dom_classes
    assert made.controls["tenants[1].data_mask"].label == "Tenant 2 data mask"
    assert "devices" in made.board.head.value


def test_controls_change_their_own_part():
    made = explore()
    made.controls["tenants[1].data_bytes"].entry.value = "24 MiB"
    assert [t.data_bytes for t in made.params.tenants] == [8 * MiB, 24 * MiB]
    assert made.theory.fit_frac == (1.0, 0.5)
    made.controls["tenants[1].data_mask"].strip.children[0].value = False
    assert made.params.tenants[1].data_mask == 0x7FF and made.params.tenants[0].data_mask == 0xFFF
    space = {}
    exec(text_of(made.board.code.value), space)
    assert space["p"] == made.params and "data_mask=0x7ff" in text_of(made.board.code.value)
    assert space["samples"] == made.result()


def test_what_a_scenario_does_not_use_has_no_control():
    made = explore()
    assert not [path for path in shown(made) if "burst" in path]
    made.controls["tenants[1].kind"].menu.value = "bursts"
    assert [path for path in shown(made) if "burst" in path] == ["tenants[1].burst_count"]
    made.controls["tenants[1].kind"].menu.value = "steady"
    assert not [path for path in shown(made) if "burst" in path]


def test_a_scenario_may_have_other_parts():
    made = explore()
    made.choose("four")
    assert headings(made) == ["Cache", "Tenant 1", "Tenant 2", "Tenant 3", "Tenant 4"]
    assert made.params == toy.SCENARIOS["four"]
    made.controls["tenants[3].data_bytes"].entry.value = "1 MiB"
    made.choose("two")
    assert headings(made) == ["Cache", "Tenant 1", "Tenant 2"] and made.params == toy.SCENARIOS["two"]
    assert set(made.values) == {leaf.path for leaf in nested.leaves(made.params)}


def test_a_broken_rule_names_the_part():
    made = explore()
    made.controls["cache_ways"].slider.value = 0
    assert "Tenant 2 data mask (tenants[1].data_mask) is 0xfff: names ways above 3" in text_of(
        made.board.picture.value
    )
    made.set(**{"cache_ways": 12, "tenants[0].data_bytes": -1.0})
    assert "Tenant 1: data (tenants[0].data_bytes) is -1 B: must lie in" in text_of(made.board.picture.value)


def test_a_button_takes_the_scenario_elsewhere():
    made = explore()
    (button,) = made.board.buttons
    button.click()
    assert [t.data_mask for t in made.params.tenants] == [0x3F, 0xFC0]
    assert made.controls["tenants[1].data_mask"].entry.value == "fc0"
    made.reset()
    assert made.params == toy.SCENARIOS["two"]


def test_the_rest_is_by_part_too_and_named():
    made = explore(fields={"Tenant": ["tenants[*].data_mask"]})
    made.board.fold.selected_index = 0
    assert "tenants[1].data_bytes" in shown(made)
    assert made.controls["tenants[1].data_bytes"].hint().startswith("Tenant 2: data, MiB: data")
    assert made.controls["tenants[1].data_bytes"].label == "Tenant 2: data"
    made.choose("four")
    assert "tenants[3].data_bytes" in shown(made)


def test_a_mask_among_the_rest_has_as_many_cells_as_there_are_ways():
    made = explore(fields={"Cache": ["cache_ways"]})
    made.board.fold.selected_index = 0
    assert len(made.controls["tenants[1].data_mask"].strip.children) == 12
    made.set(cache_ways=16)
    assert len(made.controls["tenants[0].data_mask"].strip.children) == 16


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"fields": ["tenants"]}, "'tenants' is a tuple of parameters; name a field of them, tenants[*]"),
        ({"fields": ["tenants[*].date_bytes"]}, "did you mean 'tenants[*].data_bytes'?"),
        ({"fields": ["tenants[7].data_bytes"]}, "'tenants[7].data_bytes' is not a field"),
    ],
)
def test_paths_that_do_not_exist_are_refused(options, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        explore(**options)


def test_all_parts_can_be_set_at_once():
    made = explore()
    made.set(tenants=(toy.Tenant(data_mask=1), toy.Tenant(), toy.Tenant(data_bytes=1 * MiB)), cache_ways=16)
    assert len(made.params.tenants) == 3 and made.params.cache_ways == 16
    assert made.controls["tenants[0].data_mask"].entry.value == "1"
    assert headings(made)[-1] == "Tenant 3"
    with pytest.raises(ParamError, match="must hold 1 to 8"):
        made.set(tenants=())
