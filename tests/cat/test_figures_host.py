"""Pictures of a host: what is drawn is what was read and advised, and it can be read with two groups and with eight."""

import itertools

import numpy as np
import pytest
from cat.host_for_tests import Stretch, record
from cat.watched_for_tests import WAY, WAYS, cliff, flat, planted, power

from nfvlab.cat import figures_host
from nfvlab.cat.host import recommend
from nfvlab.figures import png
from nfvlab.llc.figures import COLOURS
from nfvlab.readers.resctrl import read_resctrl
from nfvlab.units import human

FULL = (1 << WAYS) - 1
NAMES = (
    "/",
    "vm",
    "database-primary",
    "batch",
    "web-frontend-production",
    "cache",
    "logs",
    "rt",
    "more",
    "tiny",
)


@pytest.fixture
def host(tmp_path):
    def run(count, *, domains=(0,), samples=20, seed=1):
        """So many groups: all ways for all, then two ways each."""
        rng, names = np.random.default_rng(seed), NAMES[:count]
        held = dict(
            zip(names, ((m, 0.2) for m in rng.dirichlet(np.full(count, 3.0)) * 18 + 0.3), strict=True)
        )
        apart = {name: 0x3 << 2 * k for k, name in enumerate(names)}
        stretches = [Stretch(samples, dict.fromkeys(names, FULL), held), Stretch(samples, apart)]
        truths = {name: planted(rng) for name in names}
        return read_resctrl(record(tmp_path / "r.json", rng, truths, stretches, domains=domains))

    return run


@pytest.fixture
def advice(tmp_path):
    truths = {"/": flat(3e8), "vm": power(4e9, 0.6), "web": cliff(2e9, 6, 2e8)}
    first = Stretch(30, dict.fromkeys(truths, FULL), {"/": (3, 0.5), "vm": (6, 1), "web": (8, 1)})
    second = Stretch(30, {"/": 0x3, "vm": 0xFFF00, "web": 0xF0})
    path = record(tmp_path / "a.json", np.random.default_rng(2), truths, [first, second])
    return recommend([read_resctrl(path)]).advices[0]


