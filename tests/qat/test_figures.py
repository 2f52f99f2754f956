"""The pictures: what they show is what theory and simulation say, and each says so in words."""

import numpy as np
import pytest

from nfvlab import figures as house
from nfvlab import units
from nfvlab.qat import (
    figures,
    figures_map,
    figures_over_time,
    figures_steps,
    simulation,
    stations,
    studies,
)
from nfvlab.qat.analytic import analyze
from nfvlab.qat.params import WAYS, Params
from nfvlab.qat.scenarios import SCENARIOS
from nfvlab.units import Gbps, GiB, MiB, s

SEED = 2016
TALK = SCENARIOS["the talk"]
SMALL = TALK.replace(ram_bytes=1 * GiB, touched_bytes=384 * MiB, wss_bytes=128 * MiB, write_rate_per_s=2e4)
HOPELESS = SMALL.replace(link_bytes_per_s=0.1 * Gbps, write_rate_per_s=1e6, give_up_ns=5 * s)


@pytest.fixture(scope="module")
def samples():
    return simulation.simulate(SMALL, rng=np.random.default_rng(SEED), n=2)


@pytest.fixture(scope="module")
def runs():
    return studies.runs(SMALL, seed=SEED)


def test_scenarios_survive_json_and_differ():
    assert len(set(SCENARIOS.values())) == len(SCENARIOS)
    for name, p in SCENARIOS.items():
        assert Params.from_json(p.to_json()) == p, name


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_live_picture_draws_every_scenario(name):
    p = SCENARIOS[name]
    theory = analyze(p)
    picture = figures.Live(p)
    assert picture.draw(p, theory).startswith(b"\x89PNG")
    for bar, value in zip(picture.bars[1][2], theory.wire_bytes, strict=True):
        assert bar.get_width() == (value if np.isfinite(value) else 0)
    assert len(picture.headline(p, theory)) == 4


def test_dots_are_the_simulated_means(samples):
    picture = figures.Live(SMALL)
    picture.draw(SMALL, analyze(SMALL), samples)
    seen = samples.estimate()
    assert list(picture.totals.get_xdata()) == [seen[f"total_time_ns[{k}]"].value for k in range(3)]
    picture.draw(SMALL, analyze(SMALL))
    assert not len(picture.totals.get_xdata())


def test_bars_that_move_redraw_nothing_else():
    picture = figures.Live(SMALL)
    picture.draw(SMALL, analyze(SMALL))
    drawn = picture.canvas.full_draws
    near = SMALL.replace(engine_bits_per_s=1.01 * SMALL.engine_bits_per_s)
    picture.draw(near, analyze(near))
    assert picture.canvas.full_draws == drawn


def test_a_migration_that_does_not_complete_is_said_to():
    theory = analyze(HOPELESS)
    assert theory.converged_frac == (0.0, 0.0, 0.0)
    drawn = figures.figure(HOPELESS, theory)
    assert "does not complete" in drawn.alt and "nan" not in drawn.alt and "undefined" not in drawn.alt


def test_the_headline_compares_with_no_compression(samples):
    theory = analyze(SMALL)
    tile = figures.Live(SMALL).headline(SMALL, theory, samples)["On the wire, QAT"]
    saved = 100 * (theory.wire_bytes[2] / theory.wire_bytes[0] - 1)
    none = units.human("wire_bytes", theory.wire_bytes[0])
    assert f"none {none}: {saved:+.0f} %" in tile
    assert f"simulated {units.human('wire_bytes', samples.estimate()['wire_bytes[2]'].value)}" in tile


@pytest.mark.parametrize("accelerator", ("talk", "QATzip", "IAA"))
@pytest.mark.parametrize("method", ("threads zlib", "multifd zstd", "xbzrle"))
def test_what_is_left_out_of_the_panel_changes_nothing(accelerator, method):
    p = SMALL.replace(accelerator=accelerator, cpu_method=method, mlock=False, zero_mix_frac=0.2)
    picture, outputs = figures.Live(p), figures.TILES
    names = [
        *figures.ACCELERATORS,
        *figures.CPU_METHODS,
        *figures.ENCRYPTION,
        "channels_count",
        "packet_pages",
    ]
    left_out = [name for name in names if not picture.relevant(p, name)]
    before = analyze(p)
    for name in left_out:
        after = analyze(p.replace(**{name: other(p, name)}))
        assert all(getattr(after, output) == getattr(before, output) for output, _ in outputs), name
    assert "buffer_bytes" in left_out or accelerator == "QATzip"


