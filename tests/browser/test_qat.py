"""The panel of compressed migrations in JupyterLab: quick, never blank, other knobs for other devices, rules shown."""

import statistics

import pytest

pytest.importorskip("playwright", reason="playwright is not installed (pip install -e '.[test]')")
pytest.importorskip("jupyterlab", reason="jupyterlab is not installed (pip install -e '.[lab]')")
from browser import lab

from nfvlab.paths import notebooks_dir

pytestmark = pytest.mark.skipif(
    lab.CHROMIUM is None, reason="no chromium on PATH (on Debian: apt-get install chromium)"
)
SAID = "() => document.querySelector('.nfvlab-picture').innerText.includes('{}')"
UNSAID = "() => !document.querySelector('.nfvlab-picture').innerText.includes('{}')"


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    folder = tmp_path_factory.mktemp("notebook")
    with lab.panel(notebooks_dir() / "07_qat.ipynb", folder, height=1000) as opened:
        yield opened


def test_every_key_paints(session, capsys):
    page, times = session.page, {}
    for scenario, label, key in (
        ("the talk", "Link", "ArrowRight"),
        ("small ring, far engine", "Ring", "ArrowRight"),
        ("busy guest", "Page writes", "ArrowLeft"),
    ):
        page.get_by_label("Scenario").select_option(scenario)
        page.wait_for_timeout(1000)
        lab.row(page, label).get_by_role("slider").focus()
        times[label] = []
        for _ in range(5):
            times[label].append(session.press(key))
            page.wait_for_timeout(150)  # a person's pace
    assert None not in sum(times.values(), []), f"a key was pressed and no new picture came: {times}"
    page.wait_for_function(SAID.format("simulated"), timeout=30_000)
    seen = session.seen()
    assert seen["frames"] > sum(map(len, times.values())) and seen["blank"] == 0
    assert session.outside == [] and session.errors == []
    with capsys.disabled():
        said = ", ".join(f"{label} {statistics.median(found):.0f}" for label, found in times.items())
        print(f"\nqat, slider key to painted picture, ms: median {said}")


def test_a_guest_that_is_too_fast_for_one_way_is_said_to_be(session):
    page = session.page
    page.get_by_label("Scenario").select_option("the talk")
    page.wait_for_function(UNSAID.format("does not complete"))
    page.get_by_label("Scenario").select_option("busy guest")
    page.wait_for_function(SAID.format("CPU threads does not complete"))
    alt = page.locator(f"{lab.PICTURE} img").first.get_attribute("alt")
    assert "does not complete" in alt and "nan" not in alt


def test_a_control_is_there_only_where_the_accelerator_uses_it(session):
    page = session.page
    page.get_by_label("Scenario").select_option("the talk")
    page.get_by_text("Wait when full", exact=True).wait_for(state="visible")
    page.get_by_text("Own ratio", exact=True).wait_for(state="hidden")
    page.get_by_text("Channels", exact=True).wait_for(state="hidden")
    page.get_by_label("Scenario").select_option("QATzip, 64 GiB")
    page.get_by_text("Channels", exact=True).wait_for(state="visible")
    page.get_by_text("Wait when full", exact=True).wait_for(state="hidden")
    page.wait_for_function(SAID.format("QATzip"))


def test_a_link_without_a_rate_is_a_rule_in_the_panel_and_the_picture_stays(session):
    page = session.page
    page.get_by_label("Scenario").select_option("the talk")
    page.wait_for_function(UNSAID.format("QATzip"))
    page.wait_for_function(SAID.format("simulated"))  # at rest: what is typed next is not written over
    entry = lab.row(page, "Link").locator(".nfvlab-entry input")
    entry.wait_for(state="visible")
    entry.fill("0")
    entry.press("Enter")
    alert = page.get_by_role("alert")
    alert.wait_for()
    assert "must lie in" in alert.inner_text()
    assert page.locator(f"{lab.PICTURE} img").is_visible()
    page.get_by_role("button", name="Reset").click()
    alert.wait_for(state="detached")
    assert session.errors == []
