"""The panel of a device's interrupt in JupyterLab: quick, never blank, other knobs for other scenarios, rules shown."""

import statistics

import pytest

pytest.importorskip("playwright", reason="playwright is not installed (pip install -e '.[test]')")
pytest.importorskip("jupyterlab", reason="jupyterlab is not installed (pip install -e '.[lab]')")
from browser import lab

from nfvlab.paths import notebooks_dir

pytestmark = pytest.mark.skipif(
    lab.CHROMIUM is None, reason="no chromium on PATH (on Debian: apt-get install chromium)"
)
STEPS = "from nfvlab.vfio import steps\nsteps.fatal('PREEMPT_RT: IRQF_NO_THREAD, sleeping lock')"


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    folder = tmp_path_factory.mktemp("notebook")
    with lab.panel(notebooks_dir() / "05_vfio_msi.ipynb", folder, STEPS, height=1000) as opened:
        yield opened


def test_every_key_paints(session, capsys):
    page, times = session.page, {}
    for scenario, labels in (
        ("isolated CPU", ("Wake-up", "Switch")),
        ("load above vCPU", ("Load", "Its bursts")),
    ):
        page.get_by_label("Scenario").select_option(scenario)
        lab.row(page, labels[1]).get_by_role("slider").wait_for(state="visible")
        page.wait_for_timeout(1000)
        times[scenario] = []
        for label in labels:
            lab.row(page, label).get_by_role("slider").focus()
            for _ in range(5):
                times[scenario].append(session.press("ArrowRight"))
                page.wait_for_timeout(150)  # a person's pace
    assert None not in sum(times.values(), []), "a key was pressed and no new picture came"
    page.wait_for_function("() => document.querySelector('.nfvlab-picture').innerText.includes('simulated')")
    seen = session.seen()
    assert seen["frames"] > sum(map(len, times.values())) and seen["blank"] == 0
    assert session.outside == [] and session.errors == []
    with capsys.disabled():
        for scenario, found in times.items():
            median = statistics.median(found)
            print(
                f"\nvfio, {scenario}: slider key to painted picture: median {median:.0f} ms of {len(found)}"
            )


def test_an_irq_thread_below_a_busy_vcpu_never_comes_and_the_panel_says_so(session):
    page = session.page
    page.get_by_label("Scenario").select_option("isolated CPU")
    picture = page.locator(lab.PICTURE)
    page.wait_for_function("() => !document.querySelector('.nfvlab-picture').innerText.includes('never')")
    page.get_by_label("Scenario").select_option("IRQ thread below vCPU")
    page.wait_for_function("() => document.querySelector('.nfvlab-picture').innerText.includes('never')")
    assert "threaded never" in picture.locator("img").get_attribute("alt")


def test_a_control_is_there_only_where_the_scenario_uses_it(session):
    page = session.page
    page.get_by_label("Scenario").select_option("isolated CPU")
    page.get_by_text("Its bursts", exact=True).wait_for(state="hidden")
    page.get_by_label("Scenario").select_option("load above vCPU")
    page.get_by_text("Its bursts", exact=True).wait_for(state="visible")


def test_smis_that_take_half_of_the_time_are_a_rule_in_the_panel_and_the_picture_stays(session):
    page = session.page
    page.get_by_label("Scenario").select_option("SMIs")
    entry = lab.row(page, "SMI").locator(".nfvlab-entry input")
    entry.wait_for(state="visible")
    entry.fill("60 ms")
    entry.press("Enter")
    alert = page.get_by_role("alert")
    alert.wait_for()
    assert "half of the CPU" in alert.inner_text()
    assert page.locator(f"{lab.PICTURE} img").is_visible()
    page.get_by_role("button", name="Reset").click()
    alert.wait_for(state="detached")
    assert session.errors == []
