"""A panel in a real JupyterLab: what a reader sees, moves, is told and takes away."""

import statistics
from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="playwright is not installed (pip install -e '.[test]')")
pytest.importorskip("jupyterlab", reason="jupyterlab is not installed (pip install -e '.[lab]')")
import toy
from browser import lab

pytestmark = pytest.mark.skipif(
    lab.CHROMIUM is None, reason="no chromium on PATH (on Debian: apt-get install chromium)"
)

CELL = """
import toy
from nfvlab.widgets import explore

explore(
    toy,
    fields={
        "Transfer": ["size_bytes", "link_bytes_per_s", "deadline_ns"],
        "Stalls": ["stalls_on", "stall_rate_per_s", "stall_ns", "pattern"],
    },
    n=60,
    seed=7,
)
"""

START = toy.SCENARIOS["a good link"]


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    path: Path = lab.notebook([CELL], tmp_path_factory.mktemp("notebook") / "panel.ipynb")
    with lab.opened(path) as opened:
        opened.run_all()
        opened.watch()
        yield opened


@pytest.fixture
def page(session):
    session.page.get_by_label("Scenario").select_option("a good link")
    session.page.get_by_role("button", name="Reset").click()
    settle(session.page, START)
    return session.page


def settle(page, state):
    """Wait until the panel is in this state (the code comes after the picture) and its Monte Carlo is shown."""
    for _ in range(200):
        if python(page) == state:
            break
        page.wait_for_timeout(50)
    assert python(page) == state
    page.wait_for_function("() => document.querySelector('.nfvlab-picture').innerText.includes('simulated')")
    page.wait_for_selector(".nfvlab-links a", state="visible")


def row(page, label):
    """The row of the control with this label."""
    return page.locator(".nfvlab-row", has=page.get_by_text(label, exact=True))


def slider(page, label):
    return row(page, label).get_by_role("slider")


def python(page):
    if not page.locator(".nfvlab-code pre").is_visible():
        page.locator(".nfvlab-wide").get_by_text("Python", exact=True).click()
        page.wait_for_selector(".nfvlab-code pre", state="visible")
    space = {}
    exec(page.locator(".nfvlab-code pre").inner_text(), space)
    return space.get("p")  # a state that breaks a rule is a comment


def test_every_key_paints_a_new_picture_without_a_blank_frame_or_an_outside_request(session, page, capsys):
    slider(page, "Stall rate").focus()
    times = [session.press("ArrowRight") for _ in range(12)]
    assert None not in times, "a key was pressed and no new picture came"
    settle(page, START.replace(stall_rate_per_s=20.0))
    assert row(page, "Stall rate").get_by_role("textbox").input_value() == "20 /s"
    seen = session.seen()
    assert seen["frames"] > 12 and seen["blank"] == 0
    assert session.outside == []
    assert len(session.requests) > 10, "requests were not recorded"
    assert session.errors == []
    with capsys.disabled():
        print(f"\nslider key to painted picture: median {statistics.median(times):.0f} ms of {len(times)}")


def test_nothing_jumps_while_the_state_changes(session, page):
    def places():
        names = (".nfvlab-panel", ".nfvlab-controls", ".nfvlab-picture img", ".nfvlab-foot")
        return [page.locator(name).first.bounding_box() for name in names]

    before = places()
    slider(page, "Stall rate").focus()
    session.press("ArrowRight")
    assert places() == before, "while moving"
    settle(page, START.replace(stall_rate_per_s=9.0))
    assert places() == before, "with the Monte Carlo"
    slider(page, "Deadline").focus()
    page.keyboard.press("Home")
    page.wait_for_selector(".nfvlab-alert")
    assert places() == before, "with a broken rule"


def test_a_broken_rule_is_an_alert_over_the_picture_and_reset_clears_it(page):
    slider(page, "Deadline").focus()
    page.keyboard.press("Home")
    alert = page.get_by_role("alert")
    alert.wait_for()
    assert "Deadline (deadline_ns) is 100 ms" in alert.inner_text()
    page.get_by_role("button", name="Reset").click()
    alert.wait_for(state="detached")
    settle(page, START)


def test_a_typed_value_beyond_the_slider_is_taken_exactly(page):
    box = row(page, "Link").get_by_role("textbox")
    box.fill("400 Gbps")
    box.press("Enter")
    settle(page, START.replace(link_bytes_per_s=5e10))
    assert box.input_value() == "400 Gbit/s"


def test_a_scenario_moves_every_control(page):
    page.get_by_label("Scenario").select_option("a bad link")
    settle(page, toy.SCENARIOS["a bad link"])
    assert row(page, "Stall rate").get_by_role("textbox").input_value() == "40 /s"
    assert row(page, "Deadline").get_by_role("textbox").input_value() == "6 s"


@pytest.mark.parametrize("kind, start", [("CSV", b"kind,name,value"), ("PNG", b"\x89PNG\r\n")])
def test_the_links_download_what_they_say(page, kind, start):
    with page.expect_download() as download:
        page.get_by_role("link", name=kind).click()
    assert download.value.suggested_filename == f"toy.{kind.lower()}"
    assert Path(download.value.path()).read_bytes().startswith(start)


def test_controls_have_names_and_the_status_is_announced(page):
    panel = page.locator(".nfvlab-panel")
    for kind in ("textbox", "combobox", "checkbox"):
        for control in panel.get_by_role(kind).all():
            name = control.evaluate("e => (e.labels && e.labels[0] && e.labels[0].innerText) || e.title")
            assert name.strip(), control.evaluate("e => e.outerHTML")
    for box in panel.locator(".nfvlab-slider").all():
        assert ": " in box.locator("label").get_attribute("title")
    status = panel.get_by_role("status")
    assert "60 simulated runs, seed 7" in status.inner_text()
    assert status.get_attribute("aria-live") == "polite"
    assert panel.get_by_role("img").get_attribute("alt").startswith("What has been sent")


@pytest.mark.parametrize("width", [1280, 1920])
def test_rows_are_aligned_and_sliders_wide_enough(page, width):
    page.set_viewport_size({"width": width, "height": 860})
    page.wait_for_timeout(300)
    picture = page.locator(".nfvlab-picture img").bounding_box()
    assert picture["width"] >= 600
    assert picture["width"] / picture["height"] == pytest.approx(760 / 440, rel=0.01)
    tracks = [bar.bounding_box() for bar in page.locator(".nfvlab-slider .noUi-base").all()]
    assert min(track["width"] for track in tracks) >= 90
    for group in page.locator(".nfvlab-group").all():
        left = {
            round(label.bounding_box()["x"])
            for label in group.locator(".nfvlab-row .widget-label").all()
            if label.is_visible()
        }
        right = {
            round(box.bounding_box()["x"] + box.bounding_box()["width"])
            for box in group.locator("input[type=text]").all()
        }
        assert max(left) - min(left) <= 3 and len(right) == 1
    page.set_viewport_size({"width": 1280, "height": 860})