def other(p, name):
    """Another value of a field."""
    value = getattr(p, name)
    return not value if isinstance(value, bool) else type(value)(value / 2)


def test_strips_cover_the_migration_without_gaps():
    for course in analyze(SMALL).courses:
        found = stations.spans(course)
        assert found[-1][1] == course.fluid.total_time_ns
        assert all(a[1] == b[0] and a[2] != b[2] for a, b in zip(found, found[1:], strict=False))
        assert all(start < end for start, end, _ in found)


def test_every_station_has_a_colour():
    assert set(stations.KINDS.values()) == set(stations.COLOURS)
    for p in SCENARIOS.values():
        for course in analyze(p).courses:
            assert {name for _, name in course.slowest} <= set(stations.KINDS)


@pytest.mark.parametrize("way", WAYS)
def test_busy_shares_add_up_to_what_was_used(runs, way):
    run = runs[way]
    t, shares = figures_over_time.busy(run)
    last = run.uses[-1]
    assert (np.diff(t) > 0).all() and t[-1] == last.t_ns
    for field in ("link_ns", "engine_ns", "thread_ns"):
        assert np.diff(t) @ shares[field] == pytest.approx(getattr(last, field), rel=0.02, abs=1e6)


def test_the_course_is_told_in_words(runs):
    drawn = figures_over_time.over_time(runs, analyze(SMALL), title="small")
    assert house.png(drawn, dpi=50).startswith(b"\x89PNG")
    table = figures_over_time.table(runs)
    link = float(table.loc["none", "link"].split()[0])
    assert f"none: link {link:.0f} %" in drawn.alt and "compressors" in drawn.alt
    assert table.loc["none", "compressors"] == "0 %"


def test_the_map_says_where_it_pays():
    frame = studies.gains(studies.MAP_BASE, [1 * Gbps, 10 * Gbps, 100 * Gbps], [0.1, 0.5, 1.0])
    drawn = figures_map.gains(frame, marks={"the talk": studies.place(TALK)}, titles={"CPU threads": "zstd"})
    assert house.png(drawn, dpi=50).startswith(b"\x89PNG")
    wide = frame[frame["way"] == "QAT"].set_index(["own_ratio", "link_bytes_per_s"])["gain_frac"]
    assert f"QAT: {100 * wide.max():+.0f} % at 1 Gbit/s and a ratio of 0.1" in drawn.alt
    assert "with pages of 0.1 no gain from 100 Gbit/s" in drawn.alt and "zstd: " in drawn.alt
    table = figures_map.table(frame, "QAT")
    assert table.loc["0.50", "10 Gbit/s"] == f"{100 * wide[0.5, 10 * Gbps]:+.0f} %"


def test_a_map_shows_what_does_not_complete():
    frame = studies.gains(HOPELESS, [0.1 * Gbps, 10 * Gbps], [0.1, 0.5])
    table = figures_map.table(frame, "QAT")
    assert table.loc["0.50", "100 Mbit/s"] == "does not complete"
    texts = [text.get_text() for axes in figures_map.gains(frame).axes for text in axes.texts]
    assert any("does not complete" in text for text in texts)


def test_bars_of_steps_are_as_long_as_their_sum():
    frame = studies.steps(SMALL, {"one": {}, "per page": {"cached_translation": False}}, seed=SEED)
    drawn = figures_steps.steps(frame)
    assert house.png(drawn, dpi=50).startswith(b"\x89PNG")
    ends = {}
    for bar in drawn.axes[0].patches:
        ends[bar.get_y()] = max(ends.get(bar.get_y(), 0.0), bar.get_x() + bar.get_width())
    assert list(ends.values()) == pytest.approx(list(frame.sum()))
    assert "per page: " in drawn.alt and "most of them to translate" in drawn.alt
    assert set(frame.index) == set(figures_steps.COLOURS)
