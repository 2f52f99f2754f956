"""The panel of a guest's deadline in JupyterLab: quick, never blank, early interrupts told; steps of the countdown."""

import statistics

import pytest

pytest.importorskip("playwright", reason="playwright is not installed (pip install -e '.[test]')")
pytest.importorskip("jupyterlab", reason="jupyterlab is not installed (pip install -e '.[lab]')")
from browser import lab

from nfvlab.paths import notebooks_dir

pytestmark = pytest.mark.skipif(
    lab.CHROMIUM is None, reason="no chromium on PATH (on Debian: apt-get install chromium)"
)
STEPS = "from nfvlab.timer import steps\nsteps.course('to zero')"


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    folder = tmp_path_factory.mktemp("notebook")
    with lab.panel(notebooks_dir() / "04_preemption_timer.ipynb", folder, STEPS) as opened:
        yield opened


def slider(page, label):
    return lab.row(page, label).get_by_role("slider")


def pressed(session, scenario, label, keys):
    """Milliseconds from each key on a slider to a new picture, beginning with a scenario."""
    session.page.get_by_label("Scenario").select_option(scenario)
    session.page.wait_for_timeout(1000)  # controls of the scenario come and go, and the simulation is done
    slider(session.page, label).focus()
    return [session.press(key) for key in keys]


def test_every_key_paints(session, capsys):
    page, times = session.page, {}
    for scenario, label, key, count in (
        ("coarse timer", "X, bit of the TSC", "ArrowLeft", 4),
        ("noisy host", "Noise", "ArrowRight", 5),
        ("noisy host", "Length of noise", "ArrowRight", 5),
    ):
        times[f"{scenario}: {label}"] = pressed(session, scenario, label, [key] * count)
        page.wait_for_timeout(200)
    found = [value for values in times.values() for value in values]
    assert None not in found, f"a key was pressed and no new picture came: {times}"
    page.wait_for_function("() => document.querySelector('.nfvlab-picture').innerText.includes('simulated')")
    seen = session.seen()
    assert seen["frames"] > len(found) and seen["blank"] == 0
    assert session.outside == [] and session.errors == []
    with capsys.disabled():
        said = ", ".join(f"{name} {statistics.median(values):.0f}" for name, values in times.items())
        print(f"\ntimer, slider key to painted picture, ms: median {statistics.median(found):.0f} ({said})")


def test_controls_that_do_nothing_are_away_and_early_interrupts_are_told(session):
    page = session.page
    page.get_by_label("Scenario").select_option("busy guest")
    page.get_by_text("Halt polling", exact=True).wait_for(state="hidden")
    page.get_by_label("Scenario").select_option("halting guest")
    page.get_by_text("Halt polling", exact=True).wait_for(state="visible")
    page.get_by_label("Scenario").select_option("coarse timer")
    alt = page.locator(f"{lab.PICTURE} img").first
    page.wait_for_function("() => document.querySelector('.nfvlab-picture img').alt.includes('served 100 %')")
    assert "preemption timer" in alt.get_attribute("alt")
    assert session.outside == [] and session.errors == []


def test_the_slider_in_use_keeps_the_focus_when_a_control_comes(session):
    page = session.page
    first = pressed(session, "busy guest", "Noise", ["ArrowRight"])
    page.get_by_text("Length of noise", exact=True).wait_for(state="visible")
    assert None not in [*first, session.press("ArrowRight"), session.press("ArrowRight")]


def test_the_countdown_goes_step_by_step(session):
    page = session.page
    forward = page.get_by_role("button", name="Next")
    for _ in range(4):
        forward.click()
    page.locator("[aria-live]", has_text="The countdown").get_by_text(
        "VMX-preemption timer expired"
    ).first.wait_for()
    assert page.locator(".nfvlab-changed", has_text="root").count()
