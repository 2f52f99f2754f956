"""From slider key to painted picture in JupyterLab: our panels beside `interact` with matplotlib, in one run.

    python -m pytest -s tests/benchmarks/test_panel_latency.py

Milliseconds are printed; only the ratio is asserted, because both sides slow down together on a busy machine.
"""

import os
import statistics
from pathlib import Path

import pytest
from browser import lab, test_cat

from nfvlab.paths import notebooks_dir

pytestmark = pytest.mark.skipif(
    lab.CHROMIUM is None, reason="no chromium on PATH (on Debian: apt-get install chromium)"
)
KEYS = 20

INTERACT = """
%matplotlib inline
import matplotlib.pyplot as plt
import toy
from ipywidgets import IntSlider, interact


@interact(rate=IntSlider(8, 0, 50))
def draw(rate):
    p = toy.Params(stall_rate_per_s=float(rate))
    t = toy.analyze(p)
    figure, (left, right) = plt.subplots(1, 2, figsize=(7.6, 4.4), width_ratios=(3, 2))
    left.plot([0, t.best_ns / 1e9], [0, p.size_bytes / 2**30], "--", label="no stalls")
    left.plot([0, t.total_time_ns / 1e9], [0, p.size_bytes / 2**30], label="expected")
    left.axvline(p.deadline_ns / 1e9, ls=":")
    left.legend()
    left.set(xlabel="Time, s", ylabel="Sent, GiB")
    right.set(xlabel="Time to the end, s", ylabel="Still going, %")
    plt.show()
"""
TOY = """
import toy
from nfvlab.widgets import explore
explore(toy, fields=["stall_rate_per_s"], n=60, seed=7)
"""


def measured(cells: list[str], folder: Path, place: str, slider: str) -> tuple[float, dict]:
    """Median milliseconds of a key, and what the frames showed; half of the keys go back the way they came."""
    path = lab.notebook(cells, folder / "panel.ipynb")
    with lab.opened(path) as session:
        session.run_all(place)
        session.page.wait_for_timeout(1500)
        session.watch(place)
        session.page.locator(slider).first.focus()
        times = []
        for k in range(KEYS):
            times.append(session.press("ArrowRight" if k < KEYS // 2 else "ArrowLeft"))
            session.page.wait_for_timeout(150)  # a person's pace
        assert None not in times, times
        assert session.outside == []
        return statistics.median(times), session.seen()


def test_a_panel_paints_sooner_than_interact_and_never_blank(tmp_path):
    panel = (lab.PICTURE, ".nfvlab-controls [role=slider]")
    ours, seen = measured([TOY], tmp_path, *panel)
    free_pages, seen_too = measured(lab.panel_of(notebooks_dir() / "06_free_pages.ipynb"), tmp_path, *panel)
    masks, seen_three = measured(test_cat.cells(), tmp_path, *panel)
    usual, usually = measured([INTERACT], tmp_path, ".widget-interact", ".widget-interact [role=slider]")
    print(f"\nslider key to painted picture, median of {KEYS}; load {os.getloadavg()[0]:.1f}")
    for name, took, frames in (
        ("a small panel", ours, seen),
        ("free pages", free_pages, seen_too),
        ("masks", masks, seen_three),
        ("interact + matplotlib", usual, usually),
    ):
        ratio = took / usual
        print(
            f"  {name:22} {took:6.0f} ms   x {ratio:.2f}   blank frames {frames['blank']} of {frames['frames']}"
        )
    assert seen["blank"] == seen_too["blank"] == seen_three["blank"] == 0
    assert ours < usual and free_pages < usual and masks < usual
