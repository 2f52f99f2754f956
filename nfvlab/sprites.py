"""An Agg canvas that keeps the text it has drawn: most of what a redraw writes it has written before.

Shaping and rendering text takes matplotlib 3.11 about 0.2 ms a letter, half the time of a live picture. Here each
string of a font, size and colour is rendered once and pasted, snapped to whole pixels, and strings with digits, which
are new at every step of a slider, are put together from letters that have been. A `halo` sets text off from lines.
"""

import math
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg

KEPT = 1000  # strings; a slider dragged for an hour makes new numbers all the time
_PAD = 5


class SpriteCanvas(FigureCanvasAgg):
    """The Agg canvas with the renderer below."""

    def get_renderer(self) -> "SpriteRenderer":
        """The renderer for the present size, made anew when the size or resolution changes."""
        plain = super().get_renderer()
        if not isinstance(plain, SpriteRenderer):
            self.renderer = SpriteRenderer(plain.width, plain.height, plain.dpi)
        return self.renderer


class SpriteRenderer(RendererAgg):
    """Agg, with upright plain text from a store of rendered strings."""

    def __init__(self, width: float, height: float, dpi: float) -> None:
        super().__init__(width, height, dpi)
        self._sprites: dict[tuple, tuple[np.ndarray, np.ndarray, int]] = {}
        self._letters: dict[tuple, tuple[np.ndarray, int, float]] = {}

    def draw_text(self, gc: Any, x: float, y: float, s: str, prop: Any, angle: float, ismath: Any = False,
                  mtext: Any = None) -> None:  # fmt: skip
        """Paste the string with its baseline at (x, y), y downwards."""
        if ismath or angle or gc.get_clip_rectangle() is not None:
            super().draw_text(gc, x, y, s, prop, angle, ismath, mtext)
            return
        halo = bool(getattr(mtext, "halo", False))
        key = (s, hash(prop), gc.get_rgb(), halo)
        if key not in self._sprites:
            if len(self._sprites) >= KEPT:
                self._sprites.clear()
            self._sprites[key] = self._render(gc, s, prop, mtext, halo)
        ink, through, baseline = self._sprites[key]
        self._paste(ink, through, round(x) - _PAD, round(y) - baseline)

    def _render(
        self, gc: Any, s: str, prop: Any, mtext: Any, halo: bool
    ) -> tuple[np.ndarray, np.ndarray, int]:
        """Ink to add and share of the ground that shows through (uint16, 0..255), and the row of the baseline."""
        number = any(letter.isdigit() for letter in s)  # it changes with every step, its letters do not
        cover, baseline = self._compose(s, prop) if number else self._cover(s, prop, 0.0, mtext)
        *color, opacity = (round(255 * part) for part in gc.get_rgb())
        cover = cover[:, :, None] * opacity // 255
        around = _spread(cover, max(1, round(self.dpi / 50))) if halo else np.zeros_like(cover)
        through = (255 - cover) * (255 - around) // 255
        ink = (np.array([*color, 255], np.uint16) * cover + 255 * (around * (255 - cover) // 255)) // 255
        ink[:, :, 3:] = 255 - through
        return ink, through, baseline

    def _cover(self, s: str, prop: Any, phase: float, mtext: Any = None) -> tuple[np.ndarray, int]:
        """How much of each pixel the string covers (uint16, 0..255), `phase` of a pixel to the right."""
        width, height, descent = self.get_text_width_height_descent(s, prop, False)
        baseline = _PAD + math.ceil(height - descent)
        small = RendererAgg(math.ceil(width) + 2 * _PAD, baseline + math.ceil(descent) + _PAD, self.dpi)
        small.draw_text(small.new_gc(), _PAD + phase, baseline, s, prop, 0, False, mtext)
        return np.asarray(small.buffer_rgba())[:, :, 3].astype(np.uint16), baseline

    def _compose(self, s: str, prop: Any) -> tuple[np.ndarray, int]:
        """A string put together from its letters, each to a quarter of a pixel; without kerning."""
        placed, at = [], 0.0
        for letter in s:
            whole, quarter = divmod(round(4 * at), 4)
            key = (letter, quarter, hash(prop))
            if key not in self._letters:
                self._letters[key] = (*self._cover(letter, prop, quarter / 4), self._advance(letter, prop))
            cover, baseline, advance = self._letters[key]
            placed.append((cover, baseline, whole))
            at += advance
        above = max(baseline for _, baseline, _ in placed)
        below = max(len(cover) - baseline for cover, baseline, _ in placed)
        out = np.zeros((above + below, max(x + cover.shape[1] for cover, _, x in placed)), np.uint16)
        for cover, baseline, x in placed:
            place = out[above - baseline : above - baseline + len(cover), x : x + cover.shape[1]]
            np.maximum(place, cover, out=place)
        return out, above

    def _advance(self, letter: str, prop: Any) -> float:
        """From one letter to the next, in pixels."""
        with_letter, without = (
            self.get_text_width_height_descent(s, prop, False)[0] for s in (f"|{letter}|", "||")
        )
        return with_letter - without

    def _paste(self, ink: np.ndarray, through: np.ndarray, left: int, top: int) -> None:
        ground = np.asarray(self.buffer_rgba())
        x, y = max(-left, 0), max(-top, 0)
        place = ground[top + y : top + len(ink), left + x : left + ink.shape[1]]
        rows, columns = slice(y, y + place.shape[0]), slice(x, x + place.shape[1])
        if place.size:
            place[...] = place * through[rows, columns] // 255 + ink[rows, columns]


def _spread(cover: np.ndarray, reach: int) -> np.ndarray:
    """The largest value within `reach` rows and columns of each pixel."""
    for axis in (0, 1):
        shifted = [np.roll(cover, step, axis) for step in range(-reach, reach + 1)]
        cover = np.maximum.reduce(shifted)
    return cover
