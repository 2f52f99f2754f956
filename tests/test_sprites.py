"""Text from the store looks like matplotlib's own, wherever it is put."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from nfvlab import sprites
from nfvlab.sprites import SpriteCanvas, SpriteRenderer
from nfvlab.style import style


def drawn(canvas, x=30.0, y=40.0, text="8 GiB, 3.2 µs", ground="white", halo=False, **how):
    figure = Figure(figsize=(2, 1), dpi=100, facecolor=ground)
    canvas = canvas(figure)
    figure.text(x / 200, y / 100, text, **how).halo = halo
    canvas.draw()
    return np.asarray(canvas.buffer_rgba()).astype(int)


def test_at_whole_pixels_it_is_the_same_but_for_rounding():
    for color in ("black", "#0173b2"):
        ours, plain = drawn(SpriteCanvas, color=color), drawn(FigureCanvasAgg, color=color)
        assert (plain != 255).any()
        assert np.abs(ours - plain).max() <= 2


@pytest.mark.parametrize("text", ["8 GiB, 3.2 µs", "1111.11 ms", "free pages skipped"])
def test_between_pixels_and_unhinted_it_is_half_a_pixel_off_at_most(text):
    with style():
        ours, plain = (drawn(canvas, x=30.4, y=40.3, text=text) for canvas in (SpriteCanvas, FigureCanvasAgg))
    places = np.indices((100, 200))
    centres = [np.average(places, axis=(1, 2), weights=255 - image[:, :, 0]) for image in (ours, plain)]
    assert np.abs(centres[0] - centres[1]).max() <= 0.6
    assert (255 - ours).sum() == pytest.approx((255 - plain).sum(), rel=0.05)


@pytest.mark.parametrize("how", [{"rotation": 90}, {"text": r"$\lambda^2$"}, {"text": "two\nlines"}])
def test_what_is_not_plain_upright_text_is_left_to_matplotlib(how):
    ours, plain = (drawn(canvas, **how) for canvas in (SpriteCanvas, FigureCanvasAgg))
    assert (plain != 255).any()
    assert np.abs(ours - plain).mean() < (3 if "lines" in how.get("text", "") else 1e-9)


@pytest.mark.parametrize("x, y", [(-20, 50), (190, 50), (30, -4), (30, 97), (-500, 50), (30, 900)])
def test_it_may_leave_the_picture_on_every_side(x, y):
    ours, plain = (drawn(canvas, x=x, y=y) for canvas in (SpriteCanvas, FigureCanvasAgg))
    assert (ours != 255).any() == (plain != 255).any()
    assert np.abs(ours - plain).max() <= 2


def test_a_halo_sets_text_off_from_a_dark_ground():
    with_halo, without = (drawn(SpriteCanvas, ground="black", color="black", halo=h) for h in (True, False))
    assert (without[:, :, :3] == 0).all()
    assert (with_halo[:, :, :3] == 255).any()
    assert (with_halo[:, :, 3] == 255).all()


def test_transparent_text_and_ground_keep_their_share():
    faint, full = drawn(SpriteCanvas, alpha=0.5), drawn(SpriteCanvas)
    assert (255 - faint).sum() == pytest.approx((255 - full).sum() / 2, rel=0.05)
    assert drawn(SpriteCanvas, ground="none")[:, :, 3].max() > 200
    assert drawn(SpriteCanvas, ground="none")[:, :, 3].min() == 0


def test_what_has_been_drawn_is_pasted_and_the_store_is_bounded(monkeypatch):
    made = []
    render = SpriteRenderer._render
    monkeypatch.setattr(SpriteRenderer, "_render", lambda self, *a: made.append(a[1]) or render(self, *a))
    monkeypatch.setattr(sprites, "KEPT", 3)
    figure = Figure(figsize=(2, 1), dpi=100)
    canvas = SpriteCanvas(figure)
    text = figure.text(0.1, 0.5, "")
    for shown in ("a", "b", "a", "c", "a", "d", "a"):
        text.set_text(shown)
        canvas.draw()
        assert len(canvas.get_renderer()._sprites) <= 3
    assert made == ["a", "b", "c", "d", "a"]


def test_a_new_resolution_is_a_new_store():
    figure = Figure(figsize=(2, 1), dpi=100)
    canvas = SpriteCanvas(figure)
    first = canvas.get_renderer()
    assert canvas.get_renderer() is first
    figure.dpi = 200
    assert canvas.get_renderer() is not first
