"""The pictures of the notebook: they can be drawn, say what they show, and show what the models say."""

import numpy as np
import pytest
from matplotlib.patches import FancyBboxPatch

from nfvlab import cmt
from nfvlab import figures as house
from nfvlab.cmt import (
    figures,
    figures_counting,
    figures_limbo,
    figures_mechanism,
    figures_recorded,
    figures_rotation,
    recorded,
    studies,
    studies_limbo,
    studies_misleading,
)
from nfvlab.cmt.params import Params, Tenant
from nfvlab.paths import data_file
from nfvlab.readers.resctrl import read_resctrl
from nfvlab.units import GB, KiB, MiB, ms, s

SEED = 2016
SMALL = Params(
    cache_sets=256,
    upscale_bytes=4 * KiB,
    threshold_bytes=8 * KiB,
    sample_ns=0.2 * ms,
    warmup_ns=2 * ms,
    measured_ns=2 * ms,
    tenants=(
        Tenant(workload="packets", data_bytes=128 * KiB, skew_exponent=0.4, ring_count=64),
        Tenant(workload="scan", data_bytes=4 * MiB, parallelism_ratio=4.0, remote_frac=0.3),
        Tenant(workload="zipf", data_bytes=512 * KiB, work_ns=20.0),
    ),
)


def check(figure, *words):
    """It can be drawn, and its alternative text has the words."""
    assert house.png(figure, dpi=50).startswith(b"\x89PNG")
    assert len(figure.alt) > 60 and not [word for word in words if word not in figure.alt], figure.alt


@pytest.fixture(scope="module")
def samples():
    return cmt.simulate(SMALL, rng=np.random.default_rng(SEED), n=2)


def test_the_live_picture_shows_theory_at_once_and_the_run_after_a_rest(samples):
    live, theory = figures.Live(SMALL), cmt.analyze(SMALL)
    live.draw(SMALL, theory)
    assert [list(level.get_ydata()) for level in live.levels[:3]] == [
        [held] * 2 for held in theory.occupancy_bytes
    ]
    assert all(not len(dots.get_xdata()) for dots in (*live.dots, *live.told, live.decayed))
    live.draw(SMALL, theory, samples)
    assert np.allclose(live.dots[1].get_ydata(), samples.readings_bytes[0, :, 1])
    assert len(live.told[1].get_xdata()) == samples.read_ns.shape[1]
    assert [bar.get_width() for bar in live.bars[:3]] == list(theory.bandwidth_bytes_per_s)
    assert live.decayed.get_ydata()[0] == samples.decay_bytes[0][0]


def test_dots_of_the_live_picture_stand_on_its_grid_of_units(samples):
    live = figures.Live(SMALL)
    live.draw(SMALL, cmt.analyze(SMALL), samples)
    unit = SMALL.upscale_bytes / (samples.values("bandwidth_bytes_per_s[0]")[0] * SMALL.sample_ns / s)
    shares = samples.total_per_s[0, :, 0] / samples.values("bandwidth_bytes_per_s[0]")[0]
    assert np.allclose(shares / unit, np.round(shares / unit), atol=1e-6)
    edges = sorted({segment[0, 0] for segment in live.grid.get_segments() if segment[0, 1] < 0.5})
    theory = SMALL.upscale_bytes / (cmt.analyze(SMALL).bandwidth_bytes_per_s[0] * SMALL.sample_ns / s)
    assert np.allclose(np.diff(edges), theory)


@pytest.mark.parametrize("name", cmt.SCENARIOS)
def test_every_scenario_is_drawn_and_told(name):
    p = cmt.SCENARIOS[name]
    figure = cmt.figure(p)
    check(figure, "Cache held by each RMID", "RMID 1 clean after", "one reading")
    assert ("never" in figure.alt) == np.isinf(cmt.analyze(p).clean_wait_ns)


def test_the_picture_follows_a_scenario_with_other_tenants():
    live = figures.Live(SMALL)
    live.draw(SMALL, cmt.analyze(SMALL))
    alone = SMALL.replace(tenants=SMALL.tenants[1:2])
    live.draw(alone, cmt.analyze(alone))
    assert [bool(name.get_text()) for name in live.names] == [True] + [False] * 7
    assert live.bars[1].get_width() == 0 and not len(live.levels[1].get_xdata())
    assert list(live.headline(alone, cmt.analyze(alone))) == ["Tenant 1, scan", "RMID 1 clean after"]


def test_a_tail_runs_from_the_end_to_what_is_left():
    t = np.geomspace(1e3, 1e7, 30)
    x, y = figures._tail(10.0, 4e6, t, 1e6 * np.exp(-t / 1e6), 1e6)
    assert x[0] == 10.0 and y[0] == 1e6 and x[-1] == 4e6
    assert y[-1] == pytest.approx(1e6 * np.exp(-4), rel=0.02) and (np.diff(y) <= 1e-6).all()


