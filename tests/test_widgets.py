"""Panels without a browser: state, two stages, broken rules, what they offer to take away."""

import asyncio
import base64
import csv
import io
import re
from html import unescape
from pathlib import Path
from types import SimpleNamespace

import ipywidgets as ipw
import numpy as np
import pytest
import toy
from PIL import Image

from nfvlab import montecarlo, panel, widgets
from nfvlab.params import ParamError
from nfvlab.units import GiB, ms

HERE = str(Path(__file__).parent)
FIELDS = {"Transfer": ["size_bytes", "deadline_ns"], "Stalls": ["stalls_on", "stall_rate_per_s", "pattern"]}


def explore(feature=toy, **options):
    return widgets.explore(feature, **{"fields": FIELDS, "n": 40, "seed": 7, **options})


def spied(**replaced):
    """The toy with some of its functions replaced, and what its simulation was asked for."""
    asked = []

    def simulate(p, *, rng, n):
        asked.append((p, n))
        return toy.simulate(p, rng=rng, n=n)

    names = ("__name__", "Params", "SCENARIOS", "analyze", "figures", "figure")
    parts = {name: getattr(toy, name) for name in names} | {"simulate": simulate} | replaced
    return SimpleNamespace(**parts), asked


def text_of(html):
    return unescape(re.sub(r"<[^>]*>", "", html))


def picture_of(made):
    return re.search(r'src="data:image/png;base64,([^"]+)"', made.board.picture.value)[1]


def all_widgets(widget):
    yield widget
    for child in getattr(widget, "children", ()):
        yield from all_widgets(child)


# What is built


def test_controls_follow_the_fields_in_their_groups():
    made = explore()
    assert list(made.controls) == [name for names in FIELDS.values() for name in names]
    headings = [w.value for w in all_widgets(made.board.root) if "nfvlab-heading" in w._dom_classes]
    assert headings == ["Transfer", "Stalls"]


def test_the_rest_waits_under_more_until_it_is_opened():
    made = explore()
    assert made.board.more.children == ()
    made.board.fold.selected_index = 0
    assert set(made.controls) == set(toy.Params.specs())
    assert len(made.board.more.children) == len(toy.Params.specs()) - 5
    made.controls["streams_count"].slider.value += 1
    assert made.params.streams_count == 2


def test_without_fields_the_first_eight_stand_in_front():
    assert len(explore(fields=None).controls) == 8
    assert list(explore(fields=["pattern"]).controls) == ["pattern"]


def test_only_core_widgets_and_no_output():
    made = explore()
    made.board.fold.selected_index = 0
    kinds = {type(widget) for widget in all_widgets(made.board.root)}
    assert all(kind.__module__.startswith("ipywidgets.") for kind in kinds)
    assert not kinds & {ipw.Output, ipw.interactive}


def test_every_control_has_a_name_for_those_who_do_not_see_it():
    made = explore()
    made.board.fold.selected_index = 0
    inputs = (ipw.IntSlider, ipw.Text, ipw.Checkbox, ipw.Dropdown, ipw.Button, ipw.IntProgress)
    for widget in all_widgets(made.board.root):
        if isinstance(widget, inputs):
            assert widget.tooltip, widget


