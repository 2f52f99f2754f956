"""House style, blitted pictures, axes in human units, figures with alternative text."""

import base64
import io

import matplotlib as mpl
import numpy as np
import pytest
import seaborn as sns
import toy
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure as PlainFigure
from PIL import Image

from nfvlab import figures, units
from nfvlab.units import GiB, MiB

GOOD, BAD = toy.SCENARIOS["a good link"], toy.SCENARIOS["a bad link"]


def drawn(picture, p, n=0):
    samples = toy.simulate(p, rng=np.random.default_rng(3), n=n) if n else None
    return Image.open(io.BytesIO(picture.draw(p, toy.analyze(p), samples)))


def test_the_palette_is_seaborns_for_the_colour_blind():
    assert list(figures.PALETTE) == sns.color_palette("colorblind").as_hex()
    assert figures.PALETTE.blue == figures.PALETTE[0]


def test_every_role_differs_in_line_style_or_marker_too():
    roles = (figures.THEORY, figures.BASELINE, figures.SIMULATION, figures.PUBLISHED, figures.RECORDED)
    looks = [(role["linestyle"], role.get("marker")) for role in roles]
    assert len(set(looks)) == len(looks)


def test_a_style_block_leaves_the_readers_settings_alone():
    before = dict(mpl.rcParams)
    with figures.style():
        assert mpl.rcParams["axes.spines.top"] is False
    assert dict(mpl.rcParams) == before


def test_the_theme_stays():
    with mpl.rc_context():
        figures.theme()
        assert mpl.rcParams["axes.prop_cycle"].by_key()["color"] == list(figures.PALETTE)


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([3, 4]), st.integers(0, 9), st.integers(0, 99))
def test_the_png_holds_every_pixel(height, width, channels, level, seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)
    pixels[:, :, 3:] = 255
    picture = Image.open(io.BytesIO(figures.encode_png(pixels, level=level)))
    assert np.array_equal(np.asarray(picture), pixels[:, :, :3])


def test_moving_artists_costs_no_full_drawing_and_moving_limits_one():
    picture = toy.figures.Live(GOOD)
    drawn(picture, GOOD)
    assert picture.canvas.full_draws == 1
    drawn(picture, GOOD.replace(stall_rate_per_s=9.0))
    assert picture.canvas.full_draws == 1
    drawn(picture, BAD)
    assert picture.canvas.full_draws == 2


def test_while_the_limits_rest_a_picture_does_not_depend_on_what_was_drawn_before():
    moved, fresh = toy.figures.Live(GOOD), toy.figures.Live(GOOD)
    for rate in (8.5, 7.5, 9.0):
        drawn(moved, GOOD.replace(stall_rate_per_s=rate), n=20)
    assert drawn(moved, GOOD).tobytes() == drawn(fresh, GOOD).tobytes()
    assert drawn(moved, GOOD, n=20).tobytes() != drawn(fresh, GOOD).tobytes()


def test_a_picture_keeps_its_size_and_fills_it():
    picture = toy.figures.Live(GOOD)
    image = drawn(picture, GOOD, n=20)
    assert image.size == tuple(round(inches * picture.dpi) for inches in picture.size)
    ink = np.asarray(image.convert("L")) < 250
    rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
    assert rows[0] > 0 and rows[-1] < image.height - 1, "cut off above or below"
    assert columns[0] > 0 and columns[-1] < image.width - 1, "cut off at a side"
    assert columns[-1] - columns[0] > 0.9 * image.width


POSITIVE = st.floats(1e-3, 1e15)


@given(POSITIVE, st.lists(st.floats(0.35, 1.0), max_size=8))
def test_limits_hold_the_data_and_rest_while_they_serve(high, shares):
    low, top = figures.limits([0, high], None)
    assert low == 0 and high <= top <= 1.6 * high
    for share in shares:
        assert figures.limits([0, share * top], (low, top)) is None
    assert figures.limits([0, 1.01 * top], (low, top))[1] > 1.01 * top
    assert figures.limits([0, 0.3 * top], (low, top))[1] < 0.6 * top


@given(POSITIVE, POSITIVE)
def test_log_limits_are_decades_around_the_data(a, b):
    low, top = figures.limits([a, b, 0.0, -1.0], None, log=True)
    assert low <= min(a, b) * (1 + 1e-9) and max(a, b) * (1 - 1e-9) <= top
    assert np.log10([low, top]) == pytest.approx(np.round(np.log10([low, top])))


def test_limits_ignore_what_is_not_a_number_and_keep_when_there_is_nothing():
    assert figures.limits([np.nan, np.inf], (0, 1)) is None
    assert figures.limits([np.nan, 0.9], (0, 1)) is None
    assert figures.limits([0.0, 0.0], None) == (0, 1)
    assert figures.limits([[0.2], np.array([0.95])], None, name="late_frac") == (0, 1)
    low, high = figures.limits([-5.0, 5.0], None)
    assert low < -5 and high > 5


