"""The panel of the free-page notebook in JupyterLab: quick, never blank, nothing from outside, rules shown."""

import statistics

import pytest

pytest.importorskip("playwright", reason="playwright is not installed (pip install -e '.[test]')")
pytest.importorskip("jupyterlab", reason="jupyterlab is not installed (pip install -e '.[lab]')")
from browser import lab

from nfvlab.freepages import Params
from nfvlab.paths import notebooks_dir

pytestmark = pytest.mark.skipif(
    lab.CHROMIUM is None, reason="no chromium on PATH (on Debian: apt-get install chromium)"
)


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    folder = tmp_path_factory.mktemp("notebook")
    with lab.panel(notebooks_dir() / "06_free_pages.ipynb", folder) as opened:
        yield opened


def slider(page, label):
    row = page.locator(".nfvlab-row", has=page.get_by_text(label, exact=True))
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
    for label, key in (("Link", "ArrowLeft"), ("Guest memory", "ArrowRight"), ("Touched", "ArrowRight")):
        slider(page, label).focus()
        times += [session.press(key) for _ in range(5)]
    assert None not in times, "a key was pressed and no new picture came"
    page.wait_for_function("() => document.querySelector('.nfvlab-picture').innerText.includes('simulated')")
    p = python(page)
    moved = {"link_bytes_per_s", "ram_bytes", "touched_bytes"}
    assert set(p.changes(before)) == moved and isinstance(p, Params)
    assert p.link_bytes_per_s < before.link_bytes_per_s and p.ram_bytes > before.ram_bytes
    seen = session.seen()
    assert seen["frames"] > len(times) and seen["blank"] == 0
    assert session.outside == [] and session.errors == []
    with capsys.disabled():
        median = statistics.median(times)
        print(f"\nfree pages, slider key to painted picture: median {median:.0f} ms of {len(times)}")


def test_a_working_set_larger_than_the_guest_is_a_rule_in_the_panel(session):
    page = session.page
    page.get_by_role("button", name="Reset").click()
    slider(page, "Working set").focus()
    page.keyboard.press("End")
    alert = page.get_by_role("alert")
    alert.wait_for()
    assert "memory" in alert.inner_text() and "GiB" in alert.inner_text()
    assert page.locator(f"{lab.PICTURE} img").is_visible(), "the last good picture stays"
    page.get_by_role("button", name="Reset").click()
    alert.wait_for(state="detached")
    assert session.outside == [] and session.errors == []