def drawn_texts(figure):
    """(text, box in pixels) of every text that shows."""
    png(figure, dpi=100)
    renderer = figure.canvas.get_renderer()
    found = [text for axes in figure.axes for text in axes.texts if text.get_text().strip()]
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        low, high = sorted(axis.get_view_interval())
        ticks = [tick for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
        found += [tick.label1 for tick in ticks if tick.label1.get_visible()]
    return [(text.get_text(), text.get_window_extent(renderer)) for text in found if text.get_text()]


def assert_readable(figure):
    """No text leaves the figure, and no name, number or mask touches another."""
    figure.set_dpi(100)
    boxes = drawn_texts(figure)
    for text, box in boxes:
        assert figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 + 1, text
        assert figure.bbox.y0 <= box.y0 and box.y1 <= figure.bbox.y1 + 1, text
    for (a, one), (b, other) in itertools.combinations(boxes, 2):
        if "changed" not in a + b and "upper" not in a + b:  # remarks inside the axes
            low, high = max(one.y0, other.y0), min(one.y1, other.y1)
            beside = one.x1 <= other.x0 or other.x1 <= one.x0
            assert beside or high - low <= 0.35 * min(one.height, other.height), (a, b)


@pytest.mark.parametrize("count", [2, 4, 8])
@pytest.mark.parametrize("domains", [(0,), (0, 1)])
def test_over_time_is_readable(host, count, domains):
    drawn = figures_host.over_time(*host(count, domains=domains))
    assert len(drawn.axes) == 3 * len(domains)
    assert_readable(drawn)


@pytest.mark.parametrize("count", [2, 4, 8])
def test_an_advice_is_readable(host, count):
    (advice,) = recommend([host(count)]).advices
    assert_readable(figures_host.curves(advice))
    assert_readable(figures_host.effect(advice))


def test_lines_are_the_recording(host):
    frame, meta = host(4)
    occupancy, bandwidth, _ = figures_host.over_time(frame, meta).axes
    for k, name in enumerate(NAMES[:4]):
        own = frame[frame["control_group"] == name]
        line = occupancy.get_lines()[k]
        assert line.get_color() == COLOURS[k]
        np.testing.assert_array_equal(line.get_ydata(), own["llc_occupancy_bytes"])
        np.testing.assert_array_equal(line.get_xdata(), own["t_ns"])
        moved = np.diff(own["mbm_total_bytes"]) / np.diff(own["t_ns"]) * 1e9
        np.testing.assert_allclose(bandwidth.get_lines()[k].get_ydata()[1:], moved)


def test_changes_of_masks_are_marked_and_lanes_show_the_ways(host):
    drawn = figures_host.over_time(*host(4, samples=15))
    for axes in drawn.axes:
        marks = [line for line in axes.get_lines() if list(line.get_xdata()) == [15e9, 15e9]]
        assert len(marks) == 1
    lanes = drawn.axes[2]
    shares = [(bar.get_y() + bar.get_height(), bar.get_height(), bar.get_x()) for bar in lanes.patches
              if bar.get_width() != 1 and bar.get_facecolor()[:3] != (0.9411764705882353,) * 3]  # fmt: skip
    later = [(top, -height) for top, height, x in shares if x == 15e9]
    assert len(later) == 4
    for k, (top, height) in enumerate(later):  # 2 of 20 ways, 2 k ways above the lane's lower edge
        assert height == pytest.approx(0.84 * 2 / WAYS)
        assert top == pytest.approx(k + 0.42 - 0.84 * (2 * k + 2) / WAYS)
    said = [text.get_text() for text in lanes.texts]
    assert said.count("fffff, 20 ways") == 4 and "c, 2 ways" in said and "3, 2 ways" in said
    assert "Masks changed at 15 s." in drawn.alt


def test_of_many_groups_the_largest_are_drawn(host):
    frame, meta = host(10)
    drawn = figures_host.over_time(frame, meta)
    assert len(drawn.axes[2].get_yticklabels()) == 8 and "Not drawn: 2 groups that hold less" in drawn.alt
    held = frame.groupby("control_group")["llc_occupancy_bytes"].mean().sort_values()
    assert not any(f"{name} in L3" in drawn.alt for name in held.index[:2])


def test_long_recordings_are_thinned_without_losing_their_mean(host):
    frame, meta = host(2, samples=500)
    line = figures_host.over_time(frame, meta).axes[0].get_lines()[0]
    assert len(line.get_xdata()) <= figures_host.MOST_POINTS
    own = frame[frame["control_group"] == "/"]["llc_occupancy_bytes"]
    assert np.mean(line.get_ydata()) == pytest.approx(own.mean(), rel=0.01)


def test_the_busiest_domains_are_drawn_unless_asked(host):
    frame, meta = host(2, domains=(0, 1, 2))
    busy = frame.copy()
    busy.loc[busy["domain"] == 2, "mbm_total_bytes"] *= 50
    busy.loc[busy["domain"] == 0, "mbm_total_bytes"] *= 0.01
    titles = [axes.get_title(loc="right") for axes in figures_host.over_time(busy, meta).axes]
    assert [title for title in titles if title] == ["L3 1", "L3 2"]
    assert len(figures_host.over_time(busy, meta, domains=(0,)).axes) == 3


def test_a_snapshot_and_a_part_without_bandwidth_are_drawn(host):
    frame, meta = host(2)
    one = frame[frame["sample"] == 0]
    assert "undefined" in figures_host.over_time(one, meta).alt
    png(figures_host.over_time(frame.assign(mbm_total_bytes=np.nan), meta))


def test_curves_show_bounds_points_now_and_then(advice):
    drawn = figures_host.curves(advice)
    panels = [axes for axes in drawn.axes if axes.axison]
    assert len(panels) == len(advice.curves)
    for k, axes in enumerate(panels):
        curve, ways = advice.curves[k], advice.allocation.ways[k]
        by_label = {line.get_label(): line for line in axes.get_lines()}
        np.testing.assert_array_equal(by_label["estimate"].get_ydata(), curve.estimate[1:])
        assert by_label["now"].get_xydata().tolist() == [[advice.now_ways[k], advice.now_rate[k]]]
        assert by_label["recommended"].get_xydata().tolist() == [[ways, curve.estimate[ways]]]
        (seen,) = axes.containers
        assert seen[0].get_xdata().tolist() == [level.mean_ways for level in curve.levels]
        (band,) = (c for c in axes.collections if c.get_label() == "where it may lie")
        (path,), low, high = band.get_paths(), curve.lower[ways], curve.upper[ways]
        for x in (ways - 0.4, ways + 0.4):  # one step a way count, from the lower to the upper bound
            if 1 < x < WAYS:
                inside = [(x, low + share * (high - low)) for share in (0.01, 0.99)]
                assert path.contains_points(inside).all()
                assert not path.contains_points([(x, low - 0.05 * high), (x, 1.05 * high)]).any()
        assert (
            any("no upper bound" in text.get_text() for text in axes.texts) == np.isinf(curve.upper[1:]).any()
        )
        assert axes.get_ylim()[1] > max(level.rate for level in curve.levels)
        assert f"with {ways} ways {human('x_bytes_per_s', curve.estimate[ways])}" in drawn.alt


def test_the_effect_has_its_range(advice):
    drawn = figures_host.effect(advice)
    (axes,) = drawn.axes
    assert axes.get_xscale() == "linear"
    bars = [line for line in axes.get_lines() if line.get_linewidth() == 7]
    for bar, (name, (expected, least, most)) in zip(bars, advice.effect().items(), strict=True):
        assert bar.get_xdata().tolist() == [least, most]
        words = f"{human('x_bytes_per_s', expected)} ({human('x_bytes_per_s', least)} to"
        assert words in drawn.alt and name in drawn.alt
    now, then = advice.now_rate.sum(), sum(expected for expected, _, _ in advice.effect().values())
    assert f"{human('x_bytes_per_s', now)} → {human('x_bytes_per_s', then)}" in axes.get_title(loc="right")


def test_groups_of_very_different_traffic_are_all_seen(tmp_path):
    """The range of the small one takes part of a logarithmic scale; what leaves it ends in an arrow."""
    truths = {"/": flat(3e9), "rt": power(4e6, 0.6)}
    stretch = Stretch(30, dict.fromkeys(truths, FULL), {"/": (9, 1), "rt": (6, 1)})
    path = record(tmp_path / "r.json", np.random.default_rng(3), truths, [stretch])
    (advice,) = recommend([read_resctrl(path)], weights={"rt": 1e6}).advices
    drawn = figures_host.effect(advice)
    (axes,) = drawn.axes
    assert axes.get_xscale() == "log"
    (expected, least, most), (left, right) = advice.effect()["rt"], axes.get_xlim()
    bar = next(line for line in axes.get_lines() if line.get_linewidth() == 7 and line.get_ydata()[0] == 1)
    assert least == 0 and bar.get_xdata().tolist() == [left, most] and left < expected < most < right
    assert any(line.get_marker() == "<" and line.get_ydata() == [1] for line in axes.get_lines())
    assert_readable(drawn)


def test_what_nothing_bounds_is_drawn_open(host):
    (bold,) = recommend([host(3)], cautious=False, weights={"vm": 1e-6, "/": 1.0}).advices
    k = next(k for k, (_, _, most) in enumerate(bold.effect().values()) if np.isinf(most))
    drawn = figures_host.effect(bold)
    assert any(line.get_marker() == ">" and line.get_ydata() == [k] for line in drawn.axes[0].get_lines())
    assert "or more)" in drawn.alt and "inf" not in drawn.alt


def test_sizes_are_not_thousands_of_anything(host):
    frame, meta = host(2)
    figure = figures_host.over_time(frame, meta)
    assert figure.axes[0].get_title(loc="left") == "Occupancy, MiB"
    assert figure.axes[0].get_ylim()[1] >= frame["llc_occupancy_bytes"].max() >= WAY