def test_an_axis_counts_in_the_unit_people_read():
    figure = PlainFigure()
    axes = figure.subplots()
    axes.set_ylim(0, 10 * GiB)
    figures.quantity(axes.yaxis, "ram_bytes", "Left to send")
    assert axes.get_title(loc="left") == "Left to send, GiB"
    assert all(value % GiB == 0 for value in axes.get_yticks())
    axes.set_ylim(0, 100 * MiB)
    assert axes.get_title(loc="left") == "Left to send, MiB"
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels[:3] == ["0", "20", "40"]


def test_a_log_axis_writes_the_unit_at_every_tick():
    figure = PlainFigure()
    axes = figure.subplots()
    axes.set_xscale("log")
    axes.set_xlim(1e6, 1e10)
    figures.quantity(axes.xaxis, "downtime_ns", "Downtime")
    assert axes.get_xlabel() == "Downtime"
    shown = [text for text in (axes.xaxis.get_major_formatter()(v, 0) for v in (1e6, 1e9)) if text]
    assert shown == [units.human("downtime_ns", 1e6), units.human("downtime_ns", 1e9)] == ["1 ms", "1 s"]


@pytest.mark.parametrize(
    "name, text",
    [
        ("ram_bytes", "RAM"),
        ("write_rate_per_s", "Write rate"),
        ("max_bandwidth_bytes_per_s", "Max bandwidth"),
        ("rom_pages", "ROM pages"),
        ("vcpu_idle_frac", "vCPU idle"),
        ("zipf_exponent", "Zipf exponent"),
        ("auto_converge", "Auto converge"),
    ],
)
def test_names_in_words(name, text):
    assert figures.words(name) == text


@given(st.lists(st.floats(-1e3, 1e3), max_size=8), st.floats(0.1, 50))
def test_labels_are_moved_apart_in_order_and_no_farther_than_needed(positions, gap):
    placed = figures.spread(positions, gap)
    order = np.argsort(positions, kind="stable")
    assert np.all(np.diff(np.array(placed)[order]) >= gap - 1e-6)
    assert sum(placed) == pytest.approx(sum(positions), abs=1e-6)
    if np.all(np.diff(np.sort(positions)) >= gap):
        assert placed == pytest.approx(positions, abs=1e-6)


def test_end_labels_neither_meet_nor_leave_their_axes():
    for p in (GOOD.replace(stall_rate_per_s=0.0), GOOD, BAD):
        picture = toy.figures.Live(p)
        drawn(picture, p)
        (axes, pairs) = picture._ends[0]
        boxes = [text.get_window_extent() for _, text in pairs if text.get_visible()]
        assert len(boxes) == 2
        assert not boxes[0].overlaps(boxes[1])
        assert all(box.x1 <= axes.bbox.x1 + 2 for box in boxes)


def test_a_still_figure_knows_its_alternative_text_and_needs_no_pyplot():
    from IPython.core.formatters import DisplayFormatter

    samples = toy.simulate(GOOD, rng=np.random.default_rng(1), n=50)
    figure = toy.figure(GOOD, samples=samples)
    data, metadata = DisplayFormatter().format(figure)
    picture = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
    assert picture.width > 1000
    assert data["text/plain"] == figure.alt == metadata["image/png"]["alt"]
    assert metadata["image/png"]["width"] == 760
    assert figure.alt.startswith("What has been sent, as time passes. Total time ")
    assert "simulated" in figure.alt and "Late" in figure.alt


def test_the_same_figure_is_the_same_bytes():
    assert figures.png(toy.figure(GOOD)) == figures.png(toy.figure(GOOD))


def test_a_still_figure_shows_the_moving_parts():
    empty = PlainFigure(figsize=(7.6, 4.4), dpi=150)
    figures.footnote(empty, "nfvlab 0.1.0 · seed 1 · n=2")
    assert [text.get_text() for text in empty.texts] == ["nfvlab 0.1.0 · seed 1 · n=2"]
    blue = tuple(int(figures.THEORY["color"][i : i + 2], 16) for i in (1, 3, 5))
    pixels = np.asarray(Image.open(io.BytesIO(figures.png(toy.figure(GOOD)))).convert("RGB"))
    assert np.count_nonzero((pixels == blue).all(axis=2)) > 500


def test_the_headline_is_in_human_units_with_the_simulation_beside():
    theory = toy.analyze(GOOD)
    picture = toy.figures.Live(GOOD)
    assert picture.headline(GOOD, theory) == {
        "Total time": units.human("total_time_ns", theory.total_time_ns),
        "Stalls count": units.human("stalls_count", theory.stalls_count),
        "Late": units.human("late_frac", theory.late_frac),
    }
    samples = toy.simulate(GOOD, rng=np.random.default_rng(1), n=50)
    line = picture.headline(GOOD, theory, samples)["Total time"]
    assert line.partition(" · ")[2] == "simulated " + figures.with_error(
        "total_time_ns", samples.estimate()["total_time_ns"]
    )


def test_a_picture_without_show_says_what_is_missing():
    class Bare(figures.Picture):
        """Nothing."""

    with pytest.raises(NotImplementedError, match=r"Bare\.show"):
        Bare(GOOD).draw(GOOD, toy.analyze(GOOD))


def test_one_of_several_is_numbered():
    assert figures.words("miss_frac[0]") == "Miss 1" and figures.words("unit_ns[2]") == "Unit 3"