def test_lines_that_nobody_can_evict_stay_level():
    alone = SMALL.replace(tenants=SMALL.tenants[2:])
    theory = cmt.analyze(alone)
    left = figures.between(np.array([1e3, 1e9]), theory.decay_t_ns, theory.decay_bytes)
    assert np.allclose(left, theory.occupancy_bytes[0], rtol=0.01) and np.isinf(theory.clean_wait_ns)


def test_the_mechanism_is_told_in_words_that_fit_their_boxes():
    for figure in (figures_mechanism.tags(), figures_mechanism.life()):
        check(figure, "RMID")
        axes, renderer = figure.axes[0], figure.canvas.get_renderer()
        figure.draw(renderer)
        boxes = [
            patch.get_window_extent(renderer) for patch in axes.patches if isinstance(patch, FancyBboxPatch)
        ]
        texts = [text.get_window_extent(renderer) for text in axes.texts]
        assert len(boxes) >= 3
        for box in boxes:
            (text,) = [
                t
                for t in texts
                if box.x0 < (t.x0 + t.x1) / 2 < box.x1 and box.y0 < (t.y0 + t.y1) / 2 < box.y1
            ]
            assert box.x0 <= text.x0 and text.x1 <= box.x1 and box.y0 <= text.y0 and text.y1 <= box.y1


def test_errors_and_turns_are_drawn():
    frame = studies.readings(SMALL, [1, 2, 5], finest_ns=0.1 * ms, seed=SEED, n=1)
    check(figures_counting.errors(frame, upscale_bytes=4 * KiB), "Tenant 2, scan", "41 units pass in")
    check(
        figures_counting.turns(frame, "Tenant 2, scan", turn_ns=0.2 * ms, label="a width"),
        "a width",
        "one turn of the counter, 200 µs",
    )


def test_parts_are_drawn_with_the_one_that_is_furthest_off():
    frame = studies.corrections()
    check(figures_counting.corrections(frame), "18 of 28 parts miscount", "11 cores", "1.454545")


def test_nodes_are_drawn():
    check(
        figures_counting.nodes(studies.nodes(SMALL, [0.0, 0.5], seed=SEED, n=2)), "Tenant 3, zipf", "points"
    )


def test_traps_are_drawn_a_row_each():
    made = studies_misleading.misled(studies_misleading.CASES[:2], seed=SEED)
    figure = figures_counting.misleading(made)
    check(figure, "the counter went round: 12% in theory")
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()][1].endswith("Tenant 2, scan")


def test_departures_waits_refusals_and_rotation_are_drawn():
    made = studies_limbo.departures({"company": SMALL}, seed=SEED, n=2)
    check(figures_limbo.decays(made), "company:", "clean after")
    wait = studies_limbo.waits(SMALL, [10.0, 1e4], [8 * KiB], seed=SEED, n=1)
    check(figures_limbo.waits(wait), "threshold 8 KiB")
    refused = studies_limbo.refusals([1.0, 4.0], {"host": 1 * ms}, rmid_count=3, lifetime_ns=1 * s, seed=SEED)
    check(figures_limbo.refusals(refused, rmid_count=3), "3 RMIDs", "without limbo")
    turns = studies_limbo.rotations(
        SMALL, [4, 8], rmid_count=5, footprint_bytes=40 * KiB, seed=SEED, duration_ns=20 * s
    )
    check(figures_rotation.watched(turns, rmid_count=5), "at 8 groups")


def test_a_recording_is_drawn_with_its_changes():
    frame, _ = read_resctrl(data_file("recordings", "resctrl", "simulated_600ms.jsonl"))
    course = recorded.of_resctrl(frame)
    figure = figures_recorded.course(course, changes={0.0: "shared", 2e8: "apart"}, title="a host")
    check(figure, "a host", "neighbour holds")
    assert {"shared", "apart"} <= {text.get_text() for text in figure.axes[0].texts}
    table = figures_recorded.good_for(
        course, unit_bytes=64 * KiB, interval_ns=10 * ms, memory_bytes_per_s=40 * GB
    )
    assert "27.5 s" in table.title and "long enough" in table.title  # 2^24 units of 64 KiB are a TiB
    assert [row["group"] for row in table.rows] == ["/", "neighbour", "realtime", "vm_packets"]
    short = figures_recorded.good_for(
        course, unit_bytes=64 * KiB, interval_ns=10 * ms, counter_bits=18, memory_bytes_per_s=40 * GB
    )
    assert "too short" in short.title
