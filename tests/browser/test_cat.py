"""The panel of masks in JupyterLab: ways by click, drag and key, CDP, the proposal taken; quick and never blank."""

import statistics

import pytest

pytest.importorskip("playwright", reason="playwright is not installed (pip install -e '.[test]')")
pytest.importorskip("jupyterlab", reason="jupyterlab is not installed (pip install -e '.[lab]')")
from browser import lab

from nfvlab import cat
from nfvlab.cat import propose
from nfvlab.paths import notebooks_dir

pytestmark = pytest.mark.skipif(
    lab.CHROMIUM is None, reason="no chromium on PATH (on Debian: apt-get install chromium)"
)
KEYS = 20
START = "packets beside a stream"


def cells():
    """The notebook's imports, the name of its scenario, and its panel."""
    imports, panel = lab.panel_of(notebooks_dir() / "02_cat_cdp.ipynb")
    return [imports, f"beside = {START!r}", panel]


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    path = lab.notebook(cells(), tmp_path_factory.mktemp("notebook") / "cat.ipynb")
    with lab.opened(path, width=1280, height=1000) as opened:
        opened.run_all()
        opened.watch()
        yield opened


@pytest.fixture
def page(session):
    """The panel as it opens."""
    session.page.get_by_label("Scenario").select_option(START)
    session.page.get_by_role("button", name="Reset").click()
    expect(session.page, cat.SCENARIOS[START])
    return session.page


def expect(page, p):
    """Wait until the fields of the masks show those of a scenario: data, and with CDP code, tenant by tenant."""
    masks = [m for t in p.tenants for m in ((t.data_mask, t.code_mask) if p.cdp else (t.data_mask,))]
    script = "want => [...document.querySelectorAll('.nfvlab-hex input')].filter(e => e.offsetParent)"
    page.wait_for_function(
        f"{script}.map(e => e.value).join() === want", arg=",".join(f"{m:x}" for m in masks)
    )


def masked(p, tenant, **masks):
    tenants = list(p.tenants)
    tenants[tenant] = tenants[tenant].replace(**masks)
    return p.replace(tenants=tuple(tenants))


def way(page, row, number):
    """The button of a way in a row of the table; 0 stands at the right."""
    return page.locator(".nfvlab-ways").nth(row).locator("button").nth(19 - number)


def clicked(session, button):
    """Milliseconds from a click to a new picture."""
    before = len(session.seen()["painted"])
    button.evaluate(
        "b => b.addEventListener('click', e => { window.nfvlabSeen.pressed = e.timeStamp; }, {once: true})"
    )
    button.click()
    session.page.wait_for_function(f"window.nfvlabSeen.painted.length > {before}", timeout=5000)
    seen = session.seen()
    return seen["painted"][before] - seen["pressed"]


def test_ways_are_given_and_taken_by_clicks(session, page, capsys):
    p, times = cat.SCENARIOS[START], []
    for number in range(5):
        times.append(clicked(session, way(page, 1, number)))
        expect(page, masked(p, 1, data_mask=0xFFFFF ^ ((2 << number) - 1)))
    for number in reversed(range(5)):
        times.append(clicked(session, way(page, 1, number)))
    expect(page, p)
    with capsys.disabled():
        print(
            f"\ncat, click on a way to painted picture: median {statistics.median(times):.0f} ms of {len(times)}"
        )


def test_a_gap_is_a_rule_in_the_panel_and_the_picture_stays(session, page):
    way(page, 0, 7).click()
    alert = page.get_by_role("alert")
    alert.wait_for()
    assert "must be one block of ways" in alert.inner_text() and "Tenant 1" in alert.inner_text()
    assert page.locator(f"{lab.PICTURE} img").is_visible()
    way(page, 0, 7).click()
    alert.wait_for(state="detached")
    expect(page, cat.SCENARIOS[START])


def test_a_block_is_dragged_whole(page):
    page.get_by_label("Scenario").select_option("packets beside a stream, CAT")
    p = cat.SCENARIOS["packets beside a stream, CAT"]
    expect(page, p)
    strip = page.locator(".nfvlab-ways").nth(1).bounding_box()
    block = page.locator(".nfvlab-block .noUi-connect").nth(1).bounding_box()
    x, y = block["x"] + block["width"] / 2, block["y"] + block["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 4 * strip["width"] / p.cache_ways, y, steps=6)
    page.mouse.up()
    expect(page, masked(p, 1, data_mask=p.tenants[1].data_mask << 4))


def test_cdp_brings_a_second_row_for_each_tenant(page):
    rows = page.locator(".nfvlab-ways").locator("visible=true")
    assert rows.count() == 2
    toggle = page.get_by_label("CDP: two masks each")
    toggle.click()
    page.wait_for_function("() => document.querySelectorAll('.nfvlab-hex input').length === 4")
    assert rows.count() == 4
    expect(page, cat.SCENARIOS[START].replace(cdp=True))
    toggle.click()
    expect(page, cat.SCENARIOS[START])
    assert rows.count() == 2


@pytest.mark.parametrize("name", ["the talk's example, CDP", "the talk's example, no masks", "too few ways"])
def test_a_scenario_with_other_rows_and_ways_is_shown_as_it_is(page, name):
    page.get_by_label("Scenario").select_option(name)
    expect(page, cat.SCENARIOS[name])
    page.wait_for_function("() => document.querySelector('.nfvlab-picture').innerText.includes('simulated')")
    expect(page, cat.SCENARIOS[name])  # nothing that the page sends back moves a mask
    page.get_by_label("Scenario").select_option(START)
    expect(page, cat.SCENARIOS[START])


def test_the_proposal_is_taken_by_a_button(page):
    p = cat.SCENARIOS[START]
    page.get_by_role("button", name="Take the proposal").click()
    expect(page, propose.proposal(p).params)
    name = "packets beside a stream, CDP"
    page.get_by_label("Scenario").select_option(name)
    expect(page, cat.SCENARIOS[name])
    page.get_by_role("button", name="Take the proposal").click()
    expect(page, propose.proposal(cat.SCENARIOS[name]).params)


def test_every_key_paints_and_nothing_is_blank_or_from_outside(session, page, capsys):
    page.locator(".nfvlab-row", has=page.get_by_text("Data", exact=True)).get_by_role("slider").first.focus()
    times = []
    for k in range(KEYS):
        times.append(session.press("ArrowRight" if k < KEYS // 2 else "ArrowLeft"))
        page.wait_for_timeout(150)  # a person's pace
    assert None not in times, "a key was pressed and no new picture came"
    page.wait_for_function("() => document.querySelector('.nfvlab-picture').innerText.includes('simulated')")
    seen = session.seen()
    assert seen["frames"] > len(times) and seen["blank"] == 0
    assert session.outside == [] and session.errors == []
    with capsys.disabled():
        median = statistics.median(times)
        print(f"\ncat, slider key to painted picture: median {median:.0f} ms of {len(times)}")
