"""The panel of free pages in a real JupyterLab: quick, never blank, nothing from outside, rules shown."""

import statistics

import pytest

pytest.importorskip("playwright", reason="playwright is not installed (pip install -e '.[test]')")
pytest.importorskip("jupyterlab", reason="jupyterlab is not installed (pip install -e '.[lab]')")
from browser import lab

from nfvlab import freepages

pytestmark = pytest.mark.skipif(
    lab.CHROMIUM is None, reason="no chromium on PATH (on Debian: apt-get install chromium)"
)

START = "8 GiB, application ended"
CELL = f"""
from nfvlab import freepages
from nfvlab.widgets import explore

explore(
    freepages,
    scenario={START!r},
    fields={{
        "Guest": ["ram_bytes", "touched_bytes", "touched_freed", "wss_bytes", "write_rate_per_s"],
        "Network": ["link_bytes_per_s", "downtime_limit_ns"],
        "Free pages": ["skipping", "transport"],
    }},
    n=4,
    seed=7,
)
"""


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    path = lab.notebook([CELL], tmp_path_factory.mktemp("notebook") / "free_pages.ipynb")
    with lab.opened(path) as opened:
        opened.run_all()
        opened.watch()
        yield opened


def slider(page, label):
    row = page.locator(".nfvlab-row", has=page.get_by_text(label, exact=True))
    return row.get_by_role("slider")


def python(page):
    page.locator(".nfvlab-wide").get_by_text("Python", exact=True).click()
    page.wait_for_selector(".nfvlab-code pre", state="visible")
    space = {}
    exec(page.locator(".nfvlab-code pre").inner_text(), space)
    page.locator(".nfvlab-wide").get_by_text("Python", exact=True).click()
    return space["p"]


def test_every_key_paints_and_the_state_is_the_one_shown(session, capsys):
    page, times = session.page, []
    for label, key in (("Link", "ArrowLeft"), ("Downtime limit", "ArrowLeft"), ("RAM", "ArrowRight")):
        slider(page, label).focus()
        times += [session.press(key) for _ in range(5)]
    assert None not in times, "a key was pressed and no new picture came"
    page.wait_for_function("() => document.querySelector('.nfvlab-picture').innerText.includes('simulated')")
    p, start = python(page), freepages.SCENARIOS[START]
    assert p.ram_bytes > start.ram_bytes and p.link_bytes_per_s < start.link_bytes_per_s
    assert p == start.replace(
        **{name: getattr(p, name) for name in ("ram_bytes", "link_bytes_per_s", "downtime_limit_ns")}
    )
    seen = session.seen()
    assert seen["frames"] > len(times) and seen["blank"] == 0
    assert session.outside == [] and session.errors == []
    with capsys.disabled():
        print(
            f"\nfree pages, slider key to painted picture: median {statistics.median(times):.0f} ms of {len(times)}"
        )


def test_a_working_set_larger_than_the_guest_is_a_rule_in_the_panel(session):
    page = session.page
    page.get_by_role("button", name="Reset").click()
    slider(page, "RAM").focus()
    page.keyboard.press("Home")
    alert = page.get_by_role("alert")
    alert.wait_for()
    assert "ram" in alert.inner_text().lower()
    assert page.locator(f"{lab.PICTURE} img").is_visible(), "the last good picture stays"
    page.get_by_role("button", name="Reset").click()
    alert.wait_for(state="detached")
    assert session.outside == [] and session.errors == []