@pytest.mark.parametrize(
    "options, words",
    [
        ({"fields": ["sise_bytes"]}, "'sise_bytes' is not a field; did you mean 'size_bytes'?"),
        ({"fields": {"A": ["pattern"], "B": ["pattern"]}}, "'pattern' stands twice"),
        ({"scenario": "a god link"}, "'a god link' is not a scenario; did you mean 'a good link'?"),
        ({"labels": {"size": "Size"}}, "'size' is not a field"),
        ({"n": 0}, "n = 0"),
    ],
)
def test_names_that_do_not_exist_are_refused(options, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        explore(**options)


def test_labels_can_be_renamed():
    made = explore(labels={"size_bytes": "File"})
    assert made.controls["size_bytes"].slider.description == "File"
    assert made.controls["size_bytes"].hint().startswith("File, GiB: what is sent")


# The theory follows


def test_a_slider_moves_the_parameters_the_picture_and_the_results():
    made = explore()
    before = picture_of(made)
    made.controls["stall_rate_per_s"].slider.value += 5
    assert made.params.stall_rate_per_s == 13
    assert made.theory == toy.analyze(made.params)
    assert picture_of(made) != before
    assert made.headline()["Total time"] in text_of(made.board.picture.value)


def test_the_picture_is_an_image_with_alternative_text_and_a_fixed_size():
    made = explore()
    image = Image.open(io.BytesIO(base64.b64decode(picture_of(made))))
    assert image.size == (912, 528)
    tag = re.search(r"<img [^>]*>", made.board.picture.value)[0]
    assert 'width="760" height="440"' in tag
    assert f'alt="{made.picture.alt(made.params, made.theory)}"' in unescape(tag)


def test_switches_choices_and_entries_move_them_too():
    made = explore()
    made.controls["stalls_on"].box.value = False
    assert made.theory.stalls_count == 0
    made.controls["pattern"].menu.value = "exponential"
    assert made.params.pattern == "exponential"
    made.controls["size_bytes"].entry.value = "2.2 GiB"
    assert made.params.size_bytes == round(2.2 * GiB)


def test_setting_from_python_moves_the_controls():
    made = explore()
    made.set(stall_rate_per_s=20.0, pattern="exponential", stalls_on=False, size_bytes=1 * GiB)
    assert made.controls["size_bytes"].entry.value == "1 GiB"
    assert made.controls["stall_rate_per_s"].slider.value == 20
    assert made.controls["pattern"].menu.value == "exponential"
    assert made.controls["stalls_on"].box.value is False
    with pytest.raises(ParamError, match="did you mean 'size_bytes'"):
        made.set(sise_bytes=3)


def test_scenarios_and_reset():
    made = explore()
    assert made.board.preset.options == tuple(toy.SCENARIOS)
    made.board.preset.value = "a bad link"
    assert made.params == toy.SCENARIOS["a bad link"]
    made.controls["stall_rate_per_s"].slider.value = 3
    assert made.params != toy.SCENARIOS["a bad link"]
    made.board.reset.click()
    assert made.params == toy.SCENARIOS["a bad link"]
    assert made.controls["stall_rate_per_s"].slider.value == 40
    with pytest.raises(KeyError, match="the scenarios are a good link"):
        made.choose("a golden link")


def test_a_panel_starts_where_it_is_told():
    assert explore(scenario="a bad link").params == toy.SCENARIOS["a bad link"]
    own = toy.Params(stall_rate_per_s=17.25)
    made = explore(scenario=own)
    assert made.params == own and made.preset == "as given"
    assert made.controls["stall_rate_per_s"].entry.value == "17.2 /s"
    made.choose("a small file")
    made.choose("as given")
    assert made.params == own
    assert explore(scenario=toy.SCENARIOS["a small file"]).preset == "a small file"


# Broken rules


def test_a_broken_rule_is_shown_in_the_panel_and_mending_it_clears_it():
    made = explore()
    good, source = made.params, picture_of(made)
    made.controls["deadline_ns"].slider.value = 0
    shown = text_of(made.board.picture.value)
    assert (
        "Deadline (deadline_ns) is 100 ms: at least size_bytes / link_bytes_per_s; allow more time" in shown
    )
    assert 'role="alert"' in made.board.picture.value
    assert made.error and made.params == good and picture_of(made) == source
    assert made.board.links.layout.visibility == "hidden"
    assert "# These values break a rule" in text_of(made.board.code.value)
    with pytest.raises(ParamError, match="Deadline"):
        made.result()
    made.controls["deadline_ns"].slider.value = 20
    assert made.error is None and "alert" not in made.board.picture.value


def test_all_broken_rules_are_shown_at_once():
    made = explore()
    made.set(stall_rate_per_s=-1.0, size_bytes=0, pattern="wild")
    items = re.findall(r"<li>(.*?)</li>", made.board.picture.value)
    assert [item.split(" (")[0] for item in items] == ["Size", "Stall rate", "Pattern"]
    assert "did you mean" in items[2] or "write one of them" in items[2]


def test_what_cannot_be_understood_is_refused_in_the_panel():
    made = explore()
    made.controls["size_bytes"].entry.value = "<b>lots</b>"
    shown = made.board.picture.value
    assert "Size: not understood" in text_of(shown) and "<b>lots" not in shown
    made.controls["size_bytes"].entry.value = "1 GiB"
    assert made.error is None and made.params.size_bytes == 1 * GiB


def test_a_bug_in_the_model_is_named_in_the_panel_and_not_hidden():
    def analyze(p):
        if p.stall_rate_per_s > 10:
            raise ZeroDivisionError("nothing to divide by")
        return toy.analyze(p)

    made = explore(spied(analyze=analyze)[0])
    with pytest.raises(ZeroDivisionError):
        made.controls["stall_rate_per_s"].slider.value = 20
    assert "The model failed" in text_of(made.board.picture.value)
    assert "ZeroDivisionError: nothing to divide by" in text_of(made.board.picture.value)


# The Monte Carlo follows after a rest


@pytest.fixture
def short_rest(monkeypatch):
    monkeypatch.setattr(panel, "REST_S", 0.02)


def test_the_simulation_starts_after_a_rest_and_reports_its_progress(short_rest):
    async def session():
        feature, asked = spied()
        made = explore(feature)
        bar = []
        made.board.bar.observe(lambda change: bar.append(change["new"]), "value")
        made.controls["stall_rate_per_s"].slider.value = 20
        assert asked == [] and made.samples is None
        await made.settled()
        assert [n for _, n in asked] == [2] * 20
        assert bar == [*range(5, 100, 5), 0]
        return made

    made = asyncio.run(session())
    assert made.samples == montecarlo.monte_carlo(toy, made.params, seed=7, n=40)
    assert "simulated" in text_of(made.board.picture.value)
    assert "40 simulated runs, seed 7" in text_of(made.board.status.value)
    assert 'aria-live="polite"' in made.board.status.value
    assert made.board.bar.layout.visibility == "hidden"


def test_the_next_change_cancels_the_simulation_which_is_then_of_the_last_state(short_rest):
    async def session():
        feature, asked = spied()
        made = explore(feature)
        for value in (10, 20, 30):
            made.controls["stall_rate_per_s"].slider.value = value
            stale = made._task
            await asyncio.sleep(0)
        while not asked:
            await asyncio.sleep(0)  # look at every step, or all of them may be done between two looks
        made.controls["stall_rate_per_s"].slider.value = 40
        await made.settled()
        assert stale.cancelled()
        return made, asked

    made, asked = asyncio.run(session())
    rates = [p.stall_rate_per_s for p, _ in asked]
    assert set(rates) == {30, 40} and rates.count(40) == 20 and rates.count(30) < 20
    assert made.samples == montecarlo.monte_carlo(toy, made.params, seed=7, n=40)


def test_a_rule_broken_meanwhile_stops_the_simulation(short_rest):
    async def session():
        feature, asked = spied()
        made = explore(feature)
        made.set(deadline_ns=1.0)
        await asyncio.sleep(0.1)
        return made, asked

    made, asked = asyncio.run(session())
    assert asked == [] and made.samples is None and made.error


def test_a_failure_of_the_simulation_is_shown(short_rest):
    def simulate(p, *, rng, n):
        raise OverflowError("too many")

    async def session():
        made = explore(spied(simulate=simulate)[0])
        with pytest.raises(OverflowError):
            await made.settled()
        return made

    made = asyncio.run(session())
    assert "The simulation failed" in text_of(made.board.picture.value)
    assert made.board.bar.layout.visibility == "hidden"


def test_without_a_loop_the_result_is_computed_when_asked_for_and_once():
    feature, asked = spied()
    made = explore(feature)
    assert asked == [] and made.samples is None
    first = made.result()
    assert made.result() is first and len(asked) == 20
    assert made.result(4).n == 4 and made.samples is first


# What is taken away


@pytest.mark.parametrize("scenario", [*toy.SCENARIOS, toy.Params(stall_rate_per_s=1 / 3, stall_ns=0.7 * ms)])
def test_the_python_view_makes_the_same_state_again(scenario):
    made = explore(scenario=scenario)
    made.controls["stalls_on"].box.value = False
    made.result()
    space = {}
    exec(text_of(made.board.code.value), space)
    assert (space["p"], space["theory"], space["samples"]) == (made.params, made.theory, made.samples)
    assert "stalls_on=False" in made.board.code.value and "pattern" not in made.board.code.value


def downloads(made):
    links = re.findall(r'<a download="([^"]+)" href="data:([^;]+);base64,([^"]+)"', made.board.links.value)
    return {name: (kind, base64.b64decode(data)) for name, kind, data in links}


def test_the_csv_holds_parameters_theory_and_simulation_in_base_units():
    made = explore()
    made.result()
    kind, data = downloads(made)["toy.csv"]
    rows = list(csv.DictReader(io.StringIO(data.decode())))
    assert kind == "text/csv"
    values = {(row["kind"], row["name"]): row["value"] for row in rows}
    assert int(values["parameter", "size_bytes"]) == made.params.size_bytes
    assert float(values["theory", "total_time_ns"]) == made.theory.total_time_ns
    estimate = made.samples.estimate()["total_time_ns"]
    assert float(values["simulation", "total_time_ns"]) == estimate.value
    assert len(rows) == len(toy.Params.specs()) + 2 * len(toy.OUTPUTS)


def test_the_png_is_the_picture_shown():
    made = explore()
    made.result()
    kind, data = downloads(made)["toy.png"]
    assert kind == "image/png" and base64.b64encode(data).decode() == picture_of(made)


def test_the_line_of_text_is_the_same_every_time_and_names_changes_and_results():
    lines = set()
    for _ in range(2):
        made = explore()
        made.set(stall_rate_per_s=20.0)
        lines.add(made._repr_mimebundle_()[0]["text/plain"])
    (line,) = lines
    assert line.startswith("toy panel [Stall rate 20 /s] Total time 2.41 s · simulated ")
    assert line.endswith("· seed 7 · n=40)")
    assert "\n" not in line and len(line) < 400


def test_the_bundle_has_the_widget_the_picture_and_the_line():
    made = explore()
    data, metadata = made._repr_mimebundle_()
    assert set(data) == {"application/vnd.jupyter.widget-view+json", "image/png", "text/plain"}
    assert data["application/vnd.jupyter.widget-view+json"]["model_id"] == made.board.root.model_id
    image = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
    shown = Image.open(io.BytesIO(base64.b64decode(picture_of(made))))
    assert np.array_equal(np.asarray(image), np.asarray(shown))
    assert metadata["image/png"] == {
        "width": 760,
        "height": 440,
        "alt": made.picture.alt(made.params, made.theory, made.samples),
    }


def test_a_panel_with_a_broken_rule_still_displays():
    made = explore()
    made.set(deadline_ns=1.0)
    data, _ = made._repr_mimebundle_()
    assert data["text/plain"].startswith("toy panel: Deadline (deadline_ns) is 1 ns")


def test_in_a_kernel_the_first_display_has_the_simulation_in_it(tmp_path, monkeypatch):
    import nbformat
    from nbclient import NotebookClient

    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    source = f"import toy\nfrom nfvlab.widgets import explore\nexplore(toy, fields={FIELDS}, n=40, seed=7)"
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    NotebookClient(book, timeout=120, resources={"metadata": {"path": HERE}}).execute()
    (output,) = book.cells[0].outputs
    made = explore()
    assert output.data["text/plain"] == made._repr_mimebundle_()[0]["text/plain"]
    assert output.metadata["image/png"]["alt"].startswith("What has been sent")
