"""What a feature's `figures.py` needs: house style, base of live pictures, figures with alternative text."""

from .blit import Canvas, encode_png
from .picture import Picture, limits
from .results import with_error
from .still import Figure, footnote, png
from .style import (
    BAND,
    BASELINE,
    FAINT,
    INK,
    LINESTYLES,
    PALETTE,
    PUBLISHED,
    RECORDED,
    SIMULATION,
    THEORY,
    direct_label,
    quantity,
    spread,
    style,
    theme,
    words,
)

__all__ = [
    "BAND",
    "BASELINE",
    "FAINT",
    "INK",
    "LINESTYLES",
    "PALETTE",
    "PUBLISHED",
    "RECORDED",
    "SIMULATION",
    "THEORY",
    "Canvas",
    "Figure",
    "Picture",
    "direct_label",
    "encode_png",
    "footnote",
    "limits",
    "png",
    "quantity",
    "spread",
    "style",
    "theme",
    "with_error",
    "words",
]
