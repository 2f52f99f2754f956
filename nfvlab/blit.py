"""A picture redrawn while a slider moves: static parts once, moving artists blitted, a quick PNG."""

import struct
import zlib
from collections.abc import Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from .style import style


def encode_png(rgba: np.ndarray, *, level: int = 1, dots_per_metre: int = 0) -> bytes:
    """PNG (8-bit RGB, no row filter) of an opaque uint8 image of shape (height, width, 3 or 4).

    Charts are flat colour, where the row filters that libpng tries cost more time than they save bytes.
    """
    height, width = rgba.shape[:2]
    rows = np.empty((height, 1 + 3 * width), np.uint8)
    rows[:, 0] = 0  # filter type "None" (PNG specification, section 9.2)
    for channel in range(3):
        rows[:, 1 + channel :: 3] = rgba[:, :, channel]

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    parts = [b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))]
    if dots_per_metre:
        parts.append(chunk(b"pHYs", struct.pack(">IIB", dots_per_metre, dots_per_metre, 1)))
    parts += [chunk(b"IDAT", zlib.compress(rows, level)), chunk(b"IEND", b"")]
    return b"".join(parts)


class Canvas:
    """An Agg canvas that keeps the static parts of a figure and blits the animated artists over them.

    matplotlib's own `stale` flag says when the static parts are out of date: an animated artist does not set
    it, a moved axis limit or a changed title does.
    """

    def __init__(self, figure: Figure, artists: Sequence[Artist]) -> None:
        self.figure, self.artists = figure, artists
        self.canvas = figure.canvas if isinstance(figure.canvas, FigureCanvasAgg) else FigureCanvasAgg(figure)
        self.full_draws = 0
        self._background = None

    def render(self) -> np.ndarray:
        """The picture as it stands: uint8 array (height, width, 4), a view that the next call overwrites."""
        self.refresh()
        self.canvas.restore_region(self._background)
        with style():  # some looks, such as the hinting of text, are those of the moment of drawing
            for artist in sorted(self.artists, key=lambda artist: artist.get_zorder()):
                (artist.axes or self.figure).draw_artist(artist)
        return np.asarray(self.canvas.buffer_rgba())

    def png(self, *, level: int = 1) -> bytes:
        """The picture as it stands, as PNG."""
        return encode_png(self.render(), level=level)

    def refresh(self) -> None:
        """Draw the static parts again if they have changed; the first time, lay the figure out."""
        if self._background is not None and not self.figure.stale:
            return
        with style():  # ticks made while drawing take their looks from the settings of that moment
            self.canvas.draw()
            if self.full_draws == 0:
                self.figure.set_layout_engine("none")  # laid out once: axes do not wander, redraws cost half
                _pin_labels(self.figure)
                self.canvas.draw()
        self._background = self.canvas.copy_from_bbox(self.figure.bbox)
        self.full_draws += 1


def _pin_labels(figure: Figure) -> None:
    """Keep x labels (and empty y labels) where they are; else each redraw measures all tick labels for them."""
    for axes in figure.axes:
        _, y = axes.transAxes.inverted().transform((0, axes.xaxis.label.get_position()[1]))
        axes.xaxis.set_label_coords(0.5, y)
        if not axes.get_ylabel():
            axes.yaxis.set_label_coords(0, 0.5)
