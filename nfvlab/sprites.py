"""An Agg canvas that keeps the text it has drawn: most of what a redraw writes it has written before.

Shaping and rendering text takes matplotlib 3.11 about 0.2 ms a letter, half the time of a live picture. Here each
string of a font, size and colour is rendered once and pasted, snapped to whole pixels; a `halo` on a text sets it off
from the lines it stands on.
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

    def draw_text(self, gc: Any, x: float, y: float, s: str, prop: Any, angle: float, ismath: Any = False,
                  mtext: Any = None) -> None:  # fmt: skip
        """Paste the string with its baseline at (x, y), y downwards."""
        if ismath or angle or gc.get_clip_rectangle() is not None:
            super().draw_text(gc, x, y, s, prop, angle, ismath, mtext)
            return
        halo = bool(getattr(mtext, "halo", False))
        key = (s, hash(prop), gc.get_rgb(), gc.get_alpha(), halo)
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
        width, height, descent = self.get_text_width_height_descent(s, prop, False)
        baseline = _PAD + math.ceil(height - descent)
        small = RendererAgg(math.ceil(width) + 2 * _PAD, baseline + math.ceil(descent) + _PAD, self.dpi)
        small.draw_text(gc, _PAD, baseline, s, prop, 0, False, mtext)
        image = np.asarray(small.buffer_rgba()).astype(np.uint16)
        cover = image[:, :, 3:]
        around = _spread(cover, max(1, round(self.dpi / 50))) if halo else np.zeros_like(cover)
        through = (255 - cover) * (255 - around) // 255
        ink = (image * cover + 255 * (around * (255 - cover) // 255)) // 255
        ink[:, :, 3:] = 255 - through
        return ink, through, baseline

    def _paste(self, ink: np.ndarray, through: np.ndarray, left: int, top: int) -> None:
        ground = np.asarray(self.buffer_rgba())
        x, y = max(-left, 0), max(-top, 0)
        place = ground[top + y : top + len(ink), left + x : left + ink.shape[1]]
        rows, columns = slice(y, y + place.shape[0]), slice(x, x + place.shape[1])
        if place.size:
            place[...] = place * through[rows, columns] // 255 + ink[rows, columns]


def _spread(cover: np.ndarray, reach: int) -> np.ndarray:
    """The largest value within `reach` pixels of each pixel."""
    out = cover.copy()
    for dy in range(-reach, reach + 1):
        for dx in range(-reach, reach + 1):
            if dx * dx + dy * dy <= reach * reach + 1:
                np.maximum(out, np.roll(cover, (dy, dx), (0, 1)), out=out)
    return out
