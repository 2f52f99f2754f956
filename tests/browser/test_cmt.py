"""The panel of the monitoring notebook in JupyterLab: quick, never blank, nothing from outside, rules shown."""

import statistics

import pytest

pytest.importorskip("playwright", reason="playwright is not installed (pip install -e '.[test]')")
pytest.importorskip("jupyterlab", reason="jupyterlab is not installed (pip install -e '.[lab]')")
from browser import lab

from nfvlab.cmt import Params
from nfvlab.paths import notebooks_dir

pytestmark = pytest.mark.skipif(
    lab.CHROMIUM is None, reason="no chromium on PATH (on Debian: apt-get install chromium)"
)


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    folder = tmp_path_factory.mktemp("notebook")
    with lab.panel(notebooks_dir() / "01_cmt_mbm.ipynb", folder) as opened:
        yield opened


def slider(page, label, which=0):
    row = page.locator(".nfvlab-row", has=page.get_by_text(label, exact=True)).nth(which)
    return row.get_by_role("slider")


def python(page):
    """The parameters that the panel's code makes."""
    page.locator(".nfvlab-wide").get_by_text("Python", exact=True).click()
    page.wait_for_selector(".nfvlab-code pre", state="visible")
    space = {}
    exec(page.locator(".nfvlab-code pre").inner_text(), space)
    page.locator(".nfvlab-wide").get_by_text("Python", exact=True).click()
    return space["p"]


def test_every_key_paints_and_the_state_is_the_one_shown(session, capsys):
    page, times = session.page, []
    before = python(page)
    for label, which, key in (
        ("Unit", 0, "ArrowRight"),
        ("Working set", 1, "ArrowLeft"),
        ("Threshold", 0, "ArrowRight"),
    ):
        slider(page, label, which).focus()
        times += [session.press(key) for _ in range(5)]
    assert None not in times, "a key was pressed and no new picture came"
    page.wait_for_function("() => document.querySelector('.nfvlab-picture').innerText.includes('simulated')")
    p = python(page)
    assert isinstance(p, Params) and set(p.changes(before)) == {"upscale_bytes", "threshold_bytes", "tenants"}
    assert p.upscale_bytes > before.upscale_bytes and p.threshold_bytes > before.threshold_bytes
    assert p.tenants[1].data_bytes < before.tenants[1].data_bytes and p.tenants[0] == before.tenants[0]
    seen = session.seen()
    assert seen["frames"] > len(times) and seen["blank"] == 0
    assert session.outside == [] and session.errors == []
    with capsys.disabled():
        median = statistics.median(times)
        print(f"\ncmt, slider key to painted picture: median {median:.0f} ms of {len(times)}")


def test_an_interval_too_long_for_the_run_is_a_rule_in_the_panel(session):
    page = session.page
    page.get_by_role("button", name="Reset").click()
    slider(page, "Sampling interval").focus()
    page.keyboard.press("End")
    alert = page.get_by_role("alert")
    alert.wait_for()
    assert "four readings" in alert.inner_text() and "ms" in alert.inner_text()
    assert page.locator(f"{lab.PICTURE} img").is_visible(), "the last good picture stays"
    page.get_by_role("button", name="Reset").click()
    alert.wait_for(state="detached")
    assert session.outside == [] and session.errors == []


def test_a_scenario_with_fewer_tenants_has_fewer_controls(session):
    page = session.page
    page.get_by_role("button", name="Reset").click()
    assert page.get_by_text("Tenant 3", exact=True).is_visible()
    page.get_by_label("Scenario").select_option("phases")
    page.get_by_text("Tenant 3", exact=True).wait_for(state="detached")
    assert len(python(page).tenants) == 2
    page.get_by_label("Scenario").select_option("three tenants")
    page.get_by_text("Tenant 3", exact=True).wait_for(state="visible")
    assert session.errors == []
