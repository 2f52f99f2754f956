"""The panel of interrupt delivery in JupyterLab: quick, never blank, a halting guest has other knobs; step by step."""

import statistics

import pytest

pytest.importorskip("playwright", reason="playwright is not installed (pip install -e '.[test]')")
pytest.importorskip("jupyterlab", reason="jupyterlab is not installed (pip install -e '.[lab]')")
from browser import lab

from nfvlab.paths import notebooks_dir

pytestmark = pytest.mark.skipif(
    lab.CHROMIUM is None, reason="no chromium on PATH (on Debian: apt-get install chromium)"
)
STEPS = "from nfvlab.apicv import steps_examples\nsteps_examples.posted()"


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    folder = tmp_path_factory.mktemp("notebook")
    with lab.panel(notebooks_dir() / "03_apicv.ipynb", folder, STEPS) as opened:
        yield opened


def slider(page, label):
    return lab.row(page, label).get_by_role("slider")


def test_every_key_paints(session, capsys):
    page, times = session.page, []
    for label, key in (("Interrupts", "ArrowRight"), ("EOI exits", "ArrowRight"), ("VM exit", "ArrowRight")):
        slider(page, label).focus()
        times += [session.press(key) for _ in range(5)]
    assert None not in times, "a key was pressed and no new picture came"
    page.wait_for_function("() => document.querySelector('.nfvlab-picture').innerText.includes('simulated')")
    seen = session.seen()
    assert seen["frames"] > len(times) and seen["blank"] == 0
    assert session.outside == [] and session.errors == []
    with capsys.disabled():
        print(
            f"\napicv, slider key to painted picture: median {statistics.median(times):.0f} ms of {len(times)}"
        )


def test_a_halting_guest_has_other_knobs(session):
    page = session.page
    page.get_by_role("button", name="Reset").click()
    assert page.get_by_text("IF = 0, share", exact=True).is_visible()
    page.get_by_label("Scenario").select_option("halting, host polls")
    page.get_by_text("Host polls", exact=True).wait_for(state="visible")
    page.get_by_text("IF = 0, share", exact=True).wait_for(state="hidden")
    page.get_by_label("Scenario").select_option("busy forwarder")
    page.get_by_text("IF = 0, share", exact=True).wait_for(state="visible")
    assert session.outside == [] and session.errors == []


def test_the_virtual_apic_goes_step_by_step(session):
    page = session.page
    forward = page.get_by_role("button", name="Next")
    text = page.locator("[aria-live]", has_text="A posted interrupt").last
    for _ in range(2):
        forward.click()
    text.get_by_text("virtualised").wait_for()
    assert (
        "VIRR" in page.locator(".nfvlab-changed").all_inner_texts()[-1]
        or page.locator(".nfvlab-changed", has_text="VIRR").count()
    )
