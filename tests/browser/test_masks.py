"""Rows of ways in a real JupyterLab: clicked, dragged, typed, and moved by keys."""

import pytest

pytest.importorskip("playwright", reason="playwright is not installed (pip install -e '.[test]')")
pytest.importorskip("jupyterlab", reason="jupyterlab is not installed (pip install -e '.[lab]')")
import toy_tenants as toy
from browser import lab

pytestmark = pytest.mark.skipif(
    lab.CHROMIUM is None, reason="no chromium on PATH (on Debian: apt-get install chromium)"
)

CELL = """
import toy_tenants
from nfvlab.widgets import explore

panel = explore(
    toy_tenants,
    scenario="four",
    fields={"Tenant": ["tenants[*].data_bytes", "tenants[*].data_mask"]},
    n=5,
    seed=7,
)
panel
"""


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    path = lab.notebook([CELL], tmp_path_factory.mktemp("notebook") / "masks.ipynb")
    with lab.opened(path, width=1500, height=1000) as opened:
        opened.run_all()
        opened.watch()
        yield opened


@pytest.fixture
def page(session):
    session.page.get_by_role("button", name="Reset").click()
    expect(session.page, ["7", "38", "1c0", "e00"])
    return session.page


def expect(page, masks):
    script = "want => [...document.querySelectorAll('.nfvlab-hex input')].map(e => e.value).join() === want"
    page.wait_for_function(script, arg=",".join(masks))


def test_a_click_gives_a_way_and_takes_it_back(page):
    cell = page.get_by_title("Tenant 2 data mask, way 6")
    cell.click()
    expect(page, ["7", "78", "1c0", "e00"])
    cell.click()
    expect(page, ["7", "38", "1c0", "e00"])


def test_a_block_is_dragged_whole(page):
    strip = page.locator(".nfvlab-ways").nth(1).bounding_box()
    block = page.locator(".nfvlab-block .noUi-connect").nth(1).bounding_box()
    x, y = block["x"] + block["width"] / 2, block["y"] + block["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 3 * strip["width"] / 12, y, steps=6)
    page.mouse.up()
    expect(page, ["7", "1c0", "1c0", "e00"])


def test_an_end_moves_by_keys(session, page):
    page.locator(".nfvlab-block .noUi-handle-upper").nth(3).focus()
    assert session.press("ArrowRight") is not None
    expect(page, ["7", "38", "1c0", "f00"])


def test_cells_stand_under_their_numbers_and_over_the_block(page):
    heads = page.locator(".nfvlab-ways-head span")
    cells = page.locator(".nfvlab-ways").first.locator("button")
    assert heads.count() == cells.count() == 12
    for k in (0, 5, 11):
        above, cell = heads.nth(k).bounding_box(), cells.nth(k).bounding_box()
        assert abs(above["x"] + above["width"] / 2 - cell["x"] - cell["width"] / 2) <= 4
    block = page.locator(".nfvlab-block .noUi-connect").first.bounding_box()
    assert abs(block["x"] - cells.nth(9).bounding_box()["x"]) <= 4
    assert cells.first.bounding_box()["width"] >= 16


def test_a_button_of_the_picture_moves_all_masks(page):
    page.get_by_role("button", name="Share the ways evenly").click()
    expect(page, ["7", "38", "1c0", "e00"])
    page.get_by_label("Scenario").select_option("two")
    expect(page, ["fff", "fff"])
    page.get_by_role("button", name="Share the ways evenly").click()
    expect(page, [f"{t.data_mask:x}" for t in toy.even(toy.SCENARIOS["two"]).tenants])
    page.get_by_label("Scenario").select_option("four")
    expect(page, ["7", "38", "1c0", "e00"])
